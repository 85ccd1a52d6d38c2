// SPDX-License-Identifier: MIT
/*
 * init_mm.c: the reference address space.
 *
 * init_mm has no user half. Its page tables are the kernel's own, of which every other address
 * space has a copy of the top level (arch/x86/kernel_map.c). Where there are no processes (tier 2
 * alone), it is the only address space.
 *
 * Locking: init_mm.page_table_lock while a kernel table is hooked in. It is never freed.
 */
#include <pagoda/mm_types.h>

/* The reference address space: no user half, the kernel's own tables (AS-11). */
struct mm_struct init_mm = {
	.mm_rb = RB_ROOT,
	.mm_users = ATOMIC_INIT(2),
	.mm_count = ATOMIC_INIT(1),
	.mmap_lock = RWSEM_INIT(init_mm.mmap_lock, RANK_MMAP),
	.page_table_lock = SPIN_LOCK_INIT(RANK_PAGE_TABLE),
	.mmlist = LIST_HEAD_INIT(init_mm.mmlist),
};
