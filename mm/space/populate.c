// SPDX-License-Identifier: MIT
/*
 * populate.c: faulting in whole ranges: mlock, MAP_POPULATE, MADV_POPULATE_READ and _WRITE.
 *
 *	mm_populate	repeats: take mmap_lock, a batch of pages, release it, let others run
 *	  populate_batch	finds the next region, and in it up to 256 pages
 *	    populate_pages	faults in those that are missing
 *
 * mmap_lock is released after each batch, and by a fault that waits for a disk (fault_retry.c). So
 * the region is looked up again each time. Parts that other threads unmap meanwhile are skipped, as
 * in Linux.
 *
 * Locking: mmap_lock for read, taken here. Failure: pages that were faulted in stay; the first
 * error ends the call.
 */
#include <pagoda/page_alloc.h>
#include <pagoda/vmstat.h>
#include "vma_internal.h"

/*
 * A fault is at most a few thousand instructions: a batch is well below the 2 ms for which a task
 * may keep the CPU.
 */
#define POPULATE_BATCH_PAGES 256

/* How far one call has come. */
struct populate {
	struct mm_struct *mm;
	enum populate_mode mode;
	unsigned long addr, end;
	/* working */
	unsigned int fault_flags; /* of the page at addr */
	bool hole;		  /* a part was not mapped */
};

/*
 * Is the page to be faulted in for writing? Pages of private writable regions are copied now rather
 * than at the first write, which might then find no memory, or take long where mlock() was to
 * prevent that.
 */
static bool wants_write(const struct populate *p, const struct vm_area_struct *vma)
{
	if (p->mode == POPULATE_FOR_READ)
		return false;
	return p->mode == POPULATE_FOR_WRITE ||
	       (vma->vm_flags & (VM_WRITE | VM_SHARED)) == VM_WRITE;
}

/* MADV_POPULATE_*: unlike the others they report every page that they could not populate. */
static bool is_advice(const struct populate *p)
{
	return p->mode == POPULATE_FOR_READ || p->mode == POPULATE_FOR_WRITE;
}

/* 0, or the error that the region's rights or kind cause. */
static long check_region(const struct populate *p, const struct vm_area_struct *vma)
{
	unsigned long need = p->mode == POPULATE_FOR_WRITE ? VM_WRITE : VM_READ;

	if (is_advice(p))
		return !(vma->vm_flags & need) || vma->vm_flags & VM_IO ? -EINVAL : 0;
	return vma_is_accessible(vma) ? 0 : -EFAULT;
}

/*
 * Is the region skipped? Its pages are locked only as they are touched (VM_LOCKONFAULT), or only
 * locked regions are wanted and it is not one.
 */
static bool is_left_alone(const struct populate *p, const struct vm_area_struct *vma)
{
	if (is_advice(p))
		return false;
	return vma->vm_flags & VM_LOCKONFAULT ||
	       (p->mode == POPULATE_LOCKED && !(vma->vm_flags & VM_LOCKED));
}

/*
 * Is the page present with the rights that are wanted, so that no fault is needed? A page that is
 * present without access rights (PROT_NONE) counts for mlock, not for advice.
 */
static bool is_there(const struct populate *p, bool write)
{
	pmd_t *pmd;
	pte_t pte;

	mmap_assert_locked(p->mm);
	VM_BUG_ON(p->addr & ~PAGE_MASK);
	if (is_advice(p))
		return follow_page(p->mm, p->addr, write);
	VM_BUG_ON(p->addr >= TASK_SIZE);
	pmd = walk_to_pmd(p->mm, p->addr);
	pte = pmd && !pmd_none(pmdp_get(pmd)) ? ptep_get(pte_offset(pmd, p->addr)) : __pte(0);
	return pte_present(pte) && (!write || pte_write(pte));
}

/* The errno for a failed fault. */
static long fault_error(vm_fault_t fault)
{
	return fault & VM_FAULT_OOM ? -ENOMEM : -EFAULT;
}

/* Go on to the next page. Its fault has two tries again. */
static void advance(struct populate *p)
{
	p->addr += PAGE_SIZE;
	p->fault_flags = FAULT_FLAG_ALLOW_RETRY;
}

/*
 * Fault in the pages of one region up to stop. mmap_lock is held for read and released here, by the
 * fault itself if that had to wait. 0 or -errno.
 */
static long populate_pages(struct populate *p, struct vm_area_struct *vma, unsigned long stop)
	NO_LOCK_ANALYSIS("a fault may have released mmap_lock")
{
	unsigned int write = wants_write(p, vma) ? FAULT_FLAG_WRITE : 0;
	vm_fault_t fault = 0;

	lockdep_assert_held(&p->mm->mmap_lock);
	VM_BUG_ON(p->addr < vma->vm_start || stop > vma->vm_end || p->addr >= stop);
	for (; p->addr < stop; advance(p)) {
		if (is_there(p, write))
			continue;
		/* The second try of a fault is not counted again. */
		if (!(p->fault_flags & FAULT_FLAG_TRIED))
			count_vm_event(pgfault);
		fault = handle_mm_fault(vma, p->addr, p->fault_flags | write);
		if (unlikely(fault & (VM_FAULT_ERROR | VM_FAULT_RETRY)))
			break;
		if (unlikely(port_fatal_signal_pending()))
			break;
	}
	/*
	 * The fault has released mmap_lock: the next batch begins with the same page, second try.
	 */
	if (fault & VM_FAULT_RETRY)
		p->fault_flags = fault_retry_flags(p->fault_flags, fault);
	else
		up_read(&p->mm->mmap_lock);
	return fault & VM_FAULT_ERROR ? fault_error(fault) : 0;
}

/*
 * Populate a batch of pages of the region at p->addr or, if there is none, of the next one.
 * mmap_lock is held for read and released here. 0 or -errno.
 */
static long populate_batch(struct populate *p)
	NO_LOCK_ANALYSIS("a fault may have released mmap_lock")
{
	struct vm_area_struct *vma = find_vma_intersection(p->mm, p->addr, p->end);
	unsigned long region_end = vma ? vma->vm_end : p->end;
	long err = 0;

	lockdep_assert_held(&p->mm->mmap_lock);
	VM_BUG_ON(p->addr >= p->end);
	if (!vma || vma->vm_start > p->addr) {
		p->hole = true;
		p->addr = vma ? vma->vm_start : p->end;
	}
	if (!vma || is_left_alone(p, vma))
		p->addr = region_end;
	else
		err = check_region(p, vma);
	if (p->addr >= region_end || err)
		up_read(&p->mm->mmap_lock);
	else
		err = populate_pages(
			p, vma,
			min(min(p->end, region_end), p->addr + POPULATE_BATCH_PAGES * PAGE_SIZE));
	/* mlockall: skip this region */
	if (err && p->mode == POPULATE_LOCKED) {
		p->addr = region_end;
		err = 0;
	}
	return err;
}

long mm_populate(struct mm_struct *mm, unsigned long start, unsigned long end,
		 enum populate_mode mode) NO_LOCK_ANALYSIS("populate_batch() drops it")
{
	struct populate p = {.mm = mm,
			     .mode = mode,
			     .addr = start,
			     .end = end,
			     .fault_flags = FAULT_FLAG_ALLOW_RETRY};
	long err = 0;

	VM_BUG_ON((start | end) & ~PAGE_MASK);
	while (p.addr < end && !err) {
		err = down_read_killable(&mm->mmap_lock);
		if (!err)
			err = populate_batch(&p);
		if (!err && port_fatal_signal_pending())
			err = -EINTR;
		port_cond_resched();
	}
	fault_retry_end();
	return !err && p.hole && is_advice(&p) ? -ENOMEM : err;
}
