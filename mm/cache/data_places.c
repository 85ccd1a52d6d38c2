/* SPDX-License-Identifier: MIT */
/*
 * data_places.c: which places of a file hold something: a page, or the entry of one that is in
 * swap.
 *
 * mincore(), lseek(SEEK_DATA) and the count of a tmpfs file's blocks ask this. The answer is one
 * moment's: pages come and go as soon as pages_lock is free again.
 *
 * Locking: mapping->pages_lock, for one place at a time. Failure: none.
 */
#include "filemap_internal.h"

bool page_cache_has(struct address_space *mapping, pgoff_t index)
{
	unsigned long flags;
	bool has;

	spin_lock_irqsave(&mapping->pages_lock, flags);
	has = radix_tree_lookup(&mapping->i_pages, index);
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	return has;
}

/*
 * Data: in swap, or a page that holds something. What fallocate() has only allocated is not
 * (allocate_own_page()).
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
	has = is_data(radix_tree_lookup(&mapping->i_pages, index));
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	return has;
}

bool page_cache_next_data(struct address_space *mapping, pgoff_t *index)
{
	unsigned long flags;
	void *item;
	bool data;

	do { /* one place at a time, as interrupts are off */
		spin_lock_irqsave(&mapping->pages_lock, flags);
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
	nr = mapping->nrpages + mapping->nrswapped;
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	return nr;
}
