/* SPDX-License-Identifier: MIT */
/*
 * test_gfp_gates.c: what reclaim may do for a request is said by the request's flags, each flag by
 * itself: a task that holds locks of a file system, or of a disk's queue, must not come back to
 * them.
 *
 *	__GFP_IO	any write, and a slot for a page that has none
 *	__GFP_FS	calls of a file system: writing its pages, waiting for those that it writes
 *	__GFP_HIGHIO	writes of pages in high memory
 *
 * Each case stands beside the same case with the flag, so that nothing passes by doing nothing.
 */
#include <pagoda/rmap.h>
#include "reclaim_file.h"
#include "swap_process.h"

#define PAGES 8

static struct disk_file file;

/* One look at max_scan pages. */
static struct scan_control scan(gfp_t gfp_mask, zone_t *zone, enum lru_kind kind,
				unsigned long max_scan)
{
	struct scan_control sc = {.gfp_mask = gfp_mask,
				  .classzone = zone,
				  .priority = 1,
				  .nr_pages = SWAP_CLUSTER_MAX,
				  .writes_left = SWAP_CLUSTER_MAX};

	lru_add_drain_all();
	shrink_cache(&sc, zone, kind, (long)max_scan);
	if (sc.written)
		put_page(sc.written);
	return sc;
}

static void scan_with(gfp_t gfp_mask, zone_t *zone, enum lru_kind kind)
{
	(void)scan(gfp_mask, zone, kind, 4 * PAGES);
}

/* A file with dirty pages that nobody maps; the zone of all of them. */
static zone_t *dirty_file(void)
{
	disk_open(&file, PAGES);
	disk_cache(&file, 0, PAGES);
	for (unsigned long i = 0; i < PAGES; i++) {
		struct page *page = disk_page(&file, i);

		lock_page(page);
		(void)set_page_dirty(page);
		unlock_page(page);
		CHECK_EQ(page_zone(page), page_zone(disk_page(&file, 0)));
	}
	return page_zone(disk_page(&file, 0));
}

static unsigned int file_writes_with(gfp_t gfp_mask)
{
	zone_t *zone = dirty_file();
	unsigned int writes;

	scan_with(gfp_mask, zone, LRU_KIND_FILE);
	writes = file.writes;
	disk_close(&file);
	return writes;
}

PAGODA_TEST_EXACT(file_pages_are_written_with_io_and_fs_only, "PA-30 PA-32")
{
	CHECK_EQ(file_writes_with(GFP_KERNEL), PAGES);
	CHECK_EQ(file_writes_with(GFP_KERNEL & ~__GFP_IO), 0);
	CHECK_EQ(file_writes_with(GFP_KERNEL & ~__GFP_FS), 0);
	/* low memory wants no such leave */
	CHECK_EQ(file_writes_with(GFP_KERNEL & ~__GFP_HIGHIO), PAGES);
}

/* ---- High memory ----------------------------------------------------------------------------- */

PAGODA_TEST_CONFIG(high_pages_are_written_with_highio_only, "PA-31", .exact = true, .ram = SZ_1G)
{
	zone_t *zone;

	if (!HAVE_HIGHMEM)
		SKIP("no high memory");
	zone = dirty_file();
	CHECK(PageHighMem(disk_page(&file, 0)));
	scan_with(GFP_HIGHUSER & ~__GFP_HIGHIO, zone, LRU_KIND_FILE);
	CHECK_EQ(file.writes, 0);
	scan_with(GFP_HIGHUSER, zone, LRU_KIND_FILE);
	CHECK_EQ(file.writes, PAGES);
	disk_close(&file);
}

/* ---- Swap ------------------------------------------------------------------------------------ */

/* Pages with slots, dirty, that nobody maps any more. */
static zone_t *dirty_swap_cache(void)
{
	swap_on(64);
	process_with(PAGES);
	lru_add_drain_all();
	for (unsigned long i = 0; i < PAGES; i++) {
		struct page *page = pfn_to_page(frame_at(BASE + PG(i)));

		lock_page(page);
		CHECK(swap_prepare_unmap(page, GFP_KERNEL) && try_to_unmap(page));
		CHECK(PageSwapCache(page) && PageDirty(page));
		unlock_page(page);
	}
	return &pgdat_list->node_zones[ZONE_NORMAL];
}

static unsigned long swap_writes_with(gfp_t gfp_mask)
{
	zone_t *zone = dirty_swap_cache();
	unsigned long before = vm_event(pswpout);

	for (int i = 0; i < 3; i++)
		scan_with(gfp_mask, zone, LRU_KIND_ANON);
	before = vm_event(pswpout) - before;
	check_filled(PAGES);
	hosted_process_exit();
	swap_off();
	return before;
}

PAGODA_TEST_EXACT(swap_cache_is_written_with_io_even_without_fs, "PA-30 PA-32")
{
	CHECK_EQ(swap_writes_with(GFP_KERNEL), PAGES);
	CHECK_EQ(swap_writes_with(GFP_KERNEL & ~__GFP_FS), PAGES);
	CHECK_EQ(swap_writes_with(GFP_KERNEL & ~__GFP_IO), 0);
}

/* A page without a slot does not get one for nothing: it stays mapped. */
static unsigned long slots_taken_with(gfp_t gfp_mask)
{
	unsigned long taken;

	swap_on(64);
	process_with(PAGES);
	for (unsigned long i = 0; i < PAGES; i++)
		CHECK(frame_at(BASE + PG(i)));
	taken = (unsigned long)atomic_long_read(&nr_swap_pages);
	for (int i = 0; i < 4; i++) /* the accessed bits go first */
		scan_with(gfp_mask, &pgdat_list->node_zones[ZONE_NORMAL], LRU_KIND_ANON);
	taken -= (unsigned long)atomic_long_read(&nr_swap_pages);
	for (unsigned long i = 0; i < PAGES && !taken; i++)
		CHECK(frame_at(BASE + PG(i)));
	check_filled(PAGES);
	hosted_process_exit();
	swap_off();
	return taken;
}

PAGODA_TEST_EXACT(slots_are_given_out_with_io_only, "PA-30")
{
	CHECK_EQ(slots_taken_with(GFP_KERNEL & ~__GFP_IO), 0);
	CHECK_GT(slots_taken_with(GFP_KERNEL & ~__GFP_FS), 0);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static atomic_t scans_done;

static void scan_once(void *arg)
{
	scan_with(*(gfp_t *)arg, page_zone(disk_page(&file, 0)), LRU_KIND_FILE);
	atomic_inc(&scans_done);
}

/* Pages being written, some locked by the writer, some under writeback alone. */
static bool scan_ends_before_the_write(gfp_t gfp_mask)
{
	struct hosted_task *task;
	zone_t *zone = dirty_file();
	bool ended;

	atomic_set(&scans_done, 0);
	file.slow = true;
	/* no page twice: it would wait for it */
	(void)scan(GFP_KERNEL, zone, LRU_KIND_FILE, PAGES);
	CHECK_EQ(file.writes, PAGES);
	CHECK(PageLaunder(disk_page(&file, 0)));
	for (unsigned long i = 0; i < PAGES; i += 2)
		unlock_page(disk_page(&file, i));
	task = hosted_spawn("scan", 1, scan_once, &gfp_mask);
	for (u64 until = port_clock_ns() + 100000000; port_clock_ns() < until;)
		port_park(until);
	ended = atomic_read(&scans_done);
	for (unsigned long i = 0; i < PAGES; i += 2)
		lock_page(disk_page(&file, i)); /* as disk_finish() wants it */
	CHECK_EQ(disk_finish(&file), PAGES);
	hosted_wait(task);
	file.slow = false;
	disk_close(&file);
	return ended;
}

PAGODA_TEST_CONFIG(scanner_without_fs_waits_for_no_write, "RC-24 PA-32", .exact = true,
		   .nr_cpus = 2, .deterministic = true)
{
	CHECK(scan_ends_before_the_write(GFP_KERNEL & ~__GFP_FS));
	CHECK(!scan_ends_before_the_write(GFP_KERNEL));
}
