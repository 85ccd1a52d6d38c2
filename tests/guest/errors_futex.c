/* SPDX-License-Identifier: MIT */
/* libc: glibc */
/*
 * errors_futex.c: the errors of futex and its kin, in the order in which they are found.
 *
 * Shared futexes look at their page, so that an address without one is an error; private ones go by
 * the address alone. No call here waits: the word differs from what is expected, or time is over.
 */
#include "table.h"
#include <linux/futex.h>

static unsigned int word = 5, other = 5, changing;
static struct timespec zero, negative = { -1, 0 }, bad_ns = { 0, 1000000000 };
static char *hole, *none, *cut, *read_only, *file_ro, *private_file, *zero_page;

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

static void make_pages(void)
{
	char name[] = "/tmp/errors_futex.XXXXXX";
	int fd = MUST(mkstemp(name));
	MUST(ftruncate(fd, 2 * PAGE));
	hole = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	none = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	read_only = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	zero_page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cut = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) + PAGE;
	file_ro = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	private_file = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	MUST(ftruncate(fd, PAGE));
	munmap(hole, PAGE);
	unlink(name);
	close(fd);
}

#define PLACES N("NULL", 0), N("1", 1), N("word", &word), N("word+1", (char *)&word + 1), N("word+2", (char *)&word + 2), N("hole", hole), N("none", none),          \
	N("read-only", read_only), N("zero page", zero_page), N("cut file", cut), N("read-only file", file_ro), N("private file", private_file),                     \
	N("kernel", -PAGE), N("TASK_SIZE", 0x7ffffffff000)
#define BOTH(op)   N(#op, FUTEX_##op), N(#op " private", FUTEX_##op | FUTEX_PRIVATE_FLAG)
#define TIMES	   N("bad", 8), N("ns", &bad_ns), N("-s", &negative), N("zero", &zero)

static void waiting(void)
{
	TABLE(futex, ARG(PLACES), ARG(BOTH(WAIT), N("WAIT real", FUTEX_WAIT | FUTEX_CLOCK_REALTIME)), ARG(N("differs", 77)), ARG(N("-", 0), TIMES), ARG(V(0)), ARG(V(0)));
	TABLE(futex, ARG(PLACES), ARG(BOTH(WAIT_BITSET), N("WAIT_BITSET real", FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME)), ARG(N("differs", 77)), ARG(N("-", 0), TIMES), ARG(V(0)), ARG(V(0), V(-1)));
	TABLE(futex, ARG(N("word", &word)), ARG(BOTH(WAIT), BOTH(WAIT_BITSET)), ARG(N("same", 5)), ARG(TIMES), ARG(V(0)), ARG(V(0), V(1)));
}

static void waking(void)
{
	TABLE(futex, ARG(PLACES), ARG(BOTH(WAKE), N("WAKE real", FUTEX_WAKE | FUTEX_CLOCK_REALTIME)), ARG(V(0), V(1), V(-1), V(INT_MAX)), ARG(V(0)));
	TABLE(futex, ARG(PLACES), ARG(BOTH(WAKE_BITSET)), ARG(V(1)), ARG(V(0)), ARG(V(0)), ARG(V(0), V(1)));
	TABLE(futex, ARG(PLACES), ARG(BOTH(WAKE_OP)), ARG(V(1)), ARG(V(1)), ARG(N("word", &changing)), ARG(V(0), N("op 5", 5 << 28), N("cmp 6", 6 << 24), N("both", 5 << 28 | 6 << 24)));
	TABLE(futex, ARG(N("word", &word), N("hole", hole)), ARG(BOTH(WAKE_OP)), ARG(V(1)), ARG(V(1)), ARG(N("NULL", 0), N("1", 1), N("hole", hole), N("none", none), N("read-only", read_only), N("cut file", cut), N("kernel", -PAGE)), ARG(V(0), N("op 5", 5 << 28)));
	TABLE(futex, ARG(N("word", &word)), ARG(N("-1", -1), V(2), V(14), V(15), V(127), N("WAKE|512", 513), N("REQUEUE real", FUTEX_REQUEUE | FUTEX_CLOCK_REALTIME), N("WAKE_OP real", FUTEX_WAKE_OP | FUTEX_CLOCK_REALTIME), N("WAKE_BITSET real", FUTEX_WAKE_BITSET | FUTEX_CLOCK_REALTIME)),
	      ARG(V(0)), ARG(V(0)), ARG(N("other", &other)), ARG(V(0), V(1)));
}

static void requeueing(void)
{
	TABLE(futex, ARG(PLACES), ARG(BOTH(REQUEUE)), ARG(V(1)), ARG(V(1)), ARG(N("other", &other)), ARG(V(0)));
	TABLE(futex, ARG(PLACES), ARG(BOTH(CMP_REQUEUE)), ARG(V(1)), ARG(V(1)), ARG(N("other", &other)), ARG(N("same", 5), N("differs", 77), N("zero", 0)));
	TABLE(futex, ARG(N("word", &word), N("hole", hole)), ARG(BOTH(REQUEUE), BOTH(CMP_REQUEUE)), ARG(V(0), V(1), V(-1)), ARG(V(0), V(1), V(-1)),
	      ARG(N("NULL", 0), N("1", 1), N("word", &word), N("hole", hole), N("none", none), N("read-only", read_only), N("cut file", cut), N("kernel", -PAGE)), ARG(N("same", 5), N("differs", 77)));
}

static void several(void)
{
	static struct { uint64_t val, uaddr; uint32_t flags, reserved; } one[2], bad_flags, reserved, no_size, at_hole, at_odd, private_hole, wide;
	one[0].val = one[1].val = 77;
	one[0].uaddr = one[1].uaddr = (uintptr_t)&word;
	one[0].flags = one[1].flags = 2;
	bad_flags = reserved = no_size = at_hole = at_odd = private_hole = wide = one[0];
	bad_flags.flags = 4 | 2;
	reserved.reserved = 1;
	no_size.flags = 1;
	wide.flags = 3;
	at_hole.uaddr = (uintptr_t)hole;
	at_odd.uaddr = (uintptr_t)&word + 1;
	private_hole = at_hole;
	private_hole.flags |= FUTEX_PRIVATE_FLAG;
	TABLE(futex_waitv, ARG(N("NULL", 0), N("bad", 8), N("one", one), N("flags", &bad_flags), N("reserved", &reserved), N("no size", &no_size), N("size 3", &wide), N("hole", &at_hole), N("odd", &at_odd), N("private hole", &private_hole)),
	      ARG(V(0), V(1), V(129)), ARG(V(0), V(1)), ARG(N("-", 0), TIMES), ARG(N("REALTIME", 0), N("MONOTONIC", 1), V(2), V(7), V(-1)));
	TABLE(futex_waitv, ARG(N("two", one)), ARG(V(2)), ARG(V(0)), ARG(N("-", 0), N("zero", &zero)), ARG(N("MONOTONIC", 1)));
}

int main(void)
{
	make_pages();
	(void)*(volatile char *)zero_page;
	waiting();
	waking();
	requeueing();
	several();
	return 0;
}
