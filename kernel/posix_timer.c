/* SPDX-License-Identifier: MIT */
/*
 * posix_timer.c: timers of a process that send signals: timer_create and its kin.
 *
 *	clocks of time		a clock_timer (clock_timer.c)
 *	clocks of CPU time	a cpu_timer (cpu_clock.c): of this process, a thread of it, any process
 *
 * Each has a queue entry for its signal from the start (sigqueue.c), so expiring cannot fail; what
 * expires while the signal is pending is an overrun, told with the signal and by timer_getoverrun.
 * A periodic timer rests while its signal is pending, and a silent one (SIGEV_NONE) until somebody
 * looks: what they missed is counted then. Numbers are given out upwards and per process; a tree
 * finds a timer by its number. Timers are not inherited by fork and end with execve.
 *
 * Locking: sig->timer_mutex for the tree and the calls (sleeps, outermost). Failure: EAGAIN (no
 * memory, RLIMIT_SIGPENDING), EINVAL, EOPNOTSUPP, EPERM, EFAULT; ESRCH when whom a clock measures
 * has gone.
 */
#include <pagoda/bug.h>
#include <pagoda/slab.h>
#include <pagoda/uaccess.h>
#include <kernel/clock_timer.h>
#include <kernel/cpu_clock.h>
#include <kernel/posix_timer.h>
#include <kernel/process.h>
#include <kernel/sched.h>
#include <kernel/signal_internal.h>
#include <kernel/syscalls.h>

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
	struct rb_node node; /* in sig->posix_timers, by id */
	struct signal_struct *sig;
	int id;
	/* also of SIGEV_NONE, so that RLIMIT_SIGPENDING counts all timers */
	struct sigqueue *queue;
	bool silent;		    /* SIGEV_NONE */
	struct task_struct *thread; /* SIGEV_THREAD_ID: who gets the signal; a reference, or NULL */
	bool on_cpu_time;	    /* cpu is in use, else timer */
	union {
		struct clock_timer timer;
		struct cpu_timer cpu;
	};
};

/* ---- Expiring -------------------------------------------------------------------------------- */

static unsigned int expirations(u64 times)
{
	return (unsigned int)min(times, (u64)0x7fffffff);
}

static bool expired(struct clock_timer *ct, u64 times)
{
	struct posix_timer *timer = container_of(ct, struct posix_timer, timer);

	return !timer->silent &&
	       !send_timer_signal(timer->queue, expirations(times), timer->thread, timer->sig);
}

/*
 * The timer's signal is being taken: the overruns since it became pending, and the timer goes on.
 */
static unsigned int missed(void *timer)
{
	return expirations(clock_timer_missed(&((struct posix_timer *)timer)->timer));
}

static void cpu_expired(struct cpu_timer *ct, u64 times)
{
	struct posix_timer *timer = container_of(ct, struct posix_timer, cpu);

	if (!timer->silent)
		(void)send_timer_signal_listed(timer->queue, expirations(times), timer->thread,
					       timer->sig);
}

/* ---- Making and unmaking --------------------------------------------------------------------- */

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
		timer->silent = true;
		break;
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
	if (!timer->silent && (event->signo < 1 || event->signo > NSIG))
		return -EINVAL;
	timer->queue->info.si_signo = event->signo;
	timer->queue->info.si_code = SI_TIMER;
	timer->queue->info.timer.value = event->value;
	return 0;
}

/* Set up the clock that the timer goes by, not armed. 0, -EPERM, -EINVAL. */
static int start_clock(struct posix_timer *timer, int clock)
{
	timer->on_cpu_time = is_cpu_clock(clock);
	if (timer->on_cpu_time)
		return cpu_timer_init(&timer->cpu, clock, cpu_expired);
	if ((clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM) &&
	    !capable(CAP_WAKE_ALARM))
		return -EPERM;
	clock_timer_init(&timer->timer, clock, expired);
	timer->queue->missed = missed;
	timer->queue->owner = timer;
	return 0;
}

static void stop_clock(struct posix_timer *timer)
{
	if (timer->on_cpu_time)
		cpu_timer_destroy(&timer->cpu);
	else
		clock_timer_stop(&timer->timer);
}

static void free_timer(struct posix_timer *timer)
{
	if (timer->queue)
		timer_queue_free(timer->queue);
	if (timer->thread)
		put_task(timer->thread);
	kfree(timer);
}

/* A timer without a clock that is not in the tree yet, or ERR_PTR. */
static struct posix_timer *new_timer(const struct sigevent *event)
{
	struct posix_timer *timer = kzalloc(sizeof(*timer), GFP_KERNEL);
	int error;

	if (!timer)
		return ERR_PTR(-EAGAIN);
	timer->sig = current->signal;
	timer->queue = timer_queue_alloc();
	error = timer->queue ? set_notification(timer, event) : -EAGAIN;
	if (error) {
		free_timer(timer);
		return ERR_PTR(error);
	}
	return timer;
}

static void delete_timer(struct posix_timer *timer)
{
	lockdep_assert_held(&timer->sig->timer_mutex);
	rb_erase(&timer->node, &timer->sig->posix_timers, NULL);
	stop_clock(timer);
	free_timer(timer);
}

void posix_timers_stop(struct signal_struct *sig)
{
	struct rb_node *first;

	mutex_lock(&sig->timer_mutex);
	while ((first = rb_first(&sig->posix_timers)))
		delete_timer(rb_entry(first, struct posix_timer, node));
	sig->next_timer_id = 0;
	mutex_unlock(&sig->timer_mutex);
}

/* Where the timer of that number hangs in the tree, or would; *parent: the node above. */
static struct rb_node **timer_place(struct signal_struct *sig, int id, struct rb_node **parent)
	MUST_HOLD(&sig->timer_mutex)
{
	struct rb_node **link = &sig->posix_timers.node;

	lockdep_assert_held(&sig->timer_mutex);
	*parent = NULL;
	while (*link) {
		int here = rb_entry(*link, struct posix_timer, node)->id;

		if (id == here)
			break;
		*parent = *link;
		link = id < here ? &(*link)->left : &(*link)->right;
	}
	return link;
}

static struct posix_timer *find_timer(struct signal_struct *sig, int id)
	MUST_HOLD(&sig->timer_mutex)
{
	struct rb_node *parent, *found = *timer_place(sig, id, &parent);

	return found ? rb_entry(found, struct posix_timer, node) : NULL;
}

static void insert_timer(struct posix_timer *timer) MUST_HOLD(&timer->sig->timer_mutex)
{
	struct rb_node *parent, **link = timer_place(timer->sig, timer->id, &parent);

	BUG_ON(*link); /* number_timer() gives out free numbers */
	rb_link_node(&timer->node, parent, link);
	rb_insert(&timer->node, &timer->sig->posix_timers, NULL);
}

/* The timer of that number with timer_mutex locked, or NULL. */
static struct posix_timer *lock_timer(unsigned long id)
	NO_LOCK_ANALYSIS("locked only if the timer exists")
{
	struct signal_struct *sig = current->signal;
	struct posix_timer *timer;

	mutex_lock(&sig->timer_mutex);
	timer = find_timer(sig, (int)id);
	if (!timer)
		mutex_unlock(&sig->timer_mutex);
	return timer;
}

static void unlock_timer(struct posix_timer *timer) NO_LOCK_ANALYSIS("lock_timer() took it")
{
	mutex_unlock(&timer->sig->timer_mutex);
}

/* ---- The calls ------------------------------------------------------------------------------- */

/*
 * Give the timer a number, write it to uid, and only then set up the clock, as Linux does. 0 or
 * -errno.
 */
static int number_timer(struct posix_timer *timer, int clock, bool given, unsigned long uid)
	MUST_HOLD(&timer->sig->timer_mutex)
{
	lockdep_assert_held(&timer->sig->timer_mutex);
	do
		timer->id = timer->sig->next_timer_id++ & 0x7fffffff;
	while (find_timer(timer->sig, timer->id));
	timer->queue->info.timer.tid = timer->id;
	if (!given)
		timer->queue->info.timer.value = (unsigned long)timer->id;
	return put_user(timer->id, uid) ? -EFAULT : start_clock(timer, clock);
}

static long create(int clock, struct sigevent *event, bool given, unsigned long uid)
	NO_LOCK_ANALYSIS("sig is timer->sig")
{
	struct signal_struct *sig = current->signal;
	struct posix_timer *timer;
	/* rights, and the process of a CPU clock, come last (start_clock) */
	int error = check_waiting_clock(clock);

	if (error)
		return error;
	timer = new_timer(event);
	if (IS_ERR(timer))
		return PTR_ERR(timer);
	mutex_lock(&sig->timer_mutex);
	error = number_timer(timer, clock, given, uid);
	if (error)
		free_timer(timer);
	else
		insert_timer(timer);
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
	if (timer->on_cpu_time)
		error = cpu_timer_set(&timer->cpu, &new, absolute, &old);
	else
		clock_timer_set(&timer->timer, &new, absolute, &old);
	unlock_timer(timer);
	return uold && !error ? put_itimerspec(uold, &old) : error;
}

long sys_timer_gettime(unsigned long id, unsigned long uvalue)
{
	struct posix_timer *timer = lock_timer(id);
	struct clock_timer_spec spec;

	if (!timer)
		return -EINVAL;
	if (timer->on_cpu_time)
		cpu_timer_get(&timer->cpu, &spec);
	else
		clock_timer_get(&timer->timer, &spec);
	unlock_timer(timer);
	return put_itimerspec(uvalue, &spec);
}

long sys_timer_getoverrun(unsigned long id)
{
	struct posix_timer *timer = lock_timer(id);
	long overrun;

	if (!timer)
		return -EINVAL;
	overrun = READ_ONCE(timer->queue->last_overrun);
	unlock_timer(timer);
	return overrun;
}

long sys_timer_delete(unsigned long id) NO_LOCK_ANALYSIS("lock_timer() takes it")
{
	struct posix_timer *timer = lock_timer(id);
	struct signal_struct *sig = current->signal;

	if (!timer)
		return -EINVAL;
	delete_timer(timer);
	mutex_unlock(&sig->timer_mutex);
	return 0;
}
