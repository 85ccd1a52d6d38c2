/* SPDX-License-Identifier: MIT */
/*
 * sigqueue.c: pending signals: a set of numbers, and a list of siginfos in the order they came.
 *
 * Signals below SIGRTMIN are pending at most once; real-time ones queue in order. A full queue
 * (RLIMIT_SIGPENDING, counted per process) loses the siginfo of an ordinary signal, and refuses a
 * real-time one. A POSIX timer has an entry of its own from its creation to its end, so its signal
 * cannot fail for want of memory; further expirations while it is pending are counted in it.
 *
 *	timer entry:	idle -> pending -> taken: idle, last_overrun is what was told
 *			timer deleted while pending: an ordinary entry from then on
 *
 * Locking: siglock of the process. Invariant: a number is in the set if one of its entries is
 * on the list. Failure: -EAGAIN as above. No memory for a siginfo: the signal arrives without.
 */
#include <pagoda/bug.h>
#include <pagoda/slab.h>
#include <kernel/sched.h>
#include <kernel/signal_internal.h>

static kmem_cache_t *sigqueue_cache;

void sigqueues_init(void)
{
	sigqueue_cache = kmem_cache_create("sigqueue", sizeof(struct sigqueue), 0, 0, NULL, NULL);
	BUG_ON(!sigqueue_cache);
}

/* Off its list: free it, unless it is a timer's. */
static void drop_entry(struct sigqueue *q, struct signal_struct *sig)
{
	list_del_init(&q->link);
	if (q->timer)
		return;
	kmem_cache_free(sigqueue_cache, q);
	sig->nr_queued--;
}

void flush_sigpending_locked(struct sigpending *pending, sigset_t mask, struct signal_struct *sig)
{
	struct sigqueue *q, *tmp;

	if (!(pending->set & mask))
		return;
	pending->set &= ~mask;
	list_for_each_entry_safe (q, tmp, &pending->queue, link)
		if (sig_in(mask, q->info.si_signo))
			drop_entry(q, sig);
}

void collect_signal_locked(struct sigpending *pending, int signo, struct siginfo *info,
			   struct signal_struct *sig)
{
	struct sigqueue *q, *found = NULL;

	pending->set &= ~sigmask(signo);
	list_for_each_entry (q, &pending->queue, link) {
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
	*info = found->info;
	found->last_overrun = info->timer.overrun;
	drop_entry(found, sig);
}

int enqueue_signal_locked(struct sigpending *pending, int signo, const struct siginfo *info,
			  struct signal_struct *sig)
{
	struct sigqueue *q = NULL;

	if (signo < SIGRTMIN && sig_in(pending->set, signo))
		return 0;
	if (sig->nr_queued < sig->rlim[RLIMIT_SIGPENDING].rlim_cur || signo < SIGRTMIN)
		q = kmem_cache_alloc(sigqueue_cache, GFP_ATOMIC);
	if (q) {
		if (info)
			q->info = *info;
		else
			q->info = (struct siginfo){.si_code = SI_KERNEL};
		q->info.si_signo = signo;
		q->timer = false;
		list_add_tail(&q->link, &pending->queue);
		sig->nr_queued++;
	} else if (signo >= SIGRTMIN && info && info->si_code != SI_USER) {
		return -EAGAIN;
	}
	pending->set |= sigmask(signo);
	return 0;
}

/* ---- Timers' entries ------------------------------------------------------------------------ */

struct sigqueue *timer_queue_alloc(void)
{
	struct sigqueue *q = kmem_cache_alloc(sigqueue_cache, GFP_KERNEL | __GFP_ZERO);
	struct task_struct *me = current;
	unsigned long flags;
	bool fits;

	if (!q)
		return NULL;
	q->timer = true;
	INIT_LIST_HEAD(&q->link);
	spin_lock_irqsave(&me->sighand->siglock, flags);
	fits = me->signal->nr_queued < me->signal->rlim[RLIMIT_SIGPENDING].rlim_cur;
	if (fits)
		me->signal->nr_queued++;
	spin_unlock_irqrestore(&me->sighand->siglock, flags);
	if (fits)
		return q;
	kmem_cache_free(sigqueue_cache, q);
	return NULL;
}

void timer_queue_free(struct sigqueue *q)
{
	struct task_struct *me = current;
	unsigned long flags;

	spin_lock_irqsave(&me->sighand->siglock, flags);
	q->timer = false;
	if (list_empty(&q->link)) {
		me->signal->nr_queued--;
		kmem_cache_free(sigqueue_cache, q);
	}
	spin_unlock_irqrestore(&me->sighand->siglock, flags);
}

void enqueue_timer_locked(struct sigpending *pending, struct sigqueue *q)
{
	list_add_tail(&q->link, &pending->queue);
	pending->set |= sigmask(q->info.si_signo);
}

bool count_expirations(struct sigqueue *q, unsigned int times)
{
	bool pending = !list_empty(&q->link);
	u64 overrun = times - 1u + (pending ? (u64)(unsigned int)q->info.timer.overrun + 1 : 0);

	q->info.timer.overrun = (int)min(overrun, (u64)0x7fffffff);
	return pending;
}
