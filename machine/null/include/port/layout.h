/* SPDX-License-Identifier: MIT */
/*
 * layout.h: where the null port's kernel half lies in the host process.
 *
 *	PAGE_OFFSET	the direct map: all RAM, mapped before the boot
 *	VMALLOC_START	pages of RAM, mapped at their first touch as the page tables say (maps.c)
 *
 * With 64 bits the page tables know these addresses in the upper half, as on a machine
 * (kva_to_mmu()). Both agree in their low 39 bits, so that walks see the same borders. With 32 bits
 * the addresses are those of a machine.
 */
#pragma once

#if __SIZEOF_LONG__ == 4
#define PAGE_OFFSET   0xC0000000ul
#define VMALLOC_START 0xF8800000ul
#define VMALLOC_END   (PKMAP_BASE - 2 * 4096ul)
#define PKMAP_BASE    0xFE000000ul
#define FIXMAP_BASE   (PKMAP_BASE + 0x1000000ul)

static inline unsigned long kva_to_mmu(unsigned long va)
{
	return va;
}
#else
#define NULL_WINDOW   0x550000000000ul
#define PAGE_OFFSET   NULL_WINDOW
#define VMALLOC_START (NULL_WINDOW + 0x1040000000ul)
#define VMALLOC_END   (NULL_WINDOW + 0x2000000000ul)
#define PKMAP_BASE    (NULL_WINDOW + 0x2040000000ul)
#define FIXMAP_BASE   (PKMAP_BASE + 0x1000000ul)

#define NULL_MMU_DIRECT	 0xffff888000000000ul
#define NULL_MMU_VMALLOC 0xffffc90000000000ul

static inline unsigned long kva_to_mmu(unsigned long va)
{
	return va - NULL_WINDOW + (va < VMALLOC_START ? NULL_MMU_DIRECT : NULL_MMU_VMALLOC);
}
#endif
