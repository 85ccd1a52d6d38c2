// SPDX-License-Identifier: MIT
/*
 * memory_swap.c: faults on pages that were swapped (FT-49).
 *
 *	entry -> swap cache -> there: a minor fault
 *			    -> else swapin_readahead: a major one
 *	page locked, still the entry's, read -> entry of the page, slot's use given back
 *
 * Several tasks may fault on the page at once, and it may leave the swap cache while one of them
 * waits for it. Under the page lock the task checks that the page still holds the contents of the
 * entry, and under page_table_lock that the entry is still there. A write takes the page over if
 * nobody else has an entry of the slot; else do_wp_page() copies it.
 *
 * Locking: as memory.c; the page's lock is outside page_table_lock.
 *
 * Failure: VM_FAULT_OOM; VM_FAULT_SIGBUS if the slot cannot be read (FT-54), which the next
 * fault tries again. Nothing is installed then.
 *
 * Seen in: vm event fault_swap; maj_flt.
 */
#include <pagoda/swap.h>
#include <pagoda/vmstat.h>
#include "swap_internal.h"
#include <mm/space/fault_internal.h>

/*
 * Set the anon_vma by which the reverse map finds the page. If this task is the only user, it is
 * the one of the region. Otherwise any relative of the process may have an entry of the slot, so it
 * must be one that all relatives share; a page that is mapped already has such a one.
 */
static void identify_swapped_page(struct vm_fault *vmf, struct page *page)
{
	VM_BUG_ON(!PageLocked(page) || !PageSwapCache(page));
	if (can_share_swap_page(page))
		set_anon_identity(page, vmf->vma);
	else if (!page_mapcount(page))
		set_shared_anon_identity(page, vmf->vma);
	/*
	 * Other mappers may read the index now; all of them have the same value, so write it only
	 * if it differs.
	 */
	if (page->index != vma_pgoff(vmf->vma, vmf->address))
		page->index = vma_pgoff(vmf->vma, vmf->address);
}

/*
 * Map the page. page_table_lock and the page's lock are held, the entry is still vmf->orig_pte. The
 * caller has two references, of its look-up and for the new entry. The entry becomes writable only
 * if nobody else has the page, by an entry, a slot or a reference.
 */
static void map_swapped_page(struct vm_fault *vmf, struct page *page)
{
	struct mm_struct *mm = vmf->vma->vm_mm;
	pte_t pte = pte_sw_mkyoung(mk_pte(page, vmf->vma->vm_page_prot));
	bool reuse;

	lockdep_assert_held(&mm->page_table_lock);
	VM_BUG_ON(!PageLocked(page) || !PageUptodate(page));
	VM_BUG_ON(page_swap_entry(page).val != pte_to_swp_entry(vmf->orig_pte).val);
	identify_swapped_page(vmf, page);
	atomic_inc(&page->mapcount);
	swap_free(pte_to_swp_entry(vmf->orig_pte));
	reuse = is_write(vmf) && can_reuse_swap_page(page, 1);
	if ((is_write(vmf) || swap_is_scarce()) && remove_exclusive_swap_page(page) && reuse &&
	    vmf->vma->vm_flags & VM_WRITE)
		pte = pte_mkwrite(pte_mkwritten(pte));
	if (pte_swp_soft_dirty(vmf->orig_pte))
		pte = pte_mksoft_dirty(pte);
	add_rss(&mm->rss_anon, 1);
	add_rss(&mm->swap_usage, -1);
	install(vmf, pte);
	vmf->orig_pte = pte;
}

/*
 * The read of a locked page has failed, so it does not hold the contents of the entry. Take it out
 * of the cache, and drop the caller's lock and reference. If this fault has read it, the slot is
 * given up and the task gets SIGBUS. If another task's read failed, return 0: the fault is
 * repeated and reads itself.
 */
static vm_fault_t drop_unread_page(struct page *page, vm_fault_t ret)
{
	VM_BUG_ON(!PageLocked(page) || PageUptodate(page));
	if (ret & VM_FAULT_MAJOR)
		/* who has it next shall not lose a page, too */
		swap_give_up_slot(page_swap_entry(page));
	delete_from_swap_cache(page);
	unlock_page(page);
	put_page(page);
	/* another's reading failed: try ourselves */
	return ret & VM_FAULT_MAJOR ? VM_FAULT_SIGBUS : 0;
}

/* Does the locked page still hold the contents of the slot that the entry names? */
static bool holds_entry(const struct page *page, swp_entry_t entry)
{
	VM_BUG_ON(!PageLocked(page));
	return PageSwapCache(page) && page_swap_entry(page).val == entry.val;
}

/*
 * Lock the page, and map it if it still belongs to the entry and the entry has not changed; drop
 * the caller's reference. A page that is being read is locked, so the wait for its lock, without
 * mmap_lock, is the wait for the disk.
 */
static vm_fault_t map_if_still_wanted(struct vm_fault *vmf, struct page *page, vm_fault_t ret)
{
	if (!lock_page_or_retry(vmf, page))
		return ret | VM_FAULT_RETRY;
	if (!holds_entry(page, pte_to_swp_entry(vmf->orig_pte)))
		goto out;
	if (unlikely(!PageUptodate(page)))
		return drop_unread_page(page, ret);
	if (!lock_if_unchanged(vmf))
		goto out;
	/*
	 * The new entry's reference. Another thread may zap the entry before this fault is done
	 * with the page.
	 */
	get_page(page);
	/*
	 * The accessed bit of the entry already says that the page is used; setting PG_referenced
	 * would count this use twice.
	 */
	map_swapped_page(vmf, page);
	unlock_pte(vmf);
	unlock_page(page);
	/* A task that zapped the entry may have found the page locked and left it to us. */
	free_unused_swap_page(page);
	put_page(page);
	count_vm_event(fault_swap);
	if (is_write(vmf) && !pte_write(vmf->orig_pte)) {
		/* the fault served here must be counted as served */
		vmf->flags &= ~FAULT_FLAG_ALLOW_RETRY;
		ret |= do_wp_page(vmf);
	}
	return ret;
out:
	unlock_page(page);
	free_unused_swap_page(page);
	put_page(page);
	return ret;
}

vm_fault_t do_swap_page(struct vm_fault *vmf)
{
	swp_entry_t entry = pte_to_swp_entry(vmf->orig_pte);
	struct page *page = lookup_swap_cache(entry);
	vm_fault_t ret = vmf->flags & FAULT_FLAG_MAJOR ? VM_FAULT_MAJOR : 0;

	lockdep_assert_held(&vmf->vma->vm_mm->mmap_lock);
	VM_BUG_ON(pte_present(vmf->orig_pte) || pte_none(vmf->orig_pte));
	if (unlikely(anon_vma_prepare(vmf->vma))) {
		if (page)
			put_page(page);
		return VM_FAULT_OOM;
	}
	if (!page) {
		page = swapin_readahead(entry, vmf->vma, vmf->address);
		ret = VM_FAULT_MAJOR;
	} else if (unlikely(PageReadahead(page))) {
		swap_readahead_used(vmf->vma, page);
	}
	if (!page) {
		/*
		 * There is no page: either there is no memory, or the entry has changed and its
		 * slot is gone. In the second case repeat the fault, as nothing is wrong.
		 */
		if (!lock_if_unchanged(vmf))
			return 0;
		unlock_pte(vmf);
		return VM_FAULT_OOM;
	}
	return map_if_still_wanted(vmf, page, ret);
}
