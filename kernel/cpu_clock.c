/* SPDX-License-Identifier: MIT */
/*
 * cpu_clock.c: clocks that show the CPU time of a process or thread, timers on them, sleeping by
 * them.
 *
 *	id = ~number << 3 | 4 (a thread alone) | part		number 0: the caller itself
 *	part: 0 user and system time, 1 user time, 2 all, exactly
 *	CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID	the caller, part 2
 *
 * Anybody may read the clock of any process; those of threads are for their own process. A timer or
 * a sleeper on another's clock holds the struct pid, not the number, so that it never measures
 * another process that gets the same number later.
 *
 *	signal_struct.cpu_timers -> armed timers that measure this process or a thread of it
 *
 * Time passes on such a clock only while somebody runs, so the tick that meets the process looks
 * through its list (cpu_timers_tick), TIMERS_PER_TICK of them in turn; a timer expires up to a tick
 * late (more if there are more timers), never early. When the process goes, its list is emptied:
 * nobody is told, as in Linux.
 *
 * Locking: tasklist_lock for the lists and timers; fn is called under it. Failure: EINVAL, ESRCH.
 */
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <kernel/cpu_clock.h>
#include <kernel/process.h>
#include <kernel/sched.h>

#define CPU_PROF  0u
#define CPU_VIRT  1u
#define CPU_SCHED 2u

#define TIMERS_PER_TICK 64 /* looked at under tasklist_lock, without a scheduling point */

#define ID_PART	      3
#define ID_THREAD     4
#define ID_DEVICE     3 /* of the low three bits: the clock of an open device */
#define ID_NUMBER(id) (~((id) >> 3))

/* ---- Whose time ------------------------------------------------------------------------------ */

bool is_cpu_clock(int id)
{
	if (id < 0)
		return (id & (ID_THREAD | ID_PART)) != ID_DEVICE;
	return id == CLOCK_PROCESS_CPUTIME_ID || id == CLOCK_THREAD_CPUTIME_ID;
}

/* Give the two clocks with names, which are the caller's, their ids made of number 0. */
static int made_of_number(int id)
{
	if (id == CLOCK_PROCESS_CPUTIME_ID)
		return (int)(~0u << 3 | CPU_SCHED);
	if (id == CLOCK_THREAD_CPUTIME_ID)
		return (int)(~0u << 3 | ID_THREAD | CPU_SCHED);
	return id;
}

/*
 * The thread, or the leader of the process, or NULL. reading: a thread's number means its process.
 */
static struct task_struct *find_measured_locked(int id, bool reading) MUST_HOLD(&tasklist_lock)
{
	bool thread = id & ID_THREAD;
	struct task_struct *t;

	lockdep_assert_held(&tasklist_lock);
	if ((unsigned int)(id & ID_PART) > CPU_SCHED)
		return NULL;
	if (!ID_NUMBER(id))
		return thread ? current : current->signal->leader;
	t = find_task_locked(ID_NUMBER(id));
	if (!t)
		return NULL;
	if (thread)
		return t->signal == current->signal ? t : NULL;
	if (reading && t == current)
		return t->signal->leader;
	return thread_group_leader(t) ? t : NULL;
}

static u64 time_of_locked(struct task_struct *t, bool thread, unsigned int part)
{
	struct task_usage u;

	lockdep_assert_held(&tasklist_lock);
	if (thread)
		task_usage(t, &u);
	else
		process_usage(t->signal, &u);
	return u.utime_ns + (part == CPU_VIRT ? 0 : u.stime_ns);
}

int cpu_clock_read(int id, u64 *ns)
{
	struct task_struct *t;

	id = made_of_number(id);
	spin_lock_deferring(&tasklist_lock);
	t = find_measured_locked(id, true);
	if (t)
		*ns = time_of_locked(t, id & ID_THREAD, id & ID_PART);
	spin_unlock_deferring(&tasklist_lock);
	return t ? 0 : -EINVAL;
}

int cpu_clock_resolution(int id, u64 *ns)
{
	struct task_struct *t;

	id = made_of_number(id);
	spin_lock_deferring(&tasklist_lock);
	t = find_measured_locked(id, false);
	spin_unlock_deferring(&tasklist_lock);
	*ns = (id & ID_PART) == CPU_SCHED ? 1 : TICK_NS;
	return t ? 0 : -EINVAL;
}

/* ---- Timers ---------------------------------------------------------------------------------- */

int cpu_timer_init(struct cpu_timer *timer, int id, void (*fn)(struct cpu_timer *timer, u64 times))
{
	struct task_struct *t;

	id = made_of_number(id);
	*timer = (struct cpu_timer){.fn = fn};
	INIT_LIST_HEAD(&timer->link);
	timer->clock.thread = id & ID_THREAD;
	timer->clock.part = id & ID_PART;
	spin_lock_deferring(&tasklist_lock);
	t = find_measured_locked(id, false);
	if (t) {
		timer->clock.pid = t->pid_struct;
		timer->clock.pid->refs++;
	}
	spin_unlock_deferring(&tasklist_lock);
	return t ? 0 : -EINVAL;
}

static void disarm_locked(struct cpu_timer *timer)
{
	lockdep_assert_held(&tasklist_lock);
	list_del_init(&timer->link);
	timer->expires_ns = 0;
}

/* If the timer is due, call fn and set it to its next time. False: not due. */
static bool expire_locked(struct cpu_timer *timer, u64 now)
{
	u64 times = 1;

	lockdep_assert_held(&tasklist_lock);
	if (!timer->expires_ns || now < timer->expires_ns)
		return false;
	if (timer->interval_ns) {
		times += (now - timer->expires_ns) / timer->interval_ns;
		timer->expires_ns += times * timer->interval_ns;
	} else {
		disarm_locked(timer);
	}
	timer->fn(timer, times);
	return true;
}

static void get_locked(const struct cpu_timer *timer, u64 now, struct clock_timer_spec *out)
{
	lockdep_assert_held(&tasklist_lock);
	out->interval_ns = timer->interval_ns;
	out->value_ns = !timer->expires_ns	  ? 0
			: timer->expires_ns > now ? timer->expires_ns - now
						  : 1;
}

static void set_locked(struct cpu_timer *timer, struct task_struct *t,
		       const struct clock_timer_spec *new, bool absolute, u64 now)
{
	u64 start = absolute ? 0 : now;

	lockdep_assert_held(&tasklist_lock);
	VM_BUG_ON(!t->signal || !timer->fn);
	disarm_locked(timer);
	timer->interval_ns = new->interval_ns;
	if (!new->value_ns)
		return;
	timer->expires_ns = new->value_ns > UINT64_MAX - start ? UINT64_MAX : start + new->value_ns;
	list_add_tail(&timer->link, &t->signal->cpu_timers);
	(void)expire_locked(timer, now); /* mostly it is not due yet */
}

int cpu_timer_set(struct cpu_timer *timer, const struct clock_timer_spec *new, bool absolute,
		  struct clock_timer_spec *old)
{
	struct task_struct *t;
	u64 now;

	spin_lock_deferring(&tasklist_lock);
	t = timer->clock.pid->task;
	if (t) {
		now = time_of_locked(t, timer->clock.thread, timer->clock.part);
		get_locked(timer, now, old);
		set_locked(timer, t, new, absolute, now);
	}
	spin_unlock_deferring(&tasklist_lock);
	return t ? 0 : -ESRCH;
}

void cpu_timer_get(struct cpu_timer *timer, struct clock_timer_spec *out)
{
	struct task_struct *t;

	*out = (struct clock_timer_spec){0, 0};
	spin_lock_deferring(&tasklist_lock);
	t = timer->clock.pid->task;
	if (t)
		get_locked(timer, time_of_locked(t, timer->clock.thread, timer->clock.part), out);
	spin_unlock_deferring(&tasklist_lock);
}

void cpu_timer_destroy(struct cpu_timer *timer)
{
	spin_lock_deferring(&tasklist_lock);
	disarm_locked(timer);
	spin_unlock_deferring(&tasklist_lock);
	put_pid_ref(timer->clock.pid);
}

/* Look at one timer of a process; usage: what the process has used up to now. */
static void check_timer_locked(struct cpu_timer *timer, const struct task_usage *process)
{
	struct task_struct *t = timer->clock.pid->task;
	u64 now;

	lockdep_assert_held(&tasklist_lock);
	VM_BUG_ON(list_empty(&timer->link));
	if (!t) { /* a thread that has ended */
		disarm_locked(timer);
		return;
	}
	if (timer->clock.thread)
		now = time_of_locked(t, true, timer->clock.part);
	else
		now = process->utime_ns + (timer->clock.part == CPU_VIRT ? 0 : process->stime_ns);
	(void)expire_locked(timer, now); /* mostly it is not due yet */
}

void cpu_timers_tick(struct signal_struct *sig)
{
	struct cpu_timer *timer, *first = NULL;
	struct task_usage process;

	spin_lock_deferring(&tasklist_lock);
	process_usage(sig, &process);
	for (int n = 0; n < TIMERS_PER_TICK && !list_empty(&sig->cpu_timers); n++) {
		timer = list_first_entry(&sig->cpu_timers, struct cpu_timer, link);
		if (timer == first)
			break; /* once round */
		first = first ? first : timer;
		list_move_tail(&timer->link, &sig->cpu_timers);
		check_timer_locked(timer, &process);
		if (!timer->expires_ns && timer == first)
			first = NULL;
	}
	spin_unlock_deferring(&tasklist_lock);
}

void cpu_timers_forget_locked(struct signal_struct *sig)
{
	struct cpu_timer *timer, *tmp;

	lockdep_assert_held(&tasklist_lock);
	list_for_each_entry_safe(timer, tmp, &sig->cpu_timers, link)
		disarm_locked(timer);
}

/* ---- Sleeping -------------------------------------------------------------------------------- */

struct cpu_sleep {
	struct cpu_timer timer;
	struct task_struct *sleeper;
	bool over; /* (T) to write */
};

static void wake_sleeper(struct cpu_timer *timer, u64 times)
{
	struct cpu_sleep *sleep = container_of(timer, struct cpu_sleep, timer);

	(void)times;
	WRITE_ONCE(sleep->over, true);
	port_unpark(&sleep->sleeper->vm);
}

/* Sleep until the armed timer expires: 0, or -EINTR with what is left. */
static int wait_for_timer(struct cpu_sleep *sleep, u64 *left_ns)
{
	struct clock_timer_spec left;

	while (!READ_ONCE(sleep->over)) {
		if (signal_pending()) {
			cpu_timer_get(&sleep->timer, &left);
			*left_ns = left.value_ns;
			return READ_ONCE(sleep->over) ? 0 : -EINTR;
		}
		port_park(UINT64_MAX);
	}
	return 0;
}

/* One sleep. 0, -EINTR with *left_ns and *expires_ns (a time on the clock), -EINVAL. */
static int sleep_once(int id, u64 ns, bool absolute, u64 *left_ns, u64 *expires_ns)
{
	struct cpu_sleep sleep = {.sleeper = current};
	struct clock_timer_spec spec = {0, ns}, old;
	int error = cpu_timer_init(&sleep.timer, id, wake_sleeper);

	if (error)
		return error;
	error = ns ? cpu_timer_set(&sleep.timer, &spec, absolute, &old) : 0;
	*expires_ns = READ_ONCE(sleep.timer.expires_ns);
	if (ns && !error)
		error = wait_for_timer(&sleep, left_ns);
	cpu_timer_destroy(&sleep.timer);
	return error;
}

/* After a signal without a handler: until the time that was set first. */
static long continue_cpu_sleep(struct fs_restart *restart)
{
	u64 left_ns, expires_ns;
	int error =
		sleep_once((int)restart->arg[1], restart->deadline_ns, true, &left_ns, &expires_ns);

	if (error != -EINTR)
		return error;
	if (restart->arg[0] && put_timespec_ns(restart->arg[0], left_ns))
		return -EFAULT;
	return -ERESTART_RESTARTBLOCK;
}

/* A thread cannot wait for its own time to pass. */
static bool is_own_thread(int id)
{
	return (id & ID_THREAD) && (!ID_NUMBER(id) || ID_NUMBER(id) == current->vm.pid);
}

long cpu_clock_sleep(int id, u64 ns, bool absolute, unsigned long urem)
{
	struct fs_restart *restart = &current->fs.restart;
	u64 left_ns, expires_ns;
	int error;

	id = made_of_number(id);
	if (is_own_thread(id))
		return -EINVAL;
	error = sleep_once(id, ns, absolute, &left_ns, &expires_ns);
	if (error != -EINTR)
		return error;
	if (absolute)
		return -ERESTARTNOHAND;
	restart->fn = continue_cpu_sleep;
	restart->deadline_ns = expires_ns;
	restart->arg[0] = urem;
	restart->arg[1] = (unsigned long)id;
	if (urem && put_timespec_ns(urem, left_ns))
		return -EFAULT;
	return -ERESTART_RESTARTBLOCK;
}
