/* SPDX-License-Identifier: MIT */
/*
 * locks.c: how tasks wait for a mutex, and the reader-writer semaphore.
 *
 * Both keep their state in one word and their waiters in a queue, first come first served:
 *
 *	mutex		HELD; WAITERS: the queue is not empty; RESERVED: only the first waiter may take it
 *	rw_semaphore	number of readers; WRITER: a writer holds it; WAITERS: the queue is not empty
 *
 * Fairness (I1). A semaphore with waiters is had through the queue only: new readers and writers
 * line up, and a release hands the lock to the first waiter, or to all readers up to the next
 * writer. So no task that comes later passes a waiter:
 *
 *	holds: r1 r2	queue: W1 r3 r4 W2		r5 comes: queue W1 r3 r4 W2 r5
 *	r1, r2 release	W1 holds			W1 releases: r3 r4 hold
 *
 * A mutex that is released wakes its first waiter, and another task may take it before that waiter
 * runs: so a busy mutex does not stand idle while a waiter is being scheduled. A waiter that was
 * woken and found the mutex taken reserves it: the next release leaves it to that waiter. So the
 * first waiter can be overtaken until it has run once, and then no more (I2):
 *
 *	holder H		first waiter W		another task A
 *	unlock, wakes W		.			.
 *				.			lock succeeds: W has not run yet
 *				runs: mutex is held,
 *				sets RESERVED, parks	.
 *							unlock, wakes W
 *				.			lock: RESERVED, so A queues behind W
 *				lock succeeds
 *
 * A task that holds a semaphore for read must not ask for it again. If a writer queues between the
 * two requests, the writer waits for the first read hold to end and the second request waits for
 * the writer, so neither ever ends.
 *
 * A mutex without waiters is taken and released in mm/base/mutex.c.
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
#include <mm/base/mutex_internal.h>
#include <pagoda/bug.h>
#include <pagoda/errno.h>

/* One waiting task. It lies on that task's stack and is linked in the lock's wait.waiters. */
struct lock_waiter {
	struct vm_task *task;
	bool writer;  /* it asks for a semaphore for write; unused for a mutex */
	bool granted; /* a release handed the semaphore to it and took it off the queue */
	struct list_head link;
};

static void enqueue(wait_queue_head_t *wq, struct lock_waiter *w) MUST_HOLD(&wq->lock)
{
	lockdep_assert_held(&wq->lock);
	list_add_tail(&w->link, &wq->waiters);
	atomic_inc(&wq->nr_waiting);
}

static void dequeue(wait_queue_head_t *wq, struct lock_waiter *w) MUST_HOLD(&wq->lock)
{
	lockdep_assert_held(&wq->lock);
	VM_BUG_ON(!w->link.next); /* it is queued: list_del() leaves NULL behind */
	VM_BUG_ON(atomic_read(&wq->nr_waiting) <= 0);
	list_del(&w->link);
	atomic_dec(&wq->nr_waiting);
}

static struct lock_waiter *first_waiter(wait_queue_head_t *wq) MUST_HOLD(&wq->lock)
{
	lockdep_assert_held(&wq->lock);
	return list_empty(&wq->waiters) ? NULL
					: list_first_entry(&wq->waiters, struct lock_waiter, link);
}

/* A killable wait ends when a fatal signal is pending for the waiter. */
static bool is_doomed(bool killable)
{
	return killable && port_fatal_signal_pending();
}

/* ---- Mutex ------------------------------------------------------------------------------ */

/*
 * Take w off the queue, and with it the reservation that it may have made: only the first waiter
 * reserves, so a later one has none to withdraw. If the reservation stayed, no task could take the
 * mutex any more. Locks: m->wait.lock held.
 */
static void leave_mutex_queue(struct mutex *m, struct lock_waiter *w) MUST_HOLD(&m->wait.lock)
{
	bool was_first = first_waiter(&m->wait) == w;

	lockdep_assert_held(&m->wait.lock);
	VM_BUG_ON(!(READ_ONCE(m->state) & MUTEX_WAITERS)); /* w itself is one */
	dequeue(&m->wait, w);
	if (was_first)
		rmw_and_relaxed(&m->state, ~MUTEX_RESERVED);
	if (!first_waiter(&m->wait))
		rmw_and_relaxed(&m->state, ~MUTEX_WAITERS);
}

/*
 * If w is the first waiter, take the mutex for it if it is free. If it is not, and w was woken
 * before, another task overtook w: reserve the mutex, so that this happens once only (I2).
 * Return: w has the mutex and is off the queue. Locks: m->wait.lock held.
 */
static bool take_in_turn(struct mutex *m, struct lock_waiter *w, bool woken)
	MUST_HOLD(&m->wait.lock)
{
	lockdep_assert_held(&m->wait.lock);
	VM_BUG_ON(!w->link.next); /* w is still queued */
	if (first_waiter(&m->wait) != w)
		return false;
	if (!(rmw_or_acquire(&m->state, MUTEX_HELD | (woken ? MUTEX_RESERVED : 0)) & MUTEX_HELD)) {
		leave_mutex_queue(m, w);
		return true;
	}
	return false;
}

/*
 * Wake the first waiter. Called when the mutex was released, and when a waiter gives up: the
 * release may have woken just that waiter, and the one behind it would sleep on with the mutex
 * free. Waking a waiter in vain is harmless, as it looks at the state again.
 */
static void wake_mutex_waiter(struct mutex *m) MUST_HOLD(&m->wait.lock)
{
	struct lock_waiter *first = first_waiter(&m->wait);

	lockdep_assert_held(&m->wait.lock);
	if (first)
		port_unpark(first->task);
}

/*
 * Queue, and sleep until the mutex is ours. MUTEX_WAITERS is set before the state is looked at
 * again: a holder that releases the mutex from then on sees the flag and comes to wake us; one that
 * released it earlier has left it free, and take_in_turn() finds that.
 */
int mutex_wait(struct mutex *m, bool killable)
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
	VM_BUG_ON(w.link.next); /* our stack frame ends: nothing may point to w */
	VM_BUG_ON(taken && !(READ_ONCE(m->state) & MUTEX_HELD));
	spin_unlock_irqrestore(&m->wait.lock, flags);
	return taken ? 0 : -EINTR;
}

void mutex_wake(struct mutex *m)
{
	unsigned long flags;

	spin_lock_irqsave(&m->wait.lock, flags);
	wake_mutex_waiter(m);
	spin_unlock_irqrestore(&m->wait.lock, flags);
}

/* ---- Reader-writer semaphore ----------------------------------------------------------------- */

void init_rwsem(struct rw_semaphore *sem, enum lock_rank rank)
{
	sem->count = 0;
	sem->rank = (u8)rank;
	init_waitqueue_head(&sem->wait);
}

/*
 * Hand the semaphore to w. The waiter must not leave its stack before port_unpark() has used
 * w->task; it cannot, as it looks at w->granted under wait.lock, which we hold.
 */
static void grant(struct rw_semaphore *sem, struct lock_waiter *w) MUST_HOLD(&sem->wait.lock)
{
	lockdep_assert_held(&sem->wait.lock);
	VM_BUG_ON(w->granted);
	VM_BUG_ON(!(READ_ONCE(sem->count) & RWSEM_WAITERS)); /* keeps others out meanwhile (I1) */
	VM_BUG_ON(READ_ONCE(sem->count) & RWSEM_WRITER);
	rmw_add_acquire(&sem->count, w->writer ? RWSEM_WRITER : 1);
	dequeue(&sem->wait, w);
	w->granted = true;
	port_unpark(w->task);
}

/*
 * Hand the semaphore to the first waiter, and to those behind it that can share it, as far as its
 * holders allow:
 *
 *	holders		queue		result
 *	none		W1 r2		W1 holds it, r2 waits
 *	none		r1 r2 W3	r1 and r2 hold it, W3 waits
 *	readers		r1 W2		r1 joins them, W2 waits
 *	readers		W1 r2		nothing: r2 must not pass W1 (I1)
 *
 * RWSEM_WAITERS goes only when the queue is empty. It has release order, as a trylock that finds it
 * clear goes ahead without wait.lock.
 */
static void serve_queue(struct rw_semaphore *sem) MUST_HOLD(&sem->wait.lock)
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

/* Queue behind all others and sleep until a release, or serve_queue() here, grants the semaphore.
 */
static int rwsem_wait(struct rw_semaphore *sem, bool writer, bool killable)
{
	struct lock_waiter w = {.task = port_current(), .writer = writer};
	unsigned long flags;

	spin_lock_irqsave(&sem->wait.lock, flags);
	enqueue(&sem->wait, &w);
	rmw_or(&sem->count, RWSEM_WAITERS);
	/*
	 * The last holder may have released the semaphore just before RWSEM_WAITERS was set. It saw
	 * no waiter, so no other task will look at the queue.
	 */
	serve_queue(sem);
	while (!w.granted && !is_doomed(killable)) {
		spin_unlock_irqrestore(&sem->wait.lock, flags);
		port_park(UINT64_MAX);
		spin_lock_irqsave(&sem->wait.lock, flags);
	}
	if (!w.granted) {
		dequeue(&sem->wait, &w);
		serve_queue(sem); /* readers that waited behind this writer may now share with
				     readers */
	}
	VM_BUG_ON(w.link.next); /* our stack frame ends: nothing may point to w */
	VM_BUG_ON(w.granted &&
		  !(READ_ONCE(sem->count) & (writer ? RWSEM_WRITER : RWSEM_WAITERS - 1)));
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

	/* The count is wrong by now: a later caller would share the semaphore with a writer. */
	if (!was_held)
		panic("semaphore %p released by a task that did not hold it", (void *)sem);
	spin_lock_irqsave(&sem->wait.lock, flags);
	serve_queue(sem);
	spin_unlock_irqrestore(&sem->wait.lock, flags);
}
