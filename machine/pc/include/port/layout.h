/* SPDX-License-Identifier: MIT */
/*
 * layout.h: the kernel half of the address space on a PC (x86_64, 4 levels).
 *
 *	ffff888000000000  direct map of all physical memory (64 TiB)
 *	ffffc90000000000  vmalloc and ioremap (32 TiB)
 *	ffffffff80000000  kernel image (KERNEL_MAP_BASE + physical address)
 */
#pragma once

#define PAGE_OFFSET	0xffff888000000000ul
#define VMALLOC_START	0xffffc90000000000ul
#define VMALLOC_END	0xffffe90000000000ul
#define KERNEL_MAP_BASE 0xffffffff80000000ul
#define PKMAP_BASE	0xffffea0000000000ul /* unused: no high memory */
#define FIXMAP_BASE	0xffffea0000200000ul

/* The physical address of something inside the kernel image (__pa() is for the direct map only). */
static inline unsigned long kernel_image_pa(const void *va)
{
	return (unsigned long)va - KERNEL_MAP_BASE;
}

static inline unsigned long kva_to_mmu(unsigned long va)
{
	return va;
}
