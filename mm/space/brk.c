// SPDX-License-Identifier: MIT
/*
 * brk.c: regions that grow at one end: the heap, upwards when the program asks (brk), and
 * the stack, downwards when it is touched (expand_stack, from the page fault).
 *
 *	start_brk [ heap ->   ]brk	free	guard gap [   <- stack ]start_stack
 *
 * The heap is anonymous memory between start_brk and brk. Parts of it that the program has unmapped
 * or replaced by other mappings stay as they are. A stack keeps STACK_GUARD_GAP free below it (the
 * search for free ranges in vma.c treats it as taken). A stack may grow into the gap only towards
 * another stack or a region without access rights, on which an overflowing program faults anyway.
 *
 * Locking: mmap_lock for write; populating a locked heap afterwards holds it for read.
 *
 * Failure: nothing changed; do_brk() then returns the old break, as Linux does.
 *
 * Seen in: vm event fault_stack_grow; mm->brk, stack_vm.
 */
#include <pagoda/page_alloc.h>
#include <pagoda/vmstat.h>
#include "vma_internal.h"

/* ---- The heap -------------------------------------------------------------------------------- */

/* Only for a new mm, which no other task uses yet: the lock is not needed. */
void set_brk_start(struct mm_struct *mm, unsigned long start)
{
	mm->start_brk = mm->brk = start;
}

/* Replaces whatever is mapped there: the end of a data segment's last page belongs to the bss. */
int vm_brk_range(struct mm_struct *mm, unsigned long addr, unsigned long len,
		 unsigned long vm_flags)
{
	int err;

	len = PAGE_ALIGN(len);
	if (!len)
		return 0;
	if (addr & ~PAGE_MASK || addr > TASK_SIZE || len > TASK_SIZE - addr)
		return -EINVAL;
	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	err = map_anonymous(mm, addr, len, (vm_flags & VM_EXEC) | VM_DATA_FLAGS, true);
	up_write(&mm->mmap_lock);
	return err;
}

/* Move the break to brk, mapping or unmapping whole pages. The limits may refuse it: false. */
static bool move_break(struct mm_struct *mm, unsigned long brk)
{
	unsigned long old_end = PAGE_ALIGN(mm->brk), new_end = PAGE_ALIGN(brk);
	unsigned long data = mm->end_data - mm->start_data;
	struct vm_area_struct *next;

	mmap_assert_write_locked(mm);
	if (brk < mm->start_brk || brk > TASK_SIZE)
		return false;
	if (brk - mm->start_brk + data > rlimit(RLIMIT_DATA))
		return false;
	if (new_end < old_end)
		return unmap_range(mm, new_end, old_end - new_end) == 0;
	/* Within the last page: nothing is mapped or unmapped. */
	if (new_end == old_end)
		return true;
	/*
	 * One page stays free between the heap and the next region, in addition to a stack's gap.
	 */
	next = find_vma(mm, old_end);
	if (next && new_end + PAGE_SIZE > vm_start_gap(next))
		return false;
	return map_anonymous(mm, old_end, new_end - old_end, VM_DATA_FLAGS, false) == 0;
}

unsigned long do_brk(struct mm_struct *mm, unsigned long brk)
{
	unsigned long old, result;
	bool populate;

	if (down_write_killable(&mm->mmap_lock))
		return (unsigned long)-EINTR;
	old = mm->brk;
	if (brk && brk != old && move_break(mm, brk))
		mm->brk = brk;
	result = mm->brk;
	/* mlockall(MCL_FUTURE): pages of a heap that grows are faulted in at once. */
	populate = result > old && (mm->def_flags & (VM_LOCKED | VM_LOCKONFAULT)) == VM_LOCKED;
	up_write(&mm->mmap_lock);
	if (populate)
		/* errors are not reported */
		(void)mm_populate(mm, PAGE_ALIGN(old), PAGE_ALIGN(result), POPULATE_RANGE);
	return result;
}

/* ---- The stack ------------------------------------------------------------------------------- */

/* The stack's first size is mapped here; it grows down by faults (expand_stack). */
int setup_stack_vma(struct mm_struct *mm, unsigned long top, unsigned long size,
		    unsigned long vm_flags)
{
	int err;

	top = PAGE_ALIGN(top);
	size = PAGE_ALIGN(size);
	if (top > TASK_SIZE || size > top)
		return -EINVAL;
	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	err = map_anonymous(mm, top - size, size,
			    (vm_flags & VM_EXEC) | VM_DATA_FLAGS | VM_GROWSDOWN, false);
	if (!err)
		mm->start_stack = top;
	up_write(&mm->mmap_lock);
	return err;
}

/*
 * May the stack grow down to addr? (FT-23) Not below mmap_min_addr, beyond its limit, over another
 * region, or so close to an accessible region that an overflow by one large frame could skip the
 * gap.
 */
static bool stack_may_grow(const struct vm_area_struct *vma, unsigned long addr)
{
	const struct mm_struct *mm = vma->vm_mm;
	const struct vm_area_struct *prev = vma->vm_prev;
	unsigned long pages = (vma->vm_start - addr) >> PAGE_SHIFT;

	VM_BUG_ON(addr & ~PAGE_MASK || addr >= vma->vm_start);
	if (addr < MMAP_MIN_ADDR || vma->vm_end - addr > rlimit(RLIMIT_STACK))
		return false;
	if (prev && prev->vm_end > addr)
		return false;
	if (prev && !(prev->vm_flags & VM_GROWSDOWN) && vma_is_accessible(prev) &&
	    addr - prev->vm_end < STACK_GUARD_GAP)
		return false;
	return may_expand_vm(mm, vma->vm_flags, pages) &&
	       !mlock_future_check(mm, vma->vm_flags, pages << PAGE_SHIFT);
}

/*
 * vm_pgoff counts down with vm_start, as for every region that grows downwards; if it would fall
 * below 0, the region cannot grow. Another thread may have grown the stack already: then there is
 * nothing to do.
 */
int expand_stack(struct vm_area_struct *vma, unsigned long addr)
{
	struct mm_struct *mm = vma->vm_mm;
	unsigned long pages;

	mmap_assert_write_locked(mm);
	addr &= PAGE_MASK;
	if (addr >= vma->vm_start)
		return 0;
	pages = (vma->vm_start - addr) >> PAGE_SHIFT;
	if (!(vma->vm_flags & VM_GROWSDOWN) || vma->vm_pgoff < pages || !stack_may_grow(vma, addr))
		return -ENOMEM;
	if (vma->vm_flags & VM_ACCOUNT && vm_enough_memory(pages))
		return -ENOMEM;
	vma_set_bounds(vma, addr, vma->vm_end);
	vm_stat_account(mm, vma->vm_flags, (long)pages);
	if (vma->vm_flags & VM_LOCKED)
		mm->locked_vm += pages;
	count_vm_event(fault_stack_grow);
	return 0;
}
