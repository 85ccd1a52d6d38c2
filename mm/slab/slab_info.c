/* SPDX-License-Identifier: MIT */
/*
 * slab_info.c: what can be seen of the slab allocator: /proc/slabinfo, validate_slab().
 *
 * slabinfo, format 1.1, one line a cache:
 *
 *	name  active-objects objects object-size  active-slabs slabs pages-per-slab : limit batch
 *
 * Objects in a CPU's array count as active: their slabs do not have them on the chain of free ones.
 *
 * validate_slab() holds the cache's lock while it looks at the slabs, but the arrays belong to
 * their CPUs: it is for quiet points, at which no CPU allocates or frees.
 *
 * Locking: cache_chain_sem, and each cache's spinlock for its line.
 * Failure: none; validate_slab() panics with the first difference that it finds.
 * Observability: this file is a means of observation.
 */
#include "slab_internal.h"
#include <pagoda/init.h>
#include <pagoda/boot_option.h>
#include <pagoda/bug.h>
#include <pagoda/highmem.h>
#include <pagoda/string.h>
#include <pagoda/meminfo.h>

/* The boot option slab_percpu=off does without arrays; slabinfo then has the shorter format. */
static bool percpu_arrays(void)
{
	const char *value;

	return !(boot_option("slab_percpu", &value) && value[0] == 'o' && value[1] == 'f');
}

/* One cache's line. The figures are read under the lock, so they agree with each other. */
static void cache_line(kmem_cache_t *cachep, char *line, size_t size) MUST_HOLD(&cache_chain_sem)
{
	unsigned long flags;
	int n;

	lockdep_assert_held(&cache_chain_sem);
	spin_lock_irqsave(&cachep->spinlock, flags);
	VM_BUG_ON(cachep->nr_free_slabs > cachep->nr_slabs); /* (I4) */
	n = pagoda_snprintf(line, size, "%-17s %6lu %6lu %6u %4lu %4lu %4u", cachep->name,
			    cachep->active_objs, cachep->nr_slabs * cachep->num, cachep->objsize,
			    cachep->nr_slabs - cachep->nr_free_slabs, cachep->nr_slabs,
			    1u << cachep->gfporder);
	if (percpu_arrays())
		n += pagoda_snprintf(line + n, size - (size_t)n, " : %4u %4u", cachep->limit,
				     cachep->batchcount);
	spin_unlock_irqrestore(&cachep->spinlock, flags);
	pagoda_snprintf(line + n, size - (size_t)n, "\n");
}

bool slabinfo_line(unsigned long n, char *line, size_t size)
{
	kmem_cache_t *cachep;

	if (n-- == 0) {
		pagoda_strlcpy(line,
			       percpu_arrays() ? "slabinfo - version: 1.1 (SMP)\n"
					       : "slabinfo - version: 1.1\n",
			       size);
		return true;
	}
	mutex_lock(&cache_chain_sem);
	for_each_cache(cachep)
		if (n-- == 0) {
			cache_line(cachep, line, size);
			break;
		}
	mutex_unlock(&cache_chain_sem);
	return cachep;
}

void slabinfo(void (*emit)(void *arg, const char *text), void *arg)
{
	char line[128];

	for (unsigned long n = 0; slabinfo_line(n, line, sizeof(line)); n++)
		emit(arg, line);
}

void slab_pages(unsigned long *pages, unsigned long *unused)
{
	kmem_cache_t *cachep;
	unsigned long flags;

	*pages = *unused = 0;
	mutex_lock(&cache_chain_sem);
	for_each_cache(cachep) {
		spin_lock_irqsave(&cachep->spinlock, flags);
		*pages += cachep->nr_slabs << cachep->gfporder;
		*unused += cachep->nr_free_slabs << cachep->gfporder;
		spin_unlock_irqrestore(&cachep->spinlock, flags);
	}
	mutex_unlock(&cache_chain_sem);
}

/* ---- Validation --------------------------------------------------------------------------- */

static __noreturn void broken(const kmem_cache_t *cachep, const slab_t *slabp, const char *what)
{
	panic("slab: cache %s: slab %p: %s", cachep->name, (const void *)slabp, what);
}

/* (I2) of slab.c: the chain stays inside the slab, ends, and names as many objects as are free. */
static void validate_free_chain(const kmem_cache_t *cachep, slab_t *slabp)
	MUST_HOLD(&cachep->spinlock)
{
	kmem_bufctl_t i = slabp->free;
	unsigned int nr = 0;

	lockdep_assert_held(&cachep->spinlock);
	for (; i != BUFCTL_END; i = slab_bufctl(slabp)[i])
		if (i >= cachep->num || nr++ >= cachep->num)
			broken(cachep, slabp, "free chain leaves the slab or is circular");
	if (nr != cachep->num - slabp->inuse)
		broken(cachep, slabp, "free chain and inuse disagree");
}

/* (I3): each page points to the cache and the slab, and the last object ends inside the slab. */
static void validate_slab_pages(const kmem_cache_t *cachep, slab_t *slabp)
	MUST_HOLD(&cachep->spinlock)
{
	struct page *page = slabp->page;

	lockdep_assert_held(&cachep->spinlock);
	for (unsigned long i = 0; i < 1ul << cachep->gfporder; i++)
		if (!PageSlab(page + i) || GET_PAGE_CACHE(page + i) != cachep ||
		    GET_PAGE_SLAB(page + i) != slabp)
			broken(cachep, slabp, "one of its pages points to another cache or slab");
	if ((char *)index_object(cachep, slabp, cachep->num) >
	    (char *)page_address(page) + (PAGE_SIZE << cachep->gfporder))
		broken(cachep, slabp, "objects run past its end");
}

/*
 * (I1): check the slabs of one list, each of which must have inuse in [min_inuse, max_inuse], and
 * add the objects in use to *inuse. Return: slabs on the list. Locks: cachep->spinlock held.
 */
static unsigned long validate_list(const kmem_cache_t *cachep, const struct list_head *list,
				   unsigned int min_inuse, unsigned int max_inuse,
				   unsigned long *inuse) MUST_HOLD(&cachep->spinlock)
{
	unsigned long nr = 0;
	struct list_head *link;

	lockdep_assert_held(&cachep->spinlock);
	VM_BUG_ON(min_inuse > max_inuse || max_inuse > cachep->num);
	for (link = list->next; link != list; link = link->next) {
		slab_t *slabp = list_slab(link);

		validate_slab_pages(cachep, slabp);
		validate_free_chain(cachep, slabp);
		if (slabp->inuse < min_inuse || slabp->inuse > max_inuse)
			broken(cachep, slabp, "on the wrong list");
		*inuse += slabp->inuse;
		nr++;
	}
	return nr;
}

/* (I5): slabs in ZONE_DMA stand at the end of the list of free ones. */
static void validate_free_order(const kmem_cache_t *cachep) MUST_HOLD(&cachep->spinlock)
{
	const struct page *page;
	bool dma = false;

	lockdep_assert_held(&cachep->spinlock);
	list_for_each_entry(page, &cachep->slabs_free, lru) {
		if (dma && !page_in_dma_zone(page))
			panic("slab: cache %s: a free slab stands behind those of DMA memory",
			      cachep->name);
		dma = page_in_dma_zone(page);
	}
}

/* Each array holds at most its limit of objects, all of this cache. For a quiet point only. */
static void validate_arrays(const kmem_cache_t *cachep)
{
	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++) {
		cpucache_t *cc = cachep->cpudata[cpu];

		if (cc->avail > cc->limit)
			panic("slab: cache %s: array of CPU %u overflows", cachep->name, cpu);
		for (unsigned int i = 0; i < cc->avail; i++) {
			struct page *page = object_page(cc_entry(cc)[i]);

			if (!page || GET_PAGE_CACHE(page) != cachep)
				panic("slab: cache %s: array of CPU %u holds %p, which is not its "
				      "object",
				      cachep->name, cpu, cc_entry(cc)[i]);
		}
	}
}

/*
 * All of one cache, and (I4): its counters are the sums over its lists. A cache with one object a
 * slab has no partial slabs.
 */
static void validate_cache(kmem_cache_t *cachep) MUST_HOLD(&cache_chain_sem)
{
	lockdep_assert_held(&cache_chain_sem);
	unsigned long flags, inuse = 0, nr, nr_free;

	spin_lock_irqsave(&cachep->spinlock, flags);
	nr = validate_list(cachep, &cachep->slabs_full, cachep->num, cachep->num, &inuse);
	if (cachep->num > 1)
		for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++)
			nr += validate_list(cachep, &cachep->slabs_partial[cpu], 1, cachep->num - 1,
					    &inuse);
	nr_free = validate_list(cachep, &cachep->slabs_free, 0, 0, &inuse);
	validate_free_order(cachep);
	if (nr + nr_free != cachep->nr_slabs || nr_free != cachep->nr_free_slabs ||
	    inuse != cachep->active_objs)
		panic("slab: cache %s: %lu slabs, %lu free, %lu objects; counted %lu, %lu, %lu",
		      cachep->name, nr + nr_free, nr_free, inuse, cachep->nr_slabs,
		      cachep->nr_free_slabs, cachep->active_objs);
	spin_unlock_irqrestore(&cachep->spinlock, flags);
	validate_arrays(cachep);
}

void validate_slab(void)
{
	kmem_cache_t *cachep;

	mutex_lock(&cache_chain_sem);
	for_each_cache(cachep)
		validate_cache(cachep);
	mutex_unlock(&cache_chain_sem);
}
