/* SPDX-License-Identifier: MIT */
/*
 * vma_internal.h: what the files that change address spaces share.
 *
 * All calls want mmap_lock held for write unless they say otherwise; none of them
 * touches page tables. Those that return int or ERR_PTR have changed nothing on failure.
 */
#pragma once

#include "account.h"
#include "mm_list.h"
#include "page_tables.h"
#include "rmap_internal.h"
#include "space_ops.h"
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/lru.h>
#include <pagoda/mm.h>
#include <pagoda/pagemap.h>
#include <asm/pgtable.h>
#include <asm/tlb.h>

#define VM_MAY_ALL    (VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC)
#define VM_DATA_FLAGS (VM_READ | VM_WRITE | VM_MAY_ALL | VM_ACCOUNT)

/* Addresses that programs get unasked end here, even where more levels reach further. */
#define DEFAULT_MAP_WINDOW (TASK_SIZE < 0x7ffffffff000ul ? TASK_SIZE : 0x7ffffffff000ul)
#define TASK_UNMAPPED_BASE PAGE_ALIGN(DEFAULT_MAP_WINDOW / 3)

/* ---- The set of VMAs (vma.c) ---------------------------------------------------------- */
struct vm_area_struct *vm_area_alloc(struct mm_struct *mm) __must_check;
/* A copy that is linked nowhere, without the references; fork and split add those. */
struct vm_area_struct *vm_area_dup(const struct vm_area_struct *vma) __must_check;
void vm_area_free(struct vm_area_struct *vma);

/* Boot: the cache of VMAs; the page of zeroes that read faults map (memory.c). */
void vma_cache_init(void);
void empty_zero_page_init(void);
/* Do list, tree and gaps of mm agree (V1 to V5 in vma.c)? Panics if not. mmap_lock held. */
void validate_vmas(struct mm_struct *mm);

/* Where a VMA at addr belongs (AS-35). */
struct vma_place {
	struct vm_area_struct *prev, *next;
	struct rb_node *parent, **link;
};
/* -ENOMEM if something overlaps [addr, end). */
int find_vma_prepare(struct mm_struct *mm, unsigned long addr, unsigned long end,
		     struct vma_place *place);
/* List, tree and gaps / also the file's tree, map_count and totals (AS-38). */
void __vma_link(struct mm_struct *mm, struct vm_area_struct *vma, const struct vma_place *place);
void __vma_link_file(struct vm_area_struct *vma);
void vma_link(struct mm_struct *mm, struct vm_area_struct *vma, const struct vma_place *place);
/* Take out of everything but the references; remove_vma() ends it. */
void vma_unlink(struct vm_area_struct *vma);
/* The same, but it stays in its file's tree. */
void __vma_unlink(struct vm_area_struct *vma);
/* After vma_unlink: close it, drop its references, free it. May sleep. */
void remove_vma(struct vm_area_struct *vma);
/* Only out of / into the file's tree; into it right behind the parent's VMA (fork). */
void vma_unlink_file(struct vm_area_struct *vma);
void vma_link_file_after(struct vm_area_struct *vma, struct vm_area_struct *parent);
/* Append in address order while building a copy: no search. */
void vma_append(struct mm_struct *mm, struct vm_area_struct *vma, struct vm_area_struct *last);
/*
 * The trees of a file's VMAs (vma_interval.c). i_mmap_rwsem for write; to look, for read.
 * insert_after: right behind origin, which begins with the same page.
 */
void vma_interval_insert(struct vm_area_struct *vma, struct rb_root *root);
void vma_interval_insert_after(struct vm_area_struct *vma, struct vm_area_struct *origin,
			       struct rb_root *root);
void vma_interval_remove(struct vm_area_struct *vma, struct rb_root *root);
/* The VMAs that show a page of [first, last], in order; NULL: none (more). */
struct vm_area_struct *vma_interval_first(const struct rb_root *root, unsigned long first,
					  unsigned long last);
struct vm_area_struct *vma_interval_next(struct vm_area_struct *vma, unsigned long first,
					 unsigned long last);
#define for_each_vma_of(vma, root, first, last)                    \
	for ((vma) = vma_interval_first(root, first, last); (vma); \
	     (vma) = vma_interval_next(vma, first, last))
/* How many there are; panics if the tree is broken. */
unsigned long vma_interval_validate(const struct rb_root *root);
/* Move the bounds; vm_pgoff follows vm_start. Never fails. */
void vma_set_bounds(struct vm_area_struct *vma, unsigned long start, unsigned long end);

/* Cut at addr, spare becoming the upper part; cannot fail. Callers check the map count first. */
void split_vma_with(struct vm_area_struct *vma, unsigned long addr, struct vm_area_struct *spare);

/* Let a neighbour of the free range grow over it; the VMA that covers it now, or NULL (AS-40). */
struct vm_area_struct *vma_merge_new(struct mm_struct *mm, const struct vma_place *place,
				     const struct vm_area_struct *model);
/*
 * Flags, and the rights that follow from them, of a whole VMA; its entries are the caller's.
 * mmap_lock for write.
 */
void vma_set_flags(struct vm_area_struct *vma, unsigned long flags);
/*
 * Give [start, end) of vma other flags, splitting and merging as needed. Returns the VMA
 * that now covers it, or ERR_PTR(-ENOMEM).
 */
struct vm_area_struct *vma_modify(struct vm_area_struct *vma, unsigned long start,
				  unsigned long end, unsigned long new_flags) __must_check;
/* Another policy for [start, end) of vma (NULL: none); likewise. pol stays the caller's. */
struct vm_area_struct *vma_set_policy(struct vm_area_struct *vma, unsigned long start,
				      unsigned long end, struct mempolicy *pol) __must_check;
/* Merge vma, just placed or changed, with equal neighbours; the VMA that covers it now. */
struct vm_area_struct *vma_merge_around(struct vm_area_struct *vma);

/* A free range, or -ENOMEM: the highest below high / the lowest above low. */
struct gap_search {
	unsigned long low, high, length; /* result in [low, high) */
	unsigned long align_mask;
};
unsigned long find_gap_topdown(struct mm_struct *mm, const struct gap_search *s);
unsigned long find_gap_bottomup(struct mm_struct *mm, const struct gap_search *s);

/* ---- Ranges are mapped and unmapped (mmap.c, munmap.c) ------------------------------------- */

/*
 * Anonymous private memory at [addr, addr + len), which is free, or (replace) takes the place of
 * what is there. 0, -EAGAIN (locked memory), -ENOMEM.
 */
int map_anonymous(struct mm_struct *mm, unsigned long addr, unsigned long len,
		  unsigned long vm_flags, bool replace) __must_check;
/* Unmap [start, start + len), page aligned and below TASK_SIZE; -ENOMEM: nothing changed. */
int unmap_range(struct mm_struct *mm, unsigned long start, unsigned long len) __must_check;
/*
 * The same in two steps: what may fail, and what cannot. The range must be the same, and
 * mapped; in between other ranges may be unmapped. keep_tables: they are needed again.
 */
int unmap_prepare(struct mm_struct *mm, unsigned long start, unsigned long len,
		  struct vm_area_struct **spare) __must_check;
void unmap_commit(struct mm_struct *mm, unsigned long start, unsigned long len,
		  struct vm_area_struct *spare, bool keep_tables);
/* Pages of [start, end) that are mapped by VMAs. */
unsigned long count_vma_pages_range(struct mm_struct *mm, unsigned long start, unsigned long end);
