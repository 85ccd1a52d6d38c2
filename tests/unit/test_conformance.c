/* SPDX-License-Identifier: MIT */
/*
 * test_conformance.c: the hosted machine passes the conformance suite (conformance/), by the one
 * call that any kernel makes. What fails is named in the log, which the harness shows.
 */
#include "harness.h"

#include <pagoda/conformance.h>

#include <string.h>

#define EVERY_TIER 5

/* No test was skipped but those that need more CPUs. */
static void check_conformance(unsigned int nr_cpus)
{
	CHECK_EQ(port_nr_cpus(), nr_cpus);
	CHECK_EQ(pagoda_conformance(EVERY_TIER), 0);
	CHECK(strstr(hosted_log(), "conformance: tiers 1 to 5: "));
	if (nr_cpus > 1)
		CHECK(strstr(hosted_log(), "passed, 0 failed, 0 skipped"));
	CHECK(!strstr(hosted_log(), "needs interrupts on"));
}

PAGODA_TEST(hosted_machine_conforms, "FT-13 FT-61")
{
	check_conformance(1);
}

PAGODA_TEST_CONFIG(hosted_machine_conforms_with_two_cpus, "", .nr_cpus = 2, .start_threads = true)
{
	check_conformance(2);
}

PAGODA_TEST_CONFIG(hosted_machine_conforms_with_four_cpus, "SM-04", .nr_cpus = 4, .nr_nodes = 2)
{
	check_conformance(4);
}

PAGODA_TEST(interrupts_may_be_off_for_the_first_tiers, "")
{
	unsigned long flags = port_irq_save();
	unsigned int failed = pagoda_conformance(2);

	port_irq_restore(flags);
	CHECK_EQ(failed, 0);
	CHECK(strstr(hosted_log(), "skipped irq_save_nests: needs interrupts on"));
}

PAGODA_TEST(unknown_test_counts_as_failed, "")
{
	CHECK_EQ(pagoda_conformance_test("irq_save_nests"), 0);
	CHECK_EQ(pagoda_conformance_test("no_such_test"), 1);
}

PAGODA_TEST(panic_and_die_show_their_messages, "")
{
	EXPECT_PANIC("conformance: port_panic() was called", { pagoda_conformance_panic(); });
	EXPECT_PANIC("conformance: port_die() was called", { pagoda_conformance_die(); });
}
