/* SPDX-License-Identifier: MIT */
/*
 * lock_debug.c: checks the order of locks (linked with CONFIG_DEBUG_LOCKS only).
 *
 * Spinlocks are recorded per CPU, as their holder cannot move to another; sleeping locks per task.
 * A lock may be taken if its rank is not below that of any lock held: the ranks in
 * spinlock.h are the one order among locks, outermost first. Equal ranks are allowed,
 * since some are taken in pairs (two mms in fork). RANK_NONE is not ordered.
 *
 * An interrupt handler's locks are ordered among themselves only, since the interrupted code does
 * not wait for any lock at that moment. But the handler might wait for another CPU that holds one
 * of its locks and wants one that the interrupted code holds:
 *
 *	CPU 0				CPU 1
 *	takes A, interrupts on
 *					takes H (a handler's lock), interrupts off
 *					wants A: waits for CPU 0
 *	interrupt: the handler
 *	wants H: waits for CPU 1
 *
 * So a spinlock must not be both taken with interrupts on (A on CPU 0) and inside of a lock that
 * handlers take (A on CPU 1); those have the ranks RANK_LRU to RANK_ZONE. Each spinlock remembers
 * both ways in which it was ever taken, so that the mistake shows without the race.
 *
 * A violation is reported and counted in nr_warnings; the lock is taken all the same.
 *
 * Invariant (I1): an interrupt handler releases every lock that it takes, so that the table of its
 * CPU is as it was when the handler ends.
 *
 * Locking: the tables are used by their CPU or task only; interrupt handlers leave
 * their CPU's table as they found it. A spinlock's history is written by its holder.
 */
#include <pagoda/spinlock.h>
#include <pagoda/mmzone.h>
#include <pagoda/vm_task.h>
#include <pagoda/bug.h>

#define MAX_SPINLOCKS_HELD 16

struct held_spinlocks {
	const void *lock[MAX_SPINLOCKS_HELD];
	int rank[MAX_SPINLOCKS_HELD];
	unsigned int nr;
	unsigned int first; /* index of the first that the current handler took; 0 outside of one */
	bool in_interrupt;
} __aligned(64);

/* The ways in which a spinlock was ever taken: bits of spinlock_t.history. */
#define TAKEN_INTERRUPTIBLY 1u /* with interrupts on */
#define TAKEN_IN_HANDLERS   2u /* inside of a lock that handlers take */

static struct held_spinlocks held_spinlocks[NR_CPUS];

static bool tasks_run; /* set once: from then on sleeping with interrupts off is wrong */

/*
 * The rank of the innermost lock held here, RANK_NONE if there is none. A handler does not count
 * the locks of the code that it interrupted, neither its spinlocks nor its sleeping locks.
 */
static int highest_rank_held(void)
{
	const struct held_spinlocks *cpu = &held_spinlocks[port_cpu_id()];
	const struct vm_task *task = port_current();
	int rank = RANK_NONE;

	/* A task whose struct the port did not clear holds more than there is room for. */
	BUG_ON(task->nr_held_locks > ARRAY_SIZE(task->held_locks));
	BUG_ON(cpu->nr > MAX_SPINLOCKS_HELD);
	for (unsigned int i = cpu->first; i < cpu->nr; i++)
		rank = max(rank, cpu->rank[i]);
	for (unsigned int i = 0; i < task->nr_held_locks && !cpu->in_interrupt; i++)
		rank = max(rank, task->held_locks[i].rank);
	return rank;
}

/* Does this CPU hold a lock that interrupt handlers take, too? */
static bool inside_handlers_lock(void)
{
	const struct held_spinlocks *cpu = &held_spinlocks[port_cpu_id()];

	BUG_ON(cpu->first > cpu->nr);
	for (unsigned int i = cpu->first; i < cpu->nr; i++)
		if (cpu->rank[i] >= RANK_LRU && cpu->rank[i] <= RANK_ZONE)
			return true;
	return false;
}

/* Extend the lock's history and report the combination that can deadlock. We hold the lock. */
static void check_history(spinlock_t *lock)
{
	u8 before = lock->history, now = before;

	BUG_ON(!spin_is_locked(lock)); /* the holder alone writes the history */
	if (port_irqs_enabled())
		now |= TAKEN_INTERRUPTIBLY;
	else if (inside_handlers_lock())
		now |= TAKEN_IN_HANDLERS;
	lock->history = now;
	if (now != before && now == (TAKEN_INTERRUPTIBLY | TAKEN_IN_HANDLERS))
		report_bug("lock order: rank %d taken inside a handler's lock and with interrupts "
			   "on, at %p",
			   lock->rank, __builtin_return_address(0));
}

/*
 * Record a spinlock that this CPU has taken. A table that is full would make every later
 * lockdep_assert_held() wrong, so that is an error of its own. Interrupts go off, as a handler that
 * runs in between changes the same table.
 */
static void note_spinlock(const void *lock, int rank)
{
	unsigned long flags = port_irq_save();
	struct held_spinlocks *cpu = &held_spinlocks[port_cpu_id()];

	BUG_ON(cpu->nr >= MAX_SPINLOCKS_HELD);
	cpu->lock[cpu->nr] = lock;
	cpu->rank[cpu->nr++] = rank;
	port_irq_restore(flags);
}

void lock_acquired(void *lock, int rank, bool sleeping)
{
	struct vm_task *task = port_current();

	if (rank != RANK_NONE && rank < highest_rank_held())
		report_bug("lock order: rank %d taken inside rank %d, at %p", rank,
			   highest_rank_held(), __builtin_return_address(0));
	if (!sleeping) {
		check_history(lock);
		note_spinlock(lock, rank);
	} else if (task->nr_held_locks < ARRAY_SIZE(task->held_locks)) {
		task->held_locks[task->nr_held_locks].lock = lock;
		task->held_locks[task->nr_held_locks++].rank = rank;
	} else { /* the order among the locks that are not recorded is not checked */
		report_bug("lock order: a task holds more than %zu sleeping locks, at %p",
			   ARRAY_SIZE(task->held_locks), __builtin_return_address(0));
	}
}

/*
 * Remove a spinlock from this CPU's table; false if it is not there. Locks need not be released in
 * the reverse order, so it may stand anywhere; the newest are tried first.
 */
static bool forget_spinlock(const void *lock)
{
	unsigned long flags = port_irq_save();
	struct held_spinlocks *cpu = &held_spinlocks[port_cpu_id()];
	bool found = false;

	for (unsigned int i = cpu->nr; i-- > 0 && !found;) {
		if (cpu->lock[i] != lock)
			continue;
		found = true;
		for (cpu->nr--; i < cpu->nr; i++) {
			cpu->lock[i] = cpu->lock[i + 1];
			cpu->rank[i] = cpu->rank[i + 1];
		}
	}
	port_irq_restore(flags);
	return found;
}

void lock_released(const void *lock)
{
	struct vm_task *task = port_current();

	if (forget_spinlock(lock))
		return;
	for (unsigned int i = task->nr_held_locks; i-- > 0;) {
		if (task->held_locks[i].lock != lock)
			continue;
		for (task->nr_held_locks--; i < task->nr_held_locks; i++)
			task->held_locks[i] = task->held_locks[i + 1];
		return;
	}
}

bool lock_is_held(const void *lock)
{
	const struct held_spinlocks *cpu = &held_spinlocks[port_cpu_id()];
	const struct vm_task *task = port_current();

	for (unsigned int i = 0; i < cpu->nr; i++)
		if (cpu->lock[i] == lock)
			return true;
	for (unsigned int i = 0; i < task->nr_held_locks; i++)
		if (task->held_locks[i].lock == lock)
			return true;
	return false;
}

void might_sleep(void)
{
	if (held_spinlocks[port_cpu_id()].nr)
		report_bug("sleeping with a spinlock held, at %p", __builtin_return_address(0));
	else if (tasks_run && !port_irqs_enabled())
		report_bug("sleeping with interrupts off, at %p", __builtin_return_address(0));
}

void lock_debug_tasks_start(void)
{
	BUG_ON(held_spinlocks[port_cpu_id()].nr); /* the boot has released what it took */
	tasks_run = true;
}

void lock_debug_interrupt(bool begins)
{
	struct held_spinlocks *cpu = &held_spinlocks[port_cpu_id()];

	BUG_ON(port_irqs_enabled());
	BUG_ON(cpu->in_interrupt == begins); /* handlers do not nest: interrupts are off in them */
	BUG_ON(!begins && cpu->nr != cpu->first); /* (I1) */
	cpu->first = begins ? cpu->nr : 0;
	cpu->in_interrupt = begins;
}
