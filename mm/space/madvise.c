// SPDX-License-Identifier: MIT
/*
 * madvise.c: advice about ranges (madvise), and which pages of a range are in memory (mincore)
 * or are to be written to their files (msync).
 *
 * All three go VMA by VMA, and treat holes alike: the mapped parts are worked on, and then the call
 * returns ENOMEM. Advice that only sets flags splits and merges VMAs. MADV_DONTNEED and MADV_REMOVE
 * drop pages, which come back as zeros (private memory) or from the file. advise_pages.c has the
 * advice about pages that reclaim carries out.
 *
 * Locking: mmap_lock, for write where VMAs change, else for read. Failure: the part of
 * the range before the error stays changed.
 */
#include <pagoda/page_alloc.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <pagoda/swap.h>
#include "vma_internal.h"

static bool is_known_advice(int advice)
{
	switch (advice) {
	case MADV_NORMAL ... MADV_DONTNEED:
	case MADV_FREE ... MADV_DOFORK:
	case MADV_DONTDUMP ... MADV_DONTNEED_LOCKED:
		return true;
	}
	return false;
}

/* The flags that a piece of advice leads to. 0, or -EINVAL for regions that it does not suit. */
static int hint_flags(const struct vm_area_struct *vma, int advice, unsigned long *flags)
{
	*flags = vma->vm_flags;
	switch (advice) {
	case MADV_NORMAL:
		*flags &= ~(VM_RAND_READ | VM_SEQ_READ);
		return 0;
	case MADV_RANDOM:
		*flags = (*flags & ~VM_SEQ_READ) | VM_RAND_READ;
		return 0;
	case MADV_SEQUENTIAL:
		*flags = (*flags & ~VM_RAND_READ) | VM_SEQ_READ;
		return 0;
	case MADV_DONTFORK:
		*flags |= VM_DONTCOPY;
		return 0;
	case MADV_DOFORK:
		*flags &= ~VM_DONTCOPY;
		return vma->vm_flags & VM_IO ? -EINVAL : 0;
	case MADV_WIPEONFORK:
		*flags |= VM_WIPEONFORK;
		return vma->vm_file || vma->vm_flags & VM_SHARED ? -EINVAL : 0;
	case MADV_KEEPONFORK:
		*flags &= ~VM_WIPEONFORK;
		return 0;
	case MADV_DONTDUMP:
		*flags |= VM_DONTDUMP;
		return 0;
	case MADV_DODUMP:
		*flags &= ~VM_DONTDUMP;
		return vma->vm_flags & VM_IO ? -EINVAL : 0;
	}
	return 0;
}

/* Does the advice change flags of VMAs, so that mmap_lock is needed for write? */
static bool changes_vmas(int advice)
{
	switch (advice) {
	case MADV_NORMAL ... MADV_SEQUENTIAL:
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_DONTDUMP ... MADV_KEEPONFORK:
		return true;
	}
	return false;
}

/*
 * MADV_DONTNEED: drop the pages of a part of a VMA; the region stays and faults them in again.
 * Regions with a forbidden flag, and devices, are refused. mmap_lock for read suffices, as no VMA
 * changes; faults at the same time are ordered by page_table_lock.
 */
static int drop_pages(struct vm_area_struct *vma, unsigned long start, unsigned long end,
		      unsigned long forbidden)
{
	struct mmu_gather tlb;

	mmap_assert_locked(vma->vm_mm);
	VM_BUG_ON(start < vma->vm_start || end > vma->vm_end || start >= end);
	if (vma->vm_flags & (forbidden | VM_IO | VM_RESERVED))
		return -EINVAL;
	update_hiwater_rss(vma->vm_mm);
	tlb_gather_mmu(&tlb, vma->vm_mm, false);
	zap_page_range(&tlb, start, end);
	tlb_finish_mmu(&tlb);
	return 0;
}

/* May the pages of the region's object be removed through it (MADV_REMOVE)? 0 or -errno. */
static int check_removable(const struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_LOCKED || !vma->vm_file || !vma->vm_file->f_mapping)
		return -EINVAL;
	if ((vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) != (VM_SHARED | VM_MAYWRITE))
		return -EACCES;
	return 0;
}

/*
 * MADV_REMOVE: punch one region's part of [*start, end) out of its object, and set *start to the
 * end of that part. The object's locks rank above mmap_lock, so mmap_lock is released first, and a
 * reference keeps the file. 0 or -errno; *hole is set if there was an unmapped part before the
 * region.
 */
static int remove_region(struct mm_struct *mm, unsigned long *start, unsigned long end, bool *hole)
{
	struct vm_area_struct *vma;
	struct vm_file *file = NULL;
	u64 first = 0, bytes = 0;
	int err = 0;

	if (down_read_killable(&mm->mmap_lock))
		return -EINTR;
	vma = find_vma(mm, *start);
	if (!vma || vma->vm_start >= end) {
		err = -ENOMEM;
	} else {
		*hole |= vma->vm_start > *start;
		*start = max(*start, vma->vm_start);
		err = check_removable(vma);
	}
	if (!err) {
		file = get_vm_file(vma->vm_file);
		first = (u64)vma_pgoff(vma, *start) << PAGE_SHIFT;
		bytes = min(end, vma->vm_end) - *start;
		*start = vma->vm_end;
	}
	up_read(&mm->mmap_lock);
	if (!file)
		return err;
	err = file->f_vmops->punch_hole ? file->f_vmops->punch_hole(file, first, first + bytes)
					: -EOPNOTSUPP;
	put_vm_file(file);
	return err;
}

/*
 * MADV_WILLNEED: start reading one region's part of [*start, end), and set *start to the end of
 * that part. A file is read without mmap_lock, because its file system may have to read first where
 * the pages are. 0 or -errno; *hole as above.
 */
static int need_region(struct mm_struct *mm, unsigned long *start, unsigned long end, bool *hole)
{
	struct vm_file *file = NULL;
	struct vm_area_struct *vma;
	unsigned long stop;
	pgoff_t first = 0;

	if (down_read_killable(&mm->mmap_lock))
		return -EINTR;
	vma = find_vma(mm, *start);
	if (!vma || vma->vm_start >= end) {
		up_read(&mm->mmap_lock);
		return -ENOMEM;
	}
	*hole |= vma->vm_start > *start;
	*start = max(*start, vma->vm_start);
	stop = min(end, vma->vm_end);
	if (page_advice_ops)
		page_advice_ops->willneed(vma, *start, stop);
	if (vma->vm_file) {
		file = get_vm_file(vma->vm_file);
		first = vma_pgoff(vma, *start);
	}
	up_read(&mm->mmap_lock);
	if (file) {
		file_page_ops->read_ahead(file, first, (stop - *start) >> PAGE_SHIFT);
		put_vm_file(file);
	}
	*start = stop;
	return 0;
}

/* One step of step_through(): it takes and releases mmap_lock itself, and moves *start. */
typedef int (*region_step_t)(struct mm_struct *mm, unsigned long *start, unsigned long end,
			     bool *hole);

/* Go through [start, end) region by region; mmap_lock is held only while a region is looked at. */
static int step_through(struct mm_struct *mm, unsigned long start, unsigned long end,
			region_step_t step)
{
	bool hole = false;
	int err = 0;

	VM_BUG_ON((start | end) & ~PAGE_MASK);
	while (start < end && !err) {
		err = step(mm, &start, end, &hole);
		port_cond_resched();
	}
	return err ? err : hole ? -ENOMEM : 0;
}

/*
 * Apply the advice to one VMA's part [start, end). *pvma is set to the VMA that covers it
 * afterwards. 0 or -errno; -EAGAIN if there is no memory for a split, as in Linux.
 */
static int advise_vma(struct vm_area_struct **pvma, unsigned long start, unsigned long end,
		      int advice)
{
	struct vm_area_struct *vma = *pvma;
	unsigned long flags;
	int err;

	mmap_assert_locked(vma->vm_mm);
	VM_BUG_ON(start < vma->vm_start || end > vma->vm_end || start >= end);
	switch (advice) {
	case MADV_DONTNEED:
		return drop_pages(vma, start, end, VM_LOCKED);
	case MADV_DONTNEED_LOCKED:
		return drop_pages(vma, start, end, 0);
	case MADV_FREE:
		if (vma->vm_file || vma->vm_flags & (VM_SHARED | VM_LOCKED))
			return -EINVAL;
		if (page_advice_ops)
			page_advice_ops->free(vma, start, end);
		return 0;
	case MADV_PAGEOUT:
	case MADV_COLD:
		if (vma->vm_flags & (VM_LOCKED | VM_IO | VM_RESERVED))
			return -EINVAL;
		if (page_advice_ops)
			(advice == MADV_COLD ? page_advice_ops->cold
					     : page_advice_ops->pageout)(vma, start, end);
		return 0;
	}
	err = hint_flags(vma, advice, &flags);
	if (err || flags == vma->vm_flags)
		return err;
	vma = vma_modify(vma, start, end, flags);
	if (IS_ERR(vma))
		return -EAGAIN;
	*pvma = vma;
	return 0;
}

/*
 * Apply the advice to all VMAs of [start, end). The caller holds mmap_lock, for write if
 * changes_vmas().
 */
static int advise_range(struct mm_struct *mm, unsigned long start, unsigned long end, int advice)
{
	struct vm_area_struct *vma = find_vma(mm, start);
	unsigned int turns = 0;
	bool hole = false;

	mmap_assert_locked(mm);
	VM_BUG_ON((start | end) & ~PAGE_MASK);
	while (start < end) {
		unsigned long stop;
		int err;

		if (!vma || vma->vm_start >= end)
			return -ENOMEM;
		if (vma->vm_start > start) {
			hole = true;
			start = vma->vm_start;
		}
		stop = min(end, vma->vm_end);
		err = advise_vma(&vma, start, stop, advice);
		if (err)
			return err;
		start = stop;
		/* After a merge the VMA may end above the part that was advised. */
		if (vma->vm_end <= start)
			vma = vma->vm_next;
		pause_now_and_then(&turns);
	}
	return hole ? -ENOMEM : 0;
}

long do_madvise(struct mm_struct *mm, unsigned long start, size_t len, int advice)
{
	unsigned long end = start + PAGE_ALIGN(len);
	int err;

	if (!is_known_advice(advice) || start & ~PAGE_MASK || (len && !PAGE_ALIGN(len)) ||
	    end < start)
		return -EINVAL;
	if (end == start)
		return 0;
	if (advice == MADV_REMOVE)
		return step_through(mm, start, end, remove_region);
	if (advice == MADV_WILLNEED)
		return step_through(mm, start, end, need_region);
	if (advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE)
		return (int)mm_populate(mm, start, end,
					advice == MADV_POPULATE_READ ? POPULATE_FOR_READ
								     : POPULATE_FOR_WRITE);
	if (changes_vmas(advice)) {
		if (down_write_killable(&mm->mmap_lock))
			return -EINTR;
		err = advise_range(mm, start, end, advice);
		up_write(&mm->mmap_lock);
	} else {
		if (down_read_killable(&mm->mmap_lock))
			return -EINTR;
		err = advise_range(mm, start, end, advice);
		up_read(&mm->mmap_lock);
	}
	return err;
}

/* ---- mincore --------------------------------------------------------------------------------- */

/* Results are copied to the user in pieces of this many pages, one byte per page. */
#define MINCORE_CHUNK 256

/*
 * mincore: is the page at addr in memory? Its entry tells if it is mapped. Otherwise it may be in
 * the swap cache, if it is swapped, or in the page cache of the region's file. 1: yes.
 */
static u8 page_is_resident(struct vm_area_struct *vma, unsigned long addr)
{
	pmd_t *pmd = walk_to_pmd(vma->vm_mm, addr);
	pte_t pte = pmd && !pmd_none(pmdp_get(pmd)) ? ptep_get(pte_offset(pmd, addr)) : __pte(0);
	struct page *page;
	bool up_to_date;

	mmap_assert_locked(vma->vm_mm);
	VM_BUG_ON(addr < vma->vm_start || addr >= vma->vm_end);
	VM_BUG_ON(addr >= TASK_SIZE);
	if (pte_present(pte))
		return 1;
	if (!pte_none(pte)) {
		page = swap_entry_ops->lookup(pte_to_swp_entry(pte));
		if (page)
			put_page(page);
		return page != NULL;
	}
	if (!vma->vm_file || !vma->vm_file->f_mapping)
		return 0;
	page = file_page_ops->find(vma->vm_file->f_mapping, vma_pgoff(vma, addr));
	if (!page)
		return 0;
	up_to_date = PageUptodate(page);
	put_page(page);
	return up_to_date;
}

/*
 * Which pages of a file are in memory shows what other processes do with the file. A caller that
 * neither owns the file nor may write to it must not learn that; mincore() then reports all pages
 * as being in memory.
 */
static bool may_see_residency(const struct vm_area_struct *vma)
{
	struct vm_file *file = vma->vm_file;

	return !file || !file->f_vmops || !file->f_vmops->may_evict ||
	       file->f_vmops->may_evict(file);
}

/*
 * Fill vec for up to pages pages from addr on, as far as one VMA reaches. Returns how many; -ENOMEM
 * at a hole; -EINTR. vec is kernel memory: user memory must not be touched with mmap_lock held, as
 * that may fault, and a fault takes mmap_lock.
 */
static long mincore_chunk(struct mm_struct *mm, unsigned long addr, unsigned long pages, u8 *vec)
{
	struct vm_area_struct *vma;
	long n = -ENOMEM;
	bool may_see;

	VM_BUG_ON(!pages || pages > MINCORE_CHUNK);
	if (down_read_killable(&mm->mmap_lock))
		return -EINTR;
	vma = find_vma(mm, addr);
	if (vma && vma->vm_start <= addr) {
		n = (long)min(pages, (vma->vm_end - addr) >> PAGE_SHIFT);
		may_see = may_see_residency(vma);
		memset(vec, 1, (size_t)n);
		for (long i = 0; may_see && i < n; i++)
			vec[i] = page_is_resident(vma, addr + ((unsigned long)i << PAGE_SHIFT));
	}
	up_read(&mm->mmap_lock);
	return n;
}

long do_mincore(struct mm_struct *mm, unsigned long start, size_t len, unsigned long vec)
{
	unsigned long pages;
	u8 chunk[MINCORE_CHUNK];

	if (start & ~PAGE_MASK)
		return -EINVAL;
	if (!access_ok(start, len))
		return -ENOMEM;
	pages = PAGE_ALIGN(len) >> PAGE_SHIFT; /* no overflow: [start, start + len) is user's */
	if (!access_ok(vec, pages))
		return -EFAULT;
	while (pages) {
		long n =
			mincore_chunk(mm, start, min_t(unsigned long, pages, MINCORE_CHUNK), chunk);

		if (n < 0)
			return n;
		/* before any later hole, as on Linux */
		if (copy_to_user(vec, chunk, (size_t)n))
			return -EFAULT;
		pages -= (unsigned long)n;
		vec += (unsigned long)n;
		start += (unsigned long)n << PAGE_SHIFT;
		port_cond_resched();
	}
	return 0;
}

/* ---- msync ----------------------------------------------------------------------------------- */

/*
 * Write back bytes [first, last] of a file, with mmap_lock released. Drops the reference. 0 or
 * -errno.
 */
static int msync_file(struct vm_file *file, u64 first, u64 last)
{
	int err = file->f_vmops->fsync ? file->f_vmops->fsync(file, first, last, true) : 0;

	VM_BUG_ON(first > last);
	put_vm_file(file);
	return err;
}

/*
 * Handle one region, and set *start to its end. 0, or the error that ends the call; *hole is set if
 * an unmapped part was met. The region's file is written after mmap_lock is released, since that
 * takes long.
 */
static int msync_region(struct mm_struct *mm, unsigned long *start, unsigned long end, int flags,
			bool *hole)
{
	struct vm_file *file = NULL;
	struct vm_area_struct *vma;
	u64 first = 0, last = 0;
	int err = 0;

	if (down_read_killable(&mm->mmap_lock))
		return -EINTR;
	vma = find_vma(mm, *start);
	if (!vma || vma->vm_start >= end) {
		*hole = true;
		*start = end;
	} else if (flags & MS_INVALIDATE && vma->vm_flags & VM_LOCKED) {
		err = -EBUSY;
	} else {
		*hole |= vma->vm_start > *start;
		*start = max(*start, vma->vm_start);
		if (flags & MS_SYNC && vma->vm_flags & VM_SHARED && vma->vm_file) {
			file = get_vm_file(vma->vm_file);
			first = (u64)vma_pgoff(vma, *start) << PAGE_SHIFT;
			last = first + (min(end, vma->vm_end) - *start) - 1;
		}
		*start = vma->vm_end;
	}
	up_read(&mm->mmap_lock);
	return file ? msync_file(file, first, last) : err;
}

long do_msync(struct mm_struct *mm, unsigned long start, size_t len, int flags)
{
	unsigned long end = start + PAGE_ALIGN(len);
	bool hole = false;
	int err = 0;

	if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) || start & ~PAGE_MASK ||
	    (flags & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC))
		return -EINVAL;
	if (end < start)
		return -ENOMEM;
	while (start < end && !err)
		err = msync_region(mm, &start, end, flags, &hole);
	return err ? err : hole ? -ENOMEM : 0;
}
