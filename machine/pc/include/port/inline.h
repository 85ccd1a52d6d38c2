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

static inline unsigned long port_irq_flags(void)
{
	unsigned long flags;

	__asm__ __volatile__("pushfq; popq %0" : "=r"(flags) : : "memory");
	return flags;
}

static inline unsigned long port_irq_save(void)
{
	unsigned long flags = port_irq_flags();

	__asm__ __volatile__("cli" : : : "memory");
	return flags;
}

static inline bool port_irqs_enabled(void)
{
	return port_irq_flags() & CPU_FLAGS_IF;
}

static inline void port_irq_restore(unsigned long flags)
{
	if (flags & CPU_FLAGS_IF)
		__asm__ __volatile__("sti" : : : "memory");
	else
		__asm__ __volatile__("cli" : : : "memory");
}

static inline unsigned long port_irq_save_short(void)
{
	return port_irq_save();
}

static inline void port_irq_restore_short(unsigned long flags)
{
	port_irq_restore(flags);
}

static inline void port_cpu_relax(void)
{
	__asm__ __volatile__("pause" : : : "memory");
}

static inline void port_interleave(void)
{
}

static inline bool port_should_fail(const char *site)
{
	(void)site;
	return false;
}

static inline bool port_watched(void)
{
	return false;
}

static inline void port_cond_resched(void)
{
	kernel_cond_resched();
}

struct trace_event;
static inline void port_trace(const struct trace_event *event)
{
	(void)event;
}

PAGODA_C_END
