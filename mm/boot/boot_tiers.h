/* SPDX-License-Identifier: MIT */
/* boot_tiers.h: what the boot of a tier leaves to the tier above it. */
#pragma once

/*
 * Make the kernel's page tables and load them: once boot memory can be allocated, before the
 * descriptors of frames are. Set by mm_boot_kernel_map(); NULL: tier 1 alone, the direct map of the
 * port is all that there is.
 */
extern void (*boot_kernel_tables)(void);
