// SPDX-License-Identifier: MIT
/*
 * memory.c: serving page faults (thesis 9.5).
 *
 *	handle_mm_fault		finds the page-table entry, allocating missing tables
 *	  handle_pte_fault	chooses the handler by the entry's contents:
 *	    none	do_no_page		the object's page (vm_ops->nopage), or
 *			do_anonymous_page	the zero page for a read, a zeroed frame for a write
 *	    swapped	do_swap_page		the entry's page from the swap cache or the device
 *						(memory_swap.c)
 *	    present	do_wp_page		write to a write-protected private page: use
 *						it if no one else does, else copy it
 *			mark_used		else: the entry permits the access already
 *						(race); set its accessed and dirty bits
 *
 * Every handler prepares its page with no spinlock held, since it may sleep. It then takes
 * page_table_lock, compares the entry with the value that it read before, and installs the page
 * only if the entry is unchanged. A handler that lost the race drops its page. So threads fault in
 * parallel and one address never gets two pages:
 *
 *	CPU A				CPU B
 *	read entry: none		read entry: none
 *	allocate a page			allocate a page
 *	lock, entry still none
 *	set entry, unlock
 *					lock, entry is not none any more
 *					unlock, free the page
 *
 * Copy-on-write replaces a page that is mapped. It clears the entry, flushes the translation on
 * every CPU, and only then sets the new entry. In any other order, for a moment one CPU could write
 * to the new page at an address at which another CPU still reads the old page.
 *
 * Locking: mmap_lock for read; page_table_lock around each change of the entry and of the rss
 * counters. nopage may return its page locked. The page then stays locked until the entry is set,
 * so that truncation, which takes the page lock to remove a page from its file, finds the new
 * entry.
 *
 * Invariants: (F1) a frame becomes visible to user space only when it is zeroed or fully written;
 * (F2) the zero page is never writable, never counted as resident, never freed; (F3) an anonymous
 * page that is writable in an entry is mapped by that entry alone.
 *
 * Failure: VM_FAULT_OOM, or VM_FAULT_SIGBUS if a swap slot or a file's page cannot be read (FT-54).
 * In either case no entry was set.
 *
 * Seen in: vm events fault_anon, fault_zero_map, fault_file, fault_cow_copy, fault_cow_reuse,
 * fault_cow_early, fault_mkwrite, fault_spurious; min_flt, maj_flt of the task.
 */
#include <pagoda/boot_option.h>
#include <pagoda/fault_trace.h>
#include <pagoda/highmem.h>
#include <pagoda/mempolicy.h>
#include <pagoda/page_alloc.h>
#include <pagoda/swap.h>
#include <pagoda/vmstat.h>
#include <asm/pgalloc.h>
#include <pagoda/init.h>
#include "fault_internal.h"

unsigned long zero_pfn;
unsigned long fault_around_bytes = FAULT_AROUND_MAX;

/*
 * Allocate the zero page, which every read of untouched anonymous memory maps. It is reserved, so
 * that no path that frees pages frees it (F2).
 */
void empty_zero_page_init(void)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);

	if (!page)
		panic("no memory for the zero page");
	zero_pfn = page_to_pfn(page);
	SetPageReserved(page);
}

/*
 * The loop ends at the first character that is no digit, and also when the value exceeds the
 * maximum: bytes then cannot overflow. Anything that is not a power of two within the bounds is
 * refused and the default stays, because around_window() computes the window with a mask.
 */
void __init fault_around_init(void)
{
	const char *value;
	unsigned long bytes = 0;

	if (!boot_option("fault_around", &value))
		return;
	for (; *value >= '0' && *value <= '9' && bytes <= FAULT_AROUND_MAX; value++)
		bytes = bytes * 10 + (unsigned long)(*value - '0');
	if (bytes < PAGE_SIZE || bytes > FAULT_AROUND_MAX || bytes & (bytes - 1))
		pr_warn("fault_around: a power of two from %lu to %lu is wanted\n", PAGE_SIZE,
			(unsigned long)FAULT_AROUND_MAX);
	else
		fault_around_bytes = bytes;
}

/*
 * Set the write bit only if the region permits writing. A debugger's forced write (gup.c) gets a
 * private copy in a region that the program itself may not write to; with the write bit set, the
 * program could then write there, too.
 */
static inline pte_t pte_mkwrite_if_allowed(const struct vm_fault *vmf, pte_t pte)
{
	return likely(vmf->vma->vm_flags & VM_WRITE) ? pte_mkwrite(pte) : pte;
}

/*
 * The entry for a private page that this fault has just zeroed or filled. It is marked as written
 * at once: a write follows immediately, and without the dirty bit the CPU would have to set it.
 */
static inline pte_t owned_pte(const struct vm_fault *vmf, struct page *page)
{
	VM_BUG_ON(is_zero_pfn(page_to_pfn(page))); /* (F2) */
	VM_BUG_ON(vmf->vma->vm_flags & VM_SHARED); /* its pages belong to an object */
	return pte_mkwrite_if_allowed(
		vmf, pte_mkwritten(pte_sw_mkyoung(mk_pte(page, vmf->vma->vm_page_prot))));
}

/* ---- Anonymous memory ----------------------------------------------------------------------- */

/*
 * A read of memory that was never written: map the zero page, read-only. The region needs no
 * anon_vma for it and rss does not count it (F2). The first write faults again and comes to
 * map_new_zeroed_page().
 */
static vm_fault_t map_zero_page(struct vm_fault *vmf)
{
	VM_BUG_ON(is_write(vmf) || !pte_none(vmf->orig_pte));
	if (!lock_if_unchanged(vmf))
		return 0;
	install(vmf, pte_wrprotect(pfn_pte(zero_pfn, vmf->vma->vm_page_prot)));
	unlock_pte(vmf);
	count_vm_event(fault_zero_map);
	return 0;
}

/*
 * A write to memory that has no page of its own yet: the entry is none, or it maps the zero page.
 * The anon_vma is made first, because a page must have its identity (page->mapping) before another
 * CPU can see it in the entry.
 */
static vm_fault_t map_new_zeroed_page(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct page *page;

	VM_BUG_ON(!pte_none(vmf->orig_pte) && !is_zero_pfn(pte_pfn(vmf->orig_pte)) &&
		  !pte_special(vmf->orig_pte));
	if (unlikely(anon_vma_prepare(vma)))
		return VM_FAULT_OOM;
	page = alloc_page_vma(GFP_HIGHUSER_MOVABLE | __GFP_ZERO, vma, vmf->address);
	if (unlikely(!page))
		return VM_FAULT_OOM;
	if (unlikely(!lock_if_unchanged(vmf))) {
		put_page(page);
		return 0;
	}
	flush_page_to_ram(page);
	set_anon_page(page, vma, vmf->address);
	add_rss(&vma->vm_mm->rss_anon, 1);
	/*
	 * The entry maps the zero page. A CPU may have a read-only translation of it in its TLB and
	 * would go on reading zeros there after this CPU has written to the new page; so flush it
	 * before the new entry is set.
	 */
	if (unlikely(pte_present(vmf->orig_pte))) {
		ptep_replace_readonly(vmf->pte, __pte(0));
		flush_tlb_page(vma->vm_mm, vmf->address);
	}
	install(vmf, owned_pte(vmf, page));
	unlock_pte(vmf);
	count_vm_event(fault_anon);
	return 0;
}

static vm_fault_t do_anonymous_page(struct vm_fault *vmf)
{
	return is_write(vmf) ? map_new_zeroed_page(vmf) : map_zero_page(vmf);
}

/* ---- Objects --------------------------------------------------------------------------------- */

/*
 * Drop the reference that nopage returned, and unlock the page if nopage returned it locked
 * (VM_FAULT_LOCKED in ret).
 */
static void release_object_page(struct page *page, vm_fault_t ret)
{
	VM_BUG_ON(ret & VM_FAULT_LOCKED && !PageLocked(page));
	if (ret & VM_FAULT_LOCKED)
		unlock_page(page);
	put_page(page);
}

/*
 * Tell the object that a page of it, which is locked, is about to become writable in a shared
 * region. A file system reserves disk space then, and marks the page dirty. True: go on. False:
 * *ret is the result of the fault. If it has VM_FAULT_RETRY, the object had to wait and has dropped
 * mmap_lock and the page lock.
 */
static bool announce_write(struct vm_fault *vmf, vm_fault_t *ret)
{
	const struct vm_operations_struct *ops = vmf->vma->vm_ops;

	VM_BUG_ON(!(vmf->vma->vm_flags & VM_SHARED));
	VM_BUG_ON(!vmf->page);
	*ret = ops && ops->page_mkwrite ? ops->page_mkwrite(vmf) : 0;
	return !*ret;
}

/*
 * Map the object's own page (not a copy): a read fault, or a write fault in a shared region. ret is
 * nopage's result. The reference that nopage took becomes the entry's.
 */
static vm_fault_t map_object_page(struct vm_fault *vmf, vm_fault_t ret)
{
	struct vm_area_struct *vma = vmf->vma;
	struct page *page = vmf->page;
	pte_t pte = pte_sw_mkyoung(mk_pte(page, vma->vm_page_prot));
	vm_fault_t refused;

	VM_BUG_ON(is_write(vmf) && !(vma->vm_flags & VM_SHARED)); /* do_no_page() copies it */
	VM_BUG_ON(PageAnon(page) || page_count(page) < 1);
	if (is_write(vmf) && !announce_write(vmf, &refused)) {
		/*
		 * With VM_FAULT_RETRY the object has unlocked the page already, see
		 * announce_write().
		 */
		release_object_page(page, refused & VM_FAULT_RETRY ? 0 : ret);
		return refused;
	}

	if (is_write(vmf))
		pte = pte_mkwrite(pte_mkwritten(pte));
	/*
	 * Another thread has served a fault at this address meanwhile. Its entry is as good as
	 * ours; if it permits less than the access needs, the access faults again.
	 */
	if (!lock_if_unchanged(vmf)) {
		release_object_page(page, ret);
		return ret & VM_FAULT_MAJOR;
	}
	atomic_inc(&page->mapcount);
	add_rss(rss_counter(vma->vm_mm, page), 1);
	install(vmf, pte);
	unlock_pte(vmf);
	/*
	 * The page lock is released only now: truncation unmaps a page under the page lock, and
	 * would have missed an entry that was set after the lock was released.
	 */
	if (ret & VM_FAULT_LOCKED)
		unlock_page(page);
	count_vm_event(fault_file);
	return ret & VM_FAULT_MAJOR;
}

/*
 * The range that fault-around maps: the aligned window of fault_around_bytes around the fault, cut
 * to the VMA and to the span of one page table, so that one table and one lock serve all of it.
 */
static void around_window(const struct vm_fault *vmf, unsigned long *start, unsigned long *end)
{
	unsigned long window = vmf->address & ~(fault_around_bytes - 1);

	*start = max(max(window, vmf->vma->vm_start), vmf->address & PMD_MASK);
	*end = min(min(window + fault_around_bytes, vmf->vma->vm_end),
		   (vmf->address & PMD_MASK) + PMD_SIZE);
	VM_BUG_ON(*start > vmf->address || *end <= vmf->address);
}

/*
 * Map a page next to the faulting one, if its entry is still none. The caller holds a reference of
 * its own; the entry gets another one. True: mapped.
 */
static bool map_neighbour(struct vm_fault *vmf, struct page *page, unsigned long addr)
{
	struct vm_area_struct *vma = vmf->vma;
	pte_t *ptep = pte_offset(vmf->pmd, addr);

	lockdep_assert_held(&vma->vm_mm->page_table_lock);
	VM_BUG_ON(addr < vma->vm_start || addr >= vma->vm_end);
	VM_BUG_ON(!PageLocked(page) || PageAnon(page));
	if (!pte_none(ptep_get(ptep)))
		return false;
	get_page(page);
	atomic_inc(&page->mapcount);
	add_rss(rss_counter(vma->vm_mm, page), 1);
	set_pte_at(vma->vm_mm, addr, ptep, pte_old(mk_pte(page, vma->vm_page_prot)));
	return true;
}

/*
 * Fault-around: pages next to the one just read are likely to be read soon, and mapping a page here
 * costs a tenth of a fault. Only pages that are in the page cache and up to date are mapped;
 * nothing is read from a disk and nothing waits. Their entries are not marked as accessed, because
 * the program has not accessed them: reclaim would take them for pages in use.
 *
 * ready_pages() returns the pages locked, and they stay locked until their entries are set. So
 * truncation cannot remove one of them from the file in between and leave it mapped.
 */
static void map_around(struct vm_fault *vmf)
{
	struct page *pages[FAULT_AROUND_MAX / PAGE_SIZE];
	struct vm_area_struct *vma = vmf->vma;
	unsigned long start, end, mapped = 0;
	unsigned int nr;

	around_window(vmf, &start, &end);
	/* Only the faulting page itself is in the window, and it is mapped already. */
	if (end - start <= PAGE_SIZE)
		return;
	nr = vma->vm_ops->ready_pages(vma, vma_pgoff(vma, start), (end - start) >> PAGE_SHIFT,
				      pages);
	VM_BUG_ON(nr > ARRAY_SIZE(pages));
	spin_lock(&vma->vm_mm->page_table_lock);
	for (unsigned int i = 0; i < nr; i++)
		mapped += map_neighbour(
			vmf, pages[i],
			start + ((pages[i]->index - vma_pgoff(vma, start)) << PAGE_SHIFT));
	spin_unlock(&vma->vm_mm->page_table_lock);
	for (unsigned int i = 0; i < nr; i++) {
		unlock_page(pages[i]);
		put_page(pages[i]);
	}
	count_vm_events(VM_EVENT_fault_around, mapped);
}

/*
 * A write to a page of a private mapping that is not mapped yet: the program gets a copy at once,
 * and the object's page is never mapped (FT-46). Mapping it read-only first would cost a second
 * fault.
 */
static vm_fault_t map_private_copy(struct vm_fault *vmf, struct page *copy, vm_fault_t ret)
{
	struct vm_area_struct *vma = vmf->vma;

	VM_BUG_ON(vma->vm_flags & VM_SHARED || !is_write(vmf));
	VM_BUG_ON(!vma->anon_vma || PageAnon(vmf->page));
	copy_highpage(copy, vmf->page);
	if (lock_if_unchanged(vmf)) {
		set_anon_page(copy, vma, vmf->address);
		add_rss(&vma->vm_mm->rss_anon, 1);
		install(vmf, owned_pte(vmf, copy));
		unlock_pte(vmf);
		count_vm_event(fault_cow_early);
	} else {
		put_page(copy);
	}
	release_object_page(vmf->page, ret);
	return ret & VM_FAULT_MAJOR;
}

/*
 * The NUMA policy of the mapping that touches a page of shared memory first decides on which node
 * the page is allocated. nopage may drop mmap_lock, and another thread may then replace the
 * region's policy; so a reference to the policy is held over the call.
 */
static noinline vm_fault_t nopage_with_policy(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	bool shared_memory =
		vma->vm_file && vma->vm_file->f_mapping && vma->vm_file->f_mapping->shmem;
	struct mempolicy *pol = shared_memory ? mpol_get(vma->vm_policy) : NULL;
	struct vm_task *task = current_vm;
	vm_fault_t ret;

	mmap_assert_locked(vma->vm_mm);
	VM_BUG_ON(task->fault_policy);
	task->fault_policy = pol;
	ret = vma->vm_ops->nopage(vmf);
	task->fault_policy = NULL;
	mpol_put(pol);
	return ret;
}

/*
 * The entry is none and the region has an object: ask the object for the page. For a write to a
 * private mapping the copy's frame is allocated before nopage is called, because nopage may return
 * its page locked: an allocation may have to reclaim memory, and others would wait for the page
 * lock meanwhile.
 */
static vm_fault_t do_no_page(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	bool private_write = is_write(vmf) && !(vma->vm_flags & VM_SHARED);
	struct page *copy = NULL;
	vm_fault_t ret;

	VM_BUG_ON(!pte_none(vmf->orig_pte));
	if (private_write) {
		if (unlikely(anon_vma_prepare(vma)))
			return VM_FAULT_OOM;
		copy = alloc_page_vma(GFP_HIGHUSER_MOVABLE, vma, vmf->address);
		if (unlikely(!copy))
			return VM_FAULT_OOM;
	}
	ret = unlikely(vma->vm_policy) ? nopage_with_policy(vmf) : vma->vm_ops->nopage(vmf);
	/*
	 * There is no page to map: an error, mmap_lock was dropped (so the region may be gone), or
	 * nopage has set the entry itself.
	 */
	if (unlikely(ret & (VM_FAULT_ERROR | VM_FAULT_RETRY | VM_FAULT_NOPAGE))) {
		if (copy)
			put_page(copy);
		return ret;
	}
	if (copy)
		return map_private_copy(vmf, copy, ret);
	ret = map_object_page(vmf, ret);
	if (!is_write(vmf) && vma->vm_ops->ready_pages)
		map_around(vmf);
	return ret;
}

/* ---- Copy-on-write --------------------------------------------------------------------------- */

/*
 * Permit writing to the page that is mapped, without a copy. The caller holds page_table_lock,
 * which is released here, and knows that no one else uses the page. No flush is needed: the entry's
 * rights grow, and a CPU with the old translation takes one more fault, which mark_used() ends.
 */
static vm_fault_t wp_page_reuse(struct vm_fault *vmf) RELEASES(&vmf->vma->vm_mm->page_table_lock)
{
	VM_BUG_ON(!pte_present(vmf->orig_pte));
	VM_BUG_ON(is_zero_pfn(pte_pfn(vmf->orig_pte))); /* (F2) */
	lockdep_assert_held(&vmf->vma->vm_mm->page_table_lock);
	ptep_replace_readonly(
		vmf->pte, pte_mkyoung(pte_mkwritten(pte_mkwrite_if_allowed(vmf, vmf->orig_pte))));
	update_mmu_cache(vmf->vma, vmf->address, vmf->pte);
	unlock_pte(vmf);
	return 0;
}

/*
 * Put the copy where old is mapped. The caller holds page_table_lock, which is released here.
 *
 *	clear the entry -> flush -> set the new entry
 *
 * Without the flush in the middle, a CPU with the old translation would go on reading old while
 * this one writes to the copy. The reference that the entry held on old is dropped last: until the
 * flush is over, a CPU may still read old.
 */
static void break_cow(struct vm_fault *vmf, struct page *copy, struct page *old)
	RELEASES(&vmf->vma->vm_mm->page_table_lock)
{
	struct mm_struct *mm = vmf->vma->vm_mm;

	lockdep_assert_held(&mm->page_table_lock);
	VM_BUG_ON(copy == old || page_mapcount(old) < 1);
	VM_BUG_ON(!vmf->vma->anon_vma);
	/*
	 * A page of a file gives way to an anonymous one: it moves from one rss counter to another.
	 * If old is anonymous, too, the number of anonymous pages stays the same.
	 */
	if (!PageAnon(old)) {
		add_rss(rss_counter(mm, old), -1);
		add_rss(&mm->rss_anon, 1);
	}
	set_anon_page(copy, vmf->vma, vmf->address);
	ptep_replace_readonly(vmf->pte, __pte(0));
	flush_tlb_page(mm, vmf->address);
	install(vmf, owned_pte(vmf, copy));
	atomic_dec(&old->mapcount);
	unlock_pte(vmf);
	/*
	 * Reclaim took old off the LRU lists because a region had it locked. That may have been
	 * this region alone. So put old back; if another region locks it, reclaim will take it off
	 * again.
	 */
	if (unlikely(PageMlocked(old)))
		lru_rescue_mlocked(old);
	/* One user less: perhaps no one needs its swap slot any more. */
	if (unlikely(PageSwapCache(old)))
		swap_entry_ops->unmapped(old);
	put_page(old); /* the entry's reference */
	count_vm_event(fault_cow_copy);
}

/*
 * Copy-on-write: give this entry a copy of old. The caller passes in a reference to old, which is
 * dropped here. It keeps old's contents and identity while the copy is made without
 * page_table_lock.
 */
static vm_fault_t wp_page_copy(struct vm_fault *vmf, struct page *old)
{
	struct page *copy;

	VM_BUG_ON(vmf->vma->vm_flags & VM_SHARED || page_count(old) < 1);
	if (unlikely(anon_vma_prepare(vmf->vma)))
		goto oom;
	copy = alloc_page_vma(GFP_HIGHUSER_MOVABLE, vmf->vma, vmf->address);
	if (unlikely(!copy))
		goto oom;
	copy_highpage(copy, old);
	if (likely(lock_if_unchanged(vmf)))
		break_cow(vmf, copy, old);
	else
		put_page(copy);
	put_page(old);
	return 0;
oom:
	put_page(old);
	return VM_FAULT_OOM;
}

/*
 * Make a page of a shared mapping writable. If the object wants to know about writes
 * (page_mkwrite), the page lock is held from the call of page_mkwrite until the entry is writable.
 * Otherwise writeback could clean the page in between, and the write through the entry would be
 * lost:
 *
 *	fault				writeback, if there were no page lock
 *	page_mkwrite: page dirty
 *					write-protect entries, page clean, write
 *	entry writable
 *	store: the page is clean, and no one will write it
 *
 * page is NULL for a frame that has no struct page (a device); there is no object to tell then.
 */
static vm_fault_t wp_page_shared(struct vm_fault *vmf, struct page *page)
{
	bool tell = page && vmf->vma->vm_ops && vmf->vma->vm_ops->page_mkwrite;
	vm_fault_t ret = 0;

	VM_BUG_ON(!(vmf->vma->vm_flags & VM_SHARED));
	VM_BUG_ON(page && PageAnon(page));
	if (!lock_if_unchanged(vmf))
		return 0;
	if (tell) {
		/* Keeps the page while neither the entry nor the page is locked. */
		get_page(page);
		unlock_pte(vmf);
		if (!lock_page_or_retry(vmf, page))
			return VM_FAULT_RETRY;
		vmf->page = page;
		if (!announce_write(vmf, &ret) || !lock_if_unchanged(vmf)) {
			release_object_page(page, ret & VM_FAULT_RETRY ? 0 : VM_FAULT_LOCKED);
			return ret & VM_FAULT_NOPAGE ? 0 : ret; /* the access then faults again */
		}
	}
	count_vm_event(fault_mkwrite);
	ret = wp_page_reuse(vmf);
	if (tell)
		release_object_page(page, VM_FAULT_LOCKED);
	return ret;
}

/*
 * A write to an anonymous page that is in the swap cache. Its reference count does not show whether
 * others use it, as the swap cache holds a reference, and a process may use it through its swap
 * slot without mapping it (SW-09). Under the page lock all three can be counted: entries, slot
 * uses, and references. If this entry is the only user, the page leaves the swap cache and is
 * written in place; else it is copied. The caller's reference is dropped here.
 */
static vm_fault_t wp_swap_cache_page(struct vm_fault *vmf, struct page *page)
{
	VM_BUG_ON(vmf->vma->vm_flags & VM_SHARED || page_count(page) < 1);
	if (!lock_page_or_retry(vmf, page))
		return VM_FAULT_RETRY;
	if (!lock_if_unchanged(vmf)) {
		unlock_page(page);
		put_page(page);
		return 0;
	}
	if (swap_entry_ops->take_for_writing(page, 1)) {
		set_anon_identity(page, vmf->vma);
		count_vm_event(fault_cow_reuse);
		wp_page_reuse(vmf);
		unlock_page(page);
		put_page(page);
		return 0;
	}
	unlock_pte(vmf);
	unlock_page(page);
	return wp_page_copy(vmf, page);
}

/*
 * A write fault on an entry that is present and write-protected. The cases, in this order:
 *
 *	shared region				make it writable, tell the object
 *	zero page or device frame		a zeroed frame
 *	anonymous, only this entry uses it	write in place
 *	anonymous, pinned			write in place: see below
 *	in the swap cache			wp_swap_cache_page() decides
 *	else					copy
 */
vm_fault_t do_wp_page(struct vm_fault *vmf)
{
	struct page *page = normal_page(vmf->orig_pte);

	VM_BUG_ON(!is_write(vmf) || !pte_present(vmf->orig_pte) || pte_write(vmf->orig_pte));
	if (vmf->vma->vm_flags & VM_SHARED)
		return wp_page_shared(vmf, page);
	if (!page)
		return map_new_zeroed_page(vmf);
	if (!lock_if_unchanged(vmf))
		return 0;
	/*
	 * One reference, and that is this entry's: no other entry, no swap cache, no pin. No new
	 * user can appear, as each would have to find the page by this entry, whose lock is held.
	 * The page may still have the parent's anon_vma from before a fork; from now on only this
	 * region's walks can find it, so that a reverse-map walk visits fewer regions.
	 */
	if (PageAnon(page) && page_count_no_batch(page) == 1) {
		VM_BUG_ON(page_mapcount(page) != 1); /* (F3) */
		set_anon_identity(page, vmf->vma);
		count_vm_event(fault_cow_reuse);
		return wp_page_reuse(vmf);
	}
	/*
	 * A device is writing into this page. A copy would lack the data that the device writes
	 * later, while the program expects them at this address. The pin guarantees that no other
	 * entry maps the page (G1), so writing in place harms no one.
	 */
	if (unlikely(PageAnon(page) && page_pinned(page))) {
		VM_BUG_ON(page_mapcount(page) != 1); /* (G1) of gup.c */
		count_vm_event(fault_cow_reuse);
		return wp_page_reuse(vmf);
	}
	get_page(page);
	unlock_pte(vmf);
	if (unlikely(PageSwapCache(page)))
		return wp_swap_cache_page(vmf, page);
	return wp_page_copy(vmf, page);
}

/* ---- Dispatch -------------------------------------------------------------------------------- */

/*
 * The entry permits the access by now: another thread served a fault on the same page first, or
 * rights were widened and this CPU's TLB still has the old ones (FT-08).
 */
static vm_fault_t mark_used(struct vm_fault *vmf)
{
	VM_BUG_ON(!pte_present(vmf->orig_pte));
	VM_BUG_ON(is_write(vmf) && !pte_write(vmf->orig_pte));
	if (lock_if_unchanged(vmf)) {
		/* atomic: other CPUs may set bits, too */
		ptep_set_used(vmf->pte, is_write(vmf));
		update_mmu_cache(vmf->vma, vmf->address, vmf->pte);
		unlock_pte(vmf);
	}
	/*
	 * This CPU may still hold the translation with fewer rights (FT-08), and would fault on it
	 * for ever. Other CPUs that hold it drop it when they fault themselves.
	 */
	port_flush_tlb_page(vmf->address);
	count_vm_event(fault_spurious);
	return 0;
}

/*
 * Which mechanism supplies the data, decided from the entry alone. A PROT_NONE entry counts as
 * present: the region's rights were checked before the fault came here.
 */
static inline enum fault_mechanism mechanism_of(const struct vm_fault *vmf)
{
	const struct vm_operations_struct *ops = vmf->vma->vm_ops;

	if (pte_none(vmf->orig_pte))
		return ops && ops->nopage ? FAULT_BY_OBJECT : FAULT_BY_ANONYMOUS;
	if (unlikely(!pte_present(vmf->orig_pte)))
		return FAULT_BY_SWAP;
	return is_write(vmf) && !pte_write(vmf->orig_pte) ? FAULT_BY_COPY : FAULT_BY_ENTRY;
}

/* Tell fault_trace about the fault, before it is served: afterwards the region may be gone. */
static noinline void trace(const struct vm_fault *vmf)
{
	struct fault_answers answers = {.address = vmf->address,
					.write = is_write(vmf),
					.start = vmf->vma->vm_start,
					.end = vmf->vma->vm_end,
					.by = mechanism_of(vmf)};

	fault_trace(&answers);
}

/*
 * Read the entry once; every handler works with this value and rechecks it under page_table_lock.
 */
static vm_fault_t handle_pte_fault(struct vm_fault *vmf)
{
	mmap_assert_locked(vmf->vma->vm_mm);
	vmf->orig_pte = ptep_get(vmf->pte);
	if (unlikely(fault_trace))
		trace(vmf);
	switch (mechanism_of(vmf)) {
	case FAULT_BY_OBJECT:
		return do_no_page(vmf);
	case FAULT_BY_ANONYMOUS:
		return do_anonymous_page(vmf);
	case FAULT_BY_SWAP:
		return swap_entry_ops->fault(vmf);
	case FAULT_BY_COPY:
		return do_wp_page(vmf);
	default:
		return mark_used(vmf);
	}
}

/*
 * Count the fault as minor or major (one that waited for a disk). Only the task itself writes its
 * counters; others read them at any time, so each is stored in one piece.
 */
static void account_fault(vm_fault_t ret)
{
	struct vm_task *task = current_vm;

	if (ret & VM_FAULT_MAJOR) {
		WRITE_ONCE(task->maj_flt, task->maj_flt + 1);
		count_vm_event(pgmajfault);
	} else {
		WRITE_ONCE(task->min_flt, task->min_flt + 1);
	}
}

vm_fault_t handle_mm_fault(struct vm_area_struct *vma, unsigned long address, unsigned int flags)
{
	struct vm_fault vmf = {
		.vma = vma,
		.address = address & PAGE_MASK,
		.pgoff = vma_pgoff(vma, address),
		.flags = flags,
	};
	vm_fault_t ret;

	VM_BUG_ON(flags & FAULT_FLAG_ALLOW_RETRY && flags & FAULT_FLAG_TRIED); /* two tries */
	lockdep_assert_held(&vma->vm_mm->mmap_lock);
	VM_BUG_ON(address < vma->vm_start || address >= vma->vm_end || vma->vm_end > TASK_SIZE);
	/*
	 * Tables that were allocated stay even if the fault fails: they are freed with the region.
	 */
	vmf.pmd = walk_alloc_pmd(vma->vm_mm, vmf.address);
	if (unlikely(!vmf.pmd))
		return VM_FAULT_OOM;
	vmf.pte = pte_alloc(vma->vm_mm, vmf.pmd, vmf.address);
	if (unlikely(!vmf.pte))
		return VM_FAULT_OOM;
	ret = handle_pte_fault(&vmf);
	/* A fault that is retried is counted when its second try succeeds, a failed one never. */
	if (likely(!(ret & (VM_FAULT_ERROR | VM_FAULT_RETRY))))
		account_fault(ret);
	return ret;
}
