/* SPDX-License-Identifier: MIT */
/*
 * timer.c: one-shot timers on a hashed timing wheel (Varghese and Lauck, 1987, scheme 6).
 *
 *	wheel[expires / TICK % WHEEL_SLOTS] -> timers, in no order
 *
 * The tick looks through the slots of the ticks that have passed, the last one looked at
 * included (a timer may have been put there, for later in that tick). A timer of another
 * round stays where it is. Start and cancel are O(1); a tick costs the length of a slot.
 * A timer never fires early, and at most a tick late.
 *
 * Locking: timer_lock, dropped around fn. Nothing else is taken under it.
 * Failure: none; a timer is embedded in what it belongs to.
 */
#include <pagoda/spinlock.h>
#include <kernel/time.h>

#define WHEEL_SLOTS 256 /* 2.56 s a round: most sleeps are shorter */

static spinlock_t timer_lock = SPIN_LOCK_INIT(RANK_NONE);
static struct list_head wheel[WHEEL_SLOTS];
static u64 last_tick; /* number of the last tick looked at */
static struct ktimer *running; /* its fn is being called */

void timers_init(void)
{
	for (int i = 0; i < WHEEL_SLOTS; i++)
		INIT_LIST_HEAD(&wheel[i]);
	last_tick = port_clock_ns() / TICK_NS;
}

void ktimer_init(struct ktimer *timer, void (*fn)(struct ktimer *timer))
{
	INIT_LIST_HEAD(&timer->link);
	timer->expires_ns = 0;
	timer->fn = fn;
}

void ktimer_start(struct ktimer *timer, u64 expires_ns)
{
	unsigned long flags;
	u64 tick;

	spin_lock_irqsave(&timer_lock, flags);
	list_del_init(&timer->link);
	timer->expires_ns = expires_ns ? expires_ns : 1;
	tick = max(expires_ns / TICK_NS, last_tick);
	list_add_tail(&timer->link, &wheel[tick % WHEEL_SLOTS]);
	spin_unlock_irqrestore(&timer_lock, flags);
}

bool ktimer_cancel(struct ktimer *timer)
{
	unsigned long flags;
	bool armed;

	spin_lock_irqsave(&timer_lock, flags);
	armed = timer->expires_ns != 0;
	timer->expires_ns = 0;
	list_del_init(&timer->link);
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

/* The next timer of this slot that is due, disarmed; or NULL. */
static struct ktimer *take_due(struct list_head *slot, u64 now_ns)
{
	struct ktimer *timer;

	list_for_each_entry(timer, slot, link) {
		if (timer->expires_ns > now_ns)
			continue;
		timer->expires_ns = 0;
		list_del_init(&timer->link);
		return timer;
	}
	return NULL;
}

void ktimers_run(u64 now_ns)
{
	u64 now_tick = now_ns / TICK_NS, tick;
	unsigned long flags;
	struct ktimer *timer;

	spin_lock_irqsave(&timer_lock, flags);
	tick = last_tick;
	if (now_tick - tick >= WHEEL_SLOTS)
		tick = now_tick - WHEEL_SLOTS + 1; /* every slot once */
	for (; tick <= now_tick; tick++) {
		last_tick = tick;
		while ((timer = take_due(&wheel[tick % WHEEL_SLOTS], now_ns))) {
			running = timer;
			spin_unlock_irqrestore(&timer_lock, flags);
			timer->fn(timer);
			spin_lock_irqsave(&timer_lock, flags);
			running = NULL;
		}
	}
	spin_unlock_irqrestore(&timer_lock, flags);
}
