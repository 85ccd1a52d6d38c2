/* SPDX-License-Identifier: MIT */
/* fault.h: the page-fault error code and the exception table (thesis 9.4, FT-03, FT-60). */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

struct pt_regs;

#define PF_PROT	 0x01ul /* protection violation; clear: page not present */
#define PF_WRITE 0x02ul
#define PF_USER	 0x04ul /* came from user mode */
#define PF_RSVD	 0x08ul /* reserved bit set in a table */
#define PF_INSTR 0x10ul /* instruction fetch */

/* What a trap handler does before it calls do_page_fault(regs, error_code, address) (pagoda/mm.h):
 *	reads the faulting address (CR2) before anything can fault again; it is the
 *	address the MMU saw (kva_to_mmu() of a kernel address);
 *	turns interrupts on again if they were on where the fault happened.
 */

/* If the instruction at insn faults, go on at fixup. */
struct exception_table_entry {
	unsigned long insn, fixup;
};
/*
 * The table's bounds, provided by the machine (linker script, or an array). Weak: a machine without
 * a table has no instruction that may fault.
 */
extern const struct exception_table_entry __start___ex_table[] __attribute__((weak));
extern const struct exception_table_entry __stop___ex_table[] __attribute__((weak));

/* The entry of the instruction at ip, or NULL. */
const struct exception_table_entry *search_exception_table(unsigned long ip);
/* Resume regs at the fixup of its instruction; false if there is none. */
bool fixup_exception(struct pt_regs *regs);

/*
 * Places where instrumentation sees a fault (FT-18), in the order it meets them; none of
 * them is in use but by tests. FAULT_PROBE comes after spurious faults were sorted out.
 * fault_hook is NULL: one predicted branch each.
 */
enum fault_place {
	FAULT_ENTER, /* exception_enter */
	FAULT_MMIO,  /* kmmio_fault, kmemcheck_fault: before anything is decided */
	FAULT_PROBE, /* kprobes_fault */
	FAULT_EXIT,  /* exception_exit */
	NR_FAULT_PLACES
};
extern void (*fault_hook)(enum fault_place place, struct pt_regs *regs, unsigned long error_code,
			  unsigned long address);

PAGODA_C_END
