/* SPDX-License-Identifier: MIT */
/*
 * test_deterministic.c: one CPU's step at a time, drawn from a seed.
 *
 * The machine of a test is made once, so these compare what two CPUs do within a run with
 * what a seed is expected to do: order is recorded as a string of task numbers.
 */
#include "harness.h"

#include <pagoda/spinlock.h>

#define STEPS 12

struct shared {
	spinlock_t lock;
	int ended, counter;
	char order[4 * STEPS + 1];
	int nr_order;
};

static struct shared shared;

static void wait_ended(int n)
{
	while (__atomic_load_n(&shared.ended, __ATOMIC_SEQ_CST) != n)
		port_yield();
}

static void walk(void *arg)
{
	for (int i = 0; i < STEPS; i++) {
		port_interleave();
		shared.order[shared.nr_order++] = *(char *)arg;
	}
	__atomic_fetch_add(&shared.ended, 1, __ATOMIC_SEQ_CST);
}

static void record_order(void)
{
	CHECK(port_thread_create("a", walk, "a"));
	CHECK(port_thread_create("b", walk, "b"));
	CHECK(port_thread_create("c", walk, "c"));
	wait_ended(3);
	CHECK_EQ(shared.nr_order, 3 * STEPS);
}

/* Two processes with the same seed must tell the same story; the log carries it to the parent. */
PAGODA_TEST_CONFIG(steps_of_cpus_mix, "", .nr_cpus = 4, .deterministic = true)
{
	int switches = 0;

	record_order();
	for (int i = 1; i < shared.nr_order; i++)
		switches += shared.order[i] != shared.order[i - 1];
	CHECK_GT(switches, 3);
}

PAGODA_TEST_CONFIG(same_seed_same_order, "", .nr_cpus = 4, .deterministic = true)
{
	static char first[sizeof(shared.order)];

	hosted_reseed(5);
	record_order();
	__builtin_memcpy(first, shared.order, sizeof(first));
	for (u64 seed = 5; seed < 7; seed++) {
		shared = (struct shared){0};
		hosted_reseed(seed);
		record_order();
		if (seed == 5)
			CHECK_STR(shared.order, first);
		else
			CHECK(__builtin_strcmp(shared.order, first) != 0);
	}
}

/* A read and a write with an interleave point between them, as two instructions have. */
static void increment_badly(void *arg)
{
	for (int i = 0; i < STEPS; i++) {
		int seen = shared.counter;

		port_interleave();
		shared.counter = seen + 1;
	}
	(void)arg;
	__atomic_fetch_add(&shared.ended, 1, __ATOMIC_SEQ_CST);
}

/* In the order that one seed in thousands gives, nothing is lost. */
PAGODA_TEST_CONFIG(lost_update_shows, "", .nr_cpus = 2, .deterministic = true)
{
	int least = 2 * STEPS;

	for (int i = 0; i < 4; i++) {
		shared = (struct shared){0};
		CHECK(port_thread_create("a", increment_badly, NULL));
		CHECK(port_thread_create("b", increment_badly, NULL));
		wait_ended(2);
		least = min(least, shared.counter);
	}
	CHECK_LT(least, 2 * STEPS);
}

static void increment_locked(void *arg)
{
	for (int i = 0; i < STEPS; i++) {
		int seen;

		spin_lock(&shared.lock);
		seen = shared.counter;
		port_interleave();
		shared.counter = seen + 1;
		spin_unlock(&shared.lock);
	}
	(void)arg;
	__atomic_fetch_add(&shared.ended, 1, __ATOMIC_SEQ_CST);
}

PAGODA_TEST_CONFIG(lock_keeps_updates, "", .nr_cpus = 3, .deterministic = true)
{
	spin_lock_init(&shared.lock, RANK_LEAF);
	for (int i = 0; i < 4; i++)
		CHECK(port_thread_create("inc", increment_locked, NULL));
	wait_ended(4);
	CHECK_EQ(shared.counter, 4 * STEPS);
}

PAGODA_TEST_CONFIG(time_is_virtual, "", .deterministic = true)
{
	u64 day_ns = 86400ull * 1000000000ull, until = port_clock_ns() + day_ns;

	while (port_clock_ns() < until)
		port_park(until);
	CHECK_LT(port_clock_ns(), until + 1000000);
}

PAGODA_TEST_CONFIG(deadlock_is_told, "", .deterministic = true)
{
	EXPECT_PANIC("deadlock", { port_park(UINT64_MAX); });
}

PAGODA_TEST_CONFIG(expected_panic_has_the_machine_to_itself, "", .nr_cpus = 2,
		   .deterministic = true)
{
	CHECK(port_thread_create("walker", walk, "a"));
	port_interleave();
	EXPECT_PANIC("alone", {
		port_on_each_cpu(3, increment_badly, NULL);
		port_panic("alone");
	});
	wait_ended(1);
}
