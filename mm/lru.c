/* SPDX-License-Identifier: MIT */
/*
 * lru.c: which list a user page is on: active (hot) or inactive (cold).
 *
 * Only the lists and the flags that mirror them; nothing here decides what to evict.
 *
 *	PG_lru		on one of the two lists
 *	PG_active	on the active one
 *
 * Invariant (I1): under lru_lock the flags say exactly which list holds the page
 * (PM-29), and nr_active_pages, nr_inactive_pages are the lists' lengths.
 *
 * Locking: lru_lock (RANK_LRU), interrupts off: the last reference of a page may be
 * dropped in a handler.
 */
#include <pagoda/lru.h>
#include <pagoda/bug.h>
#include <pagoda/spinlock.h>

unsigned long nr_active_pages, nr_inactive_pages;
static LIST_HEAD(active_list);
static LIST_HEAD(inactive_list);
static spinlock_t lru_lock = SPIN_LOCK_INIT(RANK_LRU);

static void add_locked(struct page *page, bool active)
{
	list_add(&page->lru, active ? &active_list : &inactive_list);
	if (active)
		nr_active_pages++;
	else
		nr_inactive_pages++;
}

static void del_locked(struct page *page)
{
	list_del(&page->lru);
	if (PageActive(page))
		nr_active_pages--;
	else
		nr_inactive_pages--;
}

void lru_cache_add(struct page *page)
{
	unsigned long flags;

	spin_lock_irqsave(&lru_lock, flags);
	if (!TestSetPageLRU(page))
		add_locked(page, PageActive(page));
	spin_unlock_irqrestore(&lru_lock, flags);
}

void lru_cache_del(struct page *page)
{
	unsigned long flags;

	spin_lock_irqsave(&lru_lock, flags);
	if (TestClearPageLRU(page)) {
		del_locked(page);
		ClearPageActive(page);
	}
	spin_unlock_irqrestore(&lru_lock, flags);
}

void activate_page(struct page *page)
{
	unsigned long flags;

	spin_lock_irqsave(&lru_lock, flags);
	if (PageLRU(page) && !PageActive(page)) {
		del_locked(page);
		SetPageActive(page);
		add_locked(page, true);
	}
	spin_unlock_irqrestore(&lru_lock, flags);
}

void mark_page_accessed(struct page *page)
{
	if (!PageReferenced(page)) {
		SetPageReferenced(page);
	} else if (!PageActive(page)) {
		activate_page(page);
		ClearPageReferenced(page);
	}
}
