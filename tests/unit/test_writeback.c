/* SPDX-License-Identifier: MIT */
/*
 * test_writeback.c: files on a block device: buffers, dirty pages, writing back, errors, and
 * reading ahead.
 */
#include "address_space.h"
#include "block_file.h"

#include <mm/cache/filemap_internal.h>

#include <pagoda/blkdev.h>

#define FILE_BYTES (64 * 1024u)

static void fill_pattern(u8 *buf, size_t n, unsigned int salt)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = (u8)(i * 31 + i / 251 + salt);
}

static int fsync_file(struct vm_file *file)
{
	return generic_file_fsync(file, 0, ~0ull);
}

/* ---- Blocks -------------------------------------------------------------------------------- */

/* Random writes and cuts against an array; in between everything is dropped and read again. */
static void random_life(unsigned int block_size, u32 gap_every)
{
	struct block_file *f = block_file_create(block_size, gap_every);
	static u8 model[FILE_BYTES], buf[FILE_BYTES];
	unsigned int steps = test_scale(400);
	u64 size = 0;

	memset(model, 0, sizeof(model));
	for (unsigned int i = 0; i < steps; i++) {
		u64 pos = test_random_below(FILE_BYTES - 1), n = 1 + test_random_below(9000);

		n = min_t(u64, n, FILE_BYTES - pos);
		switch (test_random_below(8)) {
		case 0: /* cut, or let grow by a hole */
			if (pos < size)
				CHECK_EQ(block_truncate_page(&f->mapping, pos, block_size,
							     block_file_get_block),
					 0);
			f->size = pos;
			truncate_inode_pages(&f->mapping, pos);
			for (u64 b = (pos + block_size - 1) / block_size; b < FILE_BLOCKS; b++)
				f->place[b] = 0;
			if (pos < size)
				memset(model + pos, 0, FILE_BYTES - pos);
			size = pos;
			break;
		case 1:
			CHECK_EQ(fsync_file(&f->file), 0);
			CHECK_EQ(f->mapping.nr_dirty, 0);
			for (u64 b = 0; b < size; b++)
				CHECK_EQ(block_file_disk_byte(f, b), model[b]);
			break;
		case 2:
			CHECK_EQ(fsync_file(&f->file), 0);
			invalidate_mapping_pages(&f->mapping, 0, ~0ul);
			CHECK_EQ(f->mapping.nrpages, 0);
			break;
		default:
			fill_pattern(buf, n, i);
			memcpy(model + pos, buf, n);
			CHECK_EQ(block_file_write(&f->file, buf, n, pos), (long)n);
			size = max_t(u64, size, pos + n);
		}
		CHECK_EQ(f->size, size);
		pos = test_random_below(FILE_BYTES);
		n = pos < size ? size - pos : 0;
		CHECK_EQ(block_file_read(&f->file, buf, FILE_BYTES, pos), (long)n);
		CHECK_MEM(buf, model + pos, n);
	}
	CHECK_EQ(f->prepared, f->committed);
	put_vm_file(&f->file);
	CHECK_EQ(atomic_long_read(&nr_dirty_pages), 0);
	CHECK_EQ(atomic_long_read(&nr_writeback_pages), 0);
}

PAGODA_TEST(files_in_small_blocks_hold_what_was_written, "AS-78 AS-72")
{
	random_life(1024, 3);
	random_life(512, 0);
}

PAGODA_TEST(files_in_page_sized_blocks_hold_what_was_written, "AS-78")
{
	random_life(PAGE_SIZE, 2);
}

PAGODA_TEST(a_partial_write_touches_its_blocks_alone, "AS-78")
{
	struct block_file *f = block_file_create(1024, 0);
	unsigned long reads = f->disk.bdev.sectors_done[BIO_READ], writes;
	u8 buf[1024];

	fill_pattern(buf, sizeof(buf), 1);
	CHECK_EQ(block_file_write(&f->file, buf, 1024, 5 * 1024), 1024); /* block 1 of page 1 */
	CHECK_EQ(f->disk.bdev.sectors_done[BIO_READ], reads);
	writes = f->disk.bdev.sectors_done[BIO_WRITE];
	CHECK_EQ(fsync_file(&f->file), 0);
	CHECK_EQ(f->disk.bdev.sectors_done[BIO_WRITE] - writes, 2);
	for (int b = 0; b < 8; b++)
		CHECK_EQ(!!f->place[b], b == 5);
	put_vm_file(&f->file);
}

PAGODA_TEST(metadata_blocks_are_kept_and_written, "")
{
	struct block_file *f = block_file_create(1024, 0);
	struct block_device *bdev = &f->disk.bdev;
	struct buffer_head *bh, *again;

	memset(f->disk.bytes + 1024 * 100, 'm', 1024);
	CHECK(blkdev_mapping(bdev));
	bh = bread(bdev, 100, 1024);
	CHECK(bh);
	CHECK_EQ(*(char *)bh_data(bh), 'm');
	again = bread(bdev, 100, 1024);
	CHECK_EQ(bh, again);
	brelse(again);
	memset(bh_data(bh), 'n', 1024);
	mark_buffer_dirty(bh);
	CHECK_EQ(f->disk.bytes[1024 * 100], 'm');
	CHECK_EQ(sync_dirty_buffer(bh), 0);
	CHECK_EQ(f->disk.bytes[1024 * 100 + 1023], 'n');
	memset(bh_data(bh), 'o', 1024);
	mark_buffer_dirty(bh);
	brelse(bh);
	sync_mappings(true);
	CHECK_EQ(f->disk.bytes[1024 * 100], 'o');
	CHECK_EQ(f->disk.bytes[1024 * 101], 0xee); /* never read, never written */

	/* A block that was freed is not written any more. */
	bh = bread(bdev, 100, 1024);
	memset(bh_data(bh), 'x', 1024);
	mark_buffer_dirty(bh);
	brelse(bh);
	bforget(bdev, 100, 1024);
	sync_mappings(true);
	CHECK_EQ(f->disk.bytes[1024 * 100], 'o');

	f->disk.fail_reads = true;
	CHECK_EQ(bread(bdev, 200, 1024), NULL);
	CHECK_EQ(bread(bdev, DISK_SECTORS / 2, 1024), NULL); /* past the end */
	f->disk.fail_reads = false;
	blkdev_mapping_end(bdev);
	put_vm_file(&f->file);
}

/* ---- Errors ---------------------------------------------------------------------------------- */

PAGODA_TEST(a_write_error_is_told_once_to_each_who_has_the_file_open, "")
{
	struct block_file *f = block_file_create(1024, 0);
	struct vm_file other, later, last;
	u8 buf[PAGE_SIZE];

	block_file_open(f, &other);
	fill_pattern(buf, sizeof(buf), 1);
	CHECK_EQ(block_file_write(&f->file, buf, sizeof(buf), 0), (long)sizeof(buf));
	f->disk.fail_writes = true;
	(void)filemap_fdatawrite_range(&f->mapping, 0, ~0ul); /* as the flusher does */
	block_file_open(f, &later);			      /* nobody was told yet */
	CHECK_EQ(fsync_file(&f->file), -EIO);
	CHECK_EQ(fsync_file(&f->file), 0);
	CHECK_EQ(fsync_file(&other), -EIO);
	CHECK_EQ(fsync_file(&later), -EIO);
	CHECK_EQ(fsync_file(&later), 0);
	block_file_open(f, &last); /* they were by now */
	CHECK_EQ(fsync_file(&last), 0);
	/* The page still holds what was written, and goes to the disk when it is written again. */
	CHECK_EQ(block_file_read(&f->file, buf, 1, 9), 1);
	CHECK_EQ(buf[0], (u8)(9 * 31 + 1));
	f->disk.fail_writes = false;
	fill_pattern(buf, sizeof(buf), 1);
	CHECK_EQ(block_file_write(&f->file, buf, sizeof(buf), 0), (long)sizeof(buf));
	CHECK_EQ(fsync_file(&f->file), 0);
	CHECK_EQ(block_file_disk_byte(f, 9), (u8)(9 * 31 + 1));
	put_vm_file(&f->file);
}

PAGODA_TEST(a_second_error_is_told_to_those_that_came_after_the_first, "")
{
	struct block_file *f = block_file_create(1024, 0);
	struct vm_file later;
	u8 byte = 'e';

	f->disk.fail_writes = true;
	f->disk.bad_to = ~0ull;
	for (int i = 0; i < 2; i++) { /* the first is told to the writer, the second to none yet */
		CHECK_EQ(block_file_write(&f->file, &byte, 1, 0), 1);
		(void)filemap_fdatawrite_range(&f->mapping, 0, ~0ul);
		if (!i)
			CHECK_EQ(fsync_file(&f->file), -EIO);
	}
	block_file_open(f, &later);
	CHECK_EQ(fsync_file(&later), -EIO);
	CHECK_EQ(fsync_file(&later), 0);
	CHECK_EQ(fsync_file(&f->file), -EIO);
	f->disk.fail_writes = false;
	put_vm_file(&f->file);
}

static struct buffer_head *waiting_buffer(struct block_device *bdev, u64 block,
					  struct list_head *list, unsigned int rank)
{
	struct buffer_head *bh = bread(bdev, block, 512);

	CHECK(bh);
	memset(bh_data(bh), 'a' + (int)rank, 512);
	mark_buffer_waiting(bh, list, rank);
	return bh;
}

PAGODA_TEST(each_waiting_buffer_is_looked_at_twice_however_many_there_are, "")
{
	struct block_file *f = block_file_create(PAGE_SIZE, 0);

	CHECK(blkdev_mapping(&f->disk.bdev));
	for (unsigned int nr = 50; nr <= 1600; nr *= 8) {
		unsigned long before = waiting_buffers_seen;
		LIST_HEAD(list);

		for (unsigned int i = 0; i < nr; i++)
			brelse(waiting_buffer(&f->disk.bdev, 1 + i, &list,
					      MAX_WAIT_RANKS - 1 - i % MAX_WAIT_RANKS));
		CHECK_EQ(nr_waiting_buffers(), nr);
		CHECK_EQ(write_waiting_buffers(&list, MAX_WAIT_RANKS), 0);
		CHECK_EQ(waiting_buffers_seen - before, 2 * nr);
		CHECK_EQ(nr_waiting_buffers(), 0);
		for (unsigned int i = 0; i < nr; i++)
			CHECK_EQ(f->disk.bytes[512 * (1 + i)],
				 'a' + MAX_WAIT_RANKS - 1 - i % MAX_WAIT_RANKS);
	}
	blkdev_mapping_end(&f->disk.bdev);
	put_vm_file(&f->file);
}

PAGODA_TEST(waiting_buffers_go_to_the_disk_by_rank, "")
{
	struct block_file *f = block_file_create(PAGE_SIZE, 0);
	unsigned int before = f->disk.nr_writes;
	LIST_HEAD(list);

	CHECK(blkdev_mapping(&f->disk.bdev));
	/* each in a page of its own, the last rank first */
	for (unsigned int rank = MAX_WAIT_RANKS; rank-- > 0;)
		brelse(waiting_buffer(&f->disk.bdev, 800 - 100 * rank, &list, rank));
	CHECK_EQ(write_waiting_buffers(&list, MAX_WAIT_RANKS), 0);
	CHECK_EQ(f->disk.nr_writes - before, MAX_WAIT_RANKS);
	for (unsigned int rank = 0; rank < MAX_WAIT_RANKS; rank++)
		CHECK_EQ(f->disk.written[(before + rank) % ARRAY_SIZE(f->disk.written)],
			 800 - 100 * rank);
	blkdev_mapping_end(&f->disk.bdev);
	put_vm_file(&f->file);
}

PAGODA_TEST(no_room_on_the_disk_is_told_to_the_writer, "")
{
	struct block_file *f = block_file_create(1024, 0);
	u8 buf[3000];

	fill_pattern(buf, sizeof(buf), 1);
	CHECK_EQ(block_file_write(&f->file, buf, 3000, 0), 3000);
	f->full = true;
	CHECK_EQ(block_file_write(&f->file, buf, 3000, PG(3)), -ENOSPC);
	CHECK_EQ(block_file_write(&f->file, buf, 1000, 100), 1000); /* has its place */
	CHECK_EQ(fsync_file(&f->file), 0);
	/* Through a mapping: a hole without room for a block is SIGBUS, not lost data. */
	new_process();
	f->size = PG(4);
	CHECK_EQ(do_mmap(current_vm->mm, &f->file, BASE, PG(4), RW, MAP_SHARED | MAP_FIXED, 0),
		 BASE);
	buf[0] = 1;
	CHECK_EQ(hosted_read8(BASE + PG(2)), 0);
	CHECK(!hosted_user_write(BASE + PG(2), buf, 1));
	CHECK_EQ(hosted_signal().signo, SIGBUS);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(4)), 0);
	put_vm_file(&f->file);
}

PAGODA_TEST(blocks_of_a_write_without_room_hold_zeroes, "AS-72")
{
	struct block_file *f = block_file_create(1024, 0);
	static const u8 zeroes[PAGE_SIZE];
	u8 buf[PAGE_SIZE];

	memset(f->disk.bytes, 0xee, 64 * 1024); /* what a deleted file has left there */
	f->size = PG(2);
	f->full_at = f->next_place + 2;
	fill_pattern(buf, sizeof(buf), 1);
	CHECK_EQ(block_file_write(&f->file, buf, sizeof(buf), 0), -ENOSPC);
	CHECK(f->place[1] && !f->place[2]);
	CHECK_EQ(fsync_file(&f->file), 0);
	invalidate_mapping_pages(&f->mapping, 0, ~0ul);
	CHECK_EQ(f->mapping.nrpages, 0);
	CHECK_EQ(block_file_read(&f->file, buf, sizeof(buf), 0), (long)sizeof(buf));
	CHECK_MEM(buf, zeroes, sizeof(buf));
	put_vm_file(&f->file);
}

static bool write_sync_read(void *unused)
{
	struct block_file *f = block_file_create(1024, 3);
	u8 buf[9000], back[9000];
	bool ok;

	(void)unused;
	fill_pattern(buf, sizeof(buf), 7);
	ok = block_file_write(&f->file, buf, sizeof(buf), 500) == (long)sizeof(buf) &&
	     fsync_file(&f->file) == 0;
	if (ok) {
		invalidate_mapping_pages(&f->mapping, 0, ~0ul);
		ok = block_file_read(&f->file, back, sizeof(back), 500) == (long)sizeof(back);
	}
	if (ok)
		CHECK_MEM(buf, back, sizeof(buf));
	put_vm_file(&f->file);
	return ok;
}

PAGODA_TEST(writing_and_reading_survive_every_failed_allocation, "")
{
	block_file_create(1024, 0);
	test_fail_every_allocation(write_sync_read, NULL);
}

/* ---- Mappings -------------------------------------------------------------------------------- */

PAGODA_TEST(stores_through_a_mapping_reach_the_disk_each_time, "AS-51")
{
	struct block_file *f = block_file_create(1024, 0);
	u8 buf[PAGE_SIZE];

	new_process();
	memset(buf, 'a', sizeof(buf));
	CHECK_EQ(block_file_write(&f->file, buf, 3000, 0), 3000);
	CHECK_EQ(fsync_file(&f->file), 0);
	CHECK_EQ(do_mmap(current_vm->mm, &f->file, BASE, PG(2), RW, MAP_SHARED | MAP_FIXED, 0),
		 BASE);
	CHECK_EQ(hosted_read8(BASE), 'a');
	CHECK(!hosted_lookup_user(current_vm->mm, BASE).write); /* to notice the first store */
	for (u8 c = 'b'; c <= 'd'; c++) {
		hosted_write8(BASE + 10, c);
		hosted_write8(BASE + 3500, c); /* past the end: memory's, not the file's */
		CHECK_EQ(f->mapping.nr_dirty, 1);
		CHECK_EQ(do_msync(current_vm->mm, BASE, PG(1), 4), 0);
		CHECK_EQ(f->mapping.nr_dirty, 0);
		CHECK_EQ(block_file_disk_byte(f, 10), c);
		CHECK_EQ(block_file_disk_byte(f, 3060),
			 0); /* the tail is zeroed as it is written */
		CHECK(!hosted_lookup_user(current_vm->mm, BASE).write);
		CHECK_EQ(block_file_read(&f->file, buf, 1, 10), 1);
		CHECK_EQ(buf[0], c);
	}
	hosted_write8(BASE + 10, 'z');
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(2)), 0); /* the entry's dirty bit is not lost */
	CHECK_EQ(fsync_file(&f->file), 0);
	CHECK_EQ(block_file_disk_byte(f, 10), 'z');
	put_vm_file(&f->file);
}

/* A file of 1,000 bytes in blocks of 1,024, mapped and writable; then it has size bytes. */
static struct block_file *grown_under_a_mapping(u64 size)
{
	struct block_file *f = block_file_create(1024, 0);
	u8 buf[1000];

	new_process();
	memset(buf, 'a', sizeof(buf));
	CHECK_EQ(block_file_write(&f->file, buf, sizeof(buf), 0), 1000);
	CHECK_EQ(do_mmap(current_vm->mm, &f->file, BASE, PG(2), RW, MAP_SHARED | MAP_FIXED, 0),
		 BASE);
	hosted_write8(BASE, 'b');
	CHECK(hosted_lookup_user(current_vm->mm, BASE).write);
	f->size = size;
	return f;
}

PAGODA_TEST(a_store_to_a_page_of_which_more_is_in_the_file_finds_a_place, "AS-51")
{
	struct block_file *f = grown_under_a_mapping(PAGE_SIZE);

	hosted_write8(BASE + 1500, 'c'); /* before block_size_grown() */
	block_size_grown(&f->mapping, 1000, 1024);
	CHECK(!hosted_lookup_user(current_vm->mm, BASE).write);
	CHECK_EQ(f->mapping.nr_dirty, 1);
	CHECK(!f->place[2]);
	hosted_write8(BASE + 2500, 'd');
	CHECK(f->place[2]); /* at once */
	CHECK_EQ(fsync_file(&f->file), 0);
	CHECK_EQ(block_file_disk_byte(f, 0), 'b');
	CHECK_EQ(block_file_disk_byte(f, 1500), 'c');
	CHECK_EQ(block_file_disk_byte(f, 2500), 'd');
	put_vm_file(&f->file);
}

PAGODA_TEST(growing_inside_the_last_block_of_a_page_leaves_its_entries_alone, "")
{
	struct block_file *f = grown_under_a_mapping(PG(2));

	block_size_grown(&f->mapping, PAGE_SIZE - 24, 1024);
	block_size_grown(&f->mapping, 1000, PAGE_SIZE);
	CHECK(hosted_lookup_user(current_vm->mm, BASE).write);
	put_vm_file(&f->file);
}

/*
 * Only the entry tells of a store between the growth and block_size_grown(), be it the flusher that
 * finds it.
 */
static void store_without_a_fault(bool told)
{
	struct block_file *f = grown_under_a_mapping(PAGE_SIZE);

	hosted_write8(BASE + 2500, 'd');
	if (told)
		block_size_grown(&f->mapping, 1000, 1024);
	CHECK_EQ(fsync_file(&f->file), 0);
	CHECK_EQ(block_file_disk_byte(f, 0), 'b');
	CHECK_EQ(block_file_disk_byte(f, 2500), 'd');
	put_vm_file(&f->file);
}

PAGODA_TEST(what_was_stored_without_a_fault_goes_to_the_disk_whichever_block_it_is_in, "AS-51")
{
	store_without_a_fault(false);
}

PAGODA_TEST(what_was_stored_before_the_growth_was_told_goes_to_the_disk, "AS-51")
{
	store_without_a_fault(true);
}

/* ---- Clean, dirty, on the way --------------------------------------------------------------- */

/* A page is in one of three states, which the documents keep as three lists of its mapping. */
enum page_list { CLEAN, DIRTY, LOCKED, NR_LISTS };

static enum page_list list_of(struct address_space *mapping, pgoff_t index)
{
	if (radix_tree_tag_get(&mapping->i_pages, index, PAGECACHE_TAG_WRITEBACK))
		return LOCKED;
	return radix_tree_tag_get(&mapping->i_pages, index, PAGECACHE_TAG_DIRTY) ? DIRTY : CLEAN;
}

/* Count the pages of each list by what the pages themselves say; the mapping's sums must agree. */
static void recount(struct block_file *f, unsigned long lists[NR_LISTS])
{
	struct address_space *mapping = &f->mapping;
	unsigned long found = 0;

	memset(lists, 0, NR_LISTS * sizeof(lists[0]));
	for (pgoff_t i = 0; i < FILE_BYTES / PAGE_SIZE; i++) {
		struct page *page = find_get_page(mapping, i);
		enum page_list list;

		if (!page)
			continue;
		found++;
		list = list_of(mapping, i);
		lists[list]++;
		CHECK(page->mapping == mapping && page->index == i);
		CHECK_EQ(!!PageDirty(page), list == DIRTY);
		CHECK_EQ(!!PageWriteback(page), list == LOCKED);
		put_page(page);
	}
	CHECK_EQ(found, mapping->nrpages);
	CHECK_EQ(lists[DIRTY], mapping->nr_dirty);
	CHECK_EQ(lists[LOCKED], mapping->nr_writeback);
	CHECK_EQ(lists[CLEAN] + lists[DIRTY] + lists[LOCKED], mapping->nrpages);
	CHECK_EQ(!list_empty(&mapping->dirty_link), lists[DIRTY] + lists[LOCKED] > 0);
}

static void check_lists(struct block_file *f, unsigned long clean, unsigned long dirty,
			unsigned long locked)
{
	unsigned long lists[NR_LISTS];

	recount(f, lists);
	CHECK_EQ(lists[CLEAN], clean);
	CHECK_EQ(lists[DIRTY], dirty);
	CHECK_EQ(lists[LOCKED], locked);
}

PAGODA_TEST(a_page_goes_from_dirty_to_locked_to_clean, "RC-32")
{
	struct block_file *f = block_file_create(PAGE_SIZE, 0);
	u8 buf[2 * PAGE_SIZE];

	fill_pattern(buf, sizeof(buf), 3);
	CHECK_EQ(block_file_write(&f->file, buf, sizeof(buf), 0), (long)sizeof(buf));
	check_lists(f, 0, 2, 0);
	f->disk.held = true;
	CHECK_EQ(filemap_fdatawrite_range(&f->mapping, 0, 0), 0);
	check_lists(f, 0, 1, 1);
	CHECK_EQ(filemap_fdatawrite_range(&f->mapping, 0, ~0ul), 0);
	check_lists(f, 0, 0, 2);
	run_disk_queue();
	memory_disk_release(&f->disk);
	filemap_fdatawait_range(&f->mapping, 0, ~0ul);
	check_lists(f, 2, 0, 0);
	CHECK_EQ(block_file_write(&f->file, buf, 1, PAGE_SIZE), 1);
	check_lists(f, 1, 1, 0);
	CHECK_EQ(fsync_file(&f->file), 0);
	check_lists(f, 2, 0, 0);
	put_vm_file(&f->file);
}

/* One step of a file's life. */
static void random_step(struct block_file *f)
{
	static u8 buf[9000];
	u64 pos = test_random_below(FILE_BYTES - sizeof(buf)),
	    n = 1 + test_random_below(sizeof(buf));

	switch (test_random_below(8)) {
	case 0: /* cut */
		pos = min(pos, f->size);
		CHECK_EQ(block_truncate_page(&f->mapping, pos, f->block_size, block_file_get_block),
			 0);
		f->size = pos;
		truncate_inode_pages(&f->mapping, pos);
		break;
	case 1: /* some begin to be written, as the disk is slow */
		f->disk.held = true;
		CHECK_EQ(filemap_fdatawrite_range(&f->mapping, pos / PAGE_SIZE,
						  (pos + n) / PAGE_SIZE),
			 0);
		break;
	case 2:
		CHECK_EQ(fsync_file(&f->file), 0);
		break;
	case 3:
		(void)invalidate_mapping_pages(&f->mapping, 0, pos / PAGE_SIZE);
		break;
	case 4:
	case 5:
		CHECK_GE(block_file_read(&f->file, buf, n, pos), 0);
		break;
	default:
		CHECK_EQ(block_file_write(&f->file, buf, n, pos), (long)n);
	}
}

PAGODA_TEST(each_page_is_on_one_list_and_they_add_up, "AS-69 RC-32 CT-29")
{
	struct block_file *f = block_file_create(1024, 0);
	unsigned int steps = 300 + test_scale(300);
	unsigned long lists[NR_LISTS], seen[NR_LISTS] = {0};

	while (steps--) {
		random_step(f);
		recount(f, lists);
		for (int i = 0; i < NR_LISTS; i++)
			seen[i] += lists[i] > 0;
		run_disk_queue();
		memory_disk_release(&f->disk); /* a held disk would hold the next step up */
	}
	CHECK(seen[CLEAN] && seen[DIRTY] && seen[LOCKED]);
	put_vm_file(&f->file);
	CHECK_EQ(atomic_long_read(&nr_dirty_pages) + atomic_long_read(&nr_writeback_pages), 0);
}

/* ---- Pages that others clean meanwhile ------------------------------------------------------- */

static unsigned int pages_written;

/* The first page that is written takes the second one along, as a file system may. */
static int write_and_clean_the_next(struct page *page)
{
	struct page *next = find_get_page(page->mapping, page->index + 1);

	pages_written++;
	if (next && !TryLockPage(next)) {
		if (clear_page_dirty_for_io(next)) {
			set_page_writeback(next);
			end_page_writeback(next);
		}
		unlock_page(next);
	}
	if (next)
		put_page(next);
	return block_file_writepage(page);
}

PAGODA_TEST(a_page_that_was_cleaned_meanwhile_is_not_written, "AS-73")
{
	struct address_space_operations ops = block_file_a_ops;
	struct block_file *f = block_file_create(PAGE_SIZE, 0);
	static u8 buf[2 * PAGE_SIZE];

	ops.writepage = write_and_clean_the_next;
	f->mapping.a_ops = &ops;
	CHECK_EQ(block_file_write(&f->file, buf, sizeof(buf), 0), (long)sizeof(buf));
	CHECK_EQ(f->mapping.nr_dirty, 2);
	CHECK_EQ(filemap_fdatawrite_range(&f->mapping, 0, ~0ul), 0);
	CHECK_EQ(pages_written, 1);
	CHECK_EQ(f->mapping.nr_dirty, 0);
	f->mapping.a_ops = &block_file_a_ops;
	put_vm_file(&f->file);
}

/* ---- Slow disks ------------------------------------------------------------------------------ */

static void cut_file(void *arg)
{
	struct block_file *f = arg;

	__atomic_store_n(&f->size, 0, __ATOMIC_RELAXED);
	truncate_inode_pages(&f->mapping, 0);
	__atomic_store_n(&f->full, true, __ATOMIC_RELEASE); /* done */
}

PAGODA_TEST_CONFIG(truncation_waits_for_pages_on_their_way_to_the_disk, "AS-73 AS-77", .nr_cpus = 2)
{
	struct block_file *f = block_file_create(PAGE_SIZE, 0);
	u8 buf[PAGE_SIZE];

	fill_pattern(buf, sizeof(buf), 1);
	CHECK_EQ(block_file_write(&f->file, buf, sizeof(buf), 0), (long)sizeof(buf));
	CHECK_EQ(f->mapping.nr_dirty, 1);
	f->disk.held = true;
	(void)filemap_fdatawrite_range(&f->mapping, 0, ~0ul);
	CHECK_EQ(f->mapping.nr_dirty, 0);
	CHECK_EQ(f->mapping.nr_writeback, 1);
	CHECK(port_thread_create("cut", cut_file, f));
	for (int i = 0; i < 20; i++)
		port_yield();
	CHECK(!__atomic_load_n(&f->full, __ATOMIC_ACQUIRE));
	CHECK_EQ(f->mapping.nrpages, 1);
	memory_disk_release(&f->disk);
	while (!__atomic_load_n(&f->full, __ATOMIC_ACQUIRE))
		port_yield();
	CHECK_EQ(f->mapping.nrpages, 0);
	CHECK_EQ(f->disk.bytes[PAGE_SIZE + 5], buf[5]);
	put_vm_file(&f->file);
}

static bool any_mapping(struct address_space *mapping, u64 arg)
{
	(void)mapping, (void)arg;
	return true;
}

/*
 * In deterministic mode, where time passes at once when all wait: a lost wake-up is a deadlock or a
 * late return.
 */
PAGODA_TEST_CONFIG(truncation_goes_on_when_the_flusher_lets_go, "", .nr_cpus = 2,
		   .deterministic = true)
{
	struct block_file *f = block_file_create(PAGE_SIZE, 0);
	struct address_space *held;
	u8 byte = 't';

	CHECK_EQ(block_file_write(&f->file, &byte, 1, 0), 1);
	held = hold_mapping(any_mapping, 0);
	CHECK_EQ(held, &f->mapping);
	CHECK(port_thread_create("cut", cut_file, f));
	for (int i = 0; i < 1000; i++)
		port_yield();
	CHECK(!__atomic_load_n(&f->full, __ATOMIC_ACQUIRE));
	release_mapping(held);
	for (int i = 0; i < 10000 && !__atomic_load_n(&f->full, __ATOMIC_ACQUIRE); i++)
		port_yield();
	CHECK(__atomic_load_n(&f->full, __ATOMIC_ACQUIRE));
	put_vm_file(&f->file);
}

static u64 wait_until, came_back_at;

static void wait_for_pages(void *unused)
{
	(void)unused;
	wait_for_written_pages(wait_until);
	__atomic_store_n(&came_back_at, port_clock_ns(), __ATOMIC_RELEASE);
}

PAGODA_TEST_CONFIG(a_throttled_writer_goes_on_when_pages_come_back, "", .nr_cpus = 2,
		   .deterministic = true)
{
	struct block_file *f = block_file_create(PAGE_SIZE, 0);
	struct hosted_task *task;
	u8 byte = 'p';

	wait_until = port_clock_ns() + 100000ull * 1000000000ull;
	task = hosted_spawn("waiter", HOSTED_ANY_CPU, wait_for_pages, NULL);
	for (int i = 0; i < 1000 && !__atomic_load_n(&came_back_at, __ATOMIC_ACQUIRE); i++) {
		CHECK_EQ(block_file_write(&f->file, &byte, 1, 0), 1);
		CHECK_EQ(fsync_file(&f->file), 0);
		port_yield();
	}
	hosted_wait(task);
	CHECK_LT(came_back_at, wait_until);
	put_vm_file(&f->file);
}

/* ---- Reading ahead --------------------------------------------------------------------------- */

/* A file of nr pages on the disk, none of them in memory; each page begins with its number. */
static struct block_file *cold_file(unsigned int nr)
{
	struct block_file *f = block_file_create(PAGE_SIZE, 0);

	for (u32 i = 0; i < nr; i++) {
		f->place[i] = i + 1;
		memcpy(f->disk.bytes + (i + 1) * PAGE_SIZE, &i, sizeof(i));
	}
	f->size = PG(nr);
	return f;
}

static void read_number(struct block_file *f, u32 index)
{
	u32 found;

	CHECK_EQ(block_file_read(&f->file, &found, sizeof(found), PG(index)), 4);
	CHECK_EQ(found, index);
}

PAGODA_TEST(a_sequential_reader_waits_rarely_and_asks_for_much_at_once, "FX-11")
{
	struct block_file *f = cold_file(1000);
	unsigned long requests = f->disk.bdev.nr_requests[BIO_READ];

	for (u32 i = 0; i < 1000; i++)
		read_number(f, i);
	CHECK_EQ(vm_event(pgreadahead_sync), 1);
	CHECK_EQ(vm_event(pgreadahead), 1000);
	CHECK_LT(f->disk.bdev.nr_requests[BIO_READ] - requests, 30);
	put_vm_file(&f->file);
}

PAGODA_TEST(a_random_reader_gets_what_it_asks_for_and_no_more, "FX-11")
{
	struct block_file *f = cold_file(1000);

	for (int i = 0; i < 100; i++)
		read_number(f, (u32)(17 + i * i * 7 % 967));
	CHECK_LE(vm_event(pgreadahead), 100);
	put_vm_file(&f->file);
}

PAGODA_TEST(a_strided_reader_is_recognised, "FX-11")
{
	struct block_file *f = cold_file(2000);
	unsigned int n = 0;

	for (u32 i = 5; i < 2000; i += 10, n++)
		read_number(f, i);
	CHECK_LE(vm_event(pgreadahead_sync), n / 2); /* misses */
	CHECK_LE(vm_event(pgreadahead), n + n / 5);  /* unused */
	put_vm_file(&f->file);
}

PAGODA_TEST(a_mapping_read_in_order_faults_major_rarely, "FX-11 FT-45")
{
	struct block_file *f = cold_file(512);
	unsigned long major;

	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, &f->file, BASE, PG(512), PROT_READ, MAP_SHARED | MAP_FIXED,
			 0),
		 BASE);
	major = vm_event(pgmajfault);
	for (u32 i = 0; i < 512; i++)
		CHECK_EQ(hosted_read32(BASE + PG(i)), i);
	CHECK_LT(vm_event(pgmajfault) - major, 10);
	CHECK_EQ(vm_event(pgreadahead), 512);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(512)), 0);
	put_vm_file(&f->file);
}

/* Pages of a cold mapped file in this stride: major faults, and pages read that nobody used. */
static void map_in_strides(u32 pages, u32 stride, unsigned long *major, unsigned long *unused)
{
	struct block_file *f = cold_file(pages);
	unsigned long before = vm_event(pgmajfault), used = 0;

	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, &f->file, BASE, PG(pages), PROT_READ,
			 MAP_SHARED | MAP_FIXED, 0),
		 BASE);
	for (u32 i = 0; i < pages; i += stride, used++)
		CHECK_EQ(hosted_read32(BASE + PG(i)), i);
	*major = vm_event(pgmajfault) - before;
	*unused = f->mapping.nrpages - used;
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(pages)), 0);
	put_vm_file(&f->file);
}

/*
 * Every second page is not told from every page, as pages that are there are mapped without a
 * fault.
 */
PAGODA_TEST(faults_in_order_or_in_strides_are_foreseen, "FX-11")
{
	static const u32 strides[] = {1, 3, 5, 7, 16, 100};
	unsigned long major, unused;

	for (unsigned int i = 0; i < ARRAY_SIZE(strides); i++) {
		unsigned long used = 2000 / strides[i];

		map_in_strides(2000, strides[i], &major, &unused);
		CHECK_LE(major, used / 2);
		CHECK_LE(unused, used / 5);
	}
}

PAGODA_TEST(advice_reads_and_drops, "")
{
	struct block_file *f = cold_file(64);
	u8 byte = 1;

	CHECK_EQ(generic_fadvise(&f->file, PG(8), PG(8), FADV_WILLNEED), 0);
	CHECK_EQ(f->mapping.nrpages, 8);
	CHECK_EQ(generic_fadvise(&f->file, PG(8) + 1, PG(3), FADV_DONTNEED),
		 0); /* two whole pages */
	CHECK_EQ(f->mapping.nrpages, 6);
	CHECK_EQ(generic_fadvise(&f->file, 0, 0, FADV_RANDOM), 0);
	read_number(f, 0);
	CHECK_EQ(f->mapping.nrpages, 7);
	CHECK_EQ(block_file_write(&f->file, &byte, 1, 77), 1);
	CHECK_EQ(generic_fadvise(&f->file, 0, 0, FADV_DONTNEED), 0); /* written first */
	CHECK_EQ(f->mapping.nrpages, 0);
	CHECK_EQ(f->disk.bytes[PAGE_SIZE + 77], 1);
	CHECK_EQ(generic_fadvise(&f->file, 0, 0, 6), -EINVAL);
	put_vm_file(&f->file);
}

/* ---- The flusher ----------------------------------------------------------------------------- */

static void sleep_ms(unsigned int ms)
{
	u64 until = port_clock_ns() + ms * 1000000ull;

	while (port_clock_ns() < until)
		port_park(until);
}

PAGODA_TEST_CONFIG(old_pages_are_written_without_being_asked_for, "", .nr_cpus = 2,
		   .start_threads = true)
{
	struct block_file *f;
	u8 byte = 'w';

	dirty_writeback_centisecs = 1;
	dirty_expire_centisecs = 5;
	f = block_file_create(PAGE_SIZE, 0);
	CHECK_EQ(block_file_write(&f->file, &byte, 1, 0), 1);
	CHECK_EQ(atomic_long_read(&nr_dirty_pages), 1);
	balance_dirty_pages_ratelimited(&f->mapping);
	writeback_wake();
	for (int i = 0; i < 500 && atomic_long_read(&nr_dirty_pages); i++)
		sleep_ms(10);
	CHECK_EQ(atomic_long_read(&nr_dirty_pages), 0);
	put_vm_file(&f->file);
	CHECK_EQ(block_file_disk_byte(f, 0), 'w');
}

PAGODA_TEST_CONFIG(writers_do_not_fill_the_memory_with_dirty_pages, "", .nr_cpus = 1,
		   .ram = 16 * SZ_1M)
{
	struct block_file *f = block_file_create(PAGE_SIZE, 0);
	unsigned long most = 0;
	u8 buf[PAGE_SIZE];

	fill_pattern(buf, sizeof(buf), 1);
	for (u32 i = 0; i < 2000; i++) {
		CHECK_EQ(block_file_write(&f->file, buf, PAGE_SIZE, PG(i)), (long)PAGE_SIZE);
		most = max(most, (unsigned long)atomic_long_read(&nr_dirty_pages));
	}
	CHECK_LT(most, 4096 * 22 / 100);
	CHECK_GT(most, 4096 * 10 / 100);
	put_vm_file(&f->file);
}
