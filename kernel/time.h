/* SPDX-License-Identifier: MIT */
/* time.h: clocks for the kernel and fs, and one-shot timers of tick (10 ms) resolution. */
#pragma once

#include <pagoda/types.h>
#include <lib/rbtree.h>

#define HZ	      100
#define TICK_NS	      (1000000000ull / HZ)
#define NSEC_PER_SEC  1000000000ull
#define NSEC_PER_USEC 1000ull
#define USEC_PER_SEC  1000000ull

#define CLOCK_REALTIME		 0
#define CLOCK_MONOTONIC		 1
#define CLOCK_PROCESS_CPUTIME_ID 2
#define CLOCK_THREAD_CPUTIME_ID	 3
#define CLOCK_MONOTONIC_RAW	 4
#define CLOCK_REALTIME_COARSE	 5
#define CLOCK_MONOTONIC_COARSE	 6
#define CLOCK_BOOTTIME		 7
#define CLOCK_REALTIME_ALARM	 8
#define CLOCK_BOOTTIME_ALARM	 9
#define CLOCK_TAI		 11
#define TIMER_ABSTIME		 1u

struct timespec {
	s64 tv_sec;
	s64 tv_nsec;
};
struct timeval {
	s64 tv_sec;
	s64 tv_usec;
};

/* Nanoseconds since 1970 (settable) / since boot: port_clock_ns(). */
u64 ktime_get_real_ns(void);
struct timespec ns_to_timespec(u64 ns);
/* Read a timespec a user gave: -EFAULT, -EINVAL, or 0 and nanoseconds (capped, never negative). */
int get_timespec_ns(unsigned long uaddr, u64 *ns) __must_check;
int put_timespec_ns(unsigned long uaddr, u64 ns) __must_check;
/* Now + ns on port_clock_ns()'s scale, UINT64_MAX (never) on overflow. */
u64 deadline_after(u64 ns);

/*
 * ---- Timers: fn is called after the tick as deferred work (kernel/deferred.h), interrupts on, no
 * lock held; it does not sleep.
 */
struct ktimer {
	struct rb_node node;
	u64 expires_ns; /* 0: not armed */
	void (*fn)(struct ktimer *timer);
};
void ktimer_init(struct ktimer *timer, void (*fn)(struct ktimer *timer));
/* Arm, or arm anew. From any context. */
void ktimer_start(struct ktimer *timer, u64 expires_ns);
/* Disarm; true if it was armed. fn may still be running on another CPU. */
bool ktimer_cancel(struct ktimer *timer);
/* Disarm, and wait until fn has returned. The caller holds no lock that fn takes. */
void ktimer_cancel_sync(struct ktimer *timer);
void ktimers_run(u64 now_ns); /* deferred work of the tick */
void timers_init(void);
void time_init(u64 boot_wallclock_ns);

/* CLOCK_REALTIME when the machine started. */
u64 boot_realtime_ns(void);
