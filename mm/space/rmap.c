// SPDX-License-Identifier: MIT
/*
 * rmap.c: from a page to the entries that map it (FX-01), and what reclaim does to them.
 *
 *	page->mapping | 1 -> anon_vma (anon_vma.c) -> VMAs of it and of those below it	anonymous
 *	page->mapping     -> i_mmap, i_mmap_shared				file
 *	page->index	     the page's place in those VMAs: like vm_pgoff
 *
 * Not every VMA named maps the page: the entry tells.
 *
 *	page_referenced		accessed bits, cleared
 *	try_to_unmap		entries -> swap entries or none
 *	page_mkclean		entries -> clean and write-protected
 *
 * A walk may miss an entry that is moved meanwhile (mremap) or copied (fork): nobody relies
 * on having met all of them, but looks at mapcount afterwards.
 *
 * Locking: a family of anon_vmas by its root's lock (RANK_ANON_VMA), a file's VMAs by
 * i_mmap_rwsem, which walkers only try: reclaim may run in a task that has some other one.
 * Entries by page_table_lock, held from the descent on: tables are unhooked under it, so
 * that one that is found stays. An mm whose VMA is on a list is there: exit_mmap() takes its VMAs
 * off before the mm is dropped.
 *
 * VM_LOCKED is read under page_table_lock, where it is also set (vma.c): after mlock() has
 * set it, no page of the region is taken away, and those taken before are faulted in again.
 *
 * Failure: nothing fails. A file whose lock is busy counts as referenced and stays mapped.
 *
 * Seen in: vm event rmap_visit, VMAs looked at by walks.
 */
#include <pagoda/lru.h>
#include <pagoda/swap.h>
#include <pagoda/vmscan.h>
#include <pagoda/vmstat.h>
#include "anon_vma.h"

/* ---- Walking ------------------------------------------------------------------------------ */

struct rmap_walk {
	struct page *page;
	/* One VMA that shows the page at addr; false ends the walk. */
	bool (*visit)(struct rmap_walk *walk, struct vm_area_struct *vma, unsigned long addr);
	struct rmap_info info;
	bool was_dirty;	       /* page_mkclean */
	unsigned int unmapped; /* try_to_unmap: entries */
};

static bool walk_vma(struct rmap_walk *walk, struct vm_area_struct *vma)
{
	pgoff_t index = walk->page->index;

	count_vm_event(rmap_visit);
	if (index < vma->vm_pgoff || index - vma->vm_pgoff >= vma_pages(vma))
		return true;
	return walk->visit(walk, vma, vma->vm_start + ((index - vma->vm_pgoff) << PAGE_SHIFT));
}

static bool walk_anon_list(struct rmap_walk *walk, struct anon_vma *anon)
{
	struct vm_area_struct *vma;

	list_for_each_entry(vma, &anon->vmas, anon_vma_chain)
		if (!walk_vma(walk, vma))
			return false;
	return true;
}

static void walk_anon(struct rmap_walk *walk)
{
	struct anon_vma *top = lock_page_anon_vma(walk->page), *anon = top;

	if (!top)
		return;
	while (anon && walk_anon_list(walk, anon))
		anon = next_anon_vma(anon, top);
	unlock_page_anon_vma(top);
}

static bool walk_tree(struct rmap_walk *walk, const struct rb_root *vmas)
{
	pgoff_t index = walk->page->index;
	struct vm_area_struct *vma;

	for_each_vma_of(vma, vmas, index, index)
		if (!walk_vma(walk, vma))
			return false;
	return true;
}

/* False: the file's lock is busy. */
static bool walk_file(struct rmap_walk *walk)
{
	struct address_space *mapping = READ_ONCE(walk->page->mapping);

	VM_BUG_ON(!PageLocked(walk->page));
	if (!mapping)
		return true;
	if (!down_read_trylock(&mapping->i_mmap_rwsem))
		return false;
	if (walk_tree(walk, &mapping->i_mmap_shared))
		(void)walk_tree(walk, &mapping->i_mmap); /* all there is was seen either way */
	up_read(&mapping->i_mmap_rwsem);
	return true;
}

static bool rmap_walk(struct rmap_walk *walk)
{
	if (!PageAnon(walk->page))
		return walk_file(walk);
	walk_anon(walk);
	return true;
}

/* The entry of mm that maps page at addr, with page_table_lock held; NULL: it does not. */
static pte_t *lock_entry_of(struct page *page, struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmd;

	VM_BUG_ON(addr >= TASK_SIZE);
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

static unsigned long read_vm_flags(const struct vm_area_struct *vma)
{
	return READ_ONCE(vma->vm_flags);
}

/* ---- Accessed bits -------------------------------------------------------------------------- */

/*
 * While a CPU's TLB holds a translation, the CPU does not set the entry's accessed bit again.
 * Without a flush after the bit was cleared nothing breaks (unmapping a page flushes anyway), but a
 * page in use would look idle, be evicted, and have to be read again. So the CPUs concerned are
 * flushed, though not for each entry: once for YOUNG_BATCH bits, all their user translations, with
 * one interrupt in place of 32. Accesses between the clearing and the flush are not seen; reclaim
 * looks at a page again only after it has gone round the list.
 */
void note_young_taken(const struct mm_struct *mm)
{
	struct vm_task *task = current_vm;

	lockdep_assert_held(&mm->page_table_lock);
	task->young_cpus |= tlb_cpus_of(mm);
	task->young_entries++;
}

static void flush_young_now(struct vm_task *task)
{
	unsigned long cpus = task->young_cpus;

	task->young_cpus = 0;
	task->young_entries = 0;
	flush_tlb_cpus(cpus);
}

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
	if (!outermost)
		return;
	current_vm->young_batch = false;
	flush_young_taken();
}

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
		/* What is read once, in order, is no sign of more to come. */
		walk->info.referenced += !(vm_flags & VM_SEQ_READ);
		walk->info.executable |= !!(vm_flags & VM_EXEC);
	}
	spin_unlock(&vma->vm_mm->page_table_lock);
	return !walk->info.locked;
}

int page_referenced(struct page *page, struct rmap_info *info)
{
	struct rmap_walk walk = {.page = page, .visit = referenced_one};

	if (page_mapcount(page) && !rmap_walk(&walk))
		walk.info.referenced = 1;
	flush_young_taken();
	if (info)
		*info = walk.info;
	return walk.info.referenced;
}

/* ---- Unmapping ------------------------------------------------------------------------------- */

/* page_table_lock held. What the entry becomes; *ok: the page may go. */
static pte_t replacement(const struct rmap_walk *walk, bool *ok)
{
	swp_entry_t entry = {0};

	*ok = true;
	if (!PageAnon(walk->page) || PageLazyFree(walk->page))
		return __pte(0);
	BUG_ON(!PageSwapCache(walk->page));
	entry = page_swap_entry(walk->page);
	*ok = swap_entry_ops->duplicate(entry);
	return swp_entry_to_pte(entry);
}

/*
 * A lazily freed page, its entry just taken out: was it not stored to since, and does nobody hold
 * it who may? The other references are our caller's, and the entries'.
 */
static bool may_discard(struct page *page, pte_t pte)
{
	return !pte_dirty(pte) && !PageDirty(page) &&
	       page_count_no_batch(page) == page_mapcount(page) + 1;
}

static void count_unmapped(struct mm_struct *mm, struct page *page, bool swapped)
{
	update_hiwater_rss(mm);
	add_rss(rss_counter(mm, page), -1);
	if (swapped)
		add_rss(&mm->swap_usage, 1);
	else if (PageAnon(page))
		count_vm_event(pglazyfreed);
	atomic_dec(&page->mapcount);
	put_page(page); /* the entry's; the caller has another */
}

static bool unmap_one(struct rmap_walk *walk, struct vm_area_struct *vma, unsigned long addr)
{
	struct mm_struct *mm = vma->vm_mm;
	pte_t *ptep = lock_entry_of(walk->page, mm, addr);
	pte_t pte, new;
	bool ok;

	if (!ptep)
		return true;
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
			set_pte_at(mm, addr, ptep, pte);
			(void)lru_set_lazyfree(walk->page, false);
			spin_unlock(&mm->page_table_lock);
			return false;
		}
		keep_dirty(walk->page, pte); /* locked, hence still its mapping's */
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

	VM_BUG_ON(!PageLocked(page));
	(void)unmap_one(&walk, vma, addr); /* whether others map it does not matter */
	return walk.unmapped;
}

bool try_to_unmap(struct page *page)
{
	struct rmap_walk walk = {.page = page, .visit = unmap_one};

	VM_BUG_ON(!PageLocked(page));
	return rmap_walk(&walk) && !page_mapcount(page);
}

/* ---- Cleaning -------------------------------------------------------------------------------- */

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

/* Waits for the file's lock: writeback runs in no one's allocation. */
bool page_mkclean(struct page *page)
{
	struct rmap_walk walk = {.page = page, .visit = mkclean_one};
	struct address_space *mapping = page->mapping;

	VM_BUG_ON(!PageLocked(page) || PageAnon(page));
	if (!page_mapcount(page) || !mapping)
		return false;
	down_read(&mapping->i_mmap_rwsem);
	(void)walk_tree(&walk, &mapping->i_mmap_shared); /* private entries are never dirty */
	up_read(&mapping->i_mmap_rwsem);
	return walk.was_dirty;
}
