/* SPDX-License-Identifier: MIT */
/*
 * shmem_swap_ops.h: what the page cache and swap agree on for shared memory: what an item of a
 * mapping's tree is, where nodes of such trees come from, and what swap does for such a mapping.
 */
#pragma once

#include <pagoda/pagemap.h>
#include <pagoda/swap.h>

/* Entries have bit 0 clear, as they are not present; pointers to pages, too. */
static inline bool is_swap_item(const void *item)
{
	return (unsigned long)item & 1;
}
static inline void *entry_to_item(swp_entry_t entry)
{
	return (void *)(entry.val | 1);
}
static inline swp_entry_t item_to_entry(const void *item)
{
	return (swp_entry_t){(unsigned long)item & ~1ul};
}
/* The slot of an item of a shared-memory mapping, .val 0: none. pages_lock held. */
static inline swp_entry_t item_slot(const void *item)
{
	return is_swap_item(item) ? item_to_entry(item) : page_swap_entry(item);
}

/* Tree nodes outside the tree's lock (filemap.c). */
int page_tree_fill_pool(struct radix_tree_pool *pool, int nr) __must_check;
void page_tree_free_pool(struct radix_tree_pool *pool);

/*
 * What swap does for mappings of shared memory (mapping->shmem), of which it keeps pages in slots
 * (shmem_swap.c). Each is called only if there is a slot, or an entry, so not before swapon. NULL:
 * there is no swap. Set once, at boot.
 */
struct shmem_swap_ops {
	/* a_ops->writepage of such a mapping. */
	int (*writepage)(struct page *page);
	/*
	 * A page, clean and locked, with a slot (page->private): the slot takes its place in the
	 * tree. pages_lock held.
	 */
	void (*page_to_entry)(struct address_space *mapping, struct page *page);
	/*
	 * The new page takes the place of an entry at index, with its slot; false: none is there.
	 * pages_lock held.
	 */
	bool (*entry_to_page)(struct address_space *mapping, pgoff_t index, struct page *page);
	/* A locked page with a slot has left its mapping: its slot is freed. */
	void (*page_removed)(struct address_space *mapping, struct page *page);
	/*
	 * Read a locked page that has a slot, and its neighbours; it is unlocked when it was read.
	 * May sleep.
	 */
	void (*swap_in)(struct address_space *mapping, struct page *page);
	/* A locked page with a slot was read: it gives the slot up if there are few. */
	void (*page_read)(struct page *page);
	/* Drop pages and entries of [first, end]. May sleep. */
	void (*truncate)(struct address_space *mapping, pgoff_t first, pgoff_t end);
	/* A mapping without slots leaves swapoff's list. */
	void (*forget)(struct address_space *mapping);
};
extern const struct shmem_swap_ops *shmem_swap_ops;
