/* SPDX-License-Identifier: MIT */
/* vmalloc.h: virtually contiguous kernel memory (thesis chapter 7). May sleep, all of it. */
#pragma once

#include <pagoda/gfp.h>
#include <asm/pgtable_types.h>
#include <lib/rbtree.h>

PAGODA_C_BEGIN

#define VM_ALLOC   0x1ul
#define VM_IOREMAP 0x2ul
#define VM_LAZY	   0x4ul /* freed and unmapped; the flush is still to come */

/* An area. (V) vmlist_lock */
struct vm_struct {
	unsigned long flags;	     /* (V) */
	void *addr;		     /* (C) */
	unsigned long size;	     /* (C) bytes, guard page included */
	phys_addr_t phys_addr;	     /* (C) of an ioremap */
	struct vm_struct *next;	     /* (V) in address order */
	struct rb_node node;	     /* (V) */
	unsigned long gap;	     /* (V) free bytes in front of it */
	unsigned long max_gap;	     /* (V) largest gap in its subtree */
	struct vm_struct *lazy_next; /* (V) */
};
extern struct vm_struct *vmlist; /* (V) */

/*
 * Allocate size bytes, rounded up to pages, that are contiguous in kernel addresses and followed by
 * an unmapped guard page; their frames may lie anywhere, in high memory, too.
 * Context: may sleep. Locks: takes vmlist_lock. Return: the address, or NULL: no memory, no range.
 */
void *vmalloc(unsigned long size) __must_check;
/* The same with frames of ZONE_DMA; with low frames only; with any flags and protection. */
void *vmalloc_dma(unsigned long size) __must_check;
void *vmalloc_32(unsigned long size) __must_check;
void *__vmalloc(unsigned long size, gfp_t gfp_mask, pgprot_t prot) __must_check;
/*
 * Free an area; NULL is allowed, any other address that is no area in use is reported.
 * Context: may sleep; interrupts on, as other CPUs may have to flush. Return: nothing.
 */
void vfree(void *addr);

/*
 * Map size bytes of device memory from phys on, uncached; phys need not be page aligned.
 * Context: may sleep. Return: the address of phys, or NULL: no memory, or no entry can hold phys.
 */
void *ioremap(phys_addr_t phys, unsigned long size) __must_check;
/* Undo ioremap(); NULL is allowed. Context: as vfree(). Return: nothing. */
void iounmap(void *addr);

/*
 * Flush and release the freed areas that wait for a common flush.
 * Context: may sleep; interrupts on. Return: pages freed.
 */
unsigned long vmalloc_purge(void);

/* Report the range of addresses. Context: boot, once slabs work. */
void vmalloc_init(void);
/* Areas are in order, apart, and their tree agrees with their list. Panics if not. */
void validate_vmalloc(void);

PAGODA_C_END
