/* SPDX-License-Identifier: MIT */
/*
 * page_alloc.h: the buddy allocator (thesis chapter 6).
 *
 * Blocks of 2^order contiguous frames. Interrupt handlers may allocate with
 * GFP_ATOMIC and free; __GFP_WAIT may sleep.
 */
#pragma once

#include <pagoda/mmzone.h>

PAGODA_C_BEGIN

/*
 * Allocate a block of 2^order contiguous frames, aligned to its size: near this CPU, on a given
 * node, or a single page. (PA-01) gfp_mask names the zones that will do and what the allocator may
 * do to find memory. order is at most MAX_ORDER - 1.
 * Context: any; with __GFP_WAIT may sleep. Locks: takes zone->lock; with __GFP_WAIT reclaim runs
 * with what the caller holds (docs/LOCKING.md).
 * Refs: the block's first page has one reference, the others none.
 * Return: the first page, or NULL if there is no memory, or no such node.
 */
struct page *alloc_pages(gfp_t gfp_mask, unsigned int order) __must_check;
struct page *alloc_pages_node(int nid, gfp_t gfp_mask, unsigned int order) __must_check;
struct page *alloc_page(gfp_t gfp_mask) __must_check;
/* The same from the zones of a list and no others, in its order. Return: as alloc_pages(). */
struct page *alloc_pages_zonelist(const zonelist_t *zonelist, gfp_t gfp_mask,
				  unsigned int order) __must_check;

/*
 * Single pages handed out of a node's (of a zone's) memory since boot: to the CPUs of that node,
 * and to others. Context: any.
 */
struct node_allocations {
	unsigned long local, other;
};
struct node_allocations node_allocations(int nid);
struct node_allocations zone_allocations(const zone_t *zone);

/*
 * Allocate a block of 2^order frames by its kernel address; get_zeroed_page() zeroes its one page.
 * Never from high memory, which has no address: asking for it is reported. (PA-03)
 * Context, Locks, Refs: as alloc_pages(). Return: the address, or 0.
 */
unsigned long __get_free_pages(gfp_t gfp_mask, unsigned int order) __must_check;
#define __get_free_page(gfp_mask)	 __get_free_pages((gfp_mask), 0)
#define __get_dma_pages(gfp_mask, order) __get_free_pages((gfp_mask) | GFP_DMA, (order))
unsigned long get_zeroed_page(gfp_t gfp_mask) __must_check;
#define get_free_page(gfp_mask) get_zeroed_page(gfp_mask)

/*
 * Drop a reference; with the last one the block of 2^order frames is freed. (PA-06) A page that is
 * still in use is reported and leaked; another order than the block was allocated with is reported.
 * free_pages() takes the kernel address instead, and allows 0.
 * Context: any, interrupt handlers included. Return: nothing.
 */
void __free_pages(struct page *page, unsigned int order);
void __free_page(struct page *page);
void free_pages(unsigned long addr, unsigned int order);
#define free_page(addr) free_pages((addr), 0)

/*
 * Allocate size bytes, rounded up to whole pages instead of a power of two: the rest of the block
 * is freed again. (FX-04) free_pages_exact() takes the same size.
 * Context: as alloc_pages(). Refs: each page has one. Return: the kernel address, or NULL.
 */
void *alloc_pages_exact(size_t size, gfp_t gfp_mask) __must_check;
void free_pages_exact(void *addr, size_t size);

/* Free frames of all zones (of high memory), on free lists and per-CPU stacks. Context: any. */
unsigned long nr_free_pages(void);
unsigned long nr_free_highpages(void);
/* Frames of all zones (of high memory) that the buddy allocator manages. Context: any. */
unsigned long totalram_pages(void);
unsigned long totalhigh_pages(void);
/*
 * Give the single pages on this CPU's (on every CPU's) stacks back to the buddy lists.
 * drain_all_pages() with interrupts off drains this CPU only. Context: any. Return: nothing.
 */
void drain_local_pages(void);
void drain_all_pages(void);

/*
 * Where page reclaim plugs in (PM-13). Without it (reclaim_ops as at boot) the kernel's
 * own caches are all that can be shrunk.
 */
struct reclaim_ops {
	/* The zone has fallen to pages_low: start balancing it. Context: any. */
	void (*wakeup_kswapd)(zone_t *zone);
	/*
	 * The caller found zone and those it falls back to at pages_min: free some. Called
	 * with PF_MEMALLOC and PF_FREE_PAGES set. May sleep. Returns pages freed.
	 */
	unsigned long (*try_to_free_pages)(zone_t *zone, gfp_t gfp_mask, unsigned int order);
	/* Nothing could be freed. True: something was done, try again. May sleep; may be NULL. */
	bool (*out_of_memory)(gfp_t gfp_mask, unsigned int order);
	/* Is a fatal signal pending for the caller? Any context; NULL: never. */
	bool (*is_killed)(void);
};
extern const struct reclaim_ops *reclaim_ops;

/*
 * What the page allocator asks of rooms that keep frames for later, or on lists. NULL: there is no
 * such room. Set at boot, before the second CPU runs.
 */
struct frame_keepers {
	/*
	 * Without page reclaim: give back what the kernel's own caches do not use. May sleep.
	 * Returns frames freed.
	 */
	unsigned long (*shrink_caches)(gfp_t gfp_mask);
	/*
	 * Put this CPU's new pages, which wait in a batch, on their lists; some may be freed. Any
	 * context.
	 */
	void (*drain_batches)(void);
	/*
	 * A page of a reclaim list (PG_lru), or one counted as locked (PG_mlocked), is being freed:
	 * forget it.
	 */
	void (*forget_page)(struct page *page);
};
extern struct frame_keepers frame_keepers;

/*
 * Lay out the zones of a node from frame zone_start_pfn on: zones_size[] and zholes_size[] are the
 * frames of each zone, holes included, and its holes (NULL: none). (PM-05, PM-12)
 * Context: boot, one CPU. Return: nothing; panics if boot memory has no room for descriptors.
 */
void free_area_init_node(int nid, pg_data_t *pgdat, const unsigned long *zones_size,
			 unsigned long zone_start_pfn, const unsigned long *zholes_size);
/* Make every node's zonelists, after all nodes have their zones. Context: boot, one CPU, once. */
void build_all_zonelists(void);
/*
 * Give a reserved frame that is not in use any more, or an aligned block of them, to the buddy
 * allocator for the first time. Context: any; one call per frame. Return: nothing.
 */
void free_boot_block(struct page *page, unsigned int order);
/*
 * The same by index of the frame in its zone. The descriptors of a whole block of the largest order
 * are made when the block is used for the first time. Context: boot.
 */
void free_boot_block_of(zone_t *zone, unsigned long index, unsigned int order);

/* Free blocks of an order in a zone. Context: any. Locks: takes zone->lock. (PA-43) */
unsigned long zone_nr_free_blocks(zone_t *zone, unsigned int order);

/* Walk and check every zone: bitmaps, lists and counts agree (XC-06). Panics if not. */
void validate_buddy(void);

PAGODA_C_END
