// SPDX-License-Identifier: MIT
/*
 * host.c: the machine under the 32-bit null port: a bare PC in QEMU, in place of a process.
 *
 *	0		identity, pages of 4 MiB: this program, and memory of the host
 *	PAGE_OFFSET	"RAM": the 32 MiB of the PC's memory from RAM_AT on
 *	vmalloc		tables of 4 KiB pages, filled in by host_map_page()
 *
 * These page tables are the host's. Those that the core makes are read by the port alone, as in a
 * process: their frame numbers count from the start of "RAM". Text goes to QEMU's debug console,
 * the status to its exit device. Interrupts stay off; the page fault is the only exception that
 * ends well.
 *
 * Failure: the machine ends with a message.
 */
#include "../host.h"
#include "bare.h"

#include <pagoda/string.h>
#include <pagoda/types.h>

#define RAM_AT	       0x2000000ul
#define HOST_MEMORY_AT 0x4000000ul
#define HOST_MEMORY_TO 0x10000000ul
#define LARGE_PAGE     0x400000ul
#define PAGE_BYTES     4096ul
#define NR_LARGE_PAGES 1024
#define NR_TABLES      40
#define STACK_BYTES    (256ul * 1024)
#define PRESENT_WRITE  3u
#define LARGE	       0x80u
#define CR4_PSE	       0x10u
#define CR0_PG_WP      0x80010000u
#define DEBUG_CONSOLE  0xe9
#define EXIT_DEVICE    0xf4
#define NR_EXCEPTIONS  32
#define VECTOR_PF      14
#define CODE_SELECTOR  0x08
#define DATA_SELECTOR  0x10
#define INTERRUPT_GATE 0x8e00u

static u32 directory[NR_LARGE_PAGES] __aligned(4096);
static u32 tables[NR_TABLES][NR_LARGE_PAGES] __aligned(4096);
static unsigned int nr_tables;
static unsigned long host_memory_at = HOST_MEMORY_AT;
static bool (*map_at_touch)(unsigned long address);

static const u64 gdt[] = {0, 0x00cf9b000000ffffull, 0x00cf93000000ffffull};
static struct {
	u32 low, high;
} idt[NR_EXCEPTIONS];

struct table_register {
	u16 limit;
	u32 base;
} __attribute__((packed));

/* ---- Text and the end ------------------------------------------------------------------ */

_Noreturn void host_exit(int status)
{
	for (;;)
		__asm__ volatile("outl %0, %w1" : : "a"(status), "d"(EXIT_DEVICE));
}

void host_write(const char *text, size_t length)
{
	while (length--)
		__asm__ volatile("outb %0, %w1" : : "a"(*text++), "d"(DEBUG_CONSOLE));
}

static _Noreturn void end_with(const char *message)
{
	host_write(message, strlen(message));
	host_exit(3);
}

_Noreturn void bare_unexpected(void)
{
	end_with("null port: an exception other than a page fault\n");
}

/* ---- Page tables ----------------------------------------------------------------------- */

static void flush_all(void)
{
	__asm__ volatile("mov %0, %%cr3" : : "r"(directory) : "memory");
}

void host_map_ram(unsigned long address, size_t size)
{
	for (size_t at = 0; at < size; at += LARGE_PAGE)
		directory[(address + at) / LARGE_PAGE] = (RAM_AT + at) | LARGE | PRESENT_WRITE;
	flush_all();
}

/* The entry of a page outside of RAM; its table is made if need be. */
static u32 *entry_of(unsigned long address)
{
	u32 *slot = &directory[address / LARGE_PAGE];

	if (!*slot) {
		if (nr_tables == NR_TABLES)
			end_with("null port: no page table left\n");
		*slot = (u32)(unsigned long)tables[nr_tables++] | PRESENT_WRITE;
	}
	return (u32 *)(*slot & ~(PAGE_BYTES - 1)) + address / PAGE_BYTES % NR_LARGE_PAGES;
}

void host_map_page(unsigned long address, unsigned long offset)
{
	*entry_of(address) = (u32)(RAM_AT + offset) | PRESENT_WRITE;
	__asm__ volatile("invlpg %0" : : "m"(*(char *)address) : "memory");
}

void host_unmap(unsigned long address, size_t size)
{
	for (size_t at = 0; at < size; at += PAGE_BYTES)
		if (directory[(address + at) / LARGE_PAGE])
			*entry_of(address + at) = 0;
	flush_all();
}

void bare_touched(unsigned long address)
{
	if (!map_at_touch || !map_at_touch(address))
		end_with("null port: an address was touched that nothing is mapped at\n");
}

void host_on_touch(bool (*map)(unsigned long address))
{
	map_at_touch = map;
}

/* ---- Memory and contexts --------------------------------------------------------------- */

void *host_memory(size_t size)
{
	void *memory = (void *)host_memory_at;

	if (size > HOST_MEMORY_TO - host_memory_at)
		end_with("null port: the host has no memory\n");
	host_memory_at += (size + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	return memset(memory, 0, size);
}

struct context {
	unsigned long sp;
};

static void context_main(void (*fn)(void *arg), void *arg)
{
	fn(arg);
	end_with("null port: a task returned\n");
}

void *host_context(void (*fn)(void *arg), void *arg)
{
	struct context *context = host_memory(sizeof(struct context));
	unsigned long *sp = (unsigned long *)((char *)host_memory(STACK_BYTES) + STACK_BYTES);

	*--sp = 0; /* so that the stack is aligned at the call as the compiler wants it */
	*--sp = (unsigned long)arg;
	*--sp = (unsigned long)fn;
	*--sp = 0; /* context_main() does not return */
	*--sp = (unsigned long)context_main;
	sp -= 4; /* the four registers of bare_switch() */
	context->sp = (unsigned long)sp;
	return context;
}

void host_switch(void **from, void *to)
{
	if (!*from)
		*from = host_memory(sizeof(struct context));
	bare_switch(&((struct context *)*from)->sp, ((struct context *)to)->sp);
}

/* ---- The start ------------------------------------------------------------------------- */

static void load_segments(void)
{
	struct table_register gdtr = {sizeof(gdt) - 1, (u32)(unsigned long)gdt};

	__asm__ volatile("lgdt %0\n\t"
			 "mov %1, %%ds\n\tmov %1, %%es\n\tmov %1, %%ss\n\t"
			 "ljmp %2, $1f\n1:"
			 :
			 : "m"(gdtr), "r"(DATA_SELECTOR), "i"(CODE_SELECTOR)
			 : "memory");
}

static void load_exceptions(void)
{
	struct table_register idtr = {sizeof(idt) - 1, (u32)(unsigned long)idt};

	for (int vector = 0; vector < NR_EXCEPTIONS; vector++) {
		unsigned long at =
			(unsigned long)(vector == VECTOR_PF ? bare_page_fault : bare_exception);

		idt[vector].low = CODE_SELECTOR << 16 | (at & 0xffff);
		idt[vector].high = (at & 0xffff0000) | INTERRUPT_GATE;
	}
	__asm__ volatile("lidt %0" : : "m"(idtr));
}

static void switch_paging_on(void)
{
	unsigned long cr;

	for (unsigned long i = 0; i < HOST_MEMORY_TO / LARGE_PAGE; i++)
		directory[i] = i * LARGE_PAGE | LARGE | PRESENT_WRITE;
	__asm__ volatile("mov %%cr4, %0\n\tor %1, %0\n\tmov %0, %%cr4" : "=&r"(cr) : "i"(CR4_PSE));
	flush_all();
	__asm__ volatile("mov %%cr0, %0\n\tor %1, %0\n\tmov %0, %%cr0"
			 : "=&r"(cr)
			 : "i"(CR0_PG_WP)
			 : "memory");
}

_Noreturn void bare_main(void)
{
	load_segments();
	load_exceptions();
	switch_paging_on();
	host_exit(main());
}
