/* SPDX-License-Identifier: MIT */
/* bootmem.h: the boot memory allocator (thesis chapter 5); retired by free_all_bootmem(). */
#pragma once

#include <pagoda/mmzone.h>

PAGODA_C_BEGIN

typedef struct bootmem_data {
	unsigned long node_boot_start; /* physical address of the first frame */
	unsigned long node_low_pfn;    /* end frame */
	void *node_bootmem_map;
	unsigned long last_offset, last_pos;
	bool in_use;  /* something was reserved or handed out */
	bool has_had; /* something was given back after that: free frames may hold old bytes */
} bootmem_data_t;

extern unsigned long min_low_pfn, max_low_pfn, highstart_pfn, highend_pfn, max_pfn;

/*
 * All are for the boot CPU before free_all_bootmem(), none sleeps, misuse panics. Addresses and
 * sizes are physical, in bytes; the calls without a node mean the first one.
 */

/* Pages that the bitmap of so many pages takes. */
unsigned long bootmem_bootmap_pages(unsigned long pages);
/*
 * Begin a node's allocator with everything reserved: the bitmap lies at frame start (freepfn), the
 * node is frames [startpfn, endpfn), or [0, pages). Return: bytes of the bitmap.
 */
unsigned long init_bootmem(unsigned long start, unsigned long pages);
unsigned long init_bootmem_node(pg_data_t *pgdat, unsigned long freepfn, unsigned long startpfn,
				unsigned long endpfn);
/* Every frame that [addr, addr + size) touches is taken. */
void reserve_bootmem(unsigned long addr, unsigned long size);
void reserve_bootmem_node(pg_data_t *pgdat, unsigned long addr, unsigned long size);
/* Every frame that lies in [addr, addr + size) as a whole is free. */
void free_bootmem(unsigned long addr, unsigned long size);
void free_bootmem_node(pg_data_t *pgdat, unsigned long addr, unsigned long size);
/*
 * Zeroed memory at or above goal if there is some, else anywhere; of the node first, then of
 * others. Panics without.
 */
void *__alloc_bootmem(unsigned long size, unsigned long align, unsigned long goal);
void *__alloc_bootmem_node(pg_data_t *pgdat, unsigned long size, unsigned long align,
			   unsigned long goal);
/*
 * Give all that is free, and the bitmap, to the page allocator; the end of boot memory. Return:
 * pages given.
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
