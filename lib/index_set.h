/* SPDX-License-Identifier: MIT */
/*
 * index_set.h: sets of integers below a fixed size, with "the next member from n on" in logarithmic
 * time.
 *
 *	level 2		                1
 *	level 1		      1 0 0 ... 1
 *	level 0		0110..  0000..  ...  0001..	a bit for each integer
 *
 * A bit of an upper level says that its word of the level below is not empty, so a search climbs
 * until it finds a set bit at or behind the place and goes down along the first ones: at most two
 * words a level, and log64(size) levels (log32 on 32-bit machines): 10 words for 2^30 integers.
 * Adding and removing touch a level only while a word becomes or ceases to be empty.
 *
 * Not atomic: the caller holds the lock that protects what the numbers describe, and provides the
 * memory.
 */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

#define INDEX_SET_LEVELS 7 /* 32^7 > 2^32; 64^7 > 2^40 */

struct index_set {
	unsigned long size; /* members are below it */
	unsigned int nr_levels;
	unsigned long *level[INDEX_SET_LEVELS], nr_words[INDEX_SET_LEVELS];
};

/* Memory that a set of numbers below size takes, in bytes. size > 0. */
size_t index_set_bytes(unsigned long size);
/* An empty set in memory of that many bytes, aligned as for unsigned long. */
void index_set_init(struct index_set *set, unsigned long size, void *memory);
/* Is n a member? false if n is not below size. */
bool index_set_has(const struct index_set *set, unsigned long n);
/* Add n, which is below size and no member. */
void index_set_add(struct index_set *set, unsigned long n);
/* Remove n, which is a member. */
void index_set_remove(struct index_set *set, unsigned long n);
/* None of the BITS_PER_LONG numbers from n on was a member; BITS_PER_LONG divides n. */
void index_set_add_word(struct index_set *set, unsigned long n);
/* Are all of the nr numbers from n on members? They lie in one word: nr divides n, and 32. */
bool index_set_has_all(const struct index_set *set, unsigned long n, unsigned long nr);
/* The first member from n on; size: there is none. *words grows by the words looked at. */
unsigned long index_set_next(const struct index_set *set, unsigned long n, unsigned long *words);

PAGODA_C_END
