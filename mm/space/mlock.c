// SPDX-License-Identifier: MIT
/*
 * mlock.c: memory that stays resident.
 *
 * A lock is a flag of VMAs: the range's VMAs are split, flagged and merged, then its
 * pages are faulted in. Nested locks do not count: locked_vm is the pages of flagged
 * VMAs (AS-59). VM_LOCKONFAULT: locked as pages come.
 *
 * Limits, for tasks without the privilege: RLIMIT_MEMLOCK; for all: half of physical
 * memory (AS-60).
 *
 * When reclaim finds a page that a locked region maps, it takes it off the LRU lists (PG_mlocked,
 * lru.c). Unlocking the region puts the page back, as does its last unmapping. If another region
 * still locks it, reclaim will find that out the next time and take it off again.
 *
 * Locking: mmap_lock, for write to flag, for read to populate. Failure: at a hole in
 * the range the change ends; the part before it stays flagged, as in Linux.
 */
#include <pagoda/page_alloc.h>
#include "vma_internal.h"

#define LOCK_FLAGS (VM_LOCKED | VM_LOCKONFAULT)

/*
 * A region was unlocked: put those of its pages back on the LRU lists that reclaim took off because
 * of the lock. If reclaim is about to take one off at the same time, one of the two sees the other:
 *
 *	unlock				reclaim
 *	clear VM_LOCKED
 *	full barrier
 *	PG_mlocked set? no		read VM_LOCKED under page_table_lock: clear
 *					leave the page on its list
 */
static void rescue_range(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	pmd_t *pmd;

	mmap_assert_write_locked(mm);
	VM_BUG_ON((start | end) & ~PAGE_MASK || end > TASK_SIZE);
	/* Orders the clearing of VM_LOCKED before the reading of PG_mlocked, see above. */
	smp_mb();
	/* Usually reclaim has not taken any page off: then the tables need not be walked. */
	if (!nr_mlocked_pages())
		return;
	spin_lock(&mm->page_table_lock);
	while ((pmd = next_pmd(mm, &start, end))) {
		unsigned long stop = pmd_addr_end(start, end);

		for (pte_t *ptep = pte_offset(pmd, start); start < stop;
		     ptep++, start += PAGE_SIZE) {
			pte_t pte = ptep_get(ptep);
			struct page *page = pte_present(pte) ? normal_page(pte) : NULL;

			if (page && PageMlocked(page))
				lru_rescue_mlocked(page);
		}
		if (start < end)
			page_table_pause(mm);
	}
	spin_unlock(&mm->page_table_lock);
}

/*
 * Give [start, end) of the VMA the lock flags. Device regions are skipped: their frames are always
 * present. Only VM_LOCKED counts in locked_vm; a change of VM_LOCKONFAULT alone does not. *pvma is
 * set to the VMA that covers the range afterwards.
 */
static int mlock_fixup(struct vm_area_struct **pvma, unsigned long start, unsigned long end,
		       unsigned long lock_flags)
{
	struct vm_area_struct *vma = *pvma;
	unsigned long old = vma->vm_flags, new = (old & ~LOCK_FLAGS) | lock_flags;
	long pages = (long)((end - start) >> PAGE_SHIFT);

	mmap_assert_write_locked(vma->vm_mm);
	VM_BUG_ON(start < vma->vm_start || end > vma->vm_end || start >= end);
	VM_BUG_ON(lock_flags & ~LOCK_FLAGS);
	if (new == old || old &(VM_IO | VM_RESERVED))
		return 0;
	vma = vma_modify(vma, start, end, new);
	if (IS_ERR(vma))
		return (int)PTR_ERR(vma);
	*pvma = vma;
	if (!((old ^ new) & VM_LOCKED))
		return 0;
	vma->vm_mm->locked_vm += (unsigned long)(new &VM_LOCKED ? pages : -pages);
	VM_BUG_ON((long)vma->vm_mm->locked_vm < 0);
	if (old & VM_LOCKED)
		rescue_range(vma->vm_mm, start, end);
	return 0;
}

/* Flag all VMAs of [start, end). -ENOMEM at a hole, with the part before it flagged. */
static int apply_lock(struct mm_struct *mm, unsigned long start, unsigned long end,
		      unsigned long lock_flags)
{
	struct vm_area_struct *vma = find_vma(mm, start);
	unsigned int turns = 0;

	mmap_assert_write_locked(mm);
	VM_BUG_ON((start | end) & ~PAGE_MASK);
	while (start < end) {
		unsigned long stop;
		int err;

		if (!vma || vma->vm_start > start)
			return -ENOMEM;
		stop = min(end, vma->vm_end);
		err = mlock_fixup(&vma, start, stop, lock_flags);
		if (err)
			return err;
		start = stop;
		if (vma->vm_end <= start)
			vma = vma->vm_next;
		pause_now_and_then(&turns);
	}
	return 0;
}

/*
 * Pages of the range that are locked already, and so must not be counted twice against the limits.
 */
static unsigned long locked_pages_in(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	unsigned long pages = 0;

	mmap_assert_write_locked(mm);
	for (struct vm_area_struct *vma = find_vma_intersection(mm, start, end);
	     vma && vma->vm_start < end; vma = vma->vm_next)
		if (vma->vm_flags & VM_LOCKED)
			pages += (min(end, vma->vm_end) - max(start, vma->vm_start)) >> PAGE_SHIFT;
	return pages;
}

/*
 * May the range be locked, in addition to what is locked? The pages of the range that are locked
 * already are only counted if the simple check fails.
 */
static bool within_limits(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	unsigned long locked = mm->locked_vm + ((end - start) >> PAGE_SHIFT);

	mmap_assert_write_locked(mm);
	if (locked > totalram_pages() / 2 ||
	    (locked > rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT && !current_vm->cap_ipc_lock))
		locked -= locked_pages_in(mm, start, end);
	if (locked > totalram_pages() / 2)
		return false;
	return locked <= rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT || current_vm->cap_ipc_lock;
}

/*
 * The errno of a failed population: POSIX wants ENOMEM for a range that cannot be faulted in, and
 * EAGAIN for a shortage of memory, which may pass.
 */
static int mlock_error(long error)
{
	return error == -EFAULT ? -ENOMEM : error == -ENOMEM ? -EAGAIN : (int)error;
}

long do_mlock(struct mm_struct *mm, unsigned long start, size_t len, unsigned int flags)
{
	unsigned long lock_flags = VM_LOCKED | (flags & MLOCK_ONFAULT ? VM_LOCKONFAULT : 0), end;
	int err = -ENOMEM;

	if (flags & ~MLOCK_ONFAULT)
		return -EINVAL;
	if (!can_do_mlock())
		return -EPERM;
	len = PAGE_ALIGN(len + (start & ~PAGE_MASK));
	start &= PAGE_MASK;
	end = start + len;
	/* The range wraps around. Linux checks the limit first, which fixes the errno. */
	if (end < start)
		return current_vm->cap_ipc_lock ||
				       len >> PAGE_SHIFT <= rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT
			       ? -EINVAL
			       : -ENOMEM;
	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	if (within_limits(mm, start, end))
		err = apply_lock(mm, start, end, lock_flags);
	up_write(&mm->mmap_lock);
	if (!err && !(flags & MLOCK_ONFAULT))
		err = mlock_error(mm_populate(mm, start, end, POPULATE_RANGE));
	return err;
}

long do_munlock(struct mm_struct *mm, unsigned long start, size_t len)
{
	unsigned long end;
	int err;

	len = PAGE_ALIGN(len + (start & ~PAGE_MASK));
	start &= PAGE_MASK;
	end = start + len;
	if (end < start)
		return -EINVAL;
	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	err = apply_lock(mm, start, end, 0);
	up_write(&mm->mmap_lock);
	return err;
}

/* Flag all regions. An error of one (no memory for a split) does not keep the others from it. */
static void lock_all(struct mm_struct *mm, unsigned long lock_flags)
{
	struct vm_area_struct *vma = mm->mmap;
	unsigned int turns = 0;

	mmap_assert_write_locked(mm);
	for (; vma; vma = vma->vm_next) {
		(void)mlock_fixup(&vma, vma->vm_start, vma->vm_end, lock_flags);
		pause_now_and_then(&turns);
	}
}

long do_mlockall(struct mm_struct *mm, int flags)
{
	unsigned long lock_flags = VM_LOCKED | (flags & MCL_ONFAULT ? VM_LOCKONFAULT : 0);
	int err = 0;

	if (!flags || flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) || flags == MCL_ONFAULT)
		return -EINVAL;
	if (!can_do_mlock())
		return -EPERM;
	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	/* All of the address space is to be locked: it must be within the limit as a whole. */
	if (flags & MCL_CURRENT && !current_vm->cap_ipc_lock &&
	    mm->total_vm > rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT) {
		err = -ENOMEM;
	} else {
		mm->def_flags &= ~LOCK_FLAGS;
		if (flags & MCL_FUTURE)
			mm->def_flags |= lock_flags;
		if (flags & MCL_CURRENT)
			lock_all(mm, lock_flags);
	}
	up_write(&mm->mmap_lock);
	if (!err && flags & MCL_CURRENT && !(flags & MCL_ONFAULT))
		(void)mm_populate(mm, 0, TASK_SIZE, POPULATE_LOCKED); /* errors are not reported */
	return err;
}

long do_munlockall(struct mm_struct *mm)
{
	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	mm->def_flags &= ~LOCK_FLAGS;
	lock_all(mm, 0);
	up_write(&mm->mmap_lock);
	return 0;
}
