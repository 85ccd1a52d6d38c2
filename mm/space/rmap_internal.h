/* SPDX-License-Identifier: MIT */
/*
 * rmap_internal.h: the records that lead from an anonymous page to the areas that may map it, as
 * files that change areas keep them (anon_vma.c). Walks: anon_vma.h, pagoda/rmap.h.
 *
 * mmap_lock is held for write unless a call says otherwise.
 */
#pragma once

#include <pagoda/mm_types.h>

int __anon_vma_prepare(struct vm_area_struct *vma) __must_check;
/* Before the first anonymous page of a VMA. mmap_lock for read. (FT-44) */
static inline int __must_check anon_vma_prepare(struct vm_area_struct *vma)
{
	if (likely(smp_load_acquire(&vma->anon_vma)))
		return 0;
	return __anon_vma_prepare(vma);
}
void anon_vma_link(struct vm_area_struct *vma);	  /* vma->anon_vma was copied: join its list */
void anon_vma_unlink(struct vm_area_struct *vma); /* leave it; the last one frees it */
/*
 * Would a walk from the anonymous page come to vma? For checks; nobody may be changing the family.
 */
bool anon_vma_covers(const struct page *page, const struct vm_area_struct *vma);
void anon_vma_cache_init(void);
void anon_vma_lock(struct vm_area_struct *vma); /* while bounds change; no-op without one */
void anon_vma_unlock(struct vm_area_struct *vma);

/*
 * Reclaim: a locked page, in the swap cache if anonymous, out of the entry at addr. mmap_lock
 * held. True: it was there.
 */
bool unmap_page_from(struct page *page, struct vm_area_struct *vma, unsigned long addr);
