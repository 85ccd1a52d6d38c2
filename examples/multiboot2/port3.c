/* SPDX-License-Identifier: MIT */
/*
 * port3.c: tier 3 of port.h, address spaces, for one task that has no user mode.
 *
 * The kernel plays the program: it stores to an address of the user half, and the page fault is
 * served as one of user mode would be. The copies to and from user memory are in
 * machine/pc/usercopy.S.
 */
#include "kernel.h"
#include <asm/ptrace.h>
#include <pagoda/bug.h>
#include <pagoda/mm.h>
#include <pagoda/uaccess.h>
#include <pagoda/vmstat.h>

/* Only user mode gets signals. */
void port_fault_signal(struct pt_regs *regs, int signo, int si_code, unsigned long addr,
		       unsigned long error_code)
{
	(void)si_code, (void)error_code;
	panic("signal %d at %#lx, address %#lx", signo, regs->ip, addr);
}

void port_die(struct pt_regs *regs, const char *what, unsigned long addr, unsigned long error_code)
{
	panic("%s at %#lx, address %#lx, error code %#lx", what, regs->ip, addr, error_code);
}

void port_send_signal(struct vm_task *task, int signo)
{
	panic("signal %d for task %d", signo, task->pid);
}

void port_flush_tlb(void)
{
	port_flush_tlb_all();
}

void port_yield(void)
{
}

/* ---- Page faults ---------------------------------------------------------------------------- */

/* CR2 is read first. Interrupts go on if they were on before the fault, as serving may sleep. */
__attribute__((interrupt)) static void page_fault(struct frame *frame, unsigned long error_code)
{
	struct pt_regs regs = {
		.ip = frame->ip, .cs = frame->cs, .flags = frame->flags, .sp = frame->sp};
	unsigned long address;

	__asm__ volatile("movq %%cr2, %0" : "=r"(address));
	if (frame->flags & X86_EFLAGS_IF)
		__asm__ volatile("sti");
	do_page_fault(&regs, error_code, address);
	__asm__ volatile("cli");
	frame->ip = regs.ip; /* a copy that failed goes on at its fixup */
}

void tier3(void)
{
	struct mm_struct *mm = mm_alloc();
	unsigned long addr;
	size_t left;

	if (!mm)
		panic("tier 3: no memory");
	set_gate(14, page_fault);
	boot_task.active_mm = &init_mm;
	activate_mm(mm);
	addr = do_mmap(mm, NULL, 0, SZ_1M, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	if (IS_ERR_VALUE(addr))
		panic("tier 3: do_mmap() returned %ld", (long)addr);
	*(volatile long *)addr = 42; /* faults; the core maps a page; the store runs again */
	left = copy_to_user(addr + SZ_1M - 3, "12345678", 8); /* room for 3 bytes, and no more */
	pr_info("tier 3: read back %ld, %lu anonymous faults, %zu bytes not copied\n",
		*(volatile long *)addr, vm_event(fault_anon), left);
	exit_mm();
}
