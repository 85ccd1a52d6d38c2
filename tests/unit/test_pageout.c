/* SPDX-License-Identifier: MIT */
/*
 * test_pageout.c: what madvise says about pages: lazily freed, cold, out now, wanted soon.
 */
#include "reclaim_file.h"

#include <machine/hosted_disk.h>

#define SWAP_SLOTS 256

static struct block_device *swap_disk;

static void swap_on(void)
{
	struct hosted_disk_config config = {.name = "hda", .bytes = SWAP_SLOTS * PAGE_SIZE};
	u32 header[3] = {1, SWAP_SLOTS - 1, 0};

	swap_disk = hosted_disk_create(&config);
	memcpy(hosted_disk_bytes(swap_disk) + 1024, header, sizeof(header));
	memcpy(hosted_disk_bytes(swap_disk) + PAGE_SIZE - 10, "SWAPSPACE2", 10);
	CHECK_EQ(sys_swapon_bdev(swap_disk, "/dev/hda", 0), 0);
}

/* All slots are free by now. */
static void swap_off(void)
{
	CHECK_EQ(atomic_long_read(&nr_swap_pages), SWAP_SLOTS - 1);
	validate_swap();
	CHECK_EQ(sys_swapoff_bdev(swap_disk), 0);
}

static pte_t pte_at(unsigned long page)
{
	return __pte((pteval_t)hosted_lookup_user(current_vm->mm, BASE + PG(page)).entry);
}

static struct page *page_at(unsigned long page)
{
	CHECK(pte_present(pte_at(page)));
	return pte_page(pte_at(page));
}

static void fill(unsigned long first, unsigned long end)
{
	for (unsigned long i = first; i < end; i++)
		hosted_write64(BASE + PG(i), 1000 + i);
}

static void process_with(unsigned long pages)
{
	new_process();
	map_at(BASE, pages, RW);
	fill(0, pages);
	lru_add_drain_all();
}

static int advise(unsigned long first, unsigned long end, int advice)
{
	return do_madvise(current_vm->mm, BASE + PG(first), PG(end - first), advice);
}

/* Reclaim goes over the inactive list that the page is on, up to three times. */
static void reclaim_list(zone_t *zone, enum lru_kind kind)
{
	for (int i = 0; i < 3; i++) {
		struct scan_control sc = {.gfp_mask = GFP_KERNEL,
					  .priority = 1,
					  .nr_pages = 1000,
					  .writes_left = 1000,
					  .classzone = zone};

		shrink_cache(&sc, zone, kind, zone_lru_pages(zone, (enum lru_list)kind));
		if (sc.written) {
			wait_on_page(sc.written);
			put_page(sc.written);
		}
	}
}

/* ---- FREE ------------------------------------------------------------------------------------ */

PAGODA_TEST(lazily_freed_pages_go_without_swap_unless_stored_to, "")
{
	unsigned long discarded = vm_event(pglazyfreed);
	zone_t *zone;

	process_with(16);
	zone = page_zone(page_at(0));
	hosted_write64(BASE + PG(3) + 8, 33);
	CHECK_EQ(advise(0, 12, MADV_FREE), 0);
	CHECK_EQ(vm_event(pglazyfree), 12);
	CHECK_EQ(advise(0, 12, MADV_FREE), 0); /* once more is nothing new */
	CHECK_EQ(vm_event(pglazyfree), 12);
	for (unsigned long i = 0; i < 16; i++)
		CHECK(PageLazyFree(page_at(i)) == (i < 12) && pte_dirty(pte_at(i)) == (i >= 12));
	validate_lru();
	CHECK_EQ(hosted_read64(BASE + PG(1)), 1001); /* still there */
	hosted_write64(BASE + PG(3), 7);
	reclaim_list(zone, LRU_KIND_FILE);
	CHECK_EQ(vm_event(pglazyfreed) - discarded, 11);
	for (unsigned long i = 0; i < 12; i++)
		CHECK(i == 3 || pte_none(pte_at(i)));
	CHECK(PageSwapBacked(page_at(3)));
	CHECK_EQ(hosted_read64(BASE + PG(3)), 7);
	CHECK_EQ(hosted_read64(BASE + PG(3) + 8), 33);
	CHECK_EQ(hosted_read64(BASE + PG(1)), 0);
	CHECK_EQ(hosted_read64(BASE + PG(12)), 1012);
	CHECK_EQ(atomic_long_read(&current_vm->mm->rss_anon), 5);
	validate_lru();
	check_mm();
}

PAGODA_TEST(lazy_freeing_leaves_alone_what_others_use, "")
{
	struct mm_struct *child;
	struct page *pinned;
	zone_t *zone;

	process_with(4);
	zone = page_zone(page_at(0));
	child = dup_mm(current_vm->mm);
	CHECK(child);
	CHECK_EQ(advise(0, 2, MADV_FREE), 0); /* shared with the child */
	CHECK(PageSwapBacked(page_at(0)) && PageSwapBacked(page_at(1)));
	mmput(child);
	CHECK_EQ(advise(0, 3, MADV_FREE), 0);
	child = dup_mm(current_vm->mm); /* after it: both may lose the page, at different times */
	CHECK(child);
	pinned = page_at(1);
	get_page(pinned);
	hosted_write64(BASE + PG(2) + 8, 5); /* our copy; the child's page is still lazily freed */
	reclaim_list(zone, LRU_KIND_FILE);
	CHECK(pte_none(pte_at(0)));
	CHECK(page_at(1) == pinned && hosted_read64(BASE + PG(1)) == 1001);
	CHECK_EQ(hosted_read64(BASE + PG(2)), 1002);
	CHECK_EQ(hosted_lookup_user(child, BASE).entry, 0);
	CHECK_EQ(hosted_lookup_user(child, BASE + PG(2)).entry, 0);
	put_page(pinned);
	mmput(child);
	check_mm();
}

PAGODA_TEST(what_another_process_writes_is_kept, "FT-63")
{
	u32 value = 77;

	swap_on();
	process_with(1);
	CHECK_EQ(advise(0, 1, MADV_FREE), 0);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(1), PROT_READ), 0);
	CHECK_EQ(access_process_vm(current_vm->mm, BASE, &value, sizeof(value), true, true),
		 sizeof(value));
	reclaim_list(page_zone(page_at(0)), LRU_KIND_FILE);
	CHECK_EQ(hosted_read32(BASE), 77);
	hosted_process_exit();
	swap_off();
}

PAGODA_TEST(lazy_freeing_gives_slots_back, "")
{
	swap_on();
	process_with(8);
	CHECK_EQ(advise(0, 8, MADV_PAGEOUT), 0);
	CHECK_EQ(atomic_long_read(&current_vm->mm->swap_usage), 8);
	CHECK_EQ(hosted_read64(BASE),
		 1000); /* read, with its neighbours: they have slots and frames */
	CHECK(PageSwapCache(page_at(0)));
	CHECK_EQ(advise(0, 6, MADV_FREE), 0);
	CHECK(PageLazyFree(page_at(0)) && !PageSwapCache(page_at(0)));
	CHECK(pte_none(pte_at(5)));
	CHECK_EQ(atomic_long_read(&current_vm->mm->swap_usage), 2);
	CHECK_EQ(hosted_read64(BASE), 1000);
	CHECK_EQ(hosted_read64(BASE + PG(5)), 0);
	CHECK_EQ(hosted_read64(BASE + PG(6)), 1006);
	check_mm();
	hosted_process_exit();
	swap_off();
}

static atomic_t storing;

static void store_everywhere(void *arg)
{
	unsigned long *round = arg;

	for (unsigned long i = 0; i < 64; i++)
		hosted_write64(BASE + PG(i * 37 % 64), *round + i * 37 % 64);
	atomic_set(&storing, 0);
}

PAGODA_TEST_CONFIG(stores_beside_reclaim_keep_lazily_freed_pages, "", .nr_cpus = 2)
{
	zone_t *zone;

	process_with(64);
	zone = page_zone(page_at(0));
	for (unsigned long round = 1; round <= test_scale(50); round++) {
		unsigned long value = round * 1000;
		struct hosted_task *thread;

		CHECK_EQ(advise(0, 64, MADV_FREE), 0);
		atomic_set(&storing, 1);
		thread = hosted_clone(1, store_everywhere, &value);
		CHECK(thread);
		while (atomic_read(&storing))
			reclaim_list(zone, LRU_KIND_FILE);
		hosted_wait(thread);
		reclaim_list(zone, LRU_KIND_FILE);
		for (unsigned long i = 0; i < 64; i++)
			CHECK_EQ(hosted_read64(BASE + PG(i)), value + i);
	}
	check_mm();
}

/* ---- COLD, PAGEOUT and WILLNEED -------------------------------------------------------------- */

PAGODA_TEST(cold_pages_are_unused_and_inactive, "")
{
	struct mm_struct *child;

	process_with(8);
	for (unsigned long i = 0; i < 8; i++) {
		activate_page(page_at(i));
		SetPageReferenced(page_at(i));
	}
	CHECK_EQ(advise(2, 5, MADV_COLD), 0);
	for (unsigned long i = 0; i < 8; i++) {
		bool cold = i >= 2 && i < 5;

		CHECK(PageActive(page_at(i)) != cold && PageReferenced(page_at(i)) != cold);
		CHECK(pte_young(pte_at(i)) != cold && pte_dirty(pte_at(i)));
	}
	child = dup_mm(current_vm->mm);
	CHECK(child);
	CHECK_EQ(advise(5, 8, MADV_COLD), 0); /* the child's as well */
	CHECK(PageActive(page_at(6)));
	mmput(child);
	check_mm();
}

PAGODA_TEST(paged_out_memory_is_on_the_device_at_once_and_comes_back, "")
{
	unsigned long free_before, minor;
	struct mm_struct *child;

	swap_on();
	process_with(100);
	drain_local_pages();
	free_before = nr_free_pages();
	CHECK_EQ(advise(0, 90, MADV_PAGEOUT), 0);
	drain_local_pages();
	CHECK_GE(nr_free_pages(), free_before + 90 - 8); /* but for the swap cache's tree */
	CHECK_EQ(atomic_long_read(&current_vm->mm->swap_usage), 90);
	CHECK_EQ(atomic_long_read(&nr_swap_pages), SWAP_SLOTS - 1 - 90);
	CHECK_EQ(nr_swap_cache_pages(), 0);
	CHECK_EQ(advise(0, 90, MADV_WILLNEED), 0);
	CHECK_EQ(nr_swap_cache_pages(), 90);
	minor = current_vm->min_flt;
	for (unsigned long i = 0; i < 100; i++)
		CHECK_EQ(hosted_read64(BASE + PG(i)), 1000 + i);
	CHECK_EQ(current_vm->maj_flt, 0);
	CHECK_EQ(current_vm->min_flt - minor, 90);
	child = dup_mm(current_vm->mm);
	CHECK(child);
	CHECK_EQ(advise(0, 100, MADV_PAGEOUT), 0); /* shared with the child: nothing happens */
	CHECK_EQ(atomic_long_read(&current_vm->mm->swap_usage), 0);
	mmput(child);
	check_mm();
	hosted_process_exit();
	swap_off();
}

/*
 * Page by page nobody waits for the disk, though it stands still; what was sent off is what reclaim
 * frees next.
 */
PAGODA_TEST(single_pages_are_sent_off_and_not_waited_for, "")
{
	swap_on();
	process_with(16);
	hosted_disk_stall(swap_disk, true);
	for (unsigned long i = 0; i < 16; i++)
		CHECK_EQ(advise(i, i + 1, MADV_PAGEOUT), 0);
	CHECK_EQ(atomic_long_read(&current_vm->mm->swap_usage), 16);
	CHECK_EQ(vm_event(pswpout), 16);
	hosted_disk_stall(swap_disk, false);
	for (unsigned long i = 0; i < 16; i++)
		CHECK_EQ(hosted_read64(BASE + PG(i)), 1000 + i);
	check_mm();
	hosted_process_exit();
	swap_off();
}

PAGODA_TEST(without_swap_nothing_is_paged_out, "")
{
	process_with(8);
	CHECK_EQ(advise(0, 8, MADV_PAGEOUT), 0);
	CHECK_EQ(atomic_long_read(&current_vm->mm->rss_anon), 8);
	CHECK_EQ(advise(0, 8, MADV_FREE), 0); /* but this has no need of any */
	CHECK_EQ(advise(0, 8, MADV_PAGEOUT), 0);
	CHECK_EQ(atomic_long_read(&current_vm->mm->rss_anon), 0);
	check_mm();
}

PAGODA_TEST(shared_memory_is_paged_out_and_read_back, "")
{
	struct vm_file *file = shmem_zero_setup(PG(40), true);
	unsigned long reads;

	swap_on();
	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE, PG(40), RW, MAP_SHARED | MAP_FIXED, 0), BASE);
	fill(0, 32);
	CHECK_EQ(advise(0, 40, MADV_PAGEOUT), 0);
	CHECK_EQ(file->f_mapping->nrpages, 0);
	CHECK_EQ(atomic_long_read(&nr_swap_pages), SWAP_SLOTS - 1 - 32);
	reads = vm_event(pswpin);
	CHECK_EQ(advise(0, 20, MADV_WILLNEED), 0);
	CHECK_EQ(vm_event(pswpin) - reads, 20);
	CHECK_EQ(file->f_mapping->nrpages, 20);
	CHECK_EQ(advise(0, 40, MADV_WILLNEED), 0);
	CHECK_EQ(vm_event(pswpin) - reads, 32);
	for (unsigned long i = 0; i < 40; i++)
		CHECK_EQ(hosted_read64(BASE + PG(i)), i < 32 ? 1000 + i : 0);
	CHECK_EQ(vm_event(pswpin) - reads, 32);
	check_mm();
	hosted_process_exit();
	put_vm_file(file);
	swap_off();
}

PAGODA_TEST(pages_of_a_file_are_written_and_leave_the_cache, "")
{
	struct disk_file disk;

	disk_open(&disk, 32);
	new_process();
	disk_map(&disk, BASE, MAP_SHARED);
	CHECK_EQ(hosted_read32(BASE + PG(31)), disk_word(31));
	for (unsigned long i = 0; i < 8; i++)
		hosted_write32(BASE + PG(i), (u32)i);
	CHECK_EQ(advise(0, 32, MADV_WILLNEED), 0);
	CHECK_EQ(disk.mapping.nrpages, 32);
	for (unsigned long i = 0; i < 32; i++)
		(void)hosted_read32(BASE + PG(i));
	CHECK_EQ(advise(0, 24, MADV_PAGEOUT), 0);
	CHECK_EQ(disk.writes, 8);
	CHECK_EQ(disk.mapping.nrpages, 8);
	CHECK_EQ(atomic_long_read(&current_vm->mm->rss_file), 8);
	for (unsigned long i = 0; i < 32; i++)
		CHECK_EQ(hosted_read32(BASE + PG(i)), i < 8 ? i : disk_word(i));
	check_mm();
	hosted_process_exit();
	disk_close(&disk);
}

/* ---- Hints about order ----------------------------------------------------------------------- */

/* Pages read from the disk by one fault on the page. */
static unsigned int reads_of_fault(struct disk_file *disk, unsigned long page)
{
	unsigned int before = disk->reads;

	CHECK_EQ(hosted_read32(BASE + PG(page)), disk_word(page));
	return disk->reads - before;
}

static bool is_cached(struct disk_file *disk, unsigned long page)
{
	struct page *found = find_get_page(&disk->mapping, page);

	if (found)
		put_page(found);
	return found;
}

PAGODA_TEST(hints_about_order_change_what_a_fault_reads, "AS-27 AS-66")
{
	unsigned int normal, sequential;
	struct disk_file disk;

	disk_open(&disk, 256);
	new_process();
	disk_map(&disk, BASE, MAP_PRIVATE);
	CHECK_EQ(advise(64, 128, MADV_RANDOM), 0);
	CHECK_EQ(advise(128, 256, MADV_SEQUENTIAL), 0);
	normal = reads_of_fault(&disk, 24); /* its surroundings, both ways */
	CHECK(normal > 1 && normal < 64 && is_cached(&disk, 23) && is_cached(&disk, 25));
	for (unsigned long i = 64; i < 72; i++) /* even in order */
		CHECK_EQ(reads_of_fault(&disk, i), 1);
	CHECK_EQ(reads_of_fault(&disk, 130), 1); /* nothing is known yet of what is before it */
	sequential = reads_of_fault(&disk, 131);
	CHECK(sequential > 1 && is_cached(&disk, 132) && !is_cached(&disk, 129));
	/* The windows grow, and who goes in order waits for few of them. */
	for (unsigned long i = 132; i < 256; i++)
		sequential = max(sequential, reads_of_fault(&disk, i));
	CHECK_GE(sequential, 2 * normal);
	CHECK(!is_cached(&disk, 129));
	check_mm();
	hosted_process_exit();
	disk_close(&disk);
}
