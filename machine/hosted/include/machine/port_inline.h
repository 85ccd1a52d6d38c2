/* SPDX-License-Identifier: MIT */
/*
 * port_inline.h: the parts of port.h that the hosted machine inlines.
 *
 * A simulated CPU is held by one host thread at a time; what the core asks most
 * often lies behind two thread-local pointers. See machine/hosted/sched.c.
 */
#pragma once

/* The part of a simulated CPU that inlines look at. Only its holder writes it, but for ipi_pending. */
struct hosted_cpu_front {
	unsigned int id;
	bool irqs_on;
	unsigned long ipi_pending; /* bit n: CPU n waits for a function to run here */
};

extern __thread struct hosted_cpu_front *hosted_this_cpu; /* NULL outside of the simulation */
extern __thread struct vm_task *hosted_this_task;
extern bool hosted_deterministic; /* constant after hosted_boot() */
extern int hosted_fail_armed;

void hosted_take_ipis(void);
void hosted_relax(void);
void hosted_step(void);
void hosted_cond_resched(void);
bool hosted_should_fail(const char *site);

static inline unsigned int port_cpu_id(void)
{
	return hosted_this_cpu->id;
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

static inline bool port_should_fail(const char *site)
{
	return unlikely(__atomic_load_n(&hosted_fail_armed, __ATOMIC_RELAXED)) &&
	       hosted_should_fail(site);
}

static inline struct vm_task *port_current(void)
{
	return hosted_this_task;
}

static inline void port_cond_resched(void)
{
	hosted_cond_resched();
}

static inline void port_trace(const struct trace_event *event)
{
	(void)event;
}
