// SPDX-License-Identifier: MIT
/*
 * test_mptable.c: the firmware's multiprocessor tables, whole and damaged (machine/pc/mptable.c).
 */
#include "harness.h"

#include <machine/pc/mptable.h>
#include <string.h>

static void seal(u8 *table, size_t n, size_t checksum_at)
{
	table[checksum_at] = 0;
	table[checksum_at] = (u8)-mpf_checksum(table, n);
}

static void put_pointer(u8 *at, u32 config_pa)
{
	struct mp_floating mpf = {.signature = {'_', 'M', 'P', '_'}, config_pa, 1, 4, 0, {0}};

	memcpy(at, &mpf, sizeof(mpf));
	seal(at, sizeof(mpf), 10);
}

PAGODA_TEST(floating_pointer_with_a_wrong_checksum_is_ignored, "BM-30")
{
	static u8 rom[1024] __aligned(16);

	CHECK(!smp_scan_config(rom, sizeof(rom)));
	put_pointer(rom + 64, 0x1000);
	put_pointer(rom + 512, 0x2000);
	CHECK_EQ((const u8 *)smp_scan_config(rom, sizeof(rom)) - rom, 64);
	rom[64 + 4] ^= 1;
	CHECK_EQ((const u8 *)smp_scan_config(rom, sizeof(rom)) - rom, 512);
	CHECK(!smp_scan_config(rom, 512));	/* it lies behind the end */
	CHECK(!smp_scan_config(rom, 512 + 15)); /* not all of it before the end */
	memmove(rom + 512 + 8, rom + 512, 16);	/* not at a 16-byte step */
	CHECK(!smp_scan_config(rom, sizeof(rom)));
}

/* A configuration of nr enabled processors, one disabled, and two other entries; its length. */
static size_t make_config(u8 *table, unsigned int nr)
{
	u8 *p = table + 44;

	memcpy(table, "PCMP", 4);
	for (unsigned int i = 0; i <= nr; i++, p += 20)
		p[3] = i != 1; /* flags; entry type 0 */
	for (unsigned int i = 0; i < 2; i++, p += 8)
		p[0] = 1;
	table[4] = (u8)(p - table);
	table[5] = (u8)((p - table) >> 8);
	table[34] = (u8)(nr + 3);
	seal(table, (size_t)(p - table), 7);
	return (size_t)(p - table);
}

PAGODA_TEST(processors_are_counted_in_whole_tables_only, "BM-30")
{
	static u8 table[1024] __aligned(16);
	size_t n = make_config(table, 4);

	CHECK_EQ(mp_count_processors(table, sizeof(table)), 4);
	CHECK_EQ(mp_count_processors(table, n), 4);
	CHECK_EQ(mp_count_processors(table, n - 1), 0);
	CHECK_EQ(mp_count_processors(table, 20), 0);
	for (size_t i = 0; i < n; i++) {
		table[i] ^= 0x10;
		CHECK_EQ(mp_count_processors(table, sizeof(table)), 0);
		table[i] ^= 0x10;
	}
	table[34] = 255; /* more entries than the table holds */
	seal(table, n, 7);
	CHECK_EQ(mp_count_processors(table, sizeof(table)), 4);
}
