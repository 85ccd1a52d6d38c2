/* SPDX-License-Identifier: MIT */
/*
 * port.c: the kernel's share of the port contract: what the core asks about tasks and signals
 * (sleeping is in sched.c, threads in fork.c, the machine's share in machine/pc).
 */
#include <pagoda/machine.h>
#include <pagoda/port.h>
#include <asm/ptrace.h>
#include <kernel/latency.h>
#include <kernel/sched.h>
#include <kernel/signal_internal.h>

void port_fault_signal(struct pt_regs *regs, int signo, int si_code, unsigned long addr,
		       unsigned long error_code)
{
	(void)regs;
	/* what the frame shows, which hides kernel mappings */
	machine_last_trap(&current->thread)->error_code = error_code;
	force_sig_fault(signo, si_code, addr);
}

void kernel_user_trap(struct pt_regs *regs, int signo, int si_code, unsigned long addr)
{
	(void)regs;
	force_sig_fault(signo, si_code, addr);
}

void port_send_signal(struct vm_task *task, int signo)
{
	send_sig(signo, vm_to_task(task));
}

/* Tasks looked at, or sent a signal, without a pause: some 10,000 instructions. */
#define TASK_BATCH 32

/*
 * Call fn for all tasks in the order of their numbers, until it returns false. fn runs under
 * tasklist_lock, which is let go of after each TASK_BATCH tasks. May sleep.
 */
static void for_each_task_in_batches(bool (*fn)(struct task_struct *t, void *arg), void *arg)
{
	bool more = true;

	for (int nr = 0; more;) {
		struct task_struct *t;

		spin_lock_deferring(&tasklist_lock);
		for (int i = 0; i < TASK_BATCH && more; i++) {
			nr = next_pid_locked(nr, &t);
			more = nr && fn(t, arg);
		}
		spin_unlock_deferring(&tasklist_lock);
		port_cond_resched();
	}
}

struct task_call {
	bool (*fn)(struct vm_task *task, void *arg);
	void *arg;
	int signo;
};

static bool call_for_task(struct task_struct *t, void *arg)
{
	const struct task_call *call = arg;

	return call->fn(&t->vm, call->arg);
}

void port_for_each_task(bool (*fn)(struct vm_task *task, void *arg), void *arg)
{
	struct task_call call = {fn, arg, 0};

	for_each_task_in_batches(call_for_task, &call);
}

static bool signal_if_wanted(struct task_struct *t, void *arg)
{
	const struct task_call *call = arg;

	if (call->fn(&t->vm, call->arg))
		(void)send_signal_listed(call->signo, NULL, t, false); /* not a real-time signal */
	return true;
}

void port_signal_tasks(bool (*wanted)(struct vm_task *task, void *arg), void *arg, int signo)
{
	struct task_call call = {wanted, arg, signo};

	for_each_task_in_batches(signal_if_wanted, &call);
}

void kernel_cond_resched(void)
{
	latency_point();
	if (READ_ONCE(current->work) & WORK_RESCHED)
		schedule();
}
