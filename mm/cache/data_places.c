/* SPDX-License-Identifier: MIT */
/*
 * data_places.c: which places of a file hold something: a page, or the entry of one that is in
 * swap.
 *
 * mincore(), lseek(SEEK_DATA) and the count of a tmpfs file's blocks ask this. The answer may be
 * out of date as soon as pages_lock is free again; the callers' interfaces allow that.
 *
 * Locking: mapping->pages_lock, for one place at a time. Failure: none.
 */
#include "filemap_internal.h"
#include <pagoda/bug.h>

/* A page or a swap entry: both are items of the tree. */
bool page_cache_has(struct address_space *mapping, pgoff_t index)
{
	unsigned long flags;
	bool has;

	spin_lock_irqsave(&mapping->pages_lock, flags);
	VM_BUG_ON(mapping->nrswapped && !mapping->shmem);
	has = radix_tree_lookup(&mapping->i_pages, index);
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	return has;
}

/*
 * Does the item hold data? A swap entry does, and so does a page that is Uptodate or has a slot. A
 * page that fallocate() has only allocated holds none (allocate_own_page()). Locks: pages_lock
 * held.
 */
static bool is_data(const void *item)
{
	const struct page *page = item;

	return item && (is_swap_item(item) || PageUptodate(page) || page->private);
}

bool page_cache_has_data(struct address_space *mapping, pgoff_t index)
{
	unsigned long flags;
	bool has;

	spin_lock_irqsave(&mapping->pages_lock, flags);
	VM_BUG_ON(mapping->nrswapped && !mapping->shmem);
	has = is_data(radix_tree_lookup(&mapping->i_pages, index));
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	return has;
}

/*
 * The lock is dropped after each item: interrupts are off while it is held, and a file may have
 * very many pages that are only allocated.
 */
bool page_cache_next_data(struct address_space *mapping, pgoff_t *index)
{
	unsigned long flags;
	void *item;
	bool data;

	do { /* one item at a time */
		spin_lock_irqsave(&mapping->pages_lock, flags);
		VM_BUG_ON(mapping->nrswapped && !mapping->shmem);
		item = radix_tree_next(&mapping->i_pages, index);
		data = is_data(item);
		spin_unlock_irqrestore(&mapping->pages_lock, flags);
		*index += item && !data;
		port_cond_resched();
	} while (item && !data);
	return item;
}

unsigned long mapping_data_pages(struct address_space *mapping)
{
	unsigned long flags, nr;

	spin_lock_irqsave(&mapping->pages_lock, flags);
	VM_BUG_ON(mapping->nrswapped && !mapping->shmem);
	nr = mapping->nrpages + mapping->nrswapped;
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	return nr;
}
