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
 * A move prepares everything first: VMAs, the tables the target needs, the splits of
 * source and target. After that nothing can fail, so nothing is ever moved back (AS-54 the
 * other way round).
 *
 * Locking: mmap_lock for write. While entries move, the file's i_mmap_rwsem is held for
 * write: truncation must find each page in the old VMA or the new one.
 *
 *	truncate: new VMA, empty yet	move: old -> new	truncate: old VMA, empty already
 *
 * Each batch's old range is flushed on all CPUs under page_table_lock: from then on reclaim finds
 * the pages at their new addresses, and may free them.
 *
 * Failure: nothing changed.
 */
#include <pagoda/mempolicy.h>
#include <pagoda/page_alloc.h>
#include <asm/pgalloc.h>
#include "vma_internal.h"

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

/* One whole table from a PMD entry to another? */
static bool moves_whole_table(const struct remap *r, unsigned long addr, unsigned long end,
			      const pmd_t *target)
{
	unsigned long to = r->new_addr + (addr - r->addr);

	return !(addr & ~PMD_MASK) && !(to & ~PMD_MASK) && end - addr >= PMD_SIZE && target &&
	       pmd_none(pmdp_get(target));
}

/* The tables the target will need. -ENOMEM: some may be there already. */
static int alloc_target_tables(const struct remap *r, unsigned long len)
{
	unsigned long addr = r->addr, end = r->addr + len, next;
	unsigned int turns = 0;

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
		/* The target of one table may straddle two. */
		if (!pte_alloc(r->mm, target, to) || !walk_alloc_pte(r->mm, last))
			return -ENOMEM;
	}
	return 0;
}

static void move_ptes(struct mm_struct *mm, pte_t *from, pte_t *to, unsigned long nr)
{
	for (; nr; nr--, from++, to++) {
		if (pte_none(ptep_get(from)))
			continue;
		set_pte_at(mm, 0, to, ptep_get_and_clear(mm, 0, from));
	}
}

/*
 * Move the entries of the first MOVE_BATCH_TABLES tables of [*start, end); *start moves behind
 * them. The tables that they move to exist already.
 */
static void move_page_tables(const struct remap *r, unsigned long *start, unsigned long end)
{
	unsigned long addr = *start, next;
	unsigned int tables = 0;
	pmd_t *pmd;

	lockdep_assert_held(&r->mm->page_table_lock);
	for (; tables < MOVE_BATCH_TABLES && (pmd = next_pmd(r->mm, &addr, end));
	     addr = next, tables++) {
		unsigned long to = r->new_addr + (addr - r->addr);
		pmd_t *target = walk_to_pmd(r->mm, to);

		next = pmd_addr_end(addr, end);
		if (moves_whole_table(r, addr, end, target)) {
			pmd_t table = pmdp_get(pmd);

			pmd_clear(pmd);
			set_pmd(target, table);
			continue;
		}
		/* up to the end of the target's table */
		if ((to ^ (to + (next - addr) - 1)) & PMD_MASK)
			next = addr + (((to & PMD_MASK) + PMD_SIZE) - to);
		move_ptes(r->mm, pte_offset(pmd, addr), pte_offset(target, to),
			  (next - addr) >> PAGE_SHIFT);
	}
	*start = addr;
}

/* Move a batch of entries, and flush their old translations before page_table_lock is released. */
static void move_batch(const struct remap *r, unsigned long *addr, unsigned long end)
{
	unsigned long start = *addr;

	spin_lock(&r->mm->page_table_lock);
	move_page_tables(r, addr, end);
	flush_tlb_range(r->mm, start, *addr); /* reclaim would only flush the new addresses */
	spin_unlock(&r->mm->page_table_lock);
}

static void move_pages(const struct remap *r, unsigned long len)
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

/* A copy of the VMA for the new place, with references, linked nowhere. */
static struct vm_area_struct *copy_vma(const struct remap *r)
{
	struct vm_area_struct *vma = vm_area_dup(r->vma);

	if (!vma)
		return NULL;
	vma->vm_pgoff = vma_pgoff(r->vma, r->addr);
	vma->vm_start = r->new_addr;
	vma->vm_end = r->new_addr + r->new_len;
	vma->vm_flags |= VM_SOFTDIRTY; /* at its new address all of it is new */
	vma->vm_page_prot = vma_page_prot(vma, vma->vm_flags);
	/* Without pages nothing ties an anonymous region to its old numbers. */
	if (!vma->vm_file && !vma->anon_vma)
		vma->vm_pgoff = r->new_addr >> PAGE_SHIFT;
	if (vma->vm_file)
		get_vm_file(vma->vm_file);
	mpol_get(vma->vm_policy);
	anon_vma_link(vma);
	if (vma->vm_ops && vma->vm_ops->open)
		vma->vm_ops->open(vma);
	return vma;
}

static void free_target_tables(const struct remap *r)
{
	struct vm_area_struct *prev, *next = find_vma_prev(r->mm, r->new_addr, &prev);
	struct mmu_gather tlb;

	tlb_gather_mmu(&tlb, r->mm, false);
	free_pgtables(&tlb, r->new_addr, r->new_addr + r->new_len, prev ? prev->vm_end : 0,
		      next ? next->vm_start : TASK_SIZE);
	tlb_finish_mmu(&tlb);
}

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

/* Everything but the target's tables, which want the target unmapped first. */
static int prepare_move(struct remap *r)
{
	unsigned long moved = min(r->old_len, r->new_len);

	/* Up to three splits: source, target, and one to spare (as Linux counts). */
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

/* The VMA at addr lost its pages but stays (MREMAP_DONTUNMAP): it is not locked any more. */
static void leave_empty(struct remap *r)
{
	struct vm_area_struct *vma = find_vma(r->mm, r->addr);

	if (!(vma->vm_flags & VM_LOCKED))
		return;
	vma = vma_modify(vma, r->addr, r->addr + r->old_len,
			 vma->vm_flags & ~(VM_LOCKED | VM_LOCKONFAULT));
	if (!IS_ERR(vma)) /* without memory for the split it stays locked, and empty */
		r->mm->locked_vm -= r->old_len >> PAGE_SHIFT;
}

static unsigned long move_vma(struct remap *r)
{
	unsigned long moved = min(r->old_len, r->new_len);

	if (prepare_move(r))
		return (unsigned long)-ENOMEM;
	if (alloc_target_tables(r, moved)) {
		free_target_tables(r);
		unprepare(r);
		return (unsigned long)-ENOMEM;
	}
	/*
	 * From here on nothing fails. Source and target may be parts of one VMA: r->vma is stale.
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

/* May the region change to new_len? What it shrinks by may belong to others. */
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

static unsigned long area_flags(const struct remap *r)
{
	return r->vma->vm_flags & VM_MAYSHARE ? MAP_SHARED : MAP_PRIVATE;
}

/* Does the part of the old range that shrinking cuts off lie in user space? */
static bool tail_is_valid(const struct remap *r)
{
	return r->old_len <= r->new_len ||
	       (r->old_len <= TASK_SIZE && r->addr <= TASK_SIZE - r->old_len);
}

/* What unmapping [start, end) takes off the counts that limits look at; sign -1 puts it back. */
static void discount_range(struct mm_struct *mm, unsigned long start, unsigned long end, long sign)
{
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

/* The target and the cut-off tail will be gone: limits are checked without them. */
static void discount(const struct remap *r, long sign)
{
	if (r->flags & MREMAP_FIXED)
		discount_range(r->mm, r->new_addr, r->new_addr + r->new_len, sign);
	if (r->old_len > r->new_len)
		discount_range(r->mm, r->addr + r->new_len, r->addr + r->old_len, sign);
}

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

/* MREMAP_FIXED, and MREMAP_DONTUNMAP to a place of our choice or to the one hinted at. */
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
		return (unsigned long)-EFAULT; /* a second view in place of the first */
	err = check_move(r);
	if (err)
		return (unsigned long)err;
	addr = get_unmapped_area(r->vma->vm_file, r->new_addr, r->new_len,
				 vma_pgoff(r->vma, r->addr), area_flags(r) | fixed);
	if (IS_ERR_VALUE(addr))
		return addr;
	r->new_addr = addr;
	return move_vma(r);
}

static bool can_grow_in_place(const struct remap *r)
{
	const struct vm_area_struct *next = r->vma->vm_next;
	unsigned long end = r->addr + r->new_len;

	return r->addr + r->old_len == r->vma->vm_end && end > r->addr && end <= TASK_SIZE &&
	       /* a stack's guard gap keeps only new regions off */
	       (!next || end <= next->vm_start);
}

static unsigned long grow_in_place(struct remap *r)
{
	unsigned long pages = (r->new_len - r->old_len) >> PAGE_SHIFT;

	if (r->vma->vm_flags & VM_ACCOUNT && vm_enough_memory(pages))
		return (unsigned long)-ENOMEM;
	vma_set_bounds(r->vma, r->vma->vm_start, r->addr + r->new_len);
	vm_stat_account(r->mm, r->vma->vm_flags, (long)pages);
	if (r->vma->vm_flags & VM_LOCKED)
		r->mm->locked_vm += pages;
	(void)vma_merge_around(r->vma);
	return r->addr;
}

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
	r->new_addr = get_unmapped_area(r->vma->vm_file, 0, r->new_len, vma_pgoff(r->vma, r->addr),
					area_flags(r));
	return IS_ERR_VALUE(r->new_addr) ? r->new_addr : move_vma(r);
}

unsigned long do_mremap(unsigned long addr, unsigned long old_len, unsigned long new_len,
			unsigned long flags, unsigned long new_addr)
{
	struct mm_struct *mm = current_vm->mm;
	struct remap r = {.mm = mm, .addr = addr, .flags = flags, .new_addr = new_addr};
	unsigned long ret;
	bool locked;

	if (flags & ~(unsigned long)(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP))
		return (unsigned long)-EINVAL;
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) && !(flags & MREMAP_MAYMOVE))
		return (unsigned long)-EINVAL;
	if (flags & MREMAP_DONTUNMAP && old_len != new_len)
		return (unsigned long)-EINVAL;
	r.old_len = PAGE_ALIGN(old_len);
	r.new_len = PAGE_ALIGN(new_len);
	if (addr & ~PAGE_MASK || !r.new_len)
		return (unsigned long)-EINVAL;
	if (!(flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)))
		r.new_addr = 0;
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
	if (!IS_ERR_VALUE(ret) && locked && r.new_len > r.old_len)
		/* no error, as with mmap */
		(void)mm_populate(mm, ret + r.old_len, ret + r.new_len, POPULATE_RANGE);
	return ret;
}
