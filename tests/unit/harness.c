/* SPDX-License-Identifier: MIT */
/*
 * harness.c: runs registered tests, each in a child process on a fresh machine.
 *
 *	parent				child
 *	fork, read the pipe		boot, count frames, run the body
 *	  <- outcome and reason -	check tasks, frames, warnings, invariants
 *	wait, print one line		_exit
 *
 * The outcome travels as one line, its first letter the kind. A child that dies without
 * one crashed; one that dies of SIGALRM took too long. The kernel log lies in memory shared
 * by both, so that the parent can show it.
 */
#include "harness.h"

#include <machine/hosted_disk.h>

#include <asm/pgalloc.h>
#include <pagoda/bug.h>
#include <pagoda/init.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/swap.h>
#include <pagoda/vmalloc.h>
#include <asm/pgtable.h>
#include <mm/reclaim/reclaim_internal.h>

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/wait.h>

#define PLAIN_TIMEOUT_S	    30
#define SANITIZER_TIMEOUT_S 180
#define REASON_BYTES	    1024
#define LOG_TAIL_LINES	    40

enum outcome { OUTCOME_OK = 'o', OUTCOME_FAIL = 'f', OUTCOME_SKIP = 's' };

struct options {
	u64 seed;
	unsigned int rounds;
	bool list, no_fork;
	char **names;
	int nr_names;
};

static struct unit_test *tests, **last_test = &tests;
static struct options options;
static int outcome_fd = -1;
static u64 random_state;

void unit_test_register(struct unit_test *test)
{
	*last_test = test;
	last_test = &test->next;
}

static bool is_sanitized(void)
{
	return !strstr(HOSTED_VARIANT, "plain");
}

/* ./pagoda test --long */
static bool is_long_run(void)
{
	const char *level = getenv("PAGODA_TEST_LEVEL");

	return level && !strcmp(level, "long");
}

/* ---- In the child: outcomes -------------------------------------------------------------- */

static __noreturn void end_test(enum outcome outcome, const char *reason)
{
	dprintf(outcome_fd, "%c%s", outcome, reason);
	_exit(outcome == OUTCOME_FAIL);
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
	char reason[REASON_BYTES];
	const char *base = strrchr(file, '/');
	int n = snprintf(reason, sizeof(reason), "%s:%d: ", base ? base + 1 : file, line);
	va_list args;

	va_start(args, fmt);
	vsnprintf(reason + n, sizeof(reason) - (size_t)n, fmt, args);
	va_end(args);
	end_test(OUTCOME_FAIL, reason);
}

void test_skip(const char *fmt, ...)
{
	char reason[REASON_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	end_test(OUTCOME_SKIP, reason);
}

static void fail_on_panic(const char *message)
{
	char reason[REASON_BYTES];

	if (options.no_fork)
		abort();
	snprintf(reason, sizeof(reason), "panic: %s", message);
	end_test(OUTCOME_FAIL, reason);
}

/* ---- In the child: panics that are expected ------------------------------------------------- */

#define PANIC_EXPECTED 99
#define PANIC_MISSING  98

static int panic_pipe[2];
static pid_t panic_child;

static void report_panic(const char *message)
{
	dprintf(panic_pipe[1], "%s", message);
	_exit(PANIC_EXPECTED);
}

bool test_panic_begin(void)
{
	if (pipe(panic_pipe) != 0)
		FAIL("no pipe");
	panic_child = fork();
	if (panic_child)
		return false;
	hosted_panic_hook = report_panic;
	hosted_after_fork();
	return true;
}

void test_panic_none(void)
{
	_exit(PANIC_MISSING);
}

void test_panic_end(const char *file, int line, const char *text)
{
	char message[REASON_BYTES] = "";
	int status;
	ssize_t n;

	close(panic_pipe[1]);
	n = read(panic_pipe[0], message, sizeof(message) - 1);
	close(panic_pipe[0]);
	waitpid(panic_child, &status, 0);
	if (!WIFEXITED(status))
		test_fail(file, line, "died of signal %d, no panic \"%s\"", WTERMSIG(status), text);
	if (WEXITSTATUS(status) == PANIC_MISSING)
		test_fail(file, line, "no panic \"%s\"", text);
	if (n < 0 || WEXITSTATUS(status) != PANIC_EXPECTED)
		test_fail(file, line, "ended with status %d, no panic \"%s\"", WEXITSTATUS(status),
			  text);
	if (!strstr(message, text))
		test_fail(file, line, "panic \"%s\", not \"%s\"", message, text);
}

/* ---- In the child: counting, randomness, failures -------------------------------------------- */

unsigned long test_free_frames(void)
{
	hosted_drop_lazy_mms();
	vmalloc_purge();
	drain_pgt_cache();
	kmem_cache_shrink_all();
	drain_all_pages();
	/* Tables are kept, and slabs by a few scattered objects. */
	return nr_free_pages() + nr_kernel_tables + kmem_cache_spare_pages();
}

void test_fail_every_allocation(bool (*body)(void *arg), void *arg)
{
	for (unsigned long n = 1;; n++) {
		unsigned long before = test_free_frames(), after;
		bool done;

		hosted_fail_nth(n);
		done = body(arg);
		if (hosted_fail_count() < n) {
			hosted_fail_nth(0);
			if (!done)
				FAIL("fails though no allocation failed");
			return;
		}
		hosted_fail_nth(0);
		after = test_free_frames();
		if (!done && after != before)
			FAIL("allocation %lu failing: %lu frames free, before %lu", n, after,
			     before);
		mm_validate_all();
	}
}

u64 test_seed(void)
{
	return options.seed;
}

u64 test_random(void)
{
	u64 z = random_state += 0x9E3779B97F4A7C15ull; /* splitmix64 */

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
	return z ^ (z >> 31);
}

u64 test_random_below(u64 n)
{
	return test_random() % n;
}

unsigned int test_scale(unsigned int n)
{
	if (is_long_run())
		n *= 10;
	return is_sanitized() ? (n + 7) / 8 : n;
}

size_t test_first_difference(const void *a, const void *b, size_t n)
{
	const unsigned char *p = a, *q = b;
	size_t i = 0;

	while (i < n && p[i] == q[i])
		i++;
	return i;
}

/* ---- In the child: one test ------------------------------------------------------------------ */

static void print_slab_line(void *arg, const char *text)
{
	(void)arg;
	pr_info("%s", text);
}

static unsigned long lasting_frames;

void test_lasting(void (*body)(void))
{
	unsigned long before = test_free_frames();

	body();
	lasting_frames += before - test_free_frames();
}

/*
 * Does kswapd of this node sleep with nothing to do? The queue's lock is taken for the order of
 * memory that it gives: all that kswapd did before it queued itself has been seen by us then, so
 * the test may look at its structures without their locks.
 */
static bool kswapd_rests(pg_data_t *pgdat)
{
	unsigned long flags;
	bool rests;

	if (!pgdat->kswapd)
		return true;
	spin_lock_irqsave(&pgdat->kswapd_wait.lock, flags);
	rests = kswapd_can_sleep_pgdat(pgdat) && atomic_read(&pgdat->kswapd_wait.nr_waiting);
	spin_unlock_irqrestore(&pgdat->kswapd_wait.lock, flags);
	return rests;
}

/* How long kswapd may take until it rests, which on a busy host can be long. */
#define REST_LIMIT_NS (120 * 1000000000ull)

static void wait_for_kswapd(pg_data_t *pgdat)
{
	u64 limit = port_clock_ns() + REST_LIMIT_NS;

	for (unsigned int i = 0; !kswapd_rests(pgdat); i++) {
		if (i < 1000) {
			port_yield();
			continue;
		}
		if (port_clock_ns() > limit)
			FAIL("kswapd of node %d does not come to rest", pgdat->node_id);
		port_park(port_clock_ns() + 1000000);
	}
}

void test_let_kswapd_rest(void)
{
	pg_data_t *pgdat;

	for_each_pgdat(pgdat)
		wait_for_kswapd(pgdat);
}

static void validate_own_mm(void)
{
	struct mm_struct *mm = port_current()->mm;

	down_read(&mm->mmap_lock);
	validate_mm(mm);
	up_read(&mm->mmap_lock);
}

static void check_aftermath(unsigned long frames_before)
{
	unsigned long frames;

	if (port_current()->mm) {
		test_let_kswapd_rest(); /* it changes counters and entries in turn */
		validate_own_mm();
		hosted_process_exit();
	}
	hosted_disks_end();
	if (hosted_nr_tasks())
		FAIL("%u tasks still run", hosted_nr_tasks());
	test_let_kswapd_rest(); /* it holds pages while it works: those are not lost */
	frames = test_free_frames() + lasting_frames;
	mm_validate_all();
	validate_swap();
	if (nr_warnings)
		FAIL("%u warnings", nr_warnings);
	if (frames != frames_before)
		slabinfo(print_slab_line, NULL); /* who still has them? */
	if (frames != frames_before)
		FAIL("%lu frames free after the test, %lu before", frames, frames_before);
}

static unsigned int timeout_s(void)
{
	return (is_sanitized() ? SANITIZER_TIMEOUT_S : PLAIN_TIMEOUT_S) * (is_long_run() ? 10 : 1);
}

/*
 * XC-05's matrix: the same tests on a machine of several nodes, or with slab debugging, from
 * the environment. A test that says what machine it needs keeps that.
 */
static void apply_matrix_cell(struct hosted_config *config)
{
	static char cmdline[256];
	const char *nodes = getenv("PAGODA_TEST_NODES"), *words = getenv("PAGODA_TEST_BOOT_WORDS");

	if (config->exact)
		return;
	if (nodes && !config->nr_nodes)
		config->nr_nodes = (unsigned int)atoi(nodes);
	if (words) {
		snprintf(cmdline, sizeof(cmdline), "%s %s", config->options ? config->options : "",
			 words);
		config->options = cmdline;
	}
}

static __noreturn void run_body(struct unit_test *test)
{
	unsigned long frames = 0;

	hosted_panic_hook = fail_on_panic;
	alarm(timeout_s());
	random_state = options.seed;
	test->config.seed = options.seed;
	apply_matrix_cell(&test->config);
	hosted_boot(&test->config);
	if (!test->config.no_mm_boot)
		frames = test_free_frames();
	test->body();
	if (!test->config.no_mm_boot)
		check_aftermath(frames);
	end_test(OUTCOME_OK, "");
}

/* ---- In the parent --------------------------------------------------------------------------- */

static void print_log_tail(void)
{
	const char *log = hosted_log(), *p = log + strlen(log);
	int lines = 0;

	while (p > log && lines <= LOG_TAIL_LINES)
		lines += *--p == '\n';
	for (; *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : p + strlen(p))
		printf("#   %.*s\n", (int)strcspn(p, "\n"), p);
}

static void explain_death(int status, char *reason)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		snprintf(reason, REASON_BYTES, "time-out");
	else if (WIFSIGNALED(status))
		snprintf(reason, REASON_BYTES, "died of signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(reason, REASON_BYTES, "exited with status %d", WEXITSTATUS(status));
}

/* The kind of outcome; text receives the reason. */
static enum outcome run_child(struct unit_test *test, char *text)
{
	char line[REASON_BYTES + 1] = "";
	size_t used = 0;
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	hosted_clear_log();
	fflush(NULL);
	if (pipe(fds) != 0 || (pid = fork()) < 0) {
		perror("harness");
		exit(2);
	}
	if (!pid) {
		close(fds[0]);
		outcome_fd = fds[1];
		run_body(test);
	}
	close(fds[1]);
	while ((n = read(fds[0], line + used, sizeof(line) - 1 - used)) > 0)
		used += (size_t)n;
	close(fds[0]);
	waitpid(pid, &status, 0);
	snprintf(text, REASON_BYTES, "%s", used ? line + 1 : "");
	if (used && (line[0] != OUTCOME_OK || status == 0))
		return (enum outcome)line[0];
	explain_death(status, text);
	return OUTCOME_FAIL;
}

static bool is_wanted(const struct unit_test *test)
{
	for (int i = 0; i < options.nr_names; i++)
		if (strstr(test->name, options.names[i]))
			return true;
	return options.nr_names == 0;
}

/* One line; true unless the test failed. */
static bool run_test(struct unit_test *test)
{
	char reason[REASON_BYTES];
	enum outcome outcome = run_child(test, reason);

	if (outcome == OUTCOME_OK)
		printf("ok %s [%s]\n", test->name, test->ids);
	else
		printf("%s %s [%s]: %s\n", outcome == OUTCOME_SKIP ? "skip" : "not ok", test->name,
		       test->ids, reason);
	if (outcome == OUTCOME_FAIL) {
		printf("#   seed %llu\n", (unsigned long long)options.seed);
		print_log_tail();
	}
	fflush(stdout);
	return outcome != OUTCOME_FAIL;
}

static void parse_options(int argc, char **argv)
{
	options.seed = (u64)time(NULL);
	options.rounds = 1;
	options.names = calloc((size_t)argc, sizeof(char *));
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--list"))
			options.list = true;
		else if (!strcmp(argv[i], "--no-fork"))
			options.no_fork = true;
		else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			options.seed = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--rounds") && i + 1 < argc)
			options.rounds = (unsigned int)strtoul(argv[++i], NULL, 0);
		else if (argv[i][0] == '-') {
			fprintf(stderr,
				"usage: %s [--list] [--seed N] [--rounds N] [--no-fork] "
				"[NAME...]\n",
				argv[0]);
			exit(2);
		} else
			options.names[options.nr_names++] = argv[i];
	}
}

/* All that is asked for, once; how many failed. */
static unsigned int run_round(unsigned int *run)
{
	unsigned int failed = 0;

	for (struct unit_test *test = tests; test; test = test->next) {
		if (!is_wanted(test))
			continue;
		if (options.no_fork) {
			outcome_fd = STDOUT_FILENO;
			run_body(test);
		}
		++*run;
		failed += !run_test(test);
	}
	return failed;
}

static void list_tests(void)
{
	for (struct unit_test *test = tests; test; test = test->next)
		if (is_wanted(test))
			printf("%s [%s]\n", test->name, test->ids);
}

int main(int argc, char **argv)
{
	unsigned int run = 0, failed = 0;
	u64 first_seed;

	parse_options(argc, argv);
	if (options.list) {
		list_tests();
		return 0;
	}
	first_seed = options.seed;
	for (unsigned int round = 0; round < options.rounds; round++) {
		options.seed = first_seed + round;
		failed += run_round(&run);
	}
	printf("%u run, %u failed (%s, seed %llu)\n", run, failed, HOSTED_VARIANT,
	       (unsigned long long)first_seed);
	return failed != 0;
}
