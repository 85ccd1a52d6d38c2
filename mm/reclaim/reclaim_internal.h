/* SPDX-License-Identifier: MIT */
/*
 * reclaim_internal.h: what the files of reclaim share beside the contract of the policies
 * (reclaim_policy.h): the passes over the lists, and when they run.
 */
#pragma once

#include "reclaim_policy.h"

/* ---- shrink.c ---------------------------------------------------------------------------- */

/*
 * Examine up to max_scan pages of the inactive list; sc->nr_pages falls by the pages freed. (RC-19
 * to RC-28)
 */
void shrink_cache(struct scan_control *sc, zone_t *zone, enum lru_kind kind,
		  unsigned long max_scan);
/*
 * Evict these pages, whether they are used or not; drops the caller's references. A page that has
 * to be written first is unmapped and its write is started. wait: wait for the writes and free
 * those pages as well; else they are the next pages that reclaim frees. May sleep.
 */
void reclaim_pages(struct page **pages, unsigned int nr, bool wait);

/* ---- vmscan.c ------------------------------------------------------------------------------ */

/* Free some 32 pages of sc->classzone; what was freed is in sc->nr_reclaimed. (RC-08) */
void try_to_free_pages_zone(struct scan_control *sc);
bool kswapd_can_sleep_pgdat(const pg_data_t *pgdat);
bool kswapd_can_sleep(void);
/* Until every zone with need_balance has pages_high free, or nothing can be done. (RC-03) */
void kswapd_balance_pgdat(pg_data_t *pgdat);
/* Pages on the lists of a zone. */
unsigned long all_lru_pages(const zone_t *zone);
void reclaim_policy_choose(void); /* boot, once options are known */
/* workingset.c */
void workingset_init(void);
/* page_list_ops->refaulted. */
void workingset_refault(struct page *page);
/* A hash of the object and the place in it, or the slot, whose contents a locked page holds. */
u64 page_identity(const struct page *page);
void workingset_eviction(u64 identity);

/* Something was reclaimed or written. */
void note_reclaim_progress(unsigned long nr);
