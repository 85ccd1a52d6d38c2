// SPDX-License-Identifier: MIT
/*
 * page_tables.c: page tables of user space in bulk: emptying, freeing and copying ranges.
 *
 * Everything goes table by table: one descent and one turn of the lock for up to a
 * whole page of entries, counters added up in between, and a pause after it, so that others
 * need not wait for a whole range. Ranges need not follow VMAs, because the page behind a present
 * entry tells how it is counted: as anonymous, file or shared memory, or not at all (the zero page
 * and device frames).
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
#include <pagoda/rmap.h>
#include <pagoda/highmem.h>
#include <pagoda/mempolicy.h>
#include <pagoda/page_alloc.h>
#include <pagoda/swap.h>
#include <pagoda/vmstat.h>
#include <asm/pgalloc.h>
#include "vma_internal.h"

/*
 * Raise the mark of the largest resident set to the present one. Called before pages are unmapped,
 * because the mark is only raised here: rss grows in many places and shrinks in few.
 */
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

/* Add n to the counter that the page belongs to. Summed up per table, then applied at once. */
static inline void count_page(struct rss_delta *rss, const struct page *page, long n)
{
	if (PageAnon(page))
		rss->anon += n;
	else if (PageSwapBacked(page))
		rss->shmem += n;
	else
		rss->file += n;
}

/* Add the sums of one table to the counters of mm, all under one hold of page_table_lock. */
static void apply_rss(struct mm_struct *mm, const struct rss_delta *rss)
	MUST_HOLD(&mm->page_table_lock)
{
	lockdep_assert_held(&mm->page_table_lock);
	if (rss->anon)
		add_rss(&mm->rss_anon, rss->anon);
	if (rss->file)
		add_rss(&mm->rss_file, rss->file);
	if (rss->shmem)
		add_rss(&mm->rss_shmem, rss->shmem);
	if (rss->swap)
		add_rss(&mm->swap_usage, rss->swap);
}

/*
 * Clear one present entry and hand its page to the mmu_gather, which frees it after the flush.
 * True: the gather is full, and must be flushed before the next page.
 */
static inline bool zap_present(struct zap_details *z, struct rss_delta *rss, pte_t *ptep, pte_t pte,
			       unsigned long addr)
{
	struct mmu_gather *tlb = z->tlb;
	struct page *page = normal_page(pte);

	lockdep_assert_held(&tlb->mm->page_table_lock);
	VM_BUG_ON(addr & ~PAGE_MASK || !pte_present(pte));
	/*
	 * Truncation removes the file's own pages. Private copies of them belong to the process and
	 * stay, as does the zero page.
	 */
	if (z->keep_anon && (!page || PageAnon(page)))
		return false;
	/*
	 * pte is read again while it is cleared, in one step: a CPU may have set its dirty bit
	 * since. Only when no CPU uses the tables any more is a plain store enough, and cheaper.
	 */
	pte = tlb->fullmm ? ptep_get_and_clear_unused(tlb->mm, ptep)
			  : ptep_get_and_clear(tlb->mm, addr, ptep);
	/* A PROT_NONE entry is in no TLB, so nothing needs to be flushed for it. */
	if (pte_accessible(pte))
		tlb_changed(tlb, addr, addr + PAGE_SIZE);
	/* The zero page or a device frame: not counted, and it has no reference of ours. */
	if (!page)
		return false;
	if (!PageAnon(page)) {
		/*
		 * The store must not get lost: the page of an object outlives this entry. An
		 * anonymous page needs no mark, as no one can read it after its last entry is gone.
		 */
		keep_dirty(page, pte);
		z->dirtied |= pte_dirty(pte);
	}
	VM_BUG_ON(page_mapcount(page) < 1 || page_count(page) < 1);
	count_page(rss, page, -1);
	atomic_dec(&page->mapcount);
	return tlb_remove_page(tlb, page);
}

/*
 * Clear a swap entry and drop its use of the slot. Only private pages have swap entries in page
 * tables; shared memory keeps them in its own index.
 */
static void zap_swap_entry(const struct zap_details *z, struct rss_delta *rss, pte_t *ptep,
			   pte_t pte, unsigned long addr) MUST_HOLD(&z->tlb->mm->page_table_lock)
{
	lockdep_assert_held(&z->tlb->mm->page_table_lock);
	VM_BUG_ON(pte_none(pte) || pte_present(pte));
	if (z->keep_anon)
		return;
	pte_clear(z->tlb->mm, addr, ptep);
	swap_entry_ops->free(pte_to_swp_entry(pte));
	rss->swap--;
}

/*
 * Clear the entries of [addr, end), which lies under one PMD entry. Returns where it stopped: end,
 * or earlier if the gather is full.
 */
static unsigned long zap_pte_range(struct zap_details *z, pmd_t *pmd, unsigned long addr,
				   unsigned long end) MUST_HOLD(&z->tlb->mm->page_table_lock)
{
	struct rss_delta rss = {0, 0, 0, 0};
	pte_t *ptep = pte_offset(pmd, addr);
	bool full = false;

	lockdep_assert_held(&z->tlb->mm->page_table_lock);
	VM_BUG_ON(end > pmd_addr_end(addr, end));
	VM_BUG_ON((addr | end) & ~PAGE_MASK || addr >= end);
	VM_BUG_ON(z->tlb->nr_pages == TLB_BATCH_PAGES); /* no room for the first page */
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

/*
 * Skip empty spans a whole entry at a time, from the top level down. On return *addr is the first
 * address at or above its old value that has a table (or end). A level that the hardware lacks is
 * folded: its offset function returns the same entry under another type, and it is never none.
 */
pmd_t *next_pmd(struct mm_struct *mm, unsigned long *addr, unsigned long end)
{
	BUG_ON(end > TASK_SIZE); /* the caller would change entries of the kernel */
	VM_BUG_ON(*addr & ~PAGE_MASK);
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
 * Release page_table_lock after entries were cleared. If a page of a file got its dirty bit from
 * one of them, flush first. A CPU that still has the old translation in its TLB goes on storing to
 * the page without setting a dirty bit anywhere. Until it is flushed, no one may take the page for
 * clean:
 *
 *	zap				writeback			thread on another CPU
 *	clear entry, set page dirty
 *	flush
 *	unlock
 *					page_mkclean finds no entry
 *					clear page dirty, write
 *									store: faults, dirties
 */
static void unlock_zapped(struct zap_details *z) RELEASES(&z->tlb->mm->page_table_lock)
{
	lockdep_assert_held(&z->tlb->mm->page_table_lock);
	if (unlikely(z->dirtied))
		tlb_flush_translations(z->tlb);
	z->dirtied = false;
	spin_unlock(&z->tlb->mm->page_table_lock);
}

/*
 * Zap [addr, end) table by table. page_table_lock is released after each table, so that others need
 * not wait for the whole range; a full gather is flushed and freed without the lock, as freeing may
 * take other locks.
 */
static void zap_range(struct zap_details *z, unsigned long addr, unsigned long end)
	NO_LOCK_ANALYSIS("clang does not see that mm is z->tlb->mm")
{
	struct mm_struct *mm = z->tlb->mm;
	pmd_t *pmd;

	VM_BUG_ON((addr | end) & ~PAGE_MASK || end > TASK_SIZE);
	spin_lock(&mm->page_table_lock);
	while ((pmd = next_pmd(mm, &addr, end))) {
		bool full;

		addr = zap_pte_range(z, pmd, addr, pmd_addr_end(addr, end));
		full = z->tlb->nr_pages == TLB_BATCH_PAGES;
		/* Done; what is left in the gather is flushed by the caller (tlb_finish_mmu). */
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

/*
 * Does no VMA reach into the span of the entry (size bytes, aligned, around addr)? Then its table
 * can be freed. The test works with last addresses, so that a ceiling of 0, the end of the address
 * space, is larger than all.
 */
static inline bool span_is_free(const struct table_range *r, unsigned long addr, unsigned long size)
{
	unsigned long start = addr & ~(size - 1);

	return start >= r->floor && start + size - 1 <= r->ceiling - 1;
}

/*
 * Clear an upper-level entry and hand its table to the mmu_gather. page_table_lock is taken for the
 * store, because truncation walks tables of an mm whose mmap_lock it does not hold.
 */
static void unhook_table(const struct table_range *r, pteval_t *entry, unsigned long addr,
			 bool pte_table)
{
	struct mm_struct *mm = r->tlb->mm;
	void *table = entry_table(entry_read(entry));

	VM_BUG_ON(!entry_read(entry));
	spin_lock(&mm->page_table_lock);
	entry_write(entry, 0);
	spin_unlock(&mm->page_table_lock);
	pgtable_account(mm, -1);
	/*
	 * CPUs cache upper-level entries as well. Flushing one page of the span also drops those,
	 * except for PAE's top entries, which are in registers (see free_pmd_tables).
	 */
	addr &= PAGE_MASK;
	tlb_changed(r->tlb, addr, addr + PAGE_SIZE);
	tlb_remove_table(r->tlb, table, pte_table);
}

/* Free the tables of PTEs under one PUD entry that only served [addr, end). */
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

/* The same for tables of PMD entries, after the tables below them. */
static void free_pmd_tables(const struct table_range *r, p4d_t *p4d, unsigned long addr,
			    unsigned long end)
{
	pud_t *pud = pud_offset(p4d, addr);

	VM_BUG_ON(addr >= end);
	for (unsigned long next; addr < end; pud++, addr = next) {
		next = pud_addr_end(addr, end);
		if (pud_none(pudp_get(pud)))
			continue;
		free_pte_tables(r, pud, addr, next);
		if (next < end)
			port_cond_resched();
		if (PMD_FOLDED || !span_is_free(r, addr, PUD_SIZE))
			continue;
		/*
		 * PAE: a CPU loads its four top entries into registers, and re-reads them only when
		 * the whole table is loaded. So a range that large is reported that the whole
		 * address space is flushed.
		 */
		if (PUD_IN_REGISTERS)
			tlb_changed(r->tlb, addr & PUD_MASK,
				    min((addr & PUD_MASK) + PUD_SIZE, TASK_SIZE));
		unhook_table(r, &pud->pud, addr, false);
	}
}

/* The same for tables of PUD entries. */
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

/*
 * A table is freed if no VMA reaches into its span; floor and ceiling are the end of the VMA below
 * and the start of the VMA above the range:
 *
 *	  floor    start        end    ceiling
 *	AAAA.......[ unmapped   ].........BBBBB
 *	[ table 1 ][ table 2 ][ table 3 ]		1 and 3 stay if A or B reach into them
 */
void free_pgtables(struct mmu_gather *tlb, unsigned long start, unsigned long end,
		   unsigned long floor, unsigned long ceiling)
{
	struct table_range r = {tlb, floor, ceiling};
	pgd_t *pgd = pgd_offset(tlb->mm, start);

	BUG_ON(end > TASK_SIZE); /* the kernel's tables are never freed */
	VM_BUG_ON(start >= end || floor > start);
	VM_BUG_ON((start | end) & ~PAGE_MASK);
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
 * fork: count one more use of a swap slot. False: the slot's counter is full and needs a
 * continuation page, which must be allocated without the lock. An entry without a slot is a bug; it
 * is reported and then treated as shared, since failing would make the caller loop.
 */
static bool share_swap_entry(swp_entry_t entry)
{
	return swap_entry_ops->duplicate(entry) || WARN_ON_ONCE(!swap_entry_ops->count(entry));
}

/*
 * A page that a device writes into must stay the parent's alone ((G1) of gup.c): the child gets a
 * copy now. Entries that do not permit writing are checked, too, because mprotect() may make the
 * parent's entry writable again. The caller holds page_table_lock, under which pins are taken.
 */
static inline bool needs_copy(const struct page *page, bool cow)
{
	return cow && page && page_pinned(page) && PageAnon(page);
}

/*
 * Copy nr entries of one table from src to dst. Entries of private writable pages become read-only
 * in both (AS-44), so that the first write of either process copies the page. Returns how many
 * entries were copied: nr, or fewer if it met a swap entry whose counter is full, or a pinned page.
 */
static unsigned long copy_ptes(struct mm_struct *dst, pte_t *to, struct mm_struct *src, pte_t *from,
			       unsigned long nr, bool cow)
{
	struct rss_delta rss = {0, 0, 0, 0};
	unsigned long done = 0;

	VM_BUG_ON(!nr || nr > PTRS_PER_PTE || dst == src);
	spin_lock(&src->page_table_lock);
	spin_lock(&dst->page_table_lock);
	for (; done < nr; done++, from++, to++) {
		pte_t pte = ptep_get(from);
		struct page *page;

		VM_BUG_ON(!pte_none(ptep_get(to))); /* the child has touched nothing yet */
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
			/*
			 * The parent's entry first, in one step, as CPUs may be setting its dirty
			 * bit. Its translations are flushed once, when all entries are copied
			 * (dup_mmap).
			 */
			ptep_set_wrprotect(from);
			pte = pte_wrprotect(pte);
		}
		if (page) {
			get_page(page);
			atomic_inc(&page->mapcount);
			count_page(&rss, page, 1);
		}

		/*
		 * The child's entry is not marked as accessed. The child has not used the page yet,
		 * and reclaim takes the mark for a use.
		 */
		set_pte_at(dst, 0, to, pte_present(pte) ? pte_old(pte) : pte);
	}
	apply_rss(dst, &rss);
	spin_unlock(&dst->page_table_lock);
	spin_unlock(&src->page_table_lock);
	return done;
}

/*
 * An entry that fork cannot share at once: the parent's (from, in src) and the child's (to, in the
 * region dst), both for the address addr.
 */
struct fork_entry {
	struct mm_struct *src;
	struct vm_area_struct *dst;
	unsigned long addr;
	pte_t *from, *to;
};

/*
 * Fill copy from the pinned page, and map it in the child. False: the page was unpinned or unmapped
 * meanwhile, so that the entry can be shared as usual, and copy was not used.
 */
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

/*
 * Give the child its own copy of a pinned page. The frame is allocated before the locks are taken,
 * so give_copy() has to look again. Returns 1: the child has its copy; 0: the page is not pinned
 * any more; -ENOMEM.
 */
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
 * copy_ptes() stopped at this entry: do what it could not do under the locks. Other threads cannot
 * change the entry by faulting (mmap_lock is held for write), but reclaim and the device can; the
 * entry is then copied as it is by that time. Returns 1: the child's entry is set; 0: copy_ptes()
 * shall go on with this entry; -ENOMEM.
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

/* fork: copy the entries of one VMA to the child's. See copy_ptes() for what is shared. */
int copy_page_range(struct mm_struct *dst, struct mm_struct *src, struct vm_area_struct *dst_vma,
		    struct vm_area_struct *src_vma)
{
	unsigned long addr = src_vma->vm_start, end = src_vma->vm_end, next;
	bool cow = is_cow_mapping(src_vma->vm_flags);
	pmd_t *pmd;

	mmap_assert_write_locked(src);
	mmap_assert_write_locked(dst);
	VM_BUG_ON(dst_vma->vm_start != addr || dst_vma->vm_end != end);
	/*
	 * A region that never had a private page maps nothing but pages of its object, which the
	 * child finds again by faulting. Most regions of libraries are like this, and copying them
	 * would cost more than the few faults. Device frames are copied, as a driver may have no
	 * nopage for them.
	 */
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
		/*
		 * copy_ptes() stopped early. Do what the entry needs, and then continue with the
		 * same entry, or with the next one if the child's entry was set.
		 */
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

/*
 * Unmap pages [first, end) of the file from one VMA. The caller holds i_mmap_rwsem, which keeps the
 * VMA in the file's tree and its bounds as they are.
 */
static void unmap_file_range(struct vm_area_struct *vma, pgoff_t first, pgoff_t end, bool even_cows)
{
	pgoff_t vma_end = vma->vm_pgoff + vma_pages(vma);
	struct mm_struct *mm = vma->vm_mm;
	struct zap_details z;
	struct mmu_gather tlb;

	lockdep_assert_held(&vma->vm_file->f_mapping->i_mmap_rwsem);
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

/*
 * Shared regions first. A private region's fault copies from the page cache; whichever is met
 * first, the caller has removed the pages from the page cache, or holds their locks, so that none
 * of them can be mapped again behind the walk.
 */
void unmap_mapping_range(struct address_space *mapping, pgoff_t start, pgoff_t end, bool even_cows)
{
	struct vm_area_struct *vma;

	VM_BUG_ON(end && start >= end);
	if (!end)
		end = ~0ul;
	down_read(&mapping->i_mmap_rwsem);
	for_each_vma_of(vma, &mapping->i_mmap_shared, start, end - 1)
		unmap_file_range(vma, start, end, even_cows);
	for_each_vma_of(vma, &mapping->i_mmap, start, end - 1)
		unmap_file_range(vma, start, end, even_cows);
	up_read(&mapping->i_mmap_rwsem);
}
