/* SPDX-License-Identifier: MIT */
/*
 * panic.c: what a panic prints: message, registers, symbolised back trace.
 *
 * A back trace follows the chain of frame pointers (the kernel is built with them):
 *
 *	rbp -> [caller's rbp][return address]
 *
 * only as long as each link lies higher than the one before, is aligned and inside the
 * kernel's image or vmalloc area, so that a broken stack cannot make it loop or
 * fault; at most TRACE_DEPTH frames.
 *
 * A panic within a panic prints its message and stops at once.
 */
#include <pagoda/bug.h>
#include <pagoda/vm_task.h>
#include <asm/ptrace.h>
#include <port/layout.h>
#include "io.h"
#include "pc.h"

#define TRACE_DEPTH 24

static bool in_panic;

/* Where a call never returns, its return address may be the next function: look before it. */
static void print_address(unsigned long addr, bool is_return)
{
	unsigned long offset;
	const char *name = machine_symbol(addr - is_return, &offset);

	if (name)
		log_printf("  %016lx %s+%#lx\n", addr, name, offset + is_return);
	else
		log_printf("  %016lx\n", addr);
}

static bool is_kernel_stack(unsigned long addr)
{
	bool in_image = addr >= (unsigned long)_data && addr < (unsigned long)_end;
	bool in_vmalloc = addr >= VMALLOC_START && addr < VMALLOC_END;

	return (in_image || in_vmalloc) && addr % sizeof(long) == 0;
}

/*
 * The next outer frame of a chain of frame pointers, its return address in *addr; 0: the chain
 * ends.
 */
static unsigned long next_frame(unsigned long bp, unsigned long *addr)
{
	const unsigned long *frame = (const unsigned long *)bp;

	if (!is_kernel_stack(bp) || frame[1] == 0)
		return 0;
	*addr = frame[1];
	return frame[0] > bp ? frame[0] : ~0ul;
}

unsigned int machine_back_trace(const struct pt_regs *regs, unsigned long *addrs, unsigned int max)
{
	unsigned long bp = regs->bp;
	unsigned int n = 0;

	if (user_mode(regs))
		return 0;
	addrs[n++] = regs->ip;
	while (n < max && (bp = next_frame(bp, &addrs[n])))
		n++;
	return n;
}

static void print_trace(unsigned long ip, bool is_return, unsigned long bp)
{
	log_printf("Call trace:\n");
	print_address(ip, is_return);
	for (int i = 0; i < TRACE_DEPTH && (bp = next_frame(bp, &ip)); i++)
		print_address(ip, true);
}

static void print_registers(const struct pt_regs *r)
{
	log_printf("rip %04lx:%016lx  rsp %016lx  flags %08lx\n", r->cs, r->ip, r->sp, r->flags);
	log_printf("rax %016lx  rbx %016lx  rcx %016lx\n", r->ax, r->bx, r->cx);
	log_printf("rdx %016lx  rsi %016lx  rdi %016lx\n", r->dx, r->si, r->di);
	log_printf("rbp %016lx  r8  %016lx  r9  %016lx\n", r->bp, r->r8, r->r9);
	log_printf("r10 %016lx  r11 %016lx  r12 %016lx\n", r->r10, r->r11, r->r12);
	log_printf("r13 %016lx  r14 %016lx  r15 %016lx\n", r->r13, r->r14, r->r15);
	log_printf("cr0 %016lx  cr2 %016lx  cr3 %016lx  cr4 %08lx\n", read_cr0(), read_cr2(),
		   read_cr3(), read_cr4());
}

static void print_task(void)
{
	const struct vm_task *task = port_current();

	log_printf("cpu %u, task %d (%s)\n", port_cpu_id(), task->pid, task->comm);
}

/* From port_panic in entry.S, which saved the registers of its caller. */
__noreturn void pc_panic(const char *message, const struct pt_regs *regs)
{
	bool again = in_panic;

	in_panic = true;
	log_printf("PANIC: %s\n", message);
	if (!again) {
		print_task();
		print_registers(regs);
		print_trace(regs->ip, true, regs->bp);
	}
	machine_power_off(PANIC_EXIT_STATUS);
}

__noreturn void port_die(struct pt_regs *regs, const char *what, unsigned long addr,
			 unsigned long error_code)
{
	if (!in_panic) {
		in_panic = true;
		log_printf("PANIC: %s: address %016lx, error code %#lx\n", what, addr, error_code);
		print_task();
		print_registers(regs);
		print_trace(regs->ip, false, regs->bp);
	}
	machine_power_off(PANIC_EXIT_STATUS);
}
