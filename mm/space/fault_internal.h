/* SPDX-License-Identifier: MIT */
/*
 * fault_internal.h: what the files that serve page faults share (memory.c, fault_retry.c,
 * memory_swap.c).
 */
#pragma once

#include "space_ops.h"
#include "vma_internal.h"

/* Is the access that faulted a write? */
static inline bool is_write(const struct vm_fault *vmf)
{
	return vmf->flags & FAULT_FLAG_WRITE;
}

/*
 * Take page_table_lock if the entry still has the value that the fault read (vmf->orig_pte). False:
 * it was changed meanwhile, the lock is not held, and the fault has nothing more to do.
 */
static inline bool lock_if_unchanged(struct vm_fault *vmf)
	TRY_ACQUIRES(true, &vmf->vma->vm_mm->page_table_lock)
		NO_LOCK_ANALYSIS("clang takes the test for another lock's: vma is loaded twice")
{
	struct mm_struct *mm = vmf->vma->vm_mm;

	VM_BUG_ON(vmf->address & ~PAGE_MASK || vmf->address >= TASK_SIZE);
	spin_lock(&mm->page_table_lock);
	if (likely(pte_val(ptep_get(vmf->pte)) == pte_val(vmf->orig_pte)))
		return true;
	spin_unlock(&mm->page_table_lock);
	return false;
}
/* Release page_table_lock, taken by lock_if_unchanged(). */
static inline void unlock_pte(struct vm_fault *vmf) RELEASES(&vmf->vma->vm_mm->page_table_lock)
{
	spin_unlock(&vmf->vma->vm_mm->page_table_lock);
}
/* Set the entry, which is none or a swap entry. The caller holds page_table_lock. */
static inline void install(struct vm_fault *vmf, pte_t pte)
{
	lockdep_assert_held(&vmf->vma->vm_mm->page_table_lock);
	VM_BUG_ON(!pte_present(pte));
	VM_BUG_ON(pte_write(pte) && is_zero_pfn(pte_pfn(pte))); /* (F2) of memory.c */
	VM_BUG_ON(vmf->address < vmf->vma->vm_start || vmf->address >= vmf->vma->vm_end);
	set_pte_at(vmf->vma->vm_mm, vmf->address, vmf->pte, pte);
	update_mmu_cache(vmf->vma, vmf->address, vmf->pte);
}

/*
 * Drop mmap_lock in the middle of a fault (fault_retry.c). The fault's flags have
 * FAULT_FLAG_ALLOW_RETRY; its handler must return VM_FAULT_RETRY and must not use the VMA any more.
 * Context: process context. Locks: releases mmap_lock, held for read.
 */
void fault_unlock_mm(struct vm_fault *vmf);
/*
 * Keep the page until fault_retry_end(), so that reclaim cannot free it before the second try maps
 * it.
 * Context: process context. Refs: the caller's reference passes to the running task.
 */
void fault_keep_page(struct page *page);
/*
 * Lock a page. Context: may sleep. Locks: mmap_lock held for read; released if the page is locked
 * by someone else and the fault may be retried. Refs: the caller holds a reference to the page; if
 * the result is false, it has passed to fault_keep_page().
 * Return: true with the page locked; false if mmap_lock was dropped: the handler must return
 * VM_FAULT_RETRY.
 */
bool lock_page_or_retry(struct vm_fault *vmf, struct page *page) __must_check;

/*
 * Serve a write to a page that is present and write-protected (memory.c). Context: may sleep.
 * Locks: mmap_lock held for read; dropped if the result has VM_FAULT_RETRY. Return: VM_FAULT_ bits.
 */
vm_fault_t do_wp_page(struct vm_fault *vmf);

/*
 * Read the boot option fault_around. Context: once, at boot. Return: nothing; a bad value is
 * logged.
 */
void fault_around_init(void);
