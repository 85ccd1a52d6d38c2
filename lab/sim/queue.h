/* SPDX-License-Identifier: MIT */
/*
 * queue.h: queues of pages whose links are page numbers.
 *
 * Every page is on at most one of a policy's queues, so one array of links serves them all:
 * entry p for page p, and after the pages one entry for each queue, which closes its ring.
 *
 *	links[head].next = newest ... oldest = links[head].prev
 *
 * A page knows its queue (links[].queue), so that finding, moving and removing are O(1).
 */
#pragma once

#include "sim.h"

#include <stdlib.h>

#define MAX_QUEUES 4
#define NO_QUEUE   0xffu

struct queue_link {
	uint32_t prev, next;
	uint8_t queue; /* NO_QUEUE: on none */
};

struct queues {
	struct queue_link *links;
	uint32_t nr_pages;
	uint32_t length[MAX_QUEUES];
};

static inline void queues_create(struct queues *q, uint32_t nr_pages)
{
	q->nr_pages = nr_pages;
	q->links = allocate((size_t)nr_pages + MAX_QUEUES, sizeof(*q->links));
	for (uint32_t i = 0; i < nr_pages; i++)
		q->links[i].queue = NO_QUEUE;
	for (uint32_t i = 0; i < MAX_QUEUES; i++)
		q->links[nr_pages + i].prev = q->links[nr_pages + i].next = nr_pages + i;
}

static inline void queues_destroy(struct queues *q)
{
	free(q->links);
}

static inline bool queue_has(const struct queues *q, unsigned int queue, uint32_t page)
{
	return q->links[page].queue == queue;
}

static inline void queue_remove(struct queues *q, uint32_t page)
{
	struct queue_link *l = &q->links[page];

	q->links[l->prev].next = l->next;
	q->links[l->next].prev = l->prev;
	q->length[l->queue]--;
	l->queue = NO_QUEUE;
}

/* The page, which is on no queue, becomes the newest of one. */
static inline void queue_add(struct queues *q, unsigned int queue, uint32_t page)
{
	uint32_t head = q->nr_pages + queue, next = q->links[head].next;

	q->links[page] = (struct queue_link){.prev = head, .next = next, .queue = (uint8_t)queue};
	q->links[next].prev = page;
	q->links[head].next = page;
	q->length[queue]++;
}

/* From wherever it is to the newest end. */
static inline void queue_move(struct queues *q, unsigned int queue, uint32_t page)
{
	queue_remove(q, page);
	queue_add(q, queue, page);
}

/* Take the oldest page out; the queue is not empty. */
static inline uint32_t queue_take_oldest(struct queues *q, unsigned int queue)
{
	uint32_t page = q->links[q->nr_pages + queue].prev;

	queue_remove(q, page);
	return page;
}
