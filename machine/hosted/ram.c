/* SPDX-License-Identifier: MIT */
/*
 * ram.c: physical memory, a memfd.
 *
 * A physical address is an offset into the memfd. RAM is seen at up to three host
 * addresses:
 *
 *	the direct map	 PAGE_OFFSET + pa, for RAM below MAX_LOWMEM: the core's view
 *	the RAM window	 HOSTED_RAM_WINDOW + pa, all RAM: the MMU's and the tests' view
 *	the kernel window  single pages, as the page tables say: window.c
 *
 * Whatever is not RAM (holes, reserved ranges, and in the direct map high memory) is
 * PROT_NONE there, so that touching it crashes the test at the culprit. A page is RAM if
 * all of its bytes are named usable or reclaimable and none is named reserved.
 *
 * The memfd is sparse: a machine of 64 GiB costs only what it touches. Mappings are made
 * by the bare system call, since ThreadSanitizer takes an mmap() for a write to the whole
 * range, which is not what mapping a page of RAM a second time is.
 */
#include "hosted_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "host_mmap.h"

#define MAX_RANGES     64
#define DEFAULT_RAM    (64 * SZ_1M)
#define PC_LOW_RAM_END 0x9fc00ul /* where a PC's extended BIOS data begins */
#define PC_BIOS_START  0xf0000ul
#define PC_HIGH_RAM    SZ_1M

struct byte_range {
	phys_addr_t start, end;
};

static struct port_mem_range memory_map[MAX_RANGES];
static unsigned int nr_memory_map;
static struct byte_range ram[2 * MAX_RANGES]; /* page aligned, ascending, apart */
static unsigned int nr_ram;
static phys_addr_t ram_end;
static int ram_fd = -1;

void ram_map(unsigned long at, phys_addr_t pa, size_t n, int prot)
{
	long r = syscall(SYS_mmap, at, n, prot, HOST_MAP_SHARED | HOST_MAP_FIXED, ram_fd, pa);

	if (r != (long)at)
		hosted_fatal("hosted: cannot map RAM at %#lx (pa %#llx, %zu bytes)", at,
			     (unsigned long long)pa, n);
}

void ram_unmap(unsigned long at, size_t n)
{
	long r = syscall(
		SYS_mmap, at, n, HOST_PROT_NONE,
		HOST_MAP_PRIVATE | HOST_MAP_ANONYMOUS | HOST_MAP_FIXED | HOST_MAP_NORESERVE, -1, 0);

	if (r != (long)at)
		hosted_fatal("hosted: cannot reserve %#lx (%zu bytes)", at, n);
}

bool ram_is_valid(phys_addr_t pa)
{
	for (unsigned int i = 0; i < nr_ram; i++)
		if (pa >= ram[i].start && pa < ram[i].end)
			return true;
	return false;
}

void *hosted_phys(phys_addr_t pa)
{
	return ram_is_valid(pa) ? (void *)(HOSTED_RAM_WINDOW + pa) : NULL;
}

/* A new memfd, each boot. */
bool port_ram_is_zeroed(void)
{
	return true;
}

const struct port_mem_range *port_memory_map(unsigned int *nr)
{
	*nr = nr_memory_map;
	return memory_map;
}

/* ---- What is RAM? ------------------------------------------------------------------- */

static bool byte_is_ram(phys_addr_t pa)
{
	bool named = false;

	for (unsigned int i = 0; i < nr_memory_map; i++) {
		const struct port_mem_range *r = &memory_map[i];

		if (pa < r->start || pa >= r->end)
			continue;
		if (r->type == PORT_MEM_RESERVED)
			return false;
		named = true;
	}
	return named;
}

static int compare_pa(const void *a, const void *b)
{
	phys_addr_t x = *(const phys_addr_t *)a, y = *(const phys_addr_t *)b;

	return (x > y) - (x < y);
}

static void add_ram(phys_addr_t start, phys_addr_t end)
{
	if (nr_ram && ram[nr_ram - 1].end == start)
		ram[nr_ram - 1].end = end;
	else
		ram[nr_ram++] = (struct byte_range){start, end};
}

/* Between two neighbouring borders of the map all bytes are of one kind; then round inwards. */
static void find_ram(void)
{
	phys_addr_t border[2 * MAX_RANGES];
	unsigned int n = 0, kept = 0;

	for (unsigned int i = 0; i < nr_memory_map; i++) {
		border[n++] = memory_map[i].start;
		border[n++] = memory_map[i].end;
	}
	qsort(border, n, sizeof(border[0]), compare_pa);
	for (unsigned int i = 0; i + 1 < n; i++)
		if (border[i] < border[i + 1] && byte_is_ram(border[i]))
			add_ram(border[i], border[i + 1]);
	for (unsigned int i = 0; i < nr_ram; i++) {
		phys_addr_t start = PAGE_ALIGN(ram[i].start), end = ram[i].end & PAGE_MASK;

		/* No page-table entry can hold a higher address, so there is no memory. */
		end = min(end, (phys_addr_t)1 << MAX_PHYSMEM_BITS);
		if (start < end)
			ram[kept++] = (struct byte_range){start, end};
	}
	nr_ram = kept;
	if (!nr_ram)
		hosted_fatal("hosted: the memory map has no RAM");
	ram_end = ram[nr_ram - 1].end;
	if (ram_end > HOSTED_RAM_MAX)
		hosted_fatal("hosted: RAM ends at %#llx, beyond what this machine can have",
			     (unsigned long long)ram_end);
}

/* ---- The memory map ------------------------------------------------------------------- */

static void add_range(phys_addr_t start, phys_addr_t end, enum port_mem_type type, int nid)
{
	if (nr_memory_map == MAX_RANGES)
		hosted_fatal("hosted: more than %d ranges in the memory map", MAX_RANGES);
	memory_map[nr_memory_map++] = (struct port_mem_range){start, end, type, nid};
}

static void pc_memory_map(phys_addr_t size, unsigned int nr_nodes)
{
	phys_addr_t share = (size / nr_nodes) & PAGE_MASK;

	add_range(0, PC_LOW_RAM_END, PORT_MEM_USABLE, 0);
	add_range(PC_LOW_RAM_END, 0xa0000, PORT_MEM_RESERVED, 0);
	add_range(PC_BIOS_START, PC_HIGH_RAM, PORT_MEM_RESERVED, 0);
	for (unsigned int nid = 0; nid < nr_nodes; nid++) {
		phys_addr_t start = nid ? nid * share : PC_HIGH_RAM;
		phys_addr_t end = nid + 1 == nr_nodes ? size : (nid + 1) * share;

		add_range(start, end, PORT_MEM_USABLE, (int)nid);
	}
}

/* ---- Mapping ----------------------------------------------------------------------------- */

static void map_all(void)
{
	for (unsigned int i = 0; i < nr_ram; i++) {
		phys_addr_t low_end = min_t(phys_addr_t, ram[i].end, MAX_LOWMEM);

		ram_map(HOSTED_RAM_WINDOW + ram[i].start, ram[i].start, ram[i].end - ram[i].start,
			HOST_PROT_READ | HOST_PROT_WRITE);
		if (ram[i].start < low_end)
			ram_map(PAGE_OFFSET + ram[i].start, ram[i].start, low_end - ram[i].start,
				HOST_PROT_READ | HOST_PROT_WRITE);
	}
}

static int new_memfd(void)
{
	int fd = (int)syscall(SYS_memfd_create, "pagoda-ram", 0);

	if (fd < 0 || ftruncate(fd, (off_t)ram_end) != 0)
		hosted_fatal("hosted: no memfd of %llu bytes", (unsigned long long)ram_end);
	return fd;
}

void ram_init(const struct hosted_config *config)
{
	if (config->map)
		for (unsigned int i = 0; i < config->nr_map; i++)
			add_range(config->map[i].start, config->map[i].end, config->map[i].type,
				  config->map[i].nid);
	else
		pc_memory_map(config->ram ? config->ram : DEFAULT_RAM,
			      config->nr_nodes ? config->nr_nodes : 1);
	find_ram();
	ram_fd = new_memfd();
	ram_unmap(HOSTED_WINDOW, HOSTED_WINDOW_END - HOSTED_WINDOW);
	ram_unmap(HOSTED_RAM_WINDOW, HOSTED_RAM_MAX);
	map_all();
}

void hosted_after_fork(void)
{
	int old = ram_fd;
	off_t at = 0, end;

	log_after_fork();
	sched_after_fork();
	ram_fd = new_memfd();
	for (; (at = lseek(old, at, HOST_SEEK_DATA)) >= 0; at = end) {
		end = lseek(old, at, HOST_SEEK_HOLE);
		for (off_t pos = at; pos < end;) {
			ssize_t n = pwrite(ram_fd, (void *)(HOSTED_RAM_WINDOW + (unsigned long)pos),
					   (size_t)(end - pos), pos);

			if (n <= 0)
				hosted_fatal("hosted: cannot copy RAM");
			pos += n;
		}
	}
	map_all();
	window_remap();
	close(old);
}
