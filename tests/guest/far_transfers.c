/* SPDX-License-Identifier: MIT */
/* compare: none */
/*
 * Far returns, far calls, far jumps and IRET in user mode, with the stack and the far pointer on present, absent,
 * read-only, kernel and non-canonical addresses: each ends by a signal of the program (each far pointer leads to an
 * INT 3 or nowhere), without a loop of faults, and the machine goes on. QEMU before 9.1 does the stack accesses of
 * these instructions as a supervisor, which a kernel may not take for its own.
 */
#include "guest.h"

#define RW (PROT_READ | PROT_WRITE)
enum { PATIENCE_CPU_SECONDS = 2 };

struct instruction {
	const char *name;
	unsigned char code[8];
	int pushes; /* to the stack, which must not be the kernel's: the emulator would do it */
};

static const struct instruction instructions[] = {
	{ "lret", { 0xcb }, 0 }, { "lretq", { 0x48, 0xcb }, 0 }, { "lretw", { 0x66, 0xcb }, 0 },
	{ "lret 8", { 0xca, 8, 0 }, 0 }, { "lretq 0xffff", { 0x48, 0xca, 0xff, 0xff }, 0 },
	{ "iret", { 0xcf }, 0 }, { "iretq", { 0x48, 0xcf }, 0 }, { "iretw", { 0x66, 0xcf }, 0 },
	{ "lcall *(rbx)", { 0xff, 0x1b }, 1 }, { "lcallq *(rbx)", { 0x48, 0xff, 0x1b }, 1 },
	{ "lcallw *(rbx)", { 0x66, 0xff, 0x1b }, 1 }, { "ljmp *(rbx)", { 0xff, 0x2b }, 0 },
	{ "ljmpq *(rbx)", { 0x48, 0xff, 0x2b }, 0 }, { "syscall", { 0x0f, 0x05 }, 0 }, { "sysenter", { 0x0f, 0x34 }, 0 },
	{ "sysret", { 0x48, 0x0f, 0x07 }, 0 }, { "sysexit", { 0x48, 0x0f, 0x35 }, 0 }, { "int 0x80", { 0xcd, 0x80 }, 0 },
	{ "icebp", { 0xf1 }, 0 }, { "int3", { 0xcc }, 0 }, { "into", { 0xce }, 0 }, { "int 4", { 0xcd, 4 }, 0 },
	{ "pop ss of 64-bit mode", { 0x17 }, 0 }, { "enter 0xffff, 31", { 0xc8, 0xff, 0xff, 31 }, 0 }, { "leave", { 0xc9 }, 0 },
	{ "push (rbx)", { 0xff, 0x33 }, 0 }, { "pop (rbx)", { 0x8f, 0x03 }, 0 }, { "popf", { 0x9d }, 0 },
	{ "mov ss, dx; icebp", { 0x8e, 0xd2, 0xf1 }, 0 }, { "mov ss, dx; int3", { 0x8e, 0xd2, 0xcc }, 0 },
	{ "mov ss, dx; syscall", { 0x8e, 0xd2, 0x0f, 0x05 }, 0 },
};

struct place {
	const char *name;
	unsigned long address;
	int is_kernel;
};

static struct place places[] = {
	{ "present, valid selectors", 0, 0 }, { "present, zeros", 0, 0 }, { "absent", 0, 0 }, { "read-only", 0, 0 },
	{ "no access", 0, 0 }, { "unmapped", 0x10000, 0 }, { "end of user space", 0x7ffffffff000, 0 },
	{ "not canonical", 0x800000000000, 0 }, { "kernel image", 0xffffffff81000000, 1 },
	{ "kernel's direct map", 0xffff888000100000, 1 }, { "kernel, nothing there", 0xffff900000000000, 1 }, { "last", -8UL, 1 },
};

struct attempt {
	const struct instruction *instruction;
	const struct place *stack, *operand;
	int selector, trap_flag;
};

static unsigned char *code;

/* What a far pointer, a far return's frame or an IRET's frame finds: 16, 32 and 64 bits wide in turn. */
static void fill_page(char *page, int selector)
{
	unsigned long *words = (unsigned long *)page;
	for (unsigned i = 0; i < PAGE / 8; i += 8) {
		words[i] = (unsigned long)code + 16;
		words[i + 1] = (unsigned long)selector;
		words[i + 2] = 0x202;
		words[i + 3] = (unsigned long)page + PAGE / 2;
		words[i + 4] = 0x2b;
		words[i + 5] = (unsigned long)selector << 32 | ((unsigned long)code & 0xffffffff);
		words[i + 6] = (unsigned long)selector << 16;
		words[i + 7] = 0x2b0033UL << 16;
	}
}

static void make_places(void)
{
	code = MUST(mmap((void *)0x20000000, PAGE, RW | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	for (unsigned i = 0; i < 5; i++)
		places[i].address = (unsigned long)map_anon(4 * PAGE, RW) + 2 * PAGE;
	memset((void *)places[1].address, 0, PAGE);
	MUST(madvise((void *)(places[2].address - 2 * PAGE), 4 * PAGE, MADV_DONTNEED));
	fill_page((char *)places[3].address, 0x33);
	MUST(mprotect((void *)(places[3].address - 2 * PAGE), 4 * PAGE, PROT_READ));
	MUST(mprotect((void *)(places[4].address - 2 * PAGE), 4 * PAGE, PROT_NONE));
}

static int execute(void *argument)
{
	const struct attempt *a = argument;
	struct rlimit limit = { PATIENCE_CPU_SECONDS, PATIENCE_CPU_SECONDS };
	unsigned long flags = a->trap_flag ? 0x302 : 0x202;

	setrlimit(RLIMIT_CPU, &limit);
	fill_page((char *)places[0].address, a->selector);
	memset(code, 0xcc, PAGE);
	memcpy(code, a->instruction->code, sizeof(a->instruction->code));
	for (unsigned i = sizeof(a->instruction->code); i && !code[i - 1]; i--)
		code[i - 1] = 0xcc;
	__asm__ volatile("mov %1, %%rbx\n\tpush %3\n\tpopf\n\tmov %0, %%rsp\n\tjmp *%2"
			 ::"r"(a->stack->address), "r"(a->operand->address), "r"(code), "r"(flags), "d"(0x2b),
			 "a"(0x7fff0000) : "rbx", "memory");
	return 0;
}

/* Return: whether it ended as it should. */
static int attempt(const struct attempt *a)
{
	int status = run_child(execute, (void *)a);
	int good = WIFSIGNALED(status) && WTERMSIG(status) != SIGXCPU && WTERMSIG(status) != SIGKILL;

	if (!good) {
		printf("%s, stack %s, operand %s, selector %#x, trap flag %d", a->instruction->name, a->stack->name,
		       a->operand->name, a->selector, a->trap_flag);
		show_status("", status);
	}
	return good;
}

int main(void)
{
	static const int selectors[] = { 0x33, 0x23, 0, 0x10, 0x2b, 7 };
	int bad = 0, count = 0;

	make_places();
	for (unsigned i = 0; i < ARRAY_LEN(instructions); i++)
		for (unsigned s = 0; s < ARRAY_LEN(places); s++)
			for (unsigned k = 0; k < 2; k++) {
				unsigned turn = (unsigned)(count + count / 24 * 5); /* another pairing with each instruction */
				struct attempt a = { &instructions[i], &places[s], &places[turn % ARRAY_LEN(places)],
						     selectors[turn % ARRAY_LEN(selectors)], (int)k };

				if (instructions[i].pushes && places[s].is_kernel)
					a.selector = 0, a.operand = &places[1];
				else if (s == 0 || instructions[i].pushes)
					a.operand = &places[0];
				bad += !attempt(&a);
				count++;
			}
	printf("%d attempts, %d did not end by a fault of their own\n", count, bad);
	return bad != 0;
}
