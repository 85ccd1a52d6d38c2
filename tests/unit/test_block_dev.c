/* SPDX-License-Identifier: MIT */
/*
 * test_block_dev.c: the page cache of a device: its file, its metadata buffers and mappings of it
 * are the same pages; who uses it; what its errors come to.
 */
#include "address_space.h"
#include "block_file.h"

#include <pagoda/blkdev.h>

#define BLOCK 1024u

static struct memory_disk *the_disk;
static struct vm_file the_bdev_file;

static void no_release(struct vm_file *file)
{
	(void)file;
}
static const struct vm_file_operations bdev_file_ops = {.mmap = generic_file_mmap, .release = no_release};

static void make_disk(void)
{
	static u8 bytes[DISK_SECTORS << SECTOR_SHIFT];
	static struct memory_disk disk;

	memset(bytes, 0xee, sizeof(bytes));
	memory_disk_create(&disk, bytes, DISK_SECTORS);
	the_disk = &disk;
}

/* The disk, opened as a file. */
static struct vm_file *open_disk(void)
{
	struct vm_file *file = &the_bdev_file;

	if (!the_disk)
		test_lasting(make_disk);
	CHECK_EQ(blkdev_get(&the_disk->bdev, NULL), 0);
	memset(file, 0, sizeof(*file));
	atomic_set(&file->f_count, 1);
	file->f_mapping = blkdev_mapping(&the_disk->bdev);
	file->f_vmops = &bdev_file_ops;
	file->f_may_read = file->f_may_write = true;
	file_sample_wb_err(file);
	return file;
}

static void close_disk(void)
{
	blkdev_put(&the_disk->bdev, NULL);
	blkdev_mapping_end(&the_disk->bdev);
}

static void write_byte(struct vm_file *file, u8 byte, u64 pos)
{
	CHECK_EQ(block_file_write(file, &byte, 1, pos), 1);
}

static u8 read_byte(struct vm_file *file, u64 pos)
{
	u8 byte;

	CHECK_EQ(block_file_read(file, &byte, 1, pos), 1);
	return byte;
}

static struct buffer_head *must_bread(u64 block, unsigned int size)
{
	struct buffer_head *bh = bread(&the_disk->bdev, block, size);

	CHECK(bh);
	return bh;
}

PAGODA_TEST(file_buffers_and_mappings_of_a_disk_see_the_same_bytes, "")
{
	struct vm_file *file = open_disk();
	struct buffer_head *bh, *next;
	u8 byte = 'd';

	set_blocksize(&the_disk->bdev, BLOCK);
	write_byte(file, 'a', 5 * BLOCK);
	bh = must_bread(5, BLOCK);
	CHECK_EQ(*(u8 *)bh_data(bh), 'a');
	CHECK_EQ(the_disk->bytes[5 * BLOCK], 0xee);
	*(u8 *)bh_data(bh) = 'b';
	mark_buffer_dirty(bh);
	CHECK_EQ(read_byte(file, 5 * BLOCK), 'b');

	new_process();
	CHECK_EQ(do_mmap(file, BASE, PG(2), RW, MAP_SHARED | MAP_FIXED, 0), BASE);
	CHECK_EQ(hosted_read8(BASE + 5 * BLOCK), 'b');
	hosted_write8(BASE + 5 * BLOCK, 'c');
	CHECK_EQ(*(u8 *)bh_data(bh), 'c');
	/* Another block of the page is written alone; stores made since are not forgotten. */
	next = must_bread(6, BLOCK);
	CHECK(hosted_user_write(BASE + 5 * BLOCK + 1, &byte, 1));
	mark_buffer_dirty(next);
	CHECK_EQ(sync_dirty_buffer(bh), 0);
	CHECK_EQ(the_disk->bytes[5 * BLOCK], 'c');
	hosted_write8(BASE + 5 * BLOCK, 'e');
	CHECK_EQ(generic_file_fsync(file, 0, ~0ull), 0);
	CHECK_EQ(the_disk->bytes[5 * BLOCK], 'e');
	CHECK_EQ(the_disk->bytes[5 * BLOCK + 1], 'd');
	brelse(bh);
	brelse(next);
	CHECK_EQ(do_munmap(BASE, PG(2)), 0);
	close_disk();
}

PAGODA_TEST(the_last_user_writes_and_drops, "")
{
	struct vm_file *file = open_disk();
	struct block_device *bdev = &the_disk->bdev;
	int mount, swap;

	CHECK_EQ(blkdev_get(bdev, &mount), 0);
	CHECK_EQ(blkdev_get(bdev, &swap), -EBUSY);
	CHECK_EQ(blkdev_get(bdev, NULL), 0); /* without a claim it may be opened */
	blkdev_put(bdev, NULL);
	write_byte(file, 'x', 7 * PAGE_SIZE);
	blkdev_put(bdev, &mount);
	CHECK_EQ(the_disk->bytes[7 * PAGE_SIZE], 0xee);
	CHECK_EQ(nr_blkdev_pages(), 1);
	blkdev_put(bdev, NULL);
	CHECK_EQ(the_disk->bytes[7 * PAGE_SIZE], 'x');
	CHECK_EQ(nr_blkdev_pages(), 0);
	the_disk->bytes[7 * PAGE_SIZE] = 'y'; /* as swap does, by the cache */
	CHECK_EQ(blkdev_get(bdev, &swap), 0);
	CHECK_EQ(read_byte(file, 7 * PAGE_SIZE), 'y');
	blkdev_put(bdev, &swap);
	CHECK_EQ(blkdev_get(bdev, NULL), 0);
	close_disk();
}

/* Buffers of another size than a page has: it is written first. The last odd sectors count, too. */
PAGODA_TEST(block_sizes_change_and_lose_nothing, "")
{
	struct vm_file *file = open_disk();
	struct block_device *bdev = &the_disk->bdev;
	struct buffer_head *bh;
	u64 end;

	CHECK_EQ(blkdev_block_size(bdev), PAGE_SIZE);
	write_byte(file, 'x', 3 * PAGE_SIZE + 3 * BLOCK);
	bh = must_bread(15, BLOCK);
	CHECK_EQ(*(u8 *)bh_data(bh), 'x');
	CHECK_EQ(the_disk->bytes[15 * BLOCK], 'x');
	*(u8 *)bh_data(bh) = 'y';
	mark_buffer_dirty(bh);
	brelse(bh);
	set_blocksize(bdev, PAGE_SIZE);
	CHECK_EQ(the_disk->bytes[15 * BLOCK], 'y');
	close_disk();

	bdev->nr_sectors = 21;
	end = 21 * SECTOR_SIZE;
	file = open_disk();
	CHECK_EQ(blkdev_block_size(bdev), SECTOR_SIZE);
	set_blocksize(bdev, BLOCK);
	CHECK_EQ(read_byte(file, end - 1), 0xee);
	write_byte(file, 'z', end - 1);
	bh = must_bread(9, BLOCK); /* in the same page */
	brelse(bh);
	CHECK_EQ(getblk(bdev, 10, BLOCK), NULL); /* half of it is not there */
	CHECK_EQ(generic_file_fsync(file, 0, ~0ull), 0);
	CHECK_EQ(the_disk->bytes[end - 1], 'z');
	CHECK_EQ(the_disk->bytes[end], 0xee);
	bdev->nr_sectors = DISK_SECTORS;
	close_disk();
}

/* PM-33 for the page cache on a disk, with and without buffers. */
static void fail_and_retry(struct vm_file *file, pgoff_t index)
{
	u64 pos = PG(index);
	struct page *page;
	u8 byte;

	the_disk->fail_reads = true;
	CHECK(!hosted_user_read(BASE + pos, &byte, 1));
	CHECK_EQ(hosted_signal().signo, SIGBUS);
	CHECK_EQ(block_file_read(file, &byte, 1, pos), -EIO);
	page = find_get_page(file->f_mapping, index);
	CHECK(page && PageError(page) && !PageUptodate(page) && !page_mapcount(page));
	the_disk->fail_reads = false;
	CHECK_EQ(hosted_read8(BASE + pos), 0xee);
	CHECK(PageUptodate(page) && !PageError(page) && !PageLocked(page));
	put_page(page);
}

PAGODA_TEST(a_read_error_is_sigbus_and_what_is_read_later_is_right, "PM-33")
{
	struct vm_file *file = open_disk();
	struct buffer_head *bh;

	new_process();
	CHECK_EQ(do_mmap(file, BASE, PG(64), RW, MAP_SHARED | MAP_FIXED, 0), BASE);
	fail_and_retry(file, 3);
	set_blocksize(&the_disk->bdev, BLOCK);
	bh = must_bread(40 * 4 + 1, BLOCK);
	fail_and_retry(file, 40);
	brelse(bh);
	/* Only a part of the page is bad: all of it is refused, its neighbours are not. */
	the_disk->bad_from = 50 * 8 + 3;
	the_disk->bad_to = the_disk->bad_from + 1;
	fail_and_retry(file, 50);
	the_disk->fail_reads = true;
	CHECK_EQ(hosted_read8(BASE + PG(49)), 0xee);
	CHECK_EQ(hosted_read8(BASE + PG(51)), 0xee);
	the_disk->fail_reads = false;
	the_disk->bad_from = 0;
	the_disk->bad_to = ~0ull;
	CHECK_EQ(do_munmap(BASE, PG(64)), 0);
	close_disk();
}
