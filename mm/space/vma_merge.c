// SPDX-License-Identifier: MIT
/*
 * vma_merge.c: when neighbours become one VMA, and changing part of one.
 *
 *	vma_merge_new		prev [new] next		any of: prev grows, next grows, both join
 *	vma_modify		prev [vvvv] next	the same for part of an existing VMA
 *
 * Two adjacent VMAs can be merged if they have the same flags (except VM_SOFTDIRTY), file,
 * operations and policy, if the second continues the first in its file, and if one anon_vma can
 * serve the pages of both (rmap.c). VMAs with vm_ops->close are never merged, because close() must
 * be called once for each.
 *
 * Locking: mmap_lock for write.
 *
 * Failure: merging cannot fail; isolating the middle of a VMA takes two new ones, which are
 * allocated before the first cut.
 *
 * Seen in: vm event vma_merge; /proc/PID/maps.
 */
#include <pagoda/mempolicy.h>
#include <pagoda/vmstat.h>
#include "vma_internal.h"

/*
 * Can one anon_vma serve the pages of both VMAs? Yes if they use the same one, or if one of them
 * has none yet and can take over the other's. A VMA that got its anon_vma by fork must not give it
 * to memory that the parent does not have: its pages may be named by an ancestor's anon_vma, and a
 * new neighbour's index numbers could then coincide with those of the parent's pages.
 */
static bool anon_vmas_match(const struct vm_area_struct *a, const struct vm_area_struct *b)
{
	if (a->anon_vma == b->anon_vma)
		return true;
	if (a->anon_vma && b->anon_vma)
		return false;
	return !a->anon_vma_inherited && !b->anon_vma_inherited;
}

/* Do b (with b_flags in place of its flags) and a agree in everything but the range? */
static bool same_promise(const struct vm_area_struct *a, const struct vm_area_struct *b,
			 unsigned long b_flags)
{
	return !((a->vm_flags ^ b_flags) & ~VM_SOFTDIRTY) && a->vm_file == b->vm_file &&
	       a->vm_ops == b->vm_ops && a->vm_private_data == b->vm_private_data &&
	       !(a->vm_ops && a->vm_ops->close) && mpol_equal(a->vm_policy, b->vm_policy) &&
	       anon_vmas_match(a, b);
}

/*
 * Does [start, ...) of b, with b_flags, directly follow a, in the address space and in the object?
 */
static bool continues_after(const struct vm_area_struct *a, const struct vm_area_struct *b,
			    unsigned long start, unsigned long b_flags)
{
	return a && a->vm_end == start && same_promise(a, b, b_flags) &&
	       vma_pgoff(a, start) == vma_pgoff(b, start);
}

/* Does [..., end) of b, with b_flags, directly precede a? */
static bool continues_before(const struct vm_area_struct *a, const struct vm_area_struct *b,
			     unsigned long end, unsigned long b_flags)
{
	return a && a->vm_start == end && same_promise(a, b, b_flags) &&
	       a->vm_pgoff == vma_pgoff(b, end);
}

/*
 * VM_SOFTDIRTY says that all pages of the region count as written since clear_refs. If a region
 * with the flag is merged with one without it, the result keeps the flag: reporting pages as
 * written that were not is harmless, the opposite is not.
 */
static void inherit_soft_dirty(struct vm_area_struct *keep, unsigned long other_flags)
{
	if (other_flags & ~keep->vm_flags & VM_SOFTDIRTY)
		vma_set_flags(keep, keep->vm_flags | VM_SOFTDIRTY);
}

/*
 * keep is about to cover pages of other. It takes over other's anon_vma if it has none, and joins
 * its list, so that walks find those pages in keep.
 */
static void adopt_vma(struct vm_area_struct *keep, const struct vm_area_struct *other)
{
	mmap_assert_write_locked(keep->vm_mm);
	VM_BUG_ON(keep->vm_mm != other->vm_mm || !anon_vmas_match(keep, other));
	inherit_soft_dirty(keep, other->vm_flags);
	if (keep->anon_vma || !other->anon_vma)
		return;
	keep->anon_vma = other->anon_vma;
	keep->anon_vma_inherited = other->anon_vma_inherited;
	anon_vma_link(keep);
}

static void count_merge(void)
{
	count_vm_event(vma_merge);
}

/*
 * Cover a new range by neighbours, if they match model, which describes it:
 *
 *	prev [new] next  ->  pppppppppppp	both match, and each other: next is absorbed
 *	prev [new] next  ->  pppppppp next	only prev matches
 *	prev [new] next  ->  prev nnnnnnn	only next matches
 *
 * A neighbour grows before another one is removed from its file's tree, as in split_vma_with().
 */
struct vm_area_struct *vma_merge_new(struct mm_struct *mm, const struct vma_place *place,
				     const struct vm_area_struct *model)
{
	struct vm_area_struct *prev = place->prev, *next = place->next;
	bool after = continues_after(prev, model, model->vm_start, model->vm_flags);
	bool before = continues_before(next, model, model->vm_end, model->vm_flags);

	mmap_assert_write_locked(mm);
	VM_BUG_ON((model->vm_start | model->vm_end) & ~PAGE_MASK);
	VM_BUG_ON(prev && prev->vm_end > model->vm_start);
	VM_BUG_ON(next && next->vm_start < model->vm_end);
	if (after && before && anon_vmas_match(prev, next)) {
		unsigned long end = next->vm_end;

		/*
		 * next leaves the list and the tree before prev grows over it (V2), but stays in
		 * its file's tree until prev covers its pages.
		 */
		adopt_vma(prev, next);
		__vma_unlink(next);
		vma_set_bounds(prev, prev->vm_start, end);
		vma_unlink_file(next);
		remove_vma(next);
	} else if (after) {
		vma_set_bounds(prev, prev->vm_start, model->vm_end);
	} else if (before) {
		vma_set_bounds(next, model->vm_start, next->vm_end);
		prev = next;
	} else {
		return NULL;
	}
	inherit_soft_dirty(prev, model->vm_flags);
	count_merge();
	return prev;
}

/*
 * The previous VMA takes over [vma->vm_start, end) of vma; end == vma->vm_end: all of it.
 *
 *	prev [vvvvvv]	->	ppppp [vvv]	or	pppppppp
 */
static struct vm_area_struct *give_to_prev(struct vm_area_struct *vma, unsigned long end)
{
	struct vm_area_struct *prev = vma->vm_prev;

	VM_BUG_ON(!prev || prev->vm_end != vma->vm_start);
	VM_BUG_ON(end <= vma->vm_start || end > vma->vm_end);
	adopt_vma(prev, vma);
	if (end == vma->vm_end) {
		__vma_unlink(vma);
		vma_set_bounds(prev, prev->vm_start, end);
		vma_unlink_file(vma);
		remove_vma(vma);
	} else {
		/* A walker of the file's tree may meet a page twice, but never misses one. */
		vma_set_bounds(prev, prev->vm_start, end);
		vma_set_bounds(vma, end, vma->vm_end);
	}
	count_merge();
	return prev;
}

/*
 * The next VMA takes over [start, vma->vm_end) of vma; start == vma->vm_start: all of it.
 *
 *	[vvvvvv] next	->	[vvv] nnnnn	or	nnnnnnnn
 */
static struct vm_area_struct *give_to_next(struct vm_area_struct *vma, unsigned long start)
{
	struct vm_area_struct *next = vma->vm_next;

	VM_BUG_ON(!next || next->vm_start != vma->vm_end);
	VM_BUG_ON(start < vma->vm_start || start >= vma->vm_end);
	adopt_vma(next, vma);
	if (start == vma->vm_start) {
		__vma_unlink(vma);
		vma_set_bounds(next, start, next->vm_end);
		vma_unlink_file(vma);
		remove_vma(vma);
	} else {
		vma_set_bounds(next, start, next->vm_end);
		vma_set_bounds(vma, vma->vm_start, start);
	}
	count_merge();
	return next;
}

/*
 * Make [start, end) of vma a VMA of its own. Up to two new VMAs are needed; both are allocated
 * before the first split, so that a failure changes nothing.
 *
 *	[vvvvvvvvvvvv]	->	[vvv][iiii][vvv]
 *	    ^start ^end
 */
static struct vm_area_struct *isolate(struct vm_area_struct *vma, unsigned long start,
				      unsigned long end)
{
	int cuts = (start != vma->vm_start) + (end != vma->vm_end);
	struct vm_area_struct *spare[2] = {NULL, NULL};

	mmap_assert_write_locked(vma->vm_mm);
	VM_BUG_ON((start | end) & ~PAGE_MASK || start >= end);
	VM_BUG_ON(start < vma->vm_start || end > vma->vm_end);
	if (vma->vm_mm->map_count + cuts > MAX_MAP_COUNT)
		return ERR_PTR(-ENOMEM);
	for (int i = 0; i < cuts; i++) {
		spare[i] = vm_area_alloc(vma->vm_mm);
		if (!spare[i]) {
			if (i)
				vm_area_free(spare[0]);
			return ERR_PTR(-ENOMEM);
		}
	}
	if (end != vma->vm_end)
		split_vma_with(vma, end, spare[--cuts]);
	if (start != vma->vm_start) {
		split_vma_with(vma, start, spare[0]);
		vma = spare[0];
	}
	return vma;
}

/*
 * The part that gets new flags is given to a neighbour that has them, or isolated:
 *
 *	prev [vvvv] next  ->  ppppppppppp	all of it, both match: three become one
 *	prev [vvvv] next  ->  ppppp[vv] next	the lower part or all of it, prev matches
 *	prev [vvvv] next  ->  prev [vv]nnnnn	the upper part or all of it, next matches
 *	prev [vvvv] next  ->  prev [v][m][v] next	else
 *
 * Giving a part to a neighbour needs no memory. So a change that can be merged never fails.
 */
struct vm_area_struct *vma_modify(struct vm_area_struct *vma, unsigned long start,
				  unsigned long end, unsigned long flags)
{
	bool after = start == vma->vm_start && continues_after(vma->vm_prev, vma, start, flags);
	bool before = end == vma->vm_end && continues_before(vma->vm_next, vma, end, flags);

	mmap_assert_write_locked(vma->vm_mm);
	VM_BUG_ON((start | end) & ~PAGE_MASK);
	VM_BUG_ON(start < vma->vm_start || end > vma->vm_end || start >= end);
	if (after && before && anon_vmas_match(vma->vm_prev, vma->vm_next)) {
		struct vm_area_struct *prev = give_to_prev(vma, end);

		/* vma is gone; the VMA behind prev is the former next one. */
		return give_to_prev(prev->vm_next, prev->vm_next->vm_end);
	}
	if (after)
		return give_to_prev(vma, end);
	if (before)
		return give_to_next(vma, start);
	vma = isolate(vma, start, end);
	if (!IS_ERR(vma))
		vma_set_flags(vma, flags);
	return vma;
}

/*
 * Isolate the range, exchange the policy, and merge with neighbours that have the same one. The old
 * policy is put after the new one is in place: faults read it under mmap_lock, which is held for
 * write.
 */
struct vm_area_struct *vma_set_policy(struct vm_area_struct *vma, unsigned long start,
				      unsigned long end, struct mempolicy *pol)
{
	struct mempolicy *old;

	mmap_assert_write_locked(vma->vm_mm);
	if (mpol_equal(vma->vm_policy, pol))
		return vma;
	vma = isolate(vma, start, end);
	if (IS_ERR(vma))
		return vma;
	old = vma->vm_policy;
	vma->vm_policy = mpol_get(pol);
	mpol_put(old);
	return vma_merge_around(vma);
}

/* With the next VMA first: vma may be absorbed by either, and the survivor is returned. */
struct vm_area_struct *vma_merge_around(struct vm_area_struct *vma)
{
	mmap_assert_write_locked(vma->vm_mm);
	if (continues_before(vma->vm_next, vma, vma->vm_end, vma->vm_flags))
		vma = give_to_next(vma, vma->vm_start);
	if (continues_after(vma->vm_prev, vma, vma->vm_start, vma->vm_flags))
		vma = give_to_prev(vma, vma->vm_end);
	return vma;
}
