/* SPDX-License-Identifier: MIT */
/*
 * test_zeroed.c: no path by which a program gets memory shows it what was there before.
 *
 * Each test begins by filling every free frame of the machine with POISON. Then a page is brought
 * in by one path, and all of its bytes are looked at, but those that the test itself wrote.
 */
#include "address_space.h"
#include "reclaim_file.h"

#include <pagoda/highmem.h>
#include <pagoda/mempolicy.h>

#include <string.h>

#define POISON 0x5a
#define PAGES  4ul
#define MINE   0x77 /* what the tests write */

static void poison_all(void)
{
	struct page *page, *next;
	LIST_HEAD(taken);

	current_vm->flags |= PF_MEMALLOC;
	while ((page = alloc_page(GFP_HIGHUSER))) {
		memset(hosted_phys(PFN_PHYS(page_to_pfn(page))), POISON, PAGE_SIZE);
		list_add(&page->lru, &taken);
	}
	current_vm->flags &= ~PF_MEMALLOC;
	list_for_each_entry_safe(page, next, &taken, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}

static void check_zero(unsigned long addr, unsigned long pages)
{
	static u8 bytes[PAGE_SIZE];

	for (unsigned long i = 0; i < pages; i++) {
		CHECK(hosted_user_read(addr + PG(i), bytes, PAGE_SIZE));
		for (unsigned long b = 0; b < PAGE_SIZE; b++)
			if (bytes[b] && bytes[b] != MINE)
				FAIL("byte %lu of page %lu at %#lx is %#x", b, i, addr, bytes[b]);
	}
}

/* Read first in half of the pages, write first in the others; then write everywhere. */
static void use_and_check(unsigned long addr, unsigned long pages)
{
	for (unsigned long i = 0; i < pages; i += 2)
		hosted_write8(addr + PG(i) + 100, MINE);
	check_zero(addr, pages);
	for (unsigned long i = 0; i < pages; i++)
		hosted_write8(addr + PG(i) + 200, MINE);
	check_zero(addr, pages);
}

#define ZEROED_TEST(name, ids) PAGODA_TEST_CONFIG(name, ids, .ram = 16 * SZ_1M)

ZEROED_TEST(private_memory_is_zero, "FT-41")
{
	poison_all();
	new_process();
	map_at(BASE, PAGES, RW);
	use_and_check(BASE, PAGES);
}

ZEROED_TEST(shared_memory_is_zero, "FT-41")
{
	poison_all();
	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, NULL, BASE, PG(PAGES), RW,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, 0),
		 BASE);
	use_and_check(BASE, PAGES);
}

ZEROED_TEST(memory_that_is_there_at_once_is_zero, "FT-41 AS-59")
{
	static const unsigned long flags[] = {MAP_POPULATE, MAP_LOCKED};

	poison_all();
	new_process();
	current_vm->cap_ipc_lock = true;
	for (int i = 0; i < 4; i++) {
		unsigned long share = i & 1 ? MAP_SHARED : MAP_PRIVATE,
			      at = BASE + PG(16) * (unsigned long)i;

		CHECK_EQ(do_mmap(current_vm->mm, NULL, at, PG(PAGES), RW,
				 share | MAP_ANONYMOUS | MAP_FIXED | flags[i / 2], 0),
			 at);
		check_zero(at, PAGES);
		use_and_check(at, PAGES);
	}
	map_at(BASE + PG(100), PAGES, RW);
	CHECK_EQ(do_mlock(current_vm->mm, BASE + PG(100), PG(PAGES), 0), 0);
	use_and_check(BASE + PG(100), PAGES);
	map_at(BASE + PG(200), PAGES, RW);
	CHECK_EQ(do_madvise(current_vm->mm, BASE + PG(200), PG(PAGES), MADV_POPULATE_WRITE), 0);
	use_and_check(BASE + PG(200), PAGES);
}

ZEROED_TEST(heap_and_stack_are_zero, "FT-41 FT-22 AS-58")
{
	unsigned long heap, stack = BASE + PG(1000);

	poison_all();
	new_process();
	heap = do_brk(current_vm->mm, 0);
	CHECK_EQ(do_brk(current_vm->mm, heap + PG(PAGES)), heap + PG(PAGES));
	use_and_check(heap, PAGES);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, stack, PG(1), RW, FIXED | MAP_GROWSDOWN, 0), stack);
	hosted_set_user_sp(stack - PG(PAGES));
	use_and_check(stack - PG(PAGES), PAGES + 1);
}

ZEROED_TEST(dropped_and_grown_memory_is_zero, "FT-41 AS-52 AS-66")
{
	poison_all();
	new_process();
	map_at(BASE, PAGES, RW);
	CHECK(hosted_user_fill(BASE, POISON, PG(PAGES)));
	CHECK_EQ(do_madvise(current_vm->mm, BASE, PG(PAGES), MADV_DONTNEED), 0);
	use_and_check(BASE, PAGES);
	CHECK_EQ(do_mremap(current_vm->mm, BASE, PG(PAGES), PG(3 * PAGES), 0, 0), BASE);
	use_and_check(BASE, 3 * PAGES);
	CHECK(hosted_user_fill(BASE, POISON, PG(3 * PAGES)));
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(3 * PAGES)), 0);
	map_at(BASE, 3 * PAGES, RW);
	use_and_check(BASE, 3 * PAGES);
}

static void use_as_child(void *arg)
{
	(void)arg;
	use_and_check(BASE, PAGES);
	use_and_check(BASE + PG(50), PAGES);
}

/* Pages that neither had, and pages that show the zero page in both. */
ZEROED_TEST(memory_of_a_child_is_zero, "FT-41 FT-55")
{
	struct hosted_task *child;

	poison_all();
	new_process();
	map_at(BASE, PAGES, RW);
	map_at(BASE + PG(50), PAGES, RW);
	check_zero(BASE, PAGES);
	child = hosted_fork(HOSTED_ANY_CPU, use_as_child, NULL);
	CHECK(child);
	hosted_wait(child);
	use_as_child(NULL);
}

/* The kernel is the first to touch the pages: copies to user memory, a debugger, a device. */
ZEROED_TEST(memory_that_the_kernel_touches_first_is_zero, "FT-41 FT-63")
{
	static const u8 mine[3] = {MINE, MINE, MINE};

	poison_all();
	new_process();
	map_at(BASE, 4 * PAGES, RW);
	for (unsigned long i = 0; i < PAGES; i++) {
		CHECK_EQ(copy_to_user(BASE + PG(i) + 1000, mine, 3), 0);
		CHECK_EQ(access_process_vm(current_vm->mm, BASE + PG(PAGES + i) + 1000,
					   (void *)mine, 3, true, false),
			 3);
	}
	CHECK_EQ(clear_user(BASE + PG(2 * PAGES) + 10, 10), 0);
	check_zero(BASE, 4 * PAGES);
	use_and_check(BASE, 4 * PAGES);
}

/* A private copy of a file's page is the page, not a zeroed frame and not an old one. */
ZEROED_TEST(private_copies_of_a_file_are_the_file, "FT-41 FT-46")
{
	static struct disk_file file;

	poison_all();
	new_process();
	disk_open(&file, PAGES);
	CHECK_EQ(disk_map(&file, BASE, MAP_PRIVATE), BASE);
	for (unsigned long i = 0; i < PAGES; i++)
		hosted_write8(BASE + PG(i) + 100, MINE);
	for (unsigned long i = 0; i < PAGES; i++) {
		CHECK_EQ(hosted_read32(BASE + PG(i)), disk_word(i));
		hosted_write32(BASE + PG(i), 0);
	}
	check_zero(BASE, PAGES);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(PAGES)), 0);
	disk_close(&file);
}

/* A frame that the allocator clears is cleared in each size, from each zone, and by each call. */
ZEROED_TEST(zeroed_blocks_are_zero, "PA-04 FT-41")
{
	static const gfp_t kinds[] = {GFP_KERNEL, GFP_HIGHUSER, GFP_KERNEL | GFP_DMA, GFP_ATOMIC};

	poison_all();
	for (unsigned int order = 0; order < 5; order++)
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			struct page *page = alloc_pages(kinds[k] | __GFP_ZERO, order);
			const u8 *bytes;

			CHECK(page);
			bytes = hosted_phys(PFN_PHYS(page_to_pfn(page)));
			for (unsigned long b = 0; b < PAGE_SIZE << order; b++)
				CHECK_EQ(bytes[b], 0);
			memset((void *)bytes, POISON, PAGE_SIZE << order);
			__free_pages(page, order);
		}
}
