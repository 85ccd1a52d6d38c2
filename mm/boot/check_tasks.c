// SPDX-License-Identifier: MIT
/*
 * check_tasks.c: is the port ready for tasks, user memory and threads (tiers 3 to 5)?
 *
 * The exception table is looked at by mm_boot_space(): a linker that dropped its section leaves it
 * empty, and the first wrong pointer of a program would end the machine. The rest needs interrupts,
 * other CPUs and a scheduler, so mm_start_threads() looks at it, before it starts a thread.
 *
 * Locking: none. Failure: a panic that names the mistake.
 */
#include "port_check.h"
#include <pagoda/mmzone.h>
#include <pagoda/vm_task.h>
#include <asm/fault.h>

void __init check_exception_table(const struct exception_table_entry *first,
				  const struct exception_table_entry *end)
{
	PORT_BUG_ON(first >= end,
		    "the exception table is empty: the linker script keeps no section __ex_table "
		    "between __start___ex_table and __stop___ex_table");
	for (const struct exception_table_entry *e = first; e < end; e++)
		PORT_BUG_ON(!e->insn || !e->fixup, "entry %d of the exception table is 0",
			    (int)(e - first));
}

static void flush_nonglobal(unsigned long addr)
{
	(void)addr;
	port_flush_tlb();
}

void __init check_port_space(void)
{
	if (!port_has_mmu())
		return; /* a program of a host serves its faults by itself */
	check_port_flush(flush_nonglobal, false,
			 "port_flush_tlb() does not forget a page that is not global");
	check_exception_table(__start___ex_table, __stop___ex_table);
}

/* The fields that the core relies on in any task, at any place where it may sleep. */
const char *vm_task_complaint(const struct vm_task *task)
{
	if (!task->active_mm)
		return "active_mm is NULL in a task that runs: &init_mm, or what "
		       "context_switch_mm() sets";
	if (task->mm && task->mm != task->active_mm)
		return "active_mm is not mm";
	if (task->local_pages.next != &task->local_pages && !(task->flags & PF_FREE_PAGES))
		return "local_pages is not an empty list: INIT_LIST_HEAD()";
	if (task->pagefault_disabled || task->plugged || task->nr_held_locks)
		return "pagefault_disabled, plugged or nr_held_locks is not 0";
	if (task->fault_page || task->fault_policy)
		return "fault_page or fault_policy is not NULL";
	if (task->comm[sizeof(task->comm) - 1])
		return "comm does not end with a 0";
	return NULL;
}

/*
 * The boot could only see that interrupts stay off. Here they are on, so a port_irq_save() that
 * does nothing is seen, and a port_irq_restore() that does nothing.
 */
static void check_interrupts_on(void)
{
	unsigned long flags;

	PORT_BUG_ON(!port_irqs_enabled(), "mm_start_threads() is called with interrupts off");
	flags = port_irq_save();
	PORT_BUG_ON(port_irqs_enabled(), "port_irq_save() leaves interrupts on");
	port_irq_restore(flags);
	PORT_BUG_ON(!port_irqs_enabled(),
		    "port_irq_restore() leaves interrupts off though they were on before");
}

static unsigned long cpus_reached;

static void note_cpu(void *arg)
{
	(void)arg;
	PORT_BUG_ON(port_irqs_enabled(),
		    "port_on_each_cpu() calls the function with interrupts on");
	rmw_or(&cpus_reached, 1ul << port_cpu_id());
}

/* Flushes wait for this call: a CPU that it leaves out would keep translations of freed pages. */
static void check_other_cpus(void)
{
	unsigned long all = (2ul << (port_nr_cpus() - 1)) - 1;

	cpus_reached = 0;
	port_on_each_cpu(all, note_cpu, NULL);
	PORT_BUG_ON(smp_load_acquire(&cpus_reached) != all,
		    "port_on_each_cpu(%#lx) has run on CPUs %#lx when it returns", all,
		    cpus_reached);
}

void check_port_tasks(void)
{
	const char *complaint = vm_task_complaint(current_vm);

	PORT_BUG_ON(complaint, "the struct vm_task of the running task: %s", complaint);
	check_interrupts_on();
	check_other_cpus();
}
