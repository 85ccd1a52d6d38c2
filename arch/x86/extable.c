// SPDX-License-Identifier: MIT
/*
 * extable.c: where kernel code goes on when its access to user memory faults
 * (thesis 9.4).
 *
 * Each instruction that may fault on user memory has a pair (instruction, fixup) in the table,
 * whose bounds the machine's linker script (or an array) sets. The table is small, and it is
 * searched only when an access fails or the kernel has a bug. So a linear search is enough, and
 * nothing is sorted at boot.
 *
 * No locks: the table is constant.
 */
#include <asm/fault.h>
#include <asm/ptrace.h>
#include <stddef.h>

/* The entry for ip between first and end, or NULL. */
static const struct exception_table_entry *
search_one_table(const struct exception_table_entry *first, const struct exception_table_entry *end,
		 unsigned long ip)
{
	for (; first < end; first++)
		if (first->insn == ip)
			return first;
	return NULL;
}

const struct exception_table_entry *search_exception_table(unsigned long ip)
{
	return search_one_table(__start___ex_table, __stop___ex_table, ip);
}

/*
 * Only the instruction pointer changes: the fixup finds in the registers how far the copy has come.
 */
_Bool fixup_exception(struct pt_regs *regs)
{
	const struct exception_table_entry *e = search_exception_table(regs->ip);

	if (e)
		regs->ip = e->fixup;
	return e;
}
