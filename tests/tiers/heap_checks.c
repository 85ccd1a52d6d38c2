// SPDX-License-Identifier: MIT
/*
 * heap_checks.c: frames and heap, on any tier.
 *
 * All frames are taken, each is filled with its own address, and each must still hold it when it
 * goes back: so no two are one. The same with objects of a cache and of kmalloc().
 */
#include "heap_checks.h"

#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>

#include "check.h"

#define SMALL_BYTES 40
#define NR_OBJECTS  2000

static struct page *take_all_frames(unsigned long *nr)
{
	struct page *page, *taken = NULL;

	for (*nr = 0; (page = alloc_page(GFP_ATOMIC)); ++*nr) {
		unsigned long *words = page_address(page);

		words[0] = (unsigned long)taken;
		words[1] = (unsigned long)page;
		taken = page;
	}
	return taken;
}

static void check_all_frames(void)
{
	unsigned long before = nr_free_pages(), nr, given = 0;
	struct page *page = take_all_frames(&nr);

	CHECK(nr > before * 9 / 10 && nr <= before);
	while (page) {
		unsigned long *words = page_address(page), next = words[0];

		CHECK(words[1] == (unsigned long)page);
		__free_page(page);
		page = (struct page *)next;
		given++;
	}
	CHECK(given == nr && nr_free_pages() == before);
}

static void check_blocks(void)
{
	unsigned long before = nr_free_pages();
	struct page *block = alloc_pages(GFP_KERNEL | __GFP_ZERO, 4);
	const char *bytes;

	CHECK(block && page_to_pfn(block) % 16 == 0 && nr_free_pages() == before - 16);
	bytes = page_address(block);
	for (size_t i = 0; i < 16 * PAGE_SIZE; i++)
		CHECK(bytes[i] == 0);
	__free_pages(block, 4);
	CHECK(nr_free_pages() == before);
}

static void *objects[NR_OBJECTS];

static void check_kmalloc(void)
{
	for (size_t i = 0; i < NR_OBJECTS; i++) {
		objects[i] = kmalloc(i + 1, GFP_KERNEL);
		CHECK(objects[i] && ksize(objects[i]) > i);
		memset(objects[i], (int)i & 0xff, i + 1);
	}
	for (size_t i = 0; i < NR_OBJECTS; i++) {
		const unsigned char *bytes = objects[i];

		CHECK(bytes[0] == (i & 0xff) && bytes[i] == (i & 0xff));
		kfree(objects[i]);
	}
}

static void construct(void *obj, kmem_cache_t *cache, unsigned long flags)
{
	(void)cache;
	if (flags & SLAB_CTOR_CONSTRUCTOR)
		*(unsigned long *)obj = (unsigned long)obj;
}

static void check_cache(void)
{
	kmem_cache_t *cache = kmem_cache_create("small", SMALL_BYTES, 0, 0, construct, NULL);

	CHECK(cache);
	for (size_t i = 0; i < NR_OBJECTS; i++) {
		objects[i] = kmem_cache_alloc(cache, GFP_KERNEL);
		CHECK(objects[i] && *(unsigned long *)objects[i] == (unsigned long)objects[i]);
	}
	CHECK(kmem_cache_destroy(cache) < 0);
	nr_warnings = 0; /* the refusal was reported, as it should be */
	for (size_t i = 0; i < NR_OBJECTS; i++)
		kmem_cache_free(cache, objects[i]);
	CHECK(kmem_cache_destroy(cache) == 0);
}

void check_frames_and_heap(void)
{
	check_all_frames();
	check_blocks();
	check_kmalloc();
	check_cache();
	kmem_cache_shrink_all();
	drain_all_pages();
	validate_buddy();
	validate_slab();
	CHECK(port_irqs_enabled());
}
