/* SPDX-License-Identifier: MIT */
/* index_set.c: sets of integers with a fast "next" (see index_set.h). */
#include <lib/index_set.h>
#include <pagoda/string.h>

#define BPL ((unsigned long)BITS_PER_LONG)

static unsigned long words_for(unsigned long bits)
{
	return (bits - 1) / BPL + 1;
}

size_t index_set_bytes(unsigned long size)
{
	size_t words = 0;

	do {
		size = words_for(size);
		words += size;
	} while (size > 1);
	return words * sizeof(unsigned long);
}

void index_set_init(struct index_set *set, unsigned long size, void *memory)
{
	unsigned long *words = memory, bits = size;

	memset(memory, 0, index_set_bytes(size));
	set->size = size;
	set->nr_levels = 0;
	do {
		bits = words_for(bits);
		set->level[set->nr_levels] = words;
		set->nr_words[set->nr_levels++] = bits;
		words += bits;
	} while (bits > 1);
}

bool index_set_has(const struct index_set *set, unsigned long n)
{
	return n < set->size && set->level[0][n / BPL] >> n % BPL & 1;
}

bool index_set_has_all(const struct index_set *set, unsigned long n, unsigned long nr)
{
	unsigned long mask = ((1ul << (nr - 1)) * 2 - 1) << n % BPL;

	return n < set->size && (set->level[0][n / BPL] & mask) == mask;
}

void index_set_add(struct index_set *set, unsigned long n)
{
	for (unsigned int i = 0; i < set->nr_levels; i++, n /= BPL) {
		unsigned long *word = &set->level[i][n / BPL], before = *word;

		*word |= 1ul << n % BPL;
		if (before)
			return; /* the levels above know that the word is not empty */
	}
}

void index_set_add_word(struct index_set *set, unsigned long n)
{
	set->level[0][n / BPL] = ~0ul;
	n /= BPL;
	for (unsigned int i = 1; i < set->nr_levels; i++, n /= BPL)
		set->level[i][n / BPL] |= 1ul << n % BPL;
}

void index_set_remove(struct index_set *set, unsigned long n)
{
	for (unsigned int i = 0; i < set->nr_levels; i++, n /= BPL) {
		unsigned long *word = &set->level[i][n / BPL];

		*word &= ~(1ul << n % BPL);
		if (*word)
			return;
	}
}

/* Bit n of a level is set: the first member below it. */
static unsigned long descend(const struct index_set *set, unsigned int level, unsigned long n,
			     unsigned long *words)
{
	while (level--) {
		n = n * BPL + (unsigned long)__builtin_ctzl(set->level[level][n]);
		++*words;
	}
	return n;
}

unsigned long index_set_next(const struct index_set *set, unsigned long n, unsigned long *words)
{
	for (unsigned int i = 0; i < set->nr_levels && n / BPL < set->nr_words[i]; i++) {
		unsigned long rest = set->level[i][n / BPL] & ~0ul << n % BPL;

		++*words;
		if (rest)
			return descend(set, i, n / BPL * BPL + (unsigned long)__builtin_ctzl(rest),
				       words);
		n = n / BPL + 1;
	}
	return set->size;
}
