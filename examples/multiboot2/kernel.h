/* SPDX-License-Identifier: MIT */
/* kernel.h: what the files of this kernel share. */
#pragma once

#include <pagoda/port.h>

#define IMAGE_BASE 0xffffffff80000000ul

extern char image_start[], text_end[], rodata_end[], image_end[]; /* link.ld */

void read_tags(u32 tags_pa); /* the Multiboot2 loader's; the memory map is kept */
void set_gate(unsigned int vector, void *handler);
__noreturn void stop(u8 status);
void kernel_main(u32 magic, u32 tags_pa); /* from boot.S */
void tier2(void);
void tier3(void);

/* What the CPU pushes at an exception; the compiler's "interrupt" functions keep all registers. */
struct frame {
	unsigned long ip, cs, flags, sp, ss;
};

static inline void outb(u16 port, u8 value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 inb(u16 port)
{
	u8 value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}
