/* SPDX-License-Identifier: MIT */
/*
 * test_memory_map.c: nodes, zones and frames as the machine's memory map implies them.
 */
#include "report.h"

#include <mm/physical/page_alloc_internal.h>
#include <pagoda/bootmem.h>
#include <pagoda/highmem.h>
#include <pagoda/lru.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>

#include <string.h>

#define USABLE(from, to, node)                                                       \
	{                                                                            \
		.start = (from), .end = (to), .type = PORT_MEM_USABLE, .nid = (node) \
	}
#define RESERVED(from, to)                                              \
	{                                                               \
		.start = (from), .end = (to), .type = PORT_MEM_RESERVED \
	}
#define MAP(...)                                                         \
	.map = (const struct port_mem_range[]){__VA_ARGS__},             \
	.nr_map = sizeof((const struct port_mem_range[]){__VA_ARGS__}) / \
		  sizeof(struct port_mem_range)

#define LOWMEM_MIB (MAX_LOWMEM >> 20)

static zone_t *zone_of(int which)
{
	return &contig_page_data.node_zones[which];
}

/* Pages of a zone on a machine of mib MiB. */
static unsigned long expected_zone_pages(int which, unsigned long mib)
{
	unsigned long ends[] = {16, LOWMEM_MIB, ~0ul}, start = which ? ends[which - 1] : 0;
	unsigned long end = ends[which] < mib ? ends[which] : mib;

	return end > start ? (end - start) << (20 - PAGE_SHIFT) : 0;
}

static void check_zone_sizes(unsigned long mib)
{
	for (int i = 0; i < MAX_NR_ZONES; i++)
		CHECK_EQ(zone_of(i)->size, expected_zone_pages(i, mib));
	CHECK_EQ(max_pfn, mib << (20 - PAGE_SHIFT));
	CHECK_EQ(max_low_pfn, (mib < LOWMEM_MIB ? mib : LOWMEM_MIB) << (20 - PAGE_SHIFT));
	CHECK_EQ(highstart_pfn, max_low_pfn);
	CHECK_EQ(highend_pfn, max_pfn);
}

PAGODA_TEST_CONFIG(zones_of_8_mib, "PM-08 BM-05 BM-06", .exact = true, .ram = 8 * SZ_1M)
{
	check_zone_sizes(8);
	CHECK_EQ(contig_page_data.nr_zones, 1);
}

PAGODA_TEST_CONFIG(zones_of_64_mib, "PM-08", .exact = true, .ram = 64 * SZ_1M)
{
	check_zone_sizes(64);
	CHECK_EQ(contig_page_data.nr_zones, 2);
}

PAGODA_TEST_CONFIG(zones_of_512_mib, "PM-08 BM-06", .exact = true, .ram = 512 * SZ_1M)
{
	check_zone_sizes(512);
	CHECK_EQ(max_low_pfn, max_pfn);
}

PAGODA_TEST_CONFIG(zones_of_1_gib, "PM-08 BM-06", .exact = true, .ram = SZ_1G)
{
	check_zone_sizes(1024);
}

PAGODA_TEST_CONFIG(zones_of_2_gib, "PM-08", .exact = true, .ram = 2 * SZ_1G)
{
	check_zone_sizes(2048);
}

PAGODA_TEST_EXACT(zone_fields_agree_with_the_node, "PM-01 PM-02 PM-03 PM-07 PM-09 PM-10")
{
	static const char *const names[] = {"DMA", "Normal", "HighMem"};
	pg_data_t *pgdat;
	int nodes = 0;

	for_each_pgdat(pgdat) {
		unsigned long pfn = pgdat->node_start_pfn;

		CHECK_EQ(pgdat, &contig_page_data);
		CHECK_EQ(pgdat->node_id, 0);
		CHECK_EQ(mem_map + pgdat->node_start_mapnr, pgdat->node_mem_map);
		for (int i = 0; i < MAX_NR_ZONES; i++) {
			zone_t *zone = &pgdat->node_zones[i];

			CHECK_STR(zone->name, names[i]);
			CHECK_EQ(zone->zone_pgdat, pgdat);
			CHECK_EQ(zone->zone_start_pfn, pfn);
			CHECK_EQ(zone->zone_start_paddr, PFN_PHYS(pfn));
			CHECK_EQ(zone->zone_mem_map, mem_map + zone->zone_start_mapnr);
			CHECK_EQ(zone_table[i], zone);
			pfn += zone->size;
		}
		CHECK_EQ(pfn, pgdat->node_start_pfn + pgdat->node_size);
		nodes++;
	}
	CHECK_EQ(nodes, 1);
	CHECK(!contig_page_data.node_next);
}

static void check_watermarks(const zone_t *zone, unsigned long min)
{
	CHECK_EQ(zone->pages_min, min);
	CHECK_EQ(zone->pages_low, 2 * min);
	CHECK_EQ(zone->pages_high, 3 * min);
}

PAGODA_TEST_CONFIG(watermarks_are_clamped, "PM-12", MAP(USABLE(0, 1000 * SZ_4K, 0)))
{
	check_watermarks(zone_of(ZONE_DMA), 20);
}

PAGODA_TEST_CONFIG(watermarks_follow_zone_size, "PM-12", .ram = 896 * SZ_1M)
{
	check_watermarks(zone_of(ZONE_DMA), 32);
	check_watermarks(zone_of(ZONE_NORMAL), 255);
}

/* ---- Several nodes, holes ------------------------------------------------------- */

/* Descriptors of largest blocks are made when they are first used: use all of them once. */
static void use_every_block(void)
{
	struct page *page, *next;
	LIST_HEAD(blocks);

	for (unsigned int i = 0; i < ARRAY_SIZE(zone_table); i++)
		while (zone_table[i] && (page = rmqueue(zone_table[i], MAX_ORDER - 1)))
			list_add(&page->lru, &blocks);
	list_for_each_entry_safe(page, next, &blocks, lru) {
		list_del(&page->lru);
		free_block_to_zone(page_zone(page), page, MAX_ORDER - 1);
	}
}

#define ODD_NODES                                                              \
	MAP(USABLE(0, 4096 * SZ_4K, 0), USABLE(4096 * SZ_4K, 4196 * SZ_4K, 1), \
	    USABLE(4196 * SZ_4K, 34196 * SZ_4K, 2), USABLE(44196 * SZ_4K, 74196 * SZ_4K, 2))

PAGODA_TEST_CONFIG(nodes_of_odd_sizes, "PM-02 PM-03 PM-05 PM-07 PM-18 NU-01 NU-08", ODD_NODES)
{
	static const unsigned long sizes[] = {4096, 100, 70000};
	pg_data_t *pgdat;
	int n = 0;

	use_every_block();
	for_each_pgdat(pgdat) {
		CHECK_EQ(pgdat->node_id, n);
		CHECK_EQ(NODE_DATA(n), pgdat);
		CHECK_EQ(pgdat->node_size, sizes[n]);
		CHECK_EQ(mem_map + pgdat->node_start_mapnr, pgdat->node_mem_map);
		n++;
	}
	CHECK_EQ(n, 3);
	CHECK(!NODE_DATA(3));
	for (unsigned long pfn = 0; pfn < 74196; pfn++) {
		CHECK(pfn_valid(pfn));
		CHECK_EQ(page_to_pfn(pfn_to_page(pfn)), pfn);
	}
	CHECK(!pfn_valid(74196));
}

PAGODA_TEST_CONFIG(zone_index_lives_in_the_top_bits, "PM-25 NU-07", ODD_NODES)
{
	use_every_block();
	for (unsigned long pfn = 0; pfn < 74196; pfn++) {
		struct page *page = pfn_to_page(pfn);
		zone_t *zone = page_zone(page);
		unsigned long top = page->flags >> ZONE_SHIFT;

		CHECK(pfn >= zone->zone_start_pfn && pfn < zone->zone_start_pfn + zone->size);
		CHECK_EQ(top, (unsigned long)(zone->zone_pgdat->node_id * MAX_NR_ZONES +
					      (zone - zone->zone_pgdat->node_zones)));
	}
	/* Changing status bits leaves it alone. */
	{
		struct page *page = alloc_page(GFP_KERNEL);
		unsigned long top = page->flags >> ZONE_SHIFT;

		SetPageDirty(page);
		SetPageReferenced(page);
		ClearPageDirty(page);
		CHECK_EQ(page->flags >> ZONE_SHIFT, top);
		ClearPageReferenced(page);
		__free_page(page);
	}
	BUG_ON(MAX_NR_NODES * MAX_NR_ZONES > 256);
}

PAGODA_TEST_CONFIG(frames_in_holes_are_never_handed_out, "PM-06 PM-30 NU-08",
		   MAP(USABLE(0, 8 * SZ_1M, 0), USABLE(9 * SZ_1M, 20 * SZ_1M, 0),
		       RESERVED(3 * SZ_1M + 100, 3 * SZ_1M + 5000)))
{
	struct list_head pages = LIST_HEAD_INIT(pages);
	struct page *page, *next;
	unsigned long n = 0;

	while ((page = alloc_page(GFP_ATOMIC | __GFP_NOWARN))) {
		unsigned long pfn = page_to_pfn(page);

		CHECK(pfn < 8 * 256 || pfn >= 9 * 256);
		CHECK(pfn != 3 * 256 && pfn != 3 * 256 + 1);
		CHECK(page_is_ram(pfn));
		list_add(&page->lru, &pages);
		n++;
	}
	CHECK_GT(n, 4000);
	CHECK(PageReserved(pfn_to_page(8 * 256)));
	CHECK(!page_is_ram(8 * 256 + 100));
	CHECK(!test_bit(8, contig_page_data.valid_addr_bitmap));
	CHECK(test_bit(9, contig_page_data.valid_addr_bitmap));
	list_for_each_entry_safe(page, next, &pages, lru)
		__free_page(page);
}

PAGODA_TEST_CONFIG(map_may_be_unsorted_and_overlap, "BM-05 BM-09 PM-06",
		   MAP(USABLE(16 * SZ_1M, 32 * SZ_1M, 0), RESERVED(20 * SZ_1M, 21 * SZ_1M),
		       USABLE(SZ_1M, 18 * SZ_1M, 0), USABLE(0, 0x9f800, 0)))
{
	CHECK_EQ(max_pfn, 32 * 256);
	CHECK(page_is_ram(0));
	CHECK(!page_is_ram(0x9f)); /* only a part of it is usable */
	CHECK(page_is_ram(17 * 256));
	CHECK(!page_is_ram(20 * 256 + 255));
	CHECK(page_is_ram(21 * 256));
	CHECK_EQ(zone_of(ZONE_DMA)->present_pages, 0x9f + 15 * 256);
}

/* ---- The descriptor -------------------------------------------------------------------- */

PAGODA_TEST_EXACT(descriptor_fits_a_cache_line, "PM-18 PM-19 PM-20")
{
	CHECK_LE(sizeof(struct page), 64);
	CHECK_LE(sizeof(mem_map_t), 64);
	CHECK(strstr(hosted_log(), "64 bytes a descriptor"));
	for (unsigned long pfn = 0; pfn < max_pfn; pfn++) {
		CHECK_EQ(page_to_pfn(pfn_to_page(pfn)), pfn);
		CHECK_EQ(pfn_to_page(pfn), mem_map + (pfn - ARCH_PFN_OFFSET));
	}
}

PAGODA_TEST(every_frame_is_in_one_state, "PM-26 PM-30 PM-36")
{
	unsigned long free = 0, reserved = 0, slab = 0, other = 0, used = 0;
	struct page *held = alloc_page(GFP_KERNEL);

	drain_all_pages();
	for (unsigned long pfn = 0; pfn < max_pfn; pfn++) {
		struct page *page = pfn_to_page(pfn);

		if (PageReserved(page)) {
			reserved++;
		} else if (PageBuddy(page)) {
			CHECK(!PageSlab(page));
			free += 1ul << page->index;
			pfn += (1ul << page->index) - 1;
		} else if (PageSlab(page)) {
			slab++;
		} else {
			used++;
		}
	}
	CHECK_EQ(free + reserved + slab + used + other, max_pfn);
	CHECK_EQ(free, nr_free_pages());
	CHECK_GE(used, 1);
	__free_page(held);
}

/* Every accessor of Table 3.2 on a page of our own. */
PAGODA_TEST(flag_accessors_exist_as_tabled, "PM-27 PM-28 PM-39")
{
	struct page *page = alloc_page(GFP_KERNEL);

#define CYCLE(Name)                       \
	do {                              \
		CHECK(!Page##Name(page)); \
		SetPage##Name(page);      \
		CHECK(Page##Name(page));  \
		ClearPage##Name(page);    \
		CHECK(!Page##Name(page)); \
	} while (0)
	CYCLE(Active);
	CYCLE(Dirty);
	CYCLE(Error);
	CYCLE(Launder);
	CYCLE(Referenced);
	CYCLE(Reserved);
	CYCLE(Uptodate);
	SetPageChecked(page);
	CHECK(PageChecked(page));
	LockPage(page);
	CHECK(PageLocked(page) && TryLockPage(page));
	UnlockPage(page);
	CHECK(!PageLocked(page));
	CHECK(!TestSetPageLRU(page) && PageLRU(page) && TestClearPageLRU(page));
	PageSetSlab(page);
	CHECK(PageSlab(page));
	PageClearSlab(page);
	CHECK(!PageHighMem(page));
	/* The VM leaves PG_checked alone. */
	lru_cache_add(page);
	activate_page(page);
	lru_cache_del(page);
	CHECK(PageChecked(page));
	CHECK_EQ(PG_skip, 10);
	CHECK_EQ(PG_unused, 5);
	__free_page(page);
}

PAGODA_TEST(reference_count_frees_at_zero, "PM-21 PA-06")
{
	unsigned long before = nr_free_pages();
	struct page *page = alloc_page(GFP_KERNEL);

	get_page(page);
	get_page(page);
	CHECK_EQ(page_count(page), 3);
	put_page(page);
	put_page(page);
	CHECK_EQ(page_count(page), 1);
	CHECK_EQ(nr_free_pages(), before - 1);
	put_page(page);
	CHECK_EQ(page_count(page), 0);
	CHECK_EQ(nr_free_pages(), before);
}

/* A page in use that is freed is reported and kept out of circulation. */
PAGODA_TEST(freeing_a_page_in_use_is_reported, "PM-41 PA-20")
{
	unsigned long before = nr_free_pages();
	struct page *page = alloc_page(GFP_KERNEL);

	LockPage(page);
	EXPECT_REPORT("freed while in use", { __free_page(page); });
	CHECK_EQ(nr_free_pages(), before - 1);
	unlock_page(page);
	atomic_set(&page->count, 1);
	page->mapping = (struct address_space *)page;
	EXPECT_REPORT("freed while in use", { __free_page(page); });
	page->mapping = NULL;
	atomic_set(&page->count, 1);
	__free_page(page);
	CHECK_EQ(nr_free_pages(), before);
}

PAGODA_TEST(freed_page_carries_no_flags, "PM-41 PM-37")
{
	struct page *page = alloc_page(GFP_KERNEL);

	SetPageDirty(page);
	SetPageReferenced(page);
	set_bit(PG_arch_1, &page->flags);
	__free_page(page);
	page = alloc_page(GFP_KERNEL); /* the list is last in, first out */
	CHECK(!PageDirty(page) && !PageReferenced(page) && !test_bit(PG_arch_1, &page->flags));
	CHECK_EQ(page_mapcount(page), 0);
	CHECK(!page->private && !page->mapping);
	__free_page(page);
}

PAGODA_TEST(second_use_activates_a_page, "PM-35 PM-29")
{
	struct page *page = alloc_page(GFP_KERNEL);

	lru_cache_add(page);
	CHECK(PageLRU(page) && !PageActive(page) && !PageReferenced(page));
	mark_page_accessed(page);
	CHECK(!PageActive(page) && PageReferenced(page));
	mark_page_accessed(page);
	CHECK(PageActive(page) && !PageReferenced(page));
	CHECK_EQ(nr_active_pages(), 1);
	mark_page_accessed(page);
	CHECK(PageActive(page) && PageReferenced(page));
	lru_cache_del(page);
	CHECK(!PageActive(page) && !PageLRU(page));
	CHECK_EQ(nr_active_pages() + nr_inactive_pages(), 0);
	__free_page(page);
}

/* The list links belong to the buddy lists, a slab or nobody, and a flag says to whom. */
PAGODA_TEST(flags_name_the_owner_of_the_links, "PM-22 PM-24 PM-19")
{
	struct page *page = alloc_pages(GFP_KERNEL, 1);
	void *obj = kmalloc(100, GFP_KERNEL);

	CHECK(!PageBuddy(page) && !PageSlab(page));
	CHECK(!page->list.next && !page->list.prev && !page->mapping);
	CHECK(PageSlab(virt_to_page(obj)) && virt_to_page(obj)->list.next);
	kfree(obj);
	for (unsigned long pfn = 0; pfn < max_pfn; pfn++) {
		struct page *p = pfn_to_page(pfn);

		CHECK(!(PageBuddy(p) && PageSlab(p)));
		if (PageBuddy(p) || PageSlab(p))
			CHECK(p->list.next && p->list.prev && !p->mapping);
		else
			CHECK(!p->list.next && !p->list.prev);
	}
	__free_pages(page, 1);
}

/* ---- Flags from several CPUs -------------------------------------------------------------- */

static struct page *shared_page;

static void toggle_bit(void *bit)
{
	for (unsigned int i = 0; i < test_scale(200000); i++) {
		set_bit((unsigned int)(unsigned long)bit, &shared_page->flags);
		clear_bit((unsigned int)(unsigned long)bit, &shared_page->flags);
	}
	set_bit((unsigned int)(unsigned long)bit, &shared_page->flags);
}

PAGODA_TEST_CONFIG(flag_bits_change_atomically, "PM-40", .nr_cpus = 2)
{
	struct hosted_task *other;

	shared_page = alloc_page(GFP_KERNEL);
	other = hosted_spawn("toggle", 1, toggle_bit, (void *)PG_dirty);
	toggle_bit((void *)PG_referenced);
	hosted_wait(other);
	CHECK(PageDirty(shared_page) && PageReferenced(shared_page));
	ClearPageDirty(shared_page);
	ClearPageReferenced(shared_page);
	__free_page(shared_page);
}

/* ---- Waiting for pages ----------------------------------------------------------------------- */

PAGODA_TEST_CONFIG(wait_table_covers_the_zone_evenly, "PM-15 PM-16 CT-37", .ram = 256 * SZ_1M)
{
	zone_t *zone = zone_of(ZONE_NORMAL);
	unsigned int *use = kzalloc(zone->wait_table_size * sizeof(*use), GFP_KERNEL);
	unsigned long most = 0;

	use_every_block();
	CHECK_EQ(zone->wait_table_size & (zone->wait_table_size - 1), 0);
	CHECK_EQ(1ul << (BITS_PER_LONG - zone->wait_table_shift), zone->wait_table_size);
	for (unsigned long i = 0; i < zone->size; i++) {
		wait_queue_head_t *wq = page_waitqueue(zone->zone_mem_map + i);
		unsigned long n = (unsigned long)(wq - zone->wait_table);

		CHECK_LT(n, zone->wait_table_size);
		most = max(most, (unsigned long)++use[n]);
	}
	CHECK_LE(most, 2 * zone->size / zone->wait_table_size);
	kfree(use);
}

struct page_waiter {
	struct page *page;
	int done;
};

static void wait_for_page(void *arg)
{
	struct page_waiter *w = arg;

	wait_on_page(w->page);
	__atomic_store_n(&w->done, 1, __ATOMIC_SEQ_CST);
}

static void until_waiting(struct page *page, int n)
{
	while (atomic_read(&page_waitqueue(page)->nr_waiting) < n)
		port_yield();
}

PAGODA_TEST_CONFIG(unlock_wakes_only_this_pages_waiters, "PM-15 PM-17 PM-31 FX-33", .nr_cpus = 2)
{
	struct page *a = alloc_page(GFP_KERNEL), *b = a;
	static struct page *others[1000];
	struct page_waiter wa = {.page = a}, wb = {0};
	struct hosted_task *ta, *tb;
	int n = 0;

	/* Another page that shares a's queue. */
	do {
		if (b != a)
			others[n++] = b;
		b = alloc_page(GFP_KERNEL);
		CHECK_LT(n, 1000);
	} while (page_waitqueue(b) != page_waitqueue(a));
	wb.page = b;
	LockPage(a);
	LockPage(b);
	ta = hosted_spawn("wait a", 1, wait_for_page, &wa);
	tb = hosted_spawn("wait b", 1, wait_for_page, &wb);
	until_waiting(a, 2);
	unlock_page(a);
	hosted_wait(ta);
	CHECK_EQ(__atomic_load_n(&wa.done, __ATOMIC_SEQ_CST), 1);
	CHECK_EQ(__atomic_load_n(&wb.done, __ATOMIC_SEQ_CST), 0);
	unlock_page(b);
	hosted_wait(tb);
	CHECK_EQ(__atomic_load_n(&wb.done, __ATOMIC_SEQ_CST), 1);
	while (n--)
		__free_page(others[n]);
	__free_page(a);
	__free_page(b);
}

static unsigned long guarded;

static void count_under_page_lock(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; i < test_scale(2000); i++) {
		lock_page(shared_page);
		guarded++;
		unlock_page(shared_page);
	}
}

PAGODA_TEST_CONFIG(page_lock_excludes, "PM-31 PM-17", .nr_cpus = 4)
{
	struct hosted_task *tasks[3];

	shared_page = alloc_page(GFP_KERNEL);
	for (int i = 0; i < 3; i++)
		tasks[i] = hosted_spawn("count", i + 1, count_under_page_lock, NULL);
	count_under_page_lock(NULL);
	for (int i = 0; i < 3; i++)
		hosted_wait(tasks[i]);
	CHECK_EQ(guarded, 4 * test_scale(2000));
	__free_page(shared_page);
}

/* ---- Limits ---------------------------------------------------------------------------------- */

/*
 * More memory than the descriptors in 128 MiB of low memory can describe, where page-table entries
 * can address as much. A 64-bit machine has all of it for low memory.
 */
#define TOP_GIB (MAX_PHYSMEM_BITS > 32 ? 6 : 3)

PAGODA_TEST_CONFIG(memory_too_large_to_describe_is_left_out, "PM-42 FX-31",
		   MAP(USABLE(0, 128 * SZ_1M, 0), USABLE(SZ_1G, TOP_GIB *SZ_1G, 0)))
{
	unsigned long pages = (unsigned long)TOP_GIB << 18;

	if (PGTABLE_LEVELS != 3) {
		CHECK_EQ(max_pfn, pages);
		return;
	}
	CHECK(strstr(hosted_log(), "are not used"));
	CHECK_LT(max_pfn, pages);
	CHECK_GT(max_pfn, pages / 4);
}

#define REACH (1ull << MAX_PHYSMEM_BITS)

/* A range without a whole frame is no loss; one that no page-table entry can name is told of. */
PAGODA_TEST_CONFIG(memory_beyond_the_reach_of_entries_is_told_of, "PM-42",
		   MAP(USABLE(0, 64 * SZ_1M, 0), USABLE(80 * SZ_1M + 16, 80 * SZ_1M + 512, 0),
		       USABLE(REACH + SZ_1M, REACH + 3 * SZ_1M, 0)))
{
	const char *told = strstr(hosted_log(), "is beyond this CPU's reach");

	CHECK(told);
	CHECK(!strstr(told + 1, "is beyond this CPU's reach"));
	CHECK_EQ(max_pfn, 64 * SZ_1M >> PAGE_SHIFT);
}
