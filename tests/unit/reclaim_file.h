/* SPDX-License-Identifier: MIT */
/*
 * reclaim_file.h: a file on a "disk" in host memory that counts, delays or refuses I/O, for tests
 * of reclaim.
 */
#pragma once

#include "address_space.h"

#include <pagoda/highmem.h>
#include <pagoda/lru.h>
#include <pagoda/spinlock.h>
#include <pagoda/swap.h>
#include <pagoda/vmscan.h>
#include <mm/reclaim/reclaim_internal.h>

#include <stdlib.h>
#include <string.h>

struct disk_file {
	struct vm_file file; /* first */
	struct address_space mapping;
	unsigned long pages;
	u8 *data;
	unsigned int reads, writes; /* (A) */
	bool write_error, slow;	    /* slow: writes end when disk_finish() is called */
	spinlock_t lock;	    /* pending */
	struct page *pending[1024];
	unsigned int nr_pending;
	int released, fs_calls;
};

static inline struct disk_file *mapping_file(struct address_space *mapping)
{
	return container_of(mapping, struct disk_file, mapping);
}

static u64 disk_size(struct address_space *mapping)
{
	return (u64)mapping_file(mapping)->pages << PAGE_SHIFT;
}

static int disk_readpage(struct vm_file *file, struct page *page)
{
	struct disk_file *f = container_of(file, struct disk_file, file);
	void *addr = kmap_atomic(page);

	memcpy(addr, f->data + PG(page->index), PAGE_SIZE);
	kunmap_atomic(addr);
	__atomic_fetch_add(&f->reads, 1, __ATOMIC_RELAXED);
	SetPageUptodate(page);
	unlock_page(page);
	return 0;
}

static int disk_writepage(struct page *page)
{
	struct disk_file *f = mapping_file(page->mapping);
	void *addr = kmap_atomic(page);
	bool later;

	CHECK(PageLocked(page));
	__atomic_fetch_add(&f->writes, 1, __ATOMIC_RELAXED);
	if (!f->write_error)
		memcpy(f->data + PG(page->index), addr, PAGE_SIZE);
	kunmap_atomic(addr);
	set_page_writeback(page);
	spin_lock(&f->lock);
	later = f->slow && f->nr_pending < ARRAY_SIZE(f->pending);
	if (later)
		f->pending[f->nr_pending++] = page;
	spin_unlock(&f->lock);
	if (!later) {
		unlock_page(page);
		end_page_writeback(page);
	}
	return f->write_error ? -EIO : 0;
}

/* End the oldest pending writes; how many. */
static inline unsigned int disk_finish(struct disk_file *f)
{
	struct page *pages[ARRAY_SIZE(f->pending)];
	unsigned int nr;

	spin_lock(&f->lock);
	nr = f->nr_pending;
	memcpy(pages, f->pending, nr * sizeof(pages[0]));
	f->nr_pending = 0;
	spin_unlock(&f->lock);
	for (unsigned int i = 0; i < nr; i++) {
		get_page(pages[i]);
		end_page_writeback(pages[i]);
		unlock_page(pages[i]);
		put_page(pages[i]);
	}
	return nr;
}

static int disk_releasepage(struct page *page, gfp_t gfp)
{
	(void)gfp;
	if (!page->private)
		return 0;
	page->private = NULL;
	put_page(page); /* the buffers' reference */
	return 0;
}

static const struct address_space_operations disk_a_ops = {
	.readpage = disk_readpage,
	.writepage = disk_writepage,
	.releasepage = disk_releasepage,
};

static void disk_release(struct vm_file *file)
{
	struct disk_file *f = container_of(file, struct disk_file, file);

	f->released++;
	truncate_inode_pages(&f->mapping, 0);
	free(f->data);
}

static const struct vm_file_operations disk_file_ops = {.mmap = generic_file_mmap,
							.release = disk_release};

static inline u32 disk_word(unsigned long page)
{
	return (u32)page * 2654435761u + 1;
}

/* Every page begins with disk_word() of its number. */
static inline void disk_open(struct disk_file *f, unsigned long pages)
{
	memset(f, 0, sizeof(*f));
	f->pages = pages;
	f->data = calloc(pages, PAGE_SIZE);
	for (unsigned long i = 0; i < pages; i++)
		memcpy(f->data + PG(i), &(u32){disk_word(i)}, 4);
	spin_lock_init(&f->lock, RANK_NONE);
	address_space_init(&f->mapping, f, &disk_a_ops, disk_size);
	atomic_set(&f->file.f_count, 1);
	f->file.f_mapping = &f->mapping;
	f->file.f_vmops = &disk_file_ops;
	f->file.f_may_read = f->file.f_may_write = true;
}

static inline void disk_close(struct disk_file *f)
{
	put_vm_file(&f->file);
}

/* Bring pages [first, end) into the cache. */
static inline void disk_cache(struct disk_file *f, unsigned long first, unsigned long end)
{
	for (unsigned long i = first; i < end; i++) {
		struct page *page = read_cache_page(&f->mapping, &f->file, i);

		CHECK(!IS_ERR(page));
		put_page(page);
	}
}

/* A cached page, without a reference. */
static inline struct page *disk_page(struct disk_file *f, unsigned long index)
{
	struct page *page = find_get_page(&f->mapping, index);

	CHECK(page);
	put_page(page);
	return page;
}

static inline unsigned long disk_map(struct disk_file *f, unsigned long addr, unsigned long flags)
{
	unsigned long ret =
		do_mmap(current_vm->mm, &f->file, addr, PG(f->pages), RW, flags | MAP_FIXED, 0);

	CHECK_EQ(ret, addr);
	return ret;
}
