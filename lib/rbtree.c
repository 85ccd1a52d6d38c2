// SPDX-License-Identifier: MIT
/*
 * rbtree.c: balancing of red-black trees.
 *
 * Invariants (Guibas and Sedgewick, 1978):
 *	(I1) a red node has no red child
 *	(I2) every path from a node down to a missing child has as many black nodes
 *	(I3) the root is black
 * so the longest path is at most twice the shortest and the height stays below
 * 2 log2(n + 1).
 *
 * Insertion puts in a red node, which keeps (I2) and may break (I1) against its
 * parent; removal of a black node breaks (I2) below one place. Both repairs walk
 * upwards with the defect until one rotation (or two) takes it out.
 *
 * The subtree value of a node depends on the node and its children only. A
 * rotation changes the set below two nodes, lower one first; everything above them
 * keeps its set. So repairs touch sums locally, and one walk to the root (which ends
 * at the first unchanged ancestor) tells of the added or removed node itself.
 *
 * No locks, nothing can fail.
 */
#include <lib/rbtree.h>

static inline bool is_red(const struct rb_node *node)
{
	return node && !(node->parent_color & 1);
}
static inline void set_red(struct rb_node *node)
{
	node->parent_color &= ~1ul;
}
static inline void set_black(struct rb_node *node)
{
	node->parent_color |= 1;
}
static inline void set_parent(struct rb_node *node, struct rb_node *parent)
{
	node->parent_color = (unsigned long)parent | (node->parent_color & 1);
}

/* Make new the child of parent where old was. */
static inline void replace_child(struct rb_root *root, struct rb_node *parent, struct rb_node *old,
				 struct rb_node *new)
{
	if (!parent)
		root->node = new;
	else if (parent->left == old)
		parent->left = new;
	else
		parent->right = new;
}

/*
 *	   node			   up
 *	  /    \		  /  \
 *	 a      up	->     node   c
 *	       /  \	       /  \
 *	      b    c	      a    b
 */
static void rotate_left(struct rb_node *node, struct rb_root *root, rb_update_fn update)
{
	struct rb_node *up = node->right, *parent = rb_parent(node);

	node->right = up->left;
	if (up->left)
		set_parent(up->left, node);
	up->left = node;
	set_parent(up, parent);
	set_parent(node, up);
	replace_child(root, parent, node, up);
	if (update) {
		update(node);
		update(up);
	}
}

static void rotate_right(struct rb_node *node, struct rb_root *root, rb_update_fn update)
{
	struct rb_node *up = node->left, *parent = rb_parent(node);

	node->left = up->right;
	if (up->right)
		set_parent(up->right, node);
	up->right = node;
	set_parent(up, parent);
	set_parent(node, up);
	replace_child(root, parent, node, up);
	if (update) {
		update(node);
		update(up);
	}
}

void rb_propagate(struct rb_node *node, rb_update_fn update)
{
	while (node && update(node))
		node = rb_parent(node);
}

/*
 * node is red and so may be its parent. With a red uncle the colours of grandparent,
 * parent and uncle are swapped and the defect moves up two levels; with a black one
 * a rotation around the grandparent ends it.
 */
static void insert_repair(struct rb_node *node, struct rb_root *root, rb_update_fn update)
{
	struct rb_node *parent;

	while (is_red(parent = rb_parent(node))) {
		struct rb_node *grand = rb_parent(parent);
		bool left = parent == grand->left;
		struct rb_node *uncle = left ? grand->right : grand->left;

		if (is_red(uncle)) {
			set_black(parent);
			set_black(uncle);
			set_red(grand);
			node = grand;
			continue;
		}
		if (left) {
			if (node == parent->right) {
				rotate_left(parent, root, update);
				parent = node;
			}
			set_black(parent);
			set_red(grand);
			rotate_right(grand, root, update);
		} else {
			if (node == parent->left) {
				rotate_right(parent, root, update);
				parent = node;
			}
			set_black(parent);
			set_red(grand);
			rotate_left(grand, root, update);
		}
		break;
	}
	set_black(root->node);
}

void rb_insert(struct rb_node *node, struct rb_root *root, rb_update_fn update)
{
	if (update) {
		update(node);
		rb_propagate(rb_parent(node), update);
	}
	insert_repair(node, root, update);
}

/*
 * The side of parent where node is (NULL stands for a missing child) lacks one
 * black. A red sibling is first turned into a black one by a rotation; a black
 * sibling with black children turns red and hands the defect to the parent; one with
 * a red child gives its black away by rotation.
 */
static void erase_repair(struct rb_node *node, struct rb_node *parent, struct rb_root *root,
			 rb_update_fn update)
{
	while (parent && !is_red(node)) {
		bool left = node == parent->left;
		struct rb_node *sibling = left ? parent->right : parent->left;

		if (is_red(sibling)) {
			set_black(sibling);
			set_red(parent);
			if (left)
				rotate_left(parent, root, update);
			else
				rotate_right(parent, root, update);
			sibling = left ? parent->right : parent->left;
		}
		if (!is_red(sibling->left) && !is_red(sibling->right)) {
			set_red(sibling);
			node = parent;
			parent = rb_parent(node);
			continue;
		}
		if (left) {
			if (!is_red(sibling->right)) {
				set_black(sibling->left);
				set_red(sibling);
				rotate_right(sibling, root, update);
				sibling = parent->right;
			}
			set_black(sibling->right);
		} else {
			if (!is_red(sibling->left)) {
				set_black(sibling->right);
				set_red(sibling);
				rotate_left(sibling, root, update);
				sibling = parent->left;
			}
			set_black(sibling->left);
		}
		if (is_red(parent))
			set_red(sibling);
		else
			set_black(sibling);
		set_black(parent);
		if (left)
			rotate_left(parent, root, update);
		else
			rotate_right(parent, root, update);
		return;
	}
	if (node)
		set_black(node);
}

/* Take out a node with at most one child; returns the place from which sums change. */
static struct rb_node *unlink_simple(struct rb_node *node, struct rb_root *root,
				     struct rb_node **child)
{
	struct rb_node *parent = rb_parent(node);

	*child = node->left ? node->left : node->right;
	if (*child)
		set_parent(*child, parent);
	replace_child(root, parent, node, *child);
	return parent;
}

/* Put next, already out of the tree, where node is, colour and all. */
static void take_place(struct rb_node *node, struct rb_node *next, struct rb_root *root)
{
	next->parent_color = node->parent_color;
	next->left = node->left;
	next->right = node->right;
	if (next->left)
		set_parent(next->left, next);
	if (next->right)
		set_parent(next->right, next);
	replace_child(root, rb_parent(node), node, next);
}

void rb_erase(struct rb_node *node, struct rb_root *root, rb_update_fn update)
{
	struct rb_node *victim = node, *parent, *child;
	bool lost_black;

	if (node->left && node->right)
		for (victim = node->right; victim->left;)
			victim = victim->left;
	lost_black = !is_red(victim);
	parent = unlink_simple(victim, root, &child);
	if (victim != node) {
		if (parent == node)
			parent = victim;
		take_place(node, victim, root);
	}
	if (update && parent) {
		/*
		 * Both the place the victim left and the one it took have changed; an
		 * unchanged ancestor between them must not end the walk early.
		 */
		struct rb_node *n = parent;

		if (victim != node) {
			for (; n != victim; n = rb_parent(n))
				update(n);
			update(victim);
			n = rb_parent(victim);
		}
		rb_propagate(n, update);
	}
	if (lost_black)
		erase_repair(child, parent, root, update);
}

struct rb_node *rb_first(const struct rb_root *root)
{
	struct rb_node *node = root->node;

	while (node && node->left)
		node = node->left;
	return node;
}

struct rb_node *rb_last(const struct rb_root *root)
{
	struct rb_node *node = root->node;

	while (node && node->right)
		node = node->right;
	return node;
}

struct rb_node *rb_next(const struct rb_node *node)
{
	struct rb_node *parent;

	if (node->right) {
		for (node = node->right; node->left;)
			node = node->left;
		return (struct rb_node *)node;
	}
	while ((parent = rb_parent(node)) && node == parent->right)
		node = parent;
	return parent;
}

struct rb_node *rb_prev(const struct rb_node *node)
{
	struct rb_node *parent;

	if (node->left) {
		for (node = node->left; node->right;)
			node = node->right;
		return (struct rb_node *)node;
	}
	while ((parent = rb_parent(node)) && node == parent->left)
		node = parent;
	return parent;
}

/* Black nodes on the path from node up to the root. */
static long black_depth(const struct rb_node *node)
{
	long depth = 0;

	for (; node; node = rb_parent(node))
		depth += !is_red(node);
	return depth;
}

long rb_validate(const struct rb_root *root)
{
	long count = 0, depth = -1;

	if (is_red(root->node))
		return -1;
	for (struct rb_node *n = rb_first(root); n; n = rb_next(n), count++) {
		if ((n->left && rb_parent(n->left) != n) || (n->right && rb_parent(n->right) != n))
			return -1;
		if (is_red(n) && (is_red(n->left) || is_red(n->right)))
			return -1;
		if (n->left && n->right)
			continue;
		if (depth < 0)
			depth = black_depth(n);
		if (black_depth(n) != depth)
			return -1;
	}
	return count;
}
