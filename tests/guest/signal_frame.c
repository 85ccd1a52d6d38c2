/* SPDX-License-Identifier: MIT */
/*
 * The signal frame: stack alignment and arguments at a handler's entry, direction flag
 * cleared, the 128-byte red zone untouched; after the return every integer register, the
 * flags, x87 and all XMM registers are as before, though the handler changed them all; what
 * the handler writes into the context takes effect; the signal mask is set by sa_mask and
 * restored; a broken frame kills with SIGSEGV.
 */
#include "guest.h"

/* Filled by the assembler stub at handler entry. */
__attribute__((used)) static unsigned long entry_rsp, entry_rdi, entry_rsi, entry_rdx, entry_rax, entry_flags;
static siginfo_t seen_info;
static int seen_alignment, seen_mask_usr1, seen_mask_usr2;

__attribute__((used)) static void handler_body(int sig, siginfo_t *info, void *context)
{
	sigset_t mask;
	(void)context;
	seen_info = *info;
	seen_alignment = (int)((entry_rsp + 8) % 16);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	seen_mask_usr1 = sigismember(&mask, SIGUSR1);
	seen_mask_usr2 = sigismember(&mask, SIGUSR2);
	(void)sig;
}

/* Notes the registers as the kernel set them, then ruins whatever a handler may ruin. */
void handler_entry(int sig, siginfo_t *info, void *context);
__asm__(".text\nhandler_entry:\n"
	"	mov %rsp, entry_rsp(%rip)\n"
	"	mov %rdi, entry_rdi(%rip)\n"
	"	mov %rsi, entry_rsi(%rip)\n"
	"	mov %rdx, entry_rdx(%rip)\n"
	"	mov %rax, entry_rax(%rip)\n"
	"	pushf\n	pop entry_flags(%rip)\n"
	"	sub $8, %rsp\n	call handler_body\n	add $8, %rsp\n"
	"	mov $-1, %rax\n	mov %rax, %rbx\n	mov %rax, %rcx\n	mov %rax, %rdx\n"
	"	mov %rax, %rsi\n	mov %rax, %rdi\n	mov %rax, %rbp\n	mov %rax, %r8\n"
	"	mov %rax, %r9\n	mov %rax, %r10\n	mov %rax, %r11\n	mov %rax, %r12\n"
	"	mov %rax, %r13\n	mov %rax, %r14\n	mov %rax, %r15\n"
	"	pcmpeqd %xmm0, %xmm0\n	movdqa %xmm0, %xmm1\n	movdqa %xmm0, %xmm2\n"
	"	movdqa %xmm0, %xmm3\n	movdqa %xmm0, %xmm4\n	movdqa %xmm0, %xmm5\n"
	"	movdqa %xmm0, %xmm6\n	movdqa %xmm0, %xmm7\n	movdqa %xmm0, %xmm8\n"
	"	movdqa %xmm0, %xmm9\n	movdqa %xmm0, %xmm10\n	movdqa %xmm0, %xmm11\n"
	"	movdqa %xmm0, %xmm12\n	movdqa %xmm0, %xmm13\n	movdqa %xmm0, %xmm14\n"
	"	movdqa %xmm0, %xmm15\n"
	"	fninit\n	fldz\n"
	"	ret\n");

/*
 * Loads every register with a pattern, sets the direction and carry flags, signals itself
 * (or faults on a page that a handler makes good), and stores them all again.
 */
struct registers {
	unsigned long gpr[13]; /* rbx rdx rsi rdi rbp r8 r9 r10 r12 r13 r14 r15, flags */
	unsigned char xmm[16][16];
	double x87;
};

__attribute__((used)) static struct registers before, after;

/* Signals by ud2, whose handler must skip it: no system call may touch a register here. */
void trap_with_registers(void);
__asm__(".text\ntrap_with_registers:\n"
	"	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
	"	mov before+0(%rip), %rbx\n	mov before+8(%rip), %rdx\n"
	"	mov before+16(%rip), %rsi\n	mov before+24(%rip), %rdi\n"
	"	mov before+32(%rip), %rbp\n	mov before+40(%rip), %r8\n"
	"	mov before+48(%rip), %r9\n	mov before+56(%rip), %r10\n"
	"	mov before+64(%rip), %r12\n	mov before+72(%rip), %r13\n"
	"	mov before+80(%rip), %r14\n	mov before+88(%rip), %r15\n"
	"	movdqu before+104(%rip), %xmm0\n	movdqu before+120(%rip), %xmm1\n"
	"	movdqu before+136(%rip), %xmm2\n	movdqu before+152(%rip), %xmm3\n"
	"	movdqu before+168(%rip), %xmm4\n	movdqu before+184(%rip), %xmm5\n"
	"	movdqu before+200(%rip), %xmm6\n	movdqu before+216(%rip), %xmm7\n"
	"	movdqu before+232(%rip), %xmm8\n	movdqu before+248(%rip), %xmm9\n"
	"	movdqu before+264(%rip), %xmm10\n	movdqu before+280(%rip), %xmm11\n"
	"	movdqu before+296(%rip), %xmm12\n	movdqu before+312(%rip), %xmm13\n"
	"	movdqu before+328(%rip), %xmm14\n	movdqu before+344(%rip), %xmm15\n"
	"	fninit\n	fldl before+360(%rip)\n"
	/* The red zone: 128 bytes below the stack pointer belong to this function. */
	"	movabs $0x5a5a5a5a5a5a5a5a, %rax\n	mov %rax, -8(%rsp)\n	mov %rax, -64(%rsp)\n"
	"	mov %rax, -128(%rsp)\n"
	"	movabs $0x1122334455667788, %rax\n	movabs $0x99aabbccddeeff00, %rcx\n"
	"	movabs $0x0f1e2d3c4b5a6978, %r11\n"
	"	std\n	stc\n"
	"	ud2\n"
	"	pushf\n	pop after+96(%rip)\n	cld\n"
	"	mov %rbx, after+0(%rip)\n	mov %rdx, after+8(%rip)\n"
	"	mov %rsi, after+16(%rip)\n	mov %rdi, after+24(%rip)\n"
	"	mov %rbp, after+32(%rip)\n	mov %r8, after+40(%rip)\n"
	"	mov %r9, after+48(%rip)\n	mov %r10, after+56(%rip)\n"
	"	mov %r12, after+64(%rip)\n	mov %r13, after+72(%rip)\n"
	"	mov %r14, after+80(%rip)\n	mov %r15, after+88(%rip)\n"
	"	movdqu %xmm0, after+104(%rip)\n	movdqu %xmm1, after+120(%rip)\n"
	"	movdqu %xmm2, after+136(%rip)\n	movdqu %xmm3, after+152(%rip)\n"
	"	movdqu %xmm4, after+168(%rip)\n	movdqu %xmm5, after+184(%rip)\n"
	"	movdqu %xmm6, after+200(%rip)\n	movdqu %xmm7, after+216(%rip)\n"
	"	movdqu %xmm8, after+232(%rip)\n	movdqu %xmm9, after+248(%rip)\n"
	"	movdqu %xmm10, after+264(%rip)\n	movdqu %xmm11, after+280(%rip)\n"
	"	movdqu %xmm12, after+296(%rip)\n	movdqu %xmm13, after+312(%rip)\n"
	"	movdqu %xmm14, after+328(%rip)\n	movdqu %xmm15, after+344(%rip)\n"
	"	fstpl after+360(%rip)\n"
	"	mov %rax, after_rax(%rip)\n	mov %rcx, after_rcx(%rip)\n"
	"	mov %r11, after_r11(%rip)\n"
	/* pushf wrote at -8; the other two words of the red zone must be there. */
	"	mov -64(%rsp), %rax\n	mov %rax, after_red(%rip)\n"
	"	mov -128(%rsp), %rax\n	mov %rax, after_red+8(%rip)\n"
	"	fninit\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbp\n	pop %rbx\n"
	"	ret\n");

__attribute__((used)) static unsigned long after_rax, after_rcx, after_r11, after_red[2];

__attribute__((used)) static void skip_ud2(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	handler_body(sig, info, context);
	regs[REG_RIP] += 2;
}

/* As handler_entry, but steps over the ud2 first. */
void skipping_entry(int sig, siginfo_t *info, void *context);
__asm__(".text\nskipping_entry:\n"
	"	mov %rsp, entry_rsp(%rip)\n"
	"	pushf\n	pop entry_flags(%rip)\n"
	"	sub $8, %rsp\n	call skip_ud2\n	add $8, %rsp\n"
	"	pcmpeqd %xmm0, %xmm0\n	movdqa %xmm0, %xmm5\n	movdqa %xmm0, %xmm15\n"
	"	mov $-1, %rax\n	mov %rax, %rbx\n	mov %rax, %rbp\n	mov %rax, %r12\n"
	"	mov %rax, %r13\n	mov %rax, %r14\n	mov %rax, %r15\n	mov %rax, %r11\n"
	"	fninit\n	fldz\n	ret\n");

static void install(int sig, void (*entry)(int, siginfo_t *, void *), int masked)
{
	struct sigaction action = { .sa_sigaction = entry, .sa_flags = SA_SIGINFO };
	sigemptyset(&action.sa_mask);
	if (masked)
		sigaddset(&action.sa_mask, masked);
	MUST(sigaction(sig, &action, NULL));
}

static void show_entry(void)
{
	printf("entry: (rsp + 8) %% 16 = %d, rdi %ld, rsi is siginfo %s, rax %ld, direction %s\n",
	       seen_alignment, (long)entry_rdi, entry_rsi > entry_rsp ? "yes" : "no",
	       (long)entry_rax, entry_flags & 0x400 ? "set" : "clear");
	printf("context above siginfo or below on the same stack: %s\n",
	       entry_rdx > entry_rsp && entry_rdx - entry_rsp < 4096 ? "yes" : "no");
	printf("si_signo %d si_code %s si_pid is mine %s si_uid is mine %s\n", seen_info.si_signo,
	       fault_code_name(seen_info.si_signo, seen_info.si_code),
	       seen_info.si_pid == getpid() ? "yes" : "no",
	       seen_info.si_uid == getuid() ? "yes" : "no");
	printf("blocked in the handler: SIGUSR1 %d SIGUSR2 %d\n", seen_mask_usr1, seen_mask_usr2);
}

static void mask_is_restored(void)
{
	sigset_t mask;
	sigprocmask(SIG_BLOCK, NULL, &mask);
	printf("blocked after it: SIGUSR1 %d SIGUSR2 %d\n", sigismember(&mask, SIGUSR1),
	       sigismember(&mask, SIGUSR2));
}

static void registers_are_restored(void)
{
	int differ = 0;
	for (unsigned i = 0; i < 12; i++)
		before.gpr[i] = 0x0101010101010101UL * (i + 1);
	for (int i = 0; i < 16; i++)
		memset(before.xmm[i], 0x10 + i, 16);
	before.x87 = 3.25;
	install(SIGILL, skipping_entry, 0);
	trap_with_registers();
	for (int i = 0; i < 12; i++)
		differ += before.gpr[i] != after.gpr[i];
	printf("integer registers changed: %d\n", differ);
	printf("rax %lx rcx %lx r11 %lx\n", after_rax, after_rcx, after_r11);
	differ = 0;
	for (int i = 0; i < 16; i++)
		differ += memcmp(before.xmm[i], after.xmm[i], 16) != 0;
	printf("xmm registers changed: %d, x87 %.2f\n", differ, after.x87);
	printf("flags: direction %d carry %d, in the handler: direction %d\n",
	       !!(after.gpr[12] & 0x400), !!(after.gpr[12] & 1), !!(entry_flags & 0x400));
	printf("red zone: %lx %lx\n", after_red[0], after_red[1]);
}

/* What the handler writes into the saved context is what the program gets back. */
static void change_context(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	(void)sig;
	(void)info;
	uc->uc_mcontext.gregs[REG_RIP] += 2;
	uc->uc_mcontext.gregs[REG_RAX] = 4711;
	uc->uc_mcontext.fpregs->_xmm[3].element[0] = 1234;
	sigaddset(&uc->uc_sigmask, SIGUSR2);
}

static void context_takes_effect(void)
{
	unsigned long rax;
	unsigned xmm3;
	install(SIGILL, change_context, 0);
	__asm__ volatile("pxor %%xmm3, %%xmm3\n\tud2\n\tmovd %%xmm3, %1"
			 : "=&a"(rax), "=r"(xmm3)::"xmm3", "memory");
	printf("changed by the handler: rax %lu xmm3 %u\n", rax, xmm3);
	mask_is_restored();
}

static void ruin_frame(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	/* The return to a non-canonical address must not hurt the kernel. */
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] = (long)0x800000000000;
}

static int return_to_nowhere(void *unused)
{
	(void)unused;
	install(SIGUSR1, ruin_frame, 0);
	raise(SIGUSR1);
	return 0;
}

static void ruin_segment(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_CSGSFS] = 0x10; /* a kernel code segment */
}

static int return_to_kernel_segment(void *unused)
{
	(void)unused;
	install(SIGUSR1, ruin_segment, 0);
	raise(SIGUSR1);
	return 3;
}

static int sigreturn_without_frame(void *unused)
{
	(void)unused;
	__asm__ volatile("mov $0x2000, %%rsp\n\tsyscall" ::"a"(SYS_rt_sigreturn)
			 : "rcx", "r11", "memory");
	return 4;
}

int main(void)
{
	install(SIGUSR1, handler_entry, SIGUSR2);
	MUST(kill(getpid(), SIGUSR1));
	show_entry();
	mask_is_restored();
	registers_are_restored();
	context_takes_effect();
	show_status("return to a non-canonical address", run_child(return_to_nowhere, NULL));
	show_status("return to a kernel segment", run_child(return_to_kernel_segment, NULL));
	show_status("sigreturn without a frame", run_child(sigreturn_without_frame, NULL));
	return 0;
}
