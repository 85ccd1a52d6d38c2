/* SPDX-License-Identifier: MIT */
/* clock_timer.h: timers that a program sets on a clock, once or periodically: timerfd,
 * timer_create. */
#pragma once

#include <lib/list.h>
#include <kernel/time.h>

struct clock_timer {
	struct ktimer timer;
	/*
	 * Told of the number of expirations since the last call, by the tick or from a catch-up.
	 * Does the timer go on by itself? False: somebody has yet to take notice of these, and
	 * calls clock_timer_catch_up() or clock_timer_missed() then.
	 */
	bool (*fn)(struct clock_timer *ct, u64 times);
	/* The time of day was set, and this timer is for a time of day (NULL: does not care). Any
	 * context. */
	void (*clock_set)(struct clock_timer *ct);
	int clock;
	bool of_day; /* expires_ns is a time of day, else on port_clock_ns()'s scale */
	u64 expires_ns, interval_ns; /* 0: not armed; 0: once */
	struct list_head day_link;
};

/* As struct itimerspec, in nanoseconds. */
struct clock_timer_spec {
	u64 interval_ns, value_ns;
};

/*
 * Can one wait by this clock, with a timer or a sleep? 0; -EOPNOTSUPP: it is only read; -EINVAL:
 * there is no such clock. 0 for all CPU clocks, whether there is such a task or not. (time.c)
 */
int check_waiting_clock(int clock) __must_check;
/* clock: any but those of CPU time. */
void clock_timer_init(struct clock_timer *ct, int clock,
		      bool (*fn)(struct clock_timer *ct, u64 times));
/*
 * Arm, or disarm (value 0). absolute: value_ns is a time on the clock. old (may be NULL): as get.
 * The caller holds no lock that fn takes.
 */
void clock_timer_set(struct clock_timer *ct, const struct clock_timer_spec *new, bool absolute,
		     struct clock_timer_spec *old);
/* Time left (0: not armed, at least 1 if it is) and interval. */
void clock_timer_get(struct clock_timer *ct, struct clock_timer_spec *out);
/*
 * If it is due, but the tick has not come yet, or it waited to be looked at: now, and it goes on.
 */
void clock_timer_catch_up(struct clock_timer *ct);
/*
 * The same, but fn is not told: returns the number of expirations that it was not told of. Any
 * context.
 */
u64 clock_timer_missed(struct clock_timer *ct);
/* For good: fn is not called any more when it returns. As for set. */
void clock_timer_stop(struct clock_timer *ct);
/* The time of day was set. */
void clock_timers_clock_set(void);

/* A struct itimerspec from and to the user: 0, -EFAULT, -EINVAL. */
int get_itimerspec(unsigned long uaddr, struct clock_timer_spec *spec) __must_check;
int put_itimerspec(unsigned long uaddr, const struct clock_timer_spec *spec) __must_check;
