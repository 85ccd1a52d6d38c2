/* SPDX-License-Identifier: MIT */
/*
 * runner.c: runs the suites, counts, and reports through the port's log.
 *
 * One test after the other, on the calling thread. A test that fails has written the reason of its
 * first failure; others that the same mistake causes are not kept. The runner also checks after
 * each test that interrupts are as they were before it: a test that returns early on a failed
 * EXPECT() may leave them off, and the tests after it shall not suffer.
 *
 * Locking: reason_state is taken once for each test, by compare-and-exchange; the reason is read
 * after the test has returned. A late complaint of a thread that its test gave up on is lost, or
 * counts against a later test.
 */
#include "suite.h"
#include <pagoda/bug.h>
#include <pagoda/string.h>
#include <stdarg.h>

struct totals {
	unsigned int passed, failed, skipped;
};

enum { REASON_NONE, REASON_BEING_WRITTEN, REASON_WRITTEN };
static int reason_state;
static char reason[160];

void conformance_fail(const char *fmt, ...)
{
	int expected = REASON_NONE;
	va_list args;

	if (!rmw_cmpxchg_acquire(&reason_state, &expected, REASON_BEING_WRITTEN))
		return;
	va_start(args, fmt);
	pagoda_vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	smp_store_release(&reason_state, REASON_WRITTEN);
}

/* Why the test cannot run on this machine, or NULL. */
static const char *reason_to_skip(const struct conformance_test *test)
{
	static char text[32];

	if (test->needs_interrupts && !port_irqs_enabled())
		return "needs interrupts on";
	if (test->min_cpus <= port_nr_cpus())
		return NULL;
	pagoda_snprintf(text, sizeof(text), "needs %u CPUs", test->min_cpus);
	return text;
}

static void run_test(const struct conformance_test *test, struct totals *totals)
{
	const char *skip = reason_to_skip(test);
	unsigned long flags;

	if (skip) {
		totals->skipped++;
		pr_info("conformance: skipped %s: %s\n", test->name, skip);
		return;
	}
	WRITE_ONCE(reason_state, REASON_NONE);
	flags = port_irq_save();
	port_irq_restore(flags);
	test->body();
	port_irq_restore(flags);
	if (smp_load_acquire(&reason_state) == REASON_NONE) {
		totals->passed++;
		pr_info("conformance: ok %s\n", test->name);
		return;
	}
	totals->failed++;
	pr_err("conformance: not ok %s: %s\n", test->name, reason);
}

static const struct conformance_suite *suite_of_tier(unsigned int tier)
{
	const struct conformance_suite *const suites[CONFORMANCE_TIERS] = {
		&conformance_tier1, &conformance_tier2, &conformance_tier3,
		&conformance_tier4, &conformance_tier5,
	};

	return suites[tier - 1];
}

unsigned int pagoda_conformance(unsigned int highest_tier)
{
	struct totals totals = {0, 0, 0};

	if (highest_tier > CONFORMANCE_TIERS)
		highest_tier = CONFORMANCE_TIERS;
	for (unsigned int tier = 1; tier <= highest_tier; tier++) {
		const struct conformance_suite *suite = suite_of_tier(tier);

		if (!suite) {
			totals.failed++;
			pr_err("conformance: not ok tier %u: its file is not linked\n", tier);
			continue;
		}
		for (unsigned int i = 0; i < suite->nr; i++)
			run_test(&suite->tests[i], &totals);
	}
	pr_info("conformance: tiers 1 to %u: %u passed, %u failed, %u skipped\n", highest_tier,
		totals.passed, totals.failed, totals.skipped);
	return totals.failed;
}

static const struct conformance_test *find_test(const char *name)
{
	for (unsigned int tier = 1; tier <= CONFORMANCE_TIERS; tier++) {
		const struct conformance_suite *suite = suite_of_tier(tier);

		for (unsigned int i = 0; suite && i < suite->nr; i++)
			if (strcmp(suite->tests[i].name, name) == 0)
				return &suite->tests[i];
	}
	return NULL;
}

unsigned int pagoda_conformance_test(const char *name)
{
	const struct conformance_test *test = find_test(name);
	struct totals totals = {0, 0, 0};

	if (!test) {
		pr_err("conformance: there is no test %s\n", name);
		return 1;
	}
	run_test(test, &totals);
	return totals.failed;
}

void pagoda_conformance_panic(void)
{
	port_panic("conformance: port_panic() was called");
}
