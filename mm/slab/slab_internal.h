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
 * A call changes only the last word, with one store. It stands behind the first two, as the
 * structure starts at a power of two like the objects, and a processor compares a load with
 * the stores before it by the low 12 bits of the address first: at the offset of the word
 * that the caller or the mark has just written in the object it would wait for that store.
 */
typedef struct cpucache {
	u32 allocmiss, freemiss; /* had to refill / to drain */
	u64 taken;		 /* objects from the slabs, less those given back */
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
 * What a call adds to the state. An object is fresh until the next call: the highest bit says
 * that the top one is. (When freehit wraps it is missing once, which only costs time.)
 */
#define CC_AVAIL   1ull
#define CC_FREEHIT (1ull << 32)
#define CC_FRESH   (1ull << 63)

/* Objects put here without draining. */
static inline u32 cpucache_freehit(const cpucache_t *cc)
{
	return (u32)((cc->state & ~CC_FRESH) >> 32);
}

/*
 * Allocations served without a refill. Not counted, as that would be one more store for
 * each: what came in has either gone out or is still here.
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
	/* Used for each object. */
	/* cpudata, or an empty one where objects need more than taking */
	cpucache_t *quick[NR_CPUS];
	cpucache_t *cpudata[NR_CPUS]; /* (own CPU, interrupts off) never NULL */
	/*
	 * (C) Address bits that no object has that may be freed the quick way: those below
	 * its alignment; all, where a constructor or debugging wants a closer look.
	 */
	unsigned long slow_bits;
	bool has_marks;		 /* (C) neither constructor nor debugging: see mark_of() */
	u8 mark_offset;		 /* (C) MARK_OFFSET, or 0 in objects too small for that */
	unsigned long flags;	 /* (C) */
	unsigned int objsize;	 /* (C) distance of objects, red zones included */
	unsigned int reciprocal; /* (C) 2^32 / objsize rounded up: division by multiplying */
	unsigned int num;	 /* (C) objects per slab */
	/* (C) of each object, or of the first if objsize is no multiple */
	unsigned int align;
	unsigned int limit, batchcount; /* (chain mutex) for arrays to be made; 0: none */
	/* From here on written at each refill: on lines that no free object has to read. */
	spinlock_t spinlock __aligned(SMP_CACHE_BYTES); /* RANK_SLAB */
	struct list_head slabs_full, slabs_free;	/* (L) */
	/* (L) by the CPU that took from them last (page->index) */
	struct list_head slabs_partial[NR_CPUS];

	/* Used for each slab. */
	unsigned int gfporder;	   /* (C) a slab is 2^gfporder pages */
	gfp_t gfpflags;		   /* (C) added to each page allocation */
	unsigned int colour;	   /* (C) highest colour */
	unsigned int colour_off;   /* (C) bytes per colour */
	unsigned int colour_next;  /* (L) */
	unsigned int growing;	   /* (L) kmem_cache_grow()s under way */
	unsigned int dflags;	   /* (L) DFLGS_ */
	kmem_cache_t *slabp_cache; /* (C) where off-slab descriptors come from */
	void (*ctor)(void *obj, kmem_cache_t *cache, unsigned long flags);
	void (*dtor)(void *obj, kmem_cache_t *cache, unsigned long flags);

	/* Debugging: where in the object's space the caller's object lies. */
	unsigned int user_offset, user_size; /* (C) */

	char name[CACHE_NAMELEN]; /* (C) */
	struct list_head next;	  /* (chain mutex) */

	/* (L) Statistics. */
	unsigned long active_objs, high_mark; /* objects out of slabs now / at most */
	unsigned long nr_slabs, nr_free_slabs;
	unsigned long grown, reaped, errors, failures;
	unsigned long direct_allocs; /* past the arrays */
};

/* Where a free object's mark is if there is room. */
#define MARK_OFFSET BYTES_PER_WORD

/* Objects are taken and given as they are, with a mark at MARK_OFFSET. */
static inline bool is_quick(const kmem_cache_t *cachep)
{
	return cachep->slow_bits != ~0ul;
}

/*
 * The object that kmalloc() handed out last on a CPU, and the array it came from: see kfree().
 * Written by its own CPU; others only clear obj.
 */
struct last_taken {
	void *obj; /* (atomic) NULL: none */
	cpucache_t *cc;
} __aligned(SMP_CACHE_BYTES);
extern struct last_taken last_taken[NR_CPUS];

static __always_inline void forget_last_taken(unsigned int cpu)
{
	WRITE_ONCE(last_taken[cpu].obj, NULL);
}

/*
 * Give a CPU another array; the old one. Locks: on that CPU, interrupts off, or before it uses the
 * cache.
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

/* Slabs are at most this many pages, and larger than this only for an object that needs it. */
#define MAX_SLAB_ORDER	 5
#define BREAK_SLAB_ORDER 3
/* Objects above this have their descriptor off slab. */
#define OFF_SLAB_MIN_BYTES 512

/* A slab's pages know their cache and slab (SL-16). */
#define SET_PAGE_CACHE(page, c) ((page)->list.next = (struct list_head *)(c))
#define GET_PAGE_CACHE(page)	((kmem_cache_t *)(page)->list.next)
#define SET_PAGE_SLAB(page, s)	((page)->list.prev = (struct list_head *)(s))
#define GET_PAGE_SLAB(page)	((slab_t *)(page)->list.prev)
#define list_slab(link)		GET_PAGE_SLAB(list_entry((link), struct page, lru))

extern kmem_cache_t cache_cache;
extern struct mutex cache_chain_sem; /* the chain; taken before any cache's spinlock */

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

/* The same without a call: NULL also where nodes share the section. */
static __always_inline struct page *object_page_quick(const void *obj)
{
	unsigned long pfn = ((unsigned long)obj - PAGE_OFFSET) >> PAGE_SHIFT;
	struct page *map;

	if (unlikely(pfn >= max_low_pfn))
		return NULL;
	map = section_map[pfn >> PFN_SECTION_SHIFT];
	return likely(map && PageSlab(map + pfn)) ? map + pfn : NULL;
}

/* Number of an object in its slab; only right for pointers to the start of one. */
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

/* With the array empty: fill it, making a slab if need be. NULL: no memory. (slab_cpu.c) */
void *cpucache_alloc_slow(kmem_cache_t *cachep, gfp_t flags) __must_check;

/* An object from this CPU's array; NULL: it is empty. */
static __always_inline void *cpucache_take(kmem_cache_t *cachep)
{
	unsigned long irq = port_irq_save();
	cpucache_t *cc = cc_data(cachep);
	void *obj = likely(cc->avail) ? cpucache_pop(cc, cc->state) : NULL;

	port_irq_restore(irq);
	return obj;
}

/* An object into this CPU's array; false: it is full. */
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
/* As kmem_cache_create, with the alignment of objects. */
kmem_cache_t *
create_cache(const char *name, size_t size, size_t offset, size_t align, unsigned long flags,
	     void (*ctor)(void *obj, kmem_cache_t *cache, unsigned long flags),
	     void (*dtor)(void *obj, kmem_cache_t *cache, unsigned long flags)) __must_check;
/*
 * Up to nr objects from the slabs of this CPU and the free ones, with last_resort from any; how
 * many there were. Locks: cachep->spinlock held.
 */
unsigned int kmem_cache_alloc_batch(kmem_cache_t *cachep, void **objs, unsigned int nr,
				    bool last_resort);
/*
 * Look at each object that came from the slabs, and mark it as waiting in an array: those
 * that were freed twice are reported and dropped. How many stay. Without a lock, as it
 * touches every object.
 */
unsigned int sort_out_batch(kmem_cache_t *cachep, void **objs, unsigned int nr);
/* Objects back to their slabs; ones that cannot be are reported. Locks: cachep->spinlock held. */
void free_block(kmem_cache_t *cachep, void **objs, unsigned int nr);
/* Add a slab. Context: any; may sleep with __GFP_WAIT. Locks: none held. Return: 0: no memory. */
int kmem_cache_grow(kmem_cache_t *cachep, gfp_t flags) __must_check;
/*
 * Take up to nr free slabs that helps() (NULL: any) and destroy them; pages freed. If helps() says
 * no to some, it is to say yes to those in ZONE_DMA only, which stand together. May sleep.
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
 * Any allocation, any free: also with an empty or full array, constructors, debugging, what may not
 * be freed.
 */
void *alloc_object_slow(kmem_cache_t *cachep, gfp_t flags, void *caller);
void free_object_slow(kmem_cache_t *cachep, void *obj, void *caller);

/*
 * One word of a free object of a cache without constructor and debugging is a mark: the address
 * of that word mixed with a number of this boot while the object waits in an array, the
 * complement of that while it is on its slab's chain. An allocation looks at the mark and removes
 * it, so that an object freed twice is not handed out twice: the second copy has no mark any
 * more, is reported and dropped. The check is made when an object is taken, not when it is freed,
 * as an object freed a while ago is in the CPU's cache and one used long ago is not. The mark is
 * in the second word where there is one: the first is often written right before the free, in
 * part (a reference count), and reading all of it would have to wait for that store.
 */
extern unsigned long free_mark;
extern unsigned long always_marked; /* a word outside of all objects that has its mark */

static inline unsigned long *mark_word(const kmem_cache_t *cachep, void *obj)
{
	return (unsigned long *)((char *)obj + cachep->mark_offset);
}

/* The same without looking at the cache, whose line would be one more to wait for. */
static __always_inline unsigned long *quick_mark_word(void *obj)
{
	return (unsigned long *)((char *)obj + MARK_OFFSET);
}

static __always_inline unsigned long mark_of(const unsigned long *word)
{
	return (unsigned long)word ^ free_mark;
}

/*
 * Has the object on top its mark? A fresh one is not looked at: if it came from another CPU,
 * the store of its mark is still waiting for the line; a load would wait, too, and whatever
 * comes after it. A word that always has its mark is looked at instead, chosen without a branch,
 * as none could be predicted. If an array has the object a second time, further down, that copy
 * is not fresh when it gets to the top and is found then; only of two copies that are on top of
 * two CPUs' arrays both are handed out.
 */
static __always_inline bool is_marked_or_fresh(void *obj, u64 state)
{
	bool fresh = __builtin_expect_with_probability((s64)state < 0, 1, 0.5);
	const unsigned long *word = fresh ? &always_marked : quick_mark_word(obj);

	return *word == mark_of(word);
}

/*
 * The object on top of a quick cache's array, without its mark; NULL where a closer look is
 * needed (alloc_object_slow). Locks: on the array's CPU, interrupts off.
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
	(void)cpucache_pop(cc, state); /* the object that was looked at */
	*quick_mark_word(obj) = 0;
	return obj;
}

/*
 * obj, of a quick cache, onto this CPU's array of its cache; false: the array is full.
 * Locks: on the array's CPU, interrupts off.
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
 * The quick ways have no call in them, only a jump to the slow ones, whose caller is that of
 * the function these are in (asked for there, it costs the quick way nothing). flags
 * without __GFP_ZERO.
 */
static __always_inline void *__kmem_cache_alloc(kmem_cache_t *cachep, gfp_t flags)
{
	unsigned long irq = port_irq_save_short();
	void *obj = cpucache_take_quick(cachep->quick[port_cpu_id()]);

	port_irq_restore_short(irq);
	return likely(obj) ? obj : alloc_object_slow(cachep, flags, __builtin_return_address(0));
}

/* A pointer that is no object's shows when it reaches its slab, if not here. */
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

/* Make arrays for one cache / for all that were made before arrays could be. May sleep. (SL-58) */
void enable_cpucache(kmem_cache_t *cachep);
void enable_all_cpucaches(void);
/* Change size and batch; -ENOMEM leaves the old arrays. May sleep. (SL-59) */
int kmem_tune_cpucache(kmem_cache_t *cachep, unsigned int limit,
		       unsigned int batchcount) __must_check;
/* Empty every CPU's array into the slabs. Context: interrupts on, or boot. */
void drain_cpu_caches(kmem_cache_t *cachep);
void free_cpucaches(kmem_cache_t *cachep);

/* ---- slab_reap.c -------------------------------------------------------------------------- */

/* A cache is about to go: the scan must not resume there. Locks: cache_chain_sem held. */
void kmem_reap_forget(const kmem_cache_t *cachep);

/* ---- slab_sizes.c ------------------------------------------------------------------------ */

/*
 * The frames of a slab without any object in use are about to leave its cache: kfree() must not
 * go by what it remembers of them.
 */
void kfree_forget(const void *start, size_t bytes);
/* Smallest size cache that holds size bytes; NULL if none does. */
kmem_cache_t *kmem_find_general_cachep(size_t size, gfp_t gfpflags);

/* What red zones add to an object, before rounding. */
#define RED_ZONE_BYTES (3 * BYTES_PER_WORD)

/* ---- slab_debug.c ------------------------------------------------------------------------- */

/* Flags that the boot options add to a new cache, and whether callers may ask for any. */
unsigned long slab_debug_flags(const char *name);
bool slab_debug_enabled(void);
/* Grow *size by what the flags need; sets user_offset and user_size. */
void slab_debug_layout(kmem_cache_t *cachep, size_t *size, unsigned long flags);
/* A new slab's object, before and after its constructor. */
void slab_debug_init_object(kmem_cache_t *cachep, void *raw);
/* Handing out: raw object to the caller's. Taking back: NULL if it was refused (and reported). */
void *slab_debug_alloc(kmem_cache_t *cachep, void *raw, void *caller);
void *slab_debug_free(kmem_cache_t *cachep, void *obj, void *caller);
/* A slab goes: look at its free objects once more. */
void slab_debug_check_slab(kmem_cache_t *cachep, slab_t *slabp);
