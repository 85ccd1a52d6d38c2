/* SPDX-License-Identifier: MIT */
/*
 * radix_tree.c: sparse arrays indexed by six bits of the index a level.
 *
 *	height 0	root.top is item 0 itself
 *	height 1	root.top -> node shift 0: slots[i] is item i, i < 64
 *	height 2	root.top -> node shift 6: slots[i] -> node shift 0 of items 64i ..
 *
 * The tree is as high as its largest index asks: it grows at the top (the old tree
 * becomes slot 0 of a new topmost node) and shrinks when only slot 0 is left, so a small
 * object never pays for what a large one needs. Every operation is O(height).
 *
 * Tags lie in every node as 64-bit masks. Their rule carries the search:
 *
 * (I1) bit n of tags[t] is set exactly if the item in slot n has tag t (shift 0) or the
 *	node there has a bit of tags[t] set;
 * (I2) root.tags bit t is set exactly if the topmost node has a bit of tags[t] (or, at
 *	height 0, the only item has the tag);
 * (I3) count is the number of non-NULL slots, and no node but a topmost one being built has
 *	count 0;
 * (I4) the topmost node has something in a slot other than 0, or shift 0: a tree that
 *	holds only item 0 has height 0.
 *
 * Nothing here can fail but insertion, and only before its first change: it counts the
 * nodes that it will need and takes them from the pool in one go.
 */
#include <lib/radix_tree.h>
#include <pagoda/errno.h>

static unsigned long long slot_bit(unsigned int slot)
{
	return 1ull << slot;
}

static unsigned int slot_of(const struct radix_tree_node *node, unsigned long index)
{
	return (index >> node->shift) & (RADIX_TREE_SLOTS - 1);
}

void radix_tree_pool_put(struct radix_tree_pool *pool, struct radix_tree_node *node)
{
	node->parent = pool->first;
	pool->first = node;
	pool->nr++;
}

struct radix_tree_node *radix_tree_pool_get(struct radix_tree_pool *pool)
{
	struct radix_tree_node *node = pool->first;

	if (node) {
		pool->first = node->parent;
		pool->nr--;
	}
	return node;
}

static struct radix_tree_node *new_node(struct radix_tree_pool *pool, unsigned int shift)
{
	struct radix_tree_node *node = radix_tree_pool_get(pool);

	node->parent = NULL;
	node->shift = (unsigned char)shift;
	node->offset = 0;
	node->count = 0;
	for (unsigned int tag = 0; tag < RADIX_TREE_NR_TAGS; tag++)
		node->tags[tag] = 0;
	for (unsigned int i = 0; i < RADIX_TREE_SLOTS; i++)
		node->slots[i] = NULL;
	return node;
}

/* Levels needed to reach index. */
static unsigned int height_for(unsigned long index)
{
	unsigned int height = 0;

	for (; index; index >>= RADIX_TREE_SHIFT)
		height++;
	return height;
}

static bool index_in_reach(const struct radix_tree_root *root, unsigned long index)
{
	return height_for(index) <= root->height;
}

/* The node of shift 0 that covers index, or NULL. */
static struct radix_tree_node *find_leaf(const struct radix_tree_root *root, unsigned long index)
{
	struct radix_tree_node *node = root->top;

	if (root->height == 0 || !index_in_reach(root, index))
		return NULL;
	while (node && node->shift)
		node = node->slots[slot_of(node, index)];
	return node;
}

void *radix_tree_lookup(const struct radix_tree_root *root, unsigned long index)
{
	struct radix_tree_node *leaf;

	if (root->height == 0)
		return index == 0 ? root->top : NULL;
	leaf = find_leaf(root, index);
	return leaf ? leaf->slots[slot_of(leaf, index)] : NULL;
}

/* ---- Insertion --------------------------------------------------------------------- */

/* Nodes an insertion at index takes: those that raise the tree and those down the path. */
static unsigned int nodes_missing(const struct radix_tree_root *root, unsigned long index)
{
	unsigned int height = height_for(index);
	const struct radix_tree_node *node = root->top;

	if (!root->top)
		return height;
	if (height > root->height) {
		/*
		 * One new node a level above the old tree, and the way down to the leaf beside it.
		 */
		unsigned int above = height - root->height;

		return above + height - 1;
	}
	for (height = root->height; node && height > 1; height--)
		node = node->slots[slot_of(node, index)];
	return node ? 0 : height;
}

static void link_slot(struct radix_tree_node *node, unsigned int slot, void *what)
{
	node->slots[slot] = what;
	node->count++;
}

/* Put a new topmost node over the tree until it reaches index. */
static void grow(struct radix_tree_root *root, unsigned int height, struct radix_tree_pool *pool)
{
	if (!root->top) {
		root->height = (unsigned short)height;
		if (height)
			root->top = new_node(pool, (height - 1) * RADIX_TREE_SHIFT);
		return;
	}
	while (root->height < height) {
		struct radix_tree_node *top = new_node(pool, root->height * RADIX_TREE_SHIFT);

		link_slot(top, 0, root->top);
		for (unsigned int tag = 0; tag < RADIX_TREE_NR_TAGS; tag++)
			if (radix_tree_tagged(root, tag))
				top->tags[tag] = slot_bit(0);
		if (root->height)
			((struct radix_tree_node *)root->top)->parent = top;
		root->top = top;
		root->height++;
	}
}

int radix_tree_insert(struct radix_tree_root *root, unsigned long index, void *item,
		      struct radix_tree_pool *pool)
{
	unsigned int missing, height = height_for(index);
	struct radix_tree_node *node;

	if (radix_tree_lookup(root, index))
		return -EEXIST;
	missing = nodes_missing(root, index);
	if (missing > pool->nr)
		return (int)(missing - pool->nr);
	if (!root->top || height > root->height)
		grow(root, height, pool);
	if (root->height == 0) {
		root->top = item;
		return 0;
	}
	for (node = root->top; node->shift;) {
		unsigned int slot = slot_of(node, index);
		struct radix_tree_node *child = node->slots[slot];

		if (!child) {
			child = new_node(pool, node->shift - RADIX_TREE_SHIFT);
			child->parent = node;
			child->offset = (unsigned char)slot;
			link_slot(node, slot, child);
		}
		node = child;
	}
	link_slot(node, slot_of(node, index), item);
	return 0;
}

/* ---- Tags ------------------------------------------------------------------------------ */

static void clear_tag_up(struct radix_tree_root *root, struct radix_tree_node *node,
			 unsigned int slot, unsigned int tag)
{
	while (node) {
		node->tags[tag] &= ~slot_bit(slot);
		if (node->tags[tag])
			return;
		slot = node->offset;
		node = node->parent;
	}
	root->tags &= (unsigned short)~(1u << tag);
}

bool radix_tree_tag_set(struct radix_tree_root *root, unsigned long index, unsigned int tag)
{
	struct radix_tree_node *node = find_leaf(root, index);

	if (!radix_tree_lookup(root, index))
		return false;
	for (; node; node = node->parent)
		node->tags[tag] |= slot_bit(slot_of(node, index));
	root->tags |= (unsigned short)(1u << tag);
	return true;
}

bool radix_tree_tag_clear(struct radix_tree_root *root, unsigned long index, unsigned int tag)
{
	struct radix_tree_node *leaf = find_leaf(root, index);

	if (!radix_tree_lookup(root, index))
		return false;
	clear_tag_up(root, leaf, leaf ? slot_of(leaf, index) : 0, tag);
	return true;
}

bool radix_tree_tag_get(const struct radix_tree_root *root, unsigned long index, unsigned int tag)
{
	const struct radix_tree_node *leaf = find_leaf(root, index);

	if (root->height == 0)
		return index == 0 && root->top && radix_tree_tagged(root, tag);
	return leaf && leaf->tags[tag] & slot_bit(slot_of(leaf, index));
}

/* ---- Replacement and deletion ------------------------------------------------------------ */

void *radix_tree_replace(struct radix_tree_root *root, unsigned long index, void *item)
{
	struct radix_tree_node *leaf = find_leaf(root, index);
	void *old = radix_tree_lookup(root, index);

	if (!old)
		return NULL;
	if (leaf)
		leaf->slots[slot_of(leaf, index)] = item;
	else
		root->top = item;
	return old;
}

/* Free emptied nodes from node upwards. */
static void prune(struct radix_tree_root *root, struct radix_tree_node *node,
		  struct radix_tree_pool *pool)
{
	while (node && node->count == 0) {
		struct radix_tree_node *parent = node->parent;

		if (parent) {
			parent->slots[node->offset] = NULL;
			parent->count--;
		} else {
			root->top = NULL;
			root->height = 0;
		}
		radix_tree_pool_put(pool, node);
		node = parent;
	}
}

/* Lower the tree while its topmost node holds nothing but slot 0 (I4). */
static void shrink(struct radix_tree_root *root, struct radix_tree_pool *pool)
{
	while (root->height) {
		struct radix_tree_node *top = root->top;

		if (top->count != 1 || !top->slots[0])
			return;
		root->top = top->slots[0];
		root->height--;
		if (root->height)
			((struct radix_tree_node *)root->top)->parent = NULL;
		radix_tree_pool_put(pool, top);
	}
}

void *radix_tree_delete(struct radix_tree_root *root, unsigned long index,
			struct radix_tree_pool *pool)
{
	struct radix_tree_node *leaf = find_leaf(root, index);
	void *item = radix_tree_lookup(root, index);
	unsigned int slot;

	if (!item)
		return NULL;
	if (!leaf) {
		root->top = NULL;
		root->tags = 0;
		return item;
	}
	slot = slot_of(leaf, index);
	for (unsigned int tag = 0; tag < RADIX_TREE_NR_TAGS; tag++)
		if (leaf->tags[tag] & slot_bit(slot))
			clear_tag_up(root, leaf, slot, tag);
	leaf->slots[slot] = NULL;
	leaf->count--;
	prune(root, leaf, pool);
	shrink(root, pool);
	return item;
}

/* ---- Searching ------------------------------------------------------------------------------ */

#define ANY_ITEM RADIX_TREE_NR_TAGS

/* The first slot of node from slot on that has something below it (with the tag), or SLOTS. */
static unsigned int next_slot(const struct radix_tree_node *node, unsigned int slot,
			      unsigned int tag)
{
	if (tag != ANY_ITEM) {
		unsigned long long rest = node->tags[tag] & ~(slot_bit(slot) - 1);

		return rest ? (unsigned int)__builtin_ctzll(rest) : RADIX_TREE_SLOTS;
	}
	while (slot < RADIX_TREE_SLOTS && !node->slots[slot])
		slot++;
	return slot;
}

/* Index of the first item under slot of node, given any index under node. */
static unsigned long first_under(const struct radix_tree_node *node, unsigned int slot,
				 unsigned long index)
{
	unsigned long below = (1ul << node->shift) - 1;
	unsigned long here = (unsigned long)(RADIX_TREE_SLOTS - 1) << node->shift;

	return (index & ~(here | below)) | (unsigned long)slot << node->shift;
}

static void *find_next(const struct radix_tree_root *root, unsigned long *index, unsigned int tag)
{
	const struct radix_tree_node *node = root->top;
	unsigned long at = *index;
	unsigned int slot;

	if (!node || !index_in_reach(root, at) ||
	    (tag != ANY_ITEM && !radix_tree_tagged(root, tag)))
		return NULL;
	if (root->height == 0)
		return root->top;
	slot = slot_of(node, at);
	for (;;) {
		unsigned int next = next_slot(node, slot, tag);

		if (next == RADIX_TREE_SLOTS) {
			/* Nothing more here: go on behind this node in its parent. */
			do {
				if (!node->parent)
					return NULL;
				slot = node->offset + 1u;
				node = node->parent;
			} while (slot == RADIX_TREE_SLOTS);
			continue;
		}
		if (next != slot_of(node, at) || slot != slot_of(node, at))
			at = first_under(node, next, at);
		if (!node->shift) {
			*index = at;
			return node->slots[next];
		}
		node = node->slots[next];
		slot = slot_of(node, at);
	}
}

void *radix_tree_next(const struct radix_tree_root *root, unsigned long *index)
{
	return find_next(root, index, ANY_ITEM);
}

void *radix_tree_next_tagged(const struct radix_tree_root *root, unsigned long *index,
			     unsigned int tag)
{
	return find_next(root, index, tag);
}

static unsigned int gang(const struct radix_tree_root *root, void **items, unsigned long first,
			 unsigned int max, unsigned int tag)
{
	unsigned int found = 0;
	void *item;

	while (found < max && (item = find_next(root, &first, tag))) {
		items[found++] = item;
		if (++first == 0)
			break;
	}
	return found;
}

unsigned int radix_tree_gang_lookup(const struct radix_tree_root *root, void **items,
				    unsigned long first, unsigned int max)
{
	return gang(root, items, first, max, ANY_ITEM);
}

unsigned int radix_tree_gang_lookup_tag(const struct radix_tree_root *root, void **items,
					unsigned long first, unsigned int max, unsigned int tag)
{
	return gang(root, items, first, max, tag);
}

/* ---- Checking -------------------------------------------------------------------------------- */

/* Does node's bit for slot say what the child's tags say (I1)? */
static bool child_tags_agree(const struct radix_tree_node *node, unsigned int slot,
			     const struct radix_tree_node *child)
{
	for (unsigned int tag = 0; tag < RADIX_TREE_NR_TAGS; tag++)
		if (!!(node->tags[tag] & slot_bit(slot)) != !!child->tags[tag])
			return false;
	return true;
}

/* Items below node, or -1. Recursion depth is the tree's height, at most 11. */
static long validate_node(const struct radix_tree_node *node)
{
	unsigned int used = 0;
	long items = 0;

	for (unsigned int slot = 0; slot < RADIX_TREE_SLOTS; slot++) {
		const struct radix_tree_node *child = node->slots[slot];
		long below = 1;

		if (!child) {
			for (unsigned int tag = 0; tag < RADIX_TREE_NR_TAGS; tag++)
				if (node->tags[tag] & slot_bit(slot))
					return -1;
			continue;
		}
		used++;
		if (node->shift) {
			if (child->parent != node || child->offset != slot ||
			    child->shift != node->shift - RADIX_TREE_SHIFT ||
			    !child_tags_agree(node, slot, child))
				return -1;
			below = validate_node(child);
			if (below < 0)
				return -1;
		}
		items += below;
	}
	return used && used == node->count ? items : -1;
}

long radix_tree_validate(const struct radix_tree_root *root)
{
	const struct radix_tree_node *top = root->top;

	if (!top)
		return root->height || root->tags ? -1 : 0;
	if (root->height == 0)
		return 1;
	if (top->parent || top->shift != (root->height - 1) * RADIX_TREE_SHIFT ||
	    (top->count == 1 && top->slots[0]))
		return -1;
	for (unsigned int tag = 0; tag < RADIX_TREE_NR_TAGS; tag++)
		if (radix_tree_tagged(root, tag) != !!top->tags[tag])
			return -1;
	return validate_node(top);
}
