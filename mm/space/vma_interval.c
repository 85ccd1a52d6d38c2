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
 * VMAs are ordered by their first page, and equal ones by the time of their insertion. So a walk
 * meets the copy that fork makes (vma_interval_insert_after), or mremap, after its original. An
 * entry that is copied after the walk has passed the original is then met in the copy:
 *
 *	walk			fork
 *	original: nothing mapped
 *				map a page there, copy the entry
 *	copy: unmap the page
 *
 * Locking: mapping->i_mmap_rwsem, for write to change, else for read. A VMA leaves the tree to
 * change its bounds, and is then inserted again (vma_set_bounds).
 *
 * Invariants (vma_interval_validate): (I1) the tree is ordered by vm_pgoff; (I2) shared_last is the
 * last page of all VMAs in the subtree.
 *
 * Failure: none, nothing is allocated.
 * Seen in: vm event rmap_visit, the VMAs met by reverse-map walks.
 */
#include "vma_internal.h"

/* The VMA that contains a node of a file's tree; NULL stays NULL. */
static inline struct vm_area_struct *node_vma(const struct rb_node *node)
{
	return node ? rb_entry(node, struct vm_area_struct, shared) : NULL;
}

/* The last page of the file that the VMA maps (inclusive). */
static inline pgoff_t last_page(const struct vm_area_struct *vma)
{
	VM_BUG_ON(vma->vm_start >= vma->vm_end);
	return vma->vm_pgoff + vma_pages(vma) - 1;
}

/* The last page of the VMA and of its two subtrees, from the sums of the children (I2). */
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

/*
 * Recompute shared_last of a node whose subtree changed; called by the tree, bottom up. False: it
 * is unchanged, so the ancestors are right.
 */
static bool update_last(struct rb_node *node)
{
	struct vm_area_struct *vma = node_vma(node);
	pgoff_t last = last_of_subtree(vma);

	if (vma->shared_last == last)
		return false;
	vma->shared_last = last;
	return true;
}

/*
 * Insert at the empty place *link. shared_last starts at 0, so that the tree sees it change and
 * updates all ancestors.
 */
static void link_node(struct vm_area_struct *vma, struct rb_root *root, struct rb_node *parent,
		      struct rb_node **link)
{
	VM_BUG_ON(*link);
	VM_BUG_ON(parent && parent->left && parent->right);
	vma->shared_last = 0;
	rb_link_node(&vma->shared, parent, link);
	rb_insert(&vma->shared, root, update_last);
}

/* Equal ones go to the right: behind those that were inserted before. */
void vma_interval_insert(struct vm_area_struct *vma, struct rb_root *root)
{
	struct rb_node **link = &root->node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = vma->vm_pgoff < node_vma(parent)->vm_pgoff ? &parent->left : &parent->right;
	}
	link_node(vma, root, parent, link);
}

/*
 * fork: the copy begins with the same page as origin, and its place is directly behind origin,
 * before all VMAs that come later in order.
 */
void vma_interval_insert_after(struct vm_area_struct *vma, struct vm_area_struct *origin,
			       struct rb_root *root)
{
	struct rb_node **link = &origin->shared.right, *parent = &origin->shared;

	VM_BUG_ON(vma == origin);
	VM_BUG_ON(vma->vm_pgoff != origin->vm_pgoff);
	while (*link) { /* the leftmost place of the right subtree */
		parent = *link;
		link = &parent->left;
	}
	link_node(vma, root, parent, link);
}

/*
 * Take vma out. Its bounds must be those it was inserted with, else the sums of its ancestors would
 * be computed from wrong ones.
 */
void vma_interval_remove(struct vm_area_struct *vma, struct rb_root *root)
{
	VM_BUG_ON(vma->shared_last < last_page(vma)); /* (I2) */
	rb_erase(&vma->shared, root, update_last);
}

/* ---- Looking up ------------------------------------------------------------------------------ */

/* Does some VMA of the subtree end at page first or later? */
static bool reaches(const struct rb_node *node, pgoff_t first)
{
	return node && node_vma(node)->shared_last >= first;
}

/*
 * The first VMA of a subtree, in order, that maps a page of [first, last]. The caller knows that
 * some VMA of the subtree ends at first or later.
 *
 * If the left subtree has such a VMA, the search goes left and needs not come back: should that VMA
 * begin after last, then so do this node and everything on its right.
 */
static struct vm_area_struct *first_below(struct rb_node *node, pgoff_t first, pgoff_t last)
{
	VM_BUG_ON(!reaches(node, first) || first > last);
	for (;;) {
		struct vm_area_struct *vma = node_vma(node);

		if (reaches(node->left, first)) {

			node = node->left;
			continue;
		}
		/* This VMA begins after the range, as does all that follows it in order. */
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

/*
 * The next one in order: in the right subtree, or the nearest ancestor that was reached from its
 * left subtree. Ancestors' right subtrees are searched when their turn comes.
 */
struct vm_area_struct *vma_interval_next(struct vm_area_struct *vma, pgoff_t first, pgoff_t last)
{
	struct rb_node *node = &vma->shared, *child;

	VM_BUG_ON(first > last);
	for (;;) {
		if (reaches(node->right, first))
			return first_below(node->right, first, last);
		do { /* up to the next node in order */
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
