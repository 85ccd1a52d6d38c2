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

#include <pagoda/bug.h>
#include <pagoda/mm_types.h>

PAGODA_C_BEGIN

/* ---- Flushing on every CPU that may hold translations of mm (SM-06) ------------------- */
/*
 * Flush translations of mm's user addresses, of the page at addr, of [start, end) in bytes, or all,
 * on every CPU that may have them. Changes to tables before the call are seen by all CPUs after it.
 * Context: interrupts on, or mm is active on this CPU alone; does not sleep. Return: nothing.
 */
void flush_tlb_page(struct mm_struct *mm, unsigned long addr);
void flush_tlb_range(struct mm_struct *mm, unsigned long start, unsigned long end);
void flush_tlb_mm(struct mm_struct *mm);
/*
 * Flush translations of kernel addresses [start, end), or all, global ones too, on all CPUs
 * (SM-14).
 * Context: interrupts on. Return: nothing.
 */
void flush_tlb_kernel_range(unsigned long start, unsigned long end);
void flush_tlb_all(void);
/*
 * Call fn(arg) with interrupts off on each CPU of mask (bit n = CPU n), and count the other CPUs
 * reached (tlb_kernel.c). Context: interrupts on, or a mask of this CPU alone.
 */
void tlb_call_on(unsigned long mask, void (*fn)(void *arg), void *arg);
/*
 * Find the CPUs that may have translations of mm, after changes made to its tables before the call.
 * Context: any. Return: a mask, bit n for CPU n.
 */
unsigned long tlb_cpus_of(const struct mm_struct *mm);
/*
 * Flush all translations of user space on the CPUs of the mask.
 * Context: interrupts on. Locks: no spinlocks held. Return: nothing.
 */
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

/*
 * Keep mm's tables loaded on this CPU for a task that has no mm.
 * Context: interrupts off. Refs: the task has a count of mm. Return: nothing.
 */
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

/*
 * Begin collecting what is unhooked from mm. fullmm: all of it, with no CPU on its tables.
 * Context: any. Refs: mm stays until tlb_finish_mmu(). Return: nothing.
 */
void tlb_gather_mmu(struct mmu_gather *tlb, struct mm_struct *mm, bool fullmm);
/*
 * Flush what was collected, so that no CPU can use it any more; nothing is freed.
 * Context: does not sleep. Locks: page_table_lock may be held. Return: nothing.
 */
void tlb_flush_translations(struct mmu_gather *tlb);
/*
 * Flush and free everything collected. Context: process context. Locks: no spinlocks held.
 * Return: nothing.
 */
void tlb_flush_mmu(struct mmu_gather *tlb);
/*
 * The end: the same, and what others have unhooked in the range but not flushed yet is flushed,
 * too.
 */
static inline void tlb_finish_mmu(struct mmu_gather *tlb)
{
	VM_BUG_ON(!tlb->fullmm && atomic_read(&tlb->mm->nr_gathers) <= 0);
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
	VM_BUG_ON(addr >= end);
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
	VM_BUG_ON(tlb->nr_pages >= TLB_BATCH_PAGES);
	tlb->pages[tlb->nr_pages++] = page;
	return tlb->nr_pages == TLB_BATCH_PAGES;
}
/* An unhooked page table, all clear; say tlb_changed() of what it covered. No spinlocks. */
void tlb_remove_table(struct mmu_gather *tlb, void *table, bool pte_table);

PAGODA_C_END
