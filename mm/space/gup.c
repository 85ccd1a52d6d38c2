// SPDX-License-Identifier: MIT
/*
 * gup.c: user pages, touched on a task's behalf without its running: reaching into any address
 * space (/proc/PID/mem), and pinning pages for a device to fill (O_DIRECT).
 *
 * All look first (follow_page) and fault only where nothing usable is there. force
 * reads and writes against the region's rights, never against its nature: a write to a
 * private page breaks copy-on-write first, so that it can reach neither the file nor
 * the zero page.
 *
 * A pin is PAGE_PIN references at once, so that it can be told from others. It lasts while
 * mmap_lock is free, as a disk is waited for meanwhile, and a pinned anonymous page stays what the
 * address space shows at that place:
 *
 *	reclaim		leaves it where it is mapped (rmap.c)
 *	fork		gives the child a copy at once (tables.c)
 *	mprotect, clear_refs	take write access away; the next store gets it back for the same page (memory.c)
 *	migration	moves no page with other users (migrate.c)
 *
 * Invariant: (G1) a pinned anonymous page is mapped by one entry. It holds when the pin is taken,
 * as the entry is writable (memory.c, F3), and fork keeps it. A pin is taken with page_table_lock
 * held, under which all of these look.
 *
 * Locking: mmap_lock for read, taken here, and dropped by a fault that waits (fault_retry.c).
 * Failure: what is there already stays. A page with PAGE_PINS_MAX pins gets no more.
 */
#include <pagoda/errno.h>
#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>
#include <pagoda/uaccess.h>
#include <pagoda/vmstat.h>
#include "vma_internal.h"

static pte_t *find_pte(struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmd = walk_to_pmd(mm, addr);

	VM_BUG_ON(addr >= TASK_SIZE);
	return pmd && !pmd_none(pmdp_get(pmd)) ? pte_offset(pmd, addr) : NULL;
}

struct page *follow_page(struct mm_struct *mm, unsigned long addr, bool write)
{
	pte_t *ptep = find_pte(mm, addr), pte;

	if (!ptep)
		return NULL;
	pte = ptep_get(ptep);
	if (!pte_accessible(pte) || (write && !(pte_write(pte) && pte_dirty(pte))))
		return NULL;
	return pfn_valid(pte_pfn(pte)) ? pte_page(pte) : NULL;
}

/* ---- One page of any mm ---------------------------------------------------------------------- */

/* May it be touched like that? With force: is there at least the right to have the right? */
static bool gup_allowed(const struct vm_area_struct *vma, bool write, bool force)
{
	unsigned long flags = vma->vm_flags;

	if (!write)
		return flags & VM_READ || (force && flags & VM_MAYREAD);
	return flags & VM_WRITE || (force && is_cow_mapping(flags));
}

/*
 * False: the page has as many pins as it may have. page_table_lock held, the page is mapped for
 * writing.
 */
static bool pin_page(struct page *page)
{
	VM_BUG_ON(PageAnon(page) && page_mapcount(page) != 1); /* (G1) */
	if (page_count(page) >= PAGE_PIN * PAGE_PINS_MAX)
		return false;
	atomic_add(&page->count, PAGE_PIN);
	return true;
}

/*
 * The page if the entry serves the purpose, with a reference, and a pin if asked for.
 * ERR_PTR(-EBUSY): no more pins.
 */
static struct page *grab_mapped_page(struct mm_struct *mm, unsigned long addr, bool write,
				     bool force, bool pin)
{
	pte_t *ptep, pte;
	struct page *page = NULL;

	spin_lock(&mm->page_table_lock);
	ptep = find_pte(mm, addr);
	if (ptep) {
		pte = ptep_get(ptep);
		if (pte_present(pte) && !pte_special(pte) && pfn_valid(pte_pfn(pte)))
			page = pte_page(pte);
		/* A forced write may use a read-only page only if it is private already. */
		if (page && write && !pte_write(pte) &&
		    !(force && PageAnon(page) && page_count_no_batch(page) == 1))
			page = NULL;
		if (page && pin && !pin_page(page))
			page = ERR_PTR(-EBUSY);
		else if (page)
			get_page(page);
	}
	spin_unlock(&mm->page_table_lock);
	return page;
}

/*
 * mmap_lock held for read. *fault: result of the last fault, if there was one; VM_FAULT_RETRY: the
 * lock was dropped.
 */
static struct page *get_user_page_locked(struct mm_struct *mm, unsigned long addr, bool write,
					 bool force, bool pin, unsigned int flags,
					 vm_fault_t *fault)
{
	struct vm_area_struct *vma = find_vma(mm, addr);

	lockdep_assert_held(&mm->mmap_lock);
	if (!vma || vma->vm_start > addr || vma->vm_flags & VM_IO ||
	    !gup_allowed(vma, write, force))
		return NULL;
	for (;;) {
		struct page *page = grab_mapped_page(mm, addr, write, force, pin);

		if (page)
			return IS_ERR(page) ? NULL : page;
		count_vm_event(pgfault);
		*fault = handle_mm_fault(
			vma, addr, flags | FAULT_FLAG_REMOTE | (write ? FAULT_FLAG_WRITE : 0));
		if (*fault & (VM_FAULT_ERROR | VM_FAULT_RETRY) || port_fatal_signal_pending())
			return NULL;
	}
}

/*
 * Takes mmap_lock, which faults let go of while they wait. NULL: no such page, or a fatal signal.
 */
static struct page *get_page_of(struct mm_struct *mm, unsigned long addr, bool write, bool force,
				bool pin)
{
	unsigned int flags = FAULT_FLAG_ALLOW_RETRY;
	struct page *page;
	vm_fault_t fault;

	/* each fault may be tried twice, and the page may be taken away again before we have it */
	do {
		fault = 0;
		page = NULL;
		if (down_read_killable(&mm->mmap_lock))
			break;
		page = get_user_page_locked(mm, addr, write, force, pin, flags, &fault);
		if (fault & VM_FAULT_RETRY)
			flags = fault_retry_flags(flags, fault);
		else
			up_read(&mm->mmap_lock);
	} while ((fault & (VM_FAULT_RETRY | VM_FAULT_ERROR)) == VM_FAULT_RETRY &&
		 !port_fatal_signal_pending());
	fault_retry_end();
	return page;
}

struct page *get_user_page(struct mm_struct *mm, unsigned long addr, bool write, bool force)
{
	return get_page_of(mm, addr, write, force, false);
}

/*
 * Whoever clears the dirty bits of the page's entries, or has cleared them, must not take what was
 * written here for what is on the disk. The lock keeps the page's mapping, which is not ours.
 */
static void dirty_user_page(struct page *page)
{
	lock_page(page);
	if (PageAnon(page))
		SetPageDirty(page);
	else if (page->mapping)
		file_page_ops->dirtied_whole(page);
	unlock_page(page);
}

unsigned int pin_user_pages(struct mm_struct *mm, unsigned long addr, unsigned int nr, bool write,
			    struct page **pages)
{
	unsigned int pinned = 0;

	while (pinned < nr && access_ok(addr, PAGE_SIZE)) {
		struct page *page = get_page_of(mm, addr, write, false, write);

		if (!page)
			break;
		pages[pinned++] = page;
		addr += PAGE_SIZE;
	}
	return pinned;
}

void unpin_user_page(struct page *page, bool write)
{
	if (write) {
		VM_BUG_ON(!page_pinned(page));
		dirty_user_page(page);
		atomic_sub(&page->count, PAGE_PIN); /* our plain reference is left */
	}
	put_page(page);
}

size_t access_process_vm(struct mm_struct *mm, unsigned long addr, void *buf, size_t len,
			 bool write, bool force)
{
	size_t done = 0;

	while (done < len && access_ok(addr + done, 1)) {
		unsigned long offset = (addr + done) & ~PAGE_MASK;
		size_t n = min(len - done, PAGE_SIZE - offset);
		struct page *page = get_user_page(mm, addr + done, write, force);
		char *kaddr;

		if (!page)
			break;
		kaddr = kmap(page);
		if (write)
			memcpy(kaddr + offset, (char *)buf + done, n);
		else
			memcpy((char *)buf + done, kaddr + offset, n);
		kunmap(page);
		if (write)
			dirty_user_page(page);
		put_page(page);
		done += n;
	}
	return done;
}
