/* SPDX-License-Identifier: MIT */
/*
 * vmscan.h: page reclaim (thesis chapter 11; requirements RC, FX-13 to FX-15).
 *
 * The mechanism (kswapd, direct reclaim, the per-page decisions of shrink_cache) is
 * common; what differs between replacement policies stands behind struct reclaim_policy.
 * One policy is chosen at boot (reclaim=default|classic); a new one is one new file.
 */
#pragma once

#include <pagoda/mmzone.h>
#include <pagoda/page.h>

PAGODA_C_BEGIN

#define SWAP_CLUSTER_MAX 32 /* pages wanted by one round of reclaim */
#define DEF_PRIORITY	 6  /* first round looks at 1/6 of the inactive list */

/*
 * Start kswapd on every node and plug reclaim into the allocator; panics without memory.
 * Context: boot, once tasks run; may sleep.
 */
void kswapd_init(void);

/*
 * Other caches that can be shrunk (dentries, inodes). Called in reclaim, with whatever locks
 * an allocation may be made under: scan must only try locks, and honour the GFP bits (RC-12).
 */
struct shrinker {
	const char *name;
	unsigned long (*count)(void);
	/* free about nr objects; how many were looked at */
	unsigned long (*scan)(unsigned long nr, gfp_t gfp);
	struct list_head list;
};

/*
 * Have reclaim shrink this cache, too.
 * Context: may sleep.
 */
void register_shrinker(struct shrinker *shrinker);

/*
 * End that; a scan under way is waited for.
 * Context: may sleep.
 */
void unregister_shrinker(struct shrinker *shrinker);

/*
 * Shrink all registered caches as far as they go (drop_caches).
 * Context: may sleep. Return: how many objects were looked at.
 */
unsigned long drop_shrinkable(void);

extern int vm_swappiness; /* 0 .. 200: how readily anonymous pages go rather than those of files */

/*
 * Pages reclaimed and writes started by reclaim since boot, for the OOM decision (FX-23).
 * Context: any. Return: a count that only grows.
 */
unsigned long reclaim_progress(void);

PAGODA_C_END
