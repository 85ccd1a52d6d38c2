// SPDX-License-Identifier: MIT
/*
 * maps.c: tier 2 of the null port, first half: kernel page tables, which no MMU reads.
 *
 * The core writes entries for vmalloc addresses and then uses plain pointers. The first touch of a
 * page comes here as a signal, and the page is mapped as the tables say (kernel_translate()). A
 * flush takes the host's mapping away, so the next touch looks at the tables again: a missing flush
 * shows as old contents.
 */
#include <machine/null.h>

#include <pagoda/bug.h>
#include <asm/control.h>
#include <asm/pgtable.h>

#include "host.h"

static bool map_touched(unsigned long address)
{
	pgprot_t prot;
	phys_addr_t pa;

	if (address < VMALLOC_START || address >= VMALLOC_END ||
	    !kernel_translate(address, &pa, &prot))
		return false;
	host_map_page(address & PAGE_MASK, pa & PAGE_MASK);
	return true;
}

/*
 * No CPU walks the tables of the core, even where the program runs in ring 0 (i386/): what its
 * registers hold says nothing of them.
 */
static void no_control(struct x86_control *control)
{
	*control = (struct x86_control){.known = false};
}

void null_maps_init(void)
{
	x86_read_control = no_control;
	host_on_touch(map_touched);
}

void port_load_pgd(phys_addr_t pgd_pa)
{
	(void)pgd_pa; /* no MMU: what is mapped is asked of the tables at each touch */
}

void port_map_kernel_image(void)
{
	/* The image is the host's program; no part of it lies in RAM. */
}

void port_flush_tlb_page(unsigned long addr)
{
	if (addr >= VMALLOC_START && addr < VMALLOC_END)
		host_unmap(addr & PAGE_MASK, PAGE_SIZE);
}

void port_flush_tlb_all(void)
{
	host_unmap(VMALLOC_START, VMALLOC_END - VMALLOC_START);
}
