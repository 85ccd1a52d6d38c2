/* SPDX-License-Identifier: MIT */
/*
 * types.h: the integer types, attributes and small helpers everything uses.
 *
 * The core is freestanding C11: only the compiler's own headers are included.
 * The kinds of number that must not be mixed have names of their own:
 *
 *	phys_addr_t	a physical address in bytes (64 bits in every geometry, as
 *			PAE reaches past 4 GiB)
 *	unsigned long	a virtual address, or a page frame number where the name
 *			says pfn
 *	pgoff_t		an offset into an object, in pages
 *
 * Convert by name (PFN_PHYS, PHYS_PFN, page_to_pfn), never by a bare shift.
 * Ranges are half-open, [start, end), everywhere.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

typedef u64 phys_addr_t;
typedef unsigned long pgoff_t;
typedef unsigned int gfp_t;

/*
 * The headers are C11 and C++17. A header declares its functions and variables between
 * PAGODA_C_BEGIN and PAGODA_C_END, so that C++ code calls them by their C names. A member whose
 * name is a keyword of C++ is declared as CXX_NAME(private): "private" in C, "private_" in C++.
 */
#ifdef __cplusplus
#define PAGODA_C_BEGIN extern "C" {
#define PAGODA_C_END   }
#define CXX_NAME(name) name##_
#else
#define PAGODA_C_BEGIN
#define PAGODA_C_END
#define CXX_NAME(name) name
#define static_assert _Static_assert
#endif

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define barrier()   __asm__ __volatile__("" : : : "memory")
/*
 * Read or write a scalar that another CPU may access at the same time: one access of its whole
 * width, with no ordering towards other memory. What must be ordered uses smp_load_acquire() and
 * its relatives in atomic.h. ThreadSanitizer reports every other access to shared data that no lock
 * orders.
 */
#define READ_ONCE(x)	 __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)

#define __must_check   __attribute__((warn_unused_result))
#define __packed       __attribute__((packed))
#define __aligned(n)   __attribute__((aligned(n)))
#define __noreturn     __attribute__((noreturn))
#define __maybe_unused __attribute__((unused))
#define __printf(f, a) __attribute__((format(printf, f, a)))
#define __cold	       __attribute__((cold))
#define noinline       __attribute__((noinline))
#undef __always_inline /* the C library of a hosted build has one too */
#define __always_inline inline __attribute__((always_inline))

/* Code and data needed only until free_initmem() (BM-28). */
#define __init	   __attribute__((section(".init.text"), cold))
#define __initdata __attribute__((section(".init.data")))

#define ARRAY_SIZE(a)	   (sizeof(a) / sizeof((a)[0]))
#define BITS_PER_LONG	   (8 * (int)sizeof(long))
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))
/* a: a power of two */
#define ALIGN(x, a)	 (((x) + ((__typeof__(x))(a)-1)) & ~((__typeof__(x))(a)-1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define IS_ALIGNED(x, a) (((x) & ((__typeof__(x))(a)-1)) == 0)

/*
 * The smaller and the larger of two values, each evaluated once. In C++ they are functions: macros
 * of these names would break the headers of the standard library.
 */
#ifdef __cplusplus
template <typename A, typename B> static inline constexpr A min(A a, B b)
{
	return a < b ? a : static_cast<A>(b);
}
template <typename A, typename B> static inline constexpr A max(A a, B b)
{
	return a > b ? a : static_cast<A>(b);
}
template <typename V, typename L, typename H> static inline constexpr V clamp(V v, L lo, H hi)
{
	return min(max(v, lo), hi);
}
#else
#define min(a, b)                       \
	__extension__({                 \
		__typeof__(a) _a = (a); \
		__typeof__(b) _b = (b); \
		_a < _b ? _a : _b;      \
	})
#define max(a, b)                       \
	__extension__({                 \
		__typeof__(a) _a = (a); \
		__typeof__(b) _b = (b); \
		_a > _b ? _a : _b;      \
	})
#define clamp(v, lo, hi) min(max(v, lo), hi)
#endif
#define min_t(t, a, b) min((t)(a), (t)(b))
#define max_t(t, a, b) max((t)(a), (t)(b))

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define SZ_1K  0x400ul
#define SZ_4K  0x1000ul
#define SZ_64K 0x10000ul
#define SZ_1M  0x100000ul
#define SZ_2M  0x200000ul
#define SZ_4M  0x400000ul
#define SZ_16M 0x1000000ul
#define SZ_1G  0x40000000ul

/* Errors travel in pointers where a call yields either (-4095..-1 are errors). */
#define MAX_ERRNO 4095
static inline void *ERR_PTR(long error)
{
	return (void *)error;
}
static inline long PTR_ERR(const void *ptr)
{
	return (long)ptr;
}
static inline bool IS_ERR(const void *ptr)
{
	return (unsigned long)ptr >= (unsigned long)-MAX_ERRNO;
}
static inline bool IS_ERR_VALUE(unsigned long x)
{
	return x >= (unsigned long)-MAX_ERRNO;
}
