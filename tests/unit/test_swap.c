/* SPDX-License-Identifier: MIT */
/*
 * test_swap.c: areas and slots, the swap cache, faults on swapped pages, forks sharing slots,
 * read errors, full areas, swapoff, and all of it at once on four CPUs.
 */
#include "swap_process.h"

#include <mm/swap/swap_internal.h>
#include <pagoda/highmem.h>
#include <pagoda/uaccess.h>
#include <pagoda/vmalloc.h>

/* ---- Areas ------------------------------------------------------------------------------- */

PAGODA_TEST(swapon_checks_the_header, "SW-13")
{
	u32 bad[2] = {3, 5};
	u8 *bytes;

	disk = new_disk("hda", 32);
	bytes = header_of(disk);
	bytes[PAGE_SIZE - 1] ^= 1;
	CHECK_EQ(area_on(disk, "a", 0), -EINVAL);
	make_swap(disk, 33, NULL, 0); /* longer than the device */
	CHECK_EQ(area_on(disk, "a", 0), -EINVAL);
	bad[0] = 32; /* past the end */
	make_swap(disk, 32, bad, 1);
	CHECK_EQ(area_on(disk, "a", 0), -EINVAL);
	make_swap(disk, 32, NULL, 0);
	memset(bytes + 1024 + 8, 0x7f, 4); /* more bad pages than the header holds */
	CHECK_EQ(area_on(disk, "a", 0), -EINVAL);
	bad[0] = 3;
	make_swap(disk, 32, bad, 2);
	CHECK_EQ(area_on(disk, "a", 0), 0);
	CHECK_EQ(area_on(disk, "a", 0), -EBUSY);
	CHECK_EQ(atomic_long_read(&nr_swap_pages), 29);
	for (int i = 0; i < 29; i++) {
		swp_entry_t entry = get_swap_page();

		CHECK(entry.val && swp_offset(entry) != 3 && swp_offset(entry) != 5);
	}
	CHECK_EQ(get_swap_page().val, 0);
	for (unsigned long i = 1; i < 32; i++)
		if (i != 3 && i != 5)
			swap_free(swp_entry(0, i));
	swap_off();
	CHECK_EQ(area_off(disk), -EINVAL);
}

/* Areas of this size in the list of vmalloc areas; those freed already do not count. */
static unsigned int vmalloc_areas_of(size_t bytes)
{
	unsigned int nr = 0;

	vmalloc_purge();
	for (struct vm_struct *area = vmlist; area; area = area->next)
		nr += area->size - PAGE_SIZE == ALIGN(bytes, PAGE_SIZE);
	return nr;
}

PAGODA_TEST(the_map_is_a_vmalloc_area, "NC-15")
{
	size_t map_bytes = 20000 * sizeof(unsigned short);
	unsigned int before = vmalloc_areas_of(map_bytes), all = 0, now = 0;

	for (struct vm_struct *area = vmlist; area; area = area->next)
		all++;
	swap_on(20000);
	CHECK_EQ(vmalloc_areas_of(map_bytes), before + 1);
	for (struct vm_struct *area = vmlist; area; area = area->next)
		now++;
	/* the sets of free slots, and a file's extents, too */
	CHECK_EQ(now, all + (SWAP_TO_FILES ? 3 : 2));
	swap_off();
	CHECK_EQ(vmalloc_areas_of(map_bytes), before);
}

PAGODA_TEST(slots_are_distinct_and_run_out, "SW-02 SW-12")
{
	bool seen[32] = {false};

	swap_on(32);
	CHECK_EQ(atomic_long_read(&nr_swap_pages), 31);
	for (int i = 0; i < 31; i++) {
		swp_entry_t entry = get_swap_page();

		CHECK(entry.val && !seen[swp_offset(entry)]);
		seen[swp_offset(entry)] = true;
	}
	CHECK_EQ(get_swap_page().val, 0);
	CHECK_EQ(atomic_long_read(&nr_swap_pages), 0);
	for (unsigned long i = 1; i < 32; i++)
		swap_free(swp_entry(0, i));
	CHECK_EQ(atomic_long_read(&nr_swap_pages), 31);
	swap_off();
}

PAGODA_TEST(areas_take_turns_by_priority, "SW-14")
{
	struct block_device *disks[3] = {new_disk("a", 17), new_disk("b", 17), new_disk("c", 17)};
	int got[3] = {0, 0, 0};

	for (int i = 0; i < 3; i++)
		CHECK_EQ(area_on(disks[i], "x", SWAP_FLAG_PREFER | (i == 0 ? 1 : 5)), 0);
	for (int i = 0; i < 32; i++) {
		got[swp_type(get_swap_page())]++;
		CHECK_LE(got[1] > got[2] ? got[1] - got[2] : got[2] - got[1], 1);
	}
	CHECK_EQ(got[0], 0);
	CHECK_EQ(swp_type(get_swap_page()), 0);
	swap_free(swp_entry(0, 1));
	for (unsigned long i = 1; i < 17; i++) {
		swap_free(swp_entry(1, i));
		swap_free(swp_entry(2, i));
	}
	for (int i = 0; i < 3; i++)
		CHECK_EQ(area_off(disks[i]), 0);
}

static void use_more(swp_entry_t entry, int uses)
{
	for (int i = 0; i < uses; i++)
		CHECK(swap_duplicate(entry));
}

PAGODA_TEST(a_count_beyond_its_word_is_exact_and_ends, "SW-05")
{
	swp_entry_t entry, other;

	swap_on(16);
	entry = get_swap_page();
	other = get_swap_page();
	use_more(entry, SWAP_MAP_MAX + 10);
	use_more(other, SWAP_MAP_MAX);
	CHECK_EQ(swap_count(entry), SWAP_MAP_MAX + 11);
	CHECK_EQ(swap_count(other), SWAP_MAP_MAX + 1);
	for (int i = 0; i < 13; i++)
		CHECK_NE(swp_offset(get_swap_page()), swp_offset(entry));
	CHECK(!get_swap_page().val); /* neither is free */
	for (int i = SWAP_MAP_MAX + 11; i; i--) {
		CHECK_EQ(swap_count(entry), i);
		swap_free(entry);
	}
	CHECK_EQ(swap_count(other), SWAP_MAP_MAX + 1);
	CHECK_EQ(get_swap_page().val, entry.val); /* free again, and the only one */
	for (int i = 0; i <= SWAP_MAP_MAX; i++)
		swap_free(other);
	for (unsigned long i = 1; i < 16; i++)
		if (i != swp_offset(other))
			swap_free(swp_entry(0, i));
	swap_off();
}

/* Going up and down over the border leaves nothing behind; the harness counts frames. */
PAGODA_TEST(a_count_goes_over_its_border_and_back, "SW-05")
{
	swp_entry_t entry;

	swap_on(16);
	entry = get_swap_page();
	use_more(entry, SWAP_MAP_MAX - 1);
	for (int i = 0; i < 100; i++) {
		use_more(entry, 3);
		for (int n = 0; n < 3; n++)
			swap_free(entry);
		CHECK_EQ(swap_count(entry), SWAP_MAP_MAX);
	}
	for (int i = 0; i < SWAP_MAP_MAX; i++)
		swap_free(entry);
	swap_off();
}

static swp_entry_t full_entry;

/* Under locks a continuation may be refused; then it is asked for again without. */
static bool go_beyond(void *unused)
{
	(void)unused;
	if (!swap_duplicate(full_entry)) {
		if (swap_add_continuation(full_entry) == -ENOMEM)
			return false;
		CHECK(swap_duplicate(full_entry));
	}
	CHECK_EQ(swap_count(full_entry), SWAP_MAP_MAX + 1);
	swap_free(full_entry);
	swap_free(full_entry); /* the continuation goes with this one */
	CHECK(swap_duplicate(full_entry));
	return true;
}

PAGODA_TEST(a_count_without_memory_stays_as_it_was, "SW-05")
{
	swap_on(16);
	full_entry = get_swap_page();
	use_more(full_entry, SWAP_MAP_MAX - 1);
	test_fail_every_allocation(go_beyond, NULL);
	CHECK_EQ(swap_count(full_entry), SWAP_MAP_MAX);
	CHECK_EQ(swap_add_continuation(swp_entry(0, 3)), -EINVAL);
	for (int i = 0; i < SWAP_MAP_MAX; i++)
		swap_free(full_entry);
	swap_off();
}

/* The last uses that a map word counts, and more, are those of processes that fork and end. */
PAGODA_TEST(a_slot_of_many_processes_is_free_again, "SW-05")
{
	static struct mm_struct *child[200];
	unsigned int others = SWAP_MAP_MAX - 100, n = 0;
	swp_entry_t entry;

	new_process();
	swap_on(64);
	map_at(BASE, 1, RW);
	hosted_write32(BASE, 7);
	CHECK(swap_out_page(BASE));
	entry = pte_to_swp_entry(pte_at(BASE));
	use_more(entry, (int)others);
	while (n < ARRAY_SIZE(child) && (child[n] = dup_mm(current_vm->mm)))
		n++;
	CHECK_EQ(n, ARRAY_SIZE(child));
	CHECK_EQ(swap_count(entry), others + n + 1);
	while (n)
		mmput(child[--n]);
	CHECK_EQ(swap_count(entry), others + 1);
	while (others--)
		swap_free(entry);
	CHECK_EQ(hosted_read32(BASE), 7);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(1)), 0);
	CHECK_EQ(atomic_long_read(&nr_swap_pages), 63);
	swap_off();
}

/* ---- Finding slots: steps, not time ---------------------------------------------------------- */

/* The most words of the sets that one of 100 replacements of a slot looks at. */
static unsigned long dearest_search(swp_entry_t entry)
{
	unsigned long most = 0;

	for (int i = 0; i < 100; i++) {
		unsigned long before = swap_words_searched;

		swap_free(entry);
		entry = get_swap_page();
		most = max(most, swap_words_searched - before);
	}
	swap_free(entry);
	return most;
}

static u32 logarithm(u32 pages)
{
	u32 levels = 1;

	for (; pages > BITS_PER_LONG; pages /= BITS_PER_LONG)
		levels++;
	return levels;
}

/*
 * Wherever the only free slot of an area lies, it is found in two words a level, down and up, twice
 * around.
 */
PAGODA_TEST_CONFIG(the_last_slot_is_found_in_logarithmic_steps, "SW-04", .ram = 256 * SZ_1M)
{
	for (u32 pages = 64; pages <= 64 << 10; pages *= 32) {
		unsigned long dearest = 0;

		swap_on(pages);
		while (get_swap_page().val)
			;
		for (u32 offset = 1; offset < pages; offset += max(pages / 32, 1u)) {
			dearest = max(dearest, dearest_search(swp_entry(0, offset)));
			CHECK_EQ(swp_offset(get_swap_page()), offset);
		}
		CHECK_LE(dearest, 4 * logarithm(pages));
		for (u32 i = 1; i < pages; i++)
			swap_free(swp_entry(0, i));
		swap_off();
	}
}

/*
 * The same of the groups in which neighbours lie: one free group among many that have one slot
 * taken.
 */
PAGODA_TEST_CONFIG(the_last_free_group_is_found_in_logarithmic_steps, "FX-12", .ram = 256 * SZ_1M)
{
	const u32 pages = 32 << 10, group = 8;
	unsigned long before;
	struct page *page;

	new_process();
	swap_on(pages);
	while (get_swap_page().val)
		;
	/* all of one group are free, and of each other all but one */
	for (u32 i = group; i < pages; i++)
		if (i % group || i / group == pages / group - 2)
			swap_free(swp_entry(0, i));
	map_at(BASE, 1, RW);
	hosted_write32(BASE, 7);
	page = pfn_to_page(frame_at(BASE));
	lock_page(page);
	before = swap_words_searched;
	CHECK(add_to_swap(page));
	CHECK_LE(swap_words_searched - before, 4 * logarithm(pages));
	CHECK_EQ(swp_offset(page_swap_entry(page)) / group, pages / group - 2);
	delete_from_swap_cache(page);
	unlock_page(page);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PAGE_SIZE), 0);
	for (u32 i = 1; i < pages; i++)
		if (i < group || (i % group == 0 && i / group != pages / group - 2))
			swap_free(swp_entry(0, i));
	swap_off();
}

/*
 * swapoff looks at the places of the tables that hold entries, once for each process and round: the
 * second round finds nothing of the area in use and is not begun.
 */
static unsigned long places_searched_by_swapoff(unsigned long pages, unsigned int children)
{
	static struct mm_struct *child[8];
	unsigned long before;

	swap_on((u32)pages + 16);
	process_with(pages);
	for (unsigned int i = 0; i < children; i++)
		CHECK((child[i] = dup_mm(current_vm->mm)));
	swap_out_range(pages);
	test_let_kswapd_rest();
	before = swap_places_searched;
	CHECK_EQ(area_off(disk), 0);
	for (unsigned int i = 0; i < children; i++)
		mmput(child[i]);
	before = swap_places_searched - before;
	hosted_process_exit();
	return before;
}

PAGODA_TEST_CONFIG(swapoff_looks_at_each_place_of_each_process_once, "", .ram = 64 * SZ_1M)
{
	unsigned long tables = 2 * PTRS_PER_PTE; /* what is empty beside the range, at most */

	for (unsigned int children = 0; children <= 8; children += 8)
		for (unsigned long pages = 64; pages <= 4096; pages *= 64)
			CHECK_LE(places_searched_by_swapoff(pages, children),
				 (children + 1) * (2 * pages + tables));
}

/* ---- One process ---------------------------------------------------------------------------- */

PAGODA_TEST(pages_go_out_and_come_back, "FT-49 FT-52 SW-03 SW-10")
{
	unsigned long majors, writes;

	swap_on(256);
	process_with(64);
	swap_out_range(64);
	CHECK_EQ(atomic_long_read(&mm_of_current()->rss_anon), 0);
	CHECK_EQ(atomic_long_read(&mm_of_current()->swap_usage), 64);
	check_mm();
	validate_swap();
	majors = current_vm->maj_flt;
	check_filled(64);
	CHECK_EQ(current_vm->maj_flt - majors, 8); /* 2^page_cluster pages each */
	CHECK_EQ(atomic_long_read(&mm_of_current()->swap_usage), 0);
	check_mm();
	/* Still clean: they go again without being written. */
	writes = vm_event(pswpout);
	swap_out_range(64);
	CHECK_EQ(vm_event(pswpout), writes);
	check_filled(64);
	hosted_process_exit();
	CHECK_EQ(atomic_long_read(&nr_swap_pages), 255);
	swap_off();
}

PAGODA_TEST(read_ahead_stops_at_an_empty_entry, "FT-51 SW-11")
{
	unsigned long reads;

	swap_on(64);
	process_with(8);
	swap_out_range(8);
	CHECK_EQ(do_madvise(current_vm->mm, BASE + PG(3), PAGE_SIZE, MADV_DONTNEED), 0);
	reads = vm_event(pswpin);
	CHECK_EQ(hosted_read64(BASE), 0x1234567);
	CHECK_EQ(vm_event(pswpin), reads + 3);
	hosted_process_exit();
	swap_off();
}

PAGODA_TEST_CONFIG(small_machines_read_four_at_once, "FT-51 SW-11 CT-18", .ram = 8 * SZ_1M)
{
	unsigned long majors;

	swap_on(64);
	process_with(32);
	swap_out_range(32);
	majors = current_vm->maj_flt;
	check_filled(32);
	CHECK_EQ(current_vm->maj_flt - majors, 8);
	hosted_process_exit();
	swap_off();
}

/* The first page of each window alone, as a random reader would: soon nothing else is read. */
PAGODA_TEST(read_ahead_that_nobody_uses_ends, "FX-12")
{
	unsigned long reads, majors;

	swap_on(512);
	process_with(256);
	swap_out_range(256);
	reads = vm_event(pswpin);
	for (unsigned long i = 0; i < 128; i += 8)
		CHECK_EQ(hosted_read64(BASE + PG(i)), 0x1234567 + i);
	CHECK_LE(vm_event(pswpin) - reads, 16 + 7 + 3 + 1);
	majors = current_vm->maj_flt;
	for (unsigned long i = 128; i < 256; i++)
		CHECK_EQ(hosted_read64(BASE + PG(i)), 0x1234567 + i);
	CHECK_LE(current_vm->maj_flt - majors, 20); /* in order: whole windows again */
	check_filled(256);
	hosted_process_exit();
	swap_off();
}

PAGODA_TEST(a_write_takes_the_page_over_at_once, "FT-50")
{
	unsigned long faults;

	swap_on(64);
	process_with(1);
	swap_out_range(1);
	CHECK_EQ(atomic_long_read(&nr_swap_pages), 62);
	faults = current_vm->maj_flt + current_vm->min_flt;
	hosted_write64(BASE + 8, 5);
	CHECK_EQ(current_vm->maj_flt + current_vm->min_flt, faults + 1);
	CHECK(pte_write(pte_at(BASE)) && pte_dirty(pte_at(BASE)));
	CHECK_EQ(atomic_long_read(&nr_swap_pages), 63);
	check_filled(1);
	check_mm();
	hosted_process_exit();
	swap_off();
}

/* As a debugger's, through /proc/PID/mem. */
static void force_write(unsigned long addr, u32 value)
{
	CHECK_EQ(access_process_vm(current_vm->mm, addr, &value, sizeof(value), true, true),
		 sizeof(value));
	CHECK(!pte_write(pte_at(addr)));
	CHECK(!user_write32(addr, 1));
	CHECK_EQ(hosted_signal().signo, SIGSEGV);
	CHECK_EQ(hosted_read32(addr), value);
}

PAGODA_TEST(forced_writes_do_not_open_a_region, "FT-24 FT-50")
{
	swap_on(64);
	process_with(2);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(2), PROT_READ), 0);
	swap_out_range(2);
	force_write(BASE, 7); /* from the swap entry */
	CHECK_EQ(hosted_read32(BASE + PG(1)), 0x1234568);
	CHECK(PageSwapCache(pfn_to_page(frame_at(BASE + PG(1)))));
	force_write(BASE + PG(1), 8); /* from a page that has a slot */
	check_mm();
	hosted_process_exit();
	swap_off();
}

/* What a pipe, another process's peek or a device holds by reference alone. */
static struct page *hold_page(unsigned long addr)
{
	struct page *page = get_user_page(current_vm->mm, addr, false, false);

	CHECK(page != NULL);
	return page;
}

static void check_first_word(struct page *page, u64 value)
{
	u64 *kaddr = kmap(page);

	CHECK_EQ(*kaddr, value);
	kunmap(page);
}

PAGODA_TEST(a_store_never_goes_into_a_page_that_others_hold, "SW-09 FT-50")
{
	struct page *held;

	swap_on(64);
	process_with(1);
	swap_out_range(1);
	held = hold_page(BASE); /* read back: it has its slot still */
	CHECK(PageSwapCache(held));
	hosted_write64(BASE, 5);
	CHECK(frame_at(BASE) != page_to_pfn(held));
	check_first_word(held, 0x1234567);
	put_page(held);

	swap_out_range(1);
	/* as its other user did, who is gone */
	held = read_swap_cache_async(pte_to_swp_entry(pte_at(BASE)), NULL, 0);
	hosted_write64(BASE, 6);
	CHECK(frame_at(BASE) != page_to_pfn(held));
	check_first_word(held, 5);
	put_page(held);
	CHECK_EQ(hosted_read64(BASE), 6);
	check_mm();
	hosted_process_exit();
	swap_off();
}

PAGODA_TEST(soft_dirty_goes_to_swap_and_back, "")
{
	swap_on(64);
	process_with(4);
	swap_out_range(4);
	CHECK(pte_swp_soft_dirty(pte_at(BASE)));
	CHECK_EQ(clear_refs(current_vm->mm, CLEAR_REFS_SOFT_DIRTY), 0);
	check_filled(3);
	hosted_write64(BASE, 0x1234567);
	for (unsigned long i = 0; i < 4; i++)
		CHECK(i < 3 ? pte_soft_dirty(pte_at(BASE + PG(i))) == !i
			    : !pte_swp_soft_dirty(pte_at(BASE + PG(i))));
	CHECK(swap_out_page(BASE) && swap_out_page(BASE + PG(1)));
	CHECK(pte_swp_soft_dirty(pte_at(BASE)) && !pte_swp_soft_dirty(pte_at(BASE + PG(1))));
	check_filled(4);
	CHECK(pte_soft_dirty(pte_at(BASE)) && !pte_soft_dirty(pte_at(BASE + PG(1))));
	check_mm();
	hosted_process_exit();
	swap_off();
}

PAGODA_TEST(neighbours_share_slots_in_any_order, "FX-12")
{
	unsigned long majors;

	swap_on(512);
	process_with(128);
	for (unsigned long i = 0; i < 128; i++)
		CHECK(swap_out_page(BASE + PG(i * 37 % 128)));
	for (unsigned long i = 1; i < 128; i++)
		if (i % 8)
			CHECK_EQ(pte_val(pte_at(BASE + PG(i))) - pte_val(pte_at(BASE + PG(i - 1))),
				 pte_val(swp_entry_to_pte(swp_entry(0, 1))));
	majors = current_vm->maj_flt;
	check_filled(128);
	CHECK_EQ(current_vm->maj_flt - majors, 16);
	hosted_process_exit();
	swap_off();
}

PAGODA_TEST(read_errors_are_sigbus_and_can_be_retried, "FT-54")
{
	u64 value;

	swap_on(64);
	process_with(1);
	swap_out_range(1);
	hosted_disk_fail_nth(disk, 1);
	CHECK(!hosted_user_read(BASE, &value, 8));
	CHECK_EQ(hosted_signal().signo, SIGBUS);
	CHECK(!pte_present(pte_at(BASE)) && !pte_none(pte_at(BASE)));
	check_filled(1);
	check_mm();
	CHECK_EQ(total_swap_pages, 63);
	hosted_process_exit();
	CHECK_EQ(total_swap_pages, 62); /* nobody gets that slot again */
	swap_off();
}

/* swapoff says so, and brings back all the others. */
PAGODA_TEST(swapoff_passes_by_what_cannot_be_read, "SW-15")
{
	u64 bad = page_on_disk(8) * (PAGE_SIZE / SECTOR_SIZE);
	struct swap_area_info info;

	swap_on(64);
	process_with(16);
	swap_out_range(16);
	hosted_disk_fail_sectors(disk, BIO_READ, bad, bad + 1);
	CHECK_EQ(area_off(disk), -EIO);
	CHECK(swap_area_info(0, &info));
	CHECK_EQ(info.used_pages, 1);
	hosted_disk_fail_sectors(disk, BIO_READ, 0, 0);
	check_filled(16);
	check_mm();
	hosted_process_exit();
	swap_off();
}

/* Sectors of slots [first, end) cannot be written. */
static void fail_slots(unsigned long first, unsigned long end)
{
	u64 at = page_on_disk(first);

	hosted_disk_fail_sectors(disk, BIO_WRITE, at * (PAGE_SIZE / SECTOR_SIZE),
				 (at + end - first) * (PAGE_SIZE / SECTOR_SIZE));
}

/* Reclaim comes by once more. */
static int write_cached(swp_entry_t entry)
{
	struct page *page = lookup_swap_cache(entry);
	int err;

	lock_page(page);
	CHECK(PageDirty(page));
	ClearPageDirty(page);
	err = swap_writepage(page);
	lock_page(page);
	CHECK(PageDirty(page) && PageUptodate(page));
	unlock_page(page);
	put_page(page);
	return err;
}

/*
 * Writing fails: the page stays; after three times its slot is given up, and bad once nobody needs
 * it.
 */
PAGODA_TEST(a_slot_that_cannot_be_written_is_given_up, "SW-03")
{
	struct swap_area_info info;
	unsigned long writes;
	swp_entry_t entry;

	swap_on(64);
	process_with(2);
	fail_slots(1, 64);
	CHECK(!swap_out_page(BASE));
	entry = pte_to_swp_entry(pte_at(BASE));
	CHECK_EQ(write_cached(entry), 0);
	CHECK_EQ(write_cached(entry), 0);
	writes = disk->nr_requests[BIO_WRITE];
	CHECK_EQ(write_cached(entry), -EIO);
	CHECK_EQ(write_cached(entry), -EIO);
	CHECK_EQ(disk->nr_requests[BIO_WRITE], writes);
	CHECK(swap_slot_given_up(entry) && swap_count(entry) == 1);
	validate_swap();
	check_filled(2); /* nothing is lost */
	CHECK(PageSwapCache(pfn_to_page(frame_at(BASE))));
	/* Next time it gets another slot, and the old one is bad. */
	fail_slots(0, 0);
	swap_out_range(2);
	CHECK(pte_to_swp_entry(pte_at(BASE)).val != entry.val);
	CHECK(swap_area_info(0, &info));
	CHECK_EQ(info.size_pages, 62);
	CHECK_EQ(total_swap_pages, 62);
	CHECK_EQ(atomic_long_read(&nr_swap_pages), 60);
	check_filled(2);
	check_mm();
	hosted_process_exit();
	swap_off();
}

/* What its old slot did is not counted against the page's next one. */
PAGODA_TEST(a_new_slot_begins_without_failures, "SW-03")
{
	swp_entry_t old, new;

	swap_on(64);
	process_with(1);
	fail_slots(1, 64);
	CHECK(!swap_out_page(BASE));
	old = pte_to_swp_entry(pte_at(BASE));
	CHECK_EQ(write_cached(old), 0);
	CHECK_EQ(write_cached(old), 0);
	CHECK_EQ(write_cached(old), -EIO);
	check_filled(1);
	CHECK(!swap_out_page(BASE));
	new = pte_to_swp_entry(pte_at(BASE));
	CHECK_NE(new.val, old.val);
	CHECK_EQ(write_cached(new), 0);
	CHECK_EQ(write_cached(new), 0);
	CHECK_EQ(write_cached(new), -EIO);
	fail_slots(0, 0);
	check_filled(1);
	hosted_process_exit();
	swap_off();
}

PAGODA_TEST(a_full_area_loses_nothing, "SW-18")
{
	unsigned long out = 0;

	swap_on(17);
	process_with(40);
	for (unsigned long i = 0; i < 40; i++)
		out += swap_out_page(BASE + PG(i));
	CHECK_EQ(out, 16);
	check_filled(40);
	check_mm();
	validate_swap();
	hosted_process_exit();
	swap_off();
}

PAGODA_TEST(region_calls_take_swapped_pages_along, "SW-03")
{
	unsigned long moved;

	swap_on(128);
	process_with(32);
	swap_out_range(32);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(4), PROT_READ), 0);
	moved = do_mremap(current_vm->mm, BASE + PG(16), PG(8), PG(8),
			  MREMAP_MAYMOVE | MREMAP_FIXED, BASE + PG(100));
	CHECK_EQ(moved, BASE + PG(100));
	CHECK_EQ(do_madvise(current_vm->mm, BASE + PG(8), PG(4), MADV_DONTNEED), 0);
	CHECK_EQ(do_munmap(current_vm->mm, BASE + PG(24), PG(8)), 0);
	CHECK_EQ(atomic_long_read(&mm_of_current()->swap_usage), 20);
	check_mm();
	validate_swap();
	check_filled(8);
	for (unsigned long i = 8; i < 12; i++)
		CHECK_EQ(hosted_read64(BASE + PG(i)), 0);
	for (unsigned long i = 0; i < 8; i++)
		CHECK_EQ(hosted_read64(moved + PG(i)), 0x1234567 + 16 + i);
	hosted_process_exit();
	swap_off();
}

/* ---- Several processes ----------------------------------------------------------------------- */

static void child_reads_then_writes(void *arg)
{
	(void)arg;
	check_filled(16);
	for (unsigned long i = 0; i < 16; i += 2)
		hosted_write64(BASE + PG(i), ~i);
	for (unsigned long i = 0; i < 16; i++)
		CHECK_EQ(hosted_read64(BASE + PG(i)), i % 2 ? 0x1234567 + i : ~i);
	check_mm();
}

PAGODA_TEST_CONFIG(forks_share_slots, "SW-08", .nr_cpus = 2)
{
	struct hosted_task *children[3];

	swap_on(128);
	process_with(16);
	swap_out_range(16);
	for (int i = 0; i < 3; i++) {
		children[i] = hosted_fork(HOSTED_ANY_CPU, child_reads_then_writes, NULL);
		CHECK(children[i]);
	}
	check_filled(16);
	for (int i = 0; i < 3; i++)
		hosted_wait(children[i]);
	check_filled(16);
	check_mm();
	validate_swap();
	hosted_process_exit();
	swap_off();
}

static void do_nothing(void *arg)
{
	(void)arg;
}

static void read_swapped_page(void *arg)
{
	(void)arg;
	CHECK_EQ(hosted_read64(BASE), 0x1234567);
	CHECK_EQ(current_vm->maj_flt, 0); /* it was in the swap cache */
	CHECK_EQ(current_vm->min_flt, 1);
}

PAGODA_TEST(a_shared_swapped_page_is_read_once, "FT-34 FT-35 CT-17")
{
	struct hosted_task *child;
	unsigned long reads;

	swap_on(64);
	process_with(1);
	swap_out_range(1);
	CHECK(!pte_present(pte_at(BASE)) && swp_offset(pte_to_swp_entry(pte_at(BASE))));
	child = hosted_fork(HOSTED_ANY_CPU, do_nothing, NULL);
	hosted_wait(child);
	reads = vm_event(pswpin);
	child = hosted_fork(HOSTED_ANY_CPU, read_swapped_page, NULL);
	CHECK_EQ(current_vm->maj_flt, 0);
	CHECK_EQ(hosted_read64(BASE), 0x1234567);
	CHECK_EQ(current_vm->maj_flt, 1);
	hosted_wait(child);
	CHECK_EQ(vm_event(pswpin), reads + 1);
	hosted_process_exit();
	swap_off();
}

static void write_and_go_out_again(void *arg)
{
	(void)arg;
	for (int round = 0; round < 2; round++) {
		for (unsigned long i = 0; i < 8; i++)
			hosted_write64(BASE + PG(i) + 8, 100 + i + (unsigned long)round);
		lru_add_drain_all();
		for (unsigned long i = 0; i < 8; i++)
			CHECK(swap_out_page(BASE + PG(i)));
		for (unsigned long i = 0; i < 8; i++)
			CHECK_EQ(hosted_read64(BASE + PG(i) + 8), 100 + i + (unsigned long)round);
		check_filled(8);
	}
}

PAGODA_TEST(copies_of_swapped_pages_get_slots_of_their_own, "FT-58")
{
	struct hosted_task *child;

	swap_on(64);
	process_with(8);
	swap_out_range(8);
	child = hosted_fork(HOSTED_ANY_CPU, write_and_go_out_again, NULL);
	for (unsigned long i = 0; i < 8; i++) {
		CHECK_EQ(hosted_read64(BASE + PG(i) + 8), 0);
		hosted_write64(BASE + PG(i) + 8, 7 * i);
	}
	hosted_wait(child);
	swap_out_range(8);
	CHECK_EQ(atomic_long_read(&nr_swap_pages), 63 - 8); /* none is the child's any more */
	for (unsigned long i = 0; i < 8; i++)
		CHECK_EQ(hosted_read64(BASE + PG(i) + 8), 7 * i);
	check_filled(8);
	check_mm();
	validate_swap();
	hosted_process_exit();
	swap_off();
}

PAGODA_TEST(a_thousand_forks_leave_no_use_behind, "SW-04")
{
	swap_on(64);
	process_with(4);
	swap_out_range(4);
	for (int i = 0; i < 1000; i++) {
		struct hosted_task *child = hosted_fork(HOSTED_ANY_CPU, do_nothing, NULL);

		CHECK(child);
		hosted_wait(child);
	}
	CHECK_EQ(swap_count(pte_to_swp_entry(pte_at(BASE))), 1);
	validate_swap();
	hosted_process_exit();
	CHECK_EQ(atomic_long_read(&nr_swap_pages), 63);
	swap_off();
}

static void read_first(void *arg)
{
	(void)arg;
	CHECK_EQ(hosted_read64(BASE), 0x1234567);
}

PAGODA_TEST_CONFIG(threads_that_want_one_page_read_it_once, "FT-53", .nr_cpus = 4)
{
	struct hosted_task *threads[3];
	unsigned long reads;

	swap_on(64);
	process_with(1);
	swap_out_range(1);
	reads = vm_event(pswpin);
	hosted_disk_stall(disk, true);
	for (int i = 0; i < 3; i++)
		threads[i] = hosted_clone(i + 1, read_first, NULL);
	while (vm_event(pswpin) == reads)
		port_yield();
	hosted_disk_stall(disk, false);
	read_first(NULL);
	for (int i = 0; i < 3; i++)
		hosted_wait(threads[i]);
	CHECK_EQ(vm_event(pswpin), reads + 1);
	CHECK_EQ(atomic_long_read(&mm_of_current()->rss_anon), 1);
	hosted_process_exit();
	swap_off();
}

/* ---- Without memory -------------------------------------------------------------------------- */

static bool on_and_off(void *arg)
{
	int err = area_on(disk, "/dev/hda", 0);

	(void)arg;
	if (err) {
		CHECK_EQ(err, -ENOMEM);
		CHECK_EQ(disk->holder, NULL);
		return false;
	}
	swap_off();
	return true;
}

PAGODA_TEST(swapon_without_memory_changes_nothing, "SW-13")
{
	disk = new_disk("hda", 64);
	test_fail_every_allocation(on_and_off, NULL);
}

PAGODA_TEST(swapoff_brings_everything_back, "SW-15")
{
	swap_on(128);
	process_with(64);
	swap_out_range(64);
	swap_off();
	CHECK_EQ(atomic_long_read(&mm_of_current()->swap_usage), 0);
	check_mm();
	check_filled(64);
}

PAGODA_TEST(swapoff_without_memory_leaves_the_area, "SW-15")
{
	int err;

	swap_on(128);
	process_with(64);
	swap_out_range(64);
	hosted_fail_one_in(1);
	err = area_off(disk);
	hosted_fail_one_in(0);
	CHECK_EQ(err, -ENOMEM);
	validate_swap();
	check_filled(64);
	check_mm();
	swap_off();
}

/* ---- All at once ----------------------------------------------------------------------------- */

#define CHAOS_PAGES  24ul
#define CHAOS_ROUNDS 60

/* test_random() is for one thread. */
static __thread u64 dice_state;

static unsigned long dice(void)
{
	dice_state = dice_state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned long)(dice_state >> 33);
}

static void out_some(unsigned long n)
{
	for (unsigned long i = 0; i < n; i++)
		(void)swap_out_page(BASE + PG(dice() % CHAOS_PAGES));
}

static void chaos_child(void *arg)
{
	u64 mine[CHAOS_PAGES];

	dice_state = test_seed() + (unsigned long)arg;
	for (unsigned long i = 0; i < CHAOS_PAGES; i++)
		mine[i] = hosted_read64(BASE + PG(i));
	for (int round = 0; round < CHAOS_ROUNDS; round++) {
		unsigned long i = dice() % CHAOS_PAGES;

		if (dice() % 2)
			hosted_write64(BASE + PG(i), mine[i] = dice());
		else
			CHECK_EQ(hosted_read64(BASE + PG(i)), mine[i]);
		out_some(2);
	}
	for (unsigned long i = 0; i < CHAOS_PAGES; i++)
		CHECK_EQ(hosted_read64(BASE + PG(i)), mine[i]);
}

static void swap_onoff(void *arg)
{
	(void)arg;
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(area_off(disk), 0);
		CHECK_EQ(area_on(disk, "/dev/hda", 0), 0);
	}
}

PAGODA_TEST_CONFIG(faults_forks_exits_and_swapoff_at_once, "SW-08 SW-15", .nr_cpus = 4)
{
	struct hosted_task *children[4], *switcher;

	swap_on(256);
	process_with(CHAOS_PAGES);
	switcher = hosted_spawn("swapoff", HOSTED_ANY_CPU, swap_onoff, NULL);
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 4; i++) {
			out_some(8);
			children[i] = hosted_fork(HOSTED_ANY_CPU, chaos_child, (void *)(i + 1ul));
			CHECK(children[i]);
		}
		for (int i = 0; i < 4; i++)
			hosted_wait(children[i]);
	}
	hosted_wait(switcher);
	check_filled(CHAOS_PAGES);
	check_mm();
	validate_swap();
	hosted_process_exit();
	swap_off();
}
