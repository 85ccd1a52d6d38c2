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
 *	rw_semaphore	count > 0: readers; -1: a writer; under sem->lock. Readers hold
 *			back while a writer waits, so that writers are not starved. A release
 *			that makes the lock free wakes all waiters; they sort it out.
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
	spin_lock_init(&sem->lock, RANK_LEAF);
	sem->count = 0;
	sem->writers_waiting = 0;
	sem->rank = (u8)rank;
	init_waitqueue_head(&sem->wait);
}

/* Take the semaphore for reading if nobody writes, and, where polite, if nobody waits to. */
static bool try_read(struct rw_semaphore *sem, bool polite)
{
	unsigned long flags;
	bool taken;

	spin_lock_irqsave(&sem->lock, flags);
	taken = sem->count >= 0 && !(polite && sem->writers_waiting);
	if (taken)
		sem->count++;
	spin_unlock_irqrestore(&sem->lock, flags);
	if (taken)
		lock_acquired(sem, sem->rank, true);
	return taken;
}

/* waiting: what this attempt adds to the number of waiting writers if it succeeds. */
static bool try_write(struct rw_semaphore *sem, int waiting)
{
	unsigned long flags;
	bool taken;

	spin_lock_irqsave(&sem->lock, flags);
	taken = sem->count == 0;
	if (taken) {
		sem->count = -1;
		sem->writers_waiting += waiting;
	}
	spin_unlock_irqrestore(&sem->lock, flags);
	if (taken)
		lock_acquired(sem, sem->rank, true);
	return taken;
}

/*
 * Give up a hold: count changes by delta, negative for a reader's, positive for the
 * writer's. Wakes everybody if that lets someone in.
 */
static void release(struct rw_semaphore *sem, int delta)
{
	unsigned long flags;
	int count;

	spin_lock_irqsave(&sem->lock, flags);
	BUG_ON(delta < 0 ? sem->count <= 0 : sem->count != -1);
	count = sem->count += delta;
	spin_unlock_irqrestore(&sem->lock, flags);
	if (count == 0 || delta > 0)
		wake_up(&sem->wait);
}

bool down_read_trylock(struct rw_semaphore *sem)
{
	port_interleave();
	return try_read(sem, false);
}

void down_read(struct rw_semaphore *sem)
{
	might_sleep();
	port_interleave();
	wait_event(&sem->wait, try_read(sem, true));
}

void up_read(struct rw_semaphore *sem)
{
	lock_released(sem);
	release(sem, -1);
}

bool down_write_trylock(struct rw_semaphore *sem)
{
	port_interleave();
	return try_write(sem, 0);
}

void down_write(struct rw_semaphore *sem)
{
	unsigned long flags;

	might_sleep();
	if (down_write_trylock(sem))
		return;
	spin_lock_irqsave(&sem->lock, flags);
	sem->writers_waiting++;
	spin_unlock_irqrestore(&sem->lock, flags);
	wait_event(&sem->wait, try_write(sem, -1));
}

void up_write(struct rw_semaphore *sem)
{
	lock_released(sem);
	release(sem, 1);
}

void downgrade_write(struct rw_semaphore *sem)
{
	release(sem, 2); /* from one writer to one reader */
}
