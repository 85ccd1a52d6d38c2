/* SPDX-License-Identifier: MIT */
/* test_harness.c: the hosted machine and the harness hold themselves to their word. */
#include "harness.h"

PAGODA_TEST(expected_panic_is_caught, "")
{
	EXPECT_PANIC("on purpose", { port_panic("this one is on purpose"); });
}

PAGODA_TEST(null_pointer_is_reported, "")
{
	volatile unsigned long null = 0;

	EXPECT_PANIC("null pointer", { *(volatile int *)(null + 64) = 1; });
}

PAGODA_TEST(holes_are_not_mapped, "")
{
	EXPECT_PANIC("not RAM", { (void)*(volatile char *)__va(0xa0000); });
	CHECK(!hosted_phys(0xa0000));
	CHECK(hosted_phys(SZ_1M));
}
