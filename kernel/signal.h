/* SPDX-License-Identifier: MIT */
/*
 * signal.h: signals as Linux x86-64 numbers and lays them out, and how the rest of
 * the kernel sends them and notices them.
 *
 * A signal is pending for one task or for a whole process (shared). The sender
 * puts it there under sighand->siglock, drops it if it would be ignored, and wakes a
 * task that may take it. The receiver meets it on its way back to user mode
 * (kernel/signal.c), or earlier, in a sleep that asks signal_pending().
 */
#pragma once

#include <pagoda/abi/signal.h>
#include <pagoda/types.h>
#include <pagoda/errno.h>
#include <pagoda/spinlock.h>

/* Bit signo - 1. */
typedef u64 sigset_t;
#define sigmask(signo) (1ull << ((signo)-1))
static inline bool sig_in(sigset_t set, int signo)
{
	return set & sigmask(signo);
}

#define SIG_DFL ((unsigned long)0)
#define SIG_IGN ((unsigned long)1)

#define SA_NOCLDSTOP 0x00000001ul
#define SA_NOCLDWAIT 0x00000002ul
#define SA_SIGINFO   0x00000004ul
#define SA_RESTORER  0x04000000ul
#define SA_ONSTACK   0x08000000ul
#define SA_RESTART   0x10000000ul
#define SA_NODEFER   0x40000000ul
#define SA_RESETHAND 0x80000000ul

#define SIG_BLOCK   0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2

/* struct sigaction of rt_sigaction(2). */
struct k_sigaction {
	unsigned long handler;
	unsigned long flags;
	unsigned long restorer;
	sigset_t mask;
};
static_assert(sizeof(struct k_sigaction) == 32, "rt_sigaction's layout");

struct siginfo {
	int si_signo, si_errno, si_code, pad_;
	union {
		struct {
			int pid;
			u32 uid;
			unsigned long value; /* rt_sigqueueinfo */
		} rt;
		struct {
			int pid;
			u32 uid;
			int status, pad_;
			long utime, stime; /* clock ticks of 1/100 s */
		} chld;
		struct {
			unsigned long addr;
		} fault;
		struct {
			int tid, overrun;
			unsigned long value;
		} timer;
		u8 bytes[112];
	};
};
static_assert(sizeof(struct siginfo) == 128, "siginfo's layout");

struct sigqueue {
	struct list_head link; /* empty: a timer's that is not pending */
	struct siginfo info;
	struct user_struct *user; /* counted for it, with a reference */
	bool timer;		  /* a timer's: kept for the next expiration */
	int last_overrun;	  /* of the signal that was taken last */
	/*
	 * A timer's that rests while its signal is pending: how often it would have expired; it
	 * goes on. siglock held.
	 */
	unsigned int (*missed)(void *owner);
	void *owner;
};

struct sigpending {
	struct list_head queue; /* oldest first */
	sigset_t set;
};

typedef struct {
	unsigned long sp;
	int flags, pad_;
	size_t size;
} stack_t;
static_assert(sizeof(stack_t) == 24, "stack_t's layout");
#define SS_ONSTACK    1
#define SS_DISABLE    2
#define SS_AUTODISARM (1u << 31)

struct task_struct;

/* ---- Sending. Not from interrupt handlers (deferred.c), no siglock held. --------------------- */

/* To one task, as the kernel (SI_KERNEL): SIGPIPE, SIGXFSZ and their like. */
void send_sig(int signo, struct task_struct *task);
/* To a process; info NULL: SI_KERNEL. 0, or -EAGAIN if a real-time queue is full. */
int send_group_sig(int signo, const struct siginfo *info, struct task_struct *task);
/* To every process of a group, as the kernel: what a terminal does. -ESRCH: there is none. */
int kill_pgrp(int pgrp, int signo);
/* The same for a caller that may sleep. */
int kill_pgrp_with_pauses(int pgrp, int signo);
/*
 * A fault of the current task: cannot be ignored; if it is blocked or ignored, or its
 * handler cannot run, the process dies of it.
 */
void force_sig_fault(int signo, int si_code, unsigned long addr);
void force_sig(int signo);

/* ---- Noticing ------------------------------------------------------------------------ */

/* Has the current task an unblocked signal (or a stop or exit of its process) to attend to? */
bool signal_pending(void);
/* ... one that will end it? */
bool fatal_signal_pending(void);
/* Does the current task block or ignore signo? (SIGTTIN, SIGTTOU from a terminal.) */
bool signal_ignored_or_blocked(int signo);
/* Nobody outside the group, but in the session, would continue it if it stopped. */
bool is_orphaned_pgrp(int pgrp);

/*
 * Replace the blocked mask until the return to user mode (ppoll, pselect6, sigsuspend):
 * the old one comes back then, after a handler has run under the new one.
 */
void set_user_sigmask(sigset_t mask);
/* The call ended without -EINTR: give the old mask back at once. */
void restore_user_sigmask(void);
