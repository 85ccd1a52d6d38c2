/* SPDX-License-Identifier: MIT */
/*
 * test_shmem_swap.c: pages of shared memory in swap: out and back by read, write and fault,
 * truncation, swapoff, errors of memory and disk, real pressure, and all of it at once.
 *
 * Pages are pushed out by push_out(), which does with one page what reclaim does.
 */
#include "address_space.h"
#include "swap_disk.h"

#include <pagoda/rmap.h>
#include <pagoda/lru.h>
#include <pagoda/vmscan.h>
#include <mm/reclaim/reclaim_policy.h>
#include <mm/cache/filemap_internal.h>

#define FILE_PAGES 64ul

/* What tmpfs is to the core: a mapping, and a size that changes. */
struct shared_file {
	struct vm_file file; /* first */
	struct address_space mapping;
	u64 size;
} file;

static u64 shared_size(struct address_space *mapping)
{
	return container_of(mapping, struct shared_file, mapping)->size;
}

static void shared_release(struct vm_file *vm)
{
	truncate_inode_pages(&container_of(vm, struct shared_file, file)->mapping, 0);
}

static const struct vm_file_operations shared_ops = {.mmap = generic_file_mmap,
						     .release = shared_release};

static void open_shared(unsigned long pages)
{
	memset(&file, 0, sizeof(file));
	address_space_init(&file.mapping, &file, &shmem_aops, shared_size);
	file.mapping.shmem = true;
	file.size = PG(pages);
	atomic_set(&file.file.f_count, 1);
	file.file.f_mapping = &file.mapping;
	file.file.f_vmops = &shared_ops;
	file.file.f_may_read = file.file.f_may_write = true;
}

static void close_shared(void)
{
	put_vm_file(&file.file);
	CHECK_EQ(mapping_data_pages(&file.mapping), 0);
	CHECK_EQ(file.mapping.nr_slots, 0);
	CHECK_EQ(nr_shmem_cached_slots(), 0);
}

static u64 word_of(unsigned long page)
{
	return page * 0x9e3779b97f4a7c15ull + 1;
}

static long write_word(unsigned long page, u64 word)
{
	u64 pos = PG(page) + 8;

	return generic_file_write(&file.file, iov_kernel_buf(&word), 8, &pos);
}

static long read_word(unsigned long page, u64 *word)
{
	u64 pos = PG(page) + 8;

	return generic_file_read(&file.file, iov_kernel_buf(word), 8, &pos);
}

static void fill_shared(unsigned long pages)
{
	for (unsigned long i = 0; i < pages; i++)
		CHECK_EQ(write_word(i, word_of(i)), 8);
}

static void check_shared(unsigned long first, unsigned long end)
{
	for (unsigned long i = first; i < end; i++) {
		u64 word = 0;

		CHECK_EQ(read_word(i, &word), 8);
		CHECK_EQ(word, word_of(i));
	}
}

/* What reclaim does with a page; false: it could not. */
static bool push_out(unsigned long index)
{
	struct page *page;
	bool done = false;

	lru_add_drain_all();
	page = find_lock_page(&file.mapping, index);
	if (!page)
		return false;
	if (shmem_may_go(page) && try_to_unmap(page)) {
		if (PageDirty(page)) {
			ClearPageDirty(page);
			if (file.mapping.a_ops->writepage(page)) {
				put_page(page);
				return false;
			}
			lock_page(page);
		}
		done = page->mapping && page->private && remove_unused_from_page_cache(page, 2);
	}
	unlock_page(page);
	put_page(page);
	return done;
}

static void push_out_all(unsigned long pages)
{
	for (unsigned long i = 0; i < pages; i++)
		CHECK(push_out(i));
	CHECK_EQ(file.mapping.nrpages, 0);
	CHECK_EQ(file.mapping.nrswapped, pages);
	validate_swap();
}

static void start(unsigned long slots)
{
	swap_on((u32)slots + 1);
	open_shared(FILE_PAGES);
	fill_shared(FILE_PAGES);
}

static void finish(void)
{
	validate_swap();
	close_shared();
	CHECK_EQ(atomic_long_read(&nr_swap_pages), total_swap_pages);
	swap_off();
}

PAGODA_TEST(shared_pages_go_out_and_come_back_by_read_write_and_fault, "SW-03 FT-49 AS-68")
{
	unsigned long shmem = (unsigned long)atomic_long_read(&nr_shmem_pages), majors;

	start(128);
	CHECK_EQ(atomic_long_read(&nr_shmem_pages) - shmem, FILE_PAGES);
	push_out_all(FILE_PAGES);
	CHECK_EQ(atomic_long_read(&nr_shmem_pages), shmem);
	CHECK_EQ(atomic_long_read(&nr_swap_pages), 128 - FILE_PAGES);
	check_shared(0, 20);
	CHECK_EQ(write_word(20, 7), 8); /* the rest of the page stays */
	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, &file.file, BASE, PG(FILE_PAGES), RW,
			 MAP_SHARED | MAP_FIXED, 0),
		 BASE);
	majors = current_vm->maj_flt;
	CHECK_EQ(hosted_read64(BASE + PG(40) + 8), word_of(40));
	CHECK_EQ(current_vm->maj_flt, majors + 1);
	hosted_write64(BASE + PG(63) + 8, 9);
	CHECK_EQ(hosted_read64(BASE + PG(20) + 8), 7);
	for (unsigned long i = 0; i < FILE_PAGES; i++)
		(void)push_out(i);
	CHECK_EQ(atomic_long_read(&current_vm->mm->rss_shmem), 0);
	CHECK_EQ(hosted_read64(BASE + PG(63) + 8), 9);
	CHECK_EQ(hosted_read64(BASE + PG(20) + 8), 7);
	check_shared(0, 20);
	check_shared(21, 63);
	check_mm();
	hosted_process_exit();
	finish();
}

/* ---- Dirty bits ------------------------------------------------------------------------------ */

/* Mapped, clean, and backed by a slot: from now on only the CPU's dirty bit tells of a store. */
static void map_clean_pages(void)
{
	start(256);
	push_out_all(FILE_PAGES);
	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, &file.file, BASE, PG(FILE_PAGES), RW,
			 MAP_SHARED | MAP_FIXED, 0),
		 BASE);
	for (unsigned long i = 0; i < FILE_PAGES; i++)
		CHECK_EQ(hosted_read64(BASE + PG(i) + 8), word_of(i));
}

static void store_everywhere(u64 plus)
{
	for (unsigned long i = 0; i < FILE_PAGES; i++)
		hosted_write64(BASE + PG(i) + 8, word_of(i) + plus);
}

static void check_stores(u64 plus)
{
	for (unsigned long i = 0; i < FILE_PAGES; i++) {
		u64 word = 0;

		CHECK_EQ(read_word(i, &word), 8);
		CHECK_EQ(word, word_of(i) + plus);
	}
}

PAGODA_TEST(stores_to_clean_pages_survive_reclaim, "RC-43 SW-10 PM-32")
{
	map_clean_pages();
	for (u64 round = 1; round < 4; round++) {
		store_everywhere(round);
		for (unsigned long i = 0; i < FILE_PAGES; i++)
			CHECK(push_out(i)); /* by way of try_to_unmap() */
		for (unsigned long i = 0; i < FILE_PAGES; i++)
			CHECK_EQ(hosted_read64(BASE + PG(i) + 8), word_of(i) + round);
	}
	hosted_process_exit();
	check_stores(3);
	finish();
}

/*
 * Each way in which the entries go: the page is reclaimed afterwards, when only its own bit is
 * left.
 */
static void stores_survive(void (*unmap)(void))
{
	map_clean_pages();
	store_everywhere(5);
	unmap();
	for (unsigned long i = 0; i < FILE_PAGES; i++)
		CHECK(push_out(i));
	check_stores(5);
	hosted_process_exit();
	finish();
}

static void by_munmap(void)
{
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(FILE_PAGES)), 0);
}
static void by_dontneed(void)
{
	CHECK_EQ(do_madvise(current_vm->mm, BASE, PG(FILE_PAGES), 4), 0);
}
static void by_mapping_over(void)
{
	map_at(BASE, FILE_PAGES, RW);
}
static void by_mremap_and_munmap(void)
{
	unsigned long target = BASE + 4 * PG(FILE_PAGES);

	CHECK_EQ(do_mremap(current_vm->mm, BASE, PG(FILE_PAGES), PG(FILE_PAGES),
			   MREMAP_MAYMOVE | MREMAP_FIXED, target),
		 target);
	CHECK_EQ(do_munmap(current_vm->mm, target, PG(FILE_PAGES)), 0);
}
static void by_mprotect_and_munmap(void)
{
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(FILE_PAGES), PROT_READ), 0);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(FILE_PAGES), PROT_NONE), 0);
	by_munmap();
}
static void by_exit(void)
{
	hosted_process_exit();
	new_process();
}

/* A debugger's stores go past the MMU: no dirty bit tells of them. */
PAGODA_TEST(stores_by_the_kernel_survive_reclaim, "FT-63 PM-32")
{
	map_clean_pages();
	for (unsigned long i = 0; i < FILE_PAGES; i++) {
		u64 word = word_of(i) + 9;

		CHECK_EQ(access_process_vm(current_vm->mm, BASE + PG(i) + 8, &word, 8, true, false),
			 8);
	}
	for (unsigned long i = 0; i < FILE_PAGES; i++)
		CHECK(push_out(i));
	check_stores(9);
	hosted_process_exit();
	finish();
}

/*
 * A hole takes the file's pages, mapped or not, and leaves the copies that processes have of them.
 */
PAGODA_TEST(a_hole_leaves_private_copies, "AS-74")
{
	unsigned long other = BASE + 4 * PG(FILE_PAGES);

	start(128);
	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, &file.file, BASE, PG(FILE_PAGES), RW,
			 MAP_PRIVATE | MAP_FIXED, 0),
		 BASE);
	CHECK_EQ(do_mmap(current_vm->mm, &file.file, other, PG(FILE_PAGES), RW,
			 MAP_SHARED | MAP_FIXED, 0),
		 other);
	hosted_write64(BASE + PG(5) + 16, 77);
	CHECK_EQ(hosted_read64(BASE + PG(6) + 8), word_of(6));
	CHECK_EQ(hosted_read64(other + PG(5) + 8), word_of(5));
	truncate_inode_pages_range(&file.mapping, PG(4), PG(8));
	CHECK_EQ(hosted_read64(BASE + PG(5) + 16), 77);
	CHECK_EQ(hosted_read64(BASE + PG(5) + 8), word_of(5));
	CHECK_EQ(hosted_read64(BASE + PG(6) + 8), 0);
	CHECK_EQ(hosted_read64(other + PG(5) + 8), 0);
	hosted_process_exit();
	finish();
}

/* Faults come in between the unmapping of a range and the removal of its pages. */
PAGODA_TEST(a_page_that_is_mapped_again_is_unmapped_by_truncation, "AS-74")
{
	struct page *page;

	start(128);
	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, &file.file, BASE, PG(FILE_PAGES), RW,
			 MAP_SHARED | MAP_FIXED, 0),
		 BASE);
	CHECK_EQ(hosted_read64(BASE + PG(3) + 8), word_of(3));
	page = find_get_page(&file.mapping, 3);
	CHECK(page);
	truncate_page(&file.mapping, page);
	CHECK_EQ(page_mapcount(page), 0);
	CHECK(!frame_at(BASE + PG(3)));
	CHECK(!hosted_tlb_holds(0, BASE + PG(3)));
	CHECK(!page->mapping);
	put_page(page);
	hosted_process_exit();
	finish();
}

PAGODA_TEST(stores_to_clean_pages_survive_munmap, "AS-51 AS-49")
{
	stores_survive(by_munmap);
}
PAGODA_TEST(stores_to_clean_pages_survive_madvise, "AS-66")
{
	stores_survive(by_dontneed);
}
PAGODA_TEST(stores_to_clean_pages_survive_a_mapping_over_them, "AS-47")
{
	stores_survive(by_mapping_over);
}
PAGODA_TEST(stores_to_clean_pages_survive_mremap, "AS-53")
{
	stores_survive(by_mremap_and_munmap);
}
PAGODA_TEST(stores_to_clean_pages_survive_mprotect, "AS-65")
{
	stores_survive(by_mprotect_and_munmap);
}
PAGODA_TEST(stores_to_clean_pages_survive_exit, "AS-57")
{
	stores_survive(by_exit);
}

PAGODA_TEST(unchanged_pages_keep_their_slots, "SW-10")
{
	unsigned long writes;

	start(256);
	push_out_all(FILE_PAGES);
	check_shared(0, FILE_PAGES);
	CHECK_EQ(nr_swap_cache_pages(), FILE_PAGES);
	writes = vm_event(pswpout);
	push_out_all(FILE_PAGES);
	CHECK_EQ(vm_event(pswpout), writes);
	CHECK_EQ(write_word(3, 4), 8);
	CHECK(push_out(3));
	CHECK_EQ(vm_event(pswpout), writes + 1);
	finish();
}

PAGODA_TEST(neighbours_come_back_in_one_read, "FX-12 SW-11")
{
	unsigned long majors;

	start(128);
	push_out_all(FILE_PAGES);
	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, &file.file, BASE, PG(FILE_PAGES), RW,
			 MAP_SHARED | MAP_FIXED, 0),
		 BASE);
	majors = current_vm->maj_flt;
	for (unsigned long i = 0; i < FILE_PAGES; i++)
		CHECK_EQ(hosted_read64(BASE + PG(i) + 8), word_of(i));
	CHECK_EQ(current_vm->maj_flt - majors, FILE_PAGES >> page_cluster);
	hosted_process_exit();
	finish();
}

PAGODA_TEST(truncation_frees_slots_and_zeroes_the_edge, "SW-04 AS-70")
{
	u64 word = 1;

	start(128);
	push_out_all(FILE_PAGES);
	check_shared(30, 34);
	file.size = PG(31) + 100;
	{
		/* as tmpfs holds it */
		struct page *edge = read_cache_page(&file.mapping, NULL, 31);

		CHECK(!IS_ERR(edge));
		truncate_inode_pages(&file.mapping, file.size);
		put_page(edge);
	}
	CHECK_EQ(mapping_data_pages(&file.mapping), 32);
	CHECK_EQ(atomic_long_read(&nr_swap_pages), 128 - 32);
	validate_swap();
	check_shared(0, 32);
	file.size = PG(FILE_PAGES);
	for (unsigned long i = 32; i < FILE_PAGES; i++) {
		CHECK_EQ(read_word(i, &word), 8);
		CHECK_EQ(word, 0);
	}
	for (unsigned long i = 0; i < 32; i++)
		(void)push_out(i);
	truncate_inode_pages_range(&file.mapping, PG(4), PG(8)); /* a hole */
	CHECK_EQ(read_word(5, &word), 8);
	CHECK_EQ(word, 0);
	check_shared(8, 32);
	CHECK_EQ(mapping_data_pages(&file.mapping), 28);
	finish();
}

PAGODA_TEST(swapoff_brings_shared_pages_back, "SW-15")
{
	start(128);
	push_out_all(FILE_PAGES);
	check_shared(0, 16); /* some have their slots still */
	swap_off();
	CHECK_EQ(file.mapping.nrpages, FILE_PAGES);
	CHECK_EQ(file.mapping.nrswapped, 0);
	check_shared(0, FILE_PAGES);
	CHECK(!push_out(0)); /* there is no room any more */
	check_shared(0, FILE_PAGES);
	close_shared();
}

PAGODA_TEST(a_full_area_keeps_shared_pages_in_memory, "SW-18")
{
	unsigned long out = 0;

	start(16);
	for (unsigned long i = 0; i < FILE_PAGES; i++)
		out += push_out(i);
	CHECK_EQ(out, 16);
	check_shared(0, FILE_PAGES);
	finish();
}

PAGODA_TEST(locked_segments_stay, "AS-66")
{
	start(128);
	file.mapping.swap_locked = true;
	CHECK(!push_out(1));
	file.mapping.swap_locked = false;
	CHECK(push_out(1));
	finish();
}

static bool back_without_memory(void *arg)
{
	u64 word = 0;
	long n;

	(void)arg;
	CHECK(push_out(5));
	n = read_word(5, &word);
	CHECK(n == 8 || n == -ENOMEM);
	if (n != 8)
		CHECK_EQ(write_word(5, 1), -ENOMEM);
	validate_swap();
	check_shared(5, 6);
	return n == 8;
}

PAGODA_TEST(no_memory_leaves_pages_in_swap, "SW-03")
{
	start(128);
	test_fail_every_allocation(back_without_memory, NULL);
	push_out_all(FILE_PAGES);
	hosted_fail_one_in(1);
	CHECK_EQ(area_off(disk), -ENOMEM);
	hosted_fail_one_in(0);
	validate_swap();
	check_shared(0, FILE_PAGES);
	finish();
}

PAGODA_TEST(each_failing_transfer_loses_nothing, "SW-03 FT-54")
{
	page_cluster = 0;
	start(128);
	for (unsigned long nth = 1; nth <= 4; nth++) {
		u64 word;

		/* Writes: what was not written stays, dirty. */
		hosted_disk_fail_nth(disk, nth);
		for (unsigned long i = 0; i < 4; i++)
			(void)push_out(i);
		CHECK_EQ(file.mapping.nrswapped, 3);
		validate_swap();
		hosted_disk_fail_nth(disk, 0);
		check_shared(0, 4);
		for (unsigned long i = 0; i < 4; i++)
			CHECK(push_out(i));
		/* Reads: EIO, and the next try succeeds. */
		hosted_disk_fail_nth(disk, nth);
		for (unsigned long i = 0; i < 4; i++)
			CHECK_EQ(read_word(i, &word), i + 1 == nth ? -EIO : 8);
		check_shared(0, 4);
		for (unsigned long i = 0; i < 4; i++)
			CHECK(push_out(i));
		hosted_disk_fail_nth(disk, nth);
		CHECK_EQ(area_off(disk), -EIO);
		validate_swap();
		hosted_disk_fail_nth(disk, 0);
		check_shared(0, 4);
		fill_shared(FILE_PAGES);
	}
	finish();
}

/* ---- Under pressure ------------------------------------------------------------------------ */

PAGODA_TEST_CONFIG(twice_the_memory_of_shared_pages, "SW-03 RC-10 FX-24", .ram = SZ_16M,
		   .start_threads = true)
{
	unsigned long pages = totalram_pages() * 2;

	swap_on((u32)pages + 64);
	open_shared(pages);
	fill_shared(pages);
	CHECK(file.mapping.nrswapped > pages / 4);
	check_shared(0, pages);
	for (unsigned long i = pages; i-- > 0;)
		CHECK_EQ(write_word(i, word_of(i)), 8);
	check_shared(0, pages);
	close_shared();
	test_let_kswapd_rest();
	CHECK_EQ(atomic_long_read(&nr_swap_pages), total_swap_pages);
	swap_off();
}

/* ---- All at once ----------------------------------------------------------------------------- */

#define CHAOS_WORKERS 3
#define CHAOS_ROUNDS  400

static void chaos_worker(void *arg)
{
	unsigned long me = (unsigned long)arg, state = test_seed() + me;
	u64 mine[FILE_PAGES] = {0};

	for (int round = 0; round < CHAOS_ROUNDS; round++) {
		unsigned long i;

		state = state * 6364136223846793005ul + 1442695040888963407ul;
		i = (state >> 24) % (FILE_PAGES / CHAOS_WORKERS) * CHAOS_WORKERS + me;
		if (state >> 30 & 1)
			CHECK_EQ(write_word(i, mine[i] = state), 8);
		else if (mine[i])
			CHECK_EQ(hosted_read64(BASE + PG(i) + 8), mine[i]);
		(void)push_out((state >> 20) % FILE_PAGES);
	}
	for (unsigned long i = 0; i < FILE_PAGES; i++)
		if (mine[i])
			CHECK_EQ(hosted_read64(BASE + PG(i) + 8), mine[i]);
}

static void chaos_swapoff(void *arg)
{
	(void)arg;
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(area_off(disk), 0);
		CHECK_EQ(area_on(disk, "/dev/hda", 0), 0);
	}
}

/* The last page is cut off and written again all the time. */
static void chaos_truncate(void *arg)
{
	(void)arg;
	for (int i = 0; i < CHAOS_ROUNDS; i++) {
		truncate_inode_pages_range(&file.mapping, PG(FILE_PAGES - 1), PG(FILE_PAGES));
		CHECK_EQ(write_word(FILE_PAGES - 1, 1), 8);
		(void)push_out(FILE_PAGES - 1);
	}
}

PAGODA_TEST_CONFIG(reads_writes_reclaim_truncation_and_swapoff_at_once, "SW-15 RC-28", .nr_cpus = 4)
{
	struct hosted_task *tasks[CHAOS_WORKERS], *off, *cut;

	swap_on(256);
	open_shared(FILE_PAGES);
	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, &file.file, BASE, PG(FILE_PAGES), RW,
			 MAP_SHARED | MAP_FIXED, 0),
		 BASE);
	for (unsigned long i = 0; i < CHAOS_WORKERS; i++)
		tasks[i] = hosted_clone((int)i % 4, chaos_worker, (void *)i);
	off = hosted_spawn("swapoff", HOSTED_ANY_CPU, chaos_swapoff, NULL);
	cut = hosted_spawn("truncate", HOSTED_ANY_CPU, chaos_truncate, NULL);
	for (int i = 0; i < CHAOS_WORKERS; i++)
		hosted_wait(tasks[i]);
	hosted_wait(off);
	hosted_wait(cut);
	check_mm();
	hosted_process_exit();
	finish();
}
