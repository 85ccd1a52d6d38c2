/* SPDX-License-Identifier: MIT */
/*
 * device_cache.c: a block device as a file of blocks: its page cache, its users, its metadata
 * buffers.
 *
 *	file /dev/vda: read, write, mmap ----+
 *	ext2: bread, getblk -----------------+--> bdev->bd_mapping: index -> page -> buffer heads
 *	the flusher, sync, fsync ------------+		block n lies at n
 *
 * The mapping is made when it is first needed and stays as long as the device. All see the
 * same pages, so what a program writes to the disk's file is what a mounted file system
 * reads as its metadata, and the other way round. Data of its files is in their own mappings; a
 * block that becomes a file's is forgotten here (bforget()). Swap goes by all of this.
 *
 * Users are counted: open files, a mount, a swap area. One of them may claim the device (O_EXCL,
 * mounts and swap areas do), which keeps others from claiming it but not from opening it. When
 * the last user goes, everything is written and dropped, so that what goes by the cache
 * (swap, another machine) is seen by who opens it next.
 *
 * The block size of the buffers is the mounted file system's, else the largest of which
 * the device is a whole number. Pages that reach past the last whole block have buffers of one
 * sector. A page whose buffers have another size than is asked for gets new ones, if need be
 * after it was written.
 *
 * Locking: bd_mutex (sleeps; outside page locks) for users, the claim and the block size. While it
 * is held the last user's pages are written: a disk that stalls holds up who opens that disk.
 * Failure: no memory: -ENOMEM, nothing stays. Errors in writing are told to who has the device
 * open, by fsync; at the last close only the log hears of them.
 * Observability: "Buffers" of /proc/meminfo is the sum of nrpages.
 */
#include "buffer_internal.h"
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/vmscan.h>

static struct mutex mapping_mutex; /* creation of mappings */

void block_dev_init(void)
{
	mutex_init(&mapping_mutex, RANK_NONE);
}

/* ---- The mapping ------------------------------------------------------------------------- */

static u64 bdev_size(struct address_space *mapping)
{
	return ((struct block_device *)mapping->host)->nr_sectors << SECTOR_SHIFT;
}

/*
 * A block of the device lies where its number says. One that is there in part only cannot be had
 * whole.
 */
static int bdev_get_block(struct address_space *mapping, u64 block, struct buffer_head *bh,
			  bool create)
{
	if ((block + 1) * bh->size > bdev_size(mapping))
		return create ? -ENOSPC : -EIO;
	bh->bdev = mapping->host;
	bh->block = block;
	set_buffer_mapped(bh);
	return 0;
}

unsigned int blkdev_block_size(const struct block_device *bdev)
{
	unsigned int size = READ_ONCE(bdev->bd_block_size);
	u64 bytes = bdev->nr_sectors << SECTOR_SHIFT;

	if (size)
		return size;
	for (size = SECTOR_SIZE; size < PAGE_SIZE && !(bytes & size); size *= 2)
		;
	return size;
}

/* For the buffers of one page: no part of the device is left out. */
static unsigned int page_block_size(const struct page *page)
{
	const struct block_device *bdev = page->mapping->host;
	unsigned int size = blkdev_block_size(bdev);
	u64 bytes = bdev->nr_sectors << SECTOR_SHIFT;
	bool at_end = ((u64)page->index + 1) << PAGE_SHIFT > bytes;

	return at_end && (bytes & (size - 1)) ? SECTOR_SIZE : size;
}

/* The same, seeing to it that the page has no buffers of another size, unless they are in use. */
static unsigned int fit_block_size(struct page *page)
{
	unsigned int size = page_block_size(page);

	if (page_has_buffers(page) && page_buffers(page)->size != size)
		(void)try_to_free_buffers(page);
	return size;
}

static int bdev_readpage(struct vm_file *file, struct page *page)
{
	(void)file;
	return block_read_full_page(page, fit_block_size(page), bdev_get_block);
}

static int bdev_writepage(struct page *page)
{
	return block_write_full_page(page, page_block_size(page), bdev_get_block);
}

static int bdev_prepare_write(struct vm_file *file, struct page *page, unsigned from, unsigned to)
{
	(void)file;
	return block_prepare_write(page, from, to, fit_block_size(page), bdev_get_block);
}

static int bdev_commit_write(struct vm_file *file, struct page *page, unsigned from, unsigned to)
{
	(void)file;
	block_commit_write(page, from, to, page_block_size(page));
	return 0;
}

/* In sectors, so that a device that ends in the middle of a block is reached whole. */
static long bdev_direct_IO(struct vm_file *file, bool write, struct iov_user buf, size_t count,
			   u64 pos)
{
	return blockdev_direct_IO(file, write, buf, count, pos, SECTOR_SIZE, bdev_get_block);
}

static const struct address_space_operations bdev_a_ops = {
	.direct_IO = bdev_direct_IO,
	.readpage = bdev_readpage,
	.writepage = bdev_writepage,
	.prepare_write = bdev_prepare_write,
	.commit_write = bdev_commit_write,
};

bool is_blkdev_mapping(const struct address_space *mapping)
{
	return mapping->a_ops == &bdev_a_ops;
}

struct address_space *blkdev_mapping(struct block_device *bdev)
{
	struct address_space *mapping = smp_load_acquire(&bdev->bd_mapping);

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
			smp_store_release(&bdev->bd_mapping, mapping);
		}
	}
	mutex_unlock(&mapping_mutex);
	return mapping;
}

/* Nothing of the device is cached any more. */
static void write_and_drop(struct block_device *bdev)
{
	struct address_space *mapping = bdev->bd_mapping;

	if (!mapping)
		return;
	if (filemap_write_and_wait(mapping))
		pr_warn("%s: not everything could be written\n", bdev->name);
	truncate_inode_pages(mapping, 0);
}

void blkdev_mapping_end(struct block_device *bdev)
{
	struct address_space *mapping = bdev->bd_mapping;

	if (!mapping)
		return;
	write_and_drop(bdev);
	bdev->bd_mapping = NULL;
	kfree(mapping);
}

unsigned long nr_blkdev_pages(void)
{
	struct block_device *bdev = NULL;
	unsigned long sum = 0;

	while ((bdev = next_block_device(bdev))) {
		const struct address_space *mapping = smp_load_acquire(&bdev->bd_mapping);

		sum += mapping ? READ_ONCE(mapping->nrpages) : 0;
	}
	return sum;
}

/* ---- Users ----------------------------------------------------------------------------------- */

int blkdev_get(struct block_device *bdev, void *holder)
{
	int err = 0;

	mutex_lock(&bdev->bd_mutex);
	if (holder)
		err = claim_block_device(bdev, holder);
	if (!err)
		bdev->bd_users++;
	mutex_unlock(&bdev->bd_mutex);
	return err;
}

void blkdev_put(struct block_device *bdev, void *holder)
{
	mutex_lock(&bdev->bd_mutex);
	BUG_ON(!bdev->bd_users);
	if (--bdev->bd_users == 0) {
		write_and_drop(bdev);
		WRITE_ONCE(bdev->bd_block_size, 0);
	}
	if (holder)
		release_block_device(bdev, holder);
	mutex_unlock(&bdev->bd_mutex);
}

void set_blocksize(struct block_device *bdev, unsigned int size)
{
	BUG_ON(size && (size < SECTOR_SIZE || size > PAGE_SIZE || (size & (size - 1))));
	mutex_lock(&bdev->bd_mutex);
	write_and_drop(bdev);
	WRITE_ONCE(bdev->bd_block_size, size);
	mutex_unlock(&bdev->bd_mutex);
}

int blkdev_flush(struct block_device *bdev)
{
	struct bio *bio = bio_alloc(bdev, BIO_FLUSH, 0, 0, GFP_NOIO);
	int err;

	if (!bio)
		return -ENOMEM;
	err = submit_bio_wait(bio);
	bio_put(bio);
	return err;
}

/* ---- Metadata: single blocks ----------------------------------------------------------------- */

/* Buffers of this size on a locked page of the device, each knowing its block. */
static int bdev_buffers(struct page *page, unsigned int size)
{
	struct buffer_head *bh = page_buffers(page);

	if (bh && bh->size != size && !try_to_free_buffers(page))
		return -EBUSY;
	if (!page_has_buffers(page) && create_buffers(page, size))
		return -ENOMEM;
	for_each_buffer(bh, page)
		if (map_buffer(bh, bdev_get_block, false))
			break; /* past the end there is none */
	return 0;
}

static int get_buffer(struct address_space *mapping, u64 pos, unsigned int size,
		      struct buffer_head **pbh)
{
	struct page *page = grab_cache_page(mapping, (pgoff_t)(pos >> PAGE_SHIFT));
	int err;

	if (!page)
		return -ENOMEM;
	err = bdev_buffers(page, size);
	if (!err) {
		*pbh = buffer_at(page, (unsigned int)(pos & (PAGE_SIZE - 1)));
		atomic_inc(&(*pbh)->count);
	}
	unlock_page(page);
	put_page(page);
	return err;
}

struct buffer_head *getblk(struct block_device *bdev, u64 block, unsigned int size)
{
	struct address_space *mapping = blkdev_mapping(bdev);
	struct buffer_head *bh;
	u64 pos = block * size;
	int err;

	if (!mapping || pos + size > bdev_size(mapping))
		return NULL;
	err = get_buffer(mapping, pos, size, &bh);
	if (err == -EBUSY) { /* buffers of another size, with something to write */
		err = filemap_write_and_wait_range(mapping, pos, pos + size - 1);
		if (!err)
			err = get_buffer(mapping, pos, size, &bh);
	}
	return err ? NULL : bh;
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
	if (bh) /* after all that its user did: who finds 0 may free it */
		rmw_sub_release(&bh->count.counter, 1);
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

/*
 * Stores through a mapping of the device since the page was last cleaned may be anywhere in it;
 * the next ones fault, and dirty the page's buffers again.
 */
static void collect_stores(struct page *page)
{
	if (page_mapcount(page) && page_mkclean(page))
		block_dirty_page(page);
}

int sync_dirty_buffer(struct buffer_head *bh)
{
	struct page *page = bh->page;
	int err = 0;

	lock_page(page);
	wait_on_page_writeback(page);
	collect_stores(page);
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
	struct address_space *mapping = smp_load_acquire(&bdev->bd_mapping);
	u64 pos = block * size;
	struct buffer_head *bh;
	struct page *page;

	page = mapping ? find_lock_page(mapping, (pgoff_t)(pos >> PAGE_SHIFT)) : NULL;
	if (!page)
		return;
	wait_on_page_writeback(page);
	bh = buffer_at(page, (unsigned int)(pos & (PAGE_SIZE - 1)));
	if (bh && bh->size == size) {
		if (stop_waiting(bh))
			brelse(bh);
		clear_buffer_dirty(bh);
		clear_buffer_uptodate(bh);
		ClearPageUptodate(page);
	}
	unlock_page(page);
	put_page(page);
}
