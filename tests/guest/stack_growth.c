/* SPDX-License-Identifier: MIT */
/* proves: AS-24 FT-23 */
/*
 * The stack grows on demand: by recursion of 4 MiB, by one alloca of 4 MiB touched from the
 * low end, and stays one line of /proc/self/maps. Where RLIMIT_STACK ends it
 * the access is SIGSEGV/SEGV_MAPERR, handled on an alternate stack; without one the process
 * dies. (stack_guard.c: the gap towards the mapping below.)
 */
#include "guest.h"
#include "stack_walk.h"
#include <alloca.h>

static NOINLINE unsigned recurse(int depth)
{
	volatile char frame[1000];
	frame[0] = depth;
	frame[999] = depth + 1;
	if (depth == 0)
		return frame[0] + frame[999];
	unsigned below = recurse(depth - 1);
	return below * 31 + (unsigned char)frame[0] + (unsigned char)frame[999];
}

static NOINLINE unsigned big_alloca(size_t size)
{
	volatile char *p = alloca(size);
	unsigned sum = 0;
	for (size_t i = 0; i < size; i += PAGE)
		p[i] = i / PAGE;
	for (size_t i = 0; i < size; i += PAGE)
		sum += (unsigned char)p[i];
	return sum;
}

static void show_stack_line(const char *when, unsigned long least)
{
	static struct maps_line lines[64];
	int count = read_maps(lines, ARRAY_LEN(lines)), stacks = 0;
	for (int i = 0; i < count; i++) {
		if (strcmp(lines[i].name, "[stack]"))
			continue;
		stacks++;
		printf("%s: %s at least %lu KiB: %s, holds the stack pointer: %s\n", when,
		       lines[i].perms, least >> 10,
		       lines[i].end - lines[i].start >= least ? "yes" : "no",
		       lines[i].start <= (unsigned long)&count &&
				       (unsigned long)&count < lines[i].end
			       ? "yes"
			       : "no");
	}
	printf("%s: stack lines %d\n", when, stacks);
}

static void use_altstack(void)
{
	static char altstack[65536];
	stack_t stack = { .ss_sp = altstack, .ss_size = sizeof(altstack) };
	MUST(sigaltstack(&stack, NULL));
	catch_faults(SA_ONSTACK);
}

static unsigned long stack_end(void)
{
	static struct maps_line lines[64];
	int count = read_maps(lines, ARRAY_LEN(lines));
	for (int i = 0; i < count; i++)
		if (!strcmp(lines[i].name, "[stack]"))
			return lines[i].end;
	return 0;
}

static int hit_limit(void *limit)
{
	struct rlimit soft = { *(unsigned long *)limit, RLIM_INFINITY };
	MUST(setrlimit(RLIMIT_STACK, &soft));
	use_altstack();
	unsigned long end = stack_end();
	char here = 0;
	TRY(walk_down(&here, 1 << 20));
	show_fault("beyond the limit", deepest);
	long size = end - ((unsigned long)deepest & -PAGE) - PAGE;
	printf("stack size reached: %ld KiB, limit %lu KiB\n", size >> 10,
	       *(unsigned long *)limit >> 10);
	return 0;
}

/* Without an alternate stack there is nowhere to run the handler: it kills. */
static int no_altstack(void *unused)
{
	stack_t none = { .ss_flags = SS_DISABLE };
	(void)unused;
	MUST(sigaltstack(&none, NULL));
	catch_faults(0);
	printf("endless recursion: %u\n", recurse(1 << 30));
	return 0;
}

/* A mapping made with MAP_GROWSDOWN is a stack too. */
static void grows_down_mapping(void)
{
	char *area = map_anon(1024 * PAGE, PROT_NONE);
	MUST(munmap(area, 1024 * PAGE));
	char *top = MUST(mmap(area + 1020 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0));
	use_altstack();
	TRY(walk_down(top - 1, 1));
	show_fault("a byte below a MAP_GROWSDOWN mapping", top);
	TRY(walk_down(top - 3 * PAGE, 1));
	show_fault("three pages below", top);
	show_layout("grown to", area + 1000 * PAGE, 24 * PAGE);
}

int main(void)
{
	unsigned long limit = 7UL << 20;

	show_stack_line("at the start", 8 * PAGE);
	printf("recursion of 4 MiB: %u\n", recurse(4200));
	show_stack_line("after the recursion", 4UL << 20);
	printf("alloca of 6 MiB: %u\n", big_alloca(6UL << 20));
	show_stack_line("after alloca", 6UL << 20);
	grows_down_mapping();
	show_status("child at the limit", run_child(hit_limit, &limit));
	show_status("child without an alternate stack", run_child(no_altstack, NULL));
	return 0;
}
