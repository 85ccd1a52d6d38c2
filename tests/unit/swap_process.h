/* SPDX-License-Identifier: MIT */
/*
 * swap_process.h: a process whose pages go to swap. swap_out_page() does with one page what
 * reclaim does.
 */
#pragma once

#include "swap_disk.h"

#include <pagoda/lru.h>
#include <pagoda/rmap.h>
#include <pagoda/vmscan.h>

static inline pte_t pte_at(unsigned long addr)
{
	struct hosted_pte_info info = hosted_lookup_user(current_vm->mm, addr);

	return __pte(info.entry);
}

/* What reclaim does with a page; false: it could not. */
static inline bool swap_out_page(unsigned long addr)
{
	unsigned long pfn = frame_at(addr);
	struct page *page = pfn ? pfn_to_page(pfn) : NULL;
	bool done = false;

	if (!page || !get_page_unless_zero(page))
		return false;
	lru_add_drain_all();
	lock_page(page);
	if (PageAnon(page) && page_mapcount(page) && swap_prepare_unmap(page, GFP_KERNEL) &&
	    try_to_unmap(page)) {
		if (PageDirty(page)) {
			ClearPageDirty(page);
			CHECK_EQ(swap_writepage(page), 0);
			lock_page(page);
		}
		done = PageSwapCache(page) && remove_unused_swap_cache(page, 2);
	}
	unlock_page(page);
	free_unused_swap_page(page);
	put_page(page);
	return done;
}

static inline void fill(unsigned long pages)
{
	for (unsigned long i = 0; i < pages; i++)
		hosted_write64(BASE + PG(i), 0x1234567 + i);
}
static inline void check_filled(unsigned long pages)
{
	for (unsigned long i = 0; i < pages; i++)
		CHECK_EQ(hosted_read64(BASE + PG(i)), 0x1234567 + i);
}
static inline void swap_out_range(unsigned long pages)
{
	for (unsigned long i = 0; i < pages; i++)
		CHECK(swap_out_page(BASE + PG(i)));
}

static inline void process_with(unsigned long pages)
{
	new_process();
	map_at(BASE, pages, RW);
	fill(pages);
}
