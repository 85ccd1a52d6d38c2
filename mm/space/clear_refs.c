// SPDX-License-Identifier: MIT
/*
 * clear_refs.c: forget which pages a process has used (/proc/PID/clear_refs), so that somebody
 * who looks again later knows what was used since (smaps, pagemap).
 *
 *	accessed	the CPU's bit, cleared
 *	soft-dirty	_PAGE_SOFT_DIRTY is cleared and write access taken away; the first store faults,
 *			and pte_mkwritten() on its way sets the mark again. A swap entry has a bit for it
 *			as well, which swapping out and in hand on
 *
 * A region made since the last time has no history of its own: it is born with VM_SOFTDIRTY, which
 * says so of all its pages, and loses it here. Without it nothing is mapped writable before
 * it was stored to (vma_page_prot).
 *
 * Locking: mmap_lock, for write where regions change, else for read; page_table_lock over one
 * table's entries. Failure: -EINTR, a fatal signal came before mmap_lock; nothing changed.
 */
#include <asm/pgtable.h>
#include <pagoda/errno.h>
#include "vma_internal.h"

/* One table's entries; page_table_lock held. */
static void clear_entries(struct mm_struct *mm, pte_t *ptep, unsigned long nr, bool soft_dirty)
{
	for (; nr; nr--, ptep++) {
		pte_t pte = ptep_get(ptep);

		if (!soft_dirty) {
			if (pte_present(pte) && normal_page(pte))
				/* whether it was set is not asked */
				(void)ptep_test_and_clear_young(ptep);
			continue;
		}
		if (!pte_present(pte)) {
			if (!pte_none(pte))
				set_pte_at(mm, 0, ptep, pte_swp_clear_soft_dirty(pte));
			continue;
		}
		pte = ptep_get_and_clear(mm, 0, ptep); /* a CPU may be setting its bits */
		set_pte_at(mm, 0, ptep, pte_clear_soft_dirty(pte_wrprotect(pte)));
	}
}

static void clear_vma(struct vm_area_struct *vma, bool soft_dirty)
{
	unsigned long addr = vma->vm_start, end = vma->vm_end, next;
	struct mm_struct *mm = vma->vm_mm;
	pmd_t *pmd;

	spin_lock(&mm->page_table_lock);
	for (; (pmd = next_pmd(mm, &addr, end)); addr = next) {
		next = pmd_addr_end(addr, end);
		clear_entries(mm, pte_offset(pmd, addr), (next - addr) >> PAGE_SHIFT, soft_dirty);
		if (next < end)
			page_table_pause(mm);
	}
	spin_unlock(&mm->page_table_lock);
}

static bool concerns(const struct vm_area_struct *vma, enum clear_refs_kind kind)
{
	return kind == CLEAR_REFS_ANON ? !vma->vm_file : kind != CLEAR_REFS_MAPPED || vma->vm_file;
}

/* All of a process's pages, and its regions, count as not written. */
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
	flush_tlb_mm(mm);
	up_read(&mm->mmap_lock);
	return 0;
}
