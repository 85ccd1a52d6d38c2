/* SPDX-License-Identifier: MIT */
/* sched.h: who runs: run queue, sleeping and waking, time slices (kernel/sched.c). */
#pragma once

#include <kernel/task.h>

#define SLICE_TICKS 5 /* 50 ms: a switch costs nothing against it */

/* Give the CPU to the next task; the caller's state says whether it wants it back. May sleep. */
void schedule(void);
/*
 * An interrupt ends, and may have woken a task that is to preempt the current one. Interrupts off.
 */
void preempt_for_woken(void);
/* Put a new task on the run queue. */
void wake_up_new_task(struct task_struct *t);
/*
 * A task has ended: its parent, or for a thread its group's leader, is charged for the time that it
 * had, so that forking gains nothing. tasklist_lock held.
 */
void sched_charge(struct task_struct *parent, const struct task_struct *ended);
/*
 * Sleep as TASK_STOPPED until continue_task(); may return early. The caller's
 * siglock is dropped here.
 */
void stop_current(spinlock_t *siglock) RELEASES(siglock);
void continue_task(struct task_struct *t);
/* The current task never runs again; its reference for running is dropped. */
__noreturn void schedule_dead(void);
/* First thing a new task does: finish the switch that brought it here. */
void schedule_tail(void);
/*
 * CPU time of t up to now in user and kernel mode, as the ticks saw it; neither ever goes back.
 * tasklist_lock held.
 */
void task_cpu_split(struct task_struct *t, u64 *utime_ns, u64 *stime_ns);

static inline void set_work(struct task_struct *t, unsigned int bits)
{
	rmw_or(&t->work, bits);
}
static inline void clear_work(struct task_struct *t, unsigned int bits)
{
	rmw_and(&t->work, ~bits);
}

/* The boot context becomes CPU 0's idle task, and current. */
void sched_init(void);
/* CPU 0's: the ancestor of all, number 0, parent of kernel threads and of pid 1. */
struct task_struct *idle_task(void);
__noreturn void cpu_idle(void);

/* Fill in /proc/stat's counts. */
void sched_system_info(struct fs_system_info *info);

/* A task whose last reference went: free it when there is a context that may sleep. */
void queue_dead_task(struct task_struct *t);
/* Free those. Stacks are kept for the next forks unless all. May sleep. */
void free_dead_tasks(bool all);
