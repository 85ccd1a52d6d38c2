// SPDX-License-Identifier: MIT
/*
 * context.c: which address space a CPU has loaded (section CS, Dissected part 3).
 *
 *	task with an mm		its tables are loaded, state OK
 *	task without		the last tables stay loaded (borrowed), state LAZY
 *
 * A borrowed mm is kept alive by mm_count, not mm_users: its user half may be torn
 * down meanwhile, its PGD may not. A lazy CPU that is told to flush leaves the
 * mm (tlb.c); switching back to the mm later finds the bit gone and reloads. init_mm
 * never dies, so borrowing it is not counted.
 *
 * The table of a process's own segments goes along, where it is another one (ldt.c). There is no
 * other state of a CPU by address space: CR4 is the same for all (mapping.md, CS-11).
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

static void load_mm(struct tlb_state *state, struct mm_struct *next)
{
	unsigned long bit = cpu_bit();
	struct mm_struct *prev = state->active_mm;

	VM_BUG_ON(port_irqs_enabled());
	state->state = TLBSTATE_OK;
	state->active_mm = next;
	rmw_or(&next->cpu_vm_mask, bit);
	map_current_stack(next);
	ldt_switch(state, next);
	port_load_pgd(__pa(next->pgd));
	if (prev && prev != next)
		rmw_and(&prev->cpu_vm_mask, ~bit);
}

void switch_mm(struct mm_struct *prev, struct mm_struct *next)
{
	struct tlb_state *state = &cpu_tlbstate[port_cpu_id()];

	(void)prev; /* the CPU's own record is the truth */
	if (state->active_mm != next) {
		load_mm(state, next);
		return;
	}
	state->state = TLBSTATE_OK;
	/* The same tables, unless a flush made this CPU leave them while lazy. */
	if (unlikely(!(READ_ONCE(next->cpu_vm_mask) & cpu_bit())))
		load_mm(state, next);
}

void enter_lazy_tlb(struct mm_struct *mm)
{
	(void)mm;
	if (port_nr_cpus() > 1) /* alone, there is nobody to spare flushes from (CS-08) */
		cpu_tlbstate[port_cpu_id()].state = TLBSTATE_LAZY;
}

struct mm_struct *context_switch_mm(struct vm_task *prev, struct vm_task *next)
{
	struct mm_struct *borrowed = NULL;

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
