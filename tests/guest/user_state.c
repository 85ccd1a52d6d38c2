/* SPDX-License-Identifier: MIT */
/* proves: CS-01 */
/*
 * What a program has in its registers stays there, whatever the kernel does meanwhile:
 * other processes running in between, system calls, page faults, signals. A forked child
 * starts with its parent's, a new program with the documented first values.
 */
#include "guest.h"

#include <stdbool.h>
#include <sys/time.h>

/* asm/prctl.h, which musl does not bring. */
enum { ARCH_SET_GS = 0x1001, ARCH_SET_FS = 0x1002, ARCH_GET_GS = 0x1004 };

enum { PROCESSES = 4, SPIN_MS = 120 };

struct state {
	uint64_t xmm[16][2];
	uint64_t general[7]; /* rbx, r8 .. r10, r12 .. r14 */
	double x87[4];
	uint32_t mxcsr;
	uint16_t fcw;
};

_Static_assert(offsetof(struct state, general) == 256, "the assembly's offsets");
_Static_assert(offsetof(struct state, x87) == 312, "the assembly's offsets");
_Static_assert(offsetof(struct state, mxcsr) == 344, "the assembly's offsets");
_Static_assert(offsetof(struct state, fcw) == 348, "the assembly's offsets");

static void fill(struct state *s, uint64_t seed)
{
	for (int i = 0; i < 16; i++) {
		s->xmm[i][0] = seed * 0x9e3779b97f4a7c15u + i;
		s->xmm[i][1] = ~s->xmm[i][0];
	}
	for (int i = 0; i < 7; i++)
		s->general[i] = seed << 32 | (0x1000u + i);
	for (int i = 0; i < 4; i++)
		s->x87[i] = (double)seed + i / 8.0;
	s->mxcsr = seed & 1 ? 0x1f80 : 0x3f80; /* two rounding modes */
	s->fcw = seed & 1 ? 0x37f : 0x27f;     /* two precisions */
}

#define LOAD_VECTORS                                                                               \
	"ldmxcsr 344(%0)\n\tfldcw 348(%0)\n\t"                                                     \
	"fldl 312(%0)\n\tfldl 320(%0)\n\tfldl 328(%0)\n\tfldl 336(%0)\n\t"                         \
	"movups 0(%0), %%xmm0\n\tmovups 16(%0), %%xmm1\n\tmovups 32(%0), %%xmm2\n\t"               \
	"movups 48(%0), %%xmm3\n\tmovups 64(%0), %%xmm4\n\tmovups 80(%0), %%xmm5\n\t"              \
	"movups 96(%0), %%xmm6\n\tmovups 112(%0), %%xmm7\n\tmovups 128(%0), %%xmm8\n\t"            \
	"movups 144(%0), %%xmm9\n\tmovups 160(%0), %%xmm10\n\tmovups 176(%0), %%xmm11\n\t"         \
	"movups 192(%0), %%xmm12\n\tmovups 208(%0), %%xmm13\n\tmovups 224(%0), %%xmm14\n\t"        \
	"movups 240(%0), %%xmm15\n\t"                                                              \
	"movq 256(%0), %%rbx\n\tmovq 264(%0), %%r8\n\tmovq 272(%0), %%r9\n\t"                      \
	"movq 280(%0), %%r10\n\tmovq 288(%0), %%r12\n\tmovq 296(%0), %%r13\n\t"                    \
	"movq 304(%0), %%r14\n\t"

#define SAVE_VECTORS                                                                               \
	"stmxcsr 344(%1)\n\tfnstcw 348(%1)\n\t"                                                    \
	"fstpl 336(%1)\n\tfstpl 328(%1)\n\tfstpl 320(%1)\n\tfstpl 312(%1)\n\t"                     \
	"movups %%xmm0, 0(%1)\n\tmovups %%xmm1, 16(%1)\n\tmovups %%xmm2, 32(%1)\n\t"               \
	"movups %%xmm3, 48(%1)\n\tmovups %%xmm4, 64(%1)\n\tmovups %%xmm5, 80(%1)\n\t"              \
	"movups %%xmm6, 96(%1)\n\tmovups %%xmm7, 112(%1)\n\tmovups %%xmm8, 128(%1)\n\t"            \
	"movups %%xmm9, 144(%1)\n\tmovups %%xmm10, 160(%1)\n\tmovups %%xmm11, 176(%1)\n\t"         \
	"movups %%xmm12, 192(%1)\n\tmovups %%xmm13, 208(%1)\n\tmovups %%xmm14, 224(%1)\n\t"        \
	"movups %%xmm15, 240(%1)\n\t"                                                              \
	"movq %%rbx, 256(%1)\n\tmovq %%r8, 264(%1)\n\tmovq %%r9, 272(%1)\n\t"                      \
	"movq %%r10, 280(%1)\n\tmovq %%r12, 288(%1)\n\tmovq %%r13, 296(%1)\n\t"                    \
	"movq %%r14, 304(%1)\n\t"                                                                  \
	"fninit\n\t"

#define VECTOR_CLOBBERS                                                                            \
	"rax", "rcx", "rdx", "rbx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "memory", "cc",  \
		"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",     \
		"xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

/* Load, do something in between, save. */
#define ACROSS(in, out, instructions, ...)                                                         \
	do {                                                                                       \
		register struct state *in_ __asm__("r15") = (in);                                  \
		register struct state *out_ __asm__("rdi") = (out);                                \
		__asm__ volatile(LOAD_VECTORS instructions SAVE_VECTORS                            \
				 : "+r"(in_), "+r"(out_)                                           \
				 : __VA_ARGS__                                                     \
				 : VECTOR_CLOBBERS);                                               \
	} while (0)

static bool same(const struct state *a, const struct state *b)
{
	return !memcmp(a->xmm, b->xmm, sizeof(a->xmm)) &&
	       !memcmp(a->general, b->general, sizeof(a->general)) &&
	       !memcmp(a->x87, b->x87, sizeof(a->x87)) && a->mxcsr == b->mxcsr && a->fcw == b->fcw;
}

/* The registers of one process, loaded for a while again and again; others do the same. */
static int spin(void *number)
{
	struct state mine, seen;
	long long end = now_ns() + SPIN_MS * 1000000LL;
	unsigned long base = 0, wanted = 0x10000u * (*(int *)number + 1);

	fill(&mine, 17u + *(int *)number);
	MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, wanted));
	while (now_ns() < end) {
		memset(&seen, 0, sizeof(seen));
		ACROSS(&mine, &seen, "movl $20000, %%ecx\n1:\tdecl %%ecx\n\tjnz 1b\n\t", "i"(0));
		if (!same(&mine, &seen))
			return 1;
	}
	MUST(syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
	return base == wanted ? 0 : 2;
}

static void across_switches(void)
{
	int numbers[PROCESSES];
	pid_t pids[PROCESSES];

	for (int i = 0; i < PROCESSES; i++) {
		numbers[i] = i;
		pids[i] = start_child(spin, &numbers[i]);
	}
	for (int i = 0; i < PROCESSES; i++)
		show_status("registers of a process among others", wait_for(pids[i]));
}

static void across_system_call(void)
{
	struct state mine, seen = { 0 };

	fill(&mine, 5);
	ACROSS(&mine, &seen, "movl %2, %%eax\n\tsyscall\n\t", "i"(SYS_getppid));
	printf("registers after a system call: %s\n", same(&mine, &seen) ? "same" : "changed");
}

static void across_page_fault(void)
{
	struct state mine, seen = { 0 };
	volatile char *page = map_anon(PAGE, PROT_READ | PROT_WRITE);

	fill(&mine, 6);
	ACROSS(&mine, &seen, "movb $1, (%2)\n\t", "S"(page));
	printf("registers after a page fault: %s\n", same(&mine, &seen) ? "same" : "changed");
}

static volatile int alarms;

static void spoil(int sig, siginfo_t *info, void *context)
{
	struct state other, seen;

	(void)sig, (void)info, (void)context;
	fill(&other, 99);
	ACROSS(&other, &seen, "", "i"(0));
	alarms++;
}

static void across_signals(void)
{
	const struct itimerval every_5ms = { { 0, 5000 }, { 0, 5000 } }, off = { { 0, 0 }, { 0, 0 } };
	struct state mine, seen;
	bool good = true;

	fill(&mine, 7);
	MUST(set_handler(SIGALRM, spoil, 0));
	MUST(setitimer(ITIMER_REAL, &every_5ms, NULL));
	while (alarms < 20 && good) {
		memset(&seen, 0, sizeof(seen));
		ACROSS(&mine, &seen, "movl $200000, %%ecx\n1:\tdecl %%ecx\n\tjnz 1b\n\t", "i"(0));
		good = same(&mine, &seen);
	}
	MUST(setitimer(ITIMER_REAL, &off, NULL));
	printf("registers after signal handlers: %s\n", good ? "same" : "changed");
}

static void across_fork(void)
{
	struct state mine, seen = { 0 };
	int pid = -1, *where = &pid;

	fill(&mine, 8);
	ACROSS(&mine, &seen, "movl %3, %%eax\n\tsyscall\n\tmovl %%eax, (%2)\n\t", "S"(where), "i"(SYS_fork));
	if (pid == 0)
		_exit(same(&mine, &seen) ? 0 : 1);
	printf("registers of the parent after fork: %s\n", same(&mine, &seen) ? "same" : "changed");
	show_status("registers of the child", wait_for(pid));
}

static void after_exec(void)
{
	uint32_t mxcsr;
	uint16_t fcw;
	unsigned long gs = 1;

	__asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(fcw));
	MUST(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
	printf("a new program starts with MXCSR %#x, FCW %#x, GS base %lu\n", mxcsr, fcw, gs);
}

/* A program started with everything spoilt must not see it. */
static void across_exec(char *self)
{
	char *argv[] = { self, "again", NULL };
	uint32_t mxcsr = 0x3f80;
	uint16_t fcw = 0x27f;

	if (fork() == 0) {
		MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x123000));
		__asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(fcw));
		execv("/proc/self/exe", argv);
		_exit(99);
	}
	int status;
	wait(&status);
	show_status("the new program", status);
}

static void bad_bases(void)
{
	show_ok("GS base in the kernel", syscall(SYS_arch_prctl, ARCH_SET_GS, 0xffff888000000000));
	show_ok("GS base not canonical", syscall(SYS_arch_prctl, ARCH_SET_GS, 0x8000000000000));
	show_ok("FS base in the kernel", syscall(SYS_arch_prctl, ARCH_SET_FS, 0xffffffff80100000));
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		after_exec();
		return 0;
	}
	across_system_call();
	across_page_fault();
	across_signals();
	across_fork();
	across_switches();
	across_exec(argv[0]);
	bad_bases();
	return 0;
}
