/* SPDX-License-Identifier: MIT */
/*
 * init.h: bringing the core up, in one call, and handing boot memory back.
 *
 * The core comes in tiers (mm/tiers.txt), each linked with those below it. Each has a boot
 * function, which also boots the lower tiers: call that of the highest tier that is linked.
 *
 *	1 mm_boot_heap		frames and heap: alloc_pages(), kmalloc()
 *	2 mm_boot_kernel_map	+ kernel mappings: vmalloc(), kmap(), locks that sleep
 *	3 mm_boot_space		+ address spaces: mm_alloc(), do_mmap(), do_page_fault()
 *	4 mm_boot_cache		+ files: the page cache, block devices
 *	5 mm_boot		+ pressure: reclaim, swap, out of memory
 *
 * Later, when tasks run: kmem_cache_cpus_up() (tiers 1 to 4), writeback_init() (tier 4),
 * mm_start_threads() (tier 5, does both).
 */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

/*
 * What the machine tells the core beyond port_memory_map(). Physical addresses; the
 * ranges are reserved during boot. options: the kernel command line ("slab_debug",
 * "reclaim=classic", ...); unknown words are ignored.
 */
struct mm_boot_info {
	phys_addr_t kernel_start, kernel_end; /* the image, [start, end) */
	bool image_outside_ram;		      /* no part of the image is in RAM of the memory map */
	phys_addr_t init_start, init_end;     /* its init sections, freed by free_initmem() */
	phys_addr_t initrd_start, initrd_end; /* kept until mm_free_range() */
	const char *options;
	/*
	 * Any number; if it differs from boot to boot (as a clock does), so do the marks by
	 * which free objects are known. 0 will do.
	 */
	unsigned long seed;
};

/*
 * Boot this tier and all lower ones. info is copied; its options stay where they are. Mistakes of
 * the port that can be seen by now are panics that begin with "port: " (docs/PORT_CONTRACT.md).
 * Context: on CPU 0, interrupts off, once. Return: afterwards all calls of these tiers work; panics
 * if there is no memory for the core's own tables.
 *
 * Tier 1 uses the direct map as it finds it: the port maps all low memory at PAGE_OFFSET. From
 * tier 2 on the core makes the kernel's page tables itself (paging_init()), from boot memory that
 * must be mapped by then, and loads them.
 */
void mm_boot_heap(const struct mm_boot_info *info);
void mm_boot_kernel_map(const struct mm_boot_info *info);
void mm_boot_space(const struct mm_boot_info *info);
void mm_boot_cache(const struct mm_boot_info *info);
void mm_boot(const struct mm_boot_info *info);

/*
 * Tier 5's second stage, once all CPUs are up and tasks run: the slab's arrays of each CPU, kswapd,
 * writeback. May sleep.
 */
void mm_start_threads(void);

/*
 * Give the whole frames of [start, end), boot-reserved RAM (the init sections, the initrd), to the
 * buddy allocator. How many that were.
 */
unsigned long mm_free_range(phys_addr_t start, phys_addr_t end);
void free_initmem(void);

/* Tier 3: every invariant the core knows, at a quiet point (XC-06). Panics if one is broken. */
void mm_validate_all(void);

PAGODA_C_END
