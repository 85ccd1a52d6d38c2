/* SPDX-License-Identifier: MIT */
/* proves: FT-05 XC-04 */
/*
 * Exceptions that are no page faults, as signals: divide error, invalid opcode, breakpoint,
 * single step, and the privileged or otherwise forbidden instructions, each of which must
 * end in SIGSEGV/SI_KERNEL of the program and not trouble the kernel (ABI.md, section 4).
 */
#include "guest.h"

/* The instruction to try begins at a known address, so that rip can be compared. */
#define INSTRUCTION(name, text)                                                                    \
	extern char name##_at[];                                                                   \
	static NOINLINE void name(void)                                                            \
	{                                                                                          \
		__asm__ volatile(".globl " #name "_at\n" #name "_at:\n\t" text                     \
				 ::: "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "memory", "cc");    \
	}

INSTRUCTION(divide_by_zero, "xor %%edx, %%edx\n\txor %%ecx, %%ecx\n\tmov $1, %%eax\n\tidiv %%ecx")
INSTRUCTION(divide_overflow, "mov $0x80000000, %%eax\n\tcdq\n\tmov $-1, %%ecx\n\tidiv %%ecx")
INSTRUCTION(undefined, "ud2")
INSTRUCTION(breakpoint, "int3")
INSTRUCTION(halt, "hlt")
INSTRUCTION(clear_interrupts, "cli")
INSTRUCTION(set_interrupts, "sti")
INSTRUCTION(port_in, "mov $0x60, %%edx\n\tin %%dx, %%al")
INSTRUCTION(port_out, "mov $0xf4, %%edx\n\tout %%al, %%dx")
INSTRUCTION(port_string, "mov $0x80, %%edx\n\toutsb")
INSTRUCTION(load_gdt, "lgdt (%%rsp)")
INSTRUCTION(load_idt, "lidt (%%rsp)")
INSTRUCTION(load_task_register, "mov $0x28, %%eax\n\tltr %%ax")
INSTRUCTION(load_ldt, "xor %%eax, %%eax\n\tlldt %%ax")
INSTRUCTION(write_msr, "mov $0xc0000082, %%ecx\n\twrmsr")
INSTRUCTION(read_msr, "mov $0xc0000080, %%ecx\n\trdmsr")
INSTRUCTION(read_cr0, "mov %%cr0, %%rax")
INSTRUCTION(read_cr3, "mov %%cr3, %%rax")
INSTRUCTION(write_cr3, "xor %%eax, %%eax\n\tmov %%rax, %%cr3")
INSTRUCTION(write_cr4, "xor %%eax, %%eax\n\tmov %%rax, %%cr4")
INSTRUCTION(read_dr7, "mov %%dr7, %%rax")
INSTRUCTION(clear_task_switched, "clts")
INSTRUCTION(invalidate_page, "invlpg (%%rsp)")
INSTRUCTION(invalidate_caches, "wbinvd")
INSTRUCTION(swap_gs, "swapgs")
INSTRUCTION(system_return, "sysretq")
INSTRUCTION(int_unused, "int $0x31")
INSTRUCTION(int_timer, "int $0x20")
INSTRUCTION(int_page_fault, "int $14")
INSTRUCTION(int_double_fault, "int $8")
INSTRUCTION(int_nmi, "int $2")
INSTRUCTION(bad_selector, "mov $0x10, %%eax\n\tmov %%ax, %%ss")
INSTRUCTION(far_selector, "mov $0xfff8, %%eax\n\tmov %%ax, %%ds")

struct attempt {
	const char *name;
	void (*run)(void);
};
#define ATTEMPT(name) { #name, name }

static const struct attempt forbidden[] = {
	ATTEMPT(halt), ATTEMPT(clear_interrupts), ATTEMPT(set_interrupts), ATTEMPT(port_in),
	ATTEMPT(port_out), ATTEMPT(port_string), ATTEMPT(load_gdt), ATTEMPT(load_idt),
	ATTEMPT(load_task_register), ATTEMPT(load_ldt), ATTEMPT(write_msr), ATTEMPT(read_msr),
	ATTEMPT(read_cr0), ATTEMPT(read_cr3), ATTEMPT(write_cr3), ATTEMPT(write_cr4),
	ATTEMPT(read_dr7), ATTEMPT(clear_task_switched), ATTEMPT(invalidate_page),
	ATTEMPT(invalidate_caches), ATTEMPT(swap_gs), ATTEMPT(system_return),
	ATTEMPT(int_unused), ATTEMPT(int_timer), ATTEMPT(int_page_fault),
	ATTEMPT(int_double_fault), ATTEMPT(int_nmi), ATTEMPT(bad_selector), ATTEMPT(far_selector),
};

/*
 * The error code of a refused INT n names its IDT entry, times 8; QEMU 7.2 without KVM says
 * times 16. So only that it is an IDT entry's.
 */
static long error_code(void)
{
	return last_fault.trapno == 13 && last_fault.err & 2 ? 2 : last_fault.err;
}

static void show(const char *what)
{
	printf("%s: %s %s si_addr %s trap %ld err %#lx\n", what, signal_name(last_fault.sig),
	       fault_code_name(last_fault.sig, last_fault.code),
	       !last_fault.addr				  ? "0"
	       : (long)last_fault.addr == last_fault.rip ? "rip"
							  : "other",
	       last_fault.trapno, error_code());
}

static void single_step(void)
{
	__asm__ volatile("pushf\n\torq $0x100, (%%rsp)\n\tpopf\n\tnop\n\tnop" ::: "memory", "cc");
}

/* x87 and SSE exceptions, once unmasked; QEMU's TCG has only the x87 ones (ABI.md, trap 10). */
static void x87_divide(void)
{
	unsigned short control = 0x37f & ~4;
	float zero = 0;
	__asm__ volatile("fninit\n\tfldcw %0\n\tfld1\n\tfdivs %1\n\tfwait" ::"m"(control), "m"(zero));
}

int main(void)
{
	catch_faults(0);
	TRY(divide_by_zero());
	show("divide by zero");
	TRY(divide_overflow());
	show("divide overflow");
	TRY(undefined());
	show("ud2");
	printf("ud2 is at rip: %s\n", last_fault.rip == (long)undefined_at ? "yes" : "no");
	TRY(breakpoint());
	show("int3");
	printf("rip is after int3: %s\n", last_fault.rip == (long)breakpoint_at + 1 ? "yes" : "no");
	TRY(single_step());
	printf("single step: %s %s\n", signal_name(last_fault.sig),
	       fault_code_name(last_fault.sig, last_fault.code));
	TRY(x87_divide());
	show("x87 divide by zero");
	__asm__ volatile("fninit");
	for (unsigned i = 0; i < ARRAY_LEN(forbidden); i++) {
		TRY(forbidden[i].run());
		show(forbidden[i].name);
	}
	printf("still here\n");
	return 0;
}
