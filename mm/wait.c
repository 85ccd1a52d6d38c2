/* SPDX-License-Identifier: MIT */
/*
 * wait.c: wait queues, and waiting for a page's lock.
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
 * The waker's test of nr_waiting takes no lock. It is safe because both sides have a
 * full barrier between their write and their read (I1): either the waker sees the
 * count or the waiter sees the condition.
 *
 * An entry may have a function instead of a task: it is called under the queue's lock, and
 * so may pass the news on (epoll) without anybody running.
 *
 * Pages: each zone has a hash table of queues for waiters on its pages (PM-15). Pages
 * that share a queue do not wake each other's waiters, since an entry carries the
 * page as its key (FX-33).
 *
 * Locking: queue->lock (RANK_LEAF, interrupts off) protects the list; port_unpark is
 * called under it so that an entry cannot leave its stack meanwhile.
 */
#include <pagoda/blkdev.h>
#include <pagoda/bug.h>
#include <pagoda/spinlock.h>
#include <pagoda/lru.h>
#include <pagoda/vm_task.h>

void init_waitqueue_head(wait_queue_head_t *wq)
{
	spin_lock_init(&wq->lock, RANK_LEAF);
	INIT_LIST_HEAD(&wq->waiters);
	atomic_set(&wq->nr_waiting, 0);
}

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
	list_del(&entry->link);
	atomic_dec(&wq->nr_waiting);
	spin_unlock_irqrestore(&wq->lock, flags);
}

static bool wake_entry(struct wait_queue_entry *entry, unsigned int events)
{
	if (entry->func)
		return entry->func(entry, events);
	port_unpark(entry->task);
	return true;
}

static void wake(wait_queue_head_t *wq, const void *key, unsigned int events)
{
	struct wait_queue_entry *entry;
	bool one_woken = false;
	unsigned long flags;

	smp_mb(); /* (I1) */
	if (atomic_read(&wq->nr_waiting) == 0)
		return;
	spin_lock_irqsave(&wq->lock, flags);
	list_for_each_entry(entry, &wq->waiters, link) {
		if ((key && entry->key && entry->key != key) || (entry->exclusive && one_woken))
			continue;
		one_woken |= wake_entry(entry, events) && entry->exclusive;
	}
	spin_unlock_irqrestore(&wq->lock, flags);
}

void wake_up_key(wait_queue_head_t *wq, const void *key)
{
	wake(wq, key, WAKE_ALL);
}

void wake_up_events(wait_queue_head_t *wq, unsigned int events)
{
	wake(wq, NULL, events);
}

void wake_up_one(wait_queue_head_t *wq)
{
	unsigned long flags;

	smp_mb(); /* (I1) */
	if (atomic_read(&wq->nr_waiting) == 0)
		return;
	spin_lock_irqsave(&wq->lock, flags);
	if (!list_empty(&wq->waiters))
		wake_entry(list_first_entry(&wq->waiters, struct wait_queue_entry, link), WAKE_ALL);
	spin_unlock_irqrestore(&wq->lock, flags);
}

wait_queue_head_t *page_waitqueue(struct page *page)
{
	zone_t *zone = page_zone(page);
	/* Multiplicative hash: the top bits are mixed best, so the shift keeps those (PM-16). */
	unsigned long hash = page_to_pfn(page) * 0x9e3779b97f4a7c15ul;

	return &zone->wait_table[hash >> zone->wait_table_shift];
}

void wait_on_page(struct page *page)
{
	wait_queue_head_t *wq = page_waitqueue(page);
	struct wait_queue_entry wait;

	if (!PageLocked(page))
		return;
	might_sleep();
	run_disk_queue(); /* the page may be waiting for I/O that we have plugged */
	prepare_to_wait(wq, &wait, page);
	while (PageLocked(page))
		port_park(UINT64_MAX);
	finish_wait(wq, &wait);
}

void wait_on_page_writeback(struct page *page)
{
	wait_queue_head_t *wq = page_waitqueue(page);
	struct wait_queue_entry wait;

	if (!PageWriteback(page))
		return;
	might_sleep();
	run_disk_queue();
	prepare_to_wait(wq, &wait, page);
	while (PageWriteback(page))
		port_park(UINT64_MAX);
	finish_wait(wq, &wait);
}

void lock_page(struct page *page)
{
	wait_queue_head_t *wq;
	struct wait_queue_entry wait;

	if (!TryLockPage(page))
		return;
	might_sleep();
	run_disk_queue();
	wq = page_waitqueue(page);
	prepare_to_wait(wq, &wait, page);
	while (TryLockPage(page))
		port_park(UINT64_MAX);
	finish_wait(wq, &wait);
}

void unlock_page(struct page *page)
{
	/* Written for reclaim, or not: no reason to wait any more. */
	if (unlikely(PageLaunder(page) && !PageWriteback(page))) {
		ClearPageLaunder(page);
		lru_rotate_written(page);
	}
	BUG_ON(!test_and_clear_bit(PG_locked, &page->flags));
	wake_up_key(page_waitqueue(page), page);
}
