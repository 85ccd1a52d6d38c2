/* SPDX-License-Identifier: MIT */
/*
 * test_lib.c: printing against the C library's, bitmaps against a plain array.
 */
#include "harness.h"
#include "string_under_test.h"

#include <lib/bitmap.h>
#include <lib/index_set.h>
#include <pagoda/string.h>

#include <stdio.h>

#define SAME(...)                                                            \
	do {                                                                 \
		char ours_[200], libc_[200];                                 \
		int n_ = pagoda_snprintf(ours_, sizeof(ours_), __VA_ARGS__); \
		CHECK_EQ(snprintf(libc_, sizeof(libc_), __VA_ARGS__), n_);   \
		CHECK_STR(ours_, libc_);                                     \
	} while (0)

PAGODA_TEST_CONFIG(printing_is_c_s, "XC-01", .no_mm_boot = true)
{
	SAME("plain %% text");
	SAME("%d %i %u %x %X %o", -5, 7, 4000000000u, 0xbeef, 0xBEEF, 0755);
	SAME("[%5d] [%-5d] [%05d] [%+d] [% d]", 42, 42, 42, 42, 42);
	SAME("[%5d] [%-5d] [%05d] [%.4d] [%7.4d]", -42, -42, -42, -42, -42);
	SAME("[%#x] [%#X] [%#o] [%#x] [%#010x]", 255, 255, 8, 0, 255);
	SAME("[%.0d] [%.0d]", 0, 1);
	SAME("%ld %lu %lld %llx %zu", -1l, ~0ul, -9223372036854775807ll - 1, 0x123456789abcdefull,
	     (size_t)12345);
	SAME("%hd %hhd %hu %hhu", (short)-3, (signed char)-4, (unsigned short)65535,
	     (unsigned char)255);
	SAME("[%s] [%10s] [%-10s] [%.2s] [%*.*s]", "abc", "abc", "abc", "abc", 6, 1, "abc");
	SAME("%c%c%3c%-3c|", 'a', 'b', 'c', 'd');
	SAME("%p", (void *)0x1234);
	SAME("[%*d] [%-*d]", -6, 5, 6, 5);
}

PAGODA_TEST_CONFIG(output_is_cut_to_the_buffer, "XC-01", .no_mm_boot = true)
{
	char buf[6] = "?????";

	CHECK_EQ(pagoda_snprintf(buf, 4, "%d", 123456), 6);
	CHECK_STR(buf, "123");
	CHECK_EQ(pagoda_snprintf(NULL, 0, "abc"), 3);
	CHECK_EQ(pagoda_strlcpy(buf, "abcdefg", sizeof(buf)), 7);
	CHECK_STR(buf, "abcde");
	CHECK_EQ(pagoda_strlcpy(buf, "x", sizeof(buf)), 1);
	CHECK_STR(buf, "x");
}

#define BITS 300

PAGODA_TEST_CONFIG(bitmaps_agree_with_an_array, "BM-01 PA-11", .no_mm_boot = true)
{
	unsigned long map[BITS_TO_LONGS(BITS)] = {0};
	bool model[BITS] = {false};

	for (unsigned int round = 0; round < test_scale(20000); round++) {
		unsigned long start = test_random_below(BITS), end = start;
		unsigned long n = test_random_below(BITS - start + 1), ones = 0;
		bool value = test_random_below(2);

		(value ? bitmap_set : bitmap_clear)(map, start, n);
		for (unsigned long i = start; i < start + n; i++)
			model[i] = value;
		start = test_random_below(BITS);
		CHECK_EQ(bitmap_test_and_change(map, start), model[start]);
		model[start] = !model[start];
		for (end = start; end < BITS && !model[end]; end++)
			;
		CHECK_EQ(bitmap_find_set(map, start, BITS), end);
		for (end = start; end < BITS && model[end]; end++)
			;
		CHECK_EQ(bitmap_find_clear(map, start, BITS), end);
		for (unsigned long i = start; i < BITS; i++)
			ones += model[i];
		CHECK_EQ(bitmap_weight(map, start, BITS), ones);
	}
}

/* A set of numbers below size and a model of it; sizes around the ends of words and levels. */
static void compare_index_set(unsigned long size)
{
	unsigned long memory[200], in_use = index_set_bytes(size), most = 0;
	struct index_set set;
	bool model[5000] = {false};

	CHECK_LE(in_use, sizeof(memory));
	CHECK_LE(size, sizeof(model));
	index_set_init(&set, size, memory);
	for (unsigned int round = 0; round < test_scale(2000); round++) {
		unsigned long n = test_random_below(size), next, words = 0;

		(model[n] ? index_set_remove : index_set_add)(&set, n);
		model[n] = !model[n];
		CHECK_EQ(index_set_has(&set, n), model[n]);
		n = test_random_below(size + 1);
		for (next = n; next < size && !model[next]; next++)
			;
		CHECK_EQ(index_set_next(&set, n, &words), next);
		most = max(most, words);
		n = test_random_below(size) & ~7ul;
		for (next = n; next < n + 8 && next < size && model[next]; next++)
			;
		CHECK_EQ(index_set_has_all(&set, n, 8), next == n + 8);
	}
	CHECK_LE(most, 2 * set.nr_levels);
}

PAGODA_TEST_CONFIG(index_sets_agree_with_an_array, "", .no_mm_boot = true)
{
	static const unsigned long sizes[] = {1,    31,	  32,	33,   63,   64,	  65,
					      1023, 1024, 1025, 4095, 4096, 4097, 5000};

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++)
		compare_index_set(sizes[i]);
}

/* lib/string.c under the names that the hosted machine gives it. */

static int sign(int n)
{
	return (n > 0) - (n < 0);
}

PAGODA_TEST_CONFIG(string_routines_are_c_s, "XC-01", .no_mm_boot = true)
{
	for (unsigned int round = 0; round < test_scale(20000); round++) {
		char a[20], b[20];
		size_t n = test_random_below(20);
		int c = 'a' + (int)test_random_below(3);

		for (unsigned int i = 0; i < 20; i++) {
			a[i] = (char)('a' + test_random_below(3));
			b[i] = (char)('a' + test_random_below(3));
		}
		a[test_random_below(20)] = a[19] = b[test_random_below(8)] = b[19] = 0;
		CHECK_EQ(sign(pagoda_memcmp(a, b, n)), sign(__builtin_memcmp(a, b, n)));
		CHECK_EQ(pagoda_memchr(a, c, n), __builtin_memchr(a, c, n));
		CHECK_EQ(pagoda_strlen(a), __builtin_strlen(a));
		CHECK_EQ(pagoda_strnlen(a, n), min(n, __builtin_strlen(a)));
		CHECK_EQ(sign(pagoda_strcmp(a, b)), sign(__builtin_strcmp(a, b)));
		CHECK_EQ(sign(pagoda_strncmp(a, b, n)), sign(__builtin_strncmp(a, b, n)));
		CHECK_EQ(pagoda_strchr(a, c), __builtin_strchr(a, c));
		CHECK_EQ(pagoda_strchr(a, 0), __builtin_strchr(a, 0));
		CHECK_EQ(pagoda_strrchr(a, c), __builtin_strrchr(a, c));
		CHECK_EQ(pagoda_strstr(a, b), __builtin_strstr(a, b));
	}
}
