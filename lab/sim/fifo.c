/* SPDX-License-Identifier: MIT */
/*
 * fifo.c: first in, first out: the page that came first goes first, used or not.
 *
 * Frames form a ring in the order in which they were filled; the next victim is the frame
 * after the one filled last. It knows nothing of use, and shows Belady's anomaly: with more
 * frames it may fault more often (L. A. Belady, R. A. Nelson, G. S. Shedler, "An anomaly in
 * space-time characteristics of certain programs running in a paging machine", CACM 12(6), 1969).
 */
#include "sim.h"

#include <stdlib.h>

struct fifo {
	uint32_t frames, used, oldest;
	uint32_t page[]; /* by frame */
};

static void *fifo_create(const struct trace *trace, uint32_t frames)
{
	struct fifo *f = allocate(1, sizeof(*f) + frames * sizeof(f->page[0]));

	(void)trace;
	f->frames = frames;
	return f;
}

static void fifo_hit(void *self, uint32_t page, size_t now)
{
	(void)self, (void)page, (void)now;
}

static uint32_t fifo_miss(void *self, uint32_t page, size_t now, uint64_t *scanned)
{
	struct fifo *f = self;
	uint32_t victim;

	(void)now;
	if (f->used < f->frames) {
		f->page[f->used++] = page;
		return NO_PAGE;
	}
	victim = f->page[f->oldest];
	f->page[f->oldest] = page;
	f->oldest = (f->oldest + 1) % f->frames;
	++*scanned;
	return victim;
}

const struct policy fifo_policy = {"fifo", fifo_create, fifo_hit, fifo_miss, free};
