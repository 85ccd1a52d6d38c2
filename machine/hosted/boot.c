/* SPDX-License-Identifier: MIT */
/*
 * boot.c: building a hosted machine and booting the core on it.
 *
 * The order is a PC's: memory and CPU 0 first, mm_boot() with interrupts off and one CPU
 * up, then the other CPUs with the kernel's page tables loaded.
 */
#include "hosted_internal.h"

#include <asm/control.h>
#include <asm/cpufeature.h>
#include <asm/pgtable.h>
#include <pagoda/init.h>

/* The kernel's code and data are the host process's: no part of them lies in simulated RAM. */
void port_map_kernel_image(void)
{
}

struct x86_control hosted_control = {
	.known = true,
	.cr0 = X86_CR0_WP,
	.cr4 = (PGTABLE_LEVELS >= 3 ? X86_CR4_PAE : 0) | (PGTABLE_LEVELS == 5 ? X86_CR4_LA57 : 0) |
	       X86_CR4_PSE | X86_CR4_PGE | X86_CR4_SMEP | X86_CR4_SMAP,
	.efer = X86_EFER_NXE,
};

static void read_control(struct x86_control *control)
{
	*control = hosted_control;
	control->cr3_root = this_cpu()->mmu.root;
}

void hosted_boot_core(const struct mm_boot_info *info)
{
	unsigned long flags = port_irq_save();

	mm_boot(info);
	port_irq_restore(flags);
}

void hosted_boot(const struct hosted_config *config)
{
	struct mm_boot_info info = {.options = config->options ? config->options : "",
				    .image_outside_ram = true};

	port_init(config);
	ram_init(config);
	window_init();
	sched_init(config);
	x86_read_control = read_control;
	x86_features = (struct x86_features){
		.pse = true, .pge = true, .nx = HAVE_NX, .smep = true, .smap = true};
	if (config->no_mm_boot)
		return;
	info.seed = (unsigned long)port_clock_ns();
	hosted_boot_core(&info);
	sched_start_cpus(config, this_cpu()->mmu.root);
	if (config->start_threads)
		mm_start_threads();
}
