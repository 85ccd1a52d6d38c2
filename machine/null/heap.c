// SPDX-License-Identifier: MIT
/*
 * heap.c: tier 1 of the null port: one CPU, 32 MiB of RAM, a log and an end.
 *
 * These ten functions are all that frames and heap ask of a port. Interrupts do not exist here, but
 * the flag is kept, so that a core that restores them wrongly is seen by a test.
 */
#include <machine/null.h>

#include <pagoda/vm_task.h>

#include "host.h"

#define RAM_BYTES (32ul << 20)

static bool irqs_on = true;
struct vm_task null_boot_task = {
	.comm = "boot",
	.local_pages = LIST_HEAD_INIT(null_boot_task.local_pages),
};
struct vm_task *null_task = &null_boot_task;

void null_ram_init(void)
{
	host_map_ram(PAGE_OFFSET, RAM_BYTES);
}

const struct port_mem_range *port_memory_map(unsigned int *nr)
{
	static const struct port_mem_range map[] = {{0, RAM_BYTES, PORT_MEM_USABLE, 0}};

	*nr = 1;
	return map;
}

unsigned int null_cpu_id(void)
{
	return 0;
}

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

unsigned long null_irq_save(void)
{
	unsigned long flags = irqs_on;

	irqs_on = false;
	return flags;
}

void null_irq_restore(unsigned long flags)
{
	irqs_on = flags;
}

bool null_irqs_enabled(void)
{
	return irqs_on;
}

struct vm_task *null_current(void)
{
	return null_task;
}

void port_log(enum port_log_level level, const char *text, size_t len)
{
	(void)level;
	host_write(text, len);
}

void *null_host_memory(size_t size)
{
	return host_memory(size);
}

__noreturn void port_panic(const char *message)
{
	host_write(message, strlen(message));
	host_exit(2);
}
