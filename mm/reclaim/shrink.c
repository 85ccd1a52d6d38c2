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
 *	locked, PG_launder	being written by reclaim: wait for it (throttles the caller)
 *	locked			another task works on it: leave it alone
 *	in use			the policy says: to the active list, or another round
 *	mapped			the policy unmaps it (reverse map), or counts it and, when it
 *				has met max_mapped of them, searches page tables (swap_out)
 *	dirty			start writing it, if it is unmapped: PG_launder; a later pass frees it
 *	with buffers		let go of them
 *	clean, no references	out of its mapping, free
 *
 * Each page is turned to the hot end as it is looked at, so that the next look is at
 * another; when a page has been written it goes to the cold end (lru_rotate_to_tail()), to be
 * freed soon.
 *
 * Locking: none held on entry. The page lock is only tried, as the caller may hold the lock of
 * another page, and two tasks that wait for each other's page would deadlock. A page stays on its
 * list while it is looked at; a reference of ours keeps it from being freed. The last check before
 * a page leaves its mapping (clean, no other reference) is made under the mapping's lock, where
 * look-ups take their references (RC-28):
 *
 *	look-up				reclaim
 *	pages_lock, get_page		pages_lock: more than two references, leave it
 *	pages_lock, nothing there	pages_lock: two references, remove
 *
 * Invariants: (I1) a page that leaves its mapping here is clean and mapped nowhere (PM-32); (I2) no
 * memory is allocated but by the file's writepage and add_to_swap, from the reserves.
 *
 * Failure: a page that cannot be unmapped, written or freed stays.
 * Observability: events pgscan, pgsteal, pgrefill, pgdeactivate, pgactivate, pglaunder.
 */
#include "reclaim_internal.h"
#include <pagoda/rmap.h>
#include <pagoda/blkdev.h>
#include <pagoda/bug.h>
#include <pagoda/buffer_head.h>
#include <pagoda/page_alloc.h>
#include <pagoda/swap.h>
#include <pagoda/vmstat.h>

/* References of a page that only its mapping and this pass hold. */
#define REFS_MAPPING_AND_US 2

/* ---- The active list -------------------------------------------------------------------- */

/*
 * Move an active page to the inactive list unless the policy finds it in use. True: it was moved.
 * The caller has a reference, but not the page lock: a race with activate_page() leaves the page
 * on the wrong list for a while, and costs no more than that.
 */
static bool demote_if_unused(struct page *page)
{
	VM_BUG_ON(page_count(page) < 1);
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

	VM_BUG_ON(kind != LRU_KIND_ANON && kind != LRU_KIND_FILE);
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

	VM_BUG_ON(kind != LRU_KIND_ANON && kind != LRU_KIND_FILE);
	/*
	 * Each page that stays active goes to the hot end, so after "left" pages, the length of
	 * the list at first, the loop would meet the same pages again.
	 */
	for (; moved < nr_pages && seen < left; seen++) {
		struct page *page = lru_take_coldest(zone, active);

		if (!page)
			break;
		moved += demote_if_unused(page);
		put_page(page);
		port_cond_resched();
	}
	VM_BUG_ON(moved > seen);
	young_batch_end(outermost);
	count_vm_events(VM_EVENT_pgrefill, seen);
}

/* ---- Writing ------------------------------------------------------------------------------- */

/*
 * May this pass start to write the page? Swap needs only __GFP_IO; writing a file also enters its
 * file system, whose locks the caller may hold (__GFP_FS). A page of high memory may need a bounce
 * page.
 */
static bool may_write(const struct scan_control *sc, const struct page *page)
{
	gfp_t needed = PageSwapCache(page) || is_shmem_page(page) ? __GFP_IO : __GFP_FS | __GFP_IO;

	if (PageHighMem(page))
		needed |= __GFP_HIGHIO;
	return sc->writes_left && (sc->gfp_mask & needed) == needed;
}

/*
 * Keep a reference to the page last sent off, so that the pass can wait for it at its end. A page
 * remembered before is let go of.
 */
static void remember_written(struct scan_control *sc, struct page *page)
{
	VM_BUG_ON(page_count(page) < 1);
	if (sc->written)
		put_page(sc->written);
	get_page(page);
	sc->written = page;
}

/*
 * If this is the page that the pass would wait for, drop that reference. We hold the page lock, so
 * its write has completed; and the second reference would keep the page from being freed.
 */
static void forget_written(struct scan_control *sc, struct page *page)
{
	VM_BUG_ON(!PageLocked(page));
	if (sc->written != page)
		return;
	put_page(page);
	sc->written = NULL;
}

/*
 * Start to write a locked, dirty page that no entry maps; it is unlocked on return, or when the
 * write has ended. PG_launder marks it, so that the end of the write moves it to the cold end of
 * its list and a task that meets it there waits for it instead of passing by. (RC-25)
 */
static void launder(struct scan_control *sc, struct page *page, struct address_space *mapping)
{
	VM_BUG_ON(!PageLocked(page) || PageWriteback(page));
	VM_BUG_ON(!PageDirty(page) || page_mapcount(page));
	VM_BUG_ON(!sc->writes_left);
	/*
	 * Clear PG_dirty before the write starts: a store during the write sets it again and is
	 * written next time. For a file page the tag in the mapping's index must follow, hence the
	 * function. It always finds the page dirty: the page is locked, and only a holder of the
	 * lock cleans it.
	 */
	if (PageAnon(page))
		ClearPageDirty(page);
	else
		(void)clear_page_dirty_for_io(page); /* nobody maps it: true */
	SetPageLaunder(page);
	sc->writes_left--;
	/* writepage unlocks the page, and may free it if nobody needs it any more. */
	get_page(page);
	count_vm_event(pglaunder);
	if (mapping->a_ops->writepage(page)) {
		/* The write could not be started. The page still differs from its store. */
		(void)set_page_dirty(page);
	} else {
		remember_written(sc, page);
		note_reclaim_progress(1);
	}
	put_page(page);
}

/* ---- Freeing -------------------------------------------------------------------------------- */

/* Does page->private lead to buffers? For swap-backed pages it holds the slot. */
static bool has_buffers(const struct page *page)
{
	return page->private && !PageSwapBacked(page) && !PageSwapCache(page);
}

/* Let go of what hangs on a locked page, so that it can be freed. True: nothing is left. (RC-26) */
static bool try_to_release_page(struct page *page, gfp_t gfp_mask)
{
	const struct address_space *mapping = page_mapping(page);

	VM_BUG_ON(!PageLocked(page));
	if (mapping && mapping->a_ops->releasepage)
		return mapping->a_ops->releasepage(page, gfp_mask) == 0;
	return try_to_free_buffers(page);
}

/*
 * Can the contents of a locked, clean page be read again? A page of swap or shared memory needs a
 * slot for that, one of a file a readpage operation. tmpfs pages without a slot must stay in
 * memory.
 */
static bool has_backing(const struct page *page, const struct address_space *mapping)
{
	VM_BUG_ON(!PageLocked(page));
	if (PageSwapCache(page) || is_shmem_page(page))
		return page->private;
	return mapping && mapping->a_ops->readpage;
}

/*
 * Take a locked, unmapped page out of its mapping or the swap cache, if it is clean and has no
 * other user; both are checked under the lock that look-ups take. False: another task has found it
 * by a look-up, or has written to it.
 */
static bool remove_mapping(struct page *page, struct address_space *mapping)
{
	VM_BUG_ON(!PageLocked(page));
	if (PageSwapCache(page))
		return remove_unused_swap_cache(page, REFS_MAPPING_AND_US);
	if (mapping)
		return remove_unused_from_page_cache(page, REFS_MAPPING_AND_US);
	/*
	 * The page has no mapping: it was truncated, or the last process that mapped it has ended
	 * while we held our reference. If that is the only one left, nobody can find the page any
	 * more.
	 */
	return page_count(page) == 1 && !page_mapcount(page);
}

/*
 * Take a page out of its mapping and tell the policy, which remembers the eviction. The identity
 * must be computed before, as the page loses it.
 */
static bool free_clean_page(struct scan_control *sc, struct page *page,
			    struct address_space *mapping)
{
	u64 identity = mapping ? page_identity(page) : 0;

	forget_written(sc, page);
	if (!remove_mapping(page, mapping))
		return false;
	VM_BUG_ON(page_mapcount(page) || (mapping && PageDirty(page))); /* (I1) */
	if (mapping && reclaim_policy->evicted)
		reclaim_policy->evicted(identity);
	return true;
}

/*
 * Is the page bound to a slot that cannot be written, as some address space has an entry of that
 * slot? It must stay in memory until the last of them has faulted it in.
 */
static bool is_tied_to_bad_slot(const struct page *page)
{
	return PageSwapCache(page) && PageError(page) &&
	       swap_slot_given_up(page_swap_entry(page)) && swap_count(page_swap_entry(page));
}

/*
 * The steps from a locked, unmapped page to a free one: write it if it is dirty, release its
 * buffers, take it out of its mapping. Each call does the step that the page needs now; the next
 * pass does the one after it. Unlocks the page. True: it has left its mapping and our reference is
 * the last one.
 */
static bool evict_unmapped(struct scan_control *sc, struct page *page)
{
	struct address_space *mapping = page_mapping(page);
	bool freed = false, writable = mapping && mapping->a_ops->writepage;

	VM_BUG_ON(!PageLocked(page) || PageWriteback(page) || page_mapcount(page));
	if (PageDirty(page) && mapping) {
		if (writable && may_write(sc, page) && !is_tied_to_bad_slot(page)) {
			launder(sc, page, mapping);
			return false;
		}
		unlock_page(page);
		return false;
	}
	if (has_buffers(page) && (!try_to_release_page(page, sc->gfp_mask) || mapping)) {
		/*
		 * Either the buffers are in use, or they are gone and the next pass frees the page
		 * (RC-26).
		 */
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

/*
 * A VM_LOCKED region maps the page, so reclaim cannot free it: take it off the LRU lists. A
 * munlock() that ran between the policy's look and this call found the page still on a list and
 * had nothing to undo; so look once more, and put the page back if no region locks it any more:
 *
 *	reclaim				munlock
 *	sees VM_LOCKED
 *					clears VM_LOCKED, page is on a list: done
 *	takes the page off
 *	looks again: not locked, puts the page back
 */
static void cull(struct page *page)
{
	struct rmap_info info;

	VM_BUG_ON(!PageLocked(page));
	lru_cull_mlocked(page);
	page_referenced(page, &info);
	if (!info.locked)
		lru_rescue_mlocked(page);
}

/*
 * This pass may start no more writes, and the page would have to be written: end the scan of
 * anonymous pages here. Most of those behind it are dirty, too; unmapping them and passing them by
 * would move them to the hot end, where they would be the last to be evicted. The page goes back to
 * the cold end. Sets sc->out_of_writes. Return: true if the write is left to a later pass.
 */
static bool defer_write(struct scan_control *sc, struct page *page)
{
	if (sc->writes_left || reclaim_policy->one_pair || !PageSwapBacked(page))
		return false;
	if (!PageDirty(page) && (PageSwapCache(page) || !PageAnon(page)))
		return false;
	sc->out_of_writes = true;
	return true;
}

/*
 * Carry out what the policy decides for a locked page; it is unlocked on return. True: it has left
 * its mapping and our reference is the last one.
 */
static bool shrink_locked_page(struct scan_control *sc, struct page *page)
{
	enum page_fate fate = reclaim_policy->judge(sc, page);

	VM_BUG_ON(!PageLocked(page) || PageWriteback(page));
	if (fate == PAGE_EVICT && defer_write(sc, page)) {
		unlock_page(page);
		lru_rotate_to_tail(page);
		return false;
	}
	if (fate == PAGE_EVICT && page_mapcount(page) && !reclaim_policy->unmap(sc, page))
		/*
		 * It could not be unmapped, e.g. for want of a swap slot: leave it for another
		 * round.
		 */
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

/*
 * Reclaim has sent this page to the disk: wait until it is written, so that the caller allocates
 * no faster than the disk writes (RC-24). Without __GFP_FS the caller may hold locks of a file
 * system that the end of the write needs, so it does not wait.
 */
static void wait_if_laundered(const struct scan_control *sc, struct page *page)
{
	if (!PageLaunder(page) || !(sc->gfp_mask & __GFP_FS))
		return;
	wait_on_page(page);
	wait_on_page_writeback(page);
}

/*
 * Look at one page of an inactive list; the caller has a reference. A page that is locked or being
 * written is left alone, but its write is waited for if reclaim started it.
 */
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

/*
 * Evict a page whether or not it is in use; the caller has a reference. True: that reference is
 * the last one. False: the page is busy, or its write has been started.
 */
static bool evict_page(struct scan_control *sc, struct page *page)
{
	VM_BUG_ON(page_count(page) < 1);
	if (TryLockPage(page))
		return false;
	if (PageWriteback(page) || (page_mapcount(page) && !rmap_unmap(sc, page))) {
		unlock_page(page);
		return false;
	}
	return evict_unmapped(sc, page);
}

/*
 * Evict the pages of an array. Those that are freed leave the array; returns how many stay in it.
 * The plug lets the block layer join the writes of neighbouring pages.
 */
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
	VM_BUG_ON(left > nr);
	blk_finish_plug();
	return left;
}

void reclaim_pages(struct page **pages, unsigned int nr, bool wait)
{
	struct scan_control sc = {.gfp_mask = GFP_KERNEL, .writes_left = nr};
	unsigned int left = evict_pages(&sc, pages, nr);

	/* At least one page was sent to its store; it can be freed once it is written. */
	if (sc.written) {
		put_page(sc.written);
		sc.written = NULL;
		for (unsigned int i = 0; wait && i < left; i++)
			wait_if_laundered(&sc, pages[i]);
		sc.writes_left = 0;
		left = evict_pages(&sc, pages, left);
	}
	VM_BUG_ON(sc.written);
	for (unsigned int i = 0; i < left; i++) {
		lru_rotate_to_tail(pages[i]);
		put_page(pages[i]);
	}
}

/*
 * Count a page that was freed. pages_scanned starts again, as the zone is not hopeless; turnover
 * grows by the fraction of the zone that one page is (vmscan.c).
 */
static void count_reclaimed(struct scan_control *sc, zone_t *zone)
{
	VM_BUG_ON(sc->nr_pages <= 0); /* one page too many would be taken */
	sc->nr_reclaimed++;
	sc->nr_pages--;
	count_vm_event(pgsteal);
	note_reclaim_progress(1);
	WRITE_ONCE(zone->lruvec.pages_scanned, 0);
	rmw_add_relaxed(&zone->lruvec.turnover, TURNOVER_UNIT / max(all_lru_pages(zone), 1ul));
}

/*
 * The loop ends at max_scan pages, when enough pages are free, when the list is empty, or when the
 * policy or a page that would have to be written ends it. Each page looked at has gone to the hot
 * end of its list, so the loop never meets the same page twice within the length of the list.
 */
void shrink_cache(struct scan_control *sc, zone_t *zone, enum lru_kind kind, unsigned long max_scan)
{
	unsigned long scanned = 0;
	bool outermost = young_batch_begin();

	VM_BUG_ON(kind != LRU_KIND_ANON && kind != LRU_KIND_FILE);
	VM_BUG_ON(sc->priority > DEF_PRIORITY);
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
		/* A long list must not keep the CPU from other tasks (RC-22). */
		port_cond_resched();
	}
	young_batch_end(outermost);
	sc->nr_scanned += scanned;
	count_vm_events(VM_EVENT_pgscan, scanned);
	if (sc->pass_over && reclaim_policy->swap_out)
		reclaim_policy->swap_out(sc, zone);
}
