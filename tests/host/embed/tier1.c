/* SPDX-License-Identifier: MIT */
/* tier1.c: frames and heap: the port's part, the start of the program, a block of frames and an object. */
#include "host.h"

static _Alignas(HOST_RAM_ALIGN) char ram[HOST_RAM_BYTES];

const struct pagoda_port_layout pagoda_port_layout = {
	.page_offset = (unsigned long)ram,
	.vmalloc_start = HOST_MAPS,
	.vmalloc_end = HOST_MAPS + HOST_MAPS_SIZE,
	.pkmap_base = HOST_MAPS + HOST_MAPS_SIZE,
	.fixmap_base = HOST_MAPS + HOST_MAPS_SIZE + (1ul << 24),
};

static bool irqs_on;

static struct pagoda_vm_task only_task = {
	.flags = pagoda_PF_KTHREAD,
	.local_pages = { &only_task.local_pages, &only_task.local_pages },
	.comm = "host",
};

const struct pagoda_port_mem_range *pagoda_port_memory_map(unsigned int *nr)
{
	static const struct pagoda_port_mem_range all = { .start = 0, .end = HOST_RAM_BYTES };

	*nr = 1;
	return &all;
}

unsigned int pagoda_port_cpu_id(void)
{
	return 0;
}

unsigned int pagoda_port_nr_cpus(void)
{
	return 1;
}

unsigned long pagoda_port_irq_save(void)
{
	bool were_on = irqs_on;

	irqs_on = false;
	return were_on;
}

void pagoda_port_irq_restore(unsigned long flags)
{
	irqs_on = flags;
}

bool pagoda_port_irqs_enabled(void)
{
	return irqs_on;
}

void pagoda_port_on_each_cpu(unsigned long mask, void (*fn)(void *arg), void *arg)
{
	if (mask & 1)
		fn(arg);
}

struct pagoda_vm_task *pagoda_port_current(void)
{
	return &only_task;
}

void pagoda_port_log(enum pagoda_port_log_level level, const char *message, size_t len)
{
	if (level <= pagoda_PORT_LOG_WARN)
		fwrite(message, 1, len, stderr);
}

void pagoda_port_panic(const char *message)
{
	fprintf(stderr, "panic: %s\n", message);
	exit(1);
}

void host_expect(bool so, const char *what)
{
	if (so)
		return;
	fprintf(stderr, "not so: %s\n", what);
	exit(1);
}

void use_tier1(void)
{
	struct pagoda_page *block = pagoda_alloc_pages(pagoda_GFP_KERNEL, 3);
	char *object = pagoda_kmalloc(100, pagoda_GFP_KERNEL);

	host_expect(block && pagoda_page_order(block) == 3, "eight frames");
	host_expect(object && pagoda_ksize(object) == 128, "an object of 128 bytes");
	for (int i = 0; i < 128; i++)
		object[i] = (char)i;
	pagoda_kfree(object);
	pagoda___free_pages(block, 3);
	pagoda_validate_buddy();
	pagoda_validate_slab();
}

int main(void)
{
	struct pagoda_mm_boot_info info = { .options = "", .image_outside_ram = true };

	HOST_BOOT(&info);
	irqs_on = true;
	HOST_USES;
	printf("tier %d works\n", TIER);
	return 0;
}
