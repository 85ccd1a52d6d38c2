/* SPDX-License-Identifier: MIT */
/*
 * test_vmscan.c: the formulas and decisions of reclaim on crafted lists, kswapd and direct
 * reclaim under pressure of file pages.
 */
#include "full_disk.h"
#include "reclaim_file.h"

#include <mm/cache/buffer_internal.h>

static struct disk_file disk;

/* One pass over the file list of the zone that holds the pages. */
static struct scan_control scan(int priority, unsigned long max_scan)
{
	struct scan_control sc = {.gfp_mask = GFP_KERNEL,
				  .priority = priority,
				  .nr_pages = SWAP_CLUSTER_MAX,
				  .writes_left = SWAP_CLUSTER_MAX};
	zone_t *zone = page_zone(disk_page(&disk, disk.pages - 1));

	sc.classzone = zone;
	shrink_cache(&sc, zone, LRU_KIND_FILE, max_scan);
	if (sc.written)
		put_page(sc.written);
	return sc;
}

/* ---- Formulas --------------------------------------------------------------------------- */

PAGODA_TEST(refill_takes_the_documented_share, "RC-16")
{
	for (int i = 0; i < 2; i++) {
		const struct reclaim_policy *p = i ? &classic_policy : &default_policy;

		CHECK_EQ(p->refill_count(32, 2000, 999), 32);
		CHECK_EQ(p->refill_count(32, 4000, 999), 64);
		CHECK_EQ(p->refill_count(32, 500, 999), 8);
		/* At the border the one in "inactive + 1" decides. */
		CHECK_EQ(p->refill_count(32, 1000, 0), 16000);
		CHECK_EQ(p->refill_count(32, 1000, 1), 8000);
		CHECK_EQ(p->refill_count(32, 1999, 999), 31);
		CHECK_EQ(p->refill_count(1, 1, 0), 0);
	}
}

PAGODA_TEST(scan_limits_are_as_documented, "RC-19 RC-20")
{
	CHECK_EQ(max_scan_of(600, 6), 100);
	CHECK_EQ(max_scan_of(600, 1), 600);
	CHECK_EQ(max_mapped_of(max_scan_of(600, 6), 32, 6), 10);
	CHECK_EQ(max_mapped_of(max_scan_of(60000, 6), 32, 6), 512);
	CHECK_EQ(max_mapped_of(max_scan_of(60000, 1), 32, 1), 6000);
	CHECK_EQ(SWAP_CLUSTER_MAX, 32);
	CHECK_EQ(DEF_PRIORITY, 6);
}

/* ---- shrink_cache on crafted lists ---------------------------------------------------------- */

PAGODA_TEST(pass_ends_at_max_scan_at_the_goal_or_at_the_end, "RC-19 RC-21")
{
	struct scan_control sc;

	disk_open(&disk, 600);
	disk_cache(&disk, 0, 600);
	for (int i = 0; i < 600; i++)
		get_page(disk_page(&disk, i)); /* in use: cannot be freed */
	sc = scan(6, max_scan_of(600, 6));
	CHECK_EQ(sc.nr_scanned, 100);
	CHECK_EQ(sc.nr_reclaimed, 0);
	sc = scan(1, max_scan_of(600, 1));
	CHECK_EQ(sc.nr_scanned, 600);
	for (int i = 0; i < 600; i++)
		put_page(disk_page(&disk, i));
	sc = scan(1, 600);
	CHECK_EQ(sc.nr_reclaimed, SWAP_CLUSTER_MAX);
	CHECK_EQ(sc.nr_scanned, SWAP_CLUSTER_MAX);
	CHECK_EQ(disk.mapping.nrpages, 600 - SWAP_CLUSTER_MAX);
	truncate_inode_pages(&disk.mapping, 0);
	disk_cache(&disk, 599, 600);
	get_page(disk_page(&disk, 599));
	sc = scan(1, 10);
	CHECK_EQ(sc.nr_scanned, 10); /* one page, turned round and round */
	put_page(disk_page(&disk, 599));
	sc = scan(1, 10);
	CHECK_EQ(sc.nr_scanned, 1); /* and then the list is empty */
	CHECK_EQ(disk.mapping.nrpages, 0);
	disk_close(&disk);
}

static void dirty_page(unsigned long index, u32 value)
{
	struct page *page = disk_page(&disk, index);
	u32 *addr = kmap_atomic(page);

	*addr = value;
	kunmap_atomic(addr);
	SetPageDirty(page);
}

PAGODA_TEST(dirty_page_is_written_once_then_freed, "RC-25 PM-32")
{
	u32 word;

	disk_open(&disk, 1);
	disk_cache(&disk, 0, 1);
	dirty_page(0, 4711);
	CHECK_EQ(scan(1, 1).nr_reclaimed, 0);
	CHECK_EQ(disk.writes, 1);
	CHECK_EQ(disk.mapping.nrpages, 1);
	CHECK_EQ(scan(1, 1).nr_reclaimed, 1);
	CHECK_EQ(disk.writes, 1);
	memcpy(&word, disk.data, 4);
	CHECK_EQ(word, 4711);
	disk_close(&disk);
}

PAGODA_TEST(failed_write_keeps_the_page_dirty, "RC-25 PM-32")
{
	disk_open(&disk, 1);
	disk_cache(&disk, 0, 1);
	dirty_page(0, 1);
	disk.write_error = true;
	for (int i = 0; i < 3; i++)
		CHECK_EQ(scan(1, 1).nr_reclaimed, 0);
	CHECK(PageDirty(disk_page(&disk, 0)));
	CHECK_EQ(disk.writes, 3);
	disk_close(&disk);
}

PAGODA_TEST(a_pass_writes_at_most_a_cluster, "RC-11")
{
	struct scan_control sc;

	disk_open(&disk, 1000);
	disk_cache(&disk, 0, 1000);
	for (int i = 0; i < 1000; i++)
		dirty_page(i, 1);
	disk.slow = true;
	sc = scan(1, 1000);
	CHECK_EQ(disk.writes, SWAP_CLUSTER_MAX);
	CHECK_EQ(sc.nr_scanned, 1000);
	disk_finish(&disk);
	disk.slow = false;
	CHECK_EQ(scan(1, 1000).nr_reclaimed, SWAP_CLUSTER_MAX);
	CHECK_EQ(disk.writes, SWAP_CLUSTER_MAX);
	/* the disk answers at once: what is written is freed in the same pass */
	sc = scan(1, 1000);
	CHECK_EQ(disk.writes, 2 * SWAP_CLUSTER_MAX);
	CHECK_EQ(sc.nr_reclaimed, SWAP_CLUSTER_MAX);
	disk_close(&disk);
}

PAGODA_TEST(gfp_flags_forbid_writing, "PA-30 PA-31 PA-32")
{
	static const gfp_t masks[] = {GFP_NOFS, GFP_NOIO, GFP_NOHIGHIO};

	disk_open(&disk, 8);
	disk_cache(&disk, 0, 8);
	for (int i = 0; i < 8; i++)
		dirty_page(i, 1);
	for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
		struct scan_control sc = {
			.gfp_mask = masks[i], .priority = 1, .nr_pages = 32, .writes_left = 32};

		shrink_cache(&sc, page_zone(disk_page(&disk, 0)), LRU_KIND_FILE, 8);
		CHECK_EQ(sc.nr_scanned, 8);
		CHECK_EQ(disk.writes, 0);
	}
	disk_close(&disk);
}

static void finish_later(void *arg)
{
	u64 until = port_clock_ns() + 20000000;

	while (port_clock_ns() < until)
		port_park(until);
	disk_finish(arg);
}

PAGODA_TEST_CONFIG(scanner_waits_for_a_laundered_page, "RC-24 PM-34", .nr_cpus = 2)
{
	struct page *page;
	int count;
	u64 start;

	disk_open(&disk, 1);
	disk_cache(&disk, 0, 1);
	page = disk_page(&disk, 0);
	count = page_count(page);
	dirty_page(0, 1);
	disk.slow = true;
	scan(1, 1);
	CHECK(PageLocked(page) && PageLaunder(page));
	start = port_clock_ns();
	hosted_spawn("disk", HOSTED_ANY_CPU, finish_later, &disk);
	scan(1, 1); /* sleeps until the write has ended */
	CHECK_GE(port_clock_ns() - start, 10000000);
	CHECK(!PageLocked(page) && !PageLaunder(page));
	CHECK_EQ(page_count(page), count);
	/* One that is locked by somebody else is passed by. */
	lock_page(page);
	CHECK_EQ(scan(1, 1).nr_reclaimed, 0);
	unlock_page(page);
	disk_close(&disk);
}

PAGODA_TEST(buffers_of_a_file_page_go_one_pass_before_it, "RC-26 CT-36")
{
	struct page *page;

	disk_open(&disk, 1);
	disk_cache(&disk, 0, 1);
	page = disk_page(&disk, 0);
	page->private = page;
	get_page(page);
	CHECK_EQ(scan(1, 1).nr_reclaimed, 0);
	CHECK(!page->private);
	CHECK_EQ(scan(1, 1).nr_reclaimed, 1);
	disk_close(&disk);
}

PAGODA_TEST(anonymous_page_with_buffers_is_freed_at_once, "RC-26")
{
	struct scan_control sc = {.gfp_mask = GFP_KERNEL, .priority = 1, .nr_pages = 32};
	struct page *page = alloc_page(GFP_KERNEL);
	zone_t *zone = page_zone(page);

	lock_page(page);
	CHECK_EQ(create_buffers(page, 1024), 0);
	unlock_page(page);
	put_page(page); /* only the buffers' reference is left, and soon that of the list */
	lru_cache_add(page);
	shrink_cache(&sc, zone, LRU_KIND_FILE, 1);
	CHECK_EQ(sc.nr_reclaimed, 1);
	CHECK_EQ(zone_lru_pages(zone, LRU_INACTIVE_FILE), 0);
}

/* The page numbers on a list, hot end first. */
static void list_order(char *out, zone_t *zone, enum lru_list list)
{
	struct page *page;

	list_for_each_entry(page, &zone->lruvec.lists[list], lru)
		*out++ = (char)('a' + page->index);
	*out = 0;
}

PAGODA_TEST_CONFIG(active_list_is_a_clock, "RC-15 RC-17", .options = "reclaim=classic")
{
	char active[16], inactive[16];
	zone_t *zone;

	disk_open(&disk, 8);
	disk_cache(&disk, 0, 8);
	zone = page_zone(disk_page(&disk, 0));
	for (int i = 0; i < 8; i++)
		activate_page(disk_page(&disk, i));
	list_order(active, zone, LRU_ACTIVE_FILE);
	CHECK_STR(active, "hgfedcba");
	for (int i = 0; i < 8; i += 2) /* a, c, e, g were used */
		SetPageReferenced(disk_page(&disk, i));
	refill_inactive(zone, LRU_KIND_FILE, 3);
	list_order(active, zone, LRU_ACTIVE_FILE);
	list_order(inactive, zone, LRU_INACTIVE_FILE);
	CHECK_STR(active, "ecahg");
	CHECK_STR(inactive, "fdb");
	CHECK(!PageReferenced(disk_page(&disk, 0)));
	CHECK(PageReferenced(disk_page(&disk, 1)) && !PageActive(disk_page(&disk, 1)));
	mark_page_accessed(disk_page(&disk, 1));
	CHECK(PageActive(disk_page(&disk, 1)));
	disk_close(&disk);
}

/* ---- Mapped pages ---------------------------------------------------------------------------- */

PAGODA_TEST(mapped_pages_are_unmapped_by_the_reverse_map, "FX-01 RC-43 RC-40")
{
	struct scan_control sc;

	new_process();
	disk_open(&disk, 40);
	disk_map(&disk, BASE, MAP_SHARED);
	for (int i = 0; i < 40; i++)
		CHECK_EQ(hosted_read32(BASE + PG(i)), disk_word(i));
	hosted_write32(BASE + PG(39), 5);
	sc = scan(1, 40); /* read ones are marked once more */
	sc = scan(1, 40);
	CHECK_GT(sc.nr_reclaimed, 30 - 1);
	for (int i = 0; i < 3; i++)
		if (disk.mapping.nrpages && find_get_page(&disk.mapping, 39)) {
			put_page(disk_page(&disk, 39));
			scan(1, 40);
		}
	CHECK_EQ(disk.writes, 1);
	CHECK_EQ(hosted_read32(BASE + PG(39)), 5);
	for (int i = 0; i < 39; i++)
		CHECK_EQ(hosted_read32(BASE + PG(i)), disk_word(i));
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(40)), 0);
	disk_close(&disk);
}

PAGODA_TEST(locked_pages_leave_the_lists_and_come_back, "AS-62 AS-59")
{
	new_process();
	disk_open(&disk, 16);
	disk_map(&disk, BASE, MAP_SHARED);
	CHECK_EQ(do_mlock(current_vm->mm, BASE, PG(16), 0), 0);
	scan(1, 16);
	CHECK_EQ(nr_mlocked_pages(), 16);
	CHECK_EQ(lru_pages(LRU_INACTIVE_FILE), 0);
	for (int i = 0; i < 16; i++)
		CHECK(frame_at(BASE + PG(i)));
	CHECK_EQ(do_munlock(current_vm->mm, BASE, PG(16)), 0);
	CHECK_EQ(nr_mlocked_pages(), 0);
	CHECK_EQ(lru_pages(LRU_INACTIVE_FILE), 16);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(16)), 0);
	disk_close(&disk);
}

PAGODA_TEST_CONFIG(enough_mapped_pages_start_swap_out, "RC-23 RC-39 RC-43 RC-36",
		   .options = "reclaim=classic")
{
	struct scan_control sc;
	unsigned long before;

	new_process();
	disk_open(&disk, 200);
	disk_map(&disk, BASE, MAP_SHARED);
	for (int i = 0; i < 200; i++)
		(void)hosted_read32(BASE + PG(i));
	reclaim_policy->init();
	before = vm_event(swap_out_scan);
	sc = scan(1, 90); /* max_mapped 9 */
	CHECK_EQ(sc.nr_scanned, 9);
	CHECK_EQ(vm_event(swap_out_scan) - before, 200); /* all young: one round over the one mm */
	CHECK_EQ(atomic_long_read(&current_vm->mm->rss_file), 200);
	CHECK(!hosted_lookup_user(current_vm->mm, BASE).accessed);
	CHECK_EQ(hosted_read32(BASE), disk_word(0)); /* hot again */
	before = vm_event(swap_out_scan);
	sc = scan(1, 200);
	CHECK_EQ(sc.nr_scanned, 20);
	CHECK_EQ(vm_event(swap_out_scan) - before, 1 + SWAP_CLUSTER_MAX);
	CHECK_EQ(atomic_long_read(&current_vm->mm->rss_file), 200 - SWAP_CLUSTER_MAX);
	CHECK(frame_at(BASE) && !frame_at(BASE + PG(1)) && frame_at(BASE + PG(33)));
	sc = scan(1, 200); /* goes on where it stopped (RC-35) */
	CHECK(frame_at(BASE) && !frame_at(BASE + PG(33)));
	for (int i = 0; i < 200; i++)
		CHECK_EQ(hosted_read32(BASE + PG(i)), disk_word(i));
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(200)), 0);
	disk_close(&disk);
}

PAGODA_TEST_CONFIG(the_tenth_anonymous_page_starts_swap_out, "RC-27", .options = "reclaim=classic")
{
	struct scan_control sc = {
		.gfp_mask = GFP_KERNEL, .priority = 1, .nr_pages = SWAP_CLUSTER_MAX};
	unsigned long before;

	new_process();
	map_at(BASE, 20, RW);
	for (int i = 0; i < 20; i++)
		hosted_write32(BASE + PG(i), 1);
	lru_add_drain_all();
	reclaim_policy->init();
	before = vm_event(swap_out_scan);
	sc.classzone = page_zone(pfn_to_page(frame_at(BASE)));
	shrink_cache(&sc, sc.classzone, LRU_KIND_FILE, 100); /* max_mapped 10 */
	CHECK_EQ(sc.nr_scanned, 10);
	CHECK_EQ(vm_event(swap_out_scan) - before, 20);
	for (int i = 0; i < 20; i++)
		CHECK(!PageLocked(pfn_to_page(frame_at(BASE + PG(i)))));
}

/* ---- Whole passes ---------------------------------------------------------------------------- */

static unsigned int nr_passes;

static unsigned long count_passes(void)
{
	nr_passes++;
	return 0;
}
static unsigned long scan_nothing(unsigned long nr, gfp_t gfp)
{
	(void)nr, (void)gfp;
	return 0;
}
static struct shrinker pass_counter = {"passes", count_passes, scan_nothing, {0}};

PAGODA_TEST(six_passes_before_giving_up, "RC-08")
{
	struct scan_control sc = {.gfp_mask = GFP_KERNEL,
				  .classzone = &pgdat_list->node_zones[ZONE_NORMAL]};

	(void)test_free_frames(); /* no free slabs */
	register_shrinker(&pass_counter);
	try_to_free_pages_zone(&sc);
	CHECK_EQ(nr_passes, DEF_PRIORITY);
	CHECK_EQ(sc.nr_reclaimed, 0);
	CHECK_EQ(sc.nr_pages, SWAP_CLUSTER_MAX);
	unregister_shrinker(&pass_counter);
}

static unsigned long objects = 1000;
static gfp_t shrinker_gfp;

static unsigned long count_objects(void)
{
	return objects;
}
static unsigned long free_objects(unsigned long nr, gfp_t gfp)
{
	nr = min(nr, objects);
	objects -= nr;
	shrinker_gfp = gfp;
	return nr;
}
static struct shrinker object_shrinker = {"objects", count_objects, free_objects, {0}};

PAGODA_TEST(other_caches_shrink_in_proportion, "")
{
	struct scan_control sc = {.gfp_mask = GFP_NOFS, .nr_pages = 32};
	unsigned long seen;

	disk_open(&disk, 600);
	disk_cache(&disk, 0, 600);
	for (int i = 0; i < 600; i++)
		get_page(disk_page(&disk, i));
	register_shrinker(&object_shrinker);
	sc.classzone = page_zone(disk_page(&disk, 0));
	sc.one_zone = true;
	try_to_free_pages_zone(&sc);
	CHECK_EQ(shrinker_gfp, GFP_NOFS);
	CHECK_LT(objects, 400); /* 1/6 + 1/5 + ... of the list was examined, at last all of it */
	unregister_shrinker(&object_shrinker);
	seen = objects;
	for (int i = 0; i < 600; i++)
		put_page(disk_page(&disk, i));
	register_shrinker(&object_shrinker);
	sc.nr_reclaimed = 0;
	try_to_free_pages_zone(&sc); /* light pressure: the first pass suffices */
	CHECK_GE(sc.nr_reclaimed, SWAP_CLUSTER_MAX);
	CHECK_EQ(objects, seen);
	unregister_shrinker(&object_shrinker);
	disk_close(&disk);
}

/* ---- Under pressure -------------------------------------------------------------------------- */

#define RAM_PAGES (16 * SZ_1M / PAGE_SIZE)

/* Read the whole file, checking every page. */
static void read_all(struct disk_file *f)
{
	for (unsigned long i = 0; i < f->pages; i++) {
		u64 pos = PG(i);
		u32 word;

		CHECK_EQ(generic_file_read(&f->file, iov_kernel_buf(&word), 4, &pos), 4);
		CHECK_EQ(word, disk_word(i));
	}
}

static void wait_until_kswapd_sleeps(void)
{
	pg_data_t *pgdat;

	for_each_pgdat(pgdat)
		while (!kswapd_can_sleep_pgdat(pgdat) ||
		       !atomic_read(&pgdat->kswapd_wait.nr_waiting))
			port_yield();
}

#define PRESSURE .ram = 16 * SZ_1M, .start_threads = true

static void read_twice_ram(void)
{
	zone_t *zone;

	CHECK_EQ(vm_event(kswapd_wake), 0);
	disk_open(&disk, 2 * RAM_PAGES);
	read_all(&disk);
	CHECK_GT(vm_event(kswapd_wake), 0);
	CHECK_GT(vm_event(pgsteal), RAM_PAGES / 2);
	CHECK_GT(atomic_long_read(&nr_pagecache_pages), RAM_PAGES / 3);
	wait_until_kswapd_sleeps();
	for_each_zone(zone, pgdat_list)
		__atomic_store_n(&zone->need_balance, !!zone->size, __ATOMIC_RELAXED);
	wake_up(&pgdat_list->kswapd_wait);
	wait_until_kswapd_sleeps();
	for_each_zone(zone, pgdat_list)
		if (zone->size)
			CHECK_GE(__atomic_load_n(&zone->free_pages, __ATOMIC_RELAXED),
				 zone->pages_high);
	read_all(&disk);
	validate_lru();
	disk_close(&disk);
}

PAGODA_TEST_CONFIG(file_larger_than_ram_is_read, "RC-03", .nr_cpus = 2, PRESSURE)
{
	read_twice_ram();
}

PAGODA_TEST_CONFIG(file_larger_than_ram_is_read_classic, "RC-03", .nr_cpus = 2, PRESSURE,
		   .options = "reclaim=classic")
{
	read_twice_ram();
}

static void keep_everybody_out(zone_t *zone)
{
	(void)zone;
}

PAGODA_TEST_CONFIG(processes_reclaim_without_kswapd, "RC-07", .ram = 16 * SZ_1M,
		   .start_threads = true)
{
	struct reclaim_ops ops = *reclaim_ops;

	ops.wakeup_kswapd = keep_everybody_out;
	reclaim_ops = &ops;
	disk_open(&disk, 2 * RAM_PAGES);
	read_all(&disk);
	CHECK_GT(vm_event(allocstall), 0);
	disk_close(&disk);
}

/* Write through a mapping larger than memory, read it back. */
static void write_and_read_mapped(unsigned long pages)
{
	new_process();
	disk_open(&disk, pages);
	disk_map(&disk, BASE, MAP_SHARED);
	for (unsigned long i = 0; i < pages; i++)
		hosted_write32(BASE + PG(i) + 8, (u32)i + 99);
	for (unsigned long i = 0; i < pages; i++) {
		CHECK_EQ(hosted_read32(BASE + PG(i)), disk_word(i));
		CHECK_EQ(hosted_read32(BASE + PG(i) + 8), (u32)i + 99);
	}
	CHECK_GT(disk.writes, pages / 4);
	wait_until_kswapd_sleeps();
	check_mm();
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(pages)), 0);
	disk_close(&disk);
}

PAGODA_TEST_CONFIG(mapping_larger_than_ram_keeps_its_bytes, "PM-32 RC-40", .nr_cpus = 2, PRESSURE)
{
	write_and_read_mapped(2 * RAM_PAGES);
}

PAGODA_TEST_CONFIG(mapping_larger_than_ram_keeps_its_bytes_classic, "PM-32 RC-40", .nr_cpus = 2,
		   PRESSURE, .options = "reclaim=classic")
{
	write_and_read_mapped(2 * RAM_PAGES);
}

PAGODA_TEST_CONFIG(page_with_buffers_stays_mapped, "RC-41", .options = "reclaim=classic")
{
	struct hosted_pte_info before, after;
	struct page *page;

	new_process();
	disk_open(&disk, 4);
	disk_map(&disk, BASE, MAP_PRIVATE);
	for (int i = 0; i < 4; i++)
		(void)hosted_read32(BASE + PG(i));
	reclaim_policy->init();
	page = disk_page(&disk, 2);
	page->private = page;
	get_page(page);
	scan(1, 10); /* takes the accessed bits */
	before = hosted_lookup_user(current_vm->mm, BASE + PG(2));
	scan(1, 10);
	after = hosted_lookup_user(current_vm->mm, BASE + PG(2));
	CHECK(before.present && after.present && before.entry == after.entry);
	CHECK(!frame_at(BASE) && !frame_at(BASE + PG(3)));
	CHECK_EQ(disk_page(&disk, 2), page);
	page->private = NULL;
	put_page(page);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(4)), 0);
	disk_close(&disk);
}

/* ---- kswapd ---------------------------------------------------------------------------------- */

static struct full_disk full_disk;
static atomic_t io_runs;

static void count_io_run(void)
{
	atomic_inc(&io_runs);
}

PAGODA_TEST_CONFIG(kswapd_sleeps_until_it_is_needed, "RC-01 RC-04", .start_threads = true,
		   .ram = 16 * SZ_1M, .deterministic = true, .nr_cpus = 2)
{
	u64 until = port_clock_ns() + 600ull * 1000000000;

	full_disk_open(&full_disk);
	full_disk_set_visit(&full_disk, count_io_run);
	while (port_clock_ns() < until)
		port_park(until);
	CHECK_EQ(vm_event(kswapd_wake), 0);
	CHECK_EQ(atomic_read(&io_runs), 0);
	CHECK_EQ(vm_event(pgscan), 0);
	CHECK(__atomic_load_n(&pgdat_list->kswapd->flags, __ATOMIC_RELAXED) & PF_MEMALLOC);
	disk_open(&disk, RAM_PAGES + 100);
	read_all(&disk);
	wait_until_kswapd_sleeps();
	CHECK_GT(vm_event(kswapd_wake), 0);
	CHECK_GT(atomic_read(&io_runs), 0);
	full_disk_close(&full_disk);
	disk_close(&disk);
}

PAGODA_TEST_CONFIG(kswapd_looks_at_every_zone_of_its_node, "RC-02", .nr_nodes = 2,
		   .ram = 128 * SZ_1M)
{
	zone_t *zone = &NODE_DATA(1)->node_zones[ZONE_NORMAL];

	CHECK(kswapd_can_sleep());
	zone->need_balance = 1;
	CHECK(!kswapd_can_sleep());
	CHECK(kswapd_can_sleep_pgdat(NODE_DATA(0)));
	CHECK(!kswapd_can_sleep_pgdat(NODE_DATA(1)));
	kswapd_balance_pgdat(NODE_DATA(1)); /* it has pages_high free */
	CHECK(kswapd_can_sleep());
}

/*
 * kswapd once went round for ever: with nothing inactive and too little active it looked at
 * nothing.
 */
static void kswapd_gives_up_with(unsigned long pages, bool in_use)
{
	zone_t *zone;

	disk_open(&disk, pages);
	disk_cache(&disk, 0, pages);
	lru_add_drain_all();
	for (unsigned long i = 0; i < pages; i++) {
		activate_page(disk_page(&disk, i));
		if (in_use)
			get_page(disk_page(&disk, i));
	}
	zone = page_zone(disk_page(&disk, 0));
	zone->pages_high = 2 * totalram_pages(); /* more than there can ever be */
	zone->need_balance = 1;
	kswapd_balance_pgdat(pgdat_list);
	CHECK(zone->need_balance);
	CHECK_EQ(disk.mapping.nrpages, in_use ? pages : 0);
	zone->need_balance = 0;
	for (unsigned long i = 0; in_use && i < pages; i++)
		put_page(disk_page(&disk, i));
	disk_close(&disk);
}

PAGODA_TEST_EXACT(kswapd_gives_up_where_nothing_can_be_had, "RC-03 FX-23")
{
	kswapd_gives_up_with(39, true);
}

PAGODA_TEST_EXACT(kswapd_takes_the_last_active_pages, "RC-03")
{
	kswapd_gives_up_with(39, false);
}

static int disk_stops;

/* A slow disk: writes end 30 ms later, all together. */
static void finish_slowly(void *arg)
{
	while (!__atomic_load_n(&disk_stops, __ATOMIC_RELAXED)) {
		u64 until = port_clock_ns() + 30000000;

		while (port_clock_ns() < until)
			port_park(until);
		disk_finish(arg);
	}
	disk_finish(arg);
}

PAGODA_TEST_CONFIG(slow_disk_kills_nobody, "OM-17", .nr_cpus = 2, PRESSURE, .deterministic = true)
{
	unsigned long pages = RAM_PAGES + RAM_PAGES / 2;
	struct hosted_task *finisher;

	new_process();
	disk_open(&disk, pages);
	disk.slow = true;
	finisher = hosted_spawn("disk", HOSTED_ANY_CPU, finish_slowly, &disk);
	disk_map(&disk, BASE, MAP_SHARED);
	for (unsigned long i = 0; i < pages; i++)
		hosted_write32(BASE + PG(i) + 8, (u32)i);
	CHECK_EQ(vm_event(oom_kill), 0);
	CHECK_EQ(hosted_signal().signo, 0);
	CHECK_GT(disk.writes, RAM_PAGES / 4);
	for (unsigned long i = 0; i < pages; i += 7)
		CHECK_EQ(hosted_read32(BASE + PG(i) + 8), (u32)i);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(pages)), 0);
	__atomic_store_n(&disk_stops, 1, __ATOMIC_RELAXED);
	hosted_wait(finisher);
	disk.slow = false;
	disk_close(&disk);
}

/* A quarter of the RAM lies in the upper zone, which is asked first. */
PAGODA_TEST_CONFIG(zones_are_turned_over_alike, "FX-15 RC-03", .ram = 20 * SZ_1M,
		   .start_threads = true, .exact = true)
{
	const zone_t *zones = pgdat_list->node_zones;
	unsigned long dma, normal;

	disk_open(&disk, 3 * totalram_pages());
	disk_cache(&disk, 0, disk.pages);
	wait_until_kswapd_sleeps();
	dma = zones[ZONE_DMA].lruvec.turnover;
	normal = zones[ZONE_NORMAL].lruvec.turnover;
	CHECK_GT(min(dma, normal), TURNOVER_UNIT);
	CHECK_LE(max(dma, normal) - min(dma, normal), TURNOVER_UNIT / 2);
	disk_close(&disk);
}

PAGODA_TEST_CONFIG(hot_set_survives_a_scan, "", PRESSURE)
{
	unsigned int reads;
	u32 word;

	disk_open(&disk, 3 * RAM_PAGES);
	for (unsigned long i = 0; i < disk.pages; i++) {
		u64 pos = PG(i), hot = PG(i % 256);

		CHECK_EQ(generic_file_read(&disk.file, iov_kernel_buf(&word), 4, &hot), 4);
		CHECK_EQ(generic_file_read(&disk.file, iov_kernel_buf(&word), 4, &pos), 4);
	}
	reads = disk.reads;
	for (u64 i = 0; i < 256; i++) {
		u64 hot = PG(i);

		CHECK_EQ(generic_file_read(&disk.file, iov_kernel_buf(&word), 4, &hot), 4);
	}
	CHECK_LE(disk.reads - reads, 8);
	disk_close(&disk);
}

PAGODA_TEST_CONFIG(pressure_on_dma_scans_dma, "FX-15", .ram = 64 * SZ_1M, .start_threads = true)
{
	zone_t *dma = &pgdat_list->node_zones[ZONE_DMA];
	unsigned long before, normal = 0;
	struct page *page, *held = NULL;

	disk_open(&disk, 64 * SZ_1M / PAGE_SIZE - 2500);
	read_all(&disk); /* fills Normal, then DMA */
	wait_until_kswapd_sleeps();
	for (int i = 0; i < NR_LRU_LISTS; i++)
		normal += zone_lru_pages(dma + 1, (enum lru_list)i);
	before = vm_event(pgsteal);
	for (int i = 0; i < 3900 && vm_event(pgsteal) - before < 100; i++) {
		page = alloc_page(GFP_DMA | __GFP_WAIT);
		CHECK(page && page_zone(page) == dma);
		page->private = held;
		held = page;
	}
	CHECK_GE(vm_event(pgsteal) - before, 100);
	for (int i = 0; i < NR_LRU_LISTS; i++)
		normal -= zone_lru_pages(dma + 1, (enum lru_list)i);
	CHECK_EQ(normal, 0);
	while (held) {
		page = held;
		held = page->private;
		__free_page(page);
	}
	disk_close(&disk);
}

PAGODA_TEST_CONFIG(refaulting_loop_keeps_two_thirds_active, "RC-18 CT-01", .exact = true, PRESSURE)
{
	unsigned long active, inactive, total;

	/* A loop a little larger than memory. */
	disk_open(&disk, RAM_PAGES);
	for (unsigned int round = 0; round < 8; round++)
		read_all(&disk);
	CHECK_GT(vm_event(workingset_refault), 0);
	active = lru_pages(LRU_ACTIVE_FILE);
	inactive = lru_pages(LRU_INACTIVE_FILE);
	total = active + inactive;
	CHECK_GT(total, RAM_PAGES / 3);
	CHECK_GT(active * 100 / total, 60);
	CHECK_LT(active * 100 / total, 72);
	disk_close(&disk);
}
