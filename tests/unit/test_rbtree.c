// SPDX-License-Identifier: MIT
/* test_rbtree.c: red-black trees stay balanced and their subtree values right. */
#include "harness.h"

#include <lib/rbtree.h>

#define NODES 400

struct item {
	struct rb_node node;
	unsigned int key, weight, sum; /* sum: of the weights of the subtree */
	bool in;
};
static struct item items[NODES];
static struct rb_root root;

static struct item *of(struct rb_node *n)
{
	return n ? rb_entry(n, struct item, node) : NULL;
}
static unsigned int sum_of(struct item *it)
{
	struct item *l = of(it->node.left), *r = of(it->node.right);

	return it->weight + (l ? l->sum : 0) + (r ? r->sum : 0);
}
static bool update(struct rb_node *node)
{
	struct item *it = of(node);
	unsigned int sum = sum_of(it);

	if (it->sum == sum)
		return false;
	it->sum = sum;
	return true;
}

static void insert(struct item *it)
{
	struct rb_node **link = &root.node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = it->key < of(parent)->key ? &parent->left : &parent->right;
	}
	it->sum = 0;
	rb_link_node(&it->node, parent, link);
	rb_insert(&it->node, &root, update);
	it->in = true;
}

static void check(long count)
{
	unsigned int last = 0;
	struct rb_node *back = rb_last(&root);

	CHECK_EQ(rb_validate(&root), count);
	for (struct rb_node *n = rb_first(&root); n; n = rb_next(n)) {
		CHECK_EQ(of(n)->sum, sum_of(of(n)));
		CHECK_LE(last, of(n)->key);
		last = of(n)->key;
	}
	for (; back; back = rb_prev(back))
		count--;
	CHECK_EQ(count, 0);
}

PAGODA_TEST(rbtree_random_inserts_and_erases, "AS-20")
{
	long count = 0;

	for (unsigned int i = 0; i < NODES; i++)
		items[i].key = i * 2;
	for (unsigned int step = 0; step < test_scale(8000); step++) {
		struct item *it = &items[test_random_below(NODES)];

		if (it->in) {
			rb_erase(&it->node, &root, update);
			it->in = false;
			count--;
		} else {
			it->weight = (unsigned int)test_random_below(100);
			insert(it);
			count++;
		}
		if (step % 8 == 0)
			check(count);
		if (root.node && step % 5 == 0) {
			of(root.node)->weight++;
			rb_propagate(root.node, update);
		}
	}
	check(count);
}

PAGODA_TEST(rbtree_height_is_logarithmic, "AS-32")
{
	unsigned int depth = 0;

	for (unsigned int i = 0; i < NODES; i++) {
		items[i].key = i;
		insert(&items[i]);
	}
	check(NODES);
	for (unsigned int i = 0; i < NODES; i++) {
		unsigned int d = 0;

		for (struct rb_node *n = &items[i].node; n; n = rb_parent(n))
			d++;
		depth = max(depth, d);
	}
	CHECK_LE(depth, 18); /* 2 log2(401) */
}
