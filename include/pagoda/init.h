/* SPDX-License-Identifier: MIT */
/* init.h: bringing the core up, in one call, and handing boot memory back. */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

/*
 * What the machine tells the core beyond port_memory_map(). Physical addresses; the
 * ranges are reserved during boot. options: the kernel command line ("slab_debug",
 * "reclaim=classic", ...); unknown words are ignored.
 */
struct mm_boot_info {
	phys_addr_t kernel_start, kernel_end; /* the image, [start, end); equal: none in RAM */
	phys_addr_t init_start, init_end;     /* its init sections, freed by free_initmem() */
	phys_addr_t initrd_start, initrd_end; /* kept until mm_free_range() */
	const char *options;
};

/*
 * setup_memory (bootmem) -> paging_init -> zones and buddy -> mem_init -> slab ->
 * vmalloc -> init_mm. On CPU 0, interrupts off, once. Panics if there is no memory
 * for the core's own tables.
 */
void mm_boot(const struct mm_boot_info *info);

/* Second stage, with tasks running: kswapd and friends. May sleep. */
void mm_start_threads(void);

/*
 * Give the whole frames of [start, end), boot-reserved RAM (the init sections, the initrd), to the
 * buddy allocator. How many that were.
 */
unsigned long mm_free_range(phys_addr_t start, phys_addr_t end);
void free_initmem(void);

/* Every invariant the core knows, at a quiet point (XC-06). Panics naming the first broken one. */
void mm_validate_all(void);

PAGODA_C_END
