/* SPDX-License-Identifier: MIT */
/* layout.h: where the kernel half lies. 4-level tables: 128 TiB from ffff800000000000 on. */
#pragma once

#define PAGE_OFFSET   0xffff888000000000ul /* the direct map: physical address 0 */
#define VMALLOC_START 0xffffc90000000000ul
#define VMALLOC_END   0xffffe90000000000ul
#define PKMAP_BASE    0xffffea0000000000ul /* not used: 64-bit geometries have no high memory */
#define FIXMAP_BASE   0xffffea0000200000ul

static inline unsigned long kva_to_mmu(unsigned long va)
{
	return va;
}
