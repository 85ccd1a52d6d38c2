// SPDX-License-Identifier: MIT
/*
 * tlb.c: flushing translations on all CPUs that may have them, and freeing pages and tables that
 * were removed from page tables, but only after the flush.
 *
 * mm->cpu_vm_mask names the CPUs that have mm's tables loaded, running it or lazily
 * for a task without an mm. A CPU sets its bit before it loads the tables and
 * clears it after it has loaded others (context.c), so code that changes an entry and
 * then reads the mask finds every CPU that can have the old translation:
 *
 *	this CPU			other CPU
 *	write entry			set bit in mask
 *	full barrier			full barrier (atomic or)
 *	read mask			load tables, walk them
 *
 * either the bit is seen, or the walk sees the new entry.
 *
 * A CPU that is lazy when a flush reaches it leaves the mm (CS-07): later flushes of that mm do not
 * interrupt it any more.
 *
 * Kernel translations are flushed in tlb_kernel.c, on all CPUs.
 *
 * Locking: none needed; callers usually hold mmap_lock. A flush that reaches other
 * CPUs wants interrupts on. Nothing can fail.
 *
 * Seen in: vm events tlb_flush_page, _range, _mm, _all, and tlb_ipi, one per CPU
 * reached.
 */
#include <pagoda/bug.h>
#include <pagoda/lru.h>
#include <pagoda/vmstat.h>
#include <asm/ldt.h>
#include <asm/pgalloc.h>
#include <asm/tlb.h>

struct flush {
	struct mm_struct *mm;
	unsigned long start, end;
};

/*
 * A lazy CPU, which uses no user address, loads the reference tables instead of mm's. Its bit in
 * the mask is cleared after that, so that mm's tables cannot be freed while they are loaded.
 */
static void leave_mm(struct tlb_state *state)
{
	struct mm_struct *mm = state->active_mm;

	VM_BUG_ON(port_irqs_enabled());
	VM_BUG_ON(state->state != TLBSTATE_LAZY || mm == &init_mm);
	ldt_switch(state, NULL);
	port_load_pgd(__pa(swapper_pg_dir));
	rmw_and(&mm->cpu_vm_mask, ~(1ul << port_cpu_id()));
}

/* Is flushing page by page cheaper than dropping all translations of the address space? */
static bool single_pages(const struct flush *f)
{
	VM_BUG_ON(f->start > f->end);
	return f->end - f->start <= TLB_SINGLE_PAGE_MAX * PAGE_SIZE;
}

/* Flush on this CPU. Runs with interrupts off, in an interrupt from another CPU. */
static void flush_here(void *arg)
{
	const struct flush *f = arg;
	struct tlb_state *state = &cpu_tlbstate[port_cpu_id()];

	VM_BUG_ON(port_irqs_enabled());
	if (state->active_mm != f->mm)
		return; /* it has loaded other tables since the mask was read, which flushed */
	if (state->state == TLBSTATE_LAZY) {
		leave_mm(state);
		return;
	}
	if (single_pages(f))
		for (unsigned long addr = f->start; addr < f->end; addr += PAGE_SIZE)
			port_flush_tlb_page(addr);
	else
		port_flush_tlb();
}

/* The same for all translations of whatever user space this CPU has loaded. */
static void flush_user_here(void *unused)
{
	struct tlb_state *state = &cpu_tlbstate[port_cpu_id()];

	VM_BUG_ON(port_irqs_enabled());
	(void)unused;
	if (state->state == TLBSTATE_LAZY && state->active_mm != &init_mm)
		leave_mm(state);
	else
		port_flush_tlb();
}

/*
 * The full barrier orders the caller's changes to entries before the reading of the mask; its
 * partner is the atomic operation in load_mm() (context.c). See the timeline at the top.
 */
unsigned long tlb_cpus_of(const struct mm_struct *mm)
{
	smp_mb();
	return READ_ONCE(mm->cpu_vm_mask);
}

void flush_tlb_cpus(unsigned long cpus)
{
	if (!cpus)
		return;
	count_vm_event(tlb_flush_mm);
	tlb_call_on(cpus, flush_user_here, NULL);
}

/* Flush [start, end) of mm on the CPUs that may have translations of it. */
static void flush_mm(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct flush f = {mm, start, end};
	unsigned long mask = tlb_cpus_of(mm);

	VM_BUG_ON(start > end || end > TASK_SIZE || (start | end) & ~PAGE_MASK);
	if (mask)
		tlb_call_on(mask, flush_here, &f);
}

void flush_tlb_page(struct mm_struct *mm, unsigned long addr)
{
	VM_BUG_ON(addr >= TASK_SIZE);
	count_vm_event(tlb_flush_page);
	flush_mm(mm, addr & PAGE_MASK, (addr & PAGE_MASK) + PAGE_SIZE);
}

void flush_tlb_range(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	count_vm_event(tlb_flush_range);
	flush_mm(mm, start, end);
}

void flush_tlb_mm(struct mm_struct *mm)
{
	count_vm_event(tlb_flush_mm);
	flush_mm(mm, 0, TASK_SIZE);
}

/* ---- Unhook, flush, free ---------------------------------------------------------------- */

void tlb_gather_mmu(struct mmu_gather *tlb, struct mm_struct *mm, bool fullmm)
{
	VM_BUG_ON(mm == &init_mm);
	VM_BUG_ON(fullmm && atomic_read(&mm->mm_users)); /* no thread can use a translation */
	tlb->mm = mm;
	tlb->start = ~0ul;
	tlb->end = 0;
	tlb->fullmm = fullmm;
	tlb->nr_pages = tlb->nr_tables = 0;
	/* Others must know of entries that are cleared but not yet flushed (tlb.h). */
	if (!fullmm)
		atomic_inc(&mm->nr_gathers);
}

/* The range is empty afterwards: what was flushed is not flushed a second time. */
void tlb_flush_translations(struct mmu_gather *tlb)
{
	if (tlb->start < tlb->end && !tlb->fullmm)
		flush_tlb_range(tlb->mm, tlb->start, tlb->end);
	tlb->start = ~0ul;
	tlb->end = 0;
}

/*
 * The law of tlb.h: first the flush, then the pages, then the tables. A table's lowest bit tells
 * its kind, as tables are page aligned.
 */
void tlb_flush_mmu(struct mmu_gather *tlb)
{
	VM_BUG_ON(tlb->nr_pages > TLB_BATCH_PAGES || tlb->nr_tables > ARRAY_SIZE(tlb->tables));
	tlb_flush_translations(tlb);
	release_pages(tlb->pages, tlb->nr_pages);
	for (unsigned int i = 0; i < tlb->nr_tables; i++)
		pgt_cache_put((unsigned long)tlb->tables[i] & 1 ? PGT_PTE : PGT_PMD,
			      (void *)((unsigned long)tlb->tables[i] & ~1ul));
	if (tlb->nr_tables)
		check_pgt_cache();
	tlb->nr_pages = tlb->nr_tables = 0;
}

void tlb_remove_table(struct mmu_gather *tlb, void *table, bool pte_table)
{
	VM_BUG_ON((unsigned long)table & ~PAGE_MASK);
	VM_BUG_ON(tlb->nr_tables >= ARRAY_SIZE(tlb->tables));
	tlb->tables[tlb->nr_tables++] = (void *)((unsigned long)table | pte_table);
	if (tlb->nr_tables == ARRAY_SIZE(tlb->tables))
		tlb_flush_mmu(tlb);
}
