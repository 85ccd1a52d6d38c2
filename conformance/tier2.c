/* SPDX-License-Identifier: MIT */
/*
 * tier2.c: kernel mappings: does a CPU forget translations when it is told to? Does a task sleep?
 *
 * Each test of a flush shows the same page of kernel addresses on two frames in turn:
 *
 *	entry -> first		read: the CPU now has the translation
 *	entry -> second		the CPU may still read the first frame
 *	flush			read: must be the second
 *
 * The address is that of a vmalloc area, whose own entry is put back at the end. Every CPU flushes,
 * as any of them may have loaded the translation. A CPU may
 * also have forgotten it by itself: the tests can show a mistake, but not that there is none.
 */
#include "suite.h"
#include "flush.h"
#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>
#include <pagoda/vmalloc.h>
#include <asm/control.h>
#include <asm/pgtable.h>

struct shown_page {
	volatile unsigned long *at; /* the area */
	pte_t *entry, own;
	struct page *first, *second;
};

static void show(const struct shown_page *shown, struct page *page, bool global)
{
	pteval_t prot = pgprot_val(PAGE_KERNEL) & supported_pte_mask;

	if (!global)
		prot &= ~(pteval_t)_PAGE_GLOBAL;
	set_pte(shown->entry, pfn_pte(page_to_pfn(page), __pgprot(prot)));
}

static bool begin(struct shown_page *shown)
{
	shown->at = vmalloc(PAGE_SIZE);
	shown->first = alloc_page(GFP_KERNEL);
	shown->second = alloc_page(GFP_KERNEL);
	if (!shown->at || !shown->first || !shown->second)
		return false;
	shown->entry = lookup_kernel_pte((unsigned long)shown->at);
	shown->own = ptep_get(shown->entry);
	*(unsigned long *)page_address(shown->first) = SHOWN_FIRST;
	*(unsigned long *)page_address(shown->second) = SHOWN_SECOND;
	return true;
}

static void end(struct shown_page *shown)
{
	if (shown->at) {
		if (shown->entry)
			set_pte(shown->entry, shown->own);
		vfree((void *)(unsigned long)shown->at);
		(void)vmalloc_purge();
	}
	if (shown->first)
		__free_page(shown->first);
	if (shown->second)
		__free_page(shown->second);
}

/*
 * What the page reads as after its entry went from the first frame to the second and all CPUs
 * called flush.
 */
unsigned long conformance_read_after(void (*flush)(void *at), bool global)
{
	struct shown_page shown = {NULL};
	unsigned long all = (2ul << (port_nr_cpus() - 1)) - 1, found = 0;

	if (begin(&shown)) {
		void *at = (void *)(unsigned long)shown.at;

		show(&shown, shown.first, global);
		port_on_each_cpu(all, flush, at);
		if (*shown.at == SHOWN_FIRST) {
			show(&shown, shown.second, global);
			port_on_each_cpu(all, flush, at);
			found = *shown.at;
		}
		set_pte(shown.entry, shown.own);
		port_on_each_cpu(all, flush, at);
	}
	end(&shown);
	return found;
}

static void flush_page(void *at)
{
	port_flush_tlb_page((unsigned long)at);
}

static void flush_all(void *at)
{
	(void)at;
	port_flush_tlb_all();
}

/* The root that the CPU walks, and not init_mm's: a thread may stand on borrowed tables. */
static void load_root_again(void *at)
{
	struct x86_control control;

	(void)at;
	x86_read_control(&control);
	port_load_pgd(control.cr3_root);
}

static void flush_tlb_page_forgets(void)
{
	EXPECT(conformance_read_after(flush_page, false) == SHOWN_SECOND,
	       "port_flush_tlb_page() does not forget the page");
	EXPECT(conformance_read_after(flush_page, true) == SHOWN_SECOND,
	       "port_flush_tlb_page() does not forget a global page");
}

static void flush_tlb_all_forgets_global(void)
{
	EXPECT(conformance_read_after(flush_all, true) == SHOWN_SECOND,
	       "port_flush_tlb_all() does not forget a global page");
}

static void load_pgd_forgets_nonglobal(void)
{
	struct x86_control control;

	x86_read_control(&control);
	EXPECT(!control.known || conformance_read_after(load_root_again, false) == SHOWN_SECOND,
	       "port_load_pgd() does not forget a page that is not global");
}

static void features_are_switched_on(void)
{
	struct x86_control control;
	const char *complaint;

	x86_read_control(&control);
	complaint = x86_control_complaint(&control);
	EXPECT(!complaint, "%s", complaint);
}

/* vmalloc and the direct map lead to frames of their own. */
static void kernel_mappings_show_their_frames(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	volatile unsigned long *direct = page ? page_address(page) : NULL, *mapped = NULL;
	bool same = false;

	if (page) {
		*direct = SHOWN_FIRST;
		mapped = vmalloc(3 * PAGE_SIZE);
	}
	if (mapped) {
		mapped[2 * PAGE_SIZE / sizeof(*mapped)] = SHOWN_SECOND;
		same = mapped[2 * PAGE_SIZE / sizeof(*mapped)] == SHOWN_SECOND &&
		       *direct == SHOWN_FIRST;
		vfree((void *)(unsigned long)mapped);
	}
	if (page)
		__free_page(page);
	EXPECT(mapped, "there is no memory for three pages of vmalloc()");
	EXPECT(same, "a vmalloc area does not keep what is written to it");
}

/* ---- Sleeping -------------------------------------------------------------------------------- */

/* Without the token that came before it, this park would never end. */
static void unpark_comes_before_park(void)
{
	port_unpark(port_current());
	port_park(~0ull);
	EXPECT(port_irqs_enabled(), "port_park() leaves interrupts off");
}

static void no_fatal_signal_is_pending(void)
{
	EXPECT(!port_fatal_signal_pending(),
	       "port_fatal_signal_pending() is true though no signal was sent");
}

static const struct conformance_test tests[] = {
	{"features_are_switched_on", features_are_switched_on, 0, false},
	{"kernel_mappings_show_their_frames", kernel_mappings_show_their_frames, 0, true},
	{"unpark_comes_before_park", unpark_comes_before_park, 0, true},
	{"no_fatal_signal_is_pending", no_fatal_signal_is_pending, 0, false},
	{"flush_tlb_page_forgets", flush_tlb_page_forgets, 0, true},
	{"flush_tlb_all_forgets_global", flush_tlb_all_forgets_global, 0, true},
	{"load_pgd_forgets_nonglobal", load_pgd_forgets_nonglobal, 0, true},
};
CONFORMANCE_SUITE(2, tests);
