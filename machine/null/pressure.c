// SPDX-License-Identifier: MIT
/* pressure.c: tier 5 of the null port: all tasks, for the OOM killer to choose from. */
#include <machine/null.h>

struct wanted {
	bool (*is_wanted)(struct vm_task *task, void *arg);
	void *arg;
	int signo;
};

void port_for_each_task(bool (*fn)(struct vm_task *task, void *arg), void *arg)
{
	null_for_each_task(fn, arg);
}

static bool signal_if_wanted(struct vm_task *task, void *arg)
{
	const struct wanted *w = arg;

	if (w->is_wanted(task, w->arg))
		port_send_signal(task, w->signo);
	return true;
}

void port_signal_tasks(bool (*wanted)(struct vm_task *task, void *arg), void *arg, int signo)
{
	struct wanted w = {wanted, arg, signo};

	null_for_each_task(signal_if_wanted, &w);
}
