/* SPDX-License-Identifier: MIT */
/* report.h: tests of errors that the core reports and contains (report_bug). */
#pragma once

#include "harness.h"

#include <pagoda/bug.h>

/* The block makes the core report something that contains text, exactly once. */
#define EXPECT_REPORT(text, ...)                                                                \
	do {                                                                                    \
		unsigned int before_ = nr_warnings;                                             \
		__VA_ARGS__                                                                     \
		if (nr_warnings != before_ + 1)                                                 \
			FAIL("%u reports, not 1 of \"%s\"; last \"%s\"", nr_warnings - before_, \
			     text, last_report);                                                \
		if (!__builtin_strstr(last_report, text))                                       \
			FAIL("reported \"%s\", not \"%s\"", last_report, text);                 \
		nr_warnings = before_;                                                          \
	} while (0)
