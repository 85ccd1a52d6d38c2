/* SPDX-License-Identifier: MIT */
/*
 * no_swap.c: the part of swap.h that reclaim calls, on a machine without swap areas.
 *
 * mm/swap_state.c takes this file's place, with the same functions and areas behind them:
 * link one or the other. Without areas no page ever gets an entry, so whoever holds one
 * is broken.
 *
 * Locking, failure: none.
 */
#include <pagoda/swap.h>
#include <pagoda/bug.h>

atomic_long_t nr_swap_pages;
long total_swap_pages;

struct address_space *page_mapping(const struct page *page)
{
	return PageAnon(page) ? NULL : page->mapping;
}

bool add_to_swap(struct page *page)
{
	(void)page;
	return false;
}

bool swap_duplicate(swp_entry_t entry)
{
	(void)entry;
	BUG();
}

bool remove_unused_swap_cache(struct page *page, int count)
{
	(void)page, (void)count;
	BUG();
}
