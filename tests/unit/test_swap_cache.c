/* SPDX-License-Identifier: MIT */
/*
 * test_swap_cache.c: swap entries, pages in the swap cache, who owns a page, where slots
 * lie, and what may be written to a swap device at all.
 */
#include "swap_process.h"

#include <mm/space/vma_internal.h>

#define ADDR(i) (BASE + PG(i))

/* ---- Entries ------------------------------------------------------------------------------ */

static unsigned long last_offset(void)
{
	return min((u64)~0ul, (u64)(pteval_t)~0ull) >> 9;
}

static void check_entry(unsigned long type, unsigned long offset)
{
	swp_entry_t entry = swp_entry(type, offset);
	pte_t pte = swp_entry_to_pte(entry);

	CHECK(!pte_present(pte) && !pte_none(pte) && pte_val(pte) != 0);
	CHECK_EQ(pte_to_swp_entry(pte).val, entry.val);
	CHECK_EQ(swp_type(pte_to_swp_entry(pte)), type);
	CHECK_EQ(swp_offset(pte_to_swp_entry(pte)), offset);
	CHECK_EQ(pte_to_swp_entry(pte_swp_mksoft_dirty(pte)).val, entry.val);
}

PAGODA_TEST(entries_survive_the_page_table, "SW-01")
{
	for (unsigned long type = 0; type < MAX_SWAPFILES; type++)
		for (unsigned long offset = 1; offset && offset <= last_offset(); offset <<= 1) {
			check_entry(type, offset);
			check_entry(type, offset - 1 ? offset - 1 : 1);
			check_entry(type, 1 + test_random_below(last_offset()));
		}
}

/* ---- The cache ------------------------------------------------------------------------------ */

/* The page behind addr, locked, with a reference, on no CPU's batch. */
static struct page *hold(unsigned long addr)
{
	struct page *page = pfn_to_page(frame_at(addr));

	get_page(page);
	lru_add_drain_all();
	lock_page(page);
	return page;
}

static void let_go(struct page *page)
{
	unlock_page(page);
	free_unused_swap_page(page);
	put_page(page);
}

PAGODA_TEST(a_page_on_its_way_out_is_found_by_its_entry, "SW-06 SW-07")
{
	struct page *page, *found;
	swp_entry_t entry;

	swap_on(64);
	process_with(1);
	page = hold(BASE);
	CHECK_EQ(page_mapping(page), NULL);
	CHECK(add_to_swap(page));
	entry = page_swap_entry(page);
	CHECK(PageSwapCache(page) && PageDirty(page));
	found = lookup_swap_cache(entry);
	CHECK_EQ(found, page);
	put_page(found);
	found = find_get_page(page_mapping(page), swp_offset(entry));
	CHECK_EQ(found, page);
	put_page(found);
	/* A second page cannot have the entry: asking for it gives the one that is there. */
	found = read_swap_cache_async(entry, NULL, 0);
	CHECK_EQ(found, page);
	put_page(found);
	CHECK_EQ(nr_swap_cache_pages(), 1);
	delete_from_swap_cache(page);
	CHECK(!PageSwapCache(page) && !lookup_swap_cache(entry));
	CHECK_EQ(nr_swap_cache_pages(), 0);
	CHECK_EQ(atomic_long_read(&nr_swap_pages), 63);
	let_go(page);
	check_filled(1);
	hosted_process_exit();
	swap_off();
}

static bool add_ten_to_swap(void *unused)
{
	bool ok = true;

	(void)unused;
	for (int i = 0; i < 10; i++) {
		struct page *page = hold(ADDR(i));
		bool added = add_to_swap(page);

		CHECK_EQ(added, PageSwapCache(page) != 0);
		if (added)
			delete_from_swap_cache(page);
		ok &= added;
		let_go(page);
	}
	return ok;
}

PAGODA_TEST(without_memory_for_the_cache_the_slot_is_free_again, "SW-07")
{
	swap_on(64);
	process_with(10);
	test_fail_every_allocation(add_ten_to_swap, NULL);
	CHECK_EQ(atomic_long_read(&nr_swap_pages), 63);
	check_filled(10);
	hosted_process_exit();
	swap_off();
}

/* ---- Who owns a page (SW-09) ----------------------------------------------------------------- */

static int sharers_ready, sharers_may_end;

static void share(void *arg)
{
	(void)arg;
	__atomic_fetch_add(&sharers_ready, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&sharers_may_end, __ATOMIC_ACQUIRE))
		port_yield();
	check_filled(1);
}

/* One row: users by PTE and by slot, in the cache or not; what must come out. */
static void check_ownership(struct page *page, int ptes, int slots)
{
	bool cached = PageSwapCache(page);

	CHECK_EQ(page_mapcount(page), ptes);
	CHECK_EQ(cached ? swap_count(page_swap_entry(page)) : 0, slots);
	CHECK_EQ(can_share_swap_page(page), ptes + slots <= 1);
	CHECK_EQ(remove_exclusive_swap_page(page), cached && ptes + slots <= 1);
	CHECK_EQ(PageSwapCache(page) != 0, cached && ptes + slots > 1);
}

static bool unmap_from(struct page *page, struct mm_struct *mm)
{
	bool unmapped;

	down_read(&mm->mmap_lock);
	unmapped = unmap_page_from(page, find_vma(mm, BASE), BASE);
	up_read(&mm->mmap_lock);
	return unmapped;
}

PAGODA_TEST_CONFIG(ownership_is_decided_exactly, "SW-09", .nr_cpus = 2)
{
	struct hosted_task *child;
	struct page *page;
	swp_entry_t entry;

	swap_on(64);
	process_with(1);
	page = hold(BASE);
	check_ownership(page, 1, 0);
	CHECK(add_to_swap(page));
	check_ownership(page, 1, 0); /* leaves the cache */
	CHECK(add_to_swap(page));
	entry = page_swap_entry(page);
	CHECK(swap_duplicate(entry)); /* somebody else has it swapped out */
	check_ownership(page, 1, 1);
	CHECK(swap_duplicate(entry));
	check_ownership(page, 1, 2);
	swap_free(entry);
	swap_free(entry);
	unlock_page(page);
	child = hosted_fork(HOSTED_ANY_CPU, share, NULL);
	CHECK(child);
	while (!__atomic_load_n(&sharers_ready, __ATOMIC_ACQUIRE))
		port_yield();
	lock_page(page);
	check_ownership(page, 2, 0);
	CHECK(swap_duplicate(entry));
	check_ownership(page, 2, 1);
	swap_free(entry);
	CHECK(PageSwapCache(page));
	CHECK(unmap_from(page, current_vm->mm));
	check_ownership(page, 1, 1);
	let_go(page);
	__atomic_store_n(&sharers_may_end, 1, __ATOMIC_RELEASE);
	hosted_wait(child);
	check_filled(1);
	hosted_process_exit();
	swap_off();
}

/* ---- Shared pages go out one entry at a time ------------------------------------------------- */

PAGODA_TEST_CONFIG(a_page_of_three_takes_one_slot, "RC-42 SW-08 RC-28", .nr_cpus = 2)
{
	struct hosted_task *children[2];
	struct mm_struct *mms[3];
	struct page *page;
	swp_entry_t entry;

	swap_on(64);
	process_with(1);
	for (int i = 0; i < 2; i++)
		CHECK((children[i] = hosted_fork(HOSTED_ANY_CPU, share, NULL)));
	while (__atomic_load_n(&sharers_ready, __ATOMIC_ACQUIRE) < 2)
		port_yield();
	mms[0] = current_vm->mm;
	for (int i = 0; i < 2; i++)
		mms[i + 1] = hosted_vm_task(children[i])->mm;
	page = hold(BASE);
	CHECK_EQ(page_mapcount(page), 3);
	for (int i = 0; i < 3; i++) {
		CHECK(swap_prepare_unmap(page, GFP_KERNEL)); /* the first time: a slot */
		CHECK(unmap_from(page, mms[i]));
		entry = page_swap_entry(page);
		CHECK_EQ(swap_count(entry), i + 1);
		CHECK_EQ(page_mapcount(page), 2 - i);
		CHECK_EQ(atomic_long_read(&nr_swap_pages), 62);
		CHECK(!remove_unused_swap_cache(page, 2)); /* used, or never written */
	}
	ClearPageDirty(page);
	CHECK_EQ(swap_writepage(page), 0);
	lock_page(page);
	CHECK(remove_unused_swap_cache(page, 2)); /* the frame can go, the slot has it all */
	CHECK(!PageSwapCache(page));
	let_go(page);
	CHECK_EQ(swap_count(entry), 3);
	__atomic_store_n(&sharers_may_end, 1, __ATOMIC_RELEASE);
	check_filled(1);
	for (int i = 0; i < 2; i++)
		hosted_wait(children[i]);
	validate_swap();
	hosted_process_exit();
	swap_off();
}

PAGODA_TEST(neighbouring_pages_get_neighbouring_slots, "RC-46")
{
	unsigned long last = 0, neighbours = 0;

	swap_on(256);
	process_with(32);
	swap_out_range(32);
	for (unsigned long i = 0; i < 32; i++) {
		unsigned long offset = swp_offset(pte_to_swp_entry(pte_at(ADDR(i))));

		neighbours += offset == last + 1;
		last = offset;
	}
	CHECK_GE(neighbours, 28);
	hosted_process_exit();
	swap_off();
}

/* ---- What is never written there ------------------------------------------------------------- */

#define SMALL_RAM (16 * SZ_1M)

static unsigned long nr_written, nr_wrong;

static bool is_user_data(struct page *page)
{
	return PageAnon(page) && PageSwapCache(page) && !PageSlab(page) && !PageReserved(page) &&
	       !PageTable(page);
}

static void watch_writes(void *arg, enum bio_op op, u64 sector, struct page *page)
{
	(void)arg, (void)sector;
	if (op != BIO_WRITE)
		return;
	__atomic_fetch_add(&nr_written, 1, __ATOMIC_RELAXED);
	if (!is_user_data(page))
		__atomic_fetch_add(&nr_wrong, 1, __ATOMIC_RELAXED);
}

/* More than memory, so that page tables, slabs and stacks are under pressure, too. */
PAGODA_TEST_CONFIG(only_pages_of_processes_are_written, "SW-19 SW-20", .ram = SMALL_RAM,
		   .nr_cpus = 2, .start_threads = true)
{
	unsigned long pages = SMALL_RAM / PAGE_SIZE * 3 / 2;

	swap_on(4 * SMALL_RAM / PAGE_SIZE);
	hosted_disk_watch(disk, watch_writes, NULL);
	process_with(pages);
	check_filled(pages);
	CHECK_GT(__atomic_load_n(&nr_written, __ATOMIC_RELAXED), pages / 4);
	CHECK_EQ(__atomic_load_n(&nr_wrong, __ATOMIC_RELAXED), 0);
	hosted_process_exit();
	swap_off();
}

#define BUSY_PAGES 8u

static struct page *busy_pages[BUSY_PAGES];
static int reclaim_may_end;

/* As kswapd does with pages that it is about to write: each gets a slot again and again. */
static void give_slots(void *unused)
{
	(void)unused;
	while (!__atomic_load_n(&reclaim_may_end, __ATOMIC_ACQUIRE)) {
		for (unsigned int i = 0; i < BUSY_PAGES; i++) {
			lock_page(busy_pages[i]);
			if (!PageSwapCache(busy_pages[i]) && !add_to_swap(busy_pages[i]))
				port_cpu_relax(); /* no slots are given out */
			unlock_page(busy_pages[i]);
		}
		port_yield();
	}
}

PAGODA_TEST_CONFIG(settling_leaves_no_slot_in_use_while_reclaim_works, "SW-12", .nr_cpus = 2,
		   .deterministic = true)
{
	struct hosted_task *reclaim;

	swap_on(64);
	process_with(BUSY_PAGES);
	for (unsigned int i = 0; i < BUSY_PAGES; i++) {
		busy_pages[i] = hold(ADDR(i));
		unlock_page(busy_pages[i]);
	}
	reclaim = hosted_spawn("reclaim", HOSTED_ANY_CPU, give_slots, NULL);
	for (unsigned int round = 0; round < 20; round++) {
		hosted_reseed(test_seed() + round);
		CHECK_EQ(swap_settle(), 0);
	}
	__atomic_store_n(&reclaim_may_end, 1, __ATOMIC_RELEASE);
	hosted_wait(reclaim);
	CHECK_EQ(swap_settle(), 0);
	for (unsigned int i = 0; i < BUSY_PAGES; i++)
		put_page(busy_pages[i]);
	check_filled(BUSY_PAGES);
	hosted_process_exit();
	swap_off();
}
