/* SPDX-License-Identifier: MIT */
/*
 * sim.h: what the files of the page-replacement laboratory share.
 *
 *	generate.c, lackey.c --trace_add()--> struct trace --> replay.c: FIFO, LRU, ... OPT
 *	                                                  \--> machine.c: the real mm/
 *
 * A trace is a reference string: pages, numbered 0, 1, 2, ... in the order of their addresses,
 * and for each reference whether it writes. A replay fills in a struct result.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Reference strings (trace.c) ---------------------------------------------------- */

#define NO_PAGE	    UINT32_MAX
#define NEVER	    UINT32_MAX	       /* next use */
#define TRACE_REFS  (UINT32_MAX - 1ul) /* the longest string */
#define TRACE_PAGES 0x7fffffffu

struct trace {
	uint32_t *refs; /* page << 1 | written */
	size_t nr, room;
	size_t nr_writes;
	uint32_t nr_pages;  /* different ones */
	uint32_t *next_use; /* by reference: the number of the next one to that page, or NEVER */
	/* While it grows: page numbers in order of appearance, and where to find them. */
	uint64_t *numbers;
	uint32_t *slots; /* hash of number -> its place in numbers + 1; 0: free */
	size_t nr_slots;
	uint32_t last; /* place of the page referenced last */
};

static inline uint32_t ref_page(uint32_t ref)
{
	return ref >> 1;
}

static inline bool ref_writes(uint32_t ref)
{
	return ref & 1;
}

/* Append a reference to the page with this number (any 64-bit value). Ends the program when it is
 * full. */
void trace_add(struct trace *trace, uint64_t number, bool write);
/* The string is complete: number its pages in the order of their addresses. */
void trace_finish(struct trace *trace);
/* Fill in next_use; once, after trace_finish(). */
void trace_find_next_uses(struct trace *trace);

/* A generator's or a literal string's description, as generate.c has it: KIND[:NAME=VALUE,...]. */
void generate(struct trace *trace, char *description, uint64_t seed);
/* Read what `valgrind --tool=lackey --trace-mem=yes` wrote from stdin; name is for messages. */
void read_lackey(struct trace *trace, const char *name, uint64_t page_size);

/* ---- What a replay counts ---------------------------------------------------------------- */

struct result {
	uint64_t first; /* faults on pages never used before: a frame full of zeroes */
	uint64_t soft;	/* faults on pages that are in memory all the same */
	uint64_t major; /* faults on pages that were evicted: read from the store */
	uint64_t pages_in, pages_out; /* pages read from the store and written to it */
	uint64_t scanned,
		reclaimed;  /* pages looked at by those who wanted to evict, pages evicted */
	double mean_frames; /* pages in memory, averaged over the faults */
	uint64_t peak_frames;
	uint64_t ns; /* cpu_ns() that it took */
};

/* ---- Policies (one file each) and their replay (replay.c) ---------------------------- */

/* self is what create() returned. Calls never fail: without memory the program ends. */
struct policy {
	const char *name;
	void *(*create)(const struct trace *trace, uint32_t frames);
	/* Reference number `now` is to a page in memory. */
	void (*hit)(void *self, uint32_t page, size_t now);
	/* It is to one that is not, and it comes in now: the page evicted, NO_PAGE while frames are
	 * free. */
	uint32_t (*miss)(void *self, uint32_t page, size_t now, uint64_t *scanned);
	void (*destroy)(void *self);
};
extern const struct policy fifo_policy, lru_policy, clock_policy, two_queue_policy, arc_policy,
	opt_policy;

void replay(const struct policy *policy, const struct trace *trace, uint32_t frames,
	    struct result *result);

/* ---- The real thing (machine.c) ---------------------------------------------------------- */

/* The least number of frames it can work with. */
#define MACHINE_MIN_FRAMES 64u

struct machine_setup {
	const char *reclaim; /* "default" or "classic" */
	uint32_t frames;
	unsigned int read_ahead; /* pages read from swap at a time: 1 << read_ahead */
};
/* Once per process. Ends the program if the machine loses a byte or miscounts. */
void machine_replay(const struct machine_setup *setup, const struct trace *trace,
		    struct result *result);

/* ---- main.c ---------------------------------------------------------------------------------- */

/* Tell how far this process's replay is; call it now and then. */
void progress(size_t done, size_t all);

/* One line on stderr, and the end: wrong use (2) or trouble (71). */
_Noreturn void refuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void trouble(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* calloc() and realloc() that never return NULL. */
void *allocate(size_t n, size_t size);
void *grow(void *old, size_t n, size_t size);

/* Time this process has computed: what others do on the host is not in it. */
uint64_t cpu_ns(void);
