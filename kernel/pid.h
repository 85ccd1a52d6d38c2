/* SPDX-License-Identifier: MIT */
/*
 * pid.h: process ids. One struct pid per number in use, as a task's id, a process
 * group's or a session's; the number is free again only when none of the three is left,
 * so a group's id never comes back while the group lives.
 */
#pragma once

#include <pagoda/spinlock.h>
#include <lib/list.h>

struct task_struct;

#define PID_MAX	      32768 /* numbers 1 .. PID_MAX - 1 */
#define RESERVED_PIDS 300   /* after the first round numbers start here */

enum pid_type { PIDTYPE_PGRP, PIDTYPE_SESSION, NR_PID_LISTS };

struct pid {
	int nr;					/* constant */
	int users;				/* (T) the task, and each member of a list */
	struct list_head hash;			/* (T) */
	struct task_struct *task;		/* (T) whose tid it is, or NULL */
	struct list_head members[NR_PID_LISTS]; /* (T) group leaders' pid_link[type] */
	/* (T) a parent that ends has children in this group: its number (exit.c) */
	u64 left_by;
	struct list_head left_link; /* (T) of that parent's list */
	unsigned int refs;	    /* (T) of the struct: one for all users, one for each pidfd */
	wait_queue_head_t ended;    /* woken when the process ends */
};

/*
 * A number with one user: wanted, or (0) one that nobody uses, given out cyclically. ERR_PTR:
 * EAGAIN (none left), EEXIST (wanted is in use), ENOMEM. May sleep.
 */
struct pid *alloc_pid(int wanted) __must_check;
void put_pid(struct pid *pid);
/*
 * The struct, not the number: it stays, and stands for nobody when the process is gone. Any
 * context.
 */
void get_pid_ref(struct pid *pid);
void put_pid_ref(struct pid *pid);
int last_pid_given(void);
void pid_init(void);

/* ---- With tasklist_lock held ------------------------------------------------------------- */
void get_pid_locked(struct pid *pid);
void put_pid_locked(struct pid *pid);
struct pid *find_pid_locked(int nr);
/* The smallest number above `after` that is a task's, with its task; 0 at the end. */
int next_pid_locked(int after, struct task_struct **task);
/* Make a process, by its leader, a member of a group or session / take it out of it. */
void attach_pid_locked(struct task_struct *leader, enum pid_type type, struct pid *pid);
void detach_pid_locked(struct task_struct *leader, enum pid_type type);
