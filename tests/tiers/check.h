/* SPDX-License-Identifier: MIT */
/*
 * check.h: checks of the programs that run a tier on the null port; the first that fails ends the
 * program.
 */
#pragma once

#include <pagoda/bug.h>

#include <machine/null.h>

#define CHECK(cond)                                                    \
	do {                                                           \
		if (!(cond))                                           \
			panic("%s:%d: %s", __FILE__, __LINE__, #cond); \
	} while (0)

/*
 * The last line of a program that found everything as it should be; tests/host/tiers.py reads it.
 */
static inline int tier_passed(int tier)
{
	CHECK(nr_warnings == 0);
	printk(PORT_LOG_INFO, "tier %d: all checks passed", tier);
	return 0;
}
