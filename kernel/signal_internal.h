/* SPDX-License-Identifier: MIT */
/*
 * signal_internal.h: shared by signal.c, sigqueue.c, sigcalls.c, sigframe.c, exit.c, exec.c,
 * wait.c, job.c.
 */
#pragma once

#include <kernel/task.h>

struct pt_regs;

/* What get_signal() wants done: run the handler in action with info. */
struct signal_delivery {
	int signo;
	struct siginfo info;
	struct k_sigaction action;
};

/* ---- signal.c -------------------------------------------------------------------------- */
/*
 * Take the next signal that needs a handler; performs default actions itself. May sleep, may not
 * return.
 */
bool get_signal(struct signal_delivery *out);
/* Set WORK_SIGNAL as the state demands. siglock held. */
void recalc_sigpending_locked(void);
/* The next unblocked pending signal not in mask, removed; 0: none. siglock held. */
int dequeue_signal_locked(sigset_t mask, struct siginfo *info);
/* The next pending signal of this set, removed; 0: none. */
int take_signal(sigset_t wanted, struct siginfo *info);
/* Replace the blocked set. */
void set_current_blocked(sigset_t set);
/*
 * Queue a signal to one thread or (group) its process; info NULL: as the kernel. 0, or -EAGAIN
 * if a real-time signal found the queue full. The first with t's siglock held, the second with
 * tasklist_lock, the third with neither; t may have ended.
 */
int send_signal_locked(int signo, const struct siginfo *info, struct task_struct *t, bool group);
int send_signal_listed(int signo, const struct siginfo *info, struct task_struct *t, bool group);
int send_signal(int signo, const struct siginfo *info, struct task_struct *t, bool group);
/*
 * A timer expired so many times: its signal becomes pending, or, if it still is, counts them as
 * overruns. To thread, or (NULL) to the process. Is it pending now? False: it is ignored, or nobody
 * is there any more. No lock held, any context.
 */
bool send_timer_signal(struct sigqueue *q, unsigned int times, struct task_struct *thread,
		       struct signal_struct *sig);
/* ... with tasklist_lock held. */
bool send_timer_signal_listed(struct sigqueue *q, unsigned int times, struct task_struct *thread,
			      struct signal_struct *sig);
/* Would the current task's action for signo be to ignore it? siglock held. */
bool action_ignores(const struct task_struct *t, int signo);
/* Every thread is told to exit with the raw status code. siglock held. */
void start_group_exit_locked(struct signal_struct *sig, int code);
/* tasklist_lock held: tell t's parent that t stopped or continued (why: CLD_). */
void notify_parent_stop_locked(struct task_struct *t, int why);
/* tasklist_lock held: tell the parent that leader t ended; true if nobody will wait for it. */
bool notify_parent_exit_locked(struct task_struct *t);
/* A thread exits while its process stops. siglock held; true: it was the last to stop. */
bool leave_group_stop_locked(struct task_struct *t);
/* Is the process group orphaned, not counting (t may be NULL) process t? tasklist_lock held. */
bool pgrp_is_orphaned_locked(struct pid *pgrp, struct task_struct *ignored);
bool pgrp_has_stopped_locked(struct pid *pgrp);
/* A process of the group, or NULL. */
struct task_struct *first_member_locked(struct pid *pgrp);
/* Signals sent without a pause: some 20,000 instructions. */
#define KILL_BATCH 32
/* Has it more members than KILL_BATCH? */
bool is_large_group_locked(const struct pid *pgrp);
/* Signal all members, with pauses, without tasklist_lock. pgrp: a use is held. May sleep. */
void kill_pgrp_in_batches(struct pid *pgrp, int signo);
int kill_pgrp_locked(struct pid *pgrp, int signo, const struct siginfo *info);

/* ---- sigqueue.c: all with siglock held but the first two ---------------------------------- */
void sigqueues_init(void);
/*
 * A timer's queue entry, counted as pending all its life; NULL: no memory, or over
 * RLIMIT_SIGPENDING. May sleep.
 */
struct sigqueue *timer_queue_alloc(void) __must_check;
/* The timer goes away; its signal, if pending, stays. */
void timer_queue_free(struct sigqueue *q);
/* Forget all queued signals, or those in mask. */
void flush_sigpending_locked(struct sigpending *pending, sigset_t mask);
/* Remove the oldest signo, its siginfo to *info; it stays in the set if there is another. */
void collect_signal_locked(struct sigpending *pending, int signo, struct siginfo *info);
/* Make signo pending; -EAGAIN if a real-time signal finds the queue full. */
int enqueue_signal_locked(struct sigpending *pending, int signo, const struct siginfo *info,
			  struct signal_struct *sig);
void enqueue_timer_locked(struct sigpending *pending, struct sigqueue *q);
/* Note expirations of a timer; true: as overruns of the signal that is still pending. */
bool count_expirations(struct sigqueue *q, unsigned int times);

/* ---- signalfd.c -------------------------------------------------------------------------- */
/* A signal is pending for t, or its process. siglock held. */
void signalfd_notify(struct task_struct *t);

/* ---- sigframe.c ------------------------------------------------------------------------- */
/* Build the frame for d on the user's stack and set regs to enter the handler; 0 or -EFAULT. */
int setup_rt_frame(const struct signal_delivery *d, sigset_t saved_mask, struct pt_regs *regs);
/* Does sp lie on t's alternate stack? */
bool on_altstack(const struct task_struct *t, unsigned long sp);
#define SIGFRAME_MIN_STACK 2048 /* MINSIGSTKSZ; the real frame takes under 1200 bytes */
