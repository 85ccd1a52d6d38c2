/* SPDX-License-Identifier: MIT */
/*
 * crash.c: makes the kernel panic on purpose (boot option panic_test=KIND).
 *
 * A protection that nobody ever runs into may be missing without anybody noticing. Each
 * kind breaks one on a running kernel; tests/host/machine.py expects the panic that
 * names it:
 *
 *	text	a write to the kernel's code		write protection in supervisor mode
 *	rodata	a write to a constant			the same
 *	data	a jump into data			NX
 *	null	a read through a null pointer		the identity mapping is gone
 *	stack	recursion without end			guard page, double fault on its own stack
 */
#include <pagoda/bug.h>
#include <pagoda/string.h>
#include "pc.h"

#define RET_OPCODE 0xc3

static const u8 constant[] = {1};
static volatile u8 code_in_data = RET_OPCODE;

static void write_byte(const volatile void *p)
{
	*(volatile u8 *)(unsigned long)p = 0;
}

static void write_text(void)
{
	write_byte((const void *)(unsigned long)machine_crash);
}

static void write_rodata(void)
{
	write_byte(constant);
}

static void jump_to_data(void)
{
	void (*fn)(void);
	unsigned long addr = (unsigned long)&code_in_data;

	memcpy(&fn, &addr, sizeof(fn));
	fn();
}

static void read_null(void)
{
	unsigned long addr = 0;

	__asm__ __volatile__("" : "+r"(addr)); /* hides the value from the compiler */
	(void)*(volatile u8 *)addr;
}

static noinline int recurse(int depth)
{
	volatile u8 frame[256];

	frame[0] = (u8)depth;
	return depth < 0 ? 0 : recurse(depth + 1) + frame[0];
}

static void overflow_stack(void)
{
	(void)recurse(1);
}

static const struct {
	const char *kind;
	void (*fn)(void);
} kinds[] = {
	{"text", write_text}, {"rodata", write_rodata},	 {"data", jump_to_data},
	{"null", read_null},  {"stack", overflow_stack},
};

void machine_crash(const char *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			kinds[i].fn();
}
