/* SPDX-License-Identifier: MIT */
/* regs_offsets.h: offsets into struct pt_regs (asm/ptrace.h), for assembly; trap.c asserts them. */
#pragma once

#define REGS_R15     0
#define REGS_R11     48
#define REGS_AX	     80
#define REGS_CX	     88
#define REGS_DI	     112
#define REGS_ORIG_AX 120
#define REGS_IP	     128
#define REGS_CS	     136
#define REGS_FLAGS   144
#define REGS_SP	     152
#define REGS_SS	     160
#define REGS_SIZE    168
