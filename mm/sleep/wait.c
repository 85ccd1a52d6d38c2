/* SPDX-License-Identifier: MIT */
/*
 * wait.c: wait queues.
 *
 * A queue is a list of entries on the waiters' stacks. An entry stays queued from
 * prepare_to_wait() to finish_wait(); a wake-up only gives its task the port's token,
 * and the waiter looks at its condition again. As the token is kept when it comes
 * before the park, no wake-up is lost between the look and the park:
 *
 *	waiter				waker
 *	queue entry, nr_waiting++
 *	condition still false
 *					make condition true
 *					nr_waiting > 0: unpark(waiter)
 *	park: token is there, returns
 *	condition true
 *
 * The waker's test of nr_waiting takes no lock. It is safe because both sides have a full barrier
 * between their write and their read (I1): either the waker sees the count or the waiter sees the
 * condition. Without the barriers both could read the old value, and the waiter would sleep on.
 *
 * An entry may have a function instead of a task: it is called under the queue's lock, and
 * so may pass the event on (epoll) without a task being run for it.
 *
 * Locking: queue->lock (RANK_LEAF, interrupts off) protects the list; port_unpark is called
 * under it so that the waiter cannot return, and its stack with the entry go, meanwhile.
 *
 * Failure: none; nothing is allocated.
 * Observability: nr_waiting of a queue.
 */
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/spinlock.h>
#include <pagoda/vm_task.h>

void prepare_to_wait(wait_queue_head_t *wq, struct wait_queue_entry *entry, const void *key)
{
	entry->task = port_current();
	entry->key = key;
	entry->func = NULL;
	entry->exclusive = false;
	add_wait_func(wq, entry);
}

void add_wait_func(wait_queue_head_t *wq, struct wait_queue_entry *entry)
{
	unsigned long flags;

	VM_BUG_ON(!entry->func && !entry->task); /* something must be there to wake */
	VM_BUG_ON(entry->exclusive && !entry->func);
	spin_lock_irqsave(&wq->lock, flags);
	list_add_tail(&entry->link, &wq->waiters);
	atomic_inc(&wq->nr_waiting);
	spin_unlock_irqrestore(&wq->lock, flags);
	smp_mb(); /* (I1) */
}

void finish_wait(wait_queue_head_t *wq, struct wait_queue_entry *entry)
{
	unsigned long flags;

	spin_lock_irqsave(&wq->lock, flags);
	VM_BUG_ON(!entry->link.next); /* queued, and finished once only */
	VM_BUG_ON(atomic_read(&wq->nr_waiting) <= 0);
	list_del(&entry->link);
	atomic_dec(&wq->nr_waiting);
	spin_unlock_irqrestore(&wq->lock, flags);
}

/* Wake an entry's task, or call its function. Return: a task was woken. Locks: wq->lock held. */
static bool wake_entry(const wait_queue_head_t *wq, struct wait_queue_entry *entry,
		       unsigned int events) MUST_HOLD(&wq->lock)
{
	lockdep_assert_held(&wq->lock);
	VM_BUG_ON(!entry->link.next);
	if (entry->func)
		return entry->func(entry, events);
	port_unpark(entry->task);
	return true;
}

void wake_up_key_events(wait_queue_head_t *wq, const void *key, unsigned int events)
{
	struct wait_queue_entry *entry;
	bool one_woken = false;
	unsigned long flags;

	smp_mb(); /* (I1) */
	if (atomic_read(&wq->nr_waiting) == 0)
		return;
	spin_lock_irqsave(&wq->lock, flags);
	list_for_each_entry(entry, &wq->waiters, link) {
		/*
		 * Queues are shared (all pages of a zone use a few), so an entry that waits for
		 * another key is passed over. Of the exclusive entries one is enough: each of them
		 * would serve the same event, and all but one would find nothing left to do.
		 */
		if ((key && entry->key && entry->key != key) || (entry->exclusive && one_woken))
			continue;
		one_woken |= wake_entry(wq, entry, events) && entry->exclusive;
	}
	spin_unlock_irqrestore(&wq->lock, flags);
}

void wake_up_key(wait_queue_head_t *wq, const void *key)
{
	wake_up_key_events(wq, key, WAKE_ALL);
}

void wake_up_events(wait_queue_head_t *wq, unsigned int events)
{
	wake_up_key_events(wq, NULL, events);
}

void wake_up_one(wait_queue_head_t *wq)
{
	unsigned long flags;

	smp_mb(); /* (I1) */
	if (atomic_read(&wq->nr_waiting) == 0)
		return;
	spin_lock_irqsave(&wq->lock, flags);
	if (!list_empty(&wq->waiters))
		wake_entry(wq, list_first_entry(&wq->waiters, struct wait_queue_entry, link),
			   WAKE_ALL);
	spin_unlock_irqrestore(&wq->lock, flags);
}
