/* SPDX-License-Identifier: MIT */
/*
 * mmu.c: the port's page-table root and translation flushes, on this CPU.
 *
 * What needs which (Intel SDM volume 3, 4.10.4): INVLPG drops one page, global or not,
 * and the paging-structure caches; a CR3 write drops all that is not global; flipping
 * CR4.PGE drops everything.
 */
#include "io.h"
#include "pc.h"

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
