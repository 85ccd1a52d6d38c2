/* SPDX-License-Identifier: MIT */
/*
 * test_oom.c: when the OOM killer kills, whom, and that life goes on.
 */
#include "address_space.h"

#include <pagoda/abi/signal.h>
#include <pagoda/lru.h>
#include <pagoda/oom.h>
#include <pagoda/swap.h>
#include <pagoda/vmscan.h>
#include <mm/reclaim/reclaim_internal.h>

#include <string.h>

#define MS     1000000ull
#define SECOND (1000 * MS)
/* Clocks in these tests start here, so that 0 means nothing special. */
#define START (100 * SECOND)

#define RAM	  (16 * SZ_1M)
#define HOG_PAGES (RAM / PAGE_SIZE)

/* n failures from *now on, pause apart; true if one of them killed. */
static bool fail(struct oom_history *h, u64 *now, unsigned int n, u64 pause, long swap)
{
	bool killed = false;

	for (unsigned int i = 0; i < n; i++, *now += pause)
		killed |= oom_should_kill(h, *now, swap);
	return killed;
}

/* ---- The checklist ------------------------------------------------------------------------ */

PAGODA_TEST(free_swap_is_no_oom, "OM-02")
{
	struct oom_history h = {0};
	u64 now = START;

	CHECK(!fail(&h, &now, 100, 100 * MS, 1));
	CHECK(fail(&h, &now, 11, 100 * MS, 0));
}

PAGODA_TEST(pause_of_five_seconds_begins_a_new_run, "OM-03")
{
	struct oom_history h = {0};
	u64 now = START;

	CHECK(!fail(&h, &now, 9, 200 * MS, 0));
	now += 5100 * MS - 200 * MS;
	CHECK(!fail(&h, &now, 9, 200 * MS, 0));
	CHECK(fail(&h, &now, 1, 0, 0));
}

PAGODA_TEST(ten_failures_at_once_wait_for_a_second, "OM-04 CT-26")
{
	struct oom_history h = {0};
	u64 now = START;

	CHECK(!fail(&h, &now, 10, 10 * MS, 0));
	CHECK(!fail(&h, &now, 89, 10 * MS, 0)); /* until 0.98 s */
	CHECK(fail(&h, &now, 3, 10 * MS, 0));
}

PAGODA_TEST(last_failure_over_a_second_ago_is_no_oom, "OM-04")
{
	struct oom_history h = {0};
	u64 now = START;

	CHECK(!fail(&h, &now, 30, 1100 * MS, 0));
}

PAGODA_TEST(nine_failures_are_no_oom, "")
{
	struct oom_history h = {0}, sparse = {0};
	u64 now = START;

	CHECK(!fail(&h, &now, 9, 250 * MS, 0));
	CHECK(fail(&h, &now, 1, 0, 0));
	now = START;
	CHECK(!fail(&sparse, &now, 40, 600 * MS, 0)); /* never ten in five seconds */
}

PAGODA_TEST(kills_are_five_seconds_apart, "OM-06")
{
	struct oom_history h = {0};
	u64 now = START, kills[3];
	int nr = 0;

	while (nr < 3) {
		if (oom_should_kill(&h, now, 0))
			kills[nr++] = now;
		now += 50 * MS;
	}
	CHECK_LE(kills[0] - START, 1100 * MS);
	for (int i = 1; i < 3; i++) {
		CHECK_GE(kills[i] - kills[i - 1], 5 * SECOND);
		CHECK_LT(kills[i] - kills[i - 1], 6 * SECOND);
	}
}

/* ---- The score ------------------------------------------------------------------------------- */

PAGODA_TEST(int_sqrt_is_the_floor_of_the_root, "OM-09")
{
	unsigned long root = 0;

	CHECK_EQ(int_sqrt(0), 1);
	for (unsigned long n = 1; n <= 1000000; n++) {
		if ((root + 1) * (root + 1) == n)
			root++;
		CHECK_EQ(int_sqrt(n), root);
	}
	CHECK_EQ(int_sqrt(~0ul), 0xfffffffful);
}

PAGODA_TEST(badness_is_as_documented, "OM-08 OM-10 OM-11 CT-27")
{
	struct oom_candidate c = {.pages = 60000, .cpu_time_s = 960, .cpu_time_min = 16};

	CHECK_EQ(badness(&c, 0), 1000);
	c.sys_admin = true;
	CHECK_EQ(badness(&c, 0), 250);
	c.sys_rawio = true;
	CHECK_EQ(badness(&c, 0), 62);
	c.sys_admin = false;
	CHECK_EQ(badness(&c, 0), 250);
	c = (struct oom_candidate){.pages = 777};
	CHECK_EQ(badness(&c, 0), 777);
	c.oom_score_adj = -1000;
	CHECK_EQ(badness(&c, 0), 0);
	c.oom_score_adj = -999;
	CHECK_EQ(badness(&c, 100000), 1);
	c.oom_score_adj = 500;
	CHECK_EQ(badness(&c, 100000), 50777);
}

/* ---- When the default policy kills, and whom it spares (FX-23) ------------------------------- */

#define VICTIM_PAGES 400ul

/* A child that holds pages and sleeps, whatever signal it gets, until it is told to end. */
struct holder {
	unsigned long pages;
	int ready, end;
	struct hosted_task *task;
};

static void hold_pages(void *arg)
{
	struct holder *h = arg;
	unsigned long addr = do_mmap(current_vm->mm, NULL, 0, PG(h->pages), RW, ANON, 0);

	for (unsigned long i = 0; i < h->pages; i++)
		hosted_write8(addr + PG(i), 1);
	__atomic_store_n(&h->ready, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&h->end, __ATOMIC_ACQUIRE))
		port_park(port_clock_ns() + MS);
}

static void start_holder(struct holder *h, unsigned long pages)
{
	*h = (struct holder){.pages = pages};
	h->task = hosted_fork(HOSTED_ANY_CPU, hold_pages, h);
	CHECK(h->task);
	while (!__atomic_load_n(&h->ready, __ATOMIC_ACQUIRE))
		port_yield();
}

static int signal_of(struct holder *h)
{
	return hosted_task_signal(h->task).signo;
}

static void end_holder(struct holder *h)
{
	__atomic_store_n(&h->end, 1, __ATOMIC_RELEASE);
	hosted_wait(h->task);
}

static void sleep_ns(u64 ns)
{
	u64 until = port_clock_ns() + ns;

	while (port_clock_ns() < until)
		port_park(until);
}

/* Something was freed: what failed before does not count any more. */
static void forget_failures(void)
{
	note_reclaim_progress(1);
	CHECK(out_of_memory(GFP_KERNEL, 0));
}

/* Failures, one each ns nanoseconds, until one of them kills; how many. */
static unsigned int failures_until_kill(u64 ns)
{
	unsigned long kills = vm_event(oom_kill);
	unsigned int nr = 0;

	while (vm_event(oom_kill) == kills) {
		u64 start = port_clock_ns();

		CHECK(out_of_memory(GFP_KERNEL, 0));
		CHECK_LT(++nr, 10000);
		sleep_ns(ns - min(ns, port_clock_ns() - start));
	}
	return nr;
}

#define OOM_TEST(name, ids) \
	PAGODA_TEST_CONFIG(name, ids, .ram = RAM, .nr_cpus = 2, .deterministic = true)

OOM_TEST(default_policy_waits_for_ten_failures, "OM-05 FX-23")
{
	struct holder h;

	new_process();
	start_holder(&h, VICTIM_PAGES);
	forget_failures();
	CHECK_EQ(failures_until_kill(100 * MS), OOM_FAILURES); /* 0.2 s had passed with the third */
	CHECK_EQ(signal_of(&h), SIGKILL);
	end_holder(&h);
}

/* A task that dies anyway does not pause between its failures: a hundred of them take no time. */
OOM_TEST(default_policy_waits_for_a_fifth_of_a_second, "OM-04 FX-23")
{
	struct holder h;
	u64 start;

	new_process();
	start_holder(&h, VICTIM_PAGES);
	forget_failures();
	port_send_signal(current_vm, SIGKILL);
	start = port_clock_ns();
	for (unsigned int i = 0; i < 10 * OOM_FAILURES; i++)
		CHECK(out_of_memory(GFP_KERNEL, 0));
	CHECK_LT(port_clock_ns() - start, 150 * MS);
	CHECK_EQ(vm_event(oom_kill), 0);
	(void)failures_until_kill(MS);
	CHECK_GE(port_clock_ns() - start, 200 * MS);
	CHECK_LT(port_clock_ns() - start, 220 * MS);
	CHECK_EQ(hosted_signal().signo, SIGKILL); /* ours */
	end_holder(&h);
}

OOM_TEST(default_policy_kills_nobody_else_while_the_victim_lives, "OM-06 FX-23")
{
	struct holder first, second;
	u64 killed_at;

	new_process();
	start_holder(&first, VICTIM_PAGES);
	start_holder(&second, VICTIM_PAGES - 100);
	forget_failures();
	(void)failures_until_kill(100 * MS);
	killed_at = port_clock_ns();
	CHECK_EQ(signal_of(&first), SIGKILL);
	while (port_clock_ns() - killed_at < 4700 * MS) {
		CHECK(out_of_memory(GFP_KERNEL, 0));
		sleep_ns(50 * MS);
	}
	CHECK_EQ(vm_event(oom_kill), 1);
	(void)failures_until_kill(50 * MS);
	CHECK_LT(port_clock_ns() - killed_at, 5500 * MS); /* it is waited for no longer */
	end_holder(&first);
	end_holder(&second);
}

OOM_TEST(default_policy_goes_on_when_the_victim_is_gone, "FX-23")
{
	struct holder first, second;
	u64 killed_at;

	new_process();
	start_holder(&first, VICTIM_PAGES);
	start_holder(&second, VICTIM_PAGES - 100);
	forget_failures();
	(void)failures_until_kill(100 * MS);
	killed_at = port_clock_ns();
	end_holder(&first);
	CHECK_EQ(signal_of(&second), 0);
	(void)failures_until_kill(50 * MS);
	CHECK_LT(port_clock_ns() - killed_at, 1000 * MS);
	CHECK_EQ(signal_of(&second), SIGKILL);
	end_holder(&second);
}

static void hold_as_init(unsigned long pages)
{
	new_process();
	hosted_vm_task(hosted_current())->pid = 1;
	map_at(BASE, pages, RW);
	for (unsigned long i = 0; i < pages; i++)
		hosted_write8(BASE + PG(i), 1);
}

OOM_TEST(init_is_spared_though_it_is_the_largest, "OM-07")
{
	struct holder h;

	hold_as_init(3 * VICTIM_PAGES);
	CHECK_EQ(oom_task_score(current_vm), 0);
	start_holder(&h, VICTIM_PAGES); /* with a copy of what init has */
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(1)), 0);
	forget_failures();
	(void)failures_until_kill(100 * MS);
	CHECK_EQ(signal_of(&h), SIGKILL);
	CHECK_EQ(hosted_signal().signo, 0);
	end_holder(&h);
}

OOM_TEST(with_init_alone_there_is_nobody_to_kill, "OM-07")
{
	unsigned int nr = 0;

	hold_as_init(3 * VICTIM_PAGES);
	forget_failures();
	while (out_of_memory(GFP_KERNEL, 0))
		CHECK_LT(++nr, 100);
	CHECK_GE(nr, OOM_FAILURES - 1);
	CHECK_EQ(vm_event(oom_kill), 0);
	CHECK_EQ(hosted_signal().signo, 0);
}

/* A fault that gets no memory: init tries again until there is some, anybody else dies (FT-30). */
OOM_TEST(init_survives_faults_without_memory, "FT-30 OM-07")
{
	unsigned long n;

	new_process();
	hosted_vm_task(hosted_current())->pid = 1;
	map_at(BASE, 100, RW);
	for (n = 0; n < 20; n++) {
		hosted_fail_nth(1 + n % 4);
		CHECK(user_write32(BASE + PG(5 * n), 1));
	}
	hosted_fail_nth(0);
	CHECK_EQ(vm_event(oom_kill), 0);
	CHECK_EQ(hosted_signal().signo, 0);
	hosted_vm_task(hosted_current())->pid = 77;
	hosted_fail_nth(1);
	CHECK(!user_write32(BASE + PG(99), 1));
	hosted_fail_nth(0);
	CHECK_SIGNAL(SIGKILL, 0, 0);
}

PAGODA_TEST(administrators_and_device_users_count_a_quarter, "OM-10 OM-11")
{
	struct vm_task *task = current_vm;
	unsigned long score;

	hold_as_init(VICTIM_PAGES);
	task->pid = 77;
	score = oom_task_score(task);
	CHECK_GE(score, VICTIM_PAGES);
	task->cap_sys_admin = true;
	CHECK_EQ(oom_task_score(task), score / 4);
	task->cap_sys_rawio = true;
	CHECK_EQ(oom_task_score(task), score / 4 / 4);
	task->cap_sys_admin = false;
	CHECK_EQ(oom_task_score(task), score / 4);
}

/* ---- A machine that runs out ----------------------------------------------------------------- */

static atomic_t small_ready;
static int all_over;

/* Touch pages until memory or patience ends; what a user program does, a signal ends it. */
static void hog(void *arg)
{
	unsigned long pages = (unsigned long)arg;
	unsigned long addr =
		do_mmap(current_vm->mm, NULL, 0, PG(pages), RW, ANON | MAP_NORESERVE, 0);

	CHECK(!IS_ERR_VALUE(addr));
	for (unsigned long i = 0; i < pages && !port_fatal_signal_pending(); i++)
		(void)hosted_user_write(addr + PG(i), "x", 1);
}

static void be_small(void *arg)
{
	(void)arg;
	hosted_write32(BASE, 7);
	atomic_inc(&small_ready);
	while (!__atomic_load_n(&all_over, __ATOMIC_RELAXED) && !port_fatal_signal_pending())
		port_park(port_clock_ns() + 1000000); /* asleep: the processors are the hog's */
	CHECK_EQ(hosted_read32(BASE), 7);
}

static void a_hog_dies(void)
{
	struct hosted_task *big, *small[3];
	struct hosted_signal sig;
	u64 start;

	new_process();
	hosted_vm_task(hosted_current())->pid = 1;
	map_at(BASE, 1, RW);
	for (int i = 0; i < 3; i++)
		CHECK((small[i] = hosted_fork(HOSTED_ANY_CPU, be_small, NULL)));
	while (atomic_read(&small_ready) < 3)
		port_yield();
	start = port_clock_ns();
	big = hosted_fork(HOSTED_ANY_CPU, hog, (void *)(unsigned long)HOG_PAGES);
	CHECK(big);
	hosted_wait(big);
	CHECK_LT(port_clock_ns() - start, 100 * SECOND); /* on a busy host, with ThreadSanitizer */
	sig = hosted_task_signal(big);
	CHECK_EQ(sig.signo, SIGKILL);
	CHECK(hosted_vm_task(big)->flags & PF_MEMDIE);
	CHECK(hosted_vm_task(big)->flags & PF_MEMALLOC);
	CHECK_EQ(vm_event(oom_kill), 1);
	__atomic_store_n(&all_over, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 3; i++) {
		hosted_wait(small[i]);
		CHECK_EQ(hosted_task_signal(small[i]).signo, 0);
	}
	CHECK(strstr(hosted_log(), "score"));
	CHECK(strstr(hosted_log(), "Out of memory: killed"));
}

PAGODA_TEST_CONFIG(hog_is_killed_others_live, "OM-07 OM-16", .nr_cpus = 2, .ram = RAM,
		   .start_threads = true)
{
	a_hog_dies();
}

PAGODA_TEST_CONFIG(hog_is_killed_others_live_classic, "OM-07 OM-16", .nr_cpus = 2, .ram = RAM,
		   .start_threads = true, .options = "reclaim=classic")
{
	a_hog_dies();
}

PAGODA_TEST_CONFIG(hog_is_killed_deterministically, "OM-07 OM-16", .nr_cpus = 4, .ram = RAM,
		   .start_threads = true, .deterministic = true)
{
	a_hog_dies();
}

/* Hold a fiftieth of memory for as long as it takes. */
static void be_middling(void *arg)
{
	unsigned long addr = do_mmap(current_vm->mm, NULL, 0, PG(HOG_PAGES / 50), RW, ANON, 0);

	for (unsigned long i = 0; i < HOG_PAGES / 50 && !port_fatal_signal_pending(); i++)
		(void)hosted_user_write(addr + PG(i), "x", 1);
	atomic_inc(&small_ready);
	while (!__atomic_load_n((int *)arg, __ATOMIC_RELAXED) && !port_fatal_signal_pending())
		port_park(port_clock_ns() + 1000000);
}

/* Asks for a page now and then, and gives it back: it holds next to nothing. */
static void ask_now_and_then(void *arg)
{
	unsigned long addr = do_mmap(current_vm->mm, NULL, 0, PG(16), RW, ANON, 0);

	while (!__atomic_load_n((int *)arg, __ATOMIC_RELAXED) && !port_fatal_signal_pending()) {
		for (unsigned long i = 0; i < 16 && !port_fatal_signal_pending(); i++)
			(void)hosted_user_write(addr + PG(i), "x", 1);
		CHECK_EQ(do_madvise(current_vm->mm, addr, PG(16), 4 /* MADV_DONTNEED */), 0);
		port_park(port_clock_ns() + 1000000);
	}
}

/* Nobody holds much, together they hold all: one of them goes, and not who happens to ask. */
PAGODA_TEST_CONFIG(a_small_process_that_asks_outlives_many_middling_ones, "OM-07", .nr_cpus = 2,
		   .ram = RAM, .start_threads = true)
{
	struct hosted_task *small, *middling[48];
	unsigned int killed = 0;

	new_process();
	hosted_vm_task(hosted_current())->pid = 1;
	small = hosted_fork(HOSTED_ANY_CPU, ask_now_and_then, &all_over);
	CHECK(small);
	hosted_vm_task(small)->cap_sys_admin = true;
	for (int i = 0; i < 48; i++)
		CHECK((middling[i] = hosted_fork(HOSTED_ANY_CPU, be_middling, &all_over)));
	while (atomic_read(&small_ready) < 48)
		port_yield();
	__atomic_store_n(&all_over, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 48; i++) {
		hosted_wait(middling[i]);
		killed += hosted_task_signal(middling[i]).signo == SIGKILL;
	}
	hosted_wait(small);
	CHECK_EQ(hosted_task_signal(small).signo, 0);
	CHECK_GE(killed, 1);
	CHECK_EQ(vm_event(oom_kill), killed);
}

static void clone_and_hog(void *arg)
{
	struct hosted_task *threads[3];

	for (int i = 0; i < 3; i++)
		threads[i] = hosted_clone(HOSTED_ANY_CPU, hog, arg);
	hog(arg);
	for (int i = 0; i < 3; i++) {
		hosted_wait(threads[i]);
		CHECK_EQ(hosted_task_signal(threads[i]).signo, SIGKILL);
	}
}

PAGODA_TEST_CONFIG(all_threads_of_the_victim_get_the_signal, "OM-12", .nr_cpus = 2, .ram = RAM,
		   .start_threads = true)
{
	struct hosted_task *big;

	new_process();
	hosted_vm_task(hosted_current())->pid = 1;
	big = hosted_fork(HOSTED_ANY_CPU, clone_and_hog, (void *)(unsigned long)HOG_PAGES);
	CHECK(big);
	hosted_wait(big);
	CHECK_EQ(hosted_task_signal(big).signo, SIGKILL);
	CHECK_EQ(vm_event(oom_kill), 1);
}

/* Told to go gently first; a victim that does not is killed. */
static void hog_with_a_handler(void *arg)
{
	unsigned long addr =
		do_mmap(current_vm->mm, NULL, 0, PG(HOG_PAGES), RW, ANON | MAP_NORESERVE, 0);

	for (unsigned long i = 0; i < HOG_PAGES; i++) {
		struct hosted_signal sig = hosted_signal();

		if (sig.signo) {
			*(int *)arg = sig.signo;
			return; /* the handler ends the program */
		}
		(void)hosted_user_write(addr + PG(i), "x", 1);
	}
}

PAGODA_TEST_CONFIG(device_user_gets_sigterm, "OM-13", .nr_cpus = 2, .ram = RAM,
		   .start_threads = true)
{
	struct hosted_task *big;
	int signo = 0;

	new_process();
	hosted_vm_task(hosted_current())->pid = 1;
	hosted_vm_task(hosted_current())->cap_sys_rawio = true;
	big = hosted_fork(HOSTED_ANY_CPU, hog_with_a_handler, &signo);
	CHECK(big);
	hosted_wait(big);
	CHECK_EQ(signo, SIGTERM);
}

static void map_much_touch_little(void *arg)
{
	unsigned long addr = do_mmap(current_vm->mm, NULL, 0, SZ_1G, RW, ANON | MAP_NORESERVE, 0);

	(void)arg;
	CHECK(!IS_ERR_VALUE(addr));
	hosted_write32(addr, 1);
	atomic_inc(&small_ready);
	while (!__atomic_load_n(&all_over, __ATOMIC_RELAXED))
		port_yield();
	CHECK_EQ(hosted_signal().signo, 0);
}

PAGODA_TEST_CONFIG(untouched_mappings_do_not_count, "FX-23", .nr_cpus = 2, .ram = RAM,
		   .start_threads = true)
{
	struct hosted_task *big, *wide;

	new_process();
	hosted_vm_task(hosted_current())->pid = 1;
	wide = hosted_fork(HOSTED_ANY_CPU, map_much_touch_little, NULL);
	CHECK(wide);
	while (!atomic_read(&small_ready))
		port_yield();
	big = hosted_fork(HOSTED_ANY_CPU, hog, (void *)(unsigned long)HOG_PAGES);
	CHECK(big);
	hosted_wait(big);
	CHECK_EQ(hosted_task_signal(big).signo, SIGKILL);
	__atomic_store_n(&all_over, 1, __ATOMIC_RELAXED);
	hosted_wait(wide);
}

PAGODA_TEST_CONFIG(adjusted_task_is_spared, "FX-23", .nr_cpus = 2, .ram = RAM,
		   .start_threads = true)
{
	struct hosted_task *big;

	new_process();
	hosted_vm_task(hosted_current())->oom_score_adj = -1000;
	CHECK_EQ(oom_task_score(hosted_vm_task(hosted_current())), 0);
	big = hosted_fork(HOSTED_ANY_CPU, hog, (void *)(unsigned long)HOG_PAGES);
	CHECK(big);
	hosted_wait(big);
	CHECK_EQ(hosted_task_signal(big).signo, SIGKILL);
	CHECK_EQ(hosted_signal().signo, 0);
}

PAGODA_TEST(tasks_that_give_nothing_back_are_no_candidates, "OM-07")
{
	struct oom_candidate c = {.oom_score_adj = 500};
	struct vm_task *task;

	new_process();
	map_at(BASE, 100, RW);
	for (unsigned int i = 0; i < 100; i++)
		hosted_write8(BASE + PG(i), 1);
	task = hosted_vm_task(hosted_current());
	CHECK_GE(oom_task_score(task), 100);
	task->flags |= PF_EXITING; /* on its way out */
	CHECK_EQ(oom_task_score(task), 0);
	task->flags &= ~PF_EXITING;
	task->flags |= PF_KTHREAD; /* with a user's mm for a while */
	CHECK_EQ(oom_task_score(task), 0);
	task->flags &= ~PF_KTHREAD;
	CHECK_EQ(badness(&c, 100000), 0); /* without pages, however it is adjusted */
	c.pages = 1;
	CHECK_GT(badness(&c, 100000), 0);
}

/* swapoff is refused memory at once, whatever has failed before, and nobody is killed for it. */
OOM_TEST(nobody_is_killed_for_a_call_that_can_be_refused, "")
{
	new_process();
	current_vm->flags |= PF_OOM_ORIGIN;
	for (int i = 0; i < 50; i++)
		CHECK(!out_of_memory(GFP_KERNEL, 0));
	current_vm->flags &= ~PF_OOM_ORIGIN;
	CHECK_EQ(vm_event(oom_kill), 0);
}

PAGODA_TEST_CONFIG(twenty_ooms_leak_nothing, "OM-16", .nr_cpus = 2, .ram = RAM,
		   .start_threads = true, .deterministic = true)
{
	unsigned int rounds = test_scale(20);

	new_process();
	hosted_vm_task(hosted_current())->pid = 1;
	for (unsigned int i = 0; i < rounds; i++) {
		struct hosted_task *big;
		unsigned long before = test_free_frames();

		big = hosted_fork(HOSTED_ANY_CPU, hog, (void *)(unsigned long)HOG_PAGES);
		CHECK(big);
		hosted_wait(big);
		CHECK_EQ(hosted_task_signal(big).signo, SIGKILL);
		CHECK_LE(before, test_free_frames() + 2); /* the task's stack of caches */
	}
	CHECK_EQ(vm_event(oom_kill), rounds);
}

/* ---- When the killer is asked, and with what its victim exits -------------------------------- */

static const struct reclaim_ops *real_ops;
static unsigned int passes, tries_in_vain, questions;
static struct vm_task *asker;
static bool in_vain;

static unsigned long count_a_pass(void)
{
	passes += current_vm == asker;
	return 0;
}

static struct shrinker pass_counter = {"passes", count_a_pass, NULL, {0}};

static unsigned long note_try(zone_t *zone, gfp_t gfp_mask, unsigned int order)
{
	unsigned long freed;

	passes = 0;
	freed = real_ops->try_to_free_pages(zone, gfp_mask, order);
	in_vain = !freed;
	tries_in_vain += in_vain;
	return freed;
}

static bool note_question(gfp_t gfp_mask, unsigned int order)
{
	CHECK(in_vain);
	CHECK_EQ(passes, DEF_PRIORITY); /* the last was at priority 1 */
	in_vain = false;
	questions++;
	return real_ops->out_of_memory(gfp_mask, order);
}

PAGODA_TEST_CONFIG(killer_is_asked_once_after_six_passes_in_vain, "OM-01 RC-09", .ram = RAM,
		   .start_threads = true)
{
	struct reclaim_ops ops = *reclaim_ops;
	struct page *page, *held = NULL;

	real_ops = reclaim_ops;
	ops.try_to_free_pages = note_try;
	ops.out_of_memory = note_question;
	asker = current_vm;
	register_shrinker(&pass_counter);
	reclaim_ops = &ops;
	while ((page = alloc_page(GFP_USER))) {
		page->private = held;
		held = page;
	}
	reclaim_ops = real_ops;
	unregister_shrinker(&pass_counter);
	CHECK_GE(questions, OOM_FAILURES);
	CHECK_EQ(questions, tries_in_vain);
	CHECK_EQ(vm_event(oom_kill), 0); /* nobody is there */
	while ((page = held)) {
		held = page->private;
		page->private = NULL;
		__free_page(page);
	}
}

static int nothing_left;

static void hog_when_nothing_is_left(void *arg)
{
	unsigned long addr =
		do_mmap(current_vm->mm, NULL, 0, PG(HOG_PAGES), RW, ANON | MAP_NORESERVE, 0);

	for (unsigned long i = 0; i < HOG_PAGES && !port_fatal_signal_pending(); i++) {
		while (i == (unsigned long)arg && !__atomic_load_n(&nothing_left, __ATOMIC_ACQUIRE))
			port_yield();
		(void)hosted_user_write(addr + PG(i), "x", 1);
	}
}

PAGODA_TEST_CONFIG(victim_exits_without_a_free_page, "OM-14 FX-24", .nr_cpus = 2, .ram = RAM,
		   .start_threads = true)
{
	struct page *page, *held = NULL;
	struct hosted_task *big;
	u64 killed_at;

	new_process();
	hosted_vm_task(hosted_current())->pid = 1;
	big = hosted_fork(HOSTED_ANY_CPU, hog_when_nothing_is_left, (void *)(HOG_PAGES / 4));
	CHECK(big);
	while (get_mm_rss(hosted_vm_task(big)->mm) < HOG_PAGES / 4)
		port_yield();
	__atomic_fetch_or(&current_vm->flags, PF_MEMALLOC, __ATOMIC_RELAXED);
	while ((page = alloc_page(GFP_USER))) {
		page->private = held;
		held = page;
	}
	__atomic_fetch_and(&current_vm->flags, ~PF_MEMALLOC, __ATOMIC_RELAXED);
	__atomic_store_n(&nothing_left, 1, __ATOMIC_RELEASE);
	while (!vm_event(oom_kill))
		port_yield();
	killed_at = port_clock_ns();
	hosted_wait(big);
	CHECK_LT(port_clock_ns() - killed_at, SECOND);
	CHECK_EQ(hosted_task_signal(big).signo, SIGKILL);
	CHECK((hosted_vm_task(big)->flags & (PF_MEMALLOC | PF_MEMDIE)) ==
	      (PF_MEMALLOC | PF_MEMDIE));
	CHECK_GT(nr_free_pages(), HOG_PAGES / 8);
	while ((page = held)) {
		held = page->private;
		page->private = NULL;
		__free_page(page);
	}
}
