/* SPDX-License-Identifier: MIT */
/*
 * test_reclaim.c: in which order reclaim goes about its work, what it may use, whom it
 * makes way for, and what happens when all of it was in vain.
 */
#include "full_disk.h"
#include "reclaim_file.h"
#include "swap_process.h"

#include <mm/slab/slab_internal.h>
#include <mm/space/vma_internal.h>
#include <pagoda/oom.h>

#define SMALL	  (16 * SZ_1M)
#define RAM_PAGES (SMALL / PAGE_SIZE)
#define SECOND	  1000000000ull

static struct disk_file file;

static unsigned long no_objects(unsigned long nr, gfp_t gfp)
{
	(void)nr, (void)gfp;
	return 0;
}

/* ---- A pass (RC-10) -------------------------------------------------------------------------- */

static unsigned long scanned_at_shrinker, shrinker_calls;

static unsigned long note_order(void)
{
	shrinker_calls++;
	scanned_at_shrinker = vm_event(pgscan);
	return 0;
}
static struct shrinker order_shrinker = {"order", note_order, no_objects, {0}};

/* n slabs of a page that hold nothing. */
static kmem_cache_t *cache_with_free_slabs(unsigned int n)
{
	kmem_cache_t *cachep = kmem_cache_create("test", 2000, 0, 0, NULL, NULL);
	static void *objs[1024];

	for (unsigned int i = 0; i < 2 * n; i++)
		CHECK((objs[i] = kmem_cache_alloc(cachep, GFP_KERNEL)));
	for (unsigned int i = 0; i < 2 * n; i++)
		kmem_cache_free(cachep, objs[i]);
	return cachep;
}

/* kmem_cache_reap() looks at a few caches a call, going round. */
static unsigned int calls_until_reaped(const kmem_cache_t *cachep)
{
	unsigned long slabs = cachep->nr_slabs;
	unsigned int calls = 0;

	for (; cachep->nr_slabs == slabs; calls++)
		(void)kmem_cache_reap(GFP_KERNEL);
	return calls;
}

static struct scan_control reclaim_once(void)
{
	struct scan_control sc = {.gfp_mask = GFP_KERNEL,
				  .classzone = page_zone(disk_page(&file, file.pages - 1))};

	try_to_free_pages_zone(&sc);
	return sc;
}

PAGODA_TEST_CONFIG(free_slabs_go_first_other_caches_last, "RC-10", .exact = true)
{
	struct scan_control sc;
	kmem_cache_t *cachep;

	(void)test_free_frames();
	disk_open(&file, 200);
	disk_cache(&file, 0, 200);
	lru_add_drain_all();
	register_shrinker(&order_shrinker);
	cachep = cache_with_free_slabs(500);
	(void)calls_until_reaped(cachep);
	for (unsigned int calls = calls_until_reaped(cachep); calls > 1; calls--)
		(void)kmem_cache_reap(GFP_KERNEL); /* the next one comes round to it again */
	sc = reclaim_once();
	CHECK_GE(sc.nr_reclaimed, SWAP_CLUSTER_MAX);
	CHECK_EQ(vm_event(pgscan), 0); /* enough: the lists are left alone, the caches too */
	CHECK_EQ(file.mapping.nrpages, 200);
	CHECK_EQ(shrinker_calls, 0);
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
	(void)test_free_frames();
	for (int i = 0; i < 200; i++)
		get_page(disk_page(&file, i)); /* cannot be freed: it comes to the other caches */
	sc = reclaim_once();
	CHECK_EQ(sc.nr_reclaimed, 0);
	CHECK_EQ(shrinker_calls, DEF_PRIORITY);
	CHECK_GT(scanned_at_shrinker, 0);
	for (int i = 0; i < 200; i++)
		put_page(disk_page(&file, i));
	unregister_shrinker(&order_shrinker);
	disk_close(&file);
}

PAGODA_TEST(deleting_from_a_list_counts_on_that_list, "RC-34")
{
	struct page *active, *inactive;
	unsigned long nr_active, nr_inactive;

	disk_open(&file, 8);
	disk_cache(&file, 0, 8);
	lru_add_drain_all();
	active = disk_page(&file, 3);
	inactive = disk_page(&file, 5);
	activate_page(active);
	nr_active = nr_active_pages();
	nr_inactive = nr_inactive_pages();
	lru_cache_del(active);
	CHECK_EQ(nr_active_pages(), nr_active - 1);
	CHECK_EQ(nr_inactive_pages(), nr_inactive);
	CHECK(!PageLRU(active) && !PageActive(active));
	lru_cache_del(inactive);
	CHECK_EQ(nr_active_pages(), nr_active - 1);
	CHECK_EQ(nr_inactive_pages(), nr_inactive - 1);
	CHECK(!PageLRU(inactive) && !PageActive(inactive));
	validate_lru();
	disk_close(&file);
}

/*
 * The documents' "all pages" but slabs: what cannot be reclaimed page by page is on no list
 * (CT-33).
 */
PAGODA_TEST(only_cached_and_anonymous_pages_are_on_the_lists, "CT-33 PM-36")
{
	unsigned long on_lists = 0;

	swap_on(64);
	process_with(300);
	for (unsigned long i = 0; i < 20; i++)
		CHECK(swap_out_page(BASE + PG(i)));
	check_filled(10);
	disk_open(&file, 100);
	disk_cache(&file, 0, 100);
	lru_add_drain_all();
	for (unsigned long pfn = 0; pfn < max_low_pfn; pfn++) {
		struct page *page = pfn_to_page(pfn);

		if (!pfn_valid(pfn) || !PageLRU(page))
			continue;
		on_lists++;
		CHECK(PageAnon(page) || PageSwapCache(page) || page->mapping == &file.mapping);
		CHECK(!PageSlab(page) && !PageTable(page) && !PageReserved(page) &&
		      !PageBuddy(page));
	}
	CHECK_GE(on_lists, 300);
	disk_close(&file);
	hosted_process_exit();
	swap_off();
}

/* ---- In proportion (FX-09) and by the reverse map (FX-14) ------------------------------------ */

static void use_objects(kmem_cache_t *cachep)
{
	static void *objs[800];

	for (unsigned int i = 0; i < ARRAY_SIZE(objs); i++)
		CHECK((objs[i] = kmem_cache_alloc(cachep, GFP_KERNEL)));
	for (unsigned int i = 0; i < ARRAY_SIZE(objs); i++)
		kmem_cache_free(cachep, objs[i]);
}

/* Slabs that a cache in use had to make again after each of ten moments of light pressure. */
static unsigned long slabs_made_again(void (*press)(kmem_cache_t *cachep))
{
	kmem_cache_t *cachep = kmem_cache_create("test", 1000, 0, 0, NULL, NULL);
	unsigned long grown;

	use_objects(cachep);
	grown = cachep->grown;
	for (int i = 0; i < 10; i++) {
		press(cachep);
		use_objects(cachep);
	}
	grown = cachep->grown - grown;
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
	return grown;
}

/* As the documents have it: all that is free. */
static void shrink_brutally(kmem_cache_t *cachep)
{
	(void)kmem_cache_shrink(cachep);
}

static void reclaim_lightly(kmem_cache_t *cachep)
{
	(void)cachep;
	disk_cache(&file, 0, 200);
	lru_add_drain_all();
	(void)reclaim_once();
}

PAGODA_TEST_CONFIG(light_pressure_leaves_caches_most_of_their_slabs, "FX-09", .exact = true)
{
	unsigned long brutal, gentle;

	disk_open(&file, 200);
	disk_cache(&file, 0, 200);
	brutal = slabs_made_again(shrink_brutally);
	gentle = slabs_made_again(reclaim_lightly);
	CHECK_GT(brutal, 1000);
	CHECK_LE(gentle, brutal / 2);
	disk_close(&file);
}

static struct disk_file hot;

/*
 * A stream of pages goes by a set of mapped pages in use: what was looked at for each page freed.
 */
static unsigned long examined_per_hundred_freed(void)
{
	unsigned long nr_hot = RAM_PAGES * 2 / 3;

	new_process();
	if (reclaim_policy->init && reclaim_policy == &classic_policy)
		reclaim_policy->init();
	disk_open(&hot, nr_hot);
	disk_map(&hot, BASE, MAP_SHARED);
	disk_open(&file, 2 * RAM_PAGES);
	for (unsigned long i = 0; i < file.pages; i++) {
		disk_cache(&file, i, i + 1);
		if (i % 32 == 0)
			for (unsigned long h = 0; h < nr_hot; h++)
				(void)hosted_read32(BASE + PG(h));
	}
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(nr_hot)), 0);
	disk_close(&hot);
	disk_close(&file);
	CHECK_GT(vm_event(pgsteal), RAM_PAGES);
	return 100 * (vm_event(pgscan) + vm_event(swap_out_scan)) / vm_event(pgsteal);
}

/* The two bounds are a factor of three apart, which is what FX-14 asks for. */
PAGODA_TEST_CONFIG(few_pages_are_examined_by_the_reverse_map, "FX-14", .ram = SMALL,
		   .start_threads = true, .deterministic = true, .exact = true)
{
	CHECK_LE(examined_per_hundred_freed(), 250);
}

PAGODA_TEST_CONFIG(many_are_examined_by_the_scan_of_tables, "FX-14", .ram = SMALL,
		   .start_threads = true, .deterministic = true, .options = "reclaim=classic",
		   .exact = true)
{
	CHECK_GE(examined_per_hundred_freed(), 750);
}

/* ---- The processor (RC-22) ------------------------------------------------------------------- */

static unsigned long turns;
static int turns_end;

static void take_turns(void *unused)
{
	(void)unused;
	while (!__atomic_load_n(&turns_end, __ATOMIC_RELAXED)) {
		__atomic_fetch_add(&turns, 1, __ATOMIC_RELAXED);
		port_yield();
	}
}

PAGODA_TEST(a_long_scan_makes_way_for_others, "RC-22")
{
	struct scan_control sc = {
		.gfp_mask = GFP_KERNEL, .priority = 1, .nr_pages = SWAP_CLUSTER_MAX};
	struct hosted_task *other;
	unsigned long before;

	disk_open(&file, 2000);
	disk_cache(&file, 0, 2000);
	lru_add_drain_all();
	for (int i = 0; i < 2000; i++)
		get_page(disk_page(&file, i));
	sc.classzone = page_zone(disk_page(&file, 1999));
	other = hosted_spawn("other", 0, take_turns, NULL);
	before = __atomic_load_n(&turns, __ATOMIC_RELAXED);
	shrink_cache(&sc, sc.classzone, LRU_KIND_FILE, 2000);
	CHECK_GE(sc.nr_scanned, 1000);
	CHECK_GE(__atomic_load_n(&turns, __ATOMIC_RELAXED) - before, sc.nr_scanned / 2);
	__atomic_store_n(&turns_end, 1, __ATOMIC_RELAXED);
	hosted_wait(other);
	for (int i = 0; i < 2000; i++)
		put_page(disk_page(&file, i));
	disk_close(&file);
}

/* ---- The reserves (RC-06) -------------------------------------------------------------------- */

/* Every page there is but for the last few, as only those who free memory may take them. */
static unsigned long take_all_pages(struct list_head *taken)
{
	unsigned long nr = 0;
	struct page *page;

	while (nr_free_pages() > 4 && (page = alloc_page(GFP_ATOMIC | __GFP_NOWARN))) {
		list_add(&page->lru, taken);
		nr++;
	}
	return nr;
}

static void give_back(struct list_head *taken)
{
	while (!list_empty(taken)) {
		struct page *page = list_entry(taken->next, struct page, lru);

		list_del(&page->lru);
		__free_page(page);
	}
}

PAGODA_TEST_CONFIG(kswapd_swaps_out_with_nothing_above_the_reserve, "RC-06 FX-24", .ram = SMALL,
		   .exact = true)
{
	struct scan_control sc = {.gfp_mask = GFP_KERNEL,
				  .classzone = &pgdat_list->node_zones[ZONE_NORMAL]};
	LIST_HEAD(taken);
	unsigned long before;

	swap_on(1024);
	process_with(512);
	lru_add_drain_all();
	if (!sc.classzone->size)
		sc.classzone = &pgdat_list->node_zones[ZONE_DMA];
	__atomic_fetch_or(&current_vm->flags, PF_MEMALLOC, __ATOMIC_RELAXED);
	CHECK_GT(take_all_pages(&taken), 100);
	CHECK_LE(nr_free_pages(), 4);
	before = vm_event(pswpout);
	for (int round = 0; round < 20 && sc.nr_reclaimed < SWAP_CLUSTER_MAX; round++)
		try_to_free_pages_zone(&sc);
	CHECK_GE(vm_event(pswpout) - before, SWAP_CLUSTER_MAX);
	CHECK_GE(sc.nr_reclaimed, SWAP_CLUSTER_MAX);
	__atomic_fetch_and(&current_vm->flags, ~PF_MEMALLOC, __ATOMIC_RELAXED);
	give_back(&taken);
	check_filled(512);
	hosted_process_exit();
	swap_off();
}

/* ---- kswapd's sleep (RC-05) ------------------------------------------------------------------ */

/* Wakes kswapd at moments drawn from the seed; each time it must come round and rest again. */
PAGODA_TEST_CONFIG(no_wake_up_of_kswapd_is_lost, "RC-05", .ram = SMALL, .nr_cpus = 2,
		   .start_threads = true, .deterministic = true)
{
	disk_open(&file, 3 * RAM_PAGES);
	for (unsigned int round = 0; round < 4 + test_scale(40); round++) {
		unsigned long first = test_random_below(5 * RAM_PAGES / 2);
		u64 until;

		hosted_reseed(test_seed() + round);
		disk_cache(&file, first, first + RAM_PAGES / 2);
		until = port_clock_ns() + 20 * SECOND;
		while (!kswapd_can_sleep()) {
			CHECK_LT(port_clock_ns(), until);
			port_yield();
		}
	}
	CHECK_GT(vm_event(kswapd_wake), 0);
	disk_close(&file);
}

static struct full_disk full_disk;
static int kswapd_arrived, kswapd_may_go;

/* kswapd comes by here between its work and its sleep. */
static void hold_kswapd(void)
{
	__atomic_store_n(&kswapd_arrived, 1, __ATOMIC_RELEASE);
	while (!__atomic_exchange_n(&kswapd_may_go, 0, __ATOMIC_ACQ_REL))
		port_cpu_relax();
}

/*
 * The wake-up comes when kswapd has found nothing to do and is about to sleep. It has to be in the
 * queue before it looks for the last time:
 *
 *	kswapd (CPU 1)			here (CPU 0)
 *					holds the queue's lock
 *	waits for the lock
 *					marks a zone; nobody is in the queue to be woken
 *					lets go of the lock
 *	queues, looks: the zone is marked
 */
PAGODA_TEST_CONFIG(kswapd_queues_before_it_looks_for_the_last_time, "RC-05", .ram = SMALL,
		   .nr_cpus = 2, .start_threads = true, .deterministic = true, .exact = true)
{
	pg_data_t *pgdat = pgdat_list;
	zone_t *zone = &pgdat->node_zones[ZONE_DMA];

	full_disk_open(&full_disk);
	for (unsigned int round = 0; round < 10; round++) {
		u64 until;

		full_disk_set_visit(&full_disk, hold_kswapd);
		hosted_reseed(test_seed() + round);
		__atomic_store_n(&zone->need_balance, 1, __ATOMIC_SEQ_CST);
		wake_up(&pgdat->kswapd_wait);
		until = port_clock_ns() + SECOND;
		while (!__atomic_exchange_n(&kswapd_arrived, 0, __ATOMIC_ACQUIRE)) {
			CHECK_LT(port_clock_ns(), until);
			port_cpu_relax();
		}
		full_disk_set_visit(&full_disk, NULL);
		spin_lock(&pgdat->kswapd_wait.lock);
		__atomic_store_n(&kswapd_may_go, 1, __ATOMIC_RELEASE);
		for (unsigned int i = 0; i < 2000; i++)
			port_cpu_relax(); /* a step each: the other CPU gets about half of them */
		CHECK(kswapd_can_sleep());
		CHECK_EQ(atomic_read(&pgdat->kswapd_wait.nr_waiting), 0);
		__atomic_store_n(&zone->need_balance, 1, __ATOMIC_SEQ_CST);
		spin_unlock(&pgdat->kswapd_wait.lock);
		until = port_clock_ns() + SECOND;
		while (!kswapd_can_sleep() || !atomic_read(&pgdat->kswapd_wait.nr_waiting)) {
			CHECK_LT(port_clock_ns(), until);
			port_cpu_relax();
		}
	}
	full_disk_close(&full_disk);
}

/* With no other reclaim about, a call of wake_up() is all that it needs, each time. */
PAGODA_TEST_CONFIG(kswapd_comes_each_time_it_is_woken, "RC-01 RC-05", .ram = SMALL, .nr_cpus = 2,
		   .start_threads = true, .deterministic = true, .exact = true)
{
	pg_data_t *pgdat = pgdat_list;

	for (unsigned int round = 0; round < 50; round++) {
		zone_t *zone = &pgdat->node_zones[ZONE_DMA];
		u64 until = port_clock_ns() + 1000 * SECOND;

		port_park(port_clock_ns() + test_random_below(100000));
		__atomic_store_n(&zone->need_balance, 1, __ATOMIC_SEQ_CST);
		wake_up(&pgdat->kswapd_wait);
		while (!kswapd_can_sleep()) {
			CHECK_LT(port_clock_ns(), until);
			port_park(port_clock_ns() + SECOND);
		}
	}
}

/* ---- In vain (RC-09, OM-01) ------------------------------------------------------------------ */

static unsigned int passes, passes_at_oom, oom_calls;

static unsigned long count_passes(void)
{
	passes++;
	return 0;
}
static struct shrinker pass_counter = {"passes", count_passes, no_objects, {0}};

/* Each call comes after a whole round of passes since the last. */
static bool count_oom(gfp_t gfp_mask, unsigned int order)
{
	(void)gfp_mask, (void)order;
	CHECK_EQ(passes - passes_at_oom, DEF_PRIORITY);
	passes_at_oom = passes;
	oom_calls++;
	return false;
}

static void leave_kswapd_alone(zone_t *zone)
{
	(void)zone;
}

PAGODA_TEST_CONFIG(only_when_all_passes_fail_it_is_out_of_memory, "RC-09 OM-01", .ram = SMALL,
		   .start_threads = true, .exact = true)
{
	struct reclaim_ops ops = *reclaim_ops;
	LIST_HEAD(taken);
	struct page *page;

	ops.out_of_memory = count_oom;
	ops.wakeup_kswapd = leave_kswapd_alone;
	reclaim_ops = &ops;
	(void)test_free_frames();
	while ((page = alloc_page(GFP_ATOMIC | __GFP_NOWARN)))
		list_add(&page->lru, &taken);
	register_shrinker(&pass_counter);
	for (unsigned int i = 1; i <= 5; i++) {
		CHECK(!alloc_page(GFP_KERNEL | __GFP_NOWARN));
		CHECK_EQ(oom_calls, i);
	}
	unregister_shrinker(&pass_counter);
	give_back(&taken);
}

/* ---- No swap (SW-17) ------------------------------------------------------------------------- */

static unsigned long file_pages_left;

static void need_too_much(void *unused)
{
	unsigned long addr =
		do_mmap(current_vm->mm, NULL, 0, PG(RAM_PAGES), RW, ANON | MAP_NORESERVE, 0);

	(void)unused;
	for (unsigned long i = 0; i < RAM_PAGES && !port_fatal_signal_pending(); i++)
		(void)hosted_user_write(addr + PG(i), "x", 1);
	file_pages_left = __atomic_load_n(&file.mapping.nrpages, __ATOMIC_RELAXED);
}

PAGODA_TEST_CONFIG(without_swap_file_pages_go_then_a_process, "SW-17", .ram = SMALL, .nr_cpus = 2,
		   .start_threads = true)
{
	struct hosted_task *task;

	new_process();
	hosted_vm_task(hosted_current())->pid = 1;
	disk_open(&file, RAM_PAGES / 2);
	disk_cache(&file, 0, RAM_PAGES / 2);
	CHECK_EQ(vm_event(oom_kill), 0);
	task = hosted_fork(HOSTED_ANY_CPU, need_too_much, NULL);
	CHECK(task);
	hosted_wait(task);
	CHECK_EQ(hosted_task_signal(task).signo, SIGKILL);
	CHECK_EQ(vm_event(oom_kill), 1);
	CHECK_LT(file_pages_left, RAM_PAGES / 16); /* they went before it came to that */
	CHECK_EQ(vm_event(pswpout), 0);
	disk_close(&file);
}

/* ---- The documented scan of page tables (RC-35, RC-37, RC-38) -------------------------------- */

static int scan_ends;
static atomic_t ready;

static void own_some_pages(void *pages)
{
	map_at(BASE + PG(1024), (unsigned long)pages, RW);
	for (unsigned long i = 0; i < (unsigned long)pages; i++)
		hosted_write64(BASE + PG(1024 + i), i);
	atomic_inc(&ready);
	while (!__atomic_load_n(&scan_ends, __ATOMIC_RELAXED))
		port_yield();
}

static void scan_tables(unsigned int times)
{
	struct scan_control sc = {
		.gfp_mask = GFP_KERNEL, .priority = 1, .nr_pages = SWAP_CLUSTER_MAX};
	zone_t *zone = &pgdat_list->node_zones[ZONE_NORMAL];

	sc.classzone = zone;
	for (unsigned int i = 0; i < times; i++)
		classic_policy.swap_out(&sc, zone);
}

PAGODA_TEST_CONFIG(the_scan_takes_from_all_in_turn, "RC-35", .options = "reclaim=classic",
		   .exact = true)
{
	struct hosted_task *tasks[3];

	swap_on(1024);
	process_with(1);
	reclaim_policy->init();
	for (int i = 0; i < 3; i++)
		CHECK((tasks[i] = hosted_fork(HOSTED_ANY_CPU, own_some_pages, (void *)64ul)));
	while (atomic_read(&ready) < 3)
		port_yield();
	lru_add_drain_all();
	scan_tables(1); /* all young: takes the accessed bits only */
	scan_tables(4); /* 32 pages each: of the 192 all processes lose some */
	for (int i = 0; i < 3; i++)
		CHECK_GT(atomic_long_read(&hosted_vm_task(tasks[i])->mm->swap_usage), 0);
	__atomic_store_n(&scan_ends, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 3; i++)
		hosted_wait(tasks[i]);
	check_filled(1);
	hosted_process_exit();
	swap_off();
}

PAGODA_TEST_CONFIG(the_scan_passes_over_what_has_no_tables, "RC-38", .options = "reclaim=classic")
{
	unsigned long looked_at;

	new_process();
	reclaim_policy->init();
	CHECK_EQ(do_mmap(current_vm->mm, NULL, BASE, 0x80000000ul, RW, FIXED | MAP_NORESERVE, 0),
		 BASE);
	for (unsigned long i = 0; i < 16; i++) /* in 16 tables, far apart */
		hosted_write64(BASE + i * 0x8000000ul, i);
	looked_at = vm_event(swap_out_scan);
	scan_tables(1);
	looked_at = vm_event(swap_out_scan) - looked_at;
	CHECK_GE(looked_at, 16);
	CHECK_LE(looked_at, 17 * PTRS_PER_PTE); /* of half a million pages' entries */
	hosted_process_exit();
}

static void live_shortly(void *unused)
{
	(void)unused;
	for (unsigned long i = 0; i < 40; i++)
		hosted_write64(BASE + PG(i), 7);
}

static void scan_on(void *unused)
{
	(void)unused;
	while (!__atomic_load_n(&scan_ends, __ATOMIC_RELAXED))
		scan_tables(1);
}

/* Processes end while their tables are scanned: the scan's mm_users keeps them. */
PAGODA_TEST_CONFIG(a_scanned_process_may_end, "RC-37", .options = "reclaim=classic", .nr_cpus = 3,
		   .deterministic = true)
{
	struct hosted_task *scanner;

	swap_on(2048);
	process_with(40);
	reclaim_policy->init();
	scanner = hosted_spawn("scanner", HOSTED_ANY_CPU, scan_on, NULL);
	for (unsigned int round = 0; round < 4 + test_scale(16); round++) {
		struct hosted_task *task = hosted_fork(HOSTED_ANY_CPU, live_shortly, NULL);

		CHECK(task);
		hosted_wait(task);
	}
	__atomic_store_n(&scan_ends, 1, __ATOMIC_RELAXED);
	hosted_wait(scanner);
	check_filled(40);
	validate_swap();
	hosted_process_exit();
	swap_off();
}

/* ---- After the kill (OM-14, OM-15) ----------------------------------------------------------- */

static u64 killed_at, victim_gone_at;

static void be_a_victim(void *unused)
{
	unsigned long addr =
		do_mmap(current_vm->mm, NULL, 0, PG(RAM_PAGES), RW, ANON | MAP_NORESERVE, 0);
	unsigned int flags;

	(void)unused;
	for (unsigned long i = 0; i < RAM_PAGES && !port_fatal_signal_pending(); i++)
		(void)hosted_user_write(addr + PG(i), "x", 1);
	flags = __atomic_load_n(&current_vm->flags, __ATOMIC_RELAXED);
	CHECK(flags & PF_MEMDIE && flags & PF_MEMALLOC);
	killed_at = port_clock_ns();
	hosted_process_exit();
	victim_gone_at = port_clock_ns();
}

PAGODA_TEST_CONFIG(the_victim_is_gone_within_a_second, "OM-14", .ram = SMALL, .nr_cpus = 2,
		   .start_threads = true, .deterministic = true)
{
	struct hosted_task *victim;

	new_process();
	hosted_vm_task(hosted_current())->pid = 1;
	victim = hosted_fork(HOSTED_ANY_CPU, be_a_victim, NULL);
	CHECK(victim);
	hosted_wait(victim);
	CHECK(killed_at && victim_gone_at);
	CHECK_LT(victim_gone_at - killed_at, SECOND);
}

static int victim_saw_it;

static void wait_for_the_kill(void *unused)
{
	(void)unused;
	map_at(BASE, RAM_PAGES / 2, RW);
	for (unsigned long i = 0; i < RAM_PAGES / 2; i++)
		hosted_write64(BASE + PG(i), i);
	atomic_inc(&ready);
	while (!port_fatal_signal_pending())
		port_yield();
	victim_saw_it = 1;
}

/* On one CPU the victim can only have run because the caller made way. */
PAGODA_TEST_CONFIG(the_caller_makes_way_for_the_victim, "OM-15", .ram = SMALL,
		   .start_threads = true)
{
	struct hosted_task *victim;

	new_process();
	hosted_vm_task(hosted_current())->pid = 1;
	victim = hosted_fork(0, wait_for_the_kill, NULL);
	CHECK(victim);
	while (!atomic_read(&ready))
		port_yield();
	while (!vm_event(oom_kill)) {
		CHECK(!victim_saw_it);
		CHECK(out_of_memory(GFP_KERNEL, 0));
	}
	CHECK(victim_saw_it);
	hosted_wait(victim);
	CHECK_EQ(hosted_task_signal(victim).signo, SIGKILL);
}
