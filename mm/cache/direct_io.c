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
 * the end, which is 0 bytes whatever was asked. What cannot be transferred directly goes through
 * the cache, and from there to the disk before the call returns: writes into holes of a file, as
 * the cache already knows how to zero the rest of a new block; a part of a block where a file
 * grows; buffers that cannot be pinned; and ranges of which the cache cannot drop every page.
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
 * A page that is dirty after the transfer holds stores that were made through a mapping at the same
 * time. It stays; as with any two writes at the same time, either may win.
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

/*
 * The device has ended one bio. When pending reaches 0, the waiter may return and free dio, so
 * after that only its address is used, as the key of the wake-up. Any context.
 */
static void dio_end_io(struct bio *bio)
{
	struct dio *dio = bio->private;

	VM_BUG_ON(atomic_read(&dio->pending) < 1);
	if (bio->error)
		WRITE_ONCE(dio->error, bio->error);
	bio_put(bio);
	if (atomic_dec_and_test(&dio->pending))
		wake_up_key(&dio_wait, dio);
}

/*
 * The part of [at, end) of the chunk that lies in one page: returns its bytes, its page and the
 * offset there.
 */
static size_t piece(const struct dio *dio, size_t at, size_t end, struct page **page,
		    unsigned int *offset)
{
	size_t from = dio->first + at;

	VM_BUG_ON(at >= end || from >> PAGE_SHIFT >= dio->nr_pages);
	*page = dio->pages[from >> PAGE_SHIFT];
	*offset = (unsigned int)(from & (PAGE_SIZE - 1));
	return min(end - at, PAGE_SIZE - *offset);
}

/*
 * Send one bio for the run, from at on, with as many pieces as the bio has room for. Returns where
 * the next one begins.
 */
static size_t send_bio(struct dio *dio, size_t at, size_t end)
{
	u64 sector = dio->sector + ((at - dio->run_at) >> SECTOR_SHIFT);
	struct bio *bio = bio_alloc(dio->bdev, dio->write ? BIO_WRITE : BIO_READ, sector, DIO_PAGES,
				    GFP_NOIO);
	size_t start = at;

	VM_BUG_ON(!dio->bdev || at >= end);
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

/* Send what was collected as one run of the disk; a large run needs several bios. */
static void send_run(struct dio *dio)
{
	size_t at = dio->run_at, end = at + dio->run_bytes;

	while (at < end)
		at = send_bio(dio, at, end);
	dio->run_bytes = 0;
}

/*
 * Bytes [at, at + n) of the chunk lie at this sector. If they do not continue the run, both in the
 * chunk and on the disk, the run is sent and they begin a new one.
 */
static void add_to_run(struct dio *dio, struct block_device *bdev, u64 sector, size_t at, size_t n)
{
	bool goes_on = dio->run_bytes && bdev == dio->bdev && at == dio->run_at + dio->run_bytes &&
		       sector == dio->sector + (dio->run_bytes >> SECTOR_SHIFT);

	VM_BUG_ON(!n || n & (SECTOR_SIZE - 1));
	if (!goes_on) {
		send_run(dio);
		dio->bdev = bdev;
		dio->sector = sector;
		dio->run_at = at;
	}
	dio->run_bytes += n;
}

/*
 * All bios of the chunk are sent: wait until each has ended (I1). pending was 1 before the first
 * bio; this drops that one. Bios in plugged queues must be started first, as nobody else would do
 * so.
 */
static void wait_for_bios(struct dio *dio)
{
	struct wait_queue_entry entry;

	VM_BUG_ON(dio->run_bytes || atomic_read(&dio->pending) < 1);
	if (atomic_dec_and_test(&dio->pending))
		return;
	run_disk_queue();
	prepare_to_wait(&dio_wait, &entry, dio);
	while (atomic_read(&dio->pending))
		port_park(UINT64_MAX);
	finish_wait(&dio_wait, &entry);
}

/* ---- Blocks ---------------------------------------------------------------------------------- */

/* Reading a hole: zero bytes [at, at + n) of the caller's pages. */
static void zero_chunk(struct dio *dio, size_t at, size_t n)
{
	VM_BUG_ON(dio->write);
	for (size_t end = at + n; at < end;) {
		struct page *page;
		unsigned int offset;
		size_t bytes = piece(dio, at, end, &page, &offset);

		zero_bytes(page, offset, offset + (unsigned int)bytes);
		at += bytes;
	}
}

/*
 * Find the block with byte pos of the file. A write past the old end allocates blocks; one into a
 * hole does not, as the cache must then zero the rest of the block. A new block is forgotten by
 * the device's cache.
 */
static int find_block(struct dio *dio, u64 pos, struct buffer_head *bh)
{
	u64 block = pos / dio->block_size;
	int err = dio->get_block(dio->mapping, block, bh,
				 dio->write && block * dio->block_size >= dio->size);

	if (!err && buffer_new(bh))
		bforget(bh->bdev, bh->block, bh->size);
	return err;
}

/*
 * Send n bytes of the chunk. Returns how many were sent: fewer than n in front of a hole that is
 * to be written, or in front of an error. If nothing was sent, returns the error.
 */
static long send_blocks(struct dio *dio, size_t n)
{
	size_t at = 0;
	int err = 0;

	VM_BUG_ON(dio->run_bytes);
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

/*
 * Transfer n bytes of the pinned chunk and wait. An error of the device counts more than bytes
 * done.
 */
static long transfer_chunk(struct dio *dio, size_t n)
{
	long ret;

	VM_BUG_ON(atomic_read(&dio->pending));
	atomic_set(&dio->pending, 1);
	blk_start_plug();
	ret = send_blocks(dio, n);
	blk_finish_plug();
	wait_for_bios(dio);
	return dio->error ? dio->error : ret;
}

/* ---- The caller's pages ---------------------------------------------------------------------- */

/*
 * Pin the pages of up to count bytes at addr, at most one chunk. Returns the bytes that are
 * pinned, or 0 if the first page cannot be pinned. Reading into memory writes to it, so the pin
 * asks for write access.
 */
static size_t pin_chunk(struct dio *dio, unsigned long addr, size_t count)
{
	unsigned int wanted;
	size_t bytes;

	dio->first = (unsigned int)(addr & ~PAGE_MASK);
	wanted = (unsigned int)min_t(size_t, DIO_PAGES,
				     (dio->first + count + PAGE_SIZE - 1) >> PAGE_SHIFT);
	dio->nr_pages =
		pin_user_pages(current_vm->mm, addr & PAGE_MASK, wanted, !dio->write, dio->pages);
	VM_BUG_ON(dio->nr_pages > wanted || wanted > DIO_PAGES);
	if (!dio->nr_pages)
		return 0;
	bytes = (size_t)dio->nr_pages * PAGE_SIZE - dio->first;
	if (bytes >= count)
		return count;
	/*
	 * More follows in the next chunk: end this one at a block, so that no block is transferred
	 * in two parts, which for a new block would leave a part of it unwritten (I2).
	 */
	return bytes - ((dio->pos + bytes) & (dio->block_size - 1));
}

/* Let go of the caller's pages; after reading they are marked dirty. */
static void unpin_chunk(struct dio *dio)
{
	VM_BUG_ON(atomic_read(&dio->pending)); /* (I1) */
	for (unsigned int i = 0; i < dio->nr_pages; i++)
		unpin_user_page(dio->pages[i], !dio->write);
}

/*
 * Transfer one chunk of the count bytes at addr. Returns bytes; 0: use the cache instead; or
 * -errno.
 */
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

/*
 * Chunk after chunk. -EIO ends the call with that error even if bytes were transferred before, as
 * it is not known what the disk holds; other errors are reported only if nothing was transferred.
 */
static long direct_chunks(struct dio *dio, unsigned long addr, size_t count)
{
	size_t done = 0;

	while (done < count) {
		long ret = direct_chunk(dio, addr + done, count - done);

		if (ret == -EIO || (ret < 0 && !done))
			return ret;
		if (ret <= 0)
			break;
		VM_BUG_ON((size_t)ret > count - done);
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

/*
 * Would the write allocate a block and fill only a part of it? Then it goes through the cache,
 * which zeroes the rest.
 */
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

	VM_BUG_ON(block_size < SECTOR_SIZE || block_size > PAGE_SIZE ||
		  block_size & (block_size - 1));
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

/*
 * Write what the cache holds of bytes [pos, pos + n) to the disk and wait. 0, or the write's
 * error.
 */
static int flush_range(struct vm_file *file, u64 pos, size_t n)
{
	int err = filemap_write_and_wait_range(file->f_mapping, pos, pos + n - 1);

	VM_BUG_ON(!n);
	return err ? err : file_check_and_advance_wb_err(file);
}

/*
 * Drop the pages of bytes [pos, pos + n) from the cache. -EBUSY: some of them are dirty or in use
 * and stay.
 */
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

/*
 * After done bytes, or an error, of the direct transfer: is the call finished? Else the cache does
 * the rest.
 */
static bool is_over(long done, size_t count)
{
	VM_BUG_ON(done > 0 && (size_t)done > count);
	return done < 0 || (size_t)done == count || port_fatal_signal_pending();
}

/*
 * Write n bytes at *pos through the cache, and from there to the disk. Returns bytes or -errno. If
 * the disk fails, *pos is set back, as it is not known how much has reached it.
 */
static long write_and_flush(struct vm_file *file, struct iov_user buf, size_t n, u64 *pos)
{
	u64 start = *pos;
	long ret = generic_file_write(file, buf, n, pos);
	int err;

	if (ret <= 0)
		return ret;
	err = flush_range(file, start, (size_t)ret);
	if (err) {
		*pos = start; /* it is not known how much was written */
		return err;
	}
	/* the disk has the same contents, so a page that stays does no harm */
	(void)drop_range(file, start, (size_t)ret);
	return ret;
}

/*
 * Warn once: every user who can write a file can cause this as often as he likes, and must not
 * fill the log.
 */
static void warn_of_stores(void)
{
	static bool warned;

	if (!rmw_xchg_relaxed(&warned, true))
		pr_warn("direct write beside stores through a mapping, or beside a mounted file "
			"system (told once)\n");
}

/*
 * Write directly, with no page of the range in the cache before or after. Returns bytes; 0: a page
 * could not be dropped, so the cache must be used; or -errno.
 */
static long write_past_cache(struct vm_file *file, struct iov_user buf, size_t count, u64 pos)
{
	long ret;

	if (drop_range(file, pos, count))
		return 0;
	ret = file->f_mapping->a_ops->direct_IO(file, true, buf, count, pos);
	/* Also after an error, as a part may have been written. */
	if (ret && drop_range(file, pos, count))
		warn_of_stores();
	return ret;
}

/*
 * The stages of a direct read or write: write the cache's dirty pages, transfer directly as far as
 * possible, transfer the rest through the cache. Returns bytes or -errno; *pos moves by the bytes
 * done.
 */
static long transfer(struct vm_file *file, bool write, struct iov_user buf, size_t count, u64 *pos)
{
	long done, rest;
	int err;

	if (!count)
		return 0;
	VM_BUG_ON(!file->f_mapping->a_ops->direct_IO);
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
