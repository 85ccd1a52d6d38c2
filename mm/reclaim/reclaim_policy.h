/* SPDX-License-Identifier: MIT */
/*
 * reclaim_policy.h: what a page replacement policy decides, and what it is given.
 *
 * vmscan.c says when and how much, shrink.c carries it out page by page; everything in which
 * policies differ goes through struct reclaim_policy. One is chosen at boot
 * (reclaim=default, the first of the table in vmscan.c, or reclaim=classic). A new policy is one
 * new file and a line in that table.
 */
#pragma once

#include <pagoda/lru.h>
#include <pagoda/vmscan.h>

/* Pairs of lists: pages of one kind are either inactive or active. */
enum lru_kind { LRU_KIND_ANON = LRU_INACTIVE_ANON, LRU_KIND_FILE = LRU_INACTIVE_FILE };
#define for_each_lru_kind(kind) for ((kind) = LRU_KIND_ANON; (kind) <= LRU_KIND_FILE; (kind) += 2)

/* One replacement of all pages of a zone, as lruvec.turnover counts it. */
#define TURNOVER_UNIT (1ul << 20)

/* One request's reclaim, or a round of kswapd. */
struct scan_control {
	/* in */
	gfp_t gfp_mask;
	zone_t *classzone; /* pages of this zone, and of those it falls back to, help */
	bool one_zone;	   /* kswapd: of this zone alone */
	/* working */
	int priority;		  /* DEF_PRIORITY .. 1, the most urgent */
	long nr_pages;		  /* still wanted (RC-11) */
	unsigned int writes_left; /* pages this pass may still write (RC-11) */
	bool out_of_writes;	  /* this list ends with a page that would have to be written */
	long max_mapped;	  /* mapped pages this pass still passes by (RC-20) */
	bool pass_over;		  /* the pass over this list ends here (RC-23) */
	struct page *written;	  /* one that is being written, with a reference: to wait for */
	/* out */
	unsigned long nr_scanned, nr_reclaimed;
};

/* What is to become of a locked page at the cold end of an inactive list. */
enum page_fate {
	PAGE_EVICT,    /* nothing speaks for it: unmap, write, free */
	PAGE_ACTIVATE, /* it is in use after all */
	PAGE_KEEP,     /* another round on its list */
	PAGE_CULL,     /* locked into memory: off the lists */
};

struct reclaim_policy {
	const char *name;
	bool one_pair; /* all pages on the file pair of lists, as the documents have it */

	/* Once tasks run: memory of one's own. May be NULL. */
	void (*init)(void);
	/* Pages of a kind that a pass may examine, or SCAN_NOTHING: leave the kind alone. */
	long (*scan_limit)(const struct scan_control *sc, zone_t *zone, enum lru_kind kind);
	/* Pages to move from active to inactive when nr_pages are wanted. (RC-16) */
	unsigned long (*refill_count)(unsigned long nr_pages, unsigned long active,
				      unsigned long inactive);
	/* The most that may be moved however many are wanted. May be NULL: no such limit. */
	unsigned long (*refill_limit)(unsigned long active, unsigned long inactive);
	/* Coldest active page, with a reference: does it stay active? (RC-15) */
	bool (*keep_active)(struct page *page);
	/* It was moved to the inactive list. */
	void (*demoted)(struct page *page);
	/* Coldest inactive page, locked. */
	enum page_fate (*judge)(struct scan_control *sc, struct page *page);
	/* Locked, mapped page to be evicted: take it out of the page tables. False: it stays. */
	bool (*unmap)(struct scan_control *sc, struct page *page);
	/* Enough mapped pages were met: search page tables for pages to take. May be NULL. */
	void (*swap_out)(struct scan_control *sc, zone_t *zone);
	/* A page has left memory; page_identity() of what it held. May be NULL. */
	void (*evicted)(u64 identity);
	/* One more page of this kind had to be written or read again. May be NULL. */
	void (*note_cost)(zone_t *zone, enum lru_kind kind);
};

#define SCAN_NOTHING (-1l)
/* The active list is at most that many times as long as the inactive one: two thirds (RC-18). */
#define ACTIVE_PER_INACTIVE 2

extern const struct reclaim_policy default_policy;  /* policy_default.c */
extern const struct reclaim_policy classic_policy;  /* swap_out.c */
extern const struct reclaim_policy *reclaim_policy; /* the one in force */

/* RC-19, RC-20. */
static inline unsigned long max_scan_of(unsigned long nr_inactive, int priority)
{
	return nr_inactive / (unsigned long)priority;
}
static inline long max_mapped_of(unsigned long max_scan, long nr_pages, int priority)
{
	return min((long)(max_scan / 10), nr_pages << (10 - priority));
}

static inline unsigned long zone_lru_pages(const zone_t *zone, enum lru_list list)
{
	return READ_ONCE(zone->lruvec.nr[list]);
}

/* ---- What a policy may call (shrink.c) ---------------------------------------------------- */

/* Move cold pages of a kind from the active to the inactive list. (RC-15 to RC-17) */
void refill_inactive(zone_t *zone, enum lru_kind kind, unsigned long nr_pages);
/*
 * Look at the coldest active page: false: it stays, as the new hottest; true: it is inactive now,
 * or there is none.
 */
bool demote_coldest(zone_t *zone, enum lru_kind kind);
/* Steps of a page's eviction that policies share: unmap through the reverse map. */
bool rmap_unmap(struct scan_control *sc, struct page *page);
