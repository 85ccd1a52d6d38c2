/* SPDX-License-Identifier: MIT */
/* futex.h: waiting on words of user memory (kernel/futex.c), robust lists (kernel/robust.c). */
#pragma once

#include <pagoda/types.h>

#define FUTEX_BITSET_ALL 0xffffffffu /* wake whoever waits there */

struct task_struct;

/* A thread ends: robust list, clear_child_tid. Its address space is still there. May sleep. */
void futex_exit(struct task_struct *t);
void futex_init(void);
/*
 * Wake up to nr waiters (at least one) on the word at uaddr of the current address space whose
 * bitset meets this one. How many, or -EINVAL (no bits, not aligned), -EFAULT (not private, and no
 * page). May sleep.
 */
long futex_wake(unsigned long uaddr, bool private, int nr, u32 bitset);
