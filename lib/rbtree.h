/* SPDX-License-Identifier: MIT */
/*
 * rbtree.h: red-black trees, linked through a member of the element, with an
 * optional value per node that sums up its subtree.
 *
 * The caller descends by itself (it knows how to compare), links the new node
 * where the descent ended, and lets rb_insert() balance:
 *
 *	while (*link) { parent = *link; link = less ? &parent->left : &parent->right; }
 *	rb_link_node(&item->node, parent, link);
 *	rb_insert(&item->node, &root, update);
 *
 * update (NULL: none) recomputes a node's subtree value from the node and its
 * children and says whether it changed. It is called bottom-up: after a rotation for
 * the two nodes involved, after insert and erase for the ancestors until one does
 * not change. Who changes a node's own contribution calls rb_propagate().
 *
 * Insert, erase, search: O(log n); at most 2 rotations an insertion, 3 a removal.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <pagoda/types.h>

PAGODA_C_BEGIN

struct rb_node {
	unsigned long parent_color; /* parent's address; bit 0 set: black */
	struct rb_node *left, *right;
};
struct rb_root {
	struct rb_node *node;
};
#define RB_ROOT      \
	{            \
		NULL \
	}

typedef bool (*rb_update_fn)(struct rb_node *node);

#define rb_entry(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

static inline struct rb_node *rb_parent(const struct rb_node *node)
{
	return (struct rb_node *)(node->parent_color & ~1ul);
}

/* Put a node, red and childless, below parent (NULL: the root) where *link points. */
static inline void rb_link_node(struct rb_node *node, struct rb_node *parent, struct rb_node **link)
{
	node->parent_color = (unsigned long)parent;
	node->left = node->right = NULL;
	*link = node;
}

/* Balance after rb_link_node(). */
void rb_insert(struct rb_node *node, struct rb_root *root, rb_update_fn update);
/* Take a node out. Its own members are left as they were. */
void rb_erase(struct rb_node *node, struct rb_root *root, rb_update_fn update);
/* Recompute node and then its ancestors until one does not change. */
void rb_propagate(struct rb_node *node, rb_update_fn update);

/* In order; NULL past either end. */
struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_last(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *node);
struct rb_node *rb_prev(const struct rb_node *node);

/* Check links, colours and black heights; returns the number of nodes, or -1 if broken. */
long rb_validate(const struct rb_root *root);

PAGODA_C_END
