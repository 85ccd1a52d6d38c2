/* SPDX-License-Identifier: MIT */
/*
 * mptable.c: reading the firmware's multiprocessor configuration (thesis Figure 5.1, BM-30).
 *
 *	floating pointer	16 bytes somewhere at a 16-byte step: signature, checksum
 *	  -> configuration table -> one entry a processor
 *
 * Intel's MultiProcessor Specification 1.4, chapter 4. Only what lies in the memory given
 * is looked at (tests/unit/test_mptable.c gives it damaged tables); where the tables may lie
 * in a PC is smp_config.c's business.
 *
 * Failure: a wrong signature, length or checksum: there is no configuration.
 */
#include "mptable.h"
#include <pagoda/string.h>

struct mp_config {
	char signature[4]; /* "PCMP" */
	u16 length;
	u8 revision, checksum;
	char oem[20];
	u32 oem_table;
	u16 oem_size, nr_entries;
	u32 lapic_pa;
	u16 extended_length;
	u8 extended_checksum, reserved;
	u8 entries[];
} __packed;
static_assert(sizeof(struct mp_config) == 44, "MP specification 4.2");

enum { MP_PROCESSOR = 0 };
#define MP_PROCESSOR_BYTES   20
#define MP_OTHER_BYTES	     8
#define MP_PROCESSOR_ENABLED 1

u8 __init mpf_checksum(const void *p, size_t n)
{
	u8 sum = 0;

	for (size_t i = 0; i < n; i++)
		sum = (u8)(sum + ((const u8 *)p)[i]);
	return sum;
}

const struct mp_floating __init *smp_scan_config(const void *base, size_t length)
{
	const u8 *p = base;

	for (; length >= sizeof(struct mp_floating); p += 16, length -= min_t(size_t, length, 16)) {
		const struct mp_floating *mpf = (const void *)p;

		if (memcmp(mpf->signature, "_MP_", 4) == 0 && mpf->length == 1 &&
		    mpf_checksum(mpf, sizeof(*mpf)) == 0)
			return mpf;
	}
	return NULL;
}

unsigned int __init mp_count_processors(const void *config, size_t limit)
{
	const struct mp_config *mpc = config;
	const u8 *p = mpc->entries, *end = (const u8 *)mpc + mpc->length;
	unsigned int nr = 0;

	if (limit < sizeof(*mpc) || memcmp(mpc->signature, "PCMP", 4) != 0 || mpc->length > limit ||
	    mpf_checksum(mpc, mpc->length))
		return 0;
	for (u16 i = 0; i < mpc->nr_entries && p + MP_OTHER_BYTES <= end; i++) {
		nr += *p == MP_PROCESSOR && p[3] & MP_PROCESSOR_ENABLED;
		p += *p == MP_PROCESSOR ? MP_PROCESSOR_BYTES : MP_OTHER_BYTES;
	}
	return nr;
}
