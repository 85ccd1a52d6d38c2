/* SPDX-License-Identifier: MIT */
/*
 * fault_trace.h: the three questions that a page fault answers before any work is done (Kernel
 * Architecture 4.10): is the address one that user code may use; does a mapping exist; which
 * mechanism supplies the data. The boot option fault_trace prints a line for every fault.
 */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

enum fault_mechanism {
	FAULT_BY_NOBODY,    /* refused: a signal, a fixup, or a panic of the kernel */
	FAULT_BY_ANONYMOUS, /* the zero page or a new page */
	FAULT_BY_OBJECT,    /* the object's page, or a copy of it */
	FAULT_BY_SWAP,	    /* the slot's contents */
	FAULT_BY_COPY,	    /* a store to a write-protected page */
	FAULT_BY_ENTRY,	    /* the page-table entry allows the access, since another task's fault */
	FAULT_BY_KERNEL_TABLE, /* the reference tables have it */
	NR_FAULT_MECHANISMS
};

struct fault_answers {
	unsigned long address;
	bool write;
	bool kernel_area;	  /* question 1: the address is in the kernel's half */
	unsigned long start, end; /* question 2: the region; end 0: there is none */
	enum fault_mechanism by;  /* question 3 */
};

/*
 * Called for every fault before it is served, unless NULL. May be called with mmap_lock held; must
 * not sleep.
 */
extern void (*fault_trace)(const struct fault_answers *answers);

/* Print the answers as one line of text without the newline. Context: any. Return: its length. */
int format_fault_answers(char *buf, size_t size, const struct fault_answers *answers);

/* Read the boot option fault_trace and set the function above. Context: boot, once. */
void fault_trace_init(void);

PAGODA_C_END
