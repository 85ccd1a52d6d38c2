/* SPDX-License-Identifier: MIT */
/*
 * test_block_dev.c: the page cache of a device: its file, its metadata buffers and mappings of it
 * are the same pages; who uses it; what its errors come to.
 */
#include "address_space.h"
#include "block_file.h"

#include <machine/hosted_disk.h>
#include <pagoda/blkdev.h>

#define BLOCK 1024u

static struct memory_disk *the_disk;
static struct vm_file the_bdev_file;

static void no_release(struct vm_file *file)
{
	(void)file;
}
static const struct vm_file_operations bdev_file_ops = {.mmap = generic_file_mmap,
							.release = no_release};

static void make_disk(void)
{
	static u8 bytes[DISK_SECTORS << SECTOR_SHIFT];
	static struct memory_disk disk;

	memset(bytes, 0xee, sizeof(bytes));
	memory_disk_create(&disk, bytes, DISK_SECTORS);
	the_disk = &disk;
}

static void init_disk_file(struct vm_file *file, struct block_device *bdev)
{
	memset(file, 0, sizeof(*file));
	atomic_set(&file->f_count, 1);
	file->f_mapping = blkdev_mapping(bdev);
	file->f_vmops = &bdev_file_ops;
	file->f_may_read = file->f_may_write = true;
	file_sample_wb_err(file);
}

/* The disk, opened as a file. */
static struct vm_file *open_disk(void)
{
	if (!the_disk)
		test_lasting(make_disk);
	CHECK_EQ(blkdev_get(&the_disk->bdev, NULL), 0);
	init_disk_file(&the_bdev_file, &the_disk->bdev);
	return &the_bdev_file;
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
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE, PG(2), RW, MAP_SHARED | MAP_FIXED, 0), BASE);
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
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(2)), 0);
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
	u8 byte;

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
	set_blocksize(bdev, BLOCK); /* nothing is cached */
	bh = must_bread(9, BLOCK);
	/* not with that size of buffers in use */
	CHECK_EQ(block_file_read(file, &byte, 1, end - 1), -EIO);
	brelse(bh);
	CHECK_EQ(read_byte(file, end - 1), 'z');
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
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE, PG(64), RW, MAP_SHARED | MAP_FIXED, 0), BASE);
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
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(64)), 0);
	close_disk();
}

/* The same on the machine's disk, whose answers come later and from another CPU. */
PAGODA_TEST_CONFIG(errors_of_the_machines_disk_are_its_readers_alone, "PM-33", .nr_cpus = 2)
{
	struct hosted_disk_config config = {
		.name = "hda", .bytes = 64 * PAGE_SIZE, .delay_ns = 1000};
	struct block_device *bdev = hosted_disk_create(&config);
	struct vm_file *file = &the_bdev_file;
	struct page *page;
	u8 byte;

	memset(hosted_disk_bytes(bdev), 'h', 64 * PAGE_SIZE);
	CHECK_EQ(blkdev_get(bdev, NULL), 0);
	init_disk_file(file, bdev);
	new_process();
	CHECK_EQ(do_mmap(current_vm->mm, file, BASE, PG(64), RW, MAP_SHARED | MAP_FIXED, 0), BASE);
	hosted_disk_fail_sectors(bdev, BIO_READ, 9 * 8 + 2, 9 * 8 + 3);
	CHECK_EQ(hosted_read8(BASE + PG(8)), 'h');
	for (int again = 0; again < 3; again++) {
		CHECK(!hosted_user_read(BASE + PG(9), &byte, 1));
		CHECK_EQ(hosted_signal().signo, SIGBUS);
		page = find_lock_page(file->f_mapping, 9);
		CHECK(page && PageError(page) && !PageUptodate(page));
		unlock_page(page);
		put_page(page);
	}
	CHECK_EQ(hosted_read8(BASE + PG(10)), 'h');
	hosted_disk_fail_sectors(bdev, BIO_READ, 0, 0);
	CHECK_EQ(hosted_read8(BASE + PG(9)), 'h');
	/* Writing: told once, kept in memory, there when it is written again. */
	hosted_disk_fail_sectors(bdev, BIO_WRITE, 9 * 8, 10 * 8);
	hosted_write8(BASE + PG(9), 'w');
	hosted_write8(BASE + PG(10), 'w');
	CHECK_EQ(generic_file_fsync(file, 0, ~0ull), -EIO);
	CHECK_EQ(generic_file_fsync(file, 0, ~0ull), 0);
	CHECK_EQ(hosted_read8(BASE + PG(9)), 'w');
	CHECK_EQ(((u8 *)hosted_disk_bytes(bdev))[10 * PAGE_SIZE], 'w');
	hosted_disk_fail_sectors(bdev, BIO_WRITE, 0, 0);
	hosted_write8(BASE + PG(9) + 1, 'w');
	CHECK_EQ(generic_file_fsync(file, 0, ~0ull), 0);
	CHECK_EQ(((u8 *)hosted_disk_bytes(bdev))[9 * PAGE_SIZE], 'w');
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(64)), 0);
	blkdev_put(bdev, NULL);
	blkdev_mapping_end(bdev);
}

static bool use_disk(void *unused)
{
	struct block_device *bdev = &the_disk->bdev;
	struct vm_file file;
	struct buffer_head *bh;
	u8 bytes[3000];
	bool ok = false;

	(void)unused;
	CHECK_EQ(blkdev_get(bdev, &file), 0);
	memset(bytes, 'q', sizeof(bytes));
	if (blkdev_mapping(bdev)) {
		init_disk_file(&file, bdev);
		ok = block_file_write(&file, bytes, sizeof(bytes), 700) == (long)sizeof(bytes) &&
		     generic_file_fsync(&file, 0, ~0ull) == 0;
		bh = ok ? bread(bdev, 1, BLOCK) : NULL;
		ok = bh && *(u8 *)bh_data(bh) == 'q';
		brelse(bh);
	}
	blkdev_put(bdev, &file);
	blkdev_mapping_end(bdev);
	return ok;
}

PAGODA_TEST(a_disk_is_used_whatever_allocation_fails, "")
{
	(void)open_disk();
	close_disk();
	test_fail_every_allocation(use_disk, NULL);
}

/* ---- All at once -------------------------------------------------------------------------- */

#define SHARED_BLOCKS 32u
#define USERS	      4

/* Each has a byte of its own in each block. */
static u8 users_bytes[USERS][SHARED_BLOCKS];

static void use_as_file(unsigned int user, unsigned int block)
{
	u64 pos = block * BLOCK + user * 8;

	CHECK_EQ(read_byte(&the_bdev_file, pos), users_bytes[user][block]);
	users_bytes[user][block]++;
	write_byte(&the_bdev_file, users_bytes[user][block], pos);
}

static void use_as_metadata(unsigned int user, unsigned int block, bool sync)
{
	struct buffer_head *bh = must_bread(block, BLOCK);
	u8 *byte = (u8 *)bh_data(bh) + user * 8;

	CHECK_EQ(*byte, users_bytes[user][block]);
	*byte = ++users_bytes[user][block];
	mark_buffer_dirty(bh);
	if (sync)
		CHECK_EQ(sync_dirty_buffer(bh), 0);
	brelse(bh);
}

static void disk_user(void *arg)
{
	unsigned int user = (unsigned int)(unsigned long)arg, rounds = test_scale(600);
	u64 dice = test_seed() + user;

	for (unsigned int i = 0; i < rounds; i++) {
		unsigned int block;

		dice = dice * 6364136223846793005ull + 1442695040888963407ull;
		block = (unsigned int)(dice >> 40) % SHARED_BLOCKS;
		if (user % 2)
			use_as_metadata(user, block, dice >> 33 & 1);
		else
			use_as_file(user, block);
		if (dice >> 60 == 0)
			CHECK_EQ(generic_file_fsync(&the_bdev_file, 0, ~0ull), 0);
		if (dice >> 60 == 1)
			(void)invalidate_mapping_pages(the_bdev_file.f_mapping, 0, ~0ul);
	}
}

#define MANY_PAGES 2000u

/*
 * The flusher keeps few pages dirty, but the disk is slow: what waits for it counts as well. The
 * writer looks at the limit after DIRTIED_BETWEEN_CHECKS pages.
 */
PAGODA_TEST_CONFIG(a_writer_waits_for_pages_that_the_flusher_has_sent_off, "", .nr_cpus = 2,
		   .start_threads = true, .deterministic = true)
{
	struct hosted_disk_config slow = {
		.name = "slow", .bytes = 16 * SZ_1M, .delay_ns = 20000000};
	struct block_device *bdev = hosted_disk_create(&slow);
	static u8 page[PAGE_SIZE];
	struct vm_file file;

	CHECK_EQ(blkdev_get(bdev, NULL), 0);
	init_disk_file(&file, bdev);
	dirty_background_ratio = 1;
	dirty_ratio = 4;
	for (unsigned int i = 0; i < MANY_PAGES; i++) {
		unsigned long limit = (nr_free_pages() + lru_pages(LRU_ACTIVE_FILE) +
				       lru_pages(LRU_INACTIVE_FILE)) /
				      25;

		CHECK_EQ(block_file_write(&file, page, PAGE_SIZE, PG(i)), PAGE_SIZE);
		CHECK_LE((unsigned long)(atomic_long_read(&nr_dirty_pages) +
					 atomic_long_read(&nr_writeback_pages)),
			 limit + 2 * DIRTIED_BETWEEN_CHECKS);
	}
	CHECK_EQ(generic_file_fsync(&file, 0, ~0ull), 0);
	blkdev_put(bdev, NULL);
	blkdev_mapping_end(bdev);
}

static void dirty_and_release(void *arg)
{
	struct buffer_head *bh = arg;

	mark_buffer_dirty(bh);
	brelse(bh);
}

static void clean(unsigned int block)
{
	struct buffer_head *bh = must_bread(block, BLOCK);

	CHECK_EQ(sync_dirty_buffer(bh), 0);
	brelse(bh);
}

/* The buffer is in use until it is dirty: at no time can it be freed. */
PAGODA_TEST_CONFIG(a_buffer_made_dirty_meanwhile_is_kept, "", .nr_cpus = 2, .deterministic = true)
{
	open_disk();
	set_blocksize(&the_disk->bdev, BLOCK);
	for (unsigned int round = 0; round < 50; round++) {
		struct buffer_head *bh = must_bread(5, BLOCK);
		struct page *page = bh->page;
		struct hosted_task *user;

		get_page(page);
		hosted_reseed(test_seed() + round);
		user = hosted_spawn("user", HOSTED_ANY_CPU, dirty_and_release, bh);
		for (unsigned int i = 0; i < 20; i++) {
			lock_page(page);
			CHECK(!try_to_free_buffers(page));
			unlock_page(page);
		}
		hosted_wait(user);
		put_page(page);
		clean(5);
	}
	close_disk();
}

PAGODA_TEST_CONFIG(files_and_metadata_of_a_disk_on_four_cpus, "", .nr_cpus = 4)
{
	struct hosted_task *users[USERS];
	struct vm_file *file = open_disk();

	memset(users_bytes, 0xee, sizeof(users_bytes));
	memset(the_disk->bytes, 0xee, SHARED_BLOCKS * BLOCK);
	set_blocksize(&the_disk->bdev, BLOCK);
	for (unsigned long i = 0; i < USERS; i++)
		users[i] = hosted_spawn("user", HOSTED_ANY_CPU, disk_user, (void *)i);
	for (unsigned long i = 0; i < USERS; i++)
		hosted_wait(users[i]);
	CHECK_EQ(generic_file_fsync(file, 0, ~0ull), 0);
	for (unsigned int user = 0; user < USERS; user++)
		for (unsigned int block = 0; block < SHARED_BLOCKS; block++)
			CHECK_EQ(the_disk->bytes[block * BLOCK + user * 8],
				 users_bytes[user][block]);
	close_disk();
}
