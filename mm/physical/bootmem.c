/* SPDX-License-Identifier: MIT */
/*
 * bootmem.c: memory for the time before there is an allocator (thesis chapter 5).
 *
 * Each node with low memory has a bitmap with a bit per frame, 1 = taken. It starts
 * with all ones; what the firmware calls usable is then freed, and what the boot
 * itself stands on is reserved again. Allocation is first fit from a goal upwards, and
 * from the bottom if nothing above the goal fits.
 *
 * Small requests share pages: last_pos is the last page handed out and last_offset how
 * far it is filled (0: full). A request continues there if the page it would get is
 * the next one:
 *
 *	|#########___|____________|	request of 1.2 pages, found at the second page:
 *	 last_pos     found		starts at last_offset of the first and ends in the second
 *
 * When the page allocator is ready, free_all_bootmem() gives it every frame whose bit
 * is 0 and then the bitmap itself. After that every call here is a bug (BM-29).
 *
 * Cost: first fit reads the bitmap a word at a time; giving all away is done in the
 * largest aligned blocks of free frames.
 *
 * Zeroes: an allocation returns zeroed memory. Where the machine says that its RAM is zeroed
 * already, the memset is left out for as long as no frame of the node was ever used and given
 * back (has_had): clearing gibibytes twice would dominate the boot of a large machine.
 *
 * Invariants: (I1) bits of frames outside the firmware's usable RAM stay 1 for ever.
 * Locking: none: one CPU, interrupts off.
 * Failure: no room is a panic, except in try_alloc_bootmem_node().
 * Observability: the "reserved" figure of mem_init()'s line is what was never given away.
 */
#include "boot_internal.h"
#include <pagoda/bug.h>
#include <pagoda/page_alloc.h>
#include <pagoda/string.h>
#include <lib/bitmap.h>

unsigned long min_low_pfn, max_low_pfn, highstart_pfn, highend_pfn, max_pfn;

static bootmem_data_t node_bootmem_data[MAX_NR_NODES] __initdata;
static bool retired; /* the page allocator has taken over; no call is allowed any more (BM-29) */

/* ---- The bitmap ---------------------------------------------------------------------- */

/* The frame that bit 0 of the node's bitmap stands for. */
static unsigned long first_pfn(const bootmem_data_t *bdata)
{
	return PFN_DOWN(bdata->node_boot_start);
}

static unsigned long nr_pages(const bootmem_data_t *bdata)
{
	return bdata->node_low_pfn - first_pfn(bdata);
}

/* The node's data, if the boot allocator is still in charge. */
static bootmem_data_t *node_data(const pg_data_t *pgdat)
{
	/* A call after retirement would hand out frames that the page allocator owns. */
	if (retired || !pgdat->bdata)
		panic("bootmem: called %s",
		      retired ? "after boot memory was retired" : "before init_bootmem()");
	return pgdat->bdata;
}

unsigned long bootmem_bootmap_pages(unsigned long pages)
{
	return PFN_UP((pages + 7) / 8);
}

static unsigned long init_bootmem_core(pg_data_t *pgdat, unsigned long mapstart,
				       unsigned long start, unsigned long end)
{
	bootmem_data_t *bdata = pgdat->bdata;
	unsigned long mapsize = (end - start + 7) / 8;
	pg_data_t **link = &pgdat_list;

	VM_BUG_ON(start >= end);
	/* Append the node to the list of nodes, unless it is there: a test may begin it twice. */
	while (*link && *link != pgdat)
		link = &(*link)->node_next;
	if (!*link) {
		*link = pgdat;
		pgdat->node_next = NULL;
	}
	mapsize = ALIGN(mapsize, sizeof(long));
	bdata->node_bootmem_map = __va(PFN_PHYS(mapstart));
	bdata->node_boot_start = start << PAGE_SHIFT;
	bdata->node_low_pfn = end;
	bdata->last_offset = bdata->last_pos = 0;
	bdata->in_use = bdata->has_had = false;
	memset(bdata->node_bootmem_map, 0xff, mapsize);
	return mapsize;
}

unsigned long init_bootmem_node(pg_data_t *pgdat, unsigned long freepfn, unsigned long startpfn,
				unsigned long endpfn)
{
	BUG_ON(retired);
	VM_BUG_ON(pgdat->node_id < 0 || pgdat->node_id >= MAX_NR_NODES);
	pgdat->bdata = &node_bootmem_data[pgdat->node_id];
	return init_bootmem_core(pgdat, freepfn, startpfn, endpfn);
}

unsigned long init_bootmem(unsigned long start, unsigned long pages)
{
	max_low_pfn = pages;
	min_low_pfn = start;
	return init_bootmem_node(&contig_page_data, start, 0, pages);
}

/* ---- Reserving and freeing ranges ----------------------------------------------------- */

/*
 * Reserving rounds outwards and freeing rounds inwards, so a frame of which a part is in use stays
 * reserved. A range may reach beyond the node, as the firmware's ranges do not end at nodes; what
 * lies outside is not this node's and is left out. Reserving a frame twice is allowed: the kernel
 * image and the initrd may share one.
 */
static void reserve_bootmem_core(bootmem_data_t *bdata, unsigned long addr, unsigned long size)
{
	unsigned long start = PFN_DOWN(addr), end = PFN_UP(addr + size);

	start = max(start, first_pfn(bdata));
	end = min(end, bdata->node_low_pfn);
	bdata->in_use = true;
	if (start < end)
		bitmap_set(bdata->node_bootmem_map, start - first_pfn(bdata), end - start);
}

static void free_bootmem_core(bootmem_data_t *bdata, unsigned long addr, unsigned long size)
{
	unsigned long start = PFN_UP(addr), end = PFN_DOWN(addr + size);
	unsigned long *map = bdata->node_bootmem_map;

	start = max(start, first_pfn(bdata));
	end = min(end, bdata->node_low_pfn);
	if (start >= end)
		return; /* the range contains no whole frame of this node */
	start -= first_pfn(bdata);
	end -= first_pfn(bdata);
	/* A frame freed twice may have been handed out in between: two owners would follow. */
	if (bitmap_weight(map, start, end) != end - start)
		panic("bootmem: frame %#lx freed twice",
		      first_pfn(bdata) + bitmap_find_clear(map, start, end));
	bitmap_clear(map, start, end - start);
	bdata->has_had |= bdata->in_use;
}

void reserve_bootmem_node(pg_data_t *pgdat, unsigned long addr, unsigned long size)
{
	reserve_bootmem_core(node_data(pgdat), addr, size);
}

void free_bootmem_node(pg_data_t *pgdat, unsigned long addr, unsigned long size)
{
	free_bootmem_core(node_data(pgdat), addr, size);
}

void reserve_bootmem(unsigned long addr, unsigned long size)
{
	reserve_bootmem_core(node_data(&contig_page_data), addr, size);
}

void free_bootmem(unsigned long addr, unsigned long size)
{
	free_bootmem_core(node_data(&contig_page_data), addr, size);
}

/* ---- Allocating -------------------------------------------------------------------------- */

/*
 * First run of nr free frames, aligned, at or above index from; -1 if there is none.
 * Alignment is of the frame number, not of the index: a node need not start at an aligned frame.
 * A taken frame inside the candidate run ends it, and the search goes on right behind that frame,
 * so each bit is read once.
 */
static long find_run(const bootmem_data_t *bdata, unsigned long from, unsigned long nr,
		     unsigned long align_pages)
{
	const unsigned long *map = bdata->node_bootmem_map;
	unsigned long base = first_pfn(bdata), end = nr_pages(bdata), i = from;

	VM_BUG_ON(!nr || !align_pages || align_pages & (align_pages - 1));
	while (i < end) {
		unsigned long taken;

		i = ALIGN(base + bitmap_find_clear(map, i, end), align_pages) - base;
		if (i + nr > end)
			return -1;
		taken = bitmap_find_set(map, i, i + nr);
		if (taken == i + nr)
			return (long)i;
		i = taken + 1;
	}
	return -1;
}

/*
 * May a request that found page number found (-1: none) go on in the page handed out
 * last? Only if that page lies at or above index from, and if what the request needs beyond that
 * page follows directly. If no run was found, it must fit into the rest of the page. Requests
 * aligned to a page or more always start a page of their own.
 */
static bool continues_last_page(const bootmem_data_t *bdata, long found, unsigned long from,
				unsigned long size, unsigned long align)
{
	if (!bdata->last_offset || align >= PAGE_SIZE || bdata->last_pos < from)
		return false;
	if (found < 0)
		return ALIGN(bdata->last_offset, align) + size <= PAGE_SIZE;
	return bdata->last_pos + 1 == (unsigned long)found;
}

/*
 * Every allocation ends here (BM-19). from: index to search from. Returns the physical
 * address, or ~0 if nothing fits. first is the page in which the memory starts; [start, start + nr)
 * are the pages that become taken, none if the request fits into the page handed out last.
 */
static unsigned long alloc_from(bootmem_data_t *bdata, unsigned long size, unsigned long align,
				unsigned long from)
{
	long found = find_run(bdata, from, PFN_UP(size), max(align >> PAGE_SHIFT, 1ul));
	unsigned long first, start, offset = 0, nr = PFN_UP(size);

	if (continues_last_page(bdata, found, from, size, align)) {
		first = bdata->last_pos;
		start = first + 1;
		offset = ALIGN(bdata->last_offset, align);
		nr = PFN_UP(offset + size) - 1;
	} else if (found >= 0) {
		first = start = (unsigned long)found;
	} else {
		return ~0ul;
	}
	VM_BUG_ON(start + nr > nr_pages(bdata) || offset & (align - 1));
	VM_BUG_ON(bitmap_weight(bdata->node_bootmem_map, start, start + nr)); /* free until now */
	bitmap_set(bdata->node_bootmem_map, start, nr);
	bdata->last_pos = start + nr - 1;
	bdata->last_offset = (offset + size) & ~PAGE_MASK;
	return bdata->node_boot_start + first * PAGE_SIZE + offset;
}

/*
 * Search from the goal upwards, then the whole node: the goal is a wish (keep memory below it for
 * requests that can use no other), not a condition. A goal outside of the node is ignored.
 */
static void *__alloc_bootmem_core(bootmem_data_t *bdata, unsigned long size, unsigned long align,
				  unsigned long goal)
{
	unsigned long from = 0, address;

	if (!size || align & (align - 1))
		panic("bootmem: bad request of %lu bytes aligned to %lu", size, align);
	align = max(align, 1ul);
	if (goal >= bdata->node_boot_start && PFN_DOWN(goal) < bdata->node_low_pfn)
		from = PFN_UP(goal) - first_pfn(bdata);
	address = alloc_from(bdata, size, align, from);
	if (address == ~0ul && from)
		address = alloc_from(bdata, size, align, 0);
	if (address == ~0ul)
		return NULL;
	bdata->in_use = true;
	return bdata->has_had || !port_ram_is_zeroed() ? memset(__va(address), 0, size)
						       : __va(address);
}

void *try_alloc_bootmem_node(pg_data_t *pgdat, unsigned long size, unsigned long align,
			     unsigned long goal)
{
	if (!retired && !pgdat->bdata)
		return NULL; /* all of this node's memory is high */
	return __alloc_bootmem_core(node_data(pgdat), size, align, goal);
}

void *__alloc_bootmem_node(pg_data_t *pgdat, unsigned long size, unsigned long align,
			   unsigned long goal)
{
	void *mem = try_alloc_bootmem_node(pgdat, size, align, goal);

	return mem ? mem : __alloc_bootmem(size, align, goal);
}

void *__alloc_bootmem(unsigned long size, unsigned long align, unsigned long goal)
{
	pg_data_t *pgdat;

	for_each_pgdat(pgdat) {
		void *mem = try_alloc_bootmem_node(pgdat, size, align, goal);

		if (mem)
			return mem;
	}
	panic("bootmem: no room for %lu bytes", size);
}

/* ---- Retirement ----------------------------------------------------------------------------- */

/* The zone of the node in which frame pfn lies. The zones follow each other without gaps. */
static zone_t *zone_of(pg_data_t *pgdat, unsigned long pfn)
{
	zone_t *zone = pgdat->node_zones;

	while (pfn - zone->zone_start_pfn >= zone->size) {
		zone++;
		VM_BUG_ON(zone == pgdat->node_zones + MAX_NR_ZONES);
	}
	return zone;
}

/*
 * Order of the largest block that starts at frame pfn, ends at or below end, and is a block of the
 * buddy allocator: inside one zone, and aligned to its size relative to the zone's first frame.
 */
static unsigned int block_order(const zone_t *zone, unsigned long pfn, unsigned long end)
{
	unsigned long index = pfn - zone->zone_start_pfn;
	unsigned int order = 0;

	VM_BUG_ON(index >= zone->size);
	end = min(end, zone->zone_start_pfn + zone->size);
	while (order + 1 < MAX_ORDER && !(index & ((2ul << order) - 1)) &&
	       pfn + (2ul << order) <= end)
		order++;
	return order;
}

/* Give frames [start, end) of the node, which are all free, to the buddy allocator. */
static void release_frames(pg_data_t *pgdat, unsigned long start, unsigned long end)
{
	while (start < end) {
		zone_t *zone = zone_of(pgdat, start);
		unsigned int order = block_order(zone, start, end);

		free_boot_block_of(zone, start - zone->zone_start_pfn, order);
		start += 1ul << order;
	}
}

/*
 * Runs of zeroes in the bitmap are given away one after the other, then the frames of the bitmap
 * itself: it is still read until then, and its bits say "taken".
 */
unsigned long free_all_bootmem_node(pg_data_t *pgdat)
{
	bootmem_data_t *bdata = node_data(pgdat);
	unsigned long base = first_pfn(bdata), end = nr_pages(bdata), total = 0, i = 0;
	unsigned long map_pfn = PHYS_PFN(__pa(bdata->node_bootmem_map));

	VM_BUG_ON(map_pfn < base || map_pfn + bootmem_bootmap_pages(end) > base + end);
	make_reserved_descriptors(pgdat, bdata->node_bootmem_map, base);
	while ((i = bitmap_find_clear(bdata->node_bootmem_map, i, end)) < end) {
		unsigned long taken = bitmap_find_set(bdata->node_bootmem_map, i, end);

		release_frames(pgdat, base + i, base + taken);
		total += taken - i;
		i = taken;
	}
	release_frames(pgdat, map_pfn, map_pfn + bootmem_bootmap_pages(end));
	total += bootmem_bootmap_pages(end);
	bdata->node_bootmem_map = NULL;
	pgdat->bdata = NULL;
	return total;
}

unsigned long free_all_bootmem(void)
{
	unsigned long total = 0;
	pg_data_t *pgdat;

	if (retired)
		panic("bootmem: free_all_bootmem() called after boot memory was retired");
	for_each_pgdat(pgdat)
		if (pgdat->bdata)
			total += free_all_bootmem_node(pgdat);
	retired = true;
	return total;
}
