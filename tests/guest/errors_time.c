/* SPDX-License-Identifier: MIT */
/* libc: glibc */
/*
 * errors_time.c: the errors of the calls about time, in the order in which they are found.
 *
 * Clocks of CPU time are numbers made of a process number: those of the caller, of a child, of
 * process 1, of a thread and of nobody are tried as well.
 */
#include "table.h"
#include <sys/time.h>
#include <sys/timerfd.h>

#define CPU_CLOCK(pid, kind) ((int)(~(unsigned int)(pid) << 3 | (kind)))
#define PROF   0
#define VIRT   1
#define SCHED  2
#define DEVICE 3
#define THREAD 4

static struct timespec buffer, zero, bad_ns = { 0, 1000000000 }, negative_ns = { 0, -1 }, negative = { -1, 0 };
static struct itimerspec old, disarm, far = { { 0, 0 }, { 1000000, 0 } }, bad_value = { { 0, 0 }, { 0, 1000000000 } },
	bad_interval = { { 0, -1 }, { 0, 0 } }, negative_value = { { 0, 0 }, { -1, 0 } };
static struct itimerval itimer, no_time, bad_us = { { 0, 0 }, { 0, 1000000 } }, negative_s = { { 0, 0 }, { -1, 0 } };
static struct timeval tv, bad_tv = { 0, 1000000 }, negative_tv = { -1, 0 }, early_tv = { 1, 0 };
static int zone[2];
static pid_t child, gone;

#define CLOCKS                                                                                     \
	N("REALTIME", 0), N("MONOTONIC", 1), N("PROCESS", 2), N("THREAD", 3), N("RAW", 4),         \
	N("REAL_COARSE", 5), N("MONO_COARSE", 6), N("BOOTTIME", 7), N("REAL_ALARM", 8),            \
	N("BOOT_ALARM", 9), N("SGI", 10), N("TAI", 11), V(12), V(15), V(16), V(99)
#define CPU_CLOCKS                                                                                 \
	N("own prof", CPU_CLOCK(0, PROF)), N("own virt", CPU_CLOCK(0, VIRT)),                      \
	N("own sched", CPU_CLOCK(getpid(), SCHED)), N("own thread", CPU_CLOCK(0, THREAD | SCHED)), \
	N("own thread by number", CPU_CLOCK(getpid(), THREAD | PROF)),                             \
	N("child", CPU_CLOCK(child, SCHED)), N("child's thread", CPU_CLOCK(child, THREAD | SCHED)),\
	N("1", CPU_CLOCK(1, SCHED)), N("nobody", CPU_CLOCK(gone, SCHED)),                          \
	N("nobody's thread", CPU_CLOCK(gone, THREAD | SCHED)),                                     \
	N("own kind 3", CPU_CLOCK(0, DEVICE)), N("thread kind 3", CPU_CLOCK(0, THREAD | DEVICE))

static void clocks(void)
{
	TABLE(clock_gettime, ARG(CLOCKS, CPU_CLOCKS), ARG(N("NULL", 0), N("bad", 8), N("buffer", &buffer)));
	TABLE(clock_getres, ARG(CLOCKS, CPU_CLOCKS), ARG(N("NULL", 0), N("bad", 8), N("buffer", &buffer)));
	TABLE(clock_settime, ARG(CLOCKS, CPU_CLOCKS),
	      ARG(N("NULL", 0), N("bad", 8), N("ns", &bad_ns), N("-ns", &negative_ns), N("-s", &negative)));
	TABLE(clock_nanosleep, ARG(CLOCKS, CPU_CLOCKS), ARG(V(0), N("ABS", 1), V(2), V(-1)),
	      ARG(N("NULL", 0), N("bad", 8), N("ns", &bad_ns), N("-ns", &negative_ns), N("-s", &negative), N("zero", &zero)),
	      ARG(N("-", 0), N("bad", 8)));
	TABLE(nanosleep, ARG(N("NULL", 0), N("bad", 8), N("ns", &bad_ns), N("-ns", &negative_ns), N("-s", &negative), N("zero", &zero)),
	      ARG(N("-", 0), N("bad", 8)));
	TABLE(gettimeofday, ARG(N("-", 0), N("bad", 8), N("tv", &tv)), ARG(N("-", 0), N("bad", 8), N("zone", zone)));
	TABLE(settimeofday, ARG(N("-", 0), N("bad", 8), N("us", &bad_tv), N("-s", &negative_tv)),
	      ARG(N("bad", 8)));
	TABLE(time, ARG(N("-", 0), N("bad", 8), N("buffer", &buffer)));
	TABLE(times, ARG(N("bad", 8)));
}

static void setting_as_user(void)
{
	printf("as a user\n");
	TABLE(clock_settime, ARG(CLOCKS, CPU_CLOCKS),
	      ARG(N("NULL", 0), N("bad", 8), N("ns", &bad_ns), N("-s", &negative), N("zero", &zero)));
	TABLE(settimeofday, ARG(N("-", 0), N("bad", 8), N("us", &bad_tv), N("-s", &negative_tv), N("early", &early_tv)),
	      ARG(N("-", 0), N("bad", 8), N("zone", zone)));
	TABLE(timer_create, ARG(CLOCKS, CPU_CLOCKS), ARG(N("-", 0), N("bad", 8)), ARG(N("bad", 8)));
	TABLE(timerfd_create, ARG(CLOCKS), ARG(V(0), V(1)));
}

/* ---- Timers ------------------------------------------------------------------------- */

static int timer, made;

static void forget(void)
{
	made = -1;
}

static void delete_made(long result)
{
	if (result == 0)
		syscall(SYS_timer_delete, made);
}

static void close_made(long result)
{
	if (result >= 0)
		close((int)result);
}

static void creating(void)
{
	struct sigevent none = { .sigev_notify = SIGEV_NONE }, none_bad_signal = { .sigev_notify = SIGEV_NONE, .sigev_signo = 99 };
	struct sigevent usr1 = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct sigevent zero_signal = { .sigev_notify = SIGEV_SIGNAL }, high = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = 65 };
	struct sigevent to_thread = { .sigev_notify = SIGEV_THREAD, .sigev_signo = SIGUSR1 };
	struct sigevent to_me = { .sigev_notify = 4, .sigev_signo = SIGUSR1 }, to_child = to_me, to_nobody = to_me;
	struct sigevent unknown = { .sigev_notify = 3, .sigev_signo = SIGUSR1 }, seven = { .sigev_notify = 7, .sigev_signo = SIGUSR1 };
	struct sigevent none_to_me = { .sigev_notify = 5, .sigev_signo = SIGUSR1 }, nobody_high = { .sigev_notify = 4, .sigev_signo = 65 };
	((int *)&to_me)[4] = ((int *)&none_to_me)[4] = getpid();
	((int *)&to_child)[4] = child;
	((int *)&to_nobody)[4] = ((int *)&nobody_high)[4] = gone;
	table_before = forget;
	table_after = delete_made;
	TABLE(timer_create, ARG(CLOCKS, CPU_CLOCKS),
	      ARG(N("-", 0), N("bad", 8), N("NONE", &none), N("NONE 99", &none_bad_signal), N("SIGNAL", &usr1),
		  N("SIGNAL 0", &zero_signal), N("SIGNAL 65", &high), N("THREAD", &to_thread), N("to me", &to_me),
		  N("to child", &to_child), N("to nobody", &to_nobody), N("to nobody 65", &nobody_high),
		  N("kind 3", &unknown), N("kind 5", &none_to_me), N("kind 7", &seven)),
	      ARG(N("NULL", 0), N("bad", 8), N("id", &made)));
	table_before = NULL;
	table_after = NULL;
}

static void setting(void)
{
	MUST(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &timer));
	TABLE(timer_settime, ARG(N("timer", timer), N("none", timer + 1000), V(-1)), ARG(V(0), N("ABS", 1), V(2), V(-1)),
	      ARG(N("NULL", 0), N("bad", 8), N("ns", &bad_value), N("interval", &bad_interval), N("-s", &negative_value), N("far", &far), N("disarm", &disarm)),
	      ARG(N("-", 0), N("bad", 8), N("old", &old)));
	TABLE(timer_gettime, ARG(N("timer", timer), N("none", timer + 1000), V(-1)), ARG(N("NULL", 0), N("bad", 8), N("old", &old)));
	TABLE(timer_getoverrun, ARG(N("timer", timer), N("none", timer + 1000), V(-1)));
	TABLE(timer_delete, ARG(N("none", timer + 1000), V(-1), N("timer", timer), N("again", timer)));
	TABLE(setitimer, ARG(V(-1), N("REAL", 0), N("VIRTUAL", 1), N("PROF", 2), V(3)),
	      ARG(N("bad", 8), N("us", &bad_us), N("-s", &negative_s), N("zero", &no_time)),
	      ARG(N("-", 0), N("bad", 8), N("old", &itimer)));
	TABLE(getitimer, ARG(V(-1), N("REAL", 0), N("VIRTUAL", 1), N("PROF", 2), V(3)), ARG(N("NULL", 0), N("bad", 8), N("old", &itimer)));
}

static void descriptors(void)
{
	int fd = MUST(timerfd_create(CLOCK_MONOTONIC, 0));
	table_after = close_made;
	TABLE(timerfd_create, ARG(CLOCKS, N("own", CPU_CLOCK(0, SCHED))), ARG(V(0), V(O_NONBLOCK), V(O_CLOEXEC), V(1), V(-1)));
	table_after = NULL;
	TABLE(timerfd_settime, ARG(N("timer", fd), N("stdin", 0), V(-1)), ARG(V(0), N("ABS", 1), N("CANCEL", 2), N("ABS|CANCEL", 3), V(4)),
	      ARG(N("NULL", 0), N("bad", 8), N("ns", &bad_value), N("interval", &bad_interval), N("-s", &negative_value), N("far", &far), N("disarm", &disarm)),
	      ARG(N("-", 0), N("bad", 8), N("old", &old)));
	TABLE(timerfd_gettime, ARG(N("timer", fd), N("stdin", 0), V(-1)), ARG(N("NULL", 0), N("bad", 8), N("old", &old)));
}

int main(void)
{
	gone = dead_pid();
	child = MUST(fork());
	if (child == 0)
		for (;;)
			pause();
	clocks();
	as_user(setting_as_user);
	creating();
	setting();
	descriptors();
	kill(child, SIGKILL);
	wait_for(child);
	return 0;
}
