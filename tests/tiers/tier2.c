// SPDX-License-Identifier: MIT
/* tier2.c: tiers 1 and 2, with their port functions and no others: kernel mappings. */
#include <pagoda/init.h>
#include <pagoda/slab.h>

#include "check.h"
#include "heap_checks.h"
#include "map_checks.h"

int main(void)
{
	unsigned long flags;

	null_ram_init();
	null_maps_init();
	flags = port_irq_save();
	mm_boot_kernel_map(&(struct mm_boot_info){.options = "", .image_outside_ram = true});
	port_irq_restore(flags);
	kmem_cache_cpus_up();
	check_frames_and_heap();
	check_kernel_mappings();
	return tier_passed(2);
}
