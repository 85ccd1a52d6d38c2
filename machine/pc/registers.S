/* SPDX-License-Identifier: MIT */
/*
 * registers.S: loads of registers that the CPU may refuse.
 *
 * A refused load is a general protection fault; the exception table sends us to a fixup, which loads
 * something else or says so.
 */
#include <machine/asm.h>

	.text

/* void fpu_load(const void *image): FXRSTOR; an image the CPU refuses becomes the default one. */
	.globl	fpu_load
fpu_load:
1:	fxrstorq (%rdi)
	ret
2:	fxrstorq fpu_default_image
	ret
	EX_TABLE 1b, 2b

/* bool wrmsr_safe(u32 msr, u64 value): false if the CPU refuses. */
	.globl	wrmsr_safe
wrmsr_safe:
	movl	%edi, %ecx
	movl	%esi, %eax
	movq	%rsi, %rdx
	shrq	$32, %rdx
1:	wrmsr
	movl	$1, %eax
	ret
2:	xorl	%eax, %eax
	ret
	EX_TABLE 1b, 2b

	.section .note.GNU-stack, "", @progbits
