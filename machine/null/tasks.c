// SPDX-License-Identifier: MIT
/*
 * tasks.c: tier 2 of the null port, second half: tasks that sleep.
 *
 *	running --port_park()--> parked --port_unpark(), or its deadline--> ready --> running
 *
 * Tasks take turns on the one CPU: another one runs only when the running one parks, yields or
 * ends. If all tasks are parked, the clock jumps to the nearest deadline. If no task has a deadline
 * either, no task can ever run again, which is a panic; and so is a clock that has come to
 * LONGEST_RUN_NS, since then a task waits for what does not come while the core's threads wake at
 * their intervals. So a lost wake-up ends the program instead of hanging it.
 *
 * Tiers 2 and 3 have the boot task alone. Tier 4 makes more (files.c).
 *
 * Locking: none, there is one CPU, and tasks are switched in the calls of this file only.
 * Failure: more than MAX_TASKS tasks, or tasks that all wait in vain, is a panic.
 */
#include <machine/null.h>

#include <pagoda/abi/signal.h>
#include <pagoda/bug.h>

#include "host.h"

#define MAX_TASKS 8
/* The clock moves by this at each yield, so that a loop that yields until a time comes ends. */
#define YIELD_NS 1000
/* An hour of the null port's clock; the programs need some minutes of it. */
#define LONGEST_RUN_NS (3600ull * 1000 * 1000 * 1000)

struct null_task {
	struct vm_task vm;
	void *context; /* host.c's; NULL: the boot task's, before it is left for the first time */
	void (*fn)(void *arg);
	void *arg;
	bool has_token, parked, ended;
	u64 deadline_ns; /* parked until then */
	int signal;
};

static struct null_task tasks[MAX_TASKS]; /* the boot task first: its vm is null_boot_task */
static unsigned int nr_tasks = 1;
static u64 now_ns;

u64 null_now_ns(void)
{
	return now_ns;
}

static struct null_task *task_of(struct vm_task *vm)
{
	return vm == &null_boot_task ? &tasks[0] : container_of(vm, struct null_task, vm);
}

static struct vm_task *vm_of(struct null_task *task)
{
	return task == &tasks[0] ? &null_boot_task : &task->vm;
}

static bool can_run(const struct null_task *task)
{
	return !task->ended && (!task->parked || task->has_token || task->deadline_ns <= now_ns);
}

/* The next task after the running one, in turn, that can run; NULL: all tasks sleep. */
static struct null_task *next_task(void)
{
	unsigned int here = (unsigned int)(task_of(null_task) - tasks);

	for (unsigned int i = 1; i <= nr_tasks; i++)
		if (can_run(&tasks[(here + i) % nr_tasks]))
			return &tasks[(here + i) % nr_tasks];
	return NULL;
}

/* All tasks sleep: move the clock to the first deadline. */
static void pass_time(void)
{
	u64 first = UINT64_MAX;

	for (unsigned int i = 0; i < nr_tasks; i++)
		if (!tasks[i].ended && tasks[i].deadline_ns < first)
			first = tasks[i].deadline_ns;
	if (first == UINT64_MAX)
		panic("null port: all tasks sleep, and none has a deadline");
	if (first > LONGEST_RUN_NS)
		panic("null port: an hour has passed: a task waits for what does not come");
	now_ns = first;
}

static void switch_to_next(void)
{
	struct null_task *from = task_of(null_task), *to;

	BUG_ON(!port_irqs_enabled());
	while (!(to = next_task()))
		pass_time();
	if (to == from)
		return;
	null_task = vm_of(to);
	host_switch(&from->context, to->context);
}

void port_park(u64 deadline_ns)
{
	struct null_task *task = task_of(null_task);

	task->parked = true;
	task->deadline_ns = deadline_ns;
	if (!task->has_token)
		switch_to_next();
	task->parked = false;
	task->has_token = false;
}

void port_unpark(struct vm_task *task)
{
	task_of(task)->has_token = true;
}

void null_yield(void)
{
	now_ns += YIELD_NS;
	switch_to_next();
}

void null_sleep(u64 ns)
{
	u64 until = now_ns + ns;

	while (now_ns < until)
		port_park(until);
}

static void task_main(void *arg)
{
	struct null_task *task = arg;

	task->fn(task->arg);
	task->ended = true;
	switch_to_next();
}

struct vm_task *null_task_create(const char *name, void (*fn)(void *arg), void *arg)
{
	struct null_task *task = &tasks[nr_tasks];

	BUG_ON(nr_tasks == MAX_TASKS);
	pagoda_strlcpy(task->vm.comm, name, sizeof(task->vm.comm));
	task->vm.flags = PF_KTHREAD;
	task->vm.pid = (int)nr_tasks + 1;
	task->vm.rlim = null_boot_task.rlim;
	task->vm.active_mm = null_boot_task.active_mm;
	INIT_LIST_HEAD(&task->vm.local_pages);
	task->fn = fn;
	task->arg = arg;
	task->context = host_context(task_main, task);
	nr_tasks++;
	return &task->vm;
}

void null_for_each_task(bool (*fn)(struct vm_task *task, void *arg), void *arg)
{
	for (unsigned int i = 0; i < nr_tasks; i++)
		if (!tasks[i].ended && !fn(vm_of(&tasks[i]), arg))
			return;
}

/* ---- Signals ------------------------------------------------------------------------ */

int null_signal(void)
{
	return task_of(null_task)->signal;
}

int null_take_signal(void)
{
	struct null_task *task = task_of(null_task);
	int signo = task->signal;

	if (signo != SIGKILL)
		task->signal = 0;
	return signo;
}

void null_set_signal(struct vm_task *vm, int signo)
{
	struct null_task *task = task_of(vm);

	if (task->signal == SIGKILL)
		return;
	task->signal = signo;
	if (signo == SIGKILL)
		port_unpark(vm); /* it ends a wait (port.h, port_fatal_signal_pending()) */
}

bool port_fatal_signal_pending(void)
{
	return null_signal() == SIGKILL;
}
