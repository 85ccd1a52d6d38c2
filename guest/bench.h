/* SPDX-License-Identifier: MIT */
/*
 * bench.h: what the programs of ./pagoda bench mm, bench file and bench pressure have in common.
 *
 * The same program runs in Pagoda and in Linux, in a QEMU whose time-stamp counter counts guest
 * instructions (-icount shift=0). One number is therefore exact, but for timer ticks and for
 * caches inside the kernel that are refilled now and then. So an operation is repeated in a
 * batch, a few batches warm up, and the median of the others counts. What prepares and clears
 * away lies outside the measured stretch.
 *
 * While a program waits for a disk the counter goes on, as the machine's time does. So a child of
 * low priority uses up the time that is left, counts its own instructions, and these are taken
 * off: what is left is what was executed for the program, interrupts and switches included.
 *
 * Output, all at the end: a line "NAME COUNT" per operation, and "end 0".
 *
 * As process 1 (Linux starts it as /init) the program loads the modules /modules/0, 1, ..., runs
 * itself in a child, with the serial line as its standard output, and turns the machine off.
 */
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define PAGE	  4096ul
#define RW	  (PROT_READ | PROT_WRITE)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)
#define WARM_UP	  3
#define BATCHES	  11

struct operation {
	const char *name;
	unsigned repeated; /* in a batch */
	uint64_t (*batch)(void);
	unsigned batches; /* BATCHES after WARM_UP if 0 */
};

static inline uint64_t now(void)
{
	return __builtin_ia32_rdtsc();
}

static void must(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(1);
}

static char *map(size_t pages, int flags, int fd)
{
	char *p = mmap(NULL, pages * PAGE, RW, flags, fd, 0);

	must(p != MAP_FAILED, "mmap");
	return p;
}

static void unmap(char *p, size_t pages)
{
	must(munmap(p, pages * PAGE) == 0, "munmap");
}

static inline uint64_t read_pages(volatile char *p, size_t pages)
{
	uint64_t start = now();

	for (size_t i = 0; i < pages; i++)
		(void)p[i * PAGE];
	return now() - start;
}

static uint64_t write_pages(volatile char *p, size_t pages)
{
	uint64_t start = now();

	for (size_t i = 0; i < pages; i++)
		p[i * PAGE] = 1;
	return now() - start;
}

/* New anonymous pages, each touched once; how long that took. */
static inline uint64_t touch_new(size_t pages, uint64_t (*touch)(volatile char *p, size_t pages))
{
	char *p = map(pages, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	uint64_t spent = touch(p, pages);

	unmap(p, pages);
	return spent;
}

/*
 * A child that is running when this returns, two instructions a turn, until it is killed. Its turns
 * are locked in memory.
 */
static inline pid_t use_up_time(volatile uint64_t **turns)
{
	volatile uint64_t *page = (uint64_t *)map(1, MAP_SHARED | MAP_ANONYMOUS, -1);
	struct sched_param none = {0};
	pid_t child;

	must(mlock((void *)page, PAGE) == 0, "mlock");
	child = fork();
	if (child == 0) {
		sched_setscheduler(0, SCHED_IDLE, &none); /* a hint */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			__asm__ volatile("1: incq %0; jmp 1b" : "+m"(*page));
	}
	while (!*page)
		usleep(1000);
	*turns = page;
	return child;
}

static inline void reap(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, 0) == pid && status == 0, "child");
}

/* /proc, which nobody has mounted for process 1 of Linux. */
static void mount_proc(void)
{
	mkdir("/proc", 0555);
	mount("proc", "/proc", "proc", 0, NULL);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The median of the batches, per operation. */
static uint64_t measure(const struct operation *o)
{
	unsigned batches = o->batches ? o->batches : BATCHES;
	uint64_t spent[BATCHES];

	for (unsigned i = 0; i < WARM_UP && !o->batches; i++)
		o->batch();
	for (unsigned i = 0; i < batches; i++)
		spent[i] = o->batch();
	qsort(spent, batches, sizeof(spent[0]), by_value);
	return (spent[batches / 2] + o->repeated / 2) / o->repeated;
}

static int measure_all(const char *only, void (*prepare)(void), const struct operation *operations,
		       size_t nr)
{
	uint64_t counts[nr];

	prepare();
	for (size_t i = 0; i < nr; i++)
		counts[i] = !only || strcmp(only, operations[i].name) == 0 ? measure(&operations[i])
									   : 0;
	for (size_t i = 0; i < nr; i++)
		printf("%s %llu\n", operations[i].name, (unsigned long long)counts[i]);
	puts("end 0");
	return fflush(stdout) ? 1 : 0;
}

static void load_modules(void)
{
	char path[32];
	int fd;

	for (int i = 0;; i++) {
		snprintf(path, sizeof(path), "/modules/%d", i);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			return;
		if (syscall(SYS_finit_module, fd, "", 0))
			perror(path);
		close(fd);
	}
}

/* Linux's first process: a child measures, then the machine goes off. */
static void be_init(void (*prepare)(void), const struct operation *operations, size_t nr)
{
	pid_t child;

	mkdir("/dev", 0755);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	child = fork();
	if (child == 0) {
		int line = open("/dev/ttyS0", O_RDWR);

		dup2(line, 1);
		dup2(line, 2);
		load_modules();
		exit(measure_all(NULL, prepare, operations, nr));
	}
	waitpid(child, NULL, 0);
	tcdrain(open("/dev/ttyS0", O_RDWR | O_NOCTTY));
	reboot(RB_POWER_OFF);
}

/* Measure the operations (only: just the one of that name). Returns the exit status. */
static int bench_main(const char *only, void (*prepare)(void), const struct operation *operations,
		      size_t nr)
{
	if (getpid() == 1)
		be_init(prepare, operations, nr);
	return measure_all(only, prepare, operations, nr);
}
