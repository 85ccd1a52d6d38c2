/* SPDX-License-Identifier: MIT */
/*
 * timer.c: one-shot timers in a tree, the one that is due first at its left end.
 *
 *	start, cancel		O(log timers)
 *	a tick			O(log timers) for each timer that is due, and a look at the first that is not
 *
 * Any user can have thousands of timers (RLIMIT_SIGPENDING, descriptors, sleeping tasks) and choose
 * when they are due, so nothing that is done after a tick may depend on those that are not due. A
 * timing wheel (Varghese and Lauck, 1987) starts a timer in O(1), but its tick looks at every timer
 * of a slot. A timer never fires early, and at most a tick late; timers that are due at the same
 * tick fire in the order of their times, those of one time in the order in which they were started.
 *
 * Locking: timer_lock, dropped around fn. Nothing else is taken under it.
 * Invariant: a timer is in the tree exactly while expires_ns is not 0.
 * Failure: none; a timer is embedded in what it belongs to.
 */
#include <pagoda/bug.h>
#include <pagoda/spinlock.h>
#include <kernel/time.h>

static spinlock_t timer_lock = SPIN_LOCK_INIT(RANK_NONE);
static struct rb_root timers = RB_ROOT; /* (timer_lock) by expires_ns */
static struct ktimer *running;		/* (timer_lock) its fn is being called */

void timers_init(void)
{
	timers = (struct rb_root)RB_ROOT;
}

void ktimer_init(struct ktimer *timer, void (*fn)(struct ktimer *timer))
{
	timer->expires_ns = 0;
	timer->fn = fn;
}

static void insert_timer(struct ktimer *timer) MUST_HOLD(&timer_lock)
{
	struct rb_node **link = &timers.node, *parent = NULL;

	VM_BUG_ON(!timer->expires_ns || !timer->fn);
	lockdep_assert_held(&timer_lock);
	while (*link) {
		parent = *link;
		link = timer->expires_ns < rb_entry(parent, struct ktimer, node)->expires_ns
			       ? &parent->left
			       : &parent->right;
	}
	rb_link_node(&timer->node, parent, link);
	rb_insert(&timer->node, &timers, NULL);
}

/* Take the timer out if it is armed; false: it was not. */
static bool disarm(struct ktimer *timer) MUST_HOLD(&timer_lock)
{
	lockdep_assert_held(&timer_lock);
	if (!timer->expires_ns)
		return false;
	rb_erase(&timer->node, &timers, NULL);
	timer->expires_ns = 0;
	return true;
}

void ktimer_start(struct ktimer *timer, u64 expires_ns)
{
	unsigned long flags;

	spin_lock_irqsave(&timer_lock, flags);
	disarm(timer);
	timer->expires_ns = expires_ns ? expires_ns : 1;
	insert_timer(timer);
	spin_unlock_irqrestore(&timer_lock, flags);
}

bool ktimer_cancel(struct ktimer *timer)
{
	unsigned long flags;
	bool armed;

	spin_lock_irqsave(&timer_lock, flags);
	armed = disarm(timer);
	spin_unlock_irqrestore(&timer_lock, flags);
	return armed;
}

void ktimer_cancel_sync(struct ktimer *timer)
{
	unsigned long flags;
	bool busy;

	do {
		ktimer_cancel(timer);
		spin_lock_irqsave(&timer_lock, flags);
		busy = running == timer;
		spin_unlock_irqrestore(&timer_lock, flags);
		if (busy)
			port_cpu_relax();
	} while (busy);
}

/* The first timer if it is due, disarmed; or NULL. */
static struct ktimer *take_due(u64 now_ns) MUST_HOLD(&timer_lock)
{
	struct rb_node *first = rb_first(&timers);
	struct ktimer *timer = first ? rb_entry(first, struct ktimer, node) : NULL;

	lockdep_assert_held(&timer_lock);
	if (!timer || timer->expires_ns > now_ns)
		return NULL;
	disarm(timer);
	return timer;
}

void ktimers_run(u64 now_ns)
{
	unsigned long flags;
	struct ktimer *timer;

	spin_lock_irqsave(&timer_lock, flags);
	while ((timer = take_due(now_ns))) {
		running = timer;
		spin_unlock_irqrestore(&timer_lock, flags);
		timer->fn(timer);
		spin_lock_irqsave(&timer_lock, flags);
		running = NULL;
	}
	spin_unlock_irqrestore(&timer_lock, flags);
}
