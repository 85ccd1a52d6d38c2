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
 * block that becomes a file's is forgotten here (bforget()). Swap transfers bypass this cache.
 *
 * Users are counted: open files, a mount, a swap area. One of them may claim the device (O_EXCL,
 * mounts and swap areas do), which keeps others from claiming it but not from opening it. When the
 * last user closes the device, everything cached is written and dropped. The next user then sees
 * what was written past the cache meanwhile, by swap or by another machine.
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
#include <pagoda/rmap.h>
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
 * get_block of a device: block n lies at n. A last block that is only partly on the device cannot
 * be transferred: -ENOSPC when it would be allocated, else -EIO.
 */
static int bdev_get_block(struct address_space *mapping, u64 block, struct buffer_head *bh,
			  bool create)
{
	if ((block + 1) * bh->size > bdev_size(mapping))
		return create ? -ENOSPC : -EIO;
	VM_BUG_ON(!bh->size || bh->size & (bh->size - 1));
	bh->bdev = mapping->host;
	bh->block = block;
	set_buffer_mapped(bh);
	return 0;
}

/*
 * The largest size of which the device is a whole number, unless a mounted file system chose
 * another.
 */
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

/*
 * The size for the buffers of one page. In the last page, blocks that do not divide the device's
 * size would leave its end out of reach, so that page has buffers of one sector.
 */
static unsigned int page_block_size(const struct page *page)
{
	const struct block_device *bdev = page->mapping->host;
	unsigned int size = blkdev_block_size(bdev);
	u64 bytes = bdev->nr_sectors << SECTOR_SHIFT;
	bool at_end = ((u64)page->index + 1) << PAGE_SHIFT > bytes;

	VM_BUG_ON(!PageLocked(page));
	return at_end && (bytes & (size - 1)) ? SECTOR_SIZE : size;
}

/*
 * The same; in addition, buffers of another size are freed, unless they are in use. Those stay,
 * and the page is then read or written in their size.
 */
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

/*
 * Direct I/O goes in sectors, so that also a device that ends in the middle of a block is reached
 * whole.
 */
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

/*
 * The first look is without the mutex, as the mapping exists nearly always. The release of the
 * store pairs with its acquire: a task that sees the pointer also sees the initialised mapping.
 */
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
			/*
			 * File systems read metadata while they hold locks that reclaim with
			 * __GFP_FS could wait for.
			 */
			mapping->gfp_mask = GFP_NOFS;
			smp_store_release(&bdev->bd_mapping, mapping);
		}
	}
	mutex_unlock(&mapping_mutex);
	return mapping;
}

/*
 * Write all dirty pages of the device's cache, then drop all pages. What could not be written is
 * lost.
 */
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

	VM_BUG_ON(bdev->bd_users); /* nobody may find the mapping any more */
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
	VM_BUG_ON(holder && bdev->holder != holder);
	mutex_lock(&bdev->bd_mutex);
	BUG_ON(!bdev->bd_users);
	if (--bdev->bd_users == 0) {
		/*
		 * The last user goes. Opening waits for bd_mutex, so nobody fills the cache
		 * meanwhile.
		 */
		write_and_drop(bdev);
		WRITE_ONCE(bdev->bd_block_size, 0);
	}
	if (holder)
		release_block_device(bdev, holder);
	mutex_unlock(&bdev->bd_mutex);
}

/* Buffers of the old size must not survive: a block would be cached twice, in two sizes. */
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

/*
 * Give a locked page of the device buffers of this size, each mapped to its block. -EBUSY: the
 * page has buffers of another size that are in use or dirty; -ENOMEM.
 */
static int bdev_buffers(struct page *page, unsigned int size)
{
	struct buffer_head *bh = page_buffers(page);

	VM_BUG_ON(!PageLocked(page));
	if (bh && bh->size != size && !try_to_free_buffers(page))
		return -EBUSY;
	if (!page_has_buffers(page) && create_buffers(page, size))
		return -ENOMEM;
	for_each_buffer(bh, page)
		if (map_buffer(bh, bdev_get_block, false))
			break; /* the blocks behind the end of the device have no place */
	return 0;
}

/*
 * The buffer at byte pos, with a use counted. The use is taken under the page lock, so
 * try_to_free_buffers() cannot free the buffer in between.
 */
static int get_buffer(struct address_space *mapping, u64 pos, unsigned int size,
		      struct buffer_head **pbh)
{
	struct page *page = grab_cache_page(mapping, (pgoff_t)(pos >> PAGE_SHIFT));
	int err;

	VM_BUG_ON(pos & (size - 1));
	if (!page)
		return -ENOMEM;
	err = bdev_buffers(page, size);
	if (!err) {
		*pbh = buffer_at(page, (unsigned int)(pos & (PAGE_SIZE - 1)));
		VM_BUG_ON(!*pbh || (*pbh)->size != size);
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

	VM_BUG_ON(size < SECTOR_SIZE || size > PAGE_SIZE || size & (size - 1));
	if (!mapping || pos + size > bdev_size(mapping))
		return NULL;
	err = get_buffer(mapping, pos, size, &bh);
	/*
	 * The page has dirty buffers of another size. Once they are written they can be freed; try
	 * again.
	 */
	if (err == -EBUSY) {
		err = filemap_write_and_wait_range(mapping, pos, pos + size - 1);
		if (!err)
			err = get_buffer(mapping, pos, size, &bh);
	}
	return err ? NULL : bh;
}

/*
 * Whether the buffer is uptodate is looked at again under the page lock: another task may have
 * read the block while we waited for it.
 */
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
	VM_BUG_ON(bh && atomic_read(&bh->count) < 1);
	/*
	 * Release: whatever this user did to the buffer happens before a task that finds 0 frees
	 * it.
	 */
	if (bh)
		rmw_sub_release(&bh->count.counter, 1);
}

/* The mapping's gfp_mask (GFP_NOFS) allows no pages of high memory, so each has an address. */
void *bh_data(const struct buffer_head *bh)
{
	VM_BUG_ON(PageHighMem(bh->page));
	return (char *)page_address(bh->page) + bh->offset;
}

void mark_buffer_dirty(struct buffer_head *bh)
{
	VM_BUG_ON(atomic_read(&bh->count) < 1 || !buffer_mapped(bh));
	set_buffer_uptodate(bh);
	set_buffer_dirty(bh); /* before the page: see "Locking" in buffer.c */
	(void)set_page_dirty(bh->page);
}

/*
 * A program may have mapped the device and stored to the page. Which buffers it changed is not
 * known, so all count as dirty. page_mkclean() write-protects the entries, so that the next store
 * faults and is noticed.
 */
static void collect_stores(struct page *page)
{
	VM_BUG_ON(!PageLocked(page));
	if (page_mapcount(page) && page_mkclean(page))
		block_dirty_page(page);
}

/*
 * Only this buffer is written; the others of its page stay dirty. A write of the page that is
 * under way is waited for, as it may hold an older state of the buffer. A clean buffer with an
 * error tells that its last write failed.
 */
int sync_dirty_buffer(struct buffer_head *bh)
{
	struct page *page = bh->page;
	int err = 0;

	VM_BUG_ON(atomic_read(&bh->count) < 1);
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

/*
 * The block now belongs to a file, which writes it through its own mapping. A later write from
 * this cache would overwrite that. A write that is under way is waited for, for the same reason.
 */
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
