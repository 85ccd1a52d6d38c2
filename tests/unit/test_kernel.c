// SPDX-License-Identifier: MIT
/* test_kernel.c: the parts of kernel/ that need no machine: process numbers and the timers. */
#include "harness.h"

#include <pagoda/errno.h>
#include <kernel/deferred.h>
#include <kernel/task.h>

spinlock_t tasklist_lock = SPIN_LOCK_INIT(RANK_NONE); /* kernel/fork.c's */
/* kernel/deferred.c's: no interrupt leaves work here */
unsigned int deferred_holds, deferred_pending;

void deferred_run(void)
{
	CHECK(!"deferred work without an interrupt");
}

/* ---- Numbers -------------------------------------------------------------------------------- */

static struct pid *numbers[PID_MAX];

static void give_back_all(void)
{
	for (int nr = 1; nr < PID_MAX; nr++) {
		if (numbers[nr])
			put_pid(numbers[nr]);
		numbers[nr] = NULL;
	}
}

PAGODA_TEST(pids_are_given_cyclically_and_not_reused_at_once, "")
{
	struct pid *pid;
	int last = 0;

	test_lasting(pid_init);
	for (int i = 1; i < PID_MAX; i++) { /* one after the other, freed each time */
		pid = alloc_pid(0);
		CHECK(!IS_ERR(pid));
		CHECK_EQ(pid->nr, last + 1);
		last = pid->nr;
		put_pid(pid);
	}
	pid = alloc_pid(0); /* the second round leaves the first numbers alone */
	CHECK(!IS_ERR(pid));
	CHECK_EQ(pid->nr, RESERVED_PIDS);
	put_pid(pid);
}

PAGODA_TEST(all_pids_in_use_is_refused_and_a_freed_one_is_found, "")
{
	struct pid *pid;
	unsigned long flags;

	test_lasting(pid_init);
	while (!IS_ERR(pid = alloc_pid(0))) {
		CHECK(!numbers[pid->nr]);
		numbers[pid->nr] = pid;
	}
	CHECK_EQ(PTR_ERR(pid), -EAGAIN);
	for (int nr = 1; nr < PID_MAX; nr++)
		CHECK(numbers[nr]);
	put_pid(numbers[12345]);
	numbers[12345] = NULL;
	pid = alloc_pid(0);
	CHECK(!IS_ERR(pid));
	CHECK_EQ(pid->nr, 12345);
	numbers[12345] = pid;
	spin_lock_irqsave(&tasklist_lock, flags);
	CHECK(find_pid_locked(12345) == pid);
	CHECK(!find_pid_locked(0) && !find_pid_locked(PID_MAX) && !find_pid_locked(-1));
	spin_unlock_irqrestore(&tasklist_lock, flags);
	give_back_all();
}

PAGODA_TEST(a_pid_lives_as_long_as_its_group, "")
{
	static struct task_struct leader;
	static struct signal_struct sig;
	unsigned long flags;
	struct pid *pid, *other;

	test_lasting(pid_init);
	leader.signal = &sig;
	INIT_LIST_HEAD(&leader.pid_link[PIDTYPE_PGRP]);
	pid = alloc_pid(0);
	CHECK(!IS_ERR(pid));
	spin_lock_irqsave(&tasklist_lock, flags);
	attach_pid_locked(&leader, PIDTYPE_PGRP, pid);
	put_pid_locked(pid); /* the task of that number ends, the group stays */
	CHECK(find_pid_locked(1) == pid);
	CHECK_EQ(sig.fs_process.pgrp, 1);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	other = alloc_pid(0);
	CHECK(!IS_ERR(other) && other->nr != 1);
	put_pid(other);
	spin_lock_irqsave(&tasklist_lock, flags);
	detach_pid_locked(&leader, PIDTYPE_PGRP);
	CHECK(!find_pid_locked(1));
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

PAGODA_TEST(a_held_pid_outlives_its_number_and_a_number_can_be_asked_for, "")
{
	struct pid *held, *next;
	unsigned long flags;

	test_lasting(pid_init);
	held = alloc_pid(777);
	CHECK(!IS_ERR(held));
	CHECK_EQ(held->nr, 777);
	CHECK_EQ(PTR_ERR(alloc_pid(777)), -EEXIST);
	get_pid_ref(held);
	put_pid(held); /* its process is gone, a pidfd is left */
	spin_lock_irqsave(&tasklist_lock, flags);
	CHECK(!find_pid_locked(777));
	spin_unlock_irqrestore(&tasklist_lock, flags);
	next = alloc_pid(777);
	CHECK(!IS_ERR(next) && next != held);
	CHECK(!held->task);
	put_pid_ref(held);
	put_pid(next);
	next = alloc_pid(0); /* what was asked for does not move the round */
	CHECK_EQ(next->nr, 1);
	put_pid(next);
}

/* ---- Timers ---------------------------------------------------------------------------------- */

#define NR_TIMERS 400

static struct counted_timer {
	struct ktimer timer;
	u64 due;
	int fired;
} timers[NR_TIMERS];
static u64 now;

static void count_firing(struct ktimer *timer)
{
	struct counted_timer *t = container_of(timer, struct counted_timer, timer);

	CHECK(now >= t->due); /* never early */
	CHECK(now < t->due + 2 * TICK_NS);
	t->fired++;
}

static void run_for(u64 ns)
{
	for (u64 end = now + ns; now < end; now += TICK_NS)
		ktimers_run(now);
}

PAGODA_TEST(timers_fire_once_never_early_and_at_most_a_tick_late, "")
{
	timers_init();
	now = port_clock_ns();
	/* up to 8 s, most of them between two ticks */
	for (unsigned int i = 0; i < NR_TIMERS; i++) {
		timers[i].due = now + (u64)i * 20011003;
		ktimer_init(&timers[i].timer, count_firing);
		ktimer_start(&timers[i].timer, timers[i].due);
	}
	run_for(9 * NSEC_PER_SEC);
	for (int i = 0; i < NR_TIMERS; i++)
		CHECK_EQ(timers[i].fired, 1);
	CHECK(!ktimer_cancel(&timers[0].timer));
}

PAGODA_TEST(a_cancelled_timer_does_not_fire_and_a_moved_one_fires_then, "")
{
	struct counted_timer *t = &timers[0];

	timers_init();
	now = port_clock_ns();
	ktimer_init(&t->timer, count_firing);
	ktimer_start(&t->timer, now + NSEC_PER_SEC);
	run_for(NSEC_PER_SEC / 2);
	CHECK(ktimer_cancel(&t->timer));
	CHECK(!ktimer_cancel(&t->timer));
	run_for(2 * NSEC_PER_SEC);
	CHECK_EQ(t->fired, 0);
	ktimer_start(&t->timer, now + NSEC_PER_SEC);
	t->due = now + 3 * NSEC_PER_SEC;
	ktimer_start(&t->timer, t->due);
	run_for(2 * NSEC_PER_SEC);
	CHECK_EQ(t->fired, 0);
	run_for(2 * NSEC_PER_SEC);
	CHECK_EQ(t->fired, 1);
}

PAGODA_TEST(ticks_that_were_missed_lose_no_timer, "")
{
	timers_init();
	now = port_clock_ns();
	for (unsigned int i = 0; i < NR_TIMERS; i++) {
		timers[i].due = now + 10 * NSEC_PER_SEC - TICK_NS;
		ktimer_init(&timers[i].timer, count_firing);
		ktimer_start(&timers[i].timer, now + (u64)i * 20011003);
	}
	now += 10 * NSEC_PER_SEC;
	ktimers_run(now);
	for (int i = 0; i < NR_TIMERS; i++)
		CHECK_EQ(timers[i].fired, 1);
}
