/* SPDX-License-Identifier: MIT */
/*
 * page_wait.c: the page lock, and waiting for what happens to a page.
 *
 * Each zone has a hash table of queues for waiters on its pages (PM-15). Pages
 * that share a queue do not wake each other's waiters, since an entry carries the
 * page as its key (FX-33).
 *
 * Invariant (I1): a waiter that is woken finds in its entry which event woke it, so no event is
 * lost between the wake-up and the moment at which the waiter runs.
 *
 * A task that waits until a page has been unlocked, or written, waits for that to happen once: its
 * entry notes the event, so it goes on even if the page is locked again before it runs (I2). A task
 * that waits for the page lock itself may be overtaken once by a running task; then it asks to be
 * next (PG_wanted), and the next unlock_page() hands the lock over to it, leaving PG_locked set
 * (I3):
 *
 *	waiter			A			B
 *	queue, park		unlock, wake		lock
 *	locked: wants it	.			unlock: finds PG_wanted,
 *	    set PG_wanted				  grants it, wakes
 *	granted
 *
 * What a page waits for may be a transfer that is still to be started, and a page that reclaim
 * wanted written goes to another place of its list when it is unlocked: both are the business of
 * rooms above, which say how in page_wait_ops.
 *
 * Locking: the queue's lock (RANK_LEAF, interrupts off), as in wait.c. PG_wanted is set and cleared
 * under it.
 */
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/mmzone.h>
#include <pagoda/page_wait.h>
#include <pagoda/spinlock.h>
#include <pagoda/vm_task.h>

const struct page_wait_ops *page_wait_ops; /* set once, at boot */

/* The events that a task may wait for on a page; page_waiter.seen has a bit for each. */
#define PAGE_UNLOCKED 1u
#define PAGE_WRITTEN  2u

/* One waiting task. It lies on that task's stack; the waker writes it under the queue's lock. */
struct page_waiter {
	struct wait_queue_entry entry; /* key: the page */
	unsigned int seen;	       /* events since it queued */
	bool wants;		       /* the next unlock_page() shall hand over the lock ... */
	bool granted;		       /* ... and has done so */
};

/*
 * A page has no room for a queue of its own, so the pages of a zone share a table of queues. Two
 * pages in one queue cost a look at each other's entries, and no wake-up (FX-33).
 */
wait_queue_head_t *page_waitqueue(struct page *page)
{
	zone_t *zone = page_zone(page);
	/* Multiplicative hash: the top bits are mixed best, so the shift keeps those (PM-16). */
	unsigned long hash = page_to_pfn(page) * 0x9e3779b97f4a7c15ul;

	VM_BUG_ON(hash >> zone->wait_table_shift >= zone->wait_table_size);
	return &zone->wait_table[hash >> zone->wait_table_shift];
}

/*
 * The function of a page waiter's entry: record what happened and wake the task. Release order lets
 * the waiter, which reads w->seen without the lock, also see what was done to the page before.
 */
static bool note_page_event(struct wait_queue_entry *entry, unsigned int events)
{
	struct page_waiter *w = container_of(entry, struct page_waiter, entry);

	lockdep_assert_held(&page_waitqueue((struct page *)entry->key)->lock);
	smp_store_release(&w->seen, w->seen | events);
	port_unpark(entry->task);
	return true;
}

/* Queue the current task for events of the page, which the caller's reference keeps. */
static void queue_for_page(wait_queue_head_t *wq, struct page_waiter *w, struct page *page)
{
	VM_BUG_ON_PAGE(page_count(page) < 1, page);
	*w = (struct page_waiter){
		.entry = {.task = port_current(), .key = page, .func = note_page_event}};
	add_wait_func(wq, &w->entry);
}

/*
 * The page may wait for a transfer that is still being gathered with others and was not handed to
 * the disk yet. If it were not started now, we would wait for ever.
 */
static void before_page_wait(void)
{
	might_sleep();
	if (page_wait_ops)
		page_wait_ops->start_io();
}

/*
 * Sleep until the flag is clear, or event has come since the call. 0; -EINTR: killable, and a fatal
 * signal is pending.
 */
static int wait_for_page_event(struct page *page, enum page_flag flag, unsigned int event,
			       bool killable)
{
	wait_queue_head_t *wq = page_waitqueue(page);
	struct page_waiter w;
	int err = 0;

	before_page_wait();
	queue_for_page(wq, &w, page);
	/*
	 * Looking at the flag alone would not do: the page may be unlocked and locked again, by one
	 * task after the other, each time before we run. The event that we noted ends the wait
	 * (I2).
	 */
	while (test_bit(flag, &page->flags) && !(smp_load_acquire(&w.seen) & event)) {
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
		/* cannot fail */
		(void)wait_for_page_event(page, PG_writeback, PAGE_WRITTEN, false);
}

void wake_page_written(struct page *page)
{
	wake_up_key_events(page_waitqueue(page), page, PAGE_WRITTEN);
}

/*
 * w was woken but another task took the page lock first: the next unlock_page() shall hand it to w.
 */
static void ask_to_be_next(wait_queue_head_t *wq, struct page_waiter *w, struct page *page)
{
	unsigned long flags;

	spin_lock_irqsave(&wq->lock, flags);
	/* The lock may have been handed to w just now; a second request would pass it on unowned.
	 */
	if (!w->granted) {
		WRITE_ONCE(w->wants, true);
		SetPageWanted(page);
	}
	spin_unlock_irqrestore(&wq->lock, flags);
}

/* Does w have the page lock, by a hand-over or by taking it now? */
static bool got_page_lock(struct page *page, struct page_waiter *w)
{
	VM_BUG_ON_PAGE(READ_ONCE(w->granted) && !PageLocked(page), page); /* (I3) */
	return smp_load_acquire(&w->granted) || !TryLockPage(page);
}

/*
 * Sleep until the page lock is ours. In each round the waiter tries the lock; if it was woken by
 * an unlock and another task was faster, it asks to be next and tries once more before it sleeps,
 * since the lock may have been released before PG_wanted was set.
 */
static int lock_page_slow(struct page *page, bool killable)
{
	wait_queue_head_t *wq = page_waitqueue(page);
	struct page_waiter w;
	bool got;

	before_page_wait();
	queue_for_page(wq, &w, page);
	while (!(got = got_page_lock(page, &w)) && !(killable && port_fatal_signal_pending())) {
		if (READ_ONCE(w.seen) & PAGE_UNLOCKED && !READ_ONCE(w.wants))
			ask_to_be_next(wq, &w, page);
		else
			port_park(UINT64_MAX);
	}
	finish_wait(wq, &w.entry);
	/*
	 * A killed waiter may have been granted the lock after it gave up and before it left the
	 * queue. Then it owns the lock, and returning -EINTR would leave the page locked for ever.
	 * Off the queue, w.granted cannot change any more.
	 */
	VM_BUG_ON_PAGE((got || w.granted) && !PageLocked(page), page);
	return got || w.granted ? 0 : -EINTR;
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

/* The first waiter that asked to be next, or NULL. PG_wanted stays set if there are more. */
static struct page_waiter *next_owner(wait_queue_head_t *wq, struct page *page) MUST_HOLD(&wq->lock)
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

/*
 * Hand the lock to the first waiter that asked to be next: PG_locked stays set and only its owner
 * changes (I3). Return: it was handed over; false if the waiter that set PG_wanted has gone.
 */
static noinline bool hand_over_page(struct page *page)
{
	wait_queue_head_t *wq = page_waitqueue(page);
	struct page_waiter *w;
	unsigned long flags;

	VM_BUG_ON_PAGE(!PageLocked(page), page);
	spin_lock_irqsave(&wq->lock, flags);
	w = next_owner(wq, page);
	if (w) {
		VM_BUG_ON(w->granted || w->entry.key != page);
		WRITE_ONCE(w->wants, false); /* w reads it without the lock */
		smp_store_release(&w->granted, true);
		port_unpark(w->entry.task);
	}
	spin_unlock_irqrestore(&wq->lock, flags);
	return w;
}

/*
 * Reclaim asked for this page to be written, and that is over, written or not: move it to where
 * reclaim looks next.
 */
static noinline void rotate_unlocked(struct page *page)
{
	if (PageWriteback(page) || !PageLaunder(page))
		return;
	VM_BUG_ON_PAGE(!PageLocked(page), page);
	VM_BUG_ON(!page_wait_ops); /* without reclaim no page gets PG_launder */
	ClearPageLaunder(page);
	page_wait_ops->laundered(page);
}

/*
 * The usual unlock clears PG_locked and wakes the waiters. The two flags ask for more, and both
 * must be served while the page is still locked: after the clear the page may be gone.
 */
void unlock_page(struct page *page)
{
	unsigned long flags = READ_ONCE(page->flags);

	if (unlikely(flags & (1ul << PG_launder | 1ul << PG_wanted))) {
		rotate_unlocked(page);
		BUG_ON(!PageLocked(page));
		if (PageWanted(page) && hand_over_page(page))
			return;
	}
	BUG_ON(!test_and_clear_bit(PG_locked, &page->flags));
	wake_up_key_events(page_waitqueue(page), page, PAGE_UNLOCKED);
}
