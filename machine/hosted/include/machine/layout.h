/* SPDX-License-Identifier: MIT */
/*
 * layout.h: where the hosted machine's kernel half lies in the host process.
 *
 * A window W of host addresses stands for the kernel half. On the 32-bit
 * geometries W is 4 GiB aligned and a kernel address is W plus the address the
 * real machine would use, so the low 32 bits index the page tables as they are.
 * On the 64-bit ones the direct map starts at W and kva_to_mmu() moves addresses to
 * the upper half of the tables, where the kernel half of a real machine is.
 *
 * The direct map is the memfd mapped once; everything else of the window (vmalloc,
 * kmap slots) is mapped page by page when touched, from the kernel page tables: the
 * host's own mapping plays the TLB and stays stale until flushed.
 */
#pragma once

#include <asm/geometry.h>

#define HOSTED_WINDOW 0x200000000000ul

#define HOSTED_32BIT (PGTABLE_LEVELS <= 3)

#define PAGE_OFFSET   (HOSTED_32BIT ? HOSTED_WINDOW + 0xC0000000ul : HOSTED_WINDOW)
#define VMALLOC_START (HOSTED_32BIT ? HOSTED_WINDOW + 0xF8800000ul : HOSTED_WINDOW + 0x100000000000ul)
#define VMALLOC_END   (HOSTED_32BIT ? PKMAP_BASE - 2 * 4096ul : HOSTED_WINDOW + 0x180000000000ul)
#define PKMAP_BASE    (HOSTED_32BIT ? HOSTED_WINDOW + 0xFE000000ul : HOSTED_WINDOW + 0x190000000000ul)
#define FIXMAP_BASE   (PKMAP_BASE + 0x1000000ul)

/* No part of the kernel lies in the machine's RAM: nothing for paging_init() to map. */
struct kernel_section {
	unsigned long start, end;
	_Bool writable, executable;
};
static inline const struct kernel_section *machine_kernel_sections(unsigned int *nr)
{
	*nr = 0;
	return (const struct kernel_section *)0;
}

static inline unsigned long kva_to_mmu(unsigned long va)
{
	if (HOSTED_32BIT)
		return va & 0xfffffffful;
	return va - HOSTED_WINDOW + (PGTABLE_LEVELS == 5 ? 0xff11000000000000ul : 0xffff888000000000ul);
}
