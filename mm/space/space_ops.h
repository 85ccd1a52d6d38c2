/* SPDX-License-Identifier: MIT */
/*
 * space_ops.h: what address spaces ask of the rooms above: swap for entries that are not present,
 * the page cache for pages of files, reclaim for what madvise says about pages. Each table is set
 * once, at boot, and stays NULL where there is no such room; what can only happen with that room
 * (an entry of a swapped page) is not asked for before.
 */
#pragma once

#include <pagoda/mm_types.h>

struct address_space;

/*
 * Swap entries, and anonymous pages that have a slot. Asked only of entries and pages that swap has
 * made.
 */
struct swap_entry_ops {
	/*
	 * One more use of the entry (SW-05); false: no such entry, or its count needs a
	 * continuation. Any context.
	 */
	bool (*duplicate)(swp_entry_t entry);
	/*
	 * Make the continuation that duplicate() lacked. 0, -ENOMEM, -EINVAL: there is no such
	 * entry. May sleep.
	 */
	int (*add_continuation)(swp_entry_t entry);
	/* Uses by entries. Any context. */
	int (*count)(swp_entry_t entry);
	/*
	 * Let go of an entry that leaves a page table, and of a cached page that nobody else needs.
	 */
	void (*free)(swp_entry_t entry);
	/*
	 * Serve a fault on the entry vmf->orig_pte. mmap_lock held for read, may be dropped
	 * (VM_FAULT_RETRY).
	 */
	vm_fault_t (*fault)(struct vm_fault *vmf);
	/* The entry's page, if it is in memory, with a reference; or NULL. */
	struct page *(*lookup)(swp_entry_t entry);
	/*
	 * A store to a locked page of the swap cache: make it an ordinary anonymous page, if the
	 * entry, the cache and held references of the caller are all who have it. page_table_lock
	 * held.
	 */
	bool (*take_for_writing)(struct page *page, int held);
	/* A page of the swap cache has lost an entry; the caller has a reference. Any context. */
	void (*unmapped)(struct page *page);
	/* Usable slots of all areas, for the limit of commitments. */
	unsigned long (*nr_slots)(void);
};
extern const struct swap_entry_ops *swap_entry_ops;

/* Pages of files. Asked only where a region has a file. */
struct file_page_ops {
	/*
	 * The page's contents changed, by a store through an entry. False: that was known. Any
	 * context.
	 */
	bool (*dirtied)(struct page *page);
	/*
	 * The same of a locked page with a mapping that was written past its entries, with its
	 * buffers.
	 */
	void (*dirtied_whole)(struct page *page);
	/* The page at index, with a reference, or NULL. */
	struct page *(*find)(struct address_space *mapping, pgoff_t index);
	/*
	 * balance_dirty_pages_ratelimited(): the task has dirtied pages; wait while too many are.
	 * May sleep.
	 */
	void (*throttle)(struct address_space *mapping);
	/* Start reading nr pages from index on (MADV_WILLNEED). May sleep; mmap_lock not held. */
	void (*read_ahead)(struct vm_file *file, pgoff_t index, unsigned long nr);
};
extern const struct file_page_ops *file_page_ops;

/* madvise() about the pages of [start, end) of one region. mmap_lock held for read. May sleep. */
struct page_advice_ops {
	void (*cold)(struct vm_area_struct *vma, unsigned long start, unsigned long end);
	void (*pageout)(struct vm_area_struct *vma, unsigned long start, unsigned long end);
	void (*willneed)(struct vm_area_struct *vma, unsigned long start, unsigned long end);
	void (*free)(struct vm_area_struct *vma, unsigned long start, unsigned long end);
};
extern const struct page_advice_ops *page_advice_ops;
