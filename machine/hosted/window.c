/* SPDX-License-Identifier: MIT */
/*
 * window.c: vmalloc, pkmap and fixmap addresses, through the host's own page tables.
 *
 * The core touches kernel mappings with plain C pointers, so the host's MMU has to do the
 * translation. The window from VMALLOC_START to HOSTED_WINDOW_END starts PROT_NONE. The
 * first touch of a page raises SIGSEGV; the handler walks the current CPU's tables as the
 * MMU would (setting accessed and dirty bits) and maps the frame of the memfd there. The
 * host's mapping then is the TLB entry: it stays, stale or not, until the core flushes.
 * A page whose entry allows no write, or is still clean, is mapped read-only, so that the
 * first write comes back here.
 *
 *	SIGSEGV at A -- A in the window? -- tables map it? -- map, return, retry
 *	                   | no                 | no
 *	                   |                do_page_fault(): vmalloc_fault or fixup; retry
 *	                   +-- direct map hole, high memory, anything else: the test ends
 *
 * One host address space serves all CPUs, so a kernel translation is shared: a flush by one
 * CPU is a flush for all, and a missing flush on one of several CPUs goes unseen here (user
 * addresses have a TLB per CPU in mmu.c). What cannot hide is that nobody flushed.
 *
 * window_lock orders walking and mapping against flushing: without it a handler could map
 * what it had read before another CPU changed the entry and flushed. Nothing under it
 * touches the window. page_state has one byte a page and page_frame the frame it shows;
 * mapped_list names the pages that may be mapped, so that flushing all costs what is mapped.
 */
#include "hosted_internal.h"

#include <asm/fault.h>
#include <asm/ptrace.h>

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "host_mmap.h"

#define STATE_MAPPED 1u
#define STATE_GLOBAL 2u
#define STATE_LISTED 4u
#define STATE_WRITABLE 8u
#define KERNEL_CS    0x10
#define KERNEL_SS    0x18
#define MAX_REFAULTS 16 /* of one address in a row, before we call it a livelock */

static u8 *page_state;	  /* by window page */
static u32 *page_frame;	  /* by window page, meaningful with STATE_MAPPED */
static u32 *mapped_list;  /* pages with STATE_LISTED */
static size_t nr_listed;
static int window_locked;

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
}

/* Map the page as the tables say; false if they do not allow the access. */
static bool map_page(unsigned long addr, bool write)
{
	struct tlb_entry e;
	size_t page = window_page(addr);
	bool ok;

	lock_window();
	ok = mmu_walk_kernel(this_cpu()->mmu.root, kva_to_mmu(addr), write, &e);
	if (ok) {
		if (!ram_is_valid(e.pa))
			hosted_fatal("kernel mapping of %#lx leads outside of RAM, to %#llx", addr,
				     (unsigned long long)e.pa);
		if (!(page_state[page] & STATE_LISTED))
			mapped_list[nr_listed++] = (u32)page;
		page_state[page] = (u8)(STATE_LISTED | STATE_MAPPED | (e.global ? STATE_GLOBAL : 0) |
					(e.write && e.dirty ? STATE_WRITABLE : 0));
		page_frame[page] = (u32)PHYS_PFN(e.pa);
		map_locked(page);
	}
	unlock_window();
	return ok;
}

static void unmap_locked(size_t page)
{
	if (page_state[page] & STATE_MAPPED)
		ram_unmap(window_addr(page), PAGE_SIZE);
	page_state[page] &= STATE_LISTED;
}

void window_flush_page(unsigned long host_addr)
{
	if (!in_window(host_addr))
		return;
	lock_window();
	unmap_locked(window_page(host_addr));
	unlock_window();
}

void window_flush(bool global_too)
{
	size_t kept = 0;

	lock_window();
	for (size_t i = 0; i < nr_listed; i++) {
		size_t page = mapped_list[i];

		if (global_too || !(page_state[page] & STATE_GLOBAL)) {
			unmap_locked(page);
			page_state[page] = 0;
		} else {
			mapped_list[kept++] = (u32)page;
		}
	}
	nr_listed = kept;
	unlock_window();
}

void window_remap(void)
{
	unlock_window(); /* a thread that is no more may have held it */
	lock_window();
	for (size_t i = 0; i < nr_listed; i++)
		if (page_state[mapped_list[i]] & STATE_MAPPED)
			map_locked(mapped_list[i]);
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
		.ip = (unsigned long)g[REG_RIP], .cs = KERNEL_CS, .ss = KERNEL_SS,
		.sp = (unsigned long)g[REG_RSP], .bp = (unsigned long)g[REG_RBP],
		.flags = port_irqs_enabled() ? X86_EFLAGS_IF : 0,
	};

	check_progress(addr);
	do_page_fault(&regs, (pte.present ? PF_PROT : 0) | (write ? PF_WRITE : 0), kva_to_mmu(addr));
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
	struct sigaction action = { .sa_sigaction = handle_segv, .sa_flags = SA_SIGINFO | SA_NODEFER };
	size_t pages = window_page(HOSTED_WINDOW_END);

	page_state = reserve(pages);
	page_frame = reserve(pages * sizeof(*page_frame));
	mapped_list = reserve(pages * sizeof(*mapped_list));
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}
