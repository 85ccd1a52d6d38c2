// SPDX-License-Identifier: MIT
/*
 * munmap.c: taking regions away.
 *
 *	unmap_range	VMAs off (unhook) -> pages and tables into the mmu_gather ->
 *			flush -> free
 *
 * VMAs are cut at the ends of the range by moving their bounds; only a hole in the middle
 * of one needs a second VMA, and that is the only allocation. mremap and MAP_FIXED want to know
 * before they change anything: unmap_prepare() allocates, unmap_commit() cannot fail.
 *
 * Locking: mmap_lock for write.
 *
 * Failure: -ENOMEM without memory for that VMA, or with too many; nothing changed.
 *
 * Seen in: mm->map_count, total_vm and its parts, locked_vm; vm_committed_as.
 */
#include "vma_internal.h"

unsigned long count_vma_pages_range(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	unsigned long pages = 0;

	for (struct vm_area_struct *vma = find_vma_intersection(mm, start, end);
	     vma && vma->vm_start < end; vma = vma->vm_next)
		pages += (min(end, vma->vm_end) - max(start, vma->vm_start)) >> PAGE_SHIFT;
	return pages;
}

/* Subtract [start, end) of vma from every count that it is in. */
static void unaccount_part(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	struct mm_struct *mm = vma->vm_mm;
	unsigned long pages = (end - start) >> PAGE_SHIFT;

	VM_BUG_ON(start < vma->vm_start || end > vma->vm_end || start >= end);
	VM_BUG_ON(vma->vm_flags & VM_LOCKED && mm->locked_vm < pages);
	vm_stat_account(mm, vma->vm_flags, -(long)pages);
	if (vma->vm_flags & VM_LOCKED)
		mm->locked_vm -= pages;
	if (vma->vm_flags & VM_ACCOUNT)
		vm_unacct_memory(pages);
}

/*
 * Take [start, end) out of the set of VMAs. The first VMA of the range is cut at start, the last
 * one at end; those in between leave the set and are returned as a list, linked by vm_next. If the
 * range is a hole in the middle of one VMA, spare becomes the part above it.
 *
 *	[aaaa|xxxx][xxxxx] [xx|bbbb]	cut, removed, cut
 *	[aaaa|xxxx|ssss]		cut into a and s
 */
static struct vm_area_struct *detach_range(struct vm_area_struct *vma, unsigned long start,
					   unsigned long end, struct vm_area_struct *spare)
{
	struct vm_area_struct *gone = NULL, **tail = &gone, *next;
	unsigned int turns = 0;

	mmap_assert_write_locked(vma->vm_mm);
	for (; vma && vma->vm_start < end; vma = next) {
		unsigned long from = max(start, vma->vm_start), to = min(end, vma->vm_end);

		next = vma->vm_next;
		pause_now_and_then(&turns);
		unaccount_part(vma, from, to);
		if (from == vma->vm_start && to == vma->vm_end) {
			vma_unlink(vma);
			*tail = vma;
			tail = &vma->vm_next;
			*tail = NULL;
			continue;
		}
		/*
		 * A hole: the upper part goes to spare, then the lower part is cut below.
		 * unmap_prepare() has allocated spare, as it saw the same VMA.
		 */
		if (from > vma->vm_start && to < vma->vm_end)
			split_vma_with(vma, to, spare);
		if (from > vma->vm_start)
			vma_set_bounds(vma, vma->vm_start, from);
		else
			vma_set_bounds(vma, to, vma->vm_end);
	}
	return gone;
}

/*
 * Free the pages and tables of a range that no VMA covers any more. The neighbours' bounds tell how
 * far tables can be freed. keep_tables: the caller is about to use them again (mremap, MAP_FIXED).
 */
static void unmap_region(struct mm_struct *mm, unsigned long start, unsigned long end,
			 bool keep_tables)
{
	struct vm_area_struct *prev, *next = find_vma_prev(mm, start, &prev);
	struct mmu_gather tlb;

	mmap_assert_write_locked(mm);
	VM_BUG_ON(prev && prev->vm_end > start);
	VM_BUG_ON(next && next->vm_start < end); /* detached */
	update_hiwater_rss(mm);
	tlb_gather_mmu(&tlb, mm, false);
	zap_page_range(&tlb, start, end);
	if (!keep_tables)
		free_pgtables(&tlb, start, end, prev ? prev->vm_end : 0,
			      next ? next->vm_start : TASK_SIZE);
	tlb_finish_mmu(&tlb);
}

/* Is [start, end) a hole in the middle of vma, which needs a second VMA? */
static bool needs_split(const struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	return vma->vm_start < start && end < vma->vm_end;
}

/* The only case that needs memory is a hole in the middle of one VMA, which then becomes two. */
int unmap_prepare(struct mm_struct *mm, unsigned long start, unsigned long len,
		  struct vm_area_struct **spare)
{
	struct vm_area_struct *vma = find_vma_intersection(mm, start, start + len);

	mmap_assert_write_locked(mm);
	VM_BUG_ON((start | len) & ~PAGE_MASK || !len);
	VM_BUG_ON(len > TASK_SIZE || start > TASK_SIZE - len);
	*spare = NULL;
	if (!vma || !needs_split(vma, start, start + len))
		return 0;
	if (mm->map_count >= MAX_MAP_COUNT)
		return -ENOMEM;
	*spare = vm_area_alloc(mm);
	return *spare ? 0 : -ENOMEM;
}

/*
 * Between unmap_prepare() and this call the caller may have unmapped or mapped other ranges (mremap
 * does), which may have split the VMA that spare was meant for. Then spare is not needed any more.
 */
void unmap_commit(struct mm_struct *mm, unsigned long start, unsigned long len,
		  struct vm_area_struct *spare, bool keep_tables)
{
	struct vm_area_struct *vma = find_vma_intersection(mm, start, start + len), *next;
	unsigned int turns = 0;

	mmap_assert_write_locked(mm);
	VM_BUG_ON((start | len) & ~PAGE_MASK || !len);
	if (spare && !needs_split(vma, start, start + len)) {
		vm_area_free(spare);
		spare = NULL;
	}
	if (!vma)
		return;
	VM_BUG_ON(needs_split(vma, start, start + len) && !spare);
	vma = detach_range(vma, start, start + len, spare);
	unmap_region(mm, start, start + len, keep_tables);
	/*
	 * The VMAs are closed last: a close operation may free what the pages came from, so that no
	 * entry may map them any more.
	 */
	for (; vma; vma = next) {
		next = vma->vm_next;
		remove_vma(vma);
		pause_now_and_then(&turns);
	}
}

int unmap_range(struct mm_struct *mm, unsigned long start, unsigned long len)
{
	struct vm_area_struct *spare;
	int err = unmap_prepare(mm, start, len, &spare);

	if (!err)
		unmap_commit(mm, start, len, spare, false);
	return err;
}

/* The checks; len is rounded up, and a len that becomes 0 by that is refused. */
long do_munmap(struct mm_struct *mm, unsigned long addr, size_t len)
{
	int err;

	if (addr & ~PAGE_MASK || addr > TASK_SIZE || len > TASK_SIZE - addr || !PAGE_ALIGN(len))
		return -EINVAL;
	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	err = unmap_range(mm, addr, PAGE_ALIGN(len));
	up_write(&mm->mmap_lock);
	return err;
}
