// SPDX-License-Identifier: MIT
/* tier5.c: all of the core, with its port functions and no others: more memory than there is. */
#include <pagoda/init.h>
#include <pagoda/mm.h>

#include "check.h"
#include "file_checks.h"
#include "heap_checks.h"
#include "map_checks.h"
#include "pressure_checks.h"
#include "space_checks.h"

int main(void)
{
	unsigned long flags;

	null_ram_init();
	null_maps_init();
	flags = port_irq_save();
	mm_boot(&(struct mm_boot_info){.options = "", .image_outside_ram = true});
	port_irq_restore(flags);
	null_task->active_mm = &init_mm;
	mm_start_threads();
	check_frames_and_heap();
	check_kernel_mappings();
	check_address_space();
	check_files();
	check_pressure();
	return tier_passed(5);
}
