// SPDX-License-Identifier: MIT
/*
 * gup.c: access to user pages from outside the running program: to the memory of any process
 * (/proc/PID/mem), and to pages that a device reads or writes (O_DIRECT).
 *
 * All functions look for the page in the tables first, and cause a fault only if it is not there
 * with the rights that are needed. force permits accesses that the region's rights forbid, as a
 * debugger makes them. A forced write to a private region still copies the page first, so that it
 * reaches neither the file nor the zero page.
 *
 * A pin is PAGE_PIN references at once, so that it can be told from other references. It lasts
 * while mmap_lock is released, because the task waits for a disk meanwhile. A pinned anonymous page
 * stays the page that the address space has at that address:
 *
 *	reclaim		does not unmap it (rmap.c)
 *	fork		gives the child a copy at once (page_tables.c)
 *	mprotect, clear_refs	take write access away; the next store gets it back for the same page (memory.c)
 *	migration	moves no page with other users (migrate.c)
 *
 * Invariant: (G1) a pinned anonymous page is mapped by one entry. It holds when the pin is taken,
 * as the entry is writable (memory.c, F3), and fork keeps it. A pin is taken with page_table_lock
 * held, and all of these check for pins under that lock.
 *
 * Locking: mmap_lock for read, taken here, and dropped by a fault that waits (fault_retry.c).
 * Failure: pages that were faulted in stay. A page that has PAGE_PINS_MAX pins gets no more.
 */
#include <pagoda/errno.h>
#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>
#include <pagoda/uaccess.h>
#include <pagoda/vmstat.h>
#include "vma_internal.h"

/* The entry for addr, or NULL if it has no table. */
static pte_t *find_pte(struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmd = walk_to_pmd(mm, addr);

	VM_BUG_ON(addr >= TASK_SIZE);
	return pmd && !pmd_none(pmdp_get(pmd)) ? pte_offset(pmd, addr) : NULL;
}

/*
 * Write wants an entry that is writable and dirty: one that is only writable has not been written
 * to yet, and a write that does not go through the CPU would leave it clean.
 */
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

/*
 * May the region be accessed like that? With force it is enough that mprotect() could permit it; a
 * forced write is for private regions only, as in a shared one it would change the object.
 */
static bool gup_allowed(const struct vm_area_struct *vma, bool write, bool force)
{
	unsigned long flags = vma->vm_flags;

	if (!write)
		return flags & VM_READ || (force && flags & VM_MAYREAD);
	return flags & VM_WRITE || (force && is_cow_mapping(flags));
}

/* Pin a page that is mapped for writing. False: it has PAGE_PINS_MAX pins already. */
static bool pin_page(struct page *page)
{
	VM_BUG_ON(PageAnon(page) && page_mapcount(page) != 1); /* (G1) */
	if (page_count(page) >= PAGE_PIN * PAGE_PINS_MAX)
		return false;
	atomic_add(&page->count, PAGE_PIN);
	return true;
}

/*
 * The page at addr, with a reference and, if pin is set, a pin; NULL: a fault is needed first;
 * ERR_PTR(-EBUSY): the page has too many pins. The reference and the pin are taken under
 * page_table_lock: so the page cannot be unmapped and freed before.
 */
static struct page *grab_mapped_page(struct mm_struct *mm, unsigned long addr, bool write,
				     bool force, bool pin)
{
	pte_t *ptep, pte;
	struct page *page = NULL;

	mmap_assert_locked(mm);
	VM_BUG_ON(pin && !write);
	spin_lock(&mm->page_table_lock);
	ptep = find_pte(mm, addr);
	if (ptep) {
		pte = ptep_get(ptep);
		if (pte_present(pte) && !pte_special(pte) && pfn_valid(pte_pfn(pte)))
			page = pte_page(pte);
		/*
		 * A forced write to a region without VM_WRITE never gets a writable entry. It may
		 * use a read-only one only if the page is private and used by no one else.
		 */
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
 * get_page_of(), with mmap_lock held for read. *fault is set to the result of the last fault, if
 * there was one. If it has VM_FAULT_RETRY, the lock was dropped and NULL is returned.
 */
static struct page *get_user_page_locked(struct mm_struct *mm, unsigned long addr, bool write,
					 bool force, bool pin, unsigned int flags,
					 vm_fault_t *fault) MUST_HOLD_SHARED(&mm->mmap_lock)
{
	struct vm_area_struct *vma = find_vma(mm, addr);

	lockdep_assert_held(&mm->mmap_lock);
	if (!vma || vma->vm_start > addr || vma->vm_flags & VM_IO ||
	    !gup_allowed(vma, write, force))
		return NULL;
	/*
	 * Look, fault, and look again: reclaim may take the page away between the fault and the
	 * look. That cannot go on for ever, since reclaim does not take a page that was just
	 * accessed.
	 */
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
 * Take mmap_lock and get the page. A fault that waits releases mmap_lock; then both are done again.
 * NULL: there is no such page, or a fatal signal is pending.
 */
static struct page *get_page_of(struct mm_struct *mm, unsigned long addr, bool write, bool force,
				bool pin) NO_LOCK_ANALYSIS("a fault that is tried again drops it")
{
	unsigned int flags = FAULT_FLAG_ALLOW_RETRY;
	struct page *page;
	vm_fault_t fault;

	/*
	 * One turn for each try of a fault, and another one if the page was evicted before it was
	 * found.
	 */
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
 * Mark a page dirty that was written to through the kernel's own mapping or by a device, so that no
 * entry has a dirty bit for it. Otherwise reclaim or writeback would take the disk's contents for
 * the newer ones. The page lock keeps page->mapping, as we hold no reference to that.
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

/* A plain reference is enough for a device that only reads the page. */
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
	VM_BUG_ON(page_count(page) < 1);
	if (write) {
		VM_BUG_ON(!page_pinned(page));
		dirty_user_page(page);
		atomic_sub(&page->count, PAGE_PIN); /* the plain reference is left */
	}
	put_page(page);
}

/* Page by page, through kernel mappings. Ends at the first page that cannot be had. */
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
