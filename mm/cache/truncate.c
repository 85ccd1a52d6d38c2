/* SPDX-License-Identifier: MIT */
/*
 * truncate.c: pages leave the cache because their file is cut, or because nobody needs them.
 *
 *	truncate_inode_pages	the data goes: dirty pages too, mapped ones are unmapped
 *	invalidate_mapping_pages	only what can be read again: clean, unmapped, unused
 *	drop_pagecache		the same for all files (drop_caches)
 *	invalidate_inode_pages2_range	all clean pages, even mapped: the disk has changed (O_DIRECT)
 *
 * Truncation against faults and reading: the file's size is smaller already, so nobody brings
 * pages back (filemap.c). Against writing: a page on its way to the disk is
 * waited for with its lock held, so that no write ends, or starts, after its block was
 * given back (AS-73).
 *
 *	writeback			truncate
 *	lock, clear dirty,
 *	set writeback, unlock		lock page
 *	...				wait on writeback
 *	end_page_writeback	->	unmap, drop buffers, remove
 *
 * A page that is cut in the middle stays, and its end is zeroed.
 *
 * Locking: as filemap.c; callers hold the inode's lock against writers. May sleep.
 * Failure: none. Observability: nr_pagecache_pages.
 */
#include "filemap_internal.h"
#include <pagoda/buffer_head.h>
#include <pagoda/highmem.h>
#include <pagoda/lru.h>
#include <pagoda/mm.h>
#include <pagoda/bug.h>
#include <pagoda/errno.h>

/* Pages looked up at once. */
#define TRUNCATE_BATCH_PAGES 16

/* References of a page that only its mapping and we hold. */
#define REFS_MAPPING_AND_US 2

/* Does the page have buffers? For shared memory page->private is a swap slot instead. */
static bool has_private(const struct page *page)
{
	VM_BUG_ON(!page->mapping);
	return page->private && !page->mapping->shmem;
}

bool release_page_private(struct page *page, gfp_t gfp)
{
	const struct address_space_operations *a_ops = page->mapping->a_ops;

	VM_BUG_ON(!PageLocked(page) || !page->mapping);
	if (!has_private(page))
		return true;
	return a_ops->releasepage ? a_ops->releasepage(page, gfp) == 0 : try_to_free_buffers(page);
}

/*
 * Tell the file system, or the buffers, that the bytes of a locked page from offset on are cut
 * off. The page must not be under writeback: its blocks could be given to another file while the
 * disk writes them.
 */
static void flush_page(struct page *page, unsigned int offset)
{
	const struct address_space_operations *a_ops = page->mapping->a_ops;

	VM_BUG_ON(!PageLocked(page) || PageWriteback(page) || offset >= PAGE_SIZE);
	if (a_ops->flushpage)
		a_ops->flushpage(page, offset);
	else if (has_private(page))
		block_invalidatepage(page, offset);
}

/* ---- Truncation ------------------------------------------------------------------------------ */

/* Zero bytes [from, to) of the page at index, if it is cached. */
static void zero_part_page(struct address_space *mapping, pgoff_t index, size_t from, size_t to)
{
	struct page *page = find_lock_page(mapping, index);

	if (!page)
		return;
	VM_BUG_ON(!PageLocked(page) || from >= to || to > PAGE_SIZE);
	wait_on_page_writeback(page);
	if (PageUptodate(page)) {
		char *addr = kmap_atomic(page);

		memset(addr + from, 0, to - from);
		kunmap_atomic(addr);
		/*
		 * A file system with prepare_write zeroes the block on the disk itself
		 * (block_truncate_page()).
		 */
		if (!mapping->a_ops->prepare_write)
			(void)set_page_dirty(page);
	}
	if (has_private(page))
		block_cut_range(page, (unsigned int)from, (unsigned int)to);
	unlock_page(page);
	put_page(page);
}

/*
 * While we waited for the lock, the page may have left the mapping by another way, e.g. reclaim;
 * then there is nothing to do.
 */
void truncate_page(struct address_space *mapping, struct page *page)
{
	lock_page(page);
	if (page->mapping == mapping) {
		wait_on_page_writeback(page);
		VM_BUG_ON(PageWriteback(page)); /* the page lock keeps a new write from starting */
		if (page_mapcount(page))
			unmap_mapping_range(mapping, page->index, page->index + 1, false);
		flush_page(page, 0);
		remove_from_page_cache(page);
	}
	unlock_page(page);
}

/*
 * Remove the pages [first, end], mapped or not. The page cache is searched again after each batch,
 * as pages may be added until the new size is seen everywhere. Swap entries, and pages that were
 * entries a moment ago, are left to shmem_swap.c.
 */
static void truncate_pages(struct address_space *mapping, pgoff_t first, pgoff_t end)
{
	struct page *pages[TRUNCATE_BATCH_PAGES];
	pgoff_t start = first;
	unsigned int nr;

	while ((nr = find_get_pages(mapping, pages, TRUNCATE_BATCH_PAGES, first, end))) {
		for (unsigned int i = 0; i < nr; i++) {
			first = pages[i]->index + 1;
			truncate_page(mapping, pages[i]);
			put_page(pages[i]);
		}
		port_cond_resched();
	}
	if (READ_ONCE(mapping->was_swapped)) /* see shmem_truncate() */
		shmem_swap_ops->truncate(mapping, start, end);
}

/*
 * Does a region map the file? Looked at without the lock: a region that joins now maps only pages
 * inside the new size, which is set already.
 */
static bool is_mapped_anywhere(struct address_space *mapping)
{
	return mapping->i_mmap.node || mapping->i_mmap_shared.node;
}

void truncate_inode_pages_range(struct address_space *mapping, u64 start, u64 end)
{
	pgoff_t first = (pgoff_t)((start >> PAGE_SHIFT) + !!(start & (PAGE_SIZE - 1)));
	pgoff_t last = (pgoff_t)(end >> PAGE_SHIFT);
	size_t head = start & (PAGE_SIZE - 1), tail = end & (PAGE_SIZE - 1);

	if (start >= end)
		return;
	if (first > last) { /* all inside one page */
		zero_part_page(mapping, last, head, tail);
		return;
	}
	if (first < last) {
		if (is_mapped_anywhere(mapping))
			unmap_mapping_range(mapping, first, last,
					    false); /* a hole leaves private copies */
		truncate_pages(mapping, first, last - 1);
	}
	if (head)
		zero_part_page(mapping, first - 1, head, PAGE_SIZE);
	if (tail)
		zero_part_page(mapping, last, 0, tail);
}

void truncate_inode_pages(struct address_space *mapping, u64 size)
{
	pgoff_t first = (pgoff_t)((size >> PAGE_SHIFT) + !!(size & (PAGE_SIZE - 1)));

	/* Unmapping the whole range at once is much cheaper than the reverse map page by page. */
	if (is_mapped_anywhere(mapping))
		unmap_mapping_range(mapping, first, 0, true);
	truncate_pages(mapping, first, ~0ul);
	if (size & (PAGE_SIZE - 1))
		zero_part_page(mapping, first - 1, size & (PAGE_SIZE - 1), PAGE_SIZE);
	/* Truncation to nothing also ends every file: nobody may hold the mapping after it. */
	if (!size) {
		if (shmem_swap_ops)
			shmem_swap_ops->forget(mapping);
		writeback_let_go(mapping);
	}
}

/* ---- Invalidation ---------------------------------------------------------------------------- */

/*
 * Remove a page that can be read again and that nobody uses. The lock is only tried: a busy page
 * is in use. True: the page has left its mapping; the caller still has its reference.
 */
static bool invalidate_page(struct address_space *mapping, struct page *page)
{
	bool gone = false;

	VM_BUG_ON(page_count(page) < 1);
	if (TryLockPage(page))
		return false;
	if (page->mapping == mapping && mapping->a_ops->readpage && !page_mapcount(page) &&
	    !PageDirty(page) && !PageWriteback(page) && release_page_private(page, GFP_KERNEL))
		gone = remove_unused_from_page_cache(page, REFS_MAPPING_AND_US);
	unlock_page(page);
	return gone;
}

unsigned long invalidate_mapping_pages(struct address_space *mapping, pgoff_t start, pgoff_t end)
{
	struct page *pages[TRUNCATE_BATCH_PAGES];
	unsigned long gone = 0;
	unsigned int nr;

	if (!mapping->a_ops->readpage)
		return 0;
	while (start <= end &&
	       (nr = find_get_pages(mapping, pages, TRUNCATE_BATCH_PAGES, start, end))) {
		start = pages[nr - 1]->index + 1;
		for (unsigned int i = 0; i < nr; i++) {
			gone += invalidate_page(mapping, pages[i]);
			put_page(pages[i]);
		}
		if (!start)
			break; /* that was the very last index */
		port_cond_resched();
	}
	return gone;
}

/*
 * Remove a clean page, even if it is mapped or other tasks have references: its contents are
 * outdated. -EBUSY: it is dirty, or its buffers are in use. The caller has a reference.
 */
static int invalidate_page2(struct address_space *mapping, struct page *page)
{
	int err = 0;

	VM_BUG_ON(page_count(page) < 1);
	lock_page(page);
	if (page->mapping == mapping) {
		wait_on_page_writeback(page);
		if (page_mapcount(page))
			unmap_mapping_range(mapping, page->index, page->index + 1, false);
		if (PageDirty(page) || !release_page_private(page, GFP_KERNEL))
			err = -EBUSY;
		else
			remove_from_page_cache(page);
	}
	unlock_page(page);
	return err;
}

int invalidate_inode_pages2_range(struct address_space *mapping, pgoff_t start, pgoff_t end)
{
	struct page *pages[TRUNCATE_BATCH_PAGES];
	unsigned int nr;
	int ret = 0;

	while (start <= end &&
	       (nr = find_get_pages(mapping, pages, TRUNCATE_BATCH_PAGES, start, end))) {
		for (unsigned int i = 0; i < nr; i++) {
			int err;

			start = pages[i]->index + 1;
			err = invalidate_page2(mapping, pages[i]);
			ret = ret ? ret : err;
			put_page(pages[i]);
		}
		if (!start)
			break; /* that was the very last index */
		port_cond_resched();
	}
	return ret;
}

/*
 * Drop the pages of one list that can be read again. Each page that is looked at moves to the
 * other end of the list; left, the length of the list at first, ends the loop before it meets the
 * first page again.
 */
static unsigned long drop_list(zone_t *zone, enum lru_list list)
{
	unsigned long left = READ_ONCE(zone->lruvec.nr[list]), gone = 0;
	struct page *page;

	for (; left && (page = lru_take_coldest(zone, list)); left--) {
		struct address_space *mapping = READ_ONCE(page->mapping);

		if (mapping && !PageAnon(page))
			gone += invalidate_page(mapping, page);
		put_page(page);
		port_cond_resched();
	}
	return gone;
}

/*
 * Pages in the batches of the CPUs are on no list yet: drain them first, or they would be missed.
 */
unsigned long drop_pagecache(void)
{
	unsigned long gone = 0;
	pg_data_t *pgdat;
	zone_t *zone;

	lru_add_drain_all();
	for_each_pgdat(pgdat)
		for_each_zone(zone, pgdat) {
			gone += drop_list(zone, LRU_INACTIVE_FILE);
			gone += drop_list(zone, LRU_ACTIVE_FILE);
		}
	return gone;
}
