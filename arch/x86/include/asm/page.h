/* SPDX-License-Identifier: MIT */
/*
 * page.h: pages, frame numbers, and the direct map.
 *
 * A machine's <port/layout.h>, a part of the port contract, says where the kernel half lies:
 *	PAGE_OFFSET	virtual address of physical 0 in the direct map
 *	VMALLOC_START, VMALLOC_END, PKMAP_BASE, FIXMAP_BASE (kmap_atomic slots)
 *	kva_to_mmu(va)	the address whose bits index the page tables for a kernel
 *			address: va itself on real hardware; the hosted machine, whose
 *			kernel addresses are host addresses, moves them to the upper half
 */
#pragma once

#include <pagoda/types.h>
#include <asm/geometry.h>
#include <port/layout.h>

#define PAGE_SHIFT	 12
#define PAGE_SIZE	 (1ul << PAGE_SHIFT)
#define PAGE_MASK	 (~(PAGE_SIZE - 1))
#define PAGE_ALIGN(addr) (((addr) + PAGE_SIZE - 1) & PAGE_MASK)

#define PFN_UP(pa)	((unsigned long)(((pa) + PAGE_SIZE - 1) >> PAGE_SHIFT))
#define PFN_DOWN(pa)	((unsigned long)((pa) >> PAGE_SHIFT))
#define PHYS_PFN(pa)	PFN_DOWN(pa)
#define PFN_PHYS(pfn)	((phys_addr_t)(pfn) << PAGE_SHIFT)
#define ARCH_PFN_OFFSET 0ul /* memory starts at frame 0 on a PC */

/* Direct map only; not for vmalloc or kernel image addresses. */
#define __va(pa) ((void *)(PAGE_OFFSET + (unsigned long)(pa)))
#define __pa(va) ((phys_addr_t)((unsigned long)(va)-PAGE_OFFSET))

#define SMP_CACHE_BYTES 64
#define MAX_DMA_ADDRESS (16 * SZ_1M) /* physical: end of ZONE_DMA */
