/* SPDX-License-Identifier: MIT */
/* fault_internal.h: what the files that serve page faults share (memory.c, memory_swap.c). */
#pragma once

#include "space_ops.h"
#include "vma_internal.h"

static inline bool is_write(const struct vm_fault *vmf)
{
	return vmf->flags & FAULT_FLAG_WRITE;
}

/* Lock the entry if it is still what the fault saw. */
static inline bool lock_if_unchanged(struct vm_fault *vmf)
{
	struct mm_struct *mm = vmf->vma->vm_mm;

	spin_lock(&mm->page_table_lock);
	if (likely(pte_val(ptep_get(vmf->pte)) == pte_val(vmf->orig_pte)))
		return true;
	spin_unlock(&mm->page_table_lock);
	return false;
}
static inline void unlock_pte(struct vm_fault *vmf)
{
	spin_unlock(&vmf->vma->vm_mm->page_table_lock);
}
static inline void install(struct vm_fault *vmf, pte_t pte)
{
	lockdep_assert_held(&vmf->vma->vm_mm->page_table_lock);
	set_pte_at(vmf->vma->vm_mm, vmf->address, vmf->pte, pte);
	update_mmu_cache(vmf->vma, vmf->address, vmf->pte);
}

/*
 * fault_retry.c: drop mmap_lock. The fault has FAULT_FLAG_ALLOW_RETRY; its handler must return
 * VM_FAULT_RETRY, and not use the VMA any more.
 */
void fault_unlock_mm(struct vm_fault *vmf);
/* Keep page until fault_retry_end(). The caller's reference passes to the running task. */
void fault_keep_page(struct page *page);
/*
 * Lock the page, of which the caller has a reference. False: mmap_lock was dropped, the page has
 * been waited for, and the reference has passed to fault_keep_page(); the handler must return
 * VM_FAULT_RETRY.
 */
bool lock_page_or_retry(struct vm_fault *vmf, struct page *page) __must_check;

/* A write to a page that is there and write-protected (memory.c). */
vm_fault_t do_wp_page(struct vm_fault *vmf);

/* Reads the boot option fault_around. Once, at boot. */
void fault_around_init(void);
