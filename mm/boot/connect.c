/* SPDX-License-Identifier: MIT */
/*
 * connect.c: what rooms of the core ask of rooms above them.
 *
 * A room calls only itself and lower rooms (docs/ARCHITECTURE.md, "The rooms of mm/"). Where it
 * needs a higher one, it declares a table of operations, and works without it: then there is
 * nothing of that kind in the machine (no slot, no page of a file, no list). This file knows all
 * rooms and fills the tables, so what goes upwards stands here, and nowhere else.
 *
 * Locking: none; one CPU, before any table is used. Failure: none.
 */
#include "connect.h"
#include <mm/cache/buffer_internal.h>
#include <mm/cache/filemap_internal.h>
#include <mm/reclaim/advise_pages.h>
#include <mm/reclaim/reclaim_policy.h>
#include <mm/space/space_ops.h>
#include <mm/swap/swap_internal.h>
#include <pagoda/blkdev.h>
#include <pagoda/buffer_head.h>
#include <pagoda/init.h>
#include <pagoda/lru.h>
#include <pagoda/page_alloc.h>
#include <pagoda/page_wait.h>
#include <pagoda/slab.h>
#include <pagoda/swap.h>
#include <pagoda/vmalloc.h>
#include <pagoda/vmscan.h>

static const struct page_wait_ops page_waiting = {
	.start_io = run_disk_queue,
	.laundered = lru_rotate_written,
};

static const struct page_list_ops page_lists = {
	.refaulted = workingset_refault,
	.unmapped_swap_page = free_unused_swap_page,
};

static const struct swap_entry_ops swap_entries = {
	.duplicate = swap_duplicate,
	.add_continuation = swap_add_continuation,
	.count = swap_count,
	.free = free_swap_and_cache,
	.fault = do_swap_page,
	.lookup = lookup_swap_cache,
	.take_for_writing = take_swap_page,
	.unmapped = free_unused_swap_page,
	.nr_slots = nr_usable_slots,
};

static const struct file_page_ops file_pages = {
	.dirtied = set_page_dirty,
	.dirtied_whole = block_dirty_page,
	.find = find_get_page,
	.throttle = balance_dirty_pages_ratelimited,
	.read_ahead = force_page_cache_readahead,
};

static const struct page_advice_ops page_advice = {
	.cold = advise_cold,
	.pageout = advise_pageout,
	.willneed = advise_willneed,
	.free = advise_free,
};

static bool release_buffers(struct page *page, gfp_t gfp_mask)
{
	(void)gfp_mask; /* freeing them needs nothing */
	return try_to_free_buffers(page);
}

static unsigned long shrink_kernel_caches(gfp_t gfp_mask)
{
	return (unsigned long)kmem_cache_reap(gfp_mask) + vmalloc_purge();
}

void __init connect_rooms(void)
{
	page_wait_ops = &page_waiting;
	page_list_ops = &page_lists;
	shmem_swap_ops = &shmem_slots;
	shmem_zero_setup = shmem_create;
	swap_entry_ops = &swap_entries;
	file_page_ops = &file_pages;
	page_advice_ops = &page_advice;
	page_release_buffers = release_buffers;
	run_reclaim_io = run_disk_queue;
	frame_keepers = (struct frame_keepers){
		.shrink_caches = shrink_kernel_caches,
		.drain_batches = lru_add_drain,
		.forget_page = lru_cache_del,
	};
}
