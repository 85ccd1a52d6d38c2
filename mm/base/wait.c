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
 * so may pass the event on (epoll) without a task being run for it.
 *
 * Pages: each zone has a hash table of queues for waiters on its pages (PM-15). Pages
 * that share a queue do not wake each other's waiters, since an entry carries the
 * page as its key (FX-33).
 *
 * A task that waits until a page has been unlocked, or written, waits for that to happen once: its entry notes
 * the event, so it goes on even if the page is locked again before it runs (I2). A task that waits for the
 * page lock itself may be overtaken once by a running task; then it asks to be next (PG_wanted), and the next
 * unlock_page() hands the lock over to it, leaving PG_locked set (I3):
 *
 *	waiter			A			B
 *	queue, park		unlock, wake		lock
 *	locked: wants it	.			unlock: finds PG_wanted,
 *	    set PG_wanted				  grants it, wakes
 *	granted
 *
 * Locking: queue->lock (RANK_LEAF, interrupts off) protects the list; port_unpark is
 * called under it so that an entry cannot leave its stack meanwhile. PG_wanted is set and
 * cleared under it.
 */
#include <pagoda/blkdev.h>
#include <pagoda/bug.h>
#include <pagoda/errno.h>
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

/* ---- Pages -------------------------------------------------------------------------------- */

/* What happens to a page; the events of its queue. */
#define PAGE_UNLOCKED 1u
#define PAGE_WRITTEN  2u

struct page_waiter {
	struct wait_queue_entry entry; /* key: the page */
	unsigned int seen;	       /* events since it queued */
	bool wants;		       /* the next unlock_page() shall hand over the lock ... */
	bool granted;		       /* ... and has done so */
};

wait_queue_head_t *page_waitqueue(struct page *page)
{
	zone_t *zone = page_zone(page);
	/* Multiplicative hash: the top bits are mixed best, so the shift keeps those (PM-16). */
	unsigned long hash = page_to_pfn(page) * 0x9e3779b97f4a7c15ul;

	return &zone->wait_table[hash >> zone->wait_table_shift];
}

static bool note_page_event(struct wait_queue_entry *entry, unsigned int events)
{
	struct page_waiter *w = container_of(entry, struct page_waiter, entry);

	__atomic_store_n(&w->seen, w->seen | events, __ATOMIC_RELEASE);
	port_unpark(entry->task);
	return true;
}

static void queue_for_page(wait_queue_head_t *wq, struct page_waiter *w, struct page *page)
{
	*w = (struct page_waiter){ .entry = { .task = port_current(), .key = page, .func = note_page_event } };
	add_wait_func(wq, &w->entry);
}

/*
 * Sleep until the flag is clear, or event has come since the call. 0; -EINTR: killable, and a fatal signal is
 * pending.
 */
static int wait_for_page_event(struct page *page, enum page_flag flag, unsigned int event, bool killable)
{
	wait_queue_head_t *wq = page_waitqueue(page);
	struct page_waiter w;
	int err = 0;

	might_sleep();
	run_disk_queue(); /* the page may be waiting for I/O that we have plugged */
	queue_for_page(wq, &w, page);
	while (test_bit(flag, &page->flags) && !(__atomic_load_n(&w.seen, __ATOMIC_ACQUIRE) & event)) {
		if (killable && port_fatal_signal_pending()) {
			err = -EINTR;
			break;
		}
		port_park(UINT64_MAX);
	}
	finish_wait(wq, &w.entry);
	return err;
}

void wait_on_page(struct page *page)
{
	if (PageLocked(page))
		(void)wait_for_page_event(page, PG_locked, PAGE_UNLOCKED, false); /* cannot fail */
}

int wait_on_page_killable(struct page *page)
{
	return PageLocked(page) ? wait_for_page_event(page, PG_locked, PAGE_UNLOCKED, true) : 0;
}

void wait_on_page_writeback(struct page *page)
{
	if (PageWriteback(page))
		(void)wait_for_page_event(page, PG_writeback, PAGE_WRITTEN, false); /* cannot fail */
}

void wake_page_written(struct page *page)
{
	wake(page_waitqueue(page), page, PAGE_WRITTEN);
}

/* w was woken but another task took the page lock first: the next unlock_page() shall hand it to w. */
static void ask_to_be_next(wait_queue_head_t *wq, struct page_waiter *w, struct page *page)
{
	unsigned long flags;

	spin_lock_irqsave(&wq->lock, flags);
	if (!w->granted) {
		__atomic_store_n(&w->wants, true, __ATOMIC_RELAXED);
		SetPageWanted(page);
	}
	spin_unlock_irqrestore(&wq->lock, flags);
}

static bool got_page_lock(struct page *page, struct page_waiter *w)
{
	return __atomic_load_n(&w->granted, __ATOMIC_ACQUIRE) || !TryLockPage(page);
}

static int lock_page_slow(struct page *page, bool killable)
{
	wait_queue_head_t *wq = page_waitqueue(page);
	struct page_waiter w;
	bool got;

	might_sleep();
	run_disk_queue();
	queue_for_page(wq, &w, page);
	while (!(got = got_page_lock(page, &w)) && !(killable && port_fatal_signal_pending())) {
		if (__atomic_load_n(&w.seen, __ATOMIC_RELAXED) & PAGE_UNLOCKED &&
		    !__atomic_load_n(&w.wants, __ATOMIC_RELAXED))
			ask_to_be_next(wq, &w, page);
		else
			port_park(UINT64_MAX);
	}
	finish_wait(wq, &w.entry);
	return got || w.granted ? 0 : -EINTR; /* w is off the queue: granted cannot change any more */
}

void lock_page(struct page *page)
{
	if (TryLockPage(page))
		(void)lock_page_slow(page, false); /* cannot fail */
}

int lock_page_killable(struct page *page)
{
	return TryLockPage(page) ? lock_page_slow(page, true) : 0;
}

/* The first who asked to be next. PG_wanted stays set if there are more. */
static struct page_waiter *next_owner(wait_queue_head_t *wq, struct page *page)
{
	struct page_waiter *first = NULL;
	struct wait_queue_entry *entry;

	lockdep_assert_held(&wq->lock);
	ClearPageWanted(page);
	list_for_each_entry(entry, &wq->waiters, link) {
		struct page_waiter *w = container_of(entry, struct page_waiter, entry);

		if (entry->key != page || !w->wants)
			continue;
		if (first) {
			SetPageWanted(page);
			break;
		}
		first = w;
	}
	return first;
}

/* Hand the lock over to who asked to be next; false if that waiter has gone. */
static noinline bool hand_over_page(struct page *page)
{
	wait_queue_head_t *wq = page_waitqueue(page);
	struct page_waiter *w;
	unsigned long flags;

	spin_lock_irqsave(&wq->lock, flags);
	w = next_owner(wq, page);
	if (w) {
		__atomic_store_n(&w->wants, false, __ATOMIC_RELAXED); /* w reads it without the lock */
		__atomic_store_n(&w->granted, true, __ATOMIC_RELEASE);
		port_unpark(w->entry.task);
	}
	spin_unlock_irqrestore(&wq->lock, flags);
	return w;
}

/*
 * Reclaim asked for this page to be written, and that is over, written or not: move it to where reclaim looks
 * next.
 */
static noinline void rotate_unlocked(struct page *page)
{
	if (PageWriteback(page) || !PageLaunder(page))
		return;
	ClearPageLaunder(page);
	lru_rotate_written(page);
}

void unlock_page(struct page *page)
{
	unsigned long flags = __atomic_load_n(&page->flags, __ATOMIC_RELAXED);

	if (unlikely(flags & (1ul << PG_launder | 1ul << PG_wanted))) {
		rotate_unlocked(page);
		BUG_ON(!PageLocked(page));
		if (PageWanted(page) && hand_over_page(page))
			return;
	}
	BUG_ON(!test_and_clear_bit(PG_locked, &page->flags));
	wake(page_waitqueue(page), page, PAGE_UNLOCKED);
}
