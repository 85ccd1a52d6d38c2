/* SPDX-License-Identifier: MIT */
/*
 * raw.h: memory accesses that sanitizers do not see.
 *
 * The simulated MMU reads page tables and copies user data as hardware would: next to
 * the core, without its locks. Races there are the guest's business, not errors of the
 * core, and RAM seen at two host addresses would confuse ThreadSanitizer in any case. No
 * sanitizer instruments inline assembly.
 */
#pragma once

#include <pagoda/types.h>

static inline u64 raw_load64(const void *p)
{
	u64 v;

	__asm__ __volatile__("movq %1, %0" : "=r"(v) : "m"(*(const u64 *)p));
	return v;
}

static inline u32 raw_load32(const void *p)
{
	u32 v;

	__asm__ __volatile__("movl %1, %0" : "=r"(v) : "m"(*(const u32 *)p));
	return v;
}

static inline bool raw_cmpxchg64(void *p, u64 old, u64 new)
{
	bool ok;

	__asm__ __volatile__("lock cmpxchgq %3, %1"
			     : "=@cce"(ok), "+m"(*(u64 *)p), "+a"(old)
			     : "r"(new)
			     : "memory");
	return ok;
}

/* *old becomes what was there. */
static inline bool raw_cmpxchg32(void *p, u32 *old, u32 new)
{
	bool ok;

	__asm__ __volatile__("lock cmpxchgl %3, %1"
			     : "=@cce"(ok), "+m"(*(u32 *)p), "+a"(*old)
			     : "r"(new)
			     : "memory");
	return ok;
}

static inline void raw_copy(void *dst, const void *src, size_t n)
{
	__asm__ __volatile__("rep movsb" : "+D"(dst), "+S"(src), "+c"(n) : : "memory");
}

static inline void raw_fill(void *dst, int byte, size_t n)
{
	__asm__ __volatile__("rep stosb" : "+D"(dst), "+c"(n) : "a"(byte) : "memory");
}
