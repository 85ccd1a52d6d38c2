/* SPDX-License-Identifier: MIT */
/*
 * job.c: process groups and sessions, the ground of job control.
 *
 *	session 5 ---- terminal
 *	  group 5	the shell (leads group and session)
 *	  group 8	a pipeline: 8, 9
 *
 * A process is linked by its leader into its group's and its session's struct pid. A group is
 * orphaned when no member has a parent outside the group but inside the session: nobody is
 * left who would continue it, so terminal stops are ignored there.
 *
 * Locking: tasklist_lock for all of it. Failure: as the calls' contracts (POSIX) say.
 */
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <kernel/sched.h>
#include <kernel/signal_internal.h>
#include <kernel/syscalls.h>

/* ---- Finding --------------------------------------------------------------------------------- */

struct task_struct *find_task_locked(int tid)
{
	struct pid *pid = find_pid_locked(tid);

	lockdep_assert_held(&tasklist_lock);
	return pid ? pid->task : NULL;
}

struct task_struct *get_task_by_pid(int tid)
{
	struct task_struct *t;

	spin_lock_deferring(&tasklist_lock);
	t = find_task_locked(tid);
	if (t)
		get_task(t);
	spin_unlock_deferring(&tasklist_lock);
	return t;
}

/* ---- Groups ---------------------------------------------------------------------------------- */

#define for_each_member(t, pid, type) list_for_each_entry(t, &(pid)->members[type], pid_link[type])

struct task_struct *first_member_locked(struct pid *pgrp)
{
	lockdep_assert_held(&tasklist_lock);
	if (list_empty(&pgrp->members[PIDTYPE_PGRP]))
		return NULL;
	return list_first_entry(&pgrp->members[PIDTYPE_PGRP], struct task_struct,
				pid_link[PIDTYPE_PGRP]);
}

bool pgrp_is_orphaned_locked(struct pid *pgrp, struct task_struct *ignored)
{
	struct task_struct *t;

	lockdep_assert_held(&tasklist_lock);
	for_each_member(t, pgrp, PIDTYPE_PGRP) {
		if (t == ignored || !t->signal->live || t->parent == idle_task() ||
		    t->parent == child_reaper)
			continue;
		if (t->parent->signal->pgrp != pgrp &&
		    t->parent->signal->session == t->signal->session)
			return false;
	}
	return true;
}

bool pgrp_has_stopped_locked(struct pid *pgrp)
{
	struct task_struct *t;

	lockdep_assert_held(&tasklist_lock);
	for_each_member(t, pgrp, PIDTYPE_PGRP)
		if (t->signal->group_stop && t->signal->nr_to_stop == 0)
			return true;
	return false;
}

bool is_orphaned_pgrp(int pgrp)
{
	struct pid *pid;
	bool orphaned;

	spin_lock_deferring(&tasklist_lock);
	pid = find_pid_locked(pgrp);
	orphaned = !pid || pgrp_is_orphaned_locked(pid, NULL);
	spin_unlock_deferring(&tasklist_lock);
	return orphaned;
}

int kill_pgrp_locked(struct pid *pgrp, int signo, const struct siginfo *info)
{
	struct task_struct *t;
	int result = -ESRCH;

	lockdep_assert_held(&tasklist_lock);
	if (!pgrp)
		return result;
	for_each_member(t, pgrp, PIDTYPE_PGRP)
		result = send_signal_listed(signo, info, t, true);
	return result;
}

/* Is there a member after the first KILL_BATCH? */
bool is_large_group_locked(const struct pid *pgrp)
{
	int n = 0;

	lockdep_assert_held(&tasklist_lock);
	for (const struct list_head *l = pgrp->members[PIDTYPE_PGRP].next;
	     l != &pgrp->members[PIDTYPE_PGRP]; l = l->next)
		if (++n > KILL_BATCH)
			return true;
	return false;
}

void kill_pgrp_in_batches(struct pid *pgrp, int signo)
{
	struct task_struct *t;
	int nr = 0, n = 0;

	spin_lock_deferring(&tasklist_lock);
	while ((nr = next_pid_locked(nr, &t))) {
		if (thread_group_leader(t) && t->signal->pgrp == pgrp)
			/* no real-time signal: it cannot fail */
			(void)send_signal_listed(signo, NULL, t, true);
		if (++n % KILL_BATCH)
			continue;
		spin_unlock_deferring(&tasklist_lock);
		port_cond_resched();
		spin_lock_deferring(&tasklist_lock);
	}
	spin_unlock_deferring(&tasklist_lock);
}

int kill_pgrp_with_pauses(int nr, int signo)
{
	struct pid *pgrp;
	int error;

	spin_lock_deferring(&tasklist_lock);
	pgrp = find_pid_locked(nr);
	if (!pgrp || !is_large_group_locked(pgrp)) {
		error = kill_pgrp_locked(pgrp, signo, NULL);
		spin_unlock_deferring(&tasklist_lock);
		return error;
	}
	get_pid_locked(pgrp);
	spin_unlock_deferring(&tasklist_lock);
	kill_pgrp_in_batches(pgrp, signo);
	put_pid(pgrp);
	return 0;
}

int kill_pgrp(int pgrp, int signo)
{
	int error;

	spin_lock_deferring(&tasklist_lock);
	error = kill_pgrp_locked(find_pid_locked(pgrp), signo, NULL);
	spin_unlock_deferring(&tasklist_lock);
	return error;
}

/* ---- The calls ------------------------------------------------------------------------------- */

long sys_getpid(void)
{
	return current->tgid;
}

long sys_gettid(void)
{
	return current->vm.pid;
}

long sys_getppid(void)
{
	long ppid;

	spin_lock_deferring(&tasklist_lock);
	ppid = current->parent->tgid;
	spin_unlock_deferring(&tasklist_lock);
	return ppid;
}

long sys_getpgrp(void)
{
	return current->signal->fs_process.pgrp;
}

static long group_or_session(int pid, bool session)
{
	struct task_struct *t = current;
	long nr = -ESRCH;

	spin_lock_deferring(&tasklist_lock);
	if (pid)
		t = find_task_locked(pid);
	if (t)
		nr = session ? t->signal->fs_process.sid : t->signal->fs_process.pgrp;
	spin_unlock_deferring(&tasklist_lock);
	return nr;
}

long sys_getpgid(unsigned long pid)
{
	return group_or_session((int)pid, false);
}

long sys_getsid(unsigned long pid)
{
	return group_or_session((int)pid, true);
}

/* The group that process t may join as number pgid, or an error. */
static struct pid *choose_group(struct task_struct *t, int pgid)
{
	struct pid *pgrp;
	struct task_struct *member;

	if (pgid == t->tgid)
		return t->pid_struct;
	pgrp = find_pid_locked(pgid);
	if (!pgrp || list_empty(&pgrp->members[PIDTYPE_PGRP]))
		return ERR_PTR(-EPERM);
	member = list_first_entry(&pgrp->members[PIDTYPE_PGRP], struct task_struct,
				  pid_link[PIDTYPE_PGRP]);
	return member->signal->session == current->signal->session ? pgrp : ERR_PTR(-EPERM);
}

static long setpgid_locked(int pid, int pgid)
{
	struct task_struct *t = find_task_locked(pid), *me = current->signal->leader;
	struct pid *pgrp;

	lockdep_assert_held(&tasklist_lock);
	if (!t)
		return -ESRCH;
	if (!thread_group_leader(t))
		return -EINVAL;
	if (t->parent == me) {
		if (t->signal->session != me->signal->session)
			return -EPERM;
		if (t->signal->did_exec)
			return -EACCES;
	} else if (t != me) {
		return -ESRCH;
	}
	if (t->signal->session_leader)
		return -EPERM;
	pgrp = choose_group(t, pgid);
	if (IS_ERR(pgrp))
		return PTR_ERR(pgrp);
	if (t->signal->pgrp != pgrp) {
		get_pid_locked(pgrp); /* across the detach */
		detach_pid_locked(t, PIDTYPE_PGRP);
		attach_pid_locked(t, PIDTYPE_PGRP, pgrp);
		put_pid_locked(pgrp);
	}
	return 0;
}

long sys_setpgid(unsigned long upid, unsigned long upgid)
{
	int pid = (int)upid ? (int)upid : current->tgid;
	int pgid = (int)upgid ? (int)upgid : pid;
	long ret;

	if (pgid < 0)
		return -EINVAL;
	spin_lock_deferring(&tasklist_lock);
	ret = setpgid_locked(pid, pgid);
	spin_unlock_deferring(&tasklist_lock);
	return ret;
}

long sys_setsid(void)
{
	struct task_struct *me = current->signal->leader;
	struct signal_struct *sig = me->signal;

	spin_lock_deferring(&tasklist_lock);
	if (sig->session_leader || !list_empty(&me->pid_struct->members[PIDTYPE_PGRP])) {
		spin_unlock_deferring(&tasklist_lock);
		return -EPERM;
	}
	detach_pid_locked(me, PIDTYPE_PGRP);
	detach_pid_locked(me, PIDTYPE_SESSION);
	attach_pid_locked(me, PIDTYPE_PGRP, me->pid_struct);
	attach_pid_locked(me, PIDTYPE_SESSION, me->pid_struct);
	sig->session_leader = true;
	spin_unlock_deferring(&tasklist_lock);
	fs_process_setsid(&sig->fs_process);
	return me->tgid;
}
