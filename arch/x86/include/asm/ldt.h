/* SPDX-License-Identifier: MIT */
/* ldt.h: segments of a process's own, and when a CPU loads their table (CS-11). */
#pragma once

#include <pagoda/mm_types.h>

PAGODA_C_BEGIN

struct tlb_state;

#define LDT_ENTRIES	8192
#define LDT_ENTRY_BYTES 8

/* The child's copy (fork). -ENOMEM: mm has none. May sleep. */
int ldt_dup(struct mm_struct *mm, struct mm_struct *oldmm) __must_check;
/* No CPU uses mm any more. */
void ldt_free(struct mm_struct *mm);
/* This CPU's table becomes mm's (NULL: none), unless it is that already. Interrupts off. */
void ldt_switch(struct tlb_state *state, struct mm_struct *mm);
/*
 * modify_ldt(2) for the current process, user pointer ptr; -errno or a number of bytes. May sleep.
 */
long modify_ldt(int func, unsigned long ptr, unsigned long bytes);

PAGODA_C_END
