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
 * argument is wrong (name in use, size 0 or too large). May sleep. (SL-01)
 */
kmem_cache_t *kmem_cache_create(const char *name, size_t size, size_t offset, unsigned long flags,
				void (*ctor)(void *obj, kmem_cache_t *cache, unsigned long flags),
				void (*dtor)(void *obj, kmem_cache_t *cache, unsigned long flags));
/* 0, or -EBUSY if objects are still in use (the cache stays). May sleep. */
int kmem_cache_destroy(kmem_cache_t *cache) __must_check;
/* Give back all free memory of a cache; pages freed. May sleep. */
int kmem_cache_shrink(kmem_cache_t *cache);
/* One object, or NULL. Sleeps only with __GFP_WAIT; __GFP_ZERO clears it. */
void *kmem_cache_alloc(kmem_cache_t *cache, gfp_t flags) __must_check;
void kmem_cache_free(kmem_cache_t *cache, void *obj);
/* Free some slabs of one cache (thesis 8.1.7); pages released. */
int kmem_cache_reap(gfp_t gfp_mask);

/* Free every slab of every cache that holds no object in use; pages released. May sleep. */
unsigned long kmem_cache_shrink_all(void);

/*
 * Pages of slabs that would be free if the objects in use lay close together: what no leak
 * explains. Right after kmem_cache_shrink_all(), else objects in arrays count as used. May sleep.
 */
unsigned long kmem_cache_spare_pages(void);

/*
 * size bytes, aligned to at least 16 (larger powers of two: to themselves); NULL if none or too
 * large.
 */
void *kmalloc(size_t size, gfp_t flags) __must_check;
void *kzalloc(size_t size, gfp_t flags) __must_check;
void *kcalloc(size_t n, size_t size, gfp_t flags) __must_check;
/* NULL is allowed. */
void kfree(const void *obj);
/* Usable bytes of a kmalloc'ed object. */
size_t ksize(const void *obj);
char *kstrdup(const char *s, gfp_t flags) __must_check;

void kmem_cache_init(void);	  /* boot: cache_cache and the sizes up to a page */
void kmem_cache_sizes_init(void); /* boot: the rest */
/* All CPUs are up: those that came after a cache was made get their arrays too. May sleep. */
void kmem_cache_cpus_up(void);

/* Print /proc/slabinfo's text by calls of emit(arg, text). */
void slabinfo(void (*emit)(void *arg, const char *text), void *arg);
/* Every cache's lists, counts and free chains agree (XC-06). Panics if not. */
void validate_slab(void);

PAGODA_C_END
