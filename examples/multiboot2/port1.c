/* SPDX-License-Identifier: MIT */
/*
 * port1.c: tier 1 of port.h, frames and heap, on a PC with one CPU.
 *
 * The console is the first serial port, as the firmware has set it up. The memory map is that of
 * the Multiboot2 loader. Tier 1 uses the page tables that it finds, and boot.S maps one GiB.
 */
#include "kernel.h"
#include <asm/page.h>
#include <pagoda/bug.h>
#include <pagoda/vm_task.h>

#define COM1 0x3f8

struct vm_task boot_task = {.comm = "boot", .local_pages = LIST_HEAD_INIT(boot_task.local_pages)};

static struct port_mem_range ranges[32];
static unsigned int nr_ranges;

void port_log(enum port_log_level level, const char *text, size_t len)
{
	(void)level;
	while (len--) {
		while (!(inb(COM1 + 5) & 0x20)) /* until it has room for a byte */
			port_cpu_relax();
		outb(COM1, (u8)*text++);
	}
}

void port_panic(const char *message)
{
	printk(PORT_LOG_ERR, "PANIC: %s\n", message);
	stop(2);
}

/* ---- Memory map ----------------------------------------------------------------------------- */

/* A tag; the second pair is only in that of type 6, the memory map, and before its entries. */
struct tag {
	u32 type, size, entry_size, version;
};

struct entry {
	u64 start, size;
	u32 type, reserved;
};

static void add_range(const struct entry *e)
{
	enum port_mem_type type = e->type == 1 ? PORT_MEM_USABLE : PORT_MEM_RESERVED;
	u64 end = min(e->start + e->size, TIER == 1 ? SZ_1G : UINT64_MAX);

	if (e->start < end && nr_ranges < ARRAY_SIZE(ranges))
		ranges[nr_ranges++] = (struct port_mem_range){e->start, end, type, 0};
}

void read_tags(u32 tags_pa)
{
	const char *tags = __va(tags_pa), *end = tags + *(const u32 *)tags;
	const struct tag *tag;

	for (const char *p = tags + 8; p < end; p += ALIGN(tag->size, 8u)) {
		tag = (const void *)p;
		if (tag->type == 6)
			for (u32 at = sizeof(*tag); at < tag->size; at += tag->entry_size)
				add_range((const void *)(p + at));
	}
}

const struct port_mem_range *port_memory_map(unsigned int *nr)
{
	*nr = nr_ranges;
	return ranges;
}

/* ---- One CPU -------------------------------------------------------------------------------- */

unsigned int port_nr_cpus(void)
{
	return 1;
}

void port_on_each_cpu(unsigned long mask, void (*fn)(void *arg), void *arg)
{
	unsigned long flags = port_irq_save();

	if (mask & 1)
		fn(arg);
	port_irq_restore(flags);
}
