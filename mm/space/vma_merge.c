// SPDX-License-Identifier: MIT
/*
 * vma_merge.c: when neighbours become one VMA, and changing part of one.
 *
 *	vma_merge_new		prev [new] next		any of: prev grows, next grows, both join
 *	vma_modify		prev [vvvv] next	the same for part of an existing VMA
 *
 * Two VMAs that touch are one if they promise the same (flags but for VM_SOFTDIRTY, file,
 * operations, policy), if what they show goes on from one to the other, and if one anonymous
 * reverse map can serve the pages of both (rmap.c). VMAs with vm_ops->close never merge: each of
 * them has to be closed for itself.
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

/* May pages of the two lie in one VMA, as far as the reverse map goes? */
static bool anon_vmas_match(const struct vm_area_struct *a, const struct vm_area_struct *b)
{
	if (a->anon_vma == b->anon_vma)
		return true;
	if (a->anon_vma && b->anon_vma)
		return false;
	return !a->anon_vma_inherited && !b->anon_vma_inherited;
}

static bool same_promise(const struct vm_area_struct *a, const struct vm_area_struct *b,
			 unsigned long b_flags)
{
	return !((a->vm_flags ^ b_flags) & ~VM_SOFTDIRTY) && a->vm_file == b->vm_file &&
	       a->vm_ops == b->vm_ops && a->vm_private_data == b->vm_private_data &&
	       !(a->vm_ops && a->vm_ops->close) && mpol_equal(a->vm_policy, b->vm_policy) &&
	       anon_vmas_match(a, b);
}

/* Does [start, end) of b, with b_flags, continue a upwards? */
static bool continues_after(const struct vm_area_struct *a, const struct vm_area_struct *b,
			    unsigned long start, unsigned long b_flags)
{
	return a && a->vm_end == start && same_promise(a, b, b_flags) &&
	       vma_pgoff(a, start) == vma_pgoff(b, start);
}

static bool continues_before(const struct vm_area_struct *a, const struct vm_area_struct *b,
			     unsigned long end, unsigned long b_flags)
{
	return a && a->vm_start == end && same_promise(a, b, b_flags) &&
	       a->vm_pgoff == vma_pgoff(b, end);
}

/*
 * A region that covers new memory as well counts as written since clear_refs: too much rather than
 * too little.
 */
static void inherit_soft_dirty(struct vm_area_struct *keep, unsigned long other_flags)
{
	if (other_flags & ~keep->vm_flags & VM_SOFTDIRTY)
		vma_set_flags(keep, keep->vm_flags | VM_SOFTDIRTY);
}

/* keep is about to cover pages of other. */
static void adopt_vma(struct vm_area_struct *keep, const struct vm_area_struct *other)
{
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
 *	prev [new] next  ->  pppppppppppp	both fit: next is absorbed
 *	prev [new] next  ->  pppppppp next	or only one of them grows
 *	prev [new] next  ->  prev nnnnnnn
 */
struct vm_area_struct *vma_merge_new(struct mm_struct *mm, const struct vma_place *place,
				     const struct vm_area_struct *model)
{
	struct vm_area_struct *prev = place->prev, *next = place->next;
	bool after = continues_after(prev, model, model->vm_start, model->vm_flags);
	bool before = continues_before(next, model, model->vm_end, model->vm_flags);

	lockdep_assert_held(&mm->mmap_lock);
	if (after && before && anon_vmas_match(prev, next)) {
		unsigned long end = next->vm_end;

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

/* prev takes over [start, end) of vma from its lower end; end == vma->vm_end: all of it. */
static struct vm_area_struct *give_to_prev(struct vm_area_struct *vma, unsigned long end)
{
	struct vm_area_struct *prev = vma->vm_prev;

	adopt_vma(prev, vma);
	if (end == vma->vm_end) {
		__vma_unlink(vma);
		vma_set_bounds(prev, prev->vm_start, end);
		vma_unlink_file(vma);
		remove_vma(vma);
	} else {
		/*
		 * first grow, then shrink: a walker of the file's tree may see a page twice, never
		 * not at all
		 */
		vma_set_bounds(prev, prev->vm_start, end);
		vma_set_bounds(vma, end, vma->vm_end);
	}
	count_merge();
	return prev;
}

static struct vm_area_struct *give_to_next(struct vm_area_struct *vma, unsigned long start)
{
	struct vm_area_struct *next = vma->vm_next;

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

/* Cut [start, end) out of vma; both new VMAs are allocated before the first cut. */
static struct vm_area_struct *isolate(struct vm_area_struct *vma, unsigned long start,
				      unsigned long end)
{
	int cuts = (start != vma->vm_start) + (end != vma->vm_end);
	struct vm_area_struct *spare[2] = {NULL, NULL};

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

struct vm_area_struct *vma_modify(struct vm_area_struct *vma, unsigned long start,
				  unsigned long end, unsigned long flags)
{
	bool after = start == vma->vm_start && continues_after(vma->vm_prev, vma, start, flags);
	bool before = end == vma->vm_end && continues_before(vma->vm_next, vma, end, flags);

	lockdep_assert_held(&vma->vm_mm->mmap_lock);
	VM_BUG_ON(start < vma->vm_start || end > vma->vm_end || start >= end);
	if (after && before && anon_vmas_match(vma->vm_prev, vma->vm_next)) {
		struct vm_area_struct *prev = give_to_prev(vma, end);

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

struct vm_area_struct *vma_set_policy(struct vm_area_struct *vma, unsigned long start,
				      unsigned long end, struct mempolicy *pol)
{
	struct mempolicy *old;

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

struct vm_area_struct *vma_merge_around(struct vm_area_struct *vma)
{
	if (continues_before(vma->vm_next, vma, vma->vm_end, vma->vm_flags))
		vma = give_to_next(vma, vma->vm_start);
	if (continues_after(vma->vm_prev, vma, vma->vm_start, vma->vm_flags))
		vma = give_to_prev(vma, vma->vm_end);
	return vma;
}
