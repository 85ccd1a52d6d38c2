/* SPDX-License-Identifier: MIT */
/*
 * generate.c: reference strings made to order: KIND[:NAME=VALUE,...], or refs:PAGE,PAGE,...
 *
 *	sequential	one pass over `pages`, as many references to each as make up `refs`
 *	loop		page after page, over and over
 *	random		every page as likely as any other
 *	zipf		the k-th most popular page is used in proportion to 1 / k^skew; which page
 *is how popular is drawn at random
 *	shift		`local` percent of the references go to a working set of `set` pages, the
 *others anywhere; after `phase` references another set is drawn (P. J. Denning, "The working set
 *model for program behavior", CACM 11(5), 1968) scan		`phase` references to a hot `set`,
 *then each other page once, and again refs		the pages named; a w behind a number writes
 *
 * `writes` percent of the references write. All that is drawn comes from one seed, by
 * splitmix64, so that a seed gives the same string everywhere.
 */
#include "sim.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In one unit, so that one table serves them all. */
enum parameter { PAGES, REFS, WRITES, SKEW, SET, PHASE, LOCAL, NR_PARAMETERS };

static const struct {
	const char *name;
	double least, most;
	bool whole;
} parameters[NR_PARAMETERS] = {
	[PAGES] = {"pages", 1, TRACE_PAGES, true}, [REFS] = {"refs", 1, (double)TRACE_REFS, true},
	[WRITES] = {"writes", 0, 100, false},	   [SKEW] = {"skew", 0, 10, false},
	[SET] = {"set", 1, TRACE_PAGES, true},	   [PHASE] = {"phase", 1, (double)TRACE_REFS, true},
	[LOCAL] = {"local", 0, 100, false},
};

struct generator {
	struct trace *trace;
	uint64_t random_state;
	double value[NR_PARAMETERS];
};

struct kind {
	const char *name;
	void (*run)(struct generator *g);
	double value[NR_PARAMETERS]; /* defaults; a parameter without one is not for this kind */
};

/* ---- Drawing ----------------------------------------------------------------------- */

static uint64_t next_random(struct generator *g)
{
	uint64_t z = g->random_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* In [0, n): the high half of a product, whose bias is below n / 2^64. */
static uint64_t below(struct generator *g, uint64_t n)
{
	return (uint64_t)((unsigned __int128)next_random(g) * n >> 64);
}

/* In [0, 1). */
static double fraction(struct generator *g)
{
	return (double)(next_random(g) >> 11) * 0x1p-53;
}

static bool percent(struct generator *g, double chance)
{
	return fraction(g) * 100 < chance;
}

static uint64_t whole(const struct generator *g, enum parameter p)
{
	return (uint64_t)g->value[p];
}

static void refer(struct generator *g, uint64_t page)
{
	trace_add(g->trace, page, percent(g, g->value[WRITES]));
}

static bool enough(const struct generator *g)
{
	return g->trace->nr >= whole(g, REFS);
}

/* 0 .. n - 1 in random order (Fisher, Yates). */
static uint32_t *shuffled(struct generator *g, uint32_t n)
{
	uint32_t *order = allocate(n, sizeof(*order));

	for (uint32_t i = 0; i < n; i++) {
		uint32_t j = (uint32_t)below(g, i + 1ul);

		order[i] = order[j];
		order[j] = i;
	}
	return order;
}

/* ---- The kinds ------------------------------------------------------------------------ */

static void run_sequential(struct generator *g)
{
	for (uint64_t i = 0; !enough(g); i++)
		refer(g, (uint64_t)((unsigned __int128)i * whole(g, PAGES) / whole(g, REFS)));
}

static void run_loop(struct generator *g)
{
	for (uint64_t i = 0; !enough(g); i++)
		refer(g, i % whole(g, PAGES));
}

static void run_random(struct generator *g)
{
	while (!enough(g))
		refer(g, below(g, whole(g, PAGES)));
}

/* The first entry of an ascending table that is above x; the last one is. */
static uint32_t search(const double *table, uint32_t n, double x)
{
	uint32_t low = 0, high = n - 1;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (table[middle] > x)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static void run_zipf(struct generator *g)
{
	uint32_t n = (uint32_t)whole(g, PAGES), *page = shuffled(g, n);
	double *sums = allocate(n, sizeof(*sums)), sum = 0;

	for (uint32_t k = 0; k < n; k++)
		sums[k] = sum += pow(k + 1.0, -g->value[SKEW]);
	while (!enough(g))
		refer(g, page[search(sums, n, fraction(g) * sum)]);
	free(page);
	free(sums);
}

static void must_fit(const struct generator *g)
{
	if (g->value[SET] > g->value[PAGES])
		refuse("set=%.0f: more than the %.0f pages", g->value[SET], g->value[PAGES]);
}

static void run_shift(struct generator *g)
{
	uint32_t n = (uint32_t)whole(g, PAGES), *page;

	must_fit(g);
	while (!enough(g)) {
		page = shuffled(g, n); /* the first `set` of them are this phase's */
		for (uint64_t i = 0; i < whole(g, PHASE) && !enough(g); i++)
			refer(g, page[below(g, percent(g, g->value[LOCAL]) ? whole(g, SET) : n)]);
		free(page);
	}
}

static void run_scan(struct generator *g)
{
	must_fit(g);
	while (!enough(g)) {
		for (uint64_t i = 0; i < whole(g, PHASE) && !enough(g); i++)
			refer(g, below(g, whole(g, SET)));
		for (uint64_t i = whole(g, SET); i < whole(g, PAGES) && !enough(g); i++)
			refer(g, i);
	}
}

#define NONE	-1.0
#define MILLION 1000000.0
static const struct kind kinds[] = {
	/* pages, refs, writes, skew, set, phase, local */
	{"sequential", run_sequential, {4096, MILLION, 25, NONE, NONE, NONE, NONE}},
	{"loop", run_loop, {4096, MILLION, 25, NONE, NONE, NONE, NONE}},
	{"random", run_random, {4096, MILLION, 25, NONE, NONE, NONE, NONE}},
	{"zipf", run_zipf, {4096, MILLION, 25, 1, NONE, NONE, NONE}},
	{"shift", run_shift, {4096, MILLION, 25, NONE, 512, 100000, 98}},
	{"scan", run_scan, {4096, MILLION, 25, NONE, 512, 20000, NONE}},
};
#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* ---- Reading a description --------------------------------------------------------------- */

static void read_references(struct trace *trace, char *list)
{
	for (char *word = strtok(list, ", "); word; word = strtok(NULL, ", ")) {
		char *end;
		uint64_t page;

		errno = 0;
		page = strtoull(word, &end, 10);
		if (!isdigit((unsigned char)*word) || errno || (*end && strcmp(end, "w")))
			refuse("refs: \"%s\" is not a page; write for example refs:7,0,1w,2", word);
		trace_add(trace, page, *end);
	}
	if (!trace->nr)
		refuse("refs: names no page; write for example refs:7,0,1w,2");
}

/* A number, perhaps with k (thousand) or M (million) behind it; negative: it is none. */
static double read_value(const char *text)
{
	char *end;
	double value;

	if (!isdigit((unsigned char)*text))
		return -1;
	value = strtod(text, &end);
	if (*end == 'k' || *end == 'M')
		value *= *end++ == 'k' ? 1e3 : 1e6;
	return *end ? -1 : value;
}

static void set_parameter(struct generator *g, const struct kind *kind, const char *name,
			  const char *text)
{
	double value = read_value(text);

	for (int p = 0; p < NR_PARAMETERS; p++) {
		if (strcmp(name, parameters[p].name) || kind->value[p] == NONE)
			continue;
		if (!(value >= parameters[p].least && value <= parameters[p].most) ||
		    (parameters[p].whole && value != floor(value)))
			refuse("%s: %s=%s: must be a %snumber from %.0f to %.0f", kind->name, name,
			       text, parameters[p].whole ? "whole " : "", parameters[p].least,
			       parameters[p].most);
		g->value[p] = value;
		return;
	}
	refuse("%s: has no parameter %s", kind->name, name);
}

static void read_parameters(struct generator *g, const struct kind *kind, char *list)
{
	memcpy(g->value, kind->value, sizeof(g->value));
	for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
		char *equals = strchr(word, '=');

		if (!equals)
			refuse("%s: \"%s\": write NAME=VALUE, for example pages=1000", kind->name,
			       word);
		*equals = 0;
		set_parameter(g, kind, word, equals + 1);
	}
}

void generate(struct trace *trace, char *description, uint64_t seed)
{
	struct generator g = {.trace = trace, .random_state = seed};
	char *colon = strchr(description, ':'),
	     *rest = colon ? colon + 1 : description + strlen(description);

	if (colon)
		*colon = 0;
	if (!strcmp(description, "refs")) {
		read_references(trace, rest);
		return;
	}
	for (size_t i = 0; i < NR_KINDS; i++)
		if (!strcmp(description, kinds[i].name)) {
			read_parameters(&g, &kinds[i], rest);
			kinds[i].run(&g);
			return;
		}
	refuse("%s: neither a file nor one of refs, sequential, loop, random, zipf, shift, scan",
	       description);
}
