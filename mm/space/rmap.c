// SPDX-License-Identifier: MIT
/*
 * rmap.c: from a page to the entries that map it (FX-01), and what reclaim does to them.
 *
 *	page->mapping | 1 -> anon_vma (anon_vma.c) -> VMAs of it and of those below it	anonymous
 *	page->mapping     -> i_mmap, i_mmap_shared				file
 *	page->index	     the page's place in those VMAs: like vm_pgoff
 *
 * A VMA that is found this way may or may not map the page; its page-table entry decides.
 *
 *	page_referenced		accessed bits, cleared
 *	try_to_unmap		entries -> swap entries or none
 *	page_mkclean		entries -> clean and write-protected
 *
 * A walk may miss an entry that is moved (mremap) or copied (fork) while it runs. So no caller
 * relies on having met all entries; each checks page_mapcount() afterwards.
 *
 * Locking: a family of anon_vmas by its root's lock (RANK_ANON_VMA), a file's VMAs by i_mmap_rwsem,
 * which walkers only try to take: reclaim may run in a task that already holds the i_mmap_rwsem of
 * another file, and waiting for a second one could deadlock. Entries by page_table_lock, held from
 * the descent on: tables are unhooked under it, so a table that was found stays. The mm of a VMA
 * that is on a list exists: exit_mmap() takes its VMAs off the lists before the mm is freed.
 *
 * VM_LOCKED is read under page_table_lock, and set under it (vma.c). So after mlock() has set it,
 * reclaim unmaps no page of the region, and mlock() then faults in those unmapped before:
 *
 *	reclaim				mlock
 *	lock, VM_LOCKED clear: unmap
 *	unlock
 *					lock, set VM_LOCKED, unlock
 *					fault the page in again
 *	lock, VM_LOCKED set: leave it
 *
 * Failure: nothing fails. A file whose lock is busy counts as referenced and stays mapped.
 *
 * Seen in: vm event rmap_visit, the number of VMAs that walks looked at.
 */
#include <pagoda/rmap.h>
#include <pagoda/lru.h>
#include <pagoda/swap.h>
#include <pagoda/vmscan.h>
#include <pagoda/vmstat.h>
#include "anon_vma.h"

/* ---- Walking ------------------------------------------------------------------------------ */

struct rmap_walk {
	struct page *page;
	/* Called for each VMA that may map the page, at addr; false ends the walk. */
	bool (*visit)(struct rmap_walk *walk, struct vm_area_struct *vma, unsigned long addr);
	struct rmap_info info;
	bool was_dirty;	       /* page_mkclean: some entry was dirty */
	unsigned int unmapped; /* try_to_unmap: entries removed so far */
};

/*
 * Visit one VMA if it covers the page's index. A VMA on an anon_vma's list may be only a part of
 * what the anon_vma once covered (after a split), so the index is checked for each.
 */
static bool walk_vma(struct rmap_walk *walk, struct vm_area_struct *vma)
{
	pgoff_t index = walk->page->index;

	count_vm_event(rmap_visit);
	if (index < vma->vm_pgoff || index - vma->vm_pgoff >= vma_pages(vma))
		return true;
	return walk->visit(walk, vma, vma->vm_start + ((index - vma->vm_pgoff) << PAGE_SHIFT));
}

/* Visit the VMAs of one anon_vma. The family is locked. False: a visit ended the walk. */
static bool walk_anon_list(struct rmap_walk *walk, struct anon_vma *anon)
{
	struct vm_area_struct *vma;

	lockdep_assert_held(&anon->root->lock);
	list_for_each_entry(vma, &anon->vmas, anon_vma_chain)
		if (!walk_vma(walk, vma))
			return false;
	return true;
}

/*
 * Visit the anon_vma that the page names and all those below it: fork may have copied the page's
 * entry to any of them, but to none above.
 */
static void walk_anon(struct rmap_walk *walk)
{
	struct anon_vma *top = lock_page_anon_vma(walk->page), *anon = top;

	if (!top)
		return;
	while (anon && walk_anon_list(walk, anon))
		anon = next_anon_vma(anon, top);
	unlock_page_anon_vma(top);
}

/* Visit the VMAs of one of the file's trees that cover the page. False: a visit ended the walk. */
static bool walk_tree(struct rmap_walk *walk, const struct rb_root *vmas)
{
	pgoff_t index = walk->page->index;
	struct vm_area_struct *vma;

	for_each_vma_of(vma, vmas, index, index)
		if (!walk_vma(walk, vma))
			return false;
	return true;
}

/*
 * Visit the VMAs that map a page of a file. The page lock keeps page->mapping as it is. True: all
 * were visited, or a visit ended the walk. False: i_mmap_rwsem is busy, and nothing was visited.
 */
static bool walk_file(struct rmap_walk *walk)
{
	struct address_space *mapping = READ_ONCE(walk->page->mapping);

	VM_BUG_ON(!PageLocked(walk->page));
	/* Truncated: no VMA can map it any more. */
	if (!mapping)
		return true;
	if (!down_read_trylock(&mapping->i_mmap_rwsem))
		return false;
	if (walk_tree(walk, &mapping->i_mmap_shared))
		(void)walk_tree(walk, &mapping->i_mmap); /* the visits' results are in *walk */
	up_read(&mapping->i_mmap_rwsem);
	return true;
}

/* Visit every VMA that may map the page. False: a lock was busy, and nothing was visited. */
static bool rmap_walk(struct rmap_walk *walk)
{
	VM_BUG_ON(page_count(walk->page) < 1);
	if (!PageAnon(walk->page))
		return walk_file(walk);
	walk_anon(walk);
	return true;
}

/*
 * Find the entry of mm that maps page at addr, and return with page_table_lock held. NULL: mm does
 * not map the page there, and the lock is not held.
 */
static pte_t *lock_entry_of(struct page *page, struct mm_struct *mm, unsigned long addr)
	TRY_ACQUIRES(true, &mm->page_table_lock) NO_LOCK_ANALYSIS("NULL: not held")
{
	pmd_t *pmd;

	VM_BUG_ON(addr >= TASK_SIZE);
	VM_BUG_ON(addr & ~PAGE_MASK);
	spin_lock(&mm->page_table_lock);
	pmd = walk_to_pmd(mm, addr);
	if (pmd && !pmd_none(pmdp_get(pmd))) {
		pte_t *ptep = pte_offset(pmd, addr);
		pte_t pte = ptep_get(ptep);

		if (pte_present(pte) && normal_page(pte) == page)
			return ptep;
	}
	spin_unlock(&mm->page_table_lock);
	return NULL;
}

/*
 * vm_flags are written under mmap_lock and page_table_lock. A walk holds only the latter, so it
 * reads them in one piece.
 */
static unsigned long read_vm_flags(const struct vm_area_struct *vma)
{
	return READ_ONCE(vma->vm_flags);
}

/* ---- Accessed bits -------------------------------------------------------------------------- */

/*
 * While a CPU's TLB holds a translation, the CPU does not set the entry's accessed bit again. If
 * the bit is cleared without a flush, nothing breaks (unmapping flushes anyway), but a page in
 * constant use looks idle, is evicted, and has to be read again. So the CPUs concerned are flushed,
 * but not for each entry: once for YOUNG_BATCH bits, all their user translations, with one
 * interrupt instead of one per entry. Accesses between the clearing and the flush are not seen.
 * That is harmless, because reclaim looks at a page again only after a whole turn of the list.
 */
void note_young_taken(const struct mm_struct *mm)
{
	struct vm_task *task = current_vm;

	lockdep_assert_held(&mm->page_table_lock);
	task->young_cpus |= tlb_cpus_of(mm);
	task->young_entries++;
}

/* Flush the CPUs noted so far, and begin a new batch. */
static void flush_young_now(struct vm_task *task)
{
	unsigned long cpus = task->young_cpus;

	VM_BUG_ON(task != current_vm);
	task->young_cpus = 0;
	task->young_entries = 0;
	flush_tlb_cpus(cpus);
}

/*
 * Outside of a batch (young_batch_begin) flush at once; in a batch when enough bits were cleared.
 */
void flush_young_taken(void)
{
	struct vm_task *task = current_vm;

	if (task->young_entries && (!task->young_batch || task->young_entries >= YOUNG_BATCH))
		flush_young_now(task);
}

bool young_batch_begin(void)
{
	struct vm_task *task = current_vm;
	bool outermost = !task->young_batch;

	task->young_batch = true;
	return outermost;
}

void young_batch_end(bool outermost)
{
	VM_BUG_ON(!current_vm->young_batch);
	if (!outermost)
		return;
	current_vm->young_batch = false;
	flush_young_taken();
}

/*
 * page_referenced: read and clear one entry's accessed bit. The walk ends when a region turns out
 * to lock the page: it will not be evicted, whatever the other entries say.
 */
static bool referenced_one(struct rmap_walk *walk, struct vm_area_struct *vma, unsigned long addr)
{
	pte_t *ptep = lock_entry_of(walk->page, vma->vm_mm, addr);
	unsigned long vm_flags;

	if (!ptep)
		return true;
	vm_flags = read_vm_flags(vma);
	if (vm_flags & VM_LOCKED)
		walk->info.locked = true;
	if (ptep_test_and_clear_young(ptep)) {
		note_young_taken(vma->vm_mm);
		/*
		 * A program that reads a region once from start to end (MADV_SEQUENTIAL) will not
		 * come back to this page, so that its access does not count as a use.
		 */
		walk->info.referenced += !(vm_flags & VM_SEQ_READ);
		walk->info.executable |= !!(vm_flags & VM_EXEC);
	}
	spin_unlock(&vma->vm_mm->page_table_lock);
	return !walk->info.locked;
}

int page_referenced(struct page *page, struct rmap_info *info)
{
	struct rmap_walk walk = {.page = page, .visit = referenced_one};

	/*
	 * If the file's lock is busy, nothing is known about the page. Taking it for used keeps it
	 * on its list until the next look; taking it for idle could evict a page in use.
	 */
	if (page_mapcount(page) && !rmap_walk(&walk))
		walk.info.referenced = 1;
	flush_young_taken();
	if (info)
		*info = walk.info;
	return walk.info.referenced;
}

/* ---- Unmapping ------------------------------------------------------------------------------- */

/*
 * What replaces the entry of a page that reclaim unmaps: nothing for a page of a file, which can be
 * found again by its place in the file, and for a lazily freed one; the swap entry for an anonymous
 * page. *ok false: the slot's use counter is full, and the page must stay mapped.
 */
static pte_t replacement(const struct rmap_walk *walk, bool *ok)
{
	swp_entry_t entry = {0};

	VM_BUG_ON(!PageLocked(walk->page));
	*ok = true;
	if (!PageAnon(walk->page) || PageLazyFree(walk->page))
		return __pte(0);
	BUG_ON(!PageSwapCache(walk->page));
	entry = page_swap_entry(walk->page);
	*ok = swap_entry_ops->duplicate(entry);
	return swp_entry_to_pte(entry);
}

/*
 * May a lazily freed page (MADV_FREE), whose entry was just cleared, be dropped with its contents?
 * Only if it was not written to since, and if no one else could write to it: besides the caller's
 * reference there must be none but those of entries.
 */
static bool may_discard(struct page *page, pte_t pte)
{
	return !pte_dirty(pte) && !PageDirty(page) &&
	       page_count_no_batch(page) == page_mapcount(page) + 1;
}

/*
 * Adjust the counters and drop the entry's reference after an entry was removed. The caller has a
 * reference of its own, so the page is not freed here.
 */
static void count_unmapped(struct mm_struct *mm, struct page *page, bool swapped)
	MUST_HOLD(&mm->page_table_lock)
{
	lockdep_assert_held(&mm->page_table_lock);
	VM_BUG_ON(page_mapcount(page) < 1 || page_count(page) < 2);
	update_hiwater_rss(mm);
	add_rss(rss_counter(mm, page), -1);
	if (swapped)
		add_rss(&mm->swap_usage, 1);
	else if (PageAnon(page))
		count_vm_event(pglazyfreed);
	atomic_dec(&page->mapcount);
	put_page(page);
}

/*
 * try_to_unmap: remove one entry of a locked page. The order is: clear the entry in one step,
 * flush, and only then look at what the entry said last. Until the flush a CPU with the old
 * translation may still write to the page.
 *
 *	unmap_one			CPU with a writable translation in its TLB
 *	clear entry, read dirty bit
 *					translation marked dirty: the store succeeds,
 *					and the bit that was read is set
 *					not marked: the CPU must set the bit in the entry
 *					first, finds it not present, and faults
 *	flush
 *					every store faults, waits for page_table_lock
 *
 * So each store that succeeds after the clearing belongs to an entry whose dirty bit was read, and
 * the dirty bit is passed on to the page. False: end the walk.
 */
static bool unmap_one(struct rmap_walk *walk, struct vm_area_struct *vma, unsigned long addr)
{
	struct mm_struct *mm = vma->vm_mm;
	pte_t *ptep = lock_entry_of(walk->page, mm, addr);
	pte_t pte, new;
	bool ok;

	VM_BUG_ON(!PageLocked(walk->page));
	if (!ptep)
		return true;
	/*
	 * mlock() and drivers want the page to stay; a device is writing to a pinned page. One such
	 * entry is enough: the page cannot be freed, so unmapping it elsewhere would only cause
	 * faults.
	 */
	if (read_vm_flags(vma) & (VM_LOCKED | VM_RESERVED) ||
	    (PageAnon(walk->page) && page_pinned(walk->page))) {
		spin_unlock(&mm->page_table_lock);
		return false;
	}
	new = replacement(walk, &ok);
	if (ok) {
		pte = ptep_get_and_clear(mm, addr, ptep);
		flush_tlb_page(mm, addr);
		if (PageLazyFree(walk->page) && !may_discard(walk->page, pte)) {
			/*
			 * Written to since MADV_FREE: put the entry back. The page is an ordinary
			 * anonymous page again, which needs a swap slot before it can be unmapped.
			 */
			set_pte_at(mm, addr, ptep, pte);
			(void)lru_set_lazyfree(walk->page, false);
			spin_unlock(&mm->page_table_lock);
			return false;
		}
		/* The page lock keeps page->mapping, which a dirty page is reported to. */
		keep_dirty(walk->page, pte);
		if (!pte_none(new))
			set_pte_at(mm, addr, ptep,
				   pte_soft_dirty(pte) ? pte_swp_mksoft_dirty(new) : new);
		count_unmapped(mm, walk->page, !pte_none(new));
		walk->unmapped++;
	}
	spin_unlock(&mm->page_table_lock);
	return ok && page_mapcount(walk->page);
}

bool unmap_page_from(struct page *page, struct vm_area_struct *vma, unsigned long addr)
{
	struct rmap_walk walk = {.page = page};

	mmap_assert_locked(vma->vm_mm);
	VM_BUG_ON(addr < vma->vm_start || addr >= vma->vm_end);
	VM_BUG_ON(!PageLocked(page));
	(void)unmap_one(&walk, vma, addr); /* false would mean that others map it, too */
	return walk.unmapped;
}

bool try_to_unmap(struct page *page)
{
	struct rmap_walk walk = {.page = page, .visit = unmap_one};

	VM_BUG_ON(!PageLocked(page));
	return rmap_walk(&walk) && !page_mapcount(page);
}

/* ---- Cleaning -------------------------------------------------------------------------------- */

/*
 * page_mkclean: write-protect one entry and clear its dirty bit, so that the next write faults and
 * marks the page dirty again. The entry is cleared and flushed in between: a store through the old
 * translation after the dirty bit was read would be lost.
 */
static bool mkclean_one(struct rmap_walk *walk, struct vm_area_struct *vma, unsigned long addr)
{
	pte_t *ptep = lock_entry_of(walk->page, vma->vm_mm, addr);
	pte_t pte;

	if (!ptep)
		return true;
	pte = ptep_get(ptep);
	if (pte_dirty(pte) || pte_write(pte)) {
		pte = ptep_get_and_clear(vma->vm_mm, addr, ptep);
		flush_tlb_page(vma->vm_mm, addr);
		walk->was_dirty |= pte_dirty(pte);
		set_pte_at(vma->vm_mm, addr, ptep, pte_mkclean(pte_wrprotect(pte)));
	}
	spin_unlock(&vma->vm_mm->page_table_lock);
	return true;
}

/*
 * Unlike the other walks this one waits for the file's lock: writeback is never called from an
 * allocation, so the task cannot hold the i_mmap_rwsem of another file. And it must not skip an
 * entry: the page is about to be marked clean.
 */
bool page_mkclean(struct page *page)
{
	struct rmap_walk walk = {.page = page, .visit = mkclean_one};
	struct address_space *mapping = page->mapping;

	VM_BUG_ON(!PageLocked(page) || PageAnon(page));
	if (!page_mapcount(page) || !mapping)
		return false;
	down_read(&mapping->i_mmap_rwsem);
	(void)walk_tree(&walk, &mapping->i_mmap_shared); /* private ones are read-only */
	up_read(&mapping->i_mmap_rwsem);
	return walk.was_dirty;
}
