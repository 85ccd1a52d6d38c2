/* SPDX-License-Identifier: MIT */
/*
 * fork.c: making tasks: what the calls of clone.c ask for, and kernel threads.
 *
 * copy_process() is prepare, then commit: every part that can fail (structure, stack,
 * number, files, handlers, address space) is made first and undone in reverse order; then,
 * under tasklist_lock, the task becomes visible, which cannot fail. wake_up_new_task() lets
 * it run: it starts in child_start(), which leaves the kernel with a copy of the parent's
 * registers and 0 as the result.
 *
 *	flag		shared instead of copied
 *	CLONE_VM	vm.mm				(else dup_mm: copy-on-write)
 *	CLONE_FILES	fs.files
 *	CLONE_FS	fs.fs
 *	CLONE_SIGHAND	sighand				(needs CLONE_VM)
 *	CLONE_THREAD	signal: one process		(needs CLONE_SIGHAND)
 *
 * Not inherited: pending signals, timers, locks on memory (the core's dup_mm), the robust
 * list, the alternate stack of a thread (CLONE_VM without CLONE_VFORK).
 *
 * A task has a reference for running (dropped after its last switch, finish_switch) and
 * one for being listed (dropped by release_task_locked's caller). The last put_task() may
 * come in any context, so the structure and stack go to a list that the next fork or wait
 * empties; a few stacks are kept there, as making one costs page-table work.
 *
 * Failure: -EAGAIN (no number, limit), -ENOMEM, of CLONE_PIDFD -EMFILE, -EFAULT; nothing changed.
 */
#include <pagoda/bug.h>
#include <pagoda/mempolicy.h>
#include <pagoda/mm.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <asm/ptrace.h>
#include <fs/user.h>
#include <fs/vfs.h>
#include <kernel/pidfd.h>
#include <kernel/process.h>
#include <kernel/sched.h>
#include <kernel/itimer.h>

#define STACKS_KEPT 4 /* a shell's pipeline */
#define PAGES_PER_TASK \
	32 /* memory for each of the most tasks there may be: eight kernel stacks, as Linux */

spinlock_t tasklist_lock = SPIN_LOCK_INIT(RANK_NONE);
LIST_HEAD(all_tasks);
struct task_struct *child_reaper;
unsigned int nr_tasks;
u64 nr_forks;

static kmem_cache_t *task_cache, *signal_cache, *sighand_cache;
static unsigned int max_tasks;

static spinlock_t dead_lock = SPIN_LOCK_INIT(RANK_NONE);
static LIST_HEAD(dead_tasks);		/* dead_lock */
static void *spare_stacks[STACKS_KEPT]; /* dead_lock */
static unsigned int nr_spare_stacks;	/* dead_lock */

void fork_init(void)
{
	task_cache = kmem_cache_create("task_struct", sizeof(struct task_struct), 0,
				       SLAB_HWCACHE_ALIGN, NULL, NULL);
	signal_cache =
		kmem_cache_create("signal_cache", sizeof(struct signal_struct), 0, 0, NULL, NULL);
	sighand_cache =
		kmem_cache_create("sighand_cache", sizeof(struct sighand_struct), 0, 0, NULL, NULL);
	BUG_ON(!task_cache || !signal_cache || !sighand_cache);
	max_tasks = (unsigned int)clamp(totalram_pages() / PAGES_PER_TASK, 64ul, PID_MAX - 2ul);
}

/*
 * Bytes that poll() and select() of the process's threads hold in kernel memory. tasklist_lock
 * held.
 */
static unsigned long poll_bytes_of(const struct task_struct *t)
{
	const struct task_struct *thread;
	unsigned long bytes = 0;

	lockdep_assert_held(&tasklist_lock);
	list_for_each_entry(thread, &t->signal->threads, thread_link)
		bytes += READ_ONCE(thread->fs.poll_bytes);
	return bytes;
}

unsigned long task_kernel_pages(struct vm_task *task)
{
	struct task_struct *t = vm_to_task(task);
	unsigned long bytes = poll_bytes_of(t) + READ_ONCE(task->mm->context_bytes);

	return t->arg_pages + bytes / PAGE_SIZE +
	       fs_task_kernel_pages(&t->fs, (unsigned long)atomic_long_read(&task->mm->rss_shmem));
}

/* ---- Structures ------------------------------------------------------------------------ */

static void init_sigpending(struct sigpending *pending)
{
	INIT_LIST_HEAD(&pending->queue);
	pending->set = 0;
}

void init_task_parts(struct task_struct *t)
{
	INIT_LIST_HEAD(&t->vm.local_pages);
	INIT_LIST_HEAD(&t->task_link);
	INIT_LIST_HEAD(&t->thread_link);
	INIT_LIST_HEAD(&t->sibling);
	for (int i = 0; i < NR_PID_LISTS; i++)
		INIT_LIST_HEAD(&t->pid_link[i]);
	init_waitqueue_head(&t->vfork_wait);
	init_sigpending(&t->pending);
	ktimer_init(&t->park_timer, park_timeout);
	t->altstack.flags = SS_DISABLE;
	t->timer_slack_ns = t->default_timer_slack_ns = TIMER_SLACK_DEFAULT_NS;
	t->mce_kill = MCE_KILL_DEFAULT;
	t->vm.start_time_ns = port_clock_ns();
}

void init_signal_parts(struct signal_struct *sig, struct task_struct *leader)
{
	atomic_set(&sig->count, 1);
	INIT_LIST_HEAD(&sig->threads);
	INIT_LIST_HEAD(&sig->children);
	init_sigpending(&sig->shared_pending);
	init_waitqueue_head(&sig->child_wait);
	ktimer_init(&sig->real_timer, itimer_real_expired);
	mutex_init(&sig->timer_mutex, RANK_NONE);
	sig->posix_timers = (struct rb_root)RB_ROOT;
	INIT_LIST_HEAD(&sig->cpu_timers);
	sig->leader = leader;
	for (int i = 0; i < RLIM_NLIMITS; i++)
		sig->rlim[i] = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
	sig->rlim[RLIMIT_STACK].rlim_cur = 8 * SZ_1M;
	sig->rlim[RLIMIT_CORE].rlim_cur = 0;
	sig->rlim[RLIMIT_NOFILE] = (struct rlimit){1024, FS_NR_OPEN};
	sig->rlim[RLIMIT_MEMLOCK] = (struct rlimit){8 * SZ_1M, 8 * SZ_1M};
	sig->rlim[RLIMIT_NPROC] = (struct rlimit){max_tasks / 2, max_tasks / 2};
	sig->rlim[RLIMIT_SIGPENDING] = sig->rlim[RLIMIT_NPROC];
	sig->rlim[RLIMIT_MSGQUEUE] = (struct rlimit){819200, 819200};
	sig->rlim[RLIMIT_NICE] = sig->rlim[RLIMIT_RTPRIO] = (struct rlimit){0, 0};
	leader->signal = sig;
	leader->fs.process = &sig->fs_process;
	leader->vm.rlim = sig->rlim;
}

static void *get_stack(void)
{
	unsigned long flags;
	void *stack = NULL;

	free_dead_tasks(false);
	spin_lock_irqsave(&dead_lock, flags);
	if (nr_spare_stacks)
		stack = spare_stacks[--nr_spare_stacks];
	spin_unlock_irqrestore(&dead_lock, flags);
	return stack ? stack : machine_stack_alloc();
}

static void put_stack(void *stack, bool keep)
{
	unsigned long flags;

	spin_lock_irqsave(&dead_lock, flags);
	if (keep && nr_spare_stacks < STACKS_KEPT) {
		spare_stacks[nr_spare_stacks++] = stack;
		stack = NULL;
	}
	spin_unlock_irqrestore(&dead_lock, flags);
	if (stack)
		machine_stack_free(stack);
}

static struct task_struct *alloc_task(void)
{
	struct task_struct *t = kmem_cache_alloc(task_cache, GFP_KERNEL | __GFP_ZERO);

	if (!t)
		return NULL;
	t->stack = get_stack();
	if (!t->stack) {
		kmem_cache_free(task_cache, t);
		return NULL;
	}
	init_task_parts(t);
	atomic_set(&t->usage, 2);
	return t;
}

static void free_task(struct task_struct *t, bool keep_stack)
{
	put_stack(t->stack, keep_stack);
	if (t->signal && atomic_dec_and_test(&t->signal->count))
		kmem_cache_free(signal_cache, t->signal);
	if (t->fs.user)
		put_user_struct(t->fs.user);
	kmem_cache_free(task_cache, t);
}

void put_task(struct task_struct *t)
{
	if (atomic_dec_and_test(&t->usage))
		queue_dead_task(t);
}

void queue_dead_task(struct task_struct *t)
{
	unsigned long flags;

	spin_lock_irqsave(&dead_lock, flags);
	list_add_tail(&t->dead_link, &dead_tasks);
	spin_unlock_irqrestore(&dead_lock, flags);
}

static struct task_struct *take_dead_task(void)
{
	struct task_struct *t = NULL;
	unsigned long flags;

	spin_lock_irqsave(&dead_lock, flags);
	if (!list_empty(&dead_tasks)) {
		t = list_first_entry(&dead_tasks, struct task_struct, dead_link);
		list_del(&t->dead_link);
	}
	spin_unlock_irqrestore(&dead_lock, flags);
	return t;
}

void free_dead_tasks(bool all)
{
	struct task_struct *t;

	while ((t = take_dead_task())) {
		free_task(t, !all);
		port_cond_resched();
	}
	while (all && nr_spare_stacks)
		machine_stack_free(spare_stacks[--nr_spare_stacks]);
}

void put_sighand(struct sighand_struct *sighand)
{
	if (atomic_dec_and_test(&sighand->count))
		kmem_cache_free(sighand_cache, sighand);
}

struct sighand_struct *copy_sighand(const struct sighand_struct *old)
{
	struct sighand_struct *sighand = kmem_cache_alloc(sighand_cache, GFP_KERNEL);

	if (!sighand)
		return NULL;
	atomic_set(&sighand->count, 1);
	spin_lock_init(&sighand->siglock, RANK_NONE);
	memcpy(sighand->action, old->action, sizeof(sighand->action));
	return sighand;
}

/* ---- What a new task takes from the one that makes it ------------------------------- */

static void copy_vm_part(struct task_struct *t, struct task_struct *parent)
{
	t->vm.oom_score_adj = parent->vm.oom_score_adj;
	t->vm.cap_ipc_lock = parent->vm.cap_ipc_lock;
	t->vm.cap_sys_rawio = parent->vm.cap_sys_rawio;
	t->vm.cap_sys_admin = parent->vm.cap_sys_admin;
	memcpy(t->vm.comm, parent->vm.comm, sizeof(t->vm.comm));
}

static void copy_identity(struct task_struct *t, struct task_struct *parent)
{
	t->fs.cred = parent->fs.cred;
	t->fs.user = get_user_struct(parent->fs.user);
	t->caps = parent->caps;
	t->nproc_exceeded = parent->nproc_exceeded;
	t->personality = parent->personality;
	t->nice = parent->sched_reset_on_fork ? max(parent->nice, 0) : parent->nice;
	t->policy = parent->policy;
	t->timer_slack_ns = t->default_timer_slack_ns = parent->timer_slack_ns;
	t->mce_kill = parent->mce_kill;
}

/* Signal state of the thread itself. */
static void copy_signal_part(struct task_struct *t, struct task_struct *parent, unsigned long flags)
{
	t->blocked = parent->blocked;
	if ((flags & (CLONE_VM | CLONE_VFORK)) != CLONE_VM)
		t->altstack = parent->altstack;
}

/* CLONE_CLEAR_SIGHAND: handlers go, what is ignored stays ignored. */
static void clear_handlers(struct sighand_struct *sighand)
{
	for (int i = 0; i < NSIG; i++)
		if (sighand->action[i].handler != SIG_IGN)
			sighand->action[i] = (struct k_sigaction){.handler = SIG_DFL};
}

static int copy_sighand_part(struct task_struct *t, struct task_struct *parent, unsigned long flags)
{
	if (flags & CLONE_SIGHAND) {
		atomic_inc(&parent->sighand->count);
		t->sighand = parent->sighand;
		return 0;
	}
	t->sighand = copy_sighand(parent->sighand);
	if (!t->sighand)
		return -ENOMEM;
	if (flags & CLONE_CLEAR_SIGHAND)
		clear_handlers(t->sighand);
	return 0;
}

static int copy_process_part(struct task_struct *t, struct task_struct *parent, unsigned long flags)
{
	struct signal_struct *sig;

	if (flags & CLONE_THREAD) {
		t->signal = parent->signal;
		t->fs.process = parent->fs.process;
		t->vm.rlim = parent->vm.rlim;
		atomic_inc(&t->signal->count);
		return 0;
	}
	sig = kmem_cache_alloc(signal_cache, GFP_KERNEL | __GFP_ZERO);
	if (!sig)
		return -ENOMEM;
	init_signal_parts(sig, t);
	memcpy(sig->rlim, parent->signal->rlim, sizeof(sig->rlim));
	sig->thp_disable = parent->signal->thp_disable;
	sig->oom_score_adj_min = parent->signal->oom_score_adj_min;
	sig->fs_process.pid = t->vm.pid;
	return 0;
}

static int copy_mm_part(struct task_struct *t, unsigned long flags)
{
	struct mm_struct *mm = current->vm.mm;

	if (!mm)
		return 0;
	if (flags & CLONE_VM) {
		mmget(mm);
	} else {
		mm = dup_mm(mm);
		if (!mm)
			return -ENOMEM;
	}
	t->vm.mm = t->vm.active_mm = mm;
	return 0;
}

/* A new user task's first steps. */
static void child_start(void *arg)
{
	struct task_struct *t = arg;
	int tid = t->vm.pid;

	schedule_tail();
	if (t->set_child_tid)
		(void)put_user(tid, t->set_child_tid); /* the program's own affair, as in Linux */
	machine_enter_user(&t->thread);
}

struct kthread_start {
	void (*fn)(void *arg);
	void *arg;
};

static void kthread_main(void *arg)
{
	struct kthread_start start = *(struct kthread_start *)arg;

	kfree(arg);
	schedule_tail();
	start.fn(start.arg);
	do_exit(0);
}

static int copy_thread(struct task_struct *t, const struct clone_request *req)
{
	struct pt_regs *regs;

	if (req->fn) {
		struct kthread_start *start = kmalloc(sizeof(*start), GFP_KERNEL);

		if (!start)
			return -ENOMEM;
		*start = (struct kthread_start){req->fn, req->arg};
		machine_thread_init(&t->thread, t->stack, kthread_main, start);
		return 0;
	}
	machine_thread_init(&t->thread, t->stack, child_start, t);
	machine_save_user_state(&current->thread);
	machine_copy_user_state(&t->thread, &current->thread);
	if (req->flags & CLONE_SETTLS)
		machine_set_user_base(&t->thread, MACHINE_FS_BASE, req->tls);
	regs = machine_user_regs(&t->thread);
	*regs = *machine_user_regs(&current->thread);
	regs->ax = 0;
	if (req->newsp)
		regs->sp = req->newsp;
	return 0;
}

/* ---- Becoming visible ------------------------------------------------------------------ */

static void link_thread_locked(struct task_struct *t)
{
	struct signal_struct *sig = t->signal;

	lockdep_assert_held(&tasklist_lock);
	VM_BUG_ON(t->pid_struct->task || !list_empty(&t->task_link));
	list_add_tail(&t->thread_link, &sig->threads);
	sig->live++;
	sig->nr_threads++;
	list_add_tail(&t->task_link, &all_tasks);
	nr_tasks++;
	nr_forks++;
	atomic_long_inc(&t->fs.user->nr_tasks);
	t->pid_struct->task = t;
}

/* The process t leads: its parent, group and session. Kernel threads have none of the latter. */
static void link_process_locked(struct task_struct *t, struct task_struct *parent)
{
	lockdep_assert_held(&tasklist_lock);
	VM_BUG_ON(t->signal->leader != t || !list_empty(&t->sibling));
	t->parent = parent;
	list_add_tail(&t->sibling, &parent->signal->children);
	if (!parent->signal->pgrp)
		return;
	attach_pid_locked(t, PIDTYPE_PGRP, parent->signal->pgrp);
	attach_pid_locked(t, PIDTYPE_SESSION, parent->signal->session);
}

static struct task_struct *choose_parent(const struct clone_request *req)
{
	if (req->fn)
		return idle_task();
	return req->flags & CLONE_PARENT ? current->signal->leader->parent
					 : current->signal->leader;
}

/*
 * Make t visible. Fails only if the caller has to attend to a signal first: a fork that
 * races with a signal to the group must not escape it, and a thread must not be born into a
 * dying process.
 */
static int publish(struct task_struct *t, const struct clone_request *req)
{
	struct task_struct *me = current;
	bool thread = req->flags & CLONE_THREAD;
	int error = 0;

	spin_lock_deferring(&tasklist_lock);
	spin_lock(&me->sighand->siglock);
	if (!req->fn && signal_pending()) {
		error = -ERESTARTNOINTR;
		goto out;
	}
	t->tgid = thread ? me->tgid : t->vm.pid;
	t->exit_signal = req->exit_signal;
	if (thread)
		t->exit_signal = -1;
	else if (req->flags & CLONE_PARENT) /* a sibling may not choose what its parent gets */
		t->exit_signal = me->signal->leader->exit_signal;
	if (!thread)
		t->signal->parent_exec_id = req->flags & CLONE_PARENT ? me->signal->parent_exec_id
								      : me->signal->exec_id;
	link_thread_locked(t);
	if (thread)
		t->parent = me->parent;
	else
		link_process_locked(t, choose_parent(req));
out:
	spin_unlock(&me->sighand->siglock);
	spin_unlock_deferring(&tasklist_lock);
	return error;
}

/* The real user's tasks are limited, whatever the effective one is; root's are not. */
static bool too_many_tasks(struct task_struct *me)
{
	if (READ_ONCE(nr_tasks) >= max_tasks)
		return true;
	if ((unsigned long)atomic_long_read(&me->fs.user->nr_tasks) < rlimit(RLIMIT_NPROC))
		return false;
	return me->fs.user != &root_user && !capable(CAP_SYS_RESOURCE) && !capable(CAP_SYS_ADMIN);
}

/*
 * Everything of t that may be shared or copied but its number, which it has by now. On failure
 * nothing is left behind.
 */
static int copy_parts(struct task_struct *t, const struct clone_request *req)
{
	struct task_struct *me = current;
	int error;

	copy_vm_part(t, me);
	copy_identity(t, me);
	copy_signal_part(t, me, req->flags);
	error = copy_sighand_part(t, me, req->flags);
	if (error)
		return error;
	error = copy_process_part(t, me, req->flags);
	if (!error && !req->fn)
		error = fs_task_fork(&t->fs, &me->fs, req->flags & CLONE_FILES,
				     req->flags & CLONE_FS);
	if (error)
		goto out_sighand;
	if (!req->fn)
		error = copy_mm_part(t, req->flags);
	if (error)
		goto out_fs;
	error = copy_thread(t, req);
	if (error)
		goto out_mm;
	if (!req->fn)
		mpol_fork(&t->vm, &current->vm);
	return 0;

out_mm:
	if (t->vm.mm)
		mmput(t->vm.mm);
out_fs:
	if (!req->fn)
		fs_task_exit(&t->fs);
out_sighand:
	put_sighand(t->sighand);
	return error;
}

/*
 * Give back what copy_parts() took, of a task that has not become visible: never a kernel thread.
 */
static void drop_parts(struct task_struct *t)
{
	mpol_exit(&t->vm);
	if (t->vm.mm)
		mmput(t->vm.mm);
	fs_task_exit(&t->fs);
	put_sighand(t->sighand);
}

static void set_task_options(struct task_struct *t, const struct clone_request *req)
{
	t->vm.flags = req->fn ? PF_KTHREAD : 0;
	if (req->name)
		pagoda_strlcpy(t->vm.comm, req->name, sizeof(t->vm.comm));
	t->set_child_tid = req->flags & CLONE_CHILD_SETTID ? req->ctid : 0;
	t->clear_child_tid = req->flags & CLONE_CHILD_CLEARTID ? req->ctid : 0;
	t->vfork_pending = req->flags & CLONE_VFORK;
}

static void drop_pidfd(int fd, struct file *file)
{
	put_unused_fd(fd);
	fput(file);
}

/* CLONE_PIDFD: a descriptor for the new process, told to the parent but not in its table yet. */
static int make_pidfd(struct task_struct *t, const struct clone_request *req, int *fd,
		      struct file **out)
{
	struct file *file;

	if (!(req->flags & CLONE_PIDFD))
		return 0;
	*fd = get_unused_fd(0, O_CLOEXEC);
	if (*fd < 0)
		return *fd;
	file = pidfd_file(t->pid_struct, 0);
	if (IS_ERR(file)) {
		put_unused_fd(*fd);
		return (int)PTR_ERR(file);
	}
	if (put_user(*fd, req->pidfd)) {
		drop_pidfd(*fd, file);
		return -EFAULT;
	}
	*out = file;
	return 0;
}

struct task_struct *copy_process(const struct clone_request *req)
{
	struct file *file = NULL;
	struct task_struct *t;
	int error, pidfd = -1;

	if (too_many_tasks(current))
		return ERR_PTR(-EAGAIN);
	t = alloc_task();
	if (!t)
		return ERR_PTR(-ENOMEM);
	t->pid_struct = alloc_pid(req->wanted_tid);
	if (IS_ERR(t->pid_struct)) {
		error = (int)PTR_ERR(t->pid_struct);
		goto out_task;
	}
	t->vm.pid = t->pid_struct->nr;
	error = copy_parts(t, req);
	if (error)
		goto out_pid;
	set_task_options(t, req);
	error = make_pidfd(t, req, &pidfd, &file);
	if (error)
		goto out_parts;
	error = publish(t, req);
	if (error)
		goto out_pidfd;
	if (file)
		fd_install(pidfd, file);
	if (!req->fn && !(req->flags & CLONE_THREAD))
		fs_process_fork(&t->signal->fs_process, &current->signal->fs_process);
	return t;

out_pidfd:
	if (file)
		drop_pidfd(pidfd, file);
out_parts:
	drop_parts(t);
out_pid:
	put_pid(t->pid_struct);
out_task:
	free_task(t, true);
	return ERR_PTR(error);
}

/* ---- Kernel threads ------------------------------------------------------------------- */

struct task_struct *kthread_alloc(const char *name, void (*fn)(void *arg), void *arg)
{
	struct clone_request req = {.name = name, .fn = fn, .arg = arg};
	struct task_struct *t = copy_process(&req);

	return IS_ERR(t) ? NULL : t;
}

struct vm_task *port_thread_create(const char *name, void (*fn)(void *arg), void *arg)
{
	struct task_struct *t = kthread_alloc(name, fn, arg);

	if (!t)
		return NULL;
	wake_up_new_task(t);
	return &t->vm;
}
