/* SPDX-License-Identifier: MIT */
/*
 * acpi.c: what the kernel needs of the firmware's ACPI tables.
 *
 *	RSDP -> XSDT or RSDT -> FADT	power management ports; DSDT -> \_S5, the sleep type of "off"
 *			     -> MADT	interrupt controllers, interrupt source overrides
 *			     -> SRAT	which memory is near which processors: the nodes
 *
 * The tables are read once, during early boot, through the boot-time direct map (they lie
 * below 4 GiB); what matters is copied into struct acpi_info, so the tables' memory may
 * be reused. No AML is interpreted: \_S5 is a constant package that every firmware
 * writes in the same few bytes, and it is looked for by its name.
 *
 * Failure: a missing or damaged table leaves its part of acpi_info zero; users have a
 * fallback (PIT for the clock, no orderly power-off).
 */
#include <pagoda/mmzone.h>
#include <pagoda/string.h>
#include <asm/page.h>
#include "io.h"
#include "pc.h"

#define BOOT_MAP_END	 (4 * SZ_1G)
#define BIOS_ROM_START	 0xe0000
#define BIOS_ROM_END	 0x100000
#define EBDA_SEGMENT_PTR 0x40e /* BIOS data area: segment of the extended area */
#define EBDA_SCAN_BYTES	 SZ_1K

struct acpi_rsdp {
	char signature[8];
	u8 checksum;
	char oem[6];
	u8 revision;
	u32 rsdt;
	u32 length; /* from revision 2 on */
	u64 xsdt;
	u8 checksum2, reserved[3];
} __packed;

struct acpi_table {
	char signature[4];
	u32 length;
	u8 revision, checksum;
	char oem[26]; /* OEM and creator ids and revisions */
} __packed;
static_assert(sizeof(struct acpi_table) == 36, "ACPI 5.2.6");

struct acpi_fadt {
	struct acpi_table header;
	u32 facs, dsdt;
	u8 reserved0, profile;
	u16 sci_interrupt;
	u32 smi_command;
	u8 acpi_enable, acpi_disable, s4bios, pstate;
	u32 pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer;
} __packed;

struct acpi_madt {
	struct acpi_table header;
	u32 lapic_pa, flags;
	u8 entries[];
} __packed;

struct acpi_srat {
	struct acpi_table header;
	u32 reserved1;
	u64 reserved2;
	u8 entries[];
} __packed;

struct srat_memory {
	u8 type, length;
	u32 domain;
	u16 reserved1;
	u64 base, size;
	u32 reserved2, flags;
	u64 reserved3;
} __packed;
static_assert(sizeof(struct srat_memory) == 40, "ACPI 5.2.16.2");

#define SRAT_MEMORY	    1
#define SRAT_MEMORY_ENABLED 1

enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2 };
#define MADT_LAPIC_ENABLED 1

struct acpi_info acpi_info;

static const void __init *table_at(u64 pa)
{
	return pa != 0 && pa < BOOT_MAP_END ? __va(pa) : NULL;
}

static bool __init sums_to_zero(const void *p, size_t n)
{
	u8 sum = 0;

	for (size_t i = 0; i < n; i++)
		sum = (u8)(sum + ((const u8 *)p)[i]);
	return sum == 0;
}

static const struct acpi_rsdp __init *scan_rsdp(phys_addr_t start, phys_addr_t end)
{
	for (phys_addr_t pa = start; pa < end; pa += 16) {
		const struct acpi_rsdp *rsdp = __va(pa);

		if (memcmp(rsdp->signature, "RSD PTR ", 8) == 0 && sums_to_zero(rsdp, 20))
			return rsdp;
	}
	return NULL;
}

static const struct acpi_rsdp __init *find_rsdp(void)
{
	phys_addr_t ebda = (phys_addr_t) * (const u16 *)__va(EBDA_SEGMENT_PTR) << 4;
	const struct acpi_rsdp *rsdp = NULL;

	if (boot_source.rsdp != 0)
		return table_at(boot_source.rsdp);
	if (ebda != 0)
		rsdp = scan_rsdp(ebda, ebda + EBDA_SCAN_BYTES);
	return rsdp ? rsdp : scan_rsdp(BIOS_ROM_START, BIOS_ROM_END);
}

/* ---- \_S5: the two values that PM1 control wants for "soft off" ---------------------- */

#define AML_NAME    0x08
#define AML_PACKAGE 0x12
#define AML_BYTE    0x0a

/* A small integer constant: ZeroOp, OneOp, or BytePrefix and the value. */
static const u8 __init *aml_small(const u8 *p, u8 *value)
{
	if (*p == AML_BYTE)
		p++;
	*value = *p;
	return p + 1;
}

static void __init read_s5(const struct acpi_table *dsdt)
{
	const u8 *p = (const u8 *)(dsdt + 1);
	const u8 *end = (const u8 *)dsdt + dsdt->length - 12;

	for (; p < end; p++) {
		if (p[0] != '_' || memcmp(p, "_S5_", 4) != 0 || p[4] != AML_PACKAGE)
			continue;
		p += 5;
		p += 1 + (*p >> 6); /* PkgLength: its top bits count the bytes that follow */
		p += 1;		    /* number of elements */
		p = aml_small(p, &acpi_info.s5_type_a);
		aml_small(p, &acpi_info.s5_type_b);
		acpi_info.has_s5 = true;
		return;
	}
}

static void __init read_fadt(const struct acpi_fadt *fadt)
{
	const struct acpi_table *dsdt = table_at(fadt->dsdt);

	acpi_info.pm1a_control = (u16)fadt->pm1a_control;
	acpi_info.pm1b_control = (u16)fadt->pm1b_control;
	acpi_info.pm_timer = (u16)fadt->pm_timer;
	acpi_info.smi_command = (u16)fadt->smi_command;
	acpi_info.acpi_enable = fadt->acpi_enable;
	if (dsdt)
		read_s5(dsdt);
}

static void __init read_madt_entry(const u8 *e)
{
	if (e[0] == MADT_LAPIC && (e[4] & MADT_LAPIC_ENABLED)) {
		acpi_info.nr_cpus++;
	} else if (e[0] == MADT_IOAPIC && acpi_info.ioapic_pa == 0) {
		memcpy(&acpi_info.ioapic_pa, e + 4, 4);
		memcpy(&acpi_info.ioapic_gsi_base, e + 8, 4);
	} else if (e[0] == MADT_OVERRIDE && e[3] < NR_ISA_IRQS) {
		memcpy(&acpi_info.isa_gsi[e[3]], e + 4, 4);
		memcpy(&acpi_info.isa_flags[e[3]], e + 8, 2);
	}
}

static void __init read_madt(const struct acpi_madt *madt)
{
	const u8 *end = (const u8 *)madt + madt->header.length;

	acpi_info.lapic_pa = madt->lapic_pa;
	for (const u8 *e = madt->entries; e + 2 <= end && e[1] >= 2; e += e[1])
		read_madt_entry(e);
}

/* Proximity domains are taken as nodes' numbers; what lies beyond stays node 0's. */
static void __init read_srat(const struct acpi_srat *srat)
{
	const u8 *end = (const u8 *)srat + srat->header.length;

	for (const u8 *e = srat->entries; e + 2 <= end && e[1] >= 2; e += e[1]) {
		struct srat_memory m;

		if (e[0] != SRAT_MEMORY || e[1] < sizeof(m) || e + sizeof(m) > end)
			continue;
		memcpy(&m, e, sizeof(m));
		if ((m.flags & SRAT_MEMORY_ENABLED) && m.domain < MAX_NR_NODES)
			boot_memory_of_node(m.base, m.size, (int)m.domain);
	}
}

static void __init read_table(u64 pa)
{
	const struct acpi_table *table = table_at(pa);

	if (!table)
		return;
	if (memcmp(table->signature, "FACP", 4) == 0)
		read_fadt((const void *)table);
	else if (memcmp(table->signature, "APIC", 4) == 0)
		read_madt((const void *)table);
	else if (memcmp(table->signature, "SRAT", 4) == 0)
		read_srat((const void *)table);
}

static void __init read_root(const struct acpi_table *root, size_t entry_size)
{
	size_t nr = (root->length - sizeof(*root)) / entry_size;

	for (size_t i = 0; i < nr; i++) {
		u64 pa = 0;

		memcpy(&pa, (const u8 *)(root + 1) + i * entry_size, entry_size);
		read_table(pa);
	}
}

void __init acpi_init_early(void)
{
	const struct acpi_rsdp *rsdp = find_rsdp();
	bool has_xsdt = rsdp && rsdp->revision >= 2 && table_at(rsdp->xsdt);

	for (u32 i = 0; i < NR_ISA_IRQS; i++)
		acpi_info.isa_gsi[i] = i;
	if (!rsdp) {
		log_printf("acpi: no tables\n");
		return;
	}
	if (has_xsdt)
		read_root(table_at(rsdp->xsdt), sizeof(u64));
	else if (table_at(rsdp->rsdt))
		read_root(table_at(rsdp->rsdt), sizeof(u32));
}
