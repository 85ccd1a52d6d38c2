/* SPDX-License-Identifier: MIT */
/*
 * clock.c: second chance: FIFO that spares pages used since the hand passed them.
 *
 *	     hand
 *	      v
 *	[1] [0] [1] [1]		1: used; the hand makes it 0 and goes on
 *				0: this page goes, the new one takes its frame
 *
 * The used bit is what an MMU sets; a page is used when it comes in. (F. J. Corbato, "A paging
 * experiment with the Multics system", MIT Project MAC report MAC-M-384, 1968.) Frames the
 * hand passes are the "scanned" of the table.
 */
#include "sim.h"

#include <stdlib.h>

struct clock {
	uint32_t frames, nr, hand;
	uint8_t *used;	 /* by page */
	uint32_t page[]; /* by frame */
};

static void *clock_create(const struct trace *trace, uint32_t frames)
{
	struct clock *c = allocate(1, sizeof(*c) + frames * sizeof(c->page[0]));

	c->frames = frames;
	c->used = allocate(trace->nr_pages, 1);
	return c;
}

static void clock_destroy(void *self)
{
	struct clock *c = self;

	free(c->used);
	free(c);
}

static void clock_hit(void *self, uint32_t page, size_t now)
{
	struct clock *c = self;

	(void)now;
	c->used[page] = 1;
}

static void advance(struct clock *c)
{
	c->hand = c->hand + 1 == c->frames ? 0 : c->hand + 1;
}

static uint32_t clock_miss(void *self, uint32_t page, size_t now, uint64_t *scanned)
{
	struct clock *c = self;
	uint32_t victim;

	(void)now;
	c->used[page] = 1;
	if (c->nr < c->frames) {
		c->page[c->nr++] = page;
		return NO_PAGE;
	}
	for (++*scanned; c->used[c->page[c->hand]]; ++*scanned) {
		c->used[c->page[c->hand]] = 0;
		advance(c);
	}
	victim = c->page[c->hand];
	c->page[c->hand] = page;
	advance(c);
	return victim;
}

const struct policy clock_policy = {"clock", clock_create, clock_hit, clock_miss, clock_destroy};
