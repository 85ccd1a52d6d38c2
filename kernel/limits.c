/* SPDX-License-Identifier: MIT */
/*
 * limits.c: what a process may use, and what it has used.
 *
 * Limits are per process (signal_struct), read as single words by whoever enforces them;
 * changed under tasklist_lock. The nice value is kept and shown, but the scheduler gives
 * all equal shares. Failure: -EINVAL, -EPERM (raising a hard limit), -ESRCH, -EFAULT.
 */
#include <pagoda/mm.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <kernel/process.h>
#include <kernel/sched.h>
#include <kernel/syscalls.h>

/* ---- Limits ---------------------------------------------------------------------------------- */

/*
 * Is the limit valid, whoever sets it? Even root gets no more descriptors than fs.nr_open. 0,
 * -EINVAL, -EPERM.
 */
static int check_limit(unsigned int which, const struct rlimit *new)
{
	if (which >= RLIM_NLIMITS)
		return -EINVAL;
	if (!new)
		return 0;
	if (new->rlim_cur > new->rlim_max)
		return -EINVAL;
	return which == RLIMIT_NOFILE && new->rlim_max > FS_NR_OPEN ? -EPERM : 0;
}

static int change_limit(struct task_struct *t, unsigned int which, const struct rlimit *new,
			struct rlimit *old)
{
	int error = check_limit(which, new);
	struct rlimit *limit;

	if (error)
		return error;
	limit = &t->signal->rlim[which];
	spin_lock_deferring(&tasklist_lock);
	if (old)
		*old = *limit;
	if (new &&new->rlim_max > limit->rlim_max && !capable(CAP_SYS_RESOURCE))
		error = -EPERM;
	else if (new)
		*limit = *new;
	spin_unlock_deferring(&tasklist_lock);
	return error;
}

static bool may_see_limits(const struct task_struct *t)
{
	const struct fs_cred *me = &current->fs.cred, *him = &t->fs.cred;

	if (t == current || capable(CAP_SYS_RESOURCE))
		return true;
	return me->uid == him->uid && me->uid == him->euid && me->uid == him->suid &&
	       me->gid == him->gid && me->gid == him->egid && me->gid == him->sgid;
}

long sys_prlimit64(unsigned long pid, unsigned long which, unsigned long unew, unsigned long uold)
{
	struct task_struct *t = current;
	struct rlimit new, old;
	long error;

	if (unew && copy_from_user(&new, unew, sizeof(new)))
		return -EFAULT;
	if ((int)pid)
		t = get_task_by_pid((int)pid);
	if (!t)
		return -ESRCH;
	error = may_see_limits(t) ? change_limit(t, (unsigned int)which, unew ? &new : NULL, &old)
				  : -EPERM;
	if ((int)pid)
		put_task(t);
	if (!error && uold && copy_to_user(uold, &old, sizeof(old)))
		error = -EFAULT;
	return error;
}

long sys_getrlimit(unsigned long which, unsigned long uaddr)
{
	struct rlimit old;
	int error;

	error = change_limit(current, (unsigned int)which, NULL, &old);
	if (error)
		return error;
	return copy_to_user(uaddr, &old, sizeof(old)) ? -EFAULT : 0;
}

long sys_setrlimit(unsigned long which, unsigned long uaddr)
{
	struct rlimit new;

	if (copy_from_user(&new, uaddr, sizeof(new)))
		return -EFAULT;
	return change_limit(current, (unsigned int)which, &new, NULL);
}

/* ---- Usage ----------------------------------------------------------------------------------- */

struct rusage {
	struct timeval utime, stime;
	long maxrss, ixrss, idrss, isrss;
	long minflt, majflt, nswap, inblock, oublock, msgsnd, msgrcv, nsignals, nvcsw, nivcsw;
};
static_assert(sizeof(struct rusage) == 144, "rusage's layout");

static struct timeval ns_to_timeval(u64 ns)
{
	return (struct timeval){(s64)(ns / NSEC_PER_SEC), (s64)(ns % NSEC_PER_SEC / NSEC_PER_USEC)};
}

int put_rusage(unsigned long uaddr, const struct task_usage *u)
{
	struct rusage r = {
		.utime = ns_to_timeval(u->utime_ns),
		.stime = ns_to_timeval(u->stime_ns),
		.maxrss = (long)u->maxrss_kb,
		.minflt = (long)u->min_flt,
		.majflt = (long)u->maj_flt,
		.nvcsw = (long)u->nvcsw,
		.nivcsw = (long)u->nivcsw,
	};

	return copy_to_user(uaddr, &r, sizeof(r)) ? -EFAULT : 0;
}

#define RUSAGE_SELF	0
#define RUSAGE_CHILDREN (-1)
#define RUSAGE_THREAD	1

long sys_getrusage(unsigned long who, unsigned long uaddr)
{
	struct task_struct *me = current;
	unsigned long rss_kb = get_mm_hiwater_rss(me->vm.mm) * (PAGE_SIZE / 1024);
	struct task_usage u;

	if ((int)who != RUSAGE_SELF && (int)who != RUSAGE_CHILDREN && (int)who != RUSAGE_THREAD)
		return -EINVAL;
	spin_lock_deferring(&tasklist_lock);
	if ((int)who == RUSAGE_SELF)
		process_usage(me->signal, &u);
	else if ((int)who == RUSAGE_CHILDREN)
		u = me->signal->kids;
	else
		task_usage(me, &u);
	spin_unlock_deferring(&tasklist_lock);
	if ((int)who != RUSAGE_CHILDREN)
		u.maxrss_kb = max(u.maxrss_kb, rss_kb);
	return put_rusage(uaddr, &u);
}

long sys_times(unsigned long uaddr)
{
	struct task_usage u, kids;
	long tms[4];

	spin_lock_deferring(&tasklist_lock);
	process_usage(current->signal, &u);
	kids = current->signal->kids;
	spin_unlock_deferring(&tasklist_lock);
	tms[0] = (long)(u.utime_ns / TICK_NS);
	tms[1] = (long)(u.stime_ns / TICK_NS);
	tms[2] = (long)(kids.utime_ns / TICK_NS);
	tms[3] = (long)(kids.stime_ns / TICK_NS);
	if (uaddr && copy_to_user(uaddr, tms, sizeof(tms)))
		return -EFAULT;
	return (long)(port_clock_ns() / TICK_NS);
}

/* ---- Niceness: kept and shown ---------------------------------------------------------------- */

#define PRIO_PROCESS 0
#define PRIO_PGRP    1
#define PRIO_USER    2
#define NICE_MIN     (-20)
#define NICE_MAX     19

static bool is_meant(struct task_struct *t, int which, int who)
{
	struct task_struct *me = current;

	switch (which) {
	case PRIO_PROCESS:
		return t->vm.pid == (who ? who : me->vm.pid);
	case PRIO_PGRP:
		return t->signal->fs_process.pgrp == (who ? who : me->signal->fs_process.pgrp);
	default:
		return t->fs.cred.uid == (who ? (u32)who : me->fs.cred.uid);
	}
}

long sys_getpriority(unsigned long which, unsigned long who)
{
	struct task_struct *t;
	long best = -ESRCH;

	if ((int)which < PRIO_PROCESS || (int)which > PRIO_USER)
		return -EINVAL;
	spin_lock_deferring(&tasklist_lock);
	list_for_each_entry(t, &all_tasks, task_link)
		if (is_meant(t, (int)which, (int)who))
			best = max(best, 20l - t->nice);
	spin_unlock_deferring(&tasklist_lock);
	return best;
}

static int set_nice(struct task_struct *t, int nice)
{
	if (!owns_task(t) && !capable(CAP_SYS_NICE))
		return -EPERM;
	if (nice < t->nice && !may_lower_nice(t, nice))
		return -EACCES;
	if (!may_reschedule(t))
		return -EPERM;
	t->nice = nice;
	return 0;
}

long sys_setpriority(unsigned long which, unsigned long who, unsigned long unice)
{
	int nice = clamp((int)unice, NICE_MIN, NICE_MAX);
	struct task_struct *t;
	long ret = -ESRCH;
	int error;

	if ((int)which < PRIO_PROCESS || (int)which > PRIO_USER)
		return -EINVAL;
	spin_lock_deferring(&tasklist_lock);
	list_for_each_entry(t, &all_tasks, task_link) {
		if (!is_meant(t, (int)which, (int)who))
			continue;
		error = set_nice(t, nice);
		if (error || ret == -ESRCH)
			ret = error;
	}
	spin_unlock_deferring(&tasklist_lock);
	return ret;
}
