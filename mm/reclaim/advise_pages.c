// SPDX-License-Identifier: MIT
/*
 * advise_pages.c: what madvise says about pages rather than regions: which will not be needed soon
 * (MADV_COLD, MADV_PAGEOUT), which hold nothing of value (MADV_FREE), which will be needed
 * (MADV_WILLNEED, for what is swapped).
 *
 *	COLD		marked unused and moved to the inactive list: evicted next when memory is short
 *	PAGEOUT		evicted now, to swap or the file, unless another process maps them too; in a range
 *			of a few pages, dirty pages are only sent off, not waited for (PAGES_TO_WAIT_FOR)
 *	WILLNEED	swapped pages are read into the swap cache, a batch at a time
 *	FREE		lazily freed: a clean anonymous page without PG_swapbacked
 *
 * The life of a lazily freed page:
 *
 *	anonymous --MADV_FREE--> entry clean and old, inactive file list, no slot
 *	   ^  store: the CPU sets the entry's dirty bit         |
 *	   +--- reclaim: dirty, back to the anonymous lists ----+--- clean: dropped, no I/O
 *
 * Contents are kept until reclaim comes by, so a read before that sees them, one after it sees
 * zeros; a store keeps the page, with what it held. The file list is the right one as dropping
 * the page costs nothing: it goes without any swap space. What others map as well, or have a swap
 * entry of, COLD, PAGEOUT and FREE leave alone.
 *
 * Locking: mmap_lock for read; page_table_lock over one table's entries. Pages to evict and entries
 * to read are gathered under it, BATCH at a time, with references, and served without it. The dirty
 * bit is taken from an entry with the translation still cached by some CPU; a store through that
 * can only be one made before the call returned, which may be lost.
 *
 * Failure: none; without memory or slots a page stays where it is.
 * Seen in: events pglazyfree, pglazyfreed, pgdeactivate, pgsteal, pswpin, pswpout; LazyFree in
 * smaps.
 */
#include "advise_pages.h"
#include <mm/swap/swap_entries.h>
#include "reclaim_internal.h"
#include <mm/space/page_tables.h>
#include <pagoda/blkdev.h>
#include <pagoda/swap.h>
#include <pagoda/vmstat.h>

/* Pages or entries between two looks at the page tables. */
#define BATCH SWAP_CLUSTER_MAX

/*
 * From so many pages on PAGEOUT waits for the disk and frees what was written: once for each batch.
 * Of fewer pages the wait would be nearly all of the call, for little memory; reclaim frees them
 * first of all.
 */
#define PAGES_TO_WAIT_FOR 8

/* A range of one region, gone through table by table. */
struct advice {
	struct vm_area_struct *vma;
	unsigned long start, end; /* start moves on */
	bool changed;		  /* accessed or dirty bits were taken away */
	bool off_lists;		  /* pages were met that some CPU has yet to put on the LRU lists */
	/* One entry that is not none; page_table_lock held. */
	void (*visit)(struct advice *a, pte_t *ptep, unsigned long addr);
	/* Gathered by visit, to be served without the lock. */
	unsigned int nr;
	struct page *pages[BATCH];
	swp_entry_t entries[BATCH];
	unsigned long addrs[BATCH]; /* of the entries */
};

/* Visit the entries of the next table, or as many as fill a batch. False: the range has no more. */
static bool visit_entries(struct advice *a)
{
	struct mm_struct *mm = a->vma->vm_mm;
	pmd_t *pmd;

	lockdep_assert_held(&mm->mmap_lock);
	VM_BUG_ON(a->start > a->end || a->end > a->vma->vm_end);
	a->nr = 0;
	spin_lock(&mm->page_table_lock);
	pmd = next_pmd(mm, &a->start, a->end);
	if (pmd) {
		unsigned long next = pmd_addr_end(a->start, a->end);
		pte_t *ptep = pte_offset(pmd, a->start);

		for (; a->start < next && a->nr < BATCH; ptep++, a->start += PAGE_SIZE)
			if (!pte_none(ptep_get(ptep)))
				a->visit(a, ptep, a->start);
	}
	spin_unlock(&mm->page_table_lock);
	VM_BUG_ON(a->nr > BATCH);
	return a->start < a->end;
}

/*
 * Visit all entries of a range for advice that gathers nothing. Pages that wait in this CPU's
 * batch go to the LRU lists first, or they would be overlooked. The translations are flushed once
 * at the end: until then a CPU may use an old one, whose accessed or dirty bit is already taken
 * away; the advice allows that.
 */
static void visit_all(struct advice *a)
{
	unsigned long start = a->start;

	lru_add_drain();
	while (visit_entries(a))
		port_cond_resched();
	if (a->changed)
		flush_tlb_range(a->vma->vm_mm, start, a->end);
}

/*
 * The page of an entry, if this entry alone maps it; else NULL. Advice of one process must not
 * evict a page that others use. Locks: page_table_lock held, so that the entry keeps the page.
 */
static struct page *sole_page(pte_t pte)
{
	struct page *page = pte_present(pte) ? normal_page(pte) : NULL;

	return page && !PageReserved(page) && page_mapcount(page) == 1 ? page : NULL;
}

/* ---- COLD ------------------------------------------------------------------------------------ */

static void make_cold(struct advice *a, pte_t *ptep, unsigned long addr)
	MUST_HOLD(&a->vma->vm_mm->page_table_lock)
{
	struct page *page = sole_page(ptep_get(ptep));

	lockdep_assert_held(&a->vma->vm_mm->page_table_lock);
	(void)addr;
	if (!page)
		return;
	a->changed |= ptep_test_and_clear_young(ptep);
	ClearPageReferenced(page);
	if (PageActive(page)) {
		deactivate_page(page);
		count_vm_event(pgdeactivate);
	}
}

void advise_cold(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	struct advice a = {.vma = vma, .start = start, .end = end, .visit = make_cold};

	VM_BUG_ON(start < vma->vm_start || end > vma->vm_end);
	visit_all(&a);
}

/* ---- PAGEOUT --------------------------------------------------------------------------------- */

static void gather_page(struct advice *a, pte_t *ptep, unsigned long addr)
	MUST_HOLD(&a->vma->vm_mm->page_table_lock)
{
	struct page *page = sole_page(ptep_get(ptep));

	lockdep_assert_held(&a->vma->vm_mm->page_table_lock);
	VM_BUG_ON(a->nr >= BATCH);
	(void)addr;
	if (!page)
		return;
	a->off_lists |= !PageLRU(page);
	get_page(page);
	a->pages[a->nr++] = page;
}

void advise_pageout(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	struct advice a = {.vma = vma, .start = start, .end = end, .visit = gather_page};
	bool more, wait = end - start >= PAGES_TO_WAIT_FOR * PAGE_SIZE;
	struct vm_file *file = vma->vm_file;

	VM_BUG_ON(start < vma->vm_start || end > vma->vm_end);
	/*
	 * Eviction can be noticed by others who read the file, by its timing, so it needs the
	 * right to write the file, or to own it. Without that the advice does nothing, as in
	 * Linux.
	 */
	if (file && file->f_vmops && file->f_vmops->may_evict && !file->f_vmops->may_evict(file))
		return;
	lru_add_drain();
	do {
		more = visit_entries(&a);
		if (a.off_lists)
			/*
			 * A page in the batch of another CPU is on no list and would be missed.
			 * Draining interrupts all CPUs, so do it only if such a page was met.
			 */
			lru_add_drain_all();
		a.off_lists = false;
		reclaim_pages(a.pages, a.nr, wait);
		port_cond_resched();
	} while (more);
}

/* ---- WILLNEED -------------------------------------------------------------------------------- */

static void gather_swapped(struct advice *a, pte_t *ptep, unsigned long addr)
	MUST_HOLD(&a->vma->vm_mm->page_table_lock)
{
	pte_t pte = ptep_get(ptep);

	lockdep_assert_held(&a->vma->vm_mm->page_table_lock);
	VM_BUG_ON(a->nr >= BATCH);
	if (pte_present(pte))
		return;
	a->entries[a->nr] = pte_to_swp_entry(pte);
	a->addrs[a->nr++] = addr;
}

void advise_willneed(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	struct advice a = {.vma = vma, .start = start, .end = end, .visit = gather_swapped};
	struct address_space *mapping = vma->vm_file ? vma->vm_file->f_mapping : NULL;
	bool more;

	VM_BUG_ON(start < vma->vm_start || end > vma->vm_end);
	if (mapping && mapping->shmem)
		shmem_willneed(mapping, vma_pgoff(vma, start), vma_pgoff(vma, end) - 1);
	if (!vma->anon_vma)
		return;
	do {
		more = visit_entries(&a);
		blk_start_plug();
		for (unsigned int i = 0; i < a.nr; i++) {
			struct page *page = read_swap_cache_async(a.entries[i], vma, a.addrs[i]);

			/*
			 * No page: the entry has changed, or there is no memory. The page is read
			 * when it is used.
			 */
			if (page)
				put_page(page);
		}
		blk_finish_plug();
		port_cond_resched();
	} while (more);
}

/* ---- FREE ------------------------------------------------------------------------------------ */

/*
 * Take away the swap slot and the dirty mark of a page, so that nothing but its entry holds its
 * contents. False: the page is locked, or another process has an entry of its slot. The page lock
 * is only tried, as page_table_lock is held.
 */
static bool drop_backing(struct page *page)
{
	bool ok;

	if (!PageSwapCache(page) && !PageDirty(page))
		return true;
	if (TryLockPage(page))
		return false;
	ok = page_mapcount(page) == 1 && (!PageSwapCache(page) || remove_exclusive_swap_page(page));
	if (ok)
		ClearPageDirty(page);
	unlock_page(page);
	return ok;
}

/*
 * Mark the page of one entry as lazily freed, or free the slot of a swap entry at once. Between
 * reading and writing the entry a CPU may set its accessed or dirty bit, so it is cleared
 * atomically first.
 */
static void free_lazily(struct advice *a, pte_t *ptep, unsigned long addr)
{
	struct mm_struct *mm = a->vma->vm_mm;
	pte_t pte = ptep_get(ptep);
	struct page *page;

	lockdep_assert_held(&mm->page_table_lock);
	if (!pte_present(pte)) {
		pte_clear(mm, addr, ptep);
		free_swap_and_cache(pte_to_swp_entry(pte));
		add_rss(&mm->swap_usage, -1);
		return;
	}
	page = sole_page(pte);
	if (!page || !PageAnon(page) || !drop_backing(page))
		return;
	if (pte_young(pte) || pte_dirty(pte)) {
		pte = ptep_get_and_clear(mm, addr, ptep); /* a CPU may be setting its bits */
		set_pte_at(mm, addr, ptep, pte_old(pte_mkclean(pte)));
		a->changed = true;
	}
	if (lru_set_lazyfree(page, true))
		count_vm_event(pglazyfree);
}

void advise_free(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	struct advice a = {.vma = vma, .start = start, .end = end, .visit = free_lazily};

	VM_BUG_ON(vma->vm_file || vma->vm_flags & VM_SHARED);
	VM_BUG_ON(start < vma->vm_start || end > vma->vm_end);
	visit_all(&a);
}
