/* SPDX-License-Identifier: MIT */
/*
 * lru.h: the lists of reclaimable user pages: active (hot) and inactive (cold), of anonymous
 * memory and of files, in every zone (FX-15).
 */
#pragma once

#include <pagoda/mmzone.h>

PAGODA_C_BEGIN

/*
 * Put a page on the list of its zone that its flags name, unless it is on one, in a batch, or kept
 * off the lists by mlock. Context: any. Refs: the caller has one; the list takes none. Return:
 * nothing.
 */
void lru_cache_add(struct page *page);
/*
 * Take a page off its list, if it is on one; it is not active any more. Context: any. Return:
 * nothing.
 */
void lru_cache_del(struct page *page);
/*
 * Move an inactive page to the active list of its kind. Context: any. Refs: the caller has one.
 * Return: nothing.
 */
void activate_page(struct page *page);
/*
 * Move an active page to the inactive list of its kind. Context: any. Refs: the caller has one.
 * Return: nothing.
 */
void deactivate_page(struct page *page);
/*
 * Note a use of the page: the first one sets PG_referenced, the second one activates it.
 * Context: any. Refs: the caller has one. Return: nothing.
 */
void mark_page_accessed(struct page *page);

/*
 * What the rooms above want to know of pages on the lists. NULL: there are none. Set once, at boot.
 */
struct page_list_ops {
	/* A page with contents from its store is back in memory and on its list. */
	void (*refaulted)(struct page *page);
	/*
	 * A page of the swap cache was unmapped; the caller has a reference: its slot may be of no
	 * use any more.
	 */
	void (*unmapped_swap_page)(struct page *page);
};
extern const struct page_list_ops *page_list_ops;

/*
 * Report that a page with contents from its store is back in its mapping or in the swap cache, and
 * on its list. Evicted pages are remembered for a while by their place (mapping and index, or swap
 * entry), so that a page that comes back soon may become active at once (FX-13).
 * Context: process context. Refs: the caller has one. Return: nothing.
 */
static inline void page_refaulted(struct page *page)
{
	if (page_list_ops)
		page_list_ops->refaulted(page);
}

/* ---- New anonymous pages: a batch for each CPU ------------------------------------------- */

/*
 * A page waits here, with a reference and PG_lru_add, until the batch is full; so a fault
 * costs a few instructions and no lock.
 */
#define LRU_BATCH_PAGES 31
struct lru_batch {
	unsigned int nr; /* (S) that CPU, interrupts off */
	struct page *pages[LRU_BATCH_PAGES];
} __aligned(64);
extern struct lru_batch lru_batches[NR_CPUS];
/* Put the pages of this CPU's batch on their lists. Context: interrupts off. Return: nothing. */
void lru_batch_drain(struct lru_batch *batch);

/*
 * Add a new anonymous page, with count 1 and not yet visible to anyone, to this CPU's batch.
 * Context: any. Refs: the batch takes a reference of its own. Return: nothing.
 */
static inline void lru_cache_add_anon(struct page *page)
{
	unsigned long flags = port_irq_save();
	struct lru_batch *batch = &lru_batches[port_cpu_id()];

	WRITE_ONCE(page->flags, page->flags | 1ul << PG_lru_add | 1ul << PG_swapbacked);
	atomic_set(&page->count, 2);
	batch->pages[batch->nr++] = page;
	if (unlikely(batch->nr == LRU_BATCH_PAGES))
		lru_batch_drain(batch);
	port_irq_restore(flags);
}

/* Empty this CPU's batch. Context: any. Return: nothing. */
void lru_add_drain(void);
/*
 * Empty the batches of all CPUs; with interrupts off, only this CPU's. Context: no spinlocks held.
 * Return: nothing.
 */
void lru_add_drain_all(void);

/* Count the references of a page without that of a batch. Context: any. Return: their number. */
static inline int page_count_no_batch(const struct page *page)
{
	int count = page_count(page); /* first: a batch seen afterwards was part of it */

	return count - test_bit(PG_lru_add, &page->flags);
}

/*
 * Drop a reference to each of nr pages that were unmapped; faster than put_page() for anonymous
 * ones.
 * Context: process context. Locks: no spinlocks held. Refs: drops the caller's. Return: nothing.
 */
void release_pages(struct page **pages, unsigned int nr);

/* ---- What reclaim does with the lists ------------------------------------------------------ */

/* The flag that puts a page on the anonymous pair of lists; 0: the policy wants one pair only. */
extern unsigned long lru_kind_flag; /* (C) after boot */

/* The list on which a page with these flags belongs. Context: any. Return: the list. */
static inline enum lru_list flags_lru(unsigned long flags)
{
	int inactive = flags & lru_kind_flag ? LRU_INACTIVE_ANON : LRU_INACTIVE_FILE;

	return (enum lru_list)(inactive + !!(flags & 1ul << PG_active));
}
static inline enum lru_list page_lru(const struct page *page)
{
	return flags_lru(READ_ONCE(page->flags));
}
/*
 * Get the page at the cold end of a list. It is moved to the hot end, so that the next call returns
 * another one; pages that are being freed are skipped.
 * Context: any. Refs: the caller gets a reference. Return: the page, or NULL: the list is empty.
 */
struct page *lru_take_coldest(zone_t *zone, enum lru_list list);
/*
 * Move an inactive page to the cold end of its list, so that reclaim scans it next.
 * Context: any. Refs: the caller has one. Return: nothing.
 */
void lru_rotate_to_tail(struct page *page);
/*
 * Keep a page that a region locks off the lists (PG_mlocked). Context: any. Refs: the caller has
 * one.
 * Return: nothing.
 */
void lru_cull_mlocked(struct page *page);
/* Put such a page back on its list. Context: any. Refs: the caller has one. Return: nothing. */
void lru_rescue_mlocked(struct page *page);

/*
 * Make an anonymous page one that may be dropped instead of swapped, on the inactive file list
 * (advise_pages.c), or an ordinary, active one again.
 * Context: any. Refs: the caller has one. Return: false: it was so already, or it is on no list.
 */
bool lru_set_lazyfree(struct page *page, bool lazyfree);
static inline bool PageLazyFree(const struct page *page)
{
	return PageAnon(page) && !PageSwapBacked(page);
}

/* Pages on one list of all zones. Context: any; a snapshot without locks. Return: pages. */
unsigned long lru_pages(enum lru_list list);
/* Pages on the active lists. Context, Return: likewise. */
unsigned long nr_active_pages(void);
/* Pages on the inactive lists. Context, Return: likewise. */
unsigned long nr_inactive_pages(void);
/* Pages kept off the lists by mlock. Context, Return: likewise. */
unsigned long nr_mlocked_pages(void);

/*
 * Check that every list's length, and the flags and zones of its pages, are right, for tests.
 * Context: any. Locks: takes each lruvec's lock. Return: nothing; panics if not.
 */
void validate_lru(void);

PAGODA_C_END
