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
 * Where a file's block lies: set bh->bdev, bh->block and BH_mapped; leave it unmapped for a
 * hole. create: allocate it (BH_new if so). 0 or -EIO, -ENOSPC, ... May sleep.
 */
typedef int (*get_block_t)(struct address_space *mapping, u64 block, struct buffer_head *bh,
			   bool create);

/*
 * address_space_operations in terms of get_block; block_size is a power of two, 512 .. PAGE_SIZE.
 */
int block_read_full_page(struct page *page, unsigned int block_size, get_block_t get_block);
int block_write_full_page(struct page *page, unsigned int block_size, get_block_t get_block);
/* After an error, blocks that were allocated for the write go to the disk as zeroes. */
int block_prepare_write(struct page *page, unsigned int from, unsigned int to,
			unsigned int block_size, get_block_t get_block);
/* Bytes [from, to) of the locked page were written: dirties those buffers and the page. */
void block_commit_write(struct page *page, unsigned int from, unsigned int to,
			unsigned int block_size);
/* Bytes [from, to) of a locked page are cut off: blocks that lie inside are forgotten. */
void block_cut_range(struct page *page, unsigned int from, unsigned int to);
/*
 * Before a file is cut to size, in the middle of a block: zero the rest of that block, so that
 * it does not show again when the file grows. 0, -EIO or -ENOMEM. May sleep.
 */
int block_truncate_page(struct address_space *mapping, u64 size, unsigned int block_size,
			get_block_t get_block) __must_check;
/*
 * After a file has grown from old_size on, with the inode's lock held since before: the next store
 * through a mapping to the page that the old end lies in faults, so that the blocks which that page
 * got in the file find a place, or the store is told that there is none. Nothing to do if the old
 * end's block is the last of its page. May sleep.
 */
void block_size_grown(struct address_space *mapping, u64 old_size, unsigned int block_size);
/* direct_IO in terms of get_block, with the same block sizes. (direct_io.c) */
long blockdev_direct_IO(struct vm_file *file, bool write, struct iov_user buf, size_t count,
			u64 pos, unsigned int block_size, get_block_t get_block);
/*
 * Drop what is dirty in the page from byte offset on (truncation), and unused buffers. Page locked.
 */
void block_invalidatepage(struct page *page, unsigned int offset);

/* Free the page's buffers if none is dirty, locked or in use. Page locked. (RC-26) */
bool try_to_free_buffers(struct page *page);

/* Boot: the slab cache of buffer heads. Panics without memory. */
void buffer_init(void);

/* ---- Metadata: blocks of the device itself ----------------------------------------------- */

/* The page cache of the device itself, made at the first call; NULL: no memory. May sleep. */
struct address_space *blkdev_mapping(struct block_device *bdev);
/* Pages in the caches of all devices: "Buffers". */
unsigned long nr_blkdev_pages(void);
/*
 * One more user of the device, who claims it if holder is not NULL: 0, or -EBUSY if it is claimed.
 * May sleep.
 */
int blkdev_get(struct block_device *bdev, void *holder) __must_check;
/* One less; the last one writes and drops what is cached. May sleep. */
void blkdev_put(struct block_device *bdev, void *holder);
/*
 * The claimant chooses the size of buffers, a power of two from 512 to PAGE_SIZE; 0: what suits the
 * device. Everything cached is written and dropped. May sleep.
 */
void set_blocksize(struct block_device *bdev, unsigned int size);
/* The size of its buffers now. */
unsigned int blkdev_block_size(const struct block_device *bdev);
/* What the device has in a cache of its own becomes lasting: 0, -EIO, -ENOMEM. May sleep. */
int blkdev_flush(struct block_device *bdev) __must_check;
/* Write it back and drop it, before the device goes; nobody uses it any more. May sleep. */
void blkdev_mapping_end(struct block_device *bdev);
/* The block, read if need be, with a use counted; NULL on I/O error or no memory. May sleep. */
struct buffer_head *bread(struct block_device *bdev, u64 block, unsigned int size) __must_check;
/* The same without reading (the caller fills all of it and sets it uptodate). */
struct buffer_head *getblk(struct block_device *bdev, u64 block, unsigned int size) __must_check;
void brelse(struct buffer_head *bh); /* NULL allowed */
/* Its bytes; its page is never in high memory. */
void *bh_data(const struct buffer_head *bh);
/* Changed: written back with the device's dirty pages. */
void mark_buffer_dirty(struct buffer_head *bh);
/* Write it now and wait; 0 or -EIO. May sleep. */
int sync_dirty_buffer(struct buffer_head *bh) __must_check;
/* Forget a block that was freed: its contents are not written any more. */
void bforget(struct block_device *bdev, u64 block, unsigned int size);

/* ---- Metadata in order (buffer_order.c) ---------------------------------------------------- */

#define MAX_WAIT_RANKS 4 /* ranks of a list are below that */
/* Buffers that write_waiting_buffers() and drop_waiting_buffers() have looked at, ever. */
extern unsigned long waiting_buffers_seen;
/*
 * Changed, and written only by write_waiting_buffers() of that list, lower ranks first; until then
 * the list has a use of it. One that is on a list stays there. Any context.
 */
void mark_buffer_waiting(struct buffer_head *bh, struct list_head *list, unsigned int rank);
/*
 * Write all of a list, ranks 0 to ranks - 1, each when the one before is on the disk, and wait. The
 * caller keeps them from being changed. 0, or the first error. May sleep.
 */
int write_waiting_buffers(struct list_head *list, unsigned int ranks);
/* They are not to be written. */
void drop_waiting_buffers(struct list_head *list);
/* How many buffers are on lists. */
unsigned long nr_waiting_buffers(void);
/*
 * Start writing what is dirty in the buffer's page; wait until that is done: -EIO if this buffer
 * was not written. May sleep.
 */
int start_buffer_page(struct buffer_head *bh);
int await_buffer_page(struct buffer_head *bh);

PAGODA_C_END
