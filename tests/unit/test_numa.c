/* SPDX-License-Identifier: MIT */
/*
 * test_numa.c: memory policies, moving pages between nodes, and what reclaim and statistics do node
 * by node. CPU n of these machines is on node n; the tests run on CPU 0 unless they say otherwise.
 */
#include "reclaim_file.h"
#define disk swap_disk
#include "swap_process.h"
#undef disk

#include <pagoda/mempolicy.h>
#include <mm/physical/page_alloc_internal.h>

#define TWO_NODES .nr_nodes = 2, .nr_cpus = 2
#define NODE(n)	  (1u << (n))

static struct disk_file disk;

static int node_of(unsigned long addr)
{
	struct hosted_pte_info info = hosted_lookup_user(current_vm->mm, addr);

	return info.present ? page_zone(pfn_to_page(PHYS_PFN(info.pa)))->zone_pgdat->node_id : -1;
}

static int bind_range(unsigned long addr, unsigned long pages, unsigned int mode, nodemask_t nodes,
		      unsigned int flags)
{
	struct mpol_request want = {mode, nodes, false};

	return do_mbind(current_vm->mm, addr, PG(pages), &want, flags, true);
}

static void write_pages(unsigned long addr, unsigned long pages)
{
	for (unsigned long i = 0; i < pages; i++)
		hosted_write32(addr + PG(i) + 16, (u32)i + 1);
}

static void check_pages(unsigned long addr, unsigned long pages)
{
	for (unsigned long i = 0; i < pages; i++)
		CHECK_EQ(hosted_read32(addr + PG(i) + 16), (u32)i + 1);
}

static void set_task_policy(unsigned int mode, nodemask_t nodes)
{
	struct mpol_request want = {mode, nodes, false};
	struct mempolicy *pol = mpol_new(&want);

	CHECK(!IS_ERR(pol));
	do_set_mempolicy(pol);
}

/* ---- Zonelists ------------------------------------------------------------------------------- */

/*
 * A request goes to its own node first, then round the ring of nodes; in each from the highest
 * allowed zone down.
 */
static void check_zonelist(int nid, gfp_t kind, int highest, int nr_nodes)
{
	const zonelist_t *list = &NODE_DATA(nid)->node_zonelists[kind];
	unsigned int n = 0;

	for (int i = 0; i < nr_nodes; i++) {
		pg_data_t *node = NODE_DATA((nid + i) % nr_nodes);

		for (int z = highest; z >= ZONE_DMA; z--)
			if (node->node_zones[z].size)
				CHECK_EQ(list->zones[n++], &node->node_zones[z]);
	}
	CHECK(!list->zones[n]);
	CHECK_GT(n, 0);
}

PAGODA_TEST_CONFIG(each_zonelist_names_every_node_once_its_own_first, "PA-25 NU-02 NU-04 PM-04",
		   .nr_nodes = 4, .nr_cpus = 4, .ram = 128 * SZ_1M)
{
	for (int nid = 0; nid < 4; nid++) {
		check_zonelist(nid, 0, ZONE_NORMAL, 4);
		check_zonelist(nid, __GFP_DMA, ZONE_DMA, 4);
		check_zonelist(nid, __GFP_HIGHMEM, ZONE_HIGHMEM, 4);
		check_zonelist(nid, __GFP_DMA | __GFP_HIGHMEM, ZONE_DMA, 4);
	}
}

/* The last node's pages are to be had by the first node, and the other way round. */
PAGODA_TEST_CONFIG(any_node_can_use_up_the_memory_of_all, "NU-02 NU-03", .nr_nodes = 3,
		   .nr_cpus = 3, .ram = 48 * SZ_1M)
{
	for (int nid = 0; nid < 3; nid++) {
		unsigned long taken[3] = {0};
		struct page *page, *next;
		LIST_HEAD(all);

		while ((page = alloc_pages_node(nid, GFP_ATOMIC, 0))) {
			taken[page_zone(page)->zone_pgdat->node_id]++;
			list_add(&page->lru, &all);
		}
		for (int i = 0; i < 3; i++)
			CHECK_GT(taken[i], 1000);
		list_for_each_entry_safe(page, next, &all, lru)
			__free_page(page);
	}
}

/* ---- Where pages come from ------------------------------------------------------------------ */

PAGODA_TEST_CONFIG(regions_get_pages_as_their_policy_says, "", TWO_NODES)
{
	new_process();
	map_at(BASE, 16, RW);
	CHECK_EQ(bind_range(BASE + PG(2), 2, MPOL_BIND, NODE(1), 0), 0);
	CHECK_EQ(bind_range(BASE + PG(4), 2, MPOL_PREFERRED, NODE(1), 0), 0);
	CHECK_EQ(bind_range(BASE + PG(6), 4, MPOL_INTERLEAVE, NODE(0) | NODE(1), 0), 0);
	CHECK_EQ(bind_range(BASE + PG(10), 2, MPOL_LOCAL, 0, 0), 0);
	write_pages(BASE, 16);
	/*		 default bind pref interleave local default */
	for (int i = 0; i < 16; i++)
		CHECK_EQ(node_of(BASE + PG(i)), "0011110101000000"[i] - '0');
	check_mm();
	set_task_policy(MPOL_BIND, NODE(1));
	map_at(BASE + PG(32), 4, RW);
	CHECK_EQ(bind_range(BASE + PG(34), 2, MPOL_BIND, NODE(0), 0), 0);
	write_pages(BASE + PG(32), 4); /* a region's goes before the task's */
	for (int i = 0; i < 4; i++)
		CHECK_EQ(node_of(BASE + PG(32 + i)), i < 2);
	do_set_mempolicy(NULL);
}

/* Pages of three regions go to swap and come back: each to its region's nodes, however it comes. */
static void swap_out_and_in(void (*bring_in)(void))
{
	new_process();
	swap_on(256);
	map_at(BASE, 64, RW);
	CHECK_EQ(bind_range(BASE, 16, MPOL_BIND, NODE(1), 0), 0);
	CHECK_EQ(bind_range(BASE + PG(16), 16, MPOL_INTERLEAVE, NODE(0) | NODE(1), 0), 0);
	write_pages(BASE, 64);
	swap_out_range(64);
	set_task_policy(MPOL_BIND, NODE(0)); /* a region's goes before it */
	bring_in();
	check_pages(BASE, 64);
	for (int i = 0; i < 64; i++)
		CHECK_EQ(node_of(BASE + PG(i)), i < 16 ? 1 : i < 32 ? i % 2 : 0);
	do_set_mempolicy(NULL);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(64)), 0);
	swap_off();
}

/* From the end of each window: its neighbours before it are read ahead. */
static void touch_one_in_eight(void)
{
	unsigned long majors = current_vm->maj_flt;

	for (int i = 7; i < 64; i += 8)
		(void)hosted_read32(BASE + PG(i));
	CHECK_EQ(current_vm->maj_flt - majors, 8);
}
PAGODA_TEST_CONFIG(swapped_pages_come_back_and_are_read_ahead_as_their_policy_says, "", TWO_NODES)
{
	swap_out_and_in(touch_one_in_eight);
}

static void announce_need(void)
{
	CHECK_EQ(do_madvise(current_vm->mm, BASE, PG(64), 3 /* MADV_WILLNEED */), 0);
}
PAGODA_TEST_CONFIG(swapped_pages_that_are_announced_come_back_as_their_policy_says, "", TWO_NODES)
{
	swap_out_and_in(announce_need);
}

static void end_swapping(void)
{
	CHECK_EQ(area_off(swap_disk), 0);
	CHECK_EQ(area_on(swap_disk, "/dev/hda", 0), 0);
}
PAGODA_TEST_CONFIG(swapoff_brings_pages_back_as_their_policy_says, "", TWO_NODES)
{
	swap_out_and_in(end_swapping);
}

/*
 * Shared memory: the wanted page and its neighbours obey the mapping through which they are
 * touched.
 */
PAGODA_TEST_CONFIG(shared_memory_comes_back_as_the_mapping_says, "", TWO_NODES)
{
	unsigned long addr;

	new_process();
	swap_on(256);
	addr = do_mmap(current_vm->mm, NULL, BASE, PG(32), RW,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, 0);
	CHECK_EQ(addr, BASE);
	CHECK_EQ(bind_range(BASE, 16, MPOL_BIND, NODE(1), 0), 0);
	CHECK_EQ(bind_range(BASE + PG(16), 16, MPOL_INTERLEAVE, NODE(0) | NODE(1), 0), 0);
	write_pages(BASE, 32);
	CHECK_EQ(do_madvise(current_vm->mm, BASE, PG(32), 21 /* MADV_PAGEOUT */), 0);
	for (int i = 0; i < 32; i++)
		CHECK_EQ(node_of(BASE + PG(i)), -1);
	CHECK_EQ(vm_event(pswpout), 32);
	for (int i = 7; i < 32; i += 8)
		(void)hosted_read32(BASE + PG(i));
	check_pages(BASE, 32);
	for (int i = 0; i < 32; i++)
		CHECK_EQ(node_of(BASE + PG(i)), i < 16 ? 1 : i % 2);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(32)), 0);
	swap_off();
}

PAGODA_TEST_CONFIG(policies_split_and_merge_regions, "", TWO_NODES)
{
	new_process();
	map_at(BASE, 8, RW);
	CHECK_EQ(bind_range(BASE + PG(2), 3, MPOL_BIND, NODE(1), 0), 0);
	CHECK_STR(draw(BASE, 8), "ww|www|www");
	CHECK_EQ(bind_range(BASE + PG(5), 3, MPOL_BIND, NODE(1), 0), 0);
	CHECK_STR(draw(BASE, 8), "ww|wwwwww");
	CHECK_EQ(bind_range(BASE + PG(3), 1, MPOL_INTERLEAVE, NODE(0) | NODE(1), 0), 0);
	CHECK_STR(draw(BASE, 8), "ww|w|w|wwww");
	CHECK_EQ(bind_range(BASE, 8, MPOL_DEFAULT, 0, 0), 0);
	CHECK_STR(draw(BASE, 8), "wwwwwwww");
	CHECK_EQ(bind_range(BASE, 9, MPOL_BIND, NODE(1), 0), -EFAULT);
	CHECK_EQ(bind_range(BASE, 8, MPOL_BIND, NODE(5), 0), -EINVAL);
	check_mm();
}

static bool bind_and_touch(void *unused)
{
	u32 one = 1;
	bool ok;

	(void)unused;
	if (hosted_process_create())
		return false;
	arch_pick_mmap_layout(current_vm->mm, 8 * SZ_1M);
	ok = do_mmap(current_vm->mm, NULL, BASE, PG(8), RW, FIXED, 0) == BASE &&
	     !bind_range(BASE + PG(2), 3, MPOL_BIND, NODE(1), 0) &&
	     hosted_user_write(BASE + PG(1), &one, sizeof(one)) &&
	     hosted_user_write(BASE + PG(2), &one, sizeof(one)) &&
	     !bind_range(BASE + PG(1), 1, MPOL_BIND, NODE(1), MPOL_MF_MOVE | MPOL_MF_STRICT);
	check_mm();
	(void)hosted_signal();
	hosted_process_exit();
	return ok;
}

/* Each allocation of a policy's life fails once; the harness counts frames. */
PAGODA_TEST_CONFIG(binding_unwinds_every_failed_allocation, "", TWO_NODES)
{
	test_fail_every_allocation(bind_and_touch, NULL);
}

/* ---- Moving ---------------------------------------------------------------------------------- */

PAGODA_TEST_CONFIG(pages_move_with_what_is_in_them, "", TWO_NODES)
{
	new_process();
	map_at(BASE, 64, RW);
	write_pages(BASE, 64);
	CHECK_EQ(bind_range(BASE, 64, MPOL_BIND, NODE(1), MPOL_MF_STRICT), -EIO);
	CHECK_EQ(bind_range(BASE, 64, MPOL_BIND, NODE(1), MPOL_MF_STRICT | MPOL_MF_MOVE), 0);
	for (int i = 0; i < 64; i++)
		CHECK_EQ(node_of(BASE + PG(i)), 1);
	check_pages(BASE, 64);
	CHECK_EQ(vm_event(pgmigrate_success), 64);
	CHECK_EQ(migrate_mm(current_vm->mm, NODE(1), NODE(0), false), 0);
	for (int i = 0; i < 64; i++)
		CHECK_EQ(node_of(BASE + PG(i)), 0);
	check_pages(BASE, 64);
	check_mm();
	lru_add_drain_all();
	validate_lru();
}

static int keep_going;

/* Another CPU writes to the pages all the time, through its own translations. */
static void writer(void *unused)
{
	u32 n = 0;

	(void)unused;
	while (__atomic_load_n(&keep_going, __ATOMIC_RELAXED)) {
		n++;
		for (int i = 0; i < 8; i++)
			hosted_write32(BASE + PG(i) + 32, n);
		for (int i = 0; i < 8; i++)
			CHECK_EQ(hosted_read32(BASE + PG(i) + 32), n); /* nothing was lost */
	}
}

PAGODA_TEST_CONFIG(pages_move_under_a_writer, "", TWO_NODES)
{
	struct hosted_task *task;

	new_process();
	map_at(BASE, 8, RW);
	write_pages(BASE, 8);
	keep_going = 1;
	task = hosted_clone(1, writer, NULL);
	for (int i = 0; i < 200; i++)
		(void)migrate_mm(current_vm->mm, NODE(i % 2), NODE((i + 1) % 2), false);
	__atomic_store_n(&keep_going, 0, __ATOMIC_RELAXED);
	hosted_wait(task);
	check_pages(BASE, 8);
	CHECK_GT(vm_event(pgmigrate_success), 100);
	check_mm();
}

/* ---- Reclaim and statistics, node by node ---------------------------------------------------- */

static unsigned long node_lru_pages(int nid)
{
	unsigned long nr = 0;
	zone_t *zone;

	for_each_zone(zone, NODE_DATA(nid))
		for (int list = 0; list < NR_LRU_LISTS; list++)
			nr += __atomic_load_n(&zone->lruvec.nr[list], __ATOMIC_RELAXED);
	return nr;
}

/* The zone of node 1 that a request for user memory looks at first. */
static zone_t *first_zone_of_1(void)
{
	return NODE_DATA(1)->node_zonelists[__GFP_HIGHMEM].zones[0];
}

static void cache_on(int nid, unsigned long first, unsigned long end)
{
	set_task_policy(MPOL_BIND, NODE(nid));
	disk_cache(&disk, first, end);
	do_set_mempolicy(NULL);
	lru_add_drain_all();
}

/* Take pages from node 1 alone until its kswapd is called; they are linked by lru. */
static void drain_node_1(struct list_head *taken)
{
	struct mpol_request want = {MPOL_BIND, NODE(1), false};
	struct mempolicy *pol = mpol_new(&want);

	CHECK(!IS_ERR(pol));
	while (!vm_event(kswapd_wake)) {
		struct page *page =
			alloc_pages_zonelist(&pol->zonelist, GFP_ATOMIC | __GFP_HIGHMEM, 0);

		CHECK(page);
		CHECK_EQ(page_zone(page)->zone_pgdat->node_id, 1);
		list_add(&page->lru, taken);
	}
	mpol_put(pol);
}

PAGODA_TEST_CONFIG(kswapd_balances_the_node_that_is_short, "NU-06 RC-02", TWO_NODES,
		   .ram = 32 * SZ_1M, .start_threads = true)
{
	unsigned long on_0, on_1;
	struct page *page, *next;
	LIST_HEAD(taken);

	disk_open(&disk, 2000);
	cache_on(0, 0, 1000);
	cache_on(1, 1000, 2000);
	on_0 = node_lru_pages(0);
	on_1 = node_lru_pages(1);
	CHECK_GE(on_0, 1000);
	CHECK_GE(on_1, 1000);
	drain_node_1(&taken);
	while (!kswapd_can_sleep())
		port_yield();
	CHECK_GE(__atomic_load_n(&first_zone_of_1()->free_pages, __ATOMIC_RELAXED),
		 first_zone_of_1()->pages_high);
	CHECK_LT(node_lru_pages(1), on_1);
	CHECK_EQ(node_lru_pages(0), on_0);
	list_for_each_entry_safe(page, next, &taken, lru)
		__free_page(page);
	disk_close(&disk);
}

static void allocate_on_this_cpu(void *from)
{
	for (int i = 0; i < 300; i++) {
		struct page *page = alloc_pages_node(*(int *)from, GFP_KERNEL, 0);

		CHECK(page);
		__free_page(page);
	}
}

PAGODA_TEST_CONFIG(allocations_are_counted_by_node, "NU-10", TWO_NODES)
{
	struct node_allocations before[2], after;
	unsigned long all, sum = 0;
	int zero = 0, one = 1;

	for (int nid = 0; nid < 2; nid++)
		before[nid] = node_allocations(nid);
	hosted_wait(hosted_spawn("near", 1, allocate_on_this_cpu, &one));
	hosted_wait(hosted_spawn("far", 1, allocate_on_this_cpu, &zero));
	after = node_allocations(1);
	CHECK_GE(after.local - before[1].local, 300);
	CHECK_EQ(after.other, before[1].other);
	CHECK_GE(node_allocations(0).other - before[0].other, 300);
	all = vm_event_elsewhere[VM_EVENT_pgalloc](); /* what went through the per-CPU stacks */
	for (int nid = 0; nid < 2; nid++)
		sum += node_allocations(nid).local + node_allocations(nid).other;
	CHECK_EQ(sum, all);
}
