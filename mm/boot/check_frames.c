// SPDX-License-Identifier: MIT
/*
 * check_frames.c: is the port ready for tier 1?
 *
 * The first thing that mm_boot_heap() does, the boot of tier 1 and of all others. Each of these
 * mistakes would otherwise end in a silent reset, or corrupt memory later:
 *
 *	the kernel image is not reserved	its frames are given to somebody, who overwrites it
 *	a CPU number out of range		per-CPU arrays are written beyond their ends
 *	port_current() is NULL			the first free of a page faults unseen
 *	interrupts on, or turned on by restore	a handler runs before there is memory for it
 *	memory said to be zeroed is not		structures start with random contents
 *
 * Locking: one CPU, interrupts off. Failure: a panic that names the mistake.
 */
#include "port_check.h"
#include <pagoda/mmzone.h>
#include <pagoda/page.h>

static bool booted;

/* The bitmaps and caches of a first boot are in use: a second one would give them away again. */
static void __init check_called_once(void)
{
	PORT_BUG_ON(booted, "the core is booted a second time");
	booted = true;
}

static void __init check_interrupts_off(void)
{
	unsigned long flags;

	PORT_BUG_ON(port_irqs_enabled(), "the core is booted with interrupts on");
	/* Interrupts are off, and must be so after each step, whatever a pair inside does. */
	flags = port_irq_save();
	PORT_BUG_ON(port_irqs_enabled(), "port_irq_save() turns interrupts on if they were off");
	port_irq_restore(flags);
	PORT_BUG_ON(port_irqs_enabled(), "port_irq_save() and port_irq_restore() turn interrupts "
					 "on though they were off before");
	flags = port_irq_save_short();
	port_irq_restore_short(flags);
	PORT_BUG_ON(port_irqs_enabled(),
		    "port_irq_restore_short() turns interrupts on though they were off before");
}

/* Each of these numbers is the index of an array, on paths that do not look at it again. */
static void __init check_cpus(void)
{
	unsigned int nr = port_nr_cpus(), here = port_cpu_id();

	PORT_BUG_ON(nr < 1 || nr > NR_CPUS, "port_nr_cpus() is %u, not 1 to %u", nr,
		    (unsigned int)NR_CPUS);
	PORT_BUG_ON(here >= nr, "port_cpu_id() is %u, but %u CPUs are up", here, nr);
	for (unsigned int cpu = 0; cpu < nr; cpu++) {
		int nid = port_cpu_to_node(cpu);

		PORT_BUG_ON(nid < 0 || nid >= MAX_NR_NODES,
			    "port_cpu_to_node(%u) is %d, not 0 to %d", cpu, nid, MAX_NR_NODES - 1);
	}
}

/* Where the memory that the firmware knows of ends. */
static phys_addr_t __init end_of_memory_map(void)
{
	unsigned int nr = 0;
	const struct port_mem_range *map = port_memory_map(&nr);
	phys_addr_t end = 0;

	PORT_BUG_ON(!map || !nr, "port_memory_map() has no range");
	for (unsigned int i = 0; i < nr; i++) {
		PORT_BUG_ON(map[i].start >= map[i].end,
			    "port_memory_map(): range %u, [%#llx, %#llx), is empty", i,
			    (unsigned long long)map[i].start, (unsigned long long)map[i].end);
		end = max(end, map[i].end);
	}
	return end;
}

/*
 * The core cannot see where its own image lies, since it does not know how the port maps it. What
 * it is told is compared with the memory map only.
 */
static void __init check_image(const struct mm_boot_info *info)
{
	unsigned long long start = info->kernel_start, kernel_end = info->kernel_end;
	unsigned long long memory_end = end_of_memory_map();

	if (info->image_outside_ram)
		return; /* no frame of the image could be given away */
	PORT_BUG_ON(start >= kernel_end,
		    "mm_boot_info.kernel_end is %#llx, kernel_start %#llx: the kernel image would "
		    "be given away as free memory",
		    kernel_end, start);
	PORT_BUG_ON(kernel_end > memory_end,
		    "mm_boot_info.kernel_end is %#llx, beyond all memory (%#llx): physical "
		    "addresses are meant",
		    kernel_end, memory_end);
	PORT_BUG_ON(info->init_start < info->init_end &&
			    (info->init_start < start || info->init_end > kernel_end),
		    "mm_boot_info.init_start and init_end lie outside of the kernel image");
}

void __init check_port_frames(const struct mm_boot_info *info)
{
	check_called_once();
	check_cpus();
	PORT_BUG_ON(!port_current(),
		    "port_current() is NULL; before the first task it is a static struct vm_task");
	check_interrupts_off();
	check_image(info);
}

/*
 * Every word is looked at, since memory of which only a part is zeroed is the likely mistake: a
 * loader clears what it knows.
 */
void __init check_port_zeroed(unsigned long start_pfn, unsigned long nr_pages)
{
	const unsigned long *words = __va(PFN_PHYS(start_pfn));

	if (!port_ram_is_zeroed())
		return;
	for (unsigned long i = 0; i < nr_pages * PAGE_SIZE / sizeof(*words); i++)
		PORT_BUG_ON(words[i], "port_ram_is_zeroed() is true, but the word at %#llx is %#lx",
			    (unsigned long long)PFN_PHYS(start_pfn) + i * sizeof(*words), words[i]);
}
