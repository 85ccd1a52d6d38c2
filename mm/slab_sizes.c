/* SPDX-License-Identifier: MIT */
/*
 * slab_sizes.c: kmalloc: memory by size, from a cache per power of two.
 *
 *	cache_sizes[]	32 64 128 ... 131072, each with a twin for DMA memory; then a 0
 *
 * Objects of a power of two are aligned to their size, up to a page. The caches
 * are made smallest first: a cache with off-slab descriptors takes those from a
 * smaller one that is there already.
 *
 * Locking: the table is constant after boot. Failure: NULL, as of the cache; making the
 * table itself fails in a panic.
 */
#include "slab_internal.h"
#include <pagoda/bug.h>
#include <pagoda/highmem.h>
#include <pagoda/string.h>

#define MIN_SIZE_SHIFT 5
#define NR_SIZES       13
#define MAX_SIZE       (1ul << (MIN_SIZE_SHIFT + NR_SIZES - 1))

typedef struct cache_sizes {
	size_t cs_size;
	kmem_cache_t *cs_cachep, *cs_dmacachep;
} cache_sizes_t;
static_assert(GFP_DMA == 1, "the flag selects between the two members");

cache_sizes_t cache_sizes[NR_SIZES + 1];
/* Those not for DMA again, close together, by the highest bit of size - 1. */
static kmem_cache_t *size_caches[MIN_SIZE_SHIFT - 1 + NR_SIZES];

static kmem_cache_t *make_size_cache(size_t size, bool dma)
{
	char name[CACHE_NAMELEN];
	kmem_cache_t *cachep;

	pagoda_snprintf(name, sizeof(name), "size-%zu%s", size, dma ? "(DMA)" : "");
	cachep = create_cache(name, size, 0, min(size, (size_t)PAGE_SIZE),
			      SLAB_HWCACHE_ALIGN | (dma ? SLAB_CACHE_DMA : 0), NULL, NULL);
	if (!cachep)
		panic("kmalloc: no memory for cache %s", name);
	return cachep;
}

void kmem_cache_sizes_init(void)
{
	for (unsigned int i = 0; i < NR_SIZES; i++) {
		cache_sizes[i].cs_size = 1ul << (MIN_SIZE_SHIFT + i);
		cache_sizes[i].cs_cachep = make_size_cache(cache_sizes[i].cs_size, false);
		size_caches[MIN_SIZE_SHIFT - 1 + i] = cache_sizes[i].cs_cachep;
	}
	for (unsigned int i = 0; i < NR_SIZES; i++)
		cache_sizes[i].cs_dmacachep = make_size_cache(cache_sizes[i].cs_size, true);
	enable_all_cpucaches();
}

/* The highest bit of size - 1, or of the smallest size - 1, for a size of 1 to MAX_SIZE. */
static inline unsigned int size_bit(size_t size)
{
	size_t last = (size - 1) | ((1ul << MIN_SIZE_SHIFT) - 1);

	return (unsigned int)(BITS_PER_LONG - 1 - __builtin_clzl(last));
}

static inline kmem_cache_t *size_cache(size_t size, gfp_t flags)
{
	kmem_cache_t *const *cs = &cache_sizes[size_bit(size) - (MIN_SIZE_SHIFT - 1)].cs_cachep;

	return cs[flags & GFP_DMA];
}

kmem_cache_t *kmem_find_general_cachep(size_t size, gfp_t gfpflags)
{
	return size && size <= MAX_SIZE ? size_cache(size, gfpflags) : NULL;
}

static noinline void *kmalloc_slow(size_t size, gfp_t flags, void *caller)
{
	if (!size)
		report_bug("kmalloc: no cache for 0 bytes, by %p", caller);
	if (!size || size > MAX_SIZE || port_should_fail("kmalloc"))
		return NULL;
	return alloc_object_slow(size_cache(size, flags), flags, caller);
}

void *kmalloc(size_t size, gfp_t flags)
{
	if (flags & __GFP_WAIT)
		might_sleep();
	if (unlikely(size - 1 >= MAX_SIZE || flags & (GFP_DMA | __GFP_ZERO) || port_watched()))
		return kmalloc_slow(size, flags, __builtin_return_address(0));
	return __kmem_cache_alloc(size_caches[size_bit(size)], flags);
}

void *kzalloc(size_t size, gfp_t flags)
{
	void *obj = kmalloc(size, flags & ~__GFP_ZERO);

	return obj ? memset(obj, 0, size) : NULL;
}

void *kcalloc(size_t n, size_t size, gfp_t flags)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return kzalloc(bytes, flags);
}

/* Where nodes share a section, or the address is wrong; NULL comes here, too. */
static noinline void kfree_slow(const void *obj, void *caller)
{
	struct page *page = object_page(obj);

	if (page)
		free_object_slow(GET_PAGE_CACHE(page), (void *)obj, caller);
	else if (obj)
		report_bug("kfree: %p was not allocated, by %p", obj, caller);
}

void kfree(const void *obj)
{
	struct page *page = object_page_quick(obj);

	if (unlikely(!page)) {
		kfree_slow(obj, __builtin_return_address(0));
		return;
	}
	__kmem_cache_free(GET_PAGE_CACHE(page), (void *)obj);
}

size_t ksize(const void *obj)
{
	struct page *page = obj ? object_page(obj) : NULL;

	return page ? GET_PAGE_CACHE(page)->user_size : 0;
}

char *kstrdup(const char *s, gfp_t flags)
{
	size_t n = strlen(s) + 1;
	char *copy = kmalloc(n, flags);

	return copy ? memcpy(copy, s, n) : NULL;
}
