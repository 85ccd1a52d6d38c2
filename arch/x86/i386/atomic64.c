// SPDX-License-Identifier: MIT
/*
 * atomic64.c: atomic accesses to 64-bit words on a 32-bit x86.
 *
 * The compiler makes calls of them that libatomic would serve, which a kernel does not link. All
 * stand on LOCK CMPXCHG8B (Pentium and later), which is tried until no other CPU came between.
 *
 * A load is a CMPXCHG8B, too: it replaces 0 by 0, or fails and tells what is there. So it needs
 * memory that may be written, which page tables and the core's data are. A pair of plain loads
 * could see one half of a PAE entry before a change and the other half after it.
 *
 * Locking: none. Failure: none.
 */
#include "compiler_calls.h"

/* Replace *old by value if it is still there; else *old becomes what is there. */
static bool compare_exchange(volatile u64 *p, u64 *old, u64 value)
{
	bool done;

	__asm__ volatile("lock cmpxchg8b %[p]"
			 : [p] "+m"(*p), "+A"(*old), "=@ccz"(done)
			 : "b"((u32)value), "c"((u32)(value >> 32))
			 : "memory");
	return done;
}

u64 atomic64_load(const volatile void *p, int order)
{
	u64 value = 0;

	(void)order;
	(void)compare_exchange((volatile u64 *)p, &value, 0);
	return value;
}

u64 atomic64_exchange(volatile void *p, u64 value, int order)
{
	u64 old = atomic64_load(p, order);

	while (!compare_exchange(p, &old, value))
		;
	return old;
}

void atomic64_store(volatile void *p, u64 value, int order)
{
	(void)atomic64_exchange(p, value, order);
}

u64 atomic64_fetch_and(volatile void *p, u64 bits, int order)
{
	u64 old = atomic64_load(p, order);

	while (!compare_exchange(p, &old, old & bits))
		;
	return old;
}

u64 atomic64_fetch_or(volatile void *p, u64 bits, int order)
{
	u64 old = atomic64_load(p, order);

	while (!compare_exchange(p, &old, old | bits))
		;
	return old;
}

u64 atomic64_fetch_add(volatile void *p, u64 n, int order)
{
	u64 old = atomic64_load(p, order);

	while (!compare_exchange(p, &old, old + n))
		;
	return old;
}

u64 atomic64_fetch_sub(volatile void *p, u64 n, int order)
{
	return atomic64_fetch_add(p, 0 - n, order);
}

bool atomic64_compare_exchange(volatile void *p, void *expected, u64 value, int success,
			       int failure)
{
	(void)success, (void)failure;
	return compare_exchange(p, expected, value);
}
