/* SPDX-License-Identifier: MIT */
/*
 * trace.c: a reference string as it is kept: four bytes a reference.
 *
 * While it grows, a page is known by the order of its first appearance; a hash leads there from
 * its number (address / page size), and the page referenced last is tried first, as real
 * programs mostly stay. Once complete, pages are renumbered by their order in the address space:
 *
 *	addresses	 4000000  4001000      1ffe000000	(gaps closed)
 *	pages		    0        1             2
 *
 * so neighbours stay neighbours, and everybody may index arrays by page.
 *
 * Failure: without memory, or beyond TRACE_REFS references, the program ends with a message.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM  4096u
#define FIRST_SLOTS 1024u

static size_t slot_of(const struct trace *t, uint64_t number)
{
	uint64_t z = (number ^ number >> 31) * 0x9e3779b97f4a7c15ull;

	return (z ^ z >> 29) & (t->nr_slots - 1);
}

/* The slot that holds the number, or the free one where it belongs. */
static uint32_t *find_slot(const struct trace *t, uint64_t number)
{
	size_t i = slot_of(t, number);

	while (t->slots[i] && t->numbers[t->slots[i] - 1] != number)
		i = (i + 1) & (t->nr_slots - 1);
	return &t->slots[i];
}

/* Twice as many slots as there can be numbers. */
static void grow_index(struct trace *t)
{
	t->nr_slots = t->nr_slots ? 2 * t->nr_slots : FIRST_SLOTS;
	t->numbers = grow(t->numbers, t->nr_slots / 2, sizeof(*t->numbers));
	free(t->slots);
	t->slots = allocate(t->nr_slots, sizeof(*t->slots));
	for (uint32_t i = 0; i < t->nr_pages; i++)
		*find_slot(t, t->numbers[i]) = i + 1;
}

static uint32_t place_of(struct trace *t, uint64_t number)
{
	uint32_t *slot;

	if (t->nr_pages >= t->nr_slots / 2)
		grow_index(t);
	slot = find_slot(t, number);
	if (!*slot) {
		if (t->nr_pages == TRACE_PAGES)
			trouble("more than %u different pages", TRACE_PAGES);
		t->numbers[t->nr_pages] = number;
		*slot = ++t->nr_pages;
	}
	return *slot - 1;
}

void trace_add(struct trace *t, uint64_t number, bool write)
{
	if (t->nr == t->room) {
		if (t->nr >= TRACE_REFS)
			trouble("more than %lu references", TRACE_REFS);
		t->room = t->room ? 2 * t->room : FIRST_ROOM;
		t->refs = grow(t->refs, t->room, sizeof(*t->refs));
	}
	if (!t->nr || t->numbers[t->last] != number)
		t->last = place_of(t, number);
	t->refs[t->nr++] = t->last << 1 | write;
	t->nr_writes += write;
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void trace_finish(struct trace *t)
{
	uint32_t *rank = allocate(t->nr_pages, sizeof(*rank));
	uint64_t *sorted = allocate(t->nr_pages, sizeof(*sorted));

	memcpy(sorted, t->numbers, t->nr_pages * sizeof(*sorted));
	qsort(sorted, t->nr_pages, sizeof(*sorted), compare_numbers);
	for (uint32_t i = 0; i < t->nr_pages; i++)
		rank[*find_slot(t, sorted[i]) - 1] = i;
	for (size_t i = 0; i < t->nr; i++)
		t->refs[i] = rank[ref_page(t->refs[i])] << 1 | ref_writes(t->refs[i]);
	free(rank);
	free(sorted);
	free(t->slots);
	free(t->numbers);
	t->slots = NULL;
	t->numbers = NULL;
}

void trace_find_next_uses(struct trace *t)
{
	uint32_t *next = allocate(t->nr_pages, sizeof(*next));

	memset(next, 0xff, t->nr_pages * sizeof(*next));
	t->next_use = allocate(t->nr, sizeof(*t->next_use));
	for (size_t i = t->nr; i--;) {
		t->next_use[i] = next[ref_page(t->refs[i])];
		next[ref_page(t->refs[i])] = (uint32_t)i;
	}
	free(next);
}
