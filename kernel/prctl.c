/* SPDX-License-Identifier: MIT */
/*
 * prctl.c: the switches of a task and of its process.
 *
 *	prctl(option, a, b, c, d) -> options about rights	prctl_rights()
 *				  -> all others			do_prctl()
 *
 * As in Linux the order of checks is each option's own: some ask for the right first, some look at
 * arguments that they do not use. What has no effect here (timer slack: timers go by ticks;
 * huge pages; machine checks) is kept and told, so that a program finds what it has set.
 * Options of things that do not exist here (seccomp, SET_MM, core scheduling) are EINVAL, as in a
 * Linux built without them.
 *
 * Locking: a task changes its own words only. Failure: EINVAL, EPERM, EFAULT; nothing changed.
 */
#include <pagoda/errno.h>
#include <pagoda/mm_types.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <kernel/sched.h>
#include <kernel/syscalls.h>

#define PR_SET_PDEATHSIG	1
#define PR_GET_PDEATHSIG	2
#define PR_GET_DUMPABLE		3
#define PR_SET_DUMPABLE		4
#define PR_GET_KEEPCAPS		7
#define PR_SET_KEEPCAPS		8
#define PR_GET_TIMING		13
#define PR_SET_TIMING		14
#define PR_SET_NAME		15
#define PR_GET_NAME		16
#define PR_CAPBSET_READ		23
#define PR_CAPBSET_DROP		24
#define PR_GET_TSC		25
#define PR_SET_TSC		26
#define PR_GET_SECUREBITS	27
#define PR_SET_SECUREBITS	28
#define PR_SET_TIMERSLACK	29
#define PR_GET_TIMERSLACK	30
#define PR_MCE_KILL		33
#define PR_MCE_KILL_GET		34
#define PR_SET_CHILD_SUBREAPER	36
#define PR_GET_CHILD_SUBREAPER	37
#define PR_SET_NO_NEW_PRIVS	38
#define PR_GET_NO_NEW_PRIVS	39
#define PR_GET_TID_ADDRESS	40
#define PR_SET_THP_DISABLE	41
#define PR_GET_THP_DISABLE	42
#define PR_CAP_AMBIENT		47
#define PR_GET_SPECULATION_CTRL 52
#define PR_SET_SPECULATION_CTRL 53

#define TIMING_STATISTICAL 0
#define TSC_ENABLE	   1 /* reading the time stamp counter is allowed, always */
#define SPECULATION_KINDS  3u
#define SPECULATION_ENABLE 2 /* on, and nothing is done about it */

struct prctl_args {
	unsigned long a, b, c, d;
};

/* ---- Rights ---------------------------------------------------------------------------------- */

static long read_bounding(unsigned long cap)
{
	return cap > CAP_LAST ? -EINVAL : (long)(current->caps.bounding >> cap & 1);
}

static long drop_bounding(unsigned long cap)
{
	if (!capable(CAP_SETPCAP))
		return -EPERM;
	if (cap > CAP_LAST)
		return -EINVAL;
	current->caps.bounding &= ~(1ull << cap);
	return 0;
}

/* Locked bits stay as they are, locks stay, and only CAP_SETPCAP changes any. */
static long set_securebits(unsigned long bits)
{
	u32 *now = &current->caps.securebits, locked = (*now & SECUREBITS_LOCKS) >> 1;

	if (bits & ~(unsigned long)SECUREBITS_ALL || locked & (*now ^ (u32)bits) ||
	    *now & SECUREBITS_LOCKS & ~(u32)bits || !capable(CAP_SETPCAP))
		return -EPERM;
	*now = (u32)bits;
	return 0;
}

static long set_keep_caps(unsigned long keep)
{
	u32 *now = &current->caps.securebits;

	if (keep > 1)
		return -EINVAL;
	if (*now & SECURE_KEEP_CAPS << 1)
		return -EPERM;
	*now = keep ? *now | SECURE_KEEP_CAPS : *now & ~SECURE_KEEP_CAPS;
	return 0;
}

#define AMBIENT_IS_SET	  1
#define AMBIENT_RAISE	  2
#define AMBIENT_LOWER	  3
#define AMBIENT_CLEAR_ALL 4

static long raise_ambient(struct task_caps *caps, u64 bit)
{
	if (!(caps->permitted & caps->inheritable & bit) ||
	    caps->securebits & SECURE_NO_CAP_AMBIENT_RAISE)
		return -EPERM;
	caps->ambient |= bit;
	return 0;
}

static long change_ambient(const struct prctl_args *args)
{
	struct task_caps *caps = &current->caps;
	bool all = args->a == AMBIENT_CLEAR_ALL;
	u64 bit;

	if ((all ? args->b != 0 : args->b > CAP_LAST) || args->c || args->d)
		return -EINVAL;
	bit = 1ull << args->b;
	switch (args->a) {
	case AMBIENT_IS_SET:
		return (caps->ambient & bit) != 0;
	case AMBIENT_RAISE:
		return raise_ambient(caps, bit);
	case AMBIENT_LOWER:
		caps->ambient &= ~bit;
		return 0;
	case AMBIENT_CLEAR_ALL:
		caps->ambient = 0;
		return 0;
	default:
		return -EINVAL;
	}
}

/* ---- What is kept and told ------------------------------------------------------------------- */

static long set_name(unsigned long uaddr)
{
	struct task_struct *me = current;
	char name[sizeof(me->vm.comm)] = {0};

	if (strncpy_from_user(name, uaddr, sizeof(name) - 1) < 0)
		return -EFAULT;
	memcpy(me->vm.comm, name, sizeof(name));
	return 0;
}

#define MCE_KILL_CLEAR 0
#define MCE_KILL_SET   1

static long set_mce_kill(const struct prctl_args *args)
{
	if (args->c || args->d)
		return -EINVAL;
	if (args->a == MCE_KILL_CLEAR && !args->b)
		current->mce_kill = MCE_KILL_DEFAULT;
	else if (args->a == MCE_KILL_SET && args->b <= MCE_KILL_DEFAULT)
		current->mce_kill = (u8)args->b;
	else
		return -EINVAL;
	return 0;
}

static long get_speculation(const struct prctl_args *args)
{
	if (args->b || args->c || args->d)
		return -EINVAL;
	return args->a < SPECULATION_KINDS ? SPECULATION_ENABLE : -ENODEV;
}

static long set_speculation(const struct prctl_args *args)
{
	if (args->c || args->d)
		return -EINVAL;
	return args->a < SPECULATION_KINDS ? -ENXIO : -ENODEV; /* it cannot be changed */
}

static long get_number(int value, unsigned long uaddr)
{
	return put_user(value, uaddr) ? -EFAULT : 0;
}

static long set_pdeath_signal(unsigned long signo)
{
	if (signo > NSIG)
		return -EINVAL;
	current->pdeath_signal = (int)signo;
	return 0;
}

static long set_dumpable(unsigned long dumpable)
{
	if (dumpable > 1)
		return -EINVAL;
	current->vm.mm->dumpable = (int)dumpable;
	return 0;
}

static long set_no_new_privs(const struct prctl_args *args)
{
	if (args->a != 1 || args->b || args->c || args->d)
		return -EINVAL;
	current->caps.no_new_privs = true;
	return 0;
}

static long set_timer_slack(unsigned long ns)
{
	current->timer_slack_ns = ns ? ns : current->default_timer_slack_ns;
	return 0;
}

static long set_thp_disable(const struct prctl_args *args)
{
	if (args->b || args->c || args->d)
		return -EINVAL;
	current->signal->thp_disable = args->a != 0;
	return 0;
}

/* ---- The call -------------------------------------------------------------------------------- */

static long get_only(const struct prctl_args *args, long value)
{
	return args->a || args->b || args->c || args->d ? -EINVAL : value;
}

/* *known is false if the option is none of these. */
static long prctl_rights(int option, const struct prctl_args *args, bool *known)
{
	*known = true;
	switch (option) {
	case PR_CAPBSET_READ:
		return read_bounding(args->a);
	case PR_CAPBSET_DROP:
		return drop_bounding(args->a);
	case PR_GET_SECUREBITS:
		return current->caps.securebits;
	case PR_SET_SECUREBITS:
		return set_securebits(args->a);
	case PR_GET_KEEPCAPS:
		return (current->caps.securebits & SECURE_KEEP_CAPS) != 0;
	case PR_SET_KEEPCAPS:
		return set_keep_caps(args->a);
	case PR_CAP_AMBIENT:
		return change_ambient(args);
	default:
		*known = false;
		return -EINVAL;
	}
}

static long do_prctl(int option, const struct prctl_args *args)
{
	struct task_struct *me = current;

	switch (option) {
	case PR_SET_PDEATHSIG:
		return set_pdeath_signal(args->a);
	case PR_GET_PDEATHSIG:
		return get_number(me->pdeath_signal, args->a);
	case PR_GET_DUMPABLE:
		return me->vm.mm->dumpable;
	case PR_SET_DUMPABLE:
		return set_dumpable(args->a);
	case PR_GET_TIMING:
		return TIMING_STATISTICAL;
	case PR_SET_TIMING:
		return args->a == TIMING_STATISTICAL ? 0 : -EINVAL;
	case PR_SET_NAME:
		return set_name(args->a);
	case PR_GET_NAME:
		return copy_to_user(args->a, me->vm.comm, sizeof(me->vm.comm)) ? -EFAULT : 0;
	case PR_GET_TSC:
		return get_number(TSC_ENABLE, args->a);
	case PR_SET_TSC:
		return args->a == TSC_ENABLE ? 0 : -EINVAL;
	case PR_GET_TIMERSLACK:
		return (long)me->timer_slack_ns;
	case PR_SET_TIMERSLACK:
		return set_timer_slack(args->a);
	case PR_MCE_KILL:
		return set_mce_kill(args);
	case PR_MCE_KILL_GET:
		return get_only(args, me->mce_kill);
	case PR_SET_CHILD_SUBREAPER:
		me->signal->is_child_subreaper = args->a != 0;
		return 0;
	case PR_GET_CHILD_SUBREAPER:
		return get_number(me->signal->is_child_subreaper, args->a);
	case PR_SET_NO_NEW_PRIVS:
		return set_no_new_privs(args);
	case PR_GET_NO_NEW_PRIVS:
		return get_only(args, me->caps.no_new_privs);
	case PR_GET_TID_ADDRESS:
		return put_user(me->clear_child_tid, args->a) ? -EFAULT : 0;
	case PR_SET_THP_DISABLE:
		return set_thp_disable(args);
	case PR_GET_THP_DISABLE:
		return get_only(args, me->signal->thp_disable);
	case PR_GET_SPECULATION_CTRL:
		return get_speculation(args);
	case PR_SET_SPECULATION_CTRL:
		return set_speculation(args);
	default:
		return -EINVAL;
	}
}

long sys_prctl(unsigned long option, unsigned long a, unsigned long b, unsigned long c,
	       unsigned long d)
{
	struct prctl_args args = {a, b, c, d};
	bool known;
	long ret = prctl_rights((int)option, &args, &known);

	return known ? ret : do_prctl((int)option, &args);
}
