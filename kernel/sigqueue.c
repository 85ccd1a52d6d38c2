/* SPDX-License-Identifier: MIT */
/*
 * sigqueue.c: pending signals: a set of numbers, and a list of siginfos in the order they came.
 *
 * Signals below SIGRTMIN are pending at most once; real-time ones queue in order. A full queue
 * (RLIMIT_SIGPENDING, counted for the receiver's real user) loses the siginfo of an ordinary
 * signal, and refuses a real-time one. A POSIX timer has an entry of its own from its creation to
 * its end, so its signal cannot fail for want of memory; further expirations while it is pending
 * are counted in it.
 *
 *	timer entry:	idle -> pending -> taken: idle, last_overrun is what was told
 *			timer deleted while pending: an ordinary entry from then on
 *
 * Locking: siglock of the process. Invariant: a number is in the set if one of its entries is
 * on the list. Failure: -EAGAIN as above. No memory for a siginfo: the signal arrives without.
 */
#include <pagoda/bug.h>
#include <pagoda/slab.h>
#include <fs/user.h>
#include <kernel/sched.h>
#include <kernel/signal_internal.h>

static kmem_cache_t *sigqueue_cache;

void sigqueues_init(void)
{
	sigqueue_cache = kmem_cache_create("sigqueue", sizeof(struct sigqueue), 0, 0, NULL, NULL);
	BUG_ON(!sigqueue_cache);
}

/* Count one more for the user; false: that would be more than the limit. */
static bool count_entry(struct user_struct *user, unsigned long limit)
{
	if ((unsigned long)atomic_long_add_return(&user->nr_sigpending, 1) <= limit)
		return true;
	atomic_long_dec(&user->nr_sigpending);
	return false;
}

/*
 * An entry for a signal to the process, counted for its user. limit: RLIMIT_SIGPENDING, or none.
 * NULL: none to be had.
 */
static struct sigqueue *alloc_entry(struct task_struct *t, unsigned long limit, gfp_t gfp)
{
	struct user_struct *user = t->fs.user;
	struct sigqueue *q;

	if (!count_entry(user, limit))
		return NULL;
	q = kmem_cache_alloc(sigqueue_cache, gfp | __GFP_ZERO);
	if (q)
		q->user = get_user_struct(user);
	else
		atomic_long_dec(&user->nr_sigpending);
	return q;
}

static void free_entry(struct sigqueue *q)
{
	VM_BUG_ON(q->timer || !list_empty(&q->link));
	VM_BUG_ON(atomic_long_read(&q->user->nr_sigpending) <= 0);
	atomic_long_dec(&q->user->nr_sigpending);
	put_user_struct(q->user);
	kmem_cache_free(sigqueue_cache, q);
}

/* Off its list: free it, unless it is a timer's. */
static void drop_entry(struct sigqueue *q)
{
	VM_BUG_ON(list_empty(&q->link));
	list_del_init(&q->link);
	if (!q->timer)
		free_entry(q);
}

void flush_sigpending_locked(struct sigpending *pending, sigset_t mask)
{
	struct sigqueue *q, *tmp;

	if (!(pending->set & mask))
		return;
	pending->set &= ~mask;
	list_for_each_entry_safe(q, tmp, &pending->queue, link)
		if (sig_in(mask, q->info.si_signo))
			drop_entry(q);
}

static void add_overruns(struct sigqueue *q, u64 times)
{
	u64 overrun = (u64)(unsigned int)q->info.timer.overrun + times;

	q->info.timer.overrun = (int)min(overrun, (u64)0x7fffffff);
}

void collect_signal_locked(struct sigpending *pending, int signo, struct siginfo *info)
{
	struct sigqueue *q, *found = NULL;

	VM_BUG_ON(!sig_in(pending->set, signo));
	pending->set &= ~sigmask(signo);
	list_for_each_entry(q, &pending->queue, link) {
		if (q->info.si_signo != signo)
			continue;
		if (found) {
			pending->set |= sigmask(signo);
			break;
		}
		found = q;
	}
	if (!found) {
		*info = (struct siginfo){.si_signo = signo, .si_code = SI_USER};
		return;
	}
	if (found->missed)
		add_overruns(found, found->missed(found->owner));
	*info = found->info;
	found->last_overrun = info->timer.overrun;
	drop_entry(found);
}

int enqueue_signal_locked(struct sigpending *pending, int signo, const struct siginfo *info,
			  struct signal_struct *sig)
{
	VM_BUG_ON(signo < 1 || signo > 64);
	/* The kernel's and kill()'s ordinary signals are at most one each: they need no limit. */
	bool exempt = signo < SIGRTMIN && (!info || info->si_code >= SI_USER);
	unsigned long limit = exempt ? RLIM_INFINITY : sig->rlim[RLIMIT_SIGPENDING].rlim_cur;
	struct sigqueue *q;

	if (signo < SIGRTMIN && sig_in(pending->set, signo))
		return 0;
	q = alloc_entry(sig->leader, limit, GFP_ATOMIC);
	if (q) {
		if (info)
			q->info = *info;
		else
			q->info = (struct siginfo){.si_code = SI_KERNEL};
		q->info.si_signo = signo;
		list_add_tail(&q->link, &pending->queue);
	} else if (signo >= SIGRTMIN && info && info->si_code != SI_USER) {
		return -EAGAIN;
	}
	pending->set |= sigmask(signo);
	return 0;
}

/* ---- Timers' entries ------------------------------------------------------------------------ */

struct sigqueue *timer_queue_alloc(void)
{
	struct sigqueue *q = alloc_entry(current, rlimit(RLIMIT_SIGPENDING), GFP_KERNEL);

	if (!q)
		return NULL;
	q->timer = true;
	INIT_LIST_HEAD(&q->link);
	return q;
}

void timer_queue_free(struct sigqueue *q)
{
	struct task_struct *me = current;

	spin_lock_deferring(&me->sighand->siglock);
	q->timer = false;
	q->missed = NULL;
	if (list_empty(&q->link))
		free_entry(q);
	spin_unlock_deferring(&me->sighand->siglock);
}

void enqueue_timer_locked(struct sigpending *pending, struct sigqueue *q)
{
	VM_BUG_ON(!q->timer || !list_empty(&q->link));
	list_add_tail(&q->link, &pending->queue);
	pending->set |= sigmask(q->info.si_signo);
}

bool count_expirations(struct sigqueue *q, unsigned int times)
{
	bool pending = !list_empty(&q->link);

	VM_BUG_ON(!times || !q->timer);
	if (!pending)
		q->info.timer.overrun = 0;
	add_overruns(q, pending ? times : times - 1u);
	return pending;
}
