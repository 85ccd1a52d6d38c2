/* SPDX-License-Identifier: MIT */
/* bitmap.c: ranges and searches in bit sets, a word at a time (see bitmap.h). */
#include <lib/bitmap.h>

/* The bits of word number w that lie in [start, end). */
static unsigned long range_mask(unsigned long w, unsigned long start, unsigned long end)
{
	unsigned long first = w * BITS_PER_LONG, mask = ~0ul;

	if (start > first)
		mask &= ~0ul << (start - first);
	if (end < first + BITS_PER_LONG)
		mask &= ~0ul >> (first + BITS_PER_LONG - end);
	return mask;
}

void bitmap_set(unsigned long *map, unsigned long start, unsigned long nr)
{
	if (nr)
		for (unsigned long w = start / BITS_PER_LONG; w * BITS_PER_LONG < start + nr; w++)
			map[w] |= range_mask(w, start, start + nr);
}

void bitmap_clear(unsigned long *map, unsigned long start, unsigned long nr)
{
	if (nr)
		for (unsigned long w = start / BITS_PER_LONG; w * BITS_PER_LONG < start + nr; w++)
			map[w] &= ~range_mask(w, start, start + nr);
}

/* First bit in [start, end) that is one after the exclusive or with invert. */
static unsigned long find_bit(const unsigned long *map, unsigned long start, unsigned long end,
			      unsigned long invert)
{
	if (start >= end)
		return end;
	for (unsigned long w = start / BITS_PER_LONG; w * BITS_PER_LONG < end; w++) {
		unsigned long hits = (map[w] ^ invert) & range_mask(w, start, end);

		if (hits)
			return w * BITS_PER_LONG + (unsigned long)__builtin_ctzl(hits);
	}
	return end;
}

unsigned long bitmap_find_set(const unsigned long *map, unsigned long start, unsigned long end)
{
	return find_bit(map, start, end, 0);
}

unsigned long bitmap_find_clear(const unsigned long *map, unsigned long start, unsigned long end)
{
	return find_bit(map, start, end, ~0ul);
}

/* Ones in a word, by adding neighbouring fields; the builtin may need a library. */
static unsigned long count_ones(unsigned long word)
{
	u64 w = word;

	w -= w >> 1 & 0x5555555555555555ull;
	w = (w & 0x3333333333333333ull) + (w >> 2 & 0x3333333333333333ull);
	w = (w + (w >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return (unsigned long)(w * 0x0101010101010101ull >> 56);
}

unsigned long bitmap_weight(const unsigned long *map, unsigned long start, unsigned long end)
{
	unsigned long n = 0;

	if (start < end)
		for (unsigned long w = start / BITS_PER_LONG; w * BITS_PER_LONG < end; w++)
			n += count_ones(map[w] & range_mask(w, start, end));
	return n;
}
