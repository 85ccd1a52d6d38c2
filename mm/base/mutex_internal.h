/* SPDX-License-Identifier: MIT */
/* mutex_internal.h: a mutex's state, and what its owner asks of the room where tasks sleep. */
#pragma once

#include <pagoda/spinlock.h>

#define MUTEX_HELD     1u
#define MUTEX_WAITERS  2u /* the queue is not empty */
#define MUTEX_RESERVED 4u /* only the first waiter may take it */

/*
 * Take the mutex if it is free and reserved for no waiter. Return: whether it was taken.
 * Context: any.
 */
bool mutex_try(struct mutex *m);

struct mutex_wait_ops {
	/*
	 * Sleep until the mutex is the caller's. Return: 0; -EINTR without it, if killable and a
	 * fatal signal is pending. May sleep.
	 */
	int (*wait)(struct mutex *m, bool killable);
	/* The mutex was released and has waiters: wake the first. Context: any. */
	void (*wake)(struct mutex *m);
};
/*
 * Set by mm_boot_kernel_map(). NULL: there are no tasks that could sleep (tier 1 alone), and a
 * caller that finds a mutex taken spins until another CPU releases it.
 */
extern const struct mutex_wait_ops *mutex_wait_ops;

/* The two operations, in mm/sleep/locks.c. */
int mutex_wait(struct mutex *m, bool killable);
void mutex_wake(struct mutex *m);
