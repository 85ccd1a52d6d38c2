// SPDX-License-Identifier: MIT
/*
 * tlb_kernel.c: flushing the kernel's own translations, and calling other CPUs to flush.
 *
 * Kernel translations are global and survive a reload of the tables, so ranges of the kernel are
 * flushed page by page, or everything is, on every CPU (SM-14). User translations are tlb.c's,
 * which knows which CPUs have an address space loaded.
 *
 * Locking: none needed. A flush that reaches other CPUs wants interrupts on. Nothing can fail.
 *
 * Seen in: vm events tlb_flush_range, _all, and tlb_ipi, one per CPU reached.
 */
#include <pagoda/bug.h>
#include <pagoda/vmstat.h>
#include <asm/pgtable.h>
#include <asm/tlb.h>

struct kernel_flush {
	unsigned long start, end; /* [start, end) */
};

/* On one CPU, interrupts off. */
static void flush_kernel_here(void *arg)
{
	const struct kernel_flush *f = arg;

	VM_BUG_ON(port_irqs_enabled());
	if (f->end - f->start > TLB_SINGLE_PAGE_MAX * PAGE_SIZE) {
		port_flush_tlb_all();
		return;
	}
	for (unsigned long addr = f->start; addr < f->end; addr += PAGE_SIZE)
		port_flush_tlb_page(addr);
}

/* A mask of all CPUs, written so that it works for as many as the word has bits. */
static unsigned long all_cpus(void)
{
	return (2ul << (port_nr_cpus() - 1)) - 1;
}

/* How many CPUs a mask names. */
static unsigned long count_bits(unsigned long mask)
{
	unsigned long n = 0;

	for (; mask; mask &= mask - 1)
		n++;
	return n;
}

/*
 * The frequent case, this CPU alone, needs no interrupt to others; it is decided with interrupts
 * off, so that the task cannot move to another CPU.
 */
void tlb_call_on(unsigned long mask, void (*fn)(void *arg), void *arg)
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

void flush_tlb_kernel_range(unsigned long start, unsigned long end)
{
	struct kernel_flush f = {start, end};

	VM_BUG_ON(start > end);
	count_vm_event(tlb_flush_range);
	tlb_call_on(all_cpus(), flush_kernel_here, &f);
}

void flush_tlb_all(void)
{
	struct kernel_flush f = {0, ~0ul};

	count_vm_event(tlb_flush_all);
	tlb_call_on(all_cpus(), flush_kernel_here, &f);
}
