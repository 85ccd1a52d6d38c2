/* SPDX-License-Identifier: MIT */
/*
 * signal.c: queueing, choosing and acting on signals.
 *
 *	signal_struct.shared_pending	for the process: any thread may take it
 *	task_struct.pending		for one thread
 *
 * Each is a set of numbers and a list of siginfos (sigqueue.c).
 *
 * Sending: a signal that the process ignores is dropped, unless somebody blocks it (the
 * action may change before it is unblocked). SIGCONT removes pending stops and lets a stopped
 * process go on even if it is then ignored; a stop removes pending SIGCONTs. One that is
 * certain to kill the process marks all threads to exit at once (group_exit).
 *
 * Receiving: on the way to user mode get_signal() stops, ends or continues the process as
 * told, and returns only a signal that has a handler; sigframe.c enters it.
 *
 *	TASK stop, as each thread comes to get_signal():
 *	group_stop = true, nr_to_stop = threads   -> last one: parent hears CLD_STOPPED
 *	SIGCONT: group_stop = false, all woken    -> the first back: CLD_CONTINUED
 *
 * Locking: siglock for pending sets, actions, stop and exit state; tasklist_lock around it
 * where another process is involved. Interrupt handlers leave sending to deferred.c.
 * Invariant: (I1) WORK_SIGNAL is set whenever recalc_sigpending_locked() would set it.
 * Failure: -EAGAIN as above. Memory for a siginfo missing: the signal arrives without.
 */
#include <pagoda/bug.h>
#include <pagoda/port.h>
#include <pagoda/slab.h>
#include <asm/ptrace.h>
#include <kernel/latency.h>
#include <kernel/process.h>
#include <kernel/sched.h>
#include <kernel/signal_internal.h>

#define SIGS_STOP	 (sigmask(SIGSTOP) | sigmask(SIGTSTP) | sigmask(SIGTTIN) | sigmask(SIGTTOU))
#define SIGS_IGNORE	 (sigmask(SIGCONT) | sigmask(SIGCHLD) | sigmask(SIGWINCH) | sigmask(SIGURG))
#define SIGS_KERNEL_ONLY (sigmask(SIGKILL) | sigmask(SIGSTOP))
/*
 * Caused by the instruction just run: taken before others, or their handlers would see a wrong
 * place.
 */
#define SIGS_SYNCHRONOUS                                                           \
	(sigmask(SIGSEGV) | sigmask(SIGBUS) | sigmask(SIGILL) | sigmask(SIGTRAP) | \
	 sigmask(SIGFPE) | sigmask(SIGSYS))

/* ---- Pending sets -------------------------------------------------------------------------- */

static bool has_pending_locked(struct task_struct *t)
{
	lockdep_assert_held(&t->sighand->siglock);
	return (t->pending.set | t->signal->shared_pending.set) & ~t->blocked;
}

static bool must_exit_locked(struct task_struct *t)
{
	lockdep_assert_held(&t->sighand->siglock);
	return t->signal->group_exit || (t->signal->exec_task && t->signal->exec_task != t);
}

static bool wants_attention_locked(struct task_struct *t)
{
	struct signal_struct *sig = t->signal;

	lockdep_assert_held(&t->sighand->siglock);
	return has_pending_locked(t) || must_exit_locked(t) || sig->group_stop || sig->cont_notify;
}

void recalc_sigpending_locked(void)
{
	lockdep_assert_held(&current->sighand->siglock);
	if (wants_attention_locked(current))
		set_work(current, WORK_SIGNAL);
	else
		clear_work(current, WORK_SIGNAL);
}

bool signal_pending(void)
{
	return READ_ONCE(current->work) & WORK_SIGNAL;
}

bool fatal_signal_pending(void)
{
	struct task_struct *me = current;

	return signal_pending() &&
	       (sig_in(READ_ONCE(me->pending.set), SIGKILL) || READ_ONCE(me->signal->group_exit) ||
		(READ_ONCE(me->signal->exec_task) && me->signal->exec_task != me));
}

bool port_fatal_signal_pending(void)
{
	return fatal_signal_pending();
}

static int lowest_signal(sigset_t set)
{
	if (set & SIGS_SYNCHRONOUS)
		set &= SIGS_SYNCHRONOUS;
	return set ? __builtin_ctzll(set) + 1 : 0;
}

int dequeue_signal_locked(sigset_t mask, struct siginfo *info)
{
	struct task_struct *me = current;
	struct sigpending *pending = &me->pending;
	int signo = lowest_signal(pending->set & ~mask);

	lockdep_assert_held(&current->sighand->siglock);
	if (!signo) {
		pending = &me->signal->shared_pending;
		signo = lowest_signal(pending->set & ~mask);
	}
	if (!signo)
		return 0;
	collect_signal_locked(pending, signo, info);
	if (sig_in(SIGS_STOP, signo))
		me->signal->stop_dequeued = true;
	recalc_sigpending_locked();
	return signo;
}

int take_signal(sigset_t wanted, struct siginfo *info)
{
	struct task_struct *me = current;
	int signo;

	spin_lock_deferring(&me->sighand->siglock);
	signo = dequeue_signal_locked(~wanted, info);
	spin_unlock_deferring(&me->sighand->siglock);
	return signo;
}

void set_current_blocked(sigset_t set)
{
	struct task_struct *me = current;

	spin_lock_deferring(&me->sighand->siglock);
	me->blocked = set & ~SIGS_KERNEL_ONLY;
	recalc_sigpending_locked();
	spin_unlock_deferring(&me->sighand->siglock);
}

/* ---- Sending --------------------------------------------------------------------------------- */

bool action_ignores(const struct task_struct *t, int signo)
{
	unsigned long handler = t->sighand->action[signo - 1].handler;

	return handler == SIG_IGN || (handler == SIG_DFL && sig_in(SIGS_IGNORE, signo));
}

static bool is_dropped_locked(struct task_struct *t, int signo)
{
	unsigned long handler = t->sighand->action[signo - 1].handler;

	lockdep_assert_held(&t->sighand->siglock);
	if (t->vm.flags & PF_KTHREAD)
		return true;
	if (sig_in(t->blocked | t->real_blocked, signo))
		return false;
	if (t->signal->unkillable && handler == SIG_DFL)
		return true;
	return action_ignores(t, signo);
}

static void wake_for_signal(struct task_struct *t, bool fatal)
{
	lockdep_assert_held(&t->sighand->siglock);
	set_work(t, WORK_SIGNAL);
	port_unpark(&t->vm);
	if (fatal)
		continue_task(t);
}

void start_group_exit_locked(struct signal_struct *sig, int code)
{
	struct task_struct *t;

	VM_BUG_ON(list_empty(&sig->threads));
	sig->group_exit = true;
	sig->group_exit_code = code;
	sig->group_stop = false;
	sig->nr_to_stop = 0;
	list_for_each_entry(t, &sig->threads, thread_link)
		if (!(t->vm.flags & PF_EXITING))
			wake_for_signal(t, true);
}

static void flush_all_locked(struct signal_struct *sig, sigset_t mask)
{
	struct task_struct *t;

	flush_sigpending_locked(&sig->shared_pending, mask);
	list_for_each_entry(t, &sig->threads, thread_link)
		flush_sigpending_locked(&t->pending, mask);
}

/* SIGCONT came: no stop is pending any more, and who has stopped goes on. */
static void continue_process_locked(struct signal_struct *sig)
{
	struct task_struct *t;

	flush_all_locked(sig, SIGS_STOP);
	sig->stop_dequeued = false;
	if (!sig->group_stop)
		return;
	if (sig->nr_to_stop == 0) {
		sig->cont_notify = true;
		sig->cont_reportable = true;
	}
	sig->group_stop = false;
	sig->stop_reportable = false;
	sig->nr_to_stop = 0;
	list_for_each_entry(t, &sig->threads, thread_link) {
		set_work(t, WORK_SIGNAL);
		continue_task(t);
	}
}

/* Effects that a signal has on being sent; false: nothing is left to queue. */
static bool prepare_locked(int signo, struct task_struct *t)
{
	struct signal_struct *sig = t->signal;

	lockdep_assert_held(&t->sighand->siglock);
	if (sig->group_exit)
		return false;
	if (sig_in(SIGS_STOP, signo))
		flush_all_locked(sig, sigmask(SIGCONT));
	else if (signo == SIGCONT)
		continue_process_locked(sig);
	return !is_dropped_locked(t, signo);
}

static bool can_take(struct task_struct *t, int signo)
{
	if (sig_in(t->blocked, signo) || (t->vm.flags & PF_EXITING))
		return false;
	return signo == SIGKILL || t->state != TASK_STOPPED;
}

/* Its default action ends the process, and nothing stands in the way. */
static bool is_certain_death(struct task_struct *t, int signo)
{
	unsigned long handler = t->sighand->action[signo - 1].handler;

	if (sig_in(SIGS_STOP | SIGS_IGNORE, signo) && signo != SIGKILL)
		return false;
	return handler == SIG_DFL && !t->signal->unkillable && !sig_in(t->real_blocked, signo);
}

/* Choose a thread to wake; none: it stays pending until one unblocks it. */
static void complete_locked(int signo, struct task_struct *t, bool group)
{
	struct task_struct *taker = NULL, *other;

	lockdep_assert_held(&t->sighand->siglock);
	if (can_take(t, signo))
		taker = t;
	else if (group)
		list_for_each_entry(other, &t->signal->threads, thread_link)
			if (can_take(other, signo)) {
				taker = other;
				break;
			}
	if (!taker)
		return;
	if (is_certain_death(taker, signo))
		start_group_exit_locked(taker->signal, signo);
	else
		wake_for_signal(taker, signo == SIGKILL);
}

int send_signal_locked(int signo, const struct siginfo *info, struct task_struct *t, bool group)
{
	int error;

	lockdep_assert_held(&t->sighand->siglock);
	if (!prepare_locked(signo, t))
		return 0;
	error = enqueue_signal_locked(group ? &t->signal->shared_pending : &t->pending, signo, info,
				      t->signal);
	if (!error) {
		signalfd_notify(t);
		complete_locked(signo, t, group);
	}
	return error;
}

bool send_timer_signal_listed(struct sigqueue *q, unsigned int times, struct task_struct *thread,
			      struct signal_struct *sig)
{
	bool group = !thread, pending;
	struct task_struct *t = group ? sig->leader : thread;
	int signo = q->info.si_signo;

	lockdep_assert_held(&tasklist_lock);
	if (!t->sighand)
		return false;
	spin_lock(&t->sighand->siglock);
	pending = count_expirations(q, times);
	if (!pending && prepare_locked(signo, t)) {
		enqueue_timer_locked(group ? &t->signal->shared_pending : &t->pending, q);
		signalfd_notify(t);
		complete_locked(signo, t, group);
		pending = true;
	}
	spin_unlock(&t->sighand->siglock);
	return pending;
}

bool send_timer_signal(struct sigqueue *q, unsigned int times, struct task_struct *thread,
		       struct signal_struct *sig)
{
	bool pending;

	spin_lock_deferring(&tasklist_lock);
	pending = send_timer_signal_listed(q, times, thread, sig);
	spin_unlock_deferring(&tasklist_lock);
	return pending;
}

int send_signal_listed(int signo, const struct siginfo *info, struct task_struct *t, bool group)
{
	int error;

	lockdep_assert_held(&tasklist_lock);
	if (!t->sighand)
		return 0;
	spin_lock_deferring(&t->sighand->siglock);
	error = send_signal_locked(signo, info, t, group);
	spin_unlock_deferring(&t->sighand->siglock);
	return error;
}

int send_signal(int signo, const struct siginfo *info, struct task_struct *t, bool group)
{
	int error;

	spin_lock_deferring(&tasklist_lock);
	error = send_signal_listed(signo, info, t, group);
	spin_unlock_deferring(&tasklist_lock);
	return error;
}

void send_sig(int signo, struct task_struct *task)
{
	(void)send_signal(signo, NULL, task, false); /* only real-time signals can fail */
}

int send_group_sig(int signo, const struct siginfo *info, struct task_struct *task)
{
	return send_signal(signo, info, task, true);
}

/*
 * A signal the current task cannot avoid: if it blocks or ignores it, the default action is taken.
 */
static void force_signal(int signo, const struct siginfo *info)
{
	struct task_struct *me = current;
	struct k_sigaction *action = &me->sighand->action[signo - 1];

	spin_lock_deferring(&me->sighand->siglock);
	if (sig_in(me->blocked, signo) || action->handler == SIG_IGN) {
		action->handler = SIG_DFL;
		me->blocked &= ~sigmask(signo);
	}
	if (action->handler == SIG_DFL)
		me->signal->unkillable = false;
	(void)send_signal_locked(signo, info, me, false);
	recalc_sigpending_locked();
	spin_unlock_deferring(&me->sighand->siglock);
}

void force_sig_fault(int signo, int si_code, unsigned long addr)
{
	struct siginfo info = {.si_signo = signo, .si_code = si_code, .fault.addr = addr};

	force_signal(signo, &info);
}

void force_sig(int signo)
{
	force_signal(signo, NULL);
}

bool signal_ignored_or_blocked(int signo)
{
	struct task_struct *me = current;

	return sig_in(me->blocked, signo) || me->sighand->action[signo - 1].handler == SIG_IGN;
}

/* ---- Telling the parent ---------------------------------------------------------------------- */

static void fill_child_info(struct siginfo *info, struct task_struct *t, int code, int status)
{
	struct task_usage u;

	process_usage(t->signal, &u);
	*info = (struct siginfo){.si_signo = SIGCHLD, .si_code = code};
	info->chld.pid = t->vm.pid;
	info->chld.uid = t->fs.cred.uid;
	info->chld.status = status;
	info->chld.utime = (long)(u.utime_ns / TICK_NS);
	info->chld.stime = (long)(u.stime_ns / TICK_NS);
}

void notify_parent_stop_locked(struct task_struct *t, int why)
{
	struct task_struct *parent = t->parent;
	const struct k_sigaction *action = &parent->sighand->action[SIGCHLD - 1];
	struct siginfo info;

	lockdep_assert_held(&tasklist_lock);
	VM_BUG_ON(why != CLD_STOPPED && why != CLD_CONTINUED);
	fill_child_info(&info, t, why, why == CLD_STOPPED ? t->signal->stop_signo : SIGCONT);
	if (action->handler != SIG_IGN && !(action->flags & SA_NOCLDSTOP))
		(void)send_signal_listed(SIGCHLD, &info, parent, true);
	wake_up(&parent->signal->child_wait);
}

/*
 * The signal that clone() chose for the child's end is its parent's choice. A parent that runs
 * another program by now, perhaps one with more rights, did not choose it, and gets the usual one.
 */
static int chosen_exit_signal(const struct task_struct *t)
{
	bool same = t->signal->parent_exec_id == t->parent->signal->exec_id;

	return t->exit_signal && !same ? SIGCHLD : t->exit_signal;
}

bool notify_parent_exit_locked(struct task_struct *t)
{
	struct task_struct *parent = t->parent;
	const struct k_sigaction *action;
	bool ignored = false;
	int signo = chosen_exit_signal(t);
	struct siginfo info;

	lockdep_assert_held(&tasklist_lock);
	VM_BUG_ON(!thread_group_leader(t) || t->signal->live);
	if (parent == idle_task() || !parent->sighand)
		return true;
	if (t->exit_code & 0x7f)
		fill_child_info(&info, t, t->exit_code & 0x80 ? CLD_DUMPED : CLD_KILLED,
				t->exit_code & 0x7f);
	else
		fill_child_info(&info, t, CLD_EXITED, t->exit_code >> 8);
	info.si_signo = signo;
	action = &parent->sighand->action[SIGCHLD - 1];
	if (signo == SIGCHLD) {
		ignored = action->handler == SIG_IGN || (action->flags & SA_NOCLDWAIT);
		if (action->handler == SIG_IGN)
			signo = 0;
	}
	if (!ignored) /* zombies first: wait(-1) finds them at once */
		list_move(&t->sibling, &parent->signal->children);
	if (signo)
		(void)send_signal_listed(signo, &info, parent, true);
	wake_up(&parent->signal->child_wait);
	return ignored;
}

/* ---- Stopping -------------------------------------------------------------------------------- */

bool leave_group_stop_locked(struct task_struct *t)
{
	struct signal_struct *sig = t->signal;

	lockdep_assert_held(&t->sighand->siglock);
	if (!sig->group_stop || sig->nr_to_stop == 0)
		return false;
	if (--sig->nr_to_stop > 0)
		return false;
	sig->stop_reportable = true;
	return true;
}

static void begin_group_stop_locked(struct signal_struct *sig, int signo)
{
	struct task_struct *t;

	lockdep_assert_held(&current->sighand->siglock);
	VM_BUG_ON(sig != current->signal || sig->group_stop);
	VM_BUG_ON(!sig_in(SIGS_STOP, signo));
	sig->group_stop = true;
	sig->stop_signo = signo;
	sig->cont_reportable = false;
	sig->nr_to_stop = 0;
	list_for_each_entry(t, &sig->threads, thread_link) {
		if (t->vm.flags & PF_EXITING)
			continue;
		sig->nr_to_stop++;
		if (t != current)
			wake_for_signal(t, false);
	}
}

static void tell_parent_of_stop(struct task_struct *leader, int why)
{
	spin_lock_deferring(&tasklist_lock);
	notify_parent_stop_locked(leader, why);
	spin_unlock_deferring(&tasklist_lock);
}

/* Stay here while the process is stopped. siglock held on entry and exit; dropped meanwhile. */
static void stay_stopped(struct task_struct *me) MUST_HOLD(&me->sighand->siglock)
{
	struct signal_struct *sig = me->signal;

	lockdep_assert_held(&me->sighand->siglock);
	VM_BUG_ON(me != current || !sig->group_stop);
	if (leave_group_stop_locked(me)) {
		spin_unlock_deferring(&me->sighand->siglock);
		tell_parent_of_stop(sig->leader, CLD_STOPPED);
		spin_lock_deferring(&me->sighand->siglock);
	}
	while (sig->group_stop && !must_exit_locked(me)) {
		stop_current(&me->sighand->siglock);
		spin_lock_deferring(&me->sighand->siglock);
	}
}

/* ---- Acting on a signal ---------------------------------------------------------------------- */

/* A stop signal with its default action. siglock held on entry and exit. */
static void default_stop(struct task_struct *me, int signo) MUST_HOLD(&me->sighand->siglock)
{
	struct signal_struct *sig = me->signal;

	lockdep_assert_held(&me->sighand->siglock);
	VM_BUG_ON(!sig_in(SIGS_STOP, signo));
	if (signo != SIGSTOP) {
		/* the group may only be looked at without siglock; a SIGCONT meanwhile wins */
		spin_unlock_deferring(&me->sighand->siglock);
		bool orphaned = is_orphaned_pgrp(sig->fs_process.pgrp);
		spin_lock_deferring(&me->sighand->siglock);
		if (orphaned)
			return;
	}
	if (!sig->stop_dequeued || sig->group_exit || sig->group_stop)
		return;
	begin_group_stop_locked(sig, signo);
}

/* Take what must be done before the next signal is looked at. True if there was something. */
static bool attend_process_state(struct task_struct *me) MUST_HOLD(&me->sighand->siglock)
{
	struct signal_struct *sig = me->signal;

	lockdep_assert_held(&me->sighand->siglock);
	VM_BUG_ON(me != current);
	if (must_exit_locked(me)) {
		int code = sig->group_exit ? sig->group_exit_code : 0;

		spin_unlock_deferring(&me->sighand->siglock);
		do_exit(code);
	}
	if (sig->cont_notify) {
		sig->cont_notify = false;
		spin_unlock_deferring(&me->sighand->siglock);
		tell_parent_of_stop(sig->leader, CLD_CONTINUED);
		spin_lock_deferring(&me->sighand->siglock);
		return true;
	}
	if (sig->group_stop) {
		stay_stopped(me);
		return true;
	}
	return false;
}

/* Perform a default action; true if it was one. siglock held; may not return. */
static bool default_action(struct task_struct *me, int signo) MUST_HOLD(&me->sighand->siglock)
{
	unsigned long handler = me->sighand->action[signo - 1].handler;

	lockdep_assert_held(&me->sighand->siglock);
	VM_BUG_ON(signo < 1 || signo > 64);
	if (handler == SIG_IGN)
		return true;
	if (handler != SIG_DFL)
		return false;
	if (sig_in(SIGS_IGNORE, signo) || me->signal->unkillable)
		return true;
	if (sig_in(SIGS_STOP, signo)) {
		default_stop(me, signo);
		return true;
	}
	spin_unlock_deferring(&me->sighand->siglock);
	do_group_exit(signo);
}

bool get_signal(struct signal_delivery *out)
{
	struct task_struct *me = current;
	struct sighand_struct *sighand = me->sighand;
	bool found = false;

	spin_lock_deferring(&me->sighand->siglock);
	for (;;) {
		if (attend_process_state(me))
			continue;
		out->signo = dequeue_signal_locked(me->blocked, &out->info);
		if (!out->signo)
			break;
		if (default_action(me, out->signo))
			continue;
		out->action = sighand->action[out->signo - 1];
		if (out->action.flags & SA_RESETHAND)
			sighand->action[out->signo - 1].handler = SIG_DFL;
		found = true;
		break;
	}
	recalc_sigpending_locked();
	spin_unlock_deferring(&me->sighand->siglock);
	return found;
}

/* ---- The way back to user mode --------------------------------------------------------------- */

#define SYSCALL_INSN_BYTES 2
#define NR_restart_syscall 219

/* The system call was interrupted: what its caller sees (ABI.md section 5). */
static void fix_interrupted_call(struct pt_regs *regs, const struct signal_delivery *d)
{
	struct task_struct *me = current;
	long ret = me->restart_ret;

	if (!(me->work & WORK_RESTART))
		return;
	clear_work(me, WORK_RESTART);
	if (d && (ret == -ERESTARTNOHAND || ret == -ERESTART_RESTARTBLOCK ||
		  (ret == -ERESTARTSYS && !(d->action.flags & SA_RESTART)))) {
		regs->ax = (unsigned long)-EINTR;
		return;
	}
	regs->ax = ret == -ERESTART_RESTARTBLOCK ? NR_restart_syscall : regs->orig_ax;
	regs->ip -= SYSCALL_INSN_BYTES;
}

static void enter_handler(struct pt_regs *regs, const struct signal_delivery *d)
{
	struct task_struct *me = current;
	sigset_t saved = me->restore_sigmask ? me->saved_sigmask : me->blocked;
	sigset_t blocked = me->blocked | d->action.mask;

	if (setup_rt_frame(d, saved, regs) != 0) {
		if (d->signo == SIGSEGV) /* its own handler has no stack: no way out */
			me->sighand->action[SIGSEGV - 1].handler = SIG_DFL;
		force_sig(SIGSEGV);
		return;
	}
	me->restore_sigmask = false;
	if (!(d->action.flags & SA_NODEFER))
		blocked |= sigmask(d->signo);
	set_current_blocked(blocked);
}

static void do_signal(struct pt_regs *regs)
{
	struct signal_delivery d;

	if (get_signal(&d)) {
		fix_interrupted_call(regs, &d);
		enter_handler(regs, &d);
		return;
	}
	fix_interrupted_call(regs, NULL);
	if (current->restore_sigmask)
		restore_user_sigmask();
}

bool kernel_work_pending(void)
{
	return READ_ONCE(current->work) != 0;
}

void kernel_return_to_user(struct pt_regs *regs)
{
	unsigned int work = READ_ONCE(current->work);

	if (unlikely(work & WORK_SAMPLED)) {
		clear_work(current, WORK_SAMPLED);
		latency_point();
	}
	if (work & WORK_RESCHED)
		schedule();
	if (work & (WORK_SIGNAL | WORK_RESTART))
		do_signal(regs);
}

/* ---- Masks for the time of one call ---------------------------------------------------------- */

void set_user_sigmask(sigset_t mask)
{
	struct task_struct *me = current;

	if (!me->restore_sigmask) {
		me->saved_sigmask = me->blocked;
		me->restore_sigmask = true;
	}
	set_current_blocked(mask);
}

void restore_user_sigmask(void)
{
	struct task_struct *me = current;

	if (!me->restore_sigmask)
		return;
	me->restore_sigmask = false;
	set_current_blocked(me->saved_sigmask);
}
