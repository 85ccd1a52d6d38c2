/* SPDX-License-Identifier: MIT */
/*
 * smp_config.c: looking for the firmware's multiprocessor configuration (thesis Figure 5.1).
 *
 *	find_smp_config		reserves what it finds and reports it
 *	  find_intel_smp	where the specification says the floating pointer may lie: the
 *				first KiB, the last KiB of base memory, the BIOS ROM, the EBDA
 *	    smp_scan_config	(mptable.c)
 *
 * ACPI has replaced this; where there is a MADT that one is believed. The structures are
 * reserved in the memory map before the core sees it. Runs once, on the boot-time direct map.
 */
#include "mptable.h"
#include "pc.h"
#include <asm/page.h>

#define BASE_MEMORY_END	 0xa0000ul
#define BIOS_ROM_START	 0xf0000ul
#define BIOS_ROM_END	 0x100000ul
#define EBDA_SEGMENT_PTR 0x40eul

static const struct mp_floating __init *find_intel_smp(void)
{
	unsigned long ebda = (unsigned long)*(const u16 *)__va(EBDA_SEGMENT_PTR) << 4;
	const struct {
		unsigned long start, size;
	} places[] = {
		{0, SZ_1K},
		{BASE_MEMORY_END - SZ_1K, SZ_1K},
		{639 * SZ_1K, SZ_1K},
		{BIOS_ROM_START, BIOS_ROM_END - BIOS_ROM_START},
		{ebda, ebda ? SZ_1K : 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const struct mp_floating *mpf =
			smp_scan_config(__va(places[i].start), places[i].size);

		if (mpf)
			return mpf;
	}
	return NULL;
}

unsigned int __init find_smp_config(void (*reserve)(phys_addr_t start, phys_addr_t size))
{
	const struct mp_floating *mpf = find_intel_smp();
	unsigned int nr = 0;

	if (!mpf)
		return 0;
	reserve(__pa(mpf), sizeof(*mpf));
	if (mpf->config_pa && mpf->config_pa < SZ_1M) {
		nr = mp_count_processors(__va(mpf->config_pa), SZ_1M - mpf->config_pa);
		reserve(mpf->config_pa, PAGE_SIZE_PC);
	}
	log_printf("smp: MP configuration at %#lx, %u processors\n", (unsigned long)__pa(mpf), nr);
	return nr;
}
