/* SPDX-License-Identifier: MIT */
/*
 * account.h: what address spaces may have, and what they were promised: limits, locked and
 * committed memory (mmap.c). For the files of space/, and for owners of shared memory.
 *
 * mmap_lock is held for write where an mm is changed.
 */
#pragma once

#include <pagoda/mm.h>

static inline unsigned long rlimit(unsigned int limit)
{
	const struct rlimit *r = current_vm->rlim;

	return r ? READ_ONCE(r[limit].rlim_cur) : RLIM_INFINITY;
}

/* pages may be negative (as unsigned). */
void vm_stat_account(struct mm_struct *mm, unsigned long flags, long pages);
bool may_expand_vm(const struct mm_struct *mm, unsigned long flags, unsigned long pages);
/* 0, or -EAGAIN if len more locked bytes exceed RLIMIT_MEMLOCK. */
int mlock_future_check(const struct mm_struct *mm, unsigned long flags, unsigned long len);
bool can_do_mlock(void);
/* Reserve pages against memory and swap; -ENOMEM. Undone by vm_unacct_memory(). */
int vm_enough_memory(unsigned long pages) __must_check;
void vm_unacct_memory(unsigned long pages);
bool accountable_mapping(const struct vm_file *file, unsigned long flags);
