/* SPDX-License-Identifier: MIT */
/*
 * page_count.c: how many pages are free, managed, taken: sums over zones and CPUs.
 *
 * A zone's free pages are those on its free lists and those on the CPUs' stacks. Single pages are
 * not counted as events: how many were taken from the stacks and put there follows from the
 * figures that the stacks keep anyway (pcp_take_at, pcp_note_refill in page_alloc.c).
 *
 * Locking: none. Each figure is read whole; a sum read while others allocate is some value
 * between those before and after, and exact at a quiet point.
 * Failure: none.
 * Observability: these sums are /proc/meminfo's MemTotal and MemFree, /proc/vmstat's pgalloc and
 * pgfree, and numastat's local and other allocations.
 */
#include "page_alloc_internal.h"
#include <pagoda/bug.h>
#include <pagoda/vmstat.h>

/* Free pages of a zone, wherever they are: on its free lists and on the CPUs' stacks. */
static unsigned long zone_all_free_pages(const zone_t *zone)
{
	unsigned long nr = zone_free_pages(zone);

	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++)
		nr += READ_ONCE(zone->pcp[cpu].count);
	return nr;
}

/* Single pages that were ever handed out of the zone through the CPUs' stacks. */
static unsigned long zone_pages_taken(const zone_t *zone)
{
	unsigned long nr = 0;

	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++)
		nr += READ_ONCE(zone->pcp[cpu].nr_taken);
	return nr;
}

/*
 * Single pages that were ever freed to the CPUs' stacks. A stack's balance is
 *
 *	refilled (net, from the free lists) + put = taken + count (pages there now)
 *
 * so the pages put follow from the other three, and freeing a page needs no counter of its own.
 */
static unsigned long zone_pages_put(const zone_t *zone)
{
	unsigned long nr = 0;

	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++) {
		const struct per_cpu_pages *pcp = &zone->pcp[cpu];

		nr += READ_ONCE(pcp->count) + READ_ONCE(pcp->nr_taken) -
		      (unsigned long)READ_ONCE(pcp->nr_refilled);
	}
	return nr;
}

static unsigned long zone_managed_pages(const zone_t *zone)
{
	return zone->managed_pages;
}

/* Add up one figure over the zones from number first on. */
static unsigned long sum_zones(int first, unsigned long (*figure)(const zone_t *zone))
{
	unsigned long sum = 0;
	pg_data_t *pgdat;

	VM_BUG_ON(first < ZONE_DMA || first >= MAX_NR_ZONES);
	for_each_pgdat(pgdat)
		for (int i = first; i < MAX_NR_ZONES; i++)
			sum += figure(&pgdat->node_zones[i]);
	return sum;
}

unsigned long nr_free_pages(void)
{
	return sum_zones(ZONE_DMA, zone_all_free_pages);
}

unsigned long nr_free_highpages(void)
{
	return sum_zones(ZONE_HIGHMEM, zone_all_free_pages);
}

unsigned long totalram_pages(void)
{
	return sum_zones(ZONE_DMA, zone_managed_pages);
}

unsigned long totalhigh_pages(void)
{
	return sum_zones(ZONE_HIGHMEM, zone_managed_pages);
}

static unsigned long pcp_pages_taken(void)
{
	return sum_zones(ZONE_DMA, zone_pages_taken);
}

static unsigned long pcp_pages_put(void)
{
	return sum_zones(ZONE_DMA, zone_pages_put);
}

/* Multi-page blocks are counted as events; single pages are added from the stacks' figures. */
void page_count_init(void)
{
	vm_event_elsewhere[VM_EVENT_pgalloc] = pcp_pages_taken;
	vm_event_elsewhere[VM_EVENT_pgfree] = pcp_pages_put;
}

struct node_allocations zone_allocations(const zone_t *zone)
{
	struct node_allocations sum = {0, 0};

	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++) {
		unsigned long taken = READ_ONCE(zone->pcp[cpu].nr_taken);

		*(cpu_pgdat[cpu] == zone->zone_pgdat ? &sum.local : &sum.other) += taken;
	}
	return sum;
}

struct node_allocations node_allocations(int nid)
{
	pg_data_t *pgdat = NODE_DATA(nid);
	struct node_allocations sum = {0, 0};
	zone_t *zone;

	VM_BUG_ON(!pgdat);
	for_each_zone(zone, pgdat) {
		struct node_allocations one = zone_allocations(zone);

		sum.local += one.local;
		sum.other += one.other;
	}
	return sum;
}
