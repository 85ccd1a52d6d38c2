/* SPDX-License-Identifier: MIT */
/*
 * migrate.c: moving anonymous pages of one address space to another node.
 *
 *	old page on node a			new page on node b
 *	    entry cleared, translation flushed, copied, entry set
 *
 * All under mmap_lock for write, so that nobody of this address space faults, and the page
 * lock, so that reclaim leaves the page alone; the entry itself changes under
 * page_table_lock. Only a page with no user but that one entry is moved (and perhaps the
 * LRU's batch): not shared after fork, not pinned by I/O, not in the swap cache. Pages of
 * files and shared memory stay where they are and are counted as such.
 *
 * Invariant: (M1) while the entry is cleared, no one can see that: faults wait for mmap_lock, and
 * walks over page tables hold mmap_lock or page_table_lock. Failure: -ENOMEM when the node has no
 * page left (pages of other nodes are not used); nothing changed. Observability:
 * /proc/PID/numa_maps; the counters pgmigrate_success and pgmigrate_fail.
 */
#include <pagoda/highmem.h>
#include <pagoda/mempolicy.h>
#include <pagoda/slab.h>
#include <pagoda/vmstat.h>
#include "vma_internal.h"

/* The node of a page. */
static int page_node(const struct page *page)
{
	return page_zone(page)->zone_pgdat->node_id;
}

/* The entry for addr, or NULL if it has no table. */
static pte_t *entry_at(struct mm_struct *mm, unsigned long addr)
{
	unsigned long at = addr;
	pmd_t *pmd = next_pmd(mm, &at, addr + PAGE_SIZE);

	mmap_assert_locked(mm);
	VM_BUG_ON(addr & ~PAGE_MASK);
	return pmd ? pte_offset(pmd, addr) : NULL;
}

/*
 * A page of the given node. The allocator falls back to other nodes; such a page is freed again, as
 * it would be no better than the old one. NULL: the node has no free page.
 */
static struct page *page_on_node(int nid)
{
	struct page *page = alloc_pages_node(nid, GFP_HIGHUSER_MOVABLE, 0);

	if (page && page_node(page) != nid) {
		put_page(page);
		page = NULL;
	}
	return page;
}

/*
 * Does no one use the page but this entry and the caller? The count of 2 is the reference of the
 * entry and the caller's. A page with any other user cannot be moved, since that user would keep
 * the old one. The caller holds page_table_lock and the page lock.
 */
static bool is_ours_alone(struct page *page, pte_t pte)
{
	VM_BUG_ON(!PageLocked(page));
	return pte_present(pte) && normal_page(pte) == page && PageAnon(page) &&
	       !PageSwapCache(page) && !PageWriteback(page) && !PageMlocked(page) &&
	       !atomic_read(&page->mapcount) && page_count_no_batch(page) == 2;
}

/* The entry with another frame; rights and the accessed and dirty bits stay. */
static pte_t pte_with_pfn(pte_t pte, unsigned long pfn)
{
	return __pte((pte_val(pte) & (pteval_t)~PTE_PFN_MASK) | (pteval_t)PFN_PHYS(pfn));
}

/*
 * Put the new page in the old one's place. The order is that of copy-on-write: clear the entry,
 * flush, copy, set. After the flush no CPU can write to the old page, so that the copy misses
 * nothing.
 */
static void replace(struct vm_area_struct *vma, unsigned long addr, pte_t *ptep, struct page *old,
		    struct page *new)
{
	struct mm_struct *mm = vma->vm_mm;
	pte_t pte = ptep_get_and_clear(mm, addr, ptep);

	flush_tlb_page(mm, addr);
	VM_BUG_ON(!PageLocked(old) || !PageAnon(old) || old == new);
	VM_BUG_ON(page_mapcount(old) != 1 || page_mapcount(new));
	VM_BUG_ON(page_pinned(old)); /* a device would go on writing to the old page */
	copy_highpage(new, old);
	new->mapping = old->mapping;
	new->index = old->index;
	atomic_set(&new->mapcount, 0);
	if (PageDirty(old))
		SetPageDirty(new);
	lru_cache_add_anon(new);
	set_pte_at(mm, addr, ptep, pte_with_pfn(pte, page_to_pfn(new)));
	atomic_dec(&old->mapcount);
}

/*
 * Lock the page and, if no one else uses it, replace it. False: it is in use. The page lock keeps
 * reclaim away, which may have found the page on its LRU list.
 */
static bool try_replace(struct vm_area_struct *vma, unsigned long addr, struct page *old,
			struct page *new)
{
	struct mm_struct *mm = vma->vm_mm;
	pte_t *ptep = entry_at(mm, addr);
	bool moved;

	mmap_assert_write_locked(mm);
	lock_page(old);
	spin_lock(&mm->page_table_lock);
	moved = ptep && is_ours_alone(old, ptep_get(ptep));
	if (moved)
		replace(vma, addr, ptep, old, new);
	spin_unlock(&mm->page_table_lock);
	unlock_page(old);
	return moved;
}

/*
 * The page that the entry at addr maps, with a reference. ERR_PTR(-ENOENT): no page;
 * ERR_PTR(-EFAULT): the zero page or a device frame.
 */
static struct page *page_at(struct mm_struct *mm, unsigned long addr)
{
	pte_t *ptep = entry_at(mm, addr), pte;
	struct page *page = ERR_PTR(-ENOENT);

	if (!ptep)
		return page;
	spin_lock(&mm->page_table_lock);
	pte = ptep_get(ptep);
	if (pte_present(pte)) {
		page = normal_page(pte);
		if (page)
			get_page(page);
		else
			page = ERR_PTR(-EFAULT);
	}
	spin_unlock(&mm->page_table_lock);
	return page;
}

/* The VMA at addr, NULL if there is none or it maps a device. */
static struct vm_area_struct *region_at(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *vma = find_vma(mm, addr);

	return vma && vma->vm_start <= addr && !(vma->vm_flags & (VM_IO | VM_RESERVED)) ? vma
											: NULL;
}

int user_page_node(struct mm_struct *mm, unsigned long addr)
{
	struct page *page;
	int nid;

	lockdep_assert_held(&mm->mmap_lock);
	if (!region_at(mm, addr))
		return -EFAULT;
	page = page_at(mm, addr & PAGE_MASK);
	if (IS_ERR(page))
		return (int)PTR_ERR(page);
	nid = page_node(page);
	put_page(page);
	return nid;
}

/*
 * Move a page, to which the caller has a reference, to node nid. Returns the node on which it is
 * afterwards, or a negative errno: why it was not moved.
 */
static int move_page(struct vm_area_struct *vma, unsigned long addr, struct page *old, int nid,
		     bool all)
{
	struct page *new;

	if (page_node(old) == nid)
		return nid;
	if (atomic_read(&old->mapcount) > 0 && !all)
		return -EACCES;
	if (PageAnon(old)) {
		new = page_on_node(nid);
		if (!new)
			return -ENOMEM;
		if (try_replace(vma, addr, old, new)) {
			put_page(old); /* the entry's reference */
			count_vm_event(pgmigrate_success);
			return nid;
		}
		put_page(new);
	}
	count_vm_event(pgmigrate_fail);
	return -EBUSY;
}

int migrate_user_page(struct mm_struct *mm, unsigned long addr, int nid, bool all)
{
	struct vm_area_struct *vma;
	struct page *page;
	int ret;

	lockdep_assert_held(&mm->mmap_lock);
	addr &= PAGE_MASK;
	vma = region_at(mm, addr);
	if (!vma)
		return -EFAULT;
	page = page_at(mm, addr);
	if (IS_ERR(page))
		return (int)PTR_ERR(page);
	ret = move_page(vma, addr, page, nid, all);
	put_page(page);
	return ret;
}

/* The nodes on which pages may lie under pol. */
static nodemask_t nodes_allowed(const struct mempolicy *pol)
{
	return pol && pol->nodes ? pol->nodes : nodes_with_memory();
}

/*
 * Check one page of a range, and move it if it lies on a node that pol does not allow. 1: it lies
 * there, and was not moved.
 */
static long settle_page(struct vm_area_struct *vma, unsigned long addr, const struct mempolicy *pol,
			bool move, bool all)
{
	struct page *page = page_at(vma->vm_mm, addr);
	long stays = 0;

	if (IS_ERR(page))
		return 0;
	if (!node_isset(page_node(page), nodes_allowed(pol)))
		stays = !move || move_page(vma, addr, page, mpol_node(pol, vma, addr), all) < 0;
	put_page(page);
	return stays;
}

long migrate_range(struct mm_struct *mm, unsigned long start, unsigned long end,
		   const struct mempolicy *pol, bool move, bool all)
{
	struct vm_area_struct *vma = find_vma(mm, start);
	unsigned int turns = 0;
	long stay = 0;

	lockdep_assert_held(&mm->mmap_lock);
	for (; vma && vma->vm_start < end; vma = vma->vm_next) {
		unsigned long stop = min(end, vma->vm_end);

		if (vma->vm_flags & (VM_IO | VM_RESERVED))
			continue;
		for (unsigned long addr = max(start, vma->vm_start); addr < stop;
		     addr += PAGE_SIZE) {
			if (!next_pmd(mm, &addr, stop))
				break;
			stay += settle_page(vma, addr, pol, move, all);
			pause_now_and_then(&turns);
		}
	}
	return stay;
}

/*
 * The node that takes over the pages of nid: if nid is the n-th node of from, the n-th one of to,
 * modulo its size. So nodes that were different stay different as long as there are enough.
 */
static int counterpart(int nid, nodemask_t from, nodemask_t to)
{
	unsigned int place = nr_nodes_in(from & ((1u << nid) - 1)) % nr_nodes_in(to);

	VM_BUG_ON(!to || !node_isset(nid, from));
	while (place--)
		to &= to - 1;
	return __builtin_ctz(to);
}

/* The pages of one VMA. Returns how many could not be moved. */
static long migrate_vma(struct vm_area_struct *vma, nodemask_t from, nodemask_t to, bool all)
{
	unsigned int turns = 0;
	long stay = 0;

	for (unsigned long addr = vma->vm_start; addr < vma->vm_end; addr += PAGE_SIZE) {
		int nid;

		if (!next_pmd(vma->vm_mm, &addr, vma->vm_end))
			break;
		nid = user_page_node(vma->vm_mm, addr);
		if (nid >= 0 && node_isset(nid, from) && !(from == to))
			stay += migrate_user_page(vma->vm_mm, addr, counterpart(nid, from, to),
						  all) < 0;
		pause_now_and_then(&turns);
	}
	return stay;
}

long migrate_mm(struct mm_struct *mm, nodemask_t from, nodemask_t to, bool all)
{
	long stay = 0;

	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	for (struct vm_area_struct *vma = mm->mmap; vma; vma = vma->vm_next)
		if (!(vma->vm_flags & (VM_IO | VM_RESERVED)))
			stay += migrate_vma(vma, from, to, all);
	up_write(&mm->mmap_lock);
	return stay;
}
