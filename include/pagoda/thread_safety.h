/* SPDX-License-Identifier: MIT */
/*
 * thread_safety.h: what a function does with locks, in words that clang checks.
 *
 * clang's analysis (-Wthread-safety) follows each path through a function. It reports a lock that
 * is still held at a return, a lock that is released without being held, and a call of a
 * MUST_HOLD() function without its lock. `./pagoda test style/locks` runs it over the kernel. The
 * words stand behind a declarator, and mean nothing to other compilers:
 *
 *	static void f(zone_t *zone) MUST_HOLD(&zone->lock)
 *
 * The analysis compares expressions, not addresses, so it cannot follow a lock that is taken only
 * under a condition, or that is named in two ways. Such a function is marked NO_LOCK_ANALYSIS()
 * with the reason. What is checked at run time, in debug builds, is lockdep_assert_held().
 */
#pragma once

#ifdef __clang__
#define LOCK_WORD(x) __attribute__((x))
#else
#define LOCK_WORD(x)
#endif

/* On a type: its objects are locks. */
#define LOCK_TYPE(name) LOCK_WORD(capability(name))
/* The function takes the lock, which the caller does not hold; or releases it, which it holds. */
#define ACQUIRES(...)	     LOCK_WORD(acquire_capability(__VA_ARGS__))
#define ACQUIRES_SHARED(...) LOCK_WORD(acquire_shared_capability(__VA_ARGS__))
#define RELEASES(...)	     LOCK_WORD(release_capability(__VA_ARGS__))
#define RELEASES_SHARED(...) LOCK_WORD(release_shared_capability(__VA_ARGS__))
/* The function takes the lock if, and only if, it returns that value. */
#define TRY_ACQUIRES(...)	 LOCK_WORD(try_acquire_capability(__VA_ARGS__))
#define TRY_ACQUIRES_SHARED(...) LOCK_WORD(try_acquire_shared_capability(__VA_ARGS__))
/* The caller holds the lock, before and after. */
#define MUST_HOLD(...)	      LOCK_WORD(requires_capability(__VA_ARGS__))
#define MUST_HOLD_SHARED(...) LOCK_WORD(requires_shared_capability(__VA_ARGS__))
/* The analysis does not look into the function; callers are held to its other words. */
#define NO_LOCK_ANALYSIS(reason) LOCK_WORD(no_thread_safety_analysis)
