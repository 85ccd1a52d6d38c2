/* SPDX-License-Identifier: MIT */
/*
 * buffer_head.h: the blocks inside a cached page, for file systems whose blocks may be
 * smaller than a page, and for their metadata.
 *
 *	page->private -> buffer_head -> buffer_head -> ... (ring, ascending offsets)
 *
 * A page with buffers holds one reference for them; try_to_free_buffers() drops it. Data
 * pages belong to a file's mapping; metadata pages to the device's (bdev->bd_mapping).
 */
#pragma once

#include <pagoda/blkdev.h>
#include <pagoda/pagemap.h>

PAGODA_C_BEGIN

/* clang-format off */
#define BUFFER_FLAGS(X)                                                                            \
	X(uptodate, 0) X(dirty, 1) X(mapped, 2) X(new, 3) X(io, 4) X(error, 5) X(locked, 6)        \
	X(waiting, 7)
/* clang-format on */
enum buffer_flag {
#define X(name, bit) BH_##name = bit,
	BUFFER_FLAGS(X)
#undef X
};

struct buffer_head {
	unsigned long flags;	   /* (A) BH_ bits */
	struct buffer_head *next;  /* (page lock) ring of the page's buffers */
	struct page *page;	   /* (C) */
	struct block_device *bdev; /* (C) once mapped */
	/* (C) once mapped: number on the device, in units of size */
	u64 block;
	unsigned int size, offset;  /* (C) bytes; where in the page */
	atomic_t count;		    /* users; > 0 keeps it from being freed */
	unsigned int wait_rank;	    /* waiting_lock: see mark_buffer_waiting() */
	struct list_head wait_link; /* waiting_lock */
};

#define BUFFER_FLAG(Name, name)                                        \
	static inline bool buffer_##name(const struct buffer_head *bh) \
	{                                                              \
		return test_bit(BH_##name, &bh->flags);                \
	}                                                              \
	static inline void set_buffer_##name(struct buffer_head *bh)   \
	{                                                              \
		set_bit(BH_##name, &bh->flags);                        \
	}                                                              \
	static inline void clear_buffer_##name(struct buffer_head *bh) \
	{                                                              \
		clear_bit(BH_##name, &bh->flags);                      \
	}
#define X(name, bit) BUFFER_FLAG(name, name)
BUFFER_FLAGS(X)
#undef X

static inline bool page_has_buffers(const struct page *page)
{
	return page->CXX_NAME(private) != NULL;
}

/*
 * Find where a block of a file lies: set bh->bdev, bh->block (in units of bh->size) and BH_mapped,
 * or leave bh unmapped for a hole. block: the file's block number. create: allocate a missing
 * block, and set BH_new.
 * Context: may sleep. Locks: the page's lock held, or for direct I/O the inode's.
 * Return: 0, -EIO, -ENOSPC, ...
 */
typedef int (*get_block_t)(struct address_space *mapping, u64 block, struct buffer_head *bh,
			   bool create);

/*
 * a_ops->readpage in terms of get_block. block_size: bytes, a power of two from 512 to PAGE_SIZE.
 * Context: may sleep. Locks: the page is locked; it is unlocked when it was read, or by this call.
 * Return: 0, or -errno; the page is Uptodate then, or marked with an error.
 */
int block_read_full_page(struct page *page, unsigned int block_size, get_block_t get_block);

/*
 * a_ops->writepage in terms of get_block; bytes past the end of the file are zeroed first.
 * Context: may sleep. Locks: the page is locked, clean and not under writeback; it is unlocked on
 * return.
 * Return: 0; -ENOMEM: the page is dirty again; another -errno: some blocks have no place on the
 * disk.
 */
int block_write_full_page(struct page *page, unsigned int block_size, get_block_t get_block);

/*
 * a_ops->prepare_write: make bytes [from, to) of a page ready to be overwritten. After an error,
 * blocks that were allocated for the write go to the disk as zeroes.
 * Context: may sleep. Locks: the page is locked. Return: 0 or -errno.
 */
int block_prepare_write(struct page *page, unsigned int from, unsigned int to,
			unsigned int block_size, get_block_t get_block);

/*
 * a_ops->commit_write: bytes [from, to) of the page were written; marks those buffers and the page
 * dirty.
 * Context: task context. Locks: the page is locked.
 */
void block_commit_write(struct page *page, unsigned int from, unsigned int to,
			unsigned int block_size);

/*
 * Bytes [from, to) of a page are cut off: blocks that lie inside as a whole are not written any
 * more.
 * Context: task context. Locks: the page is locked.
 */
void block_cut_range(struct page *page, unsigned int from, unsigned int to);

/*
 * Before a file is cut to size bytes, in the middle of a block: zero the rest of that block, so
 * that its old contents do not show when the file grows again.
 * Context: may sleep. Locks: no page lock held. Return: 0, -EIO or -ENOMEM.
 */
int block_truncate_page(struct address_space *mapping, u64 size, unsigned int block_size,
			get_block_t get_block) __must_check;

/*
 * After a file has grown from old_size bytes on: the next store through a mapping to the page of
 * the old end faults, so that its new blocks get a place on the disk, or the store is refused.
 * Nothing is done if the old end's block is the last of its page.
 * Context: may sleep. Locks: the inode's lock, held since before the growth.
 */
void block_size_grown(struct address_space *mapping, u64 old_size, unsigned int block_size);

/*
 * a_ops->direct_IO in terms of get_block: transfer count bytes at pos between the file's blocks
 * and buf.
 * Context: may sleep. Locks: the inode's lock, for write if write is set.
 * Return: bytes done; 0: use the page cache, or the end of the file; -EINVAL: not in whole
 * sectors; -errno.
 */
long blockdev_direct_IO(struct vm_file *file, bool write, struct iov_user buf, size_t count,
			u64 pos, unsigned int block_size, get_block_t get_block);

/*
 * a_ops->flushpage: forget what is dirty in the page from byte offset on, and free unused buffers.
 * Context: task context. Locks: the page is locked and not under writeback.
 */
void block_invalidatepage(struct page *page, unsigned int offset);

/*
 * Free the buffers of a page, if none is dirty, in transfer or in use. (RC-26)
 * Context: any. Locks: the page is locked. Refs: drops the reference that the page has for its
 * buffers.
 * Return: true if the page has no buffers now.
 */
bool try_to_free_buffers(struct page *page);

/*
 * Create the slab cache of buffer heads; panics without memory.
 * Context: boot.
 */
void buffer_init(void);

/* ---- Metadata: blocks of the device itself ----------------------------------------------- */

/*
 * The page cache of the device itself, made at the first call.
 * Context: may sleep. Return: the mapping, which lives as long as the device; NULL: no memory.
 */
struct address_space *blkdev_mapping(struct block_device *bdev);

/*
 * Pages in the caches of all devices ("Buffers" of /proc/meminfo).
 * Context: any. Return: pages.
 */
unsigned long nr_blkdev_pages(void);

/*
 * Count one more user of a device, which also claims it if holder is not NULL.
 * Context: may sleep (bd_mutex). Return: 0, or -EBUSY if another holder has claimed it.
 */
int blkdev_get(struct block_device *bdev, void *holder) __must_check;

/*
 * One user less, with its claim if holder is not NULL. The last user's call writes and drops the
 * cache.
 * Context: may sleep (bd_mutex, writes).
 */
void blkdev_put(struct block_device *bdev, void *holder);

/*
 * The claimant chooses the size of buffers: bytes, a power of two from 512 to PAGE_SIZE; 0: the
 * size that suits the device. Everything cached is written and dropped.
 * Context: may sleep.
 */
void set_blocksize(struct block_device *bdev, unsigned int size);

/*
 * The size of the device's buffers now.
 * Context: any. Return: bytes.
 */
unsigned int blkdev_block_size(const struct block_device *bdev);

/*
 * Make the device write its own volatile cache to stable storage.
 * Context: may sleep. Return: 0, -EIO or -ENOMEM.
 */
int blkdev_flush(struct block_device *bdev) __must_check;

/*
 * Write back and free the cache of a device that nobody uses any more, before the device goes.
 * Context: may sleep.
 */
void blkdev_mapping_end(struct block_device *bdev);

/*
 * The buffer of a block of the device, read if need be. block: in units of size; size: bytes.
 * Context: may sleep. Locks: no page lock of the device held. Refs: one use, dropped by brelse().
 * Return: an uptodate buffer, or NULL on an I/O error or without memory.
 */
struct buffer_head *bread(struct block_device *bdev, u64 block, unsigned int size) __must_check;

/*
 * bread() without reading: the caller fills all of the buffer and marks it uptodate.
 * Context: may sleep. Refs: one use. Return: the buffer, or NULL (no memory, past the end, I/O
 * error).
 */
struct buffer_head *getblk(struct block_device *bdev, u64 block, unsigned int size) __must_check;

/*
 * Drop a use of a buffer; NULL is allowed.
 * Context: any.
 */
void brelse(struct buffer_head *bh); /* NULL allowed */

/*
 * The bytes of a buffer in use.
 * Context: any. Return: a kernel address; the page is never in high memory.
 */
void *bh_data(const struct buffer_head *bh);

/*
 * The bytes of a buffer in use were changed: it becomes uptodate and dirty, and is written back
 * with the device's dirty pages.
 * Context: any.
 */
void mark_buffer_dirty(struct buffer_head *bh);

/*
 * Write a buffer in use now, and wait.
 * Context: may sleep. Locks: its page's lock is not held. Return: 0, or -EIO, also for an earlier
 * failed write.
 */
int sync_dirty_buffer(struct buffer_head *bh) __must_check;

/*
 * A block of the device was freed, or now belongs to a file: what the cache holds of it is not
 * written.
 * Context: may sleep (page lock, writeback).
 */
void bforget(struct block_device *bdev, u64 block, unsigned int size);

/* ---- Metadata in order (buffer_order.c) ---------------------------------------------------- */

#define MAX_WAIT_RANKS 4 /* ranks of a list are below that */
/* Buffers that write_waiting_buffers() and drop_waiting_buffers() have looked at, ever. */
extern unsigned long waiting_buffers_seen;

/*
 * A buffer in use was changed, and must be written by write_waiting_buffers() of this list only,
 * lower ranks first (rank: below MAX_WAIT_RANKS). A buffer that is on a list stays there.
 * Context: any. Refs: the list takes a use of its own.
 */
void mark_buffer_waiting(struct buffer_head *bh, struct list_head *list, unsigned int rank);

/*
 * Write all buffers of a list, ranks 0 to ranks - 1, each when the one before is on the disk, and
 * wait.
 * Context: may sleep. Locks: the owner of the list keeps the blocks from being changed.
 * Return: 0, or the first error; the buffers wait no more in either case.
 */
int write_waiting_buffers(struct list_head *list, unsigned int ranks);

/*
 * Take all buffers off a list without writing them.
 * Context: any.
 */
void drop_waiting_buffers(struct list_head *list);

/*
 * How many buffers wait on lists.
 * Context: any. Return: buffers.
 */
unsigned long nr_waiting_buffers(void);

/*
 * Start writing the dirty buffers of the page that holds a buffer in use.
 * Context: may sleep. Return: 0, or the first error in starting.
 */
int start_buffer_page(struct buffer_head *bh);

/*
 * Wait until the page of a buffer in use is not under writeback.
 * Context: may sleep. Return: 0, or -EIO if this buffer was not written.
 */
int await_buffer_page(struct buffer_head *bh);

PAGODA_C_END
