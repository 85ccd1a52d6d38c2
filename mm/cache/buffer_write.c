/* SPDX-License-Identifier: MIT */
/*
 * buffer_write.c: writing pages in blocks, whole and in part, and forgetting blocks that are cut
 * off.
 *
 *	prepare_write	blocks written in part are read, new ones get a place
 *	commit_write	those blocks, and the page, are dirty
 *	write_full_page	dirty blocks (all, if the page was only dirtied through a mapping) are given
 *			a place and go to the device; bytes past the file's end are zeroed first
 *
 * A block that is new to a file may have been metadata before: what the device's own cache has of
 * it is forgotten, or it would overwrite the file's data some time (bforget()). And if the write
 * that got the block fails after that, it is written as zeroes (keep_new_buffers): the disk may
 * hold another file's deleted data there.
 *
 * Locking, invariants: buffer.c's. Failure: no memory: -ENOMEM, the page stays dirty. No place,
 * or the device fails: the page is clean and marked error, the mapping is told, what it holds
 * stays readable until it is reclaimed.
 * Observability: as buffer.c.
 */
#include "buffer_internal.h"
#include <pagoda/rmap.h>
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/vmscan.h>

/* ---- Writing --------------------------------------------------------------------------------- */

/*
 * Was the page dirtied only by stores through mappings? No buffer is marked then, as a store tells
 * nothing of blocks, so all of the page must be written. A device's page does not count: its
 * buffers belong to file systems, which alone decide what is written.
 */
static bool dirty_as_a_whole(const struct page *page)
{
	struct buffer_head *bh;

	VM_BUG_ON(!PageLocked(page));
	if (!PageUptodate(page) || is_blkdev_mapping(page->mapping))
		return false;
	for_each_buffer(bh, page)
		if (buffer_dirty(bh))
			return false;
	return true;
}

/*
 * Prepare a buffer for writing. True: it is dirty, lies in the file, and has its place on the
 * disk. An error is kept in *err, unless an earlier buffer had one. BH_dirty is cleared before the
 * transfer, so that a change during it marks the buffer again.
 */
static bool want_write(struct buffer_head *bh, unsigned int limit, get_block_t get_block, int *err)
{
	int ret;

	VM_BUG_ON(!PageLocked(bh->page) || (buffer_dirty(bh) && !buffer_uptodate(bh))); /* (I2) */
	if (!buffer_dirty(bh))
		return false;
	clear_buffer_dirty(bh);
	clear_buffer_error(bh);
	if (bh->offset >= limit)
		return false; /* The file was truncated: nothing of this block remains. */
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

/*
 * Write the dirty buffers of a locked page; unlocks it. As in reading, BH_io is set on all of them
 * before the first is submitted. Also when nothing is written, the page goes through writeback,
 * which removes its dirty tag.
 */
static int write_buffers(struct page *page, unsigned int limit, get_block_t get_block)
{
	bool all = dirty_as_a_whole(page);
	struct buffer_head *bh;
	unsigned int nr = 0;
	int err = 0;

	VM_BUG_ON(!PageLocked(page) || PageWriteback(page) || !page_has_buffers(page));
	for_each_buffer(bh, page) {
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

/*
 * Try to write a page without buffers as one run. 1: it is being written and unlocked; 0: its
 * blocks are scattered, so it needs buffers; or -errno. The page stays locked unless 1 is
 * returned.
 */
static int write_whole_page(struct page *page, unsigned int limit, unsigned int block_size,
			    get_block_t get_block)
{
	struct run run;
	int ret = find_run(page, limit, block_size, get_block, true, &run);

	if (ret <= 0)
		return ret;
	VM_BUG_ON(!PageUptodate(page)); /* else garbage goes to the disk */
	set_page_writeback(page);
	submit_run(page, &run, BIO_WRITE);
	unlock_page(page);
	return 1;
}

/*
 * Nothing of a locked page can or need be written; unlocks it. Without memory the page stays
 * dirty, to be tried again. Otherwise it is clean now, and a short writeback removes its dirty
 * tag.
 */
static int end_without_writing(struct page *page, int err)
{
	VM_BUG_ON(!PageLocked(page) || PageWriteback(page));
	if (err == -ENOMEM) {
		(void)set_page_dirty(page); /* try again later */
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
	VM_BUG_ON(PageWriteback(page));
	ClearPageError(page);
	/* The page lies past the end of the file: it was truncated, nothing is to be written. */
	if (!limit)
		return end_without_writing(page, 0);
	/*
	 * Stores through a mapping may have left bytes past the end of the file; they must not
	 * reach the disk, or they would appear when the file grows.
	 */
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
/* ---- Writing parts of pages ------------------------------------------------------------------ */

/*
 * Make one buffer ready for bytes [from, to) of the page to be overwritten: it gets its place on
 * the disk, and if only a part of it is overwritten, the rest must be right first. A new block's
 * rest is zeroes; that of an old one is read.
 */
static int prepare_buffer(struct buffer_head *bh, unsigned int from, unsigned int to,
			  get_block_t get_block)
{
	unsigned int end = bh->offset + bh->size;
	bool was_mapped = buffer_mapped(bh);
	int err = map_buffer(bh, get_block, true);

	VM_BUG_ON(!PageLocked(bh->page) || from > to);
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

/*
 * A write has failed after some blocks had got their places. On the disk these still hold what was
 * deleted there. Make them zeroes, as the file holds nothing else there, and have them written.
 */
static void keep_new_buffers(struct page *page)
{
	struct buffer_head *bh;

	VM_BUG_ON(!PageLocked(page));
	for_each_buffer(bh, page) {
		if (!buffer_new(bh))
			continue;
		clear_buffer_new(bh);
		if (!buffer_uptodate(bh))
			zero_bytes(page, bh->offset, bh->offset + bh->size);
		set_buffer_uptodate(bh);
		set_buffer_dirty(bh);
		(void)set_page_dirty(page);
	}
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
	for_each_buffer(bh, page) {
		if (bh->offset >= to || bh->offset + bh->size <= from)
			continue;
		err = prepare_buffer(bh, from, to, get_block);
		if (err)
			break;
	}
	if (err)
		keep_new_buffers(page);
	return err;
}

void block_commit_write(struct page *page, unsigned int from, unsigned int to,
			unsigned int block_size)
{
	struct buffer_head *bh;

	VM_BUG_ON(from > to || to > PAGE_SIZE);
	VM_BUG_ON(!PageLocked(page) || !page_has_buffers(page));
	(void)block_size; /* the buffers know their own size */
	for_each_buffer(bh, page) {
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

/*
 * Only uptodate buffers get dirty (I2): a store through a mapping needs an Uptodate page, whose
 * buffers all are (I1). For shared memory page->private is a swap slot, not buffers.
 */
void block_dirty_page(struct page *page)
{
	struct buffer_head *bh;

	if (!page->mapping->shmem)
		for_each_buffer(bh, page)
			if (buffer_uptodate(bh))
				set_buffer_dirty(bh);
	(void)set_page_dirty(page);
}

/* The block is no longer the file's: it must not be written, nor be found at its old place. */
static void forget_buffer(struct buffer_head *bh)
{
	VM_BUG_ON(!PageLocked(bh->page));
	clear_buffer_dirty(bh);
	clear_buffer_mapped(bh);
	clear_buffer_new(bh);
}

void block_cut_range(struct page *page, unsigned int from, unsigned int to)
{
	struct buffer_head *bh;

	VM_BUG_ON(from > to || to > PAGE_SIZE);
	VM_BUG_ON(!PageLocked(page));
	for_each_buffer(bh, page)
		if (from <= bh->offset && bh->offset + bh->size <= to)
			forget_buffer(bh);
}

/*
 * Zero the buffer from byte from of the locked page on, also on the disk if it has a place there.
 * A hole stays a hole: it reads as zeroes anyway.
 */
static int zero_buffer_tail(struct page *page, unsigned int from, unsigned int size,
			    get_block_t get_block)
{
	struct buffer_head *bh;
	int err = 0;

	VM_BUG_ON(!PageLocked(page) || from >= PAGE_SIZE);
	if (!page_has_buffers(page))
		err = create_buffers(page, size);
	if (err)
		return err;
	bh = buffer_at(page, from & ~(size - 1));
	err = map_buffer(bh, get_block, false);
	VM_BUG_ON(!bh || bh->size != size);
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

	VM_BUG_ON(!block_size || block_size > PAGE_SIZE || block_size & (block_size - 1));
	if (!(from & (block_size - 1)))
		return 0;
	page = read_cache_page(mapping, NULL, (pgoff_t)(size >> PAGE_SHIFT));
	if (IS_ERR(page))
		return (int)PTR_ERR(page);
	lock_page(page);
	/*
	 * The page may have left the mapping while we waited for its lock; then nothing of it is
	 * cached.
	 */
	if (page->mapping == mapping && PageUptodate(page)) {
		wait_on_page_writeback(page);
		err = zero_buffer_tail(page, from, block_size, get_block);
	}
	unlock_page(page);
	put_page(page);
	return err;
}

/*
 * The page has been writable in mappings since a store that saw the old size, and gave no place to
 * the blocks past it:
 *
 *	store to block 0	page_mkwrite: block 0 has a place and is dirty, the entry is writable
 *	the file grows		blocks 1 .. 3 are the file's
 *	store to block 2	no fault: nothing would tell that block 2 is dirty
 *
 * What was stored since the file has grown marks the entry dirty only, so all blocks count as dirty
 * then.
 */
void block_size_grown(struct address_space *mapping, u64 old_size, unsigned int block_size)
{
	u64 first_new = ALIGN(old_size, (u64)block_size);
	struct page *page;

	if (!(first_new & (PAGE_SIZE - 1)))
		return;
	page = find_lock_page(mapping, (pgoff_t)(first_new >> PAGE_SHIFT));
	if (!page)
		return;
	if (page_mkclean(page))
		block_dirty_page(page);
	unlock_page(page);
	put_page(page);
}

void block_invalidatepage(struct page *page, unsigned int offset)
{
	struct buffer_head *bh;

	VM_BUG_ON(!PageLocked(page) || PageWriteback(page));
	for_each_buffer(bh, page)
		if (bh->offset >= offset)
			forget_buffer(bh);
	if (!offset)
		/* A buffer that is in use stays until its user drops it. */
		(void)try_to_free_buffers(page);
}
