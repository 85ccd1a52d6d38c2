// SPDX-License-Identifier: MIT
/*
 * tables.c: page tables of user space in bulk: emptying, freeing and copying ranges.
 *
 * Everything goes table by table: one descent and one turn of the lock for up to a
 * whole page of entries, counters added up in between, and a pause after it, so that others
 * need not wait for a whole range. Ranges need not follow VMAs: what
 * a present entry maps says itself how it is counted (anonymous, file, shared memory;
 * the zero page and device frames not at all).
 *
 *	zap_page_range		entries of a range -> 0, pages into the mmu_gather
 *	free_pgtables		tables no VMA needs any more -> mmu_gather
 *	copy_page_range		fork: entries of one VMA into the child
 *	unmap_mapping_range	truncation: a file's pages out of every VMA
 *
 * Locking: page_table_lock around each table's entries and around hooking tables in and
 * out. Besides, either mmap_lock for write (nobody faults) or, in unmap_mapping_range,
 * the file's i_mmap_rwsem. The latter walks tables of an mm it has no mmap_lock of:
 * it holds page_table_lock over the whole descent, and tables are unhooked only
 * under that lock and only after the VMA left the file's tree.
 *
 * The law of tlb.h holds: pages and tables go through the mmu_gather.
 *
 * Failure: only copy_page_range allocates (tables of the child, copies of pinned pages); what it
 * has copied is torn down with the child.
 */
#include <pagoda/highmem.h>
#include <pagoda/mempolicy.h>
#include <pagoda/page_alloc.h>
#include <pagoda/swap.h>
#include <pagoda/vmstat.h>
#include <asm/pgalloc.h>
#include "vma_internal.h"

void update_hiwater_rss(struct mm_struct *mm)
{
	unsigned long rss = get_mm_rss(mm);
	unsigned long seen = READ_ONCE(mm->hiwater_rss);

	/*
	 * Several threads may be here (MADV_DONTNEED): a lower mark must not replace a higher one.
	 */
	while (seen < rss && !rmw_cmpxchg_relaxed(&mm->hiwater_rss, &seen, rss))
		;
}

/* ---- Zapping ------------------------------------------------------------------------------ */

struct zap_details {
	struct mmu_gather *tlb;
	bool keep_anon; /* private copies stay (truncation of the file's own pages) */
	/* out: a page of an object got its dirty bit from an entry, see unlock_zapped() */
	bool dirtied;
};

struct rss_delta {
	long anon, file, shmem, swap;
};

static inline void count_page(struct rss_delta *rss, const struct page *page, long n)
{
	if (PageAnon(page))
		rss->anon += n;
	else if (PageSwapBacked(page))
		rss->shmem += n;
	else
		rss->file += n;
}

/* page_table_lock held. */
static void apply_rss(struct mm_struct *mm, const struct rss_delta *rss)
{
	if (rss->anon)
		add_rss(&mm->rss_anon, rss->anon);
	if (rss->file)
		add_rss(&mm->rss_file, rss->file);
	if (rss->shmem)
		add_rss(&mm->rss_shmem, rss->shmem);
	if (rss->swap)
		add_rss(&mm->swap_usage, rss->swap);
}

/* One present entry; true if the gather is full. */
static inline bool zap_present(struct zap_details *z, struct rss_delta *rss, pte_t *ptep, pte_t pte,
			       unsigned long addr)
{
	struct mmu_gather *tlb = z->tlb;
	struct page *page = normal_page(pte);

	if (z->keep_anon && (!page || PageAnon(page)))
		return false;
	pte = tlb->fullmm ? ptep_get_and_clear_unused(tlb->mm, ptep)
			  : ptep_get_and_clear(tlb->mm, addr, ptep);
	if (pte_accessible(pte))
		tlb_changed(tlb, addr, addr + PAGE_SIZE);
	if (!page)
		return false;
	if (!PageAnon(page)) {
		keep_dirty(page, pte);
		z->dirtied |= pte_dirty(pte);
	}
	count_page(rss, page, -1);
	atomic_dec(&page->mapcount);
	return tlb_remove_page(tlb, page);
}

/* A swap entry: always a private page's. */
static void zap_swap_entry(const struct zap_details *z, struct rss_delta *rss, pte_t *ptep,
			   pte_t pte, unsigned long addr)
{
	if (z->keep_anon)
		return;
	pte_clear(z->tlb->mm, addr, ptep);
	swap_entry_ops->free(pte_to_swp_entry(pte));
	rss->swap--;
}

/* [addr, end) lies under one PMD entry. Returns where it stopped: end, or the gather is full. */
static unsigned long zap_pte_range(struct zap_details *z, pmd_t *pmd, unsigned long addr,
				   unsigned long end)
{
	struct rss_delta rss = {0, 0, 0, 0};
	pte_t *ptep = pte_offset(pmd, addr);
	bool full = false;

	lockdep_assert_held(&z->tlb->mm->page_table_lock);
	VM_BUG_ON(end > pmd_addr_end(addr, end));
	for (; addr < end && !full; ptep++, addr += PAGE_SIZE) {
		pte_t pte = ptep_get(ptep);

		if (pte_present(pte))
			full = zap_present(z, &rss, ptep, pte, addr);
		else if (unlikely(!pte_none(pte)))
			zap_swap_entry(z, &rss, ptep, pte, addr);
	}
	apply_rss(z->tlb->mm, &rss);
	return addr;
}

/* Skip to the end of the span whose table is missing. */
pmd_t *next_pmd(struct mm_struct *mm, unsigned long *addr, unsigned long end)
{
	BUG_ON(end > TASK_SIZE); /* the caller would change entries of the kernel */
	while (*addr < end) {
		pgd_t *pgd = pgd_offset(mm, *addr);
		p4d_t *p4d;
		pud_t *pud;
		pmd_t *pmd;
		unsigned long stop;

		if (pgd_none(pgdp_get(pgd))) {
			*addr = pgd_addr_end(*addr, end);
			continue;
		}
		p4d = p4d_offset(pgd, *addr);
		if (p4d_none(p4dp_get(p4d))) {
			*addr = p4d_addr_end(*addr, end);
			continue;
		}
		pud = pud_offset(p4d, *addr);
		if (pud_none(pudp_get(pud))) {
			*addr = pud_addr_end(*addr, end);
			continue;
		}
		stop = pud_addr_end(*addr, end);
		for (pmd = pmd_offset(pud, *addr); *addr < stop; pmd++) {
			if (!pmd_none(pmdp_get(pmd)))
				return pmd;
			*addr = pmd_addr_end(*addr, stop);
		}
	}
	return NULL;
}

/*
 * A CPU that remembers a dirty entry goes on storing without telling anybody. So it must have
 * forgotten it before somebody can take the page for clean:
 *
 *	zap				writeback			thread
 *	entry gone, page dirty
 *	flush, unlock			page_mkclean finds no entry
 *					write, page clean		store: faults
 */
static void unlock_zapped(struct zap_details *z)
{
	if (unlikely(z->dirtied))
		tlb_flush_translations(z->tlb);
	z->dirtied = false;
	spin_unlock(&z->tlb->mm->page_table_lock);
}

static void zap_range(struct zap_details *z, unsigned long addr, unsigned long end)
{
	struct mm_struct *mm = z->tlb->mm;
	pmd_t *pmd;

	spin_lock(&mm->page_table_lock);
	while ((pmd = next_pmd(mm, &addr, end))) {
		bool full;

		addr = zap_pte_range(z, pmd, addr, pmd_addr_end(addr, end));
		full = z->tlb->nr_pages == TLB_BATCH_PAGES;
		if (!full && addr >= end)
			break;
		unlock_zapped(z);
		if (full)
			tlb_flush_mmu(z->tlb);
		port_cond_resched();
		spin_lock(&mm->page_table_lock);
	}
	unlock_zapped(z);
}

void zap_page_range(struct mmu_gather *tlb, unsigned long start, unsigned long end)
{
	struct zap_details z = {.tlb = tlb};

	zap_range(&z, start, end);
}

/* ---- Freeing tables -------------------------------------------------------------------------- */

/* Where tables may be freed: no VMA reaches into [floor, ceiling). */
struct table_range {
	struct mmu_gather *tlb;
	unsigned long floor, ceiling;
};

/* The span of one entry, if nothing else uses its table. */
static inline bool span_is_free(const struct table_range *r, unsigned long addr, unsigned long size)
{
	unsigned long start = addr & ~(size - 1);

	return start >= r->floor && start + size - 1 <= r->ceiling - 1;
}

static void unhook_table(const struct table_range *r, pteval_t *entry, unsigned long addr,
			 bool pte_table)
{
	struct mm_struct *mm = r->tlb->mm;
	void *table = entry_table(entry_read(entry));

	spin_lock(&mm->page_table_lock);
	entry_write(entry, 0);
	spin_unlock(&mm->page_table_lock);
	pgtable_account(mm, -1);
	/*
	 * One page's flush also drops what a CPU remembers of the upper levels, but for registers.
	 */
	addr &= PAGE_MASK;
	tlb_changed(r->tlb, addr, addr + PAGE_SIZE);
	tlb_remove_table(r->tlb, table, pte_table);
}

static void free_pte_tables(const struct table_range *r, pud_t *pud, unsigned long addr,
			    unsigned long end)
{
	pmd_t *pmd = pmd_offset(pud, addr);

	for (unsigned long next; addr < end; pmd++, addr = next) {
		next = pmd_addr_end(addr, end);
		if (!pmd_none(pmdp_get(pmd)) && span_is_free(r, addr, PMD_SIZE))
			unhook_table(r, &pmd->pmd, addr, true);
	}
}

static void free_pmd_tables(const struct table_range *r, p4d_t *p4d, unsigned long addr,
			    unsigned long end)
{
	pud_t *pud = pud_offset(p4d, addr);

	for (unsigned long next; addr < end; pud++, addr = next) {
		next = pud_addr_end(addr, end);
		if (pud_none(pudp_get(pud)))
			continue;
		free_pte_tables(r, pud, addr, next);
		if (next < end)
			port_cond_resched();
		if (PMD_FOLDED || !span_is_free(r, addr, PUD_SIZE))
			continue;
		if (PUD_IN_REGISTERS)
			tlb_changed(r->tlb, addr & PUD_MASK,
				    min((addr & PUD_MASK) + PUD_SIZE, TASK_SIZE));
		unhook_table(r, &pud->pud, addr, false);
	}
}

static void free_pud_tables(const struct table_range *r, pgd_t *pgd, unsigned long addr,
			    unsigned long end)
{
	p4d_t *p4d = p4d_offset(pgd, addr);

	for (unsigned long next; addr < end; p4d++, addr = next) {
		next = p4d_addr_end(addr, end);
		if (p4d_none(p4dp_get(p4d)))
			continue;
		free_pmd_tables(r, p4d, addr, next);
		if (!PUD_FOLDED && span_is_free(r, addr, P4D_SIZE))
			unhook_table(r, &p4d->p4d, addr, false);
	}
}

void free_pgtables(struct mmu_gather *tlb, unsigned long start, unsigned long end,
		   unsigned long floor, unsigned long ceiling)
{
	struct table_range r = {tlb, floor, ceiling};
	pgd_t *pgd = pgd_offset(tlb->mm, start);

	BUG_ON(end > TASK_SIZE);  /* the kernel's tables are never freed */
	if (ceiling == TASK_SIZE) /* the last table may span more than user space uses */
		r.ceiling = USER_PTRS_PER_PGD * PGDIR_SIZE;
	for (unsigned long addr = start, next; addr < end; pgd++, addr = next) {
		next = pgd_addr_end(addr, end);
		if (pgd_none(pgdp_get(pgd)))
			continue;
		free_pud_tables(&r, pgd, addr, next);
		if (!P4D_FOLDED && span_is_free(&r, addr, PGDIR_SIZE))
			unhook_table(&r, &pgd->pgd, addr, false);
	}
}

/* ---- Copying (fork) -------------------------------------------------------------------------- */

/*
 * One more user of a swapped page; false: its count needs a continuation first. page_table_lock
 * held.
 */
static bool share_swap_entry(swp_entry_t entry)
{
	return swap_entry_ops->duplicate(entry) || WARN_ON_ONCE(!swap_entry_ops->count(entry));
}

/*
 * A page that a disk fills is the parent's alone (gup.c, G1): the child gets a copy. Read-only
 * entries are looked at, too, as the parent's may become writable again. page_table_lock held.
 */
static inline bool needs_copy(const struct page *page, bool cow)
{
	return cow && page && page_pinned(page) && PageAnon(page);
}

/*
 * The entries of one table. Private writable pages become read-only in both (AS-44). How many were
 * copied: all nr, or up to a swap entry that needs a continuation or a pinned page.
 */
static unsigned long copy_ptes(struct mm_struct *dst, pte_t *to, struct mm_struct *src, pte_t *from,
			       unsigned long nr, bool cow)
{
	struct rss_delta rss = {0, 0, 0, 0};
	unsigned long done = 0;

	spin_lock(&src->page_table_lock);
	spin_lock(&dst->page_table_lock);
	for (; done < nr; done++, from++, to++) {
		pte_t pte = ptep_get(from);
		struct page *page;

		if (pte_none(pte))
			continue;
		if (unlikely(!pte_present(pte))) {
			if (!share_swap_entry(pte_to_swp_entry(pte)))
				break;
			set_pte_at(dst, 0, to, pte);
			rss.swap++;
			continue;
		}
		page = normal_page(pte);
		if (unlikely(needs_copy(page, cow)))
			break;
		if (cow && pte_write(pte)) {
			ptep_set_wrprotect(from);
			pte = pte_wrprotect(pte);
		}
		if (page) {
			get_page(page);
			atomic_inc(&page->mapcount);
			count_page(&rss, page, 1);
		}
		/* the child has used nothing yet */
		set_pte_at(dst, 0, to, pte_present(pte) ? pte_old(pte) : pte);
	}
	apply_rss(dst, &rss);
	spin_unlock(&dst->page_table_lock);
	spin_unlock(&src->page_table_lock);
	return done;
}

/*
 * An entry that fork cannot share as it is: of the parent's mm (src), and of the child's region
 * (dst).
 */
struct fork_entry {
	struct mm_struct *src;
	struct vm_area_struct *dst;
	unsigned long addr;
	pte_t *from, *to;
};

/* A copy of the pinned page into the child's entry. False: it is pinned no more. */
static bool give_copy(const struct fork_entry *e, struct page *copy)
{
	struct mm_struct *dst = e->dst->vm_mm;
	pte_t pte;
	bool given;

	VM_BUG_ON(!e->dst->anon_vma || !pte_none(ptep_get(e->to)));
	spin_lock(&e->src->page_table_lock);
	spin_lock(&dst->page_table_lock);
	pte = ptep_get(e->from);
	given = pte_present(pte) && needs_copy(normal_page(pte), true);
	if (given) {
		copy_highpage(copy, pte_page(pte));
		set_anon_page(copy, e->dst, e->addr);
		add_rss(&dst->rss_anon, 1);
		pte = pte_wrprotect(pte_mkwritten(mk_pte(copy, e->dst->vm_page_prot)));
		set_pte_at(dst, e->addr, e->to, pte_old(pte));
	}
	spin_unlock(&dst->page_table_lock);
	spin_unlock(&e->src->page_table_lock);
	return given;
}

/* 1: the child has its own page, 0: that page is pinned no more, -ENOMEM. */
static int copy_pinned(const struct fork_entry *e)
{
	struct page *copy = alloc_page_vma(GFP_HIGHUSER_MOVABLE, e->dst, e->addr);

	if (!copy)
		return -ENOMEM;
	if (!give_copy(e, copy)) {
		put_page(copy);
		return 0;
	}
	count_vm_event(fork_pinned_copy);
	return 1;
}

/*
 * copy_ptes() stopped at this entry. Others may change it meanwhile: then it is copied as it is by
 * then. 1: the child has its own page there, 0: to be copied now, -ENOMEM.
 */
static int prepare_to_share(const struct fork_entry *e, bool cow)
{
	pte_t pte = ptep_get(e->from);

	if (pte_none(pte))
		return 0;
	if (pte_present(pte))
		return cow ? copy_pinned(e) : 0;
	return swap_entry_ops->add_continuation(pte_to_swp_entry(pte)) == -ENOMEM ? -ENOMEM : 0;
}

int copy_page_range(struct mm_struct *dst, struct mm_struct *src, struct vm_area_struct *dst_vma,
		    struct vm_area_struct *src_vma)
{
	unsigned long addr = src_vma->vm_start, end = src_vma->vm_end, next;
	bool cow = is_cow_mapping(src_vma->vm_flags);
	pmd_t *pmd;

	/* Without private pages everything can be found again by faulting. */
	if (!src_vma->anon_vma && !(src_vma->vm_flags & (VM_IO | VM_RESERVED)))
		return 0;
	for (; (pmd = next_pmd(src, &addr, end)); addr = next) {
		pte_t *from = pte_offset(pmd, addr), *to;
		unsigned long nr;
		int done;

		next = pmd_addr_end(addr, end);
		to = walk_alloc_pte(dst, addr);
		if (!to)
			return -ENOMEM;
		nr = copy_ptes(dst, to, src, from, (next - addr) >> PAGE_SHIFT, cow);
		if (unlikely(addr + (nr << PAGE_SHIFT) < next)) {
			next = addr + (nr << PAGE_SHIFT);
			done = prepare_to_share(
				&(struct fork_entry){src, dst_vma, next, from + nr, to + nr}, cow);
			if (done < 0)
				return done;
			next += (unsigned long)done << PAGE_SHIFT;
		}
		if (next < end)
			port_cond_resched();
	}
	return 0;
}

/* ---- Truncation ------------------------------------------------------------------------------ */

/* Pages [first, end) of the file out of one VMA. */
static void unmap_file_range(struct vm_area_struct *vma, pgoff_t first, pgoff_t end, bool even_cows)
{
	pgoff_t vma_end = vma->vm_pgoff + vma_pages(vma);
	struct mm_struct *mm = vma->vm_mm;
	struct zap_details z;
	struct mmu_gather tlb;

	first = max(first, vma->vm_pgoff);
	end = min(end, vma_end);
	if (first >= end)
		return;
	tlb_gather_mmu(&tlb, mm, false);
	z = (struct zap_details){.tlb = &tlb, .keep_anon = !even_cows};
	update_hiwater_rss(mm);
	zap_range(&z, vma->vm_start + ((first - vma->vm_pgoff) << PAGE_SHIFT),
		  vma->vm_start + ((end - vma->vm_pgoff) << PAGE_SHIFT));
	tlb_finish_mmu(&tlb);
}

void unmap_mapping_range(struct address_space *mapping, pgoff_t start, pgoff_t end, bool even_cows)
{
	struct vm_area_struct *vma;

	if (!end)
		end = ~0ul;
	down_read(&mapping->i_mmap_rwsem);
	for_each_vma_of(vma, &mapping->i_mmap_shared, start, end - 1)
		unmap_file_range(vma, start, end, even_cows);
	for_each_vma_of(vma, &mapping->i_mmap, start, end - 1)
		unmap_file_range(vma, start, end, even_cows);
	up_read(&mapping->i_mmap_rwsem);
}
