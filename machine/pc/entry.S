/* SPDX-License-Identifier: MIT */
/*
 * entry.S: every way into the kernel and back out.
 *
 *	trap or interrupt	trap_stubs + 16 * vector -> enter_trap -> trap_dispatch()
 *	NMI, #DF, #MC		own stacks (IST)         -> enter_paranoid -> trap_dispatch_ist()
 *	SYSCALL			syscall_entry            -> kernel_syscall()
 *	a new thread		thread_start, the first time machine_switch_stacks() picks it
 *	to user mode		return_to_user, after all of these and from machine_enter_user()
 *
 * The stack then holds a struct pt_regs, built by the CPU and SAVE_REGS; from user
 * mode it lies at the very top of the thread's kernel stack.
 *
 * Invariants:
 *  (E1) In C the GS base is this CPU's struct cpu; in user mode it is the user's, and
 *	 the other one waits in MSR_KERNEL_GS_BASE. Each entry from user mode swaps once, each
 *	 exit to it swaps once, with interrupts off between the swap and user mode.
 *  (E2) An IST entry may interrupt either side of a swap, so it looks at the base: the
 *	 kernel's are negative, a user's never is (arch_prctl refuses; CR4.FSGSBASE is off).
 *  (E3) Kernel C code starts with DF and AC clear, whatever user mode had set.
 *  (E4) SYSRET is used only to a canonical address below 2^47: on Intel it would fault in
 *	 kernel mode, on the user's stack, for others.
 *  (E5) The one instruction that may fault with the user's GS base in kernel mode is
 *	 iret_to_user (a bad frame made by sigreturn); enter_trap knows its address.
 *  (E6) No #DB comes in kernel mode, above all not between SYSCALL and the swap: SYSCALL clears TF,
 *	 and no debug register is ever set, so "mov ss" has no breakpoint to put off.
 *  (E7) User mode has three ways in: SYSCALL, the gates of INT 3 and INT 4, and faults. SYSENTER
 *	 and the other gates are general protection faults.
 *  (E8) The registers of a trap from user mode hold no I/O privilege level and no reserved flag, so neither does
 *	 what an IRET to user mode loads. No instruction of user mode can set these in a CPU; but in QEMU 7.2, when the
 *	 load of RCL or RCR faults after ROR, any flag can come out set (tests/guest/trap_flags.c). With IOPL 3
 *	 a program could clear IF, and keep the CPU for ever.
 */
#include <asm/segment.h>
#include <machine/asm.h>

#define VECTOR_PAGE_FAULT 14
#define FLAGS_TF_RF 0x10100 /* SYSRET does not restore RF; TF must trap after one instruction */
#define USER_FLAGS 0x254fd7 /* (E8) CF PF AF ZF SF TF IF DF OF NT RF AC ID, and the bit that is always set */
#define ENOSYS 38
#define MSR_GS_BASE 0xc0000101

/* Push what the CPU did not, below orig_ax; the caller has pushed DI already. */
.macro SAVE_REGS_BELOW_DI
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	%rax
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
.endm

.macro RESTORE_REGS
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rax
	popq	%rcx
	popq	%rdx
	popq	%rsi
	popq	%rdi
	addq	$8, %rsp		/* orig_ax */
.endm

	.text

/* ---- The 256 stubs, 16 bytes each -------------------------------------------------- */

	.align	16
	.globl	trap_stubs
trap_stubs:
	vector = 0
	.rept	256
	.align	16
	/* Without an error code of the CPU's, 0 takes its place. */
	has_code = (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17)
	.if	!(has_code || vector == 21 || vector == 29 || vector == 30)
	pushq	$0
	.endif
	pushq	%rdi
	movl	$vector, %edi
	.if	vector == 2 || vector == 8 || vector == 18
	jmp	enter_paranoid
	.else
	jmp	enter_trap
	.endif
	vector = vector + 1
	.endr

enter_trap:
	SAVE_REGS_BELOW_DI
	cld
	USER_ACCESS_END
	testb	$3, REGS_CS(%rsp)
	jz	enter_from_kernel
	andl	$USER_FLAGS, REGS_FLAGS(%rsp)
	swapgs
enter_swapped:
	cmpl	$VECTOR_PAGE_FAULT, %edi
	jne	1f
	movq	%rsp, %rdi
	call	trap_page_fault
	jmp	return_from_trap
1:	movl	%edi, %esi
	movq	%rsp, %rdi
	call	trap_dispatch

return_from_trap:
	cli
	testb	$3, REGS_CS(%rsp)
	jnz	return_to_user
	RESTORE_REGS
	iretq

enter_from_kernel:
	cmpq	$iret_to_user, REGS_IP(%rsp)
	jne	enter_swapped
	/* (E5): the frame for user mode was bad. Make it a trap of the user's. */
	swapgs
	movl	%edi, %ebx
	movq	%rsp, %rdi
	call	trap_bad_iret		/* returns where the user's pt_regs now are */
	movq	%rax, %rsp
	movl	%ebx, %edi
	jmp	enter_swapped

/* ---- Back to user mode: registers at RSP, interrupts off ---------------------------- */

	.globl	return_to_user
return_to_user:
	call	kernel_work_pending
	testb	%al, %al
	jnz	1f
	RESTORE_REGS
	swapgs
	.globl	iret_to_user
iret_to_user:
	iretq
1:	sti
	movq	%rsp, %rdi
	call	kernel_return_to_user
	cli
	jmp	return_to_user

/* ---- NMI, double fault, machine check ------------------------------------------------- */

enter_paranoid:
	SAVE_REGS_BELOW_DI
	cld
	USER_ACCESS_END
	movl	%edi, %esi
	xorl	%ebx, %ebx
	movl	$MSR_GS_BASE, %ecx
	rdmsr
	testl	%edx, %edx
	js	1f			/* (E2) */
	swapgs
	movl	$1, %ebx
1:	movq	%rsp, %rdi
	call	trap_dispatch_ist
	testl	%ebx, %ebx
	jz	1f
	swapgs
1:	RESTORE_REGS
	iretq

/* ---- SYSCALL ------------------------------------------------------------------------------ */

	.align	16
	.globl	syscall_entry
syscall_entry:
	swapgs
	movq	%rsp, %gs:CPU_USER_SP
	movq	%gs:CPU_KERNEL_SP, %rsp
	pushq	$USER_DS
	pushq	%gs:CPU_USER_SP
	pushq	%r11			/* flags */
	pushq	$USER_CS
	pushq	%rcx			/* ip */
	pushq	%rax			/* orig_ax */
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	$-ENOSYS
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, %rdi
	sti
	call	kernel_syscall
	cli
	call	kernel_work_pending
	testb	%al, %al
	jnz	return_to_user

	/* SYSRET if it would load just what the registers say (E4); IRET for everything else. */
	movq	REGS_CX(%rsp), %rcx
	movq	REGS_R11(%rsp), %r11
	cmpq	%rcx, REGS_IP(%rsp)
	jne	return_to_user
	cmpq	%r11, REGS_FLAGS(%rsp)
	jne	return_to_user
	testl	$FLAGS_TF_RF, %r11d
	jnz	return_to_user
	movq	%rcx, %rax
	shrq	$47, %rax
	jnz	return_to_user
	cmpq	$USER_CS, REGS_CS(%rsp)
	jne	return_to_user
	cmpq	$USER_DS, REGS_SS(%rsp)
	jne	return_to_user
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	addq	$8, %rsp		/* r11 is in place */
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rax
	addq	$8, %rsp		/* and so is rcx */
	popq	%rdx
	popq	%rsi
	popq	%rdi
	movq	REGS_SP - REGS_ORIG_AX(%rsp), %rsp
	swapgs
	sysretq

/* SYSCALL from 32-bit code: we run none. The machine cannot say ENOSYS there. */
	.globl	syscall32_entry
syscall32_entry:
	swapgs
	movq	%rsp, %gs:CPU_USER_SP
	movq	%gs:CPU_KERNEL_SP, %rsp
	pushq	$USER_DS
	pushq	%gs:CPU_USER_SP
	pushq	%r11
	pushq	$0x23
	pushq	%rcx
	pushq	$0
	pushq	%rdi
	movl	$6, %edi		/* as an undefined instruction */
	SAVE_REGS_BELOW_DI
	jmp	enter_swapped

/* ---- Threads ---------------------------------------------------------------------------------- */

/* void machine_switch_stacks(unsigned long *save_sp, unsigned long load_sp) */
	.globl	machine_switch_stacks
machine_switch_stacks:
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret

/* First code of a new thread: machine_thread_init() left fn in RBX, its argument in R12. */
	.globl	thread_start
thread_start:
	sti
	movq	%r12, %rdi
	call	*%rbx
	ud2

/* void enter_user_at(struct pt_regs *regs) */
	.globl	enter_user_at
enter_user_at:
	cli
	movq	%rdi, %rsp
	jmp	return_to_user

/* ---- port_panic(message): keep the caller's registers, then pc_panic(message, regs) -------------- */

	.globl	port_panic
port_panic:
	leaq	8(%rsp), %rax		/* the caller's stack pointer; RAX itself is lost */
	pushq	$0			/* ss */
	pushq	%rax
	pushfq
	pushq	$KERNEL_CS
	pushq	32(%rsp)		/* ip: our return address */
	pushq	$-1
	pushq	%rdi
	cli
	SAVE_REGS_BELOW_DI
	movq	%rsp, %rsi
	call	pc_panic
	ud2

	.section .note.GNU-stack, "", @progbits
