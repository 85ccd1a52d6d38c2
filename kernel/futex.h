/* SPDX-License-Identifier: MIT */
/* futex.h: waiting on words of user memory (kernel/futex.c). */
#pragma once

struct task_struct;

/* A thread ends: robust list, clear_child_tid. Its address space is still there. May sleep. */
void futex_exit(struct task_struct *t);
void futex_init(void);

long sys_futex(unsigned long uaddr, unsigned long op, unsigned long val, unsigned long utime,
	       unsigned long uaddr2, unsigned long val3);
long sys_futex_waitv(unsigned long uwaiters, unsigned long nr, unsigned long flags, unsigned long utime,
		     unsigned long clock);
long sys_set_robust_list(unsigned long head, unsigned long len);
long sys_get_robust_list(unsigned long pid, unsigned long uhead, unsigned long ulen);
