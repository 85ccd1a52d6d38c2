/* SPDX-License-Identifier: MIT */
/*
 * test_lru.c: which flags a page takes along when it moves between the LRU lists, or leaves them,
 * and the batches in front of them.
 */
#include "address_space.h"

#include <pagoda/lru.h>
#include <pagoda/vmscan.h>

static struct page *page_at(unsigned long addr)
{
	return pfn_to_page(frame_at(addr));
}

/* A process with nr written pages on the inactive list, the first one coldest. */
static void process_with_pages(unsigned long nr)
{
	new_process();
	map_at(BASE, nr, RW);
	for (unsigned long i = 0; i < nr; i++)
		hosted_write8(BASE + PG(i), 1);
	lru_add_drain_all();
	for (unsigned long i = 0; i < nr; i++)
		CHECK(PageLRU(page_at(BASE + PG(i))) && !PageActive(page_at(BASE + PG(i))));
}

PAGODA_TEST(a_page_off_its_list_is_not_active, "")
{
	struct page *page;

	process_with_pages(1);
	page = page_at(BASE);
	activate_page(page);
	CHECK(PageActive(page));
	lru_cache_del(page);
	CHECK(!PageActive(page) && !PageLRU(page));
	lru_cache_add(page);
	CHECK_EQ(lru_pages(LRU_ACTIVE_ANON), 0);
	validate_lru();
}

PAGODA_TEST(a_locked_page_is_not_active_and_comes_back_inactive, "")
{
	struct page *page;

	process_with_pages(1);
	page = page_at(BASE);
	activate_page(page);
	lru_cull_mlocked(page);
	CHECK(PageMlocked(page) && !PageActive(page) && !PageLRU(page));
	CHECK_EQ(nr_mlocked_pages(), 1);
	lru_rescue_mlocked(page);
	CHECK(!PageMlocked(page) && PageLRU(page));
	CHECK_EQ(nr_mlocked_pages(), 0);
	CHECK_EQ(lru_pages(LRU_INACTIVE_ANON), 1);
	validate_lru();
}

PAGODA_TEST(a_second_access_activates_and_counts_from_the_start_again, "")
{
	struct page *page;

	process_with_pages(1);
	page = page_at(BASE);
	ClearPageReferenced(page);
	mark_page_accessed(page);
	CHECK(PageReferenced(page) && !PageActive(page));
	mark_page_accessed(page);
	CHECK(PageActive(page) && !PageReferenced(page));
	CHECK_EQ(lru_pages(LRU_ACTIVE_ANON), 1);
}

PAGODA_TEST(a_lazily_freed_page_loses_what_it_was_accessed_before, "")
{
	struct page *page;

	process_with_pages(1);
	page = page_at(BASE);
	activate_page(page);
	SetPageReferenced(page);
	CHECK(lru_set_lazyfree(page, true));
	CHECK(!PageActive(page) && !PageReferenced(page) && !PageSwapBacked(page));
	CHECK_EQ(lru_pages(LRU_INACTIVE_FILE), 1);
	CHECK(!lru_set_lazyfree(page, true)); /* it is already */
	SetPageReferenced(page);
	CHECK(lru_set_lazyfree(page, false));
	CHECK(PageActive(page) && !PageReferenced(page) && PageSwapBacked(page));
	CHECK_EQ(lru_pages(LRU_ACTIVE_ANON), 1);
	validate_lru();
}

PAGODA_TEST(a_written_page_that_was_activated_stays_where_it_is, "")
{
	struct page *page[3], *coldest;
	zone_t *zone;

	process_with_pages(3);
	for (int i = 0; i < 3; i++) {
		page[i] = page_at(BASE + PG(i));
		activate_page(page[i]);
	}
	zone = page_zone(page[0]);
	lru_rotate_to_tail(page[2]);
	coldest = lru_take_coldest(zone, LRU_ACTIVE_ANON);
	CHECK_EQ(coldest, page[0]);
	put_page(coldest);
	deactivate_page(page[1]);
	deactivate_page(page[2]);
	lru_rotate_to_tail(page[2]); /* inactive, it is the next to be looked at */
	coldest = lru_take_coldest(zone, LRU_INACTIVE_ANON);
	CHECK_EQ(coldest, page[2]);
	put_page(coldest);
}

static void touch_on_cpu_1(void *unused)
{
	(void)unused;
	for (int i = 0; i < 3; i++)
		hosted_write8(BASE + PG(i), 1);
}

/* Pages that another CPU has in its batch; one loses its last user there. */
PAGODA_TEST_CONFIG(batches_of_all_cpus_are_drained, "", .nr_cpus = 2)
{
	unsigned long free;

	new_process();
	free = test_free_frames();
	map_at(BASE, 3, RW);
	hosted_wait(hosted_clone(1, touch_on_cpu_1, NULL));
	CHECK_EQ(lru_pages(LRU_INACTIVE_ANON), 0);
	CHECK_EQ(page_count(page_at(BASE)), 2);
	CHECK_EQ(do_munmap(current_vm->mm, BASE + PG(2), PG(1)), 0);
	lru_add_drain_all();
	CHECK_EQ(lru_pages(LRU_INACTIVE_ANON), 2);
	CHECK_EQ(page_count(page_at(BASE)), 1);
	validate_lru();
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(2)), 0);
	CHECK_GE(test_free_frames() + 8, free); /* but for tables and caches */
}
