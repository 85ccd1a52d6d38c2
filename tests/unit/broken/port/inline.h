/* SPDX-License-Identifier: MIT */
/*
 * inline.h: the hosted machine's inline functions with one mistake at a time, for
 * test_broken_port.c.
 *
 * The include path has this folder first, so the core and the hosted machine of that test are built
 * with it. The right functions come from the hosted machine's own header, those that every port
 * must have under other names. The functions of port.h that are not inline are replaced by the
 * linker (--wrap, tests/unit/broken/port.c).
 */
#pragma once

#define port_cpu_id	 right_port_cpu_id
#define port_current	 right_port_current
#define port_irq_save	 right_port_irq_save
#define port_irq_restore right_port_irq_restore
static inline unsigned int right_port_cpu_id(void);
static inline struct vm_task *right_port_current(void);
static inline unsigned long right_port_irq_save(void);
static inline void right_port_irq_restore(unsigned long flags);
#include_next <port/inline.h>
#undef port_cpu_id
#undef port_current
#undef port_irq_save
#undef port_irq_restore

enum broken_port {
	BROKEN_NOTHING,
	/* inline functions */
	BROKEN_CPU_ID,	/* a number out of range */
	BROKEN_CURRENT, /* NULL */
	BROKEN_IRQ_SAVE_LEAVES_ON,
	BROKEN_IRQ_SAVE_FORGETS,       /* "they were on", whatever they were */
	BROKEN_IRQ_RESTORE_TURNS_ON,   /* always */
	BROKEN_IRQ_RESTORE_LEAVES_OFF, /* always */
	BROKEN_IRQ_SHORT_TURNS_ON,
	BROKEN_RELAX_TURNS_ON, /* interrupts */
	BROKEN_PREEMPTION,     /* a spinning thread loses its CPU though it disabled preemption */
	/* others */
	BROKEN_MAP_IS_EMPTY,
	BROKEN_MAP_HAS_EMPTY_RANGE,
	BROKEN_MAP_HAS_NO_RAM,
	BROKEN_RAM_IS_NOT_ZEROED,
	BROKEN_NR_CPUS,
	BROKEN_CPU_TO_NODE,
	BROKEN_ON_EACH_CPU_SKIPS,
	BROKEN_ON_EACH_CPU_IRQS_ON,
	BROKEN_CLOCK_STANDS,
	BROKEN_CLOCK_GOES_BACK,
	BROKEN_IMAGE_IS_UNMAPPED,
	BROKEN_LOAD_PGD_DOES_NOTHING,
	BROKEN_LOAD_PGD_KEEPS, /* translations of the same root */
	BROKEN_FLUSH_PAGE,
	BROKEN_FLUSH_PAGE_KEEPS_GLOBAL,
	BROKEN_FLUSH,
	BROKEN_FLUSH_ALL_KEEPS_GLOBAL,
	BROKEN_COPY_COUNTS_DONE,       /* returns the bytes copied */
	BROKEN_CLEAR_ALL_OR_NOTHING,   /* the count is not exact */
	BROKEN_STRNCPY_LEAVES_OUT_END, /* does not count the terminator */
	BROKEN_CMPXCHG_FORGETS_OLD,
	BROKEN_PARK_LOSES_TOKEN, /* one that came before the park */
	BROKEN_PARK_RETURNS,	 /* at once */
	BROKEN_UNPARK_DOES_NOTHING,
	BROKEN_THREAD_IRQS_OFF,
	BROKEN_THREAD_HAS_NO_LIST,
	BROKEN_KILL_DOES_NOT_WAKE,
	BROKEN_FATAL_IS_FALSE,
	BROKEN_TASKS_LEFT_OUT,
	BROKEN_TASKS_DO_NOT_STOP,
	BROKEN_SIGNALS_ALL,
};
extern enum broken_port broken_port;
/* The wrong answers, of which the compiler must not know that they are wrong. */
extern struct vm_task *const broken_current; /* NULL */
extern const unsigned int broken_cpu_id;     /* 11 */

/* How often this task has disabled preemption: the hooks are right, to test their callers. */
HOSTED_THREAD_LOCAL int broken_preempt_depth;

void port_yield(void);

static inline unsigned int port_cpu_id(void)
{
	return broken_port == BROKEN_CPU_ID ? broken_cpu_id : right_port_cpu_id();
}

static inline struct vm_task *port_current(void)
{
	return broken_port == BROKEN_CURRENT ? broken_current : right_port_current();
}

static inline unsigned long port_irq_save(void)
{
	unsigned long flags;

	if (broken_port == BROKEN_IRQ_SAVE_LEAVES_ON)
		return port_irqs_enabled();
	flags = right_port_irq_save();
	return broken_port == BROKEN_IRQ_SAVE_FORGETS ? 1 : flags;
}

static inline void port_irq_restore(unsigned long flags)
{
	if (broken_port == BROKEN_IRQ_RESTORE_LEAVES_OFF)
		return;
	right_port_irq_restore(broken_port == BROKEN_IRQ_RESTORE_TURNS_ON ? 1 : flags);
}

/* Optional functions: port.h knows by the macros that they are here, not in its defaults. */

static inline void broken_irq_restore_short(unsigned long flags)
{
	if (broken_port == BROKEN_IRQ_SHORT_TURNS_ON)
		right_port_irq_restore(1);
	else
		port_irq_restore_short(flags);
}

static inline void broken_cpu_relax(void)
{
	if (broken_port == BROKEN_RELAX_TURNS_ON)
		right_port_irq_restore(1);
	if (broken_port == BROKEN_PREEMPTION && port_irqs_enabled())
		port_yield();
	port_cpu_relax();
}

static inline void port_preempt_disable(void)
{
	broken_preempt_depth++;
}

static inline void port_preempt_enable(void)
{
	broken_preempt_depth--;
}

#undef port_cpu_relax
#define port_irq_restore_short broken_irq_restore_short
#define port_preempt_disable   port_preempt_disable
#define port_cpu_relax	       broken_cpu_relax
