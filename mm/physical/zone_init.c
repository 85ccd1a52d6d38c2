/* SPDX-License-Identifier: MIT */
/*
 * zone_init.c: laying out nodes and zones at boot, and finding a frame's descriptor.
 *
 * Each node gets one array of descriptors for its whole range, holes included, and its
 * zones are slices of it. All arrays lie in the direct map, so that one base, mem_map,
 * serves as the origin of a common index space (node_start_mapnr).
 *
 *	frames	  0      4096                    16384		node 0: 64 MiB
 *		  | DMA   | Normal                |
 *	mem_map	  [ descriptors of node 0         ][ node 1 ... ]
 *
 * Zonelists: for a request of kind K on node N, the zones of N from K downwards, then
 * those of the other nodes, nearest id first: N+1, N+2, ... and around. For K = Normal on node 0
 * of two nodes with DMA memory on node 0 only:
 *
 *	node 0 Normal, node 0 DMA, node 1 Normal, NULL
 *
 * Invariants:
 *	(I1) a zone's number (zone_index) is its place in zone_table, and fits page->flags
 *	(I2) a zonelist names zones with frames only, each at most once, and ends with NULL
 *	(I3) the zones of a node follow each other without a gap from node_start_pfn on
 *
 * Locking: none: one CPU, before the first allocation; constant afterwards.
 * Failure: a machine whose descriptors do not fit panics in bootmem.
 * Observability: one line per node at boot (zone_sizes_init()), /proc/zoneinfo.
 */
#include "page_alloc_internal.h"
#include "boot_internal.h"
#include <pagoda/bootmem.h>
#include <pagoda/bug.h>
#include <pagoda/string.h>
#include <pagoda/meminfo.h>
#include <lib/bitmap.h>

/* One wait queue for so many pages, and never fewer queues than this (PM-16). */
#define PAGES_PER_WAITQUEUE 256
#define MIN_WAIT_TABLE_SIZE 4

/* Watermarks (PM-12). */
#define ZONE_BALANCE_RATIO 128
#define ZONE_BALANCE_MIN   20
#define ZONE_BALANCE_MAX   255
/*
 * pages_min is at most this part of a zone, whatever is asked for: with more, reclaim would never
 * come to rest.
 */
#define MARKS_MOST_PART 8

int min_free_kbytes;

/* Per-CPU lists: pages moved at a time, and the length that triggers a drain. */
#define PCP_BATCH 16u
#define PCP_HIGH  PCP_MAX
/* A CPU's list holds at most this part of a small zone. */
#define PCP_ZONE_SHARE 128

pg_data_t *pgdat_list;
pg_data_t contig_page_data;
/* Before build_all_zonelists() every CPU finds a node without zones, and a stack that is empty. */
static struct per_cpu_pages no_pages;
pg_data_t *cpu_pgdat[NR_CPUS] = {[0 ... NR_CPUS - 1] = &contig_page_data};
struct per_cpu_pages *first_pcp[NR_CPUS][GFP_ZONEMASK + 1] = {
	[0 ... NR_CPUS - 1] = {[0 ... GFP_ZONEMASK] = &no_pages},
};
struct per_cpu_pages *zone_pcp[MAX_NR_ZONES * MAX_NR_NODES][NR_CPUS];
zone_t *zone_table[MAX_NR_ZONES * MAX_NR_NODES];
struct page *mem_map;
unsigned long max_mapnr;
struct page **section_map;
unsigned long nr_sections;

static const char *const zone_names[MAX_NR_ZONES] = {"DMA", "Normal", "HighMem"};

static_assert(MAX_NR_ZONES * MAX_NR_NODES <= 256, "a zone index has 8 bits");

pg_data_t *NODE_DATA(int nid)
{
	pg_data_t *pgdat;

	for_each_pgdat(pgdat)
		if (pgdat->node_id == nid)
			return pgdat;
	return NULL;
}

/* ---- From frame number to descriptor --------------------------------------------- */

/* One comparison checks both ends: a frame below the start wraps to a very large number. */
static bool node_has_pfn(const pg_data_t *pgdat, unsigned long pfn)
{
	return pfn - pgdat->node_start_pfn < pgdat->node_size;
}

static pg_data_t *pfn_to_node(unsigned long pfn)
{
	pg_data_t *pgdat;

	for_each_pgdat(pgdat)
		if (node_has_pfn(pgdat, pfn))
			return pgdat;
	return NULL;
}

struct page *pfn_to_page_slow(unsigned long pfn)
{
	pg_data_t *pgdat = pfn_to_node(pfn);

	BUG_ON(!pgdat);
	return pgdat->node_mem_map + (pfn - pgdat->node_start_pfn);
}

bool pfn_valid(unsigned long pfn)
{
	if (pfn >> PFN_SECTION_SHIFT >= nr_sections)
		return false;
	return pfn_to_node(pfn) != NULL;
}

/*
 * Fill the table of sections. A section that lies in one node points into that node's map, moved
 * back so that the frame number is the index. A section that several nodes share, or none, stays
 * NULL, and pfn_to_page_slow() looks for the node.
 */
void __init sections_init(void)
{
	unsigned long per_section = 1ul << PFN_SECTION_SHIFT;
	pg_data_t *pgdat;

	nr_sections = (max_pfn + per_section - 1) >> PFN_SECTION_SHIFT;
	section_map = alloc_bootmem(nr_sections * sizeof(*section_map));
	for (unsigned long s = 0; s < nr_sections; s++) {
		unsigned long start = s << PFN_SECTION_SHIFT;
		int nodes = 0;

		for_each_pgdat(pgdat) {
			if (pgdat->node_start_pfn >= start + per_section ||
			    pgdat->node_start_pfn + pgdat->node_size <= start)
				continue;
			VM_BUG_ON(!pgdat->node_mem_map);
			nodes++;
			section_map[s] = pgdat->node_mem_map - pgdat->node_start_pfn;
		}
		if (nodes != 1)
			section_map[s] = NULL;
	}
}

/* ---- Zones ---------------------------------------------------------------------------- */

/*
 * Zeroed boot memory near a node. A node whose memory is all high has none that the direct map
 * covers, and takes its tables from another node, behind mem_map: all maps of descriptors must lie
 * at or above mem_map, as their distance from it is unsigned.
 */
static void *__init node_alloc(pg_data_t *pgdat, unsigned long size)
{
	void *mem = try_alloc_bootmem_node(pgdat, size, SMP_CACHE_BYTES, MAX_DMA_ADDRESS);

	if (mem)
		return mem;
	return __alloc_bootmem(size, SMP_CACHE_BYTES,
			       mem_map ? (unsigned long)__pa(mem_map) : MAX_DMA_ADDRESS);
}

/* The zone's number, which its pages carry in their flags (I1). */
static unsigned long zone_index(const zone_t *zone)
{
	VM_BUG_ON(zone - zone->zone_pgdat->node_zones >= MAX_NR_ZONES);
	return (unsigned long)zone->zone_pgdat->node_id * MAX_NR_ZONES +
	       (unsigned long)(zone - zone->zone_pgdat->node_zones);
}

/* mapcount -1 means that no page-table entry maps the page; count 0 that it is free or reserved. */
void init_page(struct page *page, const zone_t *zone, unsigned long flags)
{
	VM_BUG_ON(PAGE_PLACE_IN_FLAGS && flags >> PAGE_ORDER_SHIFT);
	VM_BUG_ON(zone_table[zone_index(zone)] != zone); /* (I1) */
	*page = (struct page){.flags = flags};
	page->PAGE_PLACE |= zone_index(zone) << ZONE_SHIFT;
	atomic_set(&page->mapcount, -1);
	INIT_LIST_HEAD(&page->lru);
}

/*
 * pages_low and pages_high are 2 and 3 times pages_min. Allocations read the three without a lock
 * while they change, so none may ever be above the next: the upper two are raised first, if they
 * must rise, and lowered last. With the three out of order, kswapd could stop below pages_low and
 * be woken again at once.
 */
static void set_watermarks(zone_t *zone, unsigned long pages_min)
{
	VM_BUG_ON(pages_min > ~0ul / 3);
	WRITE_ONCE(zone->pages_high, max(zone->pages_high, pages_min * 3));
	WRITE_ONCE(zone->pages_low, max(zone->pages_low, pages_min * 2));
	WRITE_ONCE(zone->pages_min, pages_min);
	WRITE_ONCE(zone->pages_low, pages_min * 2);
	WRITE_ONCE(zone->pages_high, pages_min * 3);
}

/* A 128th of the zone, within limits (PM-12): a small zone needs some reserve, too. */
static void __init init_watermarks(zone_t *zone)
{
	unsigned long mask = zone->size / ZONE_BALANCE_RATIO;

	mask = clamp(mask, (unsigned long)ZONE_BALANCE_MIN, (unsigned long)ZONE_BALANCE_MAX);
	set_watermarks(zone, mask);
	min_free_kbytes += (int)(mask * (PAGE_SIZE / SZ_1K));
}

void apply_min_free_kbytes(void)
{
	u64 wanted = (u64)max(READ_ONCE(min_free_kbytes), 0) / (PAGE_SIZE / SZ_1K);
	unsigned long total = max(totalram_pages(), 1ul);
	pg_data_t *pgdat;
	zone_t *zone;

	for_each_pgdat(pgdat)
		for_each_zone(zone, pgdat) {
			/* The zone's share of what is wanted, by its share of all pages. */
			u64 share = wanted * zone->managed_pages / total;
			unsigned long most = max(zone->managed_pages / MARKS_MOST_PART,
						 (unsigned long)ZONE_BALANCE_MIN);

			if (zone->size)
				set_watermarks(zone,
					       (unsigned long)clamp(share, (u64)ZONE_BALANCE_MIN,
								    (u64)most));
		}
}

/*
 * The table's size is a power of two, as the hash is cut by a shift: the shift leaves just the
 * bits that number the queues (page_waitqueue()).
 */
static void __init init_wait_table(zone_t *zone)
{
	unsigned long size = MIN_WAIT_TABLE_SIZE, bits = 2;

	while (size * PAGES_PER_WAITQUEUE < zone->size) {
		size *= 2;
		bits++;
	}
	VM_BUG_ON(size != 1ul << bits);
	zone->wait_table_size = size;
	zone->wait_table_shift = (unsigned long)BITS_PER_LONG - bits;
	zone->wait_table = node_alloc(zone->zone_pgdat, size * sizeof(wait_queue_head_t));
	for (unsigned long i = 0; i < size; i++)
		init_waitqueue_head(&zone->wait_table[i]);
}

/*
 * A large zone moves PCP_BATCH pages at a time and keeps up to PCP_HIGH on a CPU's stack. In a
 * small zone both shrink, so that the stacks of all CPUs do not hide its last free pages.
 */
static void __init init_per_cpu_lists(zone_t *zone)
{
	unsigned int batch =
		(unsigned int)clamp(zone->size / PCP_ZONE_SHARE / 4, 1ul, (unsigned long)PCP_BATCH);

	VM_BUG_ON(!batch || batch * (PCP_HIGH / PCP_BATCH) > PCP_MAX);
	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++) {
		zone->pcp[cpu].count = 0;
		zone->pcp[cpu].batch = batch;
		zone->pcp[cpu].high = batch * (PCP_HIGH / PCP_BATCH);
	}
}

/*
 * Frames [index, index + nr) of the zone start reserved, without references (PM-30). Those that
 * turn out to be free RAM lose the mark in free_boot_block_of(); holes keep it for ever.
 */
static void __init init_reserved(const zone_t *zone, unsigned long index, unsigned long nr)
{
	VM_BUG_ON(index + nr > zone->size);
	for (struct page *page = zone->zone_mem_map + index; nr--; page++)
		init_page(page, zone, 1ul << PG_reserved);
}

/*
 * Descriptors of the zone's largest blocks are not made yet: what boot memory leaves entirely free
 * keeps its descriptors as zeroes until it is used (see buddy.c). Those behind the last whole block
 * are made now. High memory never passed through boot memory, so all of it is made now.
 */
static void __init init_descriptors(zone_t *zone)
{
	unsigned long blocks = zone->size / BLOCK_PAGES;

	if (zone == &zone->zone_pgdat->node_zones[ZONE_HIGHMEM])
		blocks = 0;
	if (blocks) {
		zone->raw_blocks =
			node_alloc(zone->zone_pgdat, BITS_TO_LONGS(blocks + 1) * sizeof(long));
		bitmap_set(zone->raw_blocks, 0, blocks);
	}
	init_reserved(zone, blocks * BLOCK_PAGES, zone->size - blocks * BLOCK_PAGES);
}

/* Of the zone's raw blocks, make the descriptors of those in which some frame is taken. */
static void __init make_zones_reserved(zone_t *zone, const unsigned long *taken, unsigned long base)
{
	for (unsigned long i = 0; i + BLOCK_PAGES <= zone->size; i += BLOCK_PAGES) {
		unsigned long start = zone->zone_start_pfn + i - base, end = start + BLOCK_PAGES;

		if (!is_raw_block(zone, i) || bitmap_find_set(taken, start, end) == end)
			continue;
		bitmap_clear_bit(zone->raw_blocks, i / BLOCK_PAGES);
		init_reserved(zone, i, BLOCK_PAGES);
	}
}

void __init make_reserved_descriptors(pg_data_t *pgdat, const unsigned long *taken,
				      unsigned long base)
{
	zone_t *zone;

	for_each_zone(zone, pgdat)
		make_zones_reserved(zone, taken, base);
}

static void __init init_zone(pg_data_t *pgdat, int which, unsigned long start_pfn,
			     unsigned long size, unsigned long holes)
{
	zone_t *zone = &pgdat->node_zones[which];

	VM_BUG_ON(holes > size);
	VM_BUG_ON(start_pfn + size > pgdat->node_start_pfn + pgdat->node_size); /* (I3) */
	zone->zone_pgdat = pgdat;
	zone_table[zone_index(zone)] = zone;
	spin_lock_init(&zone->lock, RANK_ZONE);
	zone->name = zone_names[which];
	zone->size = size;
	zone->present_pages = size - holes;
	zone->zone_start_pfn = start_pfn;
	zone->zone_start_paddr = PFN_PHYS(start_pfn);
	zone->zone_mem_map = pgdat->node_mem_map + (start_pfn - pgdat->node_start_pfn);
	zone->zone_start_mapnr = (unsigned long)(zone->zone_mem_map - mem_map);
	init_per_cpu_lists(zone);
	spin_lock_init(&zone->lruvec.lock, RANK_LRU);
	for (int i = 0; i < NR_LRU_LISTS; i++)
		INIT_LIST_HEAD(&zone->lruvec.lists[i]);
	buddy_init_zone(zone, node_alloc);
	if (!size)
		return; /* an empty zone has lists and a lock, and is in no zonelist */
	init_watermarks(zone);
	init_wait_table(zone);
	init_descriptors(zone);
	pgdat->nr_zones = which + 1;
}

/*
 * One bit for each 1 MiB of the node says whether it has RAM at all (PM-06). Single frames of
 * holes are told apart by PG_reserved.
 */
static void __init init_valid_addr_bitmap(pg_data_t *pgdat)
{
	unsigned long nr = DIV_ROUND_UP(pgdat->node_size, SZ_1M >> PAGE_SHIFT);

	pgdat->valid_addr_bitmap =
		node_alloc(pgdat, DIV_ROUND_UP(nr, 8 * sizeof(long)) * sizeof(long));
	for (const struct ram_range *r = ram_ranges; r < ram_ranges + nr_ram_ranges; r++) {
		unsigned long start = max(r->start_pfn, pgdat->node_start_pfn);
		unsigned long end = min(r->end_pfn, pgdat->node_start_pfn + pgdat->node_size);

		for (; start < end; start = ALIGN(start + 1, SZ_1M >> PAGE_SHIFT))
			set_bit((unsigned int)((start - pgdat->node_start_pfn) /
					       (SZ_1M >> PAGE_SHIFT)),
				pgdat->valid_addr_bitmap);
	}
}

void __init free_area_init_node(int nid, pg_data_t *pgdat, const unsigned long *zones_size,
				unsigned long zone_start_pfn, const unsigned long *zholes_size)
{
	unsigned long total = 0, pfn = zone_start_pfn;

	VM_BUG_ON(nid < 0 || nid >= MAX_NR_NODES);
	for (int i = 0; i < MAX_NR_ZONES; i++)
		total += zones_size[i];
	pgdat->node_id = nid;
	pgdat->node_start_pfn = zone_start_pfn;
	pgdat->node_size = total;
	init_waitqueue_head(&pgdat->kswapd_wait);
	pgdat->node_mem_map = node_alloc(pgdat, total * sizeof(struct page));
	if (!mem_map)
		mem_map = pgdat->node_mem_map;
	VM_BUG_ON(pgdat->node_mem_map < mem_map); /* see node_alloc() */
	pgdat->node_start_mapnr = (unsigned long)(pgdat->node_mem_map - mem_map);
	max_mapnr = max(max_mapnr, pgdat->node_start_mapnr + total);
	init_valid_addr_bitmap(pgdat);
	for (int i = 0; i < MAX_NR_ZONES; i++) {
		init_zone(pgdat, i, pfn, zones_size[i], zholes_size ? zholes_size[i] : 0);
		pfn += zones_size[i];
	}
}

/* ---- Zonelists --------------------------------------------------------------------------- */

/* Append the node's zones that a request for kind highest may use, scarcest last; (I2). */
static unsigned int __init add_node_zones(zonelist_t *list, unsigned int n, pg_data_t *pgdat,
					  int highest)
{
	for (int i = highest; i >= ZONE_DMA; i--)
		if (pgdat->node_zones[i].size) {
			VM_BUG_ON(n + 1 >= ARRAY_SIZE(list->zones)); /* room for the NULL */
			list->zones[n++] = &pgdat->node_zones[i];
		}
	return n;
}

/* The four lists of a node, one for each value of the two GFP bits that name a zone. */
static void __init build_zonelists(pg_data_t *pgdat)
{
	static const int highest[GFP_ZONEMASK + 1] __initdata = {
		[0] = ZONE_NORMAL,
		[__GFP_DMA] = ZONE_DMA,
		[__GFP_HIGHMEM] = ZONE_HIGHMEM,
		[__GFP_DMA | __GFP_HIGHMEM] = ZONE_DMA, /* the stricter of the two */
	};

	for (unsigned int kind = 0; kind <= GFP_ZONEMASK; kind++) {
		zonelist_t *list = &pgdat->node_zonelists[kind];
		pg_data_t *node = pgdat;
		unsigned int n = 0;

		do {
			n = add_node_zones(list, n, node, highest[kind]);
			node = node->node_next ? node->node_next : pgdat_list;
		} while (node != pgdat);
		list->zones[n] = NULL;
	}
}

/*
 * The tables that the fastest paths of a CPU read. A kind of request that the machine has no memory
 * for gets a stack that stays empty, so that the fast path needs no test of its own.
 */
static void __init index_per_cpu_lists(unsigned int cpu)
{
	for (unsigned int kind = 0; kind <= GFP_ZONEMASK; kind++) {
		zone_t *zone = cpu_pgdat[cpu]->node_zonelists[kind].zones[0];

		first_pcp[cpu][kind] = zone ? &zone->pcp[cpu] : &no_pages;
	}
	VM_BUG_ON(no_pages.count || no_pages.high); /* nothing is ever taken from or put there */
	for (unsigned int i = 0; i < ARRAY_SIZE(zone_table); i++)
		zone_pcp[i][cpu] = zone_table[i] ? &zone_table[i]->pcp[cpu] : NULL;
}

void __init build_all_zonelists(void)
{
	pg_data_t *pgdat;

	for_each_pgdat(pgdat)
		build_zonelists(pgdat);
	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++) {
		cpu_pgdat[cpu] = pgdat_list->node_next ? NODE_DATA(port_cpu_to_node(cpu)) : NULL;
		if (!cpu_pgdat[cpu])
			cpu_pgdat[cpu] = pgdat_list;
		index_per_cpu_lists(cpu);
	}
}
