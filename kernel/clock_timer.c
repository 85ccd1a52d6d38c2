/* SPDX-License-Identifier: MIT */
/*
 * clock_timer.c: timers on a clock, once or periodic, relative or for a time of day.
 *
 * A clock_timer is a ktimer that knows when it is due on its clock. Relative ones, and those of
 * the monotonic clocks, count on port_clock_ns()'s scale. An absolute time of day stays one: when
 * somebody sets the clock, every such timer is started anew (clock_timers_clock_set).
 *
 * When it is due, the expirations are counted (more than one if the interval is shorter than a
 * tick, or a tick was late), the next one is set, and fn is told the number. Who looks at a timer
 * first lets it catch up, so that nobody sees a timer that is over but not yet expired.
 *
 * A periodic timer whose expiration nobody has taken notice of yet (a descriptor that is not read,
 * a signal that stays pending) is not started anew: the number of expirations follows from the
 * clock as soon as somebody looks. So however many timers of however short intervals a user has,
 * those that are not used cost nothing. (As in Linux: timerfd_read() and posixtimer_rearm().)
 *
 * Locking: clock_timers_lock, interrupts off, for all of them; not held while fn runs. timer_lock
 * (timer.c) is inside. Failure: none.
 */
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/spinlock.h>
#include <pagoda/uaccess.h>
#include <kernel/clock_timer.h>

static spinlock_t clock_timers_lock = SPIN_LOCK_INIT(RANK_NONE);
static LIST_HEAD(day_timers); /* clock_timers_lock: those for a time of day, armed or not */

static u64 now_on(const struct clock_timer *ct)
{
	return ct->of_day ? ktime_get_real_ns() : port_clock_ns();
}

/* Start the ktimer for expires_ns. */
static void start_locked(struct clock_timer *ct)
{
	u64 offset = ct->of_day ? ktime_get_real_ns() - port_clock_ns() : 0;

	lockdep_assert_held(&clock_timers_lock);
	if (ct->expires_ns == 0)
		return;
	ktimer_start(&ct->timer, ct->expires_ns > offset ? ct->expires_ns - offset : 1);
}

/* How often it has expired by now; the next time is set. */
static u64 expire_locked(struct clock_timer *ct)
{
	u64 now = now_on(ct), times = 1;

	lockdep_assert_held(&clock_timers_lock);
	if (!ct->expires_ns || now < ct->expires_ns)
		return 0;
	if (ct->interval_ns) {
		times += (now - ct->expires_ns) / ct->interval_ns;
		ct->expires_ns += times * ct->interval_ns;
	} else {
		ct->expires_ns = 0;
	}
	return times;
}

u64 clock_timer_missed(struct clock_timer *ct)
{
	unsigned long flags;
	u64 times;

	spin_lock_irqsave(&clock_timers_lock, flags);
	times = expire_locked(ct);
	if (times || !ct->timer.expires_ns)
		start_locked(ct);
	spin_unlock_irqrestore(&clock_timers_lock, flags);
	return times;
}

void clock_timer_catch_up(struct clock_timer *ct)
{
	u64 times = clock_timer_missed(ct);

	if (times)
		(void)ct->fn(ct, times); /* it goes on in any case, as somebody looks */
}

/* Start a timer whose expirations are done with, unless somebody has looked at it meanwhile. */
static void go_on(struct clock_timer *ct)
{
	unsigned long flags;

	VM_BUG_ON(!ct->fn);
	spin_lock_irqsave(&clock_timers_lock, flags);
	if (!ct->timer.expires_ns)
		start_locked(ct);
	spin_unlock_irqrestore(&clock_timers_lock, flags);
}

static void timer_due(struct ktimer *timer)
{
	struct clock_timer *ct = container_of(timer, struct clock_timer, timer);
	unsigned long flags;
	u64 times;

	spin_lock_irqsave(&clock_timers_lock, flags);
	times = expire_locked(ct);
	spin_unlock_irqrestore(&clock_timers_lock, flags);
	if (!times || ct->fn(ct, times))
		go_on(ct);
}

void clock_timer_init(struct clock_timer *ct, int clock,
		      bool (*fn)(struct clock_timer *ct, u64 times))
{
	*ct = (struct clock_timer){.fn = fn, .clock = clock};
	ktimer_init(&ct->timer, timer_due);
	INIT_LIST_HEAD(&ct->day_link);
}

static bool is_of_day(int clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM || clock == CLOCK_TAI;
}

static void get_locked(const struct clock_timer *ct, struct clock_timer_spec *out)
{
	u64 now = now_on(ct);

	lockdep_assert_held(&clock_timers_lock);
	out->interval_ns = ct->interval_ns;
	out->value_ns = !ct->expires_ns ? 0 : ct->expires_ns > now ? ct->expires_ns - now : 1;
}

void clock_timer_get(struct clock_timer *ct, struct clock_timer_spec *out)
{
	unsigned long flags;

	clock_timer_catch_up(ct);
	spin_lock_irqsave(&clock_timers_lock, flags);
	get_locked(ct, out);
	spin_unlock_irqrestore(&clock_timers_lock, flags);
}

static u64 first_expiry(u64 value_ns, bool absolute)
{
	if (!value_ns)
		return 0;
	return absolute ? value_ns : deadline_after(value_ns);
}

void clock_timer_set(struct clock_timer *ct, const struct clock_timer_spec *new, bool absolute,
		     struct clock_timer_spec *old)
{
	struct clock_timer_spec unused;
	unsigned long flags;

	clock_timer_get(ct, old ? old : &unused);
	ktimer_cancel_sync(&ct->timer);
	spin_lock_irqsave(&clock_timers_lock, flags);
	list_del_init(&ct->day_link);
	ct->of_day = absolute && is_of_day(ct->clock);
	if (ct->of_day)
		list_add(&ct->day_link, &day_timers);
	ct->expires_ns = first_expiry(new->value_ns, absolute);
	ct->interval_ns = new->interval_ns;
	start_locked(ct);
	spin_unlock_irqrestore(&clock_timers_lock, flags);
}

void clock_timer_stop(struct clock_timer *ct)
{
	unsigned long flags;

	spin_lock_irqsave(&clock_timers_lock, flags);
	ct->expires_ns = 0;
	list_del_init(&ct->day_link);
	spin_unlock_irqrestore(&clock_timers_lock, flags);
	ktimer_cancel_sync(&ct->timer);
}

void clock_timers_clock_set(void)
{
	struct clock_timer *ct;
	unsigned long flags;

	spin_lock_irqsave(&clock_timers_lock, flags);
	list_for_each_entry(ct, &day_timers, day_link) {
		start_locked(ct);
		if (ct->clock_set)
			ct->clock_set(ct);
	}
	spin_unlock_irqrestore(&clock_timers_lock, flags);
}

/* ---- struct itimerspec ----------------------------------------------------------------------- */

int get_itimerspec(unsigned long uaddr, struct clock_timer_spec *spec)
{
	int error = get_timespec_ns(uaddr, &spec->interval_ns), error2;

	if (error == -EFAULT)
		return error;
	error2 = get_timespec_ns(uaddr + sizeof(struct timespec), &spec->value_ns);
	if (error2)
		return error2;
	spec->interval_ns = min(spec->interval_ns, (u64)INT64_MAX / 2);
	spec->value_ns = min(spec->value_ns, (u64)INT64_MAX / 2);
	return error;
}

int put_itimerspec(unsigned long uaddr, const struct clock_timer_spec *spec)
{
	struct timespec out[2] = {ns_to_timespec(spec->interval_ns),
				  ns_to_timespec(spec->value_ns)};

	return copy_to_user(uaddr, out, sizeof(out)) ? -EFAULT : 0;
}
