/* SPDX-License-Identifier: MIT */
/*
 * sched.c: the scheduler: fair shares by virtual runtime; sleeping and waking.
 *
 *	first, then ready (a tree)	tasks that wait for a CPU, in the order of their virtual runtime
 *	cpu[n]: current, its idle task, what the last switch left to finish
 *
 * A task's virtual runtime is the CPU time that it has had, plus an offset that only grows. The
 * ready task with the least goes next, and runs until it sleeps or its slice is used up. Between
 * tasks that only compute this is round robin: whoever ran is behind all others. `floor` is a lower
 * bound of the virtual runtimes of the tasks that run or are ready; it never falls. (The idea:
 * Stoica and Abdel-Wahab, "Earliest eligible virtual deadline first", 1995; Linux 2.6.23 to 6.5
 * placed sleepers in the same way.)
 *
 *	virtual runtime ->
 *	     <---- SLEEP_CREDIT ---- floor
 *	     |        queue keys of woken tasks      |
 *	                             | new task   hog 3   hog 1   hog 2
 *
 * A task that slept did not use its share meanwhile. When it wakes up, its virtual runtime is
 * raised to at least the floor, as it has no claim on the time before, and it is queued as if it
 * had had SLEEP_CREDIT less: so it goes before all that compute as long as it has not run ahead of
 * them by that much. One that has waits like the others. A new task begins where its parent is, or
 * at the floor, so a shell's short commands need not wait for a whole round. When a task ends, its
 * parent is charged for what it ran, up to a slice: so a family that forks children one after the
 * other moves on as one task would, however short a time each child lives. (The parent is charged
 * only up to CHARGE_LIMIT ahead of the floor, as it may have had many children at once and has to
 * go on, too.)
 *
 * A woken or new task that is behind the running one by WAKE_GRANULARITY preempts it at the end of
 * an interrupt; a woken one at once if an interrupt (a timer, a device) woke it. If the running
 * task woke it itself, it waits for the next tick: most wakers sleep soon, or have more to hand
 * over (a pipe), and each switch less is time for both.
 *
 * No starvation: the key of a queued task stays. Another task is before it only until it, or its
 * children one after the other, have run for SLEEP_CREDIT more than the distance from the floor to
 * that key, which is a slice at most, as whoever runs has the least key. So a hog beside w others
 * that sleep and wake waits at most w times (SLEEP_CREDIT + a slice), however they do it, and in
 * the long run all have the same.
 *
 * The slice is SLICE_TICKS, and less with many ready tasks, so that a round of all takes
 * ROUND_TICKS if it can. Nothing is preempted in kernel mode: the interrupt only sets WORK_RESCHED,
 * and the way back to user mode (or port_cond_resched) calls schedule(). port_yield() puts the
 * caller behind all that are ready.
 *
 * Cost: O(log n) of ready tasks; O(1) with at most one, which is kept outside of the tree.
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
 * task ever is; (I2) an exited task is never on the queue; (I3) no task of the tree is before
 * `first`, and the tree is empty if there is no `first`.
 * Failure: none. Seen in: /proc/stat, /proc/loadavg.
 */
#include <pagoda/bug.h>
#include <pagoda/mm.h>
#include <pagoda/mmzone.h>
#include <pagoda/string.h>
#include <asm/ptrace.h>
#include <fs/user.h>
#include <lib/rbtree.h>
#include <kernel/sched.h>
#include <kernel/deferred.h>
#include <kernel/latency.h>
#include <kernel/process.h>

/* A task that slept is placed before those that compute by a slice at most. */
#define SLEEP_CREDIT_NS	    (SLICE_TICKS * TICK_NS)
#define WAKE_GRANULARITY_NS (TICK_NS / 10)
#define CHARGE_LIMIT_NS	    (2 * SLICE_TICKS * TICK_NS)
#define ROUND_TICKS	    40 /* 0.4 s */

struct cpu_sched {
	struct task_struct *idle;
	struct task_struct *prev;     /* switched away from, to be finished with */
	struct mm_struct *dropped_mm; /* lent to a kernel thread, to be dropped */
	u64 user_ticks, system_ticks, idle_ticks;
};

static spinlock_t rq_lock = SPIN_LOCK_INIT(RANK_NONE);
static struct task_struct *first;      /* (Q) the ready task with the least virtual runtime */
static struct rb_root ready;	       /* (Q) the others, in the order of their virtual runtime */
static unsigned int nr_ready;	       /* (Q) of both */
static u64 floor_ns = SLEEP_CREDIT_NS; /* (Q) */
static u64 nr_switches;		       /* (Q) */
static unsigned long loadavg[3];       /* by CPU 0's tick, scaled by 2048 */
static struct cpu_sched cpu[NR_CPUS];

static struct task_struct idle_tasks[NR_CPUS];
static struct sighand_struct idle_sighand;
static struct signal_struct idle_signal;

static struct cpu_sched *this_cpu(void)
{
	return &cpu[port_cpu_id()];
}

/* ---- The queue ------------------------------------------------------------------------ */

static struct task_struct *task_of(struct rb_node *node)
{
	return node ? rb_entry(node, struct task_struct, rq_node) : NULL;
}

static void add_to_tree(struct task_struct *t)
{
	struct rb_node **link = &ready.node, *parent = NULL;

	lockdep_assert_held(&rq_lock);
	while (*link) {
		parent = *link;
		link = t->queue_key_ns < task_of(parent)->queue_key_ns ? &parent->left
								       : &parent->right;
	}
	rb_link_node(&t->rq_node, parent, link);
	rb_insert(&t->rq_node, &ready, NULL);
}

static noinline void enqueue_among_others(struct task_struct *t)
{
	VM_BUG_ON(nr_ready < 2);
	if (t->queue_key_ns < first->queue_key_ns) {
		add_to_tree(first);
		first = t;
	} else {
		add_to_tree(t);
	}
}

/* Queue t by its queue_key_ns, behind its equals. */
static __always_inline void enqueue(struct task_struct *t) MUST_HOLD(&rq_lock)
{
	VM_BUG_ON(t->state != TASK_RUNNING || t->running); /* (I1) */
	VM_BUG_ON(t == this_cpu()->idle || t->gone);
	lockdep_assert_held(&rq_lock);
	nr_ready++;
	if (unlikely(first))
		enqueue_among_others(t);
	else
		first = t;
}

static noinline struct task_struct *take_from_tree(void)
{
	struct task_struct *t = task_of(rb_first(&ready));

	lockdep_assert_held(&rq_lock);
	VM_BUG_ON(!t);
	rb_erase(&t->rq_node, &ready, NULL);
	return t;
}

/* Take the first ready task off the queue; NULL: there is none. */
static __always_inline struct task_struct *dequeue_first(void) MUST_HOLD(&rq_lock)
{
	struct task_struct *t = first;

	VM_BUG_ON(!t != !nr_ready);
	lockdep_assert_held(&rq_lock);
	if (!t)
		return NULL;
	first = --nr_ready ? take_from_tree() : NULL;
	floor_ns = max(floor_ns, t->queue_key_ns);
	return t;
}

/* The place behind all that are ready. */
static u64 last_key(void)
{
	struct task_struct *last = first && nr_ready > 1 ? task_of(rb_last(&ready)) : first;

	lockdep_assert_held(&rq_lock);
	return last ? last->queue_key_ns : floor_ns;
}

/* ---- Virtual runtime --------------------------------------------------------------------- */

/* The virtual runtime of a task when it last stopped running. */
static u64 vruntime(const struct task_struct *t)
{
	return t->vm.cpu_time_ns + t->vruntime_offset_ns;
}

/* Make the virtual runtime of a task that does not run at least ns, and say what it is now. */
static u64 raise_vruntime(struct task_struct *t, u64 ns)
{
	u64 now = vruntime(t);

	if (now >= ns)
		return now;
	t->vruntime_offset_ns += ns - now;
	return ns;
}

/* The virtual runtime of the task that runs here. */
static u64 current_vruntime(u64 now)
{
	return vruntime(current) + (now - current->run_start_ns);
}

/* The current task may run alone for long: the floor follows it. */
static void raise_floor(u64 now)
{
	u64 least = current_vruntime(now);

	if (current == this_cpu()->idle)
		return;
	if (first)
		least = min(least, first->queue_key_ns);
	floor_ns = max(floor_ns, least);
}

static int slice_ticks(void)
{
	if (likely(nr_ready < ROUND_TICKS / SLICE_TICKS))
		return SLICE_TICKS;
	return max(ROUND_TICKS / (int)nr_ready, 1);
}

/* Make t RUNNING if it is in the given state. rq_lock held. */
static __always_inline void wake_from(struct task_struct *t, enum task_state state)
	MUST_HOLD(&rq_lock)
{
	lockdep_assert_held(&rq_lock);
	if (t->state != state)
		return;
	t->state = TASK_RUNNING;
	if (t->running)
		return;
	t->queue_key_ns = raise_vruntime(t, floor_ns) - SLEEP_CREDIT_NS;
	t->woken = true;
	enqueue(t);
}

void preempt_for_woken(void)
{
	struct task_struct *me = current;

	if (likely(!first) || !first->woken || me == this_cpu()->idle)
		return;
	if (first->queue_key_ns + WAKE_GRANULARITY_NS < current_vruntime(port_clock_ns()))
		set_work(me, WORK_RESCHED);
}

/* ---- Switching ------------------------------------------------------------------------ */

/* What the switch to the current task left undone. Interrupts off. */
static void finish_switch(void)
{
	struct cpu_sched *c = this_cpu();
	struct task_struct *prev = c->prev;
	struct mm_struct *mm = c->dropped_mm;
	bool gone = prev->gone; /* once on_cpu is clear, prev may run elsewhere */

	lockdep_assert_irqs_disabled();
	VM_BUG_ON(!prev || prev == current || !prev->on_cpu);
	c->prev = NULL;
	c->dropped_mm = NULL;
	smp_store_release(&prev->on_cpu, false);
	if (mm)
		mmdrop(mm);
	if (gone)
		put_task(prev);
}

static void switch_to(struct task_struct *prev, struct task_struct *next)
{
	struct cpu_sched *c = this_cpu();

	lockdep_assert_irqs_disabled();
	VM_BUG_ON(prev == next || !next->running || next->gone);
	while (smp_load_acquire(&next->on_cpu))
		port_cpu_relax();
	next->on_cpu = true;
	c->prev = prev;
	c->dropped_mm = context_switch_mm(&prev->vm, &next->vm);
	machine_set_current(&next->vm);
	machine_switch(&prev->thread, &next->thread);
	finish_switch();
}

/*
 * The task that runs next. If prev can go on, it is queued, behind all that are ready if it yields.
 * rq_lock held.
 */
static __always_inline struct task_struct *choose_next(struct task_struct *prev) MUST_HOLD(&rq_lock)
{
	struct task_struct *next = dequeue_first();

	lockdep_assert_held(&rq_lock);
	if (prev->state == TASK_RUNNING && prev != this_cpu()->idle) {
		if (!next)
			return prev;
		prev->queue_key_ns = raise_vruntime(
			prev, prev->yields ? max(last_key(), next->queue_key_ns) : 0);
		enqueue(prev);
	}
	return next ? next : this_cpu()->idle;
}

/* schedule() with rq_lock held; flags: of its spin_lock_irqsave. It is dropped. */
static void schedule_locked(unsigned long flags) RELEASES(&rq_lock)
	NO_LOCK_ANALYSIS("the next task releases it")
{
	struct task_struct *prev = current, *next;
	u64 now = port_clock_ns();

	VM_BUG_ON(!prev->running || (prev->gone && prev->state < TASK_ZOMBIE));
	VM_BUG_ON(deferred_holds);
	lockdep_assert_held(&rq_lock);
	clear_work(prev, WORK_RESCHED);
	prev->vm.cpu_time_ns += now - prev->run_start_ns;
	prev->running = false;
	next = choose_next(prev);
	next->running = true;
	next->woken = false;
	next->slice_ticks = slice_ticks();
	next->run_start_ns = now;
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

void schedule(void)
{
	unsigned long flags;

	latency_point();
	spin_lock_irqsave(&rq_lock, flags);
	schedule_locked(flags);
}

void schedule_tail(void)
{
	unsigned long flags = port_irq_save();

	finish_switch();
	port_irq_restore(flags);
}

void schedule_dead(void)
{
	VM_BUG_ON(current->state < TASK_ZOMBIE);
	current->gone = true;
	schedule();
	panic("a dead task runs");
}

/* ---- Sleeping and waking ------------------------------------------------------------ */

/* Sleep, once the task has been declared PARKED, until the deadline at the latest. */
static void park_until(struct task_struct *me, u64 deadline_ns)
{
	VM_BUG_ON(me != current);
	ktimer_start(&me->park_timer, deadline_ns);
	schedule();
	ktimer_cancel(&me->park_timer);
}

void port_park(u64 deadline_ns)
{
	struct task_struct *me = current;
	unsigned long flags;

	might_sleep();
	latency_point();
	spin_lock_irqsave(&rq_lock, flags);
	if (me->park_token) {
		spin_unlock_irqrestore(&rq_lock, flags);
	} else if (deadline_ns == UINT64_MAX) {
		me->state = TASK_PARKED;
		schedule_locked(flags);
	} else {
		me->state = TASK_PARKED;
		spin_unlock_irqrestore(&rq_lock, flags);
		park_until(me, deadline_ns);
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
	current->yields = true;
	schedule();
	current->yields = false;
}

void wake_up_new_task(struct task_struct *t)
{
	unsigned long flags;

	spin_lock_irqsave(&rq_lock, flags);
	t->state = TASK_RUNNING;
	t->queue_key_ns = raise_vruntime(t, max(floor_ns, current_vruntime(port_clock_ns())));
	t->woken = true;
	enqueue(t);
	spin_unlock_irqrestore(&rq_lock, flags);
}

void sched_charge(struct task_struct *parent, const struct task_struct *ended)
{
	u64 ran = ended->vm.cpu_time_ns +
		  (ended == current ? port_clock_ns() - ended->run_start_ns : 0);
	unsigned long flags;
	u64 is, limit;

	lockdep_assert_held(&tasklist_lock);
	spin_lock_irqsave(&rq_lock, flags);
	is = vruntime(parent);
	limit = floor_ns + CHARGE_LIMIT_NS;
	if (is < limit)
		parent->vruntime_offset_ns += min(min(ran, SLEEP_CREDIT_NS), limit - is);
	spin_unlock_irqrestore(&rq_lock, flags);
}

void stop_current(spinlock_t *siglock) RELEASES(siglock)
{
	unsigned long flags;

	lockdep_assert_held(siglock);
	spin_lock_irqsave(&rq_lock, flags);
	current->state = TASK_STOPPED;
	spin_unlock_irqrestore(&rq_lock, flags);
	spin_unlock_deferring(siglock);
	schedule();
}

void continue_task(struct task_struct *t)
{
	unsigned long flags;

	VM_BUG_ON(!t->signal);
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
	u64 user_ticks = READ_ONCE(t->user_ticks); /* once: the tick may come in between */
	u64 total = task_cpu_ns(t), ticks = user_ticks + READ_ONCE(t->system_ticks);
	u64 user = ticks ? total / ticks * user_ticks : total;

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
	/* 2048 * exp(-5 s / 1, 5, 15 min) */
	static const unsigned long decay[3] = {1884, 2014, 2037};
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
	raise_floor(port_clock_ns());
	if (port_cpu_id() == 0)
		update_loadavg();
	raise_deferred(user ? DEFERRED_TICK | DEFERRED_USER_TICK : DEFERRED_TICK);
	if (--t->slice_ticks <= 0 && first)
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

struct vm_task *kernel_boot_task(void)
{
	struct vm_task *vm = &idle_tasks[0].vm;

	vm->active_mm = &init_mm;
	vm->flags = PF_KTHREAD;
	memcpy(vm->comm, "swapper", 8);
	INIT_LIST_HEAD(&vm->local_pages);
	return vm;
}

/* The boot context becomes a whole task: CPU 0's idle task. */
void sched_init(void)
{
	struct task_struct *idle = &idle_tasks[0];

	VM_BUG_ON(current != idle);
	init_task_parts(idle);
	atomic_set(&idle->usage, 1);
	atomic_set(&idle_sighand.count, 1);
	spin_lock_init(&idle_sighand.siglock, RANK_NONE);
	idle->sighand = &idle_sighand;
	init_signal_parts(&idle_signal, idle);
	idle->fs.cred.ngroups = 0;
	idle->fs.user = get_user_struct(&root_user);
	idle->caps = (struct task_caps){0, CAP_FULL, CAP_FULL, CAP_FULL, 0, 0, false};
	caps_changed(idle);
	idle->parent = idle;
	idle->exit_signal = 0;
	idle->running = idle->on_cpu = true;
	cpu[0].idle = idle;
}

struct task_struct *idle_task(void)
{
	return cpu[0].idle;
}

void cpu_idle(void)
{
	for (;;) {
		unsigned long flags = port_irq_save();

		if (!first)
			machine_idle();
		else
			port_irq_restore(flags);
		schedule();
	}
}
