/* SPDX-License-Identifier: MIT */
/*
 * arc.c: adaptive replacement cache: recency and frequency share memory as the string wants.
 *
 *	used once	B1 (names) <- T1 (pages) <- new
 *	used more often	B2 (names) <- T2 (pages) <- any page in T1, T2, B1, B2 that is used again
 *
 *	|T1| + |T2| <= frames, |T1| + |B1| <= frames, all four together <= 2 * frames
 *
 * `target` is the size that T1 should have. A use of a name in B1 says that T1 was too small and
 * makes it larger, one in B2 smaller; by more the rarer names of that kind are. (N. Megiddo,
 * D. S. Modha, "ARC: a self-tuning, low overhead replacement cache", FAST 2003, figure 4.)
 */
#include "queue.h"

enum { T1, T2, B1, B2 };

struct arc {
	uint32_t frames;
	double target; /* p in the paper */
	struct queues q;
};

static void *arc_create(const struct trace *trace, uint32_t frames)
{
	struct arc *a = allocate(1, sizeof(*a));

	a->frames = frames;
	queues_create(&a->q, trace->nr_pages);
	return a;
}

static void arc_destroy(void *self)
{
	struct arc *a = self;

	queues_destroy(&a->q);
	free(a);
}

/* Case I */
static void arc_hit(void *self, uint32_t page, size_t now)
{
	struct arc *a = self;

	(void)now;
	queue_move(&a->q, T2, page);
}

/* The paper's REPLACE: a page leaves memory, its name stays. */
static uint32_t evict(struct arc *a, bool page_in_b2)
{
	double t1 = a->q.length[T1];
	bool from_t1 = t1 >= 1 && (t1 > a->target || (page_in_b2 && t1 == a->target));
	uint32_t victim;

	if (!a->q.length[T2])
		from_t1 = true;
	victim = queue_take_oldest(&a->q, from_t1 ? T1 : T2);
	queue_add(&a->q, from_t1 ? B1 : B2, victim);
	return victim;
}

/* Cases II and III: the page's name was remembered, as one of `ghosts`. */
static uint32_t remembered(struct arc *a, uint32_t page, unsigned int ghosts)
{
	unsigned int others = ghosts == B1 ? B2 : B1;
	double step = (double)a->q.length[others] / a->q.length[ghosts];
	uint32_t victim;

	if (step < 1)
		step = 1;
	a->target += ghosts == B1 ? step : -step;
	if (a->target > a->frames)
		a->target = a->frames;
	if (a->target < 0)
		a->target = 0;
	victim = evict(a, ghosts == B2);
	queue_move(&a->q, T2, page);
	return victim;
}

/* Case IV: a page that nobody remembers. */
static uint32_t unknown(struct arc *a)
{
	uint32_t once = a->q.length[T1] + a->q.length[B1];
	uint32_t all = once + a->q.length[T2] + a->q.length[B2];

	if (once == a->frames) {
		if (a->q.length[T1] == a->frames)
			return queue_take_oldest(&a->q, T1); /* no room for its name either */
		(void)queue_take_oldest(&a->q, B1);
		return evict(a, false);
	}
	if (all < a->frames)
		return NO_PAGE;
	if (all == 2 * a->frames)
		(void)queue_take_oldest(&a->q, B2);
	return evict(a, false);
}

static uint32_t arc_miss(void *self, uint32_t page, size_t now, uint64_t *scanned)
{
	struct arc *a = self;
	uint32_t victim;

	(void)now;
	if (queue_has(&a->q, B1, page)) {
		victim = remembered(a, page, B1);
	} else if (queue_has(&a->q, B2, page)) {
		victim = remembered(a, page, B2);
	} else {
		victim = unknown(a);
		queue_add(&a->q, T1, page);
	}
	*scanned += victim != NO_PAGE;
	return victim;
}

const struct policy arc_policy = {"arc", arc_create, arc_hit, arc_miss, arc_destroy};
