/* SPDX-License-Identifier: MIT */
/*
 * mmzone.h: nodes and zones, the shape of physical memory (thesis chapter 3).
 *
 *	pgdat_list -> node 0 -> node 1 -> NULL		(node_next)
 *	  node_zones[DMA, Normal, HighMem]  each a contiguous range of frames
 *	  node_zonelists[gfp & GFP_ZONEMASK] where to look, in order of preference
 *
 * Letters: (Z) zone->lock to write, any time to read; (C) constant after boot.
 *
 * A zone's range may contain holes: their frames are PG_reserved and are never
 * handed out (PM-06).
 */
#pragma once

#include <pagoda/page.h>
#include <pagoda/gfp.h>
#include <pagoda/spinlock.h>
#include <asm/page.h>

PAGODA_C_BEGIN

#define ZONE_DMA     0
#define ZONE_NORMAL  1
#define ZONE_HIGHMEM 2
#define MAX_NR_ZONES 3
#define MAX_NR_NODES 8
#define MAX_ORDER    10 /* blocks of 2^0 .. 2^9 pages (PA-09) */
#define NR_CPUS	     8

typedef struct free_area {
	struct list_head free_list;
	unsigned long *map; /* a bit per pair of buddies: exactly one of them is free */
	unsigned long nr_free;
} free_area_t;

/*
 * Single free pages in front of the buddy lists, one stack per CPU (FX-03). (S) that CPU,
 * interrupts off; others read the counts.
 */
#define PCP_MAX 64
struct per_cpu_pages {
	unsigned int count;	/* pages on the stack */
	unsigned int high;	/* (C) above this a batch goes back */
	unsigned int batch;	/* (C) pages moved at a time */
	unsigned long nr_taken; /* pages handed out from here: pgalloc */
	long nr_refilled;	/* pages that came from the free lists, less those that went back */
	struct page *pages[PCP_MAX + 1];
} __aligned(SMP_CACHE_BYTES);

/* The lists of user pages; active follows inactive of its kind. */
enum lru_list {
	LRU_INACTIVE_ANON,
	LRU_ACTIVE_ANON,
	LRU_INACTIVE_FILE,
	LRU_ACTIVE_FILE,
	NR_LRU_LISTS,
};

/* A zone's lists (mm/lists/lru.c) and what reclaim remembers of it (mm/reclaim/vmscan.c). */
struct lruvec {
	spinlock_t lock; /* RANK_LRU, interrupts off */
	struct list_head lists[NR_LRU_LISTS];
	unsigned long nr[NR_LRU_LISTS]; /* lengths; read without the lock */
	unsigned long nr_mlocked;	/* pages kept off the lists */
	unsigned long pages_scanned;	/* (A) since a page of the zone was last reclaimed */
	/* (A) how often all its pages were replaced, in 1/TURNOVER_UNIT (vmscan.c) */
	unsigned long turnover;
} __aligned(SMP_CACHE_BYTES);

typedef struct zone {
	spinlock_t lock;	  /* RANK_ZONE, interrupts off */
	unsigned long free_pages; /* in free_area; per-CPU lists are counted apart */
	unsigned long pages_min, pages_low, pages_high;
	int need_balance; /* atomic: below pages_low, until pages_high is met */
	free_area_t free_area[MAX_ORDER];
	struct per_cpu_pages pcp[NR_CPUS];
	wait_queue_head_t *wait_table;
	unsigned long wait_table_size, wait_table_shift;
	struct pglist_data *zone_pgdat;
	struct page *zone_mem_map;
	/*
	 * (Z) A bit for each largest block: it is free and has not been used since boot, so of
	 * its descriptors only the first has been made; the others are zeroes. NULL: none is.
	 */
	unsigned long *raw_blocks;
	phys_addr_t zone_start_paddr;
	unsigned long zone_start_mapnr;
	unsigned long zone_start_pfn; /* FX-26 */
	const char *name;
	unsigned long size;		 /* frames, holes included */
	unsigned long present_pages;	 /* frames that are RAM */
	unsigned long managed_pages;	 /* (Z) frames ever given to the buddy lists */
	unsigned long lock_acquisitions; /* (Z) statistics */
	struct lruvec lruvec;
} zone_t;

typedef struct zonelist {
	zone_t *zones[MAX_NR_ZONES * MAX_NR_NODES + 1]; /* NULL terminated */
} zonelist_t;

struct bootmem_data;

typedef struct pglist_data {
	zone_t node_zones[MAX_NR_ZONES];
	zonelist_t node_zonelists[GFP_ZONEMASK + 1];
	int nr_zones;
	struct page *node_mem_map;
	unsigned long *valid_addr_bitmap;
	struct bootmem_data *bdata;
	unsigned long node_start_pfn; /* FX-26: in place of node_start_paddr */
	unsigned long node_start_mapnr;
	unsigned long node_size; /* frames, holes included */
	int node_id;
	struct pglist_data *node_next;
	struct vm_task *kswapd;
	wait_queue_head_t kswapd_wait;
} pg_data_t;

extern pg_data_t *pgdat_list;
extern pg_data_t contig_page_data;
extern zone_t *zone_table[MAX_NR_ZONES * MAX_NR_NODES];

#define for_each_pgdat(pgdat) for ((pgdat) = pgdat_list; (pgdat); (pgdat) = (pgdat)->node_next)

#define for_each_zone(zone, pgdat) \
	for ((zone) = (pgdat)->node_zones; (zone) < (pgdat)->node_zones + MAX_NR_ZONES; (zone)++)

/* Find a node by its id. Context: any. Return: the node, or NULL if there is none with this id. */
pg_data_t *NODE_DATA(int nid);

/* The node of each CPU. A task that moves to another CPU meanwhile loses only locality. */
extern pg_data_t *cpu_pgdat[NR_CPUS]; /* (C) after build_all_zonelists() */
static inline pg_data_t *local_pgdat(void)
{
	return cpu_pgdat[port_cpu_id()];
}

/*
 * A CPU's stack of single pages: of the first zone that a kind of request may use on its node,
 * and of a zone by its number in zone_table. (C) after build_all_zonelists(); the stacks
 * themselves are that CPU's, interrupts off.
 */
extern struct per_cpu_pages *first_pcp[NR_CPUS][GFP_ZONEMASK + 1];
extern struct per_cpu_pages *zone_pcp[MAX_NR_ZONES * MAX_NR_NODES][NR_CPUS];

/* The zone of a frame, by the number in its descriptor. Context: any. */
static inline zone_t *page_zone(const struct page *page)
{
	return zone_table[READ_ONCE(page->PAGE_PLACE) >> ZONE_SHIFT];
}

/*
 * Frame numbers and descriptors. Each node has its own map of descriptors; all lie in
 * one index space, node_mem_map == mem_map + node_start_mapnr.
 *
 * From a frame number the way goes through a table with an entry for every section of
 * 128 MiB: the map of the node that the section belongs to, moved back so that the
 * frame number itself is the index. The entry of a section that nodes share is NULL,
 * then the nodes are asked one by one. The way back is through the page's zone.
 */
#define PFN_SECTION_SHIFT (27 - PAGE_SHIFT)
extern struct page *mem_map;
extern unsigned long max_mapnr;	  /* one past the highest index from mem_map */
extern struct page **section_map; /* (C) after boot */
extern unsigned long nr_sections; /* (C) */

/* pfn_to_page() of a frame whose section belongs to several nodes. Assumes: pfn_valid(pfn). */
struct page *pfn_to_page_slow(unsigned long pfn);

/* Assumes: pfn_valid(pfn). For a free frame that was never used see zone->raw_blocks. */
static inline struct page *pfn_to_page(unsigned long pfn)
{
	struct page *map = section_map[pfn >> PFN_SECTION_SHIFT];

	return likely(map) ? map + pfn : pfn_to_page_slow(pfn);
}
static inline unsigned long page_to_pfn(const struct page *page)
{
	const zone_t *zone = page_zone(page);

	return zone->zone_start_pfn + (unsigned long)(page - zone->zone_mem_map);
}
/*
 * Is there a descriptor for this frame? Context: any.
 * Return: true also for a frame in a hole of a node, whose descriptor has PG_reserved.
 */
bool pfn_valid(unsigned long pfn);

/* The same for frames below max_pfn, quick where one node owns the section. */
static inline bool pfn_valid_quick(unsigned long pfn)
{
	return section_map[pfn >> PFN_SECTION_SHIFT] || pfn_valid(pfn);
}

/* Is this frame RAM in the firmware's map, usable or in use? Context: any, after memmap_init(). */
bool page_is_ram(unsigned long pfn);

PAGODA_C_END
