/* SPDX-License-Identifier: MIT */
/*
 * deferred.c: what interrupt handlers start, and what is too long for them.
 *
 * Whoever walks over all tasks, all children, all threads holds tasklist_lock or a siglock, for up
 * to a millisecond if there are thousands. Interrupts stay on meanwhile, so no interrupt handler
 * may take these locks. What a handler wants done with them (a timer is due and sends a signal,
 * somebody typed ^C) it only notes:
 *
 *	handler: raise_deferred()
 *	 |
 *	 |-- a lock is held -----> spin_unlock_deferring() of the last one -> deferred_run()
 *	 `-- none is held -------> kernel_interrupt_end() ------------------> deferred_run()
 *
 * deferred_run() turns interrupts on, on the stack of the interrupted task, and does the work;
 * another interrupt may come in between, which only notes more, for the next interrupt. It is the
 * softirq of Linux and the bottom half of others.
 *
 * Work does not sleep, and takes only locks that are taken with spin_lock_deferring() or with
 * interrupts off everywhere.
 *
 * Locking: one CPU. deferred_holds belongs to the running task, and is 0 whenever it gives way;
 * deferred_pending and the list of signals change with interrupts off. Failure: none. Seen in:
 * blackouts of latency.c.
 */
#include <pagoda/bug.h>
#include <pagoda/machine.h>
#include <fs/task.h>
#include <kernel/deferred.h>
#include <kernel/itimer.h>
#include <kernel/sched.h>
#include <kernel/signal_internal.h>

unsigned int deferred_holds, deferred_pending;
static LIST_HEAD(signals_due); /* struct fs_group_signals; interrupts off */

/* ---- Signals to process groups --------------------------------------------------------------- */

/* The first group that waits for signals, as it is now. False: none. */
static bool take_signals(struct fs_group_signals *out)
{
	unsigned long flags = port_irq_save();
	struct fs_group_signals *first = NULL;

	if (!list_empty(&signals_due)) {
		first = list_first_entry(&signals_due, struct fs_group_signals, link);
		*out = *first;
		list_del_init(&first->link);
		first->set = 0;
	}
	port_irq_restore(flags);
	return first;
}

static void send_signals(void)
{
	struct fs_group_signals s;

	while (take_signals(&s))
		for (; s.set; s.set &= s.set - 1)
			/* an empty group is fine */
			(void)kill_pgrp(s.pgrp, __builtin_ctzll(s.set) + 1);
}

void fs_hook_signal_pgrp_later(struct fs_group_signals *s, int pgrp, int signo)
{
	unsigned long flags = port_irq_save();

	s->pgrp = pgrp;
	s->set |= sigmask(signo);
	if (list_empty(&s->link))
		list_add_tail(&s->link, &signals_due);
	raise_deferred(DEFERRED_SIGNALS);
	port_irq_restore(flags);
}

void fs_hook_run_deferred(void)
{
	if (READ_ONCE(deferred_pending))
		deferred_run();
}

void fs_hook_forget_signals(struct fs_group_signals *s)
{
	unsigned long flags = port_irq_save();

	list_del_init(&s->link);
	port_irq_restore(flags);
}

/* ---- Doing it -------------------------------------------------------------------------------- */

static void do_work(unsigned int bits)
{
	if (bits & DEFERRED_TICK) {
		ktimers_run(port_clock_ns());
		itimer_tick(current, bits & DEFERRED_USER_TICK);
	}
	if (bits & DEFERRED_SIGNALS)
		send_signals();
}

/*
 * What is pending now, once: what comes meanwhile is done at the end of the next interrupt, so work
 * that takes longer than a tick slows down the task here and does not stop it. Interrupts off; they
 * are turned on meanwhile.
 */
static void run_pending(void)
{
	unsigned int bits = deferred_pending;

	if (deferred_holds)
		return;
	deferred_pending = 0;
	deferred_holds++;
	machine_irqs_on();
	do_work(bits);
	(void)port_irq_save();
	deferred_holds--;
}

void deferred_run(void)
{
	if (!port_irqs_enabled())
		return;
	(void)port_irq_save();
	run_pending();
	machine_irqs_on();
}

/* An interrupt ends. Interrupts off. */
void kernel_interrupt_end(void)
{
	if (unlikely(deferred_pending))
		run_pending();
	preempt_for_woken();
}
