/* SPDX-License-Identifier: MIT */
/*
 * slab_internal.h: the structures of the slab allocator, shared by its files.
 *
 *	slab.c		caches and slabs: create, grow, allocate, free, shrink, destroy
 *	slab_cpu.c	the arrays of free objects in front of them, one per CPU
 *	slab_sizes.c	kmalloc's caches
 *	slab_reap.c	giving memory back under pressure
 *	slab_debug.c	red zones, poison and checks
 *	slab_info.c	/proc/slabinfo and validate_slab()
 *
 *	cache_cache <-> cache <-> cache ...	chain through next, circular
 *	  cpudata[cpu] -> { avail, limit, objects... }	LIFO, interrupts off, no lock
 *	  slabs_full / slabs_partial[cpu] / slabs_free	first pages of slabs, by page->lru
 *	    slab = descriptor, index array, colour, objects
 */
#pragma once

#include <pagoda/bootmem.h>
#include <pagoda/bug.h>
#include <pagoda/mmzone.h>
#include <pagoda/slab.h>

static inline bool page_in_dma_zone(const struct page *page)
{
	return page_zone(page) == &page_zone(page)->zone_pgdat->node_zones[ZONE_DMA];
}

#define BYTES_PER_WORD sizeof(void *)
#define CACHE_NAMELEN  20

/* Index array entry: the next free object of the slab; a bit says that this one is out. */
typedef u32 kmem_bufctl_t;
#define BUFCTL_END 0x7fffffffu
#define BUFCTL_OUT 0x80000000u

/*
 * A slab. It stands at the slab's start, its index array after it, or off the slab.
 * 24 bytes on purpose: the documented numbers of objects per page depend on it (SL-21).
 * The links are its first page's lru. (L) cache->spinlock
 */
typedef struct slab {
	void *s_mem;	    /* (C) first object, colour included */
	struct page *page;  /* (C) first page */
	kmem_bufctl_t free; /* (L) first free object */
	u16 inuse;	    /* (L) objects handed out */
	u16 colouroff;	    /* (C) bytes before the descriptor, or the objects if it is off slab */
	unsigned long
		unused[(24 - 2 * sizeof(void *) - 8) / sizeof(long)]; /* 32-bit: to 24 bytes */
} slab_t;
static_assert(sizeof(slab_t) == 24, "objects per slab are documented for this size");

static inline kmem_bufctl_t *slab_bufctl(slab_t *slabp)
{
	return (kmem_bufctl_t *)(slabp + 1);
}

/*
 * Free objects at hand for one CPU; their pointers follow directly. Only that CPU uses it,
 * with interrupts off. With 252 objects it fills 2 KiB.
 *
 * An object's number is its place in the array, 0 at the bottom; the newest is on top.
 *
 * Taking or putting an object changes only the last word, state, with one store. The word lies
 * behind the first two on purpose. A processor first compares the address of a load with those of
 * earlier stores by their low 12 bits. Arrays and objects both start at powers of two, and the
 * first two words of an object (the caller's data, the mark) are often stored to just before. If
 * state had the same offset, its load would wait for a store that has nothing to do with it.
 */
typedef struct cpucache {
	u32 allocmiss, freemiss; /* times that the array had to be refilled / drained */
	u64 taken;		 /* objects that came from the slabs, less those given back */
	unsigned int limit __aligned(8);
	union {
		struct {
			u32 avail, puts; /* low and high half; puts: see cpucache_freehit() */
		};
		u64 state;
	} __aligned(8);
} cpucache_t;
static_assert(sizeof(cpucache_t) == 32, "252 objects and this fill 2 KiB");
static_assert(offsetof(cpucache_t, limit) >= 16, "the quick ways keep off the first two words");

/*
 * Parts of the state that a call adds to or changes. The object that was put last is fresh until
 * the next call on this array, which CC_FRESH says. When the count of hits overflows into CC_FRESH,
 * one object is wrongly taken for one that is not fresh, which costs a little time only.
 */
#define CC_AVAIL   1ull
#define CC_FREEHIT (1ull << 32)
#define CC_FRESH   (1ull << 63)

/* Frees that found room in the array. */
static inline u32 cpucache_freehit(const cpucache_t *cc)
{
	return (u32)((cc->state & ~CC_FRESH) >> 32);
}

/*
 * Allocations served without a refill. They are not counted, as that would cost each of them one
 * more store, but computed: an object that came in has either gone out or is still in the array.
 */
static inline u32 cpucache_allochit(const cpucache_t *cc)
{
	u32 in = (u32)cc->taken + cpucache_freehit(cc) + cc->freemiss;

	return (in - cc->allocmiss - cc->avail) & (u32)(~CC_FRESH >> 32);
}

#define cc_entry(cc)	((void **)((cc) + 1))
#define cc_data(cachep) ((cachep)->cpudata[port_cpu_id()])

/*
 * Put a freed object on top of the array, which has room; state is cc->state, read before.
 * Context: on the array's CPU, interrupts off.
 */
static __always_inline void cpucache_push(cpucache_t *cc, u64 state, void *obj)
{
	VM_BUG_ON(cc->state != state || (u32)state >= cc->limit);
	cc_entry(cc)[(u32)state] = obj;
	cc->state = (state | CC_FRESH) + CC_AVAIL + CC_FREEHIT;
}

/* Take the object on top of the array, which is not empty. Context: as for cpucache_push(). */
static __always_inline void *cpucache_pop(cpucache_t *cc, u64 state)
{
	VM_BUG_ON(cc->state != state || !(u32)state);
	cc->state = (state & ~CC_FRESH) - CC_AVAIL;
	return cc_entry(cc)[(u32)state - 1];
}

/* Used where a CPU has no array: it is always empty and always full, and is never written. */
extern cpucache_t no_cpucache;

struct kmem_cache {
	/* Read for each object that is allocated or freed. */
	/* As cpudata; no_cpucache if an object cannot just be taken (constructor, debugging). */
	cpucache_t *quick[NR_CPUS];
	cpucache_t *cpudata[NR_CPUS]; /* (own CPU, interrupts off) its array, never NULL */
	/*
	 * (C) An address with one of these bits must not be freed the quick way: the bits below
	 * the objects' alignment; all bits, if the cache has a constructor or debugging.
	 */
	unsigned long slow_bits;
	bool has_marks;		 /* (C) neither constructor nor debugging: see mark_of() */
	u8 mark_offset;		 /* (C) MARK_OFFSET, or 0 in objects too small for that */
	unsigned long flags;	 /* (C) */
	unsigned int objsize;	 /* (C) distance of objects, red zones included */
	unsigned int reciprocal; /* (C) 2^32 / objsize, rounded up: divides by multiplying */
	unsigned int num;	 /* (C) objects per slab */
	/* (C) alignment of each object, or of a slab's first if objsize is no multiple of it */
	unsigned int align;
	unsigned int limit, batchcount; /* (chain mutex) of the arrays; 0: none */
	/* Written at each refill; on other cache lines than the members that each free reads. */
	spinlock_t spinlock __aligned(SMP_CACHE_BYTES); /* RANK_SLAB */
	struct list_head slabs_full, slabs_free;	/* (L) */
	/* (L) partial slabs, by the CPU that took objects from them last (page->index) */
	struct list_head slabs_partial[NR_CPUS];

	/* Used when a slab is made. */
	unsigned int gfporder;	   /* (C) a slab is 2^gfporder pages */
	gfp_t gfpflags;		   /* (C) added to each page allocation */
	unsigned int colour;	   /* (C) highest colour */
	unsigned int colour_off;   /* (C) bytes per colour */
	unsigned int colour_next;  /* (L) */
	unsigned int growing;	   /* (L) kmem_cache_grow()s under way */
	unsigned int dflags;	   /* (L) DFLGS_ */
	kmem_cache_t *slabp_cache; /* (C) size cache for off-slab descriptors */
	void (*ctor)(void *obj, kmem_cache_t *cache, unsigned long flags);
	void (*dtor)(void *obj, kmem_cache_t *cache, unsigned long flags);

	/* Debugging: where in the object's space the caller's object lies. */
	unsigned int user_offset, user_size; /* (C) */

	char name[CACHE_NAMELEN]; /* (C) */
	struct list_head next;	  /* (chain mutex) */

	/* (L) Statistics. */
	unsigned long active_objs, high_mark; /* objects taken from slabs, now / ever at most */
	unsigned long nr_slabs, nr_free_slabs;
	unsigned long grown, reaped, errors, failures;
	unsigned long direct_allocs; /* objects taken from slabs without an array */
};

/* Offset of a free object's mark if the object is large enough; else it is at 0. */
#define MARK_OFFSET BYTES_PER_WORD

/* Can objects be taken and put back as they are, with a mark at MARK_OFFSET? */
static inline bool is_quick(const kmem_cache_t *cachep)
{
	return cachep->slow_bits != ~0ul;
}

/*
 * The object that kmalloc() handed out last on a CPU, and the array it came from: see kfree().
 * Written by its own CPU; others only clear obj.
 */
struct last_taken {
	void *obj; /* (A) NULL if none is remembered */
	cpucache_t *cc;
} __aligned(SMP_CACHE_BYTES);
extern struct last_taken last_taken[NR_CPUS];

static __always_inline void forget_last_taken(unsigned int cpu)
{
	WRITE_ONCE(last_taken[cpu].obj, NULL);
}

/*
 * Give a CPU another array. kfree() must not use the old one any more, so the CPU's remembered
 * object is forgotten. Context: on that CPU, interrupts off; or when no CPU uses the cache.
 * Return: the old array.
 */
static inline cpucache_t *set_cpucache(kmem_cache_t *cachep, unsigned int cpu, cpucache_t *cc)
{
	cpucache_t *old = cachep->cpudata[cpu];

	VM_BUG_ON(cpu >= NR_CPUS || !cc);
	forget_last_taken(cpu);
	cachep->cpudata[cpu] = cc;
	cachep->quick[cpu] = is_quick(cachep) ? cc : &no_cpucache;
	return old;
}

#define CFLGS_OFF_SLAB 0x010000ul /* descriptor off slab (CT-08) */
#define CFGS_OFF_SLAB  CFLGS_OFF_SLAB
#define CFLGS_OPTIMIZE 0x020000ul /* set in the documents, read nowhere (FX-25) */
#define DFLGS_GROWN    0x1u

#define SLAB_DEBUG_FLAGS (SLAB_DEBUG_FREE | SLAB_DEBUG_INITIAL | SLAB_RED_ZONE | SLAB_POISON)
#define CREATE_MASK	 (SLAB_HWCACHE_ALIGN | SLAB_NO_REAP | SLAB_CACHE_DMA | SLAB_MUST_HWCACHE_ALIGN)

/*
 * Orders of slabs: the largest there is, and the largest that is chosen to waste less memory. Only
 * objects that would not fit otherwise get slabs between the two.
 */
#define MAX_SLAB_ORDER	 5
#define BREAK_SLAB_ORDER 3
/* The slabs of objects larger than this have their descriptors off slab. */
#define OFF_SLAB_MIN_BYTES 512

/* Each page of a slab points to its cache and its slab (SL-16). */
#define SET_PAGE_CACHE(page, c) ((page)->list.next = (struct list_head *)(c))
#define GET_PAGE_CACHE(page)	((kmem_cache_t *)(page)->list.next)
#define SET_PAGE_SLAB(page, s)	((page)->list.prev = (struct list_head *)(s))
#define GET_PAGE_SLAB(page)	((slab_t *)(page)->list.prev)
#define list_slab(link)		GET_PAGE_SLAB(list_entry((link), struct page, lru))

extern kmem_cache_t cache_cache;
extern struct mutex cache_chain_sem; /* the chain of caches; outside any cache's spinlock */

/* The next cache of the chain, NULL at its end. Locks: cache_chain_sem held. */
static inline kmem_cache_t *next_in_chain(const kmem_cache_t *cachep)
{
	lockdep_assert_held(&cache_chain_sem);
	return cachep->next.next == &cache_cache.next
		       ? NULL
		       : list_entry(cachep->next.next, kmem_cache_t, next);
}
#define for_each_cache(c) for ((c) = &cache_cache; (c); (c) = next_in_chain(c))

/* The page of an object, or NULL if no slab can lie there. */
static inline struct page *object_page(const void *obj)
{
	unsigned long pfn = ((unsigned long)obj - PAGE_OFFSET) >> PAGE_SHIFT;
	struct page *page;

	if (unlikely(pfn >= max_low_pfn || !pfn_valid_quick(pfn)))
		return NULL;
	page = pfn_to_page(pfn);
	return likely(PageSlab(page)) ? page : NULL;
}

/* The same without a function call: NULL also for a frame whose section several nodes share. */
static __always_inline struct page *object_page_quick(const void *obj)
{
	unsigned long pfn = ((unsigned long)obj - PAGE_OFFSET) >> PAGE_SHIFT;
	struct page *map;

	if (unlikely(pfn >= max_low_pfn))
		return NULL;
	map = section_map[pfn >> PFN_SECTION_SHIFT];
	return likely(map && PageSlab(map + pfn)) ? map + pfn : NULL;
}

/* Number of an object in its slab. Only pointers to the start of an object give a true number. */
static inline unsigned int object_index(const kmem_cache_t *cachep, const slab_t *slabp,
					const void *obj)
{
	unsigned long offset = (unsigned long)obj - (unsigned long)slabp->s_mem;

	return (unsigned int)((u64)offset * cachep->reciprocal >> 32);
}
static inline void *index_object(const kmem_cache_t *cachep, const slab_t *slabp, unsigned int i)
{
	return (char *)slabp->s_mem + (unsigned long)i * cachep->objsize;
}

/*
 * Fill the empty array, from a new slab if no other has objects, and take one (slab_cpu.c).
 * Context: as kmem_cache_alloc(). Return: the object, or NULL: no memory.
 */
void *cpucache_alloc_slow(kmem_cache_t *cachep, gfp_t flags) __must_check;

/* Take an object from this CPU's array. Context: any. Return: NULL: the array is empty. */
static __always_inline void *cpucache_take(kmem_cache_t *cachep)
{
	unsigned long irq = port_irq_save();
	cpucache_t *cc = cc_data(cachep);
	void *obj = likely(cc->avail) ? cpucache_pop(cc, cc->state) : NULL;

	port_irq_restore(irq);
	return obj;
}

/* Put an object into this CPU's array. Context: any. Return: false: the array is full. */
static __always_inline bool cpucache_put(kmem_cache_t *cachep, void *obj)
{
	unsigned long irq = port_irq_save();
	cpucache_t *cc = cc_data(cachep);
	bool fits = cc->avail != cc->limit;

	if (likely(fits))
		cpucache_push(cc, cc->state, obj);
	port_irq_restore(irq);
	return fits;
}

/* ---- slab.c ---------------------------------------------------------------------------- */

/*
 * Compute how many objects of size bytes, aligned to align bytes, fit into a slab of 2^gfporder
 * pages (*num), and how many bytes remain (*left_over). flags: CFLGS_OFF_SLAB counts. Context: any.
 */
void kmem_cache_estimate(unsigned int gfporder, size_t size, size_t align, unsigned long flags,
			 size_t *left_over, unsigned int *num);
/* As kmem_cache_create(), with the alignment of objects in bytes, and arguments not checked. */
kmem_cache_t *
create_cache(const char *name, size_t size, size_t offset, size_t align, unsigned long flags,
	     void (*ctor)(void *obj, kmem_cache_t *cache, unsigned long flags),
	     void (*dtor)(void *obj, kmem_cache_t *cache, unsigned long flags)) __must_check;
/*
 * Take up to nr objects from this CPU's partial slabs and from free slabs; with last_resort, also
 * from other CPUs' partial slabs. Locks: cachep->spinlock held. Return: how many there were.
 */
unsigned int kmem_cache_alloc_batch(kmem_cache_t *cachep, void **objs, unsigned int nr,
				    bool last_resort);
/*
 * Check each object that came from the slabs and mark it as waiting in an array. Objects that were
 * freed twice are reported and dropped. Touches every object, so call it without a lock.
 * Context: any. Return: how many objects are left, at the start of objs.
 */
unsigned int sort_out_batch(kmem_cache_t *cachep, void **objs, unsigned int nr);
/* Put objects back into their slabs; wrong ones are reported. Locks: cachep->spinlock held. */
void free_block(kmem_cache_t *cachep, void **objs, unsigned int nr);
/* Add a slab. Context: any; may sleep with __GFP_WAIT. Locks: none held. Return: 0: no memory. */
int kmem_cache_grow(kmem_cache_t *cachep, gfp_t flags) __must_check;
/*
 * Destroy up to nr free slabs for whose first page helps(page, gfp) is true (NULL: any slab). If
 * helps() is not true for all slabs, it must be true for just those in ZONE_DMA, which stand
 * together at the end of the list. Context: may sleep. Return: pages freed.
 */
unsigned long destroy_free_slabs(kmem_cache_t *cachep, unsigned long nr,
				 bool (*helps)(const struct page *page, gfp_t gfp_mask), gfp_t gfp);
/*
 * Empty the CPUs' arrays and free all free slabs; *pages_freed gets their pages.
 * Context: may sleep. Return: the cache has no object in use any more.
 */
bool __kmem_cache_shrink(kmem_cache_t *cachep, unsigned long *pages_freed);
/* Put an object into a slab or the array after the quick way failed. Context: any. (slab_cpu.c) */
void cpucache_free_slow(kmem_cache_t *cachep, void *obj);
/*
 * Allocate or free an object in any case that the quick ways leave out: the array is empty or full,
 * the cache has a constructor or debugging, the pointer is wrong. caller: a return address, for
 * reports. Context: as kmem_cache_alloc(), kmem_cache_free(). Return: the object, or NULL.
 */
void *alloc_object_slow(kmem_cache_t *cachep, gfp_t flags, void *caller);
void free_object_slow(kmem_cache_t *cachep, void *obj, void *caller);

/*
 * One word of a free object of a cache without constructor and debugging is a mark: the address
 * of that word mixed with a number of this boot while the object waits in an array, the
 * complement of that while it is on its slab's chain. An allocation looks at the mark and removes
 * it, so that an object freed twice is not handed out twice: the second copy has no mark any
 * more, is reported and dropped:
 *
 *	on the slab's chain	~(address ^ free_mark)
 *	in an array		address ^ free_mark
 *	in use			the caller's data; the quick allocation stores 0
 *
 * The check is made when an object is allocated, not when it is freed: the allocation is going to
 * use the object's cache line anyway. The mark is in the second word where there is one. The first
 * word is often written in part right before the free (a reference count), and a load of the whole
 * word would have to wait for that store.
 */
extern unsigned long free_mark;
extern unsigned long always_marked; /* a word outside of all objects that has its mark */

static inline unsigned long *mark_word(const kmem_cache_t *cachep, void *obj)
{
	return (unsigned long *)((char *)obj + cachep->mark_offset);
}

/* The same for quick caches, without reading the cache's cache line. */
static __always_inline unsigned long *quick_mark_word(void *obj)
{
	return (unsigned long *)((char *)obj + MARK_OFFSET);
}

static __always_inline unsigned long mark_of(const unsigned long *word)
{
	return (unsigned long)word ^ free_mark;
}

/*
 * Does the object on top have its mark? The mark of a fresh object was stored by the call just
 * before. If the object came from another CPU, that store still waits for the cache line, and a
 * load of the mark would wait with it. So for a fresh object always_marked is read instead, chosen
 * without a branch, as a branch could not be predicted.
 *
 * What this misses: if the array has the object a second time, further down, that copy is not fresh
 * when it gets to the top, and is found then. Only if two CPUs' arrays both have the object on top
 * and fresh, both hand it out.
 */
static __always_inline bool is_marked_or_fresh(void *obj, u64 state)
{
	bool fresh = __builtin_expect_with_probability((s64)state < 0, 1, 0.5);
	const unsigned long *word = fresh ? &always_marked : quick_mark_word(obj);

	return *word == mark_of(word);
}

/*
 * Take the object on top of a quick cache's array and remove its mark. Context: on the array's CPU,
 * interrupts off. Return: NULL: the array is empty or the mark is wrong; use alloc_object_slow().
 */
static __always_inline void *cpucache_take_quick(cpucache_t *cc)
{
	u64 state = cc->state;
	void *obj;

	if (unlikely(!(u32)state))
		return NULL;
	obj = cc_entry(cc)[(u32)state - 1];
	if (unlikely(!is_marked_or_fresh(obj, state)))
		return NULL;
	(void)cpucache_pop(cc, state); /* this is obj */
	*quick_mark_word(obj) = 0;
	return obj;
}

/*
 * Mark obj, an object of a quick cache, and put it on top of this CPU's array of that cache.
 * Context: on the array's CPU, interrupts off. Return: false: the array is full.
 */
static __always_inline bool cpucache_put_quick(cpucache_t *cc, void *obj)
{
	u64 state = cc->state;

	if (unlikely((u32)state == cc->limit))
		return false;
	*quick_mark_word(obj) = mark_of(quick_mark_word(obj));
	cpucache_push(cc, state, obj);
	return true;
}

/*
 * Allocate from this CPU's array; flags must not have __GFP_ZERO. The quick path has no call in it,
 * only a jump to the slow one. The return address for reports is read in the slow branch only.
 */
static __always_inline void *__kmem_cache_alloc(kmem_cache_t *cachep, gfp_t flags)
{
	unsigned long irq = port_irq_save_short();
	void *obj = cpucache_take_quick(cachep->quick[port_cpu_id()]);

	port_irq_restore_short(irq);
	return likely(obj) ? obj : alloc_object_slow(cachep, flags, __builtin_return_address(0));
}

/*
 * Free to this CPU's array. A wrong pointer is found here if its low bits are wrong, otherwise when
 * the array is drained and the pointer reaches its slab.
 */
static __always_inline void __kmem_cache_free(kmem_cache_t *cachep, void *obj)
{
	bool put = false;

	if (likely(!((unsigned long)obj & cachep->slow_bits))) {
		unsigned long irq = port_irq_save_short();

		put = cpucache_put_quick(cc_data(cachep), obj);
		port_irq_restore_short(irq);
	}
	if (unlikely(!put))
		free_object_slow(cachep, obj, __builtin_return_address(0));
}

/* ---- slab_cpu.c ------------------------------------------------------------------------- */

/*
 * Make arrays for one cache / for all that were made before arrays could be. (SL-58)
 * Context: may sleep. Locks: cache_chain_sem held for the first, taken by the second.
 */
void enable_cpucache(kmem_cache_t *cachep);
void enable_all_cpucaches(void);
/*
 * Replace a cache's arrays by ones of limit objects that move batchcount at a time; limit 0: by
 * none. (SL-59) Context: may sleep. Return: 0; -EINVAL; -ENOMEM, and the old arrays stay.
 */
int kmem_tune_cpucache(kmem_cache_t *cachep, unsigned int limit,
		       unsigned int batchcount) __must_check;
/* Empty every CPU's array into the slabs. Context: interrupts on, or boot. */
void drain_cpu_caches(kmem_cache_t *cachep);
void free_cpucaches(kmem_cache_t *cachep);

/* ---- slab_reap.c -------------------------------------------------------------------------- */

/* A cache is being destroyed: the scan must not resume there. Locks: cache_chain_sem held. */
void kmem_reap_forget(const kmem_cache_t *cachep);

/* ---- slab_sizes.c ------------------------------------------------------------------------ */

/*
 * The frames of a slab without any object in use are about to leave its cache: forget objects in
 * [start, start + bytes) that kfree() remembers, on all CPUs. Context: any.
 */
void kfree_forget(const void *start, size_t bytes);
/* The smallest size cache whose objects hold size bytes; NULL if none does. Context: any. */
kmem_cache_t *kmem_find_general_cachep(size_t size, gfp_t gfpflags);

/* Bytes that red zones add to an object, before rounding. */
#define RED_ZONE_BYTES (3 * BYTES_PER_WORD)

/* ---- slab_debug.c ------------------------------------------------------------------------- */

/* Flags that the boot option adds to a new cache; whether callers may ask for debugging flags. */
unsigned long slab_debug_flags(const char *name);
bool slab_debug_enabled(void);
/* Add to *size what red zones need, and set user_offset and user_size. Context: any. */
void slab_debug_layout(kmem_cache_t *cachep, size_t *size, unsigned long flags);
/* Write the red zones and poison of a new object, before its constructor runs. */
void slab_debug_init_object(kmem_cache_t *cachep, void *raw);
/*
 * Hand out the object in the space raw, and take it back. caller: a return address, for reports.
 * Return: alloc: the caller's object; free: its space, or NULL: reported, and not to be freed.
 */
void *slab_debug_alloc(kmem_cache_t *cachep, void *raw, void *caller);
void *slab_debug_free(kmem_cache_t *cachep, void *obj, void *caller);
/* A slab is about to be destroyed: check its free objects once more. */
void slab_debug_check_slab(kmem_cache_t *cachep, slab_t *slabp);
