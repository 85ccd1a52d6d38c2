// SPDX-License-Identifier: MIT
/*
 * extable.c: where kernel code goes on when its access to user memory faults
 * (thesis 9.4).
 *
 * Each access site that may fault puts a pair (instruction, fixup) into the table,
 * which the machine's linker script (or an array) bounds. The table is small and
 * misses are bugs, so one linear pass is enough; nothing is sorted at boot.
 *
 * No locks: the table is constant.
 */
#include <asm/fault.h>
#include <asm/ptrace.h>
#include <stddef.h>

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

_Bool fixup_exception(struct pt_regs *regs)
{
	const struct exception_table_entry *e = search_exception_table(regs->ip);

	if (e)
		regs->ip = e->fixup;
	return e;
}
