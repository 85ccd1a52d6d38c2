/* SPDX-License-Identifier: MIT */
/*
 * test_locks.c: mutexes, semaphores and wait queues; the rank check of debug builds.
 */
#include "report.h"

#include <pagoda/spinlock.h>
#include <pagoda/vm_task.h>

static struct mutex mutex;
static struct rw_semaphore sem;
static unsigned long counter, copy;
static int readers_inside, most_readers, order;

static bool locks_are_checked(void)
{
	return !lock_is_held(&mutex); /* without checks every lock is said to be held */
}

static void run_on_all(unsigned int cpus, void (*fn)(void *arg))
{
	struct hosted_task *tasks[NR_CPUS];

	for (unsigned int cpu = 1; cpu < cpus; cpu++)
		tasks[cpu] = hosted_spawn("worker", (int)cpu, fn, (void *)(unsigned long)cpu);
	fn(NULL);
	for (unsigned int cpu = 1; cpu < cpus; cpu++)
		hosted_wait(tasks[cpu]);
}

static void count_under_mutex(void *unused)
{
	(void)unused;
	for (unsigned int i = 0; i < test_scale(20000); i++) {
		mutex_lock(&mutex);
		counter++;
		mutex_unlock(&mutex);
	}
}

PAGODA_TEST_CONFIG(mutex_excludes, "SM-01", .nr_cpus = 4)
{
	mutex_init(&mutex, RANK_NONE);
	run_on_all(4, count_under_mutex);
	CHECK_EQ(counter, 4 * test_scale(20000));
	CHECK(mutex_trylock(&mutex));
	CHECK(!mutex_trylock(&mutex));
	mutex_unlock(&mutex);
}

PAGODA_TEST_CONFIG(mutex_excludes_with_interleaving, "SM-01 SM-13", .nr_cpus = 2,
		   .deterministic = true)
{
	mutex_init(&mutex, RANK_NONE);
	run_on_all(2, count_under_mutex);
	CHECK_EQ(counter, 2 * test_scale(20000));
}

static void read_and_write(void *cpu)
{
	for (unsigned int i = 0; i < test_scale(10000); i++) {
		if (i % 8 == (unsigned long)cpu) {
			down_write(&sem);
			counter++;
			copy++;
			if (i % 3) {
				up_write(&sem);
				continue;
			}
			downgrade_write(&sem);
		} else {
			down_read(&sem);
		}
		CHECK_EQ(counter, copy);
		up_read(&sem);
	}
}

PAGODA_TEST_CONFIG(rwsem_keeps_writers_alone, "SM-01", .nr_cpus = 4)
{
	init_rwsem(&sem, RANK_NONE);
	run_on_all(4, read_and_write);
	CHECK_EQ(counter, copy);
	CHECK_EQ(sem.count, 0);
	CHECK_EQ(atomic_read(&sem.writers_waiting), 0);
}

static void read_slowly(void *unused)
{
	int inside;

	(void)unused;
	down_read(&sem);
	inside = __atomic_add_fetch(&readers_inside, 1, __ATOMIC_SEQ_CST);
	while (inside < 2 && __atomic_load_n(&readers_inside, __ATOMIC_SEQ_CST) < 2)
		port_yield();
	__atomic_store_n(&most_readers, 2, __ATOMIC_SEQ_CST);
	up_read(&sem);
}

PAGODA_TEST_CONFIG(readers_share, "SM-01", .nr_cpus = 2)
{
	init_rwsem(&sem, RANK_NONE);
	run_on_all(2, read_slowly);
	CHECK_EQ(most_readers, 2);
	down_write(&sem);
	CHECK(!down_read_trylock(&sem));
	CHECK(!down_write_trylock(&sem));
	downgrade_write(&sem);
	CHECK(down_read_trylock(&sem));
	CHECK(!down_write_trylock(&sem));
	up_read(&sem);
	up_read(&sem);
	CHECK(down_write_trylock(&sem));
	up_write(&sem);
}

static void write_once(void *unused)
{
	(void)unused;
	down_write(&sem);
	CHECK_EQ(__atomic_add_fetch(&order, 1, __ATOMIC_SEQ_CST), 1);
	up_write(&sem);
}

PAGODA_TEST_CONFIG(waiting_writer_holds_back_readers, "SM-01", .nr_cpus = 2)
{
	struct hosted_task *writer;

	init_rwsem(&sem, RANK_NONE);
	down_read(&sem);
	writer = hosted_spawn("writer", 1, write_once, NULL);
	while (atomic_read(&sem.wait.nr_waiting) == 0)
		port_yield();
	up_read(&sem);
	down_read(&sem); /* after the writer, although it asked from another CPU */
	CHECK_LE(__atomic_add_fetch(&order, 1, __ATOMIC_SEQ_CST), 2);
	up_read(&sem);
	hosted_wait(writer);
}

/* ---- Ranks ------------------------------------------------------------------------ */

/* ---- Entries with a function ---------------------------------------------------------------- */

static struct listener {
	struct wait_queue_entry entry;
	unsigned int events, calls;
	bool wakes; /* what it answers */
} listeners[4];

static bool note_call(struct wait_queue_entry *entry, unsigned int events)
{
	struct listener *l = container_of(entry, struct listener, entry);

	l->events = events;
	l->calls++;
	return l->wakes;
}

static void check_calls(unsigned int a, unsigned int b, unsigned int c, unsigned int d)
{
	unsigned int expected[] = { a, b, c, d };

	for (int i = 0; i < 4; i++) {
		CHECK_EQ(listeners[i].calls, expected[i]);
		listeners[i].calls = 0;
	}
}

PAGODA_TEST(wake_ups_tell_functions_what_happened_and_one_exclusive_is_enough, "")
{
	wait_queue_head_t queue;
	int key;

	init_waitqueue_head(&queue);
	for (int i = 0; i < 4; i++) {
		listeners[i].entry.func = note_call;
		listeners[i].entry.exclusive = i >= 1; /* the first is not */
		listeners[i].entry.key = i == 3 ? &key : NULL;
		listeners[i].wakes = i != 1; /* the first exclusive one has nobody to wake */
		add_wait_func(&queue, &listeners[i].entry);
	}
	wake_up_events(&queue, 4);
	check_calls(1, 1, 1, 0);
	CHECK_EQ(listeners[2].events, 4);
	wake_up_key(&queue, &counter); /* not the last one's key */
	check_calls(1, 1, 1, 0);
	CHECK_EQ(listeners[0].events, WAKE_ALL);
	listeners[2].wakes = false;
	wake_up(&queue);
	check_calls(1, 1, 1, 1);
	wake_up_one(&queue);
	check_calls(1, 0, 0, 0);
	finish_wait(&queue, &listeners[0].entry);
	wake_up_events(&queue, WAKE_TASKS);
	check_calls(0, 1, 1, 1);
	for (int i = 1; i < 4; i++)
		finish_wait(&queue, &listeners[i].entry);
	wake_up(&queue);
	check_calls(0, 0, 0, 0);
}

PAGODA_TEST(wrong_order_is_reported, "SM-01 XC-06")
{
	spinlock_t inner = SPIN_LOCK_INIT(RANK_ZONE), outer = SPIN_LOCK_INIT(RANK_SLAB);

	if (!locks_are_checked())
		SKIP("locks are not checked in this build");
	spin_lock(&outer);
	spin_lock(&inner);
	CHECK(lock_is_held(&inner) && lock_is_held(&outer));
	spin_unlock(&inner);
	spin_unlock(&outer);
	CHECK(!lock_is_held(&outer));
	spin_lock(&inner);
	EXPECT_REPORT("lock order", { spin_lock(&outer); });
	spin_unlock(&inner); /* not in reverse order: allowed */
	spin_unlock(&outer);
	/* Sleeping locks belong to the task. */
	mutex_init(&mutex, RANK_INODE);
	init_rwsem(&sem, RANK_MMAP);
	mutex_lock(&mutex);
	down_read(&sem);
	up_read(&sem);
	mutex_unlock(&mutex);
	down_read(&sem);
	EXPECT_REPORT("lock order", { mutex_lock(&mutex); });
	mutex_unlock(&mutex);
	up_read(&sem);
	CHECK_EQ(current_vm->nr_held_locks, 0);
}

/* The interrupted code's lock is no matter; one that would wait for the handler's on another CPU is. */
PAGODA_TEST(a_handler_takes_what_may_wait_for_nobody, "SM-01 XC-06 PA-28")
{
	spinlock_t list = SPIN_LOCK_INIT(RANK_LRU), leaf = SPIN_LOCK_INIT(RANK_LEAF);
	unsigned long flags;

	if (!locks_are_checked())
		SKIP("locks are not checked in this build");
	spin_lock(&leaf);
	flags = port_irq_save();
	lock_debug_interrupt(true);
	spin_lock(&list);
	spin_unlock(&list);
	lock_debug_interrupt(false);
	port_irq_restore(flags);
	spin_unlock(&leaf);
	CHECK_EQ(nr_warnings, 0);
	spin_lock_irqsave(&list, flags);
	EXPECT_REPORT("lock order", { spin_lock(&leaf); });
	spin_unlock(&leaf);
	spin_unlock_irqrestore(&list, flags);
}

PAGODA_TEST(sleeping_under_a_spinlock_is_reported, "PA-28 SM-01")
{
	spinlock_t lock = SPIN_LOCK_INIT(RANK_NONE);

	if (!locks_are_checked())
		SKIP("locks are not checked in this build");
	might_sleep();
	spin_lock(&lock);
	EXPECT_REPORT("spinlock held", { might_sleep(); });
	spin_unlock(&lock);
}

PAGODA_TEST_CONFIG(sleeping_with_interrupts_off_is_reported, "PA-28", .start_threads = true)
{
	unsigned long flags = port_irq_save();

	if (locks_are_checked())
		EXPECT_REPORT("interrupts off", { might_sleep(); });
	port_irq_restore(flags);
}
