/* SPDX-License-Identifier: MIT */
/*
 * schedcalls.c: the calls about scheduling: policies, priorities, CPUs.
 *
 * There is one class, with equal shares, and every task may run on every CPU (sched.c). The
 * policies without real-time promises (OTHER, BATCH, IDLE) and nice values are kept and shown; the
 * others are refused with EPERM, as to a process that may not have them.
 *
 * Locking: tasklist_lock while a task is looked up and its policy changed. Failure: as the
 * manual pages say; nothing changed then.
 */
#include <pagoda/mm.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <kernel/sched.h>
#include <kernel/syscalls.h>

#define SCHED_OTHER	    0u
#define SCHED_FIFO	    1u
#define SCHED_RR	    2u
#define SCHED_BATCH	    3u
#define SCHED_IDLE	    5u
#define SCHED_DEADLINE	    6u
#define SCHED_RESET_ON_FORK 0x40000000u

#define SCHED_FLAG_RESET_ON_FORK 1ull
#define SCHED_FLAG_KEEP_POLICY	 8ull
#define SCHED_FLAG_KEEP_PARAMS	 16ull
#define SCHED_FLAG_UTIL_CLAMP	 0x60ull
#define SCHED_FLAG_KNOWN	 0x7full

#define NICE_MIN     (-20)
#define NICE_MAX     19
#define PRIORITY_MAX 99u

struct sched_attr {
	u32 size, policy;
	u64 flags;
	s32 nice;
	u32 priority;
	u64 runtime, deadline, period;
	u32 util_min, util_max;
};
static_assert(sizeof(struct sched_attr) == 56, "sched_attr's layout");
#define SCHED_ATTR_SIZE_0 48u /* without util_min, util_max */

long sys_sched_yield(void)
{
	port_yield();
	return 0;
}

/* Whom a call means (0: the caller), with a reference, or ERR_PTR: EINVAL, ESRCH. */
static struct task_struct *get_target(unsigned long pid)
{
	struct task_struct *t = current;

	if ((int)pid < 0)
		return ERR_PTR(-EINVAL);
	if ((int)pid == 0) {
		get_task(t);
		return t;
	}
	t = get_task_by_pid((int)pid);
	return t ? t : ERR_PTR(-ESRCH);
}

static long task_exists(unsigned long pid)
{
	struct task_struct *t = get_target(pid);

	if (IS_ERR(t))
		return PTR_ERR(t);
	put_task(t);
	return 0;
}

/* ---- CPUs ------------------------------------------------------------------------------------ */

long sys_sched_getaffinity(unsigned long pid, unsigned long len, unsigned long umask)
{
	unsigned long mask = (1ul << port_nr_cpus()) - 1;
	long error = (int)pid < 0 ? -ESRCH : task_exists(pid);

	if (len < sizeof(mask) || len % sizeof(long))
		return -EINVAL;
	if (error)
		return error;
	return copy_to_user(umask, &mask, sizeof(mask)) ? -EFAULT : (long)sizeof(mask);
}

/* May the current task say on which CPUs t runs? */
static bool may_bind(const struct task_struct *t)
{
	return (owns_task(t) || capable(CAP_SYS_NICE)) && may_reschedule(t);
}

long sys_sched_setaffinity(unsigned long pid, unsigned long len, unsigned long umask)
{
	unsigned long mask = 0, all = (1ul << port_nr_cpus()) - 1;
	struct task_struct *t;
	bool allowed;

	if (copy_from_user(&mask, umask, min((unsigned long)(u32)len, sizeof(mask))))
		return -EFAULT;
	t = (int)pid < 0 ? ERR_PTR(-ESRCH) : get_target(pid);
	if (IS_ERR(t))
		return PTR_ERR(t);
	allowed = may_bind(t);
	put_task(t);
	if (!allowed)
		return -EPERM;
	return mask & all ? 0 : -EINVAL;
}

/* ---- Policies -------------------------------------------------------------------------------- */

static bool is_real_time(u32 policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static bool is_fair(u32 policy)
{
	return policy == SCHED_OTHER || policy == SCHED_BATCH;
}

/* A change of how a task is scheduled, whichever call asks for it. */
struct sched_change {
	u32 policy, priority;
	u64 flags;
	int nice;
	bool keep_policy;  /* sched_setparam, SCHED_FLAG_KEEP_POLICY */
	bool has_deadline; /* sched_setattr gave a deadline */
	bool reset_on_fork;
};

/* Is the change valid, whoever asks for it and for which task? 0 or -EINVAL. */
static int check_change(const struct sched_change *c)
{
	if (c->policy > SCHED_DEADLINE || c->policy == 4)
		return -EINVAL;
	if ((c->flags & ~SCHED_FLAG_KNOWN) || c->priority > PRIORITY_MAX)
		return -EINVAL;
	if (c->policy == SCHED_DEADLINE && !c->has_deadline)
		return -EINVAL;
	return is_real_time(c->policy) != (c->priority != 0) ? -EINVAL : 0;
}

/* Does the change need CAP_SYS_NICE? */
static bool is_privileged(const struct task_struct *t, const struct sched_change *c)
{
	if (is_fair(c->policy) && c->nice < t->nice && !may_lower_nice(t, c->nice))
		return true;
	if (is_real_time(c->policy) || c->policy == SCHED_DEADLINE)
		return true;
	if (t->policy == SCHED_IDLE && c->policy != SCHED_IDLE && !may_lower_nice(t, t->nice))
		return true; /* leaving SCHED_IDLE counts as becoming nicer than 19 */
	return !owns_task(t) || (t->sched_reset_on_fork && !c->reset_on_fork);
}

static int apply_change(struct task_struct *t, struct sched_change *c)
{
	int error;

	if (c->keep_policy) {
		c->policy = t->policy;
		c->reset_on_fork = t->sched_reset_on_fork;
	}
	error = check_change(c);
	if (error)
		return error;
	if ((is_privileged(t, c) && !capable(CAP_SYS_NICE)) || !may_reschedule(t))
		return -EPERM;
	if (c->flags & SCHED_FLAG_UTIL_CLAMP)
		return -EOPNOTSUPP;
	if (is_real_time(c->policy) || c->policy == SCHED_DEADLINE)
		return -EPERM; /* one class */
	t->policy = (u8)c->policy;
	t->sched_reset_on_fork = c->reset_on_fork;
	if (is_fair(c->policy))
		t->nice = c->nice;
	return 0;
}

long sys_sched_getscheduler(unsigned long pid)
{
	struct task_struct *t = get_target(pid);
	long policy;

	if (IS_ERR(t))
		return PTR_ERR(t);
	policy = t->policy | (t->sched_reset_on_fork ? SCHED_RESET_ON_FORK : 0);
	put_task(t);
	return policy;
}

/* A change of policy and priority only: the nice value stays. */
static long set_scheduler(unsigned long pid, struct sched_change *c, unsigned long uparam)
{
	struct task_struct *t;
	long error;

	if (!uparam || (int)pid < 0)
		return -EINVAL;
	if (get_user(c->priority, uparam))
		return -EFAULT;
	t = get_target(pid);
	if (IS_ERR(t))
		return PTR_ERR(t);
	c->nice = t->nice;
	error = apply_change(t, c);
	put_task(t);
	return error;
}

long sys_sched_setscheduler(unsigned long pid, unsigned long policy, unsigned long uparam)
{
	struct sched_change c = {
		.policy = (u32)policy & ~SCHED_RESET_ON_FORK,
		.reset_on_fork = (u32)policy & SCHED_RESET_ON_FORK,
	};

	return (int)policy < 0 ? -EINVAL : set_scheduler(pid, &c, uparam);
}

long sys_sched_setparam(unsigned long pid, unsigned long uparam)
{
	struct sched_change c = {.keep_policy = true};

	return set_scheduler(pid, &c, uparam);
}

long sys_sched_getparam(unsigned long pid, unsigned long uparam)
{
	int priority = 0;
	long error = uparam ? task_exists(pid) : -EINVAL;

	if (error)
		return error;
	return put_user(priority, uparam) ? -EFAULT : 0;
}

/* ---- struct sched_attr ----------------------------------------------------------------------- */

/* What the user gives, of whatever size; what is not known must be zero. */
static int get_attr(struct sched_attr *attr, unsigned long uattr)
{
	u32 size, known = sizeof(*attr);
	u8 byte = 0;

	if (get_user(size, uattr))
		return -EFAULT;
	if (!size)
		size = SCHED_ATTR_SIZE_0;
	for (u32 at = known; at < size && size <= PAGE_SIZE && !byte; at++)
		if (get_user(byte, uattr + at))
			return -EFAULT;
	if (size < SCHED_ATTR_SIZE_0 || size > PAGE_SIZE || byte)
		return put_user(known, uattr) ? -EFAULT : -E2BIG;
	memset(attr, 0, sizeof(*attr));
	if (copy_from_user(attr, uattr, min(size, known)))
		return -EFAULT;
	if ((attr->flags & SCHED_FLAG_UTIL_CLAMP) && size < known)
		return -EINVAL;
	attr->nice = clamp(attr->nice, NICE_MIN, NICE_MAX);
	return 0;
}

static int apply_attr(struct task_struct *t, const struct sched_attr *attr)
{
	struct sched_change c = {
		.policy = attr->policy,
		.priority = attr->priority,
		.flags = attr->flags,
		.nice = attr->flags & SCHED_FLAG_KEEP_PARAMS ? t->nice : attr->nice,
		.keep_policy = attr->flags & SCHED_FLAG_KEEP_POLICY,
		.has_deadline = attr->deadline != 0,
		.reset_on_fork = attr->flags & SCHED_FLAG_RESET_ON_FORK,
	};

	return apply_change(t, &c);
}

long sys_sched_setattr(unsigned long pid, unsigned long uattr, unsigned long flags)
{
	struct sched_attr attr;
	struct task_struct *t;
	int error;

	if (!uattr || (int)pid < 0 || (u32)flags)
		return -EINVAL;
	error = get_attr(&attr, uattr);
	if (error)
		return error;
	if ((int)attr.policy < 0)
		return -EINVAL;
	t = get_target(pid);
	if (IS_ERR(t))
		return PTR_ERR(t);
	error = apply_attr(t, &attr);
	put_task(t);
	return error;
}

long sys_sched_getattr(unsigned long pid, unsigned long uattr, unsigned long usize,
		       unsigned long flags)
{
	u32 size = (u32)usize;
	struct sched_attr attr = {.size = min(size, (u32)sizeof(attr))};
	struct task_struct *t;

	if (!uattr || (int)pid < 0 || size > PAGE_SIZE || size < SCHED_ATTR_SIZE_0 || (u32)flags)
		return -EINVAL;
	t = get_target(pid);
	if (IS_ERR(t))
		return PTR_ERR(t);
	attr.policy = t->policy;
	attr.nice = t->nice;
	attr.flags = t->sched_reset_on_fork ? SCHED_FLAG_RESET_ON_FORK : 0;
	put_task(t);
	return copy_to_user(uattr, &attr, attr.size) ? -EFAULT : 0;
}

/* ---- Numbers --------------------------------------------------------------------------------- */

long sys_sched_get_priority_max(unsigned long policy)
{
	if (is_real_time((u32)policy))
		return PRIORITY_MAX;
	return (u32)policy <= SCHED_DEADLINE && policy != 4 ? 0 : -EINVAL;
}

long sys_sched_get_priority_min(unsigned long policy)
{
	if (is_real_time((u32)policy))
		return 1;
	return (u32)policy <= SCHED_DEADLINE && policy != 4 ? 0 : -EINVAL;
}

long sys_sched_rr_get_interval(unsigned long pid, unsigned long uts)
{
	long error = task_exists(pid);

	return error ? error : put_timespec_ns(uts, SLICE_TICKS * TICK_NS);
}
