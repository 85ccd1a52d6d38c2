/* SPDX-License-Identifier: MIT */
/*
 * oom_kill.c: whom to kill when memory is gone, and whether it is (thesis chapter 13).
 *
 * Called by the allocator when reclaim at its top priority freed nothing. The documents'
 * checks, in oom_should_kill():
 *
 *	free swap slots			not OOM
 *	last failure > 5 s ago		not OOM, a new run begins
 *	run younger than 1 s, or no
 *	failure in the last second	not OOM: I/O may be about to finish
 *	fewer than 10 in 5 s		not OOM
 *	a kill in the last 5 s		not OOM: wait for its memory
 *
 * Before them (FX-23): if anything was reclaimed or sent to a disk since the last failure,
 * by any task, it is not OOM and the run begins anew. And since free slots alone help
 * nobody if no page can be written to them, they stop counting when nothing has moved for
 * OOM_STALL_NS. So slow disks kill nobody and dead ends do not last.
 *
 * Knowing that, the times need not be as long as those that only guess. They are used as
 * documented with reclaim=classic; else ten failures within OOM_QUICK_RUN_NS and more, without
 * any progress, are enough, and while the last victim still lives no other is chosen, for
 * at most 5 s.
 *
 * The victim is the task with the highest badness:
 *
 *	pages / (sqrt(cpu seconds) * sqrt(sqrt(cpu minutes)))	large, and little work lost
 *	/ 4 as root or with CAP_SYS_ADMIN, / 4 with CAP_SYS_RAWIO
 *	+ oom_score_adj thousandths of memory; at -1000 never
 *
 * The worst candidate is killed even if it holds little: the task that happens to ask for memory
 * when none is left need not be the one that filled it.
 *
 * pages are those that its end gives back: resident, swapped, tables, region descriptors, and what
 * the kernel keeps for it elsewhere (oom_kernel_pages). With reclaim=classic it is the documents'
 * total_vm, which also counts what was never touched.
 *
 * Nobody is killed for swapoff, which can be refused instead (PF_OOM_ORIGIN, swapoff_give_up()).
 *
 * Every task of the victim's mm gets the signal, and PF_MEMALLOC | PF_MEMDIE: the reserves, so
 * that it needs nobody to exit. SIGTERM if it may touch devices and was not told before,
 * else SIGKILL.
 *
 * Locking: oom_lock (tried; the others wait as if it were not OOM). Tasks are looked at while
 * the port keeps their list; task_mm_lock keeps a task's mm (mm_struct.c).
 * Failure: false if nobody can be killed; the allocation then fails.
 * Observability: the log names every candidate with its score and figures; event oom_kill.
 */
#include "reclaim_policy.h"
#include <mm/space/mm_list.h>
#include <pagoda/bug.h>
#include <pagoda/mm.h>
#include <pagoda/abi/signal.h>
#include <pagoda/oom.h>
#include <pagoda/page_alloc.h>
#include <pagoda/string.h>
#include <pagoda/swap.h>
#include <pagoda/vmstat.h>
#include "oom_internal.h"

#define OOM_STALL_NS	 5000000000ull /* without progress so long, free slots do not count */
#define OOM_PAUSE_NS	 20000000ull   /* between two failures of a task */
#define OOM_QUICK_RUN_NS 200000000ull  /* without progress so long, it is OOM (FX-23) */

unsigned long (*oom_kernel_pages)(struct vm_task *task); /* (C) after boot */

static struct mutex oom_lock;
static struct oom_history history;  /* (oom_lock) */
static unsigned long progress_seen; /* (oom_lock) */
static u64 progress_at;		    /* (oom_lock) when it was seen to change */

/* ---- Whether (OM-02 to OM-06) ------------------------------------------------------------- */

/*
 * Time of the n-th last failure of this run; 1 is the newest. The ring keeps OOM_FAILURES of them.
 */
static u64 nth_last_failure(const struct oom_history *h, unsigned long n)
{
	VM_BUG_ON(!n || n > OOM_FAILURES || n > h->nr);
	return h->failed_at[(h->nr - n) % OOM_FAILURES];
}

static void add_failure(struct oom_history *h, u64 now)
{
	h->failed_at[h->nr++ % OOM_FAILURES] = now;
}

/* Forget the failures before; this one is the first of a new run. */
static void begin_run(struct oom_history *h, u64 now)
{
	h->nr = 0;
	h->run_start = now;
	VM_BUG_ON(now < h->run_start);
	add_failure(h, now);
}

/*
 * The documents' checks, in their order. Each one that fails says why it is not OOM yet; see
 * above.
 */
bool oom_should_kill(struct oom_history *h, u64 now, long free_swap_pages)
{
	u64 last;

	if (free_swap_pages > 0)
		return false;
	last = h->nr ? nth_last_failure(h, 1) : 0;
	if (!h->nr || now - last > OOM_WINDOW_NS) {
		begin_run(h, now);
		return false;
	}
	add_failure(h, now);
	if (now - last > OOM_MIN_RUN_NS || now - h->run_start < OOM_MIN_RUN_NS)
		return false;
	if (h->nr < OOM_FAILURES || now - nth_last_failure(h, OOM_FAILURES) > OOM_WINDOW_NS)
		return false;
	if (h->killed && now - h->last_kill < OOM_WINDOW_NS)
		return false;
	h->killed = true;
	h->last_kill = now;
	begin_run(h, now);
	return true;
}

/*
 * Is this a task that was chosen before and still has its address space? Called for each task in
 * turn; true: go on to the next one.
 */
static bool dies_of_oom(struct vm_task *task, void *arg)
{
	unsigned long flags = lock_task_mm();
	bool *found = arg;

	*found = task->mm && READ_ONCE(task->flags) & PF_MEMDIE;
	unlock_task_mm(flags);
	return !*found;
}

/* Does a victim of an earlier call still have to give its memory back? */
static bool victim_lives(void)
{
	bool found = false;

	port_for_each_task(dies_of_oom, &found);
	return found;
}

/*
 * Is memory exhausted, given that nothing was freed or written since the run began? The checks
 * follow oom_should_kill(), with shorter times: that function has to guess whether I/O is under
 * way, this one is only called when none has ended. Locks: oom_lock held.
 */
static bool oom_should_kill_stalled(struct oom_history *h, u64 now, long free_swap_pages)
	MUST_HOLD(&oom_lock)
{
	lockdep_assert_held(&oom_lock);
	if (free_swap_pages > 0)
		return false;
	if (!h->nr || now - nth_last_failure(h, 1) > OOM_WINDOW_NS) {
		begin_run(h, now);
		return false;
	}
	add_failure(h, now);
	if (h->nr < OOM_FAILURES || now - h->run_start < OOM_QUICK_RUN_NS)
		return false;
	if (h->killed && now - h->last_kill < OOM_WINDOW_NS && victim_lives())
		return false;
	h->killed = true;
	h->last_kill = now;
	begin_run(h, now);
	return true;
}

/*
 * Has anything been reclaimed or written since the last failure? Then the run of failures is over.
 * Locks: oom_lock held.
 */
static bool made_progress(u64 now) MUST_HOLD(&oom_lock)
{
	unsigned long progress = reclaim_progress();

	lockdep_assert_held(&oom_lock);
	if (progress == progress_seen)
		return false;
	progress_seen = progress;
	progress_at = now;
	history.nr = 0;
	return true;
}

/* ---- Whom (OM-07 to OM-11) ------------------------------------------------------------------- */

/*
 * Bit by bit from the highest that the root can have: a bit stays if the square does not exceed n.
 */
unsigned long int_sqrt(unsigned long n)
{
	unsigned long root = 0;

	for (unsigned long bit = 1ul << (BITS_PER_LONG / 2 - 1); bit; bit >>= 1)
		if ((root | bit) * (root | bit) <= n)
			root |= bit;
	VM_BUG_ON(root * root > n);
	return root ? root : 1;
}

/*
 * A task with pages that may be killed scores at least 1, whatever divides or adjusts its points:
 * 0 means "never", and small tasks must stay eligible when there are no others.
 */
unsigned long badness(const struct oom_candidate *c, unsigned long total_pages)
{
	unsigned long points = c->pages;
	long adjusted;

	VM_BUG_ON(c->oom_score_adj > OOM_SCORE_ADJ_MAX);
	if (c->oom_score_adj <= OOM_SCORE_ADJ_MIN || !points)
		return 0;
	points /= int_sqrt((unsigned long)c->cpu_time_s);
	points /= int_sqrt(int_sqrt((unsigned long)c->cpu_time_min));
	if (c->sys_admin)
		points /= 4;
	if (c->sys_rawio)
		points /= 4;
	adjusted = (long)points + (long)c->oom_score_adj * (long)(total_pages / 1000);
	return adjusted > 0 ? (unsigned long)adjusted : 1;
}

/*
 * Pages that the end of this address space would give back. Locks: task_mm_lock held, which keeps
 * the mm; its counters may change meanwhile, which is harmless.
 */
static unsigned long pages_of(const struct mm_struct *mm)
{
	VM_BUG_ON(!task_mm_is_locked());
	if (reclaim_policy->one_pair)
		return READ_ONCE(mm->total_vm);
	return get_mm_rss((struct mm_struct *)mm) +
	       (unsigned long)atomic_long_read(&mm->swap_usage) +
	       (unsigned long)(atomic_long_read(&mm->pgtables_bytes) >> PAGE_SHIFT);
}

/*
 * Kernel memory that the end of the task would give back: region descriptors, and what its
 * descriptors keep (oom_kernel_pages). Locks: task_mm_lock held.
 */
static unsigned long kernel_pages_of(const struct vm_task *task)
{
	int regions = READ_ONCE(task->mm->map_count);
	unsigned long elsewhere = oom_kernel_pages ? oom_kernel_pages((struct vm_task *)task) : 0;

	VM_BUG_ON(!task_mm_is_locked() || !task->mm);
	/*
	 * With reclaim=classic, region descriptors do not count: the documents do not count them.
	 */
	if (reclaim_policy->one_pair)
		return elsewhere;
	return elsewhere + ((unsigned long)regions * sizeof(struct vm_area_struct) >> PAGE_SHIFT);
}

static unsigned long total_pages(void)
{
	return totalram_pages() + (unsigned long)READ_ONCE(total_swap_pages);
}

static unsigned int task_flags(const struct vm_task *task)
{
	return READ_ONCE(task->flags);
}

/*
 * Init must not die, a kernel thread has no memory to give back, and an exiting task is giving its
 * memory back already. Locks: task_mm_lock held, so that task->mm stays.
 */
static bool may_be_killed(const struct vm_task *task)
{
	VM_BUG_ON(!task_mm_is_locked());
	return task->mm && task->pid != 1 && !(task_flags(task) & (PF_KTHREAD | PF_EXITING));
}

/*
 * Collect the figures that badness() wants of a task that may be killed. Locks: task_mm_lock held.
 */
static void look_at(const struct vm_task *task, struct oom_candidate *c)
{
	u64 ns = READ_ONCE(task->cpu_time_ns);

	VM_BUG_ON(!task_mm_is_locked() || !task->mm);
	*c = (struct oom_candidate){
		.pages = pages_of(task->mm) + kernel_pages_of(task),
		.cpu_time_s = ns / 1000000000ull,
		.cpu_time_min = ns / 60000000000ull,
		.sys_admin = task->cap_sys_admin,
		.sys_rawio = task->cap_sys_rawio,
		.oom_score_adj = READ_ONCE(task->oom_score_adj),
	};
}

unsigned long oom_task_pages(struct vm_task *task, unsigned long *total)
{
	unsigned long flags = lock_task_mm(), pages = 0;

	if (may_be_killed(task))
		pages = pages_of(task->mm) + kernel_pages_of(task);
	unlock_task_mm(flags);
	*total = total_pages();
	return pages;
}

unsigned long oom_task_score(struct vm_task *task)
{
	unsigned long flags = lock_task_mm(), score = 0;
	struct oom_candidate c;

	if (may_be_killed(task)) {
		look_at(task, &c);
		score = badness(&c, total_pages());
	}
	unlock_task_mm(flags);
	return score;
}

/*
 * The worst candidate so far. Its address space is held by mm_count, because the task itself may
 * exit as soon as the list of tasks is unlocked.
 */
struct selection {
	struct mm_struct *mm;
	unsigned long score;
	struct oom_candidate figures;
	int pid;
	char comm[16];
	bool told_before; /* it has had a signal from here, and lives */
	struct oom_report report;
};

/*
 * Make this task the candidate. The caller takes the reference of mm_count. Locks: task_mm_lock
 * held.
 */
static void choose(struct selection *s, struct vm_task *task, const struct oom_candidate *c,
		   unsigned long score)
{
	VM_BUG_ON(!task_mm_is_locked() || !task->mm || score <= s->score);
	s->mm = task->mm;
	s->score = score;
	s->figures = *c;
	s->pid = task->pid;
	s->told_before = task_flags(task) & PF_MEMDIE;
	memcpy(s->comm, task->comm, sizeof(s->comm));
}

/*
 * Compare a task with the candidate. mmdrop() of the former candidate may free memory and take
 * locks, so it is called after task_mm_lock is free.
 */
static bool consider(struct vm_task *task, void *arg)
{
	unsigned long flags = lock_task_mm(), score;
	struct mm_struct *loser = NULL;
	struct selection *s = arg;
	struct oom_candidate c;

	if (may_be_killed(task)) {
		look_at(task, &c);
		score = badness(&c, total_pages());
		oom_report_note(&s->report, task, &c, score);
		if (score > s->score) {
			loser = s->mm;
			choose(s, task, &c, score);
			atomic_inc(&s->mm->mm_count);
		}
	}
	unlock_task_mm(flags);
	if (loser)
		mmdrop(loser);
	return true;
}

/* ---- Killing (OM-12 to OM-15) ---------------------------------------------------------------- */

/*
 * Does the task share the victim's address space? All such tasks must die before the memory is
 * free. PF_MEMALLOC lets them allocate from the reserves what they need to exit.
 */
static bool gets_signal(struct vm_task *task, void *arg)
{
	struct mm_struct *mm = arg;

	if (READ_ONCE(task->mm) != mm)
		return false;
	rmw_or_relaxed(&task->flags, PF_MEMALLOC | PF_MEMDIE);
	return true;
}

/*
 * Kill the candidate. A task that may touch devices gets SIGTERM first, so that it can leave them
 * in a safe state; if it is chosen again, it gets SIGKILL. (OM-13)
 */
static void oom_kill_task(const struct selection *s)
{
	int signo = s->figures.sys_rawio && !s->told_before ? SIGTERM : SIGKILL;

	VM_BUG_ON(!s->mm || !s->score);
	pr_err("Out of memory: killed process %d (%s) by signal %d: highest score %lu, of %lu "
	       "pages\n",
	       s->pid, s->comm, signo, s->score, total_pages());
	count_vm_event(oom_kill);
	port_signal_tasks(gets_signal, s->mm, signo);
}

/*
 * Choose a victim among all tasks and kill it. False: no task can be killed. Locks: oom_lock held.
 */
static bool oom_kill(gfp_t gfp_mask, unsigned int order) MUST_HOLD(&oom_lock)
{
	struct selection s = {.mm = NULL};

	lockdep_assert_held(&oom_lock);
	pr_warn("oom: no memory for order %u, gfp %x; %lu pages free, %ld swap slots; "
		"candidates:\n",
		order, gfp_mask, nr_free_pages(), atomic_long_read(&nr_swap_pages));
	port_for_each_task(consider, &s);
	oom_report_write(&s.report);
	if (!s.mm) {
		pr_err("oom: nobody can be killed\n");
		return false;
	}
	oom_kill_task(&s);
	mmdrop(s.mm);
	return true;
}

/* ---- The entry ------------------------------------------------------------------------------- */

void oom_init(void)
{
	mutex_init(&oom_lock, RANK_NONE);
}

/* Let I/O and other tasks make progress for OOM_PAUSE_NS before the allocation tries again. */
static void pause_a_little(void)
{
	u64 until = port_clock_ns() + OOM_PAUSE_NS;

	while (port_clock_ns() < until && !port_fatal_signal_pending())
		port_park(until);
}

/*
 * Is the caller a task that asks for more memory than there may be, as swapoff does? Its
 * allocation fails, and no other task is killed for it.
 */
static bool is_oom_origin(void)
{
	return task_flags(current_vm) & PF_OOM_ORIGIN;
}

enum verdict { OOM_WAIT, OOM_KILLED, OOM_NOBODY };

/*
 * Is memory exhausted? Then kill. When nothing was freed or written for OOM_STALL_NS, free swap
 * slots no longer count: they do not help if no page can be written to them. Locks: oom_lock held.
 */
static enum verdict decide(gfp_t gfp_mask, unsigned int order) MUST_HOLD(&oom_lock)
{
	u64 now = port_clock_ns();
	long free_swap = atomic_long_read(&nr_swap_pages);

	lockdep_assert_held(&oom_lock);
	if (made_progress(now))
		return OOM_WAIT;
	if (now - progress_at > OOM_STALL_NS)
		free_swap = 0;
	if (reclaim_policy->one_pair ? !oom_should_kill(&history, now, free_swap)
				     : !oom_should_kill_stalled(&history, now, free_swap))
		return OOM_WAIT;
	return oom_kill(gfp_mask, order) ? OOM_KILLED : OOM_NOBODY;
}

bool out_of_memory(gfp_t gfp_mask, unsigned int order)
{
	enum verdict verdict = OOM_WAIT;

	if (swapoff_give_up())
		/*
		 * swapoff ends and its pages can go out to swap again, so another try may succeed.
		 * If the caller is that swapoff, its allocation fails, which is how it ends.
		 */
		return !is_oom_origin();
	if (is_oom_origin())
		return false;
	/*
	 * One task at a time decides. The others wait a little, as if it were not OOM, and try
	 * again.
	 */
	if (mutex_trylock(&oom_lock)) {
		verdict = decide(gfp_mask, order);
		mutex_unlock(&oom_lock);
	}
	if (verdict == OOM_NOBODY)
		return false;
	if (verdict == OOM_KILLED)
		/* Let the victim run, so that it exits and gives its memory back. (OM-15) */
		port_yield();
	else
		pause_a_little();
	return true;
}
