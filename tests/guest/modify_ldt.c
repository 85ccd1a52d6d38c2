/* SPDX-License-Identifier: MIT */
/* proves: CS-11 */
/* libc: glibc */
/*
 * modify_ldt: what it refuses, what it reads back, and data segments in use: FS and GS with a base of
 * their own over system calls, switches, signals and fork; a segment that is taken away from under a
 * thread that has it loaded. (An error comes as a number of 32 bits, which libc does not take for one.)
 */
#include "guest.h"
#include <asm/ldt.h>
#include <pthread.h>
#include <sched.h>

#define SELECTOR(entry) ((entry) << 3 | 7) /* of the LDT, for user mode */

static unsigned int words[1024] __attribute__((aligned(4096)));

static long call(int func, void *ptr, unsigned long bytes)
{
	return syscall(SYS_modify_ldt, func, ptr, bytes);
}

static void show(const char *what, long ret)
{
	int error = ret > 0xffff0000l ? -(int)ret : 0;

	if (error)
		printf("%s: %s\n", what, errno_name(error));
	else
		printf("%s: %ld\n", what, ret);
}

/* Under 4 GiB, where a base can reach. */
static unsigned int *low_words(void)
{
	unsigned int *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	for (unsigned int i = 0; i < 1024; i++)
		p[i] = 1000 + i;
	return p;
}

static struct user_desc segment(int entry, const void *base)
{
	return (struct user_desc){ .entry_number = entry, .base_addr = (unsigned int)(unsigned long)base, .limit = 0xfff,
				   .seg_32bit = 1, .useable = 1 };
}

static unsigned int through_gs(unsigned long offset)
{
	unsigned int value;

	__asm__ volatile("movl %%gs:(%1), %0" : "=r"(value) : "r"(offset));
	return value;
}

static void load_gs(int selector)
{
	__asm__ volatile("movl %0, %%gs" : : "r"(selector));
}

static int selector_gs(void)
{
	int selector = 0;

	__asm__ volatile("movl %%gs, %0" : "=r"(selector));
	return selector;
}

static void errors(void)
{
	struct user_desc d = segment(0, words);
	unsigned long out[8];

	memset(out, 0xff, sizeof(out));
	show("read nothing", call(0, out, sizeof(out)));
	show("default", call(2, out, sizeof(out)));
	printf("%lx %lx\n", out[0], out[7]);
	show("function 3", call(3, out, sizeof(out)));
	show("short", call(1, &d, sizeof(d) - 1));
	show("pointer", call(0x11, BAD_POINTER, sizeof(d)));
	d.entry_number = 8192;
	show("entry 8192", call(0x11, &d, sizeof(d)));
	d = segment(0, words);
	d.contents = 3;
	show("conforming code, old", call(1, &d, sizeof(d)));
	show("conforming code", call(0x11, &d, sizeof(d)));
}

static void show_entries(const char *what, int nr)
{
	unsigned long out[8];

	memset(out, 0xff, sizeof(out));
	show(what, call(0, out, sizeof(out)));
	for (int i = 0; i < nr; i++) /* without the base */
		printf(" %lx", out[i] & 0x00ffff000000fffful);
	printf("\n");
}

static void entries(void)
{
	struct user_desc d = segment(1, words), empty = { .entry_number = 1, .read_exec_only = 1, .seg_not_present = 1 };

	show("write", call(0x11, &d, sizeof(d)));
	d.entry_number = 3;
	d.read_exec_only = 1;
	d.limit_in_pages = 1;
	d.limit = 0xfffff;
	show("write, old", call(1, &d, sizeof(d)));
	d.entry_number = 2;
	d.contents = 1;
	d.seg_not_present = 1;
	show("write, absent", call(0x11, &d, sizeof(d)));
	show_entries("read", 8);
	show("clear", call(0x11, &empty, sizeof(empty)));
	show_entries("read", 5);
	show("pointer", call(0, BAD_POINTER, 16));
}

static volatile int handled;

static void handler(int signo)
{
	(void)signo;
	handled = 1;
}

static void in_use(void)
{
	unsigned int *p = low_words(), *q = low_words();
	struct user_desc d = segment(4, p);
	int child, status;

	call(0x11, &d, sizeof(d));
	d = segment(5, q + 8);
	call(0x11, &d, sizeof(d));
	load_gs(SELECTOR(4));
	printf("first %u %u\n", through_gs(0), through_gs(40));
	sched_yield();
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	printf("after a signal (%d) %u, gs %d\n", handled, through_gs(4), selector_gs() >> 3);
	load_gs(SELECTOR(5));
	printf("other %u\n", through_gs(0));
	fflush(stdout);
	child = fork();
	if (!child) {
		struct user_desc own = segment(5, p + 100);

		printf("child %u\n", through_gs(0));
		call(0x11, &own, sizeof(own));
		load_gs(SELECTOR(5));
		printf("child's own %u\n", through_gs(0));
		fflush(stdout);
		_exit(0);
	}
	waitpid(child, &status, 0);
	printf("parent %u, child %d\n", through_gs(0), status);
	load_gs(0);
}

static volatile int spinning;

static void *spin(void *arg)
{
	(void)arg;
	__asm__ volatile("movl %0, %%ss" : : "r"(SELECTOR(6)));
	spinning = 1;
	while (spinning) /* no system call: SS stays; an interrupt's return finds it gone */
		;
	return NULL;
}

static void taken_away(void)
{
	struct user_desc d = segment(6, words), empty = { .entry_number = 6, .read_exec_only = 1, .seg_not_present = 1 };
	int child, status = 0;

	d.base_addr = 0;
	d.limit = 0xfffff;
	d.limit_in_pages = 1;
	fflush(stdout);
	child = fork();
	if (!child) {
		pthread_t thread;

		alarm(20);
		call(0x11, &d, sizeof(d));
		pthread_create(&thread, NULL, spin, NULL);
		while (!spinning)
			sched_yield();
		call(0x11, &empty, sizeof(empty));
		for (;;)
			usleep(1000);
	}
	waitpid(child, &status, 0);
	printf("stack segment taken away: signal %d\n", WTERMSIG(status));
}

int main(void)
{
	errors();
	entries();
	in_use();
	taken_away();
	return 0;
}
