/* SPDX-License-Identifier: MIT */
/*
 * mmu.c: the port's page-table root and translation flushes on this CPU, and the image's
 * place in the kernel's page tables.
 *
 * Every part of the image has the least rights it needs, and none is both writable and
 * executable. The page under the boot stack stays unmapped. With paging_init()'s tables
 * loaded the boot-time ones, and with them the identity mapping, are gone.
 *
 * What needs which (Intel SDM volume 3, 4.10.4): INVLPG drops one page, global or not,
 * and the paging-structure caches; a CR3 write drops all that is not global; flipping
 * CR4.PGE drops everything.
 */
#include <pagoda/bug.h>
#include <asm/pgtable.h>
#include "io.h"
#include "pc.h"

static void __init map_part(const char *start, const char *end, pgprot_t prot)
{
	if (end > start && map_kernel_range((unsigned long)start, kernel_image_pa(start),
					    (unsigned long)(end - start), prot))
		panic("no memory to map the kernel image");
}

void __init port_map_kernel_image(void)
{
	map_part(_text, _etext, PAGE_KERNEL_EXEC);
	map_part(_rodata, _erodata, PAGE_KERNEL_RO);
	map_part(_data, _boot_stack_guard, PAGE_KERNEL);
	map_part(_boot_stack_guard + PAGE_SIZE, _edata, PAGE_KERNEL);
	map_part(__init_begin, __init_text_end, PAGE_KERNEL_EXEC);
	map_part(__init_text_end, __init_end, PAGE_KERNEL);
	map_part(_ksyms, _end, PAGE_KERNEL_RO);
}

void machine_unmap_init(void)
{
	unmap_kernel_range((unsigned long)__init_begin, (unsigned long)(__init_end - __init_begin));
	port_flush_tlb_all();
}

void port_load_pgd(phys_addr_t pgd_pa)
{
	write_cr3(pgd_pa);
}

void port_flush_tlb_page(unsigned long addr)
{
	__asm__ __volatile__("invlpg (%0)" : : "r"(addr) : "memory");
}

void port_flush_tlb(void)
{
	write_cr3(read_cr3());
}

void port_flush_tlb_all(void)
{
	unsigned long flags = port_irq_save();
	unsigned long cr4 = read_cr4();

	if (cr4 & CR4_PGE) {
		write_cr4(cr4 & ~CR4_PGE);
		write_cr4(cr4);
	} else {
		port_flush_tlb();
	}
	port_irq_restore(flags);
}
