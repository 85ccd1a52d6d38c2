// SPDX-License-Identifier: MIT
/*
 * mprotect.c: changing the rights of a range.
 *
 * VMA by VMA: split off the part, give it its flags (merging where neighbours become
 * equal), then rewrite the entries that are present. Frames, accessed and dirty bits
 * stay. A private page becomes writable here only if no other process uses it; otherwise the first
 * write faults, and the fault decides whether to copy (AS-65).
 *
 *	narrowed (lost write, read or execute)	flush before return
 *	widened					no flush: a spurious fault at most
 *
 * Locking: mmap_lock for write; page_table_lock around each table.
 *
 * Failure: at a hole in the range, or where the rights are refused, the change ends; the part
 * before it stays changed, as in Linux. Without memory for a split the VMA at hand is unchanged.
 */
#include <pagoda/page_alloc.h>
#include "vma_internal.h"

/* How the entries of one VMA are to change. */
struct protection_change {
	struct mm_struct *mm;
	pgprot_t prot;
	bool keep_own_writable; /* private and writable: pages of our own need no fault */
	bool soft_dirty;	/* else a page's first store since clear_refs is to be seen */
	bool narrowed;		/* out: some entry allows less than before */
};

/*
 * The entry with the new rights. vm_page_prot of a private region never permits writing, so that
 * written pages would all fault once more after each mprotect(). A dirty page of which this process
 * is the only user gets the write bit at once. If the region's soft-dirty bits are in use, the
 * entry must have its bit already, because a write that does not fault could not set it.
 */
static inline pte_t new_entry(const struct protection_change *c, pte_t old)
{
	pte_t pte = pte_modify(old, c->prot);

	if (c->keep_own_writable && pte_dirty(old) && (c->soft_dirty || pte_soft_dirty(old))) {
		struct page *page = normal_page(old);

		if (page && PageAnon(page) && page_count_no_batch(page) == 1)
			pte = pte_mkwrite(pte);
	}
	return pte;
}

/*
 * Did the change take away a right that some TLB may still hold? Bit NX is a right that is set when
 * it is missing.
 */
static inline bool allows_less(pte_t old, pte_t new)
{
	return (pte_val(old) & (pteval_t)~pte_val(new) & (_PAGE_PRESENT | _PAGE_RW)) ||
	       (pte_val(new) & (pteval_t)~pte_val(old) & _PAGE_NX);
}

/*
 * Change nr entries of one table. An entry that permits writing is cleared in one step first,
 * because a CPU may set its dirty bit at any time; other entries lose at most an accessed bit.
 */
static void change_pte_range(struct protection_change *c, pte_t *ptep, unsigned long nr)
	MUST_HOLD(&c->mm->page_table_lock)
{
	lockdep_assert_held(&c->mm->page_table_lock);
	VM_BUG_ON(!nr || nr > PTRS_PER_PTE);
	for (; nr; nr--, ptep++) {
		pte_t old = ptep_get(ptep), new;

		if (!pte_present(old))
			continue;
		if (pte_write(old))
			old = ptep_get_and_clear(c->mm, 0, ptep);
		new = new_entry(c, old);
		ptep_replace_readonly(ptep, new);
		c->narrowed |= allows_less(old, new);
	}
}

/*
 * Rewrite the entries of [start, end). Flush only if some entry permits less than before: a
 * translation with fewer rights than its entry costs at most a spurious fault (mark_used() in
 * memory.c).
 */
static void change_protection(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	struct protection_change c = {
		.mm = vma->vm_mm,
		.prot = vma->vm_page_prot,
		.keep_own_writable = (vma->vm_flags & (VM_WRITE | VM_SHARED)) == VM_WRITE,
		.soft_dirty = vma->vm_flags & VM_SOFTDIRTY,
	};
	unsigned long addr = start, next;
	pmd_t *pmd;

	mmap_assert_write_locked(vma->vm_mm);
	VM_BUG_ON((start | end) & ~PAGE_MASK);
	VM_BUG_ON(start < vma->vm_start || end > vma->vm_end);
	spin_lock(&c.mm->page_table_lock);
	for (; (pmd = next_pmd(c.mm, &addr, end)); addr = next) {
		next = pmd_addr_end(addr, end);
		change_pte_range(&c, pte_offset(pmd, addr), (next - addr) >> PAGE_SHIFT);
		if (next < end)
			page_table_pause(c.mm);
	}
	spin_unlock(&c.mm->page_table_lock);
	if (c.narrowed)
		flush_tlb_range(c.mm, start, end);
}

/*
 * Change one VMA's part [start, end) to flags. Private memory that becomes writable may need frames
 * of its own from now on, and is charged (VM_ACCOUNT), unless it was charged before. *pvma is set
 * to the VMA that covers the range afterwards, which may be a merged neighbour.
 */
static int mprotect_fixup(struct vm_area_struct **pvma, unsigned long start, unsigned long end,
			  unsigned long flags)
{
	struct vm_area_struct *vma = *pvma;
	unsigned long old_flags = vma->vm_flags, pages = (end - start) >> PAGE_SHIFT;
	struct mm_struct *mm = vma->vm_mm;
	bool charged = false;

	VM_BUG_ON(start < vma->vm_start || end > vma->vm_end || start >= end);
	if (flags == old_flags)
		return 0;
	if (flags & VM_WRITE) {
		/*
		 * The pages move to the data total, which RLIMIT_DATA limits. If the old kind
		 * exceeded a limit as well, the change makes nothing worse and is permitted.
		 */
		if (!may_expand_vm(mm, flags, pages) && may_expand_vm(mm, old_flags, pages))
			return -ENOMEM;
		if (!(old_flags & (VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE))) {
			if (vm_enough_memory(pages))
				return -ENOMEM;
			charged = true;
			flags |= VM_ACCOUNT;
		}
	}
	vma = vma_modify(vma, start, end, flags);
	if (IS_ERR(vma)) {
		if (charged)
			vm_unacct_memory(pages);
		return (int)PTR_ERR(vma);
	}
	*pvma = vma;
	vm_stat_account(mm, old_flags, -(long)pages);
	vm_stat_account(mm, flags, (long)pages);
	change_protection(vma, start, end);
	return 0;
}

/* PROT_ bits as VM_ bits. */
static unsigned long prot_to_flags(unsigned long prot)
{
	return (prot & PROT_READ ? VM_READ : 0) | (prot & PROT_WRITE ? VM_WRITE : 0) |
	       (prot & PROT_EXEC ? VM_EXEC : 0);
}

/*
 * The first VMA of the change. PROT_GROWSDOWN extends the range down to the start of the stack, and
 * PROT_GROWSUP up to the end of a region that grows upwards.
 */
static int first_vma(struct mm_struct *mm, unsigned long grows, unsigned long *start,
		     unsigned long *end, struct vm_area_struct **pvma)
{
	struct vm_area_struct *vma = find_vma(mm, *start);

	if (!vma)
		return -ENOMEM;
	*pvma = vma;
	if (grows & PROT_GROWSDOWN) {
		if (vma->vm_start >= *end)
			return -ENOMEM;
		*start = vma->vm_start;
		return vma->vm_flags & VM_GROWSDOWN ? 0 : -EINVAL;
	}
	if (vma->vm_start > *start)
		return -ENOMEM;
	if (grows & PROT_GROWSUP) {
		*end = vma->vm_end;
		return vma->vm_flags & VM_GROWSUP ? 0 : -EINVAL;
	}
	return 0;
}

/*
 * Locked private regions that became writable. If there are more than BECAME_WRITABLE_MAX of them,
 * the last range is extended over the rest and what lies between.
 */
#define BECAME_WRITABLE_MAX 8
struct became_writable {
	unsigned int nr;
	struct {
		unsigned long start, end;
	} range[BECAME_WRITABLE_MAX];
};

/*
 * A locked region must not fault. Its pages are present, but after the region became writable the
 * first write to each would have to copy; do_mprotect() does that now.
 */
static void note_if_becomes_writable(struct became_writable *became,
				     const struct vm_area_struct *vma, unsigned long start,
				     unsigned long stop, unsigned long flags)
{
	if ((vma->vm_flags & (VM_WRITE | VM_SHARED | VM_LOCKED)) != VM_LOCKED ||
	    !(flags & VM_WRITE))
		return;
	if (became->nr < BECAME_WRITABLE_MAX)
		became->range[became->nr++].start = start;
	became->range[became->nr - 1].end = stop;
}

/* Change the VMAs of [start, end) one after another, from vma on. 0, or the error that ended it. */
static int mprotect_vmas(struct vm_area_struct *vma, unsigned long start, unsigned long end,
			 unsigned long prot, struct became_writable *became)
{
	unsigned int turns = 0;

	mmap_assert_write_locked(vma->vm_mm);
	VM_BUG_ON(vma->vm_start > start || vma->vm_end <= start || start >= end);
	for (;;) {
		unsigned long flags = prot_to_flags(prot) | (vma->vm_flags & ~VM_ACCESS_FLAGS);
		unsigned long stop = min(end, vma->vm_end);
		int err;

		/*
		 * VM_MAYREAD, VM_MAYWRITE and VM_MAYEXEC are four bits above VM_READ, VM_WRITE and
		 * VM_EXEC: a right whose VM_MAY bit is missing is refused.
		 */
		if (flags & ~(flags >> 4) & VM_ACCESS_FLAGS)
			return -EACCES;
		note_if_becomes_writable(became, vma, start, stop, flags);
		err = mprotect_fixup(&vma, start, stop, flags);
		if (err || stop == end)
			return err;
		start = stop;
		/* After a merge the VMA may reach further than what was changed. */
		if (vma->vm_end <= start)
			vma = vma->vm_next;
		if (!vma || vma->vm_start > start)
			return -ENOMEM;
		pause_now_and_then(&turns);
	}
}

long do_mprotect(struct mm_struct *mm, unsigned long start, size_t len, unsigned long prot)
{
	unsigned long grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP), end;
	struct vm_area_struct *vma;
	struct became_writable became;
	int err;

	prot &= ~grows;
	if (grows == (PROT_GROWSDOWN | PROT_GROWSUP) || start & ~PAGE_MASK)
		return -EINVAL;
	if (!len)
		return 0;
	len = PAGE_ALIGN(len);
	end = start + len;
	if (end <= start)
		return -ENOMEM;
	if (prot & ~(unsigned long)(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM))
		return -EINVAL;
	became.nr = 0;
	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	err = first_vma(mm, grows, &start, &end, &vma);
	if (!err)
		err = mprotect_vmas(vma, start, end, prot, &became);
	up_write(&mm->mmap_lock);
	/*
	 * Locked regions that became writable get copies of their shared pages now, as far as that
	 * goes.
	 */
	for (unsigned int i = 0; unlikely(i < became.nr); i++)
		(void)mm_populate(mm, became.range[i].start, became.range[i].end, POPULATE_LOCKED);
	return err;
}
