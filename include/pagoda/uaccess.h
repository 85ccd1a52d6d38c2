/* SPDX-License-Identifier: MIT */
/* uaccess.h: copies between kernel and user memory (thesis 9.4, 9.6). All may sleep. */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

/* Does [addr, addr + n) lie in the user half? The only check made before a copy (AS-04). */
bool access_ok(unsigned long addr, size_t n);

/* Bytes NOT copied. copy_from_user zero-fills what it could not read (FT-62). */
size_t copy_from_user(void *to, unsigned long from, size_t n) __must_check;
size_t copy_to_user(unsigned long to, const void *from, size_t n) __must_check;
size_t clear_user(unsigned long to, size_t n) __must_check;

/* Length without the terminator; n if there is none within n bytes; -EFAULT. (FT-65) */
long strncpy_from_user(char *dst, unsigned long src, size_t n) __must_check;
/* Length with the terminator; above n: none within n bytes; 0: fault. */
long strnlen_user(unsigned long src, size_t n) __must_check;

/* 0 or -EFAULT; x is an lvalue of 1, 2, 4 or 8 bytes. (FT-64) */
#define get_user(x, addr) (copy_from_user(&(x), (unsigned long)(addr), sizeof(x)) ? -14 : 0)
#define put_user(x, addr)                                                           \
	({                                                                          \
		__typeof__(x) val_ = (x);                                           \
		copy_to_user((unsigned long)(addr), &val_, sizeof(val_)) ? -14 : 0; \
	})

PAGODA_C_END
