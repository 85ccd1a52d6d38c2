/* SPDX-License-Identifier: MIT */
/*
 * bench_mm.c: what memory calls and faults cost, as ./pagoda bench mm measures it.
 *
 * How it is measured, and the form of the output: bench.h.
 */
#define _GNU_SOURCE
#include "bench.h"
#include <sched.h>

#define PAGES 256  /* touched by a batch of faults */
#define FEW   16   /* the size of a small area */
#define BIG   1024 /* pages of a process with memory: 4 MiB */
#define CALLS 128  /* a batch of plain calls */
#define FORKS 8

static const char *self; /* the path of this program */
static int pages_file;	 /* PAGES pages in memory */
static uint64_t *told;	 /* by a child, through shared memory */

static char *map_touched(size_t pages)
{
	char *p = map(pages, ANONYMOUS, -1);

	write_pages(p, pages);
	return p;
}

/* CALLS times 1000 instructions in user mode: does the counter count them, and nothing else? */
static uint64_t known_loop(void)
{
	uint64_t start = now(), turns = CALLS * 1000 / 2;

	__asm__ volatile("1: dec %0; jnz 1b" : "+r"(turns) : : "cc");
	return now() - start;
}

/* ---- Calls and switches ---------------------------------------------------------------------- */

static uint64_t getppid_calls(void)
{
	uint64_t start = now();

	for (int i = 0; i < CALLS; i++)
		syscall(SYS_getppid);
	return now() - start;
}

static uint64_t getpid_calls(void)
{
	uint64_t start = now();

	for (int i = 0; i < CALLS; i++)
		syscall(SYS_getpid);
	return now() - start;
}

static uint64_t pipe_alone(void)
{
	uint64_t start;
	char byte = 0;
	int ends[2];

	must(pipe(ends) == 0, "pipe");
	start = now();
	for (int i = 0; i < CALLS; i++)
		if (write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1)
			_exit(1);
	start = now() - start;
	close(ends[0]);
	close(ends[1]);
	return start;
}

static void echo_until_end(int in, int out)
{
	char byte;

	while (read(in, &byte, 1) == 1)
		if (write(out, &byte, 1) != 1)
			_exit(1);
	_exit(0);
}

/* CALLS switches: half as many bytes to a child and back. */
static uint64_t pipe_switch(void)
{
	int there[2], back[2];
	uint64_t start;
	char byte = 0;
	pid_t child;

	must(pipe(there) == 0 && pipe(back) == 0, "pipe");
	child = fork();
	if (child == 0) {
		close(there[1]);
		echo_until_end(there[0], back[1]);
	}
	must(write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1, "pipe");
	start = now();
	for (int i = 0; i < CALLS / 2; i++)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			_exit(1);
	start = now() - start;
	close(there[1]);
	reap(child);
	close(there[0]);
	close(back[0]);
	close(back[1]);
	return start;
}

/* ---- Faults ---------------------------------------------------------------------------------- */

static uint64_t read_faults(void)
{
	return touch_new(PAGES, read_pages);
}

static uint64_t write_faults(void)
{
	return touch_new(PAGES, write_pages);
}

static uint64_t zero_page_writes(void)
{
	char *p = map(PAGES, ANONYMOUS, -1);
	uint64_t spent;

	read_pages(p, PAGES);
	spent = write_pages(p, PAGES);
	unmap(p, PAGES);
	return spent;
}

/* The child writes what its parent has, too. */
static uint64_t copying_writes(void)
{
	char *p = map_touched(PAGES);
	pid_t child = fork();

	if (child == 0) {
		*told = write_pages(p, PAGES);
		_exit(0);
	}
	reap(child);
	unmap(p, PAGES);
	return *told;
}

/* The parent writes what it shared with a child that is gone. */
static uint64_t reusing_writes(void)
{
	char *p = map_touched(PAGES);
	pid_t child = fork();
	uint64_t spent;

	if (child == 0)
		_exit(0);
	reap(child);
	spent = write_pages(p, PAGES);
	unmap(p, PAGES);
	return spent;
}

static uint64_t file_faults(int flags, uint64_t (*touch)(volatile char *, size_t))
{
	char *p = map(PAGES, flags, pages_file);
	uint64_t spent = touch(p, PAGES);

	unmap(p, PAGES);
	return spent;
}

static uint64_t file_private_reads(void)
{
	return file_faults(MAP_PRIVATE, read_pages);
}

static uint64_t file_private_writes(void)
{
	return file_faults(MAP_PRIVATE, write_pages);
}

static uint64_t file_shared_reads(void)
{
	return file_faults(MAP_SHARED, read_pages);
}

static uint64_t file_shared_writes(void)
{
	return file_faults(MAP_SHARED, write_pages);
}

static uint64_t file_new_pages(void)
{
	int fd = memfd_create("new", 0);
	uint64_t spent;
	char *p;

	must(fd >= 0 && ftruncate(fd, PAGES * PAGE) == 0, "memfd");
	p = map(PAGES, MAP_SHARED, fd);
	spent = write_pages(p, PAGES);
	unmap(p, PAGES);
	close(fd);
	return spent;
}

/* ---- Calls on address spaces ----------------------------------------------------------------- */

static uint64_t map_and_unmap(size_t pages, size_t touched)
{
	uint64_t start = now();

	for (int i = 0; i < CALLS; i++) {
		char *p = mmap(NULL, pages * PAGE, RW, ANONYMOUS, -1, 0);

		for (size_t page = 0; page < touched; page++)
			((volatile char *)p)[page * PAGE] = 1;
		if (munmap(p, pages * PAGE))
			_exit(1);
	}
	return now() - start;
}

static uint64_t map_empty(void)
{
	return map_and_unmap(1, 0);
}

static uint64_t map_one(void)
{
	return map_and_unmap(1, 1);
}

static uint64_t map_few(void)
{
	return map_and_unmap(FEW, FEW);
}

static uint64_t unmap_pages(void)
{
	char *p = map_touched(PAGES);
	uint64_t start = now();

	unmap(p, PAGES);
	return now() - start;
}

/* CALLS calls that take writing away from length bytes at p and give it back. */
static uint64_t toggle(char *p, size_t length)
{
	uint64_t start = now();

	for (int i = 0; i < CALLS / 2; i++)
		if (mprotect(p, length, PROT_READ) || mprotect(p, length, RW))
			_exit(1);
	return now() - start;
}

static uint64_t protect_whole(void)
{
	char *p = map_touched(FEW);
	uint64_t spent = toggle(p, FEW * PAGE);

	unmap(p, FEW);
	return spent;
}

static uint64_t protect_middle(void)
{
	char *p = map_touched(FEW);
	uint64_t spent = toggle(p + FEW / 2 * PAGE, PAGE);

	unmap(p, FEW);
	return spent;
}

static uint64_t grow_and_shrink(void)
{
	char *p = map(2 * FEW, ANONYMOUS, -1);
	uint64_t start;

	unmap(p + FEW * PAGE, FEW);
	write_pages(p, FEW);
	start = now();
	for (int i = 0; i < CALLS / 2; i++)
		if (mremap(p, FEW * PAGE, 2 * FEW * PAGE, 0) != p ||
		    mremap(p, 2 * FEW * PAGE, FEW * PAGE, 0) != p)
			_exit(1);
	start = now() - start;
	unmap(p, FEW);
	return start;
}

/* FEW touched pages, from one half of a range to the other and back. */
static uint64_t move(void)
{
	const int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	char *p = map(2 * FEW, ANONYMOUS, -1), *q = p + FEW * PAGE;
	uint64_t start;

	unmap(q, FEW);
	write_pages(p, FEW);
	start = now();
	for (int i = 0; i < CALLS / 2; i++)
		if (mremap(p, FEW * PAGE, FEW * PAGE, flags, q) != q ||
		    mremap(q, FEW * PAGE, FEW * PAGE, flags, p) != p)
			_exit(1);
	start = now() - start;
	unmap(p, FEW);
	return start;
}

static uint64_t break_pages(void)
{
	char *end = (char *)syscall(SYS_brk, 0);
	uint64_t start = now();

	syscall(SYS_brk, end + PAGES * PAGE);
	write_pages(end, PAGES);
	syscall(SYS_brk, end);
	return now() - start;
}

static uint64_t lock_pages(void)
{
	char *p = map_touched(PAGES);
	uint64_t start = now();

	must(mlock(p, PAGES * PAGE) == 0 && munlock(p, PAGES * PAGE) == 0, "mlock");
	start = now() - start;
	unmap(p, PAGES);
	return start;
}

static uint64_t forget_pages(void)
{
	char *p = map_touched(PAGES);
	uint64_t start = now();

	must(madvise(p, PAGES * PAGE, MADV_DONTNEED) == 0, "madvise");
	start = now() - start;
	unmap(p, PAGES);
	return start;
}

/* ---- Processes ------------------------------------------------------------------------------- */

static uint64_t fork_small(void)
{
	uint64_t start = now();

	for (int i = 0; i < FORKS; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		reap(child);
	}
	return now() - start;
}

/* One fork, and what it costs more because of BIG touched pages. */
static uint64_t fork_pages(void)
{
	uint64_t small = fork_small(), big;
	char *p = map_touched(BIG);

	big = fork_small();
	unmap(p, BIG);
	return big > small ? (big - small) / FORKS : 0;
}

static uint64_t exec_self(void)
{
	char *const words[] = {(char *)self, "nothing", NULL};
	char *const none[] = {NULL};
	uint64_t start = now();

	for (int i = 0; i < FORKS; i++) {
		pid_t child = vfork();

		if (child == 0) {
			execve(self, words, none);
			_exit(1);
		}
		reap(child);
	}
	return now() - start;
}

/* ---- Among many areas ------------------------------------------------------------------------ */

#define AREA_PAGES 3 /* and a hole of one page behind it */

static char *space; /* of space_areas areas */
static size_t space_areas;

/* More than the limit that both kernels start with. */
static void raise_map_count(void)
{
	int fd;

	mount_proc();
	fd = open("/proc/sys/vm/max_map_count", O_WRONLY);
	must(fd >= 0 && write(fd, "200000", 6) == 6, "max_map_count");
	close(fd);
}

/* That many areas, whatever there was before; 0: none. */
static void make_areas(size_t areas)
{
	if (space_areas == areas)
		return;
	if (space_areas)
		unmap(space, (AREA_PAGES + 1) * space_areas);
	else
		raise_map_count();
	space_areas = areas;
	if (!areas)
		return;
	space = mmap(NULL, (AREA_PAGES + 1) * areas * PAGE, PROT_NONE, ANONYMOUS | MAP_NORESERVE,
		     -1, 0);
	must(space != MAP_FAILED, "mmap");
	for (size_t i = 0; i < areas; i++)
		unmap(space + ((AREA_PAGES + 1) * i + AREA_PAGES) * PAGE, 1);
}

/* An area somewhere, another one each time. */
static char *area(int turn)
{
	return space + (AREA_PAGES + 1) * ((size_t)turn * 7919 % space_areas) * PAGE;
}

static uint64_t lookup(void)
{
	unsigned char present;
	uint64_t start = now();

	for (int i = 0; i < CALLS; i++)
		if (mincore(area(i), PAGE, &present))
			_exit(1);
	return now() - start;
}

/* In a hole; taking it away again is not measured. */
static uint64_t insert(void)
{
	uint64_t spent = 0;

	for (int i = 0; i < CALLS; i++) {
		char *hole = area(i) + AREA_PAGES * PAGE;
		uint64_t start = now();

		if (mmap(hole, PAGE, PROT_READ, ANONYMOUS | MAP_FIXED, -1, 0) != hole)
			_exit(1);
		spent += now() - start;
		unmap(hole, 1);
	}
	return spent;
}

/* One area becomes three; merging them again is not measured. */
static uint64_t split(void)
{
	uint64_t spent = 0;

	for (int i = 0; i < CALLS; i++) {
		char *middle = area(i) + PAGE;
		uint64_t start = now();

		if (mprotect(middle, PAGE, PROT_READ))
			_exit(1);
		spent += now() - start;
		must(mprotect(middle, PAGE, PROT_NONE) == 0, "mprotect");
	}
	return spent;
}

/* Two pages fit into none of the holes. */
static uint64_t gap(void)
{
	uint64_t spent = 0;

	for (int i = 0; i < CALLS; i++) {
		uint64_t start = now();
		char *p = mmap(NULL, 2 * PAGE, PROT_READ, ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			_exit(1);
		spent += now() - start;
		unmap(p, 2);
	}
	return spent;
}

#define SIZES(X) X(100) X(1000) X(10000) X(100000)
#define AMONG(n)                         \
	static uint64_t lookup_##n(void) \
	{                                \
		make_areas(n);           \
		return lookup();         \
	}                                \
	static uint64_t insert_##n(void) \
	{                                \
		make_areas(n);           \
		return insert();         \
	}                                \
	static uint64_t split_##n(void)  \
	{                                \
		make_areas(n);           \
		return split();          \
	}                                \
	static uint64_t gap_##n(void)    \
	{                                \
		make_areas(n);           \
		return gap();            \
	}
SIZES(AMONG)

/* ---- The list -------------------------------------------------------------------------------- */

static const struct operation operations[] = {{"known_1000", CALLS, known_loop, 0},
					      {"getpid", CALLS, getpid_calls, 0},
					      {"null_call", CALLS, getppid_calls, 0},
					      {"pipe_write_read", CALLS, pipe_alone, 0},
					      {"pipe_switch", CALLS, pipe_switch, 0},
					      {"read_fault", PAGES, read_faults, 0},
					      {"write_fault", PAGES, write_faults, 0},
					      {"zero_page_write", PAGES, zero_page_writes, 0},
					      {"cow_copy", PAGES, copying_writes, 0},
					      {"cow_reuse", PAGES, reusing_writes, 0},
					      {"file_private_read", PAGES, file_private_reads, 0},
					      {"file_private_write", PAGES, file_private_writes, 0},
					      {"file_shared_read", PAGES, file_shared_reads, 0},
					      {"file_shared_write", PAGES, file_shared_writes, 0},
					      {"file_new_page", PAGES, file_new_pages, 0},
					      {"mmap_munmap_untouched", CALLS, map_empty, 0},
					      {"mmap_munmap_1", CALLS, map_one, 0},
					      {"mmap_munmap_16", CALLS, map_few, 0},
					      {"munmap_per_page", PAGES, unmap_pages, 0},
					      {"mprotect_whole", CALLS, protect_whole, 0},
					      {"mprotect_split", CALLS, protect_middle, 0},
					      {"mremap_grow_shrink", CALLS, grow_and_shrink, 0},
					      {"mremap_move_16", CALLS, move, 0},
					      {"brk_per_page", PAGES, break_pages, 0},
					      {"mlock_per_page", PAGES, lock_pages, 0},
					      {"dontneed_per_page", PAGES, forget_pages, 0},
					      {"fork_exit_wait", FORKS, fork_small, 0},
					      {"fork_per_page", BIG, fork_pages, 0},
					      {"vfork_exec_wait", FORKS, exec_self, 0},
#define AMONG_LINES(n)                                         \
	{"lookup_" #n "_areas", CALLS, lookup_##n, 3},         \
		{"insert_" #n "_areas", CALLS, insert_##n, 3}, \
		{"split_" #n "_areas", CALLS, split_##n, 3},   \
		{"gap_" #n "_areas", CALLS, gap_##n, 3},
					      SIZES(AMONG_LINES)};

static void prepare(void)
{
	told = (uint64_t *)map(1, MAP_SHARED | MAP_ANONYMOUS, -1);
	pages_file = memfd_create("pages", 0);
	must(pages_file >= 0 && ftruncate(pages_file, PAGES * PAGE) == 0, "memfd");
	file_faults(MAP_SHARED, write_pages);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "nothing") == 0)
		return 0;
	self = argv[0];
	return bench_main(argc > 1 ? argv[1] : NULL, prepare, operations,
			  sizeof(operations) / sizeof(operations[0]));
}
