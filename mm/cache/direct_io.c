/* SPDX-License-Identifier: MIT */
/*
 * direct_io.c: O_DIRECT: between a file's blocks and the caller's own pages, past the cache.
 *
 *	generic_direct_read, _write	the cache agrees with the disk before and after
 *	  a_ops->direct_IO		the file system: which get_block, which block size
 *	    blockdev_direct_IO		pin, map, transfer, a chunk at a time
 *
 *	user memory	|----page----|----page----|----page----|	pinned, a chunk at once
 *	file blocks	   |--700--|--701--|--33---|(hole)|		by get_block
 *	bios		   +------ A ------+-- B --+ zeroes		one a run of the disk
 *
 * Everything is of whole sectors: position, length and address; else -EINVAL, but for reading past
 * the end, which is 0 bytes whatever was asked. What does not go directly goes through the
 * cache, and from there to the disk, before the call returns: writes into holes of a file (the
 * cache knows how to show zeroes around them), a part of a block at a file's growing end, buffers
 * that cannot be pinned, and pages of the range that the cache cannot let go.
 *
 * The cache: dirty pages of the range are written first. A write drops the range's pages before,
 * so that none of them is written back over it, and after, as a fault may have read one
 * meanwhile:
 *
 *	direct write			fault on the same range
 *	write back, drop
 *	to the disk			reads the old contents
 *	drop				-
 *	return			->	faults again, reads the new ones
 *
 * A page that is dirty by then holds stores made at the same time through a mapping: it stays,
 * either of the two may win.
 *
 * The caller's pages: reading into memory breaks copy-on-write first, and the page stays the
 * entry's own until it is filled, as it is pinned (gup.c). mmap_lock is not held while the disk
 * works, so fork, mprotect and munmap do not wait for it: they go by the pin. Afterwards the pages
 * are dirty, those of files with all their buffers; a page that was unmapped meanwhile is filled
 * all the same, and freed with the pin.
 *
 * Locking: the file system holds the inode's lock, for write if it writes, so that blocks are not
 * given to another file meanwhile; then mmap_lock while pages are pinned, page locks, the file
 * system's own.
 *
 * Invariants: (I1) no bio of a chunk is under way when its pages are let go; (I2) a new block is
 * written whole, as nobody has zeroed it.
 *
 * Failure: -ENOMEM, nothing done. A bad address or a full disk ends the call with the bytes done
 * before, or if there are none with -EFAULT, -ENOSPC. An error of the disk is the call's, -EIO,
 * whatever else was transferred. A fatal signal ends it between chunks.
 * Observability: events direct_io_read, direct_io_write: chunks.
 */
#include "buffer_internal.h"
#include "filemap_internal.h"
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/highmem.h>
#include <pagoda/mm.h>
#include <pagoda/slab.h>
#include <pagoda/uaccess.h>
#include <pagoda/vmstat.h>
#include <pagoda/task_io.h>

/* Pages pinned at once: a request of 256 KiB, which keeps a disk busy and little memory pinned. */
#define DIO_PAGES 64u

struct dio {
	struct address_space *mapping;
	get_block_t get_block;
	unsigned int block_size;
	bool write;    /* to the file */
	u64 pos, size; /* of the chunk; of the file, when we began */
	/* The chunk: byte 0 is byte first of the first page. */
	struct page *pages[DIO_PAGES];
	unsigned int nr_pages, first;
	/* A run of it that is consecutive on the disk and not yet sent. */
	struct block_device *bdev;
	u64 sector;
	size_t run_at, run_bytes;
	atomic_t pending; /* bios under way, and one for who sends them */
	int error;	  /* (A) */
};

/* ---- Bios ------------------------------------------------------------------------------------ */

static wait_queue_head_t dio_wait = WAIT_QUEUE_HEAD_INIT(dio_wait);

/* Once pending is 0 the waiter may return: after that only its address is used, as a key. */
static void dio_end_io(struct bio *bio)
{
	struct dio *dio = bio->private;

	if (bio->error)
		WRITE_ONCE(dio->error, bio->error);
	bio_put(bio);
	if (atomic_dec_and_test(&dio->pending))
		wake_up_key(&dio_wait, dio);
}

/* Bytes of the chunk from at on that lie in one page, at most up to end. */
static size_t piece(const struct dio *dio, size_t at, size_t end, struct page **page,
		    unsigned int *offset)
{
	size_t from = dio->first + at;

	*page = dio->pages[from >> PAGE_SHIFT];
	*offset = (unsigned int)(from & (PAGE_SIZE - 1));
	return min(end - at, PAGE_SIZE - *offset);
}

/* One bio of the run, from at on; where it ends. */
static size_t send_bio(struct dio *dio, size_t at, size_t end)
{
	u64 sector = dio->sector + ((at - dio->run_at) >> SECTOR_SHIFT);
	struct bio *bio = bio_alloc(dio->bdev, dio->write ? BIO_WRITE : BIO_READ, sector, DIO_PAGES,
				    GFP_NOIO);
	size_t start = at;

	while (at < end) {
		struct page *page;
		unsigned int offset;
		size_t n = piece(dio, at, end, &page, &offset);

		if (!bio_add_page(bio, page, offset, (unsigned int)n))
			break;
		at += n;
	}
	BUG_ON(at == start);
	bio->private = dio;
	bio->end_io = dio_end_io;
	atomic_inc(&dio->pending);
	if (dio->write)
		count_task_write(at - start);
	submit_bio(bio);
	return at;
}

static void send_run(struct dio *dio)
{
	size_t at = dio->run_at, end = at + dio->run_bytes;

	while (at < end)
		at = send_bio(dio, at, end);
	dio->run_bytes = 0;
}

/* Bytes [at, at + n) of the chunk lie at this sector. */
static void add_to_run(struct dio *dio, struct block_device *bdev, u64 sector, size_t at, size_t n)
{
	bool goes_on = dio->run_bytes && bdev == dio->bdev && at == dio->run_at + dio->run_bytes &&
		       sector == dio->sector + (dio->run_bytes >> SECTOR_SHIFT);

	if (!goes_on) {
		send_run(dio);
		dio->bdev = bdev;
		dio->sector = sector;
		dio->run_at = at;
	}
	dio->run_bytes += n;
}

/* All is sent; it comes back. (I1) */
static void wait_for_bios(struct dio *dio)
{
	struct wait_queue_entry entry;

	if (atomic_dec_and_test(&dio->pending))
		return;
	run_disk_queue();
	prepare_to_wait(&dio_wait, &entry, dio);
	while (atomic_read(&dio->pending))
		port_park(UINT64_MAX);
	finish_wait(&dio_wait, &entry);
}

/* ---- Blocks ---------------------------------------------------------------------------------- */

static void zero_chunk(struct dio *dio, size_t at, size_t n)
{
	for (size_t end = at + n; at < end;) {
		struct page *page;
		unsigned int offset;
		size_t bytes = piece(dio, at, end, &page, &offset);

		zero_bytes(page, offset, offset + (unsigned int)bytes);
		at += bytes;
	}
}

/* The block with byte pos: blocks at the file's growing end are made, holes stay. */
static int find_block(struct dio *dio, u64 pos, struct buffer_head *bh)
{
	u64 block = pos / dio->block_size;
	int err = dio->get_block(dio->mapping, block, bh,
				 dio->write && block * dio->block_size >= dio->size);

	if (!err && buffer_new(bh))
		bforget(bh->bdev, bh->block, bh->size);
	return err;
}

/* Send off n bytes of the chunk. How many of them, fewer before a hole to be written, or -errno. */
static long send_blocks(struct dio *dio, size_t n)
{
	size_t at = 0;
	int err = 0;

	while (at < n) {
		struct buffer_head bh = {.size = dio->block_size};
		unsigned int in_block = (unsigned int)((dio->pos + at) & (dio->block_size - 1));
		size_t bytes = min(n - at, (size_t)(dio->block_size - in_block));

		err = find_block(dio, dio->pos + at, &bh);
		if (err || (dio->write && !buffer_mapped(&bh)))
			break;
		if (buffer_mapped(&bh))
			add_to_run(dio, bh.bdev,
				   bh.block * (dio->block_size >> SECTOR_SHIFT) +
					   (in_block >> SECTOR_SHIFT),
				   at, bytes);
		else
			zero_chunk(dio, at, bytes);
		at += bytes;
	}
	send_run(dio);
	return at || !err ? (long)at : err;
}

static long transfer_chunk(struct dio *dio, size_t n)
{
	long ret;

	atomic_set(&dio->pending, 1);
	blk_start_plug();
	ret = send_blocks(dio, n);
	blk_finish_plug();
	wait_for_bios(dio);
	return dio->error ? dio->error : ret;
}

/* ---- The caller's pages ---------------------------------------------------------------------- */

/* Pin what there is of count bytes at addr, up to a chunk; bytes, 0: none. */
static size_t pin_chunk(struct dio *dio, unsigned long addr, size_t count)
{
	unsigned int wanted;
	size_t bytes;

	dio->first = (unsigned int)(addr & ~PAGE_MASK);
	wanted = (unsigned int)min_t(size_t, DIO_PAGES,
				     (dio->first + count + PAGE_SIZE - 1) >> PAGE_SHIFT);
	dio->nr_pages =
		pin_user_pages(current_vm->mm, addr & PAGE_MASK, wanted, !dio->write, dio->pages);
	if (!dio->nr_pages)
		return 0;
	bytes = (size_t)dio->nr_pages * PAGE_SIZE - dio->first;
	if (bytes >= count)
		return count;
	return bytes - ((dio->pos + bytes) & (dio->block_size - 1)); /* (I2) it goes on behind */
}

static void unpin_chunk(struct dio *dio)
{
	for (unsigned int i = 0; i < dio->nr_pages; i++)
		unpin_user_page(dio->pages[i], !dio->write);
}

/* As much of count bytes at addr as one chunk takes: bytes, 0: go by the cache, or -errno. */
static long direct_chunk(struct dio *dio, unsigned long addr, size_t count)
{
	long ret = (long)pin_chunk(dio, addr, count);

	if (ret > 0)
		ret = transfer_chunk(dio, (size_t)ret);
	unpin_chunk(dio);
	count_vm_events(dio->write ? VM_EVENT_direct_io_write : VM_EVENT_direct_io_read, 1);
	return ret;
}

/* ---- One call -------------------------------------------------------------------------------- */

static long direct_chunks(struct dio *dio, unsigned long addr, size_t count)
{
	size_t done = 0;

	while (done < count) {
		long ret = direct_chunk(dio, addr + done, count - done);

		if (ret == -EIO || (ret < 0 && !done))
			return ret;
		if (ret <= 0)
			break;
		done += (size_t)ret;
		dio->pos += (u64)ret;
		if (port_fatal_signal_pending())
			break;
		port_cond_resched();
	}
	return (long)done;
}

static bool is_aligned(struct iov_user buf, size_t count, u64 pos)
{
	return !((buf.addr | count | pos) & (SECTOR_SIZE - 1));
}

/* Would a block be new in part? Then the cache has the rest of it zeroed. */
static bool grows_in_mid_block(const struct dio *dio, size_t count)
{
	return dio->write && dio->pos + count > dio->size &&
	       ((dio->pos | count) & (dio->block_size - 1));
}

long blockdev_direct_IO(struct vm_file *file, bool write, struct iov_user buf, size_t count,
			u64 pos, unsigned int block_size, get_block_t get_block)
{
	struct address_space *mapping = file->f_mapping;
	u64 size = mapping->size(mapping);
	struct dio *dio;
	long ret;

	if (!write && pos >= size)
		return 0;
	if (!is_aligned(buf, count, pos))
		return -EINVAL;
	if (buf.kernel)
		return 0;
	if (!write)
		count = (size_t)min_t(u64, count, ALIGN(size - pos, (u64)SECTOR_SIZE));
	dio = kmalloc(sizeof(*dio), GFP_KERNEL | __GFP_ZERO);
	if (!dio)
		return -ENOMEM;
	dio->mapping = mapping;
	dio->get_block = get_block;
	dio->block_size = block_size;
	dio->write = write;
	dio->pos = pos;
	dio->size = size;
	ret = grows_in_mid_block(dio, count) ? 0 : direct_chunks(dio, buf.addr, count);
	kfree(dio);
	return write || ret < 0 ? ret : (long)min_t(u64, (u64)ret, size - pos);
}

/* ---- The cache's part ------------------------------------------------------------------------ */

/* What the cache has of bytes [pos, pos + n) is on the disk. */
static int flush_range(struct vm_file *file, u64 pos, size_t n)
{
	int err = filemap_write_and_wait_range(file->f_mapping, pos, pos + n - 1);

	return err ? err : file_check_and_advance_wb_err(file);
}

/* It forgets them; -EBUSY: not all. */
static int drop_range(struct vm_file *file, u64 pos, size_t n)
{
	return invalidate_inode_pages2_range(file->f_mapping, (pgoff_t)(pos >> PAGE_SHIFT),
					     (pgoff_t)((pos + n - 1) >> PAGE_SHIFT));
}

static struct iov_user iov_advance(struct iov_user buf, long n)
{
	buf.addr += (unsigned long)n;
	return buf;
}

/* After done bytes, or an error: is there more to do, by the cache? */
static bool is_over(long done, size_t count)
{
	return done < 0 || (size_t)done == count || port_fatal_signal_pending();
}

/* n bytes at *pos by the cache and from there to the disk; bytes or -errno. */
static long write_and_flush(struct vm_file *file, struct iov_user buf, size_t n, u64 *pos)
{
	u64 start = *pos;
	long ret = generic_file_write(file, buf, n, pos);
	int err;

	if (ret <= 0)
		return ret;
	err = flush_range(file, start, (size_t)ret);
	if (err) {
		*pos = start; /* who knows how much of it */
		return err;
	}
	(void)drop_range(file, start, (size_t)ret); /* the same is on the disk */
	return ret;
}

/* Once: any user who can write a file can have this happen as often as they like. */
static void warn_of_stores(void)
{
	static bool warned;

	if (!rmw_xchg_relaxed(&warned, true))
		pr_warn("direct write beside stores through a mapping, or beside a mounted file "
			"system (told once)\n");
}

/* By direct_IO, the cache being of one mind with it: bytes, 0: it cannot be, or -errno. */
static long write_past_cache(struct vm_file *file, struct iov_user buf, size_t count, u64 pos)
{
	long ret;

	if (drop_range(file, pos, count))
		return 0;
	ret = file->f_mapping->a_ops->direct_IO(file, true, buf, count, pos);
	if (ret && drop_range(file, pos, count)) /* an error may come after something was written */
		warn_of_stores();
	return ret;
}

/* Past the cache as far as that goes; the rest by it. */
static long transfer(struct vm_file *file, bool write, struct iov_user buf, size_t count, u64 *pos)
{
	long done, rest;
	int err;

	if (!count)
		return 0;
	err = flush_range(file, *pos, count);
	if (err)
		return err;
	done = write ? write_past_cache(file, buf, count, *pos)
		     : file->f_mapping->a_ops->direct_IO(file, false, buf, count, *pos);
	if (done > 0)
		*pos += (u64)done;
	if (is_over(done, count))
		return done;
	buf = iov_advance(buf, done);
	count -= (size_t)done;
	rest = write ? write_and_flush(file, buf, count, pos)
		     : generic_file_read(file, buf, count, pos);
	return done ? done + max(rest, 0l) : rest;
}

long generic_direct_read(struct vm_file *file, struct iov_user buf, size_t count, u64 *pos)
{
	return transfer(file, false, buf, count, pos);
}

long generic_direct_write(struct vm_file *file, struct iov_user buf, size_t count, u64 *pos)
{
	return transfer(file, true, buf, count, pos);
}
