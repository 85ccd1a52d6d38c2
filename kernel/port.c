/* SPDX-License-Identifier: MIT */
/*
 * port.c: the kernel's share of the port contract: what the core asks about tasks and signals
 * (sleeping is in sched.c, threads in fork.c, the machine's share in machine/pc).
 */
#include <pagoda/machine.h>
#include <pagoda/port.h>
#include <asm/ptrace.h>
#include <kernel/sched.h>
#include <kernel/signal_internal.h>

void port_fault_signal(struct pt_regs *regs, int signo, int si_code, unsigned long addr,
		       unsigned long error_code)
{
	(void)regs;
	current->thread.error_code = error_code; /* what the frame shows, which hides kernel mappings */
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

void port_for_each_task(bool (*fn)(struct vm_task *task, void *arg), void *arg)
{
	struct task_struct *t;
	unsigned long flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	list_for_each_entry(t, &all_tasks, task_link)
		if (!fn(&t->vm, arg))
			break;
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

void port_signal_tasks(bool (*wanted)(struct vm_task *task, void *arg), void *arg, int signo)
{
	struct task_struct *t;
	unsigned long flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	list_for_each_entry(t, &all_tasks, task_link)
		if (wanted(&t->vm, arg))
			(void)send_signal_listed(signo, NULL, t, false); /* not a real-time signal */
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

void kernel_cond_resched(void)
{
	if (READ_ONCE(current->work) & WORK_RESCHED)
		schedule();
}
