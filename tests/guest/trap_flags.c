/* SPDX-License-Identifier: MIT */
/* proves: AS-04 */
/* libc: glibc */
/*
 * The I/O privilege level and the interrupt flag in the frame of a signal are what the kernel gave the program,
 * whatever the emulator leaves in the flags when an instruction faults half-way: RCL and RCR of absent memory, in a
 * block of instructions of its own behind ROR, with numbers in the last sum that would be IOPL or NT as flags.
 */
#include "guest.h"

#define EFL_TF   0x100LL
#define EFL_IF   0x200UL
#define EFL_IOPL 0x3000UL

static volatile unsigned long seen;

static void handler(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	(void)sig, (void)info;
	seen = (unsigned long)regs[REG_EFL];
	regs[REG_RIP] = regs[REG_R12];
}

/*
 * An interrupt at such an instruction may leave other bits of the sum in the flags, TF among them. A program is
 * free to trace itself, so that is no fault of the kernel: go on without.
 */
static void stop_tracing(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)info;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~EFL_TF;
}

/* Leave the sum in the lazily computed flags, then fault. op: the instruction, of (%r13). */
#define SHOOT(op, sum)                                                                                                 \
	__asm__ volatile("lea 2f(%%rip), %%r12\n\t"                                                                    \
			 "mov $3, %%r13d\n\t"                                                                          \
			 "mov %0, %%eax\n\t"                                                                           \
			 "add $0, %%eax\n\t"                                                                           \
			 "jmp 1f\n"                                                                                    \
			 "1:\tror $3, %%dh\n\t" op "\n"                                                                \
			 "2:\n" ::"i"(sum)                                                                             \
			 : "rax", "rdx", "r12", "r13", "cc", "memory")

static void show(const char *name)
{
	printf("%s: IF %s, IOPL %lu\n", name, seen & EFL_IF ? "set" : "clear", (seen & EFL_IOPL) >> 12);
}

#define CHECK_OP(op)                                                                                                   \
	do {                                                                                                           \
		SHOOT(op, 0x3000);                                                                                     \
		show(op ", 0x3000");                                                                                   \
		SHOOT(op, 0xb000);                                                                                 \
		show(op ", 0xb000");                                                                               \
	} while (0)

int main(void)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	struct sigaction tracing = { .sa_sigaction = stop_tracing, .sa_flags = SA_SIGINFO };
	MUST(sigaction(SIGSEGV, &action, NULL));
	MUST(sigaction(SIGTRAP, &tracing, NULL));
	CHECK_OP("rclb $3, (%%r13)");
	CHECK_OP("rclw %%cl, (%%r13)");
	CHECK_OP("rcll %%cl, (%%r13)");
	CHECK_OP("rclq %%cl, (%%r13)");
	CHECK_OP("rcrb %%cl, (%%r13)");
	CHECK_OP("rcrw $3, (%%r13)");
	CHECK_OP("rcrl %%cl, (%%r13)");
	CHECK_OP("rcrq %%cl, (%%r13)");
	CHECK_OP("adcl %%eax, (%%r13)");
	CHECK_OP("sbbq %%rax, (%%r13)");
	return 0;
}
