/* SPDX-License-Identifier: MIT */
/*
 * boot.S: from GRUB's 32-bit protected mode (Multiboot2) to kernel_main() in 64-bit mode.
 *
 * The boot page tables map the first GiB of physical memory three times, in pages of 2 MiB: at 0,
 * needed for the jump; at PAGE_OFFSET, the direct map, which the core uses from its first call on;
 * and at IMAGE_BASE, where the image is linked.
 */
#define IMAGE_BASE 0xffffffff80000000
#define PA(x) ((x) - IMAGE_BASE)
#define TABLE 0x003 /* present, writable */
#define LARGE 0x083 /* present, writable, a page of 2 MiB */

#define HEADER_BYTES 24

	.section .multiboot, "a"
	.long	0xe85250d6, 0, HEADER_BYTES, -(0xe85250d6 + HEADER_BYTES)
	.long	0, 8			/* the last tag: nothing more is asked of the loader */

	.text
	.code32
	.globl	entry
entry:	movl	%eax, %edi		/* the loader's magic number */
	movl	%ebx, %esi		/* the physical address of its tags */
	movl	$0x20, %eax		/* CR4: PAE */
	movl	%eax, %cr4
	movl	$PA(boot_pgd), %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx	/* EFER: LME (64-bit mode), NXE (entries may say "no execute") */
	rdmsr
	orl	$0x900, %eax
	wrmsr
	lgdt	PA(gdt_low)
	movl	$0x80010033, %eax	/* CR0: PG, WP, NE, ET, MP, PE */
	movl	%eax, %cr0
	ljmp	$8, $PA(long_mode)

	.code64
long_mode:
	movq	$image, %rax
	jmp	*%rax
image:	lgdt	gdt_high		/* address 0 is not mapped by the core's page tables */
	xorl	%eax, %eax
	movl	%eax, %ss
	movq	$stack_top, %rsp
	call	kernel_main		/* (magic, tags) */

	.data
gdt:	.quad	0, 0x00af9b000000ffff	/* selector 8: 64-bit code */
gdt_low: .word	15		/* the table's last byte, then its address */
	.long	PA(gdt)
gdt_high: .word	15
	.quad	gdt

	.align	4096
boot_pgd: .quad	PA(boot_pud) + TABLE
	.fill	272, 8, 0
	.quad	PA(boot_pud) + TABLE	/* entry 273: PAGE_OFFSET */
	.fill	237, 8, 0
	.quad	PA(boot_pud) + TABLE	/* entry 511: IMAGE_BASE */
boot_pud: .quad	PA(boot_pmd) + TABLE
	.fill	509, 8, 0
	.quad	PA(boot_pmd) + TABLE, 0	/* entry 510: IMAGE_BASE */
boot_pmd:
	frame = 0
	.rept	512
	.quad	frame + LARGE
	frame = frame + 0x200000
	.endr

	.bss
	.skip	16384			/* the stack of the boot and of kernel_main() */
stack_top:
	.section .note.GNU-stack, "", @progbits
