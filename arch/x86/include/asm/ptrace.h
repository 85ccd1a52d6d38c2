/* SPDX-License-Identifier: MIT */
/*
 * ptrace.h: the registers of an interrupted context, in the order the entry code pushes them
 * (Linux's).
 */
#pragma once

#include <stdbool.h>

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx;
	unsigned long r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax; /* system call number, or the error code, or -1 */
	unsigned long ip, cs, flags, sp, ss;
};

static inline bool user_mode(const struct pt_regs *regs)
{
	return (regs->cs & 3) == 3;
}

#define X86_EFLAGS_IF 0x200ul
