// SPDX-License-Identifier: MIT
/*
 * memory_swap.c: faults on pages that were swapped (FT-49).
 *
 *	entry -> swap cache -> there: a minor fault
 *			    -> else swapin_readahead: a major one
 *	page locked, still the entry's, read -> entry of the page, slot's use given back
 *
 * The page may be read by several at once, and go its way meanwhile: under its lock it shows
 * whether it still holds what the entry names, under page_table_lock the entry whether
 * it is still wanted. A write takes the page over if nobody else has the slot, else
 * do_wp_page() copies it.
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
 * Who else may map the page: whoever has its entry, anywhere in the family. A page that is
 * mapped has its identity, and whoever shares it is at or below that one.
 */
static void identify_swapped_page(struct vm_fault *vmf, struct page *page)
{
	if (can_share_swap_page(page))
		set_anon_identity(page, vmf->vma);
	else if (!page_mapcount(page))
		set_shared_anon_identity(page, vmf->vma);
	/* Others who map it may be looking: it is the same for all of them. */
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

/* A locked page that is not the entry's contents. Our reference and lock go. */
static vm_fault_t drop_unread_page(struct page *page, vm_fault_t ret)
{
	if (ret & VM_FAULT_MAJOR)
		/* who has it next shall not lose a page, too */
		swap_give_up_slot(page_swap_entry(page));
	delete_from_swap_cache(page);
	unlock_page(page);
	put_page(page);
	/* another's reading failed: try ourselves */
	return ret & VM_FAULT_MAJOR ? VM_FAULT_SIGBUS : 0;
}

static bool holds_entry(const struct page *page, swp_entry_t entry)
{
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
	get_page(page); /* the entry's: it may be zapped before we are done */
	/* the accessed bit will say that it is used; PG_referenced would count this twice */
	map_swapped_page(vmf, page);
	unlock_pte(vmf);
	unlock_page(page);
	free_unused_swap_page(page); /* the zapper found it locked, perhaps */
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
		if (!lock_if_unchanged(vmf))
			return 0;
		unlock_pte(vmf);
		return VM_FAULT_OOM;
	}
	return map_if_still_wanted(vmf, page, ret);
}
