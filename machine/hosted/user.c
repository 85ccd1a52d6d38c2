/* SPDX-License-Identifier: MIT */
/*
 * user.c: accesses to user memory, by simulated programs and by the kernel's user copies.
 *
 * Both go page by page through mmu_translate(); a fault is handed to do_page_fault() with
 * the error code the MMU found and registers as a trap would push them, then the access is
 * tried again, as an instruction would be. Between translating and touching the memory no
 * interrupt is taken, so a CPU that has acknowledged a TLB flush has no access in flight.
 *
 *	programs	user mode. A fault that left a signal with the task ends the access.
 *	user copies	kernel mode, at an "instruction" with an exception-table entry. A
 *			fault that changed regs->ip was fixed up: the copy stops there.
 *
 * The exception table is real: one entry for each copy routine, made of labels that no
 * code stands at, in order of their addresses.
 */
#include "hosted_internal.h"

#include <asm/fault.h>
#include <asm/ptrace.h>
#include <asm/segment.h>
#include <pagoda/errno.h>

#include <string.h>

#include "raw.h"

#define USER_IP	  0x400000ul /* where all simulated programs seem to be */
#define EFLAGS_AC 0x40000ul  /* user copies run with it set, as behind STAC */
#define MAX_TRIES 10000	     /* faults on one byte before we call it a livelock */

/* ---- The exception table ------------------------------------------------------------- */

#define COPY_ROUTINES(X) X(copy_from_user) X(copy_to_user) X(clear_user) X(strncpy) X(cmpxchg)

#define X(name)                                                         \
	extern const char hosted_insn_##name[], hosted_fixup_##name[];  \
	__asm__(".pushsection .rodata\n"                                \
		"hosted_insn_" #name ": .byte 0\n"                      \
		"hosted_fixup_" #name ": .byte 0\n"                     \
		".popsection\n"                                         \
		".pushsection __ex_table, \"aw\"\n"                     \
		".quad hosted_insn_" #name ", hosted_fixup_" #name "\n" \
		".popsection\n");
COPY_ROUTINES(X)
#undef X

/* ---- Page by page ------------------------------------------------------------------------ */

/* How an access looks to a fault handler. */
struct access_context {
	enum mmu_access access;
	const char *insn; /* NULL: user mode */
};

static size_t to_page_end(unsigned long addr, size_t n)
{
	return min(n, (size_t)(PAGE_SIZE - (addr & ~PAGE_MASK)));
}

static unsigned long nr_posted(struct hosted_task *task)
{
	unsigned long n;

	pthread_mutex_lock(&sched_lock);
	n = task->signals_posted;
	pthread_mutex_unlock(&sched_lock);
	return n;
}

/* A trap into the kernel and back. False if the access is over: a signal, or the fixup taken. */
static bool serve_fault(const struct access_context *ctx, unsigned long addr,
			unsigned long error_code)
{
	struct hosted_task *task = hosted_current();
	unsigned long signals = nr_posted(task);
	struct pt_regs regs = {
		.ip = ctx->insn ? (unsigned long)ctx->insn : USER_IP,
		.cs = ctx->insn ? KERNEL_CS : USER_CS,
		.ss = ctx->insn ? KERNEL_DS : USER_DS,
		.sp = task->user_sp,
		.orig_ax = error_code,
		.flags = (port_irqs_enabled() ? X86_EFLAGS_IF : 0) | (ctx->insn ? EFLAGS_AC : 0),
	};
	unsigned long ip = regs.ip;

	if (!ctx->insn)
		task->traps++;
	port_interleave();
	do_page_fault(&regs, error_code, addr);
	return regs.ip == ip && nr_posted(task) == signals;
}

/*
 * The host address of the user byte at addr, all of its page being good for the access; NULL:
 * fault.
 */
static void *reach(const struct access_context *ctx, unsigned long addr)
{
	unsigned long error_code;
	phys_addr_t pa;
	void *at;

	for (unsigned int tries = 0; tries < MAX_TRIES; tries++) {
		hosted_poll();
		port_interleave();
		if (!ctx->insn)
			user_tick(); /* a kernel in the middle of a copy is not preempted */
		if (!mmu_translate(addr, ctx->access, !ctx->insn, &pa, &error_code)) {
			at = hosted_phys(pa);
			if (!at)
				hosted_fatal("user page at %#lx leads outside of RAM, to %#llx",
					     addr, (unsigned long long)pa);
			return at;
		}
		if (!serve_fault(ctx, addr, error_code))
			return NULL;
	}
	hosted_fatal("the fault at %#lx (error code %#lx) comes back for ever", addr, error_code);
}

/* Copy between buf and user memory; bytes not done. */
static size_t copy_pages(const struct access_context *ctx, unsigned long addr, void *buf, size_t n)
{
	while (n) {
		size_t chunk = to_page_end(addr, n);
		void *at = reach(ctx, addr);

		if (!at)
			break;
		if (ctx->access == MMU_WRITE)
			raw_copy(at, buf, chunk);
		else
			raw_copy(buf, at, chunk);
		addr += chunk;
		buf = (char *)buf + chunk;
		n -= chunk;
	}
	return n;
}

static size_t fill_pages(const struct access_context *ctx, unsigned long addr, int byte, size_t n)
{
	while (n) {
		size_t chunk = to_page_end(addr, n);
		void *at = reach(ctx, addr);

		if (!at)
			break;
		raw_fill(at, byte, chunk);
		addr += chunk;
		n -= chunk;
	}
	return n;
}

/* ---- port.h: user copies ------------------------------------------------------------------- */

size_t port_copy_from_user(void *dst, unsigned long src, size_t n)
{
	return copy_pages(&(struct access_context){MMU_READ, hosted_insn_copy_from_user}, src, dst,
			  n);
}

size_t port_copy_to_user(unsigned long dst, const void *src, size_t n)
{
	return copy_pages(&(struct access_context){MMU_WRITE, hosted_insn_copy_to_user}, dst,
			  (void *)(uintptr_t)src, n);
}

size_t port_clear_user(unsigned long dst, size_t n)
{
	return fill_pages(&(struct access_context){MMU_WRITE, hosted_insn_clear_user}, dst, 0, n);
}

size_t port_strncpy_from_user(char *dst, unsigned long src, size_t n)
{
	const struct access_context ctx = {MMU_READ, hosted_insn_strncpy};
	char chunk[256];
	size_t done = 0;

	while (done < n) {
		size_t len = min(to_page_end(src + done, n - done), sizeof(chunk));
		const char *end;

		if (copy_pages(&ctx, src + done, chunk, len))
			return 0;
		end = memchr(chunk, 0, len);
		if (end)
			len = (size_t)(end - chunk) + 1;
		if (dst)
			memcpy(dst + done, chunk, len);
		done += len;
		if (end)
			return done;
	}
	return n + 1;
}

int port_cmpxchg_user(unsigned long addr, u32 *old, u32 new)
{
	void *at = reach(&(struct access_context){MMU_WRITE, hosted_insn_cmpxchg}, addr);

	if (!at)
		return -EFAULT;
	raw_cmpxchg32(at, old, new);
	return 0;
}

/* ---- hosted.h: simulated programs ------------------------------------------------------------ */

static const struct access_context user_read = {MMU_READ, NULL};
static const struct access_context user_write = {MMU_WRITE, NULL};
static const struct access_context user_exec = {MMU_EXEC, NULL};

static void must_have_mm(void)
{
	if (!port_current()->mm)
		hosted_fatal("user access by a task without an address space");
}

bool hosted_user_read(unsigned long addr, void *buf, size_t n)
{
	must_have_mm();
	return copy_pages(&user_read, addr, buf, n) == 0;
}

bool hosted_user_write(unsigned long addr, const void *buf, size_t n)
{
	must_have_mm();
	return copy_pages(&user_write, addr, (void *)(uintptr_t)buf, n) == 0;
}

bool hosted_user_fill(unsigned long addr, int byte, size_t n)
{
	must_have_mm();
	return fill_pages(&user_write, addr, byte, n) == 0;
}

bool hosted_user_exec(unsigned long addr)
{
	must_have_mm();
	return reach(&user_exec, addr) != NULL;
}

void *hosted_user_reach(unsigned long addr, bool write)
{
	must_have_mm();
	return reach(write ? &user_write : &user_read, addr);
}

unsigned long hosted_nr_traps(void)
{
	return hosted_current()->traps;
}

static __noreturn void unexpected_signal(unsigned long addr)
{
	struct hosted_signal sig = hosted_signal();

	hosted_fatal("user access at %#lx: signal %d, code %d, address %#lx", addr, sig.signo,
		     sig.code, sig.addr);
}

static u64 read_value(unsigned long addr, size_t n)
{
	u64 value = 0;

	if (!hosted_user_read(addr, &value, n))
		unexpected_signal(addr);
	return value;
}

static void write_value(unsigned long addr, u64 value, size_t n)
{
	if (!hosted_user_write(addr, &value, n))
		unexpected_signal(addr);
}

u8 hosted_read8(unsigned long addr)
{
	return (u8)read_value(addr, 1);
}

u32 hosted_read32(unsigned long addr)
{
	return (u32)read_value(addr, 4);
}

u64 hosted_read64(unsigned long addr)
{
	return read_value(addr, 8);
}

void hosted_write8(unsigned long addr, u8 value)
{
	write_value(addr, value, 1);
}

void hosted_write32(unsigned long addr, u32 value)
{
	write_value(addr, value, 4);
}

void hosted_write64(unsigned long addr, u64 value)
{
	write_value(addr, value, 8);
}

u32 hosted_fetch_add32(unsigned long addr, u32 value)
{
	u32 *at, old = 0;

	must_have_mm();
	at = reach(&user_write, addr);
	if (!at)
		unexpected_signal(addr);
	while (!raw_cmpxchg32(at, &old, old + value))
		;
	return old;
}
