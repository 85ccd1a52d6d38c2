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
 * The entries of the first table that covers something of [*addr, end): a pointer to the one for
 * *addr, which moves to where the table begins, or NULL if there is no table below end. *nr:
 * entries until the table or the range ends. Skips what is empty a table at a time, on every level.
 * Locks: mmap_lock held.
 */
const pte_t *next_table(struct mm_struct *mm, unsigned long *addr, unsigned long end,
			unsigned long *nr);

PAGODA_C_END
