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

/* First page of a block of 2^order frames with count 1, or NULL. (PA-01) */
struct page *alloc_pages(gfp_t gfp_mask, unsigned int order) __must_check;
struct page *alloc_pages_node(int nid, gfp_t gfp_mask, unsigned int order) __must_check;
struct page *alloc_page(gfp_t gfp_mask) __must_check;
/* From the zones of a list and no others, in its order. */
struct page *alloc_pages_zonelist(const zonelist_t *zonelist, gfp_t gfp_mask,
				  unsigned int order) __must_check;

/*
 * Single pages handed out of a node's (of a zone's) memory since boot: to its own CPUs / to others.
 */
struct node_allocations {
	unsigned long local, other;
};
struct node_allocations node_allocations(int nid);
struct node_allocations zone_allocations(const zone_t *zone);

/* The same as a kernel virtual address, 0 on failure; never from high memory. (PA-03) */
unsigned long __get_free_pages(gfp_t gfp_mask, unsigned int order) __must_check;
#define __get_free_page(gfp_mask)	 __get_free_pages((gfp_mask), 0)
#define __get_dma_pages(gfp_mask, order) __get_free_pages((gfp_mask) | GFP_DMA, (order))
unsigned long get_zeroed_page(gfp_t gfp_mask) __must_check;
#define get_free_page(gfp_mask) get_zeroed_page(gfp_mask)

/* Drop a reference; at zero the block of 2^order frames goes back. (PA-06) */
void __free_pages(struct page *page, unsigned int order);
void __free_page(struct page *page);
void free_pages(unsigned long addr, unsigned int order);
#define free_page(addr) free_pages((addr), 0)

/* Exactly size bytes rounded up to whole pages; the tail of the block goes back. (FX-04) */
void *alloc_pages_exact(size_t size, gfp_t gfp_mask) __must_check;
void free_pages_exact(void *addr, size_t size);

/* Frames on free lists and per-CPU lists, all zones. */
unsigned long nr_free_pages(void);
unsigned long nr_free_highpages(void);
/* Frames ever given to the buddy allocator. */
unsigned long totalram_pages(void);
unsigned long totalhigh_pages(void);
/* Give this CPU's / every CPU's lists back to the buddy lists. */
void drain_local_pages(void);
void drain_all_pages(void);

/*
 * Where page reclaim plugs in (PM-13). Without it (reclaim_ops as at boot) the kernel's
 * own caches are all that can be shrunk.
 */
struct reclaim_ops {
	/* A zone of this kind fell to pages_low: start balancing. Any context. */
	void (*wakeup_kswapd)(zone_t *zone);
	/*
	 * The caller found zone and those it falls back to at pages_min: free some. Called
	 * with PF_MEMALLOC and PF_FREE_PAGES set. May sleep. Returns pages freed.
	 */
	unsigned long (*try_to_free_pages)(zone_t *zone, gfp_t gfp_mask, unsigned int order);
	/* Nothing could be freed. True: something was done, try again. May sleep; may be NULL. */
	bool (*out_of_memory)(gfp_t gfp_mask, unsigned int order);
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

/* Boot: lay out zones of a node from its sizes and holes (frames per zone). (PM-05, PM-12) */
void free_area_init_node(int nid, pg_data_t *pgdat, const unsigned long *zones_size,
			 unsigned long zone_start_pfn, const unsigned long *zholes_size);
void build_all_zonelists(void);
/* Give a free, reserved frame or an aligned block of them to the buddy allocator. */
void free_boot_block(struct page *page, unsigned int order);
/*
 * The same by frame of the zone; descriptors of a whole largest block are made when it is first
 * used.
 */
void free_boot_block_of(zone_t *zone, unsigned long index, unsigned int order);

/* Free blocks of an order in a zone, counted under its lock. (PA-43) */
unsigned long zone_nr_free_blocks(zone_t *zone, unsigned int order);

/* Walk and check every zone: bitmaps, lists and counts agree (XC-06). Panics if not. */
void validate_buddy(void);

PAGODA_C_END
