/* SPDX-License-Identifier: MIT */
/*
 * compiler_calls.h: functions that gcc and clang call on a 32-bit x86 for operations on 64-bit
 * numbers. Names and arguments are the compilers' (libgcc, libatomic), not ours; nobody includes
 * this header to call them.
 */
#pragma once

#include <pagoda/types.h>

/* Quotients and remainders. A divisor of 0 is a divide error, as for 32-bit numbers. */
u64 __udivmoddi4(u64 n, u64 d, u64 *remainder);
u64 __udivdi3(u64 n, u64 d);
u64 __umoddi3(u64 n, u64 d);
s64 __divdi3(s64 n, s64 d);
s64 __moddi3(s64 n, s64 d);
/* Zeroes below the lowest set bit of a number that is not 0. */
int __ctzdi2(u64 n);

/*
 * Atomic operations on an aligned word of 64 bits; all are full barriers. The C names differ from
 * the symbols, since the compiler keeps those of its builtins for itself.
 */
u64 atomic64_load(const volatile void *p, int order) __asm__("__atomic_load_8");
void atomic64_store(volatile void *p, u64 value, int order) __asm__("__atomic_store_8");
u64 atomic64_exchange(volatile void *p, u64 value, int order) __asm__("__atomic_exchange_8");
u64 atomic64_fetch_and(volatile void *p, u64 bits, int order) __asm__("__atomic_fetch_and_8");
u64 atomic64_fetch_or(volatile void *p, u64 bits, int order) __asm__("__atomic_fetch_or_8");
u64 atomic64_fetch_add(volatile void *p, u64 n, int order) __asm__("__atomic_fetch_add_8");
u64 atomic64_fetch_sub(volatile void *p, u64 n, int order) __asm__("__atomic_fetch_sub_8");
bool atomic64_compare_exchange(volatile void *p, void *expected, u64 value, int success,
			       int failure) __asm__("__atomic_compare_exchange_8");
