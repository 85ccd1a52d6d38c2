/* SPDX-License-Identifier: MIT */
/*
 * test_page_alloc.c: blocks, watermarks, flags and reserves of the page allocator.
 *
 * Where a test speaks of exact free counts it drains this CPU's lists first: single pages
 * move between them and the buddy lists a batch at a time.
 */
#include "report.h"

#include <pagoda/oom.h>
#include <pagoda/bootmem.h>
#include <pagoda/highmem.h>
#include <pagoda/lru.h>
#include <pagoda/page_alloc.h>
#include <pagoda/vm_task.h>
#include <pagoda/vmstat.h>

#include <string.h>

static zone_t *zone_of(int which)
{
	return &contig_page_data.node_zones[which];
}

static unsigned long nr_blocks(zone_t *zone, unsigned int order)
{
	return zone_nr_free_blocks(zone, order);
}

/* Free frames of a zone by its lists. */
static unsigned long listed_pages(zone_t *zone)
{
	unsigned long n = 0;

	for (unsigned int order = 0; order < MAX_ORDER; order++)
		n += nr_blocks(zone, order) << order;
	return n;
}

/* Blocks taken by a test, chained through their first pages. */
struct hoard {
	struct list_head pages;
	unsigned long n;
};

static void hoard_init(struct hoard *hoard)
{
	INIT_LIST_HEAD(&hoard->pages);
	hoard->n = 0;
}

static bool hoard_one(struct hoard *hoard, gfp_t gfp, unsigned int order)
{
	struct page *page = alloc_pages(gfp, order);

	if (!page)
		return false;
	list_add(&page->lru, &hoard->pages);
	hoard->n++;
	return true;
}

static void hoard_all(struct hoard *hoard, gfp_t gfp, unsigned int order)
{
	while (hoard_one(hoard, gfp, order))
		;
}

static void hoard_release(struct hoard *hoard, unsigned long keep)
{
	while (hoard->n > keep) {
		struct page *page = list_first_entry(&hoard->pages, struct page, lru);

		list_del(&page->lru);
		hoard->n--;
		__free_pages(page, page_order(page));
	}
}

/* ---- The calls ----------------------------------------------------------------------- */

PAGODA_TEST(alloc_pages_returns_aligned_contiguous_blocks, "PA-01 PA-02 PA-09 PA-13")
{
	for (unsigned int order = 0; order < MAX_ORDER; order++) {
		struct page *page = alloc_pages(GFP_KERNEL, order);
		zone_t *zone = page_zone(page);

		CHECK(page);
		CHECK_EQ(page_count(page), 1);
		CHECK_EQ((page - zone->zone_mem_map) & ((1l << order) - 1), 0);
		CHECK_EQ(page_order(page), order);
		for (unsigned long i = 0; i < 1ul << order; i++)
			CHECK_EQ(page_to_pfn(page + i), page_to_pfn(page) + i);
		__free_pages(page, order);
	}
	CHECK(!alloc_pages(GFP_KERNEL, MAX_ORDER));
	CHECK(!alloc_pages(GFP_KERNEL, 100));
	CHECK_EQ(vm_event(allocstall), 0);
}

PAGODA_TEST(addresses_and_zeroing, "PA-03 PA-04 PA-05 PA-06")
{
	unsigned long addr = __get_free_page(GFP_KERNEL), dma;

	CHECK_EQ(addr - PAGE_OFFSET, page_to_pfn(virt_to_page((void *)addr)) << PAGE_SHIFT);
	memset((void *)addr, 0xa5, PAGE_SIZE);
	free_page(addr);
	addr = get_free_page(GFP_KERNEL);
	for (unsigned int i = 0; i < PAGE_SIZE; i++)
		CHECK_EQ(((u8 *)addr)[i], 0);
	free_page(addr);
	dma = __get_dma_pages(GFP_KERNEL, 2);
	CHECK_LT(__pa(dma), MAX_DMA_ADDRESS);
	free_pages(dma, 2);
	EXPECT_REPORT("high memory has no address",
		      { CHECK_EQ(__get_free_page(GFP_HIGHUSER), 0); });
	free_page(0); /* as with kfree(NULL) */
}

PAGODA_TEST(zeroed_block_is_zero_throughout, "PA-04 PA-37")
{
	struct page *page = alloc_pages(GFP_KERNEL, 3);

	memset(page_address(page), 0x5a, 8 * PAGE_SIZE);
	__free_pages(page, 3);
	page = alloc_pages(GFP_KERNEL | __GFP_ZERO, 3);
	for (unsigned int i = 0; i < 8 * PAGE_SIZE; i++)
		CHECK_EQ(((u8 *)page_address(page))[i], 0);
	__free_pages(page, 3);
}

PAGODA_TEST(reserved_pages_are_not_freed, "PA-06 PM-30")
{
	struct page *page = alloc_page(GFP_KERNEL);
	unsigned long free = nr_free_pages();

	SetPageReserved(page);
	__free_page(page);
	put_page(page);
	CHECK_EQ(page_count(page), 1);
	CHECK_EQ(nr_free_pages(), free);
	ClearPageReserved(page);
	__free_page(page);
}

PAGODA_TEST(wrong_order_is_reported_and_the_block_freed_as_it_is, "PA-07 FX-29")
{
	unsigned long free = test_free_frames();
	struct page *page = alloc_pages(GFP_KERNEL, 2);

	EXPECT_REPORT("of order 2 freed with order 3", { __free_pages(page, 3); });
	CHECK_EQ(test_free_frames(), free);
	validate_buddy();
	page = alloc_pages(GFP_KERNEL, 3);
	put_page(page); /* knows the length by itself */
	CHECK_EQ(test_free_frames(), free);
}

PAGODA_TEST(double_free_is_reported_and_changes_nothing, "PA-06 PM-41")
{
	struct page *page = alloc_pages(GFP_KERNEL, 1);
	unsigned long free;

	__free_pages(page, 1);
	free = test_free_frames();
	EXPECT_REPORT("freed twice", { __free_pages(page, 1); });
	CHECK_EQ(test_free_frames(), free);
	validate_buddy();
}

PAGODA_TEST(exact_allocation_returns_the_tail, "FX-04")
{
	unsigned long free = test_free_frames();
	void *mem = alloc_pages_exact(5 * PAGE_SIZE - 100, GFP_KERNEL);

	CHECK(mem);
	CHECK_EQ(test_free_frames(), free - 5);
	memset(mem, 1, 5 * PAGE_SIZE);
	free_pages_exact(mem, 5 * PAGE_SIZE - 100);
	CHECK_EQ(test_free_frames(), free);
	CHECK(!alloc_pages_exact(0, GFP_KERNEL));
	CHECK(!alloc_pages_exact(SZ_4M, GFP_KERNEL));
	mem = alloc_pages_exact(512 * PAGE_SIZE, GFP_KERNEL);
	CHECK_EQ(test_free_frames(), free - 512);
	free_pages_exact(mem, 512 * PAGE_SIZE);
}

PAGODA_TEST(lru_page_leaves_its_list_when_freed, "PA-21 PM-29")
{
	struct page *page = alloc_page(GFP_KERNEL);

	lru_cache_add(page);
	CHECK_EQ(nr_inactive_pages(), 1);
	mark_page_accessed(page);
	mark_page_accessed(page);
	CHECK(PageActive(page));
	CHECK_EQ(nr_active_pages(), 1);
	__free_page(page);
	CHECK_EQ(nr_active_pages() + nr_inactive_pages(), 0);
}

/* ---- Splitting and merging ---------------------------------------------------------------- */

/* Leave one free block of order 4 in DMA memory, and nothing below that order. */
static struct page *only_block(struct hoard *hoard)
{
	struct page *block;

	hoard_init(hoard);
	hoard_all(hoard, GFP_DMA | __GFP_HIGH, 4);
	block = list_first_entry(&hoard->pages, struct page, lru);
	current_vm->flags |= PF_MEMALLOC;
	for (unsigned int order = MAX_ORDER; order-- > 0;)
		hoard_all(hoard, GFP_DMA, order);
	current_vm->flags &= ~PF_MEMALLOC;
	list_del(&block->lru);
	hoard->n--;
	__free_pages(block, 4);
	CHECK_EQ(nr_blocks(zone_of(ZONE_DMA), 4), 1);
	CHECK_EQ(zone_of(ZONE_DMA)->free_pages, 16);
	return block;
}

PAGODA_TEST(a_block_is_split_into_halves, "PA-13 PA-14 PA-11 PA-12 CT-24")
{
	zone_t *zone = zone_of(ZONE_DMA);
	struct page *a, *b;
	struct hoard hoard;

	only_block(&hoard);
	current_vm->flags |= PF_MEMALLOC;
	/* Order 1 keeps clear of the per-CPU lists. */
	a = alloc_pages(GFP_DMA, 1);
	CHECK_EQ(nr_blocks(zone, 3), 1);
	CHECK_EQ(nr_blocks(zone, 2), 1);
	CHECK_EQ(nr_blocks(zone, 1), 1);
	CHECK_EQ(nr_blocks(zone, 0), 0);
	validate_buddy();
	/* The block of the exact order is used, no larger one split. */
	b = alloc_pages(GFP_DMA, 1);
	CHECK_EQ(nr_blocks(zone, 3), 1);
	CHECK_EQ(nr_blocks(zone, 2), 1);
	CHECK_EQ(nr_blocks(zone, 1), 0);
	CHECK_EQ(a - zone->zone_mem_map, (b - zone->zone_mem_map) ^ 2);
	current_vm->flags &= ~PF_MEMALLOC;
	__free_pages(a, 1);
	CHECK_EQ(nr_blocks(zone, 1), 1);
	__free_pages(b, 1);
	CHECK_EQ(nr_blocks(zone, 4), 1);
	CHECK_EQ(nr_blocks(zone, 1) + nr_blocks(zone, 2) + nr_blocks(zone, 3), 0);
	hoard_release(&hoard, 0);
}

static void shuffle(struct page **pages, unsigned long n)
{
	for (unsigned long i = n; i > 1; i--) {
		unsigned long j = test_random_below(i);
		struct page *t = pages[i - 1];

		pages[i - 1] = pages[j];
		pages[j] = t;
	}
}

PAGODA_TEST(freeing_everything_in_any_order_restores_the_lists, "PA-15 PA-16 PA-17 PM-11 FX-02")
{
	static struct page *pages[32768];
	unsigned long before[MAX_NR_ZONES][MAX_ORDER], n = 0;

	test_free_frames();
	for (int z = 0; z < MAX_NR_ZONES; z++)
		for (unsigned int o = 0; o < MAX_ORDER; o++)
			before[z][o] = nr_blocks(zone_of(z), o);
	current_vm->flags |= PF_MEMALLOC;
	while ((pages[n] = alloc_page(GFP_HIGHUSER)))
		n++;
	current_vm->flags &= ~PF_MEMALLOC;
	CHECK_EQ(nr_free_pages(), 0);
	shuffle(pages, n);
	for (unsigned long i = 0; i < n; i++) {
		__free_page(pages[i]);
		if (i % 4096 == 0)
			validate_buddy();
	}
	drain_all_pages();
	for (int z = 0; z < MAX_NR_ZONES; z++)
		for (unsigned int o = 0; o < MAX_ORDER; o++)
			CHECK_EQ(nr_blocks(zone_of(z), o), before[z][o]);
}

PAGODA_TEST_CONFIG(buddies_stay_inside_an_odd_zone, "PA-18 PM-07",
		   .map = (const struct port_mem_range[]){{0, 1000 * SZ_4K, PORT_MEM_USABLE, 0}},
		   .nr_map = 1)
{
	zone_t *zone = zone_of(ZONE_DMA);
	struct hoard hoard;

	hoard_init(&hoard);
	hoard_all(&hoard, GFP_ATOMIC, 0);
	hoard_release(&hoard, 0);
	drain_all_pages();
	validate_buddy(); /* (I2): no block passes the end */
	CHECK_EQ(zone->size, 1000);
	CHECK_EQ(listed_pages(zone), zone->free_pages);
}

PAGODA_TEST(random_allocations_keep_the_invariants, "PM-11 PA-11 PA-20 PA-42 PA-43 PM-26")
{
	static struct {
		struct page *page;
		unsigned int order;
	} held[512];
	unsigned long total = test_free_frames(), used = 0;

	for (unsigned int round = 0; round < test_scale(200000); round++) {
		unsigned int slot = (unsigned int)test_random_below(ARRAY_SIZE(held));

		if (held[slot].page) {
			used -= 1ul << held[slot].order;
			__free_pages(held[slot].page, held[slot].order);
			held[slot].page = NULL;
		} else {
			/* Small orders more often. */
			held[slot].order = (unsigned int)__builtin_ctzll(test_random() | 1u << 6);
			held[slot].page = alloc_pages(GFP_ATOMIC, held[slot].order);
			if (!held[slot].page)
				continue;
			CHECK_EQ(page_count(held[slot].page), 1);
			CHECK(!held[slot].page->mapping && !PageLRU(held[slot].page));
			used += 1ul << held[slot].order;
		}
		if (round % 1024)
			continue;
		CHECK_EQ(nr_free_pages(), total - used);
		for (int z = 0; z < MAX_NR_ZONES; z++)
			CHECK_EQ(listed_pages(zone_of(z)), zone_of(z)->free_pages);
		validate_buddy();
	}
	for (unsigned int slot = 0; slot < ARRAY_SIZE(held); slot++)
		if (held[slot].page)
			__free_pages(held[slot].page, held[slot].order);
}

PAGODA_TEST(page_pairs_hardly_touch_the_zone_lock, "FX-02 FX-03")
{
	zone_t *zone = zone_of(ZONE_NORMAL);
	unsigned long before;
	struct hoard hoard;

	hoard_init(&hoard);
	before = zone->lock_acquisitions;
	for (unsigned int i = 0; i < 10000; i++)
		__free_page(alloc_page(GFP_KERNEL));
	CHECK_LE(zone->lock_acquisitions - before, 2);
	before = zone->lock_acquisitions;
	for (unsigned int i = 0; i < 5000; i++)
		CHECK(hoard_one(&hoard, GFP_KERNEL, 0));
	hoard_release(&hoard, 0);
	CHECK_LT(zone->lock_acquisitions - before, 10000 / 10);
}

/* ---- Zones and fallback ---------------------------------------------------------------------- */

PAGODA_TEST_CONFIG(modifiers_choose_the_zone, "PA-22 PA-27 PA-37 HM-01 HM-09", .exact = true,
		   .ram = SZ_1G)
{
	struct page *dma = alloc_page(GFP_DMA | GFP_KERNEL), *normal = alloc_page(GFP_KERNEL),
		    *high = alloc_page(GFP_HIGHUSER);

	CHECK_EQ(page_zone(dma), zone_of(ZONE_DMA));
	CHECK_EQ(page_zone(normal), zone_of(ZONE_NORMAL));
	CHECK_EQ(page_zone(high), zone_of(HAVE_HIGHMEM ? ZONE_HIGHMEM : ZONE_NORMAL));
	CHECK_EQ(PageHighMem(high), HAVE_HIGHMEM);
	__free_page(dma);
	__free_page(normal);
	__free_page(high);
}

PAGODA_TEST_CONFIG(fallback_goes_downwards_only, "PA-23 PA-05 PA-24", .ram = 920 * SZ_1M)
{
	zone_t *preferred = zone_of(HAVE_HIGHMEM ? ZONE_HIGHMEM : ZONE_NORMAL);
	struct page *page;
	struct hoard hoard;

	hoard_init(&hoard);
	for (;;) {
		CHECK(hoard_one(&hoard, GFP_HIGHUSER, 0));
		if (page_zone(list_first_entry(&hoard.pages, struct page, lru)) != preferred)
			break;
	}
	page = list_first_entry(&hoard.pages, struct page, lru);
	CHECK_EQ(page_zone(page), zone_of(HAVE_HIGHMEM ? ZONE_NORMAL : ZONE_DMA));
	hoard_release(&hoard, 0);
	/* DMA requests never climb. */
	while (hoard_one(&hoard, GFP_DMA | __GFP_HIGH, 0))
		CHECK_EQ(page_zone(list_first_entry(&hoard.pages, struct page, lru)),
			 zone_of(ZONE_DMA));
	CHECK_GT(zone_of(ZONE_NORMAL)->free_pages, 1000);
	CHECK_EQ(__get_dma_pages(0, 0), 0);
	hoard_release(&hoard, 0);
}

PAGODA_TEST_CONFIG(node_without_dma_falls_back_to_one_that_has, "PM-04 NU-04 PA-25 NU-09",
		   .ram = 64 * SZ_1M, .nr_nodes = 2, .nr_cpus = 2)
{
	struct page *page = alloc_pages_node(1, GFP_DMA | GFP_KERNEL, 0);
	zonelist_t *list;
	unsigned long free;

	CHECK_LT(page_to_pfn(page), 4096);
	__free_page(page);
	for (unsigned int i = 0; i < 1000; i++) {
		page = alloc_pages_node((int)i % 2, GFP_KERNEL, 0);
		CHECK_EQ(page_zone(page)->zone_pgdat->node_id, (int)i % 2);
		__free_page(page);
	}
	CHECK(!alloc_pages_node(7, GFP_KERNEL, 0));
	/* Own zones first, then the other node's, each once. */
	list = &NODE_DATA(1)->node_zonelists[0];
	CHECK_EQ(list->zones[0], &NODE_DATA(1)->node_zones[ZONE_NORMAL]);
	CHECK_EQ(list->zones[1], &NODE_DATA(0)->node_zones[ZONE_NORMAL]);
	CHECK_EQ(list->zones[2], &NODE_DATA(0)->node_zones[ZONE_DMA]);
	CHECK(!list->zones[3]);
	/* CPU 0 gets node 0's pages, and they return there. */
	drain_all_pages();
	free = NODE_DATA(0)->node_zones[ZONE_NORMAL].free_pages;
	page = alloc_pages(GFP_KERNEL, 1);
	CHECK_EQ(page_zone(page)->zone_pgdat->node_id, 0);
	__free_pages(page, 1);
	CHECK_EQ(NODE_DATA(0)->node_zones[ZONE_NORMAL].free_pages, free);
}

/* ---- Watermarks ------------------------------------------------------------------------------ */

#define ONE_ZONE \
	.map = (const struct port_mem_range[]){{0, 4096 * SZ_4K, PORT_MEM_USABLE, 0}}, .nr_map = 1

static unsigned long free_at_wake, free_at_reclaim, nr_reclaims;
static gfp_t reclaim_gfp;

static void note_wake(zone_t *zone)
{
	if (!free_at_wake)
		free_at_wake = zone->free_pages;
}

static unsigned long note_reclaim(zone_t *zone, gfp_t gfp_mask, unsigned int order)
{
	(void)order;
	CHECK(current_vm->flags & PF_MEMALLOC);
	CHECK(current_vm->flags & PF_FREE_PAGES);
	CHECK(gfp_mask & __GFP_WAIT);
	reclaim_gfp = gfp_mask;
	nr_reclaims++;
	if (!free_at_reclaim)
		free_at_reclaim = zone->free_pages;
	return 0;
}

static const struct reclaim_ops noting_ops = {.wakeup_kswapd = note_wake,
					      .try_to_free_pages = note_reclaim};

/* Drain page by page: woken at low, reclaiming at min. */
PAGODA_TEST_CONFIG(watermarks_wake_and_reclaim, "PM-13 PM-14 PA-24 CT-25 PA-29", ONE_ZONE)
{
	zone_t *zone = zone_of(ZONE_DMA);
	unsigned long atomic_pages;
	struct hoard hoard;

	reclaim_ops = &noting_ops;
	hoard_init(&hoard);
	CHECK_EQ(zone->need_balance, 0);
	hoard_all(&hoard, GFP_USER, 0);
	CHECK_LE(free_at_wake, zone->pages_low);
	CHECK_GE(free_at_wake, zone->pages_low - 1);
	CHECK_LE(free_at_reclaim, zone->pages_min);
	CHECK_GE(free_at_reclaim, zone->pages_min - 1);
	CHECK_EQ(vm_event(kswapd_wake), 1);
	CHECK_GE(vm_event(allocstall), 1);
	CHECK_EQ(zone->need_balance, 1);
	/* An atomic request may use three quarters of what is left, and never reclaims. */
	nr_reclaims = 0;
	atomic_pages = hoard.n;
	hoard_all(&hoard, GFP_ATOMIC, 0);
	atomic_pages = hoard.n - atomic_pages;
	CHECK_EQ(nr_reclaims, 0);
	CHECK_GE(atomic_pages, zone->pages_min / 2);
	CHECK_LE(zone->free_pages, zone->pages_min / 4);
	CHECK_GE(zone->free_pages, zone->pages_min / 4 - 1);
	/* Neither flag: not even that. */
	CHECK(!alloc_page(0));
	/* Balanced again only at high. */
	while (zone->free_pages < zone->pages_high - 64) {
		hoard_release(&hoard, hoard.n - 1);
		drain_all_pages();
		CHECK_EQ(zone->need_balance, 1);
	}
	hoard_release(&hoard, 0);
	drain_all_pages();
	CHECK_EQ(zone->need_balance, 0);
}

static void set_marks(zone_t *zone, unsigned long mark)
{
	zone->pages_low = zone->pages_min = mark;
	zone->pages_high = mark + 1;
}

static bool can_have_two_pages(void)
{
	struct page *page = alloc_pages(0, 1);

	if (page)
		__free_pages(page, 1);
	return page;
}

/* The last block that a watermark allows is given out, the next one is not. */
PAGODA_TEST_CONFIG(watermarks_are_kept_to_the_page, "PM-13 PA-24 CT-25", ONE_ZONE, .exact = true)
{
	zone_t *zone = zone_of(ZONE_DMA);

	reclaim_ops = &noting_ops;
	drain_all_pages();
	set_marks(zone, zone->free_pages - 2);
	CHECK(can_have_two_pages());
	set_marks(zone, zone->free_pages - 1);
	CHECK(!can_have_two_pages());
	set_marks(zone, zone->free_pages);
	CHECK(!can_have_two_pages());
}

/*
 * A request that comes down to a lower zone leaves it the upper zone's reserve on top of its own.
 */
PAGODA_TEST_CONFIG(watermarks_of_the_zones_passed_add_up, "PM-13 PA-24", .ram = 24 * SZ_1M,
		   .exact = true)
{
	zone_t *normal = zone_of(ZONE_NORMAL), *dma = zone_of(ZONE_DMA);
	unsigned long left;

	reclaim_ops = &noting_ops;
	drain_all_pages();
	set_marks(normal, normal->free_pages - 1);
	CHECK_GT(dma->free_pages, normal->pages_min + 100);
	left = dma->free_pages - normal->pages_min;
	set_marks(dma, left - 2);
	CHECK(can_have_two_pages());
	set_marks(dma, left - 1);
	CHECK(!can_have_two_pages());
}

PAGODA_TEST_CONFIG(memalloc_ignores_watermarks, "PA-38 PA-39 CT-31 FX-24", ONE_ZONE)
{
	zone_t *zone = zone_of(ZONE_DMA);
	struct hoard hoard;

	reclaim_ops = &noting_ops;
	hoard_init(&hoard);
	hoard_all(&hoard, GFP_ATOMIC, 0);
	CHECK(!alloc_page(GFP_USER));
	nr_reclaims = 0;
	current_vm->flags |= PF_MEMALLOC;
	CHECK(hoard_one(&hoard, GFP_USER, 0));
	CHECK_EQ(nr_reclaims, 0); /* no recursion */
	current_vm->flags &= ~PF_MEMALLOC;
	current_vm->flags |= PF_MEMDIE;
	hoard_all(&hoard, GFP_USER, 0);
	CHECK_EQ(zone->free_pages, 0);
	CHECK_EQ(nr_reclaims, 0);
	current_vm->flags &= ~PF_MEMDIE;
	hoard_release(&hoard, 0);
}

static struct hoard *victim;

/* Reclaim that frees one of the test's pages each time. */
static unsigned long release_one(zone_t *zone, gfp_t gfp_mask, unsigned int order)
{
	(void)zone, (void)gfp_mask, (void)order;
	if (!victim->n)
		return 0;
	hoard_release(victim, victim->n - 1);
	nr_reclaims++;
	return 1;
}

static const struct reclaim_ops releasing_ops = {.wakeup_kswapd = note_wake,
						 .try_to_free_pages = release_one};

PAGODA_TEST_CONFIG(reclaim_feeds_the_request_and_keeps_its_block, "PA-26 PA-40 PM-23", ONE_ZONE)
{
	struct hoard hoard, mine;
	struct page *freed;

	reclaim_ops = &noting_ops;
	hoard_init(&hoard);
	hoard_init(&mine);
	hoard_all(&hoard, GFP_USER, 0);
	reclaim_ops = &releasing_ops;
	victim = &hoard;
	nr_reclaims = 0;
	/* What this task's reclaim freed is kept for it and given to it. */
	freed = list_first_entry(&hoard.pages, struct page, lru);
	CHECK(hoard_one(&mine, GFP_USER, 0));
	CHECK_EQ(list_first_entry(&mine.pages, struct page, lru), freed);
	CHECK_EQ(current_vm->nr_local_pages, 0);
	for (unsigned int i = 0; i < 1000; i++)
		CHECK(hoard_one(&mine, GFP_KERNEL, 0));
	CHECK_EQ(nr_reclaims, 1001);
	CHECK(!(current_vm->flags & (PF_MEMALLOC | PF_FREE_PAGES)));
	reclaim_ops = &noting_ops;
	hoard_release(&mine, 0);
	hoard_release(&hoard, 0);
}

/* What a reclaiming task frees does not get to the lists where others could take it. */
static unsigned long release_one_and_look(zone_t *zone, gfp_t gfp_mask, unsigned int order)
{
	struct page *freed = list_first_entry(&victim->pages, struct page, lru);
	unsigned long on_lists = zone->free_pages + nr_free_pages();

	CHECK_EQ(current_vm->nr_local_pages, 0);
	CHECK_EQ(release_one(zone, gfp_mask, order), 1);
	CHECK_EQ(current_vm->nr_local_pages, 1);
	CHECK_EQ(list_first_entry(&current_vm->local_pages, struct page, list), freed);
	CHECK_EQ(zone->free_pages + nr_free_pages(), on_lists);
	return 1;
}

PAGODA_TEST_CONFIG(only_a_reclaiming_task_keeps_what_it_frees, "PA-40", ONE_ZONE)
{
	static const struct reclaim_ops ops = {.wakeup_kswapd = note_wake,
					       .try_to_free_pages = release_one_and_look};
	zone_t *zone = zone_of(ZONE_DMA);
	struct hoard hoard, mine;
	unsigned long free;

	hoard_init(&hoard);
	hoard_init(&mine);
	for (unsigned int order = 1; order < 4; order++) {
		free = zone->free_pages;
		CHECK(hoard_one(&mine, GFP_KERNEL, order));
		hoard_release(&mine, 0);
		CHECK_EQ(current_vm->nr_local_pages, 0);
		CHECK_EQ(zone->free_pages, free);
	}
	reclaim_ops = &noting_ops;
	hoard_all(&hoard, GFP_USER, 0);
	victim = &hoard;
	nr_reclaims = 0;
	reclaim_ops = &ops;
	for (unsigned int i = 0; i < 100; i++)
		CHECK(hoard_one(&mine, GFP_USER, 0));
	CHECK_EQ(nr_reclaims, 100);
	reclaim_ops = &noting_ops;
	hoard_release(&mine, 0);
	CHECK_EQ(current_vm->nr_local_pages, 0);
	hoard_release(&hoard, 0);
}

/* A freed block of another order than asked for does not stay with the task. */
PAGODA_TEST_CONFIG(unfitting_local_blocks_go_back, "PA-40", ONE_ZONE)
{
	struct hoard hoard;

	reclaim_ops = &noting_ops;
	hoard_init(&hoard);
	hoard_all(&hoard, GFP_USER, 0);
	reclaim_ops = &releasing_ops;
	victim = &hoard;
	CHECK(!alloc_pages(GFP_USER, 9));
	CHECK_EQ(current_vm->nr_local_pages, 0);
	reclaim_ops = &noting_ops;
	hoard_release(&hoard, 0);
}

static unsigned int nr_ooms;

static bool note_oom(gfp_t gfp_mask, unsigned int order)
{
	(void)gfp_mask, (void)order;
	return ++nr_ooms < 3;
}

PAGODA_TEST_CONFIG(out_of_memory_is_asked_last, "PA-26", ONE_ZONE)
{
	static const struct reclaim_ops ops = {.wakeup_kswapd = note_wake,
					       .try_to_free_pages = note_reclaim,
					       .out_of_memory = note_oom};
	struct hoard hoard;

	reclaim_ops = &noting_ops;
	hoard_init(&hoard);
	hoard_all(&hoard, GFP_USER, 0);
	reclaim_ops = &ops;
	nr_reclaims = 0;
	CHECK(!alloc_page(GFP_USER));
	CHECK_EQ(nr_ooms, 3);
	CHECK_EQ(nr_reclaims, 3);
	CHECK(!alloc_page(0));
	CHECK_EQ(nr_ooms, 3);
	/* GFP_KERNEL may, after all that, use half of the reserve. */
	CHECK(hoard_one(&hoard, GFP_KERNEL, 0));
	CHECK_EQ(nr_ooms, 4);
	reclaim_ops = &noting_ops;
	hoard_release(&hoard, 0);
}

/* ---- GFP flags ------------------------------------------------------------------------------- */

/* Which of HIGH, WAIT, IO, HIGHIO, FS, HIGHMEM a combination has, as a string of x and -. */
static const char *gfp_row(gfp_t gfp)
{
	static const gfp_t columns[] = {__GFP_HIGH,   __GFP_WAIT, __GFP_IO,
					__GFP_HIGHIO, __GFP_FS,	  __GFP_HIGHMEM};
	static char row[7];

	for (int i = 0; i < 6; i++)
		row[i] = gfp & columns[i] ? 'x' : '-';
	return row;
}

PAGODA_TEST(gfp_combinations_are_as_tabled, "PA-27 PA-33 PA-36 CT-30")
{
	CHECK_STR(gfp_row(GFP_ATOMIC), "x-----");
	CHECK_STR(gfp_row(GFP_NOIO), "xx----");
	CHECK_STR(gfp_row(GFP_NOHIGHIO), "xxx---");
	CHECK_STR(gfp_row(GFP_NOFS), "xxxx--");
	CHECK_STR(gfp_row(GFP_KERNEL), "xxxxx-");
	CHECK_STR(gfp_row(GFP_NFS), "xxxxx-");
	CHECK_STR(gfp_row(GFP_USER), "-xxxx-");
	CHECK_STR(gfp_row(GFP_HIGHUSER), "-xxxxx");
	CHECK_STR(gfp_row(GFP_KSWAPD), "-xxxx-");
	CHECK_EQ(GFP_KERNEL ^ GFP_USER, __GFP_HIGH);
	CHECK_EQ(GFP_USER, GFP_KSWAPD);
	CHECK_EQ(GFP_NFS, GFP_KERNEL);
	CHECK_EQ(GFP_DMA, __GFP_DMA);
}

/* ---- Interrupts and several CPUs ------------------------------------------------------------- */

PAGODA_TEST(interrupt_state_is_restored, "PA-19")
{
	unsigned long flags;
	struct page *page;

	CHECK(port_irqs_enabled());
	__free_page(alloc_page(GFP_ATOMIC));
	__free_pages(alloc_pages(GFP_ATOMIC, 2), 2);
	CHECK(port_irqs_enabled());
	flags = port_irq_save();
	page = alloc_pages(GFP_ATOMIC, 1);
	CHECK(!port_irqs_enabled());
	__free_pages(page, 1);
	CHECK(!port_irqs_enabled());
	port_irq_restore(flags);
}

static void churn(void *seed)
{
	struct page *held[64] = {NULL};
	u64 x = (unsigned long)seed * 0x9e3779b97f4a7c15ull + test_seed();

	for (unsigned int i = 0; i < test_scale(60000); i++) {
		unsigned int slot = (unsigned int)((x >> 40) % ARRAY_SIZE(held));

		x = x * 6364136223846793005ull + 1442695040888963407ull;
		if (held[slot]) {
			CHECK_EQ(held[slot]->private, (void *)&held[slot]);
			held[slot]->private = NULL;
			put_page(held[slot]);
			held[slot] = NULL;
		} else {
			held[slot] = alloc_pages(GFP_ATOMIC, x >> 62 ? 0 : 2);
			if (held[slot])
				held[slot]->private = &held[slot]; /* ours alone */
		}
	}
	for (unsigned int slot = 0; slot < ARRAY_SIZE(held); slot++) {
		if (!held[slot])
			continue;
		held[slot]->private = NULL;
		put_page(held[slot]);
	}
}

PAGODA_TEST_CONFIG(four_cpus_allocate_and_free_at_once, "PA-19 SM-01", .nr_cpus = 4)
{
	struct hosted_task *tasks[3];

	for (int i = 0; i < 3; i++)
		tasks[i] = hosted_spawn("churn", i + 1, churn, (void *)(unsigned long)(i + 1));
	churn((void *)0x10ul);
	for (int i = 0; i < 3; i++)
		hosted_wait(tasks[i]);
	validate_buddy();
}

static void free_in_interrupt(void *page)
{
	__free_pages(page, 0);
}

static unsigned long nr_failed;

static void alloc_in_interrupt(void *unused)
{
	struct page *page = alloc_page(GFP_ATOMIC);

	(void)unused;
	if (page)
		__free_page(page);
	else
		nr_failed++;
}

/* Handlers are served from the reserve while a task has taken all it can get. */
PAGODA_TEST_CONFIG(interrupts_are_served_under_pressure, "PA-34 PA-28 PA-29 SL-38", .nr_cpus = 2,
		   .start_threads = true, ONE_ZONE)
{
	struct hoard hoard;

	reclaim_ops = &noting_ops;
	hoard_init(&hoard);
	hoard_all(&hoard, GFP_USER, 0);
	for (unsigned int i = 0; i < test_scale(20000); i++)
		port_on_each_cpu(1 + i % 2, alloc_in_interrupt, NULL);
	CHECK_EQ(nr_failed, 0);
	/* The reserve is gone too: they fail, and nothing else happens. */
	hoard_all(&hoard, GFP_ATOMIC, 0);
	port_on_each_cpu(2, alloc_in_interrupt, NULL);
	hoard_release(&hoard, 0);
}

PAGODA_TEST_CONFIG(pages_return_to_their_zone_from_any_cpu, "NU-09 PA-19 SM-04", .ram = 64 * SZ_1M,
		   .nr_nodes = 2, .nr_cpus = 2)
{
	unsigned long free0, n = 200;
	zone_t *zone = &NODE_DATA(0)->node_zones[ZONE_NORMAL];

	drain_all_pages();
	free0 = zone->free_pages;
	while (n--)
		port_on_each_cpu(2, free_in_interrupt, alloc_pages_node(0, GFP_KERNEL, 0));
	drain_all_pages();
	CHECK_EQ(zone->free_pages, free0);
}

PAGODA_TEST_CONFIG(random_allocations_with_interleaving, "PA-19 SM-13", .nr_cpus = 2,
		   .deterministic = true)
{
	struct hosted_task *task = hosted_spawn("churn", 1, churn, (void *)1ul);

	churn((void *)2ul);
	hosted_wait(task);
	validate_buddy();
}

PAGODA_TEST_CONFIG(random_allocations_with_four_cpus_interleaved, "PA-19 SM-13", .nr_cpus = 4,
		   .deterministic = true)
{
	struct hosted_task *tasks[3];

	for (int i = 0; i < 3; i++)
		tasks[i] = hosted_spawn("churn", i + 1, churn, (void *)(unsigned long)(i + 1));
	churn((void *)9ul);
	for (int i = 0; i < 3; i++)
		hosted_wait(tasks[i]);
	validate_buddy();
}

/* ---- The checker ----------------------------------------------------------------------------- */

PAGODA_TEST(validate_buddy_finds_each_kind_of_damage, "PA-10 PA-43")
{
	zone_t *zone = zone_of(ZONE_NORMAL);
	struct page *page;
	unsigned int order = MAX_ORDER - 1;

	drain_all_pages();
	page = list_first_entry(&zone->free_area[order].free_list, struct page, list);
	EXPECT_PANIC("wrong bit", {
		zone->free_area[2].map[1] ^= 4;
		validate_buddy();
	});
	EXPECT_PANIC("free_pages", {
		zone->free_pages++;
		validate_buddy();
	});
	EXPECT_PANIC("counted", {
		zone->free_area[order].nr_free++;
		validate_buddy();
	});
	EXPECT_PANIC("wrong bit", {
		page->index = 3;
		validate_buddy();
	});
	EXPECT_PANIC("bad free block", {
		atomic_set(&page->count, 1);
		validate_buddy();
	});
	EXPECT_PANIC("marked", {
		page = alloc_page(GFP_KERNEL);
		SetPageBuddy(page);
		page->index = MAX_ORDER;
		validate_buddy();
	});
}
