/* SPDX-License-Identifier: MIT */
/*
 * wait.c: wait4 and waitid: learning of what became of one's children.
 *
 *	child			reported as		by
 *	zombie, all threads over CLD_EXITED, KILLED	WEXITED		(released unless WNOWAIT)
 *	stopped			CLD_STOPPED		WUNTRACED = WSTOPPED
 *	continued		CLD_CONTINUED		WCONTINUED
 *
 * Each event is told once (unless WNOWAIT). Zombies are at the head of the parent's list of
 * children, so wait(-1) finds one without a search; wait(pid) goes by number.
 *
 * Locking: tasklist_lock while looking, siglock of the child for its stop state. Copies to
 * the user come after: as in Linux, a bad pointer is noticed when the child has gone.
 */
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <kernel/pidfd.h>
#include <kernel/process.h>
#include <kernel/sched.h>
#include <kernel/syscalls.h>

#define WNOHANG	   0x00000001u
#define WUNTRACED  0x00000002u
#define WEXITED	   0x00000004u
#define WCONTINUED 0x00000008u
#define WNOWAIT	   0x01000000u
#define W_NOTHREAD 0x20000000u
#define W_ALL	   0x40000000u
#define W_CLONE	   0x80000000u

#define P_ALL	0
#define P_PID	1
#define P_PGID	2
#define P_PIDFD 3

#define STATUS_CONTINUED      0xffff
#define STATUS_STOPPED(signo) ((signo) << 8 | 0x7f)

struct wait_request {
	/* in */
	int type, id;		/* P_ */
	struct pid *pid_struct; /* P_PIDFD: whose, a reference */
	bool nonblock;		/* P_PIDFD: EAGAIN instead of waiting */
	unsigned int options;
	/* out */
	int pid, code, status; /* CLD_; raw status for wait4, plain for waitid */
	int raw_status;
	u32 uid;
	struct task_usage usage;
	/* working */
	bool have_children;
};

/* ---- Looking at one child: true if there is something to tell. tasklist_lock held. ------ */

static void describe(struct wait_request *w, struct task_struct *child, int code, int status,
		     int raw)
{
	w->pid = child->vm.pid;
	w->uid = child->fs.cred.uid;
	w->code = code;
	w->status = status;
	w->raw_status = raw;
	process_usage(child->signal, &w->usage);
	add_usage(&w->usage, &child->signal->kids);
}

static bool take_zombie(struct wait_request *w, struct task_struct *child)
{
	int raw = child->signal->group_exit ? child->signal->group_exit_code : child->exit_code;

	if (child->state != TASK_ZOMBIE || child->signal->live || !(w->options & WEXITED))
		return false;
	if (raw & 0x7f)
		describe(w, child, raw & 0x80 ? CLD_DUMPED : CLD_KILLED, raw & 0x7f, raw);
	else
		describe(w, child, CLD_EXITED, raw >> 8 & 0xff, raw);
	if (!(w->options & WNOWAIT)) {
		add_usage(&child->parent->signal->kids, &w->usage);
		release_task_locked(child);
		put_task(child);
	}
	return true;
}

static bool take_stopped(struct wait_request *w, struct task_struct *child)
{
	struct signal_struct *sig = child->signal;

	if (!(w->options & WUNTRACED) || !sig->stop_reportable)
		return false;
	if (!(w->options & WNOWAIT))
		sig->stop_reportable = false;
	describe(w, child, CLD_STOPPED, sig->stop_signo, STATUS_STOPPED(sig->stop_signo));
	return true;
}

static bool take_continued(struct wait_request *w, struct task_struct *child)
{
	struct signal_struct *sig = child->signal;

	if (!(w->options & WCONTINUED) || !sig->cont_reportable)
		return false;
	if (!(w->options & WNOWAIT))
		sig->cont_reportable = false;
	describe(w, child, CLD_CONTINUED, SIGCONT, STATUS_CONTINUED);
	return true;
}

static bool is_wanted(const struct wait_request *w, const struct task_struct *child)
{
	bool is_clone = child->exit_signal != SIGCHLD;

	if (w->type == P_PID && child->vm.pid != w->id)
		return false;
	if (w->type == P_PGID && child->signal->fs_process.pgrp != w->id)
		return false;
	return (w->options & W_ALL) || is_clone == !!(w->options & W_CLONE);
}

static bool look_at(struct wait_request *w, struct task_struct *child)
{
	bool found;

	if (!is_wanted(w, child))
		return false;
	w->have_children = true;
	if (take_zombie(w, child))
		return true;
	if (child->state == TASK_ZOMBIE && !child->signal->live)
		return false;
	spin_lock(&child->sighand->siglock);
	found = take_stopped(w, child) || take_continued(w, child);
	spin_unlock(&child->sighand->siglock);
	return found;
}

static bool look_at_all(struct wait_request *w)
{
	struct signal_struct *sig = current->signal;
	struct task_struct *child, *tmp;
	bool found = false;

	spin_lock_deferring(&tasklist_lock);
	w->have_children = false;
	if (w->type == P_PID || w->type == P_PIDFD) {
		child = w->pid_struct ? w->pid_struct->task : find_task_locked(w->id);
		if (child && thread_group_leader(child) && child->parent->signal == sig)
			found = look_at(w, child);
	} else {
		list_for_each_entry_safe(child, tmp, &sig->children, sibling) {
			found = look_at(w, child);
			if (found)
				break;
		}
	}
	spin_unlock_deferring(&tasklist_lock);
	return found;
}

/* The pid, with w filled in; 0 (WNOHANG) or -errno. */
static long do_wait(struct wait_request *w)
{
	struct wait_queue_entry entry;
	long ret;

	prepare_to_wait(&current->signal->child_wait, &entry, NULL);
	for (;;) {
		ret = w->pid = 0;
		if (look_at_all(w))
			ret = w->pid;
		else if (!w->have_children)
			ret = -ECHILD;
		else if (w->options & WNOHANG)
			ret = 0;
		else if (w->nonblock)
			ret = -EAGAIN;
		else if (signal_pending())
			ret = -ERESTARTSYS;
		else {
			port_park(UINT64_MAX);
			continue;
		}
		break;
	}
	finish_wait(&current->signal->child_wait, &entry);
	free_dead_tasks(false);
	return ret;
}

/* ---- The calls ------------------------------------------------------------------------------- */

long sys_wait4(unsigned long upid, unsigned long ustatus, unsigned long options,
	       unsigned long rusage)
{
	struct wait_request w = {.options = (unsigned int)options | WEXITED};
	int pid = (int)upid;
	long ret;

	if ((unsigned int)options &
	    ~(WNOHANG | WUNTRACED | WCONTINUED | W_NOTHREAD | W_CLONE | W_ALL))
		return -EINVAL;
	if (pid == (int)0x80000000)
		return -ESRCH;
	w.type = pid == -1 ? P_ALL : pid > 0 ? P_PID : P_PGID;
	w.id = pid > 0 ? pid : pid == 0 ? current->signal->fs_process.pgrp : -pid;
	ret = do_wait(&w);
	if (ret <= 0)
		return ret;
	if (ustatus && put_user(w.raw_status, ustatus))
		return -EFAULT;
	if (rusage && put_rusage(rusage, &w.usage))
		return -EFAULT;
	return ret;
}

static int put_wait_info(unsigned long uinfo, const struct wait_request *w)
{
	struct siginfo info;

	memset(&info, 0, sizeof(info));
	if (w->pid) {
		info.si_signo = SIGCHLD;
		info.si_code = w->code;
		info.chld.pid = w->pid;
		info.chld.uid = w->uid;
		info.chld.status = w->status;
	}
	/* Linux writes these fields and no others */
	return copy_to_user(uinfo, &info, 12) || copy_to_user(uinfo + 16, (char *)&info + 16, 12)
		       ? -EFAULT
		       : 0;
}

/* Whom a waitid is about. 0, -EINVAL, -EBADF. */
static int set_target(struct wait_request *w)
{
	switch (w->type) {
	case P_ALL:
		return 0;
	case P_PID:
		return w->id > 0 ? 0 : -EINVAL;
	case P_PGID:
		if (w->id == 0)
			w->id = current->signal->fs_process.pgrp;
		return w->id > 0 ? 0 : -EINVAL;
	case P_PIDFD:
		if (w->id < 0)
			return -EINVAL;
		w->pid_struct = pidfd_pid(w->id, &w->nonblock);
		return IS_ERR(w->pid_struct) ? (int)PTR_ERR(w->pid_struct) : 0;
	default:
		return -EINVAL;
	}
}

static long wait_for_target(struct wait_request *w)
{
	long ret;

	if (w->options &
	    ~(WNOHANG | WNOWAIT | WEXITED | WUNTRACED | WCONTINUED | W_NOTHREAD | W_CLONE | W_ALL))
		return -EINVAL;
	if (!(w->options & (WEXITED | WUNTRACED | WCONTINUED)))
		return -EINVAL;
	ret = set_target(w);
	if (ret)
		return ret;
	ret = do_wait(w);
	if (w->pid_struct)
		put_pid_ref(w->pid_struct);
	return ret;
}

/*
 * As in Linux the information is written, as zeros, when there was an error, too; a bad pointer
 * comes first then.
 */
long sys_waitid(unsigned long type, unsigned long id, unsigned long uinfo, unsigned long options,
		unsigned long rusage)
{
	struct wait_request w = {
		.type = (int)type, .id = (int)id, .options = (unsigned int)options};
	long ret = wait_for_target(&w);

	if (ret > 0 && rusage && put_rusage(rusage, &w.usage))
		return -EFAULT;
	if (uinfo && put_wait_info(uinfo, &w))
		return -EFAULT;
	return min(ret, 0l);
}
