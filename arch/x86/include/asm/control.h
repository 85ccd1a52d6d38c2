/* SPDX-License-Identifier: MIT */
/*
 * control.h: the registers that decide how the CPU reads page tables, for the checks of a port.
 *
 * x86_features says what the port has switched on; these registers say whether it has. Where the
 * two disagree the first access through the core's tables would be a fault that nobody can report.
 */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

struct x86_control {
	bool known; /* false: this is not the kernel of a machine (ring 3), the rest is 0 */
	unsigned long cr0, cr4;
	u64 efer;
	phys_addr_t cr3_root; /* the root that this CPU walks */
	/*
	 * Kernel addresses of code, data and stack in use, which the tables must map; 0: not by
	 * these tables.
	 */
	unsigned long code, data, stack;
};

#define X86_CR0_WP   (1ul << 16)
#define X86_CR4_PSE  (1ul << 4)
#define X86_CR4_PAE  (1ul << 5)
#define X86_CR4_PGE  (1ul << 7)
#define X86_CR4_LA57 (1ul << 12)
#define X86_CR4_SMEP (1ul << 20)
#define X86_CR4_SMAP (1ul << 21)
#define X86_EFER_NXE (1ul << 11)

/*
 * Read this CPU's registers. A simulated machine puts its own function here before it boots the
 * core. Context: any.
 */
extern void (*x86_read_control)(struct x86_control *control);

/*
 * The first thing in which x86_features and the registers disagree, or the core's needs are not
 * met; NULL: none.
 */
const char *x86_control_complaint(const struct x86_control *control);

PAGODA_C_END
