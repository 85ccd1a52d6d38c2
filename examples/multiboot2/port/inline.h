/* SPDX-License-Identifier: MIT */
/* inline.h: the functions of port.h marked [inline], for a PC with one CPU and one task. */
#pragma once

#include <machine/irqflags.h>

extern struct vm_task boot_task;

static inline struct vm_task *port_current(void)
{
	return &boot_task;
}

static inline unsigned int port_cpu_id(void)
{
	return 0;
}
