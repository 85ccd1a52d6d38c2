/* SPDX-License-Identifier: MIT */
/*
 * suite.h: what the files of conformance/ share: how a test is written, and how tests wait.
 *
 * A test is a function that returns when it is done. EXPECT() ends the function in which it stands,
 * so a test first lets the threads that it started end, and then looks at what they saw. What
 * threads share with their test is static: a test that gave up waiting returns while its thread may
 * still run.
 */
#pragma once

#include <pagoda/conformance.h>
#include <pagoda/atomic.h>
#include <pagoda/port.h>

struct conformance_test {
	const char *name;
	void (*body)(void);
	unsigned int min_cpus; /* skipped on a machine with fewer; 0 and 1: none is too small */
	bool needs_interrupts; /* skipped where they are off, as before a kernel has handlers */
};

struct conformance_suite {
	const struct conformance_test *tests;
	unsigned int nr;
};

#define CONFORMANCE_TIERS 5
/*
 * One for each tier. They are weak references: a kernel with tiers 1 and 2 links their two files
 * and neither the others nor the port functions that those call.
 */
extern const struct conformance_suite conformance_tier1 __attribute__((weak));
extern const struct conformance_suite conformance_tier2 __attribute__((weak));
extern const struct conformance_suite conformance_tier3 __attribute__((weak));
extern const struct conformance_suite conformance_tier4 __attribute__((weak));
extern const struct conformance_suite conformance_tier5 __attribute__((weak));

#define CONFORMANCE_SUITE(tier_, tests_) \
	const struct conformance_suite conformance_tier##tier_ = {tests_, ARRAY_SIZE(tests_)}

/* The running test has failed; its first complaint is kept. From any thread and CPU. */
void conformance_fail(const char *fmt, ...) __printf(1, 2);

/*
 * End the function in which this stands, as failed, unless cond is true. The rest says what the
 * port did wrong.
 */
#define EXPECT(cond, ...)                              \
	do {                                           \
		if (unlikely(!(cond))) {               \
			conformance_fail(__VA_ARGS__); \
			return;                        \
		}                                      \
	} while (0)

#define NS_PER_MS 1000000ull
/* Longer than any wait of a working port, shorter than a person's patience. */
#define TIMEOUT_NS (5000 * NS_PER_MS)
