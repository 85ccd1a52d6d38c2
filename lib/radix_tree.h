/* SPDX-License-Identifier: MIT */
/*
 * radix_tree.h: sparse arrays of pointers indexed by unsigned long, with tags.
 *
 * Lookup costs one step per six bits of the largest index ever present, at most 11:
 * constant for all practical purposes, and one pointer fetch for an object of one item.
 * Each item may carry tags (dirty, writeback); the next tagged item is found without
 * looking at untagged ones.
 *
 * The tree allocates nothing. Insertion says how many nodes it lacks, the caller puts
 * that many into a pool and tries again; deletion puts emptied nodes into a pool for the
 * caller to free. So the caller can hold a spinlock over both and allocate outside it.
 * No lock of its own: readers and writers are kept apart by the caller.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <pagoda/types.h>

PAGODA_C_BEGIN

#define RADIX_TREE_SHIFT    6
#define RADIX_TREE_SLOTS    (1u << RADIX_TREE_SHIFT)
#define RADIX_TREE_NR_TAGS  3
#define RADIX_TREE_MAX_PATH ((8 * sizeof(long) + RADIX_TREE_SHIFT - 1) / RADIX_TREE_SHIFT)

struct radix_tree_node {
	struct radix_tree_node *parent; /* NULL: the topmost; in a pool: the next one */
	unsigned char shift;		/* bits of the index below this node's */
	unsigned char offset;		/* slot in parent */
	unsigned char count;		/* slots in use */
	unsigned long long tags[RADIX_TREE_NR_TAGS]; /* bit n: something below slot n has the tag */
	void *slots[RADIX_TREE_SLOTS];
};

struct radix_tree_root {
	void *top;	       /* NULL, the item 0 itself (height 0), or the topmost node */
	unsigned short height; /* levels of nodes */
	unsigned short tags;   /* bit t: something has tag t */
};
#define RADIX_TREE_INIT    \
	{                  \
		NULL, 0, 0 \
	}

/* Nodes on the way between caller and tree. Start with an empty one: { NULL, 0 }. */
struct radix_tree_pool {
	struct radix_tree_node *first;
	unsigned int nr;
};
void radix_tree_pool_put(struct radix_tree_pool *pool, struct radix_tree_node *node);
/* A node of the pool, or NULL. */
struct radix_tree_node *radix_tree_pool_get(struct radix_tree_pool *pool);

static inline void radix_tree_init(struct radix_tree_root *root)
{
	root->top = NULL;
	root->height = 0;
	root->tags = 0;
}

/*
 * Put item (not NULL) at index. 0: done, untagged. -EEXIST: the place is taken. n > 0: n
 * nodes more are needed in the pool; nothing has changed. O(height).
 */
int radix_tree_insert(struct radix_tree_root *root, unsigned long index, void *item,
		      struct radix_tree_pool *pool);
/* The item at index, or NULL. */
void *radix_tree_lookup(const struct radix_tree_root *root, unsigned long index);
/*
 * Put another item in place of the one at index, tags kept; returns the old one, NULL (unchanged)
 * if none.
 */
void *radix_tree_replace(struct radix_tree_root *root, unsigned long index, void *item);
/* Take the item at index out; returns it, or NULL. Emptied nodes go to the pool. */
void *radix_tree_delete(struct radix_tree_root *root, unsigned long index,
			struct radix_tree_pool *pool);

/*
 * The first item at or after *index; *index becomes its index. NULL: none. With a tag: the
 * first with this tag.
 */
void *radix_tree_next(const struct radix_tree_root *root, unsigned long *index);
void *radix_tree_next_tagged(const struct radix_tree_root *root, unsigned long *index,
			     unsigned int tag);
/* Up to max items in order of index from first on; returns how many. */
unsigned int radix_tree_gang_lookup(const struct radix_tree_root *root, void **items,
				    unsigned long first, unsigned int max);
unsigned int radix_tree_gang_lookup_tag(const struct radix_tree_root *root, void **items,
					unsigned long first, unsigned int max, unsigned int tag);

/* Tag the item at index (there must be one) / untag it; false if there is none. */
bool radix_tree_tag_set(struct radix_tree_root *root, unsigned long index, unsigned int tag);
bool radix_tree_tag_clear(struct radix_tree_root *root, unsigned long index, unsigned int tag);
bool radix_tree_tag_get(const struct radix_tree_root *root, unsigned long index, unsigned int tag);
static inline bool radix_tree_tagged(const struct radix_tree_root *root, unsigned int tag)
{
	return root->tags & (1u << tag);
}

/* Shape, counts and tags agree; returns the number of items, -1 if something is broken. */
long radix_tree_validate(const struct radix_tree_root *root);

PAGODA_C_END
