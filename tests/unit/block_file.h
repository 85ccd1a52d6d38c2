/* SPDX-License-Identifier: MIT */
/*
 * block_file.h: a file on a memory disk for tests, in blocks of a chosen size whose places are
 * given out one after the other, with gaps, when they are first written.
 */
#pragma once

#include "memory_disk.h"

#include <pagoda/buffer_head.h>
#include <pagoda/lru.h>
#include <pagoda/vmstat.h>

#define FILE_BLOCKS  4096u
#define DISK_SECTORS (16u * 1024 * 2) /* 16 MiB */

struct block_file {
	struct vm_file file; /* first */
	struct address_space mapping;
	u64 size;
	unsigned int block_size;
	struct memory_disk disk;
	u32 place[FILE_BLOCKS]; /* 0: none */
	u32 next_place, gap_every;
	bool full;   /* no more blocks */
	u32 full_at; /* the same from this place on; 0: never */
	unsigned int prepared, committed;
};

static inline struct block_file *block_file_of(struct address_space *mapping)
{
	return container_of(mapping, struct block_file, mapping);
}
static inline u64 block_file_size(struct address_space *mapping)
{
	return __atomic_load_n(&block_file_of(mapping)->size, __ATOMIC_RELAXED);
}

static inline int block_file_get_block(struct address_space *mapping, u64 block,
				       struct buffer_head *bh, bool create)
{
	struct block_file *f = block_file_of(mapping);
	u32 place;

	CHECK_LT(block, FILE_BLOCKS);
	place = __atomic_load_n(&f->place[block], __ATOMIC_RELAXED);
	if (!place && !create)
		return 0;
	if (!place) {
		if (f->full || (f->full_at && f->next_place >= f->full_at))
			return -ENOSPC;
		place = __atomic_fetch_add(&f->next_place, 1, __ATOMIC_RELAXED);
		if (f->gap_every && place % f->gap_every == 0)
			place = __atomic_fetch_add(&f->next_place, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&f->place[block], place, __ATOMIC_RELAXED);
		set_buffer_new(bh);
	}
	bh->bdev = &f->disk.bdev;
	bh->block = place;
	set_buffer_mapped(bh);
	return 0;
}

static inline int block_file_readpage(struct vm_file *file, struct page *page)
{
	(void)file;
	return block_read_full_page(page, block_file_of(page->mapping)->block_size,
				    block_file_get_block);
}
static inline int block_file_writepage(struct page *page)
{
	return block_write_full_page(page, block_file_of(page->mapping)->block_size,
				     block_file_get_block);
}
static inline int block_file_prepare_write(struct vm_file *file, struct page *page, unsigned from,
					   unsigned to)
{
	struct block_file *f = block_file_of(page->mapping);
	int err = block_prepare_write(page, from, to, f->block_size, block_file_get_block);

	(void)file;
	f->prepared += !err;
	return err;
}
static inline int block_file_commit_write(struct vm_file *file, struct page *page, unsigned from,
					  unsigned to)
{
	struct block_file *f = block_file_of(page->mapping);
	u64 end = ((u64)page->index << PAGE_SHIFT) + to;

	(void)file;
	f->committed++;
	block_commit_write(page, from, to, f->block_size);
	if (end > f->size)
		__atomic_store_n(&f->size, end, __ATOMIC_RELAXED);
	return 0;
}

static const struct address_space_operations block_file_a_ops = {
	.readpage = block_file_readpage,
	.writepage = block_file_writepage,
	.prepare_write = block_file_prepare_write,
	.commit_write = block_file_commit_write,
};

static inline void block_file_release(struct vm_file *file)
{
	struct block_file *f = container_of(file, struct block_file, file);

	truncate_inode_pages(&f->mapping, 0);
	CHECK_EQ(f->mapping.nrpages, 0);
	CHECK_EQ(f->mapping.nr_dirty + f->mapping.nr_writeback, 0);
}
static inline int block_file_fsync(struct vm_file *file, u64 start, u64 end, bool datasync)
{
	(void)datasync;
	return generic_file_fsync(file, start, end);
}
static const struct vm_file_operations block_file_ops = {
	.mmap = generic_file_mmap, .release = block_file_release, .fsync = block_file_fsync};

/* One that is opened (again): its own error cursor and read-ahead. */
static inline void block_file_open(struct block_file *f, struct vm_file *file)
{
	memset(file, 0, sizeof(*file));
	atomic_set(&file->f_count, 1);
	file->f_mapping = &f->mapping;
	file->f_vmops = &block_file_ops;
	file->f_may_read = file->f_may_write = true;
	file_sample_wb_err(file);
}

static struct block_file *the_file; /* made once a test, as the disk stays */

static inline void block_file_make(void)
{
	static u8 bytes[DISK_SECTORS << SECTOR_SHIFT];
	static struct block_file file;

	the_file = &file;
	memset(bytes, 0xee, sizeof(bytes)); /* stale data must never show */
	memory_disk_create(&file.disk, bytes, DISK_SECTORS);
}

static inline struct block_file *block_file_create(unsigned int block_size, u32 gap_every)
{
	struct block_file *f;

	if (!the_file)
		test_lasting(block_file_make);
	f = the_file;
	memset(f->place, 0, sizeof(f->place));
	address_space_init(&f->mapping, f, &block_file_a_ops, block_file_size);
	block_file_open(f, &f->file);
	f->size = 0;
	f->block_size = block_size;
	f->next_place = 1;
	f->gap_every = gap_every;
	f->full = false;
	f->prepared = f->committed = 0;
	return f;
}

/* The file's byte as the disk has it. */
static inline u8 block_file_disk_byte(struct block_file *f, u64 pos)
{
	u32 place = f->place[pos / f->block_size];

	return place ? f->disk.bytes[(u64)place * f->block_size + pos % f->block_size] : 0;
}

static inline long block_file_read(struct vm_file *file, void *buf, size_t n, u64 pos)
{
	return generic_file_read(file, iov_kernel_buf(buf), n, &pos);
}
static inline long block_file_write(struct vm_file *file, const void *buf, size_t n, u64 pos)
{
	return generic_file_write(file, iov_kernel_buf(buf), n, &pos);
}
