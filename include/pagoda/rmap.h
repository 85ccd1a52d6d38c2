/* SPDX-License-Identifier: MIT */
/*
 * rmap.h: from a page to the page-table entries that map it (mm/space/rmap.c).
 *
 * Context: all may sleep, and no spinlock is held. Refs: the caller has a reference to the page.
 * Locks: the page is locked; page_referenced() does without the lock for anonymous pages.
 */
#pragma once

#include <pagoda/page.h>

PAGODA_C_BEGIN

struct mm_struct;

struct rmap_info {
	int referenced;	 /* PTEs that had the accessed bit */
	bool locked;	 /* some VMA that may map the page is VM_LOCKED */
	bool executable; /* a VMA that referenced it executes it */
};
/* PTEs that had the accessed bit, which is cleared. info: optional; may be NULL. */
int page_referenced(struct page *page, struct rmap_info *info);
/*
 * Between these two calls page_referenced() does not flush the translations of each accessed bit
 * that it clears, but of YOUNG_BATCH bits together, and of the rest at the end. Pairs may nest:
 * begin returns true for the outermost one, and its result is passed to end. end: interrupts on, no
 * spinlock held.
 */
#define YOUNG_BATCH 32
bool young_batch_begin(void) __must_check;
void young_batch_end(bool outermost);
/*
 * The accessed bit of an entry of mm was cleared: note_young_taken() with page_table_lock held,
 * then, without it, flush_young_taken(), which flushes if the batch is full or there is none.
 */
void note_young_taken(const struct mm_struct *mm);
void flush_young_taken(void);
/*
 * Every PTE of the page becomes a swap entry (an anonymous page in the swap cache) or none (a page
 * of a file); dirty bits go to the page; translations are flushed. Return: true if no PTE is
 * left. Pages that a VM_LOCKED or VM_RESERVED region maps are refused.
 */
bool try_to_unmap(struct page *page) __must_check;
/*
 * Write-protect and clean every PTE of a file page (before writeback); true if one was dirty. Page
 * locked.
 */
bool page_mkclean(struct page *page);

PAGODA_C_END
