// SPDX-License-Identifier: MIT
/*
 * boot_space.c: the boot of tier 3: address spaces, and the lists of their pages.
 *
 *	frame_keepers		the page allocator makes the lists forget pages that are freed
 *	mm_boot_kernel_map	tiers 1 and 2
 *	check_port_space	mistakes of the port are named (port_check.h)
 *	mm_structs_init		caches, the zero page
 *	fault_around_init, fault_trace_init	boot options of faults
 *
 * Locking: one CPU, interrupts off. Failure: no memory for the caches is a panic.
 */
#include "port_check.h"
#include <mm/space/fault_internal.h>
#include <pagoda/fault_trace.h>
#include <pagoda/init.h>
#include <pagoda/lru.h>
#include <pagoda/mm.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/vmalloc.h>

void __init mm_boot_space(const struct mm_boot_info *info)
{
	/*
	 * Set before the first page can be freed: the lists keep batches of pages per CPU, which
	 * nobody finds without drain_batches, and a page must not be freed while it is on a list.
	 */
	frame_keepers.drain_batches = lru_add_drain;
	frame_keepers.forget_page = lru_cache_del;
	mm_boot_kernel_map(info);
	check_port_space();
	mm_structs_init();
	fault_around_init();
	fault_trace_init();
}

void mm_validate_all(void)
{
	validate_buddy();
	validate_lru();
	validate_slab();
	validate_vmalloc();
}
