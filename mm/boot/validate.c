// SPDX-License-Identifier: MIT
/*
 * validate.c: does an address space agree with itself? For tests and debugging (XC-06).
 *
 * validate_vmas() (vma.c) has checked list and tree; here the sums over VMAs, and the page
 * tables against VMAs and counters:
 *
 *	(P1) a present entry lies in a VMA and allows no more than its flags
 *	(P2) a page mapped writable in a private VMA is anonymous and mapped there alone
 *	(P3) rss_* are the numbers of entries by kind
 *	(P4) pgtables_bytes are the tables that are hooked in, each of them needed by a VMA
 *	(P5) an anonymous page knows the anon_vma of its VMA, or one above it, and its place
 *
 * The walk goes down level by level, pgd to pte, as a fault would, but visits every entry that is
 * present. Levels that the geometry folds away have no table of their own and are not counted.
 *
 * Locking: mmap_lock; no task may fault in the address space meanwhile.
 * Failure: panics with the first difference.
 * Observability: tests call validate_mm() after each step; it prints nothing if all is well.
 */
#include <asm/pgalloc.h>
#include <mm/space/vma_internal.h>

/* What the page tables contain, to be compared with the address space's counters. */
struct counts {
	unsigned long anon, file, shmem, swap, tables;
};

/*
 * (P1), (P2), (P5) for one present entry at addr, and count its page. The zero page and frames
 * without a descriptor have no normal_page(), and no counter.
 */
static void check_entry(const struct vm_area_struct *vma, unsigned long addr, pte_t pte,
			struct counts *c)
{
	struct page *page = normal_page(pte);

	BUG_ON(!vma || addr < vma->vm_start);
	BUG_ON(pte_write(pte) && !(vma->vm_flags & VM_WRITE));
	BUG_ON(pte_accessible(pte) && !vma_is_accessible(vma));
	/* Every process that maps the zero page would see a store to it. */
	BUG_ON(is_zero_pfn(pte_pfn(pte)) && pte_write(pte));
	if (!page)
		return;
	BUG_ON(page_count(page) < 1 || page_mapcount(page) < 1);
	/* Were the page mapped twice, a store here would change another process's memory. */
	if (pte_write(pte) && !(vma->vm_flags & VM_SHARED))
		BUG_ON(!PageAnon(page) || page_mapcount(page) != 1);
	if (PageAnon(page)) {
		BUG_ON(!anon_vma_covers(page, vma));
		BUG_ON(page->index != vma_pgoff(vma, addr));
		c->anon++;
	} else if (PageSwapBacked(page)) {
		c->shmem++;
	} else {
		c->file++;
	}
}

/*
 * One table of entries, for [addr, end). It must have a VMA in its range: free_pgtables() frees a
 * table with its last VMA. An entry that is neither present nor none is a swapped-out page's.
 */
static void check_pte_table(struct mm_struct *mm, pmd_t *pmd, unsigned long addr, unsigned long end,
			    struct counts *c)
{
	struct vm_area_struct *vma = find_vma(mm, addr);

	BUG_ON(pmd_bad(pmdp_get(pmd)));
	BUG_ON(!vma || vma->vm_start >= end); /* (P4) */
	for (pte_t *ptep = pte_offset(pmd, addr); addr < end; ptep++, addr += PAGE_SIZE) {
		pte_t pte = ptep_get(ptep);

		while (vma && vma->vm_end <= addr)
			vma = vma->vm_next;
		if (pte_present(pte))
			check_entry(vma, addr, pte, c);
		else if (!pte_none(pte))
			c->swap++;
	}
}

static void check_pmd_table(struct mm_struct *mm, pud_t *pud, unsigned long addr, unsigned long end,
			    struct counts *c)
{
	pmd_t *pmd = pmd_offset(pud, addr);

	c->tables += !PMD_FOLDED;
	for (unsigned long next; addr < end; pmd++, addr = next) {
		next = pmd_addr_end(addr, end);
		if (pmd_none(pmdp_get(pmd)))
			continue;
		c->tables++;
		check_pte_table(mm, pmd, addr, next, c);
	}
}

static void check_pud_table(struct mm_struct *mm, p4d_t *p4d, unsigned long addr, unsigned long end,
			    struct counts *c)
{
	pud_t *pud = pud_offset(p4d, addr);

	c->tables += !PUD_FOLDED;
	for (unsigned long next; addr < end; pud++, addr = next) {
		next = pud_addr_end(addr, end);
		if (!pud_none(pudp_get(pud)))
			check_pmd_table(mm, pud, addr, next, c);
	}
}

static void check_p4d_table(struct mm_struct *mm, pgd_t *pgd, unsigned long addr, unsigned long end,
			    struct counts *c)
{
	p4d_t *p4d = p4d_offset(pgd, addr);

	c->tables += !P4D_FOLDED;
	for (unsigned long next; addr < end; p4d++, addr = next) {
		next = p4d_addr_end(addr, end);
		if (!p4d_none(p4dp_get(p4d)))
			check_pud_table(mm, p4d, addr, next, c);
	}
}

/* Walk the user half of the tables and compare the sums: (P3), (P4). The top table counts, too. */
static void check_tables(struct mm_struct *mm)
{
	unsigned long end = USER_PTRS_PER_PGD * PGDIR_SIZE;
	struct counts c = {.tables = 1};
	pgd_t *pgd = mm->pgd;

	for (unsigned long addr = 0, next; addr < end; pgd++, addr = next) {
		next = pgd_addr_end(addr, end);
		if (!pgd_none(pgdp_get(pgd)))
			check_p4d_table(mm, pgd, addr, next, &c);
	}
	BUG_ON(c.anon != (unsigned long)atomic_long_read(&mm->rss_anon));
	BUG_ON(c.file != (unsigned long)atomic_long_read(&mm->rss_file));
	BUG_ON(c.shmem != (unsigned long)atomic_long_read(&mm->rss_shmem));
	BUG_ON(c.swap != (unsigned long)atomic_long_read(&mm->swap_usage));
	BUG_ON(c.tables * PAGE_SIZE != (unsigned long)atomic_long_read(&mm->pgtables_bytes));
}

/* The totals that mmap() and relatives keep are the sums over the VMAs. */
static void check_totals(struct mm_struct *mm)
{
	unsigned long total = mm->total_vm, locked = 0;
	unsigned long data = mm->data_vm, exec = mm->exec_vm, stack = mm->stack_vm;

	/* vm_stat_account() adds to the totals of mm, so these are counted up anew from zero. */
	mm->total_vm = mm->data_vm = mm->exec_vm = mm->stack_vm = 0;
	for (struct vm_area_struct *vma = mm->mmap; vma; vma = vma->vm_next) {
		vm_stat_account(mm, vma->vm_flags, (long)vma_pages(vma));
		locked += vma->vm_flags & VM_LOCKED ? vma_pages(vma) : 0;
	}
	BUG_ON(mm->total_vm != total || mm->data_vm != data || mm->exec_vm != exec ||
	       mm->stack_vm != stack);
	BUG_ON(mm->locked_vm != locked);
}

void validate_mm(struct mm_struct *mm)
{
	validate_vmas(mm);
	check_totals(mm);
	check_tables(mm);
}
