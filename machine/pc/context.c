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
	return (struct pt_regs *)t->stack_top - 1;
}

void machine_thread_init(struct machine_thread *t, void *stack, void (*fn)(void *), void *arg)
{
	t->stack_top = (unsigned long)stack + KERNEL_STACK_SIZE;

	struct switch_frame *frame = (struct switch_frame *)machine_user_regs(t) - 1;

	memset(machine_user_regs(t), 0, sizeof(struct pt_regs));
	*frame = (struct switch_frame){
		.rbx = (unsigned long)fn,
		.r12 = (unsigned long)arg,
		.ip = (unsigned long)thread_start,
	};
	t->sp = (unsigned long)frame;
	t->trap_nr = t->error_code = t->cr2 = 0;
	machine_reset_user_state(t);
}

void machine_save_user_state(struct machine_thread *t)
{
	fpu_save(t->fpu);
	t->fs_base = rdmsr(MSR_FS_BASE);
	t->gs_base = rdmsr(MSR_KERNEL_GS_BASE);
}

void machine_load_user_state(const struct machine_thread *t)
{
	fpu_load(t->fpu);
	/* A base the CPU refuses (not canonical) is left out: the callers check before. */
	WARN_ON_ONCE(!wrmsr_safe(MSR_FS_BASE, t->fs_base));
	WARN_ON_ONCE(!wrmsr_safe(MSR_KERNEL_GS_BASE, t->gs_base));
}

void machine_reset_user_state(struct machine_thread *t)
{
	memcpy(t->fpu, fpu_default_image, sizeof(t->fpu));
	t->fs_base = t->gs_base = 0;
}

void machine_switch(struct machine_thread *prev, struct machine_thread *next)
{
	struct cpu *cpu = this_cpu();

	BUG_ON(port_irqs_enabled());
	machine_save_user_state(prev);
	machine_load_user_state(next);
	if (!cpu->thread) /* the boot stack becomes prev's */
		prev->stack_top = cpu->kernel_sp;
	cpu->thread = next;
	machine_set_kernel_sp(cpu, next->stack_top);
	machine_switch_stacks(&prev->sp, next->sp);
}

void machine_set_current(struct vm_task *task)
{
	this_cpu()->current = task;
}

__noreturn void machine_enter_user(struct machine_thread *t)
{
	enter_user_at(machine_user_regs(t));
}
