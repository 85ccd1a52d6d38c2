/* SPDX-License-Identifier: MIT */
/* libc: glibc */
/*
 * errors_sched.c: the errors of the calls about scheduling, limits and usage, in the order in which
 * they are found, for root and for a user.
 */
#include "table.h"

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
	uint64_t beyond;
};

static pid_t gone;
static int number, prio_0, prio_1 = 1, prio_99 = 99, prio_100 = 100, prio_low = -1;
static unsigned long cpus, no_cpus, cpu_63 = 1ul << 63, buffer[512];
static struct timespec slice;
static struct rlimit limit, upside_down = { 2, 1 }, huge = { 1, RLIM_INFINITY };

#define PIDS	V(0), N("me", getpid()), V(-1), V(INT_MIN), N("nobody", gone)
#define POLICIES N("OTHER", 0), N("FIFO", 1), N("RR", 2), N("BATCH", 3), V(4), N("IDLE", 5), N("DEADLINE", 6), V(8), V(-1)

static void reading(void)
{
	TABLE(sched_getaffinity, ARG(PIDS), ARG(V(0), V(4), V(8), V(9), V(128)), ARG(N("NULL", 0), N("bad", 8), N("buffer", buffer)));
	TABLE(sched_setaffinity, ARG(PIDS), ARG(V(0), V(1), V(8)), ARG(N("NULL", 0), N("bad", 8), N("none", &no_cpus), N("63", &cpu_63), N("all", &cpus)));
	TABLE(sched_getscheduler, ARG(PIDS));
	TABLE(sched_getparam, ARG(PIDS), ARG(N("NULL", 0), N("bad", 8), N("buffer", &number)));
	TABLE(sched_get_priority_max, ARG(POLICIES));
	TABLE(sched_get_priority_min, ARG(POLICIES));
	TABLE(sched_rr_get_interval, ARG(PIDS), ARG(N("NULL", 0), N("bad", 8), N("buffer", &slice)));
	TABLE(sched_getattr, ARG(PIDS), ARG(N("NULL", 0), N("bad", 8), N("buffer", buffer)), ARG(V(0), V(47), V(48), V(52), V(56), V(64), V(4096), V(4097)), ARG(V(0), V(1)));
	TABLE(getpriority, ARG(V(-1), N("PROCESS", 0), N("PGRP", 1), N("USER", 2), V(3)), ARG(V(0), V(-1), V(INT_MIN), N("nobody", gone)));
	TABLE(getrusage, ARG(N("SELF", 0), N("CHILDREN", -1), N("THREAD", 1), V(2), V(-2)), ARG(N("NULL", 0), N("bad", 8), N("buffer", buffer)));
	TABLE(getrlimit, ARG(V(-1), V(0), V(7), V(15), V(16)), ARG(N("NULL", 0), N("bad", 8), N("buffer", &limit)));
	TABLE(getcpu, ARG(N("-", 0), N("bad", 8), N("buffer", buffer)), ARG(N("-", 0), N("bad", 8), N("buffer", buffer)));
}

static void back_to_other(long result)
{
	int zero = 0;
	(void)result;
	syscall(SYS_sched_setscheduler, 0, 0, &zero);
}

static struct attr small, large, beyond;

/* E2BIG writes the size that the kernel knows. */
static void set_sizes(void)
{
	small.size = 47;
	large.size = 5000;
	beyond = (struct attr){ .size = 64, .beyond = 1 };
}

static void attributes(void)
{
	static struct attr normal = { .size = 56 }, old = { .size = 48 }, zero;
	static struct attr longer = { .size = 64 }, policy_7 = { .size = 48, .policy = 7 }, negative = { .size = 48, .policy = -1 };
	static struct attr prio = { .size = 48, .priority = 1 }, flag = { .size = 48, .flags = 1 << 20 }, nice_20 = { .size = 48, .nice = 20 }, nice_low = { .size = 48, .nice = -5 };
	static struct attr fifo_0 = { .size = 48, .policy = 1 }, fifo_100 = { .size = 48, .policy = 1, .priority = 100 }, clamp_old = { .size = 48, .flags = 0x20 };
	static struct attr deadline = { .size = 48, .policy = 6 }, reset = { .size = 48, .flags = 1 }, deadline_prio = { .size = 48, .policy = 6, .priority = 1 };
	static struct attr flag_policy = { .size = 48, .policy = 7, .flags = 1 << 20 }, keep = { .size = 48, .policy = 7, .flags = 8 }, keep_params = { .size = 48, .policy = 3, .priority = 7, .flags = 16 };
	table_before = set_sizes;
	TABLE(sched_setattr, ARG(PIDS),
	      ARG(N("NULL", 0), N("bad", 8), N("size 56", &normal), N("48", &old), N("0", &zero), N("47", &small), N("5000", &large),
		  N("64 beyond", &beyond), N("64", &longer), N("policy 7", &policy_7), N("policy -1", &negative), N("priority 1", &prio),
		  N("flag", &flag), N("nice 20", &nice_20), N("FIFO 0", &fifo_0), N("FIFO 100", &fifo_100), N("clamp", &clamp_old), N("DEADLINE", &deadline),
		  N("DEADLINE 1", &deadline_prio), N("flag and policy", &flag_policy), N("keep policy", &keep), N("keep parameters", &keep_params)), ARG(V(0), V(1)));
	TABLE(sched_setattr, ARG(PIDS), ARG(N("nice 0", &normal), N("nice -5", &nice_low), N("reset", &reset), N("no reset", &normal)), ARG(V(0)));
	table_before = NULL;
}

static void policies_of_root(void)
{
	TABLE(sched_setscheduler, ARG(PIDS), ARG(N("OTHER", 0), N("BATCH", 3), V(4), N("IDLE", 5), V(7), V(-1), N("OTHER|RESET", 0x40000000), N("7|RESET", 0x40000007)),
	      ARG(N("NULL", 0), N("bad", 8), N("-1", &prio_low), N("0", &prio_0), N("1", &prio_1), N("99", &prio_99), N("100", &prio_100)));
	TABLE(sched_setscheduler, ARG(PIDS), ARG(N("FIFO", 1), N("RR", 2), N("DEADLINE", 6)), ARG(N("NULL", 0), N("bad", 8), N("-1", &prio_low), N("0", &prio_0), N("100", &prio_100)));
	TABLE(sched_setparam, ARG(PIDS), ARG(N("NULL", 0), N("bad", 8), N("-1", &prio_low), N("0", &prio_0), N("1", &prio_1), N("99", &prio_99), N("100", &prio_100)));
}

static void policies_of_user(void)
{
	printf("as a user\n");
	setsid();
	TABLE(sched_setscheduler, ARG(PIDS, V(1)), ARG(POLICIES, N("OTHER|RESET", 0x40000000), N("OTHER", 0)),
	      ARG(N("NULL", 0), N("bad", 8), N("-1", &prio_low), N("0", &prio_0), N("1", &prio_1), N("99", &prio_99), N("100", &prio_100)));
	TABLE(sched_setparam, ARG(PIDS, V(1)), ARG(N("NULL", 0), N("bad", 8), N("-1", &prio_low), N("0", &prio_0), N("1", &prio_1), N("100", &prio_100)));
	SHOW(syscall(SYS_sched_getscheduler, 0) & 0xff);
	SHOW(syscall(SYS_sched_setscheduler, 0, 5, &prio_0));
	SHOW(syscall(SYS_sched_setscheduler, 0, 0, &prio_0));
	SHOW(syscall(SYS_sched_getscheduler, 0) & 0xff);
	SHOW(setpriority(PRIO_PROCESS, 0, 5));
	SHOW(syscall(SYS_sched_setscheduler, 0, 5, &prio_0));
	SHOW(syscall(SYS_sched_setscheduler, 0, 0, &prio_0));
	attributes();
	SHOW(getpriority(PRIO_PROCESS, 0));
	TABLE(sched_setaffinity, ARG(PIDS, V(1)), ARG(V(0), V(8)), ARG(N("NULL", 0), N("bad", 8), N("none", &no_cpus), N("63", &cpu_63), N("all", &cpus)));
	TABLE(setpriority, ARG(V(-1), N("PROCESS", 0), N("PGRP", 1), N("USER", 2), V(3)), ARG(V(0), V(-1), N("nobody", gone)), ARG(V(5), V(5), V(4), V(-100)));
	TABLE(setpriority, ARG(N("PROCESS", 0)), ARG(N("root's 1", 1)), ARG(V(5), V(-5)));
	SHOW(setpriority(PRIO_USER, 0, 7));
	SHOW(setpriority(PRIO_USER, 12345, 7));
	SHOW(getpriority(PRIO_USER, 12345));
	SHOW(setpriority(PRIO_PROCESS, 0, 100));
	SHOW(getpriority(PRIO_PROCESS, 0));
	TABLE(sched_setscheduler, ARG(V(0)), ARG(N("BATCH", 3), N("IDLE", 5), N("BATCH", 3)), ARG(N("0", &prio_0)));
}

/* ---- Limits --------------------------------------------------------------------------- */

static struct rlimit saved[16];

static void save_limits(void)
{
	for (int i = 0; i < 16; i++)
		syscall(SYS_prlimit64, 0, i, NULL, &saved[i]);
}

static void restore_limits(long result)
{
	(void)result;
	for (int i = 0; i < 16; i++)
		syscall(SYS_prlimit64, 0, i, &saved[i], NULL);
}

static void limits_of_user(void)
{
	struct rlimit low = { 10, 10 }, raised = { 10, 20 };
	printf("as a user\n");
	TABLE(prlimit64, ARG(PIDS, V(1)), ARG(V(-1), N("CORE", 4), N("NOFILE", 7), N("MEMLOCK", 8), V(16)),
	      ARG(N("-", 0), N("bad", 8), N("upside down", &upside_down)), ARG(N("-", 0), N("bad", 8), N("old", &limit)));
	SHOW(setrlimit(RLIMIT_NOFILE, &low));
	SHOW(setrlimit(RLIMIT_NOFILE, &raised));
	SHOW(setrlimit(RLIMIT_NICE, &low));
	SHOW(setrlimit(RLIMIT_MSGQUEUE, &low));
	SHOW(setrlimit(RLIMIT_MSGQUEUE, &raised));
	SHOW(getrlimit(RLIMIT_MSGQUEUE, &limit));
	printf("%lu %lu\n", (unsigned long)limit.rlim_cur, (unsigned long)limit.rlim_max);
}

static void nr_open(void)
{
	char text[32];
	long max = read_file("/proc/sys/fs/nr_open", text, sizeof(text)) > 0 ? atol(text) : 0;
	struct rlimit at = { 64, (rlim_t)max }, above = { 64, (rlim_t)max + 1 }, inf = { 64, RLIM_INFINITY }, both = { max + 1, max + 1 };
	SHOW(setrlimit(RLIMIT_NOFILE, &above));
	SHOW(setrlimit(RLIMIT_NOFILE, &inf));
	SHOW(setrlimit(RLIMIT_NOFILE, &both));
	SHOW(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &above, &limit));
	SHOW(setrlimit(RLIMIT_NOFILE, &at));
	SHOW(getrlimit(RLIMIT_NOFILE, &limit));
	printf("%ld %s\n", (long)limit.rlim_cur, limit.rlim_max == (rlim_t)max ? "nr_open" : "other");
}

static void limits(void)
{
	table_before = save_limits;
	table_after = restore_limits;
	TABLE(setrlimit, ARG(V(-1), N("CPU", 0), N("STACK", 3), N("NOFILE", 7), N("RTTIME", 15), V(16)),
	      ARG(N("NULL", 0), N("bad", 8), N("upside down", &upside_down), N("huge", &huge)));
	TABLE(prlimit64, ARG(PIDS, V(1)), ARG(V(-1), N("CPU", 0), N("STACK", 3), N("NOFILE", 7), N("RTTIME", 15), V(16)),
	      ARG(N("-", 0), N("bad", 8), N("upside down", &upside_down)), ARG(N("-", 0), N("bad", 8), N("old", &limit)));
	table_before = NULL;
	table_after = NULL;
	nr_open();
}

int main(void)
{
	gone = dead_pid();
	cpus = ~0ul;
	reading();
	table_after = back_to_other;
	policies_of_root();
	attributes();
	table_after = NULL;
	as_user(policies_of_user);
	as_user(limits_of_user);
	limits();
	return 0;
}
