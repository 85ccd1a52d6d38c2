/* SPDX-License-Identifier: MIT */
/*
 * test_bootmem.c: the boot allocator, driven by hand on a machine that has not booted.
 *
 * boot_node() sets up node 0 as setup_memory() would: all of it taken, then a range free.
 */
#include "report.h"

#include <pagoda/bootmem.h>
#include <pagoda/init.h>
#include <pagoda/page_alloc.h>
#include <lib/bitmap.h>

#include <string.h>

#define PFN(n)		     ((unsigned long)(n) << PAGE_SHIFT)
#define BOOT_TEST(name, ids) PAGODA_TEST_CONFIG(name, ids, .no_mm_boot = true, .ram = 64 * SZ_1M)

/* Where the tests put the bitmap: out of the way of what they allocate. */
#define MAP_PFN 256ul

static bootmem_data_t *bdata;

static void boot_node(unsigned long pages, unsigned long free_from, unsigned long free_to)
{
	init_bootmem(MAP_PFN, pages);
	bdata = contig_page_data.bdata;
	free_bootmem(PFN(free_from), PFN(free_to - free_from));
	reserve_bootmem(PFN(MAP_PFN), PFN(bootmem_bootmap_pages(pages)));
}

static bool taken(unsigned long pfn)
{
	return bitmap_test(bdata->node_bootmem_map, pfn);
}

static unsigned long pa(void *p)
{
	return (unsigned long)__pa(p);
}

BOOT_TEST(bitmap_sizes, "BM-07 BM-24")
{
	CHECK_EQ(bootmem_bootmap_pages(1), 1);
	CHECK_EQ(bootmem_bootmap_pages(32768), 1);
	CHECK_EQ(bootmem_bootmap_pages(32769), 2);
	CHECK_EQ(bootmem_bootmap_pages(229376), 7);
}

BOOT_TEST(node_starts_all_taken_and_linked, "BM-02 BM-07 BM-08 BM-10 CT-41")
{
	CHECK_EQ(init_bootmem(MAP_PFN, 16384), 16384 / 8);
	bdata = contig_page_data.bdata;
	CHECK_EQ(pgdat_list, &contig_page_data);
	CHECK_EQ(bdata->node_boot_start, 0);
	CHECK_EQ(bdata->node_low_pfn, 16384);
	CHECK_EQ(pa(bdata->node_bootmem_map), PFN(MAP_PFN));
	CHECK_EQ(bdata->last_offset, 0);
	CHECK_EQ(bdata->last_pos, 0);
	CHECK_EQ(bitmap_weight(bdata->node_bootmem_map, 0, 16384), 16384);
	CHECK_EQ(min_low_pfn, MAP_PFN);
	CHECK_EQ(max_low_pfn, 16384);
	/* The same by way of the node call. */
	CHECK_EQ(init_bootmem_node(&contig_page_data, MAP_PFN, 0, 16384), 16384 / 8);
	CHECK_EQ(contig_page_data.bdata->node_low_pfn, 16384);
	CHECK(!pgdat_list->node_next);
}

BOOT_TEST(partial_pages_are_reserved_whole, "BM-11")
{
	boot_node(16384, 0, 200);
	reserve_bootmem(4095, 1);
	reserve_bootmem(8191, 2);
	CHECK(taken(0) && taken(1) && taken(2) && !taken(3));
}

BOOT_TEST(only_whole_pages_are_freed, "BM-09 BM-12")
{
	boot_node(16384, 100, 200);
	free_bootmem(0x800, 0x2000);
	CHECK(taken(0) && !taken(1) && taken(2));
	reserve_bootmem(0, PFN(10));
	free_bootmem(0x1800, 0x4000);
	CHECK(taken(1) && !taken(2) && !taken(3) && !taken(4) && taken(5));
}

BOOT_TEST(double_free_panics, "BM-13")
{
	boot_node(16384, 100, 200);
	EXPECT_PANIC("freed twice", { free_bootmem(PFN(150), PAGE_SIZE); });
	EXPECT_PANIC("freed twice", { free_bootmem_node(&contig_page_data, PFN(90), PFN(20)); });
}

BOOT_TEST(normal_goal_is_above_dma, "CT-04 BM-14 BM-15 BM-16 BM-17")
{
	unsigned long normal, low;

	boot_node(16384, 1000, 8192);
	normal = pa(alloc_bootmem(100));
	CHECK_GE(normal, MAX_DMA_ADDRESS);
	CHECK_EQ(normal % SMP_CACHE_BYTES, 0);
	low = pa(alloc_bootmem_low(100));
	CHECK_EQ(low, PFN(1000));
	CHECK_EQ(pa(alloc_bootmem_low(100)), PFN(1000) + 128);
	low = pa(alloc_bootmem_pages(100));
	CHECK_EQ(pa(alloc_bootmem_pages(100)) - low, PAGE_SIZE);
	CHECK_GE(low, MAX_DMA_ADDRESS);
	low = pa(alloc_bootmem_low_pages(100));
	CHECK_EQ(low % PAGE_SIZE, 0);
	CHECK_LT(low, MAX_DMA_ADDRESS);
}

BOOT_TEST(low_pages_come_from_dma_when_normal_is_full, "BM-17 BM-22")
{
	boot_node(16384, 1000, 2000);
	CHECK_EQ(pa(alloc_bootmem_low_pages(10)), PFN(1000));
	/* Nothing above the goal: from below. */
	CHECK_EQ(pa(alloc_bootmem_pages(10)), PFN(1001));
	EXPECT_PANIC("no room", { (void)alloc_bootmem(SZ_16M); });
}

BOOT_TEST(small_requests_share_pages, "BM-20 BM-21")
{
	boot_node(16384, 1000, 2000);
	/* | 0..1500 | 1536..3036 | 3072.. crosses into the next page | */
	CHECK_EQ(pa(alloc_bootmem_low(1500)), PFN(1000));
	CHECK_EQ(pa(alloc_bootmem_low(1500)), PFN(1000) + 1536);
	CHECK_EQ(pa(alloc_bootmem_low(1500)), PFN(1000) + 3072);
	CHECK(taken(1000) && taken(1001) && !taken(1002));
	CHECK_EQ(bdata->last_pos, 1001);
	CHECK_EQ(bdata->last_offset, 3072 + 1500 - 4096);
	CHECK_EQ(pa(alloc_bootmem_low_pages(100)), PFN(1002));
	/* Exactly a page: the next request starts a new one. */
	CHECK_EQ(pa(alloc_bootmem_low_pages(4096)), PFN(1003));
	CHECK_EQ(bdata->last_offset, 0);
	CHECK_EQ(pa(alloc_bootmem_low(10)), PFN(1004));
}

BOOT_TEST(memory_is_zeroed, "BM-23")
{
	boot_node(16384, 1000, 2000);
	reserve_bootmem(PFN(1000), PFN(1000)); /* somebody has it, writes to it, gives it back */
	memset(__va(PFN(1000)), 0xa5, PFN(1000));
	free_bootmem(PFN(1000), PFN(1000));
	for (unsigned long size = 1; size < 20000; size = size * 3 + 1) {
		const unsigned char *p = alloc_bootmem_low(size);

		for (unsigned long i = 0; i < size; i++)
			CHECK_EQ(p[i], 0);
	}
}

BOOT_TEST(two_nodes_keep_apart, "BM-18 NU-05")
{
	static pg_data_t node1 = {.node_id = 1};
	unsigned long address;

	boot_node(8192, 1000, 8192);
	init_bootmem_node(&node1, 9000, 8192, 16384);
	free_bootmem_node(&node1, PFN(9001), PFN(1000));
	CHECK_EQ(pgdat_list->node_next, &node1);
	address = pa(alloc_bootmem_node(&node1, 100));
	CHECK_EQ(address, PFN(9001));
	CHECK_EQ(pa(alloc_bootmem_pages_node(&node1, 100)), PFN(9002));
	CHECK_EQ(pa(alloc_bootmem_low_pages_node(&node1, 100)), PFN(9003));
	CHECK_LT(pa(alloc_bootmem_low_pages_node(&contig_page_data, 100)), PFN(8192));
	reserve_bootmem_node(&node1, PFN(9500), 1);
	CHECK(bitmap_test(node1.bdata->node_bootmem_map, 9500 - 8192));
}

/* ---- Against a model --------------------------------------------------------------- */

#define MODEL_PAGES 2048

/* Lowest aligned run of free pages at or above from; -1: none. */
static long model_find(const bool *map, unsigned long from, unsigned long nr, unsigned long align)
{
	for (unsigned long i = ALIGN(from, align); i + nr <= MODEL_PAGES; i += align) {
		unsigned long n = 0;

		while (n < nr && !map[i + n])
			n++;
		if (n == nr)
			return (long)i;
	}
	return -1;
}

static void model_set(bool *map, unsigned long start, unsigned long nr, bool value)
{
	for (unsigned long i = 0; i < nr; i++)
		map[start + i] = value;
}

BOOT_TEST(random_calls_agree_with_a_model, "BM-01 BM-11 BM-12 BM-16 BM-19")
{
	static bool map[MODEL_PAGES];

	boot_node(MODEL_PAGES, 300, MODEL_PAGES);
	model_set(map, 0, 300, true);
	for (unsigned int round = 0; round < test_scale(20000); round++) {
		unsigned long start = 300 + test_random_below(MODEL_PAGES - 340);
		unsigned long nr = 1 + test_random_below(40), align = 1ul << test_random_below(6);
		bool all_taken = true;
		long want;

		switch (test_random_below(3)) {
		case 0:
			reserve_bootmem(PFN(start), PFN(nr));
			model_set(map, start, nr, true);
			break;
		case 1:
			for (unsigned long i = 0; i < nr; i++)
				all_taken &= map[start + i];
			if (!all_taken)
				break;
			free_bootmem(PFN(start), PFN(nr));
			model_set(map, start, nr, false);
			break;
		case 2:
			want = model_find(map, start, nr, align);
			if (want < 0)
				want = model_find(map, 0, nr, align);
			if (want < 0)
				break;
			CHECK_EQ(pa(__alloc_bootmem(PFN(nr), PFN(align), PFN(start))),
				 PFN((unsigned long)want));
			model_set(map, (unsigned long)want, nr, true);
			break;
		}
	}
	for (unsigned long i = 0; i < MODEL_PAGES; i++)
		CHECK_EQ(taken(i), map[i]);
}

/* ---- Retirement, after a real boot ----------------------------------------------------- */

PAGODA_TEST(retired_calls_panic, "BM-25 BM-29")
{
	EXPECT_PANIC("bootmem", { (void)alloc_bootmem(1); });
	EXPECT_PANIC("bootmem", { (void)alloc_bootmem_low_pages(1); });
	EXPECT_PANIC("bootmem", { reserve_bootmem(0, PAGE_SIZE); });
	EXPECT_PANIC("bootmem", { free_bootmem(0, PAGE_SIZE); });
	EXPECT_PANIC("bootmem", { (void)alloc_bootmem_node(&contig_page_data, 1); });
	EXPECT_PANIC("retire", { (void)free_all_bootmem(); });
}

static unsigned long count_reserved_ram(void)
{
	unsigned long n = 0;

	for (unsigned long pfn = 0; pfn < max_pfn; pfn++)
		n += PageReserved(pfn_to_page(pfn)) && page_is_ram(pfn);
	return n;
}

/* Every frame of RAM is either the allocator's or still reserved by the boot. */
PAGODA_TEST(all_free_frames_reach_the_buddy, "BM-25 BM-26 PM-30")
{
	unsigned long ram = 0;

	for (unsigned long pfn = 0; pfn < max_pfn; pfn++)
		ram += page_is_ram(pfn);
	/* The zero page is both: allocated, and then reserved for ever. */
	CHECK_EQ(totalram_pages() + count_reserved_ram(), ram + 1);
	CHECK(strstr(hosted_log(), "Memory: "));
	/* mem_map is a page a MiB and a quarter, the rest is small. */
	CHECK_LT(count_reserved_ram(), ram / 40);
}

PAGODA_TEST(boot_memory_is_given_back, "BM-28")
{
	unsigned long before = nr_free_pages(), pfn = 0;

	while (!(PageReserved(pfn_to_page(pfn)) && page_is_ram(pfn) && pfn))
		pfn++;
	/* Pretend that this frame held init code. */
	CHECK_EQ(mm_free_range(PFN_PHYS(pfn), PFN_PHYS(pfn + 1)), 1);
	CHECK_EQ(nr_free_pages(), before + 1);
	/* Once more: nothing is reserved there any longer. */
	CHECK_EQ(mm_free_range(PFN_PHYS(pfn), PFN_PHYS(pfn + 1)), 0);
	CHECK_EQ(nr_free_pages(), before + 1);
	free_initmem(); /* this machine has none, and says so */
	CHECK(strstr(hosted_log(), "freed 0k of init memory"));
	/* One page fewer is free again, for the harness's balance. */
	SetPageReserved(alloc_page(GFP_KERNEL));
}
