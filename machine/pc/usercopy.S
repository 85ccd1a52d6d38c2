/* SPDX-License-Identifier: MIT */
/*
 * usercopy.S: reads and writes of user memory from the kernel (port.h, tier 3).
 *
 * No check of what is mapped is made beforehand: the instruction itself faults,
 * do_page_fault serves it, and where that fails the exception table sends us to a
 * fixup (thesis 9.4, FT-60). A string instruction keeps its progress in RCX, so the
 * count of bytes not copied is exact: a fault in the 8-byte stage goes on in single bytes,
 * which stop at the very byte.
 *
 * 8 bytes at a time by REP MOVSQ: one instruction per word, also where instructions
 * are counted one by one (QEMU's -icount).
 */
#include <machine/asm.h>

	.text

/* size_t port_copy_from_user(void *dst, unsigned long src, size_t n) */
/* size_t port_copy_to_user(unsigned long dst, const void *src, size_t n) */
	.globl	port_copy_from_user, port_copy_to_user
port_copy_from_user:
port_copy_to_user:
	USER_ACCESS_BEGIN
	movq	%rdx, %rcx
	shrq	$3, %rcx
	andl	$7, %edx
1:	rep movsq
	movl	%edx, %ecx
2:	rep movsb
3:	movq	%rcx, %rax
	USER_ACCESS_END
	ret
4:	leaq	(%rdx, %rcx, 8), %rcx	/* what is left, in bytes */
	jmp	2b
	EX_TABLE 1b, 4b
	EX_TABLE 2b, 3b

/* size_t port_clear_user(unsigned long dst, size_t n) */
	.globl	port_clear_user
port_clear_user:
	USER_ACCESS_BEGIN
	xorl	%eax, %eax
	movq	%rsi, %rcx
	shrq	$3, %rcx
	andl	$7, %esi
1:	rep stosq
	movl	%esi, %ecx
2:	rep stosb
3:	movq	%rcx, %rax
	USER_ACCESS_END
	ret
4:	leaq	(%rsi, %rcx, 8), %rcx
	jmp	2b
	EX_TABLE 1b, 4b
	EX_TABLE 2b, 3b

/* size_t port_strncpy_from_user(char *dst, unsigned long src, size_t n) */
	.globl	port_strncpy_from_user
port_strncpy_from_user:
	USER_ACCESS_BEGIN
	xorl	%eax, %eax		/* bytes looked at */
1:	cmpq	%rdx, %rax
	je	4f
2:	movzbl	(%rsi, %rax), %ecx
	testq	%rdi, %rdi
	jz	3f
	movb	%cl, (%rdi, %rax)
3:	incq	%rax
	testb	%cl, %cl
	jnz	1b
	USER_ACCESS_END
	ret
4:	incq	%rax			/* no terminator: n + 1 */
	USER_ACCESS_END
	ret
5:	xorl	%eax, %eax
	USER_ACCESS_END
	ret
	EX_TABLE 2b, 5b

/* int port_cmpxchg_user(unsigned long addr, u32 *old, u32 new) */
	.globl	port_cmpxchg_user
port_cmpxchg_user:
	movl	(%rsi), %eax
	USER_ACCESS_BEGIN
1:	lock cmpxchgl %edx, (%rdi)
	USER_ACCESS_END
	movl	%eax, (%rsi)
	xorl	%eax, %eax
	ret
2:	USER_ACCESS_END
	movl	$-14, %eax		/* -EFAULT */
	ret
	EX_TABLE 1b, 2b

	.section .note.GNU-stack, "", @progbits
