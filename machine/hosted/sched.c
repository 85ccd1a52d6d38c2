/* SPDX-License-Identifier: MIT */
/*
 * sched.c: simulated CPUs, the host threads that hold them, and interrupts between CPUs.
 *
 * A task is a host thread. It runs only while it holds a CPU, and gives the CPU up when it
 * parks, yields, ends, or leaves the simulation to block on the host:
 *
 *	            assigned                  gives up
 *	  READY ----------------> RUNNING ----------------> PARKED / OUTSIDE / DEAD
 *	    ^                        |  yields                  |
 *	    +------------------------+--------------------------+ unpark, time-out, enter
 *
 * A READY task is assigned an idle CPU at once, or waits in ready_list. So there is never
 * an idle CPU beside a READY task allowed on it (I1). A patient task (hosted_let_others_run())
 * waits in patient_list, and gets the CPU only when it would be idle otherwise.
 *
 * Address spaces. Switches between tasks are the core's: context_switch_mm() is called on
 * every one, by the outgoing thread while it still holds the CPU, or, if the CPU was idle,
 * by the incoming one. An idle CPU stands on its idle task, a kernel thread that borrows
 * the tables of the task before it, so lazy TLBs are real.
 *
 * Interrupts between CPUs are taken at poll points: when interrupts come on again, in
 * port_cpu_relax(), before every user access, and when a CPU is given up. A CPU that is
 * idle has no thread to poll; the sender borrows it (nobody can be assigned it meanwhile)
 * and runs the function there itself, with port_cpu_id() and port_current() answering for
 * that CPU. A posted call is never lost: posting and becoming idle both happen under
 * sched_lock, and a CPU becomes idle only with nothing pending (I2).
 *
 * Deterministic mode. One thread at a time has the baton; the others wait though they hold
 * CPUs. hosted_step() is called at locks, spins, user accesses and interrupt points: it
 * advances a virtual clock and hands the baton to the holder of a CPU drawn from the seed.
 * When nobody holds a CPU, time jumps to the next deadline of a parked task; if there is
 * none that is a deadlock, which ends the test.
 *
 * A host fork() (expected panics) copies the calling thread alone: there all other tasks
 * are dead and their CPUs idle.
 *
 * Locks: sched_lock, the host's mutex, covers everything marked (L) and is never held while
 * core code runs. It is taken under the core's spinlocks (port_unpark), never around them.
 */
#include "hosted_internal.h"

#include <pagoda/mm.h>

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_SECOND	 1000000000ull
#define STEP_NS		 1000ull /* virtual time between two steps */
#define USER_SLICE_TICKS 256	 /* user accesses before a waiting task gets the CPU */

struct hosted_cpu hosted_cpus[NR_CPUS];
pthread_mutex_t sched_lock = PTHREAD_MUTEX_INITIALIZER;
LIST_HEAD(hosted_tasks);
static LIST_HEAD(ready_list);	/* (L) */
static LIST_HEAD(patient_list); /* (L) */
static unsigned int nr_cpus_up = 1;
static int next_pid = 2;      /* (L); 1 would be init, which the core treats with care */
static unsigned int nr_ready; /* (L), read without: a hint */

__thread struct hosted_cpu_front *hosted_this_cpu;
__thread unsigned int hosted_cpu_nr;
__thread struct vm_task *hosted_this_task;
static __thread struct hosted_task *me;

bool hosted_deterministic;
u64 hosted_virtual_ns;
static struct hosted_task *baton; /* (L) deterministic mode: who runs */
static u64 rng_state;		  /* (L) */

static void set_this_cpu(struct hosted_cpu_front *front)
{
	hosted_this_cpu = front;
	hosted_cpu_nr = front ? front->id : 0;
}

/* ---- The baton ----------------------------------------------------------------------- */

/* xorshift64*: small, and the same everywhere. */
static u64 next_random(void)
{
	rng_state ^= rng_state >> 12;
	rng_state ^= rng_state << 25;
	rng_state ^= rng_state >> 27;
	return rng_state * 0x2545F4914F6CDD1Dull;
}

void hosted_reseed(u64 seed)
{
	rng_state = seed * 2 + 1; /* never 0, which xorshift does not leave */
	next_random();
}

static void make_ready(struct hosted_task *task);

static struct hosted_task *draw_holder(void)
{
	struct hosted_task *holder[NR_CPUS];
	unsigned int n = 0;

	for (unsigned int i = 0; i < nr_cpus_up; i++)
		if (hosted_cpus[i].owner)
			holder[n++] = hosted_cpus[i].owner;
	return n ? holder[next_random() % n] : NULL;
}

static void wake_expired(void)
{
	struct hosted_task *task;

	list_for_each_entry(task, &hosted_tasks, all)
		if (task->state == TASK_PARKED && task->deadline <= hosted_virtual_ns)
			make_ready(task);
}

/* Nobody runs: let the virtual time pass until somebody does. False if nobody ever will. */
static bool sleep_until_deadline(void)
{
	u64 earliest = UINT64_MAX;
	struct hosted_task *task;

	list_for_each_entry(task, &hosted_tasks, all)
		if (task->state == TASK_PARKED)
			earliest = min(earliest, task->deadline);
	if (earliest == UINT64_MAX)
		return false;
	__atomic_store_n(&hosted_virtual_ns, max(earliest, hosted_virtual_ns), __ATOMIC_RELAXED);
	wake_expired();
	return true;
}

static bool somebody_outside(void)
{
	struct hosted_task *task;

	list_for_each_entry(task, &hosted_tasks, all)
		if (task->state == TASK_OUTSIDE)
			return true;
	return false;
}

/* sched_lock held; the caller has the baton, or nobody has. */
static void pass_baton(void)
{
	struct hosted_task *next;

	if (!hosted_deterministic)
		return;
	while (!(next = draw_holder()))
		if (!sleep_until_deadline()) {
			baton = NULL;
			if (!somebody_outside())
				hosted_fatal("hosted: deadlock: every task is parked for good");
			return;
		}
	baton = next;
	if (next != me)
		pthread_cond_signal(&next->wake);
}

static bool may_run(const struct hosted_task *task)
{
	return task->state == TASK_RUNNING && (!hosted_deterministic || baton == task);
}

void hosted_step(void)
{
	if (!me)
		return;
	pthread_mutex_lock(&sched_lock);
	__atomic_store_n(&hosted_virtual_ns, hosted_virtual_ns + STEP_NS, __ATOMIC_RELAXED);
	wake_expired();
	pass_baton();
	while (!may_run(me))
		pthread_cond_wait(&me->wake, &sched_lock);
	pthread_mutex_unlock(&sched_lock);
}

/* ---- Assigning CPUs (sched_lock held) ---------------------------------------------------- */

static bool is_idle(const struct hosted_cpu *cpu)
{
	return !cpu->owner && !cpu->borrowed;
}

bool hosted_cpu_is_idle(unsigned int cpu)
{
	bool idle;

	pthread_mutex_lock(&sched_lock);
	idle = is_idle(&hosted_cpus[cpu]);
	pthread_mutex_unlock(&sched_lock);
	return idle;
}

static bool may_use(const struct hosted_task *task, const struct hosted_cpu *cpu)
{
	return task->allowed >> cpu->front.id & 1;
}

static void assign(struct hosted_cpu *cpu, struct hosted_task *task, bool from_idle)
{
	cpu->owner = task;
	task->cpu = cpu;
	task->state = TASK_RUNNING;
	task->from_idle = from_idle;
	pthread_cond_signal(&task->wake);
	if (hosted_deterministic && !baton)
		baton = task;
}

static void make_ready(struct hosted_task *task)
{
	task->state = TASK_READY;
	for (unsigned int i = 0; i < nr_cpus_up; i++) {
		struct hosted_cpu *cpu = &hosted_cpus[i];

		if (is_idle(cpu) && may_use(task, cpu)) {
			assign(cpu, task, true);
			return;
		}
	}
	list_add_tail(&task->ready, task->patient ? &patient_list : &ready_list);
	if (!task->patient)
		__atomic_fetch_add(&nr_ready, 1, __ATOMIC_RELAXED);
}

/* The longest waiting task of a list that may use the CPU, or NULL. */
static struct hosted_task *find_in(const struct list_head *list, const struct hosted_cpu *cpu)
{
	struct hosted_task *task;

	list_for_each_entry(task, list, ready)
		if (may_use(task, cpu))
			return task;
	return NULL;
}

static struct hosted_task *find_ready(const struct hosted_cpu *cpu)
{
	return find_in(&ready_list, cpu);
}

static struct hosted_task *take_ready(const struct hosted_cpu *cpu)
{
	struct hosted_task *task = find_ready(cpu);

	if (task)
		__atomic_fetch_sub(&nr_ready, 1, __ATOMIC_RELAXED);
	else
		task = find_in(&patient_list, cpu);
	if (task)
		list_del(&task->ready);
	return task;
}

/* ---- Interrupts between CPUs --------------------------------------------------------------- */

static bool has_ipis(const struct hosted_cpu *cpu)
{
	return __atomic_load_n(&cpu->front.ipi_pending, __ATOMIC_RELAXED);
}

/* Run what others posted to this CPU, interrupts off. */
static void run_ipis(void)
{
	struct hosted_cpu *cpu = this_cpu();
	bool irqs_on = cpu->front.irqs_on;
	unsigned long senders = __atomic_exchange_n(&cpu->front.ipi_pending, 0, __ATOMIC_ACQUIRE);

	if (senders)
		__atomic_fetch_sub(&hosted_watch, 1, __ATOMIC_RELAXED);
	cpu->front.irqs_on = false;
	lock_debug_interrupt(true);
	for (unsigned int i = 0; i < NR_CPUS; i++) {
		struct ipi_call *call;

		if (!(senders >> i & 1))
			continue;
		call = cpu->ipi[i];
		call->fn(call->arg);
		__atomic_sub_fetch(&call->left, 1, __ATOMIC_RELEASE);
	}
	lock_debug_interrupt(false);
	cpu->front.irqs_on = irqs_on;
}

void hosted_take_ipis(void)
{
	run_ipis();
	if (hosted_deterministic)
		hosted_step();
}

void hosted_relax(void)
{
	hosted_poll();
	if (hosted_deterministic)
		hosted_step();
	else
		sched_yield();
}

/* Become the idle task of a borrowed CPU for the time of fn. */
void run_on_idle_cpu(struct hosted_cpu *cpu, void (*fn)(void *arg), void *arg)
{
	struct hosted_cpu_front *own_cpu = hosted_this_cpu;
	struct vm_task *own_task = hosted_this_task;
	struct hosted_task *waiting;

	set_this_cpu(&cpu->front);
	hosted_this_task = &cpu->idle;
	cpu->front.irqs_on = false;
	fn(arg);
	for (;;) {
		while (has_ipis(cpu))
			run_ipis();
		pthread_mutex_lock(&sched_lock);
		if (!has_ipis(cpu))
			break;
		pthread_mutex_unlock(&sched_lock);
	}
	cpu->front.irqs_on = true;
	cpu->borrowed = false;
	waiting = take_ready(cpu);
	if (waiting)
		assign(cpu, waiting, true);
	pthread_mutex_unlock(&sched_lock);
	set_this_cpu(own_cpu);
	hosted_this_task = own_task;
}

/*
 * Post call to the CPUs of mask that run; the idle ones are borrowed and returned. sched_lock held.
 */
static unsigned long post_ipis(unsigned long mask, struct ipi_call *call)
{
	unsigned long borrowed = 0;

	for (unsigned int i = 0; i < nr_cpus_up; i++) {
		struct hosted_cpu *cpu = &hosted_cpus[i];

		if (!(mask >> i & 1))
			continue;
		if (is_idle(cpu)) {
			cpu->borrowed = true;
			borrowed |= 1ul << i;
			continue;
		}
		__atomic_add_fetch(&call->left, 1, __ATOMIC_RELAXED);
		cpu->ipi[port_cpu_id()] = call;
		if (!__atomic_fetch_or(&cpu->front.ipi_pending, 1ul << port_cpu_id(),
				       __ATOMIC_RELEASE))
			__atomic_fetch_add(&hosted_watch, 1, __ATOMIC_RELAXED);
	}
	return borrowed;
}

void port_on_each_cpu(unsigned long mask, void (*fn)(void *arg), void *arg)
{
	struct ipi_call call = {.fn = fn, .arg = arg};
	unsigned long self = 1ul << port_cpu_id(), borrowed = 0, flags;

	if (mask & ~self) {
		if (!port_irqs_enabled())
			hosted_fatal("port_on_each_cpu(%#lx) with interrupts off", mask);
		pthread_mutex_lock(&sched_lock);
		borrowed = post_ipis(mask & ~self, &call);
		pthread_mutex_unlock(&sched_lock);
	}
	if (mask & self) {
		flags = port_irq_save();
		fn(arg);
		port_irq_restore(flags);
	}
	for (unsigned int i = 0; i < NR_CPUS; i++)
		if (borrowed >> i & 1)
			run_on_idle_cpu(&hosted_cpus[i], fn, arg);
	while (__atomic_load_n(&call.left, __ATOMIC_ACQUIRE))
		hosted_relax();
}

/* ---- Giving a CPU up and getting one --------------------------------------------------------- */

/* Switch this CPU's address space and current task, as the core does it. Not under sched_lock. */
static void switch_current(struct vm_task *from, struct vm_task *to)
{
	struct hosted_cpu *cpu = this_cpu();
	struct mm_struct *drop;

	cpu->front.irqs_on = false;
	drop = context_switch_mm(from, to);
	hosted_this_task = to;
	if (drop)
		mmdrop(drop);
	cpu->front.irqs_on = true;
}

/*
 * Give the CPU to the next task, or to idling, and enter state. sched_lock held, and
 * released now and then; interrupts on.
 */
static void give_up_cpu(enum task_state state)
{
	struct hosted_cpu *cpu = me->cpu;
	struct vm_task *from = &me->vm, *to;
	struct hosted_task *next = NULL;

	while (!next) {
		if (has_ipis(cpu)) {
			pthread_mutex_unlock(&sched_lock);
			hosted_poll();
			pthread_mutex_lock(&sched_lock);
			continue;
		}
		next = take_ready(cpu);
		to = next ? &next->vm : &cpu->idle;
		if (to == from)
			break;
		pthread_mutex_unlock(&sched_lock);
		switch_current(from, to);
		pthread_mutex_lock(&sched_lock);
		from = to; /* if idling: look once more, somebody may have come (I1, I2) */
	}
	set_this_cpu(NULL);
	hosted_this_task = NULL;
	me->cpu = NULL;
	me->state = state;
	cpu->owner = NULL;
	if (next)
		assign(cpu, next, false);
	if (state == TASK_READY || (state == TASK_PARKED && me->token))
		make_ready(me);
}

static struct timespec host_time(u64 ns)
{
	struct timespec now;
	u64 t;

	clock_gettime(CLOCK_MONOTONIC, &now);
	t = (u64)now.tv_sec * NS_PER_SECOND + (u64)now.tv_nsec - host_clock_ns() + ns;
	return (struct timespec){(time_t)(t / NS_PER_SECOND), (long)(t % NS_PER_SECOND)};
}

/* Sleep until this task may run. sched_lock held; released on return, the CPU is ours. */
static void get_cpu(bool take_token)
{
	while (!may_run(me)) {
		struct timespec until;

		if (hosted_deterministic || me->state != TASK_PARKED ||
		    me->deadline == UINT64_MAX) {
			pthread_cond_wait(&me->wake, &sched_lock);
			continue;
		}
		until = host_time(me->deadline);
		if (pthread_cond_timedwait(&me->wake, &sched_lock, &until) != 0 &&
		    me->state == TASK_PARKED)
			make_ready(me);
	}
	if (take_token)
		me->token = false;
	pthread_mutex_unlock(&sched_lock);
	me->user_ticks = 0;
	set_this_cpu(&me->cpu->front);
	hosted_this_task = &me->vm;
	if (me->from_idle) {
		hosted_this_task = &me->cpu->idle;
		switch_current(&me->cpu->idle, &me->vm);
	}
	hosted_poll();
}

/* ---- Sleeping and waking --------------------------------------------------------------------- */

void port_park(u64 deadline_ns)
{
	if (!port_irqs_enabled())
		hosted_fatal("port_park() with interrupts off");
	port_interleave();
	pthread_mutex_lock(&sched_lock);
	if (me->token) {
		me->token = false;
		pthread_mutex_unlock(&sched_lock);
		return;
	}
	me->deadline = deadline_ns;
	give_up_cpu(TASK_PARKED);
	pass_baton();
	get_cpu(true);
}

void port_unpark(struct vm_task *vm)
{
	struct hosted_task *task = container_of(vm, struct hosted_task, vm);

	pthread_mutex_lock(&sched_lock);
	task->token = true;
	if (task->state == TASK_PARKED)
		make_ready(task);
	pthread_mutex_unlock(&sched_lock);
}

void port_yield(void)
{
	port_interleave();
	pthread_mutex_lock(&sched_lock);
	if (!find_ready(me->cpu)) {
		pthread_mutex_unlock(&sched_lock);
		hosted_relax();
		return;
	}
	give_up_cpu(TASK_READY);
	pass_baton();
	get_cpu(false);
}

void hosted_let_others_run(void)
{
	if (!__atomic_load_n(&nr_ready, __ATOMIC_RELAXED))
		return;
	port_interleave();
	pthread_mutex_lock(&sched_lock);
	me->patient = true;
	give_up_cpu(TASK_READY);
	pass_baton();
	get_cpu(false);
	me->patient = false;
}

void hosted_cond_resched(void)
{
	if (me && port_irqs_enabled() && __atomic_load_n(&nr_ready, __ATOMIC_RELAXED))
		port_yield();
}

void user_tick(void)
{
	if (++me->user_ticks >= USER_SLICE_TICKS) {
		me->user_ticks = 0;
		hosted_cond_resched();
	}
}

void hosted_leave(void)
{
	pthread_mutex_lock(&sched_lock);
	give_up_cpu(TASK_OUTSIDE);
	pass_baton();
	pthread_mutex_unlock(&sched_lock);
}

void hosted_enter(void)
{
	pthread_mutex_lock(&sched_lock);
	make_ready(me);
	get_cpu(false);
}

void sched_after_fork(void)
{
	struct hosted_task *task;

	/* A thread that held it has no copy in this process, and would never release it. */
	pthread_mutex_init(&sched_lock, NULL);
	INIT_LIST_HEAD(&ready_list);
	INIT_LIST_HEAD(&patient_list);
	nr_ready = 0;
	list_for_each_entry(task, &hosted_tasks, all) {
		if (task == me)
			continue;
		if (task->state == TASK_RUNNING)
			task->cpu->owner = NULL;
		task->state = TASK_DEAD;
	}
	for (unsigned int i = 0; i < nr_cpus_up; i++)
		hosted_cpus[i].borrowed = false;
	baton = me;
}

/* ---- Beginning and end of a task ------------------------------------------------------------- */

void sched_run(struct hosted_task *task)
{
	me = task;
	pthread_mutex_lock(&sched_lock);
	get_cpu(false);
}

void sched_end(void)
{
	struct hosted_task *task;

	pthread_mutex_lock(&sched_lock);
	give_up_cpu(TASK_DEAD); /* first: it lets go of sched_lock, and waiters look at the state */
	list_for_each_entry(task, &hosted_tasks, all)
		if (task->awaits == me) {
			task->token = true;
			if (task->state == TASK_PARKED)
				make_ready(task);
		}
	pass_baton();
	pthread_mutex_unlock(&sched_lock);
}

void sched_add(struct hosted_task *task)
{
	pthread_mutex_lock(&sched_lock);
	task->vm.pid = next_pid++;
	list_add_tail(&task->all, &hosted_tasks);
	make_ready(task);
	pthread_mutex_unlock(&sched_lock);
}

struct hosted_task *hosted_current(void)
{
	return me;
}

/* ---- CPUs ------------------------------------------------------------------------------------ */

unsigned int port_nr_cpus(void)
{
	return __atomic_load_n(&nr_cpus_up, __ATOMIC_RELAXED);
}

int port_cpu_to_node(unsigned int cpu)
{
	return hosted_cpus[cpu].nid;
}

static void init_cpu(struct hosted_cpu *cpu, unsigned int id, const struct hosted_config *config)
{
	unsigned int nr_nodes = config->nr_nodes ? config->nr_nodes : 1;

	cpu->front.id = id;
	cpu->front.irqs_on = true;
	cpu->nid = config->map ? config->cpu_nid[id] : (int)(id % nr_nodes);
	cpu->idle.active_mm = &init_mm;
	cpu->idle.flags = PF_KTHREAD;
	strcpy(cpu->idle.comm, "idle");
	INIT_LIST_HEAD(&cpu->idle.local_pages);
	mmu_init(&cpu->mmu, config->tlb_entries);
}

/* The calling thread becomes the boot task, on CPU 0 from now on. */
void sched_init(const struct hosted_config *config)
{
	for (unsigned int i = 0; i < NR_CPUS; i++)
		init_cpu(&hosted_cpus[i], i, config);
	hosted_reseed(config->seed);
	me = task_create("boot", 0, NULL, NULL);
	me->vm.pid = next_pid++;
	me->state = TASK_RUNNING;
	me->cpu = &hosted_cpus[0];
	hosted_cpus[0].owner = me;
	hosted_cpus[0].idle.active_mm = NULL; /* the boot task runs on it */
	list_add_tail(&me->all, &hosted_tasks);
	set_this_cpu(&hosted_cpus[0].front);
	hosted_this_task = &me->vm;
}

void sched_start_cpus(const struct hosted_config *config, phys_addr_t root)
{
	unsigned int nr = config->nr_cpus ? config->nr_cpus : 1;

	if (nr > NR_CPUS)
		hosted_fatal("hosted: %u CPUs, at most %u", nr, (unsigned int)NR_CPUS);
	for (unsigned int i = 0; i < nr; i++)
		mmu_load_root(&hosted_cpus[i].mmu, root);
	__atomic_store_n(&nr_cpus_up, nr, __ATOMIC_RELAXED);
	baton = me;
	hosted_deterministic = config->deterministic;
}
