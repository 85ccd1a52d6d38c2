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
#include "port_check.h"
#include <mm/cache/buffer_internal.h>
#include <mm/cache/filemap_internal.h>
#include <mm/reclaim/advise_pages.h>
#include <mm/reclaim/reclaim_internal.h>
#include <mm/space/space_ops.h>
#include <mm/swap/swap_entries.h>
#include <pagoda/blkdev.h>
#include <pagoda/buffer_head.h>
#include <pagoda/bug.h>
#include <pagoda/init.h>
#include <pagoda/lru.h>
#include <pagoda/slab.h>
#include <pagoda/spinlock.h>
#include <pagoda/swap.h>
#include <pagoda/vmscan.h>

/* For tier 3's lists of pages: evicted pages are remembered, slots without a user freed. */
static const struct page_list_ops page_lists = {
	.refaulted = workingset_refault,
	.unmapped_swap_page = free_unused_swap_page,
};

/*
 * For tier 3's page tables, which meet entries of swapped-out pages when they are copied, walked or
 * faulted on. Without tier 5 nobody makes such entries, so the table may stay empty.
 */
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

/* For tier 3's madvise(): advice about reclaim has no effect where there is none. */
static const struct page_advice_ops page_advice = {
	.cold = advise_cold,
	.pageout = advise_pageout,
	.willneed = advise_willneed,
	.free = advise_free,
};

static void __init connect_reclaim(void)
{
	page_list_ops = &page_lists;
	shmem_swap_ops = &shmem_slots;
	swap_entry_ops = &swap_entries;
	page_advice_ops = &page_advice;
}

void __init mm_boot(const struct mm_boot_info *info)
{
	connect_reclaim();
	mm_boot_cache(info);
	/* The policy is a boot option, and options are read by tier 1's boot. */
	reclaim_policy_choose();
}

/*
 * kswapd and the writeback thread allocate as soon as they run, so the slab's arrays are there
 * before them. From lock_debug_tasks_start() on, sleeping with interrupts off is reported: during
 * the boot, which has them off, nothing can be waited for and so nobody really sleeps.
 */
void mm_start_threads(void)
{
	check_port_tasks();
	lock_debug_tasks_start();
	kmem_cache_cpus_up();
	kswapd_init();
	writeback_init();
}
