/* SPDX-License-Identifier: MIT */
/* words.h: how assembly names what differs between 32 and 64 bits: the string instructions. */
#pragma once

/*
 * ASM_STOS_WORD, ASM_MOVS_WORD fill and copy an unsigned long a turn, ASM_CX is the register with
 * their count. ASM_U64 is the constraint of a 64-bit operand of a vector instruction.
 */
#if __SIZEOF_LONG__ == 8
#define ASM_STOS_WORD "stosq"
#define ASM_MOVS_WORD "movsq"
#define ASM_CX	      "%%rcx"
#define ASM_U64	      "r"
#else
#define ASM_STOS_WORD "stosl"
#define ASM_MOVS_WORD "movsl"
#define ASM_CX	      "%%ecx"
#define ASM_U64	      "m"
#endif
