/* SPDX-License-Identifier: MIT */
/*
 * exit.c: the end of tasks and processes.
 *
 * do_exit() gives back what the thread has, outermost user-visible effects first: it leaves a
 * stop in progress, wakes who joins it (futex, robust list), drops the address space (a vfork
 * parent wakes), files and directories; the last thread of a process also takes its terminal
 * from the session and stops the timers. Then comes exit_notify():
 *
 *	children	get a living thread group's leader: a sub-reaper ancestor, or pid 1;
 *			its dead ones are announced. There may be thousands: tasklist_lock is let go in between
 *
 * and at once, under tasklist_lock:
 *
 *	groups		a group that becomes orphaned with a stopped member gets SIGHUP, SIGCONT
 *	a leader	becomes a ZOMBIE; its parent is told when it is the last thread
 *	other threads	are released at once
 *
 * As the last thing the thread switches away for good; its reference for running is dropped
 * by the task that comes next.
 *
 * Locking: tasklist_lock > siglock. Nothing here fails.
 */
#include <fs/user.h>
#include <fs/wait.h>
#include <pagoda/bug.h>
#include <pagoda/mempolicy.h>
#include <pagoda/mm.h>
#include <pagoda/uaccess.h>
#include <kernel/cpu_clock.h>
#include <kernel/futex.h>
#include <kernel/itimer.h>
#include <kernel/posix_timer.h>
#include <kernel/process.h>
#include <kernel/report.h>
#include <kernel/sched.h>
#include <kernel/signal_internal.h>
#include <kernel/syscalls.h>

/* ---- Accounting -------------------------------------------------------------------------- */

void add_io(struct task_io *sum, const struct task_io *io)
{
	sum->rchar += io->rchar;
	sum->wchar += io->wchar;
	sum->syscr += io->syscr;
	sum->syscw += io->syscw;
	sum->read_bytes += io->read_bytes;
	sum->write_bytes += io->write_bytes;
	sum->cancelled_write_bytes += io->cancelled_write_bytes;
}

void add_usage(struct task_usage *sum, const struct task_usage *u)
{
	add_io(&sum->io, &u->io);
	sum->utime_ns += u->utime_ns;
	sum->stime_ns += u->stime_ns;
	sum->min_flt += u->min_flt;
	sum->maj_flt += u->maj_flt;
	sum->nvcsw += u->nvcsw;
	sum->nivcsw += u->nivcsw;
	sum->maxrss_kb = max(sum->maxrss_kb, u->maxrss_kb);
}

void task_usage(struct task_struct *t, struct task_usage *u)
{
	task_cpu_split(t, &u->utime_ns, &u->stime_ns);
	u->min_flt = READ_ONCE(t->vm.min_flt);
	u->maj_flt = READ_ONCE(t->vm.maj_flt);
	u->nvcsw = t->nvcsw;
	u->nivcsw = t->nivcsw;
	u->maxrss_kb = 0;
	u->io = t->fs.io;
}

void process_usage(struct signal_struct *sig, struct task_usage *u)
{
	struct task_struct *t;
	struct task_usage one;

	*u = sig->dead;
	list_for_each_entry(t, &sig->threads, thread_link) {
		task_usage(t, &one);
		add_usage(u, &one);
	}
}

/* ---- Leaving the tables -------------------------------------------------------------------- */

static void unlink_process_locked(struct task_struct *t)
{
	lockdep_assert_held(&tasklist_lock);
	VM_BUG_ON(!thread_group_leader(t));
	list_del_init(&t->sibling);
	if (!t->signal->pgrp)
		return;
	detach_pid_locked(t, PIDTYPE_PGRP);
	detach_pid_locked(t, PIDTYPE_SESSION);
}

/*
 * Who gains by a task's end: the thread that waited for it, else its parent; of a thread, its
 * group's leader.
 */
static struct task_struct *whom_to_charge(const struct task_struct *t)
{
	if (!thread_group_leader(t))
		return t->signal->leader;
	return current->signal == t->parent->signal ? current : t->parent;
}

void release_task_locked(struct task_struct *t)
{
	struct signal_struct *sig = t->signal;
	struct task_usage u;

	VM_BUG_ON(t->state != TASK_ZOMBIE || t->pid_struct->task != t);
	VM_BUG_ON(sig->nr_threads <= 0);
	lockdep_assert_held(&tasklist_lock);
	sched_charge(whom_to_charge(t), t);
	task_usage(t, &u);
	add_usage(&sig->dead, &u);
	flush_sigpending_locked(&t->pending, ~0ull);
	list_del_init(&t->thread_link);
	list_del_init(&t->task_link);
	nr_tasks--;
	atomic_long_dec(&t->fs.user->nr_tasks);
	if (--sig->nr_threads == 0)
		cpu_timers_forget_locked(sig);
	if (thread_group_leader(t)) {
		flush_sigpending_locked(&sig->shared_pending, ~0ull);
		unlink_process_locked(t);
	}
	t->pid_struct->task = NULL;
	put_pid_locked(t->pid_struct);
	put_sighand(t->sighand);
	t->sighand = NULL;
	t->state = TASK_DEAD;
}

/* ---- Children ------------------------------------------------------------------------------- */

/* Who adopts the children of the process of t: the nearest sub-reaper above it, or pid 1. */
static struct task_struct *find_new_parent(struct task_struct *t)
{
	struct task_struct *p;

	for (p = t->parent; p != idle_task() && p != child_reaper; p = p->parent)
		if (p->signal->is_child_subreaper && p->signal->live > 0)
			return p;
	return child_reaper;
}

/* Does leaving parent (NULL: its own end) make the group of t an orphan with a stopped member? */
static bool is_left_stopped_locked(struct task_struct *t, struct task_struct *parent)
{
	struct pid *pgrp = t->signal->pgrp;
	struct task_struct *ignored = parent ? NULL : t;

	lockdep_assert_held(&tasklist_lock);
	if (!parent)
		parent = t->parent;
	if (!pgrp || !parent->signal->pgrp)
		return false;
	if (parent->signal->pgrp == pgrp || parent->signal->session != t->signal->session)
		return false;
	return pgrp_is_orphaned_locked(pgrp, ignored) && pgrp_has_stopped_locked(pgrp);
}

/* If the end of t makes its stopped group an orphan, it is woken (POSIX). */
static void kill_orphaned_pgrp_locked(struct task_struct *t)
{
	lockdep_assert_held(&tasklist_lock);
	VM_BUG_ON(t->signal->live);
	if (!is_left_stopped_locked(t, NULL))
		return;
	kill_pgrp_locked(t->signal->pgrp, SIGHUP, NULL);
	kill_pgrp_locked(t->signal->pgrp, SIGCONT, NULL);
}

/* An adopted zombie: announce it; release it at once if its new parent does not care. */
static void announce_zombie_locked(struct task_struct *child)
{
	lockdep_assert_held(&tasklist_lock);
	if (child->state != TASK_ZOMBIE || child->signal->live)
		return;
	if (notify_parent_exit_locked(child)) {
		release_task_locked(child);
		put_task(child);
	}
}

/* The groups of the children of one parent that ends. */
struct left_groups {
	u64 id;
	struct list_head list; /* (T) struct pid, left_link, each with a use */
};

static void note_group_locked(struct left_groups *left, struct pid *pgrp)
{
	lockdep_assert_held(&tasklist_lock);
	if (!pgrp || pgrp->left_by == left->id)
		return;
	pgrp->left_by = left->id;
	if (list_empty(&pgrp->left_link))
		get_pid_locked(pgrp);
	/* of two parents the one that ends later looks at it */
	list_move_tail(&pgrp->left_link, &left->list);
}

static void adopt_locked(struct task_struct *child, struct task_struct *reaper)
{
	struct task_struct *t;

	lockdep_assert_held(&tasklist_lock);
	VM_BUG_ON(!thread_group_leader(child) || !reaper->sighand);
	list_move_tail(&child->sibling, &reaper->signal->children);
	child->exit_signal = SIGCHLD; /* a new parent waits for no other: clone's choice ends */
	list_for_each_entry(t, &child->signal->threads, thread_link) {
		t->parent = reaper;
		if (t->pdeath_signal && may_signal(t, t->pdeath_signal))
			send_signal_listed(t->pdeath_signal, NULL, t, true);
	}
	announce_zombie_locked(child);
}

#define CHILD_BATCH 32 /* adopted without a pause */

/* Some children get a new parent; true: there are more. */
static bool leave_some_children(struct signal_struct *sig, struct left_groups *left)
{
	struct task_struct *reaper;
	bool more;

	spin_lock_deferring(&tasklist_lock);
	reaper = find_new_parent(sig->leader);
	for (int i = 0; i < CHILD_BATCH && !list_empty(&sig->children); i++) {
		struct task_struct *child =
			list_first_entry(&sig->children, struct task_struct, sibling);

		note_group_locked(left, child->signal->pgrp);
		adopt_locked(child, reaper);
	}
	more = !list_empty(&sig->children);
	spin_unlock_deferring(&tasklist_lock);
	return more;
}

/*
 * Look at one group that children are in, and wake it if it was left stopped. False: there is none.
 */
static bool look_at_left_group(struct signal_struct *sig, struct left_groups *left)
{
	struct task_struct *member;
	struct pid *pgrp = NULL;
	bool woken = false;

	spin_lock_deferring(&tasklist_lock);
	if (!list_empty(&left->list)) {
		pgrp = list_first_entry(&left->list, struct pid, left_link);
		list_del_init(&pgrp->left_link);
		pgrp->left_by = 0;
		member = first_member_locked(pgrp);
		woken = member && is_left_stopped_locked(member, sig->leader);
	}
	spin_unlock_deferring(&tasklist_lock);
	if (woken) {
		kill_pgrp_in_batches(pgrp, SIGHUP);
		kill_pgrp_in_batches(pgrp, SIGCONT);
	}
	if (pgrp)
		put_pid(pgrp);
	return pgrp;
}

/*
 * All children get a new parent, with pauses. A group is looked at when none of its members has the
 * old parent any more, and once, however many of the children are in it: a look goes through all
 * members.
 */
static void leave_children(struct signal_struct *sig)
{
	static u64 nr_left; /* (T) */
	struct left_groups left;

	INIT_LIST_HEAD(&left.list);
	spin_lock_deferring(&tasklist_lock);
	left.id = ++nr_left;
	spin_unlock_deferring(&tasklist_lock);
	while (leave_some_children(sig, &left))
		port_cond_resched();
	while (look_at_left_group(sig, &left))
		port_cond_resched();
}

/* ---- The end of a thread --------------------------------------------------------------------- */

static void exit_address_space(struct task_struct *me)
{
	struct mm_struct *mm = me->vm.mm;

	if (!mm)
		return;
	futex_exit(me);
	me->signal->dead.maxrss_kb =
		max(me->signal->dead.maxrss_kb, get_mm_hiwater_rss(mm) * (PAGE_SIZE / 1024));
	report_mm_exit(mm);
	mpol_exit(&me->vm);
	exit_mm();
	vfork_done(me);
}

/* The last thread of a process that waits alone in execve or as a zombie leader may go on. */
static void wake_group_waiter_locked(struct signal_struct *sig)
{
	lockdep_assert_held(&tasklist_lock);
	if (sig->exec_task)
		port_unpark(&sig->exec_task->vm);
}

/*
 * The visible part of ending, at once. Returns true if the task (or, for the last thread of
 * a process whose leader ended before, the leader) is to be released here.
 */
static void exit_notify(struct task_struct *me)
{
	struct signal_struct *sig = me->signal;
	struct task_struct *leader, *released[2] = {NULL, NULL};

	spin_lock_deferring(&tasklist_lock);
	/* others may have left theirs to us meanwhile */
	while (sig->live == 1 && !list_empty(&sig->children)) {
		spin_unlock_deferring(&tasklist_lock);
		leave_children(sig);
		spin_lock_deferring(&tasklist_lock);
	}
	leader = sig->leader;
	sig->live--;
	sig->nr_exiting--;
	if (sig->live == 0)
		kill_orphaned_pgrp_locked(leader);
	me->state = TASK_ZOMBIE;
	if (sig->live == 0)
		wake_up_events(&leader->pid_struct->ended, POLLIN | POLLRDNORM);
	if (me != leader) {
		release_task_locked(me);
		released[0] = me;
	}
	if (sig->live == 0 && notify_parent_exit_locked(leader)) {
		release_task_locked(leader);
		released[1] = leader;
	}
	wake_group_waiter_locked(sig);
	spin_unlock_deferring(&tasklist_lock);
	for (int i = 0; i < 2; i++)
		if (released[i])
			put_task(released[i]);
}

static void leave_stop(struct task_struct *me)
{
	bool last;

	spin_lock_deferring(&tasklist_lock);
	spin_lock(&me->sighand->siglock);
	rmw_or_relaxed(&me->vm.flags, PF_EXITING);
	last = leave_group_stop_locked(me);
	spin_unlock(&me->sighand->siglock);
	if (last)
		notify_parent_stop_locked(me->signal->leader, CLD_STOPPED);
	spin_unlock_deferring(&tasklist_lock);
}

/* Is this the last thread of its process to come here? True for exactly one. */
static bool enter_exit(struct signal_struct *sig)
{
	bool last;

	spin_lock_deferring(&tasklist_lock);
	last = ++sig->nr_exiting == sig->live;
	spin_unlock_deferring(&tasklist_lock);
	return last;
}

void do_exit(int code)
{
	struct task_struct *me = current;

	if (me == child_reaper)
		panic("init ended with status 0x%x", (unsigned int)code);
	me->exit_code = code;
	leave_stop(me);
	exit_address_space(me);
	fs_task_exit(&me->fs);
	if (enter_exit(me->signal)) {
		itimers_stop(me->signal);
		posix_timers_stop(me->signal);
		fs_process_exit(&me->signal->fs_process);
	}
	exit_notify(me);
	schedule_dead();
}

void do_group_exit(int code)
{
	struct signal_struct *sig = current->signal;

	spin_lock_deferring(&current->sighand->siglock);
	if (sig->group_exit)
		code = sig->group_exit_code;
	else if (sig->exec_task)
		code = sig->exec_task == current ? code : 0;
	else
		start_group_exit_locked(sig, code);
	spin_unlock_deferring(&current->sighand->siglock);
	do_exit(code);
}

/* ---- execve in a process of several threads --------------------------------------------- */

/*
 * The caller becomes the leader, with the leader's number, family and place in its groups; the
 * old leader (a zombie by now) takes the caller's number and goes. tasklist_lock held.
 */
static void swap_leader_locked(struct task_struct *me, struct task_struct *old)
{
	struct pid *pid = me->pid_struct;

	lockdep_assert_held(&tasklist_lock);
	VM_BUG_ON(me->signal != old->signal || me->signal->leader != old);
	VM_BUG_ON(old->state != TASK_ZOMBIE || me->signal->live != 1);
	me->pid_struct = old->pid_struct;
	old->pid_struct = pid;
	me->pid_struct->task = me;
	old->pid_struct->task = old;
	me->vm.pid = old->vm.pid;
	old->vm.pid = pid->nr;
	me->exit_signal = SIGCHLD;
	old->exit_signal = -1;
	me->signal->leader = me;
	me->signal->fs_process.pid = me->vm.pid;
	list_insert_between(&me->sibling, old->sibling.prev, &old->sibling);
	list_del_init(&old->sibling);
	for (int i = 0; i < NR_PID_LISTS; i++) {
		list_add(&me->pid_link[i], &old->pid_link[i]);
		list_del_init(&old->pid_link[i]);
	}
	list_move(&me->thread_link, &me->signal->threads);
	struct task_struct *child;
	list_for_each_entry(child, &me->signal->children, sibling) {
		struct task_struct *t;

		list_for_each_entry(t, &child->signal->threads, thread_link)
			t->parent = me;
	}
}

static bool alone(struct signal_struct *sig)
{
	bool is;

	spin_lock_deferring(&tasklist_lock);
	is = sig->live == 1;
	spin_unlock_deferring(&tasklist_lock);
	return is;
}

int kill_other_threads(void)
{
	struct task_struct *me = current, *old;
	struct signal_struct *sig = me->signal;

	if (READ_ONCE(sig->nr_threads) == 1)
		return 0;
	spin_lock_deferring(&tasklist_lock);
	spin_lock(&me->sighand->siglock);
	if (sig->group_exit || sig->exec_task) {
		spin_unlock(&me->sighand->siglock);
		spin_unlock_deferring(&tasklist_lock);
		return -EAGAIN;
	}
	sig->exec_task = me;
	start_group_exit_locked(sig, 0);
	sig->group_exit = false; /* only the others go: exec_task says so */
	recalc_sigpending_locked();
	spin_unlock(&me->sighand->siglock);
	spin_unlock_deferring(&tasklist_lock);

	while (!alone(sig))
		port_park(UINT64_MAX);

	spin_lock_deferring(&tasklist_lock);
	old = sig->leader;
	if (old != me) {
		swap_leader_locked(me, old);
		release_task_locked(old);
	}
	sig->exec_task = NULL;
	spin_unlock_deferring(&tasklist_lock);
	if (old != me)
		put_task(old);
	return 0;
}

/* ---- The calls ------------------------------------------------------------------------------ */

long sys_exit(unsigned long code)
{
	do_exit((int)(code & 0xff) << 8);
}

long sys_exit_group(unsigned long code)
{
	do_group_exit((int)(code & 0xff) << 8);
}
