// SPDX-License-Identifier: MIT
/*
 * mremap.c: resizing and moving regions.
 *
 *	shrink		unmap the tail
 *	grow in place	if the pages behind are free
 *	move		a VMA at the new place, the page-table entries moved over, the old
 *			range unmapped (or, MREMAP_DONTUNMAP, left empty)
 *
 * Pages keep their frames; nothing is copied or faulted. Where source and target lie alike
 * within their tables, a whole table changes hands with one entry (FX-21).
 *
 * A move prepares everything first: VMAs, the tables the target needs, the splits of source and
 * target. After that nothing can fail. So, unlike in the procedure of AS-54, nothing is ever moved
 * back.
 *
 * Locking: mmap_lock for write. While entries move, the file's i_mmap_rwsem is held for
 * write: truncation must find each page in the old VMA or in the new one. Without the lock:
 *
 *	truncate: new VMA, empty yet	move: old -> new	truncate: old VMA, empty already
 *
 * Each batch's old range is flushed on all CPUs under page_table_lock: afterwards reclaim finds the
 * pages at their new addresses only, and would flush only those when it frees the pages.
 *
 * Failure: the address space is unchanged.
 */
#include <pagoda/mempolicy.h>
#include <pagoda/page_alloc.h>
#include <asm/pgalloc.h>
#include "vma_internal.h"

/* One mremap() request. Lengths and addresses are in bytes, page aligned. */
struct remap {
	struct mm_struct *mm;
	struct vm_area_struct *vma;
	unsigned long addr, old_len, new_len, flags, new_addr;
	/* working: made by prepare_move() */
	struct vm_area_struct *new_vma, *spare, *spare_target;
	bool charged;
};

/* A flush, and a pause, after so many tables: 4,096 entries. */
#define MOVE_BATCH_TABLES 8

/* ---- Moving entries ---------------------------------------------------------------------- */

/*
 * Can the table at addr be moved by moving its PMD entry? Both addresses must be at the start of a
 * table's span, all of it must be moved, and the target must not have a table yet.
 */
static bool moves_whole_table(const struct remap *r, unsigned long addr, unsigned long end,
			      const pmd_t *target)
{
	unsigned long to = r->new_addr + (addr - r->addr);

	return !(addr & ~PMD_MASK) && !(to & ~PMD_MASK) && end - addr >= PMD_SIZE && target &&
	       pmd_none(pmdp_get(target));
}

/*
 * Allocate the tables that the target will need. A table that will be moved as a whole needs only
 * the upper levels. -ENOMEM: some of them may have been allocated already.
 */
static int alloc_target_tables(const struct remap *r, unsigned long len)
{
	unsigned long addr = r->addr, end = r->addr + len, next;
	unsigned int turns = 0;

	mmap_assert_write_locked(r->mm);
	for (; next_pmd(r->mm, &addr, end); addr = next) {
		unsigned long to = r->new_addr + (addr - r->addr), last;
		pmd_t *target = walk_alloc_pmd(r->mm, to);

		pause_now_and_then(&turns);
		next = pmd_addr_end(addr, end);
		last = to + (next - addr) - PAGE_SIZE;
		if (!target)
			return -ENOMEM;
		if (moves_whole_table(r, addr, end, target))
			continue;
		/* One source table may need two where the ranges lie differently within tables. */
		if (!pte_alloc(r->mm, target, to) || !walk_alloc_pte(r->mm, last))
			return -ENOMEM;
	}
	return 0;
}

/* Move nr entries. Each is cleared in one step, as a CPU may set its dirty bit until it is gone. */
static void move_ptes(struct mm_struct *mm, pte_t *from, pte_t *to, unsigned long nr)
	MUST_HOLD(&mm->page_table_lock)
{
	lockdep_assert_held(&mm->page_table_lock);
	VM_BUG_ON(!nr || nr > PTRS_PER_PTE);
	for (; nr; nr--, from++, to++) {
		if (pte_none(ptep_get(from)))
			continue;
		VM_BUG_ON(!pte_none(ptep_get(to))); /* the target is unmapped */
		set_pte_at(mm, 0, to, ptep_get_and_clear(mm, 0, from));
	}
}

/*
 * Move the entries of the first MOVE_BATCH_TABLES tables of [*start, end), and set *start to the
 * first address that was not moved. The target's tables exist already.
 */
static void move_page_tables(const struct remap *r, unsigned long *start, unsigned long end)
	MUST_HOLD(&r->mm->page_table_lock)
{
	unsigned long addr = *start, next;
	unsigned int tables = 0;
	pmd_t *pmd;

	lockdep_assert_held(&r->mm->page_table_lock);
	for (; tables < MOVE_BATCH_TABLES && (pmd = next_pmd(r->mm, &addr, end));
	     addr = next, tables++) {
		unsigned long to = r->new_addr + (addr - r->addr);
		pmd_t *target = walk_to_pmd(r->mm, to);

		VM_BUG_ON(!target); /* alloc_target_tables() made it */
		next = pmd_addr_end(addr, end);
		if (moves_whole_table(r, addr, end, target)) {
			pmd_t table = pmdp_get(pmd);

			pmd_clear(pmd);
			set_pmd(target, table);
			continue;
		}
		/* only to the end of the target's table */
		if ((to ^ (to + (next - addr) - 1)) & PMD_MASK)
			next = addr + (((to & PMD_MASK) + PMD_SIZE) - to);
		move_ptes(r->mm, pte_offset(pmd, addr), pte_offset(target, to),
			  (next - addr) >> PAGE_SHIFT);
	}
	*start = addr;
}

/*
 * Move a batch of entries, and flush their old translations before page_table_lock is released. As
 * soon as it is, reclaim may unmap a page at its new address, flush that address only, and free the
 * page, while a CPU still writes to it through the old translation.
 */
static void move_batch(const struct remap *r, unsigned long *addr, unsigned long end)
{
	unsigned long start = *addr;

	spin_lock(&r->mm->page_table_lock);
	move_page_tables(r, addr, end);
	flush_tlb_range(r->mm, start, *addr);
	spin_unlock(&r->mm->page_table_lock);
}

/* Move all entries of the first len bytes, in batches with pauses, against truncation locked. */
static void move_pages(const struct remap *r, unsigned long len)
	NO_LOCK_ANALYSIS("anonymous memory has no file to lock")
{
	const struct vm_file *file = r->new_vma->vm_file;
	struct address_space *mapping = file ? file->f_mapping : NULL;
	unsigned long addr = r->addr, end = r->addr + len;

	if (mapping)
		down_write(&mapping->i_mmap_rwsem);
	do {
		move_batch(r, &addr, end);
		port_cond_resched();
	} while (addr < end);
	if (mapping)
		up_write(&mapping->i_mmap_rwsem);
}

/* ---- Moving a region ------------------------------------------------------------------------ */

/*
 * A copy of the VMA for the new place, with references, on the anon_vma's list but in no tree.
 * vm_pgoff stays tied to the pages: their index does not change when they move.
 */
static struct vm_area_struct *copy_vma(const struct remap *r)
{
	struct vm_area_struct *vma = vm_area_dup(r->vma);

	if (!vma)
		return NULL;
	vma->vm_pgoff = vma_pgoff(r->vma, r->addr);
	vma->vm_start = r->new_addr;
	vma->vm_end = r->new_addr + r->new_len;
	vma->vm_flags |= VM_SOFTDIRTY; /* the whole range is new at this address */
	vma->vm_page_prot = vma_page_prot(vma, vma->vm_flags);
	/* Without pages nothing ties an anonymous region to its old numbers. */
	if (!vma->vm_file && !vma->anon_vma)
		/*
		 * An anonymous region without pages can get the number of its new address, which
		 * makes it mergeable with its new neighbours.
		 */
		vma->vm_pgoff = r->new_addr >> PAGE_SHIFT;
	if (vma->vm_file)
		get_vm_file(vma->vm_file);
	mpol_get(vma->vm_policy);
	anon_vma_link(vma);
	if (vma->vm_ops && vma->vm_ops->open)
		vma->vm_ops->open(vma);
	return vma;
}

/*
 * alloc_target_tables() failed: free the tables that it made. If a region is still mapped at the
 * target (MREMAP_FIXED), the tables under it stay, and are freed when that region is unmapped.
 */
static void free_target_tables(const struct remap *r)
{
	struct vm_area_struct *prev, *next = find_vma_prev(r->mm, r->new_addr, &prev);
	struct mmu_gather tlb;

	tlb_gather_mmu(&tlb, r->mm, false);
	free_pgtables(&tlb, r->new_addr, r->new_addr + r->new_len, prev ? prev->vm_end : 0,
		      next ? next->vm_start : TASK_SIZE);
	tlb_finish_mmu(&tlb);
}

/* Undo prepare_move(). */
static void unprepare(struct remap *r)
{
	if (r->new_vma)
		remove_vma(r->new_vma);
	if (r->spare)
		vm_area_free(r->spare);
	if (r->spare_target)
		vm_area_free(r->spare_target);
	if (r->charged)
		vm_unacct_memory(r->new_len >> PAGE_SHIFT);
}

/* Reserve and allocate everything but the target's tables. On failure nothing is kept: -ENOMEM. */
static int prepare_move(struct remap *r)
{
	unsigned long moved = min(r->old_len, r->new_len);

	r->new_vma = r->spare = r->spare_target = NULL;
	r->charged = false;
	mmap_assert_write_locked(r->mm);
	VM_BUG_ON((r->addr | r->new_addr | r->old_len | r->new_len) & ~PAGE_MASK);
	VM_BUG_ON(!r->new_len || r->new_addr > TASK_SIZE - r->new_len);
	/* As many as Linux requires: splits of source and target, and one to spare. */
	if (r->mm->map_count >= MAX_MAP_COUNT - 3)
		return -ENOMEM;
	if (r->vma->vm_flags & VM_ACCOUNT) {
		if (vm_enough_memory(r->new_len >> PAGE_SHIFT))
			return -ENOMEM;
		r->charged = true;
	}
	if (!(r->flags & MREMAP_DONTUNMAP) && moved &&
	    unmap_prepare(r->mm, r->addr, r->old_len, &r->spare))
		goto fail;
	if (r->flags & MREMAP_FIXED &&
	    unmap_prepare(r->mm, r->new_addr, r->new_len, &r->spare_target))
		goto fail;
	r->new_vma = copy_vma(r);
	if (r->new_vma)
		return 0;
fail:
	unprepare(r);
	return -ENOMEM;
}

/* Insert the new VMA, and count it. The target range is free. */
static void link_moved(struct remap *r)
{
	struct vma_place place;
	unsigned long pages = r->new_len >> PAGE_SHIFT;

	if (find_vma_prepare(r->mm, r->new_addr, r->new_addr + r->new_len, &place))
		BUG();
	vma_link(r->mm, r->new_vma, &place);
	vm_stat_account(r->mm, r->new_vma->vm_flags, (long)pages);
	if (r->new_vma->vm_flags & VM_LOCKED)
		r->mm->locked_vm += pages;
}

/*
 * MREMAP_DONTUNMAP: the old VMA stays but has lost its pages. It is not locked any more, as a
 * locked region must have its pages present.
 */
static void leave_empty(struct remap *r)
{
	struct vm_area_struct *vma = find_vma(r->mm, r->addr);

	if (!(vma->vm_flags & VM_LOCKED))
		return;
	vma = vma_modify(vma, r->addr, r->addr + r->old_len,
			 vma->vm_flags & ~(VM_LOCKED | VM_LOCKONFAULT));
	if (!IS_ERR(vma)) /* else, without memory for a split, it stays locked but empty */
		r->mm->locked_vm -= r->old_len >> PAGE_SHIFT;
}

/* Move the region. Returns the new address, or -ENOMEM with nothing changed. */
static unsigned long move_vma(struct remap *r)
{
	unsigned long moved = min(r->old_len, r->new_len);

	VM_BUG_ON(r->addr < r->new_addr + r->new_len && r->new_addr < r->addr + r->old_len);
	if (prepare_move(r))
		return (unsigned long)-ENOMEM;
	if (alloc_target_tables(r, moved)) {
		free_target_tables(r);
		unprepare(r);
		return (unsigned long)-ENOMEM;
	}
	/*
	 * From here on nothing fails. Source and target may be parts of the same VMA, so that
	 * unmapping the target may free r->vma: it is not used any more. The target's tables are
	 * kept.
	 */
	if (r->flags & MREMAP_FIXED)
		unmap_commit(r->mm, r->new_addr, r->new_len, r->spare_target, true);
	link_moved(r);
	move_pages(r, moved);
	if (r->flags & MREMAP_DONTUNMAP)
		leave_empty(r);
	else if (r->old_len)
		unmap_commit(r->mm, r->addr, r->old_len, r->spare, false);
	(void)vma_merge_around(r->new_vma);
	return r->new_addr;
}

/* ---- The system call ------------------------------------------------------------------------- */

/*
 * May the region change its length? When it shrinks, the part that is cut off may cover other
 * regions, so only what remains must lie within this one.
 */
static int check_resize(const struct remap *r)
{
	const struct vm_area_struct *vma = r->vma;
	unsigned long grow = r->new_len - r->old_len, pgoff;

	if (!r->old_len && !(vma->vm_flags & (VM_SHARED | VM_MAYSHARE)))
		return -EINVAL;
	if (r->flags & MREMAP_DONTUNMAP && vma->vm_flags & (VM_DONTEXPAND | VM_IO))
		return -EINVAL;
	if (min(r->old_len, r->new_len) > vma->vm_end - r->addr)
		return -EFAULT;
	if (r->new_len <= r->old_len)
		return 0;
	pgoff = vma_pgoff(vma, r->addr);
	if (pgoff + (r->new_len >> PAGE_SHIFT) < pgoff)
		return -EINVAL;
	if (vma->vm_flags & (VM_DONTEXPAND | VM_IO))
		return -EFAULT;
	if (mlock_future_check(r->mm, vma->vm_flags, grow))
		return -EAGAIN;
	return may_expand_vm(r->mm, vma->vm_flags, grow >> PAGE_SHIFT) ? 0 : -ENOMEM;
}

/* MAP_ flags for get_unmapped_area(), which may place shared and private mappings differently. */
static unsigned long area_flags(const struct remap *r)
{
	return r->vma->vm_flags & VM_MAYSHARE ? MAP_SHARED : MAP_PRIVATE;
}

/* Is the part that shrinking cuts off within user space? */
static bool tail_is_valid(const struct remap *r)
{
	return r->old_len <= r->new_len ||
	       (r->old_len <= TASK_SIZE && r->addr <= TASK_SIZE - r->old_len);
}

/*
 * Subtract what is mapped in [start, end) from the totals that the limits look at; sign -1 adds it
 * again.
 */
static void discount_range(struct mm_struct *mm, unsigned long start, unsigned long end, long sign)
{
	mmap_assert_write_locked(mm);
	VM_BUG_ON(sign != 1 && sign != -1);
	for (struct vm_area_struct *vma = find_vma_intersection(mm, start, end);
	     vma && vma->vm_start < end; vma = vma->vm_next) {
		long pages =
			(long)((min(end, vma->vm_end) - max(start, vma->vm_start)) >> PAGE_SHIFT) *
			sign;

		vm_stat_account(mm, vma->vm_flags, -pages);
		if (vma->vm_flags & VM_LOCKED)
			mm->locked_vm -= (unsigned long)pages;
	}
}

/*
 * The target's old contents and the cut-off tail will be unmapped. The limits are checked with
 * totals that do not contain them; afterwards the totals are restored.
 */
static void discount(const struct remap *r, long sign)
{
	if (r->flags & MREMAP_FIXED)
		discount_range(r->mm, r->new_addr, r->new_addr + r->new_len, sign);
	if (r->old_len > r->new_len)
		discount_range(r->mm, r->addr + r->new_len, r->addr + r->old_len, sign);
}

/* The checks of a move, against limits without what will be unmapped. 0 or -errno. */
static int check_move(const struct remap *r)
{
	int err;

	discount(r, 1);
	err = check_resize(r);
	if (!err && r->flags & MREMAP_DONTUNMAP &&
	    !may_expand_vm(r->mm, r->vma->vm_flags, r->old_len >> PAGE_SHIFT))
		err = -ENOMEM;
	discount(r, -1);
	return err;
}

/* MREMAP_FIXED, or MREMAP_DONTUNMAP to an address that we choose (new_addr is a hint). */
static unsigned long mremap_to(struct remap *r)
{
	unsigned long fixed = r->flags & MREMAP_FIXED ? MAP_FIXED : 0, addr;
	int err;

	if (r->new_addr & ~PAGE_MASK || r->new_len > TASK_SIZE ||
	    r->new_addr > TASK_SIZE - r->new_len)
		return (unsigned long)-EINVAL;
	if (r->addr + r->old_len > r->new_addr && r->new_addr + r->new_len > r->addr)
		return (unsigned long)-EINVAL;
	if (!tail_is_valid(r))
		return (unsigned long)-EINVAL;
	if (!r->old_len && r->flags & MREMAP_FIXED && r->addr - r->new_addr < r->new_len)
		return (unsigned long)-EFAULT; /* a second mapping over the first one */
	err = check_move(r);
	if (err)
		return (unsigned long)err;
	addr = get_unmapped_area(r->mm, r->vma->vm_file, r->new_addr, r->new_len,
				 vma_pgoff(r->vma, r->addr), area_flags(r) | fixed);
	if (IS_ERR_VALUE(addr))
		return addr;
	r->new_addr = addr;
	return move_vma(r);
}

/*
 * Is the range behind the region free, and does old_len end where the region ends? A stack's guard
 * gap above keeps only new regions away, not growing ones.
 */
static bool can_grow_in_place(const struct remap *r)
{
	const struct vm_area_struct *next = r->vma->vm_next;
	unsigned long end = r->addr + r->new_len;

	return r->addr + r->old_len == r->vma->vm_end && end > r->addr && end <= TASK_SIZE &&

	       (!next || end <= next->vm_start);
}

/* Move the end of the region up, count it, and merge with an equal region that is now adjacent. */
static unsigned long grow_in_place(struct remap *r)
{
	unsigned long pages = (r->new_len - r->old_len) >> PAGE_SHIFT;

	mmap_assert_write_locked(r->mm);
	VM_BUG_ON(r->vma->vm_end != r->addr + r->old_len || r->new_len <= r->old_len);
	if (r->vma->vm_flags & VM_ACCOUNT && vm_enough_memory(pages))
		return (unsigned long)-ENOMEM;
	vma_set_bounds(r->vma, r->vma->vm_start, r->addr + r->new_len);
	vm_stat_account(r->mm, r->vma->vm_flags, (long)pages);
	if (r->vma->vm_flags & VM_LOCKED)
		r->mm->locked_vm += pages;
	(void)vma_merge_around(r->vma);
	return r->addr;
}

/* Without MREMAP_FIXED and MREMAP_DONTUNMAP: shrink, grow in place, or move if that is allowed. */
static unsigned long resize(struct remap *r)
{
	int err;

	if (r->new_len <= r->old_len) {
		err = tail_is_valid(r) ? 0 : -EINVAL;
		if (!err && r->new_len < r->old_len)
			err = unmap_range(r->mm, r->addr + r->new_len, r->old_len - r->new_len);
		return err ? (unsigned long)err : r->addr;
	}
	err = check_resize(r);
	if (err)
		return (unsigned long)err;
	if (can_grow_in_place(r))
		return grow_in_place(r);
	if (!(r->flags & MREMAP_MAYMOVE))
		return (unsigned long)-ENOMEM;
	r->new_addr = get_unmapped_area(r->mm, r->vma->vm_file, 0, r->new_len,
					vma_pgoff(r->vma, r->addr), area_flags(r));
	return IS_ERR_VALUE(r->new_addr) ? r->new_addr : move_vma(r);
}

unsigned long do_mremap(struct mm_struct *mm, unsigned long addr, unsigned long old_len,
			unsigned long new_len, unsigned long flags, unsigned long new_addr)
{
	struct remap r; /* prepare_move() fills its second part, if the region moves */
	unsigned long ret;
	bool locked;

	if (flags & ~(unsigned long)(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP))
		return (unsigned long)-EINVAL;
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) && !(flags & MREMAP_MAYMOVE))
		return (unsigned long)-EINVAL;
	if (flags & MREMAP_DONTUNMAP && old_len != new_len)
		return (unsigned long)-EINVAL;
	r.mm = mm;
	r.addr = addr;
	r.old_len = PAGE_ALIGN(old_len);
	r.new_len = PAGE_ALIGN(new_len);
	r.flags = flags;
	if (addr & ~PAGE_MASK || !r.new_len)
		return (unsigned long)-EINVAL;
	r.new_addr = flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) ? new_addr : 0;
	if (down_write_killable(&mm->mmap_lock))
		return (unsigned long)-EINTR;
	r.vma = find_vma(mm, addr);
	if (!r.vma || r.vma->vm_start > addr) {
		up_write(&mm->mmap_lock);
		return (unsigned long)-EFAULT;
	}
	locked = (r.vma->vm_flags & (VM_LOCKED | VM_LOCKONFAULT)) == VM_LOCKED;
	ret = flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) ? mremap_to(&r) : resize(&r);
	up_write(&mm->mmap_lock);
	/* A locked region that grew: its new pages are faulted in now. */
	if (!IS_ERR_VALUE(ret) && locked && r.new_len > r.old_len)
		/* errors are not reported */
		(void)mm_populate(mm, ret + r.old_len, ret + r.new_len, POPULATE_RANGE);
	return ret;
}
