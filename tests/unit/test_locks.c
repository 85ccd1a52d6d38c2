/* SPDX-License-Identifier: MIT */
/*
 * test_locks.c: mutexes, semaphores and wait queues; the rank check of debug builds.
 */
#include "report.h"

#include <pagoda/abi/signal.h>
#include <pagoda/errno.h>
#include <pagoda/page_alloc.h>
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
	CHECK_EQ(atomic_read(&sem.wait.nr_waiting), 0);
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

/* ---- Flags of pages as messages -------------------------------------------------------------- */

static struct page *flagged_page;
static unsigned long told;

static void read_when_written(void *unused)
{
	(void)unused;
	while (PageWriteback(flagged_page))
		port_cpu_relax();
	CHECK_EQ(told, 1);
}

static void read_when_uptodate(void *unused)
{
	(void)unused;
	while (!PageUptodate(flagged_page))
		port_cpu_relax();
	CHECK_EQ(told, 2);
}

/* ThreadSanitizer reports the readers if a test of a flag does not acquire. */
PAGODA_TEST_CONFIG(who_sees_a_page_flag_sees_what_came_before_it, "SM-01", .nr_cpus = 2)
{
	struct hosted_task *reader;

	flagged_page = alloc_page(GFP_KERNEL);
	CHECK(flagged_page);
	SetPageWriteback(flagged_page);
	reader = hosted_spawn("reader", 1, read_when_written, NULL);
	told = 1;
	CHECK(TestClearPageWriteback(flagged_page));
	hosted_wait(reader);

	reader = hosted_spawn("reader", 1, read_when_uptodate, NULL);
	told = 2;
	SetPageUptodate(flagged_page);
	hosted_wait(reader);
	ClearPageUptodate(flagged_page);
	put_page(flagged_page);
}

/* ---- Fairness: who waits is passed by a bounded number of others ----------------------------- */

static struct page *shared_page;
static int stop, turns, waiting, turns_while_waiting;
static char served[8];
static int nr_served;

static bool is_set(const int *flag)
{
	return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

static void set(int *flag)
{
	__atomic_store_n(flag, 1, __ATOMIC_SEQ_CST);
}

static void wait_for_waiters(const wait_queue_head_t *wq, int nr)
{
	while (atomic_read(&wq->nr_waiting) < nr)
		port_yield();
}

/* A turn with the lock that overlaps others', so that it is never free. */
static void count_turn(void)
{
	__atomic_add_fetch(&turns, 1, __ATOMIC_SEQ_CST);
	if (is_set(&waiting))
		__atomic_add_fetch(&turns_while_waiting, 1, __ATOMIC_SEQ_CST);
}

static void read_without_pause(void *trylock)
{
	while (!is_set(&stop)) {
		if (trylock && !down_read_trylock(&sem)) {
			port_yield();
			continue;
		}
		if (!trylock)
			down_read(&sem);
		count_turn();
		port_yield();
		up_read(&sem);
	}
}

static void write_among_readers(void *trylock)
{
	struct hosted_task *reader[3];

	init_rwsem(&sem, RANK_NONE);
	for (int i = 0; i < 3; i++)
		reader[i] = hosted_spawn("reader", i, read_without_pause, trylock);
	for (int i = 0; i < 20; i++) {
		while (!is_set(&turns))
			port_yield();
		set(&waiting);
		down_write(&sem);
		waiting = turns = 0;
		up_write(&sem);
	}
	set(&stop);
	for (int i = 0; i < 3; i++)
		hosted_wait(reader[i]);
	/* Between "waiting" and its place in the queue, each reader has a few steps at most. */
	CHECK_LE(turns_while_waiting, 20 * 3 * 4);
}

PAGODA_TEST_CONFIG(a_waiting_writer_is_passed_by_no_new_reader, "SM-01", .nr_cpus = 4,
		   .deterministic = true)
{
	write_among_readers(NULL);
}

PAGODA_TEST_CONFIG(a_waiting_writer_is_passed_by_no_new_trylock, "SM-01", .nr_cpus = 4,
		   .deterministic = true)
{
	write_among_readers(&sem);
}

static void note_served(char who)
{
	served[__atomic_fetch_add(&nr_served, 1, __ATOMIC_SEQ_CST)] = who;
}

static void queue_reader(void *who)
{
	down_read(&sem);
	note_served(*(char *)who);
	up_read(&sem);
}

static void queue_writer(void *who)
{
	down_write(&sem);
	note_served(*(char *)who);
	up_write(&sem);
}

PAGODA_TEST_CONFIG(a_semaphore_serves_readers_and_writers_in_turn, "SM-01", .nr_cpus = 4)
{
	void (*const kind[])(void *) = {queue_writer, queue_reader, queue_reader, queue_writer,
					queue_reader};
	static char name[] = "ArrBs";
	struct hosted_task *task[5];

	init_rwsem(&sem, RANK_NONE);
	down_read(&sem);
	for (int i = 0; i < 5; i++) {
		task[i] = hosted_spawn("waiter", i % 4, kind[i], &name[i]);
		wait_for_waiters(&sem.wait, i + 1);
	}
	CHECK(!down_read_trylock(&sem));
	up_read(&sem);
	for (int i = 0; i < 5; i++)
		hosted_wait(task[i]);
	CHECK_STR(served, name);
	CHECK_EQ(sem.count, 0);
}

/*
 * On one CPU: the lock is free only for as long as its hog does not give way, and it gives way, to
 * the waiter that it has woken, only while it holds the lock again. Without a promise the waiter
 * never finds the lock free.
 */
#define HOG_TURNS 200

static void hog_mutex(void *unused)
{
	(void)unused;
	for (int i = 0; i < HOG_TURNS; i++) {
		mutex_lock(&mutex);
		count_turn();
		port_yield();
		mutex_unlock(&mutex);
	}
}

static void hog_page(void *unused)
{
	(void)unused;
	for (int i = 0; i < HOG_TURNS; i++) {
		lock_page(shared_page);
		count_turn();
		port_yield();
		unlock_page(shared_page);
	}
}

static void start_hog(struct hosted_task **hog, void (*fn)(void *unused))
{
	*hog = hosted_spawn("hog", 0, fn, NULL);
	while (!is_set(&turns))
		port_yield();
	set(&waiting);
}

PAGODA_TEST(a_mutex_waiter_is_passed_twice_at_most, "SM-01")
{
	struct hosted_task *hog;

	mutex_init(&mutex, RANK_NONE);
	start_hog(&hog, hog_mutex);
	mutex_lock(&mutex);
	CHECK_LE(turns_while_waiting, 2);
	waiting = 0;
	mutex_unlock(&mutex);
	hosted_wait(hog);
	CHECK_EQ(mutex.state, 0);
}

PAGODA_TEST(a_page_lock_waiter_is_passed_twice_at_most, "SM-01")
{
	struct hosted_task *hog;

	shared_page = alloc_page(GFP_KERNEL);
	start_hog(&hog, hog_page);
	lock_page(shared_page);
	CHECK_LE(turns_while_waiting, 2);
	waiting = 0;
	unlock_page(shared_page);
	hosted_wait(hog);
	CHECK(!PageLocked(shared_page));
	put_page(shared_page);
}

/* It is locked again before the waiter looks, each time. */
static void wait_for_unlock(void *unused)
{
	(void)unused;
	wait_on_page(shared_page);
	set(&stop);
}

PAGODA_TEST(waiting_for_an_unlock_ends_with_the_first_one, "SM-01")
{
	struct hosted_task *task;

	shared_page = alloc_page(GFP_KERNEL);
	lock_page(shared_page);
	task = hosted_spawn("waiter", 0, wait_for_unlock, NULL);
	wait_for_waiters(page_waitqueue(shared_page), 1);
	unlock_page(shared_page);
	lock_page(shared_page);
	hosted_wait(task);
	CHECK(is_set(&stop));
	unlock_page(shared_page);
	put_page(shared_page);
}

/* ---- Waits that end with the waiter's life --------------------------------------------------- */

static int (*wait_killably)(void);

static int write_killably(void)
{
	return down_write_killable(&sem);
}

static int read_killably(void)
{
	return down_read_killable(&sem);
}

static int lock_mutex_killably(void)
{
	return mutex_lock_killable(&mutex);
}

static int lock_page_killably(void)
{
	return lock_page_killable(shared_page);
}

static int await_page_killably(void)
{
	return wait_on_page_killable(shared_page);
}

static void die_waiting(void *unused)
{
	(void)unused;
	CHECK_EQ(wait_killably(), -EINTR);
}

/* The lock that wq belongs to is held, and stays so. */
static void kill_waiter(int (*way)(void), wait_queue_head_t *wq)
{
	int before = atomic_read(&wq->nr_waiting);
	struct hosted_task *task;

	wait_killably = way;
	task = hosted_spawn("doomed", 0, die_waiting, NULL);
	wait_for_waiters(wq, before + 1);
	port_send_signal(hosted_vm_task(task), SIGKILL);
	hosted_wait(task);
	CHECK_EQ(atomic_read(&wq->nr_waiting), before);
}

PAGODA_TEST(killable_waits_end_with_the_waiter, "SM-01")
{
	init_rwsem(&sem, RANK_NONE);
	down_read(&sem);
	kill_waiter(write_killably, &sem.wait);
	CHECK(down_read_trylock(&sem)); /* no writer waits any more */
	up_read(&sem);
	up_read(&sem);
	down_write(&sem);
	kill_waiter(read_killably, &sem.wait);
	up_write(&sem);
	CHECK_EQ(sem.count, 0);
	mutex_init(&mutex, RANK_NONE);
	mutex_lock(&mutex);
	kill_waiter(lock_mutex_killably, &mutex.wait);
	mutex_unlock(&mutex);
	CHECK_EQ(mutex.state, 0);
	shared_page = alloc_page(GFP_KERNEL);
	lock_page(shared_page);
	kill_waiter(lock_page_killably, page_waitqueue(shared_page));
	kill_waiter(await_page_killably, page_waitqueue(shared_page));
	unlock_page(shared_page);
	put_page(shared_page);
}

/* Readers that stood behind a writer which is killed come in at once. */
PAGODA_TEST(a_killed_writer_lets_the_readers_behind_it_in, "SM-01")
{
	static char reader_name[] = "r";
	struct hosted_task *writer, *reader;

	init_rwsem(&sem, RANK_NONE);
	down_read(&sem);
	wait_killably = write_killably;
	writer = hosted_spawn("doomed", 0, die_waiting, NULL);
	wait_for_waiters(&sem.wait, 1);
	reader = hosted_spawn("reader", 0, queue_reader, reader_name);
	wait_for_waiters(&sem.wait, 2);
	port_send_signal(hosted_vm_task(writer), SIGKILL);
	hosted_wait(writer);
	hosted_wait(reader);
	CHECK_STR(served, "r");
	up_read(&sem);
	CHECK_EQ(sem.count, 0);
}

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
	unsigned int expected[] = {a, b, c, d};

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

PAGODA_TEST(wrong_order_is_reported, "SM-01")
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

PAGODA_TEST(more_sleeping_locks_than_are_recorded_are_reported, "SM-01")
{
	static struct rw_semaphore many[ARRAY_SIZE(((struct vm_task *)NULL)->held_locks) + 1];
	const size_t last = ARRAY_SIZE(many) - 1;

	if (!locks_are_checked())
		SKIP("locks are not checked in this build");
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		init_rwsem(&many[i], RANK_NONE);
	for (size_t i = 0; i < last; i++)
		down_read(&many[i]);
	EXPECT_REPORT("more than 8 sleeping locks", { down_read(&many[last]); });
	for (size_t i = 0; i <= last; i++)
		up_read(&many[i]);
	CHECK_EQ(current_vm->nr_held_locks, 0);
}

/*
 * The interrupted code's lock is no matter; one that would wait for the handler's on another CPU
 * is.
 */
PAGODA_TEST(a_handler_takes_what_may_wait_for_nobody, "SM-01 PA-28")
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
