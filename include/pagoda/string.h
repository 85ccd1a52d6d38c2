/* SPDX-License-Identifier: MIT */
/*
 * string.h: the memory, string and print routines a freestanding build needs (lib/string.c,
 * lib/vsprintf.c).
 */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

/* As in C and POSIX. */
void *memset(void *dst, int c, size_t n);
void *memcpy(void *__restrict dst, const void *__restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t n);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
#ifndef __cplusplus /* C++ has two of each, for const and other text: <cstring> */
void *memchr(const void *s, int c, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *haystack, const char *needle);
#endif
/* Copies at most size-1 bytes, always terminates; returns strlen(src). */
size_t pagoda_strlcpy(char *dst, const char *src, size_t size);
/*
 * As C's: %d %i %u %x %X %o %c %s %p %% with flags 0 - + space #, width, precision (also *), hh h l
 * ll z j t.
 */
int pagoda_vsnprintf(char *buf, size_t size, const char *fmt, va_list args);
int pagoda_snprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);

PAGODA_C_END
