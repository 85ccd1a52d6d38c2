/* SPDX-License-Identifier: MIT */
/*
 * inline.h: the parts of port.h that the hosted machine inlines.
 *
 * A simulated CPU is held by one host thread at a time; what the core asks most
 * often lies behind two thread-local pointers. See machine/hosted/sched.c.
 */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

struct trace_event;

/*
 * The part of a simulated CPU that inlines look at. Only its holder writes it, but for ipi_pending.
 */
struct hosted_cpu_front {
	unsigned int id;
	bool irqs_on;
	unsigned long ipi_pending; /* bit n: CPU n waits for a function to run here */
};

/* Of this host thread. The simulation is part of the program, never of a library that is loaded. */
#define HOSTED_THREAD_LOCAL extern __thread __attribute__((tls_model("local-exec")))
HOSTED_THREAD_LOCAL struct hosted_cpu_front *hosted_this_cpu; /* NULL outside of the simulation */
HOSTED_THREAD_LOCAL unsigned int hosted_cpu_nr;		      /* its id, a load less away */
HOSTED_THREAD_LOCAL struct vm_task *hosted_this_task;
extern bool hosted_deterministic; /* constant after hosted_boot() */
/*
 * HOSTED_FAIL_ARMED, plus the number of CPUs with interrupts to take. Hidden: read at each
 * allocation, without a table of addresses in between.
 */
extern int hosted_watch __attribute__((visibility("hidden")));

#define HOSTED_FAIL_ARMED 0x10000

void hosted_take_ipis(void);
void hosted_relax(void);
void hosted_step(void);
void hosted_cond_resched(void);
bool hosted_should_fail(const char *site);

static inline unsigned int port_cpu_id(void)
{
	return hosted_cpu_nr;
}

/* Interrupts are looked at when they come on again, and at poll points. */
static inline void hosted_poll(void)
{
	if (unlikely(__atomic_load_n(&hosted_this_cpu->ipi_pending, __ATOMIC_RELAXED)) &&
	    hosted_this_cpu->irqs_on)
		hosted_take_ipis();
}

static inline unsigned long port_irq_save(void)
{
	unsigned long flags = hosted_this_cpu->irqs_on;

	hosted_this_cpu->irqs_on = false;
	return flags;
}

static inline void port_irq_restore(unsigned long flags)
{
	hosted_this_cpu->irqs_on = flags;
	hosted_poll();
}

/* Nothing comes in between: interrupts are taken at poll points only. */
static inline unsigned long port_irq_save_short(void)
{
	return 0;
}

static inline void port_irq_restore_short(unsigned long flags)
{
	(void)flags;
}

static inline bool port_irqs_enabled(void)
{
	return hosted_this_cpu->irqs_on;
}

static inline void port_cpu_relax(void)
{
	hosted_relax();
}

static inline void port_interleave(void)
{
	if (unlikely(hosted_deterministic))
		hosted_step();
}

static inline bool port_watched(void)
{
	return unlikely(__atomic_load_n(&hosted_watch, __ATOMIC_RELAXED));
}

static inline bool port_should_fail(const char *site)
{
	return port_watched() && hosted_should_fail(site);
}

static inline struct vm_task *port_current(void)
{
	return hosted_this_task;
}

static inline void port_cond_resched(void)
{
	hosted_cond_resched();
}

/* The optional functions of port.h that are implemented here, and in .c files. */
#define port_irq_save_short port_irq_save_short
#define port_cpu_relax	    port_cpu_relax
#define port_interleave	    port_interleave
#define port_should_fail    port_should_fail
#define port_watched	    port_watched
#define port_cond_resched   port_cond_resched
#define port_ram_is_zeroed  port_ram_is_zeroed
#define port_cpu_to_node    port_cpu_to_node
#define port_load_ldt	    port_load_ldt

PAGODA_C_END
