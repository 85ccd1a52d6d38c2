/* SPDX-License-Identifier: MIT */
/*
 * tier5.c: pressure: looking at all tasks, and killing some.
 *
 * The victims are threads of the suite; no other task is signalled.
 */
#include "suite.h"
#include "threads.h"
#include <pagoda/abi/signal.h>
#include <pagoda/vm_task.h>

static bool count_one(struct vm_task *task, void *arg)
{
	unsigned int *n = arg;

	(void)task;
	(*n)++;
	return false;
}

struct search {
	struct vm_task *wanted;
	bool found;
	unsigned int nulls;
};

static bool search_task(struct vm_task *task, void *arg)
{
	struct search *search = arg;

	search->nulls += !task;
	search->found |= task == search->wanted;
	return true;
}

static bool is_wanted(struct vm_task *task, void *arg)
{
	return task == arg;
}

static bool is_nobody(struct vm_task *task, void *arg)
{
	(void)arg;
	return !task;
}

static struct vm_task *start_victim(struct conformance_victim *victim)
{
	struct vm_task *task;

	*victim = (struct conformance_victim){0};
	task = port_thread_create("victim", conformance_victim, victim);
	if (task && !conformance_wait_for(&victim->running, 1))
		return NULL;
	return task;
}

static void every_task_is_visited(void)
{
	static struct conformance_victim victim;
	struct vm_task *task = start_victim(&victim);
	struct search search = {task, false, 0};
	unsigned int n = 0;

	EXPECT(task, "a thread of port_thread_create() does not run");
	port_for_each_task(search_task, &search);
	port_for_each_task(count_one, &n);
	port_send_signal(task, SIGKILL);
	(void)conformance_wait_for(&victim.ended, 1);
	EXPECT(!search.nulls, "port_for_each_task() calls the function with NULL");
	EXPECT(search.found, "port_for_each_task() leaves out a task");
	EXPECT(n == 1, "port_for_each_task() goes on after the function has returned false");
}

static void only_wanted_tasks_are_signalled(void)
{
	static struct conformance_victim one, other;
	struct vm_task *wanted = start_victim(&one), *spared = start_victim(&other);
	bool killed, spared_killed;

	EXPECT(wanted && spared, "a thread of port_thread_create() does not run");
	port_signal_tasks(is_nobody, NULL, SIGKILL);
	port_signal_tasks(is_wanted, wanted, SIGKILL);
	killed = conformance_wait_for(&one.ended, 1) && one.killed;
	spared_killed = smp_load_acquire(&other.ended);
	port_send_signal(spared, SIGKILL);
	(void)conformance_wait_for(&other.ended, 1);
	EXPECT(killed, "port_signal_tasks() does not signal a task that is wanted");
	EXPECT(!spared_killed, "port_signal_tasks() signals a task that is not wanted");
}

static const struct conformance_test tests[] = {
	{"every_task_is_visited", every_task_is_visited, 0, true},
	{"only_wanted_tasks_are_signalled", only_wanted_tasks_are_signalled, 0, true},
};
CONFORMANCE_SUITE(5, tests);
