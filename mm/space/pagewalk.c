// SPDX-License-Identifier: MIT
/*
 * pagewalk.c: access to page tables for code outside of mm/ that only reads entries.
 *
 * Locking: mmap_lock for reading, so that no table is freed; entries are read once each, as CPUs
 * and faults change them meanwhile. Cost: the tables that exist, not the span. Nothing fails.
 */
#include <pagoda/pagewalk.h>
#include "vma_internal.h"

const pte_t *next_table(struct mm_struct *mm, unsigned long *addr, unsigned long end,
			unsigned long *nr)
{
	pmd_t *pmd = next_pmd(mm, addr, end);

	mmap_assert_locked(mm);
	if (!pmd)
		return NULL;
	*nr = (pmd_addr_end(*addr, end) - *addr) >> PAGE_SHIFT;
	VM_BUG_ON(!*nr || *nr > PTRS_PER_PTE);
	return pte_offset(pmd, *addr);
}
