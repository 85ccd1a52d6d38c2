// SPDX-License-Identifier: MIT
/*
 * spaces.c: tier 3 of the null port: a user half that only the port itself touches.
 *
 * There is no user mode: null_touch() is an access of it. It looks into the page tables of the
 * current task as an MMU would, and calls do_page_fault() where it finds nothing, or no right. The
 * copy routines make their accesses in the same way, so that a fault that cannot be served ends in
 * port_fault_signal() and ends the copy.
 *
 * Failure: an access that the core refuses; the signal stays with the task, for the test to look at
 * (tasks.c).
 */
#include <machine/null.h>

#include <pagoda/bug.h>
#include <pagoda/mm.h>
#include <asm/fault.h>
#include <asm/pgtable.h>
#include <asm/ptrace.h>
#include <asm/segment.h>

#include "host.h"

/* The byte of RAM behind a user address, or NULL if the tables give no such right. */
static char *translate(unsigned long addr, bool write)
{
	pmd_t *pmd = walk_to_pmd(null_task->mm, addr);
	pte_t *ptep, pte;

	if (!pmd || pmd_none(pmdp_get(pmd)))
		return NULL;
	ptep = pte_offset(pmd, addr);
	pte = ptep_get(ptep);
	if (!pte_present(pte) || !pte_accessible(pte) || (write && !pte_write(pte)))
		return NULL;
	/* As an MMU does. Nobody else changes the entry meanwhile: there is one CPU. */
	set_pte(ptep, write ? pte_mkdirty(pte_mkyoung(pte)) : pte_mkyoung(pte));
	return (char *)__va(PFN_PHYS(pte_pfn(pte))) + (addr & ~PAGE_MASK);
}

static void fault(unsigned long addr, bool write)
{
	struct pt_regs regs = {.cs = USER_CS, .sp = addr};

	do_page_fault(&regs, PF_USER | (write ? PF_WRITE : 0), addr);
}

char *null_touch(unsigned long addr, bool write)
{
	char *byte;

	(void)null_take_signal();
	while (!(byte = translate(addr, write)) && !null_signal())
		fault(addr, write);
	return byte;
}

/* ---- Copies to and from user memory --------------------------------------------------- */

/* Call move for each page's part of [addr, addr + n); returns the bytes it was not called for. */
static size_t for_user_bytes(unsigned long addr, size_t n, bool write,
			     void (*move)(char *user, void *kernel, size_t n), void *kernel)
{
	while (n) {
		size_t part = min(n, PAGE_SIZE - (addr & ~PAGE_MASK));
		char *user = null_touch(addr, write);

		if (!user)
			break;
		move(user, kernel, part);
		kernel = kernel ? (char *)kernel + part : NULL;
		addr += part;
		n -= part;
	}
	return n;
}

static void move_in(char *user, void *kernel, size_t n)
{
	memcpy(kernel, user, n);
}

static void move_out(char *user, void *kernel, size_t n)
{
	memcpy(user, kernel, n);
}

static void clear_out(char *user, void *kernel, size_t n)
{
	(void)kernel;
	memset(user, 0, n);
}

size_t port_copy_from_user(void *dst, unsigned long src, size_t n)
{
	return for_user_bytes(src, n, false, move_in, dst);
}

size_t port_copy_to_user(unsigned long dst, const void *src, size_t n)
{
	return for_user_bytes(dst, n, true, move_out, (void *)src);
}

size_t port_clear_user(unsigned long dst, size_t n)
{
	return for_user_bytes(dst, n, true, clear_out, NULL);
}

size_t port_strncpy_from_user(char *dst, unsigned long src, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *user = null_touch(src + i, false);

		if (!user)
			return 0;
		if (dst)
			dst[i] = *user;
		if (!*user)
			return i + 1;
	}
	return n + 1;
}

/* ---- Faults that cannot be served, and translations -------------------------------------- */

void port_fault_signal(struct pt_regs *regs, int signo, int si_code, unsigned long addr,
		       unsigned long error_code)
{
	(void)regs, (void)si_code, (void)addr, (void)error_code;
	null_set_signal(null_task, signo);
}

void port_send_signal(struct vm_task *task, int signo)
{
	null_set_signal(task, signo);
}

__noreturn void port_die(struct pt_regs *regs, const char *what, unsigned long addr,
			 unsigned long error_code)
{
	(void)regs, (void)error_code;
	panic("null port: %s at %#lx", what, addr);
}

void port_flush_tlb(void)
{
	/* null_touch() remembers no translation. */
}

void port_yield(void)
{
	null_yield();
}
