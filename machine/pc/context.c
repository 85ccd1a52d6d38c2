/* SPDX-License-Identifier: MIT */
/*
 * context.c: threads: kernel stacks, switching between them, and what user mode
 * expects to find unchanged.
 *
 *	stack top ->	struct pt_regs		user mode's registers, when in the kernel
 *			...			kernel frames
 *			rbp rbx r12..r15	t->sp, while switched out
 *	lowest ---->	unmapped guard page
 *
 * The kernel itself uses no FPU or SSE registers and neither FS nor (beyond its own)
 * GS, so a system call leaves them alone. They change hands in machine_switch(), at
 * once and always: nothing of one program is ever left for another to find.
 *
 * Guard pages: a vmalloc area ends with an unmapped page and the area after it starts
 * right there or higher, so below every area lies an unmapped page. Overflow then faults,
 * and as the fault cannot be pushed either, arrives as a double fault (cpu.c).
 */
#include <pagoda/bug.h>
#include <pagoda/string.h>
#include <pagoda/vmalloc.h>
#include <asm/ptrace.h>
#include "io.h"
#include "pc.h"

#define FCW_DEFAULT   0x37f
#define MXCSR_DEFAULT 0x1f80
#define FXSAVE_MXCSR  24 /* byte offset in the image */

u8 fpu_default_image[512] __aligned(16);

void __init fpu_init(void)
{
	u16 fcw = FCW_DEFAULT;
	u32 mxcsr = MXCSR_DEFAULT;

	memcpy(fpu_default_image, &fcw, sizeof(fcw));
	memcpy(fpu_default_image + FXSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
	fpu_load(fpu_default_image);
}

static void fpu_save(u8 *image)
{
	__asm__ __volatile__("fxsaveq %0" : "=m"(*(u8(*)[512])image));
}

void *machine_stack_alloc(void)
{
	return vmalloc(KERNEL_STACK_SIZE);
}

void machine_stack_free(void *stack)
{
	vfree(stack);
}

struct pt_regs *machine_user_regs(struct machine_thread *t)
{
	return (struct pt_regs *)pc_thread(t)->stack_top - 1;
}

void machine_thread_init(struct machine_thread *t, void *stack, void (*fn)(void *), void *arg)
{
	struct pc_thread *pc = pc_thread(t);

	pc->stack_top = (unsigned long)stack + KERNEL_STACK_SIZE;

	struct switch_frame *frame = (struct switch_frame *)machine_user_regs(t) - 1;

	memset(machine_user_regs(t), 0, sizeof(struct pt_regs));
	*frame = (struct switch_frame){
		.rbx = (unsigned long)fn,
		.r12 = (unsigned long)arg,
		.ip = (unsigned long)thread_start,
	};
	pc->sp = (unsigned long)frame;
	pc->trap = (struct machine_trap_info){0, 0, 0};
	machine_reset_user_state(t);
}

/* ---- Segment registers ----------------------------------------------------------------------- */

#define SELECTOR_LOCAL 4u /* of the LDT */

static void save_selectors(struct pc_selectors *sel)
{
	__asm__ __volatile__("movw %%ds, %0; movw %%es, %1; movw %%fs, %2; movw %%gs, %3"
			     : "=m"(sel->ds), "=m"(sel->es), "=m"(sel->fs), "=m"(sel->gs));
}

/*
 * Can user mode have it in a data segment register, now? It was loaded once, but the process may
 * have taken the segment away since; loading it here would fault.
 */
static bool is_loadable(u16 selector)
{
	const struct cpu *cpu = this_cpu();
	unsigned int index = selector >> 3;
	u64 entry;

	if (!(selector & ~RPL_USER))
		return true;
	if (!(selector & SELECTOR_LOCAL)) {
		selector |= RPL_USER;
		return selector == USER_DS || selector == USER_CS || selector == USER_CS32;
	}
	if (index >= cpu->ldt_nr)
		return false;
	entry = ((const u64 *)cpu->ldt)[index];
	return entry >> 47 & 1; /* present; all are data segments (ldt.c) */
}

static inline u16 loadable(u16 selector)
{
	return is_loadable(selector) ? selector : 0;
}

/* Interrupts off: in between GS's base is not the kernel's (see (E2) in entry.S). */
static void load_gs(u16 selector)
{
	__asm__ __volatile__("swapgs; movl %0, %%gs; swapgs" : : "r"((u32)selector) : "memory");
}

/* Load the registers that differ; this clears the bases, which are loaded afterwards. */
static void load_selectors(const struct pc_selectors *sel)
{
	unsigned long flags = port_irq_save();
	struct pc_selectors live;

	save_selectors(&live);
	if (unlikely(live.ds != sel->ds))
		__asm__ __volatile__("movl %0, %%ds" : : "r"((u32)loadable(sel->ds)));
	if (unlikely(live.es != sel->es))
		__asm__ __volatile__("movl %0, %%es" : : "r"((u32)loadable(sel->es)));
	if (unlikely(live.fs != sel->fs))
		__asm__ __volatile__("movl %0, %%fs" : : "r"((u32)loadable(sel->fs)));
	if (unlikely(live.gs != sel->gs))
		load_gs(loadable(sel->gs));
	port_irq_restore(flags);
}

/* ---- User state ------------------------------------------------------------------------------ */

static void save_user_state(struct pc_thread *t)
{
	fpu_save(t->fpu);
	save_selectors(&t->sel);
	t->fs_base = rdmsr(MSR_FS_BASE);
	t->gs_base = rdmsr(MSR_KERNEL_GS_BASE);
}

static void load_user_state(const struct pc_thread *t)
{
	fpu_load(t->fpu);
	load_selectors(&t->sel);
	/* A base the CPU refuses (not canonical) is left out: the callers check before. */
	WARN_ON_ONCE(!wrmsr_safe(MSR_FS_BASE, t->fs_base));
	WARN_ON_ONCE(!wrmsr_safe(MSR_KERNEL_GS_BASE, t->gs_base));
}

void machine_save_user_state(struct machine_thread *t)
{
	save_user_state(pc_thread(t));
}

void machine_load_user_state(const struct machine_thread *t)
{
	load_user_state(pc_thread_const(t));
}

void machine_reset_user_state(struct machine_thread *t)
{
	struct pc_thread *pc = pc_thread(t);

	machine_reset_fpu_state(t);
	pc->fs_base = pc->gs_base = 0;
	pc->sel = (struct pc_selectors){0, 0, 0, 0};
}

void machine_copy_user_state(struct machine_thread *child, const struct machine_thread *parent)
{
	struct pc_thread *to = pc_thread(child);
	const struct pc_thread *from = pc_thread_const(parent);

	memcpy(to->fpu, from->fpu, sizeof(to->fpu));
	to->fs_base = from->fs_base;
	to->gs_base = from->gs_base;
	to->sel = from->sel;
}

unsigned long machine_user_base(const struct machine_thread *t, enum machine_base which)
{
	const struct pc_thread *pc = pc_thread_const(t);

	return which == MACHINE_FS_BASE ? pc->fs_base : pc->gs_base;
}

void machine_set_user_base(struct machine_thread *t, enum machine_base which, unsigned long base)
{
	struct pc_thread *pc = pc_thread(t);

	*(which == MACHINE_FS_BASE ? &pc->fs_base : &pc->gs_base) = base;
	*(which == MACHINE_FS_BASE ? &pc->sel.fs : &pc->sel.gs) = 0;
}

u8 *machine_fpu_state(struct machine_thread *t)
{
	return pc_thread(t)->fpu;
}

void machine_reset_fpu_state(struct machine_thread *t)
{
	memcpy(pc_thread(t)->fpu, fpu_default_image, MACHINE_FPU_BYTES);
}

struct machine_trap_info *machine_last_trap(struct machine_thread *t)
{
	return &pc_thread(t)->trap;
}

void machine_switch(struct machine_thread *prev, struct machine_thread *next)
{
	struct pc_thread *from = pc_thread(prev), *to = pc_thread(next);
	struct cpu *cpu = this_cpu();

	BUG_ON(port_irqs_enabled());
	save_user_state(from);
	load_user_state(to);
	if (!cpu->thread) /* the boot stack becomes prev's */
		from->stack_top = cpu->kernel_sp;
	cpu->thread = to;
	machine_set_kernel_sp(cpu, to->stack_top);
	machine_switch_stacks(&from->sp, to->sp);
}

void machine_set_current(struct vm_task *task)
{
	this_cpu()->current = task;
}

__noreturn void machine_enter_user(struct machine_thread *t)
{
	enter_user_at(machine_user_regs(t));
}
