/* SPDX-License-Identifier: MIT */
/* pci.h: finding PCI functions, their registers and their interrupts. See pci.c. */
#pragma once

#include <pagoda/types.h>

struct pci_device {
	u32 address; /* bus << 16 | device << 11 | function << 8 */
	u16 vendor, device;
};

/* Call fn for every function found; stops where it answers true. */
void pci_scan(bool (*fn)(const struct pci_device *dev, void *arg), void *arg);

u32 pci_read32(const struct pci_device *dev, u32 offset);
u16 pci_read16(const struct pci_device *dev, u32 offset);
u8 pci_read8(const struct pci_device *dev, u32 offset);
void pci_write32(const struct pci_device *dev, u32 offset, u32 value);
void pci_write16(const struct pci_device *dev, u32 offset, u16 value);

/* Offset of the next capability with that id after `after` (0: from the first), 0 if none. */
u32 pci_find_capability(const struct pci_device *dev, u8 id, u32 after);

/* Answer to memory accesses, and be a bus master. */
void pci_enable(const struct pci_device *dev);

/* Map length bytes (0: all) from offset of a memory BAR; NULL if there is none or no room. */
volatile void *pci_map_bar(const struct pci_device *dev, unsigned int bar, u32 offset, u32 length);

/* Send entry 0 of the function's MSI-X table to vector, mask the others. False without MSI-X. */
bool pci_enable_msix(const struct pci_device *dev, unsigned int vector);
