/* SPDX-License-Identifier: MIT */
/*
 * locks.c: locks whose waiters sleep: mutex and reader-writer semaphore.
 *
 * Both keep their state in a word or two and their waiters in a wait queue. A free
 * lock goes to whoever asks first, also ahead of woken waiters: that keeps a busy
 * lock from standing idle while a waiter is being scheduled.
 *
 *	mutex		locked is 0 or 1, changed by compare-and-exchange. Unlocking wakes
 *			the first waiter only; it stays first in the queue until it has the
 *			lock, so it is woken again if another task was quicker.
 *	rw_semaphore	count > 0: readers; -1: a writer; changed by compare-and-exchange.
 *			Readers hold back while a writer waits, so that writers are not
 *			starved. A release with waiters wakes them all; they sort it out.
 *
 * Failure: none. Context: acquiring may sleep; releasing may be done in any context.
 * Observability: debug builds record holders and check the order (lock_debug.c).
 */
#include <pagoda/spinlock.h>
#include <pagoda/bug.h>

void mutex_init(struct mutex *m, enum lock_rank rank)
{
	atomic_set(&m->locked, 0);
	m->rank = (u8)rank;
	init_waitqueue_head(&m->wait);
}

bool mutex_trylock(struct mutex *m)
{
	port_interleave();
	if (!atomic_cmpxchg(&m->locked, 0, 1))
		return false;
	lock_acquired(m, m->rank, true);
	return true;
}

void mutex_lock(struct mutex *m)
{
	might_sleep();
	wait_event(&m->wait, mutex_trylock(m));
}

void mutex_unlock(struct mutex *m)
{
	lock_released(m);
	BUG_ON(!atomic_cmpxchg(&m->locked, 1, 0));
	wake_up_one(&m->wait);
}

void init_rwsem(struct rw_semaphore *sem, enum lock_rank rank)
{
	sem->count = 0;
	atomic_set(&sem->writers_waiting, 0);
	atomic_set(&sem->waiters, 0);
	sem->rank = (u8)rank;
	init_waitqueue_head(&sem->wait);
}

/* Politely: not before a writer that waits. */
static bool try_read_politely(struct rw_semaphore *sem)
{
	return !atomic_read(&sem->writers_waiting) && down_read_trylock(sem);
}

void down_read_slow(struct rw_semaphore *sem)
{
	atomic_inc(&sem->waiters);
	wait_event(&sem->wait, try_read_politely(sem));
	atomic_dec(&sem->waiters);
}

void down_write_slow(struct rw_semaphore *sem)
{
	atomic_inc(&sem->waiters);
	atomic_inc(&sem->writers_waiting);
	wait_event(&sem->wait, down_write_trylock(sem));
	/* Readers this held back are among the waiters that our release will wake. */
	atomic_dec(&sem->writers_waiting);
	atomic_dec(&sem->waiters);
}

void rwsem_bad_release(struct rw_semaphore *sem)
{
	panic("semaphore %p released by somebody who did not hold it", (void *)sem);
}
