/* SPDX-License-Identifier: MIT */
/*
 * user.h: what the tasks of one real user id use together: the kernel memory that is limited per
 * user and not per process, as a user could have any number of processes.
 *
 * A task holds a reference to its user (fs_task.user); so does each object that is counted for one
 * (a pipe, an epoll's watch, a queued signal), as it may outlive the task, or the task may become
 * another user: what was added to a user is taken off the same user.
 */
#pragma once

#include <pagoda/atomic.h>
#include <pagoda/types.h>

struct user_struct {
	u32 uid;		       /* (C) */
	atomic_t count;		       /* references; users_lock to drop or to find */
	struct user_struct *next;      /* users_lock: of the same hash */
	atomic_long_t nr_tasks;	       /* not yet waited for: RLIMIT_NPROC */
	atomic_long_t nr_sigpending;   /* queued signals and POSIX timers: RLIMIT_SIGPENDING */
	atomic_long_t pipe_pages;      /* slots of pipes: fs.pipe-user-pages-soft, -hard */
	atomic_long_t epoll_watches;   /* fs.epoll.max_user_watches */
	atomic_long_t files_in_flight; /* in unread messages of sockets: RLIMIT_NOFILE */
	atomic_long_t kernel_bytes;    /* of small objects: user_charge() */
};

/* Root's, which is always there. */
extern struct user_struct root_user;

/* The user with that number, with a reference; NULL: no memory. May sleep. */
struct user_struct *find_user(u32 uid) __must_check;
static inline struct user_struct *get_user_struct(struct user_struct *user)
{
	atomic_inc(&user->count);
	return user;
}
/* Drop a reference; the last one frees it. Any context. */
void put_user_struct(struct user_struct *user);
/* The running task's user, without a reference of its own: the task's keeps it. */
struct user_struct *current_user(void);

/*
 * Count bytes of kernel memory for user, who may have a share of RAM in such objects (USER_SHARE in
 * user.c); a caller with CAP_SYS_RESOURCE may exceed it. False: the limit is reached, nothing is
 * counted. Any context.
 */
bool user_charge(struct user_struct *user, size_t bytes) __must_check;
/* Undo a user_charge() of so many bytes. Any context. */
void user_uncharge(struct user_struct *user, size_t bytes);
