/* SPDX-License-Identifier: MIT */
/* uaccess.h: copies between kernel and user memory (thesis 9.4, 9.6). All may sleep. */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

/*
 * Is [addr, addr + n), n in bytes, within user space? The only check made before a copy (AS-04).
 * Context: any. Return: true if it is.
 */
bool access_ok(unsigned long addr, size_t n);

/*
 * Copy n bytes from user memory; what could not be read is filled with zeros (FT-62).
 * Context: may sleep. Locks: no spinlocks, not the task's mmap_lock (a fault takes it).
 * Return: bytes that were not copied, 0 if all were.
 */
size_t copy_from_user(void *to, unsigned long from, size_t n) __must_check;
/* Copy n bytes to user memory. Context, Locks, Return: likewise. */
size_t copy_to_user(unsigned long to, const void *from, size_t n) __must_check;
/* Fill n bytes of user memory with zeros. Context, Locks, Return: likewise. */
size_t clear_user(unsigned long to, size_t n) __must_check;

/*
 * Copy a string of at most n bytes from user memory. (FT-65) Context, Locks: as copy_from_user().
 * Return: its length without the terminator; n if there is none within n bytes; -EFAULT.
 */
long strncpy_from_user(char *dst, unsigned long src, size_t n) __must_check;
/*
 * Measure a string in user memory. Context, Locks: as copy_from_user().
 * Return: its length with the terminator; more than n: there is none within n bytes; 0: a fault.
 */
long strnlen_user(unsigned long src, size_t n) __must_check;

/* 0 or -EFAULT; x is an lvalue of 1, 2, 4 or 8 bytes. (FT-64) */
#define get_user(x, addr) (copy_from_user(&(x), (unsigned long)(addr), sizeof(x)) ? -14 : 0)
#define put_user(x, addr)                                                           \
	({                                                                          \
		__typeof__(x) val_ = (x);                                           \
		copy_to_user((unsigned long)(addr), &val_, sizeof(val_)) ? -14 : 0; \
	})

PAGODA_C_END
