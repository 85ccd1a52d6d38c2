/* SPDX-License-Identifier: MIT */
/*
 * boot_heap.c: the boot of tier 1: frames and heap, stage by stage; handing boot memory back.
 *
 *	check_port_frames	mistakes of the port are named (port_check.h)
 *	memmap_init		the firmware's map, sorted
 *	setup_memory		limits (min_low_pfn ... max_pfn), a bootmem bitmap per node
 *	boot_kernel_tables	the kernel's page tables, where tier 2 is linked
 *	zone_sizes_init		nodes, zones, descriptors; pfn_to_page() works
 *	build_all_zonelists
 *	mem_init		all free frames to the buddy allocator, bootmem retires
 *	kmem_cache_init		slab; kmem_cache_sizes_init: kmalloc
 *
 * Each tier has such a file. Its mm_boot_...() fills the tables of operations by which lower tiers
 * ask this one, boots the tier below, and then itself. So one call, that of the highest tier
 * linked, boots all: mm_boot() is tier 5's.
 *
 * A node's range runs from its first to its last frame of RAM, holes included; the node with the
 * lowest memory starts at frame 0, so that zone sizes are those of the documents. Low memory ends
 * at MAX_LOWMEM, where the direct map does.
 *
 * Locking: one CPU, interrupts off, until mm_boot_heap() returns.
 * Failure: not enough memory for the core's own tables is a panic. If descriptors for all frames
 * would take more than half of low memory, the highest frames are left out, with a message (PM-42).
 * Observability: the lines printed by mem_init() and zone_sizes_init().
 */
#include "boot_tiers.h"
#include "port_check.h"
#include <mm/physical/boot_internal.h>
#include <mm/physical/page_alloc_internal.h>
#include <pagoda/boot_option.h>
#include <pagoda/bug.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>

/* At most this part of low memory may be spent on descriptors. */
#define MEM_MAP_LOWMEM_SHARE 2

static struct mm_boot_info boot_info;

void (*boot_kernel_tables)(void); /* set before mm_boot_heap() */

/* ---- Limits (BM-03 to BM-06) ----------------------------------------------------------- */

static unsigned long __init find_max_pfn(void)
{
	return ram_ranges[nr_ram_ranges - 1].end_pfn;
}

static unsigned long __init find_max_low_pfn(void)
{
	return min_t(u64, max_pfn, MAX_LOWMEM >> PAGE_SHIFT);
}

static unsigned long to_mb(unsigned long pages)
{
	return pages >> (20 - PAGE_SHIFT);
}

/* Leave out frames whose descriptors would crowd low memory. */
static void __init limit_memory(void)
{
	unsigned long low = ram_pages_between(0, find_max_low_pfn());
	unsigned long room = low / MEM_MAP_LOWMEM_SHARE * (PAGE_SIZE / sizeof(struct page)), lost;

	/* room: how many frames the descriptors that low memory can afford describe. */
	if (max_pfn <= room)
		return;
	/* The highest frames go, since low ones can serve every request. */
	lost = memmap_clip(room);
	max_pfn = find_max_pfn();
	VM_BUG_ON(max_pfn > room);
	pr_warn("memory: descriptors of %lu MiB would not fit low memory, %lu MiB are not used\n",
		to_mb(max_pfn + lost), to_mb(lost));
}

/* "nohighmem": only what the direct map covers (HM-13). */
static void __init drop_high_memory(void)
{
	unsigned long lost;

	/* Without memory above the direct map the option changes nothing, and says nothing. */
	if (!boot_option("nohighmem", NULL) || max_pfn <= MAX_LOWMEM >> PAGE_SHIFT)
		return;
	lost = memmap_clip((unsigned long)(MAX_LOWMEM >> PAGE_SHIFT));
	max_pfn = find_max_pfn();
	pr_warn("memory: %lu MiB of high memory are not used (nohighmem)\n", to_mb(lost));
}

/*
 * The order matters: memory that "nohighmem" drops needs no descriptors, so it must not make
 * limit_memory() drop any more. Both lower max_pfn, which bounds low memory in turn.
 */
static void __init find_limits(void)
{
	min_low_pfn = PFN_UP(boot_info.kernel_end);
	max_pfn = find_max_pfn();
	drop_high_memory();
	limit_memory();
	max_low_pfn = find_max_low_pfn();
	VM_BUG_ON(!max_low_pfn || max_low_pfn > max_pfn);
	highstart_pfn = max_low_pfn;
	highend_pfn = max_pfn;
	pr_info("memory: frames %#lx to %#lx, low memory to %#lx\n", min_low_pfn, max_pfn,
		max_low_pfn);
}

/* ---- Boot memory of each node -------------------------------------------------------------- */

struct node_span {
	unsigned long start_pfn, end_pfn;
};
static struct node_span node_spans[MAX_NR_NODES] __initdata;

/*
 * Each node's range. A node's descriptors are one array over its range, so the ranges of two nodes
 * must not interleave: a frame would have two descriptors.
 */
static void __init find_node_spans(void)
{
	for (unsigned int i = 0; i < nr_ram_ranges; i++) {
		const struct ram_range *r = &ram_ranges[i];
		struct node_span *span = &node_spans[r->nid];

		/* The ranges are sorted: the first of a node has its lowest frame. */
		if (!span->end_pfn)
			span->start_pfn = r->start_pfn;
		VM_BUG_ON(r->end_pfn <= span->start_pfn || r->start_pfn < span->end_pfn);
		span->end_pfn = r->end_pfn;
	}
	if (!node_spans[0].end_pfn)
		panic("memory: node 0 has none");
	/*
	 * Frames below the first RAM, such as frame 0 if the firmware has it, become a hole of
	 * node 0, so that ZONE_DMA has its documented size.
	 */
	if (node_spans[0].start_pfn < MAX_DMA_ADDRESS >> PAGE_SHIFT)
		node_spans[0].start_pfn = 0;
	for (int a = 0; a < MAX_NR_NODES; a++)
		for (int b = 0; b < a; b++)
			if (node_spans[a].start_pfn < node_spans[b].end_pfn &&
			    node_spans[b].start_pfn < node_spans[a].end_pfn)
				panic("memory: nodes %d and %d interleave", b, a);
}

/* Do nr frames from start_pfn on have a byte of [from, to)? An empty range overlaps nothing. */
static bool __init overlaps(unsigned long start_pfn, unsigned long nr, phys_addr_t from,
			    phys_addr_t to)
{
	return from < to && PFN_PHYS(start_pfn) < to && PFN_PHYS(start_pfn + nr) > from;
}

/*
 * Room for a node's bitmap: the first free frames after the kernel image (CT-41), at or above frame
 * 1, as 0 means "none" here and in the documents. The initrd is jumped over, since its frames are
 * not yet reserved: the bitmap that would say so is the one that is placed here.
 */
static unsigned long __init find_bitmap_room(int nid, unsigned long nr)
{
	for (unsigned int i = 0; i < nr_ram_ranges; i++) {
		const struct ram_range *r = &ram_ranges[i];
		unsigned long pfn = max(r->start_pfn, max(min_low_pfn, 1ul));

		if (r->nid != nid || r->busy)
			continue; /* busy: in use until the boot is over, so not to be written */
		if (overlaps(pfn, nr, boot_info.initrd_start, boot_info.initrd_end))
			pfn = PFN_UP(boot_info.initrd_end);
		if (pfn + nr <= min(r->end_pfn, max_low_pfn))
			return pfn;
	}
	return 0;
}

/* Free what the firmware calls usable (BM-09). */
static void __init register_bootmem_low_pages(pg_data_t *pgdat)
{
	for (unsigned int i = 0; i < nr_ram_ranges; i++) {
		const struct ram_range *r = &ram_ranges[i];
		unsigned long end = min(r->end_pfn, max_low_pfn);

		if (r->nid == pgdat->node_id && !r->busy && r->start_pfn < end)
			free_bootmem_node(pgdat, r->start_pfn << PAGE_SHIFT,
					  (end - r->start_pfn) << PAGE_SHIFT);
	}
}

/*
 * Reserve the part of [start, end), bytes, that lies in low memory of this node. High memory has no
 * bit in a boot bitmap; what is in use there is busy in the memory map.
 */
static void __init reserve_range(pg_data_t *pgdat, phys_addr_t start, phys_addr_t end)
{
	if (start < end && start < PFN_PHYS(max_low_pfn))
		reserve_bootmem_node(pgdat, (unsigned long)start, (unsigned long)(end - start));
}

static void __init setup_node_memory(int nid)
{
	const struct node_span *span = &node_spans[nid];
	unsigned long end = min(span->end_pfn, max_low_pfn), map_pages, map_pfn;
	pg_data_t *pgdat = nid ? alloc_bootmem(sizeof(*pgdat)) : &contig_page_data;

	VM_BUG_ON(nid < 0 || nid >= MAX_NR_NODES || span->start_pfn >= span->end_pfn);
	pgdat->node_id = nid;
	if (span->start_pfn >= end) {
		pg_data_t **link = &pgdat_list;

		/*
		 * All of it is high memory: no boot memory, but a node all the same. It goes to the
		 * end of the list, where init_bootmem_node() would have put it.
		 */
		while (*link)
			link = &(*link)->node_next;
		*link = pgdat;
		return;
	}
	map_pages = bootmem_bootmap_pages(end - span->start_pfn);
	map_pfn = find_bitmap_room(nid, map_pages);
	if (!map_pfn)
		panic("memory: no room for the boot bitmap of node %d", nid);
	check_port_zeroed(map_pfn, map_pages);
	/*
	 * The bitmap begins with all frames reserved. RAM is freed, and the part of it that is in
	 * use is reserved again.
	 */
	init_bootmem_node(pgdat, map_pfn, span->start_pfn, end);
	register_bootmem_low_pages(pgdat);
	reserve_range(pgdat, PFN_PHYS(map_pfn), PFN_PHYS(map_pfn + map_pages));
	reserve_range(pgdat, 0, PAGE_SIZE); /* firmware data */
	reserve_range(pgdat, boot_info.kernel_start, boot_info.kernel_end);
	reserve_range(pgdat, boot_info.initrd_start, boot_info.initrd_end);
}

/* Node 0 comes first: the pg_data_t of each other node is boot memory of a node before it. */
static void __init setup_memory(void)
{
	memmap_init();
	find_limits();
	find_node_spans();
	for (int nid = 0; nid < MAX_NR_NODES; nid++)
		if (node_spans[nid].end_pfn)
			setup_node_memory(nid);
}

/* ---- Zones (PM-08) --------------------------------------------------------------------------- */

/* Where a zone of this kind ends. */
static unsigned long __init zone_limit_pfn(int zone)
{
	return zone == ZONE_DMA	     ? MAX_DMA_ADDRESS >> PAGE_SHIFT
	       : zone == ZONE_NORMAL ? (unsigned long)(MAX_LOWMEM >> PAGE_SHIFT)
				     : ~0ul;
}

static void __init init_node_zones(pg_data_t *pgdat)
{
	const struct node_span *span = &node_spans[pgdat->node_id];
	unsigned long sizes[MAX_NR_ZONES], holes[MAX_NR_ZONES], start = span->start_pfn;

	for (int i = 0; i < MAX_NR_ZONES; i++) {
		unsigned long end = clamp(span->end_pfn, start, max(zone_limit_pfn(i), start));

		/* The part of the node below the zone's limit that no lower zone has. */
		sizes[i] = end - start;
		holes[i] = sizes[i] - ram_pages_between(start, end);
		VM_BUG_ON(holes[i] > sizes[i]);
		start = end;
	}
	VM_BUG_ON(start != span->end_pfn); /* each frame is in one zone */
	free_area_init_node(pgdat->node_id, pgdat, sizes, span->start_pfn, holes);
	pr_info("node %d: DMA %lu, Normal %lu, HighMem %lu pages\n", pgdat->node_id, sizes[0],
		sizes[1], sizes[2]);
}

static void __init zone_sizes_init(void)
{
	pg_data_t *pgdat;

	for_each_pgdat(pgdat)
		init_node_zones(pgdat);
	sections_init();
}

/* ---- Handing memory over (BM-26, BM-27) ------------------------------------------------------ */

/*
 * A frame of high memory. Frames below belong to bootmem, although a range of RAM may begin there
 * and end above.
 */
static void __init one_highpage_init(struct page *page, unsigned long pfn, bool usable)
{
	if (pfn < highstart_pfn)
		return;
	set_bit(PG_highmem, &page->flags);
	if (usable)
		free_boot_block(page, 0);
}

/* High frames were never in bootmem: give RAM to the buddy allocator, mark the rest. */
static void __init free_high_memory(void)
{
	unsigned long pfn = highstart_pfn;

	for (unsigned int i = 0; i < nr_ram_ranges; i++) {
		const struct ram_range *r = &ram_ranges[i];

		/* The hole before this range. Between two nodes there may be frames of neither. */
		for (; pfn < min(r->start_pfn, highend_pfn); pfn++)
			if (pfn_valid(pfn))
				one_highpage_init(pfn_to_page(pfn), pfn, false);
		for (pfn = max(pfn, r->start_pfn); pfn < r->end_pfn; pfn++) /* its RAM */
			one_highpage_init(pfn_to_page(pfn), pfn, !r->busy);
	}
}

/* Return: frames of low RAM that stay in use after the boot. */
static unsigned long __init free_pages_init(void)
{
	unsigned long low_ram = ram_pages_between(0, max_low_pfn);
	unsigned long released = free_all_bootmem();

	VM_BUG_ON(released > low_ram); /* else a frame was freed that is no RAM */
	free_high_memory();
	return low_ram - released;
}

static unsigned long to_kb(unsigned long pages)
{
	return pages << (PAGE_SHIFT - 10);
}

static void __init mem_init(void)
{
	unsigned long ram = ram_pages_between(0, max_pfn), absent = max_pfn - ram;
	unsigned long reserved = free_pages_init();
	unsigned long init_kb = (unsigned long)(boot_info.init_end - boot_info.init_start) >> 10;
	unsigned long image_kb =
		(unsigned long)(boot_info.kernel_end - boot_info.kernel_start) >> 10;

	pr_info("Memory: %luk/%luk available (%luk kernel image, %luk reserved, %luk absent, %luk "
		"init, "
		"%luk highmem), %zu bytes a descriptor\n",
		to_kb(nr_free_pages()), to_kb(max_pfn), image_kb, to_kb(reserved), to_kb(absent),
		init_kb, to_kb(totalhigh_pages()), sizeof(struct page));
}

/* ---- The boot of tier 1 ---------------------------------------------------------------------- */

/* What tier 1 alone can give back when frames are short; tier 2 sets a hook of its own. */
static unsigned long shrink_slabs(gfp_t gfp_mask)
{
	return (unsigned long)kmem_cache_reap(gfp_mask);
}

void __init mm_boot_heap(const struct mm_boot_info *info)
{
	check_port_frames(info);
	boot_info = *info;
	boot_options_init(boot_info.options);
	frame_keepers.shrink_caches = shrink_slabs;
	setup_memory();
	if (boot_kernel_tables)
		boot_kernel_tables();
	zone_sizes_init();
	build_all_zonelists();
	page_count_init();
	mem_init();
	kmem_cache_init(boot_info.seed);
	kmem_cache_sizes_init();
}

/* ---- Boot memory that is given back later (BM-28) -------------------------------------------- */

unsigned long mm_free_range(phys_addr_t start, phys_addr_t end)
{
	unsigned long freed = 0;

	VM_BUG_ON(start > end);
	for (unsigned long pfn = PFN_UP(start); pfn < PFN_DOWN(end); pfn++) {
		struct page *page = pfn_valid(pfn) ? pfn_to_page(pfn) : NULL;

		/*
		 * A hole in the range, a frame that was given back before, or firmware memory: the
		 * caller knows where its data lay and not what else is there.
		 */
		if (!page || !PageReserved(page) || !page_is_ram(pfn))
			continue;
		free_boot_block(page, 0);
		freed++;
	}
	return freed;
}

void free_initmem(void)
{
	unsigned long freed = 0;

	if (boot_info.init_start < boot_info.init_end)
		freed = mm_free_range(boot_info.init_start, boot_info.init_end);
	pr_info("freed %luk of init memory\n", to_kb(freed));
}
