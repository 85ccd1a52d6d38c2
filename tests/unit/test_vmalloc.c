/* SPDX-License-Identifier: MIT */
/*
 * test_vmalloc.c: memory mapped page by page into the kernel, and its release.
 */
#include "report.h"

#include <pagoda/bootmem.h>
#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/vm_task.h>
#include <pagoda/vmalloc.h>
#include <pagoda/vmstat.h>
#include <asm/pgtable.h>

#include <string.h>

static unsigned int nr_areas(void)
{
	unsigned int n = 0;

	for (struct vm_struct *area = vmlist; area; area = area->next)
		n++;
	return n;
}

/* The frame that the kernel's tables have for an address. */
static unsigned long frame_of(const void *addr)
{
	struct hosted_pte_info info = hosted_lookup_kernel(addr);

	CHECK(info.present);
	return PHYS_PFN(info.pa);
}

/* Leave no two free buddies: every allocation of more than a page fails. */
static void fragment(struct list_head *kept)
{
	struct page *page, *next;
	LIST_HEAD(all);

	current_vm->flags |= PF_MEMALLOC; /* the reserve, too */
	while ((page = alloc_page(GFP_KERNEL)))
		list_add(&page->lru, &all);
	current_vm->flags &= ~PF_MEMALLOC;
	list_for_each_entry_safe(page, next, &all, lru) {
		list_del(&page->lru);
		if (page_to_pfn(page) % 2)
			list_add(&page->lru, kept);
		else
			__free_page(page);
	}
}

PAGODA_TEST(large_area_from_fragmented_memory, "NC-01 NC-12")
{
	struct page *page, *next;
	LIST_HEAD(kept);
	u64 *area;

	fragment(&kept);
	CHECK(!alloc_pages(GFP_ATOMIC, 1));
	area = vmalloc(10 * SZ_1M - 5);
	CHECK(area);
	for (unsigned long i = 0; i < 10 * SZ_1M / 8; i += 64)
		area[i] = i;
	for (unsigned long i = 0; i < 10 * SZ_1M / 8; i += 64)
		CHECK_EQ(area[i], i);
	validate_vmalloc();
	vfree(area);
	CHECK_EQ(nr_areas(), 0);
	list_for_each_entry_safe(page, next, &kept, lru)
		__free_page(page);
}

PAGODA_TEST_CONFIG(variants_choose_their_zones, "NC-02 NC-03 NC-17", .exact = true, .ram = SZ_1G)
{
	char *dma = vmalloc_dma(64 * PAGE_SIZE), *low = vmalloc_32(64 * PAGE_SIZE),
	     *any = vmalloc(64 * PAGE_SIZE);

	for (unsigned long i = 0; i < 64; i++) {
		CHECK_LT(frame_of(dma + i * PAGE_SIZE), 4096);
		CHECK_LT(frame_of(low + i * PAGE_SIZE), max_low_pfn);
		CHECK_EQ(frame_of(any + i * PAGE_SIZE) >= highstart_pfn, HAVE_HIGHMEM);
	}
	vfree(dma);
	vfree(low);
	vfree(any);
}

PAGODA_TEST(dma_variant_fails_without_dma_memory, "NC-02 NC-07")
{
	struct page *page, *next;
	unsigned long free;
	LIST_HEAD(pages);

	while ((page = alloc_page(GFP_DMA | __GFP_HIGH)))
		list_add(&page->lru, &pages);
	kfree(kmalloc(sizeof(struct vm_struct), GFP_KERNEL));
	free = test_free_frames();
	CHECK(!vmalloc_dma(SZ_1M));
	CHECK_EQ(test_free_frames(), free);
	list_for_each_entry_safe(page, next, &pages, lru)
		__free_page(page);
}

PAGODA_TEST(freed_area_is_unmapped, "NC-04 NC-09")
{
	unsigned long free = test_free_frames();
	char *area = vmalloc(5 * PAGE_SIZE);

	area[0] = 1;
	vfree(area);
	for (unsigned int i = 0; i < 6; i++)
		CHECK(!hosted_lookup_kernel(area + i * PAGE_SIZE).present);
	CHECK_EQ(test_free_frames(), free);
	EXPECT_PANIC("", { *(volatile char *)area = 2; });
}

PAGODA_TEST(wrong_addresses_are_reported, "NC-05")
{
	char *area = vmalloc(PAGE_SIZE), *io = ioremap(SZ_1G * 3ul, PAGE_SIZE);

	vfree(NULL);
	iounmap(NULL);
	EXPECT_REPORT("no area in use", { vfree(area + 1); });
	EXPECT_REPORT("no area in use", { vfree(area + 10 * PAGE_SIZE); });
	EXPECT_REPORT("no area in use", { vfree(io); });
	EXPECT_REPORT("no area in use", { iounmap(area); });
	CHECK_EQ(nr_areas(), 2);
	area[0] = 1;
	vfree(area);
	EXPECT_REPORT("no area in use", { vfree(area); });
	iounmap(io);
}

PAGODA_TEST(impossible_sizes_are_refused, "NC-06 CT-39")
{
	unsigned long free = test_free_frames();

	CHECK(!vmalloc(0));
	CHECK(!vmalloc(~0ul));
	CHECK(!vmalloc(~0ul - PAGE_SIZE));
	CHECK(!vmalloc(4 * SZ_1G));
	CHECK(!vmalloc(65 * SZ_1M));
	CHECK(!ioremap(0, 0));
	CHECK(!ioremap(~0ull - 100, 200));
	CHECK(!ioremap(1ull << 60, PAGE_SIZE));
	CHECK(PGTABLE_LEVELS > 2 || !ioremap(0xfffff000ull, 2 * PAGE_SIZE));
	CHECK_EQ(nr_areas(), 0);
	CHECK_EQ(test_free_frames(), free);
}

static bool map_and_unmap(void *arg)
{
	char *area = vmalloc(20 * PAGE_SIZE), *io;

	(void)arg;
	if (!area) {
		CHECK_EQ(nr_areas(), 0);
		return false;
	}
	area[20 * PAGE_SIZE - 1] = 1;
	io = ioremap(SZ_1G * 3ul + 100, 5000);
	vfree(area);
	if (io)
		iounmap(io);
	return io != NULL;
}

PAGODA_TEST(every_allocation_may_fail, "NC-07")
{
	CHECK(map_and_unmap(NULL)); /* page tables are kept once made */
	test_fail_every_allocation(map_and_unmap, NULL);
}

/* Areas, by letter, and the guard pages between them:  AAg BBBBg Cg  ->  AAg Dg __ Cg */
PAGODA_TEST(areas_are_in_order_with_guards_between, "NC-08 NC-10")
{
	char *a = vmalloc(2 * PAGE_SIZE), *b = vmalloc(4 * PAGE_SIZE), *c = vmalloc(1), *d;

	CHECK_EQ((unsigned long)a, VMALLOC_START);
	CHECK_EQ(b - a, 3 * (long)PAGE_SIZE);
	CHECK_EQ(c - b, 5 * (long)PAGE_SIZE);
	CHECK(!hosted_lookup_kernel(a + 2 * PAGE_SIZE).present);
	vfree(b);
	d = vmalloc(PAGE_SIZE); /* the first hole that is large enough */
	CHECK_EQ(d, b);
	b = vmalloc(4 * PAGE_SIZE); /* does not fit there any more */
	CHECK_EQ(b, c + 2 * PAGE_SIZE);
	EXPECT_PANIC("", { *(volatile char *)(a + 2 * PAGE_SIZE) = 1; });
	validate_vmalloc();
	vfree(a);
	vfree(b);
	vfree(c);
	vfree(d);
}

PAGODA_TEST(ioremap_maps_uncached_and_frees_nothing, "NC-09")
{
	unsigned long before = test_free_frames();
	char *io = ioremap(3 * SZ_1G + 0x123, 0x2000);
	struct hosted_pte_info info = hosted_lookup_kernel(io);

	CHECK_EQ((unsigned long)io & ~PAGE_MASK, 0x123);
	CHECK_EQ(info.pa, 3 * SZ_1G);
	CHECK((info.entry & (_PAGE_PCD | _PAGE_PWT)) == (_PAGE_PCD | _PAGE_PWT));
	CHECK(vmlist->flags & VM_IOREMAP);
	CHECK_EQ(vmlist->phys_addr, 3 * SZ_1G);
	CHECK_EQ(vmlist->size, 4 * PAGE_SIZE);
	iounmap(io);
	CHECK_EQ(test_free_frames(), before);
}

PAGODA_TEST_CONFIG(region_can_be_used_up_and_recovers, "NC-16", .ram = 256 * SZ_1M)
{
	static void *areas[256];
	unsigned int n = 0, again = 0;

	/* Address space runs out on 32 bit, memory on 64. */
	while ((areas[n] = vmalloc(SZ_1M)))
		n++;
	CHECK_GT(n, 64);
	validate_vmalloc();
	while (n > again)
		vfree(areas[again++]);
	for (n = 0; (areas[n] = vmalloc(SZ_1M)); n++)
		;
	CHECK_EQ(n, again);
	while (n--)
		vfree(areas[n]);
}

PAGODA_TEST(random_areas_agree_with_a_model, "NC-08 NC-10")
{
	static struct {
		char *addr;
		unsigned long pages;
	} held[120];

	for (unsigned int round = 0; round < test_scale(6000); round++) {
		unsigned int slot = (unsigned int)test_random_below(ARRAY_SIZE(held));
		unsigned long start = VMALLOC_START, pages = 1 + test_random_below(20);
		struct vm_struct *area;

		if (held[slot].addr) {
			CHECK_EQ(*held[slot].addr, (char)slot);
			CHECK_EQ(held[slot].addr[held[slot].pages * PAGE_SIZE - 1], (char)slot);
			vfree(held[slot].addr);
			held[slot].addr = NULL;
			continue;
		}
		/* First fit by walking the list. */
		for (area = vmlist; area; area = area->next) {
			if ((unsigned long)area->addr - start >= (pages + 1) * PAGE_SIZE)
				break;
			start = (unsigned long)area->addr + area->size;
		}
		held[slot].addr = vmalloc(pages * PAGE_SIZE);
		held[slot].pages = pages;
		CHECK_EQ((unsigned long)held[slot].addr, start);
		*held[slot].addr = (char)slot;
		held[slot].addr[pages * PAGE_SIZE - 1] = (char)slot;
		if (round % 256 == 0)
			validate_vmalloc();
	}
	for (unsigned int slot = 0; slot < ARRAY_SIZE(held); slot++)
		vfree(held[slot].addr);
}

/* ---- Several CPUs -------------------------------------------------------------------------- */

PAGODA_TEST_CONFIG(frees_are_flushed_in_batches, "FX-36 NC-04", .nr_cpus = 2)
{
	unsigned long before = vm_event(tlb_flush_all) + vm_event(tlb_flush_range);
	unsigned long free = test_free_frames();

	for (unsigned int i = 0; i < 1000; i++) {
		char *area = vmalloc(2 * PAGE_SIZE);

		*area = 1;
		vfree(area);
	}
	CHECK_LT(vm_event(tlb_flush_all) + vm_event(tlb_flush_range) - before, 20);
	validate_vmalloc();
	vmalloc_purge();
	CHECK_EQ(nr_areas(), 0);
	CHECK_EQ(test_free_frames(), free);
}

/* Flushes while n areas of that many pages each are made and freed. */
static unsigned long flushes_of_frees(unsigned int n, unsigned long pages)
{
	unsigned long before;

	vmalloc_purge();
	before = vm_event(tlb_flush_all) + vm_event(tlb_flush_range);
	for (unsigned int i = 0; i < n; i++) {
		void *area = vmalloc(pages * PAGE_SIZE);

		CHECK(area);
		vfree(area);
	}
	return vm_event(tlb_flush_all) + vm_event(tlb_flush_range) - before;
}

PAGODA_TEST_CONFIG(freed_areas_wait_for_their_flush_in_small_numbers, "FX-36", .nr_cpus = 2)
{
	CHECK_EQ(flushes_of_frees(64 * 4, 1), 4);  /* that many areas ... */
	CHECK_EQ(flushes_of_frees(16 * 4, 32), 4); /* ... or that many pages */
	vmalloc_purge();
}

static unsigned int depth_of(const struct vm_struct *area)
{
	unsigned int depth = 0;

	for (const struct rb_node *n = &area->node; n; n = rb_parent(n))
		depth++;
	return depth;
}

/* In the middle the list's links are broken: a search that walked it would fall over. */
PAGODA_TEST_CONFIG(ten_thousand_areas_are_searched_in_logarithmic_steps, "FX-06",
		   .ram = 256 * SZ_1M)
{
	enum { NR = 10000 };
	void **areas = vmalloc(NR * sizeof(*areas)), *at_the_end;
	struct vm_struct *middle = vmlist, *next;
	unsigned int deepest = 0;

	CHECK(areas);
	for (unsigned int i = 0; i < NR; i++)
		CHECK((areas[i] = vmalloc(1)));
	for (struct vm_struct *area = vmlist; area; area = area->next)
		deepest = max(deepest, depth_of(area));
	CHECK_LE(deepest, 27); /* 2 log2(10001) */
	for (unsigned int i = 0; i < NR / 2; i++)
		middle = middle->next;
	next = middle->next;
	middle->next = (void *)16;
	vfree(areas[NR - 2]);
	CHECK_EQ(areas[NR - 2], vmalloc(1)); /* its gap is the lowest */
	at_the_end = vmalloc(8 * PAGE_SIZE);
	CHECK(at_the_end > areas[NR - 1]);
	vfree(at_the_end);
	middle->next = next;
	validate_vmalloc();
	for (unsigned int i = 0; i < NR; i++)
		vfree(areas[i]);
	vfree(areas);
}

/*
 * Half of all addresses is freed, a third is in use: without a purge there is no other half left.
 */
PAGODA_TEST_CONFIG(addresses_of_freed_areas_are_purged_before_a_request_fails, "", .nr_cpus = 2)
{
	unsigned long all = VMALLOC_END - VMALLOC_START;
	void *area;

	if (all > SZ_1G)
		return; /* mapping half of it takes too long; the code is the same */
	area = ioremap(0xe0000000ul, all / 2);
	CHECK(area);
	iounmap(area);
	area = ioremap(0xe0000000ul, all / 3 * 2);
	CHECK(area);
	iounmap(area);
	vmalloc_purge();
}

static char *volatile touch_here;

static void touch(void *unused)
{
	(void)unused;
	*touch_here = 7;
}

/* The CPU that has the translation must lose it before the address or the frame is reused. */
PAGODA_TEST_CONFIG(no_stale_translation_after_reuse, "NC-13 NC-14 FX-36 SM-07", .nr_cpus = 2)
{
	for (unsigned int i = 0; i < test_scale(2000); i++) {
		unsigned long pages = 1 + test_random_below(5);
		char *area = vmalloc(pages * PAGE_SIZE);

		memset(area, (int)i, pages * PAGE_SIZE);
		touch_here = area + test_random_below(pages) * PAGE_SIZE;
		port_on_each_cpu(2, touch, NULL);
		CHECK_EQ(*touch_here, 7);
		for (unsigned long n = 0; n < pages; n++)
			CHECK_EQ(area[n * PAGE_SIZE + 1], (char)i);
		vfree(area);
	}
}

static void churn(void *arg)
{
	for (unsigned int i = 0; i < test_scale(2000); i++) {
		unsigned long pages = 1 + (i * 7 + (unsigned long)arg) % 9;
		u64 *area = vmalloc(pages * PAGE_SIZE);

		CHECK(area);
		for (unsigned long n = 0; n < pages; n++)
			area[n * 512] = (unsigned long)area ^ n;
		for (unsigned long n = 0; n < pages; n++)
			CHECK_EQ(area[n * 512], (unsigned long)area ^ n);
		vfree(area);
	}
}

PAGODA_TEST_CONFIG(four_cpus_map_and_unmap, "NC-08 SM-01", .nr_cpus = 4)
{
	struct hosted_task *tasks[3];

	for (int i = 0; i < 3; i++)
		tasks[i] = hosted_spawn("churn", i + 1, churn, (void *)(long)i);
	churn((void *)5);
	for (int i = 0; i < 3; i++)
		hosted_wait(tasks[i]);
	validate_vmalloc();
}

PAGODA_TEST_CONFIG(four_cpus_map_and_unmap_interleaved, "NC-08 SM-13", .nr_cpus = 4,
		   .deterministic = true)
{
	struct hosted_task *tasks[3];

	for (int i = 0; i < 3; i++)
		tasks[i] = hosted_spawn("churn", i + 1, churn, (void *)(long)i);
	churn((void *)5);
	for (int i = 0; i < 3; i++)
		hosted_wait(tasks[i]);
	validate_vmalloc();
}

PAGODA_TEST(validate_vmalloc_finds_damage, "")
{
	char *area = vmalloc(3 * PAGE_SIZE);

	(void)*(volatile char *)area;
	EXPECT_PANIC("is not mapped", {
		unmap_kernel_range((unsigned long)area + PAGE_SIZE, PAGE_SIZE);
		validate_vmalloc();
	});
	EXPECT_PANIC("wrong place or gap", {
		vmlist->gap += PAGE_SIZE;
		validate_vmalloc();
	});
	EXPECT_PANIC("guard page is mapped", {
		CHECK_EQ(map_kernel_range((unsigned long)area + 3 * PAGE_SIZE, 0, PAGE_SIZE,
					  PAGE_KERNEL),
			 0);
		validate_vmalloc();
	});
	vfree(area);
}
