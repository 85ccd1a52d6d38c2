// SPDX-License-Identifier: MIT
/*
 * file_checks.c: a file on a disk: read, written, mapped, written back and truncated, through the
 * page cache.
 *
 *	disk	[ 16 blocks for nobody | block 0 of the file | block 1 | ... ]
 *
 * Each page of the file begins as a page of its number. What is written reaches the disk in three
 * ways: written back on demand, by msync() of a mapping, and by the core's own thread when enough
 * time has passed. Until then the disk has the old bytes. When all is closed the frames that were
 * used are free again.
 */
#include "file_checks.h"

#include <pagoda/abi/signal.h>
#include <pagoda/buffer_head.h>
#include <pagoda/errno.h>
#include <pagoda/lru.h>
#include <pagoda/mm.h>
#include <pagoda/page_alloc.h>
#include <pagoda/pagemap.h>
#include <pagoda/slab.h>

#include "check.h"
#include "ram_disk.h"
#include "space_checks.h"

#define FILE_PAGES   64ul
#define FIRST_BLOCK  16ul
#define BLOCK_SIZE   1024u
#define MAPPED_PAGES 8ul
/* Longer than any page stays dirty. */
#define LONG_NS (120ull * 1000 * 1000 * 1000)

static struct ram_disk *disk;
static struct address_space mapping;
static struct vm_file file;
static u64 file_bytes = FILE_PAGES * PAGE_SIZE;

/* ---- The file system ------------------------------------------------------------------- */

static unsigned char *on_disk(u64 pos)
{
	return disk->bytes + FIRST_BLOCK * BLOCK_SIZE + pos;
}

static int get_block(struct address_space *of, u64 block, struct buffer_head *bh, bool create)
{
	CHECK(of == &mapping && bh->size == BLOCK_SIZE);
	if (block * BLOCK_SIZE >= FILE_PAGES * PAGE_SIZE)
		return create ? -ENOSPC : 0;
	bh->bdev = &disk->bdev;
	bh->block = FIRST_BLOCK + block;
	set_buffer_mapped(bh);
	return 0;
}

static int readpage(struct vm_file *of, struct page *page)
{
	(void)of;
	return block_read_full_page(page, BLOCK_SIZE, get_block);
}

static int writepage(struct page *page)
{
	return block_write_full_page(page, BLOCK_SIZE, get_block);
}

static int prepare_write(struct vm_file *of, struct page *page, unsigned from, unsigned to)
{
	(void)of;
	return block_prepare_write(page, from, to, BLOCK_SIZE, get_block);
}

static int commit_write(struct vm_file *of, struct page *page, unsigned from, unsigned to)
{
	(void)of;
	block_commit_write(page, from, to, BLOCK_SIZE);
	return 0;
}

static u64 size_of_file(struct address_space *of)
{
	(void)of;
	return file_bytes;
}

static const struct address_space_operations a_ops = {
	.readpage = readpage,
	.writepage = writepage,
	.prepare_write = prepare_write,
	.commit_write = commit_write,
};

static void release(struct vm_file *of)
{
	CHECK(of == &file);
	truncate_inode_pages(&mapping, 0);
	CHECK(mapping.nrpages == 0);
}

static int sync_file(struct vm_file *of, u64 start, u64 end, bool datasync)
{
	(void)datasync;
	return filemap_write_and_wait_range(of->f_mapping, start, end);
}

static const struct vm_file_operations file_ops = {
	.mmap = generic_file_mmap, .release = release, .fsync = sync_file};

static void open_file(void)
{
	file_bytes = FILE_PAGES * PAGE_SIZE;
	for (unsigned long i = 0; i < file_bytes; i++)
		*on_disk(i) = (unsigned char)(i / PAGE_SIZE);
	CHECK(blkdev_get(&disk->bdev, NULL) == 0);
	address_space_init(&mapping, &file, &a_ops, size_of_file);
	file = (struct vm_file){.f_mapping = &mapping,
				.f_vmops = &file_ops,
				.f_may_read = true,
				.f_may_write = true};
	atomic_set(&file.f_count, 1);
	file_sample_wb_err(&file);
}

static void close_file(void)
{
	CHECK(file_check_and_advance_wb_err(&file) == 0 && atomic_read(&file.f_count) == 1);
	put_vm_file(&file);
	blkdev_put(&disk->bdev, NULL);
}

/* ---- What is done with it -------------------------------------------------------------- */

static unsigned char bytes[2 * PAGE_SIZE];

static void read_two_pages(u64 first)
{
	u64 pos = first * PAGE_SIZE;

	CHECK(generic_file_read(&file, iov_kernel_buf(bytes), sizeof(bytes), &pos) ==
	      (long)sizeof(bytes));
	CHECK(pos == (first + 2) * PAGE_SIZE);
}

/* What was read once is read again without the disk. */
static void check_reads(void)
{
	unsigned long transfers;

	for (unsigned long i = 0; i < FILE_PAGES; i += 2) {
		read_two_pages(i);
		CHECK(bytes[0] == i && bytes[PAGE_SIZE - 1] == i && bytes[PAGE_SIZE] == i + 1);
	}
	CHECK(mapping.nrpages == FILE_PAGES);
	transfers = disk->transfers;
	CHECK(transfers >= FILE_PAGES);
	read_two_pages(5);
	CHECK(bytes[0] == 5 && disk->transfers == transfers);
}

static void write_byte(u64 pos, char byte)
{
	CHECK(generic_file_write(&file, iov_kernel_buf(&byte), 1, &pos) == 1);
}

static void check_writes(void)
{
	write_byte(9 * PAGE_SIZE + 1, 'w');
	CHECK(*on_disk(9 * PAGE_SIZE + 1) == 9);
	CHECK(filemap_write_and_wait(&mapping) == 0);
	CHECK(*on_disk(9 * PAGE_SIZE + 1) == 'w' && *on_disk(9 * PAGE_SIZE) == 9);
}

static unsigned long map_file(unsigned long flags)
{
	unsigned long addr = do_mmap(current_vm->mm, &file, 0, MAPPED_PAGES * PAGE_SIZE,
				     PROT_READ | PROT_WRITE, flags, 8 * PAGE_SIZE);

	CHECK(addr < TASK_SIZE);
	return addr;
}

static void check_mappings(void)
{
	unsigned long shared = map_file(MAP_SHARED), own = map_file(MAP_PRIVATE);

	CHECK(*null_touch(shared + PAGE_SIZE + 1, false) == 'w');
	*null_touch(own + 3 * PAGE_SIZE, true) = 'p';
	*null_touch(shared + 3 * PAGE_SIZE + 1, true) = 'm';
	CHECK(*null_touch(own + 3 * PAGE_SIZE, false) == 'p');
	CHECK(*null_touch(shared + 3 * PAGE_SIZE, false) == 11);
	CHECK(do_msync(current_vm->mm, shared, MAPPED_PAGES * PAGE_SIZE, MS_SYNC) == 0);
	CHECK(*on_disk(11 * PAGE_SIZE) == 11 && *on_disk(11 * PAGE_SIZE + 1) == 'm');
	CHECK(do_munmap(current_vm->mm, own, MAPPED_PAGES * PAGE_SIZE) == 0);
}

static void check_writeback_by_thread(void)
{
	write_byte(20 * PAGE_SIZE, 'b');
	CHECK(*on_disk(20 * PAGE_SIZE) == 20);
	null_sleep(LONG_NS);
	CHECK(*on_disk(20 * PAGE_SIZE) == 'b');
}

static void truncate_to(u64 size)
{
	file_bytes = size;
	CHECK(block_truncate_page(&mapping, size, BLOCK_SIZE, get_block) == 0);
	truncate_inode_pages(&mapping, size);
}

/*
 * A file that is cut in the middle of its page 10, which is mapped: the rest of the page is zero,
 * the pages behind are gone from the cache and from the mapping.
 */
static void check_truncation(void)
{
	unsigned long addr = map_file(MAP_SHARED);
	u64 pos = 10 * PAGE_SIZE;

	CHECK(*null_touch(addr + 2 * PAGE_SIZE + 101, false) == 10);
	CHECK(*null_touch(addr + 4 * PAGE_SIZE, true) == 12);
	truncate_to(10 * PAGE_SIZE + 100);
	CHECK(mapping.nrpages == 11 && !find_get_page(&mapping, 12));
	CHECK(*null_touch(addr + 2 * PAGE_SIZE + 99, false) == 10);
	CHECK(*null_touch(addr + 2 * PAGE_SIZE + 100, false) == 0);
	CHECK(*null_touch(addr + 3 * PAGE_SIZE - 1, false) == 0);
	CHECK(!null_touch(addr + 4 * PAGE_SIZE, false) && null_signal() == SIGBUS);
	CHECK(generic_file_read(&file, iov_kernel_buf(bytes), sizeof(bytes), &pos) == 100);
	CHECK(filemap_write_and_wait(&mapping) == 0);
	CHECK(*on_disk(10 * PAGE_SIZE + 99) == 10 && *on_disk(10 * PAGE_SIZE + 100) == 0);
}

/* A block of the device itself, as a file system keeps its metadata. */
static void check_metadata(void)
{
	struct buffer_head *bh = bread(&disk->bdev, 3, BLOCK_SIZE);
	unsigned char *data;

	CHECK(bh && buffer_uptodate(bh));
	data = bh_data(bh);
	data[5] = 'd';
	mark_buffer_dirty(bh);
	CHECK(disk->bytes[3 * BLOCK_SIZE + 5] != 'd');
	CHECK(sync_dirty_buffer(bh) == 0 && disk->bytes[3 * BLOCK_SIZE + 5] == 'd');
	disk->bytes[3 * BLOCK_SIZE + 5] = 0;
	brelse(bh);
}

/* Return: frames that are free when the file is closed and its process has ended. */
static unsigned long free_pages_after_file(void)
{
	open_file();
	check_reads();
	check_writes();
	become_user_task();
	check_mappings();
	check_writeback_by_thread();
	check_truncation();
	exit_mm();
	check_metadata();
	close_file();
	lru_add_drain();
	kmem_cache_shrink_all();
	return nr_free_pages();
}

void check_files(void)
{
	unsigned long first;

	disk = ram_disk_create("ram0", (FILE_PAGES + 16) * PAGE_SIZE);
	first = free_pages_after_file(); /* makes what is kept, such as the disk's own cache */
	CHECK(free_pages_after_file() == first);
	blkdev_mapping_end(&disk->bdev);
	validate_lru();
}
