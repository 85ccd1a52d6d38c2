// SPDX-License-Identifier: MIT
/*
 * control.c: are the CPU's registers as the core needs them and as x86_features says?
 *
 * The port switches features on and tells the core by x86_features. A bit of a page-table entry
 * that the CPU reserves (NX without EFER.NXE) makes every access a fault, and a missing CR0.WP lets
 * the kernel write through copy-on-write. Both show far from the mistake, if at all, so the
 * boot of tier 2 asks here.
 *
 * No locks: it reads registers of this CPU only. Failure: none; in ring 3, where the registers
 * cannot be read, nothing is known and nothing is complained about.
 */
#include <asm/control.h>
#include <asm/cpufeature.h>
#include <asm/pgtable.h>

#define MSR_EFER  0xc0000080u
#define CR3_ROOT  (~0xffful)
#define RING_MASK 3u

static unsigned int current_ring(void)
{
	unsigned short cs;

	__asm__("mov %%cs, %0" : "=r"(cs));
	return cs & RING_MASK;
}

static u64 read_efer(void)
{
	u32 low, high;

	__asm__ __volatile__("rdmsr" : "=a"(low), "=d"(high) : "c"(MSR_EFER));
	return (u64)high << 32 | low;
}

static void read_hardware(struct x86_control *control)
{
	static int some_data;
	unsigned long cr3;

	*control = (struct x86_control){.known = current_ring() == 0};
	if (!control->known)
		return;
	__asm__ __volatile__("mov %%cr0, %0" : "=r"(control->cr0));
	__asm__ __volatile__("mov %%cr3, %0" : "=r"(cr3));
	__asm__ __volatile__("mov %%cr4, %0" : "=r"(control->cr4));
	control->cr3_root = cr3 & CR3_ROOT;
	control->efer = read_efer();
	control->code = (unsigned long)read_hardware;
	control->data = (unsigned long)&some_data;
	control->stack = (unsigned long)&cr3;
}

void (*x86_read_control)(struct x86_control *control) = read_hardware;

/* Do the CPU's page tables have the levels that the core was built for? */
static const char *geometry_complaint(unsigned long cr4)
{
	if (PGTABLE_LEVELS >= 3 && !(cr4 & X86_CR4_PAE))
		return "CR4.PAE is clear, but the core was built for page tables with 64-bit "
		       "entries";
	if (PGTABLE_LEVELS == 2 && cr4 & X86_CR4_PAE)
		return "CR4.PAE is set, but the core was built for two-level page tables";
	if ((PGTABLE_LEVELS == 5) != !!(cr4 & X86_CR4_LA57))
		return "CR4.LA57 does not agree with the number of levels that the core was built "
		       "for";
	return NULL;
}

const char *x86_control_complaint(const struct x86_control *c)
{
	if (!c->known)
		return NULL;
	if (!(c->cr0 & X86_CR0_WP))
		return "CR0.WP is clear: writes of the kernel would ignore read-only and "
		       "copy-on-write pages";
	if (x86_features.nx && !(c->efer & X86_EFER_NXE))
		return "x86_features.nx is set, but EFER.NXE is clear: each page that may not be "
		       "executed would fault";
	if (x86_features.pge && !(c->cr4 & X86_CR4_PGE))
		return "x86_features.pge is set, but CR4.PGE is clear";
	if (x86_features.pse && PGTABLE_LEVELS == 2 && !(c->cr4 & X86_CR4_PSE))
		return "x86_features.pse is set, but CR4.PSE is clear";
	if (x86_features.smep && !(c->cr4 & X86_CR4_SMEP))
		return "x86_features.smep is set, but CR4.SMEP is clear";
	if (x86_features.smap != !!(c->cr4 & X86_CR4_SMAP))
		return "x86_features.smap does not agree with CR4.SMAP";
	return geometry_complaint(c->cr4);
}
