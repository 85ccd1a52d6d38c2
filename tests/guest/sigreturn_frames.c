/* SPDX-License-Identifier: MIT */
/*
 * rt_sigreturn takes whatever the frame says. What the CPU refuses to go back to (an address that is not canonical,
 * segments that are none or the kernel's) is a fault of the program: its handler finds the registers that the frame
 * asked for. Flags that are not the program's are left out; a frame of garbage ends at most the process.
 */
#include "guest.h"

enum { GARBAGE_FRAMES = 150 };

static greg_t gregs_asked[NGREG];
static unsigned short cs_asked, ss_asked;
static volatile int stage;

/* The words of REG_CSGSFS: cs gs fs ss. */
static unsigned long selectors(unsigned cs, unsigned ss)
{
	return cs | (unsigned long)ss << 48;
}

static void ruin(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	(void)sig, (void)info;
	if (gregs_asked[REG_RIP])
		regs[REG_RIP] = gregs_asked[REG_RIP];
	if (cs_asked != 0xffff)
		regs[REG_CSGSFS] = (greg_t)selectors(cs_asked, ss_asked);
	if (gregs_asked[REG_EFL])
		regs[REG_EFL] = gregs_asked[REG_EFL];
	regs[REG_RBX] = 0x1234;
	stage = 1;
}

/* Where a fault after the return ends: shows it and leaves the child. */
static void fault(int sig, siginfo_t *info, void *context)
{
	const greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	printf("%s %s", signal_name(sig), fault_code_name(sig, info->si_code));
	printf(" trap %lld err %#llx rbx %#llx", regs[REG_TRAPNO], regs[REG_ERR] & ~1LL, regs[REG_RBX]);
	if (gregs_asked[REG_RIP])
		printf(" rip %s", regs[REG_RIP] == gregs_asked[REG_RIP] ? "as asked" : "different");
	printf("\n");
	_exit(1);
}

static int return_to_ruin(void *unused)
{
	unsigned long flags;
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGTRAP };
	(void)unused;
	for (unsigned i = 0; i < ARRAY_LEN(signals); i++)
		MUST(set_handler(signals[i], fault, 0));
	MUST(set_handler(SIGUSR1, ruin, 0));
	syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
	__asm__ volatile("pushf\n\tpop %0" : "=r"(flags));
	printf("returned, flags %#lx\n", flags & ~0xcd5UL); /* the arithmetic ones are anything by now */
	return 0;
}

static void with_rip(unsigned long rip)
{
	gregs_asked[REG_RIP] = (greg_t)rip;
	printf("rip %#lx: ", rip);
	fflush(stdout);
	run_child(return_to_ruin, NULL);
	gregs_asked[REG_RIP] = 0;
}

static void with_segments(unsigned cs, unsigned ss)
{
	cs_asked = (unsigned short)cs;
	ss_asked = (unsigned short)ss;
	printf("cs %#x ss %#x: ", cs, ss);
	fflush(stdout);
	run_child(return_to_ruin, NULL);
	cs_asked = 0xffff;
}

static void with_flags(unsigned long flags)
{
	gregs_asked[REG_EFL] = (greg_t)flags;
	printf("flags %#lx: ", flags);
	fflush(stdout);
	run_child(return_to_ruin, NULL);
	gregs_asked[REG_EFL] = 0;
}

/* ---- The FPU's part ------------------------------------------------------------------------------ */

static unsigned mxcsr_asked;
static unsigned long fpstate_asked;

static void ruin_fpu(int sig, siginfo_t *info, void *context)
{
	mcontext_t *mc = &((ucontext_t *)context)->uc_mcontext;
	(void)sig, (void)info;
	if (mxcsr_asked)
		mc->fpregs->mxcsr = mxcsr_asked;
	if (fpstate_asked)
		mc->fpregs = (fpregset_t)fpstate_asked;
}

static int return_with_fpu(void *unused)
{
	unsigned mxcsr;
	(void)unused;
	MUST(set_handler(SIGUSR1, ruin_fpu, 0));
	syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	printf("  mxcsr %#x\n", mxcsr);
	return 0;
}

static void with_fpu(const char *what, unsigned mxcsr, unsigned long fpstate)
{
	mxcsr_asked = mxcsr;
	fpstate_asked = fpstate;
	show_status(what, run_child(return_with_fpu, NULL));
}

/* ---- Garbage -------------------------------------------------------------------------------------- */

static unsigned long state;

static unsigned long random_word(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void fill_with_garbage(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	unsigned long *frame = context, *fpu = (unsigned long *)uc->uc_mcontext.fpregs;
	unsigned rare = 1 + (unsigned)random_word() % 8;
	(void)sig, (void)info;
	for (unsigned i = 0; i < 304 / 8; i++) /* the kernel's ucontext */
		if (random_word() % rare == 0)
			frame[i] = random_word() >> random_word() % 64;
	for (unsigned i = 0; i < 512 / 8; i++)
		if (random_word() % rare == 0)
			fpu[i] = random_word();
}

static int garbage(void *seed)
{
	state = *(unsigned long *)seed * 0x9e3779b97f4a7c15UL + 1;
	alarm(10);
	MUST(set_handler(SIGUSR1, fill_with_garbage, 0));
	syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
	return 0;
}

int main(void)
{
	static const unsigned long places[] = { 0x800000000000, 0x8000000000000000, 0xffff7fffffffffff, 0x7ffffffff000,
						0xffff800000000000, 0xffffffff81000000, -1UL, 8 };
	static const unsigned short code[] = { 0, 3, 0x10, 0x13, 0x18, 0x2b, 0x28, 0x30, 0x33, 0x40, 0x43, 7, 0xff, 0xfff8, 0xffff - 1 };
	unsigned ended = 0;
	cs_asked = 0xffff;
	for (unsigned i = 0; i < ARRAY_LEN(places); i++)
		with_rip(places[i]);
	for (unsigned i = 0; i < ARRAY_LEN(code); i++) {
		with_segments(code[i], 0x2b);
		with_segments(0x33, code[i]);
	}
	with_segments(0x33, 0x23);
	with_flags(0x202);
	with_flags(0x207ad7);	/* carry to zero, overflow, NT, IOPL, ID */
	with_flags(~0x40500UL); /* all but TF, DF and AC */
	with_flags(0x302);
	with_fpu("mxcsr of zeros but invalid masked", 0x80, 0);
	with_fpu("mxcsr of ones", ~0u, 0);
	with_fpu("mxcsr with a reserved bit", 0x11f80, 0);
	with_fpu("fpstate in the kernel", 0, 0xffff888000000000);
	with_fpu("fpstate nowhere", 0, 64);
	with_fpu("fpstate not canonical", 0, 0x800000000000);
	for (unsigned long seed = 1; seed <= GARBAGE_FRAMES; seed++)
		ended += (unsigned)(run_child(garbage, &seed) != -1);
	printf("children with a frame of garbage that ended: %u\n", ended);
	return 0;
}
