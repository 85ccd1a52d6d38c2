/* SPDX-License-Identifier: MIT */
/*
 * start.S: the null port as a 32-bit Multiboot program: from the boot loader to C, page faults, and
 * switches between stacks. host.c in this folder has the rest.
 */
#define MAGIC 0x1badb002

	.section .multiboot, "a"
	.balign 4
	.long MAGIC, 0, -MAGIC

	.text
	.globl _start
_start:
	cli
	mov $boot_stack_top, %esp
	call bare_main
1:	hlt
	jmp 1b

	.globl bare_page_fault		/* the error code is on the stack */
bare_page_fault:
	pusha
	mov %cr2, %eax
	push %eax
	call bare_touched
	add $4, %esp
	popa
	add $4, %esp
	iret

	.globl bare_exception
bare_exception:
	call bare_unexpected

/* void bare_switch(unsigned long *save_sp, unsigned long load_sp) */
	.globl bare_switch
bare_switch:
	mov 4(%esp), %eax
	mov 8(%esp), %edx
	push %ebp
	push %ebx
	push %esi
	push %edi
	mov %esp, (%eax)
	mov %edx, %esp
	pop %edi
	pop %esi
	pop %ebx
	pop %ebp
	ret

	.bss
	.balign 16
	.skip 262144
boot_stack_top:
	.section .note.GNU-stack, "", @progbits
