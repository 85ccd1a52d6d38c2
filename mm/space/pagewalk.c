// SPDX-License-Identifier: MIT
/*
 * pagewalk.c: looking at page tables from outside of mm/, for those who only read entries.
 *
 * Locking: mmap_lock for reading, so that no table goes; entries are read once each, as CPUs and
 * faults change them meanwhile. Cost: the tables that exist, not the span. Nothing fails.
 */
#include <pagoda/pagewalk.h>
#include "vma_internal.h"

const pte_t *next_table(struct mm_struct *mm, unsigned long *addr, unsigned long end,
			unsigned long *nr)
{
	pmd_t *pmd = next_pmd(mm, addr, end);

	lockdep_assert_held(&mm->mmap_lock);
	if (!pmd)
		return NULL;
	*nr = (pmd_addr_end(*addr, end) - *addr) >> PAGE_SHIFT;
	return pte_offset(pmd, *addr);
}
