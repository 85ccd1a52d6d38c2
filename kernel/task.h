/* SPDX-License-Identifier: MIT */
/*
 * task.h: tasks and what they share.
 *
 *	task_struct	one thread of execution: its vm_task (the core's view), its
 *			machine_thread (the machine's view), kernel stack, pid
 *	signal_struct	one process: pending signals of the whole, limits, group and
 *			session, terminal, exit state, children
 *	sighand_struct	the table of handlers, shared by CLONE_SIGHAND
 *	fs_task, fs_process	what fs/ knows of a thread and of a process: descriptors,
 *			directories, ids, terminal (fs/task.h)
 *
 * Locks, outermost first: tasklist_lock > sighand->siglock > run queue lock (sched.c).
 * The first two are taken with interrupts on, by spin_lock_deferring(): interrupt handlers leave
 * what needs them to kernel/deferred.c. The third is taken with interrupts off.
 * Letters: (T) tasklist_lock; (S) sighand->siglock; (Q) run queue lock; (O) the task
 * itself only; (C) constant once the task runs. Single words read without a lock are read once.
 */
#pragma once

#include <pagoda/machine.h>
#include <pagoda/spinlock.h>
#include <pagoda/vm_task.h>
#include <fs/task.h>
#include <lib/rbtree.h>
#include <kernel/cred.h>
#include <kernel/deferred.h>
#include <kernel/pid.h>
#include <kernel/signal.h>
#include <kernel/time.h>

struct mm_struct;

enum task_state {
	TASK_RUNNING, /* running, or on the run queue */
	TASK_PARKED,  /* asleep in port_park */
	TASK_STOPPED, /* by a stop signal; SIGCONT or SIGKILL wakes */
	TASK_ZOMBIE,  /* ended, waited for */
	TASK_DEAD,    /* released; only references are left */
};

/* task_struct.work: what to do before going back to user mode. */
#define WORK_RESCHED 0x1u
#define WORK_SIGNAL  0x2u
#define WORK_RESTART 0x4u /* the system call ended in -ERESTART* */
#define WORK_SAMPLED 0x8u /* latency_debug: a scheduling point is to be noted (latency.c) */

struct sighand_struct {
	atomic_t count;
	spinlock_t siglock;
	struct k_sigaction action[NSIG]; /* (S) [signo - 1] */
};

#define TIMER_SLACK_DEFAULT_NS 50000
#define MCE_KILL_DEFAULT       2 /* task_struct.mce_kill: 0 late, 1 early, 2 as the system has it */

struct itimer {
	/* 0: not armed. REAL: when, on the clock; others: CPU time left */
	u64 value_ns, interval_ns;
};

struct task_usage {
	u64 utime_ns, stime_ns;
	unsigned long min_flt, maj_flt, nvcsw, nivcsw;
	unsigned long maxrss_kb;
	struct task_io io;
};

struct signal_struct {
	atomic_t count;			       /* tasks that point here */
	int live;			       /* (T) tasks not yet past exit */
	int nr_exiting;			       /* (T) of those, the ones that are on their way */
	int nr_threads;			       /* (T) on the list */
	struct list_head threads;	       /* (T) their thread_link, leader first */
	struct list_head children;	       /* (T) child processes' sibling */
	struct task_struct *leader;	       /* (T) */
	struct sigpending shared_pending;      /* (S) */
	wait_queue_head_t child_wait;	       /* wait4 sleeps here */
	bool group_exit;		       /* (S) everybody exits with group_exit_code */
	int group_exit_code;		       /* (S) raw wait status */
	struct task_struct *exec_task;	       /* (S) in execve: all others exit */
	bool unkillable;		       /* (S) pid 1: fatal default actions are ignored */
	bool group_stop;		       /* (S) every thread stops, or has stopped */
	bool stop_dequeued;		       /* (S) a stop signal is being acted upon */
	bool cont_notify;		       /* (S) tell the parent of the continuation */
	int stop_signo, nr_to_stop;	       /* (S) threads that have not stopped yet */
	bool stop_reportable, cont_reportable; /* (S) not yet told by wait4 */
	struct pid *pgrp, *session;	       /* (T) never NULL once running */
	bool session_leader;		       /* (T) */
	struct fs_process fs_process;	       /* the same as fs/ sees it, and the terminal */
	struct rlimit rlim[RLIM_NLIMITS];      /* single words */
	struct ktimer real_timer;
	struct itimer itimer[3];     /* (T) */
	struct mutex timer_mutex;    /* timer_create and its kin */
	struct rb_root posix_timers; /* timer_mutex: by number */
	int next_timer_id;	     /* timer_mutex */
	/* (T) armed timers on this process's CPU time (cpu_clock.c) */
	struct list_head cpu_timers;
	struct task_usage dead; /* (T) threads that have ended */
	struct task_usage kids; /* (T) children waited for */
	bool is_child_subreaper, did_exec, thp_disable;
	unsigned int exec_id;	     /* (T) number of programs that it has executed */
	unsigned int parent_exec_id; /* (T) its parent's exec_id when this process was made */
	int oom_score_adj_min;	     /* (T) where privilege last put oom_score_adj; inherited */
};

struct task_struct {
	struct vm_task vm; /* first: port_current() is a task_struct */
	struct machine_thread thread __aligned(64);
	void *stack; /* (C) lowest address */
	atomic_t usage;

	/* scheduling */
	unsigned int state;	  /* (Q) enum task_state */
	unsigned int work;	  /* WORK_, atomic bits */
	bool park_token, running; /* (Q) */
	bool on_cpu;		  /* its registers are in a CPU, not in thread */
	bool gone;		  /* (O) will never run again */
	int slice_ticks;	  /* (Q) left of the time slice */
	struct rb_node rq_node;	  /* (Q) */
	u64 queue_key_ns;	  /* (Q) while queued: its place in the queue (sched.c) */
	u64 vruntime_offset_ns;	  /* (Q) virtual runtime less vm.cpu_time_ns */
	bool yields;		  /* (O) in port_yield() */
	bool woken;		  /* (Q) it slept, and has not run since */
	struct ktimer park_timer;
	u64 run_start_ns; /* (Q) when it was last given the CPU */

	/* family */
	struct pid *pid_struct;			 /* (C) its number is vm.pid */
	int tgid;				 /* (C) except in exec */
	struct list_head task_link;		 /* (T) all tasks */
	struct list_head thread_link;		 /* (T) signal->threads */
	struct list_head sibling;		 /* (T) leaders: real_parent's signal->children */
	struct list_head pid_link[NR_PID_LISTS]; /* (T) leaders */
	struct task_struct *parent;		 /* (T) leader of the parent process */
	int exit_signal;			 /* told to the parent; 0 none, -1 a thread */
	int exit_code;				 /* raw wait status */
	wait_queue_head_t vfork_wait;		 /* of a vfork child: its parent sleeps here */
	bool vfork_pending;			 /* until exec or exit */

	/* shared parts */
	struct fs_task fs;		/* files, directories, credentials */
	struct sighand_struct *sighand; /* (T) to drop, else stable */
	struct signal_struct *signal;	/* (C) until release */

	/* signals */
	sigset_t blocked;	   /* (S), (O) to write */
	sigset_t saved_sigmask;	   /* (O) */
	bool restore_sigmask;	   /* (O) */
	struct sigpending pending; /* (S) */
	sigset_t real_blocked;	   /* (S) sigtimedwait waits for these */
	stack_t altstack;	   /* (O) */
	long restart_ret;	   /* (O) WORK_RESTART: the call's -ERESTART* */

	struct task_caps caps; /* (O) */
	bool nproc_exceeded;   /* (O) became a user with too many tasks: exec is to fail */

	/* times */
	u64 user_ticks, system_ticks; /* seen by the tick; they split cpu_time_ns */
	/* (T) the split as it was told last: it never goes back */
	u64 told_utime_ns, told_stime_ns;
	unsigned long nvcsw, nivcsw;

	/* user-space conveniences */
	unsigned long clear_child_tid, set_child_tid; /* (O) */
	unsigned long robust_list;		      /* (O) */
	/* (O) strings of a program that is about to run: for the OOM killer */
	unsigned long arg_pages;
	int pdeath_signal;
	/* (O) kept and told; timers go by ticks */
	unsigned long timer_slack_ns, default_timer_slack_ns;
	u8 mce_kill;		    /* (O) when to be told of broken memory: told back only */
	struct list_head dead_link; /* queue_dead_task() */
	unsigned int personality;
	bool report_marked; /* "mark" was written to /dev/pagoda */
	int nice;
	u8 policy;		  /* SCHED_OTHER, BATCH or IDLE: shown only */
	bool sched_reset_on_fork; /* children start with the policy and nice value of everybody */
};

static inline struct task_struct *vm_to_task(struct vm_task *vm)
{
	return (struct task_struct *)vm;
}
#define current vm_to_task(port_current())

static inline bool thread_group_leader(const struct task_struct *t)
{
	return t->exit_signal >= 0;
}
static inline unsigned long task_rlimit(const struct task_struct *t, int limit)
{
	return READ_ONCE(t->signal->rlim[limit].rlim_cur);
}
#define rlimit(limit) task_rlimit(current, (limit))

extern spinlock_t tasklist_lock;
extern struct list_head all_tasks;	 /* (T) */
extern struct task_struct *child_reaper; /* pid 1 */
extern unsigned int nr_tasks;		 /* (T) */
extern u64 nr_forks;			 /* (T) */

/* ---- Finding tasks -------------------------------------------------------------------- */

/* The task with this tid, or NULL. tasklist_lock held. */
struct task_struct *find_task_locked(int tid);
/* ... with a reference. */
struct task_struct *get_task_by_pid(int tid);
static inline void get_task(struct task_struct *t)
{
	atomic_inc(&t->usage);
}
void put_task(struct task_struct *t);
