/* SPDX-License-Identifier: MIT */
/*
 * host.h: a host that takes a tier of the core by ./pagoda embed (tests/host/embed.py).
 *
 * tier1.c to tierN.c are linked with the object of tier N. Each is the part of the port that its tier adds, for a machine
 * of 64 MiB of RAM, one CPU and no MMU: the core's page tables are real and are never loaded. Each also has a first use of
 * what its tier offers. The compiler's command line gives TIER, HOST_BOOT (the function that boots the tier) and HOST_USES
 * (the calls that main() makes). For another prefix the test replaces pagoda_ in copies of these files.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "pagoda.h"

#define HOST_RAM_BYTES (64ul << 20)
#define HOST_RAM_ALIGN (2ul << 20)	/* of the largest page that the core maps */
#define HOST_MAPS      0x300000000000ul /* kernel addresses that nothing stands behind */
#define HOST_MAPS_SIZE (1ul << 30)

/* A first use of a tier. It ends the program with a message if something is wrong. */
void use_tier1(void);
void use_tier2(void);
void use_tier3(void);
void use_tier4(void);
void use_tier5(void);

/* From tier 3 on: the only task becomes a process, faults at an address of its, and gives its memory back. */
void host_enter_process(void);
void host_write_fault(unsigned long addr);
void host_leave_process(void);

/* End the program with a message unless it is so. */
void host_expect(bool so, const char *what);
