/* SPDX-License-Identifier: MIT */
/* slab.h: the slab allocator (thesis chapter 8): caches of equal objects, and kmalloc on them. */
#pragma once

#include <pagoda/gfp.h>

PAGODA_C_BEGIN

typedef struct kmem_cache kmem_cache_t;

#define SLAB_HWCACHE_ALIGN	0x2000ul /* align objects to the L1 line */
#define SLAB_DMA		GFP_DMA
#define SLAB_KERNEL		GFP_KERNEL
#define SLAB_ATOMIC		GFP_ATOMIC
#define SLAB_USER		GFP_USER
#define SLAB_NOFS		GFP_NOFS
#define SLAB_NOIO		GFP_NOIO
#define SLAB_NOHIGHIO		GFP_NOHIGHIO
#define SLAB_NFS		GFP_NFS
#define SLAB_NO_REAP		0x1000ul /* never shrunk by kmem_cache_reap() */
#define SLAB_NOREAP		SLAB_NO_REAP
#define SLAB_POISON		0x800ul
#define SLAB_RED_ZONE		0x400ul
#define SLAB_CACHE_DMA		0x4000ul
#define SLAB_DEBUG_FREE		0x100ul
#define SLAB_DEBUG_INITIAL	0x200ul
#define SLAB_MUST_HWCACHE_ALIGN 0x8000ul

/* flags of ctor and dtor */
#define SLAB_CTOR_CONSTRUCTOR 1ul /* construct (else: destruct) */
#define SLAB_CTOR_ATOMIC      2ul /* must not sleep */
#define SLAB_CTOR_VERIFY      4ul /* debugging: the object should be in its constructed state */

/*
 * A cache of objects of size bytes. ctor runs once per object when its slab is made
 * and dtor when the slab is destroyed (CT-07). NULL if there is no memory or an
 * argument is wrong (name in use, size 0 or too large); a wrong one is reported. (SL-01)
 * offset: bytes per colour, 0 for the default. flags: SLAB_ flags above.
 * Context: may sleep. Locks: takes the mutex of the chain of caches. Return: the cache, or NULL.
 */
kmem_cache_t *kmem_cache_create(const char *name, size_t size, size_t offset, unsigned long flags,
				void (*ctor)(void *obj, kmem_cache_t *cache, unsigned long flags),
				void (*dtor)(void *obj, kmem_cache_t *cache, unsigned long flags));
/*
 * Destroy a cache and free its memory. All its objects must have been freed.
 * Context: may sleep. Locks: takes the mutex of the chain of caches.
 * Return: 0; -EBUSY: objects are still in use, and the cache stays as it is (reported).
 */
int kmem_cache_destroy(kmem_cache_t *cache) __must_check;
/*
 * Give back all memory of a cache that holds no object in use, the CPUs' arrays included.
 * Context: may sleep. Return: pages freed.
 */
int kmem_cache_shrink(kmem_cache_t *cache);
/*
 * Allocate one object of a cache, in its constructed state or, with __GFP_ZERO, zeroed.
 * Context: any; with __GFP_WAIT may sleep. Locks: takes the cache's lock, perhaps zone->lock.
 * Return: the object, or NULL if there is no memory.
 */
void *kmem_cache_alloc(kmem_cache_t *cache, gfp_t flags) __must_check;
/*
 * Free an object of this cache, in its constructed state. A wrong pointer or a double free is
 * reported and ignored. Context: any, interrupt handlers included. Return: nothing.
 */
void kmem_cache_free(kmem_cache_t *cache, void *obj);
/*
 * Under memory pressure, free half of the free slabs of one cache (thesis 8.1.7): the one that it
 * costs least. gfp_mask is the request that is short of memory.
 * Context: may sleep. Locks: only tries the mutex of the chain, so a holder of it may allocate.
 * Return: pages freed; 0: nothing was found, or the chain is busy.
 */
int kmem_cache_reap(gfp_t gfp_mask);

/*
 * Free every slab of every cache that holds no object in use.
 * Context: may sleep. Return: pages freed.
 */
unsigned long kmem_cache_shrink_all(void);

/*
 * Count the pages of slabs that would be free if the objects in use lay close together: those that
 * are lost to fragmentation and not to a leak. Right after kmem_cache_shrink_all(), as objects in
 * the CPUs' arrays count as used. Context: may sleep. Return: pages.
 */
unsigned long kmem_cache_spare_pages(void);

/*
 * Allocate size bytes, up to 128 KiB, aligned to at least 16 bytes; powers of two are aligned to
 * themselves, up to a page. kzalloc() also zeroes them; kcalloc() does so for an array of n
 * elements of size bytes each, and checks the product.
 * Context: any; with __GFP_WAIT may sleep. Return: the memory, or NULL: none, or size too large.
 */
void *kmalloc(size_t size, gfp_t flags) __must_check;
void *kzalloc(size_t size, gfp_t flags) __must_check;
void *kcalloc(size_t n, size_t size, gfp_t flags) __must_check;
/* Free what kmalloc() or a relative returned; NULL is allowed. Context: any. Return: nothing. */
void kfree(const void *obj);
/* The usable size of a kmalloc()ed object. Context: any. Return: bytes, at least those asked. */
size_t ksize(const void *obj);
/* A copy of the string s, to be kfree()d. Context: as kmalloc(). Return: the copy, or NULL. */
char *kstrdup(const char *s, gfp_t flags) __must_check;

/*
 * The cache of caches, then the caches behind kmalloc(). seed: any number; marks of free objects
 * differ from boot to boot if it does. Context: boot, once, in this order.
 */
void kmem_cache_init(unsigned long seed);
void kmem_cache_sizes_init(void);
/*
 * All CPUs are up: give those that came after a cache was made their arrays of it, too.
 * Context: may sleep. Return: nothing; without memory a CPU goes on without an array.
 */
void kmem_cache_cpus_up(void);

/* Print /proc/slabinfo's text by calls of emit(arg, text), a line each. Context: may sleep. */
void slabinfo(void (*emit)(void *arg, const char *text), void *arg);
/* Every cache's lists, counts and free chains agree (XC-06). Panics if not. */
void validate_slab(void);

PAGODA_C_END
