/* SPDX-License-Identifier: MIT */
/*
 * boot.c: brings what the boot loader passes into one form.
 *
 * The two loaders pass the same facts in two formats: the memory map, the command line, the
 * initial RAM disk, the ACPI root pointer. Both hand over physical addresses below
 * 4 GiB, readable through the boot-time direct map. Everything that outlives
 * the boot is copied out of the loader's memory at once, as that memory is handed to
 * the core's allocators soon after; only the RAM disk stays where it is.
 *
 *	PVH		struct hvm_start_info, Xen's docs/misc/pvh.pandoc; QEMU -kernel
 *	Multiboot2	tags, specification version 2.0 section 3.6; GRUB
 *
 * Failure: a map with more than MAX_RANGES ranges loses the rest, and says so; no
 * known loader at all is a panic.
 */
#include <pagoda/bug.h>
#include <pagoda/string.h>
#include <asm/page.h>
#include "io.h"
#include "mptable.h"
#include "pc.h"

#define MAX_RANGES    64
#define CMDLINE_BYTES 2048

/* The page with the real-mode interrupt table and BIOS data is not used as RAM. */
#define BIOS_DATA_END PAGE_SIZE_PC

struct boot_source boot_source;
static struct port_mem_range ranges[MAX_RANGES];
static unsigned int nr_ranges;
static char cmdline[CMDLINE_BYTES];
static struct boot_info boot_info;

/* Numbers of the firmware's (E820) memory types; anything else is reserved. */
enum { E820_RAM = 1, E820_ACPI_RECLAIM = 3 };

static void __init add_range(u64 start, u64 size, u32 e820_type)
{
	enum port_mem_type type = PORT_MEM_RESERVED;

	if (size == 0)
		return;
	if (nr_ranges == MAX_RANGES) {
		log_printf("boot: memory map too long, range at %#llx lost\n",
			   (unsigned long long)start);
		return;
	}
	if (e820_type == E820_RAM)
		type = PORT_MEM_USABLE;
	else if (e820_type == E820_ACPI_RECLAIM)
		type = PORT_MEM_RECLAIM;
	ranges[nr_ranges++] = (struct port_mem_range){start, start + size, type, 0};
}

/* The part of range i within [start, end) becomes a range of its own, of node nid. */
static void __init give_to_node(unsigned int i, phys_addr_t start, phys_addr_t end, int nid)
{
	struct port_mem_range whole = ranges[i];

	if (nr_ranges + 2 > MAX_RANGES) {
		log_printf("boot: memory map too long, node %d lost memory\n", nid);
		return;
	}
	if (whole.start < start)
		ranges[nr_ranges++] =
			(struct port_mem_range){whole.start, start, whole.type, whole.nid};
	if (whole.end > end)
		ranges[nr_ranges++] =
			(struct port_mem_range){end, whole.end, whole.type, whole.nid};
	ranges[i] = (struct port_mem_range){max(whole.start, start), min(whole.end, end),
					    whole.type, nid};
}

void __init boot_memory_of_node(u64 start, u64 size, int nid)
{
	u64 end = start + size;

	if (nid <= 0 || end < start) /* all is node 0's to begin with */
		return;
	for (unsigned int i = 0, nr = nr_ranges; i < nr; i++)
		if (ranges[i].type != PORT_MEM_RESERVED && ranges[i].start < end &&
		    start < ranges[i].end)
			give_to_node(i, start, end, nid);
}

static void __init set_cmdline(const char *text)
{
	if (pagoda_strlcpy(cmdline, text, sizeof(cmdline)) >= sizeof(cmdline))
		log_printf("boot: command line cut at %d bytes\n", CMDLINE_BYTES - 1);
}

/* ---- PVH ------------------------------------------------------------------------- */

#define PVH_MAGIC 0x336ec578

struct pvh_start_info {
	u32 magic, version, flags, nr_modules;
	u64 modlist_pa, cmdline_pa, rsdp_pa;
	u64 memmap_pa; /* from version 1 on */
	u32 memmap_entries, reserved;
};

struct pvh_module {
	u64 pa, size, cmdline_pa, reserved;
};

struct pvh_memmap_entry {
	u64 addr, size;
	u32 type, reserved;
};

static void __init read_pvh(const struct pvh_start_info *info)
{
	const struct pvh_memmap_entry *map = __va(info->memmap_pa);
	const struct pvh_module *modules = __va(info->modlist_pa);

	if (info->version < 1)
		panic("boot: PVH without a memory map");
	for (u32 i = 0; i < info->memmap_entries; i++)
		add_range(map[i].addr, map[i].size, map[i].type);
	if (info->cmdline_pa != 0)
		set_cmdline(__va(info->cmdline_pa));
	if (info->nr_modules > 0) {
		boot_info.initrd_start = modules[0].pa;
		boot_info.initrd_end = modules[0].pa + modules[0].size;
	}
	boot_source.rsdp = info->rsdp_pa;
}

/* ---- Multiboot2 -------------------------------------------------------------------- */

#define MULTIBOOT2_MAGIC 0x36d76289

enum {
	MB_TAG_END = 0,
	MB_TAG_CMDLINE = 1,
	MB_TAG_MODULE = 3,
	MB_TAG_MEMMAP = 6,
	MB_TAG_FRAMEBUFFER = 8,
	MB_TAG_ACPI_OLD = 14,
	MB_TAG_ACPI_NEW = 15
};

struct mb_tag {
	u32 type, size;
};

struct mb_module {
	struct mb_tag tag;
	u32 start, end;
	char cmdline[];
};

struct mb_memmap {
	struct mb_tag tag;
	u32 entry_size, entry_version;
	u8 entries[]; /* entry_size bytes each, struct pvh_memmap_entry or longer */
};

static void __init read_mb_memmap(const struct mb_memmap *map)
{
	const u8 *end = (const u8 *)map + map->tag.size;

	for (const u8 *p = map->entries; p + map->entry_size <= end; p += map->entry_size) {
		const struct pvh_memmap_entry *e = (const void *)p;

		add_range(e->addr, e->size, e->type);
	}
}

struct mb_framebuffer {
	struct mb_tag tag;
	u64 pa;
	u32 pitch, width, height; /* width and height in characters for text */
	u8 bits, type;
};
#define MB_FRAMEBUFFER_TEXT 2

static void __init read_mb_framebuffer(const struct mb_framebuffer *fb)
{
	if (fb->type == MB_FRAMEBUFFER_TEXT)
		screen_init(fb->pa, fb->width, fb->height);
}

static void __init read_mb_tag(const struct mb_tag *tag)
{
	const struct mb_module *module = (const void *)tag;

	switch (tag->type) {
	case MB_TAG_CMDLINE:
		set_cmdline((const char *)(tag + 1));
		break;
	case MB_TAG_MODULE:
		boot_info.initrd_start = module->start;
		boot_info.initrd_end = module->end;
		break;
	case MB_TAG_MEMMAP:
		read_mb_memmap((const void *)tag);
		break;
	case MB_TAG_FRAMEBUFFER:
		read_mb_framebuffer((const void *)tag);
		break;
	case MB_TAG_ACPI_OLD:
	case MB_TAG_ACPI_NEW:
		/* The tag holds a copy of the root pointer itself. */
		boot_source.rsdp = __pa(tag + 1);
		break;
	}
}

static void __init read_multiboot2(const u32 *info)
{
	const u8 *p = (const u8 *)(info + 2), *end = (const u8 *)info + info[0];

	while (p + sizeof(struct mb_tag) <= end) {
		const struct mb_tag *tag = (const void *)p;

		if (tag->type == MB_TAG_END)
			break;
		read_mb_tag(tag);
		p += ALIGN(tag->size, 8u);
	}
}

/* ---- All of it ------------------------------------------------------------------------ */

static void __init read_loader_info(void)
{
	const void *info = __va(boot_info_pa);

	if (boot_magic == MULTIBOOT2_MAGIC)
		read_multiboot2(info);
	else if (*(const u32 *)info == PVH_MAGIC)
		read_pvh(info);
	else
		panic("boot: neither PVH nor Multiboot2 (magic %#x)", boot_magic);
	add_range(0, BIOS_DATA_END, 0);
}

static void __init reserve_range(phys_addr_t start, phys_addr_t size)
{
	add_range(start, size, 0);
}

static void __init describe_image(void)
{
	boot_info.kernel_start = kernel_image_pa(_text);
	boot_info.kernel_end = kernel_image_pa(_end);
	boot_info.init_start = kernel_image_pa(__init_begin);
	boot_info.init_end = kernel_image_pa(__init_end);
}

const struct port_mem_range *port_memory_map(unsigned int *nr)
{
	*nr = nr_ranges;
	return ranges;
}

/* No: firmware and boot loader have written to it. */
bool port_ram_is_zeroed(void)
{
	return false;
}

/* From boot.S, on the boot stack, with the boot-time page tables. */
__noreturn void pc_start(void);
__noreturn void pc_start(void)
{
	cpu_init_boot();
	serial_init();
	read_loader_info();
	describe_image();
	acpi_init_early();
	find_smp_config(reserve_range);
	boot_info.cmdline = cmdline;
	boot_info.entry_tsc = boot_entry_tsc;
	kernel_main(&boot_info);
}
