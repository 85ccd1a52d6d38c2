/* SPDX-License-Identifier: MIT */
/* signal_internal.h: shared by signal.c, sigcalls.c, sigframe.c, exit.c, exec.c, wait.c, job.c. */
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
void signals_init(void);
/* Take the next signal that needs a handler; performs default actions itself. May sleep, may not return. */
bool get_signal(struct signal_delivery *out);
/* Set WORK_SIGNAL as the state demands. siglock held. */
void recalc_sigpending_locked(void);
/* The next unblocked pending signal not in mask, removed; 0: none. siglock held. */
int dequeue_signal_locked(sigset_t mask, struct siginfo *info);
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
/* Forget all queued signals, or those in mask. siglock held. */
void flush_sigpending_locked(struct sigpending *pending, sigset_t mask, struct signal_struct *sig);
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
int kill_pgrp_locked(struct pid *pgrp, int signo, const struct siginfo *info);

/* ---- sigframe.c ------------------------------------------------------------------------- */
/* Build the frame for d on the user's stack and set regs to enter the handler; 0 or -EFAULT. */
int setup_rt_frame(const struct signal_delivery *d, sigset_t saved_mask, struct pt_regs *regs);
long sys_rt_sigreturn(void);
/* Does sp lie on t's alternate stack? */
bool on_altstack(const struct task_struct *t, unsigned long sp);
#define SIGFRAME_MIN_STACK 2048 /* MINSIGSTKSZ; the real frame takes under 1200 bytes */
