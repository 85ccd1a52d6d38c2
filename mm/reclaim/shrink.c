/* SPDX-License-Identifier: MIT */
/*
 * shrink.c: what becomes of single pages on the LRU lists under pressure.
 *
 *	active list				inactive list
 *	hot -> ... -> cold --refill_inactive--> hot -> ... -> cold --shrink_cache--> free
 *	 ^ referenced |				 ^ not yet     |
 *	 +------------+				 +-------------+
 *
 * refill_inactive turns the active list like a clock: a page in use goes to the hot end
 * again, others move to the inactive list, marked so that one more use brings them back.
 *
 * shrink_cache looks at the coldest inactive pages, one by one:
 *
 *	locked, PG_launder	being written by us: wait for it (throttles the caller)
 *	locked			somebody's business: pass by
 *	in use			the policy says: to the active list, or another round
 *	mapped			the policy unmaps it (reverse map), or counts it and, when it
 *				has met max_mapped of them, searches page tables (swap_out)
 *	dirty			start writing it, if it is unmapped: PG_launder; a later pass frees it
 *	with buffers		let go of them
 *	clean, no references	out of its mapping, free
 *
 * Each page is turned to the hot end as it is looked at, so that the next look is at
 * another; when a page has been written it goes to the cold end (lru_rotate_written()), to be
 * freed soon.
 *
 * Locking: none held on entry. The page lock is only tried, as the caller may hold that of
 * some other page; a page stays on its list meanwhile, with a reference of ours. The last check
 * before a page leaves its mapping (clean, no other reference) is made under the mapping's lock,
 * where look-ups take their references (RC-28):
 *
 *	look-up				reclaim
 *	pages_lock, get_page		pages_lock: more than two references, leave it
 *	pages_lock, nothing there	pages_lock: two references, remove
 *
 * Invariants: (I1) a dirty page is never freed (PM-32); (I2) no memory is allocated but by the
 * file's writepage and add_to_swap, from the reserves.
 *
 * Failure: a page that cannot be unmapped, written or freed stays.
 * Observability: events pgscan, pgsteal, pgrefill, pgdeactivate, pgactivate, pglaunder.
 */
#include "reclaim_policy.h"
#include <pagoda/blkdev.h>
#include <pagoda/bug.h>
#include <pagoda/page_alloc.h>
#include <pagoda/swap.h>
#include <pagoda/vmstat.h>

/* References of a page that only its mapping and we hold. */
#define REFS_MAPPING_AND_US 2

bool (*page_release_buffers)(struct page *page, gfp_t gfp_mask);

/* ---- The active list -------------------------------------------------------------------- */

static bool demote_if_unused(struct page *page)
{
	if (reclaim_policy->keep_active(page))
		return false;
	deactivate_page(page);
	reclaim_policy->demoted(page);
	count_vm_event(pgdeactivate);
	return true;
}

bool demote_coldest(zone_t *zone, enum lru_kind kind)
{
	struct page *page = lru_take_coldest(zone, (enum lru_list)(kind + 1));
	bool demoted;

	if (!page)
		return true;
	demoted = demote_if_unused(page);
	put_page(page);
	return demoted;
}

void refill_inactive(zone_t *zone, enum lru_kind kind, unsigned long nr_pages)
{
	enum lru_list active = (enum lru_list)(kind + 1);
	unsigned long left = zone_lru_pages(zone, active), moved = 0, seen = 0;
	bool outermost = young_batch_begin();

	for (; moved < nr_pages && seen < left; seen++) {
		struct page *page = lru_take_coldest(zone, active);

		if (!page)
			break;
		moved += demote_if_unused(page);
		put_page(page);
		port_cond_resched();
	}
	young_batch_end(outermost);
	count_vm_events(VM_EVENT_pgrefill, seen);
}

/* ---- Writing ------------------------------------------------------------------------------- */

static bool may_write(const struct scan_control *sc, const struct page *page)
{
	gfp_t needed = PageSwapCache(page) || is_shmem_page(page) ? __GFP_IO : __GFP_FS | __GFP_IO;

	if (PageHighMem(page))
		needed |= __GFP_HIGHIO;
	return sc->writes_left && (sc->gfp_mask & needed) == needed;
}

static void remember_written(struct scan_control *sc, struct page *page)
{
	if (sc->written)
		put_page(sc->written);
	get_page(page);
	sc->written = page;
}

/* It is locked by us: written by now. Our second reference would keep it from being freed. */
static void forget_written(struct scan_control *sc, struct page *page)
{
	if (sc->written != page)
		return;
	put_page(page);
	sc->written = NULL;
}

/* A locked, dirty page that nobody maps; unlocked on return. (RC-25) */
static void launder(struct scan_control *sc, struct page *page, struct address_space *mapping)
{
	if (PageAnon(page))
		ClearPageDirty(page);
	else
		(void)clear_page_dirty_for_io(page); /* nobody maps it: true */
	SetPageLaunder(page);
	sc->writes_left--;
	get_page(page);
	count_vm_event(pglaunder);
	if (mapping->a_ops->writepage(page)) {
		(void)set_page_dirty(page); /* not written after all */
	} else {
		remember_written(sc, page);
		note_reclaim_progress(1);
	}
	put_page(page);
}

/* ---- Freeing -------------------------------------------------------------------------------- */

static bool has_buffers(const struct page *page)
{
	return page->private && !PageSwapBacked(page) && !PageSwapCache(page);
}

static bool try_to_release_page(struct page *page, gfp_t gfp_mask)
{
	const struct address_space *mapping = page_mapping(page);

	if (mapping && mapping->a_ops->releasepage)
		return mapping->a_ops->releasepage(page, gfp_mask) == 0;
	return page_release_buffers && page_release_buffers(page, gfp_mask);
}

/* Can what the page holds be had again? */
static bool has_backing(const struct page *page, const struct address_space *mapping)
{
	if (PageSwapCache(page) || is_shmem_page(page))
		return page->private;
	return mapping && mapping->a_ops->readpage;
}

/* A locked, clean, unmapped page leaves its mapping; false: somebody holds it, or wrote to it. */
static bool remove_mapping(struct page *page, struct address_space *mapping)
{
	if (PageSwapCache(page))
		return remove_unused_swap_cache(page, REFS_MAPPING_AND_US);
	if (mapping)
		return remove_unused_from_page_cache(page, REFS_MAPPING_AND_US);
	/* Nobody's any more: removed, or its last process has just ended. */
	return page_count(page) == 1 && !page_mapcount(page);
}

static bool free_clean_page(struct scan_control *sc, struct page *page,
			    struct address_space *mapping)
{
	u64 identity = mapping ? page_identity(page) : 0;

	forget_written(sc, page);
	if (!remove_mapping(page, mapping))
		return false;
	if (mapping && reclaim_policy->evicted)
		reclaim_policy->evicted(identity);
	return true;
}

/* Its slot takes nothing, and somebody has its entry. */
static bool is_stuck(const struct page *page)
{
	return PageSwapCache(page) && PageError(page) &&
	       swap_slot_given_up(page_swap_entry(page)) && swap_count(page_swap_entry(page));
}

/* The steps from an unmapped page to a free one; unlocks it. True: it is ours alone now. */
static bool evict_unmapped(struct scan_control *sc, struct page *page)
{
	struct address_space *mapping = page_mapping(page);
	bool freed = false, writable = mapping && mapping->a_ops->writepage;

	if (PageDirty(page) && mapping) {
		if (writable && may_write(sc, page) && !is_stuck(page)) {
			launder(sc, page, mapping);
			return false;
		}
		unlock_page(page);
		return false;
	}
	if (has_buffers(page) && (!try_to_release_page(page, sc->gfp_mask) || mapping)) {
		/* With a mapping: freed in the next pass (RC-26). */
		unlock_page(page);
		return false;
	}
	if (!mapping || (!PageDirty(page) && has_backing(page, mapping)))
		freed = free_clean_page(sc, page, mapping);
	unlock_page(page);
	return freed;
}

/* ---- One page -------------------------------------------------------------------------------- */

bool rmap_unmap(struct scan_control *sc, struct page *page)
{
	return swap_prepare_unmap(page, sc->gfp_mask) && try_to_unmap(page);
}

/* Off the lists; unless munlock came in between and did not see it there. */
static void cull(struct page *page)
{
	struct rmap_info info;

	lru_cull_mlocked(page);
	page_referenced(page, &info);
	if (!info.locked)
		lru_rescue_mlocked(page);
}

/*
 * All writes of this pass are made: the next page to be written ends the look at anonymous pages,
 * as most of those behind it are no better, and to unmap them and pass them by would make them the
 * last to go. It stays where it is.
 */
static bool has_to_wait(struct scan_control *sc, struct page *page)
{
	if (sc->writes_left || reclaim_policy->one_pair || !PageSwapBacked(page))
		return false;
	if (!PageDirty(page) && (PageSwapCache(page) || !PageAnon(page)))
		return false;
	sc->out_of_writes = true;
	return true;
}

/* A locked page; unlocked on return. True: it is ours alone now. */
static bool shrink_locked_page(struct scan_control *sc, struct page *page)
{
	enum page_fate fate = reclaim_policy->judge(sc, page);

	if (fate == PAGE_EVICT && has_to_wait(sc, page)) {
		unlock_page(page);
		lru_rotate_written(page);
		return false;
	}
	if (fate == PAGE_EVICT && page_mapcount(page) && !reclaim_policy->unmap(sc, page))
		fate = PAGE_KEEP;
	if (fate == PAGE_EVICT)
		return evict_unmapped(sc, page);
	if (fate == PAGE_CULL)
		cull(page);
	unlock_page(page);
	if (fate == PAGE_ACTIVATE)
		activate_page(page);
	return false;
}

/* Being written by us: the caller goes at the disk's pace (RC-24). */
static void wait_if_laundered(const struct scan_control *sc, struct page *page)
{
	if (!PageLaunder(page) || !(sc->gfp_mask & __GFP_FS))
		return;
	wait_on_page(page);
	wait_on_page_writeback(page);
}

static bool shrink_page(struct scan_control *sc, struct page *page)
{
	if (TryLockPage(page)) {
		wait_if_laundered(sc, page);
		return false;
	}
	if (PageWriteback(page)) {
		unlock_page(page);
		wait_if_laundered(sc, page);
		return false;
	}
	return shrink_locked_page(sc, page);
}

/* A page with a reference of ours; true: nobody else has one any more. */
static bool evict_page(struct scan_control *sc, struct page *page)
{
	if (TryLockPage(page))
		return false;
	if (PageWriteback(page) || (page_mapcount(page) && !rmap_unmap(sc, page))) {
		unlock_page(page);
		return false;
	}
	return evict_unmapped(sc, page);
}

/* Those that are freed leave the array; how many stay. */
static unsigned int evict_pages(struct scan_control *sc, struct page **pages, unsigned int nr)
{
	unsigned int left = 0;

	blk_start_plug();
	for (unsigned int i = 0; i < nr; i++) {
		struct page *page = pages[i];

		if (!evict_page(sc, page)) {
			pages[left++] = page;
			continue;
		}
		count_vm_event(pgsteal);
		note_reclaim_progress(1);
		put_page(page);
	}
	blk_finish_plug();
	return left;
}

void reclaim_pages(struct page **pages, unsigned int nr, bool wait)
{
	struct scan_control sc = {.gfp_mask = GFP_KERNEL, .writes_left = nr};
	unsigned int left = evict_pages(&sc, pages, nr);

	if (sc.written) { /* they have been sent off and can be freed when they are written */
		put_page(sc.written);
		sc.written = NULL;
		for (unsigned int i = 0; wait && i < left; i++)
			wait_if_laundered(&sc, pages[i]);
		sc.writes_left = 0;
		left = evict_pages(&sc, pages, left);
	}
	for (unsigned int i = 0; i < left; i++) {
		lru_rotate_written(pages[i]);
		put_page(pages[i]);
	}
}

static void count_reclaimed(struct scan_control *sc, zone_t *zone)
{
	sc->nr_reclaimed++;
	sc->nr_pages--;
	count_vm_event(pgsteal);
	note_reclaim_progress(1);
	WRITE_ONCE(zone->lruvec.pages_scanned, 0);
	rmw_add_relaxed(&zone->lruvec.turnover, TURNOVER_UNIT / max(all_lru_pages(zone), 1ul));
}

void shrink_cache(struct scan_control *sc, zone_t *zone, enum lru_kind kind, unsigned long max_scan)
{
	unsigned long scanned = 0;
	bool outermost = young_batch_begin();

	sc->max_mapped = max_mapped_of(max_scan, sc->nr_pages, sc->priority);
	sc->pass_over = false;
	sc->out_of_writes = false;
	while (scanned < max_scan && sc->nr_pages > 0 && !sc->pass_over && !sc->out_of_writes) {
		struct page *page = lru_take_coldest(zone, (enum lru_list)kind);

		if (!page)
			break;
		scanned++;
		rmw_add_relaxed(&zone->lruvec.pages_scanned, 1);
		if (shrink_page(sc, page))
			count_reclaimed(sc, zone);
		put_page(page);
		port_cond_resched(); /* RC-22 */
	}
	young_batch_end(outermost);
	sc->nr_scanned += scanned;
	count_vm_events(VM_EVENT_pgscan, scanned);
	if (sc->pass_over && reclaim_policy->swap_out)
		reclaim_policy->swap_out(sc, zone);
}
