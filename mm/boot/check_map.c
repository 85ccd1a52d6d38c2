// SPDX-License-Identifier: MIT
/*
 * check_map.c: is the port ready for tier 2?
 *
 * Registers are compared before the core's tables are loaded: a bit that the CPU reserves would
 * make every access fault. After that, one page of kernel addresses is shown on two frames in turn,
 * with a flush in between; what it reads as afterwards says whether the flush did anything:
 *
 *	entry -> first		read: this CPU has the translation
 *	entry -> second, flush	read: must be the second frame
 *
 * A flush that does nothing is the worst mistake a port can make: memory of one process shows in
 * another, and no test of the port's own kernel sees it.
 *
 * A machine without an MMU that walks the core's tables (x86_control.known is false: a program of
 * ring 3, as machine/null) has nothing that could be looked at.
 *
 * Locking: one CPU, interrupts off; the address is the first of vmalloc's, which has no area yet.
 * Failure: a panic that names the mistake.
 */
#include "port_check.h"
#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>
#include <asm/control.h>
#include <asm/pgtable.h>

#define FIRST  0x1111ul
#define SECOND 0x2222ul

void __init check_port_registers(void)
{
	struct x86_control control;
	const char *complaint;

	x86_read_control(&control);
	complaint = x86_control_complaint(&control);
	PORT_BUG_ON(complaint, "%s", complaint);
}

static void __init check_root(phys_addr_t walked)
{
	PORT_BUG_ON(walked != __pa(swapper_pg_dir),
		    "port_load_pgd() does not load the root %#llx, the CPU walks %#llx",
		    (unsigned long long)__pa(swapper_pg_dir), (unsigned long long)walked);
}

bool __init port_has_mmu(void)
{
	struct x86_control control;

	x86_read_control(&control);
	return control.known;
}

struct flush_check {
	volatile unsigned long *at; /* the address, and its entry */
	pte_t *entry;
	struct page *first, *second;
};

/* Let the entry map the page. The CPU may keep what it has translated before, until a flush. */
static void __init show(const struct flush_check *c, struct page *page, bool global)
{
	pteval_t prot = pgprot_val(PAGE_KERNEL) & supported_pte_mask;

	if (!global)
		prot &= ~(pteval_t)_PAGE_GLOBAL;
	set_pte(c->entry, pfn_pte(page_to_pfn(page), __pgprot(prot)));
}

static struct page *__init page_that_reads(unsigned long word)
{
	struct page *page = alloc_page(GFP_KERNEL);

	if (!page)
		panic("no memory for the check of flushes");
	*(unsigned long *)page_address(page) = word;
	return page;
}

void __init check_port_flush(void (*flush)(unsigned long addr), bool global, const char *complaint)
{
	struct flush_check c = {
		.at = (unsigned long *)VMALLOC_START,
		.entry = lookup_kernel_pte(VMALLOC_START),
		.first = page_that_reads(FIRST),
		.second = page_that_reads(SECOND),
	};
	unsigned long before, after;

	VM_BUG_ON(!c.entry || !pte_none(ptep_get(c.entry))); /* vmalloc has no area yet */
	show(&c, c.first, global);
	before = *c.at; /* now this CPU has the translation */
	show(&c, c.second, global);
	flush((unsigned long)c.at);
	after = *c.at;
	PORT_BUG_ON(before != FIRST || after != SECOND, "%s", complaint);
	set_pte(c.entry, __pte(0));
	port_flush_tlb_page((unsigned long)c.at);
	__free_page(c.second);
	__free_page(c.first);
}

static void flush_page(unsigned long addr)
{
	port_flush_tlb_page(addr);
}

static void flush_all(unsigned long addr)
{
	(void)addr;
	port_flush_tlb_all();
}

static void load_root(unsigned long addr)
{
	(void)addr;
	port_load_pgd(__pa(swapper_pg_dir));
}

/* port_flush_tlb_page() is checked before the others, which use it when they clear the entry. */
void __init check_port_flushes(void)
{
	struct x86_control control;

	x86_read_control(&control);
	if (!control.known)
		return;
	check_root(control.cr3_root);
	check_port_flush(flush_page, false, "port_flush_tlb_page() does not forget the page");
	check_port_flush(flush_page, true, "port_flush_tlb_page() does not forget a global page");
	check_port_flush(flush_all, true, "port_flush_tlb_all() does not forget a global page");
	check_port_flush(load_root, false,
			 "port_load_pgd() does not forget a page that is not global");
}
