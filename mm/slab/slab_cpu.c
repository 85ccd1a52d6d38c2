/* SPDX-License-Identifier: MIT */
/*
 * slab_cpu.c: each CPU's array of free objects in front of a cache's slabs.
 *
 *	cpudata[cpu] -> | misses limit avail+hits | obj obj obj ... |
 *						    0       avail-1  <- taken and put here
 *
 * Taking and putting touch no shared line and need no lock, only interrupts off (SL-54).
 * An empty array is filled with batchcount objects under the cache's lock, a full one
 * gives batchcount back: the oldest, which are the coldest. Where a cache has no
 * array (before kmalloc works, objects above a page, "slab_percpu=off") no_cpucache
 * stands in: it is always empty and always full, so that every call takes the slow path
 * and the fast path needs no test of its own.
 *
 * A CPU that comes up after the cache was made works without one until
 * enable_all_cpucaches() is called again (mm_start_threads()).
 *
 * Changing sizes: new arrays are made first; then every CPU swaps its own pointer, with
 * interrupts off, and leaves the old array to the caller, which returns its objects to the
 * slabs (SL-59). An array is thus only ever seen by its CPU or, unhooked, by one task.
 *
 * Locking: cachep->spinlock for the slabs; cache_chain_sem against two resizes at once.
 * Invariants: (I1) cpudata[cpu] is never NULL, and avail is at most limit. (I2) an object is in one
 * array, on its slab's chain, or in use.
 *
 * Failure: without memory for an array the CPU goes on without one; a resize that
 * cannot get all arrays changes nothing.
 * Observability: allocmiss, freemiss and direct_allocs count what the arrays did not serve.
 */
#include "slab_internal.h"
#include <pagoda/init.h>
#include <pagoda/boot_option.h>
#include <pagoda/bug.h>
#include <pagoda/errno.h>

/* How many objects an array holds, by the size of the objects (SL-57). None above a page. */
static const struct {
	unsigned int max_objsize, limit;
} cpucache_limits[] = {{256, 252}, {1024, 124}, {PAGE_SIZE, 60}};

cpucache_t no_cpucache;

/* No arrays before the size caches exist (SL-58). */
static bool g_cpucache_up;

/* The length of the arrays that this cache gets; 0: none. */
static unsigned int limit_for(const kmem_cache_t *cachep)
{
	const char *value;

	/* Every free must reach the slab at once to be checked there. */
	if (cachep->flags & SLAB_DEBUG_FREE)
		return 0;
	if (boot_option("slab_percpu", &value) && value[0] == 'o' && value[1] == 'f')
		return 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(cpucache_limits); i++)
		if (cachep->objsize <= cpucache_limits[i].max_objsize)
			return cpucache_limits[i].limit;
	return 0;
}

static cpucache_t *new_cpucache(unsigned int limit)
{
	cpucache_t *cc = kmalloc(sizeof(*cc) + limit * sizeof(void *), GFP_KERNEL | __GFP_NOWARN);

	if (cc)
		*cc = (cpucache_t){.limit = limit};
	return cc;
}

/* ---- The slow paths -------------------------------------------------------------------- */

/*
 * Take an object from the slabs where there is no array; NULL if no slab has one. An object that
 * sort_out_batch() rejects was freed twice: it is dropped, and the next one is tried.
 * Context: interrupts off.
 */
static void *take_directly(kmem_cache_t *cachep, bool last_resort)
{
	void *obj;
	unsigned int nr;

	lockdep_assert_irqs_disabled();
	do {
		spin_lock(&cachep->spinlock);
		nr = kmem_cache_alloc_batch(cachep, &obj, 1, last_resort);
		cachep->direct_allocs += nr;
		spin_unlock(&cachep->spinlock);
	} while (nr && !sort_out_batch(cachep, &obj, 1));
	return nr ? obj : NULL;
}

/*
 * Fill the empty array with a batch and take one object of it; NULL if no slab has one. The objects
 * are looked at (sort_out_batch) after the lock is dropped: reading each of them may cost a cache
 * miss, and they are ours alone by then. Context: interrupts off.
 */
static void *refill_and_take(kmem_cache_t *cachep, cpucache_t *cc, bool last_resort)
{
	unsigned int nr;

	lockdep_assert_irqs_disabled();
	VM_BUG_ON(cc->avail);
	if (!cc->limit)
		return take_directly(cachep, last_resort);
	do {
		spin_lock(&cachep->spinlock);
		/* batchcount 0: a resize to no arrays is under way and this CPU has one still. */
		nr = clamp(cachep->batchcount, 1u, cc->limit);
		nr = kmem_cache_alloc_batch(cachep, cc_entry(cc), nr, last_resort);
		spin_unlock(&cachep->spinlock);
		VM_BUG_ON(nr > cc->limit); /* (I1) */
		cc->avail = sort_out_batch(cachep, cc_entry(cc), nr);
		cc->state &= ~CC_FRESH;
		cc->taken += cc->avail;
	} while (nr && !cc->avail);
	if (!nr)
		return NULL;
	VM_BUG_ON(cc == &no_cpucache || cc->avail > cc->limit); /* (I1) */
	cc->allocmiss++;
	return cc_entry(cc)[--cc->avail];
}

/* Take an object from the array or, if it is empty, from the slabs; NULL if those have none. */
static void *take_or_refill(kmem_cache_t *cachep, bool last_resort)
{
	unsigned long irq = port_irq_save();
	cpucache_t *cc = cc_data(cachep);
	void *obj;

	/* kmem_cache_grow() may have slept: this may be another CPU, whose array has objects. */
	if (cc->avail)
		obj = cpucache_pop(cc, cc->state);
	else
		obj = refill_and_take(cachep, cc, last_resort);
	port_irq_restore(irq);
	return obj;
}

/*
 * Grow the cache until the slabs have an object. After a successful growth another CPU may take all
 * objects of the new slab first, hence the loop. If there is no memory for another slab, objects
 * are taken from slabs that other CPUs use, as a last resort.
 */
void *cpucache_alloc_slow(kmem_cache_t *cachep, gfp_t flags)
{
	void *obj;

	do {
		obj = take_or_refill(cachep, false);
		if (obj)
			return obj;
	} while (kmem_cache_grow(cachep, flags));
	return take_or_refill(cachep, true);
}

/* Give the oldest batch of a full array back to the slabs. Context: interrupts off. */
static void drain_batch(kmem_cache_t *cachep, cpucache_t *cc)
{
	unsigned int nr;

	lockdep_assert_irqs_disabled();
	VM_BUG_ON(cc->avail != cc->limit);
	/* kmem_tune_cpucache() may change batchcount, to 0 if the cache is to lose its arrays. */
	spin_lock(&cachep->spinlock);
	nr = clamp(cachep->batchcount, 1u, cc->avail);
	free_block(cachep, cc_entry(cc), nr);
	spin_unlock(&cachep->spinlock);
	cc->avail -= nr;
	cc->taken -= nr;
	VM_BUG_ON(cc->avail == cc->limit); /* there is room for the caller's object */
	for (unsigned int i = 0; i < cc->avail; i++)
		cc_entry(cc)[i] = cc_entry(cc)[i + nr];
}

/*
 * The array was full, or there is none. Interrupts were on in between, so a handler, or a move to
 * another CPU, may have left room; then nothing is drained.
 */
void cpucache_free_slow(kmem_cache_t *cachep, void *obj)
{
	unsigned long irq = port_irq_save();
	cpucache_t *cc = cc_data(cachep);

	if (!cc->limit) {
		spin_lock(&cachep->spinlock);
		free_block(cachep, &obj, 1);
		spin_unlock(&cachep->spinlock);
	} else {
		if (cc->avail == cc->limit) {
			drain_batch(cachep, cc);
			cc->freemiss++;
			cc->state -=
				CC_FREEHIT; /* cpucache_push() counts a hit, which this is not */
		}
		cpucache_push(cc, cc->state, obj);
	}
	port_irq_restore(irq);
}

/* ---- On every CPU ----------------------------------------------------------------------- */

/*
 * Run fn with interrupts off on each CPU that is up, this one included. During boot, while
 * interrupts are off for good, this CPU is the only one that uses the cache.
 */
static void smp_call_function_all_cpus(void (*fn)(void *arg), void *arg)
{
	unsigned int nr = port_nr_cpus();

	if (nr == 1 || !port_irqs_enabled()) {
		unsigned long irq = port_irq_save();

		fn(arg);
		port_irq_restore(irq);
		return;
	}
	port_on_each_cpu((1ul << nr) - 1, fn, arg);
}

/* What a resize hands to each CPU, and gets back from it. */
typedef struct ccupdate_struct {
	kmem_cache_t *cachep;
	cpucache_t *new[NR_CPUS];
} ccupdate_struct_t;

/* On each CPU: swap the new array for the old one, which goes back to the caller of the resize. */
static void do_ccupdate_local(void *arg)
{
	ccupdate_struct_t *update = arg;
	unsigned int cpu = port_cpu_id();

	lockdep_assert_irqs_disabled();
	if (update->new[cpu])
		update->new[cpu] = set_cpucache(update->cachep, cpu, update->new[cpu]);
}

/* Give the objects of an array that no CPU uses any more back to the slabs, and free the array. */
static void release_cpucache(kmem_cache_t *cachep, cpucache_t *cc)
{
	unsigned long flags;

	if (!cc || cc == &no_cpucache)
		return;
	VM_BUG_ON(cc->avail > cc->limit);
	spin_lock_irqsave(&cachep->spinlock, flags);
	free_block(cachep, cc_entry(cc), cc->avail);
	spin_unlock_irqrestore(&cachep->spinlock, flags);
	kfree(cc);
}

int kmem_tune_cpucache(kmem_cache_t *cachep, unsigned int limit, unsigned int batchcount)
{
	ccupdate_struct_t update = {.cachep = cachep};
	int error = 0;

	if (batchcount > limit || (limit && !batchcount))
		return -EINVAL;
	for (unsigned int cpu = 0; cpu < port_nr_cpus(); cpu++) {
		update.new[cpu] = limit ? new_cpucache(limit) : &no_cpucache;
		if (!update.new[cpu])
			error = -ENOMEM;
	}
	if (!error) {
		unsigned long flags;

		spin_lock_irqsave(&cachep->spinlock, flags);
		cachep->limit = limit;
		cachep->batchcount = batchcount;
		spin_unlock_irqrestore(&cachep->spinlock, flags);
		smp_call_function_all_cpus(do_ccupdate_local, &update);
	}
	/* update.new[] holds the old arrays now or, if memory was short, the new unused ones. */
	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++)
		release_cpucache(cachep, update.new[cpu]);
	return error;
}

static bool all_cpus_have_arrays(const kmem_cache_t *cachep)
{
	for (unsigned int cpu = 0; cpu < port_nr_cpus(); cpu++)
		if (cachep->cpudata[cpu] == &no_cpucache)
			return false;
	return true;
}

void enable_cpucache(kmem_cache_t *cachep)
{
	unsigned int limit = limit_for(cachep);

	lockdep_assert_held(&cache_chain_sem);
	if (!g_cpucache_up || !limit || all_cpus_have_arrays(cachep))
		return;
	/* If there is no memory for arrays, the cache works from its slabs. */
	if (kmem_tune_cpucache(cachep, limit, (limit + 1) / 2))
		cachep->failures++;
}

void enable_all_cpucaches(void)
{
	kmem_cache_t *cachep;

	g_cpucache_up = true;
	mutex_lock(&cache_chain_sem);
	for_each_cache(cachep)
		enable_cpucache(cachep);
	mutex_unlock(&cache_chain_sem);
}

void kmem_cache_cpus_up(void)
{
	enable_all_cpucaches();
}

/* On each CPU: give all objects of this CPU's array back to the slabs. */
static void drain_local(void *arg)
{
	kmem_cache_t *cachep = arg;
	cpucache_t *cc = cc_data(cachep);

	lockdep_assert_irqs_disabled();
	spin_lock(&cachep->spinlock);
	free_block(cachep, cc_entry(cc), cc->avail);
	spin_unlock(&cachep->spinlock);
	if (!cc->avail)
		return; /* this may be no_cpucache, which all CPUs share and none may write */
	VM_BUG_ON(cc == &no_cpucache);
	cc->taken -= cc->avail;
	cc->avail = 0;
	cc->state &= ~CC_FRESH;
}

void drain_cpu_caches(kmem_cache_t *cachep)
{
	smp_call_function_all_cpus(drain_local, cachep);
}

void free_cpucaches(kmem_cache_t *cachep)
{
	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++)
		release_cpucache(cachep, set_cpucache(cachep, cpu, &no_cpucache));
}
