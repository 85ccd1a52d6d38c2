/* SPDX-License-Identifier: MIT */
/*
 * alloc_workload.h: the workloads of `./pagoda bench alloc`, the same for every allocator.
 *
 * Included by alloc_pagoda.c (kmalloc on the hosted machine) and alloc_host.c (malloc, of
 * whichever library is preloaded), which define before:
 *
 *	take(size), give(p)		the allocator
 *	in_parallel(n, fn)		run fn(i) as n threads
 *	footprint()			bytes of memory the allocator holds now
 *
 * The workloads
 *	pair SIZE	take and give back at once: the fast path alone
 *	mixed		slots of random lifetimes and sizes, small ones more often; it keeps
 *			about half of its slots filled
 *	remote		threads pass what they took to each other and give back what they get
 *
 * Each thread keeps to a CPU of its own, and the clock starts when all of them are there: the
 * runs are short, and two threads that the host first puts on one CPU would be measured as
 * an allocator that does not scale.
 *
 * A program runs one of them, "PROGRAM NAME THREADS", and prints a line "NAME THREADS
 * NANOSECONDS-PER-OPERATION"; mixed on one thread also "footprint", the bytes held by those
 * asked for while it is at its fullest. The numbers mean something only beside those of
 * other allocators a moment before and after: how far two CPUs of a virtual machine are
 * from each other changes from one second to the next, and by a factor of five.
 */
#pragma once

#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAIRS_PER_RUN 3000000u
#define MIXED_OPS     10000000u
#define MIXED_SLOTS   16384u
#define REMOTE_OPS    3000000u
#define RING_SLOTS    1024u
#define MAX_THREADS   2u

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* 16 bytes to 4 KiB; each doubling about as likely as the one before. */
static inline size_t random_size(uint64_t r)
{
	unsigned int span = 4 + (unsigned int)(r >> 32) % 8;

	return 16 + (size_t)(r & ((1u << span) - 1));
}

static size_t pair_size;
static unsigned int nr_threads;

static void pair_worker(unsigned int id)
{
	(void)id;
	for (unsigned int i = 0; i < PAIRS_PER_RUN; i++) {
		volatile char *p = take(pair_size);

		*p = 1;
		give((void *)p);
	}
}

/* asked (bytes taken and not given back) is written all the time: it shares no line with others. */
struct mixed_slots {
	void *at[MIXED_SLOTS];
	size_t size[MIXED_SLOTS];
	size_t asked;
} __attribute__((aligned(256)));
static struct mixed_slots mixed[MAX_THREADS];

static void mixed_worker(unsigned int id)
{
	struct mixed_slots *slots = &mixed[id];
	uint64_t rng = 88172645463325252ull + id;

	for (unsigned int i = 0; i < MIXED_OPS; i++) {
		uint64_t r = next_random(&rng);
		unsigned int n = (unsigned int)(r >> 48) % MIXED_SLOTS;

		if (slots->at[n]) {
			give(slots->at[n]);
			slots->asked -= slots->size[n];
			slots->at[n] = NULL;
		} else {
			size_t size = random_size(r);
			volatile char *p = take(size);

			p[0] = p[size - 1] = 1;
			slots->at[n] = (void *)p;
			slots->size[n] = size;
			slots->asked += size;
		}
	}
}

/* One producer, one consumer. */
struct ring {
	void *slot[RING_SLOTS];
	uint64_t head __attribute__((aligned(64))), tail __attribute__((aligned(64)));
};
static struct ring rings[MAX_THREADS];

static bool ring_put(struct ring *ring, void *p)
{
	uint64_t head = ring->head;

	if (head - __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) == RING_SLOTS)
		return false;
	ring->slot[head % RING_SLOTS] = p;
	__atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
	return true;
}

static void *ring_get(struct ring *ring)
{
	uint64_t tail = ring->tail;
	void *p;

	if (tail == __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE))
		return NULL;
	p = ring->slot[tail % RING_SLOTS];
	__atomic_store_n(&ring->tail, tail + 1, __ATOMIC_RELEASE);
	return p;
}

static void remote_worker(unsigned int id)
{
	struct ring *out = &rings[id], *in = &rings[1 - id];
	unsigned int sent = 0, received = 0;
	uint64_t rng = 1181783497276652981ull + id;
	void *pending = NULL;

	while (sent < REMOTE_OPS || received < REMOTE_OPS) {
		bool moved = false;
		void *p;

		if (!pending && sent < REMOTE_OPS) {
			pending = take((random_size(next_random(&rng)) & 0x1ff) | 1);
			*(volatile char *)pending = 1;
		}
		if (pending && ring_put(out, pending)) {
			pending = NULL;
			sent++;
			moved = true;
		}
		p = ring_get(in);
		if (p) {
			give(p);
			received++;
			moved = true;
		}
		if (!moved)
			sched_yield();
	}
}

/* The id-th CPU that this process may use; where there are fewer, any. */
static void keep_to_cpu(unsigned int id)
{
	static cpu_set_t allowed;
	cpu_set_t own;

	if (!CPU_COUNT(&allowed) && sched_getaffinity(0, sizeof(allowed), &allowed))
		abort();
	CPU_ZERO(&own);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && id-- == 0)
			CPU_SET(cpu, &own);
	if (CPU_COUNT(&own) && sched_setaffinity(0, sizeof(own), &own))
		abort();
}

static void (*measured_worker)(unsigned int);
static unsigned int nr_arrived;
static uint64_t start_ns;

static void start_together(unsigned int id)
{
	keep_to_cpu(id);
	__atomic_add_fetch(&nr_arrived, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&nr_arrived, __ATOMIC_ACQUIRE) < nr_threads)
		sched_yield();
	if (id == 0)
		start_ns = now_ns();
	measured_worker(id);
}

static void measure(const char *name, unsigned int threads, unsigned int ops,
		    void (*worker)(unsigned int))
{
	nr_threads = threads;
	nr_arrived = 0;
	measured_worker = worker;
	keep_to_cpu(0);
	in_parallel(threads, start_together);
	printf("%s %u %.3f\n", name, threads, (double)(now_ns() - start_ns) / ops);
}

/* The tables of the workload are not the allocator's: make them resident first. */
static void touch_tables(void)
{
	for (unsigned int t = 0; t < MAX_THREADS; t++)
		for (unsigned int n = 0; n < MIXED_SLOTS; n++) {
			mixed[t].size[n] = 1;
			*(void *volatile *)&mixed[t].at[n] = NULL;
		}
}

static void run_mixed(unsigned int threads)
{
	size_t before;

	touch_tables();
	before = footprint();
	measure("mixed", threads, MIXED_OPS, mixed_worker);
	if (threads == 1)
		printf("footprint 1 %.3f\n",
		       (double)(footprint() - before) / (double)mixed[0].asked);
}

/* argv: program, workload, threads. */
static int run_workload(char **argv)
{
	unsigned int threads = (unsigned int)strtoul(argv[2], NULL, 10);

	if (threads < 1 || threads > MAX_THREADS)
		return 2;
	if (sscanf(argv[1], "pair%zu", &pair_size) == 1)
		measure(argv[1], threads, PAIRS_PER_RUN, pair_worker);
	else if (strcmp(argv[1], "mixed") == 0)
		run_mixed(threads);
	else if (strcmp(argv[1], "remote") == 0)
		measure("remote", 2, REMOTE_OPS, remote_worker);
	else
		return 2;
	fflush(stdout);
	return 0;
}
