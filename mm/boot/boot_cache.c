// SPDX-License-Identifier: MIT
/*
 * boot_cache.c: the boot of tier 4: pages of files, and the disks they come from.
 *
 * Address spaces and the page lock, of lower tiers, ask about pages of files through tables of
 * operations. They are filled here, before the lower tiers boot.
 *
 * Locking: one CPU, interrupts off. Failure: no memory for the caches is a panic.
 */
#include <mm/cache/buffer_internal.h>
#include <mm/cache/filemap_internal.h>
#include <mm/space/space_ops.h>
#include <pagoda/blkdev.h>
#include <pagoda/init.h>
#include <pagoda/lru.h>
#include <pagoda/page_wait.h>

static const struct page_wait_ops page_waiting = {
	.start_io = run_disk_queue,
	.laundered = lru_rotate_to_tail,
};

static const struct file_page_ops file_pages = {
	.dirtied = set_page_dirty,
	.dirtied_whole = block_dirty_page,
	.find = find_get_page,
	.throttle = balance_dirty_pages_ratelimited,
	.read_ahead = force_page_cache_readahead,
};

void __init mm_boot_cache(const struct mm_boot_info *info)
{
	/* Before the lower tiers boot: from then on their faults may meet pages of files. */
	page_wait_ops = &page_waiting;
	file_page_ops = &file_pages;
	shmem_zero_setup = shmem_create;
	mm_boot_space(info);
	page_cache_init();
}
