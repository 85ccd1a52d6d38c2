/* SPDX-License-Identifier: MIT */
/*
 * mutex.c: taking and releasing a mutex that has no waiters.
 *
 *	state	HELD | WAITERS | RESERVED, one word
 *
 * Taking a free mutex is one atomic operation, and so is releasing one without waiters. What is
 * left, waiting in turn, needs tasks that sleep: mutex_wait_ops, which mm/sleep/locks.c implements.
 * Where there are no tasks (tier 1 alone) a mutex is held by a CPU for as long as its
 * owner works, with interrupts on, and others spin.
 *
 * Locking: none here. Failure: none but -EINTR.
 * Observability: debug builds record holders and check the order (lock_debug.c).
 */
#include "mutex_internal.h"
#include <pagoda/bug.h>
#include <pagoda/errno.h>

const struct mutex_wait_ops *mutex_wait_ops; /* set once, at boot, before a second CPU runs */

#define MUTEX_STATES (MUTEX_HELD | MUTEX_WAITERS | MUTEX_RESERVED)

void mutex_init(struct mutex *m, enum lock_rank rank)
{
	m->state = 0;
	m->rank = (u8)rank;
	init_waitqueue_head(&m->wait);
}

/*
 * MUTEX_WAITERS alone does not stop the caller: a mutex may be taken ahead of a waiter that has not
 * run yet (mm/sleep/locks.c).
 */
bool mutex_try(struct mutex *m)
{
	unsigned int old = READ_ONCE(m->state);

	VM_BUG_ON(old & ~MUTEX_STATES); /* overwritten, or never initialised */
	port_interleave();
	while (!(old & (MUTEX_HELD | MUTEX_RESERVED)))
		if (rmw_cmpxchg_acquire(&m->state, &old, old | MUTEX_HELD))
			return true;
	return false;
}

bool mutex_trylock(struct mutex *m) NO_LOCK_ANALYSIS("it is the lock")
{
	if (!mutex_try(m))
		return false;
	lock_acquired(m, m->rank, true);
	return true;
}

static noinline int mutex_lock_slow(struct mutex *m, bool killable)
{
	if (mutex_wait_ops)
		return mutex_wait_ops->wait(m, killable);
	/*
	 * There are no tasks to switch to, so the owner runs on another CPU, and releases the mutex
	 * there while this CPU spins.
	 */
	while (!mutex_try(m))
		port_cpu_relax();
	return 0;
}

/* The usual case costs one atomic operation: the mutex is free and has no waiters. */
static inline bool try_idle_mutex(struct mutex *m)
{
	unsigned int idle = 0;

	port_interleave();
	return rmw_cmpxchg_acquire(&m->state, &idle, MUTEX_HELD);
}

void mutex_lock(struct mutex *m) NO_LOCK_ANALYSIS("it is the lock")
{
	might_sleep();
	if (unlikely(!try_idle_mutex(m)) && !mutex_try(m))
		(void)mutex_lock_slow(m, false); /* cannot fail */
	lock_acquired(m, m->rank, true);
}

int mutex_lock_killable(struct mutex *m) NO_LOCK_ANALYSIS("it is the lock")
{
	might_sleep();
	if (unlikely(!try_idle_mutex(m)) && !mutex_try(m) && mutex_lock_slow(m, true))
		return -EINTR;
	lock_acquired(m, m->rank, true);
	return 0;
}

/*
 * old is the state before the release. Without MUTEX_HELD in it the caller released a mutex that
 * was not held, and the subtraction has made the state meaningless.
 */
static noinline void mutex_unlock_slow(struct mutex *m, unsigned int old)
{
	BUG_ON(!(old & MUTEX_HELD));
	/* Only the operations mark a mutex as waited for, so they were there then. */
	VM_BUG_ON(!mutex_wait_ops || !(old & MUTEX_WAITERS));
	mutex_wait_ops->wake(m);
}

void mutex_unlock(struct mutex *m) NO_LOCK_ANALYSIS("it is the lock")
{
	unsigned int old;

	lockdep_assert_held(m);
	lock_released(m);
	old = rmw_sub(&m->state, MUTEX_HELD);
	if (unlikely(old != MUTEX_HELD))
		mutex_unlock_slow(m, old);
}
