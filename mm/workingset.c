/* SPDX-License-Identifier: MIT */
/*
 * workingset.c: was a page that is read again evicted too early? (FX-13)
 *
 * Two observations. A page is evicted when its turn on the inactive list is over; between
 * eviction and refault E other pages were evicted. Had the inactive list been E pages
 * longer, the page would still be there. So:
 *
 *	E <= pages on the active list	the active list is too long by at least that, or
 *					holds colder pages: the page becomes active at once
 *
 * (or E <= half of all pages, so that an empty active list may begin to grow),
 *
 * and the active pages that it now competes with are demoted in their turn, if they are
 * not used. A loop a little larger than the inactive list so gets a stable part of itself
 * into memory, where a simple LRU would miss every time.
 *
 * Which of anonymous and file pages to evict is decided by what it cost so far: refaults of
 * a kind make it dearer (policy_default.c).
 *
 * What was evicted is kept apart from the mappings: a table of (who, when), one entry for
 * each page of RAM, in buckets of a cache line. An eviction replaces the oldest entry of its bucket;
 * what is older than the table is forgotten and counts as never seen.
 *
 *	hash(mapping, index) -> bucket of 8 { fingerprint:32, eviction number:32 }
 *
 * A fingerprint of another page gives one page a wrong start, no more.
 *
 * Locking: none; entries are single words, a lost race loses one record.
 * Failure: without memory for the table nothing is remembered.
 * Observability: events workingset_evict, workingset_refault, workingset_activate.
 */
#include "reclaim_policy.h"
#include <pagoda/bug.h>
#include <pagoda/page_alloc.h>
#include <pagoda/swap.h>
#include <pagoda/vmalloc.h>
#include <pagoda/vmstat.h>

#define BUCKET_ENTRIES 8
struct bucket {
	u64 entry[BUCKET_ENTRIES]; /* fingerprint << 32 | number of the eviction; 0: free */
} __aligned(64);

static struct bucket *table; /* (C) once reclaim runs; NULL: nothing is remembered */
static unsigned long nr_buckets;
static atomic_t evictions;

void workingset_init(void)
{
	unsigned long nr = totalram_pages() / BUCKET_ENTRIES;

	nr_buckets = max(nr, 1ul);
	table = vmalloc(nr_buckets * sizeof(struct bucket));
	for (unsigned long i = 0; table && i < nr_buckets; i++)
		table[i] = (struct bucket){ { 0 } };
}

/* Who the page is: its place in its object, or its slot. */
static u64 identity(const struct page *page)
{
	u64 index = PageSwapCache(page) ? page_swap_entry(page).val : page->index;
	u64 z = (u64)(unsigned long)page_mapping(page) * 0x9e3779b97f4a7c15ull + index;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static u32 fingerprint(u64 id)
{
	return (u32)(id >> 32) | 1; /* never 0 */
}

static u64 read_entry(const struct bucket *b, int i)
{
	return __atomic_load_n(&b->entry[i], __ATOMIC_RELAXED);
}

/* Evictions since the entry was made. */
static u32 age_of(u64 entry, u32 now)
{
	return now - (u32)entry;
}

void workingset_eviction(struct page *page)
{
	u64 id = identity(page);
	u32 now = (u32)atomic_add_return(&evictions, 1);
	struct bucket *b;
	int oldest = 0;

	if (!table)
		return;
	b = &table[(u32)id % nr_buckets];
	for (int i = 0; i < BUCKET_ENTRIES; i++) {
		u64 entry = read_entry(b, i);

		if (!entry) {
			oldest = i;
			break;
		}
		if (age_of(entry, now) > age_of(read_entry(b, oldest), now))
			oldest = i;
	}
	__atomic_store_n(&b->entry[oldest], (u64)fingerprint(id) << 32 | now, __ATOMIC_RELAXED);
	count_vm_event(workingset_evict);
}

/* Take the record of a page out; false: none. */
static bool take_record(u64 id, u32 *distance)
{
	struct bucket *b = &table[(u32)id % nr_buckets];

	for (int i = 0; i < BUCKET_ENTRIES; i++) {
		u64 entry = read_entry(b, i);

		if (entry >> 32 != fingerprint(id))
			continue;
		*distance = age_of(entry, (u32)atomic_read(&evictions));
		__atomic_store_n(&b->entry[i], 0, __ATOMIC_RELAXED);
		return true;
	}
	return false;
}

void workingset_refault(struct page *page)
{
	enum lru_kind kind = page_lru(page) < LRU_INACTIVE_FILE ? LRU_KIND_ANON : LRU_KIND_FILE;
	u32 distance;

	if (!table || !take_record(identity(page), &distance))
		return;
	count_vm_event(workingset_refault);
	if (reclaim_policy->note_cost)
		reclaim_policy->note_cost(page_zone(page), kind);
	if (distance > max(nr_active_pages(), (nr_active_pages() + nr_inactive_pages()) / 2))
		return;
	SetPageWorkingset(page);
	activate_page(page);
	count_vm_event(workingset_activate);
}
