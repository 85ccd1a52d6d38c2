/* SPDX-License-Identifier: MIT */
/*
 * irqflags.h: the interrupt functions of port.h for a kernel in ring 0 of an x86 CPU.
 *
 * A port of that kind may include this file in its <port/inline.h>, as this machine does and
 * examples/multiboot2. The state that port_irq_save() returns is the flags register.
 */
#pragma once

#include <pagoda/types.h>
#include <asm/ptrace.h>

PAGODA_C_BEGIN

static inline unsigned long port_irq_flags(void)
{
	unsigned long flags;

	__asm__ __volatile__("pushf; pop %0" : "=r"(flags) : : "memory");
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
	return port_irq_flags() & X86_EFLAGS_IF;
}

static inline void port_irq_restore(unsigned long flags)
{
	if (flags & X86_EFLAGS_IF)
		__asm__ __volatile__("sti" : : : "memory");
	else
		__asm__ __volatile__("cli" : : : "memory");
}

PAGODA_C_END
