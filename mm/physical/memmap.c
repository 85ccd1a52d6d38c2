/* SPDX-License-Identifier: MIT */
/*
 * memmap.c: the firmware's memory map, put in order.
 *
 * What port_memory_map() returns may be unsorted and overlap, and its ranges may end
 * inside a frame. This turns it into a table of ranges of whole frames, sorted and
 * disjoint, in which the stricter type has won:
 *
 *	usable   [========================]		rounded inwards
 *	reserved          [===]				rounded outwards
 *	table    [========]    [==========]
 *
 * Method: every edge of every range is a boundary; between two neighbouring boundaries
 * the type is the same throughout, and neighbours of one kind join. With the few dozen
 * ranges of a real map the quadratic cost does not show.
 *
 * Invariant (I1): ram_ranges is sorted by address, and no two ranges overlap.
 * Locking: none: one CPU, at boot; read-only afterwards.
 * Failure: more than MAX_RAM_RANGES ranges: the highest are left out, with a message. More than
 * MAX_BOUNDARIES / 2 ranges of the firmware: panic, as no part of the map could be trusted.
 * Observability: the messages, and find_limits()'s line.
 */
#include "boot_internal.h"
#include <pagoda/bug.h>

#define MAX_RAM_RANGES 128
#define MAX_BOUNDARIES 512

struct ram_range ram_ranges[MAX_RAM_RANGES];
unsigned int nr_ram_ranges;

struct pfn_range {
	unsigned long start, end;
};

static const struct port_mem_range *firmware_map __initdata;
static unsigned int nr_firmware_ranges __initdata;
static unsigned long boundaries[MAX_BOUNDARIES] __initdata;
static unsigned int nr_boundaries __initdata;

/* Only whole frames are usable, and a frame that is reserved in part is reserved. */
static struct pfn_range __init frames_of(const struct port_mem_range *r)
{
	unsigned long limit = 1ul << (MAX_PHYSMEM_BITS - PAGE_SHIFT);
	struct pfn_range frames = {PFN_UP(r->start), PFN_DOWN(r->end)};

	if (r->type != PORT_MEM_USABLE)
		frames = (struct pfn_range){PFN_DOWN(r->start), PFN_UP(r->end)};
	frames.start = min(frames.start, limit);
	frames.end = min(frames.end, limit);
	return frames;
}

/* Insert one edge into the sorted list of boundaries. Equal ones stay: the range between is empty.
 */
static void __init add_boundary(unsigned long pfn)
{
	unsigned int i = nr_boundaries;

	if (nr_boundaries == MAX_BOUNDARIES)
		panic("memory map: more than %d ranges", MAX_BOUNDARIES / 2);
	for (; i > 0 && boundaries[i - 1] > pfn; i--)
		boundaries[i] = boundaries[i - 1];
	boundaries[i] = pfn;
	nr_boundaries++;
}

/*
 * Describe frame pfn: of the ranges that cover it the strictest type counts. Reserved wins over
 * all, and RAM that is in use until boot is over wins over usable RAM. Return: it is RAM; false for
 * a hole and for reserved memory. A node id that we have no room for counts as node 0.
 */
static bool __init classify(unsigned long pfn, struct ram_range *out)
{
	bool usable = false;

	out->busy = false;
	out->nid = 0;
	for (unsigned int i = 0; i < nr_firmware_ranges; i++) {
		const struct port_mem_range *r = &firmware_map[i];
		struct pfn_range frames = frames_of(r);

		if (pfn < frames.start || pfn >= frames.end)
			continue;
		if (r->type == PORT_MEM_RESERVED)
			return false;
		if (r->nid >= 0 && r->nid < MAX_NR_NODES)
			out->nid = r->nid;
		out->busy |= r->type == PORT_MEM_RECLAIM;
		usable = true;
	}
	return usable;
}

/* Append a range, joining it with the last one if both are of one kind and touch. */
static void __init add_ram_range(struct ram_range range)
{
	struct ram_range *last = nr_ram_ranges ? &ram_ranges[nr_ram_ranges - 1] : NULL;

	VM_BUG_ON(range.start_pfn >= range.end_pfn);
	VM_BUG_ON(last && last->end_pfn > range.start_pfn); /* (I1) */
	if (last && last->end_pfn == range.start_pfn && last->nid == range.nid &&
	    last->busy == range.busy) {
		last->end_pfn = range.end_pfn;
		return;
	}
	if (nr_ram_ranges == MAX_RAM_RANGES) {
		pr_warn("memory map: too many ranges, frames from %#lx on are not used\n",
			range.start_pfn);
		return;
	}
	ram_ranges[nr_ram_ranges++] = range;
}

void __init memmap_init(void)
{
	firmware_map = port_memory_map(&nr_firmware_ranges);
	nr_boundaries = nr_ram_ranges = 0;
	for (unsigned int i = 0; i < nr_firmware_ranges; i++) {
		struct pfn_range frames = frames_of(&firmware_map[i]);

		/*
		 * No frame is left. Either the range contains no whole one, which is common and
		 * costs nothing; or it lies beyond the highest frame that page-table entries can
		 * name, and the user should know that this memory is not used.
		 */
		if (frames.start >= frames.end) {
			if (firmware_map[i].type == PORT_MEM_USABLE &&
			    ALIGN(firmware_map[i].start, PAGE_SIZE) <
				    ALIGN_DOWN(firmware_map[i].end, PAGE_SIZE))
				pr_warn("memory map: [%#llx, %#llx) is beyond this CPU's reach\n",
					(unsigned long long)firmware_map[i].start,
					(unsigned long long)firmware_map[i].end);
			continue;
		}
		add_boundary(frames.start);
		add_boundary(frames.end);
	}
	for (unsigned int i = 0; i + 1 < nr_boundaries; i++) {
		struct ram_range range = {boundaries[i], boundaries[i + 1], 0, false};

		if (range.start_pfn < range.end_pfn && classify(range.start_pfn, &range))
			add_ram_range(range);
	}
	if (!nr_ram_ranges)
		panic("memory map: no usable memory");
}

unsigned long ram_pages_between(unsigned long start_pfn, unsigned long end_pfn)
{
	unsigned long nr = 0;

	for (unsigned int i = 0; i < nr_ram_ranges; i++) {
		unsigned long start = max(ram_ranges[i].start_pfn, start_pfn);
		unsigned long end = min(ram_ranges[i].end_pfn, end_pfn);

		if (start < end)
			nr += end - start;
	}
	return nr;
}

unsigned long __init memmap_clip(unsigned long end_pfn)
{
	unsigned long lost = ram_pages_between(end_pfn, ~0ul);

	while (nr_ram_ranges && ram_ranges[nr_ram_ranges - 1].start_pfn >= end_pfn)
		nr_ram_ranges--;
	if (nr_ram_ranges)
		/* The new last range starts below end_pfn, so something of it is left. */
		ram_ranges[nr_ram_ranges - 1].end_pfn =
			min(ram_ranges[nr_ram_ranges - 1].end_pfn, end_pfn);
	VM_BUG_ON(ram_pages_between(end_pfn, ~0ul));
	return lost;
}

bool page_is_ram(unsigned long pfn)
{
	return ram_pages_between(pfn, pfn + 1);
}
