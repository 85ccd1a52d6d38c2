// SPDX-License-Identifier: MIT
/*
 * vma_interval.c: which VMAs show a page of a file, found without looking at the others.
 *
 *	mapping->i_mmap (private), i_mmap_shared:	red-black trees by vm_pgoff, where every
 *	node knows the last page of its subtree
 *
 *		  [8, 20) last 63
 *		 /		 \
 *	   [0, 64) last 63	[30, 31) last 30	a look-up of page 40 goes left only
 *
 * Insertion and removal: O(log n); each VMA found: O(log n) at most. (Cormen et al., "interval
 * trees".)
 *
 * In order means by first page, and equal ones in the order they came. So a walk meets the copy
 * that fork makes (vma_interval_insert_after), or mremap, behind its origin: what was copied
 * from there after the walk had passed is then met in the copy.
 *
 * Locking: mapping->i_mmap_rwsem, for write to change, else for read. A VMA that is in a tree
 * changes its bounds outside (vma_set_bounds).
 *
 * Invariants (vma_interval_validate): (I1) by vm_pgoff; (I2) shared_last is the last page of the
 * VMA and the two subtrees.
 *
 * Failure: none, nothing is allocated.
 * Seen in: vm event rmap_visit, the VMAs met by reverse-map walks.
 */
#include "vma_internal.h"

static inline struct vm_area_struct *node_vma(const struct rb_node *node)
{
	return node ? rb_entry(node, struct vm_area_struct, shared) : NULL;
}

static inline pgoff_t last_page(const struct vm_area_struct *vma)
{
	return vma->vm_pgoff + vma_pages(vma) - 1;
}

static pgoff_t last_of_subtree(const struct vm_area_struct *vma)
{
	const struct vm_area_struct *left = node_vma(vma->shared.left),
				    *right = node_vma(vma->shared.right);
	pgoff_t last = last_page(vma);

	if (left)
		last = max(last, left->shared_last);
	if (right)
		last = max(last, right->shared_last);
	return last;
}

static bool update_last(struct rb_node *node)
{
	struct vm_area_struct *vma = node_vma(node);
	pgoff_t last = last_of_subtree(vma);

	if (vma->shared_last == last)
		return false;
	vma->shared_last = last;
	return true;
}

static void link_node(struct vm_area_struct *vma, struct rb_root *root, struct rb_node *parent,
		      struct rb_node **link)
{
	vma->shared_last = 0;
	rb_link_node(&vma->shared, parent, link);
	rb_insert(&vma->shared, root, update_last);
}

void vma_interval_insert(struct vm_area_struct *vma, struct rb_root *root)
{
	struct rb_node **link = &root->node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = vma->vm_pgoff < node_vma(parent)->vm_pgoff ? &parent->left : &parent->right;
	}
	link_node(vma, root, parent, link);
}

void vma_interval_insert_after(struct vm_area_struct *vma, struct vm_area_struct *origin,
			       struct rb_root *root)
{
	struct rb_node **link = &origin->shared.right, *parent = &origin->shared;

	VM_BUG_ON(vma->vm_pgoff != origin->vm_pgoff);
	while (*link) { /* the lowest place above it */
		parent = *link;
		link = &parent->left;
	}
	link_node(vma, root, parent, link);
}

void vma_interval_remove(struct vm_area_struct *vma, struct rb_root *root)
{
	rb_erase(&vma->shared, root, update_last);
}

/* ---- Looking up ------------------------------------------------------------------------------ */

static bool reaches(const struct rb_node *node, pgoff_t first)
{
	return node && node_vma(node)->shared_last >= first;
}

/* The first of a subtree that shows a page of [first, last]; some VMA there ends at first or later.
 */
static struct vm_area_struct *first_below(struct rb_node *node, pgoff_t first, pgoff_t last)
{
	for (;;) {
		struct vm_area_struct *vma = node_vma(node);

		if (reaches(node->left, first)) {
			/* what ends late enough there begins before all others */
			node = node->left;
			continue;
		}
		if (vma->vm_pgoff > last)
			return NULL;
		if (last_page(vma) >= first)
			return vma;
		if (!reaches(node->right, first))
			return NULL;
		node = node->right;
	}
}

struct vm_area_struct *vma_interval_first(const struct rb_root *root, pgoff_t first, pgoff_t last)
{
	return reaches(root->node, first) ? first_below(root->node, first, last) : NULL;
}

struct vm_area_struct *vma_interval_next(struct vm_area_struct *vma, pgoff_t first, pgoff_t last)
{
	struct rb_node *node = &vma->shared, *child;

	for (;;) {
		if (reaches(node->right, first))
			return first_below(node->right, first, last);
		do { /* up to the next in order */
			child = node;
			node = rb_parent(node);
		} while (node && child == node->right);
		if (!node || node_vma(node)->vm_pgoff > last)
			return NULL;
		if (last_page(node_vma(node)) >= first)
			return node_vma(node);
	}
}

/* ---- Checking -------------------------------------------------------------------------------- */

unsigned long vma_interval_validate(const struct rb_root *root)
{
	const struct vm_area_struct *prev = NULL;
	long count = 0;

	for (struct rb_node *node = rb_first(root); node; node = rb_next(node), count++) {
		const struct vm_area_struct *vma = node_vma(node);

		BUG_ON(prev && prev->vm_pgoff > vma->vm_pgoff);
		BUG_ON(vma->shared_last != last_of_subtree(vma));
		prev = vma;
	}
	BUG_ON(rb_validate(root) != count);
	return (unsigned long)count;
}
