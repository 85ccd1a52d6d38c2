/* SPDX-License-Identifier: MIT */
/*
 * two_queue.c: 2Q: a page must be used twice, some time apart, to count as hot.
 *
 *	new ---> A1in (FIFO, a quarter of memory) ---> A1out (names only, half as many as frames)
 *							  | used again
 *							  v
 *						Am (LRU, the rest of memory)
 *
 * Uses while a page is in A1in say nothing: they belong to the burst that brought it. A scan
 * runs through A1in and leaves Am alone. (T. Johnson, D. Shasha, "2Q: a low overhead high
 * performance buffer management replacement algorithm", VLDB 1994: the full version, with the
 * sizes that the paper recommends, Kin = 25% and Kout = 50% of the frames.)
 *
 * Where the paper is silent: a page found in A1out leaves it before room is made for it; when
 * Am is empty, A1in gives the victim though it is short.
 */
#include "queue.h"

enum { A1IN, AM, A1OUT };

struct two_queue {
	uint32_t frames, max_in, max_out;
	struct queues q;
};

static uint32_t at_least_1(uint32_t n)
{
	return n ? n : 1;
}

static void *two_queue_create(const struct trace *trace, uint32_t frames)
{
	struct two_queue *t = allocate(1, sizeof(*t));

	t->frames = frames;
	t->max_in = at_least_1(frames / 4);
	t->max_out = at_least_1(frames / 2);
	queues_create(&t->q, trace->nr_pages);
	return t;
}

static void two_queue_destroy(void *self)
{
	struct two_queue *t = self;

	queues_destroy(&t->q);
	free(t);
}

static void two_queue_hit(void *self, uint32_t page, size_t now)
{
	struct two_queue *t = self;

	(void)now;
	if (queue_has(&t->q, AM, page))
		queue_move(&t->q, AM, page);
}

/* The page that makes room for another, or NO_PAGE. */
static uint32_t make_room(struct two_queue *t, uint64_t *scanned)
{
	uint32_t victim;

	if (t->q.length[A1IN] + t->q.length[AM] < t->frames)
		return NO_PAGE;
	++*scanned;
	if (t->q.length[A1IN] <= t->max_in && t->q.length[AM])
		return queue_take_oldest(&t->q, AM);
	victim = queue_take_oldest(&t->q, A1IN);
	queue_add(&t->q, A1OUT, victim);
	if (t->q.length[A1OUT] > t->max_out)
		(void)queue_take_oldest(&t->q, A1OUT); /* its name is forgotten */
	return victim;
}

static uint32_t two_queue_miss(void *self, uint32_t page, size_t now, uint64_t *scanned)
{
	struct two_queue *t = self;
	bool known = queue_has(&t->q, A1OUT, page);
	uint32_t victim;

	(void)now;
	if (known)
		queue_remove(&t->q, page);
	victim = make_room(t, scanned);
	queue_add(&t->q, known ? AM : A1IN, page);
	return victim;
}

const struct policy two_queue_policy = {"2q", two_queue_create, two_queue_hit, two_queue_miss,
					two_queue_destroy};
