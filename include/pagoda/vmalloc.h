/* SPDX-License-Identifier: MIT */
/* vmalloc.h: virtually contiguous kernel memory (thesis chapter 7). May sleep, all of it. */
#pragma once

#include <pagoda/gfp.h>
#include <asm/pgtable_types.h>

#define VM_ALLOC   0x1ul
#define VM_IOREMAP 0x2ul

struct vm_struct {
	unsigned long flags;
	void *addr;
	unsigned long size; /* bytes, guard page included */
	phys_addr_t phys_addr;
	struct vm_struct *next;
};

/* size bytes (rounded up to pages) mapped contiguously, followed by an unmapped guard page; NULL if none. */
void *vmalloc(unsigned long size) __must_check;
void *vmalloc_dma(unsigned long size) __must_check;
void *vmalloc_32(unsigned long size) __must_check;
void *__vmalloc(unsigned long size, gfp_t gfp_mask, pgprot_t prot) __must_check;
void vfree(void *addr);

/* Map device memory uncached; phys need not be page aligned. NULL on failure. */
void *ioremap(phys_addr_t phys, unsigned long size) __must_check;
void iounmap(void *addr);

void vmalloc_init(void);
void validate_vmalloc(void);
