// SPDX-License-Identifier: MIT
/*
 * pfnmap.c: mapping frames that are not managed memory: device registers, frame buffers,
 * reserved RAM.
 *
 *	file's mmap	vm_flags |= VM_PFNMAP_FLAGS, vm_ops = the driver's
 *	nopage		return vmf_insert_pfn(vmf, frame of vmf->pgoff)
 *
 * The entries are marked as special: all code that handles entries (fork, zap, mremap, reverse
 * mapping, follow_page) leaves the frame's descriptor alone, if it has one at all (PT-38, AS-26).
 * Such a region is never swapped, grown or dumped.
 *
 * Locking: mmap_lock for read, as in a fault; page_table_lock for the entry.
 * Failure: a private writable mapping is refused with SIGBUS, as there is no page to copy.
 */
#include "vma_internal.h"

vm_fault_t vmf_insert_pfn(struct vm_fault *vmf, unsigned long pfn)
{
	struct vm_area_struct *vma = vmf->vma;
	struct mm_struct *mm = vma->vm_mm;
	pte_t pte = pte_mkspecial(pfn_pte(pfn, vma->vm_page_prot));

	VM_BUG_ON((vma->vm_flags & VM_PFNMAP_FLAGS) != VM_PFNMAP_FLAGS);
	mmap_assert_locked(mm);
	VM_BUG_ON(is_zero_pfn(pfn));
	if (is_cow_mapping(vma->vm_flags) && vma->vm_flags & VM_WRITE)
		return VM_FAULT_SIGBUS;
	if (vmf->flags & FAULT_FLAG_WRITE)
		pte = pte_mkwrite(pte_mkwritten(pte));
	spin_lock(&mm->page_table_lock);
	/* Another thread may have served the same fault; its entry maps the same frame. */
	if (pte_val(ptep_get(vmf->pte)) == pte_val(vmf->orig_pte)) {
		set_pte_at(mm, vmf->address, vmf->pte, pte);
		update_mmu_cache(vma, vmf->address, vmf->pte);
	}
	spin_unlock(&mm->page_table_lock);
	return VM_FAULT_NOPAGE;
}
