/* SPDX-License-Identifier: MIT */
/*
 * locks.c: locks whose waiters sleep: mutex and reader-writer semaphore.
 *
 * Both keep their state in one word and their waiters in a queue, first come first served:
 *
 *	mutex		HELD; WAITERS: the queue is not empty; RESERVED: only the first waiter may take it
 *	rw_semaphore	number of readers; WRITER: a writer holds it; WAITERS: the queue is not empty
 *
 * Fairness (I1). A semaphore with waiters lets nobody in but by the queue: new readers and writers
 * line up, and a release hands the lock to the first waiter, or to all readers up to the next
 * writer. So a waiter is passed by nobody who comes later:
 *
 *	holds: r1 r2	queue: W1 r3 r4 W2		r5 comes: queue W1 r3 r4 W2 r5
 *	r1, r2 release	W1 holds			W1 releases: r3 r4 hold
 *
 * A mutex that is released wakes its first waiter, and another task may take it before that waiter
 * runs: so a busy mutex does not stand idle while a waiter is being scheduled. A waiter that was
 * woken and found the mutex taken reserves it: the next release leaves it to that waiter. So the
 * first waiter can be overtaken until it has run once, and then no more (I2).
 *
 * Who holds a semaphore for read must not ask for it again: with a writer between the two, both
 * wait for ever.
 *
 * Waiting "killably" ends with -EINTR when the caller is about to die of a signal. The queue is
 * then as if the waiter had never come.
 *
 * Locking: wait.lock (RANK_LEAF, interrupts off) protects the queue and WAITERS, RESERVED; while
 * WAITERS is set, a semaphore's count only falls without it. A waiter is granted, and woken, under
 * wait.lock, and looks at its grant under it: so it lives as long as the waker needs it.
 *
 * Failure: none but -EINTR. Context: acquiring may sleep; releasing may be done in any context.
 * Observability: debug builds record holders and check the order (lock_debug.c).
 */
#include <pagoda/spinlock.h>
#include <pagoda/bug.h>
#include <pagoda/errno.h>

#define MUTEX_HELD     1u
#define MUTEX_WAITERS  2u
#define MUTEX_RESERVED 4u

/* A task that waits; on its own stack. */
struct lock_waiter {
	struct vm_task *task;
	bool writer;  /* of a semaphore */
	bool granted; /* the semaphore was handed to it; it is off the queue */
	struct list_head link;
};

static void enqueue(wait_queue_head_t *wq, struct lock_waiter *w)
{
	lockdep_assert_held(&wq->lock);
	list_add_tail(&w->link, &wq->waiters);
	atomic_inc(&wq->nr_waiting);
}

static void dequeue(wait_queue_head_t *wq, struct lock_waiter *w)
{
	lockdep_assert_held(&wq->lock);
	list_del(&w->link);
	atomic_dec(&wq->nr_waiting);
}

static struct lock_waiter *first_waiter(wait_queue_head_t *wq)
{
	return list_empty(&wq->waiters) ? NULL
					: list_first_entry(&wq->waiters, struct lock_waiter, link);
}

static bool is_doomed(bool killable)
{
	return killable && port_fatal_signal_pending();
}

/* ---- Mutex ------------------------------------------------------------------------------ */

void mutex_init(struct mutex *m, enum lock_rank rank)
{
	m->state = 0;
	m->rank = (u8)rank;
	init_waitqueue_head(&m->wait);
}

/* Take the mutex if it is free and reserved for nobody. */
static bool try_mutex(struct mutex *m)
{
	unsigned int old = READ_ONCE(m->state);

	port_interleave();
	while (!(old & (MUTEX_HELD | MUTEX_RESERVED)))
		if (rmw_cmpxchg_acquire(&m->state, &old, old | MUTEX_HELD))
			return true;
	return false;
}

bool mutex_trylock(struct mutex *m)
{
	if (!try_mutex(m))
		return false;
	lock_acquired(m, m->rank, true);
	return true;
}

/* Take w off the queue, and with it the reservation that it may have made. */
static void leave_mutex_queue(struct mutex *m, struct lock_waiter *w)
{
	bool was_first = first_waiter(&m->wait) == w;

	dequeue(&m->wait, w);
	if (was_first)
		rmw_and_relaxed(&m->state, ~MUTEX_RESERVED);
	if (!first_waiter(&m->wait))
		rmw_and_relaxed(&m->state, ~MUTEX_WAITERS);
}

/*
 * If w is the first waiter: take the mutex if it is free, else reserve it for w if w was woken
 * before.
 */
static bool take_in_turn(struct mutex *m, struct lock_waiter *w, bool woken)
{
	if (first_waiter(&m->wait) != w)
		return false;
	if (!(rmw_or_acquire(&m->state, MUTEX_HELD | (woken ? MUTEX_RESERVED : 0)) & MUTEX_HELD)) {
		leave_mutex_queue(m, w);
		return true;
	}
	return false;
}

/*
 * The mutex was released, or a waiter that may have been woken for it gave up: wake the first
 * waiter.
 */
static void wake_mutex_waiter(struct mutex *m)
{
	struct lock_waiter *first = first_waiter(&m->wait);

	lockdep_assert_held(&m->wait.lock);
	if (first)
		port_unpark(first->task);
}

static noinline int mutex_lock_slow(struct mutex *m, bool killable)
{
	struct lock_waiter w = {.task = port_current()};
	bool woken = false, taken, doomed = false;
	unsigned long flags;

	spin_lock_irqsave(&m->wait.lock, flags);
	enqueue(&m->wait, &w);
	rmw_or(&m->state, MUTEX_WAITERS);
	while (!(taken = take_in_turn(m, &w, woken)) && !(doomed = is_doomed(killable))) {
		spin_unlock_irqrestore(&m->wait.lock, flags);
		port_park(UINT64_MAX);
		woken = true;
		spin_lock_irqsave(&m->wait.lock, flags);
	}
	if (doomed) {
		leave_mutex_queue(m, &w);
		wake_mutex_waiter(m);
	}
	spin_unlock_irqrestore(&m->wait.lock, flags);
	return taken ? 0 : -EINTR;
}

/* The usual case, in one atomic operation: the mutex is free and has no waiters. */
static inline bool try_idle_mutex(struct mutex *m)
{
	unsigned int idle = 0;

	port_interleave();
	return rmw_cmpxchg_acquire(&m->state, &idle, MUTEX_HELD);
}

void mutex_lock(struct mutex *m)
{
	might_sleep();
	if (unlikely(!try_idle_mutex(m)) && !try_mutex(m))
		(void)mutex_lock_slow(m, false); /* cannot fail */
	lock_acquired(m, m->rank, true);
}

int mutex_lock_killable(struct mutex *m)
{
	might_sleep();
	if (unlikely(!try_idle_mutex(m)) && !try_mutex(m) && mutex_lock_slow(m, true))
		return -EINTR;
	lock_acquired(m, m->rank, true);
	return 0;
}

static noinline void mutex_unlock_slow(struct mutex *m, unsigned int old)
{
	unsigned long flags;

	BUG_ON(!(old & MUTEX_HELD));
	spin_lock_irqsave(&m->wait.lock, flags);
	wake_mutex_waiter(m);
	spin_unlock_irqrestore(&m->wait.lock, flags);
}

void mutex_unlock(struct mutex *m)
{
	unsigned int old;

	lock_released(m);
	old = rmw_sub(&m->state, MUTEX_HELD);
	if (unlikely(old != MUTEX_HELD))
		mutex_unlock_slow(m, old);
}

/* ---- Reader-writer semaphore ----------------------------------------------------------------- */

void init_rwsem(struct rw_semaphore *sem, enum lock_rank rank)
{
	sem->count = 0;
	sem->rank = (u8)rank;
	init_waitqueue_head(&sem->wait);
}

static void grant(struct rw_semaphore *sem, struct lock_waiter *w)
{
	rmw_add_acquire(&sem->count, w->writer ? RWSEM_WRITER : 1);
	dequeue(&sem->wait, w);
	w->granted = true;
	port_unpark(w->task);
}

/*
 * Hand the semaphore to the first waiter, and to those behind it that can share it, as far as its
 * holders allow.
 */
static void serve_queue(struct rw_semaphore *sem)
{
	struct lock_waiter *w;

	lockdep_assert_held(&sem->wait.lock);
	while ((w = first_waiter(&sem->wait))) {
		unsigned int held = READ_ONCE(sem->count) & ~RWSEM_WAITERS;

		if (w->writer ? held : held & RWSEM_WRITER)
			return;
		grant(sem, w);
	}
	rmw_and_release(&sem->count, ~RWSEM_WAITERS);
}

static int rwsem_wait(struct rw_semaphore *sem, bool writer, bool killable)
{
	struct lock_waiter w = {.task = port_current(), .writer = writer};
	unsigned long flags;

	spin_lock_irqsave(&sem->wait.lock, flags);
	enqueue(&sem->wait, &w);
	rmw_or(&sem->count, RWSEM_WAITERS);
	serve_queue(sem); /* the last holder may have released it before RWSEM_WAITERS was set */
	while (!w.granted && !is_doomed(killable)) {
		spin_unlock_irqrestore(&sem->wait.lock, flags);
		port_park(UINT64_MAX);
		spin_lock_irqsave(&sem->wait.lock, flags);
	}
	if (!w.granted) {
		dequeue(&sem->wait, &w);
		serve_queue(sem); /* readers behind a writer that gives up need not wait any more */
	}
	spin_unlock_irqrestore(&sem->wait.lock, flags);
	if (!w.granted)
		return -EINTR;
	lock_acquired(sem, sem->rank, true);
	return 0;
}

void down_read_slow(struct rw_semaphore *sem)
{
	(void)rwsem_wait(sem, false, false); /* cannot fail */
}

void down_write_slow(struct rw_semaphore *sem)
{
	(void)rwsem_wait(sem, true, false); /* cannot fail */
}

int down_read_killable_slow(struct rw_semaphore *sem)
{
	return rwsem_wait(sem, false, true);
}

int down_write_killable_slow(struct rw_semaphore *sem)
{
	return rwsem_wait(sem, true, true);
}

void rwsem_release_slow(struct rw_semaphore *sem, bool was_held)
{
	unsigned long flags;

	if (!was_held)
		panic("semaphore %p released by somebody who did not hold it", (void *)sem);
	spin_lock_irqsave(&sem->wait.lock, flags);
	serve_queue(sem);
	spin_unlock_irqrestore(&sem->wait.lock, flags);
}
