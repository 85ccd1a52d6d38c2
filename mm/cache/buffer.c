/* SPDX-License-Identifier: MIT */
/*
 * buffer.c: blocks of a device inside cached pages: finding their places, and reading.
 * Writing is buffer_write.c's; a device's own pages are device_cache.c's.
 *
 * The blocks of a page may lie on the disk in several places, and only some of them may have been
 * read:
 *
 *	page, 4 KiB, block size 1 KiB	buffer heads		disk
 *	+----------+			uptodate		block 700
 *	| bytes    | <--- private ---	uptodate, dirty		block 701
 *	|          |			not read yet		block 33
 *	+----------+			not mapped		(a hole: zeroes)
 *
 * Buffer heads exist only where they are needed. If the blocks of a page are consecutive on the
 * disk, and the page is read or written as a whole, one transfer does it without buffer heads. So
 * most pages of a file that is only read have none.
 *
 * Reading: blocks that have a place on the disk are read; holes, and bytes past the end of the
 * file, are zeroed. The completion of the last transfer unlocks the page. Consecutive blocks of a
 * page are one bio; the block layer merges those of neighbouring pages.
 *
 * Locking: the page lock guards the ring, and the flags but for these: BH_dirty may be set any
 * time by who uses the bh (and PG_dirty after it, so that a write that clears both in the other
 * order misses nothing); BH_io is cleared at interrupts, under one of the io_locks, so that
 * exactly one finds itself the last. It does not say whether a buffer is read or written: a page
 * that is read in part waits until what was written of it before is done.
 *
 * Invariants: (I1) an Uptodate page has only uptodate buffers; (I2) a dirty buffer is uptodate;
 * (I3) buffers with BH_io, BH_dirty or a use are not freed; (I4) a page with buffers has a
 * reference for them.
 *
 * Failure: without memory for buffer heads -ENOMEM, and a page to be written stays dirty. If the
 * device fails to read, page and buffer are not uptodate and marked with an error, and the next
 * request reads again (PM-33). If it fails to write, the buffer is marked, and the error is noted
 * in the mapping.
 * Observability: the slab cache buffer_head; the device's own counters.
 */
#include "buffer_internal.h"
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

/*
 * The lock under which BH_io of the page's buffers is cleared. A few locks are shared by all
 * pages, chosen by the page's address; each has a cache line of its own.
 */
static spinlock_t *io_lock(const struct page *page)
{
	return &io_locks[(unsigned long)page / sizeof(struct page) % IO_LOCKS].lock;
}

void buffer_init(void)
{
	bh_cache = kmem_cache_create("buffer_head", sizeof(struct buffer_head), 0, 0, NULL, NULL);
	if (!bh_cache)
		panic("no memory for buffer heads");
	block_dev_init();
}

/* ---- The ring -------------------------------------------------------------------------------- */

/* Free the buffer heads of a ring, or of the part of one that create_buffers() could allocate. */
static void free_ring(struct buffer_head *head)
{
	struct buffer_head *bh = head;

	while (bh) {
		struct buffer_head *next = bh->next;

		kmem_cache_free(bh_cache, bh);
		bh = next == head ? NULL : next;
	}
}

/*
 * GFP_NOFS: buffers are made while a page is locked, often by writeback. Reclaim inside this
 * allocation must not enter a file system, which could wait for that very page.
 */
static struct buffer_head *new_buffer(struct page *page, unsigned int offset, unsigned int size)
{
	struct buffer_head *bh = kmem_cache_alloc(bh_cache, GFP_NOFS);

	if (bh)
		*bh = (struct buffer_head){.page = page, .offset = offset, .size = size};
	return bh;
}

/* All buffers of the page or none: the ring is hung on the page only when it is complete. */
int create_buffers(struct page *page, unsigned int size)
{
	struct buffer_head *head = NULL, *last = NULL;

	VM_BUG_ON(!PageLocked(page) || page_has_buffers(page));
	VM_BUG_ON(size < SECTOR_SIZE || size > PAGE_SIZE || size & (size - 1));
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

struct buffer_head *buffer_at(struct page *page, unsigned int offset)
{
	struct buffer_head *bh;

	VM_BUG_ON(!PageLocked(page) || offset >= PAGE_SIZE);
	for_each_buffer(bh, page)
		if (bh->offset == offset)
			return bh;
	return NULL;
}

/*
 * Must the buffer be kept (I3)? The uses are looked at before the flags. A user makes the buffer
 * dirty before it drops its use, and with the page locked nobody takes a new one; so the flags that
 * are read after a count of 0 are final. Read first, they could be older than the last user's:
 *
 *	user				we, with the page locked
 *					flags: clean
 *	make the buffer dirty
 *	drop the use
 *					count: 0, so free the dirty buffer
 *
 * The acquire pairs with the release in brelse(): all that the last user did to the buffer has
 * happened before it is freed.
 */
static bool buffer_busy(const struct buffer_head *bh)
{
	if (smp_load_acquire(&bh->count.counter))
		return true;
	port_interleave();
	return READ_ONCE(bh->flags) & (1ul << BH_dirty | 1ul << BH_io | 1ul << BH_locked);
}

/* A page under writeback keeps its buffers: the ends of its transfers still go through the ring. */
bool try_to_free_buffers(struct page *page)
{
	struct buffer_head *bh;

	VM_BUG_ON(!PageLocked(page));
	if (PageWriteback(page))
		return false;
	for_each_buffer(bh, page)
		if (buffer_busy(bh))
			return false;
	bh = page_buffers(page);
	if (!bh)
		return true;
	VM_BUG_ON(page_count(page) < 2); /* (I4): the reference of the buffers, and the caller's */
	page->private = NULL;
	free_ring(bh);
	put_page(page);
	return true;
}

void zero_bytes(struct page *page, unsigned int from, unsigned int to)
{
	char *addr;

	VM_BUG_ON(to > PAGE_SIZE);
	if (from >= to)
		return;
	addr = kmap_atomic(page);
	memset(addr + from, 0, to - from);
	kunmap_atomic(addr);
}

void update_page_uptodate(struct page *page)
{
	struct buffer_head *bh;

	VM_BUG_ON(!PageLocked(page) || !page_has_buffers(page));
	for_each_buffer(bh, page)
		if (!buffer_uptodate(bh))
			return;
	SetPageUptodate(page);
}

/* ---- Where blocks are ------------------------------------------------------------------------ */

/* Number of the file's block that the page begins with. */
static u64 first_block(const struct page *page, unsigned int block_size)
{
	return ((u64)page->index << PAGE_SHIFT) / block_size;
}

/* Number of the file's block that the buffer holds. */
static u64 block_of(const struct buffer_head *bh)
{
	return first_block(bh->page, bh->size) + bh->offset / bh->size;
}

unsigned int bytes_in_file(const struct page *page)
{
	u64 size = page->mapping->size(page->mapping), start = (u64)page->index << PAGE_SHIFT;

	VM_BUG_ON(!PageLocked(page));
	return size <= start ? 0 : (unsigned int)min_t(u64, size - start, PAGE_SIZE);
}

/* The first sector of a mapped buffer on its device. */
static u64 sector_of(const struct buffer_head *bh)
{
	VM_BUG_ON(!buffer_mapped(bh));
	return bh->block * (bh->size >> SECTOR_SHIFT);
}

int map_buffer(struct buffer_head *bh, get_block_t get_block, bool create)
{
	VM_BUG_ON(!PageLocked(bh->page));
	if (buffer_mapped(bh))
		return 0;
	return get_block(bh->page->mapping, block_of(bh), bh, create);
}

/*
 * Goes through the blocks with a buffer head on the stack, so that the common case needs no
 * allocation. A hole ends the run: it may still be one if nothing follows it. A new block may be
 * cached by the device from an earlier life as metadata, so it is forgotten there.
 */
int find_run(struct page *page, unsigned int limit, unsigned int size, get_block_t get_block,
	     bool create, struct run *run)
{
	bool ended = false;

	VM_BUG_ON(page_has_buffers(page) || limit > PAGE_SIZE);
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
		/*
		 * A block behind a hole, or one that does not lie behind the last one: not a
		 * single run.
		 */
		if (ended || bh.bdev != run->bdev ||
		    sector_of(&bh) != run->sector + (run->bytes >> SECTOR_SHIFT))
			return 0;
		run->bytes += size;
	}
	return 1;
}

/* ---- Transfers of whole pages ---------------------------------------------------------------- */

/* The device has read a page without buffers, or failed to. Any context. */
static void end_page_read(struct bio *bio)
{
	struct page *page = bio->private;

	VM_BUG_ON(!PageLocked(page) || PageUptodate(page));
	if (bio->error)
		SetPageError(page);
	else
		SetPageUptodate(page);
	bio_put(bio);
	unlock_page(page);
}

/* The device has written a page without buffers, or failed to. Any context. */
static void end_page_write(struct bio *bio)
{
	struct page *page = bio->private;

	VM_BUG_ON(!PageWriteback(page) || !page->mapping);
	if (bio->error) {
		SetPageError(page);
		mapping_set_error(page->mapping, bio->error);
	}
	bio_put(bio);
	end_page_writeback(page);
}

/*
 * A bio for one piece of a page. Never refused: GFP_NOIO may sleep, and bio_alloc() then waits for
 * the reserve.
 */
static struct bio *piece_bio(struct block_device *bdev, enum bio_op op, u64 sector,
			     struct page *page, unsigned int offset, unsigned int len)
{
	struct bio *bio = bio_alloc(bdev, op, sector, 1, GFP_NOIO);

	BUG_ON(!bio || !bio_add_page(bio, page, offset, len));
	return bio;
}

void submit_run(struct page *page, const struct run *run, enum bio_op op)
{
	struct bio *bio = piece_bio(run->bdev, op, run->sector, page, 0, run->bytes);

	VM_BUG_ON(op == BIO_READ ? !PageLocked(page) : !PageWriteback(page));
	bio->private = page;
	bio->end_io = op == BIO_READ ? end_page_read : end_page_write;
	submit_bio(bio);
}

/*
 * Read the run into a locked page and zero the bytes behind it, which are a hole or lie past the
 * end of the file. Without a block to read, the page is done at once. The page is unlocked when it
 * is filled.
 */
static void read_run(struct page *page, const struct run *run)
{
	VM_BUG_ON(!PageLocked(page) || run->bytes > PAGE_SIZE);
	zero_bytes(page, run->bytes, PAGE_SIZE);
	if (run->bytes) {
		submit_run(page, run, BIO_READ);
	} else {
		SetPageUptodate(page);
		unlock_page(page);
	}
}

/* ---- Transfers of buffers -------------------------------------------------------------------- */

/*
 * Call end for each buffer that a bio has transferred. The next one is looked up before, because
 * the call for the last buffer of the page releases the page, and with it the ring may go.
 */
static void end_buffers(struct bio *bio, void (*end)(struct buffer_head *bh, int error))
{
	struct buffer_head *bh = bio->private;
	unsigned int left = bio->vecs[0].len;
	int error = bio->error;

	bio_put(bio);
	while (left) {
		struct buffer_head *next = bh->next;

		left -= bh->size;
		end(bh, error); /* after the last call the ring may be freed */
		bh = next;
	}
}

/*
 * Clear BH_io. True: no other buffer of the page is in transfer any more. The lock makes the two
 * steps one, so that of two ends at the same time exactly one finds itself the last:
 *
 *	end of A			end of B
 *	clear A; B is set: not last
 *					clear B; none is set: last
 *
 * Without it, both could clear first and then both find nothing set, and unlock the page twice.
 */
static bool end_buffer_io(struct buffer_head *bh)
{
	struct page *page = bh->page;
	struct buffer_head *other;
	unsigned long flags;
	bool last = true;

	VM_BUG_ON(!buffer_io(bh));
	spin_lock_irqsave(io_lock(page), flags);
	clear_buffer_io(bh);
	for_each_buffer(other, page)
		last &= !buffer_io(other);
	spin_unlock_irqrestore(io_lock(page), flags);
	return last;
}

/*
 * One buffer of a page was read. The last one makes the page Uptodate if all are (I1), and unlocks
 * it.
 */
static void end_buffer_read(struct buffer_head *bh, int error)
{
	struct page *page = bh->page;

	VM_BUG_ON(!PageLocked(page));
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

/* One buffer of a page was written. The last one ends the writeback of the page. */
static void end_buffer_write(struct buffer_head *bh, int error)
{
	struct page *page = bh->page;

	VM_BUG_ON(!PageWriteback(page));
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

/*
 * Can the next buffer of the ring join the same bio? It must be to be transferred, and lie
 * directly behind this one both in the page (the ring does not wrap) and on the disk.
 */
static bool goes_on(const struct buffer_head *bh, const struct buffer_head *next)
{
	return next->offset > bh->offset && buffer_io(next) && next->bdev == bh->bdev &&
	       next->block == bh->block + 1;
}

/*
 * Submit one bio for bh and the buffers that continue it. Returns the buffer behind them, or NULL
 * at the end of the page. That one is looked up before the bio is submitted: the end of the last
 * bio may free the ring.
 */
static struct buffer_head *submit_buffers(struct buffer_head *bh, enum bio_op op)
{
	struct buffer_head *last = bh, *behind;
	unsigned int len = bh->size;
	struct bio *bio;

	VM_BUG_ON(!buffer_io(bh));
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
 * nr counts down to the last buffer to be submitted; the loop then ends without looking at the
 * ring, which may be gone by that time.
 */
void submit_page_buffers(struct page *page, unsigned int nr, enum bio_op op)
{
	struct buffer_head *bh = page_buffers(page);

	VM_BUG_ON(op == BIO_READ ? !PageLocked(page) : !PageWriteback(page));
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

int transfer_and_wait(struct buffer_head *bh, enum bio_op op)
{
	struct bio *bio = piece_bio(bh->bdev, op, sector_of(bh), bh->page, bh->offset, bh->size);
	int err = submit_bio_wait(bio);

	VM_BUG_ON(!PageLocked(bh->page));
	bio_put(bio);
	if (err)
		set_buffer_error(bh);
	else
		clear_buffer_error(bh);
	if (!err && op == BIO_READ)
		set_buffer_uptodate(bh);
	return err;
}

/* ---- Reading --------------------------------------------------------------------------------- */

/*
 * Decide how a buffer of a locked page gets its bytes. True: it must be read. False: it is
 * uptodate, or was zeroed (a hole, past the end, or newly allocated), or its place could not be
 * found, which is an error.
 */
static bool want_read(struct buffer_head *bh, unsigned int limit, get_block_t get_block)
{
	VM_BUG_ON(!PageLocked(bh->page));
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

/*
 * All buffers get BH_io before the first is submitted: otherwise the end of an early one would
 * find no other in transfer, and unlock the page too soon.
 */
static int read_buffers(struct page *page, get_block_t get_block)
{
	unsigned int limit = bytes_in_file(page), nr = 0;
	struct buffer_head *bh;

	VM_BUG_ON(!PageLocked(page) || !page_has_buffers(page));
	for_each_buffer(bh, page)
		if (want_read(bh, limit, get_block)) {
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
	/*
	 * BH_io does not say in which direction a buffer is transferred, so a read must not start
	 * while the page is written.
	 */
	wait_on_page_writeback(page);
	VM_BUG_ON(PageWriteback(page));
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
