/* SPDX-License-Identifier: MIT */
/*
 * inline.h: the inline part of port.h for a host that is linked with a compiled core.
 *
 * Where the core is compiled before the host is known (./pagoda embed, the Meson subproject), a
 * function marked [inline] in port.h cannot be inlined: it calls its twin port_call_X(), which the
 * host defines. ./pagoda embed gives the twin the name port_X(), with the host's prefix, so that
 * pagoda.h has one name only (lab/embed/embed_header.py).
 *
 * Optional functions have their defaults (port.h). A host that wants others, or the calls inlined,
 * puts a header of the same name in front of this one on the include path.
 */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

struct vm_task;

/* The host's, each as described in port.h under its name without call_. */
unsigned int port_call_cpu_id(void);
unsigned long port_call_irq_save(void);
void port_call_irq_restore(unsigned long flags);
bool port_call_irqs_enabled(void);
struct vm_task *port_call_current(void);

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

static inline bool port_irqs_enabled(void)
{
	return port_call_irqs_enabled();
}

static inline struct vm_task *port_current(void)
{
	return port_call_current();
}

PAGODA_C_END
