/* SPDX-License-Identifier: MIT */
/*
 * bitmap.h: fixed-size bit sets in arrays of unsigned long, bit 0 lowest in word 0.
 *
 * Not atomic: the caller holds the lock of whatever the bits describe. (The atomic
 * single-bit operations are in <pagoda/atomic.h>.) Ranges are [start, start + nr).
 */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

#define BITS_TO_LONGS(nr) DIV_ROUND_UP((unsigned long)(nr), (unsigned long)BITS_PER_LONG)

static inline bool bitmap_test(const unsigned long *map, unsigned long bit)
{
	return map[bit / BITS_PER_LONG] >> (bit % BITS_PER_LONG) & 1;
}
static inline void bitmap_set_bit(unsigned long *map, unsigned long bit)
{
	map[bit / BITS_PER_LONG] |= 1ul << (bit % BITS_PER_LONG);
}
static inline void bitmap_clear_bit(unsigned long *map, unsigned long bit)
{
	map[bit / BITS_PER_LONG] &= ~(1ul << (bit % BITS_PER_LONG));
}
/* Flip a bit; its value before. */
static inline bool bitmap_test_and_change(unsigned long *map, unsigned long bit)
{
	unsigned long mask = 1ul << (bit % BITS_PER_LONG), *word = map + bit / BITS_PER_LONG;
	bool old = *word & mask;

	*word ^= mask;
	return old;
}

/* Set / clear the nr bits from start on. */
void bitmap_set(unsigned long *map, unsigned long start, unsigned long nr);
void bitmap_clear(unsigned long *map, unsigned long start, unsigned long nr);

/* First bit of that value in [start, end), or end if there is none. A word at a time. */
unsigned long bitmap_find_set(const unsigned long *map, unsigned long start, unsigned long end);
unsigned long bitmap_find_clear(const unsigned long *map, unsigned long start, unsigned long end);

/* Number of ones in [start, end). */
unsigned long bitmap_weight(const unsigned long *map, unsigned long start, unsigned long end);

PAGODA_C_END
