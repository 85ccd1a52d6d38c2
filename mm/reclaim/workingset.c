/* SPDX-License-Identifier: MIT */
/*
 * workingset.c: was a page that is read again evicted too early? (FX-13)
 *
 * The active list is for pages that were used again while reclaim looked on. A page that is used
 * again only after its eviction (a refault) shows that memory is too small for it as things are.
 * Its distance D, the evictions between its own and its return, says how much too small. Three
 * cases:
 *
 *	active list below its share (2/3)	the page becomes active: nobody else wants the place
 *	full, D <= 3/4 of the active list	it challenges the coldest active page, and takes its place if
 *						that page was not used since it was last looked at
 *	full, D larger				nothing: a hit would need more memory than there is to give
 *
 * A loop a little larger than memory so gets a stable part of itself into memory, where LRU
 * misses every time: with N pages, A of them active, each round has N - A refaults of distance N -
 * A. If they may challenge at all, they look at no more than 3/4 of the active pages in a round, so
 * each of those has been used when its turn comes. Reclaim itself leaves active pages alone below
 * their share, but when it sees that the working set has changed (policy_default.c).
 *
 * Which of anonymous and file pages to evict is decided by what it cost so far: refaults of
 * a kind make it dearer (policy_default.c).
 *
 * What was evicted is kept apart from the mappings: a table of (who, when), two entries for
 * each page of RAM, in buckets of a cache line. An eviction replaces the oldest entry of its
 * bucket; what is older than the table is forgotten and counts as never seen.
 *
 *	hash(mapping, index) -> bucket of 8 { fingerprint:32, eviction number:32 }
 *
 * A fingerprint of another page gives one page a wrong start, no more.
 *
 * Locking: none; entries are single words, a lost race loses one record.
 * Failure: without memory for the table nothing is remembered.
 * Observability: events workingset_evict, workingset_refault, workingset_activate.
 */
#include "reclaim_internal.h"
#include <pagoda/bug.h>
#include <pagoda/page_alloc.h>
#include <pagoda/swap.h>
#include <pagoda/vmalloc.h>
#include <pagoda/vmstat.h>

#define BUCKET_ENTRIES 8
/* Challenges at this distance look at each active page less than once in a round of a loop. */
#define CHALLENGER_MAX(active) ((active) / 4 * 3)
#define RECORDS_PER_PAGE       2 /* of RAM: how far back refaults are seen */
struct bucket {
	u64 entry[BUCKET_ENTRIES]; /* fingerprint << 32 | number of the eviction; 0: free */
} __aligned(64);

static struct bucket *table; /* (C) once reclaim runs; NULL: nothing is remembered */
static unsigned long nr_buckets;
static atomic_t evictions;

/*
 * Two records for each page of RAM. Without memory for the table, nothing is remembered and every
 * refault looks like a first use: replacement is worse then, but correct.
 */
void workingset_init(void)
{
	unsigned long nr = totalram_pages() * RECORDS_PER_PAGE / BUCKET_ENTRIES;

	nr_buckets = max(nr, 1ul);
	table = vmalloc(nr_buckets * sizeof(struct bucket));
	for (unsigned long i = 0; table && i < nr_buckets; i++)
		table[i] = (struct bucket){{0}};
}

/*
 * The mixing is that of a 64-bit finalizer: pages of one file differ only in low bits of the
 * index, and without it they would all fall into a few buckets. For an unlocked page that is just
 * leaving the swap cache the result may be the hash of nothing; that costs a lost record, no more.
 */
u64 page_identity(const struct page *page)
{
	u64 index = PageSwapCache(page) ? page_swap_entry(page).val : page->index;
	u64 z = (u64)(unsigned long)page_mapping(page) * 0x9e3779b97f4a7c15ull + index;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/*
 * The upper half of the hash; the lower half chooses the bucket. Never 0, which marks a free
 * entry.
 */
static u32 fingerprint(u64 id)
{
	return (u32)(id >> 32) | 1; /* never 0 */
}

static u64 read_entry(const struct bucket *b, int i)
{
	return READ_ONCE(b->entry[i]);
}

/*
 * Evictions since the entry was made. The subtraction is modulo 2^32, so it stays right when the
 * count of evictions wraps; an entry that old was replaced long before.
 */
static u32 age_of(u64 entry, u32 now)
{
	return now - (u32)entry;
}

/* Record an eviction in a free entry of its bucket, or in place of the oldest one. */
void workingset_eviction(u64 id)
{
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
	VM_BUG_ON(!fingerprint(id) || oldest < 0 || oldest >= BUCKET_ENTRIES);
	WRITE_ONCE(b->entry[oldest], (u64)fingerprint(id) << 32 | now);
	count_vm_event(workingset_evict);
}

/*
 * Find the record of an evicted page and remove it, so that one eviction counts as one refault.
 * *distance becomes the number of evictions since then. False: there is no record.
 */
static bool take_record(u64 id, u32 *distance)
{
	struct bucket *b = &table[(u32)id % nr_buckets];

	VM_BUG_ON(!table || !nr_buckets);
	for (int i = 0; i < BUCKET_ENTRIES; i++) {
		u64 entry = read_entry(b, i);

		if (entry >> 32 != fingerprint(id))
			continue;
		*distance = age_of(entry, (u32)atomic_read(&evictions));
		WRITE_ONCE(b->entry[i], 0);
		return true;
	}
	return false;
}

/*
 * May a page that was evicted this long ago become active at once? Yes, if the active list is
 * below its share; else only if it may challenge the coldest active page and that one turns out to
 * be unused.
 */
static bool has_place(zone_t *zone, enum lru_kind kind, u32 distance)
{
	unsigned long inactive = zone_lru_pages(zone, (enum lru_list)kind);
	unsigned long active = zone_lru_pages(zone, (enum lru_list)(kind + 1));

	VM_BUG_ON(kind != LRU_KIND_ANON && kind != LRU_KIND_FILE);
	if (active < ACTIVE_PER_INACTIVE * inactive)
		return true;
	return distance <= CHALLENGER_MAX(active) && demote_coldest(zone, kind);
}

void workingset_refault(struct page *page)
{
	enum lru_kind kind = page_lru(page) < LRU_INACTIVE_FILE ? LRU_KIND_ANON : LRU_KIND_FILE;
	u32 distance;

	VM_BUG_ON(page_count(page) < 1);
	if (!table || !take_record(page_identity(page), &distance))
		return;
	count_vm_event(workingset_refault);
	if (reclaim_policy->note_cost)
		reclaim_policy->note_cost(page_zone(page), kind);
	if (!has_place(page_zone(page), kind, distance))
		return;
	activate_page(page);
	count_vm_event(workingset_activate);
}
