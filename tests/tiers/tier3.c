// SPDX-License-Identifier: MIT
/*
 * tier3.c: tiers 1 to 3, with their port functions and no others: an address space, faults, copy-
 * on-write.
 */
#include <pagoda/init.h>
#include <pagoda/slab.h>

#include "check.h"
#include "heap_checks.h"
#include "map_checks.h"
#include "space_checks.h"

int main(void)
{
	unsigned long flags;

	null_ram_init();
	null_maps_init();
	flags = port_irq_save();
	mm_boot_space(&(struct mm_boot_info){.options = "", .image_outside_ram = true});
	port_irq_restore(flags);
	kmem_cache_cpus_up();
	check_frames_and_heap();
	check_kernel_mappings();
	check_address_space();
	return tier_passed(3);
}
