/* SPDX-License-Identifier: MIT */
/*
 * window.c: vmalloc, pkmap and fixmap addresses, through the host's own page tables.
 *
 * The core touches kernel mappings with plain C pointers, so the host's MMU has to do the
 * translation. The window from VMALLOC_START to HOSTED_WINDOW_END starts PROT_NONE. The
 * first touch of a page raises SIGSEGV; the handler walks the current CPU's tables as the
 * MMU would (setting accessed and dirty bits) and maps the frame of the memfd there.
 * A page whose entry allows no write, or is still clean, is mapped read-only, so that the
 * first write comes back here.
 *
 *	SIGSEGV at A -- A in the window? -- held or mapped? -- map, return, retry
 *	                   | no                 | no
 *	                   |                do_page_fault(): vmalloc_fault or fixup; retry
 *	                   +-- direct map hole, high memory, anything else: the test ends
 *
 * All CPUs are threads of one process and share one host mapping of a page, but each has
 * a TLB of its own. Per page of the window we therefore keep its holders, the CPUs whose
 * TLB may hold the translation. A CPU may load a translation that the tables have at any
 * time, whether it touches the page or not, so the first touch by one CPU makes all CPUs
 * holders. Only fixmap slots belong to one CPU each: there only the CPU that touched the page is
 * one.
 *
 *	flush on CPU c	c is no holder any more; the host mapping goes, so the next touch by
 *			any CPU comes here
 *	touch by c	c is a holder: it sees the frame that it remembers, stale or not
 *			c is none: it walks the tables as they are now
 *
 * Two promises of the core are checked on the way; a broken one ends the test:
 *	(W1) no page of the window gets another frame while a CPU holds the old translation
 *	(W2) the frame of a vmalloc area is not free while a CPU holds its translation; looked
 *	     at when the CPU flushes it. (A page that is freed while kmap still remembers it is
 *	     legal: its slot is flushed before the slot is used again.)
 *
 * window_lock orders walking and mapping against flushing: without it a handler could map
 * what it had read before another CPU changed the entry and flushed. Nothing under it
 * touches the window. The arrays are indexed by page of the window; page_frame and
 * page_holders mean something while there are holders. listed names the pages that have
 * some, so that flushing all costs what is held.
 */
#include "hosted_internal.h"

#include <asm/fault.h>
#include <asm/ptrace.h>
#include <asm/segment.h>

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "host_mmap.h"

#define STATE_MAPPED   1u
#define STATE_GLOBAL   2u
#define STATE_LISTED   4u
#define STATE_WRITABLE 8u
#define STATE_COUNTED  16u /* the frame had a page count when the translation was made: see (W2) */
#define MAX_REFAULTS   16  /* of one address in a row, before we call it a livelock */

static u8 *page_state;
static u8 *page_holders; /* a bit for each CPU */
static u32 *page_frame;
static u32 *listed; /* pages with STATE_LISTED */
static size_t nr_listed;
static int window_locked;
static_assert(NR_CPUS <= 8, "page_holders has a byte for each page");

static __thread unsigned long last_fault;
static __thread unsigned int nr_refaults;

/* A lock of our own: the handler may run inside anything that ThreadSanitizer or libc does. */
static void lock_window(void)
{
	while (__atomic_exchange_n(&window_locked, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void unlock_window(void)
{
	__atomic_store_n(&window_locked, 0, __ATOMIC_RELEASE);
}

static size_t window_page(unsigned long host_addr)
{
	return (host_addr - VMALLOC_START) >> PAGE_SHIFT;
}

static unsigned long window_addr(size_t page)
{
	return VMALLOC_START + (page << PAGE_SHIFT);
}

static bool in_window(unsigned long host_addr)
{
	return host_addr >= VMALLOC_START && host_addr < HOSTED_WINDOW_END;
}

/* ---- Mapping and flushing --------------------------------------------------------------- */

static void map_locked(size_t page)
{
	ram_map(window_addr(page), PFN_PHYS(page_frame[page]), PAGE_SIZE,
		HOST_PROT_READ | (page_state[page] & STATE_WRITABLE ? HOST_PROT_WRITE : 0));
	page_state[page] |= STATE_MAPPED;
}

/* The CPUs that may load a translation which one CPU uses. */
static u8 possible_holders(size_t page)
{
	if (window_addr(page) >= FIXMAP_BASE)
		return (u8)(1u << port_cpu_id());
	return (u8)((1u << port_nr_cpus()) - 1);
}

static void check_frame_unchanged(size_t page, const struct tlb_entry *e)
{
	u8 others = page_holders[page] & (u8) ~(1u << port_cpu_id());

	if (others && page_frame[page] != (u32)PHYS_PFN(e->pa))
		hosted_fatal("stale kernel translation: %#lx leads to frame %#lx now, and CPUs %#x "
			     "remember frame %#x",
			     window_addr(page), (unsigned long)PHYS_PFN(e->pa), others,
			     page_frame[page]);
}

static void remember(size_t page, const struct tlb_entry *e)
{
	check_frame_unchanged(page, e);
	if (!(page_state[page] & STATE_LISTED))
		listed[nr_listed++] = (u32)page;
	page_state[page] = (u8)(STATE_LISTED | (e->global ? STATE_GLOBAL : 0) |
				(e->write && e->dirty ? STATE_WRITABLE : 0) |
				(mmu_frame_in_use(e->pa) ? STATE_COUNTED : 0));
	page_frame[page] = (u32)PHYS_PFN(e->pa);
	page_holders[page] |= possible_holders(page);
}

/* Does this CPU's TLB hold a translation that allows the access? */
static bool holds(size_t page, bool write)
{
	return page_holders[page] >> port_cpu_id() & 1 &&
	       (!write || page_state[page] & STATE_WRITABLE);
}

/*
 * Map the page from what this CPU holds, or after a walk. False: a walk was needed, and the tables
 * forbid the access.
 */
static bool map_page(unsigned long addr, bool write)
{
	struct tlb_entry e;
	size_t page = window_page(addr);
	bool ok = true;

	lock_window();
	if (!holds(page, write)) {
		ok = mmu_walk_kernel(this_cpu()->mmu.root, kva_to_mmu(addr), write, &e);
		if (ok && !ram_is_valid(e.pa))
			hosted_fatal("kernel mapping of %#lx leads outside of RAM, to %#llx", addr,
				     (unsigned long long)e.pa);
		if (ok)
			remember(page, &e);
	}
	if (ok)
		map_locked(page);
	unlock_window();
	return ok;
}

static void unmap_locked(size_t page)
{
	if (page_state[page] & STATE_MAPPED)
		ram_unmap(window_addr(page), PAGE_SIZE);
	page_state[page] &= (u8)~STATE_MAPPED;
}

/* This CPU's TLB forgets the page. */
static void forget(size_t page)
{
	u8 bit = (u8)(1u << port_cpu_id());

	if (!(page_holders[page] & bit))
		return;
	if (page_state[page] & STATE_COUNTED && window_addr(page) < VMALLOC_END &&
	    !mmu_frame_in_use(PFN_PHYS(page_frame[page])))
		hosted_fatal("CPU %u held a translation of %#lx to frame %#x, which is free",
			     port_cpu_id(), window_addr(page), page_frame[page]);
	page_holders[page] &= (u8)~bit;
	unmap_locked(page);
}

void window_flush_page(unsigned long host_addr)
{
	if (!in_window(host_addr))
		return;
	lock_window();
	forget(window_page(host_addr));
	unlock_window();
}

void window_flush(bool global_too)
{
	size_t kept = 0;

	lock_window();
	for (size_t i = 0; i < nr_listed; i++) {
		size_t page = listed[i];

		if (global_too || !(page_state[page] & STATE_GLOBAL))
			forget(page);
		if (page_holders[page])
			listed[kept++] = (u32)page;
		else
			page_state[page] = 0;
	}
	nr_listed = kept;
	unlock_window();
}

void window_remap(void)
{
	unlock_window(); /* its holder may be a thread that was not copied by fork() */
	lock_window();
	for (size_t i = 0; i < nr_listed; i++)
		if (page_state[listed[i]] & STATE_MAPPED)
			map_locked(listed[i]);
	unlock_window();
}

/* ---- The handler --------------------------------------------------------------------------- */

static const char *what_lies_at(unsigned long addr)
{
	if (addr < PAGE_SIZE)
		return "a null pointer";
	if (addr >= PAGE_OFFSET && addr < VMALLOC_START)
		return "not RAM, or high memory, reached through the direct map";
	if (in_window(addr))
		return "an unmapped kernel address";
	if (addr >= HOSTED_RAM_WINDOW && addr < HOSTED_RAM_WINDOW + HOSTED_RAM_MAX)
		return "not RAM, reached by physical address";
	return "a wild host address";
}

static void check_progress(unsigned long addr)
{
	if (addr != last_fault)
		nr_refaults = 0;
	last_fault = addr;
	if (++nr_refaults > MAX_REFAULTS)
		hosted_fatal("the fault at %#lx comes back though do_page_fault() returned", addr);
}

/* Let the core explain the fault: a vmalloc area to sync, or a fixup to go on at. */
static void kernel_fault(ucontext_t *uc, unsigned long addr, bool write)
{
	greg_t *g = uc->uc_mcontext.gregs;
	struct hosted_pte_info pte = hosted_lookup_kernel((void *)addr);
	struct pt_regs regs = {
		.ip = (unsigned long)g[REG_RIP],
		.cs = KERNEL_CS,
		.ss = KERNEL_DS,
		.sp = (unsigned long)g[REG_RSP],
		.bp = (unsigned long)g[REG_RBP],
		.flags = port_irqs_enabled() ? X86_EFLAGS_IF : 0,
	};

	check_progress(addr);
	do_page_fault(&regs, (pte.present ? PF_PROT : 0) | (write ? PF_WRITE : 0),
		      kva_to_mmu(addr));
	g[REG_RIP] = (greg_t)regs.ip;
}

static void handle_segv(int signo, siginfo_t *info, void *context)
{
	unsigned long addr = (unsigned long)info->si_addr;
	ucontext_t *uc = context;
	bool write = uc->uc_mcontext.gregs[REG_ERR] & PF_WRITE;

	(void)signo;
	if (!hosted_this_cpu || !in_window(addr))
		hosted_fatal("kernel %s of %#lx: %s (ip %#lx)", write ? "write" : "read", addr,
			     what_lies_at(addr), (unsigned long)uc->uc_mcontext.gregs[REG_RIP]);
	if (!map_page(addr, write))
		kernel_fault(uc, addr, write);
}

static void *reserve(size_t bytes)
{
	long r = syscall(SYS_mmap, 0, bytes, HOST_PROT_READ | HOST_PROT_WRITE,
			 HOST_MAP_PRIVATE | HOST_MAP_ANONYMOUS | HOST_MAP_NORESERVE, -1, 0);

	if (r < 0 && r > -4096)
		hosted_fatal("hosted: cannot reserve %zu bytes", bytes);
	return (void *)r;
}

void window_init(void)
{
	struct sigaction action = {.sa_sigaction = handle_segv,
				   .sa_flags = SA_SIGINFO | SA_NODEFER};
	size_t pages = window_page(HOSTED_WINDOW_END);

	page_state = reserve(pages);
	page_holders = reserve(pages);
	page_frame = reserve(pages * sizeof(*page_frame));
	listed = reserve(pages * sizeof(*listed));
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}
