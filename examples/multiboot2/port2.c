/* SPDX-License-Identifier: MIT */
/*
 * port2.c: tier 2 of port.h, kernel mappings and sleeping, on one CPU.
 *
 * From tier 2 on the core has page tables of its own: the direct map, vmalloc, and what
 * port_map_kernel_image() adds. The boot tables are gone when mm_boot() returns.
 */
#include "kernel.h"
#include <asm/pgtable.h>
#include <pagoda/bug.h>
#include <pagoda/string.h>
#include <pagoda/vmalloc.h>

static bool unparked;

void port_load_pgd(phys_addr_t pgd_pa)
{
	__asm__ volatile("movq %0, %%cr3" : : "r"(pgd_pa) : "memory");
}

void port_flush_tlb_page(unsigned long addr)
{
	__asm__ volatile("invlpg (%0)" : : "r"(addr) : "memory");
}

/* No translation is global (x86_features.pge is false), so a load of CR3 drops them all. */
void port_flush_tlb_all(void)
{
	unsigned long cr3;

	__asm__ volatile("movq %%cr3, %0; movq %0, %%cr3" : "=&r"(cr3) : : "memory");
}

static void map_part(const char *start, const char *end, pgprot_t prot)
{
	unsigned long va = (unsigned long)start;

	if (map_kernel_range(va, va - IMAGE_BASE, (unsigned long)end - va, prot))
		panic("no memory to map the kernel image");
}

void port_map_kernel_image(void)
{
	map_part(image_start, text_end, PAGE_KERNEL_EXEC);
	map_part(text_end, rodata_end, PAGE_KERNEL_RO);
	map_part(rodata_end, image_end, PAGE_KERNEL);
}

/* ---- Sleeping: the one task can only wait for what an interrupt handler does ---------------- */

void port_park(u64 deadline_ns)
{
	if (!unparked && deadline_ns == UINT64_MAX)
		panic("the only task sleeps for ever");
	unparked = false; /* it may return before the deadline */
}

void port_unpark(struct vm_task *task)
{
	(void)task;
	unparked = true;
}

bool port_fatal_signal_pending(void)
{
	return false;
}

void tier2(void)
{
	char *area = vmalloc(3 * SZ_1M);

	if (!area)
		panic("tier 2: no memory");
	memset(area, 2, 3 * SZ_1M);
	pr_info("tier 2: 3 MiB at %p\n", (void *)area);
	vfree(area);
}
