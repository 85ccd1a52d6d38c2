/* SPDX-License-Identifier: MIT */
/*
 * table.h: tables of a system call's errors, for the programs of this folder.
 *
 * A call is made with every combination of a few values for each argument, good and bad, so that
 * the order shows in which the kernel finds the errors: with two faulty arguments the check that
 * comes first decides. The results are printed as a tree, from the first argument to the last:
 *
 *	clock_gettime(REALTIME, ...)		NULL EFAULT | buffer 0
 *	clock_gettime(12|99, *)			EINVAL
 *
 * "*" says that all values of the arguments from there on give the same result; values with the same
 * results that stand side by side share a line. A result above 0
 * is "ok": descriptors and addresses differ between two runs.
 */
#pragma once
#include "guest.h"

#define TABLE_ARGS    6
#define TABLE_RESULTS 65536

struct value {
	const char *label;
	long value;
};
struct arg {
	const struct value *values;
	int count;
};

#define V(x)	    { #x, (long)(x) }
#define N(label, x) { label, (long)(x) }
#define ARG(...)                                                                                   \
	{ (const struct value[]){ __VA_ARGS__ },                                                   \
	  (int)(sizeof((const struct value[]){ __VA_ARGS__ }) / sizeof(struct value)) }
#define TABLE(call, ...)                                                                           \
	make_table(#call, SYS_##call, (const struct arg[]){ __VA_ARGS__ },                         \
		   (int)(sizeof((const struct arg[]){ __VA_ARGS__ }) / sizeof(struct arg)))

/* Called before and after each call (NULL: nothing to do): puts back what the call changes. */
static void (*table_before)(void);
static void (*table_after)(long result);

static short table_results[TABLE_RESULTS]; /* 0, 1: ok, or -errno */

static long table_size(const struct arg *args, int nr)
{
	long size = 1;
	while (nr-- > 0)
		size *= args[nr].count;
	return size;
}

static void call_all(long number, const struct arg *args, int nr)
{
	long size = table_size(args, nr);
	for (long i = 0; i < size; i++) {
		long a[TABLE_ARGS] = { 0 }, left = i;
		for (int n = nr - 1; n >= 0; n--) {
			a[n] = args[n].values[left % args[n].count].value;
			left /= args[n].count;
		}
		if (table_before)
			table_before();
		errno = 0;
		long result = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
		table_results[i] = (short)(result == -1 ? -errno : result != 0);
		if (table_after)
			table_after(result);
	}
}

static const char *table_result(short result)
{
	return result < 0 ? errno_name(-result) : result ? "ok" : "0";
}

static int all_same(long first, long count)
{
	for (long i = 1; i < count; i++)
		if (table_results[first + i] != table_results[first])
			return 0;
	return 1;
}

/* The last argument's values, those in a row with the same result together. */
static void print_row(const struct arg *arg, long first)
{
	for (int v = 0; v < arg->count; v++) {
		printf("%s%s%s", v ? " " : "", arg->values[v].label, arg->count > 1 ? "" : ")");
		if (v + 1 == arg->count || table_results[first + v] != table_results[first + v + 1])
			printf(" %s%s", table_result(table_results[first + v]), v + 1 == arg->count ? "" : " |");
	}
	printf("\n");
}

/* The prefix with value v, and with those after it whose results are the same. Return: the next value. */
static int print_label(char *label, size_t size, const char *prefix, const struct arg *arg, int v, long first, long below)
{
	const short *mine = table_results + first + v * below;
	int used = snprintf(label, size, "%s%s", prefix, arg->values[v].label), next = v + 1;
	for (; next < arg->count && !memcmp(mine, table_results + first + next * below, (size_t)below * sizeof(*mine)); next++)
		used += snprintf(label + used, size - (size_t)used, "|%s", arg->values[next].label);
	snprintf(label + used, size - (size_t)used, ", ");
	return next;
}

static void print_tree(const char *prefix, const struct arg *args, int nr, long first)
{
	long below = table_size(args, nr);
	if (args[0].count > 1 && all_same(first, below)) {
		printf("%s*) %s\n", prefix, table_result(table_results[first]));
		return;
	}
	if (nr == 1) {
		printf(args[0].count > 1 ? "%s...) " : "%s", prefix);
		print_row(args, first);
		return;
	}
	below /= args[0].count;
	for (int v = 0, next; v < args[0].count; v = next) {
		char longer[512];
		next = print_label(longer, sizeof(longer), prefix, args, v, first, below);
		print_tree(longer, args + 1, nr - 1, first + v * below);
	}
}

HELPER void make_table(const char *name, long number, const struct arg *args, int nr)
{
	char prefix[64];
	if (table_size(args, nr) > TABLE_RESULTS)
		die(__FILE__, __LINE__, "a table that is too large");
	call_all(number, args, nr);
	snprintf(prefix, sizeof(prefix), "%s(", name);
	print_tree(prefix, args, nr, 0);
}

/* Runs body as user and group 1000, without any other group or capability. */
HELPER void as_user(void (*body)(void))
{
	fflush(stdout);
	pid_t pid = MUST(fork());
	if (pid == 0) {
		MUST(syscall(SYS_setgroups, 0, NULL));
		MUST(syscall(SYS_setresgid, 1000, 1000, 1000));
		MUST(syscall(SYS_setresuid, 1000, 1000, 1000));
		body();
		fflush(stdout);
		_exit(0);
	}
	int status = 0;
	waitpid(pid, &status, 0);
	if (status)
		printf("the user's process ended with %#x\n", status);
}

/* A number that no process has: of a child that has been waited for. */
HELPER pid_t dead_pid(void)
{
	pid_t pid = MUST(fork());
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	return pid;
}
