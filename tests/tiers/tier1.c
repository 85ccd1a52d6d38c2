// SPDX-License-Identifier: MIT
/* tier1.c: tier 1 alone, with the port functions of tier 1 and no others: frames and heap. */
#include <pagoda/init.h>
#include <pagoda/slab.h>

#include "check.h"
#include "heap_checks.h"

int main(void)
{
	unsigned long flags;

	null_ram_init();
	flags = port_irq_save();
	mm_boot_heap(&(struct mm_boot_info){.options = "", .image_outside_ram = true});
	port_irq_restore(flags);
	kmem_cache_cpus_up();
	check_frames_and_heap();
	return tier_passed(1);
}
