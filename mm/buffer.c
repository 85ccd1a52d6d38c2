/* SPDX-License-Identifier: MIT */
/*
 * buffer.c: blocks of a device inside cached pages.
 *
 * A page of a file may lie on the disk in several places, and be known only in part:
 *
 *	page, 4 KiB, block size 1 KiB	buffer heads		disk
 *	+----------+			uptodate		block 700
 *	| bytes    | <--- private ---	uptodate, dirty		block 701
 *	|          |			not read yet		block 33
 *	+----------+			not mapped		(a hole: zeroes)
 *
 * Buffer heads exist only where they are needed: a page that is read whole, or written whole
 * without ever having been written in part, goes to the device without, if its blocks are
 * consecutive. So most pages of a file that is only read have none.
 *
 * Reading: blocks that are there are read, holes and what lies past the end are zeroed, the
 * last piece to come back unlocks the page. Writing: dirty blocks (all, if the page was only
 * dirtied through a mapping) are given a place and written; bytes past the file's end are zeroed
 *first. Consecutive blocks of a page are one bio; the block layer merges those of neighbouring
 *pages.
 *
 * Metadata of a file system are pages of the device's own mapping, whose blocks are where
 * their number says; a bh with a use counted stays.
 *
 * Locking: the page lock guards the ring, and the flags but for these: BH_dirty may be set any time
 *by who uses the bh (and PG_dirty after it, so that a write that clears both in the other order
 *misses nothing); BH_io is cleared at interrupts, under one of the io_locks, so that exactly one
 *finds itself the last.
 *
 * Invariants: (I1) an Uptodate page has only uptodate buffers; (I2) a dirty buffer is uptodate;
 * (I3) buffers with BH_io, BH_dirty or a use are not freed; (I4) a page with buffers has a
 * reference for them.
 *
 * Failure: no memory for buffers: -ENOMEM, a page to be written stays dirty. The device: reading
 *leaves page and buffer not uptodate, marked error; writing marks the buffer, and tells the
 *mapping. Observability: the slab cache buffer_head; the device's own counters.
 */
#include "filemap_internal.h"
#include <pagoda/buffer_head.h>
#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/vmscan.h>
#include <pagoda/bug.h>
#include <pagoda/errno.h>

static kmem_cache_t *bh_cache; /* struct buffer_head */

#define IO_LOCKS 16
static struct {
	spinlock_t lock;
} __aligned(SMP_CACHE_BYTES) io_locks[IO_LOCKS] = {
	[0 ... IO_LOCKS - 1] = {SPIN_LOCK_INIT(RANK_LEAF)},
};

static spinlock_t *io_lock(const struct page *page)
{
	return &io_locks[(unsigned long)page / sizeof(struct page) % IO_LOCKS].lock;
}

static struct mutex mapping_mutex; /* creation of a device's mapping */

static bool release_buffers(struct page *page, gfp_t gfp_mask)
{
	(void)gfp_mask; /* freeing them needs nothing */
	return try_to_free_buffers(page);
}

void buffer_init(void)
{
	page_release_buffers = release_buffers;
	run_reclaim_io = run_disk_queue;
	bh_cache = kmem_cache_create("buffer_head", sizeof(struct buffer_head), 0, 0, NULL, NULL);
	if (!bh_cache)
		panic("no memory for buffer heads");
	mutex_init(&mapping_mutex, RANK_NONE);
}

/* ---- The ring ----------------------------------------------------------------------------------
 */

static struct buffer_head *page_buffers(const struct page *page)
{
	return page->private;
}

#define for_each_buffer(bh, page)             \
	for ((bh) = page_buffers(page); (bh); \
	     (bh) = (bh)->next == page_buffers(page) ? NULL : (bh)->next)

static void free_ring(struct buffer_head *head)
{
	struct buffer_head *bh = head;

	while (bh) {
		struct buffer_head *next = bh->next;

		kmem_cache_free(bh_cache, bh);
		bh = next == head ? NULL : next;
	}
}

static struct buffer_head *new_buffer(struct page *page, unsigned int offset, unsigned int size)
{
	struct buffer_head *bh = kmem_cache_alloc(bh_cache, GFP_NOFS);

	if (bh)
		*bh = (struct buffer_head){.page = page, .offset = offset, .size = size};
	return bh;
}

/* Buffers for a locked page that has none; uptodate if the page is. */
static int create_buffers(struct page *page, unsigned int size)
{
	struct buffer_head *head = NULL, *last = NULL;

	for (unsigned int offset = 0; offset < PAGE_SIZE; offset += size) {
		struct buffer_head *bh = new_buffer(page, offset, size);

		if (!bh) {
			free_ring(head);
			return -ENOMEM;
		}
		if (PageUptodate(page))
			set_buffer_uptodate(bh);
		if (last)
			last->next = bh;
		else
			head = bh;
		last = bh;
		bh->next = head;
	}
	get_page(page); /* (I4) */
	page->private = head;
	return 0;
}

static struct buffer_head *buffer_at(struct page *page, unsigned int offset)
{
	struct buffer_head *bh;

	for_each_buffer(bh, page) if (bh->offset == offset) return bh;
	return NULL;
}

static bool buffer_busy(const struct buffer_head *bh)
{
	return bh->flags & (1ul << BH_dirty | 1ul << BH_io | 1ul << BH_locked) ||
	       atomic_read(&bh->count);
}

bool try_to_free_buffers(struct page *page)
{
	struct buffer_head *bh;

	VM_BUG_ON(!PageLocked(page));
	if (PageWriteback(page))
		return false;
	for_each_buffer(bh, page) if (buffer_busy(bh)) return false;
	bh = page_buffers(page);
	if (!bh)
		return true;
	page->private = NULL;
	free_ring(bh);
	put_page(page);
	return true;
}

static void zero_bytes(struct page *page, unsigned int from, unsigned int to)
{
	char *addr;

	if (from >= to)
		return;
	addr = kmap_atomic(page);
	memset(addr + from, 0, to - from);
	kunmap_atomic(addr);
}

static void update_page_uptodate(struct page *page)
{
	struct buffer_head *bh;

	for_each_buffer(bh, page) if (!buffer_uptodate(bh)) return;
	SetPageUptodate(page);
}

/* ---- Where blocks are
 * -------------------------------------------------------------------------------- */

static u64 first_block(const struct page *page, unsigned int block_size)
{
	return ((u64)page->index << PAGE_SHIFT) / block_size;
}

static u64 block_of(const struct buffer_head *bh)
{
	return first_block(bh->page, bh->size) + bh->offset / bh->size;
}

/* Bytes of the page that lie inside the file, from its start on. */
static unsigned int bytes_in_file(const struct page *page)
{
	u64 size = page->mapping->size(page->mapping), start = (u64)page->index << PAGE_SHIFT;

	return size <= start ? 0 : (unsigned int)min_t(u64, size - start, PAGE_SIZE);
}

static u64 sector_of(const struct buffer_head *bh)
{
	return bh->block * (bh->size >> SECTOR_SHIFT);
}

static int map_buffer(struct buffer_head *bh, get_block_t get_block, bool create)
{
	if (buffer_mapped(bh))
		return 0;
	return get_block(bh->page->mapping, block_of(bh), bh, create);
}

/* A page whose first bytes lie in consecutive blocks, and the rest nowhere. */
struct run {
	struct block_device *bdev;
	u64 sector;
	unsigned int bytes;
};

/* Find the place of the page's bytes [0, limit). 1: they are one run; 0: they are not. -errno. */
static int find_run(struct page *page, unsigned int limit, unsigned int size, get_block_t get_block,
		    bool create, struct run *run)
{
	bool ended = false;

	*run = (struct run){.bytes = 0};
	for (unsigned int offset = 0; offset < limit; offset += size) {
		struct buffer_head bh = {.page = page, .offset = offset, .size = size};
		int err = map_buffer(&bh, get_block, create);

		if (err)
			return err;
		if (buffer_new(&bh))
			bforget(bh.bdev, bh.block, size);
		if (!buffer_mapped(&bh)) {
			ended = true;
			continue;
		}
		if (offset == 0)
			*run = (struct run){bh.bdev, sector_of(&bh), 0};
		if (ended || bh.bdev != run->bdev ||
		    sector_of(&bh) != run->sector + (run->bytes >> SECTOR_SHIFT))
			return 0;
		run->bytes += size;
	}
	return 1;
}

/* ---- Transfers of whole pages
 * --------------------------------------------------------------------------- */

static void end_page_read(struct bio *bio)
{
	struct page *page = bio->private;

	if (bio->error)
		SetPageError(page);
	else
		SetPageUptodate(page);
	bio_put(bio);
	unlock_page(page);
}

static void end_page_write(struct bio *bio)
{
	struct page *page = bio->private;

	if (bio->error) {
		SetPageError(page);
		mapping_set_error(page->mapping, bio->error);
	}
	bio_put(bio);
	end_page_writeback(page);
}

/* A bio for one piece. It is never refused. */
static struct bio *piece_bio(struct block_device *bdev, enum bio_op op, u64 sector,
			     struct page *page, unsigned int offset, unsigned int len)
{
	struct bio *bio = bio_alloc(bdev, op, sector, 1, GFP_NOIO);

	BUG_ON(!bio || !bio_add_page(bio, page, offset, len));
	return bio;
}

static void submit_run(struct page *page, const struct run *run, enum bio_op op)
{
	struct bio *bio = piece_bio(run->bdev, op, run->sector, page, 0, run->bytes);

	bio->private = page;
	bio->end_io = op == BIO_READ ? end_page_read : end_page_write;
	submit_bio(bio);
}

static void read_run(struct page *page, const struct run *run)
{
	zero_bytes(page, run->bytes, PAGE_SIZE);
	if (run->bytes) {
		submit_run(page, run, BIO_READ);
	} else {
		SetPageUptodate(page);
		unlock_page(page);
	}
}

/* ---- Transfers of buffers
 * ----------------------------------------------------------------------------------- */

/* The buffers that a bio was for, one after the other. */
static void end_buffers(struct bio *bio, void (*end)(struct buffer_head *bh, int error))
{
	struct buffer_head *bh = bio->private;
	unsigned int left = bio->vecs[0].len;
	int error = bio->error;

	bio_put(bio);
	while (left) {
		struct buffer_head *next = bh->next;

		left -= bh->size;
		end(bh, error); /* after the last, the ring may go */
		bh = next;
	}
}

/* Clear BH_io; true: it was the page's last. */
static bool end_buffer_io(struct buffer_head *bh)
{
	struct page *page = bh->page;
	struct buffer_head *other;
	unsigned long flags;
	bool last = true;

	spin_lock_irqsave(io_lock(page), flags);
	clear_buffer_io(bh);
	for_each_buffer(other, page) last &= !buffer_io(other);
	spin_unlock_irqrestore(io_lock(page), flags);
	return last;
}

static void end_buffer_read(struct buffer_head *bh, int error)
{
	struct page *page = bh->page;

	if (error) {
		set_buffer_error(bh);
		SetPageError(page);
	} else {
		set_buffer_uptodate(bh);
	}
	if (!end_buffer_io(bh))
		return;
	update_page_uptodate(page);
	unlock_page(page);
}

static void end_buffer_write(struct buffer_head *bh, int error)
{
	struct page *page = bh->page;

	if (error) {
		set_buffer_error(bh);
		SetPageError(page);
		mapping_set_error(page->mapping, error);
	}
	if (end_buffer_io(bh))
		end_page_writeback(page);
}

static void end_read_bio(struct bio *bio)
{
	end_buffers(bio, end_buffer_read);
}
static void end_write_bio(struct bio *bio)
{
	end_buffers(bio, end_buffer_write);
}

/* Do the next buffer's bytes follow on the disk, too, and are they to be transferred? */
static bool goes_on(const struct buffer_head *bh, const struct buffer_head *next)
{
	return next->offset > bh->offset && buffer_io(next) && next->bdev == bh->bdev &&
	       next->block == bh->block + 1;
}

/* Submit from bh on as far as the run goes; the buffer behind it, NULL at the page's end. */
static struct buffer_head *submit_buffers(struct buffer_head *bh, enum bio_op op)
{
	struct buffer_head *last = bh, *behind;
	unsigned int len = bh->size;
	struct bio *bio;

	while (goes_on(last, last->next)) {
		last = last->next;
		len += last->size;
	}
	behind = last->next->offset ? last->next : NULL;
	bio = piece_bio(bh->bdev, op, sector_of(bh), bh->page, bh->offset, len);
	bio->private = bh;
	bio->end_io = op == BIO_READ ? end_read_bio : end_write_bio;
	submit_bio(bio);
	return behind;
}

/*
 * Submit all buffers with BH_io. The page is locked, or for reading was: once the last one is
 * submitted the ring is not looked at any more.
 */
static void submit_page_buffers(struct page *page, unsigned int nr, enum bio_op op)
{
	struct buffer_head *bh = page_buffers(page);

	while (bh && nr) {
		struct buffer_head *from = bh;

		if (!buffer_io(bh)) {
			bh = bh->next->offset ? bh->next : NULL;
			continue;
		}
		for (nr--; goes_on(from, from->next); nr--)
			from = from->next;
		bh = submit_buffers(bh, op);
	}
}

/* ---- Reading
 * ----------------------------------------------------------------------------------------------------
 */

/* Decide what becomes of a buffer; true: it is to be read. */
static bool want_read(struct buffer_head *bh, unsigned int limit, get_block_t get_block)
{
	if (buffer_uptodate(bh))
		return false;
	if (bh->offset < limit && map_buffer(bh, get_block, false)) {
		set_buffer_error(bh);
		SetPageError(bh->page);
		return false;
	}
	if (buffer_mapped(bh) && !buffer_new(bh))
		return true;
	zero_bytes(bh->page, bh->offset, bh->offset + bh->size);
	set_buffer_uptodate(bh);
	return false;
}

static int read_buffers(struct page *page, get_block_t get_block)
{
	unsigned int limit = bytes_in_file(page), nr = 0;
	struct buffer_head *bh;

	for_each_buffer(bh, page) if (want_read(bh, limit, get_block))
	{
		set_buffer_io(bh);
		nr++;
	}
	if (nr) {
		submit_page_buffers(page, nr, BIO_READ);
		return 0;
	}
	update_page_uptodate(page);
	nr = PageUptodate(page);
	unlock_page(page);
	return nr ? 0 : -EIO;
}

int block_read_full_page(struct page *page, unsigned int block_size, get_block_t get_block)
{
	struct run run;
	int ret = 0;

	VM_BUG_ON(!PageLocked(page));
	ClearPageError(page);
	if (!page_has_buffers(page)) {
		ret = find_run(page, bytes_in_file(page), block_size, get_block, false, &run);
		if (ret > 0) {
			read_run(page, &run);
			return 0;
		}
		if (!ret)
			ret = create_buffers(page, block_size);
	}
	if (!ret)
		return read_buffers(page, get_block);
	SetPageError(page);
	unlock_page(page);
	return ret;
}

/* ---- Writing
 * ----------------------------------------------------------------------------------------------------
 */

static const struct address_space_operations bdev_a_ops;

/* Was the page dirtied by mappings alone? Then all of it is to be written. */
static bool dirty_as_a_whole(const struct page *page)
{
	struct buffer_head *bh;

	if (!PageUptodate(page) || page->mapping->a_ops == &bdev_a_ops)
		return false;
	for_each_buffer(bh, page) if (buffer_dirty(bh)) return false;
	return true;
}

/* Give a dirty buffer its place. True: it is to be written. */
static bool want_write(struct buffer_head *bh, unsigned int limit, get_block_t get_block, int *err)
{
	int ret;

	if (!buffer_dirty(bh))
		return false;
	clear_buffer_dirty(bh);
	clear_buffer_error(bh);
	if (bh->offset >= limit)
		return false; /* past the end, by now */
	ret = map_buffer(bh, get_block, true);
	if (ret) {
		*err = *err ? *err : ret;
		set_buffer_error(bh);
		return false;
	}
	if (buffer_new(bh)) {
		clear_buffer_new(bh);
		bforget(bh->bdev, bh->block, bh->size);
	}
	return true;
}

static int write_buffers(struct page *page, unsigned int limit, get_block_t get_block)
{
	bool all = dirty_as_a_whole(page);
	struct buffer_head *bh;
	unsigned int nr = 0;
	int err = 0;

	for_each_buffer(bh, page)
	{
		if (all)
			set_buffer_dirty(bh);
		if (want_write(bh, limit, get_block, &err)) {
			set_buffer_io(bh);
			nr++;
		}
	}
	if (err)
		SetPageError(page);
	set_page_writeback(page);
	if (nr)
		submit_page_buffers(page, nr, BIO_WRITE);
	else
		end_page_writeback(page);
	unlock_page(page);
	return err;
}

/* A page without buffers: 1 if it is on its way, 0 if it needs some, -errno. */
static int write_whole_page(struct page *page, unsigned int limit, unsigned int block_size,
			    get_block_t get_block)
{
	struct run run;
	int ret = find_run(page, limit, block_size, get_block, true, &run);

	if (ret <= 0)
		return ret;
	set_page_writeback(page);
	submit_run(page, &run, BIO_WRITE);
	unlock_page(page);
	return 1;
}

/* Not written, not even in part. */
static int end_without_writing(struct page *page, int err)
{
	if (err == -ENOMEM) {
		(void)set_page_dirty(page); /* later, perhaps */
	} else {
		if (err)
			SetPageError(page);
		set_page_writeback(page);
		end_page_writeback(page);
	}
	unlock_page(page);
	return err;
}

int block_write_full_page(struct page *page, unsigned int block_size, get_block_t get_block)
{
	unsigned int limit = bytes_in_file(page);
	int ret = 0;

	VM_BUG_ON(!PageLocked(page));
	ClearPageError(page);
	if (!limit)
		return end_without_writing(page, 0);
	zero_bytes(page, limit, PAGE_SIZE);
	if (!page_has_buffers(page)) {
		ret = write_whole_page(page, limit, block_size, get_block);
		if (ret > 0)
			return 0;
		if (!ret)
			ret = create_buffers(page, block_size);
	}
	return ret ? end_without_writing(page, ret) : write_buffers(page, limit, get_block);
}

/* ---- Writing parts of pages
 * ----------------------------------------------------------------------------------------- */

/* Transfer one buffer and wait; the page is locked. */
static int transfer_and_wait(struct buffer_head *bh, enum bio_op op)
{
	struct bio *bio = piece_bio(bh->bdev, op, sector_of(bh), bh->page, bh->offset, bh->size);
	int err = submit_bio_wait(bio);

	bio_put(bio);
	if (err)
		set_buffer_error(bh);
	else
		clear_buffer_error(bh);
	if (!err && op == BIO_READ)
		set_buffer_uptodate(bh);
	return err;
}

/* Make one buffer ready for bytes [from, to) of the page to be overwritten. */
static int prepare_buffer(struct buffer_head *bh, unsigned int from, unsigned int to,
			  get_block_t get_block)
{
	unsigned int end = bh->offset + bh->size;
	bool was_mapped = buffer_mapped(bh);
	int err = map_buffer(bh, get_block, true);

	if (err)
		return err;
	if (!was_mapped && buffer_new(bh)) {
		bforget(bh->bdev, bh->block, bh->size);
		if (!buffer_uptodate(bh)) {
			zero_bytes(bh->page, bh->offset, min(from, end));
			zero_bytes(bh->page, max(to, bh->offset), end);
		}
	}
	if (buffer_uptodate(bh) || buffer_new(bh) || (from <= bh->offset && end <= to))
		return 0;
	return transfer_and_wait(bh, BIO_READ);
}

int block_prepare_write(struct page *page, unsigned int from, unsigned int to,
			unsigned int block_size, get_block_t get_block)
{
	struct buffer_head *bh;
	int err = 0;

	VM_BUG_ON(!PageLocked(page) || from > to || to > PAGE_SIZE);
	if (!page_has_buffers(page))
		err = create_buffers(page, block_size);
	if (err)
		return err;
	for_each_buffer(bh, page)
	{
		if (bh->offset >= to || bh->offset + bh->size <= from)
			continue;
		err = prepare_buffer(bh, from, to, get_block);
		if (err)
			break;
	}
	return err;
}

void block_commit_write(struct page *page, unsigned int from, unsigned int to,
			unsigned int block_size)
{
	struct buffer_head *bh;

	VM_BUG_ON(!PageLocked(page) || !page_has_buffers(page));
	(void)block_size; /* the buffers' own */
	for_each_buffer(bh, page)
	{
		if (bh->offset >= to || bh->offset + bh->size <= from)
			continue;
		clear_buffer_new(bh);
		set_buffer_uptodate(bh);
		set_buffer_dirty(bh);
	}
	if (!PageUptodate(page))
		update_page_uptodate(page);
	(void)set_page_dirty(page);
}

static void forget_buffer(struct buffer_head *bh)
{
	clear_buffer_dirty(bh);
	clear_buffer_mapped(bh);
	clear_buffer_new(bh);
}

void block_cut_range(struct page *page, unsigned int from, unsigned int to)
{
	struct buffer_head *bh;

	VM_BUG_ON(!PageLocked(page));
	for_each_buffer(bh, page) if (from <= bh->offset && bh->offset + bh->size <= to)
		forget_buffer(bh);
}

/* Zero the buffer from byte from of the page on, on the disk as well if it has a place there. */
static int zero_buffer_tail(struct page *page, unsigned int from, unsigned int size,
			    get_block_t get_block)
{
	struct buffer_head *bh;
	int err = 0;

	if (!page_has_buffers(page))
		err = create_buffers(page, size);
	if (err)
		return err;
	bh = buffer_at(page, from & ~(size - 1));
	err = map_buffer(bh, get_block, false);
	zero_bytes(page, from, bh->offset + size);
	if (!err && buffer_mapped(bh)) {
		set_buffer_dirty(bh);
		(void)set_page_dirty(page);
	}
	return err;
}

int block_truncate_page(struct address_space *mapping, u64 size, unsigned int block_size,
			get_block_t get_block)
{
	unsigned int from = (unsigned int)(size & (PAGE_SIZE - 1));
	struct page *page;
	int err = 0;

	if (!(from & (block_size - 1)))
		return 0;
	page = read_cache_page(mapping, NULL, (pgoff_t)(size >> PAGE_SHIFT));
	if (IS_ERR(page))
		return (int)PTR_ERR(page);
	lock_page(page);
	if (page->mapping == mapping && PageUptodate(page)) {
		wait_on_page_writeback(page);
		err = zero_buffer_tail(page, from, block_size, get_block);
	}
	unlock_page(page);
	put_page(page);
	return err;
}

void block_invalidatepage(struct page *page, unsigned int offset)
{
	struct buffer_head *bh;

	VM_BUG_ON(!PageLocked(page) || PageWriteback(page));
	for_each_buffer(bh, page) if (bh->offset >= offset) forget_buffer(bh);
	if (!offset)
		(void)try_to_free_buffers(page); /* one that is in use goes with its user */
}

/* ---- The device's own pages
 * ------------------------------------------------------------------------------------------- */

static u64 bdev_size(struct address_space *mapping)
{
	return ((struct block_device *)mapping->host)->nr_sectors << SECTOR_SHIFT;
}

/* A block of the device lies where its number says. */
static int bdev_get_block(struct address_space *mapping, u64 block, struct buffer_head *bh,
			  bool create)
{
	(void)create;
	if ((block + 1) * bh->size > bdev_size(mapping))
		return create ? -ENOSPC : 0;
	bh->bdev = mapping->host;
	bh->block = block;
	set_buffer_mapped(bh);
	return 0;
}

/* The largest block of which the device is a whole number. */
static unsigned int bdev_block_size(struct address_space *mapping)
{
	return bdev_size(mapping) & (PAGE_SIZE - 1) ? SECTOR_SIZE : PAGE_SIZE;
}

static int bdev_readpage(struct vm_file *file, struct page *page)
{
	(void)file;
	return block_read_full_page(page, bdev_block_size(page->mapping), bdev_get_block);
}
static int bdev_writepage(struct page *page)
{
	return block_write_full_page(page, bdev_block_size(page->mapping), bdev_get_block);
}
static int bdev_prepare_write(struct vm_file *file, struct page *page, unsigned from, unsigned to)
{
	(void)file;
	return block_prepare_write(page, from, to, bdev_block_size(page->mapping), bdev_get_block);
}
static int bdev_commit_write(struct vm_file *file, struct page *page, unsigned from, unsigned to)
{
	(void)file;
	block_commit_write(page, from, to, bdev_block_size(page->mapping));
	return 0;
}

static const struct address_space_operations bdev_a_ops = {
	.readpage = bdev_readpage,
	.writepage = bdev_writepage,
	.prepare_write = bdev_prepare_write,
	.commit_write = bdev_commit_write,
};

struct address_space *blkdev_mapping(struct block_device *bdev)
{
	struct address_space *mapping = __atomic_load_n(&bdev->bd_mapping, __ATOMIC_ACQUIRE);

	if (mapping)
		return mapping;
	mutex_lock(&mapping_mutex);
	mapping = bdev->bd_mapping;
	if (!mapping) {
		mapping = kmalloc(sizeof(*mapping), GFP_KERNEL);
		if (mapping) {
			address_space_init(mapping, bdev, &bdev_a_ops, bdev_size);
			mapping->gfp_mask = GFP_NOFS; /* file systems read their metadata in the
							 midst of things */
			__atomic_store_n(&bdev->bd_mapping, mapping, __ATOMIC_RELEASE);
		}
	}
	mutex_unlock(&mapping_mutex);
	return mapping;
}

void blkdev_mapping_end(struct block_device *bdev)
{
	struct address_space *mapping = bdev->bd_mapping;

	if (!mapping)
		return;
	if (filemap_write_and_wait(mapping))
		pr_warn("%s: not everything could be written\n", bdev->name);
	truncate_inode_pages(mapping, 0);
	bdev->bd_mapping = NULL;
	kfree(mapping);
}

/* Buffers of this size on a locked page of the device, each knowing its block. */
static int bdev_buffers(struct page *page, unsigned int size)
{
	struct buffer_head *bh = page_buffers(page);

	if (bh && bh->size != size && !try_to_free_buffers(page))
		return -EBUSY;
	if (!page_has_buffers(page) && create_buffers(page, size))
		return -ENOMEM;
	for_each_buffer(bh, page)(void) map_buffer(bh, bdev_get_block, false); /* never fails */
	return 0;
}

struct buffer_head *getblk(struct block_device *bdev, u64 block, unsigned int size)
{
	struct address_space *mapping = blkdev_mapping(bdev);
	struct buffer_head *bh = NULL;
	u64 pos = block * size;
	struct page *page;

	if (!mapping || pos + size > bdev_size(mapping))
		return NULL;
	page = grab_cache_page(mapping, (pgoff_t)(pos >> PAGE_SHIFT));
	if (!page)
		return NULL;
	if (!bdev_buffers(page, size)) {
		bh = buffer_at(page, (unsigned int)(pos & (PAGE_SIZE - 1)));
		atomic_inc(&bh->count);
	}
	unlock_page(page);
	put_page(page);
	return bh;
}

struct buffer_head *bread(struct block_device *bdev, u64 block, unsigned int size)
{
	struct buffer_head *bh = getblk(bdev, block, size);
	int err = 0;

	if (!bh || buffer_uptodate(bh))
		return bh;
	lock_page(bh->page);
	if (!buffer_uptodate(bh))
		err = transfer_and_wait(bh, BIO_READ);
	if (!err)
		update_page_uptodate(bh->page);
	unlock_page(bh->page);
	if (!err)
		return bh;
	brelse(bh);
	return NULL;
}

void brelse(struct buffer_head *bh)
{
	if (bh)
		atomic_dec(&bh->count);
}

void *bh_data(const struct buffer_head *bh)
{
	return (char *)page_address(bh->page) + bh->offset;
}

void mark_buffer_dirty(struct buffer_head *bh)
{
	set_buffer_uptodate(bh);
	set_buffer_dirty(bh); /* before the page: see above */
	(void)set_page_dirty(bh->page);
}

int sync_dirty_buffer(struct buffer_head *bh)
{
	struct page *page = bh->page;
	int err = 0;

	lock_page(page);
	wait_on_page_writeback(page);
	if (buffer_dirty(bh)) {
		clear_buffer_dirty(bh);
		err = transfer_and_wait(bh, BIO_WRITE);
	} else if (buffer_error(bh)) {
		err = -EIO;
	}
	unlock_page(page);
	return err;
}

void bforget(struct block_device *bdev, u64 block, unsigned int size)
{
	struct address_space *mapping = __atomic_load_n(&bdev->bd_mapping, __ATOMIC_ACQUIRE);
	u64 pos = block * size;
	struct buffer_head *bh;
	struct page *page;

	page = mapping ? find_lock_page(mapping, (pgoff_t)(pos >> PAGE_SHIFT)) : NULL;
	if (!page)
		return;
	wait_on_page_writeback(page);
	bh = buffer_at(page, (unsigned int)(pos & (PAGE_SIZE - 1)));
	if (bh && bh->size == size) {
		clear_buffer_dirty(bh);
		clear_buffer_uptodate(bh);
		ClearPageUptodate(page);
	}
	unlock_page(page);
	put_page(page);
}
