/* SPDX-License-Identifier: MIT */
/*
 * test_flush.c: translations of kernel addresses go from every CPU before the address or the frame
 * is used again. The hosted machine gives each CPU a stale view of them until it flushes, and
 * checks both promises by itself (machine/hosted/window.c); here the situations are made in which
 * it matters.
 */
#include "smp_worker.h"

#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>
#include <pagoda/vmalloc.h>
#include <pagoda/vmstat.h>
#include <asm/pgtable.h>
#include <asm/tlb.h>

/* ---- vmalloc --------------------------------------------------------------------------------- */

PAGODA_TEST_CONFIG(vfree_takes_the_translation_away, "", .nr_cpus = 2)
{
	char *area = vmalloc(PAGE_SIZE);

	CHECK(area);
	area[0] = 1;
	vfree(area);
	(void)vmalloc_purge(); /* vfree() may put the flush off, not beyond this */
	EXPECT_PANIC("fault", { area[0] = 2; });
}

static void touch(void *addr)
{
	*(volatile char *)addr = 7;
}

/* On a machine where CPU 1 did nothing but touch the area. */
PAGODA_TEST_CONFIG(vfree_takes_the_translation_from_every_cpu, "NC-04", .nr_cpus = 2)
{
	char *area = vmalloc(PAGE_SIZE);

	CHECK(area);
	port_on_each_cpu(2, touch, area);
	vfree(area);
	(void)vmalloc_purge();
	EXPECT_PANIC("fault", { port_on_each_cpu(2, touch, area); });
	EXPECT_PANIC("fault", { touch(area); });
}

/* Many pages: no CPU flushes them one by one. */
PAGODA_TEST_CONFIG(vfree_of_a_large_area_flushes_every_cpu, "NC-04", .nr_cpus = 4)
{
	char *area = vmalloc(100 * PAGE_SIZE), *last = area + 99 * PAGE_SIZE;

	CHECK(area);
	port_on_each_cpu(0xf, touch, last);
	vfree(area);
	(void)vmalloc_purge();
	for (int cpu = 0; cpu < 4; cpu++)
		EXPECT_PANIC("fault", { port_on_each_cpu(1ul << cpu, touch, last); });
}

/* With several CPUs the flush is put off; until then nobody gets the frames or the address. */
PAGODA_TEST_CONFIG(freed_area_keeps_frames_and_address_until_the_flush, "NC-04 NC-14 FX-36",
		   .nr_cpus = 2)
{
	char *area = vmalloc(PAGE_SIZE), *other;
	struct page *page;

	CHECK(area);
	touch(area);
	page = pfn_to_page(PHYS_PFN(hosted_lookup_kernel(area).pa));
	vfree(area);
	CHECK(!hosted_lookup_kernel(area).present);
	CHECK_EQ(page_count(page), 1);
	other = vmalloc(PAGE_SIZE);
	CHECK_NE(other, area);
	(void)vmalloc_purge();
	CHECK_EQ(page_count(page), 0);
	vfree(other);
	CHECK_EQ(vmalloc_purge(), 1);
}

static void map_one_page(char *at, struct page *page)
{
	CHECK_EQ(map_kernel_pages((unsigned long)at, &page, 1, PAGE_KERNEL), 0);
}

/* The machine's own promises: without them the tests above would see nothing. */
PAGODA_TEST_CONFIG(each_cpu_sees_the_old_frame_until_it_flushes, "", .nr_cpus = 2)
{
	struct page *one = alloc_page(GFP_KERNEL | __GFP_ZERO),
		    *two = alloc_page(GFP_KERNEL | __GFP_ZERO);
	char *area = vmalloc(PAGE_SIZE);
	struct page *own = pfn_to_page(PHYS_PFN(hosted_lookup_kernel(area).pa));

	unmap_kernel_range((unsigned long)area, PAGE_SIZE);
	map_one_page(area, one);
	port_on_each_cpu(2, touch, area); /* CPU 0 may have it now, too */
	unmap_kernel_range((unsigned long)area, PAGE_SIZE);
	map_one_page(area, two);
	CHECK_EQ(*area, 7);
	port_flush_tlb_page((unsigned long)area);
	EXPECT_PANIC("stale kernel translation", { touch(area); });
	port_on_each_cpu(2, touch, area); /* still the first page's */
	CHECK_EQ(*(u8 *)page_address(two), 0);
	flush_tlb_kernel_range((unsigned long)area, (unsigned long)area + PAGE_SIZE);
	port_on_each_cpu(2, touch, area);
	CHECK_EQ(*(u8 *)page_address(two), 7);
	EXPECT_PANIC("which is free", {
		__free_page(two);
		port_flush_tlb_page((unsigned long)area);
	});
	unmap_kernel_range((unsigned long)area, PAGE_SIZE);
	flush_tlb_all();
	map_one_page(area, own);
	vfree(area);
	__free_page(one);
	__free_page(two);
}

/* ---- kmap ------------------------------------------------------------------------------------ */

static struct page *filled_page(gfp_t gfp, u32 value)
{
	struct page *page = alloc_page(gfp);

	CHECK(page);
	*(u32 *)hosted_phys(PFN_PHYS(page_to_pfn(page))) = value;
	return page;
}

PAGODA_TEST_CONFIG(kmap_atomic_slot_shows_its_new_page, "", .exact = true, .ram = SZ_1G)
{
	struct page *one = filled_page(GFP_HIGHUSER, 1), *two = filled_page(GFP_HIGHUSER, 2);
	u32 *at;

	if (HOSTED_32BIT)
		CHECK(PageHighMem(one) && PageHighMem(two));
	at = kmap_atomic(one);
	CHECK_EQ(*at, 1);
	kunmap_atomic(at);
	at = kmap_atomic(two);
	CHECK_EQ(*at, 2);
	kunmap_atomic(at);
	__free_page(one);
	__free_page(two);
}

#define MORE_PAGES_THAN_SLOTS 1500

/*
 * Through all slots and on with ever other pages: the second time round each slot must have been
 * flushed.
 */
PAGODA_TEST_CONFIG(kmap_slot_shows_its_new_page, "", .ram = SZ_1G, .nr_cpus = 2)
{
	static struct page *page[MORE_PAGES_THAN_SLOTS];

	for (u32 i = 0; i < MORE_PAGES_THAN_SLOTS; i++)
		page[i] = filled_page(GFP_HIGHUSER, i);
	for (u32 i = 0; i < MORE_PAGES_THAN_SLOTS; i++) {
		u32 *at = kmap(page[i]);

		CHECK_EQ(*at, i);
		kunmap(page[i]);
	}
	for (u32 i = 0; i < MORE_PAGES_THAN_SLOTS; i++)
		__free_page(page[i]);
}
