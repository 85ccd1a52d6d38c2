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

/* Reads port_memory_map(). Panics if there is no RAM. */
void memmap_init(void);
/* Frames of RAM in [start, end). */
unsigned long ram_pages_between(unsigned long start_pfn, unsigned long end_pfn);
/* Take frames from end on out of the map (they do not fit); returns their number. */
unsigned long memmap_clip(unsigned long end_pfn);

/* ---- bootmem.c ------------------------------------------------------------------------ */

/* As __alloc_bootmem_node, but only from this node, and NULL if it has no room. */
void *try_alloc_bootmem_node(pg_data_t *pgdat, unsigned long size, unsigned long align,
			     unsigned long goal);

/* ---- zone_init.c ----------------------------------------------------------------------- */

/*
 * Make the descriptors of the node's largest blocks that are not free entirely: taken has a
 * one for each frame from base on that is not.
 */
void make_reserved_descriptors(pg_data_t *pgdat, const unsigned long *taken, unsigned long base);

/* Once all nodes have their maps: makes pfn_to_page() work. */
void sections_init(void);
