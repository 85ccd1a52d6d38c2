/* SPDX-License-Identifier: MIT */
/*
 * posix_timer.c: timers of a process that send signals: timer_create and its kin.
 *
 *	clocks of time		a clock_timer (clock_timer.c)
 *	clocks of CPU time	looked at by the tick that meets the process (posix_cpu_tick)
 *
 * Each has a queue entry for its signal from the start (sigqueue.c), so expiring cannot fail; what
 * expires while the signal is pending is an overrun, told with the signal and by timer_getoverrun.
 * Numbers are given out upwards and per process. Timers are not inherited by fork and end with
 * execve.
 *
 * Locking: sig->timer_mutex for the calls (sleeps, outermost); tasklist_lock for the list and CPU
 * timers' fields, as the tick walks it. Failure: EAGAIN (no memory, RLIMIT_SIGPENDING), EINVAL,
 *EFAULT.
 */
#include <pagoda/slab.h>
#include <pagoda/uaccess.h>
#include <kernel/clock_timer.h>
#include <kernel/posix_timer.h>
#include <kernel/process.h>
#include <kernel/sched.h>
#include <kernel/signal_internal.h>

#define SIGEV_SIGNAL	0
#define SIGEV_NONE	1
#define SIGEV_THREAD	2
#define SIGEV_THREAD_ID 4

struct sigevent {
	unsigned long value;
	int signo, notify, tid;
	int pad_[11];
};
static_assert(sizeof(struct sigevent) == 64, "sigevent's layout");

struct posix_timer {
	struct list_head link; /* (T) in sig->posix_timers */
	struct signal_struct *sig;
	int id;
	struct sigqueue *queue;	    /* NULL: SIGEV_NONE */
	struct task_struct *thread; /* SIGEV_THREAD_ID: who gets the signal; a reference, or NULL */
	struct clock_timer timer;
	int cpu_clock; /* CPU time: which, else 0 */
	struct task_struct
		*measured; /* CLOCK_THREAD_CPUTIME_ID: whose time; a reference, or NULL */
	u64 cpu_expires, cpu_interval; /* (T) */
};

/* ---- Expiring -------------------------------------------------------------------------------- */

static void expired(struct clock_timer *ct, u64 times)
{
	struct posix_timer *timer = container_of(ct, struct posix_timer, timer);

	if (timer->queue)
		send_timer_signal(timer->queue, (unsigned int)min(times, (u64)0x7fffffff),
				  timer->thread, timer->sig);
}

/* The CPU time that the timer goes by. tasklist_lock held. */
static u64 cpu_time(const struct posix_timer *timer)
{
	struct task_usage u;

	if (timer->measured)
		return task_cpu_ns(timer->measured);
	process_usage(timer->sig, &u);
	return u.utime_ns + u.stime_ns;
}

/* The first CPU timer of the process that is due, set anew; NULL: none. tasklist_lock held. */
static struct posix_timer *take_due(struct signal_struct *sig, u64 *times)
{
	struct posix_timer *timer;

	list_for_each_entry (timer, &sig->posix_timers, link) {
		u64 now;

		if (!timer->cpu_expires || (now = cpu_time(timer)) < timer->cpu_expires)
			continue;
		*times = timer->cpu_interval ? (now - timer->cpu_expires) / timer->cpu_interval + 1
					     : 1;
		timer->cpu_expires =
			timer->cpu_interval ? timer->cpu_expires + *times * timer->cpu_interval : 0;
		return timer;
	}
	return NULL;
}

void posix_cpu_tick(struct signal_struct *sig)
{
	struct posix_timer *timer;
	unsigned long flags;
	u64 times;

	for (;;) {
		spin_lock_irqsave(&tasklist_lock, flags);
		timer = take_due(sig, &times);
		spin_unlock_irqrestore(&tasklist_lock, flags);
		if (!timer)
			break;
		expired(&timer->timer, times);
	}
}

/* ---- Making and unmaking --------------------------------------------------------------------- */

static int check_clock(int clock)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_TAI:
	case CLOCK_PROCESS_CPUTIME_ID:
	case CLOCK_THREAD_CPUTIME_ID:
		return 0;
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_REALTIME_ALARM: /* no clock that wakes the machine */
	case CLOCK_BOOTTIME_ALARM:
		return -EOPNOTSUPP;
	default:
		return -EINVAL;
	}
}

/* A thread of this process with a reference, or NULL. */
static struct task_struct *get_own_thread(int tid)
{
	struct task_struct *t = tid > 0 ? get_task_by_pid(tid) : NULL;

	if (t && t->signal == current->signal)
		return t;
	if (t)
		put_task(t);
	return NULL;
}

/* Whom to tell and how. */
static int set_notification(struct posix_timer *timer, const struct sigevent *event)
{
	switch (event->notify) {
	case SIGEV_NONE:
		return 0;
	case SIGEV_THREAD_ID:
		timer->thread = get_own_thread(event->tid);
		if (!timer->thread)
			return -EINVAL;
		break;
	case SIGEV_SIGNAL:
	case SIGEV_THREAD:
		break;
	default:
		return -EINVAL;
	}
	if (event->signo < 1 || event->signo > NSIG)
		return -EINVAL;
	timer->queue = timer_queue_alloc();
	if (!timer->queue)
		return -EAGAIN;
	timer->queue->info.si_signo = event->signo;
	timer->queue->info.si_code = SI_TIMER;
	timer->queue->info.timer.value = event->value;
	return 0;
}

static void free_timer(struct posix_timer *timer)
{
	if (timer->queue)
		timer_queue_free(timer->queue);
	if (timer->thread)
		put_task(timer->thread);
	if (timer->measured)
		put_task(timer->measured);
	kfree(timer);
}

/* A timer that is not listed yet, or ERR_PTR. */
static struct posix_timer *new_timer(int clock, const struct sigevent *event)
{
	struct posix_timer *timer = kzalloc(sizeof(*timer), GFP_KERNEL);
	int error;

	if (!timer)
		return ERR_PTR(-EAGAIN);
	timer->sig = current->signal;
	clock_timer_init(&timer->timer, clock, expired);
	if (clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID)
		timer->cpu_clock = clock;
	if (clock == CLOCK_THREAD_CPUTIME_ID) {
		get_task(current);
		timer->measured = current;
	}
	error = set_notification(timer, event);
	if (error) {
		free_timer(timer);
		return ERR_PTR(error);
	}
	return timer;
}

/* timer_mutex held. */
static void list_timer(struct posix_timer *timer)
{
	unsigned long flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	list_add_tail(&timer->link, &timer->sig->posix_timers);
	timer->sig->nr_cpu_timers += timer->cpu_clock != 0;
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

/* timer_mutex held. */
static void delete_timer(struct posix_timer *timer)
{
	unsigned long flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	list_del(&timer->link);
	timer->sig->nr_cpu_timers -= timer->cpu_clock != 0;
	spin_unlock_irqrestore(&tasklist_lock, flags);
	clock_timer_stop(&timer->timer);
	free_timer(timer);
}

void posix_timers_stop(struct signal_struct *sig)
{
	mutex_lock(&sig->timer_mutex);
	while (!list_empty(&sig->posix_timers))
		delete_timer(list_first_entry(&sig->posix_timers, struct posix_timer, link));
	sig->next_timer_id = 0;
	mutex_unlock(&sig->timer_mutex);
}

/* The timer of that number with timer_mutex locked, or NULL. */
static struct posix_timer *lock_timer(unsigned long id)
{
	struct signal_struct *sig = current->signal;
	struct posix_timer *timer;

	mutex_lock(&sig->timer_mutex);
	list_for_each_entry (timer, &sig->posix_timers, link)
		if (timer->id == (int)id)
			return timer;
	mutex_unlock(&sig->timer_mutex);
	return NULL;
}

static void unlock_timer(struct posix_timer *timer)
{
	mutex_unlock(&timer->sig->timer_mutex);
}

/* ---- Setting and reading ------------------------------------------------------------------------
 */

static void get_cpu_locked(const struct posix_timer *timer, struct clock_timer_spec *out)
{
	u64 now = timer->cpu_expires ? cpu_time(timer) : 0;

	out->interval_ns = timer->cpu_interval;
	out->value_ns = !timer->cpu_expires	   ? 0
			: timer->cpu_expires > now ? timer->cpu_expires - now
						   : 1;
}

static void set_cpu(struct posix_timer *timer, const struct clock_timer_spec *new, bool absolute,
		    struct clock_timer_spec *old)
{
	unsigned long flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	get_cpu_locked(timer, old);
	timer->cpu_interval = new->interval_ns;
	timer->cpu_expires = new->value_ns;
	if (new->value_ns && !absolute)
		timer->cpu_expires += cpu_time(timer);
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

static void get_timer(struct posix_timer *timer, struct clock_timer_spec *out)
{
	unsigned long flags;

	if (!timer->cpu_clock) {
		clock_timer_get(&timer->timer, out);
		return;
	}
	spin_lock_irqsave(&tasklist_lock, flags);
	get_cpu_locked(timer, out);
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

/* ---- The calls
 * ------------------------------------------------------------------------------------ */

static long create(int clock, struct sigevent *event, bool given, unsigned long uid)
{
	struct signal_struct *sig = current->signal;
	struct posix_timer *timer;
	int error = check_clock(clock);

	if (error)
		return error;
	timer = new_timer(clock, event);
	if (IS_ERR(timer))
		return PTR_ERR(timer);
	mutex_lock(&sig->timer_mutex);
	timer->id = sig->next_timer_id++ & 0x7fffffff;
	if (timer->queue) {
		timer->queue->info.timer.tid = timer->id;
		if (!given)
			timer->queue->info.timer.value = (unsigned long)timer->id;
	}
	list_timer(timer);
	if (put_user(timer->id, uid)) {
		error = -EFAULT;
		delete_timer(timer);
	}
	mutex_unlock(&sig->timer_mutex);
	return error;
}

long sys_timer_create(unsigned long clock, unsigned long uevent, unsigned long uid)
{
	struct sigevent event = {.notify = SIGEV_SIGNAL, .signo = SIGALRM};

	if (uevent && copy_from_user(&event, uevent, sizeof(event)))
		return -EFAULT;
	return create((int)clock, &event, uevent != 0, uid);
}

long sys_timer_settime(unsigned long id, unsigned long flags, unsigned long unew,
		       unsigned long uold)
{
	bool absolute = flags & TIMER_ABSTIME;
	struct clock_timer_spec new, old;
	struct posix_timer *timer;
	int error;

	if (!unew)
		return -EINVAL;
	error = get_itimerspec(unew, &new);
	if (error)
		return error;
	timer = lock_timer(id);
	if (!timer)
		return -EINVAL;
	if (timer->cpu_clock)
		set_cpu(timer, &new, absolute, &old);
	else
		clock_timer_set(&timer->timer, &new, absolute, &old);
	unlock_timer(timer);
	return uold ? put_itimerspec(uold, &old) : 0;
}

long sys_timer_gettime(unsigned long id, unsigned long uvalue)
{
	struct posix_timer *timer = lock_timer(id);
	struct clock_timer_spec spec;

	if (!timer)
		return -EINVAL;
	get_timer(timer, &spec);
	unlock_timer(timer);
	return put_itimerspec(uvalue, &spec);
}

long sys_timer_getoverrun(unsigned long id)
{
	struct posix_timer *timer = lock_timer(id);
	long overrun;

	if (!timer)
		return -EINVAL;
	overrun = timer->queue ? READ_ONCE(timer->queue->last_overrun) : 0;
	unlock_timer(timer);
	return overrun;
}

long sys_timer_delete(unsigned long id)
{
	struct posix_timer *timer = lock_timer(id);
	struct signal_struct *sig = current->signal;

	if (!timer)
		return -EINVAL;
	delete_timer(timer);
	mutex_unlock(&sig->timer_mutex);
	return 0;
}
