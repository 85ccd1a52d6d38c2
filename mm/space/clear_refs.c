// SPDX-License-Identifier: MIT
/*
 * clear_refs.c: clear the marks of the pages that a process has used (/proc/PID/clear_refs). A
 * later look at the marks (smaps, pagemap) then tells which pages were used in between.
 *
 *	accessed	the CPU's bit, cleared
 *	soft-dirty	_PAGE_SOFT_DIRTY is cleared and write access taken away; the first store faults,
 *			and pte_mkwritten() on its way sets the mark again. A swap entry has a bit for it
 *			as well, which swapping out and in preserve
 *
 * A new region starts with VM_SOFTDIRTY, which says that all its pages count as written, and loses
 * the flag here. In a region without it, no page is mapped writable before it was written to
 * (vma_page_prot).
 *
 * Locking: mmap_lock, for write where regions change, else for read; page_table_lock over one
 * table's entries. Failure: -EINTR, a fatal signal came before mmap_lock; nothing changed.
 */
#include <asm/pgtable.h>
#include <pagoda/errno.h>
#include "vma_internal.h"

/* Clear the marks of nr entries of one table; the caller flushes. */
static void clear_entries(struct mm_struct *mm, pte_t *ptep, unsigned long nr, bool soft_dirty)
	MUST_HOLD(&mm->page_table_lock)
{
	lockdep_assert_held(&mm->page_table_lock);
	VM_BUG_ON(!nr || nr > PTRS_PER_PTE);
	for (; nr; nr--, ptep++) {
		pte_t pte = ptep_get(ptep);

		if (!soft_dirty) {
			if (pte_present(pte) && normal_page(pte))
				/* its old value is not needed */
				(void)ptep_test_and_clear_young(ptep);
			continue;
		}
		if (!pte_present(pte)) {
			if (!pte_none(pte))
				set_pte_at(mm, 0, ptep, pte_swp_clear_soft_dirty(pte));
			continue;
		}
		pte = ptep_get_and_clear(mm, 0, ptep); /* CPUs may set bits */
		set_pte_at(mm, 0, ptep, pte_clear_soft_dirty(pte_wrprotect(pte)));
	}
}

/* Clear the marks of one VMA, a table at a time. */
static void clear_vma(struct vm_area_struct *vma, bool soft_dirty)
{
	unsigned long addr = vma->vm_start, end = vma->vm_end, next;
	struct mm_struct *mm = vma->vm_mm;
	pmd_t *pmd;

	mmap_assert_locked(mm);
	spin_lock(&mm->page_table_lock);
	for (; (pmd = next_pmd(mm, &addr, end)); addr = next) {
		next = pmd_addr_end(addr, end);
		clear_entries(mm, pte_offset(pmd, addr), (next - addr) >> PAGE_SHIFT, soft_dirty);
		if (next < end)
			page_table_pause(mm);
	}
	spin_unlock(&mm->page_table_lock);
}

/* Does the request concern the region: all regions, those without a file, or those with one? */
static bool concerns(const struct vm_area_struct *vma, enum clear_refs_kind kind)
{
	return kind == CLEAR_REFS_ANON ? !vma->vm_file : kind != CLEAR_REFS_MAPPED || vma->vm_file;
}

/*
 * Forget all writes. The flag goes first, then the entries: vma_set_flags() derives vm_page_prot
 * from the flags, so that faults from now on map pages write-protected.
 */
static int clear_soft_dirty(struct mm_struct *mm)
{
	unsigned int turns = 0;

	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	for (struct vm_area_struct *vma = mm->mmap; vma; vma = vma->vm_next) {
		if (vma->vm_flags & VM_SOFTDIRTY)
			vma_set_flags(vma, vma->vm_flags & ~VM_SOFTDIRTY);
		clear_vma(vma, true);
		pause_now_and_then(&turns);
	}
	flush_tlb_mm(mm);
	up_write(&mm->mmap_lock);
	return 0;
}

/* Start the mark of the largest resident set anew, from the present one. */
static int clear_hiwater(struct mm_struct *mm)
{
	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	WRITE_ONCE(mm->hiwater_rss, get_mm_rss(mm));
	up_write(&mm->mmap_lock);
	return 0;
}

int clear_refs(struct mm_struct *mm, enum clear_refs_kind kind)
{
	unsigned int turns = 0;

	VM_BUG_ON(kind < CLEAR_REFS_ALL || kind > CLEAR_REFS_HIWATER);
	if (kind == CLEAR_REFS_HIWATER)
		return clear_hiwater(mm);
	if (kind == CLEAR_REFS_SOFT_DIRTY)
		return clear_soft_dirty(mm);
	if (down_read_killable(&mm->mmap_lock))
		return -EINTR;
	for (struct vm_area_struct *vma = mm->mmap; vma; vma = vma->vm_next) {
		if (concerns(vma, kind))
			clear_vma(vma, false);
		pause_now_and_then(&turns);
	}
	/* Otherwise a CPU that still has a translation would not set the accessed bit again. */
	flush_tlb_mm(mm);
	up_read(&mm->mmap_lock);
	return 0;
}
