// SPDX-License-Identifier: MIT
/*
 * gup.c: user pages, touched on a task's behalf without its running: populating ranges
 * (mlock, MAP_POPULATE), reaching into any address space (/proc/PID/mem), and pinning pages for
 * a device to fill (O_DIRECT).
 *
 * All look first (follow_page) and fault only where nothing usable is there. force
 * reads and writes against the region's rights, never against its nature: a write to a
 * private page breaks copy-on-write first, so that it can reach neither the file nor
 * the zero page.
 *
 * A pin is PAGE_PIN references at once, so that it can be told from others: reclaim leaves a pinned
 * anonymous page where it is mapped (rmap.c). It is taken with page_table_lock held, under which
 * reclaim looks before it takes the entry out.
 *
 * Locking: mmap_lock for read, by the caller (populate, pin_user_pages) or here.
 * Failure: what is there already stays; populate returns the first error.
 */
#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>
#include <pagoda/uaccess.h>
#include <pagoda/vmstat.h>
#include "buffer_internal.h"
#include "vma_internal.h"

static pte_t *find_pte(struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmd = walk_to_pmd(mm, addr);

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

static int fault_error(vm_fault_t fault)
{
	return fault & VM_FAULT_OOM ? -ENOMEM : -EFAULT;
}

/* Fault in what is missing of [start, end) of one VMA. */
static long populate_vma(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	/* Private writable pages are broken out of sharing now, not at the first write. */
	bool write = (vma->vm_flags & (VM_WRITE | VM_SHARED)) == VM_WRITE;

	if (vma->vm_flags & VM_LOCKONFAULT)
		return 0; /* its pages come one by one, whoever asks */
	if (!vma_is_accessible(vma))
		return -EFAULT;
	for (unsigned long addr = start; addr < end; addr += PAGE_SIZE) {
		pte_t *ptep = find_pte(vma->vm_mm, addr);
		pte_t pte = ptep ? ptep_get(ptep) : __pte(0);
		vm_fault_t fault;

		if (pte_present(pte) && (!write || pte_write(pte)))
			continue;
		count_vm_event(pgfault);
		fault = handle_mm_fault(vma, addr, write ? FAULT_FLAG_WRITE : 0);
		if (unlikely(fault & VM_FAULT_ERROR))
			return fault_error(fault);
		if (unlikely(port_fatal_signal_pending()))
			return -EINTR;
	}
	return 0;
}

long populate_range(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma = find_vma(mm, start);

	for (; start < end; vma = vma->vm_next) {
		unsigned long stop;
		long err;

		if (!vma || vma->vm_start > start)
			return -EFAULT;
		stop = min(end, vma->vm_end);
		err = populate_vma(vma, start, stop);
		if (err)
			return err;
		start = stop;
	}
	return 0;
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

/* The page if the entry serves the purpose, with a reference. */
static struct page *grab_mapped_page(struct mm_struct *mm, unsigned long addr, bool write, bool force, bool pin)
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
		if (page)
			get_page(page);
		if (page && pin)
			atomic_add(&page->count, PAGE_PIN);
	}
	spin_unlock(&mm->page_table_lock);
	return page;
}

/* mmap_lock held for read. */
static struct page *get_user_page_locked(struct mm_struct *mm, unsigned long addr, bool write,
					 bool force, bool pin)
{
	struct vm_area_struct *vma = find_vma(mm, addr);

	if (!vma || vma->vm_start > addr || vma->vm_flags & VM_IO || !gup_allowed(vma, write, force))
		return NULL;
	for (;;) {
		struct page *page = grab_mapped_page(mm, addr, write, force, pin);
		vm_fault_t fault;

		if (page)
			return page;
		count_vm_event(pgfault);
		fault = handle_mm_fault(vma, addr,
					FAULT_FLAG_REMOTE | (write ? FAULT_FLAG_WRITE : 0));
		if (fault & VM_FAULT_ERROR || port_fatal_signal_pending())
			return NULL;
	}
}

struct page *get_user_page(struct mm_struct *mm, unsigned long addr, bool write, bool force)
{
	struct page *page;

	down_read(&mm->mmap_lock);
	page = get_user_page_locked(mm, addr, write, force, false);
	up_read(&mm->mmap_lock);
	return page;
}

/*
 * Whoever clears the dirty bits of the page's entries, or has cleared them, must not take what was
 * written here for what is on the disk. The lock keeps the page's mapping, which is not ours.
 */
static void dirty_user_page(struct page *page)
{
	lock_page(page);
	if (PageAnon(page))
		(void)set_page_dirty(page); /* true or not, it is dirty now */
	else if (page->mapping)
		block_dirty_page(page);
	unlock_page(page);
}

unsigned int pin_user_pages(struct mm_struct *mm, unsigned long addr, unsigned int nr, bool write, struct page **pages)
{
	unsigned int pinned = 0;

	lockdep_assert_held(&mm->mmap_lock);
	while (pinned < nr && access_ok(addr, PAGE_SIZE)) {
		struct page *page = get_user_page_locked(mm, addr, write, false, write);

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
