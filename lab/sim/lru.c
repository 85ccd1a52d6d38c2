/* SPDX-License-Identifier: MIT */
/*
 * lru.c: least recently used: the page whose last use is longest ago goes.
 *
 * One queue in the order of last use. It needs work at every reference, which is why real
 * machines only approximate it. It is a stack algorithm: the pages it keeps in n frames are
 * among those it keeps in n + 1, so more memory never hurts (R. L. Mattson, J. Gecsei, D. R. Slutz,
 * I. L. Traiger, "Evaluation techniques for storage hierarchies", IBM Systems Journal 9(2), 1970).
 * A loop one page larger than memory makes it miss every time.
 */
#include "queue.h"

struct lru {
	uint32_t frames;
	struct queues q; /* queue 0 alone */
};

static void *lru_create(const struct trace *trace, uint32_t frames)
{
	struct lru *l = allocate(1, sizeof(*l));

	l->frames = frames;
	queues_create(&l->q, trace->nr_pages);
	return l;
}

static void lru_destroy(void *self)
{
	struct lru *l = self;

	queues_destroy(&l->q);
	free(l);
}

static void lru_hit(void *self, uint32_t page, size_t now)
{
	struct lru *l = self;

	(void)now;
	queue_move(&l->q, 0, page);
}

static uint32_t lru_miss(void *self, uint32_t page, size_t now, uint64_t *scanned)
{
	struct lru *l = self;
	uint32_t victim = NO_PAGE;

	(void)now;
	if (l->q.length[0] == l->frames) {
		victim = queue_take_oldest(&l->q, 0);
		++*scanned;
	}
	queue_add(&l->q, 0, page);
	return victim;
}

const struct policy lru_policy = {"lru", lru_create, lru_hit, lru_miss, lru_destroy};
