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

long sys_futex(unsigned long uaddr, unsigned long op, unsigned long val, unsigned long utime,
	       unsigned long uaddr2, unsigned long val3);
long sys_futex_waitv(unsigned long uwaiters, unsigned long nr, unsigned long flags,
		     unsigned long utime, unsigned long clock);
long sys_set_robust_list(unsigned long head, unsigned long len);
long sys_get_robust_list(unsigned long pid, unsigned long uhead, unsigned long ulen);
