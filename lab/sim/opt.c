/* SPDX-License-Identifier: MIT */
/*
 * opt.c: Belady's optimum: the page goes whose next use is farthest away.
 *
 * No policy that brings pages in on demand faults less (L. A. Belady, "A study of replacement
 * algorithms for a virtual-storage computer", IBM Systems Journal 5(2), 1966), but it must know
 * the future: trace_find_next_uses() looks it up once, in one pass from the end.
 *
 * The pages in memory are a binary heap, the farthest next use on top, with each page's place
 * in it known. A page that is used has its next use moved away, so it only ever rises:
 *
 *	hit: rise, O(log frames)	miss: the top is replaced and sinks, O(log frames)
 *
 * Among pages that are never used again any will do.
 */
#include "sim.h"

#include <stdlib.h>

struct opt {
	const struct trace *trace;
	uint32_t frames, nr;
	uint32_t *next;	 /* by page: its next use */
	uint32_t *place; /* by page: where it is in heap */
	uint32_t heap[];
};

static void *opt_create(const struct trace *trace, uint32_t frames)
{
	struct opt *o = allocate(1, sizeof(*o) + frames * sizeof(o->heap[0]));

	o->trace = trace;
	o->frames = frames;
	o->next = allocate(trace->nr_pages, sizeof(*o->next));
	o->place = allocate(trace->nr_pages, sizeof(*o->place));
	return o;
}

static void opt_destroy(void *self)
{
	struct opt *o = self;

	free(o->next);
	free(o->place);
	free(o);
}

static void put(struct opt *o, uint32_t at, uint32_t page)
{
	o->heap[at] = page;
	o->place[page] = at;
}

static void rise(struct opt *o, uint32_t at, uint32_t page)
{
	while (at && o->next[o->heap[(at - 1) / 2]] < o->next[page]) {
		put(o, at, o->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(o, at, page);
}

static void sink(struct opt *o, uint32_t at, uint32_t page)
{
	uint32_t child;

	while ((child = 2 * at + 1) < o->nr) {
		if (child + 1 < o->nr && o->next[o->heap[child + 1]] > o->next[o->heap[child]])
			child++;
		if (o->next[o->heap[child]] <= o->next[page])
			break;
		put(o, at, o->heap[child]);
		at = child;
	}
	put(o, at, page);
}

static void opt_hit(void *self, uint32_t page, size_t now)
{
	struct opt *o = self;

	o->next[page] = o->trace->next_use[now];
	rise(o, o->place[page], page);
}

static uint32_t opt_miss(void *self, uint32_t page, size_t now, uint64_t *scanned)
{
	struct opt *o = self;
	uint32_t victim;

	o->next[page] = o->trace->next_use[now];
	if (o->nr < o->frames) {
		rise(o, o->nr++, page);
		return NO_PAGE;
	}
	victim = o->heap[0];
	sink(o, 0, page);
	++*scanned;
	return victim;
}

const struct policy opt_policy = {"opt", opt_create, opt_hit, opt_miss, opt_destroy};
