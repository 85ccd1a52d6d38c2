/* SPDX-License-Identifier: MIT */
/* bootmem.h: the boot memory allocator (thesis chapter 5); retired by free_all_bootmem(). */
#pragma once

#include <pagoda/mmzone.h>

PAGODA_C_BEGIN

typedef struct bootmem_data {
	unsigned long node_boot_start; /* physical address of the first frame */
	unsigned long node_low_pfn;    /* frame behind the last one */
	void *node_bootmem_map;	       /* a bit per frame: 1 = taken */
	/* Page handed out last (index in the map), and how far it is filled, in bytes; 0: full. */
	unsigned long last_offset, last_pos;
	bool in_use;  /* something was reserved or handed out */
	bool has_had; /* something was given back after that: free frames may hold old bytes */
} bootmem_data_t;

extern unsigned long min_low_pfn, max_low_pfn, highstart_pfn, highend_pfn, max_pfn;

/*
 * Context of all calls: the boot CPU, before free_all_bootmem(); none sleeps, and misuse panics.
 * Addresses and sizes are physical, in bytes; the calls without a node mean the first node.
 */

/* How large is the bitmap for so many pages? Return: pages. */
unsigned long bootmem_bootmap_pages(unsigned long pages);
/*
 * Begin a node's allocator with everything reserved: the bitmap lies at frame start (freepfn), the
 * node is frames [startpfn, endpfn), or [0, pages). Return: bytes of the bitmap.
 */
unsigned long init_bootmem(unsigned long start, unsigned long pages);
unsigned long init_bootmem_node(pg_data_t *pgdat, unsigned long freepfn, unsigned long startpfn,
				unsigned long endpfn);
/* Mark every frame that [addr, addr + size) touches as taken; frames may be taken already. */
void reserve_bootmem(unsigned long addr, unsigned long size);
void reserve_bootmem_node(pg_data_t *pgdat, unsigned long addr, unsigned long size);
/* Mark every frame that lies in [addr, addr + size) as a whole as free; it must have been taken. */
void free_bootmem(unsigned long addr, unsigned long size);
void free_bootmem_node(pg_data_t *pgdat, unsigned long addr, unsigned long size);
/*
 * Allocate size bytes of zeroed memory, aligned to align bytes (a power of two; 0 counts as 1), at
 * or above the physical address goal if there is room, else anywhere; on the node first, then on
 * others. Return: its kernel address; panics if there is no room.
 */
void *__alloc_bootmem(unsigned long size, unsigned long align, unsigned long goal);
void *__alloc_bootmem_node(pg_data_t *pgdat, unsigned long size, unsigned long align,
			   unsigned long goal);
/*
 * Give all free frames, and those of the bitmap, to the page allocator. After free_all_bootmem()
 * every call in this header panics. Return: pages given.
 */
unsigned long free_all_bootmem(void);
unsigned long free_all_bootmem_node(pg_data_t *pgdat);

#define alloc_bootmem(x)		   __alloc_bootmem((x), SMP_CACHE_BYTES, MAX_DMA_ADDRESS)
#define alloc_bootmem_low(x)		   __alloc_bootmem((x), SMP_CACHE_BYTES, 0)
#define alloc_bootmem_pages(x)		   __alloc_bootmem((x), PAGE_SIZE, MAX_DMA_ADDRESS)
#define alloc_bootmem_low_pages(x)	   __alloc_bootmem((x), PAGE_SIZE, 0)
#define alloc_bootmem_node(n, x)	   __alloc_bootmem_node((n), (x), SMP_CACHE_BYTES, MAX_DMA_ADDRESS)
#define alloc_bootmem_pages_node(n, x)	   __alloc_bootmem_node((n), (x), PAGE_SIZE, MAX_DMA_ADDRESS)
#define alloc_bootmem_low_pages_node(n, x) __alloc_bootmem_node((n), (x), PAGE_SIZE, 0)

PAGODA_C_END
