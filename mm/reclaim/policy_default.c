/* SPDX-License-Identifier: MIT */
/*
 * policy_default.c: reclaim by the reverse map, balanced by refaults (FX-13, FX-14).
 *
 * Anonymous and file pages have a pair of lists each. A page's uses are the accessed bits of
 * all its entries, found by the reverse map, besides what read and write note
 * (PG_referenced). A page without uses since its last turn is unmapped everywhere at
 * once, so no page tables are searched.
 *
 * Inactive page:
 *
 *	in a VM_LOCKED region	taken off the lists
 *	used			its first use counts only as a mark, as it is the one that brought it
 *				in: active with the second, or by several processes,
 *				or if it is executed
 *	else			evict
 *
 * How much of each kind is looked at: the documents' share (list / priority), divided by what
 * the kind has cost lately. A refault of a kind, or a write of an anonymous page, adds to
 * its cost; both costs are halved when their sum has reached twice the pages on the lists, so
 * that the past is forgotten. SWAPPINESS says what an anonymous page is worth beside a file
 * page if nothing is known. At the last priority both are looked at in full. Without free
 * slots anonymous pages are left alone.
 *
 * The active lists hold up to two thirds, or a bit more: below that reclaim leaves them alone, and
 * refaults have to win a place (workingset.c), which keeps a loop's part in memory and scans out,
 * and what is popular in. That is wrong when a program turns to other pages: its old working set
 * would hold the active list. Then recent pages are favoured: the documents' share of active pages
 * is demoted, and one use of an anonymous page is enough. What tells the two apart is a look at
 * demoted pages, at the end of their way over the inactive list (PG_workingset: demoted, not looked
 * at since): those of an old set are not used any more; popular ones are, one in five and more.
 *
 *	protect			favour recent pages
 *	 |  many inactive pages are reused (after a mistake: and hardly any demoted ones)
 *	 +------------------------>+
 *	 +<------------------------+
 *	    demoted pages are used for long (or hardly any pages are reused)
 *
 * Locking: none. Costs and counts are single words that may lose an update, which costs a wrong
 * guess.
 * Failure: none.
 * Observability: events workingset_*.
 */
#include "reclaim_internal.h"
#include <pagoda/rmap.h>
#include <pagoda/bug.h>
#include <pagoda/swap.h>
#include <pagoda/vmstat.h>

int vm_swappiness = 60; /* relative cost, not percent: 100 means anonymous pages cost as much */
#define SWAPPINESS_SUM	     200
#define SURPLUS_PER_INACTIVE (ACTIVE_PER_INACTIVE + 1)

/* The policy decides anew after so many evictions (a window). */
#define WINDOW_EVICTIONS 256ul
/*
 * Recent pages stay favoured for so many windows in which nothing speaks for them, or, if that is
 * longer, for as many as it takes to evict seven quarters of all pages.
 */
#define QUIET_WINDOWS_MIN 8ul
/* Parts of the evictions of a window: many pages were reused, hardly any. */
#define MANY_REUSED_PART 4ul
#define FEW_REUSED_PART	 12ul
/*
 * Demoted pages show that an old working set is gone if there were at least DEMOTED_SAMPLE_MIN of
 * them, and fewer than one in OLD_SET_PART of them is still used.
 */
#define DEMOTED_SAMPLE_MIN 16ul
#define OLD_SET_PART	   5ul

static unsigned long costs[NR_LRU_LISTS]; /* by kind */

static unsigned long read_cost(enum lru_kind kind)
{
	return READ_ONCE(costs[kind]);
}

static void write_cost(enum lru_kind kind, unsigned long cost)
{
	WRITE_ONCE(costs[kind], cost);
}

/*
 * A page of this kind was read again after its eviction, or had to be written. When both costs
 * together reach twice the pages on the lists, both are halved: the past counts less and less.
 */
static void default_note_cost(zone_t *zone, enum lru_kind kind)
{
	unsigned long sum = read_cost(LRU_KIND_ANON) + read_cost(LRU_KIND_FILE);

	VM_BUG_ON(kind != LRU_KIND_ANON && kind != LRU_KIND_FILE);
	(void)zone;
	write_cost(kind, read_cost(kind) + 1);
	if (sum < 2 * (nr_active_pages() + nr_inactive_pages()))
		return;
	write_cost(LRU_KIND_ANON, read_cost(LRU_KIND_ANON) / 2);
	write_cost(LRU_KIND_FILE, read_cost(LRU_KIND_FILE) / 2);
}

/*
 * Can anonymous pages be evicted at all? They need a free slot. With all slots taken, pages in the
 * swap cache that are clean can still go, so at the most urgent priorities they are looked at,
 * too.
 */
static bool may_swap(const struct scan_control *sc)
{
	if (!(sc->gfp_mask & __GFP_IO))
		return false;
	return atomic_long_read(&nr_swap_pages) > 0 ||
	       (sc->priority <= 2 && READ_ONCE(total_swap_pages) > 0);
}

/*
 * The share of this kind, in 1/1024 of what is examined of both kinds together if their lists are
 * alike. A kind that cost more lately gets a smaller share. The 2 and the sums keep every divisor
 * above 0 and every share finite while nothing is known yet.
 */
static unsigned long weight(enum lru_kind kind)
{
	unsigned long swappiness = (unsigned long)clamp(vm_swappiness, 0, SWAPPINESS_SUM);
	unsigned long total = read_cost(LRU_KIND_ANON) + read_cost(LRU_KIND_FILE) + 2;
	unsigned long anon =
		swappiness * 1024 / SWAPPINESS_SUM * total / (read_cost(LRU_KIND_ANON) + total);
	unsigned long file = (SWAPPINESS_SUM - swappiness) * 1024 / SWAPPINESS_SUM * total /
			     (read_cost(LRU_KIND_FILE) + total);

	return (kind == LRU_KIND_ANON ? anon : file) * 1024 / max(anon + file, 1ul);
}

/*
 * How many inactive pages of this kind a pass examines. At priority 1, the last chance before the
 * OOM killer, costs no longer matter: both kinds are examined in full.
 */
static long default_scan_limit(const struct scan_control *sc, zone_t *zone, enum lru_kind kind)
{
	unsigned long inactive = zone_lru_pages(zone, (enum lru_list)kind);
	unsigned long share = max_scan_of(inactive, sc->priority);

	VM_BUG_ON(sc->priority < 1 || sc->priority > DEF_PRIORITY);
	if (kind == LRU_KIND_ANON && !may_swap(sc))
		return SCAN_NOTHING;
	if (sc->priority == 1 || !may_swap(sc))
		return (long)share;
	return (long)min(share * 2 * weight(kind) / 1024, inactive);
}

static unsigned long default_refill_count(unsigned long nr_pages, unsigned long active,
					  unsigned long inactive)
{

	return nr_pages * active / (2 * (inactive + 1));
}

static unsigned long demoted_seen, demoted_used; /* in this window */
static unsigned long quiet_windows;		 /* in which nothing spoke for recent pages */
static bool recent_favoured;			 /* the last answer */

/*
 * A page that was demoted from the active list has come to the end of the inactive list. Count
 * whether it was used on its way: that tells an old working set from popular pages. The page is
 * locked.
 */
static void note_demoted(struct page *page, bool used)
{
	VM_BUG_ON(!PageLocked(page));
	ClearPageWorkingset(page);
	rmw_add_relaxed(&demoted_seen, 1);
	if (used)
		rmw_add_relaxed(&demoted_used, 1);
}

/* Recent pages are favoured: are they to be in the next window? */
static bool stay_with_recent(bool old_set, bool hardly_reused)
{
	unsigned long pages = nr_active_pages() + nr_inactive_pages();
	unsigned long quiet_allowed = max(QUIET_WINDOWS_MIN, 7 * pages / 4 / WINDOW_EVICTIONS);

	if (!hardly_reused)
		WRITE_ONCE(quiet_windows, old_set ? 0 : READ_ONCE(quiet_windows) + 1);
	else /* a loop, or between two sets */
		WRITE_ONCE(quiet_windows,
			   READ_ONCE(quiet_windows) + (old_set ? 1 : QUIET_WINDOWS_MIN / 2));
	return READ_ONCE(quiet_windows) < quiet_allowed;
}

/* A window is over: shall recent pages be favoured in the next? */
static bool turn_to_recent(unsigned long evicted, unsigned long reused)
{
	/* old pages were, when recent ones were favoured last; until hardly any page is reused */
	static bool popular;
	unsigned long seen = rmw_xchg_relaxed(&demoted_seen, 0);
	unsigned long used = rmw_xchg_relaxed(&demoted_used, 0);
	bool old_set = seen >= DEMOTED_SAMPLE_MIN && used * OLD_SET_PART < seen;
	bool hardly_reused = reused * FEW_REUSED_PART <= evicted;

	if (READ_ONCE(recent_favoured)) {
		WRITE_ONCE(popular, !stay_with_recent(old_set, hardly_reused));
		return !READ_ONCE(popular);
	}
	WRITE_ONCE(quiet_windows, 0);
	WRITE_ONCE(popular, READ_ONCE(popular) && !hardly_reused);
	return reused * MANY_REUSED_PART > evicted && (old_set || !READ_ONCE(popular));
}

/*
 * Has a program turned to other pages? Asked once a pass, answered from the last window.
 * Counters may be read while they change: a wrong answer lasts for a window.
 */
static bool favours_recent(void)
{
	static unsigned long reused_before, evicted_before;
	unsigned long evicted = vm_event_sum(VM_EVENT_pgsteal) - READ_ONCE(evicted_before);
	unsigned long reused = vm_event_sum(VM_EVENT_pgactivate) -
			       vm_event_sum(VM_EVENT_workingset_activate) -
			       READ_ONCE(reused_before);

	if (evicted >= WINDOW_EVICTIONS) {
		WRITE_ONCE(recent_favoured, turn_to_recent(evicted, reused));
		WRITE_ONCE(evicted_before, READ_ONCE(evicted_before) + evicted);
		WRITE_ONCE(reused_before, READ_ONCE(reused_before) + reused);
	}
	return READ_ONCE(recent_favoured);
}

/*
 * Only a surplus, beyond what reclaim and new pages make the lists swing by: what is active
 * within its share has been used, and leaves by a challenge (workingset.c). With an empty
 * inactive list there is a surplus on lists of any length, or nothing could ever be evicted.
 */
static unsigned long default_refill_limit(unsigned long active, unsigned long inactive)
{
	unsigned long swing = min((unsigned long)SWAP_CLUSTER_MAX, (active + inactive) / 8);
	unsigned long share = SURPLUS_PER_INACTIVE * (inactive + swing);

	VM_BUG_ON(swing > SWAP_CLUSTER_MAX);
	if (favours_recent())
		return ~0ul;
	return active <= share ? 0 : (active - share) / (SURPLUS_PER_INACTIVE + 1) + 1;
}

/*
 * The number of entries whose accessed bit was set; the bits are cleared. The reverse map of a
 * file page needs the page lock; if that is busy, somebody works on the page, so it counts as
 * used.
 */
static int count_uses(struct page *page, struct rmap_info *info)
{
	int used;

	VM_BUG_ON(page_count(page) < 1);
	if (PageAnon(page) || !page_mapcount(page))
		return page_referenced(page, info);
	if (TryLockPage(page)) {
		*info = (struct rmap_info){.referenced = 1};
		return 1;
	}
	used = page_referenced(page, info);
	unlock_page(page);
	return used;
}

/*
 * An active page stays active if an entry or a system call has used it since the last look.
 * (RC-15)
 */
static bool default_keep_active(struct page *page)
{
	struct rmap_info info;
	bool marked = test_and_clear_bit(PG_referenced, &page->flags);

	return count_uses(page, &info) || marked;
}

/*
 * The mark lets one more use bring the page back (RC-17); PG_workingset lets note_demoted() find
 * it.
 */
static void default_demoted(struct page *page)
{
	SetPageReferenced(page); /* RC-17 */
	SetPageWorkingset(page);
}

/*
 * Decide on a locked page that was mapped when it was looked at; info says what the reverse map
 * found. The first use only sets PG_referenced, as it is the one that brought the page in. Code is
 * activated at its first use: evicting it slows down every process that runs it.
 */
static enum page_fate judge_mapped(struct page *page, const struct rmap_info *info)
{
	bool marked = PageReferenced(page);

	VM_BUG_ON(!PageLocked(page) || info->referenced < 0);
	if (info->locked)
		return PAGE_CULL;
	if (PageWorkingset(page))
		note_demoted(page, info->referenced);
	if (!info->referenced) {
		ClearPageReferenced(page);
		return PAGE_EVICT;
	}
	SetPageReferenced(page);
	if (PageSwapBacked(page) && READ_ONCE(recent_favoured))
		/*
		 * The old working set makes room the sooner, the sooner recent pages become
		 * active.
		 */
		return PAGE_ACTIVATE;
	return marked || info->referenced > 1 || info->executable ? PAGE_ACTIVATE : PAGE_KEEP;
}

/* A page that no process maps has no accessed bits to ask; it came to the cold end unused. */
static enum page_fate default_judge(struct scan_control *sc, struct page *page)
{
	struct rmap_info info;

	VM_BUG_ON(!PageLocked(page));
	(void)sc;
	if (!page_mapcount(page))
		return PAGE_EVICT;
	page_referenced(page, &info);
	return judge_mapped(page, &info);
}

/*
 * Take a locked page out of all page tables. An anonymous page that got its slot only now will
 * have to be written, which is part of what anonymous pages cost.
 */
static bool default_unmap(struct scan_control *sc, struct page *page)
{
	bool had_slot = PageSwapCache(page);

	VM_BUG_ON(!PageLocked(page));
	if (!rmap_unmap(sc, page))
		return false;
	if (PageAnon(page) && !had_slot)
		default_note_cost(page_zone(page), LRU_KIND_ANON);
	return true;
}

const struct reclaim_policy default_policy = {
	.name = "default",
	.init = workingset_init,
	.scan_limit = default_scan_limit,
	.refill_count = default_refill_count,
	.refill_limit = default_refill_limit,
	.keep_active = default_keep_active,
	.demoted = default_demoted,
	.judge = default_judge,
	.unmap = default_unmap,
	.evicted = workingset_eviction,
	.note_cost = default_note_cost,
};
