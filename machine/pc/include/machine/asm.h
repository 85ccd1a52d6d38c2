/* SPDX-License-Identifier: MIT */
/* asm.h: what assembly files share: the exception table, SMAP sites. */
#pragma once

#include <machine/cpu_offsets.h>
#include <machine/regs_offsets.h>

/* If the instruction at insn faults, go on at fixup. */
.macro EX_TABLE insn, fixup
	.pushsection __ex_table, "a"
	.quad	\insn, \fixup
	.popsection
.endm

/*
 * STAC and CLAC open and close the kernel's access to user pages where the CPU has
 * SMAP; cpu.c writes them over these 3-byte no-ops then. Second word: 0 CLAC, 1 STAC.
 */
.macro SMAP_SITE which
771:	.byte	0x0f, 0x1f, 0x00
	.pushsection smap_sites, "a"
	.quad	771b, \which
	.popsection
.endm
#define USER_ACCESS_END	  SMAP_SITE 0
#define USER_ACCESS_BEGIN SMAP_SITE 1
