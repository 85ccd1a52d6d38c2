/* SPDX-License-Identifier: MIT */
/* boot_internal.h: what the files that describe physical memory at boot tell each other. */
#pragma once

#include <pagoda/bootmem.h>
#include <pagoda/init.h>

/* ---- memmap.c: the firmware's map, put in order -------------------------------------- */

struct ram_range {
	unsigned long start_pfn, end_pfn; /* whole frames, [start, end) */
	int nid;
	bool busy; /* RAM in use until boot is over (PORT_MEM_RECLAIM) */
};
/* Sorted by address, disjoint. (C) after memmap_init(). */
extern struct ram_range ram_ranges[];
extern unsigned int nr_ram_ranges;

/* Read port_memory_map() into ram_ranges. Panics if there is no RAM. Context: boot, once. */
void memmap_init(void);
/* Count the frames of RAM in [start_pfn, end_pfn). Context: any, after memmap_init(). */
unsigned long ram_pages_between(unsigned long start_pfn, unsigned long end_pfn);
/* Take frames from end on out of the map (they do not fit); returns their number. */
unsigned long memmap_clip(unsigned long end_pfn);

/* ---- bootmem.c ------------------------------------------------------------------------ */

/* As __alloc_bootmem_node(), but only from this node. Context: boot. Return: NULL: no room there.
 */
void *try_alloc_bootmem_node(pg_data_t *pgdat, unsigned long size, unsigned long align,
			     unsigned long goal);

/* ---- zone_init.c ----------------------------------------------------------------------- */

/*
 * Make the descriptors of those of the node's largest blocks in which some frame is taken: taken is
 * a bitmap with a one for each taken frame, whose bit 0 is frame base. Context: boot.
 */
void make_reserved_descriptors(pg_data_t *pgdat, const unsigned long *taken, unsigned long base);

/* Once all nodes have their maps: makes pfn_to_page() work. */
void sections_init(void);
