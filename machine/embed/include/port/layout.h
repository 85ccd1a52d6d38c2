/* SPDX-License-Identifier: MIT */
/*
 * layout.h: the kernel half of a host that is linked with a compiled core: five addresses that the
 * host defines as a constant, in port_layout.
 *
 * A host that compiles the core itself may put a header with constants in front of this one on the
 * include path. If it uses a pagoda.h made by ./pagoda embed, port_layout must say the same.
 */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

/* Virtual addresses; see asm/page.h. */
struct port_layout {
	unsigned long page_offset;		  /* of physical address 0 in the direct map */
	unsigned long vmalloc_start, vmalloc_end; /* kernel mappings, [start, end) */
	unsigned long pkmap_base, fixmap_base;	  /* unused where all memory is directly mapped */
};
extern const struct port_layout port_layout;

#define PAGE_OFFSET   (port_layout.page_offset)
#define VMALLOC_START (port_layout.vmalloc_start)
#define VMALLOC_END   (port_layout.vmalloc_end)
#define PKMAP_BASE    (port_layout.pkmap_base)
#define FIXMAP_BASE   (port_layout.fixmap_base)

static inline unsigned long kva_to_mmu(unsigned long va)
{
	return va;
}

PAGODA_C_END
