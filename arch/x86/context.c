// SPDX-License-Identifier: MIT
/*
 * context.c: which address space a CPU has loaded (section CS, Dissected part 3).
 *
 *	task with an mm		its tables are loaded, state OK
 *	task without		the last tables stay loaded (borrowed), state LAZY
 *
 * A borrowed mm is kept by mm_count, not by mm_users: its user half may be freed meanwhile, its PGD
 * may not. A lazy CPU that receives a flush leaves the mm (tlb.c). When the CPU switches back to
 * the mm, its bit in cpu_vm_mask is clear, and the tables are loaded again. init_mm is never freed,
 * so borrowing it is not counted.
 *
 * The table of a process's own segments is loaded together with the page tables, if it is another
 * one (ldt.c). Nothing else in a CPU depends on the address space: CR4 is the same for all
 * (docs/REPLACEMENTS.md, CS-11).
 *
 * Locking: interrupts off; each CPU touches only its own cpu_tlbstate.
 */
#include <asm/ldt.h>
#include <pagoda/bug.h>
#include <pagoda/mm.h>
#include <pagoda/mmzone.h>
#include <asm/pgtable.h>
#include <asm/tlb.h>

struct tlb_state cpu_tlbstate[NR_CPUS];

/* This CPU's bit in cpu_vm_mask. */
static inline unsigned long cpu_bit(void)
{
	return 1ul << port_cpu_id();
}

/*
 * A kernel stack in vmalloc space must be mapped by the tables about to be loaded:
 * a fault on the stack cannot be handled on that stack (CS-10, CT-22).
 */
static inline void map_current_stack(struct mm_struct *next)
{
	unsigned long sp = (unsigned long)__builtin_frame_address(0);

	if (sp >= VMALLOC_START && sp < VMALLOC_END) {
		unsigned long slot = pgd_index(kva_to_mmu(sp));

		if (unlikely(!pgd_val(pgdp_get(next->pgd + slot))))
			set_pgd(next->pgd + slot, pgdp_get(init_mm.pgd + slot));
	}
}

/*
 * Load next's tables. The order matters in both masks:
 *
 *	set our bit in next's mask, then load	a flush that misses the bit changed its entries before,
 *						so that our walks see the new ones (tlb.c)
 *	load, then clear our bit in prev's	until then this CPU may have translations of prev
 */
static void load_mm(struct tlb_state *state, struct mm_struct *next)
{
	unsigned long bit = cpu_bit();
	struct mm_struct *prev = state->active_mm;

	VM_BUG_ON(port_irqs_enabled());
	VM_BUG_ON(!next->pgd || atomic_read(&next->mm_count) <= 0); /* it is not freed under us */
	state->state = TLBSTATE_OK;
	state->active_mm = next;
	rmw_or(&next->cpu_vm_mask, bit);
	map_current_stack(next);
	ldt_switch(state, next);
	port_load_pgd(__pa(next->pgd));
	if (prev && prev != next)
		rmw_and(&prev->cpu_vm_mask, ~bit);
}

/* prev is not used: cpu_tlbstate says which tables the CPU has loaded. */
void switch_mm(struct mm_struct *prev, struct mm_struct *next)
{
	struct tlb_state *state = &cpu_tlbstate[port_cpu_id()];

	VM_BUG_ON(port_irqs_enabled());
	(void)prev; /* cpu_tlbstate has it */
	if (state->active_mm != next) {
		load_mm(state, next);
		return;
	}
	state->state = TLBSTATE_OK;
	/* Still loaded, unless a flush has made this CPU leave them while it was lazy. */
	if (unlikely(!(READ_ONCE(next->cpu_vm_mask) & cpu_bit())))
		load_mm(state, next);
}

/* With one CPU there is no one whose flushes could be spared (CS-08), and the state stays OK. */
void enter_lazy_tlb(struct mm_struct *mm)
{
	VM_BUG_ON(port_irqs_enabled());
	(void)mm;
	if (port_nr_cpus() > 1)
		cpu_tlbstate[port_cpu_id()].state = TLBSTATE_LAZY;
}

/*
 * A task without an mm borrows prev's tables and takes a count of their mm, which it gives back at
 * the next switch: then prev is the borrower, and its mm is returned for mmdrop(). The caller drops
 * it after the switch, because dropping may free memory, which must not happen with the scheduler's
 * lock held.
 */
struct mm_struct *context_switch_mm(struct vm_task *prev, struct vm_task *next)
{
	struct mm_struct *borrowed = NULL;

	VM_BUG_ON(port_irqs_enabled());
	VM_BUG_ON(!prev->active_mm);
	if (next->mm) {
		next->active_mm = next->mm;
		switch_mm(prev->active_mm, next->mm);
	} else {
		next->active_mm = prev->active_mm;
		if (next->active_mm != &init_mm)
			atomic_inc(&next->active_mm->mm_count);
		enter_lazy_tlb(next->active_mm);
	}
	if (!prev->mm) {
		borrowed = prev->active_mm;
		prev->active_mm = NULL;
	}
	return borrowed == &init_mm ? NULL : borrowed;
}
