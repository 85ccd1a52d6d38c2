// SPDX-License-Identifier: MIT
/*
 * clear_refs.c: forget which pages a process has used (/proc/PID/clear_refs), so that somebody
 * who looks again later knows what was used since (smaps, pagemap).
 *
 *	accessed	the CPU's bit, cleared
 *	soft-dirty	write access is taken away and _PAGE_SOFT_CLEAN set; the first store faults,
 *			and pte_mkdirty() on its way takes the mark away again
 *
 * An entry is soft-dirty unless marked otherwise: whatever makes a new entry (faults, swap-in)
 * need not know of it.
 *
 * Locking: mmap_lock for read, page_table_lock over one table's entries. Nothing fails.
 */
#include <asm/pgtable.h>
#include "vma_internal.h"

/* One table's entries; page_table_lock held. */
static void clear_entries(struct mm_struct *mm, pte_t *ptep, unsigned long nr, bool soft_dirty)
{
	for (; nr; nr--, ptep++) {
		pte_t pte = ptep_get(ptep);

		if (!pte_present(pte))
			continue;
		if (!soft_dirty) {
			if (normal_page(pte))
				(void)ptep_test_and_clear_young(ptep); /* whether it was set is not asked */
			continue;
		}
		pte = ptep_get_and_clear(mm, 0, ptep); /* a CPU may be setting its bits */
		set_pte(ptep, pte_mksoft_clean(pte_wrprotect(pte)));
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
	}
	spin_unlock(&mm->page_table_lock);
}

static bool concerns(const struct vm_area_struct *vma, enum clear_refs_kind kind)
{
	return kind == CLEAR_REFS_ANON ? !vma->vm_file : kind != CLEAR_REFS_MAPPED || vma->vm_file;
}

void clear_refs(struct mm_struct *mm, enum clear_refs_kind kind)
{
	if (kind == CLEAR_REFS_HIWATER) {
		down_write(&mm->mmap_lock);
		__atomic_store_n(&mm->hiwater_rss, get_mm_rss(mm), __ATOMIC_RELAXED);
		up_write(&mm->mmap_lock);
		return;
	}
	down_read(&mm->mmap_lock);
	for (struct vm_area_struct *vma = mm->mmap; vma; vma = vma->vm_next)
		if (concerns(vma, kind))
			clear_vma(vma, kind == CLEAR_REFS_SOFT_DIRTY);
	flush_tlb_mm(mm);
	up_read(&mm->mmap_lock);
}
