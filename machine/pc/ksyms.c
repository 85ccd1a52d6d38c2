/* SPDX-License-Identifier: MIT */
/*
 * ksyms.c: names for code addresses, in panics.
 *
 * The build links the kernel twice: ksyms.py turns the first link's symbols into the
 * table that the second one carries, in the section .ksyms at the image's very end,
 * where its growth moves no code. Sorted by offset from _text; looked up by bisection.
 */
#include "pc.h"

static bool is_code(unsigned long addr)
{
	return (addr >= (unsigned long)_text && addr < (unsigned long)_etext) ||
	       (addr >= (unsigned long)__init_begin && addr < (unsigned long)__init_text_end);
}

const char *machine_symbol(unsigned long addr, unsigned long *offset)
{
	unsigned long text = (unsigned long)_text;
	u32 low = 0, high = ksyms_count;

	if (!is_code(addr) || high == 0)
		return NULL;
	while (high - low > 1) {
		u32 middle = low + (high - low) / 2;

		if (ksyms_offsets[middle] <= addr - text)
			low = middle;
		else
			high = middle;
	}
	*offset = addr - text - ksyms_offsets[low];
	return ksyms_strings + ksyms_names[low];
}
