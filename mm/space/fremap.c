/* SPDX-License-Identifier: MIT */
/*
 * fremap.c: remap_file_pages: map other pages of a file in a part of its shared mapping.
 *
 * The range becomes a mapping of its own, as in Linux since 4.0. (The call was made for one VMA
 * that shows a file's pages in any order, with the page number in the entry of each absent page.)
 * The program sees the same pages; the price is one VMA per call.
 *
 * Locking: mmap_lock for read to look, then do_mmap's own; another thread may change the
 * mapping in between, with the same result as if it had done so before or after the call.
 * Failure: EINVAL for a range that is not one shared mapping; else do_mmap's errors.
 */
#include "vma_internal.h"

/*
 * Is [start, end) covered by adjacent VMAs of one file with the same rights? vma is the one at
 * start.
 */
static bool is_one_mapping(const struct vm_area_struct *vma, unsigned long end)
{
	const struct vm_area_struct *next = vma;

	mmap_assert_locked(vma->vm_mm);
	VM_BUG_ON(end <= vma->vm_start);
	while (next->vm_end < end) {
		const struct vm_area_struct *prev = next;

		next = next->vm_next;
		if (!next || next->vm_start != prev->vm_end || next->vm_file != vma->vm_file ||
		    (next->vm_flags ^ vma->vm_flags) & ~VM_SOFTDIRTY)
			return false;
	}
	return true;
}

long do_remap_file_pages(struct mm_struct *mm, unsigned long start, unsigned long size,
			 unsigned long pgoff, unsigned long flags)
{
	unsigned long prot = 0, map = MAP_SHARED | MAP_FIXED | MAP_POPULATE, ret;
	struct vm_area_struct *vma;
	struct vm_file *file = NULL;

	start &= PAGE_MASK;
	size &= PAGE_MASK;
	if (start + size <= start || pgoff + (size >> PAGE_SHIFT) < pgoff)
		return -EINVAL;
	if (down_read_killable(&mm->mmap_lock))
		return -EINTR;
	vma = find_vma(mm, start);
	if (vma && vma->vm_start <= start && vma->vm_flags & VM_SHARED && vma->vm_file &&
	    is_one_mapping(vma, start + size)) {
		/* Keeps the file when mmap_lock is released, and the VMA may be freed. */
		file = get_vm_file(vma->vm_file);
		prot |= vma->vm_flags & VM_READ ? PROT_READ : 0;
		prot |= vma->vm_flags & VM_WRITE ? PROT_WRITE : 0;
		prot |= vma->vm_flags & VM_EXEC ? PROT_EXEC : 0;
		map |= vma->vm_flags & VM_LOCKED ? MAP_LOCKED : 0;
	}
	up_read(&mm->mmap_lock);
	if (!file)
		return -EINVAL;
	if (pgoff > ~0ul >> PAGE_SHIFT) {
		put_vm_file(file);
		return -EOVERFLOW;
	}
	ret = do_mmap(mm, file, start, size, prot, map | (flags & MAP_NONBLOCK),
		      pgoff << PAGE_SHIFT);
	put_vm_file(file);
	return ret == start ? 0 : (int)ret;
}
