// SPDX-License-Identifier: MIT
/*
 * tlb.c: flushing translations on the CPUs that may hold them, and freeing what was
 * unhooked from page tables only after that.
 *
 * mm->cpu_vm_mask names the CPUs that have mm's tables loaded, running it or lazily
 * for a task without an mm. A CPU sets its bit before it loads the tables and
 * clears it after it has loaded others (context.c), so whoever changes an entry and
 * then reads the mask meets every CPU that can hold the old translation:
 *
 *	this CPU			other CPU
 *	write entry			set bit in mask
 *	full barrier			full barrier (atomic or)
 *	read mask			load tables, walk them
 *
 * either the bit is seen, or the walk sees the new entry.
 *
 * A CPU that is lazy when the flush reaches it leaves the mm for good (CS-07): the
 * next flush of that mm does not disturb it.
 *
 * Kernel translations are global and survive a reload of the tables, so ranges
 * of the kernel are flushed page by page, or everything is, on every CPU (SM-14).
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
	struct mm_struct *mm; /* NULL: the kernel */
	unsigned long start, end;
};

/* Leave tables that are loaded only because nothing better was at hand. */
static void leave_mm(struct tlb_state *state)
{
	struct mm_struct *mm = state->active_mm;

	VM_BUG_ON(port_irqs_enabled());
	ldt_switch(state, NULL);
	port_load_pgd(__pa(swapper_pg_dir));
	rmw_and(&mm->cpu_vm_mask, ~(1ul << port_cpu_id()));
}

static bool single_pages(const struct flush *f)
{
	return f->end - f->start <= TLB_SINGLE_PAGE_MAX * PAGE_SIZE;
}

/* On one CPU, interrupts off. */
static void flush_here(void *arg)
{
	const struct flush *f = arg;
	struct tlb_state *state = &cpu_tlbstate[port_cpu_id()];

	if (f->mm && state->active_mm != f->mm)
		return; /* it loaded other tables since the mask was read */
	if (f->mm && state->state == TLBSTATE_LAZY) {
		leave_mm(state);
		return;
	}
	if (single_pages(f))
		for (unsigned long addr = f->start; addr < f->end; addr += PAGE_SIZE)
			port_flush_tlb_page(addr);
	else if (f->mm)
		port_flush_tlb();
	else
		port_flush_tlb_all();
}

/* On one CPU, interrupts off: whatever user space it has loaded. */
static void flush_user_here(void *unused)
{
	struct tlb_state *state = &cpu_tlbstate[port_cpu_id()];

	(void)unused;
	if (state->state == TLBSTATE_LAZY && state->active_mm != &init_mm)
		leave_mm(state);
	else
		port_flush_tlb();
}

static unsigned long all_cpus(void)
{
	return (2ul << (port_nr_cpus() - 1)) - 1;
}

static unsigned long count_bits(unsigned long mask)
{
	unsigned long n = 0;

	for (; mask; mask &= mask - 1)
		n++;
	return n;
}

static void call_on(unsigned long mask, void (*fn)(void *arg), void *arg)
{
	unsigned long flags = port_irq_save(), here = 1ul << port_cpu_id();

	if (mask & here && !(mask & ~here)) {
		fn(arg);
		mask = 0;
	}
	port_irq_restore(flags);
	if (!mask)
		return;
	count_vm_events(VM_EVENT_tlb_ipi, count_bits(mask & ~here));
	port_on_each_cpu(mask, fn, arg);
}

static void flush_on(unsigned long mask, struct flush *f)
{
	call_on(mask, flush_here, f);
}

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
	call_on(cpus, flush_user_here, NULL);
}

static void flush_mm(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct flush f = {mm, start, end};
	unsigned long mask = tlb_cpus_of(mm);

	if (mask)
		flush_on(mask, &f);
}

void flush_tlb_page(struct mm_struct *mm, unsigned long addr)
{
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

void flush_tlb_kernel_range(unsigned long start, unsigned long end)
{
	struct flush f = {NULL, start, end};

	count_vm_event(tlb_flush_range);
	flush_on(all_cpus(), &f);
}

void flush_tlb_all(void)
{
	struct flush f = {NULL, 0, TASK_SIZE};

	count_vm_event(tlb_flush_all);
	flush_on(all_cpus(), &f);
}

/* ---- Unhook, flush, free ---------------------------------------------------------------- */

void tlb_gather_mmu(struct mmu_gather *tlb, struct mm_struct *mm, bool fullmm)
{
	tlb->mm = mm;
	tlb->start = ~0ul;
	tlb->end = 0;
	tlb->fullmm = fullmm;
	tlb->nr_pages = tlb->nr_tables = 0;
	if (!fullmm)
		atomic_inc(&mm->nr_gathers);
}

void tlb_flush_translations(struct mmu_gather *tlb)
{
	if (tlb->start < tlb->end && !tlb->fullmm)
		flush_tlb_range(tlb->mm, tlb->start, tlb->end);
	tlb->start = ~0ul;
	tlb->end = 0;
}

void tlb_flush_mmu(struct mmu_gather *tlb)
{
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
	tlb->tables[tlb->nr_tables++] = (void *)((unsigned long)table | pte_table);
	if (tlb->nr_tables == ARRAY_SIZE(tlb->tables))
		tlb_flush_mmu(tlb);
}
