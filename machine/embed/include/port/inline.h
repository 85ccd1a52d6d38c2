/* SPDX-License-Identifier: MIT */
/*
 * inline.h: the inline part of port.h for a host that is linked with a compiled core.
 *
 * Where the core is compiled before the host is known (./pagoda embed, the Meson subproject), a
 * function marked [inline] in port.h cannot be inlined: it calls its twin port_call_X(), which the
 * host defines. ./pagoda embed gives the twin the name port_X(), with the host's prefix, so that
 * pagoda.h has one name only (lab/embed_header.py).
 *
 * What only tests and simulations need is empty. A host that wants the calls inlined puts a header
 * of the same name in front of this one on the include path.
 */
#pragma once

#include <pagoda/types.h>

struct vm_task;
struct trace_event;

/* The host's, each as described in port.h under its name without call_. */
unsigned int port_call_cpu_id(void);
unsigned long port_call_irq_save(void);
void port_call_irq_restore(unsigned long flags);
bool port_call_irqs_enabled(void);
void port_call_cpu_relax(void);
struct vm_task *port_call_current(void);
void port_call_cond_resched(void);

static inline unsigned int port_cpu_id(void)
{
	return port_call_cpu_id();
}

static inline unsigned long port_irq_save(void)
{
	return port_call_irq_save();
}

static inline void port_irq_restore(unsigned long flags)
{
	port_call_irq_restore(flags);
}

static inline unsigned long port_irq_save_short(void)
{
	return port_call_irq_save();
}

static inline void port_irq_restore_short(unsigned long flags)
{
	port_call_irq_restore(flags);
}

static inline bool port_irqs_enabled(void)
{
	return port_call_irqs_enabled();
}

static inline void port_cpu_relax(void)
{
	port_call_cpu_relax();
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

static inline struct vm_task *port_current(void)
{
	return port_call_current();
}

static inline void port_cond_resched(void)
{
	port_call_cond_resched();
}

static inline void port_trace(const struct trace_event *event)
{
	(void)event;
}
