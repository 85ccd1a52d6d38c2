/* SPDX-License-Identifier: MIT */
/*
 * itimer.c: the three interval timers of a process, alarm(2), and RLIMIT_CPU.
 *
 *	ITIMER_REAL	a ktimer on the clock		SIGALRM
 *	ITIMER_VIRTUAL	user ticks			SIGVTALRM
 *	ITIMER_PROF	user and kernel ticks		SIGPROF
 *
 * The CPU timers count what is left, in nanoseconds, and lose a tick's worth at each tick.
 *
 * Locking: tasklist_lock for the fields (the timer and the tick, as deferred work, send
 * signals, which need it anyhow). Failure: -EINVAL, -EFAULT.
 */
#include <pagoda/errno.h>
#include <pagoda/uaccess.h>
#include <kernel/cpu_clock.h>
#include <kernel/itimer.h>
#include <kernel/process.h>
#include <kernel/sched.h>
#include <kernel/signal_internal.h>
#include <kernel/syscalls.h>

struct itimerval {
	struct timeval interval, value;
};
static_assert(sizeof(struct itimerval) == 32, "struct itimerval of the ABI");

/*
 * When a timer that was due by now is due next, 0: never. Periods that have passed are left out:
 * the signal cannot be pending twice, and a period may be much shorter than a tick.
 */
static u64 next_period(const struct itimer *it, u64 now)
{
	u64 passed = now > it->value_ns ? now - it->value_ns : 0;

	return it->interval_ns ? it->value_ns + (passed / it->interval_ns + 1) * it->interval_ns
			       : 0;
}

void itimer_real_expired(struct ktimer *timer)
{
	struct signal_struct *sig = container_of(timer, struct signal_struct, real_timer);
	struct itimer *it = &sig->itimer[ITIMER_REAL];

	spin_lock_deferring(&tasklist_lock);
	if (it->value_ns && !timer->expires_ns) {
		(void)send_signal_listed(SIGALRM, NULL, sig->leader, true); /* never real-time */
		it->value_ns = next_period(it, port_clock_ns());
		if (it->value_ns)
			ktimer_start(timer, it->value_ns);
	}
	spin_unlock_deferring(&tasklist_lock);
}

static void count_down(struct signal_struct *sig, int which, int signo)
{
	struct itimer *it = &sig->itimer[which];

	if (!it->value_ns)
		return;
	if (it->value_ns > TICK_NS) {
		it->value_ns -= TICK_NS;
		return;
	}
	it->value_ns = it->interval_ns;
	(void)send_signal_listed(signo, NULL, sig->leader, true);
}

static void check_cpu_limit(struct task_struct *t)
{
	unsigned long soft = task_rlimit(t, RLIMIT_CPU), used;
	struct task_usage u;

	if (soft == RLIM_INFINITY)
		return;
	process_usage(t->signal, &u);
	used = (u.utime_ns + u.stime_ns) / NSEC_PER_SEC;
	if (used >= t->signal->rlim[RLIMIT_CPU].rlim_max) {
		(void)send_signal_listed(SIGKILL, NULL, t, true);
	} else if (used >= soft) {
		(void)send_signal_listed(SIGXCPU, NULL, t, true);
		t->signal->rlim[RLIMIT_CPU].rlim_cur = soft + 1; /* again every second, as Linux */
	}
}

void itimer_tick(struct task_struct *t, bool user)
{
	struct signal_struct *sig = t->signal;

	if (!list_empty(&sig->cpu_timers))
		cpu_timers_tick(sig);
	if (!sig->itimer[ITIMER_VIRTUAL].value_ns && !sig->itimer[ITIMER_PROF].value_ns &&
	    sig->rlim[RLIMIT_CPU].rlim_cur == RLIM_INFINITY)
		return;
	spin_lock_deferring(&tasklist_lock);
	if (user)
		count_down(sig, ITIMER_VIRTUAL, SIGVTALRM);
	count_down(sig, ITIMER_PROF, SIGPROF);
	check_cpu_limit(t);
	spin_unlock_deferring(&tasklist_lock);
}

void itimers_stop(struct signal_struct *sig)
{
	spin_lock_deferring(&tasklist_lock);
	for (int i = 0; i < 3; i++)
		sig->itimer[i] = (struct itimer){0, 0};
	ktimer_cancel(&sig->real_timer);
	spin_unlock_deferring(&tasklist_lock);
}

/* ---- The calls ------------------------------------------------------------------------------- */

static u64 remaining_ns(const struct itimer *it, int which)
{
	u64 now;

	if (which != ITIMER_REAL || !it->value_ns)
		return it->value_ns;
	now = port_clock_ns();
	return it->value_ns > now ? it->value_ns - now : NSEC_PER_USEC; /* due, but not delivered */
}

/* Set a timer (new NULL: only look) and return what was there, as remaining time and interval. */
static struct itimer exchange(int which, const struct itimer *new)
{
	struct signal_struct *sig = current->signal;
	struct itimer *it = &sig->itimer[which], old;

	spin_lock_deferring(&tasklist_lock);
	old = (struct itimer){remaining_ns(it, which), it->interval_ns};
	if (new) {
		*it = *new;
		if (which == ITIMER_REAL) {
			ktimer_cancel(&sig->real_timer);
			if (new->value_ns) {
				it->value_ns = deadline_after(new->value_ns);
				ktimer_start(&sig->real_timer, it->value_ns);
			}
		}
	}
	spin_unlock_deferring(&tasklist_lock);
	return old;
}

long sys_alarm(unsigned long useconds)
{
	unsigned int seconds = (unsigned int)useconds;
	struct itimer new = {seconds * NSEC_PER_SEC, 0}, old = exchange(ITIMER_REAL, &new);
	u64 left = (old.value_ns + NSEC_PER_SEC / 2) / NSEC_PER_SEC;

	return (long)(old.value_ns && !left ? 1 : left);
}

static int put_itimer(unsigned long uaddr, const struct itimer *it)
{
	struct itimerval v = {
		.interval = {(s64)(it->interval_ns / NSEC_PER_SEC),
			     (s64)(it->interval_ns % NSEC_PER_SEC / NSEC_PER_USEC)},
		.value = {(s64)(it->value_ns / NSEC_PER_SEC),
			  (s64)(it->value_ns % NSEC_PER_SEC / NSEC_PER_USEC)},
	};

	return copy_to_user(uaddr, &v, sizeof(v)) ? -EFAULT : 0;
}

static bool timeval_ns(const struct timeval *tv, u64 *ns)
{
	if (tv->tv_sec < 0 || (u64)tv->tv_usec >= USEC_PER_SEC)
		return false;
	if ((u64)tv->tv_sec > UINT64_MAX / NSEC_PER_SEC / 2)
		*ns = UINT64_MAX / 2;
	else
		*ns = (u64)tv->tv_sec * NSEC_PER_SEC + (u64)tv->tv_usec * NSEC_PER_USEC;
	return true;
}

long sys_getitimer(unsigned long which, unsigned long uvalue)
{
	struct itimer old;

	if (which > ITIMER_PROF)
		return -EINVAL;
	old = exchange((int)which, NULL);
	return put_itimer(uvalue, &old);
}

long sys_setitimer(unsigned long which, unsigned long uvalue, unsigned long uold)
{
	struct itimer new = {0, 0}, old;
	struct itimerval v;

	if (uvalue) {
		if (copy_from_user(&v, uvalue, sizeof(v)))
			return -EFAULT;
		if (!timeval_ns(&v.value, &new.value_ns) ||
		    !timeval_ns(&v.interval, &new.interval_ns))
			return -EINVAL;
	}
	if (which > ITIMER_PROF)
		return -EINVAL;
	old = exchange((int)which, &new);
	return uold ? put_itimer(uold, &old) : 0;
}
