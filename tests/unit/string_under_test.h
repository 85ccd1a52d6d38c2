/* SPDX-License-Identifier: MIT */
/* string_under_test.h: lib/string.c as the hosted build compiles it, beside the C library's. */
#pragma once

#include <pagoda/types.h>

int pagoda_memcmp(const void *a, const void *b, size_t n);
void *pagoda_memchr(const void *s, int c, size_t n);
size_t pagoda_strlen(const char *s);
size_t pagoda_strnlen(const char *s, size_t n);
int pagoda_strcmp(const char *a, const char *b);
int pagoda_strncmp(const char *a, const char *b, size_t n);
char *pagoda_strchr(const char *s, int c);
char *pagoda_strrchr(const char *s, int c);
char *pagoda_strstr(const char *haystack, const char *needle);
