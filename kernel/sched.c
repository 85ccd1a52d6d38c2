/* SPDX-License-Identifier: MIT */
/*
 * sched.c: the round-robin scheduler, sleeping and waking.
 *
 *	ready:  head -> t1 -> t2 -> ... -> tail		one queue for all CPUs
 *	cpu[n]: current, its idle task, what the last switch left to finish
 *
 * A task runs until it sleeps or its slice of SLICE_TICKS is used up, and goes to the
 * tail. Nothing is preempted in kernel mode: the tick only sets WORK_RESCHED, and the way
 * back to user mode (or port_cond_resched) calls schedule().
 *
 * Sleeping is by token (port.h): port_park() takes the task's token or sleeps until
 * port_unpark() gives it. `running` is true from the moment schedule() picks a task until
 * it picks another; a wake-up of a task that has declared itself asleep but still runs only
 * sets its state back, and schedule() then keeps it:
 *
 *	port_park (CPU 0)			port_unpark (CPU 1)
 *	lock; state = PARKED; unlock
 *						lock; PARKED: state = RUNNING;
 *						running: do not queue; unlock
 *	schedule(): lock; state RUNNING,
 *	    so back on the queue; unlock
 *
 * Locking: rq_lock, interrupts off, for the queue, the states and tokens. It is dropped
 * before the switch itself; `on_cpu` stays set until the task's registers are saved, and
 * who picks a task waits for that (never, on one CPU).
 * Invariants: (I1) a task is on the queue iff it is RUNNING and not `running`, and no idle
 * task ever is; (I2) an exited task is never on the queue.
 * Failure: none. Seen in: /proc/stat, /proc/loadavg.
 */
#include <pagoda/bug.h>
#include <pagoda/mm.h>
#include <pagoda/mmzone.h>
#include <pagoda/string.h>
#include <asm/ptrace.h>
#include <fs/user.h>
#include <kernel/sched.h>
#include <kernel/itimer.h>
#include <kernel/latency.h>
#include <kernel/process.h>

struct cpu_sched {
	struct task_struct *idle;
	struct task_struct *prev;     /* switched away from, to be finished with */
	struct mm_struct *dropped_mm; /* lent to a kernel thread, to be dropped */
	u64 user_ticks, system_ticks, idle_ticks;
};

static spinlock_t rq_lock = SPIN_LOCK_INIT(RANK_NONE);
static LIST_HEAD(ready);	  /* (Q) */
static unsigned int nr_ready;	  /* (Q) */
static u64 nr_switches;		  /* (Q) */
static unsigned long loadavg[3]; /* by CPU 0's tick, scaled by 2048 */
static struct cpu_sched cpu[NR_CPUS];

static struct task_struct idle_tasks[NR_CPUS];
static struct sighand_struct idle_sighand;
static struct signal_struct idle_signal;

static struct cpu_sched *this_cpu(void)
{
	return &cpu[port_cpu_id()];
}

/* ---- The queue ------------------------------------------------------------------------ */

static void enqueue(struct task_struct *t)
{
	list_add_tail(&t->rq_link, &ready);
	nr_ready++;
}

static struct task_struct *pick_next(void)
{
	struct task_struct *t;

	if (list_empty(&ready))
		return this_cpu()->idle;
	t = list_first_entry(&ready, struct task_struct, rq_link);
	list_del(&t->rq_link);
	nr_ready--;
	return t;
}

/* Make t RUNNING if it is in the given state. rq_lock held. */
static void wake_from(struct task_struct *t, enum task_state state)
{
	if (t->state != state)
		return;
	t->state = TASK_RUNNING;
	if (!t->running)
		enqueue(t);
}

/* ---- Switching ------------------------------------------------------------------------ */

/* What the switch to the current task left undone. Interrupts off. */
static void finish_switch(void)
{
	struct cpu_sched *c = this_cpu();
	struct task_struct *prev = c->prev;
	struct mm_struct *mm = c->dropped_mm;
	bool gone = prev->gone; /* once on_cpu is clear, prev may run elsewhere */

	c->prev = NULL;
	c->dropped_mm = NULL;
	__atomic_store_n(&prev->on_cpu, false, __ATOMIC_RELEASE);
	if (mm)
		mmdrop(mm);
	if (gone)
		put_task(prev);
}

static void switch_to(struct task_struct *prev, struct task_struct *next)
{
	u64 now = port_clock_ns();

	prev->vm.cpu_time_ns += now - prev->run_start_ns;
	next->run_start_ns = now;
	while (__atomic_load_n(&next->on_cpu, __ATOMIC_ACQUIRE))
		port_cpu_relax();
	next->on_cpu = true;
	this_cpu()->prev = prev;
	this_cpu()->dropped_mm = context_switch_mm(&prev->vm, &next->vm);
	machine_set_current(&next->vm);
	machine_switch(&prev->thread, &next->thread);
	finish_switch();
}

void schedule(void)
{
	struct task_struct *prev = current, *next;
	unsigned long flags;

	latency_point();
	spin_lock_irqsave(&rq_lock, flags);
	clear_work(prev, WORK_RESCHED);
	prev->running = false;
	if (prev->state == TASK_RUNNING && prev != this_cpu()->idle)
		enqueue(prev);
	next = pick_next();
	next->running = true;
	next->slice_ticks = SLICE_TICKS;
	if (next != prev) {
		nr_switches++;
		if (prev->state == TASK_RUNNING)
			prev->nivcsw++;
		else
			prev->nvcsw++;
	}
	spin_unlock(&rq_lock);
	if (next != prev)
		switch_to(prev, next);
	port_irq_restore(flags);
}

void schedule_tail(void)
{
	unsigned long flags = port_irq_save();

	finish_switch();
	port_irq_restore(flags);
}

void schedule_dead(void)
{
	current->gone = true;
	schedule();
	panic("a dead task runs");
}

/* ---- Sleeping and waking ------------------------------------------------------------ */

void port_park(u64 deadline_ns)
{
	struct task_struct *me = current;
	unsigned long flags;

	might_sleep();
	spin_lock_irqsave(&rq_lock, flags);
	if (!me->park_token)
		me->state = TASK_PARKED;
	spin_unlock_irqrestore(&rq_lock, flags);
	if (me->state == TASK_PARKED) {
		if (deadline_ns != UINT64_MAX)
			ktimer_start(&me->park_timer, deadline_ns);
		schedule();
		if (deadline_ns != UINT64_MAX)
			ktimer_cancel(&me->park_timer);
	}
	WRITE_ONCE(me->park_token, false);
}

void port_unpark(struct vm_task *task)
{
	struct task_struct *t = vm_to_task(task);
	unsigned long flags;

	spin_lock_irqsave(&rq_lock, flags);
	t->park_token = true;
	wake_from(t, TASK_PARKED);
	spin_unlock_irqrestore(&rq_lock, flags);
}

void park_timeout(struct ktimer *timer)
{
	port_unpark(&container_of(timer, struct task_struct, park_timer)->vm);
}

void port_yield(void)
{
	schedule();
}

void wake_up_new_task(struct task_struct *t)
{
	unsigned long flags;

	spin_lock_irqsave(&rq_lock, flags);
	t->state = TASK_RUNNING;
	enqueue(t);
	spin_unlock_irqrestore(&rq_lock, flags);
}

void stop_current(spinlock_t *siglock, unsigned long flags)
{
	unsigned long rq_flags;

	spin_lock_irqsave(&rq_lock, rq_flags);
	current->state = TASK_STOPPED;
	spin_unlock_irqrestore(&rq_lock, rq_flags);
	spin_unlock_irqrestore(siglock, flags);
	schedule();
}

void continue_task(struct task_struct *t)
{
	unsigned long flags;

	spin_lock_irqsave(&rq_lock, flags);
	wake_from(t, TASK_STOPPED);
	spin_unlock_irqrestore(&rq_lock, flags);
}

/* ---- Time ---------------------------------------------------------------------------- */

/* CPU time of t up to now. */
static u64 task_cpu_ns(struct task_struct *t)
{
	u64 total = READ_ONCE(t->vm.cpu_time_ns);

	if (READ_ONCE(t->running))
		total += port_clock_ns() - READ_ONCE(t->run_start_ns);
	return total;
}

/*
 * The clock knows how long a task ran, the ticks only roughly in which mode. When more ticks shift
 * the proportion, one of the two parts would become smaller than it was told before: then it stays,
 * and the other has the rest.
 */
void task_cpu_split(struct task_struct *t, u64 *utime_ns, u64 *stime_ns)
{
	u64 total = task_cpu_ns(t), ticks = t->user_ticks + t->system_ticks;
	u64 user = ticks ? total / ticks * t->user_ticks : total;

	lockdep_assert_held(&tasklist_lock);
	if (total > t->told_utime_ns + t->told_stime_ns) {
		t->told_stime_ns = max(total - user, t->told_stime_ns);
		user = total - t->told_stime_ns;
		if (user < t->told_utime_ns)
			t->told_stime_ns = total - t->told_utime_ns;
		else
			t->told_utime_ns = user;
	}
	*utime_ns = t->told_utime_ns;
	*stime_ns = t->told_stime_ns;
}

/* The usual exponential averages, every 5 s: load = load * e + n * (1 - e). */
static void update_loadavg(void)
{
	static const unsigned long decay[3] = { 1884, 2014, 2037 }; /* 2048 * exp(-5 s / 1, 5, 15 min) */
	static unsigned int ticks;
	unsigned long active;

	if (++ticks < 5 * HZ)
		return;
	ticks = 0;
	active = (nr_ready + (current != this_cpu()->idle)) * 2048ul;
	for (int i = 0; i < 3; i++)
		loadavg[i] = (loadavg[i] * decay[i] + active * (2048 - decay[i])) / 2048;
}

static void account_tick(struct task_struct *t, bool user)
{
	struct cpu_sched *c = this_cpu();

	if (t == c->idle) {
		c->idle_ticks++;
	} else if (user) {
		c->user_ticks++;
		t->user_ticks++;
	} else {
		c->system_ticks++;
		t->system_ticks++;
	}
}

void kernel_tick(struct pt_regs *regs)
{
	struct task_struct *t = current;
	bool user = user_mode(regs);

	account_tick(t, user);
	if (port_cpu_id() == 0) {
		update_loadavg();
		ktimers_run(port_clock_ns());
	}
	itimer_tick(t, user);
	if (--t->slice_ticks <= 0 && !list_empty(&ready))
		set_work(t, WORK_RESCHED);
}

void sched_system_info(struct fs_system_info *info)
{
	info->nr_cpus = port_nr_cpus();
	for (unsigned int i = 0; i < info->nr_cpus; i++) {
		info->cpu[i].user = cpu[i].user_ticks * TICK_NS;
		info->cpu[i].system = cpu[i].system_ticks * TICK_NS;
		info->cpu[i].idle = cpu[i].idle_ticks * TICK_NS;
	}
	info->context_switches = nr_switches;
	info->nr_running = READ_ONCE(nr_ready) + 1;
	memcpy(info->load_fixed, loadavg, sizeof(loadavg));
}

/* ---- Boot and idle -------------------------------------------------------------------- */

void sched_init(void)
{
	struct task_struct *idle = &idle_tasks[0];

	init_task_parts(idle);
	idle->vm.active_mm = &init_mm;
	idle->vm.flags = PF_KTHREAD;
	memcpy(idle->vm.comm, "swapper", 8);
	atomic_set(&idle->usage, 1);
	atomic_set(&idle_sighand.count, 1);
	spin_lock_init(&idle_sighand.siglock, RANK_NONE);
	idle->sighand = &idle_sighand;
	init_signal_parts(&idle_signal, idle);
	idle->fs.cred.ngroups = 0;
	idle->fs.user = get_user_struct(&root_user);
	idle->caps = (struct task_caps){ 0, CAP_FULL, CAP_FULL, CAP_FULL, 0, 0, false };
	caps_changed(idle);
	idle->parent = idle;
	idle->exit_signal = 0;
	idle->running = idle->on_cpu = true;
	cpu[0].idle = idle;
	machine_set_current(&idle->vm);
}

struct task_struct *idle_task(void)
{
	return cpu[0].idle;
}

void cpu_idle(void)
{
	for (;;) {
		unsigned long flags = port_irq_save();

		if (list_empty(&ready))
			machine_idle();
		else
			port_irq_restore(flags);
		schedule();
	}
}
