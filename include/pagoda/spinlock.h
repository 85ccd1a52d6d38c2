/* SPDX-License-Identifier: MIT */
/*
 * spinlock.h: locks that spin, locks that sleep, and the one order among them.
 *
 * A spinlock holder must not sleep; a lock that interrupt handlers take is always
 * taken with the _irqsave form. Debug builds (CONFIG_DEBUG_LOCKS) check that locks
 * are taken in the order of their rank, outermost first (docs/LOCKING.md), and that
 * nothing sleeps with a spinlock held; elsewhere the rank costs nothing.
 */
#pragma once

#include <pagoda/atomic.h>
#include <pagoda/port.h>
#include <pagoda/thread_safety.h>
#include <lib/list.h>

PAGODA_C_BEGIN

enum lock_rank {
	RANK_NONE,	 /* not ordered (leaf locks of other subsystems) */
	RANK_INODE,	 /* inode->i_rwsem */
	RANK_MMAP,	 /* mm->mmap_lock */
	RANK_INVALIDATE, /* mapping->invalidate_lock */
	RANK_PAGE,	 /* PG_locked */
	RANK_I_MMAP,	 /* mapping->i_mmap_rwsem */
	RANK_ANON_VMA,	 /* anon_vma->root->rwsem */
	RANK_PAGE_TABLE, /* mm->page_table_lock */
	RANK_SWAP,	 /* swap clusters */
	RANK_I_PAGES,	 /* mapping->i_pages */
	RANK_LRU,	 /* lru lists */
	RANK_SLAB,	 /* kmem_cache lists */
	RANK_ZONE,	 /* zone->lock */
	RANK_LEAF,	 /* held for a few instructions, calls nothing */
};

typedef struct spinlock {
	int locked; /* 0 free, 1 held */
	u8 rank;
	u8 history; /* lock_debug.c's */
} LOCK_TYPE("spinlock") spinlock_t;

#define SPIN_LOCK_INIT(r) \
	{                 \
		0, (r), 0 \
	}
static inline void spin_lock_init(spinlock_t *lock, enum lock_rank rank)
{
	lock->locked = 0;
	lock->rank = (u8)rank;
	lock->history = 0;
}

/* Debug bookkeeping; empty functions unless CONFIG_DEBUG_LOCKS. */
#ifdef CONFIG_DEBUG_LOCKS
void lock_acquired(void *lock, int rank, bool sleeping);
void lock_released(const void *lock);
bool lock_is_held(const void *lock);
/* Complains if a spinlock is held here, or interrupts are off once tasks run. */
void might_sleep(void);
void lock_debug_tasks_start(void);
/*
 * A handler of an interrupt begins or ends on this CPU: its locks are ordered apart from the
 * interrupted code's. Interrupts off.
 */
void lock_debug_interrupt(bool begins);
#else
static inline void lock_acquired(void *lock, int rank, bool sleeping)
{
	(void)lock, (void)rank, (void)sleeping;
}
static inline void lock_released(const void *lock)
{
	(void)lock;
}
static inline bool lock_is_held(const void *lock)
{
	(void)lock;
	return true;
}
static inline void might_sleep(void)
{
}
static inline void lock_debug_tasks_start(void)
{
}
static inline void lock_debug_interrupt(bool begins)
{
	(void)begins;
}
#endif
/* We hold the lock / interrupts are off on this CPU. Checked in debug builds only. */
#define lockdep_assert_held(l)	       VM_BUG_ON(!lock_is_held(l))
#define lockdep_assert_irqs_disabled() VM_BUG_ON(port_irqs_enabled())

static inline bool spin_trylock(spinlock_t *lock) TRY_ACQUIRES(true, lock)
	NO_LOCK_ANALYSIS("it is the lock")
{
	int expected = 0;

	port_interleave();
	port_preempt_disable();
	if (!rmw_cmpxchg_acquire(&lock->locked, &expected, 1)) {
		port_preempt_enable();
		return false;
	}
	lock_acquired(lock, lock->rank, false);
	return true;
}
static inline void spin_lock(spinlock_t *lock) ACQUIRES(lock) NO_LOCK_ANALYSIS("it is the lock")
{
	while (!spin_trylock(lock))
		while (READ_ONCE(lock->locked))
			port_cpu_relax();
}
static inline void spin_unlock(spinlock_t *lock) RELEASES(lock) NO_LOCK_ANALYSIS("it is the lock")
{
	lock_released(lock);
	smp_store_release(&lock->locked, 0);
	port_preempt_enable();
}
static inline bool spin_is_locked(const spinlock_t *lock)
{
	return READ_ONCE(lock->locked);
}
#define spin_lock_irqsave(lock, flags)     \
	do {                               \
		(flags) = port_irq_save(); \
		spin_lock(lock);           \
	} while (0)
#define spin_unlock_irqrestore(lock, flags) \
	do {                                \
		spin_unlock(lock);          \
		port_irq_restore(flags);    \
	} while (0)

/* ---- Wait queues -------------------------------------------------------------- */

/*
 * What happened, as poll(2)'s bits. WAKE_ALL: it is not known what. WAKE_TASKS: nothing new has
 * happened, and only sleeping tasks shall look at their condition again.
 */
#define WAKE_ALL   (~0u)
#define WAKE_TASKS 0u

struct wait_queue_entry {
	struct vm_task *task;
	const void *key; /* wake-ups for another key pass this entry over; NULL: any key wakes it */
	/*
	 * Called instead of waking the task, if not NULL, with the queue's lock held and interrupts
	 * off, for as long as the entry is queued. Returns whether a task was woken. It may wake
	 * other queues.
	 */
	bool (*func)(struct wait_queue_entry *entry, unsigned int events);
	bool exclusive; /* with func: of several such entries, one that woke a task is enough */
	struct list_head link;
};

typedef struct wait_queue_head {
	spinlock_t lock;
	struct list_head waiters; /* under lock */
	atomic_t nr_waiting;	  /* length of the list, for the test without the lock */
} wait_queue_head_t;

#define WAIT_QUEUE_HEAD_INIT(name)                                                        \
	{                                                                                 \
		SPIN_LOCK_INIT(RANK_LEAF), LIST_HEAD_INIT((name).waiters), ATOMIC_INIT(0) \
	}
/* Make an empty queue. Context: any, before anybody uses the queue. */
static inline void init_waitqueue_head(wait_queue_head_t *wq)
{
	spin_lock_init(&wq->lock, RANK_LEAF);
	INIT_LIST_HEAD(&wq->waiters);
	atomic_set(&wq->nr_waiting, 0);
}
/*
 * Queue the current task's entry, which lies on the task's stack, and take it off again. In between
 * the task looks at its condition and parks. key: see struct wait_queue_entry.
 * Context: a task; the calls themselves do not sleep. Locks: takes wq->lock. Return: nothing.
 */
void prepare_to_wait(wait_queue_head_t *wq, struct wait_queue_entry *entry, const void *key);
void finish_wait(wait_queue_head_t *wq, struct wait_queue_entry *entry);
/*
 * Queue an entry with func (and key, exclusive) filled in; finish_wait() takes it off, after which
 * func is not running and is not called any more. Context: any. Locks: takes wq->lock.
 */
void add_wait_func(wait_queue_head_t *wq, struct wait_queue_entry *entry);
/*
 * Wake every waiter whose key matches, or that has none. wake_up_events() is for any key and tells
 * the entries' functions what happened (WAKE_ or poll's bits); wake_up_key_events() does both.
 * Context: any. Locks: takes wq->lock, unless no entry is queued. Return: nothing.
 */
void wake_up_key(wait_queue_head_t *wq, const void *key);
void wake_up_events(wait_queue_head_t *wq, unsigned int events);
void wake_up_key_events(wait_queue_head_t *wq, const void *key, unsigned int events);
/* Wake the waiter that came first. Context: any. Locks: as wake_up_key(). */
void wake_up_one(wait_queue_head_t *wq);
static inline void wake_up(wait_queue_head_t *wq)
{
	wake_up_key(wq, NULL);
}

/* Sleep until cond is true. cond is evaluated often and must not sleep. May sleep. */
#define wait_event(wq, cond)                         \
	do {                                         \
		struct wait_queue_entry wait_;       \
		if (cond)                            \
			break;                       \
		prepare_to_wait((wq), &wait_, NULL); \
		while (!(cond))                      \
			port_park(UINT64_MAX);       \
		finish_wait((wq), &wait_);           \
	} while (0)

/* ---- Sleeping locks --------------------------------------------------------------- */

/*
 * Exclusive; may sleep. Waiters get it in the order in which they came. A task that does not wait
 * may take a free mutex before the first waiter, but only until that waiter has been woken once
 * (mm/sleep/locks.c). The _killable form gives up with -EINTR, without the mutex, when a fatal
 * signal is pending.
 *
 * Context: mutex_lock() and mutex_lock_killable() may sleep; the others any.
 * Return: mutex_lock_killable() 0 or -EINTR; mutex_trylock() whether the mutex was taken.
 * The task that took the mutex releases it.
 */
struct mutex {
	unsigned int state; /* (A) MUTEX_ bits (mm/base/mutex_internal.h) */
	u8 rank;
	wait_queue_head_t wait; /* its list holds what locks.c puts there */
} LOCK_TYPE("mutex");
#define MUTEX_INIT(name, r)                               \
	{                                                 \
		0, (r), WAIT_QUEUE_HEAD_INIT((name).wait) \
	}
void mutex_init(struct mutex *m, enum lock_rank rank);
void mutex_lock(struct mutex *m) ACQUIRES(m);
int mutex_lock_killable(struct mutex *m) TRY_ACQUIRES(0, m) __must_check;
bool mutex_trylock(struct mutex *m) TRY_ACQUIRES(true, m);
void mutex_unlock(struct mutex *m) RELEASES(m);

/*
 * Many readers or one writer. First come, first served: no task passes a waiter, not even by a
 * trylock, so a reader must not take it twice. The fast paths are here, one atomic operation each;
 * a task that must wait, or releases a semaphore with waiters, goes to mm/sleep/locks.c.
 *
 * Context: down_ calls may sleep, but not the _trylock ones; up_ calls and downgrade_write() any.
 * Return: _killable calls 0 or -EINTR without the semaphore; _trylock calls whether it was taken.
 */
struct rw_semaphore {
	unsigned int count; /* (A) readers, and the two flags below */
	u8 rank;
	wait_queue_head_t wait; /* its list holds what locks.c puts there */
} LOCK_TYPE("semaphore");
#define RWSEM_WAITERS 0x40000000u /* the queue is not empty: later readers and writers join it */
#define RWSEM_WRITER  0x80000000u /* a writer holds it */
#define RWSEM_INIT(name, r)                               \
	{                                                 \
		0, (r), WAIT_QUEUE_HEAD_INIT((name).wait) \
	}
void init_rwsem(struct rw_semaphore *sem, enum lock_rank rank);

/*
 * The slow paths of the calls below: they wait, serve waiters, or panic if the semaphore was not
 * held.
 */
void down_read_slow(struct rw_semaphore *sem);
void down_write_slow(struct rw_semaphore *sem);
int down_read_killable_slow(struct rw_semaphore *sem);
int down_write_killable_slow(struct rw_semaphore *sem);
void rwsem_release_slow(struct rw_semaphore *sem, bool was_held);

static inline bool rwsem_set(struct rw_semaphore *sem, unsigned int *old, unsigned int new_count)
{
	return rmw_cmpxchg(&sem->count, old, new_count);
}
static inline bool down_read_trylock(struct rw_semaphore *sem) TRY_ACQUIRES_SHARED(true, sem)
	NO_LOCK_ANALYSIS("it is the lock")
{
	unsigned int old = READ_ONCE(sem->count);

	port_interleave();
	while (old < RWSEM_WAITERS) /* neither flag */
		if (rwsem_set(sem, &old, old + 1)) {
			lock_acquired(sem, sem->rank, true);
			return true;
		}
	return false;
}
static inline bool down_write_trylock(struct rw_semaphore *sem) TRY_ACQUIRES(true, sem)
	NO_LOCK_ANALYSIS("it is the lock")
{
	unsigned int old = 0;

	port_interleave();
	if (!rwsem_set(sem, &old, RWSEM_WRITER))
		return false;
	lock_acquired(sem, sem->rank, true);
	return true;
}
static inline void down_read(struct rw_semaphore *sem) ACQUIRES_SHARED(sem)
	NO_LOCK_ANALYSIS("it is the lock")
{
	might_sleep();
	if (unlikely(!down_read_trylock(sem)))
		down_read_slow(sem);
}
static inline void down_write(struct rw_semaphore *sem) ACQUIRES(sem)
	NO_LOCK_ANALYSIS("it is the lock")
{
	might_sleep();
	if (unlikely(!down_write_trylock(sem)))
		down_write_slow(sem);
}
/* 0, or -EINTR without the lock: the caller had to wait, and a fatal signal is pending. */
static inline __must_check int down_read_killable(struct rw_semaphore *sem)
	TRY_ACQUIRES_SHARED(0, sem) NO_LOCK_ANALYSIS("it is the lock")
{
	might_sleep();
	return likely(down_read_trylock(sem)) ? 0 : down_read_killable_slow(sem);
}
static inline __must_check int down_write_killable(struct rw_semaphore *sem) TRY_ACQUIRES(0, sem)
	NO_LOCK_ANALYSIS("it is the lock")
{
	might_sleep();
	return likely(down_write_trylock(sem)) ? 0 : down_write_killable_slow(sem);
}
static inline void up_read(struct rw_semaphore *sem) RELEASES_SHARED(sem)
	NO_LOCK_ANALYSIS("it is the lock")
{
	unsigned int old;

	lock_released(sem);
	old = rmw_sub(&sem->count, 1);
	if (unlikely(old - 1 >= RWSEM_WAITERS - 1))
		rwsem_release_slow(sem, !(old & RWSEM_WRITER) && old & (RWSEM_WAITERS - 1));
}
static inline void up_write(struct rw_semaphore *sem) RELEASES(sem)
	NO_LOCK_ANALYSIS("it is the lock")
{
	unsigned int old;

	lock_released(sem);
	old = rmw_sub(&sem->count, RWSEM_WRITER);
	if (unlikely(old != RWSEM_WRITER))
		rwsem_release_slow(sem, (old | RWSEM_WAITERS) == (RWSEM_WRITER | RWSEM_WAITERS));
}
/* Turn our hold for write into one for read, without letting another writer in between. */
static inline void downgrade_write(struct rw_semaphore *sem) NO_LOCK_ANALYSIS("it is the lock")
{
	unsigned int old = rmw_add(&sem->count, 1 - RWSEM_WRITER);

	if (unlikely(old != RWSEM_WRITER))
		rwsem_release_slow(sem, (old | RWSEM_WAITERS) == (RWSEM_WRITER | RWSEM_WAITERS));
}

PAGODA_C_END
