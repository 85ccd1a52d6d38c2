/* SPDX-License-Identifier: MIT */
/* mptable.h: Intel's multiprocessor configuration tables (machine/pc/mptable.c). */
#pragma once

#include <pagoda/init.h>
#include <pagoda/types.h>

struct mp_floating {
	char signature[4]; /* "_MP_" */
	u32 config_pa;
	u8 length, revision, checksum, features[5]; /* length in units of 16 bytes */
} __packed;
static_assert(sizeof(struct mp_floating) == 16, "MP specification 4.1");

/* Sum of n bytes; 0 where a structure with a checksum is whole. */
u8 mpf_checksum(const void *p, size_t n);
/* The first valid floating pointer at a 16-byte step of [base, base + length), or NULL. */
const struct mp_floating *smp_scan_config(const void *base, size_t length);
/* Enabled processors of a configuration table of at most limit bytes; 0 if it is damaged. */
unsigned int mp_count_processors(const void *config, size_t limit);
/*
 * Look for a configuration through the boot-time direct map and reserve() what it lies in.
 * Processors it names; 0: there is none.
 */
unsigned int find_smp_config(void (*reserve)(phys_addr_t start, phys_addr_t size));
