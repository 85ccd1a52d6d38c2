/* SPDX-License-Identifier: MIT */
/*
 * tlb.h: keeping the CPUs' translations honest.
 *
 * The law, for every page or table taken out of a page table:
 *
 *	1. unhook: no walk finds it any more
 *	2. flush: no CPU remembers it any more
 *	3. free: only now may the frame be given to somebody else
 *
 * mmu_gather batches it: tlb_remove_page() and tlb_remove_table() collect what was
 * unhooked; a full batch, or tlb_finish_mmu(), flushes once and then frees.
 * Two may collect from one mm at a time (madvise, truncation). The second finds entries gone
 * that the first has not flushed, and must not tell its caller that they are:
 *
 *	first			second
 *	nr_gathers++
 *	unhook			nr_gathers++, nothing there
 *				nr_gathers > 1: flush everything
 *	flush, nr_gathers--
 *
 * Widening rights needs no flush: a CPU with the old translation takes one spurious
 * fault (SM-08).
 */
#pragma once

#include <pagoda/mm_types.h>

PAGODA_C_BEGIN

/* ---- Flushing on every CPU that may hold translations of mm (SM-06) ------------------- */
/*
 * Interrupts on, or mm active on this CPU alone. Changes to tables before the call are seen by all
 * after it.
 */
void flush_tlb_page(struct mm_struct *mm, unsigned long addr);
void flush_tlb_range(struct mm_struct *mm, unsigned long start, unsigned long end);
void flush_tlb_mm(struct mm_struct *mm);
/* Kernel addresses, global translations too, on all CPUs (SM-14). */
void flush_tlb_kernel_range(unsigned long start, unsigned long end);
void flush_tlb_all(void);
/*
 * Call fn(arg) with interrupts off on each CPU of mask (bit n = CPU n), and count the other CPUs
 * reached (tlb_kernel.c). Context: interrupts on, or a mask of this CPU alone.
 */
void tlb_call_on(unsigned long mask, void (*fn)(void *arg), void *arg);
/*
 * The CPUs that may hold translations of mm now, after changes made to its tables before the call.
 */
unsigned long tlb_cpus_of(const struct mm_struct *mm);
/* All translations of user space on these CPUs. Interrupts on, no spinlocks. */
void flush_tlb_cpus(unsigned long cpus);

/* Above this many pages the whole address space is flushed. */
#define TLB_SINGLE_PAGE_MAX 32

/* ---- What each CPU has loaded (section CS) ----------------------------------------------- */
enum { TLBSTATE_OK = 1, TLBSTATE_LAZY = 2 };
struct tlb_state {
	struct mm_struct *active_mm; /* whose tables are loaded */
	int state;
	void *ldt; /* whose own segments are loaded (ldt.c); NULL: none */
} __aligned(64);
extern struct tlb_state cpu_tlbstate[];

/* The tables of mm stay loaded on this CPU for a task that has none. Interrupts off. */
void enter_lazy_tlb(struct mm_struct *mm);

/* ---- Unhook, flush, free -------------------------------------------------------------------- */
#define TLB_BATCH_PAGES 120 /* with the rest of the struct: 1 KiB of kernel stack */

struct mmu_gather {
	struct mm_struct *mm;
	unsigned long start, end; /* what was unhooked lies in [start, end) */
	bool fullmm;		  /* the mm is dying and loaded nowhere */
	unsigned int nr_pages, nr_tables;
	struct page *pages[TLB_BATCH_PAGES];
	void *tables[8];
};

/* Begin collecting what is unhooked from mm; fullmm: all of it goes. */
void tlb_gather_mmu(struct mmu_gather *tlb, struct mm_struct *mm, bool fullmm);
/*
 * Flush what was collected, so that no CPU reaches it; nothing is freed. Under page_table_lock,
 * too.
 */
void tlb_flush_translations(struct mmu_gather *tlb);
/* Flush and free everything collected. No spinlocks. */
void tlb_flush_mmu(struct mmu_gather *tlb);
/*
 * The end: the same, and what others have unhooked in the range but not flushed yet is flushed,
 * too.
 */
static inline void tlb_finish_mmu(struct mmu_gather *tlb)
{
	if (tlb->start < tlb->end || tlb->nr_pages | tlb->nr_tables)
		tlb_flush_mmu(tlb);
	if (tlb->fullmm)
		return;
	if (unlikely(atomic_read(&tlb->mm->nr_gathers) > 1))
		flush_tlb_mm(tlb->mm);
	atomic_dec(&tlb->mm->nr_gathers);
}

/* The translation of [addr, addr + PAGE_SIZE) was removed or narrowed. */
static inline void tlb_changed(struct mmu_gather *tlb, unsigned long addr, unsigned long end)
{
	if (addr < tlb->start)
		tlb->start = addr;
	if (end > tlb->end)
		tlb->end = end;
}
/*
 * Drop a reference to page after the flush. True: the batch is full, call
 * tlb_flush_mmu() before the next one (without spinlocks).
 */
static inline bool __must_check tlb_remove_page(struct mmu_gather *tlb, struct page *page)
{
	tlb->pages[tlb->nr_pages++] = page;
	return tlb->nr_pages == TLB_BATCH_PAGES;
}
/* An unhooked page table, all clear; say tlb_changed() of what it covered. No spinlocks. */
void tlb_remove_table(struct mmu_gather *tlb, void *table, bool pte_table);

PAGODA_C_END
