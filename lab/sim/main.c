/* SPDX-License-Identifier: MIT */
/*
 * main.c: the program behind `./pagoda sim`: one reference string, through several policies in
 * several sizes of memory. lab/sim/sim.py calls it, and makes tables of what it prints.
 *
 *	sim PAGE_SIZE SEED READ_AHEAD FRAMES[,FRAMES...] POLICY[,POLICY...] SOURCE
 *
 *	FRAMES	a number, or N% of the different pages of the string
 *	POLICY	fifo lru clock 2q arc opt, or the real mm/: default classic
 *	SOURCE	lackey:NAME (a trace on stdin) or a description, see generate.c
 *
 * Each policy in each size is a job, run by a forked child: the hosted machine can be built only
 * once in a process, the string is shared, and two jobs make use of two processors. Lines on
 * stdout, each written at once, so that those of several jobs do not mix:
 *
 *	trace REFS WRITES PAGES		the string is complete
 *	jobs N
 *	at JOB PARTS			the job's progress, in thousandths
 *	row FRAMES POLICY FIRST SOFT MAJOR IN OUT SCANNED RECLAIMED MEAN PEAK NS
 *	skip FRAMES POLICY LEAST	the policy needs LEAST frames
 *
 * Exit status: 0; 2 wrong use and 71 trouble, with one line on stderr.
 */
#include "sim.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXIT_USAGE   2
#define EXIT_TROUBLE 71
#define MAX_JOBS     4096u

static const struct policy *const policies[] = {&fifo_policy,	   &lru_policy, &clock_policy,
						&two_queue_policy, &arc_policy, &opt_policy};
#define NR_POLICIES (sizeof(policies) / sizeof(policies[0]))
static const char *const reclaims[] = {"default", "classic"};
#define NR_RECLAIMS (sizeof(reclaims) / sizeof(reclaims[0]))

struct job {
	uint32_t frames;
	const struct policy *policy; /* NULL: the real mm/ */
	const char *name;
};

static struct job jobs[MAX_JOBS];
static unsigned int nr_jobs, this_job;

/* ---- Helpers for all ------------------------------------------------------------------- */

static void complain(const char *fmt, va_list args)
{
	char line[512];

	vsnprintf(line, sizeof(line), fmt, args);
	fprintf(stderr, "%s\n", line);
}

void refuse(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	va_end(args);
	_exit(EXIT_USAGE);
}

void trouble(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	va_end(args);
	_exit(EXIT_TROUBLE);
}

void *allocate(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		trouble("not enough memory for the reference string");
	return p;
}

void *grow(void *old, size_t n, size_t size)
{
	void *p = reallocarray(old, n, size);

	if (!p)
		trouble("not enough memory for the reference string");
	return p;
}

uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	char line[256];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		_exit(EXIT_TROUBLE); /* nobody reads any more */
}

void progress(size_t done, size_t all)
{
	static size_t told;
	size_t parts = done * 1000 / all;

	if (parts / 20 == told / 20)
		return;
	told = parts;
	say("at %u %zu\n", this_job, parts);
}

/* ---- What to do ---------------------------------------------------------------------------- */

static uint64_t number(const char *text, const char *what)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-')
		refuse("%s: \"%s\" is not a number", what, text);
	return value;
}

static uint32_t frames_of(char *text, const struct trace *trace)
{
	size_t len = strlen(text);
	uint64_t n;

	if (len && text[len - 1] == '%') {
		text[len - 1] = 0;
		n = number(text, "frames") * trace->nr_pages / 100;
		return n ? (uint32_t)n : 1;
	}
	n = number(text, "frames");
	if (!n || n > TRACE_PAGES)
		refuse("frames: %s: must be from 1 to %u", text, TRACE_PAGES);
	return (uint32_t)n;
}

static void add_job(uint32_t frames, const char *name)
{
	struct job job = {.frames = frames};

	for (size_t i = 0; i < NR_POLICIES; i++)
		if (!strcmp(name, policies[i]->name))
			job.policy = policies[i];
	for (size_t i = 0; i < NR_RECLAIMS; i++)
		if (!strcmp(name, reclaims[i]))
			job.name = reclaims[i];
	if (job.policy)
		job.name = job.policy->name;
	if (!job.name)
		refuse("no policy %s", name);
	if (nr_jobs == MAX_JOBS)
		refuse("more than %u runs", MAX_JOBS);
	jobs[nr_jobs++] = job;
}

/* Every policy in every size; both lists are left as they were, but for blanks and percents. */
static void make_jobs(char *sizes, const char *names, const struct trace *trace)
{
	char *save_size, *save_name;

	for (char *size = strtok_r(sizes, ",", &save_size); size;
	     size = strtok_r(NULL, ",", &save_size)) {
		uint32_t frames = frames_of(size, trace);
		char *copy = strdup(names);

		for (char *name = strtok_r(copy, ",", &save_name); name;
		     name = strtok_r(NULL, ",", &save_name))
			add_job(frames, name);
		free(copy);
	}
}

static bool is_wanted(const struct policy *policy)
{
	for (unsigned int i = 0; i < nr_jobs; i++)
		if (jobs[i].policy == policy)
			return true;
	return false;
}

/* ---- Doing it -------------------------------------------------------------------------------- */

static void run_job(const struct job *job, const struct trace *trace, unsigned int read_ahead)
{
	struct machine_setup setup = {job->name, job->frames, read_ahead};
	struct result r = {0};

	if (!job->policy && job->frames < MACHINE_MIN_FRAMES) {
		say("skip %u %s %u\n", job->frames, job->name, MACHINE_MIN_FRAMES);
		return;
	}
	if (job->policy)
		replay(job->policy, trace, job->frames, &r);
	else
		machine_replay(&setup, trace, &r);
	say("row %u %s %lu %lu %lu %lu %lu %lu %lu %.1f %lu %lu\n", job->frames, job->name, r.first,
	    r.soft, r.major, r.pages_in, r.pages_out, r.scanned, r.reclaimed, r.mean_frames,
	    r.peak_frames, r.ns);
}

/* Wait for a child; trouble in one of them is trouble for all. */
static void reap(void)
{
	int status;

	if (wait(&status) < 0)
		trouble("wait: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status))
		_exit(WEXITSTATUS(status)); /* it has said why */
	if (WIFSIGNALED(status))
		trouble("a run ended with signal %d", WTERMSIG(status));
}

static void run_jobs(const struct trace *trace, unsigned int read_ahead)
{
	long room = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int running = 0;

	say("jobs %u\n", nr_jobs);
	for (this_job = 0; this_job < nr_jobs; this_job++) {
		pid_t pid;

		if (running >= (unsigned int)(room > 0 ? room : 1)) {
			reap();
			running--;
		}
		pid = fork();
		if (pid < 0)
			trouble("fork: %s", strerror(errno));
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL); /* no run without somebody to tell */
			run_job(&jobs[this_job], trace, read_ahead);
			_exit(0);
		}
		running++;
	}
	while (running--)
		reap();
}

/*
 * The core hashes kernel addresses (workingset.c does), and here those are the host's: start
 * again with the addresses that every run has, so that one string gives the same counts.
 */
static void fix_addresses(char **argv)
{
	int old = personality(0xffffffff);

	if (old < 0 || old & ADDR_NO_RANDOMIZE ||
	    personality((unsigned long)old | ADDR_NO_RANDOMIZE) < 0)
		return;
	execv("/proc/self/exe", argv);
	trouble("cannot start again: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	static struct trace trace;
	uint64_t page_size;

	fix_addresses(argv);
	if (argc != 7)
		refuse("wrong number of arguments; use ./pagoda sim");
	page_size = number(argv[1], "page size");
	if (!page_size)
		refuse("page size: must not be 0");
	if (!strncmp(argv[6], "lackey:", 7))
		read_lackey(&trace, argv[6] + 7, page_size);
	else
		generate(&trace, argv[6], number(argv[2], "seed"));
	trace_finish(&trace);
	say("trace %zu %zu %u\n", trace.nr, trace.nr_writes, trace.nr_pages);
	make_jobs(argv[4], argv[5], &trace);
	if (is_wanted(&opt_policy))
		trace_find_next_uses(&trace);
	run_jobs(&trace, (unsigned int)number(argv[3], "read-ahead"));
	return 0;
}
