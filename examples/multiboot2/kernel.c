/* SPDX-License-Identifier: MIT */
/*
 * kernel.c: a kernel that has a console and a memory map, can take an exception, and uses Pagoda.
 *
 * boot.S calls kernel_main() on the boot stack, with interrupts off. The functions that the core
 * asks for are in port1.c, port2.c and port3.c, a file each tier; the Makefile links those of TIER.
 */
#include "kernel.h"
#include <asm/cpufeature.h>
#include <pagoda/bug.h>
#include <pagoda/conformance.h>
#include <pagoda/highmem.h>
#include <pagoda/init.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>

void stop(u8 status)
{
	outb(0xf4, status); /* QEMU's isa-debug-exit: QEMU ends with status 2 * status + 1 */
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* ---- Exceptions: without them every mistake is a silent reset ------------------------------- */

static struct {
	u16 address_low, selector, type, address_mid;
	u32 address_high, zero;
} idt[32];

void set_gate(unsigned int vector, void *handler)
{
	u64 address = (u64)handler;

	idt[vector].address_low = (u16)address;
	idt[vector].selector = 8;
	idt[vector].type = 0x8e00; /* interrupts are off in the handler */
	idt[vector].address_mid = (u16)(address >> 16);
	idt[vector].address_high = (u32)(address >> 32);
}

__attribute__((interrupt)) static void invalid_opcode(struct frame *frame)
{
	panic("invalid opcode at %#lx", frame->ip);
}

__attribute__((interrupt)) static void fault(struct frame *frame, unsigned long error_code)
{
	unsigned long address;

	__asm__ volatile("movq %%cr2, %0" : "=r"(address));
	panic("fault at %#lx, error code %#lx, CR2 %#lx", frame->ip, error_code, address);
}

static void exceptions_init(void)
{
	const struct __packed {
		u16 limit;
		void *base;
	} idt_ptr = {sizeof(idt) - 1, idt};

	set_gate(6, invalid_opcode);
	set_gate(8, fault);  /* double fault */
	set_gate(13, fault); /* general protection */
	set_gate(14, fault); /* page fault; tier 3 has a better handler */
	__asm__ volatile("lidt %0" : : "m"(idt_ptr));
	outb(0x21, 0xff); /* no interrupts of devices: nothing here handles them */
	outb(0xa1, 0xff);
}

/* ---- Main ----------------------------------------------------------------------------------- */

static void tier1(void)
{
	struct page *block = alloc_pages(GFP_KERNEL, 3);
	void *object = kmalloc(100, GFP_KERNEL);

	if (!block || !object)
		panic("tier 1: no memory");
	memset(page_address(block), 1, 8 * PAGE_SIZE);
	pr_info("tier 1: 8 frames at %p, an object of %zu bytes, %lu frames free\n",
		page_address(block), ksize(object), nr_free_pages());
	kfree(object);
	__free_pages(block, 3);
}

void kernel_main(u32 magic, u32 tags_pa)
{
	struct mm_boot_info info = {
		.kernel_start = (unsigned long)image_start - IMAGE_BASE,
		.kernel_end = (unsigned long)image_end - IMAGE_BASE,
		.options = "",
	};

	exceptions_init();
	if (magic != 0x36d76289)
		panic("not started by a Multiboot2 loader");
	read_tags(tags_pa);
	if (TIER >= 2) /* boot.S sets EFER.NXE */
		x86_features = (struct x86_features){.pse = true, .nx = true};
	if (TIER == 1)
		mm_boot_heap(&info);
	else if (TIER == 2)
		mm_boot_kernel_map(&info);
	else
		mm_boot_space(&info);
	__asm__ volatile("sti");
	tier1();
	if (TIER >= 2)
		tier2();
	if (TIER >= 3)
		tier3();
	pr_info("tier %d works, %u warnings, %u tests failed\n", TIER, nr_warnings,
		pagoda_conformance(TIER < 3 ? TIER : 2)); /* tier 3's tests need a second task */
	stop(0);
}
