/* SPDX-License-Identifier: MIT */
/*
 * boot.S: from the boot loader's 32-bit protected mode to 64-bit C.
 *
 * One ELF file, two ways in: QEMU's -kernel finds the PVH note (Xen's "PHYS32_ENTRY")
 * and enters with EBX = struct hvm_start_info; GRUB finds the Multiboot2 header and
 * enters with EAX = its magic, EBX = its information. Both leave paging off and flat
 * segments, so they share one entry; boot.c tells them apart by EAX and the magic
 * number EBX points at.
 *
 * The boot-time page tables map the first 4 GiB with 2 MiB pages three times:
 * at 0 (while we jump), at PAGE_OFFSET (the direct map until paging_init()), and at
 * KERNEL_MAP_BASE the first 2 GiB (the image). The same page directories serve all.
 */
#include <machine/cpu_offsets.h>

#define KERNEL_MAP_BASE 0xffffffff80000000
#define PA(x) ((x) - KERNEL_MAP_BASE)

#define PGD_INDEX_DIRECT 273 /* of PAGE_OFFSET 0xffff888000000000 */
#define PTE_TABLE 0x003	     /* present, writable */
#define PTE_LARGE 0x083	     /* and a 2 MiB page */
#define NR_BOOT_PMDS 4	     /* 1 GiB each */

#define CR0_BOOT 0x80010033 /* PG WP NE ET MP PE */
#define CR4_BOOT 0x20	    /* PAE */
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100

	.section .note.Xen, "a", @note
	.align	4
	.long	4, 8, 18		/* name and descriptor size; XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.quad	PA(boot_entry)

	.section .head.text, "ax"
	.align	8
multiboot2_header:
	.long	0xe85250d6, 0, multiboot2_end - multiboot2_header
	.long	-(0xe85250d6 + 0 + (multiboot2_end - multiboot2_header))
	.align	8
	.word	3, 0			/* entry address tag: physical, as ELF64's may not be */
	.long	12
	.long	PA(boot_entry)
	.align	8
	.word	6, 0			/* align modules on pages */
	.long	8
	.align	8
	.word	0, 0
	.long	8
multiboot2_end:

	.code32
	.globl	boot_entry
boot_entry:
	cli
	cld
	movl	%eax, %ebp
	rdtsc
	movl	%eax, PA(boot_entry_tsc)
	movl	%edx, PA(boot_entry_tsc + 4)
	movl	%ebp, PA(boot_magic)
	movl	%ebx, PA(boot_info_pa)

	/* The page directories: 4 GiB of 2 MiB pages. The tables were loaded as zeros. */
	movl	$PA(boot_pmds), %edi
	movl	$PTE_LARGE, %eax
	movl	$(NR_BOOT_PMDS * 512), %ecx
1:	movl	%eax, (%edi)
	addl	$0x200000, %eax
	addl	$8, %edi
	decl	%ecx
	jnz	1b

	movl	$PA(boot_pud_low), %edi
	movl	$(PA(boot_pmds) + PTE_TABLE), %eax
	movl	$NR_BOOT_PMDS, %ecx
1:	movl	%eax, (%edi)
	addl	$4096, %eax
	addl	$8, %edi
	decl	%ecx
	jnz	1b
	movl	$(PA(boot_pmds) + PTE_TABLE), PA(boot_pud_image + 510 * 8)
	movl	$(PA(boot_pmds) + 4096 + PTE_TABLE), PA(boot_pud_image + 511 * 8)
	movl	$(PA(boot_pud_low) + PTE_TABLE), PA(boot_pgd)
	movl	$(PA(boot_pud_low) + PTE_TABLE), PA(boot_pgd + PGD_INDEX_DIRECT * 8)
	movl	$(PA(boot_pud_image) + PTE_TABLE), PA(boot_pgd + 511 * 8)

	movl	$CR4_BOOT, %eax
	movl	%eax, %cr4
	movl	$PA(boot_pgd), %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	wrmsr
	lgdt	PA(boot_gdt_ptr)
	movl	$CR0_BOOT, %eax
	movl	%eax, %cr0
	.globl	boot_paging_on
boot_paging_on:
	ljmp	$0x10, $PA(boot_long)

	.code64
boot_long:
	movq	$boot_high, %rax
	jmp	*%rax
boot_high:
	xorl	%eax, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %fs
	movl	%eax, %gs
	movl	%eax, %ss
	movq	$boot_stack_top, %rsp
	xorl	%ebp, %ebp		/* ends back traces */
	pushq	%rbp
	call	pc_start
	ud2

	.section .rodata
	.align	8
boot_gdt:
	.quad	0, 0
	.quad	0x00af9b000000ffff	/* 0x10: 64-bit code, as in the final table */
boot_gdt_ptr:
	.word	. - boot_gdt - 1
	.long	PA(boot_gdt)

	.section .data
	.globl	boot_entry_tsc, boot_magic, boot_info_pa
	.align	8
boot_entry_tsc:
	.quad	0
boot_magic:
	.long	0
boot_info_pa:
	.long	0

	.section .init.bss, "aw", @nobits
	.align	4096
boot_pgd:	.skip	4096
boot_pud_low:	.skip	4096
boot_pud_image:	.skip	4096
boot_pmds:	.skip	4096 * NR_BOOT_PMDS

	.section .boot_stack, "aw", @nobits
	.align	4096
	.globl	boot_stack, boot_stack_top
boot_stack:
	.skip	16384
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
