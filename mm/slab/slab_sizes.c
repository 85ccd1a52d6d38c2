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
 * Invariant (I1): last_taken[cpu].obj, if not NULL, lies in a slab of the cache whose array for
 * that CPU is last_taken[cpu].cc.
 *
 * Locking: the table is constant after boot; last_taken[] is its CPU's, interrupts off, except that
 * other CPUs clear obj.
 * Failure: NULL, as of the cache; making the table itself panics if there is no memory.
 * Observability: the caches size-* in /proc/slabinfo.
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
struct last_taken last_taken[NR_CPUS];
/* Stands in before kmem_cache_sizes_init(): a cache whose arrays are empty. */
static struct kmem_cache no_cache = {.quick = {[0 ... NR_CPUS - 1] = &no_cpucache}};
/* The caches that are not for DMA once more, close together, by the highest bit of size - 1. */
static kmem_cache_t *size_caches[MIN_SIZE_SHIFT - 1 + NR_SIZES] = {
	[0 ... MIN_SIZE_SHIFT - 2 + NR_SIZES] = &no_cache,
};

/* Make one of the caches, at boot: without kmalloc() the kernel cannot go on. */
static kmem_cache_t *make_size_cache(size_t size, bool dma)
{
	char name[CACHE_NAMELEN];
	kmem_cache_t *cachep;

	pagoda_snprintf(name, sizeof(name), "size-%zu%s", size, dma ? "(DMA)" : "");
	cachep = create_cache(name, size, 0, min(size, (size_t)PAGE_SIZE),
			      SLAB_HWCACHE_ALIGN | (dma ? SLAB_CACHE_DMA : 0), NULL, NULL);
	if (!cachep)
		panic("kmalloc: no memory for cache %s", name);
	VM_BUG_ON(cachep->user_size != size || cachep->ctor);
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

	VM_BUG_ON(!size || size > MAX_SIZE);
	return (unsigned int)(BITS_PER_LONG - 1 - __builtin_clzl(last));
}

/* The two members of a table entry are indexed by the DMA bit of the flags, without a branch. */
static inline kmem_cache_t *size_cache(size_t size, gfp_t flags)
{
	kmem_cache_t *const *cs = &cache_sizes[size_bit(size) - (MIN_SIZE_SHIFT - 1)].cs_cachep;

	return cs[flags & GFP_DMA];
}

kmem_cache_t *kmem_find_general_cachep(size_t size, gfp_t gfpflags)
{
	return size && size <= MAX_SIZE ? size_cache(size, gfpflags) : NULL;
}

/* All requests that need more than the top of an array, and those that cannot be met. */
static noinline void *kmalloc_slow(size_t size, gfp_t flags, void *caller)
{
	kmem_cache_t *cachep;

	if (!size)
		report_bug("kmalloc: no cache for 0 bytes, by %p", caller);
	if (!size || size > MAX_SIZE || port_should_fail("kmalloc"))
		return NULL;
	cachep = size_cache(size, flags);
	if (unlikely(!cachep))
		panic("kmalloc() is called before the core is booted, by %p", caller);
	return alloc_object_slow(cachep, flags, caller);
}

void *kmalloc(size_t size, gfp_t flags)
{
	unsigned long irq;
	unsigned int cpu;
	cpucache_t *cc;
	void *obj;

	if (flags & __GFP_WAIT)
		might_sleep();
	if (unlikely(size - 1 >= MAX_SIZE || flags & (GFP_DMA | __GFP_ZERO) || port_watched()))
		return kmalloc_slow(size, flags, __builtin_return_address(0));
	irq = port_irq_save_short();
	cpu = port_cpu_id();
	cc = size_caches[size_bit(size)]->quick[cpu];
	obj = cpucache_take_quick(cc);
	if (unlikely(!obj)) {
		port_irq_restore_short(irq);
		return kmalloc_slow(size, flags, __builtin_return_address(0));
	}
	WRITE_ONCE(last_taken[cpu].obj, obj);
	VM_BUG_ON(object_page(obj) &&
		  GET_PAGE_CACHE(object_page(obj))->cpudata[cpu] != cc); /* (I1) */
	last_taken[cpu].cc = cc;
	port_irq_restore_short(irq);
	return obj;
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

/*
 * Frees in all cases: also if nodes share a section, the CPU's array is full, or the address is
 * wrong or NULL.
 */
static noinline void kfree_slow(const void *obj, void *caller)
{
	struct page *page = object_page(obj);

	if (page)
		free_object_slow(GET_PAGE_CACHE(page), (void *)obj, caller);
	else if (obj)
		report_bug("kfree: %p was not allocated, by %p", obj, caller);
}

/*
 * This CPU's array for an object of a quick cache; one that is always full where a closer look is
 * needed.
 */
static __always_inline cpucache_t *array_of(const void *obj, unsigned int cpu)
{
	struct page *page = object_page_quick(obj);
	kmem_cache_t *cachep;

	if (unlikely(!page))
		return &no_cpucache;
	cachep = GET_PAGE_CACHE(page);
	return likely(!(cachep->slow_bits & (unsigned long)obj)) ? cachep->cpudata[cpu]
								 : &no_cpucache;
}

/*
 * Often the object comes back that kmalloc() handed out last on this CPU. Its array is
 * remembered, as the way from the object to it is a chain of loads (page descriptor, cache,
 * array), and the next allocation has to wait until that chain's end says where the array's
 * state is stored: a loop of pairs would do nothing else.
 *
 * A remembered object is used by its address alone, so no address may be remembered whose
 * frame has left the cache. While its slab lives, an object that was freed elsewhere meanwhile
 * still belongs to the same cache, and this CPU's array is the right place for it:
 *
 *	CPU 0				CPU 1
 *	obj = kmalloc()
 *	remembers obj
 *	passes obj on			kfree(obj)
 *					the slab is destroyed: kfree_forget() clears CPU 0's obj
 *					its frame is used anew, with an object at the same address
 *	kfree() of that object: obj is NULL, so the descriptor is asked
 *
 * CPU 1 clears after CPU 0 has stored, as CPU 0 passed the object on in between.
 */
void kfree(const void *obj)
{
	unsigned long irq = port_irq_save_short();
	unsigned int cpu = port_cpu_id();
	const struct last_taken *last = &last_taken[cpu];
	cpucache_t *cc = last->cc;
	bool put;

	if (READ_ONCE(last->obj) != obj || unlikely(!obj))
		cc = array_of(obj, cpu);
	VM_BUG_ON(obj && READ_ONCE(last->obj) == obj && cc == &no_cpucache); /* (I1) */
	put = cpucache_put_quick(cc, (void *)obj);
	port_irq_restore_short(irq);
	if (unlikely(!put))
		kfree_slow(obj, __builtin_return_address(0));
}

void kfree_forget(const void *start, size_t bytes)
{
	VM_BUG_ON(!start || !bytes);
	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++) {
		void *obj = READ_ONCE(last_taken[cpu].obj);

		if ((unsigned long)obj - (unsigned long)start < bytes)
			forget_last_taken(cpu);
	}
}

size_t ksize(const void *obj)
{
	struct page *page = obj ? object_page(obj) : NULL;

	VM_BUG_ON_PAGE(page && !PageSlab(page), page);
	return page ? GET_PAGE_CACHE(page)->user_size : 0;
}

char *kstrdup(const char *s, gfp_t flags)
{
	size_t n = strlen(s) + 1;
	char *copy = kmalloc(n, flags);

	return copy ? memcpy(copy, s, n) : NULL;
}
