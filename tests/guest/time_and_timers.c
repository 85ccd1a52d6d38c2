/* SPDX-License-Identifier: MIT */
/* timeout: 120 */
/*
 * Time: the clocks go forward and agree with each other, sleeps are never too short, alarm
 * and setitimer send their signals (once, repeatedly, by CPU time), their values and errors,
 * and are not inherited by fork. RLIMIT_CPU sends SIGXCPU, then SIGKILL.
 */
#include "guest.h"
#include <poll.h>
#include <sys/time.h>

static volatile sig_atomic_t fired;

static void count(int sig)
{
	(void)sig;
	fired++;
}

static long long clock_ns(clockid_t clock)
{
	struct timespec now;
	MUST(clock_gettime(clock, &now));
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void clocks(void)
{
	static const clockid_t ids[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW,
					 CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
					 CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE };
	for (unsigned i = 0; i < ARRAY_LEN(ids); i++) {
		long long last = clock_ns(ids[i]), backwards = 0;
		for (int n = 0; n < 2000; n++) {
			long long now = clock_ns(ids[i]);
			backwards += now < last;
			last = now;
		}
		printf("clock %d: backwards %lld\n", (int)ids[i], backwards);
	}
	struct timespec t;
	struct timeval tv;
	SHOW(clock_gettime(99, &t));
	SHOW(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, (void *)8));
	MUST(gettimeofday(&tv, NULL));
	time_t seconds = time(NULL);
	long long real = clock_ns(CLOCK_REALTIME) / 1000000000;
	printf("gettimeofday, time and the clock agree: %s\n",
	       labs((long)(tv.tv_sec - seconds)) <= 1 && llabs(real - seconds) <= 1 ? "yes" : "no");
	printf("after 2020: %s\n", seconds > 1577836800 ? "yes" : "no");
	long long before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	sleep_ms(50);
	long long slept = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before;
	printf("sleeping takes no CPU time: %s\n", slept < 40000000 ? "yes" : "no");
	for (volatile int i = 0; clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before < 30000000; i++)
		;
	printf("working does\n");
}

static void sleeps(void)
{
	static const long lengths[] = { 0, 1, 1000, 500000, 1000000, 3000000, 10000000, 33333333, 100000000 };
	for (unsigned i = 0; i < ARRAY_LEN(lengths); i++) {
		struct timespec t = { 0, lengths[i] };
		long long start = clock_ns(CLOCK_MONOTONIC);
		int result = nanosleep(&t, NULL);
		long long took = clock_ns(CLOCK_MONOTONIC) - start;
		printf("sleep of %ld ns: %d, %s\n", lengths[i], result,
		       took < lengths[i] ? "too short" : took > lengths[i] + 2000000000 ? "much too long" : "long enough");
	}
	struct timespec bad = { 0, 1000000000 };
	SHOW(nanosleep(&bad, NULL));
	bad = (struct timespec){ -1, 0 };
	SHOW(nanosleep(&bad, NULL));
	SHOW(syscall(SYS_nanosleep, (void *)8, NULL));
	bad = (struct timespec){ 0, 1000 };
	printf("clock_nanosleep on a bad clock: %s\n", errno_name(clock_nanosleep(99, 0, &bad, NULL)));
	printf("clock_nanosleep into the past: %d\n", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &bad, NULL));
	long long start = clock_ns(CLOCK_MONOTONIC);
	SHOW(poll(NULL, 0, 30));
	printf("poll's timeout: %s\n", clock_ns(CLOCK_MONOTONIC) - start >= 30000000 ? "long enough" : "too short");
	struct timeval tv = { 0, 30000 };
	start = clock_ns(CLOCK_MONOTONIC);
	SHOW(select(0, NULL, NULL, NULL, &tv));
	printf("select's timeout: %s\n", clock_ns(CLOCK_MONOTONIC) - start >= 30000000 ? "long enough" : "too short");
}

static int child_has_no_timer(void *unused)
{
	struct itimerval timer;
	(void)unused;
	MUST(getitimer(ITIMER_REAL, &timer));
	printf("child: timer %s\n", timer.it_value.tv_sec || timer.it_value.tv_usec ? "set" : "not set");
	return 0;
}

static void alarms(void)
{
	signal(SIGALRM, count);
	SHOW(alarm(100));
	SHOW(alarm(50) > 98);
	show_status("child", run_child(child_has_no_timer, NULL));
	SHOW(alarm(0) > 48);
	SHOW(alarm(0));
	struct itimerval timer = { { 0, 10000 }, { 0, 20000 } }, old;
	long long start = clock_ns(CLOCK_MONOTONIC);
	SHOW(setitimer(ITIMER_REAL, &timer, NULL));
	while (fired < 5)
		pause();
	long long took = clock_ns(CLOCK_MONOTONIC) - start;
	printf("five signals, the fifth not before 60 ms: %s\n", took >= 60000000 ? "yes" : "no");
	MUST(getitimer(ITIMER_REAL, &timer));
	printf("interval %ld us\n", (long)timer.it_interval.tv_usec);
	memset(&timer, 0, sizeof(timer));
	SHOW(setitimer(ITIMER_REAL, &timer, &old));
	printf("old interval %ld us\n", (long)old.it_interval.tv_usec);
	fired = 0;
	sleep_ms(40);
	printf("fired after it was stopped: %d\n", (int)fired);
	timer.it_value.tv_usec = 1000000;
	SHOW(setitimer(ITIMER_REAL, &timer, NULL));
	SHOW(setitimer(9, &timer, NULL));
	SHOW(syscall(SYS_setitimer, ITIMER_REAL, (void *)8, NULL));
	SHOW(syscall(SYS_getitimer, ITIMER_REAL, (void *)8));
}

static void cpu_timers(void)
{
	struct itimerval timer = { { 0, 0 }, { 0, 30000 } };
	signal(SIGVTALRM, count);
	signal(SIGPROF, count);
	fired = 0;
	MUST(setitimer(ITIMER_VIRTUAL, &timer, NULL));
	sleep_ms(60);
	printf("ITIMER_VIRTUAL while sleeping: %d\n", (int)fired);
	while (!fired)
		;
	printf("ITIMER_VIRTUAL while working: %d\n", (int)fired);
	fired = 0;
	MUST(setitimer(ITIMER_PROF, &timer, NULL));
	while (!fired)
		;
	printf("ITIMER_PROF: %d\n", (int)fired);
}

static int use_up_cpu(void *unused)
{
	struct rlimit limit = { 1, 2 };
	(void)unused;
	MUST(setrlimit(RLIMIT_CPU, &limit));
	signal(SIGXCPU, count);
	while (!fired)
		;
	printf("SIGXCPU at the soft limit\n");
	for (;;)
		;
	return 0;
}

static int use_up_default(void *unused)
{
	struct rlimit limit = { 1, 5 };
	(void)unused;
	MUST(setrlimit(RLIMIT_CPU, &limit));
	for (;;)
		;
	return 0;
}

int main(void)
{
	clocks();
	sleeps();
	alarms();
	cpu_timers();
	fired = 0;
	show_status("at the hard limit", run_child(use_up_cpu, NULL));
	show_status("default action", run_child(use_up_default, NULL));
	return 0;
}
