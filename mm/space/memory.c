// SPDX-License-Identifier: MIT
/*
 * memory.c: serving page faults (thesis 9.5).
 *
 *	handle_mm_fault		tables down to the PTE, made as needed
 *	  handle_pte_fault	what the entry says:
 *	    none	do_no_page		the object's page (vm_ops->nopage), or
 *			do_anonymous_page	the zero page for a read, a zeroed frame for a write
 *	    swapped	do_swap_page		the entry's page from the swap cache or the device
 *						(memory_swap.c)
 *	    present	do_wp_page		write to a write-protected private page: take it over
 *						if nobody else has it, else copy
 *			mark			other: rights were widened meanwhile; dirty, young
 *
 * Every handler prepares its page with no lock held (it may sleep), then takes
 * page_table_lock, looks whether the entry is still what it was, and installs; who lost a
 * race drops the page. So threads fault in parallel and a frame is never mapped twice.
 *
 *	CPU A				CPU B
 *	entry none, allocate		entry none, allocate
 *	lock, still none, set, unlock
 *					lock, not none: drop, unlock
 *
 * Replacing a mapped page (copy-on-write) clears the entry, flushes, and then sets the new
 * one: at no time do two CPUs see different pages at one address, one of them writable.
 *
 * Locking: mmap_lock for read; page_table_lock around the entry and rss. nopage may return
 * its page locked: it stays so until the PTE is set, which keeps truncation behind us.
 *
 * Invariants: (F1) a frame reaches user space only zeroed or fully written; (F2) the zero
 * page is never writable, counted or freed; (F3) an anonymous page writable in a PTE is
 * mapped by that PTE alone.
 *
 * Failure: VM_FAULT_OOM, or VM_FAULT_SIGBUS if a slot cannot be read (FT-54); nothing installed.
 *
 * Seen in: vm events fault_anon, fault_zero_map, fault_file, fault_cow_copy,
 * fault_cow_reuse, fault_cow_early, fault_mkwrite, fault_spurious; min_flt, maj_flt.
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

void empty_zero_page_init(void);
void empty_zero_page_init(void)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);

	if (!page)
		panic("no memory for the zero page");
	zero_pfn = page_to_pfn(page);
	SetPageReserved(page);
}

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

/* Entries of a region that its program may not write stay so, whoever forces a write (gup.c). */
static inline pte_t pte_mkwrite_if_allowed(const struct vm_fault *vmf, pte_t pte)
{
	return likely(vmf->vma->vm_flags & VM_WRITE) ? pte_mkwrite(pte) : pte;
}

/* The entry for a page just written or zeroed for this fault. */
static inline pte_t owned_pte(const struct vm_fault *vmf, struct page *page)
{
	return pte_mkwrite_if_allowed(
		vmf, pte_mkwritten(pte_sw_mkyoung(mk_pte(page, vmf->vma->vm_page_prot))));
}

/* ---- Anonymous memory ----------------------------------------------------------------------- */

static vm_fault_t map_zero_page(struct vm_fault *vmf)
{
	if (!lock_if_unchanged(vmf))
		return 0;
	install(vmf, pte_wrprotect(pfn_pte(zero_pfn, vmf->vma->vm_page_prot)));
	unlock_pte(vmf);
	count_vm_event(fault_zero_map);
	return 0;
}

/* A zeroed frame of one's own for an entry that is none or the zero page. */
static vm_fault_t map_new_zeroed_page(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct page *page;

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
	if (unlikely(pte_present(vmf->orig_pte))) {
		ptep_replace_readonly(vmf->pte, __pte(0)); /* the zero page */
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

/* Drop the reference, and the lock if nopage left it on. */
static void release_object_page(struct page *page, vm_fault_t ret)
{
	if (ret & VM_FAULT_LOCKED)
		unlock_page(page);
	put_page(page);
}

/*
 * The object learns that its page, locked, will be written through a shared region; false: *ret
 * says what to do instead: VM_FAULT_RETRY: mmap_lock and the page lock were dropped, as the object
 * waited.
 */
static bool announce_write(struct vm_fault *vmf, vm_fault_t *ret)
{
	const struct vm_operations_struct *ops = vmf->vma->vm_ops;

	*ret = ops && ops->page_mkwrite ? ops->page_mkwrite(vmf) : 0;
	return !*ret;
}

/* Map the object's own page. */
static vm_fault_t map_object_page(struct vm_fault *vmf, vm_fault_t ret)
{
	struct vm_area_struct *vma = vmf->vma;
	struct page *page = vmf->page;
	pte_t pte = pte_sw_mkyoung(mk_pte(page, vma->vm_page_prot));
	vm_fault_t refused;

	if (is_write(vmf) && !announce_write(vmf, &refused)) {
		release_object_page(page, refused & VM_FAULT_RETRY ? 0 : ret);
		return refused;
	}

	if (is_write(vmf))
		pte = pte_mkwrite(pte_mkwritten(pte));
	if (!lock_if_unchanged(vmf)) {
		release_object_page(page, ret);
		return ret & VM_FAULT_MAJOR;
	}
	atomic_inc(&page->mapcount);
	add_rss(rss_counter(vma->vm_mm, page), 1);
	install(vmf, pte);
	unlock_pte(vmf);
	if (ret & VM_FAULT_LOCKED)
		unlock_page(page);
	count_vm_event(fault_file);
	return ret & VM_FAULT_MAJOR;
}

/* The part of the window around the fault that lies in its VMA and its table. */
static void around_window(const struct vm_fault *vmf, unsigned long *start, unsigned long *end)
{
	unsigned long window = vmf->address & ~(fault_around_bytes - 1);

	*start = max(max(window, vmf->vma->vm_start), vmf->address & PMD_MASK);
	*end = min(min(window + fault_around_bytes, vmf->vma->vm_end),
		   (vmf->address & PMD_MASK) + PMD_SIZE);
}

/* Map a neighbour if nothing is there. page_table_lock held. */
static bool map_neighbour(struct vm_fault *vmf, struct page *page, unsigned long addr)
{
	struct vm_area_struct *vma = vmf->vma;
	pte_t *ptep = pte_offset(vmf->pmd, addr);

	if (!pte_none(ptep_get(ptep)))
		return false;
	get_page(page);
	atomic_inc(&page->mapcount);
	add_rss(rss_counter(vma->vm_mm, page), 1);
	set_pte_at(vma->vm_mm, addr, ptep, pte_old(mk_pte(page, vma->vm_page_prot)));
	return true;
}

/*
 * Fault-around: what lies ready beside the page just read is likely to be read next, and
 * mapping it here costs a tenth of a fault. Nothing waits, nothing is read for it, and
 * the entries are not marked as used.
 */
static void map_around(struct vm_fault *vmf)
{
	struct page *pages[FAULT_AROUND_MAX / PAGE_SIZE];
	struct vm_area_struct *vma = vmf->vma;
	unsigned long start, end, mapped = 0;
	unsigned int nr;

	around_window(vmf, &start, &end);
	if (end - start <= PAGE_SIZE)
		return;
	nr = vma->vm_ops->ready_pages(vma, vma_pgoff(vma, start), (end - start) >> PAGE_SHIFT,
				      pages);
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

/* Write to a private mapping: a copy at once, the object's page is not mapped (FT-46). */
static vm_fault_t map_private_copy(struct vm_fault *vmf, struct page *copy, vm_fault_t ret)
{
	struct vm_area_struct *vma = vmf->vma;

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
 * A new page of shared memory comes from where the mapping says through which it is touched first.
 * The policy is held, as nopage may let go of mmap_lock.
 */
static noinline vm_fault_t nopage_with_policy(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	bool shared_memory =
		vma->vm_file && vma->vm_file->f_mapping && vma->vm_file->f_mapping->shmem;
	struct mempolicy *pol = shared_memory ? mpol_get(vma->vm_policy) : NULL;
	struct vm_task *task = current_vm;
	vm_fault_t ret;

	task->fault_policy = pol;
	ret = vma->vm_ops->nopage(vmf);
	task->fault_policy = NULL;
	mpol_put(pol);
	return ret;
}

static vm_fault_t do_no_page(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	bool private_write = is_write(vmf) && !(vma->vm_flags & VM_SHARED);
	struct page *copy = NULL;
	vm_fault_t ret;

	if (private_write) {
		if (unlikely(anon_vma_prepare(vma)))
			return VM_FAULT_OOM;
		copy = alloc_page_vma(GFP_HIGHUSER_MOVABLE, vma, vmf->address);
		if (unlikely(!copy))
			return VM_FAULT_OOM;
	}
	ret = unlikely(vma->vm_policy) ? nopage_with_policy(vmf) : vma->vm_ops->nopage(vmf);
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

/* Write access to the page that is there. page_table_lock held, dropped here. */
static vm_fault_t wp_page_reuse(struct vm_fault *vmf)
{
	lockdep_assert_held(&vmf->vma->vm_mm->page_table_lock);
	ptep_replace_readonly(
		vmf->pte, pte_mkyoung(pte_mkwritten(pte_mkwrite_if_allowed(vmf, vmf->orig_pte))));
	update_mmu_cache(vmf->vma, vmf->address, vmf->pte);
	unlock_pte(vmf);
	return 0;
}

/* Put the copy where old was; page_table_lock held, dropped here. */
static void break_cow(struct vm_fault *vmf, struct page *copy, struct page *old)
{
	struct mm_struct *mm = vmf->vma->vm_mm;

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
	if (unlikely(PageMlocked(old))) /* perhaps for this region alone */
		lru_rescue_mlocked(old);
	if (unlikely(PageSwapCache(old)))
		swap_entry_ops->unmapped(old);
	put_page(old); /* the entry's reference */
	count_vm_event(fault_cow_copy);
}

/* old carries a reference of ours, so that it stays what it is while we copy without the lock. */
static vm_fault_t wp_page_copy(struct vm_fault *vmf, struct page *old)
{
	struct page *copy;

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
 * A page of an object becomes writable. The page lock is held over both steps, so that
 * writing back (clear_page_dirty_for_io) comes before the first or after the second.
 */
static vm_fault_t wp_page_shared(struct vm_fault *vmf, struct page *page)
{
	bool tell = page && vmf->vma->vm_ops && vmf->vma->vm_ops->page_mkwrite;
	vm_fault_t ret = 0;

	if (!lock_if_unchanged(vmf))
		return 0;
	if (tell) {
		get_page(page);
		unlock_pte(vmf);
		if (!lock_page_or_retry(vmf, page))
			return VM_FAULT_RETRY;
		vmf->page = page;
		if (!announce_write(vmf, &ret) || !lock_if_unchanged(vmf)) {
			release_object_page(page, ret & VM_FAULT_RETRY ? 0 : VM_FAULT_LOCKED);
			return ret & VM_FAULT_NOPAGE ? 0 : ret; /* the access faults again */
		}
	}
	count_vm_event(fault_mkwrite);
	ret = wp_page_reuse(vmf);
	if (tell)
		release_object_page(page, VM_FAULT_LOCKED);
	return ret;
}

/*
 * A write to a page that has a swap slot. Under the page lock it shows whether others use the page
 * (SW-09), by a page table entry, a slot or a reference. The caller's reference is dropped.
 */
static vm_fault_t wp_swap_cache_page(struct vm_fault *vmf, struct page *page)
{
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

vm_fault_t do_wp_page(struct vm_fault *vmf)
{
	struct page *page = normal_page(vmf->orig_pte);

	if (vmf->vma->vm_flags & VM_SHARED)
		return wp_page_shared(vmf, page);
	if (!page)
		return map_new_zeroed_page(vmf);
	if (!lock_if_unchanged(vmf))
		return 0;
	if (PageAnon(page) && page_count_no_batch(page) == 1) {
		/* it was the parent's, perhaps: walks become shorter */
		set_anon_identity(page, vmf->vma);
		count_vm_event(fault_cow_reuse);
		return wp_page_reuse(vmf);
	}
	/* a disk fills this page: a copy would miss what it brings */
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

/* The entry allows it by now: another thread was faster, or rights were widened. */
static vm_fault_t mark_used(struct vm_fault *vmf)
{
	if (lock_if_unchanged(vmf)) {
		/* the MMU of another CPU may be doing so, too */
		ptep_set_used(vmf->pte, is_write(vmf));
		update_mmu_cache(vmf->vma, vmf->address, vmf->pte);
		unlock_pte(vmf);
	}
	/* This CPU may still hold the narrower translation (FT-08). */
	port_flush_tlb_page(vmf->address);
	count_vm_event(fault_spurious);
	return 0;
}

/* What supplies the data, by what the entry says. */
static inline enum fault_mechanism mechanism_of(const struct vm_fault *vmf)
{
	const struct vm_operations_struct *ops = vmf->vma->vm_ops;

	if (pte_none(vmf->orig_pte))
		return ops && ops->nopage ? FAULT_BY_OBJECT : FAULT_BY_ANONYMOUS;
	if (unlikely(!pte_present(vmf->orig_pte)))
		return FAULT_BY_SWAP;
	return is_write(vmf) && !pte_write(vmf->orig_pte) ? FAULT_BY_COPY : FAULT_BY_ENTRY;
}

static noinline void trace(const struct vm_fault *vmf)
{
	struct fault_answers answers = {.address = vmf->address,
					.write = is_write(vmf),
					.start = vmf->vma->vm_start,
					.end = vmf->vma->vm_end,
					.by = mechanism_of(vmf)};

	fault_trace(&answers);
}

static vm_fault_t handle_pte_fault(struct vm_fault *vmf)
{
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

	lockdep_assert_held(&vma->vm_mm->mmap_lock);
	VM_BUG_ON(address < vma->vm_start || address >= vma->vm_end || vma->vm_end > TASK_SIZE);
	vmf.pmd = walk_alloc_pmd(vma->vm_mm, vmf.address);
	if (unlikely(!vmf.pmd))
		return VM_FAULT_OOM;
	vmf.pte = pte_alloc(vma->vm_mm, vmf.pmd, vmf.address);
	if (unlikely(!vmf.pte))
		return VM_FAULT_OOM;
	ret = handle_pte_fault(&vmf);
	if (likely(!(ret & (VM_FAULT_ERROR | VM_FAULT_RETRY))))
		account_fault(ret);
	return ret;
}
