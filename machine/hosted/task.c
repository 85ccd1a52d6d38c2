/* SPDX-License-Identifier: MIT */
/*
 * task.c: tasks and processes, their signals and limits.
 *
 * A process here is no more than a task with an mm: fork, clone and exit are done as a
 * kernel would do them with the core's calls (dup_mm, mmget, activate_mm, exit_mm), and
 * what the "program" does is a C function.
 *
 * Tasks are never freed, so a pointer to one stays good for a late port_unpark() or
 * hosted_wait(); a test's process ends soon enough. Signals wait in a small queue of their
 * task until the test takes them: nothing is delivered.
 */
#include "hosted_internal.h"

#include <pagoda/errno.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_STACK_LIMIT (8 * SZ_1M)

/* ---- Creating ----------------------------------------------------------------------------- */

struct hosted_task *task_create(const char *name, int cpu, void (*fn)(void *arg), void *arg)
{
	struct hosted_task *task = calloc(1, sizeof(*task));
	pthread_condattr_t attr;

	if (!task)
		hosted_fatal("hosted: out of host memory");
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&task->wake, &attr);
	snprintf(task->vm.comm, sizeof(task->vm.comm), "%s", name);
	INIT_LIST_HEAD(&task->vm.local_pages);
	for (int i = 0; i < RLIM_NLIMITS; i++)
		task->rlim[i] = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
	task->rlim[RLIMIT_STACK].rlim_cur = DEFAULT_STACK_LIMIT;
	task->vm.rlim = task->rlim;
	task->vm.flags = PF_KTHREAD;
	task->vm.active_mm = fn ? NULL : &init_mm; /* the boot task runs already */
	task->allowed = cpu == HOSTED_ANY_CPU ? ~0ul : 1ul << cpu;
	task->fn = fn;
	task->arg = arg;
	return task;
}

static void task_exit(void)
{
	struct vm_task *vm = port_current();

	__atomic_fetch_or(&vm->flags, PF_EXITING, __ATOMIC_RELAXED);
	if (vm->mm)
		exit_mm();
	sched_end();
}

static void *task_main(void *arg)
{
	struct hosted_task *task = arg;

	sched_run(task);
	task->fn(task->arg);
	task_exit();
	return NULL;
}

static struct hosted_task *task_start(struct hosted_task *task)
{
	pthread_t thread;

	task->vm.start_time_ns = port_clock_ns();
	sched_add(task);
	if (pthread_create(&thread, NULL, task_main, task) != 0)
		hosted_fatal("hosted: cannot start a host thread");
	pthread_detach(thread);
	return task;
}

struct hosted_task *hosted_spawn(const char *name, int cpu, void (*fn)(void *arg), void *arg)
{
	return task_start(task_create(name, cpu, fn, arg));
}

struct vm_task *port_thread_create(const char *name, void (*fn)(void *arg), void *arg)
{
	return &hosted_spawn(name, HOSTED_ANY_CPU, fn, arg)->vm;
}

/* ---- Processes ------------------------------------------------------------------------------ */

/* Start a user task on mm, whose reference it takes over. It inherits limits and rights. */
static struct hosted_task *start_user_task(int cpu, struct mm_struct *mm, void (*fn)(void *arg),
					   void *arg)
{
	struct hosted_task *parent = hosted_current();
	struct hosted_task *task = task_create(parent->vm.comm, cpu, fn, arg);

	memcpy(task->rlim, parent->rlim, sizeof(task->rlim));
	task->is_user = true;
	task->vm.flags = 0;
	task->vm.cap_ipc_lock = parent->vm.cap_ipc_lock;
	task->vm.cap_sys_rawio = parent->vm.cap_sys_rawio;
	task->vm.cap_sys_admin = parent->vm.cap_sys_admin;
	task->vm.mm = mm;
	task->vm.active_mm = mm;
	return task_start(task);
}

struct hosted_task *hosted_fork(int cpu, void (*fn)(void *arg), void *arg)
{
	struct mm_struct *mm = dup_mm(port_current()->mm);

	return mm ? start_user_task(cpu, mm, fn, arg) : NULL;
}

struct hosted_task *hosted_clone(int cpu, void (*fn)(void *arg), void *arg)
{
	struct mm_struct *mm = port_current()->mm;

	mmget(mm);
	return start_user_task(cpu, mm, fn, arg);
}

int hosted_process_create(void)
{
	struct mm_struct *mm = mm_alloc();

	if (!mm)
		return -ENOMEM;
	__atomic_fetch_and(&port_current()->flags, ~PF_KTHREAD, __ATOMIC_RELAXED);
	activate_mm(mm);
	return 0;
}

void hosted_process_exit(void)
{
	exit_mm();
	__atomic_fetch_or(&port_current()->flags, PF_KTHREAD, __ATOMIC_RELAXED);
}

static bool is_dead(struct hosted_task *task)
{
	bool dead;

	pthread_mutex_lock(&sched_lock);
	dead = task->state == TASK_DEAD;
	hosted_current()->awaits = dead ? NULL : task;
	pthread_mutex_unlock(&sched_lock);
	return dead;
}

void hosted_wait(struct hosted_task *task)
{
	while (!is_dead(task))
		port_park(UINT64_MAX);
}

/* The first task after one (NULL: of all), dead ones left out. */
static struct hosted_task *next_task(struct hosted_task *task)
{
	struct list_head *pos;

	pthread_mutex_lock(&sched_lock);
	pos = task ? task->all.next : hosted_tasks.next;
	while (pos != &hosted_tasks && list_entry(pos, struct hosted_task, all)->state == TASK_DEAD)
		pos = pos->next;
	pthread_mutex_unlock(&sched_lock);
	return pos == &hosted_tasks ? NULL : list_entry(pos, struct hosted_task, all);
}

/* New tasks come in at the end and dead ones stay linked, so no lock is held around fn. */
void port_for_each_task(bool (*fn)(struct vm_task *task, void *arg), void *arg)
{
	struct hosted_task *task = NULL;

	while ((task = next_task(task)))
		if (!fn(&task->vm, arg))
			return;
}

void port_signal_tasks(bool (*wanted)(struct vm_task *task, void *arg), void *arg, int signo)
{
	struct hosted_task *task = NULL;

	while ((task = next_task(task)))
		if (wanted(&task->vm, arg))
			port_send_signal(&task->vm, signo);
}

unsigned int hosted_nr_tasks(void)
{
	struct hosted_task *task = NULL;
	unsigned int nr = 0;

	while ((task = next_task(task)))
		nr += task->is_user;
	return nr;
}

struct vm_task *hosted_vm_task(struct hosted_task *task)
{
	return &task->vm;
}

void hosted_set_user_sp(unsigned long sp)
{
	hosted_current()->user_sp = sp;
}

/* ---- Lazy address spaces --------------------------------------------------------------------- */

static void drop_lazy_mm(void *arg)
{
	struct vm_task *vm = port_current();
	struct mm_struct *mm = vm->active_mm;

	(void)arg;
	if (vm->mm || mm == &init_mm)
		return;
	switch_mm(mm, &init_mm);
	vm->active_mm = &init_mm;
	mmdrop(mm);
}

void hosted_drop_lazy_mms(void)
{
	port_on_each_cpu((1ul << port_nr_cpus()) - 1, drop_lazy_mm, NULL);
}

/* ---- Signals --------------------------------------------------------------------------------- */

static void post_signal(struct hosted_task *task, struct hosted_signal sig)
{
	pthread_mutex_lock(&sched_lock);
	task->signals_posted++;
	if (task->nr_signals < TASK_MAX_SIGNALS)
		task->signals[task->nr_signals++] = sig;
	if (sig.signo == SIGKILL)
		task->killed = true;
	pthread_mutex_unlock(&sched_lock);
	if (sig.signo == SIGKILL)
		port_unpark(&task->vm);
}

void port_fault_signal(struct pt_regs *regs, int signo, int si_code, unsigned long addr,
		       unsigned long error_code)
{
	(void)regs;
	post_signal(hosted_current(), (struct hosted_signal){signo, si_code, addr, error_code});
}

void port_send_signal(struct vm_task *task, int signo)
{
	post_signal(container_of(task, struct hosted_task, vm),
		    (struct hosted_signal){.signo = signo});
}

bool port_fatal_signal_pending(void)
{
	struct hosted_task *task = hosted_current();
	bool killed;

	pthread_mutex_lock(&sched_lock);
	killed = task->killed;
	pthread_mutex_unlock(&sched_lock);
	return killed;
}

struct hosted_signal hosted_task_signal(struct hosted_task *task)
{
	struct hosted_signal sig = {0};

	pthread_mutex_lock(&sched_lock);
	if (task->nr_signals) {
		sig = task->signals[0];
		task->nr_signals--;
		if (sig.signo == SIGKILL)
			task->killed = false; /* taken by the test, so it does not end the task */
		memmove(task->signals, task->signals + 1, task->nr_signals * sizeof(sig));
	}
	pthread_mutex_unlock(&sched_lock);
	return sig;
}

struct hosted_signal hosted_signal(void)
{
	return hosted_task_signal(hosted_current());
}
