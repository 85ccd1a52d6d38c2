// SPDX-License-Identifier: MIT
/* files.c: tier 4 of the null port: a clock, and tasks of the core's own (tasks.c). */
#include <machine/null.h>

u64 port_clock_ns(void)
{
	return null_now_ns();
}

struct vm_task *port_thread_create(const char *name, void (*fn)(void *arg), void *arg)
{
	return null_task_create(name, fn, arg);
}
