/* SPDX-License-Identifier: MIT */
/*
 * lru.h: the lists of reclaimable user pages: active (hot) and inactive (cold), of anonymous
 * memory and of files, in every zone (FX-15).
 */
#pragma once

#include <pagoda/mmzone.h>

PAGODA_C_BEGIN

/* Put a page that is on no list on its zone's inactive list / take it off its list. Any context. */
void lru_cache_add(struct page *page);
void lru_cache_del(struct page *page);
/* Move an inactive page to the active list / an active one to the inactive list. Any context. */
void activate_page(struct page *page);
void deactivate_page(struct page *page);
/* Note a use: the first marks the page referenced, the second activates it. */
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
 * What reclaim evicted is remembered for a while by its place, mapping and index or swap entry
 * (FX-13): whoever has put a page with contents from its store back into
 * its mapping or the swap cache, and on the LRU, says so; it may become active at once.
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
void lru_batch_drain(struct lru_batch *batch);

/* A new anonymous page, not yet visible to anybody; count 1, no flags. Any context. */
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

/* Empty this CPU's batch / every CPU's. Interrupts on for the latter. */
void lru_add_drain(void);
void lru_add_drain_all(void);

/* References of a page besides the one that a batch holds. */
static inline int page_count_no_batch(const struct page *page)
{
	int count = page_count(page); /* first: a batch seen afterwards was part of it */

	return count - test_bit(PG_lru_add, &page->flags);
}

/* Put many pages that were unhooked, as put_page() each; quick for anonymous ones. */
void release_pages(struct page **pages, unsigned int nr);

/* ---- What reclaim does with the lists ------------------------------------------------------ */

/* The flag that puts a page on the anonymous pair of lists; 0: the policy wants one pair only. */
extern unsigned long lru_kind_flag; /* (C) after boot */

/* The list a page belongs on by its flags. */
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
 * The page at the cold end of a list, with a reference, moved to the hot end so that the
 * next call sees another; NULL: the list is empty. Pages that are just being freed are
 * passed over.
 */
struct page *lru_take_coldest(zone_t *zone, enum lru_list list);
/* It has been written for reclaim: to the cold end of its inactive list. Any context. */
void lru_rotate_written(struct page *page);
/* A page that some VMA locks stays off the lists (PG_mlocked) / may be back on them. */
void lru_cull_mlocked(struct page *page);
void lru_rescue_mlocked(struct page *page);

/*
 * An anonymous page that may be dropped rather than swapped, on the inactive file list (lazily
 * freed, advise_pages.c) / an ordinary one again, active. False: it was already, or it is on no
 * list. Any context.
 */
bool lru_set_lazyfree(struct page *page, bool lazyfree);
static inline bool PageLazyFree(const struct page *page)
{
	return PageAnon(page) && !PageSwapBacked(page);
}

/* Pages on a list in all zones / on the active, the inactive lists / kept off them by mlock. */
unsigned long lru_pages(enum lru_list list);
unsigned long nr_active_pages(void);
unsigned long nr_inactive_pages(void);
unsigned long nr_mlocked_pages(void);

/* Every list's length, flags and zones are right. Panics if not. */
void validate_lru(void);

PAGODA_C_END
