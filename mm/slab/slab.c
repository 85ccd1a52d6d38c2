/* SPDX-License-Identifier: MIT */
/*
 * slab.c: caches of equal objects: making them, growing, allocating and freeing.
 *
 * After Bonwick, "The Slab Allocator" (USENIX 1994), in the shape of thesis chapter 8.
 * A cache keeps objects of one type in their constructed state; its memory comes in
 * slabs of 2^gfporder pages:
 *
 *	small objects (<= 512 bytes)	| colour | slab_t | bufctl[num] | objects ... |
 *	larger ones			| colour | objects ... |  slab_t elsewhere
 *
 * The descriptor and the index array of a slab with large objects come from a size
 * cache, so that a power-of-two object wastes no page. bufctl[] chains the free objects
 * of a slab by number: taking one follows the chain, freeing puts its number in front.
 * What is left over at the end moves the first object of successive slabs by a colour
 * each, so that equal offsets in different slabs fall on different cache lines.
 *
 * Objects are handed out from the CPU's array (slab_cpu.c), which is filled in batches
 * from partial slabs, then free slabs, then new ones. Costs: an array hit is a few
 * instructions; a batch takes the cache's lock once; a slab is a page allocation.
 *
 * Constructors run once per object when its slab is made and destructors when it is
 * destroyed (CT-07); in between an object must be freed as it was constructed.
 *
 * Invariants (validate_slab checks them all), under the lock:
 *	(I1) a slab is on slabs_full, slabs_partial or slabs_free as inuse is num, between, 0
 *	(I2) free and bufctl[] chain exactly num - inuse distinct objects
 *	(I3) each page of a slab has PG_slab and points to the cache and the slab
 *	(I4) active_objs is the sum of inuse, nr_slabs the slabs on all lists
 *	(I5) on slabs_free those in ZONE_DMA stand behind all others
 *
 * Locking: cache_chain_sem for the chain and array sizes; then cache->spinlock
 * (RANK_SLAB, interrupts off) for lists, descriptors and statistics. Neither is held
 * while pages or descriptors are allocated, so the allocator may be asked for memory
 * while it grows (SL-67).
 *
 * Failure: growing without memory returns what it has taken and the caller gets NULL.
 * Creating unwinds the same way. A wrong free is reported and ignored.
 * Observability: /proc/slabinfo; the statistics in struct kmem_cache.
 */
#include "slab_internal.h"
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>
#include <pagoda/string.h>
#include <pagoda/vmstat.h>

/* Waste of more than this part of a slab makes the next order worth a try (SL-22). */
#define MAX_WASTE_SHARE 8

struct mutex cache_chain_sem;
unsigned long free_mark, always_marked; /* (C) after boot */

kmem_cache_t cache_cache = {
	.flags = SLAB_NO_REAP,
	.objsize = ALIGN(sizeof(kmem_cache_t), SMP_CACHE_BYTES),
	.user_size = sizeof(kmem_cache_t),
	.align = SMP_CACHE_BYTES,
	.colour_off = SMP_CACHE_BYTES,
	.spinlock = SPIN_LOCK_INIT(RANK_SLAB),
	.slabs_full = LIST_HEAD_INIT(cache_cache.slabs_full),
	.slabs_free = LIST_HEAD_INIT(cache_cache.slabs_free),
	.next = LIST_HEAD_INIT(cache_cache.next),
	.name = "kmem_cache",
};

/* ---- Pages and descriptors of a slab ------------------------------------------------- */

/* Pages for one slab, marked as such, or NULL. Slabs are addressed directly, so never high ones. */
static struct page *kmem_getpages(kmem_cache_t *cachep, gfp_t flags)
{
	struct page *page = alloc_pages((flags | cachep->gfpflags) & ~(__GFP_ZERO | __GFP_HIGHMEM),
					cachep->gfporder);

	for (unsigned long i = 0; page && i < 1ul << cachep->gfporder; i++) {
		VM_BUG_ON_PAGE(PageSlab(page + i), page + i);
		PageSetSlab(page + i);
	}
	return page;
}

/*
 * Give a slab's pages back. The pointers to cache and slab share their words with page->private,
 * so they must go before the page allocator looks at the page.
 */
static void kmem_freepages(kmem_cache_t *cachep, struct page *page)
{
	for (unsigned long i = 0; i < 1ul << cachep->gfporder; i++) {
		VM_BUG_ON_PAGE(!PageSlab(page + i), page + i);
		page[i].list = (struct list_head){NULL, NULL};
		PageClearSlab(page + i);
	}
	__free_pages(page, cachep->gfporder);
}

/*
 * Make the descriptor for a slab on these pages, whose objects (on-slab: whose descriptor) start
 * offset bytes into it, the colour. NULL: there was no memory for an off-slab descriptor.
 */
static slab_t *kmem_cache_slabmgmt(kmem_cache_t *cachep, struct page *page, unsigned int offset,
				   gfp_t flags)
{
	char *start = page_address(page);
	slab_t *slabp;

	if (cachep->flags & CFLGS_OFF_SLAB) {
		slabp = kmem_cache_alloc(cachep->slabp_cache, flags & ~(__GFP_ZERO | SLAB_DMA));
		if (!slabp)
			return NULL;
		slabp->s_mem = start + offset;
	} else {
		size_t mgmt = sizeof(slab_t) + cachep->num * sizeof(kmem_bufctl_t);

		slabp = (slab_t *)(start + offset);
		slabp->s_mem = start + offset + ALIGN(mgmt, cachep->align);
	}
	slabp->page = page;
	slabp->inuse = 0;
	slabp->colouroff = (u16)offset;
	return slabp;
}

/* The caller's object in the space of an object, which may begin with a red zone. */
static void *user_object(const kmem_cache_t *cachep, void *raw)
{
	return (char *)raw + cachep->user_offset;
}

/*
 * Construct the objects of a new slab and chain them all as free, the first one in front. A cache
 * with marks has no constructor: there the mark says that the object is on its slab's chain.
 */
static void kmem_cache_init_objs(kmem_cache_t *cachep, slab_t *slabp, unsigned long ctor_flags)
{
	VM_BUG_ON(!cachep->num || (cachep->has_marks && cachep->ctor));
	for (unsigned int i = 0; i < cachep->num; i++) {
		void *raw = index_object(cachep, slabp, i);

		if (cachep->flags & SLAB_DEBUG_FLAGS)
			slab_debug_init_object(cachep, raw);
		if (cachep->ctor)
			cachep->ctor(user_object(cachep, raw), cachep, ctor_flags);
		if (cachep->has_marks)
			*mark_word(cachep, raw) = ~mark_of(mark_word(cachep, raw));
		slab_bufctl(slabp)[i] = i + 1;
	}
	slab_bufctl(slabp)[cachep->num - 1] = BUFCTL_END;
	slabp->free = 0;
}

/*
 * Destroy a slab without objects in use that the caller has taken off its list. No lock is held:
 * destructors may take locks, and the page allocator takes its own. kfree() must forget objects of
 * these pages before the pages are free and may become another cache's slab.
 */
static void kmem_slab_destroy(kmem_cache_t *cachep, slab_t *slabp)
{
	struct page *page = slabp->page;

	VM_BUG_ON(slabp->inuse);
	VM_BUG_ON_PAGE(page->lru.next, page); /* on no list */
	VM_BUG_ON_PAGE(GET_PAGE_CACHE(page) != cachep || GET_PAGE_SLAB(page) != slabp,
		       page); /* (I3) */
	if (cachep->flags & SLAB_DEBUG_FLAGS)
		slab_debug_check_slab(cachep, slabp);
	if (cachep->dtor)
		for (unsigned int i = 0; i < cachep->num; i++)
			cachep->dtor(user_object(cachep, index_object(cachep, slabp, i)), cachep,
				     0);
	if (cachep->flags & CFLGS_OFF_SLAB)
		kmem_cache_free(cachep->slabp_cache, slabp);
	kfree_forget(page_address(page), PAGE_SIZE << cachep->gfporder);
	kmem_freepages(cachep, page);
}

/*
 * Announce growth and choose the colour of the new slab, in bytes. While cachep->growing is set no
 * slab of the cache is reaped: the memory would be taken from a cache that is just asking for more.
 */
static unsigned int begin_growth(kmem_cache_t *cachep)
{
	unsigned long flags;
	unsigned int colour;

	spin_lock_irqsave(&cachep->spinlock, flags);
	VM_BUG_ON(cachep->colour_next > cachep->colour);
	cachep->dflags |= DFLGS_GROWN;
	cachep->growing++;
	colour = cachep->colour_next++;
	if (cachep->colour_next > cachep->colour)
		cachep->colour_next = 0; /* the highest colour is used, too (CT-06) */
	spin_unlock_irqrestore(&cachep->spinlock, flags);
	return colour * cachep->colour_off;
}

/* Are there free slabs outside ZONE_DMA? Those inside it stand at the end (I5). */
static bool first_free_is_normal(const kmem_cache_t *cachep)
{
	lockdep_assert_held(&cachep->spinlock);
	return !list_empty(&cachep->slabs_free) &&
	       !page_in_dma_zone(list_first_entry(&cachep->slabs_free, struct page, lru));
}

/*
 * The last one freed is used first, but slabs in ZONE_DMA stand behind all others: that memory is
 * used last, and a request for it finds what helps it at the end of the list, however many slabs do
 * not (FX-07).
 */
static void add_free_slab(kmem_cache_t *cachep, slab_t *slabp)
{
	lockdep_assert_held(&cachep->spinlock);
	if (page_in_dma_zone(slabp->page) && first_free_is_normal(cachep))
		list_add_tail(&slabp->page->lru, &cachep->slabs_free);
	else
		list_add(&slabp->page->lru, &cachep->slabs_free);
	cachep->nr_free_slabs++;
}

/* Growth is over: add the new slab to the free ones. slabp is NULL if there was no memory. */
static void end_growth(kmem_cache_t *cachep, slab_t *slabp)
{
	unsigned long flags;

	spin_lock_irqsave(&cachep->spinlock, flags);
	VM_BUG_ON(!cachep->growing);
	cachep->growing--;
	if (slabp) {
		add_free_slab(cachep, slabp);
		cachep->nr_slabs++;
		cachep->grown++;
	} else {
		cachep->failures++;
	}
	spin_unlock_irqrestore(&cachep->spinlock, flags);
}

/*
 * No lock is held while pages and the descriptor are allocated. So the allocator may reclaim, which
 * may reap caches, this one included (it is passed over, as it is growing), and several CPUs may
 * grow the same cache at once, which costs a slab more than needed.
 */
int kmem_cache_grow(kmem_cache_t *cachep, gfp_t flags)
{
	unsigned long ctor_flags =
		SLAB_CTOR_CONSTRUCTOR | (flags & __GFP_WAIT ? 0 : SLAB_CTOR_ATOMIC);
	unsigned int offset = begin_growth(cachep);
	struct page *page = kmem_getpages(cachep, flags);
	slab_t *slabp = NULL;

	if (!page)
		goto out;
	slabp = kmem_cache_slabmgmt(cachep, page, offset, flags);
	if (!slabp) {
		kmem_freepages(cachep, page);
		goto out;
	}
	for (unsigned long i = 0; i < 1ul << cachep->gfporder; i++) {
		SET_PAGE_CACHE(page + i, cachep);
		SET_PAGE_SLAB(page + i, slabp);
	}
	kmem_cache_init_objs(cachep, slabp, ctor_flags);
	count_vm_event(slab_grow);
out:
	end_growth(cachep, slabp);
	return slabp != NULL;
}

/* ---- Objects in and out of slabs ------------------------------------------------------- */

/*
 * Partial slabs are kept by the CPU that took objects from them last (page->index), and their
 * objects come back to its list, whichever CPU frees them. As long as each CPU uses its own, no two
 * write to the same lines, pages and descriptors in turn, which costs more than all the
 * rest here: `./pagoda bench alloc`'s mixed workload on two CPUs is a fifth slower without.
 */
static struct list_head *home_list(kmem_cache_t *cachep, const struct page *page)
{
	return &cachep->slabs_partial[page->index];
}

/* A partial slab of any CPU, or NULL. Locks: cachep->spinlock held. */
static slab_t *any_partial_slab(kmem_cache_t *cachep) MUST_HOLD(&cachep->spinlock)
{
	lockdep_assert_held(&cachep->spinlock);
	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++)
		if (!list_empty(&cachep->slabs_partial[cpu]))
			return list_slab(cachep->slabs_partial[cpu].next);
	return NULL;
}

/* Less than half of the objects are in use: using other CPUs' slabs saves more than it costs. */
static bool is_sparse(const kmem_cache_t *cachep) MUST_HOLD(&cachep->spinlock)
{
	lockdep_assert_held(&cachep->spinlock);
	return cachep->active_objs < cachep->nr_slabs * cachep->num / 2;
}

/*
 * A partial, then a free slab (SL-29). Those of other CPUs only if there are many free
 * objects, or as a last resort. NULL: a new slab is needed (SL-23).
 */
static slab_t *choose_slab(kmem_cache_t *cachep, bool last_resort) MUST_HOLD(&cachep->spinlock)
{
	struct list_head *own = &cachep->slabs_partial[port_cpu_id()];

	if (!list_empty(own))
		return list_slab(own->next);
	if (!list_empty(&cachep->slabs_free))
		return list_slab(cachep->slabs_free.next);
	return last_resort || is_sparse(cachep) ? any_partial_slab(cachep) : NULL;
}

/*
 * Take up to nr objects of a slab that is not full, in the order of its chain, and move the slab to
 * the list that it belongs on afterwards (I1). The entry of an object that is out keeps BUFCTL_OUT,
 * by which a second free of it is found. Return: how many. Locks: cachep->spinlock held.
 */
static unsigned int kmem_cache_alloc_one_tail(kmem_cache_t *cachep, slab_t *slabp, void **objs,
					      unsigned int nr) MUST_HOLD(&cachep->spinlock)
{
	kmem_bufctl_t *bufctl = slab_bufctl(slabp), i = slabp->free;
	unsigned int n = 0;

	lockdep_assert_held(&cachep->spinlock);
	VM_BUG_ON(slabp->inuse >= cachep->num); /* not full */
	for (; n < nr && i != BUFCTL_END; n++) {
		kmem_bufctl_t next = bufctl[i];

		VM_BUG_ON(i >= cachep->num || next & BUFCTL_OUT); /* (I2) */
		bufctl[i] = next | BUFCTL_OUT;
		objs[n] = index_object(cachep, slabp, i);
		i = next;
	}
	slabp->free = i;
	if (!slabp->inuse)
		cachep->nr_free_slabs--;
	if (i == BUFCTL_END)
		list_move(&slabp->page->lru, &cachep->slabs_full);
	else if (!slabp->inuse || slabp->page->index != port_cpu_id())
		list_move(&slabp->page->lru, &cachep->slabs_partial[port_cpu_id()]);
	slabp->page->index = port_cpu_id();
	slabp->inuse = (u16)(slabp->inuse + n);
	VM_BUG_ON((i == BUFCTL_END) != (slabp->inuse == cachep->num)); /* (I2) */
	return n;
}

static __cold void bad_object(kmem_cache_t *cachep, const void *obj, const char *what)
{
	cachep->errors++;
	report_bug("slab: cache %s: object %p %s", cachep->name, obj, what);
}

unsigned int kmem_cache_alloc_batch(kmem_cache_t *cachep, void **objs, unsigned int nr,
				    bool last_resort) MUST_HOLD(&cachep->spinlock)
{
	unsigned int n = 0;
	slab_t *slabp;

	lockdep_assert_held(&cachep->spinlock);
	while (n < nr && (slabp = choose_slab(cachep, last_resort)) != NULL)
		n += kmem_cache_alloc_one_tail(cachep, slabp, objs + n, nr - n);
	cachep->active_objs += n;
	VM_BUG_ON(cachep->active_objs > cachep->nr_slabs * cachep->num); /* (I4) */
	if (cachep->active_objs > cachep->high_mark)
		cachep->high_mark = cachep->active_objs;
	return n;
}

/*
 * An object was taken off its slab's chain: change its mark from "on the chain" to "in an array".
 * False: the mark was another, so the object was freed twice or written to after it was freed.
 */
static bool leaves_chain(kmem_cache_t *cachep, void *obj)
{
	unsigned long *mark = mark_word(cachep, obj);
	bool was_free = *mark == ~mark_of(mark);

	*mark = mark_of(mark);
	if (unlikely(!was_free))
		bad_object(cachep, obj, "freed twice, or changed while free");
	return was_free;
}

unsigned int sort_out_batch(kmem_cache_t *cachep, void **objs, unsigned int nr)
{
	unsigned int good = 0;

	if (!cachep->has_marks)
		return nr;
	for (unsigned int i = 0; i < nr; i++)
		if (likely(leaves_chain(cachep, objs[i])))
			objs[good++] = objs[i];
	return good;
}

/*
 * Put one object back on its slab's chain, unless it is not the start of an object, or is on the
 * chain already: a chain that names an object twice would hand it to two owners. The caller
 * (free_block) holds the lock.
 */
static void kmem_cache_free_one(kmem_cache_t *cachep, void *obj)
{
	slab_t *slabp = GET_PAGE_SLAB(virt_to_page(obj));
	unsigned int objnr = object_index(cachep, slabp, obj);

	lockdep_assert_held(&cachep->spinlock);
	if (unlikely(objnr >= cachep->num || index_object(cachep, slabp, objnr) != obj)) {
		bad_object(cachep, obj, "is not the start of an object");
		return;
	}
	if (cachep->has_marks)
		*mark_word(cachep, obj) = ~mark_of(mark_word(cachep, obj));
	if (unlikely(!(slab_bufctl(slabp)[objnr] & BUFCTL_OUT))) {
		bad_object(cachep, obj, "freed twice");
		return;
	}
	VM_BUG_ON(!slabp->inuse || slabp->inuse > cachep->num);
	VM_BUG_ON(!cachep->active_objs); /* (I4) */
	slab_bufctl(slabp)[objnr] = slabp->free;
	slabp->free = objnr;
	cachep->active_objs--;
	/* The slab changes its list if it got empty, or if it was full until now (I1). */
	if (--slabp->inuse == 0) {
		list_del(&slabp->page->lru);
		add_free_slab(cachep, slabp);
	} else if (slab_bufctl(slabp)[objnr] == BUFCTL_END) {
		list_move(&slabp->page->lru, home_list(cachep, slabp->page)); /* it was full */
	}
}

void free_block(kmem_cache_t *cachep, void **objs, unsigned int nr)
{
	lockdep_assert_held(&cachep->spinlock);
	while (nr--)
		kmem_cache_free_one(cachep, *objs++);
}

/* ---- Public: objects --------------------------------------------------------------------- */

/*
 * Request and cache must agree on DMA memory (SL-39): the cache alone decides where its slabs lie,
 * so a request for DMA memory from another cache would silently get memory that a device cannot
 * reach. Checked in debugging caches, as it costs the fast path nothing there.
 */
static void kmem_cache_alloc_head(const kmem_cache_t *cachep, gfp_t flags, void *caller)
{
	if (!(flags & SLAB_DMA) != !(cachep->gfpflags & GFP_DMA))
		report_bug("slab: cache %s: request with%s SLAB_DMA, by %p", cachep->name,
			   flags & SLAB_DMA ? "" : "out", caller);
}

static __cold void freed_twice(kmem_cache_t *cachep, const void *obj, void *caller)
{
	cachep->errors++;
	report_bug("slab: cache %s: object %p freed twice, or changed while free; found by %p",
		   cachep->name, obj, caller);
}

/* Does the free object still have its mark? In caches without marks every object has one. */
static bool is_marked(const kmem_cache_t *cachep, void *obj)
{
	const unsigned long *word = mark_word(cachep, obj);

	return !cachep->has_marks || *word == mark_of(word);
}

/*
 * Take a free object from the array or from a slab. An object without its mark was freed twice and
 * may be in use already: report it and take the next one, so that it gets no second owner.
 */
static void *take_object(kmem_cache_t *cachep, gfp_t flags, void *caller)
{
	for (;;) {
		void *obj = cpucache_take(cachep);

		if (!obj)
			obj = cpucache_alloc_slow(cachep, flags);
		if (likely(!obj || is_marked(cachep, obj)))
			return obj;
		freed_twice(cachep, obj, caller);
	}
}

/*
 * Every allocation that the quick path does not serve: the array is empty, or the cache has a
 * constructor, debugging, or objects too small for a mark, or the memory must be zeroed.
 */
noinline void *alloc_object_slow(kmem_cache_t *cachep, gfp_t flags, void *caller)
{
	void *obj = take_object(cachep, flags, caller);

	if (!obj)
		return NULL;
	if (cachep->has_marks)
		*mark_word(cachep, obj) = 0;
	if (cachep->flags & SLAB_DEBUG_FLAGS) {
		kmem_cache_alloc_head(cachep, flags, caller);
		obj = slab_debug_alloc(cachep, obj, caller);
	}
	if (flags & __GFP_ZERO)
		memset(obj, 0, cachep->user_size);
	return obj;
}

void *kmem_cache_alloc(kmem_cache_t *cachep, gfp_t flags)
{
	if (flags & __GFP_WAIT)
		might_sleep();
	if (unlikely(port_watched() && port_should_fail("kmem_cache_alloc")))
		return NULL;
	if (unlikely(flags & __GFP_ZERO))
		return alloc_object_slow(cachep, flags, __builtin_return_address(0));
	return __kmem_cache_alloc(cachep, flags);
}

noinline void free_object_slow(kmem_cache_t *cachep, void *obj, void *caller)
{
	if (cachep->flags & SLAB_DEBUG_FLAGS) {
		obj = slab_debug_free(cachep, obj, caller);
		if (!obj)
			return;
	} else if (unlikely((unsigned long)obj & (cachep->align - 1))) {
		cachep->errors++;
		report_bug("slab: cache %s: object %p is not the start of an object, by %p",
			   cachep->name, obj, caller);
		return;
	}
	if (cachep->has_marks)
		*mark_word(cachep, obj) = mark_of(mark_word(cachep, obj));
	/* The array may be full, or a handler may have emptied it in between: either is fine. */
	if (!cpucache_put(cachep, obj))
		cpucache_free_slow(cachep, obj);
}

void kmem_cache_free(kmem_cache_t *cachep, void *obj)
{
	struct page *page = object_page(obj);

	if (unlikely(!page || GET_PAGE_CACHE(page) != cachep)) {
		report_bug("slab: cache %s: object %p is of %s, by %p", cachep->name, obj,
			   page ? GET_PAGE_CACHE(page)->name : "no cache",
			   __builtin_return_address(0));
		return;
	}
	__kmem_cache_free(cachep, obj);
}

/* ---- Making a cache (SL-03) ----------------------------------------------------------------- */

/*
 * How many objects fit into a slab of 2^gfporder pages, and how many bytes are left over. The first
 * estimate ignores that the first object is aligned behind the index array, so it may be too high
 * by the objects that the padding displaces.
 */
void kmem_cache_estimate(unsigned int gfporder, size_t size, size_t align, unsigned long flags,
			 size_t *left_over, unsigned int *num)
{
	size_t space = PAGE_SIZE << gfporder, base = 0, extra = 0;
	unsigned int n;

	VM_BUG_ON(!size || !align || align & (align - 1));
	if (!(flags & CFLGS_OFF_SLAB)) {
		base = sizeof(slab_t);
		extra = sizeof(kmem_bufctl_t);
	}
	n = (unsigned int)((space - base) / (size + extra));
	while (n && ALIGN(base + n * extra, align) + n * size > space)
		n--;
	*num = n;
	*left_over = space - ALIGN(base + n * extra, align) - n * size;
}

/*
 * Choose the order of the slabs and the number of objects in each: the smallest order that wastes
 * little, as larger blocks are harder to get, but no more than BREAK_SLAB_ORDER unless a single
 * object needs it. Return: the bytes left over, which become colours.
 */
static size_t layout_slab(kmem_cache_t *cachep, size_t size, size_t align, unsigned long flags)
{
	/* Descriptors of off-slab caches must fit an on-slab size cache (SL-18). */
	const unsigned int off_slab_limit =
		(OFF_SLAB_MIN_BYTES - sizeof(slab_t)) / sizeof(kmem_bufctl_t);
	size_t left_over = 0;
	unsigned int num = 0;

	for (unsigned int order = 0; order <= MAX_SLAB_ORDER; order++) {
		size_t left;
		unsigned int n;

		kmem_cache_estimate(order, size, align, flags, &left, &n);
		if (!n)
			continue;
		if (num && (flags & CFLGS_OFF_SLAB) && n > off_slab_limit)
			break;
		num = n;
		left_over = left;
		cachep->gfporder = order;
		if (order >= BREAK_SLAB_ORDER || left * MAX_WASTE_SHARE <= PAGE_SIZE << order)
			break;
	}
	cachep->num = num;
	return left_over;
}

/*
 * Fill in a zeroed descriptor. size is the distance of objects, red zones included; offset the
 * caller's wish for the unit of colour, 0 if it has none. Afterwards no CPU has an array yet.
 */
static void init_cache(kmem_cache_t *cachep, const char *name, size_t size, size_t offset,
		       size_t align, unsigned long flags)
{
	size_t left_over, unit = flags & SLAB_HWCACHE_ALIGN ? SMP_CACHE_BYTES : BYTES_PER_WORD;

	left_over = layout_slab(cachep, size, align, flags);
	unit = ALIGN(offset ? offset : unit, align);
	cachep->objsize = (unsigned int)size;
	cachep->reciprocal = (unsigned int)((1ull << 32) / size + 1);
	/* Multiplying by the reciprocal must give the number of every object (object_index). */
	VM_BUG_ON(cachep->num &&
		  (u64)(cachep->num - 1) * size * cachep->reciprocal >> 32 != cachep->num - 1);
	cachep->align = (unsigned int)align;
	cachep->colour_off = (unsigned int)unit;
	cachep->colour = (unsigned int)(left_over / unit);
	cachep->flags = flags;
	cachep->has_marks = !(flags & SLAB_DEBUG_FLAGS) && !cachep->ctor;
	cachep->mark_offset = size >= MARK_OFFSET + BYTES_PER_WORD ? MARK_OFFSET : 0;
	cachep->slow_bits = cachep->has_marks && cachep->mark_offset ? align - 1 : ~0ul;
	cachep->gfpflags = flags & SLAB_CACHE_DMA ? GFP_DMA : 0;
	spin_lock_init(&cachep->spinlock, RANK_SLAB);
	INIT_LIST_HEAD(&cachep->slabs_full);
	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++)
		INIT_LIST_HEAD(&cachep->slabs_partial[cpu]);
	INIT_LIST_HEAD(&cachep->slabs_free);
	pagoda_strlcpy(cachep->name, name, sizeof(cachep->name));
	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++)
		(void)set_cpucache(cachep, cpu, &no_cpucache); /* there was none */
}

/* The cache of this name, or NULL. Locks: cache_chain_sem held. */
static kmem_cache_t *find_cache(const char *name) MUST_HOLD(&cache_chain_sem)
{
	kmem_cache_t *cachep;

	lockdep_assert_held(&cache_chain_sem);
	for_each_cache(cachep)
		if (strcmp(cachep->name, name) == 0)
			return cachep;
	return NULL;
}

/* What is wrong with the arguments of kmem_cache_create(), as a text, or NULL (SL-02). */
static const char *creation_error(const char *name, size_t size, size_t offset, unsigned long flags,
				  bool has_ctor, bool has_dtor)
{
	unsigned long allowed = CREATE_MASK | (slab_debug_enabled() ? SLAB_DEBUG_FLAGS : 0);

	if (!name || !*name || strnlen(name, CACHE_NAMELEN) == CACHE_NAMELEN)
		return "bad name";
	if (size < BYTES_PER_WORD || size > PAGE_SIZE << MAX_SLAB_ORDER)
		return "bad size";
	if (offset > size)
		return "bad offset";
	if (flags & ~allowed)
		return "unknown flags";
	if (has_dtor && !has_ctor)
		return "destructor without constructor";
	return NULL;
}

/* Link a finished cache into the chain. -EEXIST: another cache has its name. */
static int chain_cache(kmem_cache_t *cachep)
{
	int error = -EEXIST;

	mutex_lock(&cache_chain_sem);
	if (!find_cache(cachep->name)) {
		list_add_tail(&cachep->next, &cache_cache.next);
		error = 0;
	}
	mutex_unlock(&cache_chain_sem);
	return error;
}

kmem_cache_t *create_cache(const char *name, size_t size, size_t offset, size_t align,
			   unsigned long flags,
			   void (*ctor)(void *obj, kmem_cache_t *cache, unsigned long flags),
			   void (*dtor)(void *obj, kmem_cache_t *cache, unsigned long flags))
{
	kmem_cache_t *cachep = kmem_cache_alloc(&cache_cache, GFP_KERNEL | __GFP_ZERO);

	if (!cachep)
		return NULL;
	/*
	 * Debugging of caches that the boot option names. What does not go together with a cache is
	 * left out silently, so that the option can be given for all caches at once.
	 */
	flags |= slab_debug_flags(name);
	if (ctor)
		flags &= ~SLAB_POISON; /* poison would undo the construction */
	if (size > (PAGE_SIZE << MAX_SLAB_ORDER) - RED_ZONE_BYTES)
		flags &= ~SLAB_RED_ZONE; /* the largest size has no room for zones */
	if (flags & SLAB_DEBUG_FLAGS)
		align = min(align, 2 * BYTES_PER_WORD);
	slab_debug_layout(cachep, &size, flags);
	size = ALIGN(size, align);
	if (size > OFF_SLAB_MIN_BYTES)
		flags |= CFLGS_OFF_SLAB;
	cachep->ctor = ctor;
	cachep->dtor = dtor;
	init_cache(cachep, name, size, offset, align, flags);
	if (flags & CFLGS_OFF_SLAB)
		cachep->slabp_cache = kmem_find_general_cachep(
			sizeof(slab_t) + cachep->num * sizeof(kmem_bufctl_t), 0);
	if (!cachep->num || chain_cache(cachep)) {
		report_bug("slab: cache %s: name in use, or objects too large with these flags",
			   name);
		kmem_cache_free(&cache_cache, cachep);
		return NULL;
	}
	mutex_lock(&cache_chain_sem); /* as for all resizes */
	enable_cpucache(cachep);
	mutex_unlock(&cache_chain_sem);
	return cachep;
}

/* Objects of at most half a cache line share one, in equal parts, so that none straddles two. */
static size_t hwcache_alignment(size_t size)
{
	size_t align = SMP_CACHE_BYTES;

	while (align > BYTES_PER_WORD && size <= align / 2)
		align /= 2;
	return align;
}

kmem_cache_t *kmem_cache_create(const char *name, size_t size, size_t offset, unsigned long flags,
				void (*ctor)(void *obj, kmem_cache_t *cache, unsigned long flags),
				void (*dtor)(void *obj, kmem_cache_t *cache, unsigned long flags))
{
	const char *error = creation_error(name, size, offset, flags, ctor != NULL, dtor != NULL);
	size_t align = BYTES_PER_WORD;

	might_sleep();
	if (error) {
		report_bug("kmem_cache_create: %s: %s, size %zu flags %#lx, by %p",
			   name ? name : "(null)", error, size, flags, __builtin_return_address(0));
		return NULL;
	}
	if (flags & (SLAB_HWCACHE_ALIGN | SLAB_MUST_HWCACHE_ALIGN))
		align = hwcache_alignment(size);
	return create_cache(name, size, offset, align, flags, ctor, dtor);
}

/* ---- Shrinking and destroying ---------------------------------------------------------------- */

/*
 * Take one free slab off its list, unless the cache is growing or no free slab helps (SL-52). If
 * not every slab helps, those that do are the ones in ZONE_DMA, at the end of the list (I5): the
 * last one answers for all. Return: the slab, on no list any more, or NULL.
 */
static slab_t *take_free_slab(kmem_cache_t *cachep,
			      bool (*helps)(const struct page *page, gfp_t gfp_mask), gfp_t gfp)
{
	struct page *found = NULL;
	unsigned long flags;

	spin_lock_irqsave(&cachep->spinlock, flags);
	if (!cachep->growing && !list_empty(&cachep->slabs_free))
		found = helps ? list_last_entry(&cachep->slabs_free, struct page, lru)
			      : list_first_entry(&cachep->slabs_free, struct page, lru);
	if (found && helps && !helps(found, gfp))
		found = NULL;
	if (found) {
		VM_BUG_ON(GET_PAGE_SLAB(found)->inuse);			/* (I1) */
		VM_BUG_ON(!cachep->nr_slabs || !cachep->nr_free_slabs); /* (I4) */
		list_del(&found->lru);
		cachep->nr_slabs--;
		cachep->nr_free_slabs--;
		cachep->reaped++;
	}
	spin_unlock_irqrestore(&cachep->spinlock, flags);
	return found ? GET_PAGE_SLAB(found) : NULL;
}

/* The lock is taken anew for each slab, so allocations are not held up by a long list. */
unsigned long destroy_free_slabs(kmem_cache_t *cachep, unsigned long nr,
				 bool (*helps)(const struct page *page, gfp_t gfp_mask), gfp_t gfp)
{
	unsigned long pages = 0;

	while (nr--) {
		slab_t *slabp = take_free_slab(cachep, helps, gfp);

		if (!slabp)
			break;
		kmem_slab_destroy(cachep, slabp);
		count_vm_event(slab_reap);
		pages += 1ul << cachep->gfporder;
	}
	return pages;
}

/* Objects in the CPUs' arrays keep their slabs from being free, so the arrays are emptied first. */
bool __kmem_cache_shrink(kmem_cache_t *cachep, unsigned long *pages_freed)
{
	unsigned long flags;
	bool empty;

	drain_cpu_caches(cachep);
	*pages_freed = destroy_free_slabs(cachep, ~0ul, NULL, 0);
	spin_lock_irqsave(&cachep->spinlock, flags);
	empty = list_empty(&cachep->slabs_full) && !any_partial_slab(cachep);
	spin_unlock_irqrestore(&cachep->spinlock, flags);
	return empty;
}

int kmem_cache_shrink(kmem_cache_t *cachep)
{
	unsigned long pages;

	might_sleep();
	(void)__kmem_cache_shrink(cachep, &pages); /* objects in use are no error here */
	return (int)pages;
}

/*
 * The cache leaves the chain before it is emptied, and returns to it if an object is still in use:
 * the caller's error must not end in a chain that names a freed descriptor.
 */
int kmem_cache_destroy(kmem_cache_t *cachep)
{
	unsigned long pages;

	might_sleep();
	mutex_lock(&cache_chain_sem);
	VM_BUG_ON(cachep ==
		  &cache_cache); /* it has no destroyer: its objects are all other caches */
	list_del(&cachep->next); /* from here on no reaping or growth of arrays finds it */
	if (!__kmem_cache_shrink(cachep, &pages)) {
		list_add_tail(&cachep->next, &cache_cache.next);
		mutex_unlock(&cache_chain_sem);
		report_bug("kmem_cache_destroy: %s: objects in use, by %p", cachep->name,
			   __builtin_return_address(0));
		return -EBUSY;
	}
	VM_BUG_ON(cachep->nr_slabs || cachep->active_objs);
	kmem_reap_forget(cachep);
	mutex_unlock(&cache_chain_sem);
	free_cpucaches(cachep);
	kmem_cache_free(&cache_cache, cachep);
	return 0;
}

/* ---- Boot ------------------------------------------------------------------------------------ */

/*
 * cache_cache comes first, as all other caches are its objects. It is filled in statically as far
 * as init_cache() relies on it, and gets arrays later, when kmalloc() works. The marks' number
 * differs from boot to boot, so that no constant in a program is a mark by accident.
 */
void kmem_cache_init(unsigned long seed)
{
	mutex_init(&cache_chain_sem, RANK_NONE);
	free_mark = (seed | 1) * 0x9e3779b97f4a7c15ul;
	always_marked = mark_of(&always_marked);
	init_cache(&cache_cache, "kmem_cache", cache_cache.objsize, 0, SMP_CACHE_BYTES,
		   SLAB_NO_REAP | SLAB_HWCACHE_ALIGN);
}
