// SPDX-License-Identifier: MIT
/*
 * boot_reclaim.c: the boot of tier 5, which is all of the core: reclaim, swap, out of memory.
 *
 * Lower tiers ask about swap slots, advice and reclaim through tables of operations. They are
 * filled here, before the lower tiers boot. The threads of the core start later, when tasks can run
 * (mm_start_threads()).
 *
 * Locking: one CPU, interrupts off, until mm_boot() returns. Failure: no memory for the caches is a
 * panic.
 */
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
#include <pagoda/slab.h>
#include <pagoda/spinlock.h>
#include <pagoda/swap.h>
#include <pagoda/vmscan.h>

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

static void __init connect_reclaim(void)
{
	page_list_ops = &page_lists;
	shmem_swap_ops = &shmem_slots;
	swap_entry_ops = &swap_entries;
	page_advice_ops = &page_advice;
	page_release_buffers = release_buffers;
	run_reclaim_io = run_disk_queue;
}

void __init mm_boot(const struct mm_boot_info *info)
{
	connect_reclaim();
	mm_boot_cache(info);
	reclaim_policy_choose();
}

void mm_start_threads(void)
{
	lock_debug_tasks_start();
	kmem_cache_cpus_up();
	kswapd_init();
	writeback_init();
}
