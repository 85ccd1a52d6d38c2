/* SPDX-License-Identifier: MIT */
/*
 * replay.c: a reference string through a simulated policy.
 *
 * The policy says which page goes; what is in memory, what was written since it came in, and
 * so what a fault costs, is kept here, the same for all. A page's life is the one that anonymous
 * memory has on the real machine:
 *
 *	first use	a frame of zeroes, which is written: a minor fault, the page is dirty
 *	evicted		written to the store if dirty
 *	used again	read from the store: a major fault, the page is clean until it is written
 *
 * Invariants, checked at every eviction: the victim is in memory; no more than `frames` pages are.
 */
#include "sim.h"

#include <stdlib.h>

#define IN_MEMORY     1u
#define DIRTY	      2u
#define USED	      4u /* ever */
#define PROGRESS_STEP (1u << 20)

struct memory {
	const struct policy *policy;
	void *self;
	uint8_t *state; /* by page */
	uint64_t frames, resident, resident_sum;
	struct result *result;
};

static void evict(struct memory *m, uint32_t page)
{
	if (!(m->state[page] & IN_MEMORY))
		trouble("%s evicts page %u, which is not in memory", m->policy->name, page);
	if (m->state[page] & DIRTY)
		m->result->pages_out++;
	m->state[page] &= (uint8_t) ~(IN_MEMORY | DIRTY);
	m->result->reclaimed++;
	m->resident--;
}

static void bring_in(struct memory *m, uint32_t page, size_t now)
{
	struct result *r = m->result;
	uint32_t victim = m->policy->miss(m->self, page, now, &r->scanned);

	if (victim != NO_PAGE)
		evict(m, victim);
	if (++m->resident > m->frames)
		trouble("%s has more pages in memory than frames", m->policy->name);
	if (m->state[page] & USED) {
		r->major++;
		r->pages_in++;
		m->state[page] |= IN_MEMORY;
	} else {
		r->first++;
		m->state[page] = IN_MEMORY | USED | DIRTY;
	}
	m->resident_sum += m->resident;
	if (m->resident > r->peak_frames)
		r->peak_frames = m->resident;
}

void replay(const struct policy *policy, const struct trace *trace, uint32_t frames,
	    struct result *result)
{
	struct memory m = {.policy = policy, .frames = frames, .result = result};
	uint64_t start = cpu_ns();

	m.self = policy->create(trace, frames);
	m.state = allocate(trace->nr_pages, 1);
	for (size_t now = 0; now < trace->nr; now++) {
		uint32_t page = ref_page(trace->refs[now]);

		if (m.state[page] & IN_MEMORY)
			policy->hit(m.self, page, now);
		else
			bring_in(&m, page, now);
		if (ref_writes(trace->refs[now]))
			m.state[page] |= DIRTY;
		if (now % PROGRESS_STEP == 0)
			progress(now, trace->nr);
	}
	result->ns = cpu_ns() - start;
	result->mean_frames = (double)m.resident_sum / (double)(result->first + result->major);
	policy->destroy(m.self);
	free(m.state);
}
