/* SPDX-License-Identifier: MIT */
/* cpu_clock.h: clocks that show CPU time, and timers on them (kernel/cpu_clock.c). */
#pragma once

#include <lib/list.h>
#include <kernel/clock_timer.h>

struct pid;
struct signal_struct;

/* Whose CPU time a clock shows, and which part of it. */
struct cpu_clock {
	struct pid *pid; /* a reference; of the thread, or of the process's leader */
	bool thread;
	unsigned int part; /* CPU_PROF, CPU_VIRT, CPU_SCHED */
};

/* A timer on such a clock; set up by cpu_timer_init(). */
struct cpu_timer {
	struct list_head link; /* (T) in the measured process's cpu_timers, while armed */
	struct cpu_clock clock;
	u64 expires_ns, interval_ns; /* (T) on the clock; 0: not armed */
	/* Expired that often. Called with tasklist_lock held. */
	void (*fn)(struct cpu_timer *timer, u64 times);
};

/* Is id a clock of CPU time: one of the two with names, or one made of a process number? */
bool is_cpu_clock(int id);
/*
 * The clock's time to *ns. 0, or -EINVAL: there is no such task, or it is a thread of another
 * process. Any context.
 */
int cpu_clock_read(int id, u64 *ns) __must_check;
/* The smallest step that the clock shows, to *ns. 0 or -EINVAL. Any context. */
int cpu_clock_resolution(int id, u64 *ns) __must_check;
/*
 * clock_nanosleep() by the clock: ns is a time on it (absolute) or a span. 0, -EINVAL, or a restart
 * code, then what is left of a span is written to user address urem (0: not wanted; -EFAULT). May
 * sleep.
 */
long cpu_clock_sleep(int id, u64 ns, bool absolute, unsigned long urem);

/*
 * Make a timer on clock id, not armed. 0, or -EINVAL as for reading, then there is nothing to
 * destroy.
 */
int cpu_timer_init(struct cpu_timer *timer, int id,
		   void (*fn)(struct cpu_timer *timer, u64 times)) __must_check;
/*
 * Arm, or disarm (value 0); what is due already expires at once. old: as get. 0, or -ESRCH: whom
 * the clock measures has gone. The caller does not hold tasklist_lock.
 */
int cpu_timer_set(struct cpu_timer *timer, const struct clock_timer_spec *new, bool absolute,
		  struct clock_timer_spec *old) __must_check;
/* CPU time left (0: not armed, at least 1 if it is) and interval. */
void cpu_timer_get(struct cpu_timer *timer, struct clock_timer_spec *out);
/* Disarm the timer for good: fn is not called any more when this returns. */
void cpu_timer_destroy(struct cpu_timer *timer);
/*
 * The tick met a process that has timers in cpu_timers. Deferred work: interrupts on, no lock held.
 */
void cpu_timers_tick(struct signal_struct *sig);
/* The process has ended: disarm all timers that measure it or its threads. tasklist_lock held. */
void cpu_timers_forget_locked(struct signal_struct *sig);
