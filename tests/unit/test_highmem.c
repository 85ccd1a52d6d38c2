/* SPDX-License-Identifier: MIT */
/*
 * test_highmem.c: frames outside the direct map, and the windows onto them.
 *
 * On the 64-bit geometries there are none: the same calls must then be page_address().
 */
#include "report.h"

#include <pagoda/bootmem.h>
#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/vmstat.h>
#include <asm/pgtable.h>

#include <string.h>

#define HIGH_TEST(name, ids, ...) \
	PAGODA_TEST_CONFIG(name, ids, .exact = true, .ram = SZ_1G, __VA_ARGS__)

static void need_highmem(void)
{
	if (!HAVE_HIGHMEM)
		SKIP("no high memory in this geometry");
}

static struct page *high_page(void)
{
	struct page *page = alloc_page(GFP_HIGHUSER);

	CHECK(page && PageHighMem(page));
	return page;
}

HIGH_TEST(high_frames_are_marked_and_unmapped, "HM-01 HM-11 PM-38 PM-19 BM-27", .nr_cpus = 1)
{
	unsigned long n = 0;

	for (unsigned long pfn = 0; pfn < max_pfn; pfn++) {
		struct page *page = pfn_to_page(pfn);

		CHECK_EQ(PageHighMem(page), pfn >= highstart_pfn);
		n += PageHighMem(page);
		if (PageHighMem(page))
			CHECK(!PageSlab(page) && !PageTable(page));
	}
	CHECK_EQ(n, HAVE_HIGHMEM ? 32768 : 0);
	CHECK_EQ(totalhigh_pages(), n);
	CHECK_EQ(nr_free_highpages(), n);
	need_highmem();
	CHECK_EQ(highstart_pfn, 229376);
	{
		struct page *page = high_page();

		CHECK(!page_address(page));
		__free_page(page);
	}
}

#define HOLED                                                                                    \
	.map = (const struct port_mem_range[]){{0, 950 * SZ_1M, PORT_MEM_USABLE, 0},             \
					       {900 * SZ_1M, 901 * SZ_1M, PORT_MEM_RESERVED, 0}, \
					       {960 * SZ_1M, 970 * SZ_1M, PORT_MEM_USABLE, 0}},  \
	.nr_map = 3

PAGODA_TEST_CONFIG(only_real_ram_becomes_high_memory, "HM-12 BM-27", HOLED)
{
	unsigned long frames = (950 - 896 - 1 + 10) * 256ul;

	need_highmem();
	CHECK_EQ(nr_free_highpages(), frames);
	CHECK(PageReserved(pfn_to_page(900 * 256)));
	CHECK(PageHighMem(pfn_to_page(900 * 256)));
	CHECK(PageReserved(pfn_to_page(955 * 256)));
	CHECK_EQ(contig_page_data.node_zones[ZONE_HIGHMEM].size, (970 - 896) * 256ul);
}

HIGH_TEST(nohighmem_boots_with_low_memory_alone, "HM-13", .options = "nohighmem")
{
	need_highmem();
	CHECK_EQ(contig_page_data.node_zones[ZONE_HIGHMEM].size, 0);
	CHECK(strstr(hosted_log(), "128 MiB of high memory are not used"));
	__free_page(alloc_page(GFP_HIGHUSER));
}

PAGODA_TEST(ranges_do_not_overlap, "HM-02 HM-08")
{
	CHECK_LT(PAGE_OFFSET + PFN_PHYS(max_low_pfn), VMALLOC_START);
	CHECK_LT(VMALLOC_START, VMALLOC_END);
	CHECK_LE(VMALLOC_END, PKMAP_BASE - 2 * PAGE_SIZE);
	CHECK_LE(PKMAP_BASE + LAST_PKMAP * PAGE_SIZE, FIXMAP_BASE);
	need_highmem();
	CHECK_EQ(VMALLOC_END, PKMAP_BASE - 2 * PAGE_SIZE);
	CHECK_EQ(PAGE_OFFSET + MAX_LOWMEM + 8 * SZ_1M, VMALLOC_START);
	/* The windows' tables exist from the start, and are empty. */
	for (unsigned int i = 0; i < LAST_PKMAP; i++) {
		pte_t *pte = lookup_kernel_pte(PKMAP_BASE + i * PAGE_SIZE);

		CHECK(pte && pte_none(ptep_get(pte)));
	}
}

/* ---- kmap ---------------------------------------------------------------------------- */

HIGH_TEST(kmap_reaches_the_frame, "HM-03 HM-04 HM-09", .nr_cpus = 1)
{
	struct page *low = alloc_page(GFP_KERNEL), *page = alloc_page(GFP_HIGHUSER);
	u8 *a, *b;

	CHECK_EQ(kmap(low), page_address(low));
	kunmap(low);
	a = kmap(page);
	memset(a, 0x77, PAGE_SIZE);
	CHECK_EQ(*(u8 *)hosted_phys(PFN_PHYS(page_to_pfn(page))), 0x77);
	CHECK_EQ(page_address(page), a);
	b = kmap(page);
	CHECK_EQ(a, b);
	kunmap(page);
	CHECK_EQ(a[5], 0x77); /* one user left */
	kunmap(page);
	__free_page(low);
	__free_page(page);
}

HIGH_TEST(freed_page_gives_up_its_slot, "HM-03 HM-06", .nr_cpus = 1)
{
	struct page *page;
	u8 *a;

	need_highmem();
	page = high_page();
	a = kmap(page);
	kunmap(page);
	CHECK_EQ(page_address(page), a); /* kept in case it is wanted again */
	__free_page(page);
	CHECK(!hosted_lookup_kernel(a).present);
	EXPECT_PANIC("freed while kmapped", {
		page = high_page();
		(void)kmap(page);
		__free_page(page);
	});
}

HIGH_TEST(slots_are_flushed_in_batches, "HM-06", .nr_cpus = 2)
{
	static struct page *pages[3000];
	unsigned long before;

	need_highmem();
	for (unsigned int i = 0; i < 3000; i++) {
		pages[i] = high_page();
		*(u32 *)kmap(pages[i]) = i;
		kunmap(pages[i]);
	}
	before = vm_event(tlb_flush_all) + vm_event(tlb_flush_range);
	for (unsigned int round = 0; round < test_scale(20000); round++) {
		unsigned int i = (unsigned int)test_random_below(3000);

		CHECK_EQ(*(u32 *)kmap(pages[i]), i);
		kunmap(pages[i]);
	}
	CHECK_LT(vm_event(tlb_flush_all) + vm_event(tlb_flush_range) - before,
		 test_scale(20000) / (LAST_PKMAP / 2));
	for (unsigned int i = 0; i < 3000; i++)
		__free_page(pages[i]);
}

static struct page *wanted;
static u8 *volatile got;

static void map_one(void *unused)
{
	(void)unused;
	got = kmap(wanted);
	*got = 9;
	kunmap(wanted);
}

HIGH_TEST(kmap_waits_when_all_slots_are_taken, "HM-05", .nr_cpus = 2)
{
	static struct page *pages[LAST_PKMAP];
	struct hosted_task *task;
	u64 until;

	need_highmem();
	for (unsigned int i = 0; i < LAST_PKMAP; i++) {
		pages[i] = high_page();
		CHECK(kmap(pages[i]));
	}
	wanted = high_page();
	task = hosted_spawn("map", 1, map_one, NULL);
	for (until = port_clock_ns() + 20000000; port_clock_ns() < until;)
		port_yield();
	CHECK(!got);
	kunmap(pages[77]);
	hosted_wait(task);
	CHECK_EQ((unsigned long)got, (unsigned long)PKMAP_BASE + ((unsigned long)got - PKMAP_BASE));
	CHECK_EQ(*(u8 *)hosted_phys(PFN_PHYS(page_to_pfn(wanted))), 9);
	for (unsigned int i = 0; i < LAST_PKMAP; i++) {
		if (i != 77)
			kunmap(pages[i]);
		__free_page(pages[i]);
	}
	__free_page(wanted);
}

static int nr_begun, nr_mapped;

static void map_and_wait_for_the_other(void *arg)
{
	__atomic_fetch_add(&nr_begun, 1, __ATOMIC_SEQ_CST);
	(void)kmap(arg);
	__atomic_fetch_add(&nr_mapped, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&nr_mapped, __ATOMIC_SEQ_CST) < 2)
		port_yield();
	kunmap(arg);
}

/*
 * All slots are idle, and two tasks want one each; neither lets go before the other has its own.
 * One flushes, for which it needs this CPU, whose interrupts are off; the other finds no slot
 * meanwhile, and hears of the end of the flush.
 */
HIGH_TEST(the_end_of_a_flush_wakes_those_that_wait_for_slots, "HM-05", .nr_cpus = 3)
{
	struct page *idle, *page[2];
	struct hosted_task *task[2];
	unsigned long flags;
	u64 until;

	need_highmem();
	idle = high_page();
	for (unsigned int i = 0; i < LAST_PKMAP; i++) {
		(void)kmap(idle);
		kunmap(idle);
		__free_page(idle);
		idle = high_page();
	}
	flags = port_irq_save();
	for (int i = 0; i < 2; i++)
		task[i] = hosted_spawn("map", 1 + i, map_and_wait_for_the_other,
				       page[i] = high_page());
	while (__atomic_load_n(&nr_begun, __ATOMIC_SEQ_CST) < 2)
		port_cpu_relax();
	for (until = port_clock_ns() + 20000000; port_clock_ns() < until;)
		port_cpu_relax();
	CHECK_EQ(__atomic_load_n(&nr_mapped, __ATOMIC_SEQ_CST), 0);
	port_irq_restore(flags);
	for (int i = 0; i < 2; i++) {
		hosted_wait(task[i]);
		__free_page(page[i]);
	}
	__free_page(idle);
}

static unsigned int nr_through;

static void map_a_page_for_a_while(void *arg)
{
	volatile u32 *p = kmap(arg);

	*p = 34;
	for (int i = 0; i < 3; i++)
		port_yield();
	CHECK_EQ(*p, 34);
	kunmap(arg);
	__atomic_fetch_add(&nr_through, 1, __ATOMIC_RELAXED);
}

/*
 * All slots but ten are taken for good, and more tasks than the others at a time want one each: all
 * come through.
 */
HIGH_TEST(two_thousand_tasks_share_the_slots, "FX-34", .nr_cpus = 2)
{
	static struct hosted_task *task[100];
	static struct page *kept[LAST_PKMAP], *page[100];
	unsigned int nr_kept = LAST_PKMAP - 10;

	need_highmem();
	for (unsigned int i = 0; i < nr_kept; i++)
		(void)kmap(kept[i] = high_page());
	for (int i = 0; i < 100; i++)
		page[i] = high_page();
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 100; i++)
			task[i] = hosted_spawn("map", HOSTED_ANY_CPU, map_a_page_for_a_while,
					       page[i]);
		for (int i = 0; i < 100; i++)
			hosted_wait(task[i]);
	}
	CHECK_EQ(nr_through, 2000);
	for (int i = 0; i < 100; i++)
		__free_page(page[i]);
	for (unsigned int i = 0; i < nr_kept; i++) {
		kunmap(kept[i]);
		__free_page(kept[i]);
	}
}

/* ---- kmap_atomic ------------------------------------------------------------------------ */

HIGH_TEST(atomic_maps_nest, "HM-07 HM-09", .nr_cpus = 1)
{
	struct page *a = alloc_page(GFP_HIGHUSER), *b = alloc_page(GFP_HIGHUSER);
	u8 *pa, *pb;

	pa = kmap_atomic(a);
	pb = kmap_atomic(b);
	CHECK_NE(pa, pb);
	memset(pa, 1, PAGE_SIZE);
	memset(pb, 2, PAGE_SIZE);
	kunmap_atomic(pb);
	kunmap_atomic(pa);
	copy_highpage(a, b);
	CHECK_EQ(*(u8 *)hosted_phys(PFN_PHYS(page_to_pfn(a)) + 4095), 2);
	clear_highpage(b);
	CHECK_EQ(*(u8 *)hosted_phys(PFN_PHYS(page_to_pfn(b)) + 17), 0);
	if (HAVE_HIGHMEM) {
		CHECK(!hosted_lookup_kernel(pa).present);
		EXPECT_PANIC("atomic_addr", {
			pa = kmap_atomic(a);
			pb = kmap_atomic(b);
			kunmap_atomic(pa); /* in the wrong order */
		});
	}
	__free_page(a);
	__free_page(b);
}

static struct page *high[64];

static void copy_in_interrupt(void *n)
{
	copy_highpage(high[0], high[1 + (unsigned long)n % 63]);
}

static void map_all_the_time(void *unused)
{
	(void)unused;
	for (unsigned int i = 0; i < test_scale(20000); i++) {
		struct page *page = high[8 + i % 56];
		u32 *p = i % 2 ? kmap_atomic(page) : kmap(page);

		CHECK_EQ(p[1], 8 + i % 56);
		if (i % 2)
			kunmap_atomic(p);
		else
			kunmap(page);
	}
}

HIGH_TEST(interrupts_copy_high_pages, "HM-07 HM-06", .nr_cpus = 4)
{
	struct hosted_task *tasks[3];

	for (unsigned int i = 0; i < 64; i++) {
		high[i] = alloc_page(GFP_HIGHUSER);
		((u32 *)kmap(high[i]))[1] = i;
		kunmap(high[i]);
	}
	for (int i = 0; i < 3; i++)
		tasks[i] = hosted_spawn("map", i + 1, map_all_the_time, NULL);
	for (unsigned long i = 0; i < test_scale(1000); i++) {
		port_on_each_cpu(1ul << (1 + i % 3), copy_in_interrupt, (void *)i);
		CHECK_EQ(((u32 *)kmap(high[0]))[1], 1 + i % 63);
		kunmap(high[0]);
	}
	for (int i = 0; i < 3; i++)
		hosted_wait(tasks[i]);
	for (unsigned int i = 0; i < 64; i++)
		__free_page(high[i]);
}

HIGH_TEST(four_cpus_map_interleaved, "HM-06 SM-13", .nr_cpus = 4, .deterministic = true)
{
	struct hosted_task *tasks[3];

	for (unsigned int i = 0; i < 64; i++) {
		high[i] = alloc_page(GFP_HIGHUSER);
		((u32 *)kmap(high[i]))[1] = i;
		kunmap(high[i]);
	}
	for (int i = 0; i < 3; i++)
		tasks[i] = hosted_spawn("map", i + 1, map_all_the_time, NULL);
	map_all_the_time(NULL);
	for (int i = 0; i < 3; i++)
		hosted_wait(tasks[i]);
	for (unsigned int i = 0; i < 64; i++)
		__free_page(high[i]);
}
