/* SPDX-License-Identifier: MIT */
/*
 * inline.h: the inline part of port.h, out of line.
 *
 * The archives of the tiers are built against this header. Each function that port.h asks for
 * inline is a call of a function of the same symbol here, so a tier's archive names in its symbol
 * table everything that it needs of a port, and can be linked with any port that gives those
 * functions. Optional functions are left to their defaults (port.h). A real port defines the bodies
 * here instead, since these are on the fastest paths.
 */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

struct vm_task;

unsigned int null_cpu_id(void) __asm__("port_cpu_id");
unsigned long null_irq_save(void) __asm__("port_irq_save");
void null_irq_restore(unsigned long flags) __asm__("port_irq_restore");
bool null_irqs_enabled(void) __asm__("port_irqs_enabled");
struct vm_task *null_current(void) __asm__("port_current");

static __always_inline unsigned int port_cpu_id(void)
{
	return null_cpu_id();
}

static __always_inline unsigned long port_irq_save(void)
{
	return null_irq_save();
}

static __always_inline void port_irq_restore(unsigned long flags)
{
	null_irq_restore(flags);
}

static __always_inline bool port_irqs_enabled(void)
{
	return null_irqs_enabled();
}

static __always_inline struct vm_task *port_current(void)
{
	return null_current();
}

PAGODA_C_END
