/* SPDX-License-Identifier: MIT */
/*
 * conformance.h: does a port keep the contract of port.h? A suite that runs inside the kernel.
 *
 * A kernel that embeds the core links the files of conformance/ and calls pagoda_conformance()
 * once, where it would start its first program. Results go to port_log(), one line for each
 * test:
 *
 *	conformance: ok irq_save_nests
 *	conformance: not ok irq_save_nests: port_irq_save() leaves interrupts on
 *	conformance: skipped on_each_cpu_reaches_busy_cpus: needs 2 CPUs
 *	conformance: tiers 1 to 5: 40 passed, 1 failed, 2 skipped
 *
 * The suite uses port.h and public calls of the core only, allocates less than 1 MiB, and gives
 * everything back.
 */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

/*
 * Run all tests of tiers 1 to highest_tier (1 .. 5, as in port.h). A tier whose file was not linked
 * counts as one failure.
 * Context: after mm_boot(), no locks held. For tiers 1 and 2 interrupts may be off, which skips the
 * tests that need them. From tier 3 on: a kernel thread without an mm, interrupts on, after the
 * other CPUs were started; may sleep, from tier 2 on.
 * Return: the number of tests that failed, so 0 is success.
 */
unsigned int pagoda_conformance(unsigned int highest_tier);

/*
 * Run the test of this name alone. Return: 0, or 1 if it failed, or if there is none of that name.
 */
unsigned int pagoda_conformance_test(const char *name);

/*
 * What no test can try, as it ends the machine: port_panic() and port_die(). The log must show
 * the message afterwards: "conformance: port_panic() was called" or "conformance: port_die() was
 * called".
 */
__noreturn void pagoda_conformance_panic(void);
__noreturn void pagoda_conformance_die(void);

PAGODA_C_END
