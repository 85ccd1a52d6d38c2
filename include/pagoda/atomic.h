/* SPDX-License-Identifier: MIT */
/*
 * atomic.h: atomic counters and bit operations.
 *
 * Read-modify-write operations are sequentially consistent unless the name ends
 * in _relaxed; plain reads and sets are relaxed. Built on the compiler's
 * __atomic builtins, so ThreadSanitizer sees each of them on the hosted machine.
 */
#pragma once

#include <pagoda/types.h>

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	long counter;
} atomic_long_t;

#define ATOMIC_INIT(i) { (i) }

#define PAGODA_ATOMIC_OPS(T, prefix, I)                                                            \
	static inline I prefix##_read(const T *v)                                                  \
	{                                                                                          \
		return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);                             \
	}                                                                                          \
	static inline void prefix##_set(T *v, I i)                                                 \
	{                                                                                          \
		__atomic_store_n(&v->counter, i, __ATOMIC_RELAXED);                                \
	}                                                                                          \
	static inline I prefix##_add_return(T *v, I i)                                             \
	{                                                                                          \
		return __atomic_add_fetch(&v->counter, i, __ATOMIC_SEQ_CST);                       \
	}                                                                                          \
	static inline I prefix##_sub_return(T *v, I i)                                             \
	{                                                                                          \
		return __atomic_sub_fetch(&v->counter, i, __ATOMIC_SEQ_CST);                       \
	}                                                                                          \
	static inline void prefix##_add(T *v, I i)                                                 \
	{                                                                                          \
		__atomic_fetch_add(&v->counter, i, __ATOMIC_SEQ_CST);                              \
	}                                                                                          \
	static inline void prefix##_sub(T *v, I i)                                                 \
	{                                                                                          \
		__atomic_fetch_sub(&v->counter, i, __ATOMIC_SEQ_CST);                              \
	}                                                                                          \
	static inline void prefix##_inc(T *v)                                                      \
	{                                                                                          \
		prefix##_add(v, 1);                                                                \
	}                                                                                          \
	static inline void prefix##_dec(T *v)                                                      \
	{                                                                                          \
		prefix##_sub(v, 1);                                                                \
	}                                                                                          \
	static inline bool prefix##_dec_and_test(T *v)                                             \
	{                                                                                          \
		return __atomic_sub_fetch(&v->counter, 1, __ATOMIC_SEQ_CST) == 0;                  \
	}                                                                                          \
	static inline bool prefix##_cmpxchg(T *v, I old, I new)                                    \
	{                                                                                          \
		return __atomic_compare_exchange_n(&v->counter, &old, new, false,                  \
						   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);            \
	}                                                                                          \
	/* Adds 1 unless the counter is 0; true if it did. */                                      \
	static inline bool prefix##_inc_not_zero(T *v)                                             \
	{                                                                                          \
		I old = prefix##_read(v);                                                          \
		while (old != 0)                                                                   \
			if (__atomic_compare_exchange_n(&v->counter, &old, old + 1, true,          \
							__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))       \
				return true;                                                       \
		return false;                                                                      \
	}

PAGODA_ATOMIC_OPS(atomic_t, atomic, int)
PAGODA_ATOMIC_OPS(atomic_long_t, atomic_long, long)

/* Bits of an array of unsigned long; nr may be beyond the first word. */
static inline unsigned long bit_mask(unsigned int nr)
{
	return 1ul << (nr % (unsigned int)BITS_PER_LONG);
}
static inline unsigned long *bit_word(unsigned int nr, unsigned long *addr)
{
	return addr + nr / (unsigned int)BITS_PER_LONG;
}
static inline void set_bit(unsigned int nr, unsigned long *addr)
{
	__atomic_fetch_or(bit_word(nr, addr), bit_mask(nr), __ATOMIC_SEQ_CST);
}
static inline void clear_bit(unsigned int nr, unsigned long *addr)
{
	__atomic_fetch_and(bit_word(nr, addr), ~bit_mask(nr), __ATOMIC_SEQ_CST);
}
static inline bool test_bit(unsigned int nr, const unsigned long *addr)
{
	return __atomic_load_n(addr + nr / (unsigned int)BITS_PER_LONG, __ATOMIC_RELAXED) &
	       bit_mask(nr);
}
static inline bool test_and_set_bit(unsigned int nr, unsigned long *addr)
{
	return __atomic_fetch_or(bit_word(nr, addr), bit_mask(nr), __ATOMIC_SEQ_CST) & bit_mask(nr);
}
static inline bool test_and_clear_bit(unsigned int nr, unsigned long *addr)
{
	return __atomic_fetch_and(bit_word(nr, addr), ~bit_mask(nr), __ATOMIC_SEQ_CST) &
	       bit_mask(nr);
}

static inline void smp_mb(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
