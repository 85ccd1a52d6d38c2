/* SPDX-License-Identifier: MIT */
/* buffer_internal.h: what the files of buffers share. The page is locked in all of these, unless it
 * says other. */
#pragma once

#include <pagoda/buffer_head.h>

static inline struct buffer_head *page_buffers(const struct page *page)
{
	return page->private;
}

#define for_each_buffer(bh, page)             \
	for ((bh) = page_buffers(page); (bh); \
	     (bh) = (bh)->next == page_buffers(page) ? NULL : (bh)->next)

/* Buffers for a page that has none; uptodate if the page is. 0 or -ENOMEM. */
int create_buffers(struct page *page, unsigned int size) __must_check;
/* The buffer that begins at this byte, or NULL. */
struct buffer_head *buffer_at(struct page *page, unsigned int offset);
/* Give it its place, if it has none yet: what get_block says. May sleep. */
int map_buffer(struct buffer_head *bh, get_block_t get_block, bool create) __must_check;
/* Its bytes changed, anywhere: it is dirty, and so are its uptodate buffers, if it has some. */
void block_dirty_page(struct page *page);
/* Bytes [from, to) become zero; none if from >= to. The caller's alone, or locked. */
void zero_bytes(struct page *page, unsigned int from, unsigned int to);
/* Uptodate, if all its buffers are (I1). */
void update_page_uptodate(struct page *page);
/* Transfer one buffer and wait; 0 or -EIO. May sleep. */
int transfer_and_wait(struct buffer_head *bh, enum bio_op op) __must_check;
/* A page whose first bytes lie in consecutive blocks, and the rest nowhere. */
struct run {
	struct block_device *bdev;
	u64 sector;
	unsigned int bytes;
};

/* Find the place of the page's bytes [0, limit). 1: they are one run; 0: they are not. -errno. */
int find_run(struct page *page, unsigned int limit, unsigned int size, get_block_t get_block,
	     bool create, struct run *run) __must_check;
/* Bytes of the page that lie inside the file, from its start on. */
unsigned int bytes_in_file(const struct page *page);
/* Start transferring the run, reading or writing; the page is unlocked, or no longer under
 * writeback, at its end. */
void submit_run(struct page *page, const struct run *run, enum bio_op op);
/*
 * Submit all buffers with BH_io. The page is locked, or for reading was: once the last one is
 * submitted the ring is not looked at any more.
 */
void submit_page_buffers(struct page *page, unsigned int nr, enum bio_op op);

/* ---- device_cache.c -------------------------------------------------------------------------- */

/*
 * Take it off the list that it waits on; true: it was on one, whose use is the caller's now. Any
 * context.
 */
bool stop_waiting(struct buffer_head *bh);
/* Boot. */
void block_dev_init(void);
/* Is this the cache of a whole device? Any context. */
bool is_blkdev_mapping(const struct address_space *mapping);
