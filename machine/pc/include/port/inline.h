/* SPDX-License-Identifier: MIT */
/*
 * inline.h: the inline part of port.h on a PC.
 *
 * While the kernel runs, the GS base points at this CPU's struct cpu
 * (machine/pc/pc.h); the entry code swaps it in and out. Its first fields are
 * read here by offset, so that the core need not see the structure itself.
 */
#pragma once

#include <pagoda/types.h>
#include <machine/cpu_offsets.h>
#include <machine/irqflags.h>

PAGODA_C_BEGIN

struct vm_task;

/* The kernel's half of port_cond_resched(). */
void kernel_cond_resched(void);

static inline unsigned int port_cpu_id(void)
{
	unsigned int id;

	__asm__ __volatile__("movl %%gs:%c1, %0" : "=r"(id) : "i"(CPU_ID));
	return id;
}

/* Volatile: a caller may set another task between two reads. */
static inline struct vm_task *port_current(void)
{
	struct vm_task *task;

	__asm__ __volatile__("movq %%gs:%c1, %0" : "=r"(task) : "i"(CPU_CURRENT));
	return task;
}

static inline void port_cpu_relax(void)
{
	__asm__ __volatile__("pause" : : : "memory");
}

static inline void port_cond_resched(void)
{
	kernel_cond_resched();
}

/* Every CPU has SSE switched on before it calls the core. */
#define PORT_LENDS_VECTOR_REGISTER 1

/* The optional functions of port.h that are implemented here, and in .c files. */
#define port_cpu_relax	   port_cpu_relax
#define port_cond_resched  port_cond_resched
#define port_ram_is_zeroed port_ram_is_zeroed
#define port_cpu_to_node   port_cpu_to_node
#define port_load_ldt	   port_load_ldt

PAGODA_C_END
