/* SPDX-License-Identifier: MIT */
/*
 * test_slab_debug.c: red zones, poison and checks, chosen by the slab_debug boot option.
 */
#include "report.h"

#include <mm/slab/slab_internal.h>

#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>

#include <string.h>

#define DEBUG_TEST(name, ids) PAGODA_TEST_CONFIG(name, ids, .nr_cpus = 1, .options = "slab_debug")

static kmem_cache_t *make_cache(size_t size, unsigned long flags)
{
	kmem_cache_t *cachep = kmem_cache_create("test", size, 0, flags, NULL, NULL);

	CHECK(cachep);
	return cachep;
}

DEBUG_TEST(every_cache_is_watched, "SL-32")
{
	kmem_cache_t *cachep = make_cache(100, 0);

	CHECK_EQ(cachep->flags & SLAB_DEBUG_FLAGS, SLAB_RED_ZONE | SLAB_POISON);
	CHECK_EQ(cachep->user_size, 100);
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
	cachep = make_cache(100, SLAB_DEBUG_FREE | SLAB_DEBUG_INITIAL);
	CHECK_EQ(cachep->flags & SLAB_DEBUG_FLAGS, SLAB_DEBUG_FLAGS);
	CHECK_EQ(cachep->limit, 0);
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
	CHECK(kmem_find_general_cachep(64, 0)->flags & SLAB_RED_ZONE);
}

PAGODA_TEST_CONFIG(one_cache_is_watched, "SL-32", .nr_cpus = 1,
		   .options = "quiet slab_debug=test x=y")
{
	kmem_cache_t *cachep = make_cache(100, 0), *other;

	CHECK(cachep->flags & SLAB_RED_ZONE);
	other = kmem_cache_create("tes", 100, 0, 0, NULL, NULL);
	CHECK(!(other->flags & SLAB_DEBUG_FLAGS));
	CHECK(!(kmem_find_general_cachep(64, 0)->flags & SLAB_DEBUG_FLAGS));
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
	CHECK_EQ(kmem_cache_destroy(other), 0);
}

DEBUG_TEST(bytes_next_to_an_object_are_guarded, "SL-33")
{
	kmem_cache_t *cachep = make_cache(100, 0);
	u8 *obj = kmem_cache_alloc(cachep, GFP_KERNEL);

	memset(obj, 1, 100); /* all of it is ours */
	obj[100] ^= 1;
	EXPECT_REPORT("cache test: object", { kmem_cache_free(cachep, obj); });
	CHECK(strstr(last_report, "overwritten behind"));
	obj[100] ^= 1;
	obj[-1] ^= 1;
	EXPECT_REPORT("overwritten in front", { kmem_cache_free(cachep, obj); });
	obj[-1] ^= 1;
	kmem_cache_free(cachep, obj);
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
}

DEBUG_TEST(writing_to_a_free_object_is_noticed, "SL-34")
{
	kmem_cache_t *cachep = make_cache(100, 0);
	u8 *obj = kmem_cache_alloc(cachep, GFP_KERNEL);

	kmem_cache_free(cachep, obj);
	CHECK_EQ(obj[0], 0x5a);
	CHECK_EQ(obj[98], 0x5a);
	CHECK_EQ(obj[99], 0xa5);
	obj[7] = 0;
	EXPECT_REPORT("written to after free", { obj = kmem_cache_alloc(cachep, GFP_KERNEL); });
	kmem_cache_free(cachep, obj);
	/* A slab's end is the last chance to look. */
	obj[50] ^= 1;
	EXPECT_REPORT("written to after free", { kmem_cache_shrink(cachep); });
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
}

DEBUG_TEST(wrong_frees_are_told_apart, "SL-36 SL-39")
{
	kmem_cache_t *a = make_cache(100, SLAB_DEBUG_FREE);
	kmem_cache_t *b = kmem_cache_create("other", 100, 0, SLAB_DEBUG_FREE, NULL, NULL);
	kmem_cache_t *dma = kmem_cache_create("dma", 100, 0, SLAB_CACHE_DMA, NULL, NULL);
	u8 *obj = kmem_cache_alloc(a, GFP_KERNEL);
	void *other;

	EXPECT_REPORT("is of test", { kmem_cache_free(b, obj); });
	EXPECT_REPORT("not the start of an object", { kmem_cache_free(a, obj + 4); });
	kmem_cache_free(a, obj);
	EXPECT_REPORT("freed twice", { kmem_cache_free(a, obj); });
	/* Requests and caches agree on DMA memory. */
	EXPECT_REPORT("SLAB_DMA", { other = kmem_cache_alloc(a, GFP_KERNEL | SLAB_DMA); });
	kmem_cache_free(a, other);
	EXPECT_REPORT("SLAB_DMA", { other = kmem_cache_alloc(dma, GFP_KERNEL); });
	kmem_cache_free(dma, other);
	CHECK_EQ(kmem_cache_destroy(a), 0);
	CHECK_EQ(kmem_cache_destroy(b), 0);
	CHECK_EQ(kmem_cache_destroy(dma), 0);
}

DEBUG_TEST(double_free_is_caught_after_other_frees, "SL-36")
{
	void *a = kmalloc(50, GFP_KERNEL), *b = kmalloc(50, GFP_KERNEL);

	kfree(a);
	kfree(b);
	EXPECT_REPORT("freed twice", { kfree(a); });
	EXPECT_REPORT("size-64", { kfree((char *)b + 8); });
	validate_slab();
}

static void construct(void *obj, kmem_cache_t *cache, unsigned long flags)
{
	struct list_head *list = obj;

	(void)cache, (void)flags;
	INIT_LIST_HEAD(list);
	((u64 *)obj)[2] = 42;
}

DEBUG_TEST(unconstructed_objects_are_noticed, "SL-35")
{
	kmem_cache_t *cachep =
		kmem_cache_create("test", 64, 0, SLAB_DEBUG_INITIAL, construct, NULL);
	u64 *obj = kmem_cache_alloc(cachep, GFP_KERNEL);

	CHECK(!(cachep->flags & SLAB_POISON));
	kmem_cache_free(cachep, obj);
	obj = kmem_cache_alloc(cachep, GFP_KERNEL);
	CHECK_EQ(obj[2], 42);
	obj[2] = 43;
	EXPECT_REPORT("cache test", { kmem_cache_free(cachep, obj); });
	CHECK(strstr(last_report, "than constructed"));
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
}

DEBUG_TEST(watched_objects_do_not_overlap, "SL-18 SL-33")
{
	for (size_t size = 8; size < 8192; size = size * 3 / 2 + 8) {
		kmem_cache_t *cachep = make_cache(size, 0);
		u8 *objs[40];

		for (unsigned int i = 0; i < 40; i++) {
			objs[i] = kmem_cache_alloc(cachep, GFP_KERNEL);
			CHECK_EQ((unsigned long)objs[i] % 8, 0);
			memset(objs[i], (int)i, size);
		}
		for (unsigned int i = 0; i < 40; i++) {
			CHECK_EQ(objs[i][0], i);
			CHECK_EQ(objs[i][size - 1], i);
			kmem_cache_free(cachep, objs[i]);
		}
		CHECK_EQ(kmem_cache_destroy(cachep), 0);
	}
}

/* Everything the core does, with every cache watched. */
DEBUG_TEST(random_kmalloc_is_clean, "SL-33 SL-34")
{
	static struct {
		u8 *obj;
		size_t size;
	} held[300];

	for (unsigned int round = 0; round < test_scale(30000); round++) {
		unsigned int slot = (unsigned int)test_random_below(ARRAY_SIZE(held));

		if (held[slot].obj) {
			kfree(held[slot].obj);
			held[slot].obj = NULL;
			continue;
		}
		held[slot].size = 1 + test_random_below(3000);
		held[slot].obj = kmalloc(held[slot].size, GFP_KERNEL);
		CHECK_EQ((unsigned long)held[slot].obj % 16, 0);
		memset(held[slot].obj, 0xee, ksize(held[slot].obj));
	}
	for (unsigned int slot = 0; slot < ARRAY_SIZE(held); slot++)
		kfree(held[slot].obj);
}
