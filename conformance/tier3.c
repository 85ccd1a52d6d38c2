/* SPDX-License-Identifier: MIT */
/*
 * tier3.c: address spaces: copies of user memory, flushes of user translations, signals.
 *
 * The calling thread takes an address space for each test of user memory, is the program and the
 * kernel at once, and gives the address space up again. No other thread is needed.
 */
#include "suite.h"
#include "flush.h"
#include <pagoda/abi/signal.h>
#include <pagoda/errno.h>
#include <pagoda/mm.h>
#include <pagoda/string.h>
#include <asm/ptrace.h>

/* ---- Tasks ----------------------------------------------------------------------------------- */

static void running_task_has_its_values(void)
{
	const char *complaint;

	complaint = vm_task_complaint(port_current());
	EXPECT(!complaint, "the struct vm_task of the running task: %s", complaint);
}

static void yield_returns(void)
{
	port_yield();
	EXPECT(port_irqs_enabled(), "port_yield() leaves interrupts off");
}

/* ---- Translations and segments --------------------------------------------------------------- */

static void flush_nonglobal(void *at)
{
	(void)at;
	port_flush_tlb();
}

static void flush_tlb_forgets_nonglobal(void)
{
	EXPECT(conformance_read_after(flush_nonglobal, false) == SHOWN_SECOND,
	       "port_flush_tlb() does not forget a page that is not global");
}

static void load_ldt_takes_none(void)
{
	unsigned long flags = port_irq_save();
	bool off;

	port_load_ldt(NULL, 0);
	off = !port_irqs_enabled();
	port_irq_restore(flags);
	EXPECT(off, "port_load_ldt() turns interrupts on");
}

/* ---- User memory ---------------------------------------------------------------------------- */

#define USER_PROT  (PROT_READ | PROT_WRITE)
#define USER_FLAGS (MAP_PRIVATE | MAP_ANONYMOUS)

/* Call body with the address of two mapped pages; the page behind them is not mapped. */
static void run_in_address_space(void (*body)(unsigned long addr))
{
	unsigned long addr =
		do_mmap(current_vm->mm, NULL, 0, 3 * PAGE_SIZE, USER_PROT, USER_FLAGS, 0);

	EXPECT(!IS_ERR_VALUE(addr), "do_mmap() fails with %ld", (long)addr);
	EXPECT(do_munmap(current_vm->mm, addr + 2 * PAGE_SIZE, PAGE_SIZE) == 0,
	       "do_munmap() fails");
	body(addr);
}

static void in_address_space(void (*body)(unsigned long addr))
{
	struct mm_struct *mm;

	EXPECT(!port_current()->mm, "the suite is run by a task that has an mm");
	mm = mm_alloc();
	EXPECT(mm, "there is no memory for an address space");
	activate_mm(mm);
	run_in_address_space(body);
	exit_mm();
}

static void copy_both_ways(unsigned long addr)
{
	char out[100], in[100];

	for (unsigned int i = 0; i < sizeof(out); i++)
		out[i] = (char)(i + 1);
	EXPECT(port_copy_to_user(addr + PAGE_SIZE - 50, out, sizeof(out)) == 0,
	       "port_copy_to_user() of what can be written does not return 0");
	EXPECT(port_copy_from_user(in, addr + PAGE_SIZE - 50, sizeof(in)) == 0,
	       "port_copy_from_user() of what can be read does not return 0");
	EXPECT(memcmp(in, out, sizeof(in)) == 0, "port_copy_from_user() reads back something else");
	EXPECT(port_clear_user(addr + PAGE_SIZE - 50, 60) == 0,
	       "port_clear_user() of what can be written does not return 0");
	EXPECT(port_copy_from_user(in, addr + PAGE_SIZE - 50, sizeof(in)) == 0 && !in[0] &&
		       !in[59] && in[60] == 61,
	       "port_clear_user() does not clear exactly the bytes asked for");
}

static void copy_past_the_end(unsigned long addr)
{
	unsigned long end = addr + 2 * PAGE_SIZE;
	size_t left;
	char bytes[100] = {0};

	left = port_copy_to_user(end - 60, bytes, sizeof(bytes));
	EXPECT(left == 40,
	       "port_copy_to_user() that stops after 60 of 100 bytes returns %zu, not 40", left);
	left = port_copy_from_user(bytes, end - 7, sizeof(bytes));
	EXPECT(left == 93,
	       "port_copy_from_user() that stops after 7 of 100 bytes returns %zu, not 93", left);
	left = port_clear_user(end - 10, 11);
	EXPECT(left == 1, "port_clear_user() that stops after 10 of 11 bytes returns %zu, not 1",
	       left);
	left = port_copy_to_user(end, bytes, 1);
	EXPECT(left == 1, "port_copy_to_user() to nowhere returns %zu, not 1", left);
	left = port_copy_from_user(bytes, end, 8);
	EXPECT(left == 8, "port_copy_from_user() from nowhere returns %zu, not 8", left);
}

static void copy_strings(unsigned long addr)
{
	unsigned long at = addr + PAGE_SIZE - 3, end = addr + 2 * PAGE_SIZE;
	char buf[64] = "";
	size_t n;

	EXPECT(port_copy_to_user(at, "hello", 6) == 0,
	       "port_copy_to_user() of what can be written does not return 0");
	n = port_strncpy_from_user(buf, at, sizeof(buf));
	EXPECT(n == 6,
	       "port_strncpy_from_user() of \"hello\" returns %zu, not 6: the terminator counts",
	       n);
	EXPECT(strcmp(buf, "hello") == 0, "port_strncpy_from_user() does not copy the string");
	n = port_strncpy_from_user(NULL, at, sizeof(buf));
	EXPECT(n == 6, "port_strncpy_from_user() without a buffer returns %zu, not 6", n);
	n = port_strncpy_from_user(buf, at, 5);
	EXPECT(n > 5,
	       "port_strncpy_from_user() without a terminator in 5 bytes returns %zu, not more "
	       "than 5",
	       n);
	EXPECT(port_copy_to_user(end - 4, "abcd", 4) == 0,
	       "port_copy_to_user() of what can be written does not return 0");
	n = port_strncpy_from_user(buf, end - 4, sizeof(buf));
	EXPECT(n == 0, "port_strncpy_from_user() that faults returns %zu, not 0", n);
	n = port_strncpy_from_user(buf, end, 1);
	EXPECT(n == 0, "port_strncpy_from_user() that faults returns %zu, not 0", n);
}

static void exchange_words(unsigned long addr)
{
	u32 old = 0, found = 0;
	int err;

	EXPECT(port_cmpxchg_user(addr, &old, 5) == 0,
	       "port_cmpxchg_user() of a word does not return 0");
	EXPECT(old == 0, "port_cmpxchg_user() of a word that is 0 reports %u", old);
	old = 3;
	EXPECT(port_cmpxchg_user(addr, &old, 9) == 0,
	       "port_cmpxchg_user() of another value does not return 0");
	EXPECT(old == 5, "port_cmpxchg_user() of a word that is 5 reports %u", old);
	EXPECT(port_copy_from_user(&found, addr, sizeof(found)) == 0 && found == 5,
	       "port_cmpxchg_user() writes though the old value is another");
	err = port_cmpxchg_user(addr + 2 * PAGE_SIZE, &old, 1);
	EXPECT(err == -EFAULT, "port_cmpxchg_user() that faults returns %d, not -EFAULT", err);
}

static void copy_with_faults_disabled(unsigned long addr)
{
	size_t absent, present;
	char c = 1;

	port_current()->pagefault_disabled++;
	absent = port_copy_to_user(addr, &c, 1);
	port_current()->pagefault_disabled--;
	EXPECT(absent == 1, "a copy to an absent page with page faults disabled returns %zu, not 1",
	       absent);
	EXPECT(port_copy_to_user(addr, &c, 1) == 0,
	       "port_copy_to_user() of what can be written does not return 0");
	port_current()->pagefault_disabled++;
	present = port_copy_to_user(addr, &c, 1);
	port_current()->pagefault_disabled--;
	EXPECT(present == 0,
	       "a copy to a present page with page faults disabled returns %zu, not 0", present);
}

/* Copy-on-write of the kernel's own writes depends on CR0.WP. */
static void copy_to_read_only(unsigned long addr)
{
	char c = 1;

	EXPECT(port_copy_to_user(addr, &c, 1) == 0,
	       "port_copy_to_user() of what can be written does not return 0");
	EXPECT(do_mprotect(current_vm->mm, addr, PAGE_SIZE, PROT_READ) == 0, "do_mprotect() fails");
	EXPECT(port_copy_to_user(addr, &c, 1) == 1,
	       "port_copy_to_user() writes to a read-only page");
	EXPECT(port_copy_from_user(&c, addr, 1) == 0,
	       "port_copy_from_user() of what can be read does not return 0");
}

static void user_copies_return_zero(void)
{
	in_address_space(copy_both_ways);
}

static void user_copies_count_to_the_byte(void)
{
	in_address_space(copy_past_the_end);
}

static void strncpy_from_user_counts(void)
{
	in_address_space(copy_strings);
}

static void cmpxchg_user_tells_the_old_value(void)
{
	in_address_space(exchange_words);
}

static void user_copies_fail_with_faults_disabled(void)
{
	in_address_space(copy_with_faults_disabled);
}

static void user_copies_obey_protection(void)
{
	in_address_space(copy_to_read_only);
}

/* ---- Signals --------------------------------------------------------------------------------- */

static void take_fault_signal(unsigned long addr)
{
	struct pt_regs regs;

	memset(&regs, 0, sizeof(regs));
	port_fault_signal(&regs, SIGSEGV, SEGV_MAPERR, addr + 2 * PAGE_SIZE, 0);
	EXPECT(port_irqs_enabled(), "port_fault_signal() leaves interrupts off");
}

/* The signal is taken on the way back to user mode, which the suite's thread does not go. */
static void fault_signal_returns(void)
{
	in_address_space(take_fault_signal);
}

void pagoda_conformance_die(void)
{
	struct pt_regs regs;

	memset(&regs, 0, sizeof(regs));
	port_die(&regs, "conformance: port_die() was called", 0, 0);
}

static const struct conformance_test tests[] = {
	{"running_task_has_its_values", running_task_has_its_values, 0, false},
	{"yield_returns", yield_returns, 0, true},
	{"flush_tlb_forgets_nonglobal", flush_tlb_forgets_nonglobal, 0, true},
	{"load_ldt_takes_none", load_ldt_takes_none, 0, false},
	{"user_copies_return_zero", user_copies_return_zero, 0, true},
	{"user_copies_count_to_the_byte", user_copies_count_to_the_byte, 0, true},
	{"strncpy_from_user_counts", strncpy_from_user_counts, 0, true},
	{"cmpxchg_user_tells_the_old_value", cmpxchg_user_tells_the_old_value, 0, true},
	{"user_copies_fail_with_faults_disabled", user_copies_fail_with_faults_disabled, 0, true},
	{"user_copies_obey_protection", user_copies_obey_protection, 0, true},
	{"fault_signal_returns", fault_signal_returns, 0, true},
};
CONFORMANCE_SUITE(3, tests);
