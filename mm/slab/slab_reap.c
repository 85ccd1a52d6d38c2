/* SPDX-License-Identifier: MIT */
/*
 * slab_reap.c: giving memory of caches back under pressure (thesis 8.1.7).
 *
 * One call looks at up to REAP_SCANLEN caches, going on where the last call stopped,
 * and takes from one of them: the first whose free slabs amount to more than
 * REAP_PERFECT pages, else the best of those seen. It empties that cache's arrays and
 * destroys half of its free slabs, rounded up.
 *
 * Passed over: caches that may not be reaped, that are growing, and, once, that have
 * grown since the last look. A cache counts for less if its objects had to be
 * constructed, and if its slabs need contiguous pages.
 *
 * Only slabs in zones that the short-of-memory request could use count and go (FX-07):
 * pressure on DMA memory costs no slab elsewhere. "slab_reap=any" takes all, as the
 * documents describe.
 *
 * The number of free slabs is read when a cache is judged, and may have changed when its slabs are
 * taken: destroy_free_slabs() takes one at a time, as long as there are any and the cache does not
 * grow, so an old number costs precision only.
 *
 * Locking: cache_chain_sem, which is only tried: its holder may be the task that needs memory, and
 * waits for this very call.
 * Failure: none; 0 pages if nothing was found or the chain is busy.
 * Observability: event slab_reap; cache->reaped.
 */
#include "slab_internal.h"
#include <pagoda/init.h>
#include <pagoda/boot_option.h>

#define REAP_SCANLEN 10 /* caches a call looks at */
#define REAP_PERFECT 10 /* pages that end the search */

/* Weight of a cache in percent, for each thing that makes its slabs dear (SL-49). */
#define REAP_CTOR_PERCENT  80
#define REAP_ORDER_PERCENT 80

static kmem_cache_t *clock_searchp = &cache_cache; /* (chain mutex) next to look at */

void kmem_reap_forget(const kmem_cache_t *cachep)
{
	lockdep_assert_held(&cache_chain_sem);
	if (clock_searchp == cachep)
		clock_searchp = &cache_cache;
}

/* Could a request of this kind be served from the zone of this page? */
static bool helps(const struct page *page, gfp_t gfp_mask)
{
	return !(gfp_mask & __GFP_DMA) || page_in_dma_zone(page);
}

static bool zone_aware(gfp_t gfp_mask)
{
	const char *value;

	/* Slabs are never in high memory: other requests can use any. */
	return gfp_mask & __GFP_DMA && !(boot_option("slab_reap", &value) && value[0] == 'a');
}

/*
 * Count the free slabs that would help. Those in ZONE_DMA stand at the end of the list, so the
 * count ends at the first one that does not help. Locks: cachep->spinlock held.
 */
static unsigned long nr_helpful_slabs(const kmem_cache_t *cachep, gfp_t gfp_mask)
	MUST_HOLD(&cachep->spinlock)
{
	const struct page *page;
	unsigned long nr = 0;

	lockdep_assert_held(&cachep->spinlock);
	if (!zone_aware(gfp_mask))
		return cachep->nr_free_slabs;
	list_for_each_entry_reverse(page, &cachep->slabs_free, lru) {
		if (!helps(page, gfp_mask))
			break;
		nr++;
	}
	return nr;
}

/* What reaping this cache is worth in weighted pages; 0: pass over. *nr: its free slabs. */
static unsigned long reap_value(kmem_cache_t *cachep, gfp_t gfp_mask, unsigned long *nr)
{
	unsigned long flags, pages = 0;

	if (cachep->flags & SLAB_NO_REAP)
		return 0;
	spin_lock_irqsave(&cachep->spinlock, flags);
	/*
	 * A cache that has grown since the last look will probably need its free slabs soon, so it
	 * is passed over once; the mark is cleared, and the next look decides.
	 */
	if (cachep->dflags & DFLGS_GROWN) {
		cachep->dflags &= ~DFLGS_GROWN;
	} else if (!cachep->growing) {
		*nr = nr_helpful_slabs(cachep, gfp_mask);
		VM_BUG_ON(*nr > cachep->nr_free_slabs); /* (I4) of slab.c */
		pages = *nr << cachep->gfporder;
	}
	spin_unlock_irqrestore(&cachep->spinlock, flags);
	if (cachep->ctor)
		pages = DIV_ROUND_UP(pages * REAP_CTOR_PERCENT, 100);
	if (cachep->gfporder)
		pages = DIV_ROUND_UP(pages * REAP_ORDER_PERCENT, 100);
	return pages;
}

/* The next cache of the circular chain. Locks: cache_chain_sem held. */
static kmem_cache_t *next_cache(kmem_cache_t *cachep) MUST_HOLD(&cache_chain_sem)
{
	lockdep_assert_held(&cache_chain_sem);
	return list_entry(cachep->next.next, kmem_cache_t, next);
}

/* Locks: cache_chain_sem held. *best_nr: the free slabs of the cache chosen. */
static kmem_cache_t *choose_cache(gfp_t gfp_mask, unsigned long *best_nr)
	MUST_HOLD(&cache_chain_sem)
{
	kmem_cache_t *best = NULL, *cachep = clock_searchp;
	unsigned long best_value = 0;

	lockdep_assert_held(&cache_chain_sem);
	for (int scanned = 0; scanned < REAP_SCANLEN; scanned++) {
		unsigned long nr = 0, value = reap_value(cachep, gfp_mask, &nr);

		if (value > best_value) {
			best = cachep;
			best_value = value;
			*best_nr = nr;
		}
		cachep = next_cache(cachep);
		if (value > REAP_PERFECT || cachep == clock_searchp)
			break;
	}
	clock_searchp = cachep;
	VM_BUG_ON(best && !*best_nr); /* only free slabs make a cache worth something */
	return best;
}

int kmem_cache_reap(gfp_t gfp_mask)
{
	unsigned long pages = 0, nr = 0;
	kmem_cache_t *cachep;

	if (!mutex_trylock(&cache_chain_sem))
		return 0;
	cachep = choose_cache(gfp_mask, &nr);
	if (cachep) {
		VM_BUG_ON(cachep->flags & SLAB_NO_REAP);
		/* Objects in the arrays count as in use; without them more slabs are free. */
		drain_cpu_caches(cachep);
		pages = destroy_free_slabs(cachep, (nr + 1) / 2,
					   zone_aware(gfp_mask) ? helps : NULL, gfp_mask);
	}
	mutex_unlock(&cache_chain_sem);
	return (int)pages;
}

unsigned long kmem_cache_shrink_all(void)
{
	unsigned long total = 0, before;
	kmem_cache_t *cachep;

	might_sleep();
	mutex_lock(&cache_chain_sem);
	/*
	 * Off-slab descriptors and arrays of one cache are objects of another, so freeing slabs may
	 * make further slabs free. Go round until a round frees nothing.
	 */
	do {
		before = total;
		for_each_cache(cachep) {
			unsigned long pages;

			/* Whether objects are still in use does not matter here. */
			(void)__kmem_cache_shrink(cachep, &pages);
			total += pages;
		}
	} while (total != before);
	mutex_unlock(&cache_chain_sem);
	return total;
}

unsigned long kmem_cache_spare_pages(void)
{
	unsigned long pages = 0, flags;
	kmem_cache_t *cachep;

	mutex_lock(&cache_chain_sem);
	for_each_cache(cachep) {
		spin_lock_irqsave(&cachep->spinlock, flags);
		VM_BUG_ON(cachep->active_objs > cachep->nr_slabs * cachep->num);
		pages += (cachep->nr_slabs - DIV_ROUND_UP(cachep->active_objs, cachep->num))
			 << cachep->gfporder;
		spin_unlock_irqrestore(&cachep->spinlock, flags);
	}
	mutex_unlock(&cache_chain_sem);
	return pages;
}
