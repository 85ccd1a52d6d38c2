// SPDX-License-Identifier: MIT
/*
 * boot_kernel_map.c: the boot of tier 2: the kernel's page tables, vmalloc and kmap, and tasks that
 * sleep.
 *
 *	mutex_wait_ops		from now on a contended mutex sleeps
 *	paging_init		the kernel's page tables, called back by mm_boot_heap()
 *	check_port_registers	just before paging_init: what the CPU is set to (port_check.h)
 *	mm_boot_heap		tier 1
 *	check_port_flushes	before vmalloc has areas: does a flush forget?
 *	vmalloc_init, kmap_init
 *
 * Locking: one CPU, interrupts off. Failure: no memory for page tables is a panic.
 */
#include "boot_tiers.h"
#include "port_check.h"
#include <mm/base/mutex_internal.h>
#include <pagoda/highmem.h>
#include <pagoda/init.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/vmalloc.h>
#include <asm/pgtable.h>

static const struct mutex_wait_ops sleeping_mutexes = {
	.wait = mutex_wait,
	.wake = mutex_wake,
};

/*
 * Frames of freed vmalloc areas wait for a common flush, so a shortage of frames asks for them,
 * too.
 */
static unsigned long shrink_kernel_caches(gfp_t gfp_mask)
{
	return (unsigned long)kmem_cache_reap(gfp_mask) + vmalloc_purge();
}

static void __init make_kernel_tables(void)
{
	check_port_registers();
	paging_init();
}

void __init mm_boot_kernel_map(const struct mm_boot_info *info)
{
	mutex_wait_ops = &sleeping_mutexes;
	boot_kernel_tables = make_kernel_tables;
	mm_boot_heap(info);
	check_port_flushes();
	/* mm_boot_heap() has set tier 1's hook, which knows nothing of vmalloc areas. */
	frame_keepers.shrink_caches = shrink_kernel_caches;
	vmalloc_init();
	kmap_init();
}
