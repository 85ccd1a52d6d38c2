/* SPDX-License-Identifier: MIT */
/*
 * pci.c: PCI configuration by ports 0xcf8/0xcfc ("mechanism 1"), which every PC still
 * has and which reaches all the registers that are needed here.
 *
 * Buses are walked from 0 along the bridges' secondary bus numbers. Firmware has placed
 * the BARs as a rule; one that it left at 0 (qboot does) gets an address from a window
 * that nothing else on a PC uses, below the IO-APIC.
 *
 * Interrupts come as MSI-X only: no routing of legacy lines, no AML.
 *
 * Locking: none; used during machine_init(), on one CPU.
 */
#include <pagoda/bug.h>
#include <pagoda/vmalloc.h>
#include "io.h"
#include "pc.h"
#include "pci.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  0x80000000u

#define PCI_VENDOR	  0x00
#define PCI_COMMAND	  0x04
#define PCI_STATUS	  0x06
#define PCI_HEADER_TYPE	  0x0e
#define PCI_BAR(n)	  (0x10 + 4 * (n))
#define PCI_SECONDARY_BUS 0x19
#define PCI_CAPABILITIES  0x34

#define COMMAND_MEMORY	      0x2
#define COMMAND_MASTER	      0x4
#define COMMAND_INTX_OFF      0x400
#define STATUS_CAPABILITIES   0x10
#define HEADER_MULTI_FUNCTION 0x80
#define HEADER_BRIDGE	      0x01
#define BAR_IO		      0x1
#define BAR_64BIT	      0x4
#define NR_BARS		      6

#define CAP_MSIX	 0x11
#define MSIX_CONTROL	 2
#define MSIX_TABLE	 4
#define MSIX_ENABLE	 0x8000
#define MSIX_MASK_ALL	 0x4000
#define MSIX_ENTRY_BYTES 16

#define MAX_DEPTH 8 /* bridges behind bridges */

#define WINDOW_START 0xf0000000u
#define WINDOW_END   0xfe000000u
static u32 window_next = WINDOW_START;

static u32 select_register(const struct pci_device *dev, u32 offset)
{
	outl(CONFIG_ADDRESS, CONFIG_ENABLE | dev->address | (offset & 0xfc));
	return CONFIG_DATA;
}

u32 pci_read32(const struct pci_device *dev, u32 offset)
{
	return inl((u16)select_register(dev, offset));
}

u16 pci_read16(const struct pci_device *dev, u32 offset)
{
	return inw((u16)(select_register(dev, offset) + (offset & 2)));
}

u8 pci_read8(const struct pci_device *dev, u32 offset)
{
	return inb((u16)(select_register(dev, offset) + (offset & 3)));
}

void pci_write32(const struct pci_device *dev, u32 offset, u32 value)
{
	outl((u16)select_register(dev, offset), value);
}

void pci_write16(const struct pci_device *dev, u32 offset, u16 value)
{
	outw((u16)(select_register(dev, offset) + (offset & 2)), value);
}

/* ---- Walking the buses -------------------------------------------------------------- */

struct scan {
	bool (*fn)(const struct pci_device *dev, void *arg);
	void *arg;
	u8 pending[MAX_DEPTH * 8]; /* buses still to visit */
	unsigned int nr_pending;
};

static bool scan_function(struct scan *scan, u32 address)
{
	struct pci_device dev = {address, 0, 0};
	u32 id = pci_read32(&dev, PCI_VENDOR);

	if ((id & 0xffff) == 0xffff)
		return false;
	dev.vendor = (u16)id;
	dev.device = (u16)(id >> 16);
	if ((pci_read8(&dev, PCI_HEADER_TYPE) & ~HEADER_MULTI_FUNCTION) == HEADER_BRIDGE &&
	    scan->nr_pending < sizeof(scan->pending))
		scan->pending[scan->nr_pending++] = pci_read8(&dev, PCI_SECONDARY_BUS);
	return scan->fn(&dev, scan->arg);
}

static bool scan_slot(struct scan *scan, u32 address)
{
	struct pci_device first = {address, 0, 0};
	u32 functions;

	if (pci_read16(&first, PCI_VENDOR) == 0xffff)
		return false;
	functions = pci_read8(&first, PCI_HEADER_TYPE) & HEADER_MULTI_FUNCTION ? 8 : 1;
	for (u32 fn = 0; fn < functions; fn++)
		if (scan_function(scan, address | fn << 8))
			return true;
	return false;
}

void pci_scan(bool (*fn)(const struct pci_device *dev, void *arg), void *arg)
{
	struct scan scan = {.fn = fn, .arg = arg, .nr_pending = 1};

	while (scan.nr_pending > 0) {
		u32 bus = scan.pending[--scan.nr_pending];

		for (u32 slot = 0; slot < 32; slot++)
			if (scan_slot(&scan, bus << 16 | slot << 11))
				return;
	}
}

/* ---- One function ----------------------------------------------------------------------- */

u32 pci_find_capability(const struct pci_device *dev, u8 id, u32 after)
{
	u32 at;

	if (!(pci_read16(dev, PCI_STATUS) & STATUS_CAPABILITIES))
		return 0;
	at = after ? pci_read8(dev, after + 1) : pci_read8(dev, PCI_CAPABILITIES);
	for (int i = 0; i < 48 && at != 0; i++) { /* 48 have room: a list with a loop ends, too */
		if (pci_read8(dev, at) == id)
			return at;
		at = pci_read8(dev, at + 1);
	}
	return 0;
}

void pci_enable(const struct pci_device *dev)
{
	u16 command = pci_read16(dev, PCI_COMMAND);

	pci_write16(dev, PCI_COMMAND, command | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_INTX_OFF);
}

/* Size of a memory BAR: the lowest bit that sticks when all ones are written. */
static u32 bar_size(const struct pci_device *dev, u32 reg)
{
	u32 old = pci_read32(dev, reg), mask;

	pci_write32(dev, reg, ~0u);
	mask = pci_read32(dev, reg) & ~0xfu;
	pci_write32(dev, reg, old);
	return mask & -mask;
}

static bool place_bar(const struct pci_device *dev, u32 reg, u32 size)
{
	u32 at = ALIGN(window_next, size);

	if (at < window_next || at + size > WINDOW_END)
		return false;
	window_next = at + size;
	pci_write32(dev, reg, at);
	return true;
}

/* Physical address of a memory BAR and its size; 0 if there is none. */
static u64 bar_address(const struct pci_device *dev, unsigned int bar, u32 *size)
{
	u32 reg = PCI_BAR(bar), low = pci_read32(dev, reg);
	u64 high = 0;

	if (bar >= NR_BARS || (low & BAR_IO))
		return 0;
	*size = bar_size(dev, reg);
	if (*size == 0)
		return 0;
	if (low & BAR_64BIT)
		high = (u64)pci_read32(dev, reg + 4) << 32;
	if ((low & ~0xfu) == 0 && high == 0) {
		if (!place_bar(dev, reg, max(*size, (u32)PAGE_SIZE_PC)))
			return 0;
		low = pci_read32(dev, reg);
	}
	return high | (low & ~0xfu);
}

volatile void *pci_map_bar(const struct pci_device *dev, unsigned int bar, u32 offset, u32 length)
{
	u32 size;
	u64 pa = bar_address(dev, bar, &size);

	if (pa == 0 || offset >= size)
		return NULL;
	return ioremap(pa + offset, length ? length : size - offset);
}

bool pci_enable_msix(const struct pci_device *dev, unsigned int vector)
{
	u32 cap = pci_find_capability(dev, CAP_MSIX, 0);
	struct msi_message msg = apic_msi_message(vector);
	u32 where;
	volatile u8 *table;
	u16 control;

	if (cap == 0)
		return false;
	control = pci_read16(dev, cap + MSIX_CONTROL);
	where = pci_read32(dev, cap + MSIX_TABLE);
	table = pci_map_bar(dev, where & 7, where & ~7u, MSIX_ENTRY_BYTES);
	if (!table)
		return false;
	pci_write16(dev, cap + MSIX_CONTROL, control | MSIX_ENABLE | MSIX_MASK_ALL);
	mmio_write32(table, msg.address); /* the other entries are masked from reset on */
	mmio_write32(table + 4, 0);
	mmio_write32(table + 8, msg.data);
	mmio_write32(table + 12, 0);
	pci_write16(dev, cap + MSIX_CONTROL, (u16)((control | MSIX_ENABLE) & ~MSIX_MASK_ALL));
	return true;
}
