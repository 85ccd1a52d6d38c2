/* SPDX-License-Identifier: MIT */
/*
 * atomic.h: ordered accesses, atomic operations on words, counters and bits.
 *
 * Read-modify-write operations are sequentially consistent unless the name ends in _acquire,
 * _release or _relaxed; plain reads and sets of counters are relaxed. All atomic accesses of the
 * core and the kernel go through this header, READ_ONCE() and WRITE_ONCE() (a style test holds it),
 * so that one place decides how they are made. They are built on the compiler's __atomic builtins,
 * which ThreadSanitizer understands on the hosted machine.
 */
#pragma once

#include <pagoda/types.h>

/* Read *p: no later access of this CPU is made before it. Pairs with smp_store_release(). */
#define smp_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
/* Write *p after all earlier accesses of this CPU. Pairs with smp_load_acquire(). */
#define smp_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
/*
 * Read or write *p in one order, on which all CPUs agree, with all other sequentially consistent
 * accesses.
 */
#define smp_load_mb(p)	   __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define smp_store_mb(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)

/* Change *p in one step. Return: the value before. */
#define rmw_add(p, n)		 __atomic_fetch_add((p), (n), __ATOMIC_SEQ_CST)
#define rmw_add_acquire(p, n)	 __atomic_fetch_add((p), (n), __ATOMIC_ACQUIRE)
#define rmw_add_relaxed(p, n)	 __atomic_fetch_add((p), (n), __ATOMIC_RELAXED)
#define rmw_sub(p, n)		 __atomic_fetch_sub((p), (n), __ATOMIC_SEQ_CST)
#define rmw_sub_release(p, n)	 __atomic_fetch_sub((p), (n), __ATOMIC_RELEASE)
#define rmw_or(p, bits)		 __atomic_fetch_or((p), (bits), __ATOMIC_SEQ_CST)
#define rmw_or_acquire(p, bits)	 __atomic_fetch_or((p), (bits), __ATOMIC_ACQUIRE)
#define rmw_or_relaxed(p, bits)	 __atomic_fetch_or((p), (bits), __ATOMIC_RELAXED)
#define rmw_and(p, bits)	 __atomic_fetch_and((p), (bits), __ATOMIC_SEQ_CST)
#define rmw_and_release(p, bits) __atomic_fetch_and((p), (bits), __ATOMIC_RELEASE)
#define rmw_and_relaxed(p, bits) __atomic_fetch_and((p), (bits), __ATOMIC_RELAXED)
#define rmw_xchg(p, v)		 __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define rmw_xchg_relaxed(p, v)	 __atomic_exchange_n((p), (v), __ATOMIC_RELAXED)
/*
 * Write new_value if *p is *old. Return: whether it was; if not, *old is what was found, and
 * nothing was ordered.
 */
#define rmw_cmpxchg(p, old, new_value)                                                \
	__atomic_compare_exchange_n((p), (old), (new_value), false, __ATOMIC_SEQ_CST, \
				    __ATOMIC_RELAXED)
#define rmw_cmpxchg_acquire(p, old, new_value)                                        \
	__atomic_compare_exchange_n((p), (old), (new_value), false, __ATOMIC_ACQUIRE, \
				    __ATOMIC_RELAXED)
#define rmw_cmpxchg_relaxed(p, old, new_value)                                        \
	__atomic_compare_exchange_n((p), (old), (new_value), false, __ATOMIC_RELAXED, \
				    __ATOMIC_RELAXED)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	long counter;
} atomic_long_t;

#define ATOMIC_INIT(i)         \
	{                      \
		.counter = (i) \
	}

#define PAGODA_ATOMIC_OPS(T, prefix, I)                                                      \
	static inline I prefix##_read(const T *v)                                            \
	{                                                                                    \
		return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);                       \
	}                                                                                    \
	static inline void prefix##_set(T *v, I i)                                           \
	{                                                                                    \
		__atomic_store_n(&v->counter, i, __ATOMIC_RELAXED);                          \
	}                                                                                    \
	static inline I prefix##_add_return(T *v, I i)                                       \
	{                                                                                    \
		return __atomic_add_fetch(&v->counter, i, __ATOMIC_SEQ_CST);                 \
	}                                                                                    \
	static inline I prefix##_sub_return(T *v, I i)                                       \
	{                                                                                    \
		return __atomic_sub_fetch(&v->counter, i, __ATOMIC_SEQ_CST);                 \
	}                                                                                    \
	static inline void prefix##_add(T *v, I i)                                           \
	{                                                                                    \
		__atomic_fetch_add(&v->counter, i, __ATOMIC_SEQ_CST);                        \
	}                                                                                    \
	static inline void prefix##_sub(T *v, I i)                                           \
	{                                                                                    \
		__atomic_fetch_sub(&v->counter, i, __ATOMIC_SEQ_CST);                        \
	}                                                                                    \
	static inline void prefix##_inc(T *v)                                                \
	{                                                                                    \
		prefix##_add(v, 1);                                                          \
	}                                                                                    \
	static inline void prefix##_dec(T *v)                                                \
	{                                                                                    \
		prefix##_sub(v, 1);                                                          \
	}                                                                                    \
	static inline bool prefix##_dec_and_test(T *v)                                       \
	{                                                                                    \
		return __atomic_sub_fetch(&v->counter, 1, __ATOMIC_SEQ_CST) == 0;            \
	}                                                                                    \
	static inline bool prefix##_cmpxchg(T *v, I old, I new_value)                        \
	{                                                                                    \
		return __atomic_compare_exchange_n(&v->counter, &old, new_value, false,      \
						   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);      \
	}                                                                                    \
	/* Adds 1 unless the counter is 0; true if it did. */                                \
	static inline bool prefix##_inc_not_zero(T *v)                                       \
	{                                                                                    \
		I old = prefix##_read(v);                                                    \
		while (old != 0)                                                             \
			if (__atomic_compare_exchange_n(&v->counter, &old, old + 1, true,    \
							__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) \
				return true;                                                 \
		return false;                                                                \
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
/*
 * Who sees a bit that another CPU changed sees also what that CPU did before: a waiter that finds
 * PG_writeback clear may take the page's buffers away, without any lock in between.
 */
static inline bool test_bit(unsigned int nr, const unsigned long *addr)
{
	return smp_load_acquire(addr + nr / (unsigned int)BITS_PER_LONG) & bit_mask(nr);
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
