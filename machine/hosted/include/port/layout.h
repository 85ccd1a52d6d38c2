/* SPDX-License-Identifier: MIT */
/*
 * layout.h: where the hosted machine's kernel half lies in the host process.
 *
 * A window W of host addresses stands for the kernel half:
 *
 *	           32-bit geometries                64-bit geometries
 *	W                                           direct map, 64 GiB
 *	           C0000000 direct map, 896 MiB
 *	           F8800000 vmalloc                 +65 GiB   vmalloc
 *	           FE000000 pkmap                   +129 GiB  pkmap
 *	           FF000000 fixmap                  +16 MiB   fixmap
 *	W + 4 GiB
 *	W + 192 GiB  all of RAM once more, by physical address (hosted_phys())
 *
 * Three addresses name one kernel byte, and must not be mixed:
 *	host address	a C pointer into the window; what the core calls a kernel
 *			virtual address
 *	MMU address	what the page tables and TLBs know, what a fault reports and what
 *			is >= TASK_SIZE: kva_to_mmu(host address)
 *	physical	an offset into the memfd
 * On the 32-bit geometries W is 4 GiB aligned and the MMU address is the low half of
 * the host address. On the 64-bit ones kva_to_mmu() moves addresses to the upper half
 * of the tables, the direct map and vmalloc into different top-level entries, as on a
 * PC. Host and MMU address agree in their low 39 bits, so that loops which step from
 * table to table by alignment see the same borders in both.
 *
 * Why W is where it is: AddressSanitizer leaves the application everything above
 * 100080000000h; ThreadSanitizer only a few ranges, of which 550000000000h to
 * 568000000000h is for position-independent executables. Linux puts those at
 * 555555554000h or above, so the 341 GiB below are free under either sanitizer and
 * under none.
 */
#pragma once

#include <asm/geometry.h>

#define HOSTED_WINDOW	  0x550000000000ul
#define HOSTED_RAM_WINDOW (HOSTED_WINDOW + 0x3000000000ul) /* see hosted_phys() */
#define HOSTED_RAM_MAX	  0x1000000000ul		   /* highest physical address, 64 GiB */

#define HOSTED_32BIT (PGTABLE_LEVELS <= 3)

#define PAGE_OFFSET	  (HOSTED_32BIT ? HOSTED_WINDOW + 0xC0000000ul : HOSTED_WINDOW)
#define VMALLOC_START	  (HOSTED_32BIT ? HOSTED_WINDOW + 0xF8800000ul : HOSTED_WINDOW + 0x1040000000ul)
#define VMALLOC_END	  (HOSTED_32BIT ? PKMAP_BASE - 2 * 4096ul : HOSTED_WINDOW + 0x2000000000ul)
#define PKMAP_BASE	  (HOSTED_32BIT ? HOSTED_WINDOW + 0xFE000000ul : HOSTED_WINDOW + 0x2040000000ul)
#define FIXMAP_BASE	  (PKMAP_BASE + 0x1000000ul)
#define HOSTED_WINDOW_END (FIXMAP_BASE + 0x1000000ul)

/* Top-level slots of the 64-bit kernel half, multiples of 2^39. */
#define HOSTED_MMU_DIRECT  (PGTABLE_LEVELS == 5 ? 0xff11000000000000ul : 0xffff888000000000ul)
#define HOSTED_MMU_VMALLOC (PGTABLE_LEVELS == 5 ? 0xffa0000000000000ul : 0xffffc90000000000ul)

static inline unsigned long kva_to_mmu(unsigned long va)
{
	if (HOSTED_32BIT)
		return va & 0xfffffffful;
	return va - HOSTED_WINDOW + (va < VMALLOC_START ? HOSTED_MMU_DIRECT : HOSTED_MMU_VMALLOC);
}

/* The other way round; mmu is a kernel address, at or above TASK_SIZE. */
static inline unsigned long mmu_to_kva(unsigned long mmu)
{
	if (HOSTED_32BIT)
		return HOSTED_WINDOW + mmu;
	return mmu - (mmu < HOSTED_MMU_VMALLOC ? HOSTED_MMU_DIRECT : HOSTED_MMU_VMALLOC) +
	       HOSTED_WINDOW;
}
