/* SPDX-License-Identifier: MIT */
/*
 * sigcalls.c: the system calls about signals; what they do is in signal.c.
 *
 * kill() and its kin share one check, check_and_send(), once the target is known: the number (above
 * NSIG or below 0: -EINVAL; 0 only checks), then may_signal(): the same user, or CAP_KILL, or
 * SIGCONT within the session. Sets are 8 bytes; another sigsetsize is -EINVAL.
 */
#include <pagoda/bug.h>
#include <pagoda/mm.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <asm/ptrace.h>
#include <kernel/pidfd.h>
#include <kernel/sched.h>
#include <kernel/signal_internal.h>
#include <kernel/syscalls.h>

#define SIGS_UNBLOCKABLE (sigmask(SIGKILL) | sigmask(SIGSTOP))

/* ---- Actions and masks ----------------------------------------------------------------------- */

/* A new action that ignores the signal discards what is pending of it (POSIX). */
static void install_action(int signo, const struct k_sigaction *action)
{
	struct task_struct *me = current, *t;

	spin_lock_deferring(&me->sighand->siglock);
	me->sighand->action[signo - 1] = *action;
	me->sighand->action[signo - 1].mask &= ~SIGS_UNBLOCKABLE;
	if (action_ignores(me, signo)) {
		flush_sigpending_locked(&me->signal->shared_pending, sigmask(signo));
		list_for_each_entry(t, &me->signal->threads, thread_link)
			flush_sigpending_locked(&t->pending, sigmask(signo));
	}
	recalc_sigpending_locked();
	spin_unlock_deferring(&me->sighand->siglock);
}

long sys_rt_sigaction(unsigned long sig, unsigned long unew, unsigned long uold, unsigned long size)
{
	int signo = (int)sig;
	struct k_sigaction action, old;

	if (size != sizeof(sigset_t))
		return -EINVAL;
	if (unew && copy_from_user(&action, unew, sizeof(action)))
		return -EFAULT;
	if (signo < 1 || signo > NSIG || (unew && sig_in(SIGS_UNBLOCKABLE, signo)))
		return -EINVAL;
	old = current->sighand->action[signo - 1];
	if (unew)
		install_action(signo, &action);
	if (uold && copy_to_user(uold, &old, sizeof(old)))
		return -EFAULT;
	return 0;
}

long sys_rt_sigprocmask(unsigned long how, unsigned long uset, unsigned long uold,
			unsigned long size)
{
	sigset_t old = current->blocked, set;

	if (size != sizeof(sigset_t))
		return -EINVAL;
	if (uset) {
		if (copy_from_user(&set, uset, sizeof(set)))
			return -EFAULT;
		switch ((int)how) {
		case SIG_BLOCK:
			set |= old;
			break;
		case SIG_UNBLOCK:
			set = old & ~set;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		set_current_blocked(set);
	}
	if (uold && copy_to_user(uold, &old, sizeof(old)))
		return -EFAULT;
	return 0;
}

long sys_rt_sigpending(unsigned long uset, unsigned long size)
{
	struct task_struct *me = current;
	sigset_t set;

	if (size > sizeof(sigset_t))
		return -EINVAL;
	set = (me->pending.set | me->signal->shared_pending.set) & me->blocked;
	return copy_to_user(uset, &set, size) ? -EFAULT : 0;
}

long sys_sigaltstack(unsigned long unew, unsigned long uold)
{
	struct task_struct *me = current;
	unsigned long sp = machine_user_regs(&me->thread)->sp;
	stack_t old = me->altstack, new;
	bool on = me->altstack.size && on_altstack(me, sp);
	unsigned int mode;

	if (unew && copy_from_user(&new, unew, sizeof(new)))
		return -EFAULT;
	if (unew) {
		mode = (unsigned int)new.flags & ~SS_AUTODISARM;
		if (on)
			return -EPERM;
		if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
			return -EINVAL;
		if (mode == SS_DISABLE)
			new.sp = new.size = 0;
		else if (new.size < SIGFRAME_MIN_STACK)
			return -ENOMEM;
		me->altstack = new;
	}
	old.pad_ = 0;
	if (old.size == 0)
		old.flags = SS_DISABLE;
	else
		old.flags =
			(int)(((unsigned int)old.flags & SS_AUTODISARM) | (on ? SS_ONSTACK : 0u));
	if (uold && copy_to_user(uold, &old, sizeof(old)))
		return -EFAULT;
	return 0;
}

/* ---- Waiting for signals --------------------------------------------------------------------- */

long sys_pause(void)
{
	while (!signal_pending())
		port_park(UINT64_MAX);
	return -ERESTARTNOHAND;
}

long sys_rt_sigsuspend(unsigned long uset, unsigned long size)
{
	sigset_t set;

	if (size != sizeof(sigset_t))
		return -EINVAL;
	if (copy_from_user(&set, uset, sizeof(set)))
		return -EFAULT;
	set_user_sigmask(set & ~SIGS_UNBLOCKABLE);
	return sys_pause();
}

/*
 * While asleep the wanted signals count as unblocked, so that they wake us, and as blocked
 * (real_blocked), so that nobody drops or acts on them.
 */
static int wait_for_signal(sigset_t wanted, u64 deadline_ns, struct siginfo *info)
{
	struct task_struct *me = current;
	sigset_t blocked;
	int signo;

	spin_lock_deferring(&me->sighand->siglock);
	blocked = me->real_blocked = me->blocked;
	me->blocked &= ~wanted;
	recalc_sigpending_locked();
	spin_unlock_deferring(&me->sighand->siglock);

	while (!signal_pending() && port_clock_ns() < deadline_ns)
		port_park(deadline_ns);

	spin_lock_deferring(&me->sighand->siglock);
	me->blocked = blocked;
	me->real_blocked = 0;
	signo = dequeue_signal_locked(~wanted, info);
	recalc_sigpending_locked();
	spin_unlock_deferring(&me->sighand->siglock);
	return signo;
}

long sys_rt_sigtimedwait(unsigned long uset, unsigned long uinfo, unsigned long utimeout,
			 unsigned long size)
{
	u64 timeout = UINT64_MAX;
	struct siginfo info;
	sigset_t wanted;
	int signo, error;

	if (size != sizeof(sigset_t))
		return -EINVAL;
	if (copy_from_user(&wanted, uset, sizeof(wanted)))
		return -EFAULT;
	wanted &= ~SIGS_UNBLOCKABLE;
	if (utimeout) {
		error = get_timespec_ns(utimeout, &timeout);
		if (error)
			return error;
	}
	signo = take_signal(wanted, &info);
	if (!signo && timeout)
		signo = wait_for_signal(wanted, deadline_after(timeout), &info);
	if (!signo)
		return timeout && signal_pending() ? -EINTR : -EAGAIN;
	if (uinfo && copy_to_user(uinfo, &info, sizeof(info)))
		return -EFAULT;
	return signo;
}

/* ---- Sending --------------------------------------------------------------------------------- */

static struct siginfo own_info(int signo, int code)
{
	struct siginfo info = {.si_signo = signo, .si_code = code};

	info.rt.pid = current->tgid;
	info.rt.uid = current->fs.cred.uid;
	return info;
}

static int check_number(int signo)
{
	return signo < 0 || signo > NSIG ? -EINVAL : 0;
}

/* tasklist_lock held. */
static int check_and_send(int signo, const struct siginfo *info, struct task_struct *t, bool group)
{
	lockdep_assert_held(&tasklist_lock);
	if (check_number(signo))
		return -EINVAL;
	if (!may_signal(t, signo))
		return -EPERM;
	return signo ? send_signal_listed(signo, info, t, group) : 0;
}

static int kill_one(int pid, int signo, const struct siginfo *info)
{
	struct task_struct *t = find_task_locked(pid);

	return t ? check_and_send(signo, info, t, true) : -ESRCH;
}

/* Every member: success with one is success; else the last error. */
static int kill_small_group(struct pid *pgrp, int signo, const struct siginfo *info)
{
	struct task_struct *t;
	int result = -ESRCH, error;

	list_for_each_entry(t, &pgrp->members[PIDTYPE_PGRP], pid_link[PIDTYPE_PGRP]) {
		error = check_and_send(signo, info, t, true);
		if (result != 0)
			result = error;
	}
	return result;
}

/* Everybody but pid 1, kernel threads and the caller; or the members of a group. */
static bool is_wanted(const struct task_struct *t, const struct pid *pgrp)
{
	if (!thread_group_leader(t) || !t->signal->pgrp)
		return false;
	return pgrp ? t->signal->pgrp == pgrp : t != child_reaper && t->signal != current->signal;
}

/*
 * Signal the members of pgrp, or all tasks (NULL), in the order of their numbers, with pauses. A
 * task that is forked meanwhile usually has a higher number and is met later. For all tasks it is
 * no error, as in Linux, if some may not be signalled or there are none; a group is an error only
 * if all its members are. tasklist_lock held; it is let go of in between.
 */
static int kill_many(struct pid *pgrp, int signo, const struct siginfo *info)
	MUST_HOLD(&tasklist_lock)
{
	int result = pgrp ? -ESRCH : check_number(signo), nr = 0, n = 0;
	struct task_struct *t;

	lockdep_assert_held(&tasklist_lock);
	while ((nr = next_pid_locked(nr, &t))) {
		if (is_wanted(t, pgrp)) {
			int error = check_and_send(signo, info, t, true);

			if (pgrp ? result != 0 : error != -EPERM)
				result = error;
		}
		if (++n % KILL_BATCH)
			continue;
		spin_unlock_deferring(&tasklist_lock);
		port_cond_resched();
		spin_lock_deferring(&tasklist_lock);
	}
	return result;
}

static int kill_group(struct pid *pgrp, int signo, const struct siginfo *info)
	MUST_HOLD(&tasklist_lock)
{
	int result;

	if (!pgrp)
		return -ESRCH;
	if (!is_large_group_locked(pgrp))
		return kill_small_group(pgrp, signo, info);
	get_pid_locked(pgrp);
	result = kill_many(pgrp, signo, info);
	put_pid_locked(pgrp);
	return result;
}

long sys_kill(unsigned long upid, unsigned long usig)
{
	int pid = (int)upid, signo = (int)usig;
	struct siginfo info = own_info(signo, SI_USER);
	int error;

	if (pid == (int)0x80000000)
		return -ESRCH;
	spin_lock_deferring(&tasklist_lock);
	if (pid > 0)
		error = kill_one(pid, signo, &info);
	else if (pid == -1)
		error = kill_many(NULL, signo, &info);
	else
		error = kill_group(pid ? find_pid_locked(-pid) : current->signal->pgrp, signo,
				   &info);
	spin_unlock_deferring(&tasklist_lock);
	return error;
}

/* To one thread. tgid 0: whatever process it is of. */
static int send_to_thread(int tgid, int tid, int signo, const struct siginfo *info)
{
	struct task_struct *t;
	int error = -ESRCH;

	spin_lock_deferring(&tasklist_lock);
	t = find_task_locked(tid);
	if (t && (!tgid || t->tgid == tgid))
		error = check_and_send(signo, info, t, false);
	spin_unlock_deferring(&tasklist_lock);
	return error;
}

long sys_tkill(unsigned long tid, unsigned long sig)
{
	struct siginfo info = own_info((int)sig, SI_TKILL);

	if ((int)tid <= 0)
		return -EINVAL;
	return send_to_thread(0, (int)tid, (int)sig, &info);
}

long sys_tgkill(unsigned long tgid, unsigned long tid, unsigned long sig)
{
	struct siginfo info = own_info((int)sig, SI_TKILL);

	if ((int)tid <= 0 || (int)tgid <= 0)
		return -EINVAL;
	return send_to_thread((int)tgid, (int)tid, (int)sig, &info);
}

/* The largest of the layouts; what is behind it is padding, which need not be there. */
#define SIGINFO_USED_BYTES 48

static int copy_info(struct siginfo *info, unsigned long uinfo)
{
	memset(info, 0, sizeof(*info));
	return copy_from_user(info, uinfo, SIGINFO_USED_BYTES) ? -EFAULT : 0;
}

/* A program may not pretend to be the kernel, except towards itself. */
static bool is_pretence(const struct siginfo *info)
{
	return info->si_code >= 0 || info->si_code == SI_TKILL;
}

static int get_pidfd_info(struct siginfo *info, unsigned long uinfo, int signo,
			  const struct pid *pid)
{
	int error = copy_info(info, uinfo);

	if (error)
		return error;
	if (info->si_signo != signo)
		return -EINVAL;
	return is_pretence(info) && pid != current->pid_struct ? -EPERM : 0;
}

long sys_rt_sigqueueinfo(unsigned long pid, unsigned long sig, unsigned long uinfo)
{
	struct siginfo info;
	int error = copy_info(&info, uinfo);

	if (error)
		return error;
	if (is_pretence(&info) && (int)pid != current->vm.pid)
		return -EPERM;
	info.si_signo = (int)sig;
	spin_lock_deferring(&tasklist_lock);
	error = kill_one((int)pid, (int)sig, &info);
	spin_unlock_deferring(&tasklist_lock);
	return error;
}

long sys_rt_tgsigqueueinfo(unsigned long tgid, unsigned long tid, unsigned long sig,
			   unsigned long uinfo)
{
	struct siginfo info;
	int error = copy_info(&info, uinfo);

	if (error)
		return error;
	if ((int)tid <= 0 || (int)tgid <= 0)
		return -EINVAL;
	if (is_pretence(&info) && (int)tid != current->vm.pid)
		return -EPERM;
	info.si_signo = (int)sig;
	return send_to_thread((int)tgid, (int)tid, (int)sig, &info);
}

/* To the process of a pidfd, or of an open /proc/PID. uinfo 0: as kill(2). */
long sys_pidfd_send_signal(unsigned long pidfd, unsigned long sig, unsigned long uinfo,
			   unsigned long uflags)
{
	struct siginfo info = own_info((int)sig, SI_USER);
	struct pid *pid;
	int error = 0;

	if ((unsigned int)uflags)
		return -EINVAL;
	pid = pidfd_or_proc_pid((int)pidfd);
	if (IS_ERR(pid))
		return PTR_ERR(pid);
	if (uinfo)
		error = get_pidfd_info(&info, uinfo, (int)sig, pid);
	if (!error) {
		spin_lock_deferring(&tasklist_lock);
		error = pid->task ? check_and_send((int)sig, &info, pid->task, true) : -ESRCH;
		spin_unlock_deferring(&tasklist_lock);
	}
	put_pid_ref(pid);
	return error;
}
