/* SPDX-License-Identifier: MIT */
/*
 * trap.c: exceptions and interrupts, sorted by where they came from.
 *
 *	vector	from user mode			from kernel mode
 *	14	do_page_fault			do_page_fault
 *	0..31	kernel_user_trap, by table	exception table, else port_die
 *	32..	interrupt handler		interrupt handler
 *	2 8 18	trap_dispatch_ist: NMI is reported and ignored; the others end the machine
 *
 * The table user_traps[] is ABI.md section 4. Gates turn interrupts off; handlers of
 * exceptions run with them as the interrupted code had them, so that they may sleep.
 * An exception's error code moves from the orig_ax slot, where the CPU's push put it,
 * into the thread (for the signal frame), and orig_ax becomes -1: no system call.
 *
 * Locking: the handler table is written during machine_init() only.
 */
#include <pagoda/abi/signal.h>
#include <pagoda/bug.h>
#include <pagoda/spinlock.h>
#include <pagoda/string.h>
#include <asm/fault.h>
#include <asm/ptrace.h>
#include <machine/regs_offsets.h>
#include "io.h"
#include "pc.h"

#define REGS_ASSERT(field, offset) \
	static_assert(offsetof(struct pt_regs, field) == (offset), "regs_offsets.h")
REGS_ASSERT(r11, REGS_R11);
REGS_ASSERT(ax, REGS_AX);
REGS_ASSERT(cx, REGS_CX);
REGS_ASSERT(di, REGS_DI);
REGS_ASSERT(orig_ax, REGS_ORIG_AX);
REGS_ASSERT(ip, REGS_IP);
REGS_ASSERT(cs, REGS_CS);
REGS_ASSERT(flags, REGS_FLAGS);
REGS_ASSERT(sp, REGS_SP);
REGS_ASSERT(ss, REGS_SS);
static_assert(sizeof(struct pt_regs) == REGS_SIZE, "regs_offsets.h");

enum {
	TRAP_DE,
	TRAP_DB,
	TRAP_NMI,
	TRAP_BP,
	TRAP_OF,
	TRAP_BR,
	TRAP_UD,
	TRAP_NM,
	TRAP_DF,
	TRAP_CSO,
	TRAP_TS,
	TRAP_NP,
	TRAP_SS,
	TRAP_GP,
	TRAP_PF,
	TRAP_SPURIOUS,
	TRAP_MF,
	TRAP_AC,
	TRAP_MC,
	TRAP_XM,
	NR_TRAPS = 32
};

struct user_trap {
	const char *name;
	u8 signo;
	u8 code;
	bool addr_is_ip;
};

static const struct user_trap user_traps[NR_TRAPS] = {
	[TRAP_DE] = {"divide error", SIGFPE, FPE_INTDIV, true},
	[TRAP_DB] = {"debug", SIGTRAP, TRAP_TRACE, true},
	[TRAP_NMI] = {"NMI", 0, 0, false},
	[TRAP_BP] = {"breakpoint", SIGTRAP, SI_KERNEL, false},
	[TRAP_OF] = {"overflow", SIGSEGV, SI_KERNEL, false},
	[TRAP_BR] = {"bound range", SIGSEGV, SI_KERNEL, false},
	[TRAP_UD] = {"invalid opcode", SIGILL, ILL_ILLOPN, true},
	[TRAP_NM] = {"device not available", SIGSEGV, SI_KERNEL, false},
	[TRAP_DF] = {"double fault", 0, 0, false},
	[TRAP_CSO] = {"coprocessor overrun", SIGFPE, SI_KERNEL, false},
	[TRAP_TS] = {"invalid TSS", SIGSEGV, SI_KERNEL, false},
	[TRAP_NP] = {"segment not present", SIGBUS, SI_KERNEL, false},
	[TRAP_SS] = {"stack segment", SIGBUS, SI_KERNEL, false},
	[TRAP_GP] = {"general protection", SIGSEGV, SI_KERNEL, false},
	[TRAP_PF] = {"page fault", 0, 0, false},
	[TRAP_MF] = {"x87 error", SIGFPE, 0, true},
	[TRAP_AC] = {"alignment check", SIGBUS, BUS_ADRALN, false},
	[TRAP_MC] = {"machine check", 0, 0, false},
	[TRAP_XM] = {"SIMD error", SIGFPE, 0, true},
};

static void (*irq_handlers[NR_VECTORS])(struct pt_regs *regs, unsigned int vector);
unsigned long nr_spurious_interrupts;

void irq_set_handler(unsigned int vector, void (*fn)(struct pt_regs *regs, unsigned int vector))
{
	irq_handlers[vector] = fn;
}

static const char *trap_name(unsigned int vector)
{
	if (vector < NR_TRAPS && user_traps[vector].name)
		return user_traps[vector].name;
	return "reserved exception";
}

/*
 * A pending unmasked exception as a si_code. Bits: invalid, denormal, zero, over, under, precision.
 */
static int fpe_code(unsigned int pending)
{
	if (pending & 0x01)
		return FPE_FLTINV;
	if (pending & 0x04)
		return FPE_FLTDIV;
	if (pending & 0x08)
		return FPE_FLTOVF;
	if (pending & 0x12)
		return FPE_FLTUND;
	if (pending & 0x20)
		return FPE_FLTRES;
	return SI_KERNEL;
}

static int x87_code(void)
{
	u16 status, control;

	__asm__ __volatile__("fnstsw %0" : "=m"(status));
	__asm__ __volatile__("fnstcw %0" : "=m"(control));
	return fpe_code(status & ~control & 0x3fu);
}

static int sse_code(void)
{
	u32 mxcsr;

	__asm__ __volatile__("stmxcsr %0" : "=m"(mxcsr));
	return fpe_code(mxcsr & ~(mxcsr >> 7) & 0x3f);
}

static int trap_code(unsigned int vector)
{
	if (vector == TRAP_MF)
		return x87_code();
	if (vector == TRAP_XM)
		return sse_code();
	return user_traps[vector].code;
}

/* Keep what a signal frame tells about the exception; take it off the frame. */
static unsigned long take_error_code(struct pt_regs *regs, unsigned int vector, unsigned long cr2)
{
	unsigned long error_code = regs->orig_ax;
	struct pc_thread *t = this_cpu()->thread;

	regs->orig_ax = -1ul;
	if (t && user_mode(regs)) {
		t->trap.nr = vector;
		t->trap.error_code = error_code;
		if (vector == TRAP_PF)
			t->trap.address = cr2;
	}
	return error_code;
}

void machine_irqs_on(void)
{
	__asm__ __volatile__("sti" : : : "memory");
}

static void irqs_as_before(const struct pt_regs *regs)
{
	if (regs->flags & X86_EFLAGS_IF)
		__asm__ __volatile__("sti" : : : "memory");
}

static void user_exception(struct pt_regs *regs, unsigned int vector)
{
	const struct user_trap *trap = &user_traps[vector];
	int code = trap_code(vector);

	irqs_as_before(regs);
	if (trap->signo == 0) {
		kernel_user_trap(regs, SIGSEGV, SI_KERNEL, 0);
		return;
	}
	kernel_user_trap(regs, trap->signo, code, trap->addr_is_ip ? regs->ip : 0);
}

static void exception(struct pt_regs *regs, unsigned int vector)
{
	unsigned long error_code = take_error_code(regs, vector, 0);

	if (user_mode(regs)) {
		user_exception(regs, vector);
		return;
	}
	if (fixup_exception(regs))
		return;
	port_die(regs, trap_name(vector), regs->ip, error_code);
}

/* From entry.S: vectors other than the page fault's and those with their own stacks. */
void trap_dispatch(struct pt_regs *regs, unsigned int vector)
{
	if (vector < NR_TRAPS) {
		exception(regs, vector);
		return;
	}
	regs->orig_ax = -1ul;
	lock_debug_interrupt(true);
	if (irq_handlers[vector])
		irq_handlers[vector](regs, vector);
	else
		nr_spurious_interrupts++;
	lock_debug_interrupt(false);
	kernel_interrupt_end();
}

void trap_page_fault(struct pt_regs *regs)
{
	unsigned long cr2 = read_cr2(); /* before anything can fault again */
	unsigned long error_code = take_error_code(regs, TRAP_PF, cr2);

	irqs_as_before(regs);
	do_page_fault(regs, error_code, cr2);
}

/* An address a little below the running thread's stack: its guard page. */
static bool is_stack_overflow(unsigned long addr)
{
	unsigned long bottom = this_cpu()->kernel_sp - KERNEL_STACK_SIZE;

	return addr >= bottom - PAGE_SIZE_PC && addr < bottom;
}

void trap_dispatch_ist(struct pt_regs *regs, unsigned int vector)
{
	unsigned long cr2 = read_cr2();

	if (vector == TRAP_NMI) {
		log_printf("NMI at %#lx, ignored\n", regs->ip);
		return;
	}
	if (vector == TRAP_DF && is_stack_overflow(cr2))
		port_die(regs, "kernel stack overflow (double fault)", cr2, regs->orig_ax);
	port_die(regs, trap_name(vector), cr2, regs->orig_ax);
}

/*
 * IRET to user mode refused its frame, with the user's registers already loaded. The
 * CPU has pushed a second frame below the refused one:
 *
 *	stack top   [ss sp flags cs ip]			refused; regs->sp points at its ip
 *		    [ss sp flags cs ip err | registers]	regs: the fault at iret_to_user
 *
 * Put the registers under the refused frame, as if the fault had come from user mode.
 */
struct pt_regs *trap_bad_iret(struct pt_regs *regs)
{
	struct pt_regs user = *regs;
	struct pt_regs *home = (struct pt_regs *)(regs->sp - offsetof(struct pt_regs, ip));

	memcpy(&user.ip, (const void *)regs->sp, 5 * sizeof(unsigned long));
	*home = user;
	return home;
}
