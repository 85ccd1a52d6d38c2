/* SPDX-License-Identifier: MIT */
/*
 * pagewalk.h: looking at the page tables of an address space, a table at a time
 * (mm/space/pagewalk.c).
 */
#pragma once

#include <asm/pgtable.h>

PAGODA_C_BEGIN

struct mm_struct;

/*
 * Find the first page table with entries in [*addr, end); what is empty is skipped a table at a
 * time, on every level. *addr moves to the first address that the table has in the range, and *nr
 * is set to the number of entries until the table or the range ends. Entries are only to be read.
 * Context: does not sleep. Locks: mmap_lock held, which keeps the table.
 * Return: the entry for *addr, or NULL: there is no table below end.
 */
const pte_t *next_table(struct mm_struct *mm, unsigned long *addr, unsigned long end,
			unsigned long *nr);

PAGODA_C_END
