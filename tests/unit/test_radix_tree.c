/* SPDX-License-Identifier: MIT */
/*
 * test_radix_tree.c: the tree beside a naive model: an unsorted list of (index, item, tags).
 */
#include "harness.h"

#include <lib/radix_tree.h>
#include <pagoda/errno.h>

#include <stdlib.h>
#include <string.h>

#define MODEL_ITEMS 200u

/* ---- Nodes come from malloc, and all must come back ---------------------------------- */

static long nodes_out;

static void give_nodes(struct radix_tree_pool *pool, int n)
{
	for (; n > 0; n--, nodes_out++)
		radix_tree_pool_put(pool, malloc(sizeof(struct radix_tree_node)));
}

static void take_nodes_back(struct radix_tree_pool *pool)
{
	struct radix_tree_node *node;

	for (; (node = radix_tree_pool_get(pool)); nodes_out--)
		free(node);
}

static int insert(struct radix_tree_root *root, unsigned long index, void *item)
{
	struct radix_tree_pool pool = {NULL, 0};
	int ret;

	while ((ret = radix_tree_insert(root, index, item, &pool)) > 0)
		give_nodes(&pool, ret);
	CHECK_EQ(pool.nr, 0); /* it asked for exactly what it used */
	return ret;
}

static void *delete (struct radix_tree_root *root, unsigned long index)
{
	struct radix_tree_pool pool = {NULL, 0};
	void *item = radix_tree_delete(root, index, &pool);

	take_nodes_back(&pool);
	return item;
}

/* ---- The model --------------------------------------------------------------------------- */

struct model_item {
	unsigned long index;
	bool present;
	bool tags[RADIX_TREE_NR_TAGS];
};

struct model {
	struct radix_tree_root root;
	struct model_item items[MODEL_ITEMS];
	long present;
};

static bool index_taken(const struct model *model, unsigned int n, unsigned long index)
{
	for (unsigned int i = 0; i < n; i++)
		if (model->items[i].index == index)
			return true;
	return false;
}

/* Indexes of all sizes: crowded at the bottom, sparse above, and the very last. */
static void draw_indexes(struct model *model)
{
	for (unsigned int i = 0; i < MODEL_ITEMS; i++) {
		unsigned long index;

		do {
			index = (unsigned long)test_random() >> test_random_below(64);
			if (i == 0)
				index = ~0ul;
		} while (index_taken(model, i, index));
		model->items[i].index = index;
	}
}

static void step_insert(struct model *model, struct model_item *item)
{
	CHECK_EQ(insert(&model->root, item->index, item), item->present ? -EEXIST : 0);
	model->present += !item->present;
	item->present = true;
}

static void step_delete(struct model *model, struct model_item *item)
{
	CHECK_EQ(delete (&model->root, item->index), item->present ? item : NULL);
	model->present -= item->present;
	item->present = false;
	memset(item->tags, 0, sizeof(item->tags));
}

static void step_tag(struct model *model, struct model_item *item, unsigned int tag, bool on)
{
	bool done = on ? radix_tree_tag_set(&model->root, item->index, tag)
		       : radix_tree_tag_clear(&model->root, item->index, tag);

	CHECK_EQ(done, item->present);
	item->tags[tag] = item->present && on;
}

/* The first present item at or after start (with tag, unless tag is NR_TAGS). */
static struct model_item *model_next(struct model *model, unsigned long start, unsigned int tag)
{
	struct model_item *best = NULL;

	for (unsigned int i = 0; i < MODEL_ITEMS; i++) {
		struct model_item *item = &model->items[i];

		if (item->present && item->index >= start &&
		    (tag == RADIX_TREE_NR_TAGS || item->tags[tag]) &&
		    (!best || item->index < best->index))
			best = item;
	}
	return best;
}

static void step_look(struct model *model, struct model_item *item, unsigned int tag)
{
	unsigned long at = item->index;
	struct model_item *next = model_next(model, at, tag), *found;

	CHECK_EQ(radix_tree_lookup(&model->root, item->index), item->present ? item : NULL);
	found = tag == RADIX_TREE_NR_TAGS ? radix_tree_next(&model->root, &at)
					  : radix_tree_next_tagged(&model->root, &at, tag);
	CHECK_EQ(found, next);
	if (next)
		CHECK_EQ(at, next->index);
	for (tag = 0; tag < RADIX_TREE_NR_TAGS; tag++)
		CHECK_EQ(radix_tree_tag_get(&model->root, item->index, tag), item->tags[tag]);
}

PAGODA_TEST(random_operations_agree_with_a_model, "RC-31 RC-33")
{
	static struct model model;
	unsigned int steps = test_scale(200000);

	radix_tree_init(&model.root);
	draw_indexes(&model);
	for (unsigned int i = 0; i < steps; i++) {
		struct model_item *item = &model.items[test_random_below(MODEL_ITEMS)];
		unsigned int tag = (unsigned int)test_random_below(RADIX_TREE_NR_TAGS);
		bool shrinking = i / 5000 % 2;

		switch (test_random_below(8)) {
		case 0:
		case 1:
			step_insert(&model, item);
			break;
		case 2:
			step_delete(&model, item);
			break;
		case 3:
			if (shrinking)
				step_delete(&model, item);
			break;
		case 4:
			step_tag(&model, item, tag, true);
			break;
		case 5:
			step_tag(&model, item, tag, false);
			break;
		case 6:
			step_look(&model, item, tag);
			break;
		default:
			step_look(&model, item, RADIX_TREE_NR_TAGS);
		}
		if (i % 64 == 0)
			CHECK_EQ(radix_tree_validate(&model.root), model.present);
	}
	for (unsigned int i = 0; i < MODEL_ITEMS; i++)
		step_delete(&model, &model.items[i]);
	CHECK_EQ(radix_tree_validate(&model.root), 0);
	CHECK_EQ(nodes_out, 0);
}

/* ---- Shape ----------------------------------------------------------------------------------- */

PAGODA_TEST(a_lone_first_item_needs_no_node, "")
{
	struct radix_tree_root root = RADIX_TREE_INIT;
	struct radix_tree_pool none = {NULL, 0};
	int item;

	CHECK_EQ(radix_tree_insert(&root, 0, &item, &none), 0);
	CHECK_EQ(root.height, 0);
	CHECK_EQ(radix_tree_lookup(&root, 0), &item);
	CHECK_EQ(radix_tree_lookup(&root, 1), NULL);
	CHECK_EQ(radix_tree_delete(&root, 0, &none), &item);
}

PAGODA_TEST(insertion_without_enough_nodes_changes_nothing, "")
{
	struct radix_tree_root root = RADIX_TREE_INIT;
	struct radix_tree_pool pool = {NULL, 0};
	int a, b, missing;

	CHECK_EQ(insert(&root, 3, &a), 0);
	missing = radix_tree_insert(&root, 1ul << 30, &b, &pool);
	CHECK_GT(missing, 1);
	give_nodes(&pool, missing - 1);
	CHECK_EQ(radix_tree_insert(&root, 1ul << 30, &b, &pool), 1);
	CHECK_EQ(root.height, 1);
	CHECK_EQ(radix_tree_validate(&root), 1);
	give_nodes(&pool, 1);
	CHECK_EQ(radix_tree_insert(&root, 1ul << 30, &b, &pool), 0);
	CHECK_EQ(pool.nr, 0);
	CHECK_EQ(delete (&root, 1ul << 30), &b);
	CHECK_EQ(delete (&root, 3), &a);
	CHECK_EQ(nodes_out, 0);
}

PAGODA_TEST(height_follows_the_largest_index, "")
{
	struct radix_tree_root root = RADIX_TREE_INIT;
	int item;

	CHECK_EQ(insert(&root, 0, &item), 0);
	CHECK_EQ(insert(&root, 63, &item), 0);
	CHECK_EQ(root.height, 1);
	CHECK_EQ(insert(&root, 64, &item), 0);
	CHECK_EQ(root.height, 2);
	CHECK_EQ(insert(&root, ~0ul, &item), 0);
	CHECK_EQ(root.height, RADIX_TREE_MAX_PATH);
	CHECK(delete (&root, ~0ul));
	CHECK_EQ(root.height, 2);
	CHECK(delete (&root, 64));
	CHECK_EQ(root.height, 1);
	CHECK(delete (&root, 63));
	CHECK_EQ(root.height, 0);
	CHECK(delete (&root, 0));
	CHECK_EQ(nodes_out, 0);
}

PAGODA_TEST(gang_lookup_gives_items_in_order, "RC-31")
{
	struct radix_tree_root root = RADIX_TREE_INIT;
	unsigned long indexes[] = {1, 5, 64, 4096, 4097, 1ul << 40};
	void *items[8];

	for (unsigned int i = 0; i < ARRAY_SIZE(indexes); i++)
		CHECK_EQ(insert(&root, indexes[i], &indexes[i]), 0);
	CHECK(radix_tree_tag_set(&root, 64, 1));
	CHECK(radix_tree_tag_set(&root, 1ul << 40, 1));
	CHECK_EQ(radix_tree_gang_lookup(&root, items, 5, 8), 5);
	for (unsigned int i = 0; i < 5; i++)
		CHECK_EQ(items[i], &indexes[i + 1]);
	CHECK_EQ(radix_tree_gang_lookup(&root, items, 5, 2), 2);
	CHECK_EQ(radix_tree_gang_lookup_tag(&root, items, 0, 8, 1), 2);
	CHECK_EQ(items[0], &indexes[2]);
	CHECK_EQ(items[1], &indexes[5]);
	CHECK_EQ(radix_tree_gang_lookup_tag(&root, items, 0, 8, 0), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(indexes); i++)
		CHECK_EQ(delete (&root, indexes[i]), &indexes[i]);
	CHECK_EQ(nodes_out, 0);
}

PAGODA_TEST(a_hundred_thousand_pages_are_all_found, "RC-31")
{
	struct radix_tree_root root = RADIX_TREE_INIT;
	unsigned long n = test_scale(100000);
	unsigned int steps = 0;

	for (unsigned long last = n - 1; last; last /= 64)
		steps++;
	for (unsigned long i = 0; i < n; i++)
		CHECK_EQ(insert(&root, i, (void *)(i + 1)), 0);
	CHECK_EQ(radix_tree_validate(&root), n);
	/* three for 100,000: a lookup's steps are digits of the index, base 64 */
	CHECK_EQ(root.height, steps);
	for (unsigned long i = 0; i < n; i++)
		CHECK_EQ(radix_tree_lookup(&root, i), (void *)(i + 1));
	for (unsigned long i = 0; i < n; i++)
		CHECK_EQ(delete (&root, i), (void *)(i + 1));
	CHECK_EQ(nodes_out, 0);
}
