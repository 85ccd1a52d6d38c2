// SPDX-License-Identifier: MIT
/* tier4.c: tiers 1 to 4, with their port functions and no others: a disk as a file. */
#include <pagoda/init.h>
#include <pagoda/pagemap.h>
#include <pagoda/slab.h>

#include "check.h"
#include "file_checks.h"
#include "heap_checks.h"
#include "map_checks.h"
#include "space_checks.h"

int main(void)
{
	unsigned long flags;

	null_ram_init();
	null_maps_init();
	flags = port_irq_save();
	mm_boot_cache(&(struct mm_boot_info){.options = "", .image_outside_ram = true});
	port_irq_restore(flags);
	kmem_cache_cpus_up();
	writeback_init();
	check_frames_and_heap();
	check_kernel_mappings();
	check_address_space();
	check_files();
	return tier_passed(4);
}
