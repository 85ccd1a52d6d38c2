/* SPDX-License-Identifier: MIT */
/*
 * fs_hooks.c: what fs/ asks of the kernel (fs/task.h): the current task, signals to terminals'
 * groups, wall clock, and tasks as /proc shows them.
 *
 * Locking: pictures of tasks are taken under tasklist_lock, so that they are of one moment.
 */
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/machine.h>
#include <pagoda/mm.h>
#include <pagoda/oom.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <asm/ptrace.h>
#include <fs/user.h>
#include <kernel/process.h>
#include <kernel/sched.h>
#include <kernel/signal_internal.h>
#include <kernel/time.h>

/* ---- The running task's account -------------------------------------------------------------- */

static struct task_io *running_task_io(void)
{
	return &current->fs.io;
}

void task_io_init(void)
{
	current_task_io = running_task_io;
}

/* ---- The running task and signals ------------------------------------------------------------ */

struct fs_task *fs_hook_current(void)
{
	return &current->fs;
}

bool fs_hook_capable(int cap)
{
	return capable(cap);
}

u64 fs_hook_take_real_caps(void)
{
	u64 effective = current->caps.effective;

	current->caps.effective = current->fs.cred.uid ? 0 : current->caps.permitted;
	return effective;
}

void fs_hook_restore_caps(u64 effective)
{
	current->caps.effective = effective;
}

bool fs_hook_signal_pending(void)
{
	return signal_pending();
}

int fs_hook_signal_pgrp(int pgrp, int signo)
{
	return kill_pgrp_with_pauses(pgrp, signo);
}

int fs_hook_signal_pid(int pid, int signo)
{
	struct task_struct *t = get_task_by_pid(pid);
	int error;

	if (!t)
		return -ESRCH;
	error = send_group_sig(signo, NULL, t);
	put_task(t);
	return error;
}

void fs_hook_signal_self(int signo)
{
	send_sig(signo, current);
}

bool fs_hook_signal_ignored(int signo)
{
	return signal_ignored_or_blocked(signo);
}

bool fs_hook_pgrp_orphaned(int pgrp)
{
	return is_orphaned_pgrp(pgrp);
}

int fs_hook_pgrp_session(int pgrp)
{
	struct task_struct *t;
	struct pid *pid;
	int session = -ESRCH;

	spin_lock_deferring(&tasklist_lock);
	pid = find_pid_locked(pgrp);
	if (pid && !list_empty(&pid->members[PIDTYPE_PGRP])) {
		t = list_first_entry(&pid->members[PIDTYPE_PGRP], struct task_struct,
				     pid_link[PIDTYPE_PGRP]);
		session = t->signal->fs_process.sid;
	}
	spin_unlock_deferring(&tasklist_lock);
	return session;
}

int fs_hook_sigmask_set(unsigned long usigmask, size_t size)
{
	sigset_t set;

	if (size != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, usigmask, sizeof(set)))
		return -EFAULT;
	set_user_sigmask(set);
	return 0;
}

void fs_hook_sigmask_restore(bool interrupted)
{
	if (!interrupted)
		restore_user_sigmask();
}

u64 fs_hook_realtime_ns(void)
{
	return ktime_get_real_ns();
}

/* ---- Tasks in /proc -------------------------------------------------------------------------- */

static char state_letter(const struct task_struct *t)
{
	switch (READ_ONCE(t->state)) {
	case TASK_RUNNING:
		return 'R';
	case TASK_PARKED:
		return 'S';
	case TASK_STOPPED:
		return 'T';
	case TASK_ZOMBIE:
		return 'Z';
	default:
		return 'X';
	}
}

static void fill_signals(const struct task_struct *t, struct fs_task_info *info)
{
	info->sig_pending = t->pending.set;
	info->shd_pending = t->signal->shared_pending.set;
	info->sig_blocked = t->blocked;
	info->sigq_used = (unsigned int)atomic_long_read(&t->fs.user->nr_sigpending);
	info->sigq_max = (unsigned int)t->signal->rlim[RLIMIT_SIGPENDING].rlim_cur;
	for (int signo = 1; t->sighand && signo <= NSIG; signo++) {
		unsigned long handler = t->sighand->action[signo - 1].handler;

		if (handler == SIG_IGN)
			info->sig_ignored |= sigmask(signo);
		else if (handler != SIG_DFL)
			info->sig_caught |= sigmask(signo);
	}
}

static void fill_usage(struct task_struct *t, bool thread, struct fs_task_info *info)
{
	struct task_usage u;

	if (thread) {
		task_usage(t, &u);
		info->io = u.io;
	} else {
		process_usage(t->signal, &u);
		info->io = u.io;
		add_io(&info->io, &t->signal->kids.io);
	}
	info->utime = u.utime_ns;
	info->stime = u.stime_ns;
	info->min_flt = u.min_flt;
	info->maj_flt = u.maj_flt;
	info->nvcsw = t->nvcsw;
	info->nivcsw = t->nivcsw;
	info->cutime = t->signal->kids.utime_ns;
	info->cstime = t->signal->kids.stime_ns;
	info->cmin_flt = t->signal->kids.min_flt;
	info->cmaj_flt = t->signal->kids.maj_flt;
	info->start_time = t->vm.start_time_ns;
}

static void fill_caps(const struct task_struct *t, struct fs_task_info *info)
{
	info->cap_inheritable = t->caps.inheritable;
	info->cap_bounding = t->caps.bounding;
	info->cap_ambient = t->caps.ambient;
	info->no_new_privs = t->caps.no_new_privs;
}

#define PF_SHOWN_FORKNOEXEC 0x40u
#define PF_SHOWN_KTHREAD    0x00200000u

static void fill_info(struct task_struct *t, bool thread, struct fs_task_info *info)
{
	struct signal_struct *sig = t->signal;

	info->tid = t->vm.pid;
	info->tgid = t->tgid;
	info->ppid = t->parent->tgid;
	info->pgrp = sig->fs_process.pgrp;
	info->sid = sig->fs_process.sid;
	info->state = state_letter(t);
	memcpy(info->comm, t->vm.comm, sizeof(info->comm));
	fs_tty_numbers(sig->fs_process.tty, &info->tty_dev, &info->tty_pgrp);
	info->exit_code = t->exit_code;
	info->is_kthread = t->vm.flags & PF_KTHREAD;
	info->flags = (info->is_kthread ? PF_SHOWN_KTHREAD : 0) |
		      (sig->did_exec ? 0 : PF_SHOWN_FORKNOEXEC);
	info->prio = 20 + t->nice;
	info->nice = t->nice;
	info->policy = t->policy;
	info->num_threads = sig->nr_threads;
	info->exit_signal = thread_group_leader(t) ? t->exit_signal : 0;
	info->oom_score_adj = t->vm.oom_score_adj;
	info->cred = t->fs.cred;
	info->hidden = !t->vm.mm || t->vm.mm->dumpable != 1;
	memcpy(info->rlim, sig->rlim, sizeof(info->rlim));
	fill_signals(t, info);
	fill_usage(t, thread, info);
	fill_caps(t, info);
	info->personality = t->personality;
}

struct pid *fs_hook_find_pid(int nr)
{
	struct pid *pid;

	spin_lock_deferring(&tasklist_lock);
	pid = find_pid_locked(nr);
	if (pid && pid->task)
		pid->refs++;
	else
		pid = NULL;
	spin_unlock_deferring(&tasklist_lock);
	return pid;
}

struct pid *fs_hook_find_thread(struct pid *process, int tid)
{
	struct pid *pid;

	spin_lock_deferring(&tasklist_lock);
	pid = find_pid_locked(tid);
	if (pid && pid->task && process->task && pid->task->signal == process->task->signal)
		pid->refs++;
	else
		pid = NULL;
	spin_unlock_deferring(&tasklist_lock);
	return pid;
}

void fs_hook_get_pid(struct pid *pid)
{
	if (pid)
		get_pid_ref(pid);
}

void fs_hook_put_pid(struct pid *pid)
{
	if (pid)
		put_pid_ref(pid);
}

bool fs_hook_pid_alive(struct pid *pid)
{
	return READ_ONCE(pid->task);
}

bool fs_hook_pid_is_mine(struct pid *pid)
{
	bool mine;

	spin_lock_deferring(&tasklist_lock);
	mine = pid->task && pid->task->signal == current->signal;
	spin_unlock_deferring(&tasklist_lock);
	return mine;
}

bool fs_hook_task_exists(int tid)
{
	bool exists;

	spin_lock_deferring(&tasklist_lock);
	exists = find_task_locked(tid);
	spin_unlock_deferring(&tasklist_lock);
	return exists;
}

bool fs_hook_task_info(struct pid *pid, bool thread, struct fs_task_info *info)
{
	bool found;

	memset(info, 0, sizeof(*info));
	spin_lock_deferring(&tasklist_lock);
	found = pid->task;
	if (found)
		fill_info(pid->task, thread, info);
	spin_unlock_deferring(&tasklist_lock);
	return found;
}

int fs_hook_may_access(struct pid *pid)
{
	int err = -ESRCH;

	spin_lock_deferring(&tasklist_lock);
	if (pid->task)
		err = may_access_task(pid->task, true) ? 0 : -EACCES;
	spin_unlock_deferring(&tasklist_lock);
	return err;
}

/* As Linux's mm_access(): one's own memory needs no right, and none at all needs none either. */
struct mm_struct *fs_hook_open_mm(struct pid *pid)
{
	struct mm_struct *mm = ERR_PTR(-ESRCH);

	spin_lock_deferring(&tasklist_lock);
	if (pid->task) {
		mm = pid->task->vm.mm;
		if (mm && mm != current->vm.mm && !may_access_task(pid->task, true))
			mm = ERR_PTR(-EACCES);
		else if (mm)
			atomic_inc(&mm->mm_count);
	}
	spin_unlock_deferring(&tasklist_lock);
	return mm;
}

int fs_hook_next_process(int pid)
{
	struct task_struct *t;

	spin_lock_deferring(&tasklist_lock);
	do
		pid = next_pid_locked(pid, &t);
	while (pid && !thread_group_leader(t));
	spin_unlock_deferring(&tasklist_lock);
	return pid;
}

int fs_hook_next_thread(struct pid *process, int tid)
{
	struct task_struct *t;
	int next = 0;

	spin_lock_deferring(&tasklist_lock);
	if (process->task)
		list_for_each_entry(t, &process->task->signal->threads, thread_link)
			if (t->vm.pid > tid && (!next || t->vm.pid < next))
				next = t->vm.pid;
	spin_unlock_deferring(&tasklist_lock);
	return next;
}

struct mm_struct *fs_hook_task_mm(struct pid *pid)
{
	struct mm_struct *mm = NULL;
	struct task_struct *t;

	spin_lock_deferring(&tasklist_lock);
	t = pid->task;
	if (t && t->vm.mm && atomic_inc_not_zero(&t->vm.mm->mm_users))
		mm = t->vm.mm;
	spin_unlock_deferring(&tasklist_lock);
	return mm;
}

bool fs_hook_with_task(struct pid *pid, void (*fn)(struct fs_task *task, void *arg), void *arg)
{
	struct task_struct *t;

	spin_lock_deferring(&tasklist_lock);
	t = pid->task;
	if (t)
		fn(&t->fs, arg);
	spin_unlock_deferring(&tasklist_lock);
	return t;
}

void fs_hook_for_each_process(bool (*fn)(struct fs_process *process, void *arg), void *arg)
{
	struct task_struct *t;

	spin_lock_deferring(&tasklist_lock);
	list_for_each_entry(t, &all_tasks, task_link)
		if (thread_group_leader(t) && !fn(&t->signal->fs_process, arg))
			break;
	spin_unlock_deferring(&tasklist_lock);
}

/*
 * Without privilege the value may come down again to where privilege last put it; by the old
 * file, oom_adj, it may not come down at all. Both as in Linux.
 */
static int set_oom_score_adj_locked(struct task_struct *leader, int value, bool old_file)
	MUST_HOLD(&tasklist_lock)
{
	struct signal_struct *sig = leader->signal;
	int least = old_file ? leader->vm.oom_score_adj : sig->oom_score_adj_min;
	struct task_struct *t;

	lockdep_assert_held(&tasklist_lock);
	if (value < least && !capable(CAP_SYS_RESOURCE))
		return -EACCES;
	if (!old_file && capable(CAP_SYS_RESOURCE))
		sig->oom_score_adj_min = value;
	list_for_each_entry(t, &sig->threads, thread_link)
		t->vm.oom_score_adj = value;
	return 0;
}

long fs_hook_oom_thousandths(struct pid *pid)
{
	unsigned long pages = 0, total = 1;

	spin_lock_deferring(&tasklist_lock);
	if (pid->task)
		pages = oom_task_pages(&pid->task->vm, &total);
	spin_unlock_deferring(&tasklist_lock);
	return pages ? (long)((u64)pages * 1000 / total) : -1;
}

int fs_hook_set_oom_score_adj(struct pid *pid, int value, bool old_file)
{
	int error = -ESRCH;

	spin_lock_deferring(&tasklist_lock);
	if (pid->task)
		error = set_oom_score_adj_locked(pid->task, value, old_file);
	spin_unlock_deferring(&tasklist_lock);
	return error;
}

int fs_hook_set_comm(struct pid *pid, const char *name)
{
	struct task_struct *t;
	int error = 0;

	spin_lock_deferring(&tasklist_lock);
	t = pid->task;
	if (!t)
		error = -ESRCH;
	else if (t->signal != current->signal)
		error = -EINVAL;
	else
		pagoda_strlcpy(t->vm.comm, name, sizeof(t->vm.comm));
	spin_unlock_deferring(&tasklist_lock);
	return error;
}

unsigned long fs_hook_stack_bytes(void)
{
	return (unsigned long)READ_ONCE(nr_tasks) * KERNEL_STACK_SIZE;
}

void fs_hook_system_info(struct fs_system_info *info)
{
	memset(info, 0, sizeof(*info));
	sched_system_info(info);
	info->forks = nr_forks;
	info->nr_threads = nr_tasks;
	info->last_pid = last_pid_given();
	info->boot_realtime_ns = boot_realtime_ns();
}
