/* SPDX-License-Identifier: MIT */
/*
 * bench_pressure.c: what memory costs when there is too little, as ./pagoda bench pressure measures
 * it: writing more than fits, and reference strings over a region that does not fit. How it is
 * measured, and the form of the output: bench.h.
 *
 * Both kernels get the same free memory, FREE_BYTES: the rest is locked as ballast, for a
 * kernel that is small would win by that alone. The swap area is /dev/vda, which
 * lab/bench/bench_pressure.py made.
 *
 * A string is run over a region that was written once, page by page, and whose first part
 * therefore lies in swap. Every fourth reference writes. Counted are major faults and pages swapped
 * in and out (/proc/vmstat). Instructions are counted for the first only, as it takes a child that
 * uses up the time of waiting (bench.h), which makes a loaded host slow.
 */
#define _GNU_SOURCE
#include "bench.h"
#include <math.h>
#include <sys/resource.h>
#include <sys/swap.h>

#define DISK	      "/dev/vda"
#define FREE_BYTES    (16ul << 20)
#define FREE_PAGES    (FREE_BYTES / PAGE)
#define STREAM_PAGES  (2 * FREE_PAGES)	   /* written once by reclaim_per_page */
#define CALM_PAGES    1024		   /* written without pressure, for comparison */
#define SET_PAGES     (FREE_PAGES * 5 / 8) /* a working set of "shifts" */
#define SHIFTS	      8
#define BALLAST_PAGES (2 * FREE_PAGES) /* at a time */
#define SLACK_PAGES   64

struct string {
	size_t region; /* pages */
	size_t length; /* references */
	size_t (*next)(const struct string *s, size_t n);
};

struct counts {
	uint64_t majors, swapped_in, swapped_out;
};

static uint64_t random_state;
static struct counts last;

/* ---- Counters -------------------------------------------------------------------------------- */

static uint64_t proc_number(const char *file, const char *name)
{
	unsigned long long value = 0;
	FILE *f = fopen(file, "r");
	char line[256];
	size_t n = strlen(name);

	must(f != NULL, file);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, name, n) == 0 && (line[n] == ' ' || line[n] == ':'))
			value = strtoull(line + n + 1, NULL, 10);
	fclose(f);
	return value;
}

static struct counts counts_now(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (struct counts){(uint64_t)usage.ru_majflt, proc_number("/proc/vmstat", "pswpin"),
			       proc_number("/proc/vmstat", "pswpout")};
}

static struct counts since(const struct counts *before)
{
	struct counts c = counts_now();

	return (struct counts){c.majors - before->majors, c.swapped_in - before->swapped_in,
			       c.swapped_out - before->swapped_out};
}

/* ---- Reclaim alone --------------------------------------------------------------------------- */

static uint64_t calm_fault(void)
{
	return touch_new(CALM_PAGES, write_pages);
}

/*
 * What writing to new memory costs more when each page needs another one's frame. Not for the first
 * time.
 */
static uint64_t reclaim_per_page(void)
{
	uint64_t calm = calm_fault() / CALM_PAGES, spent, before_turns;
	struct counts before;
	volatile uint64_t *turns;
	pid_t child;
	char *p;

	touch_new(STREAM_PAGES, write_pages);
	child = use_up_time(&turns);
	p = map(STREAM_PAGES, ANONYMOUS, -1);
	before = counts_now();
	before_turns = *turns;
	spent = write_pages(p, STREAM_PAGES) - calm * STREAM_PAGES;
	spent -= 2 * (*turns - before_turns);
	last = since(&before);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	unmap(p, STREAM_PAGES);
	return spent / last.swapped_out;
}

/* ---- Strings --------------------------------------------------------------------------------- */

static uint64_t dice(void)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return random_state >> 33;
}

static size_t in_order(const struct string *s, size_t n)
{
	return n % s->region;
}

static size_t at_random(const struct string *s, size_t n)
{
	(void)n;
	return dice() % s->region;
}

/* Page of rank r with a probability of 1 / r; neighbours in rank lie far apart. */
static size_t by_zipf(const struct string *s, size_t n)
{
	double u = (double)dice() / (double)(1ull << 31);
	size_t rank = (size_t)exp(u * log((double)s->region)) - 1;

	(void)n;
	return rank * 7919 % s->region;
}

/* At random in a set that moves on by its own size now and then. */
static size_t in_shifting_set(const struct string *s, size_t n)
{
	size_t base = n / (s->length / SHIFTS) * SET_PAGES;

	return (base + dice() % SET_PAGES) % s->region;
}

static const struct string sequential = {2 * FREE_PAGES, 2 * FREE_PAGES, in_order};
static const struct string loop = {FREE_PAGES * 5 / 4, FREE_PAGES * 6, in_order};
static const struct string uniform = {FREE_PAGES * 3 / 2, FREE_PAGES * 4, at_random};
static const struct string zipf = {FREE_PAGES * 2, FREE_PAGES * 12, by_zipf};
static const struct string shifts = {FREE_PAGES * 5 / 2, FREE_PAGES * 12, in_shifting_set};

static void refer(const struct string *s, volatile char *p)
{
	for (size_t n = 0; n < s->length; n++) {
		volatile char *at = p + s->next(s, n) * PAGE;

		if (n % 4 == 3)
			*at = (char)n;
		else
			(void)*at;
	}
}

static uint64_t run_string(const struct string *s)
{
	char *p = map(s->region, ANONYMOUS, -1);
	struct counts before;

	write_pages(p, s->region);
	random_state = 1;
	before = counts_now();
	refer(s, p);
	last = since(&before);
	unmap(p, s->region);
	return last.majors;
}

static uint64_t swapped_in(void)
{
	return last.swapped_in;
}

static uint64_t swapped_out(void)
{
	return last.swapped_out;
}

#define RUNS(string)                          \
	static uint64_t string##_majors(void) \
	{                                     \
		return run_string(&string);   \
	}
RUNS(sequential)
RUNS(loop)
RUNS(uniform)
RUNS(zipf)
RUNS(shifts)

/* ---- The list -------------------------------------------------------------------------------- */

#define STRING(string)                                     \
	{#string "_major_faults", 1, string##_majors, 1},  \
		{#string "_swapped_in", 1, swapped_in, 1}, \
	{                                                  \
#string "_swapped_out", 1, swapped_out, 1  \
	}

static const struct operation operations[] = {
	{"calm_fault", CALM_PAGES, calm_fault, 1},
	{"reclaim_per_page", 1, reclaim_per_page, 1},
	{"stream_swapped_out", 1, swapped_out, 1},
	STRING(sequential),
	STRING(loop),
	STRING(uniform),
	STRING(zipf),
	STRING(shifts),
};

/* A child that keeps so many pages of memory as long as its parent lives. */
static void lock_in_child(size_t pages)
{
	int done[2];
	char byte;

	must(pipe(done) == 0, "pipe");
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		must(mlock(map(pages, ANONYMOUS, -1), pages * PAGE) == 0, "mlock");
		must(write(done[1], "", 1) == 1, "write");
		for (;;)
			pause();
	}
	close(done[1]);
	must(read(done[0], &byte, 1) == 1, "ballast");
	close(done[0]);
}

static size_t free_pages(void)
{
	return proc_number("/proc/meminfo", "MemFree") * 1024 / PAGE;
}

/*
 * Lock all but FREE_BYTES of the memory that is free; in parts, as Pagoda locks at most half of the
 * RAM for one process.
 */
static void take_ballast(void)
{
	must(free_pages() > FREE_PAGES, "too little memory");
	while (free_pages() > FREE_PAGES + SLACK_PAGES) {
		size_t left = free_pages() - FREE_PAGES;

		lock_in_child(left < BALLAST_PAGES ? left : BALLAST_PAGES);
	}
}

static void prepare(void)
{
	mount_proc();
	must(swapon(DISK, 0) == 0, "swapon " DISK);
	take_ballast();
}

int main(int argc, char **argv)
{
	return bench_main(argc > 1 ? argv[1] : NULL, prepare, operations,
			  sizeof(operations) / sizeof(operations[0]));
}
