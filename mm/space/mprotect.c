// SPDX-License-Identifier: MIT
/*
 * mprotect.c: changing the rights of a range.
 *
 * VMA by VMA: split off the part, give it its flags (merging where neighbours become
 * equal), then rewrite the entries that are present. Frames, accessed and dirty bits
 * stay. A private page never becomes writable here unless nobody else has it: the
 * write fault decides about copies (AS-65).
 *
 *	narrowed (lost write, read or execute)	flush before return
 *	widened					no flush: a spurious fault at most
 *
 * Locking: mmap_lock for write; page_table_lock around each table.
 *
 * Failure: at a hole or where rights forbid, what lies before stays changed, as
 * Linux does it; without memory the VMA at hand is untouched.
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

static inline bool allows_less(pte_t old, pte_t new)
{
	return (pte_val(old) & (pteval_t)~pte_val(new) & (_PAGE_PRESENT | _PAGE_RW)) ||
	       (pte_val(new) & (pteval_t)~pte_val(old) & _PAGE_NX);
}

static void change_pte_range(struct protection_change *c, pte_t *ptep, unsigned long nr)
{
	for (; nr; nr--, ptep++) {
		pte_t old = ptep_get(ptep), new;

		if (!pte_present(old))
			continue;
		if (pte_write(old)) /* a CPU may set its dirty bit at any time */
			old = ptep_get_and_clear(c->mm, 0, ptep);
		new = new_entry(c, old);
		ptep_replace_readonly(ptep, new);
		c->narrowed |= allows_less(old, new);
	}
}

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

/* The part [start, end) of one VMA. *pvma: the VMA that covers it then. */
static int mprotect_fixup(struct vm_area_struct **pvma, unsigned long start, unsigned long end,
			  unsigned long flags)
{
	struct vm_area_struct *vma = *pvma;
	unsigned long old_flags = vma->vm_flags, pages = (end - start) >> PAGE_SHIFT;
	struct mm_struct *mm = vma->vm_mm;
	bool charged = false;

	if (flags == old_flags)
		return 0;
	if (flags & VM_WRITE) {
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

static unsigned long prot_to_flags(unsigned long prot)
{
	return (prot & PROT_READ ? VM_READ : 0) | (prot & PROT_WRITE ? VM_WRITE : 0) |
	       (prot & PROT_EXEC ? VM_EXEC : 0);
}

/* Where the change starts and ends, by the PROT_GROWS* bits. */
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
 * Locked private regions that became writable; the last range reaches over those that have none of
 * their own.
 */
#define BECAME_WRITABLE_MAX 8
struct became_writable {
	unsigned int nr;
	struct {
		unsigned long start, end;
	} range[BECAME_WRITABLE_MAX];
};

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

static int mprotect_vmas(struct vm_area_struct *vma, unsigned long start, unsigned long end,
			 unsigned long prot, struct became_writable *became)
{
	unsigned int turns = 0;

	for (;;) {
		unsigned long flags = prot_to_flags(prot) | (vma->vm_flags & ~VM_ACCESS_FLAGS);
		unsigned long stop = min(end, vma->vm_end);
		int err;

		/* VM_MAYx is VM_x, four bits up. */
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

int do_mprotect(unsigned long start, size_t len, unsigned long prot)
{
	unsigned long grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP), end;
	struct mm_struct *mm = current_vm->mm;
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
