/* SPDX-License-Identifier: MIT */
/*
 * cpu_clocks.c: clocks of CPU time, timers on them and sleeping by them: of the process itself, of one
 * of its threads, of another process that computes, is stopped, is a zombie, is gone. And times
 * that are told never go back.
 *
 * Time passes on these clocks only while somebody computes, so nothing here depends on how fast the
 * machine is: what is awaited is CPU time, and what is compared is one clock with itself.
 */
#include "guest.h"
#include <pthread.h>
#include <sys/time.h>
#include <sys/times.h>

#define MS 1000000LL

static volatile sig_atomic_t caught;
static volatile long long at_signal; /* what the clock showed */
static clockid_t watched;

static long long time_on(clockid_t clock)
{
	struct timespec ts = { 0, 0 };
	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void on_signal(int sig)
{
	(void)sig;
	at_signal = time_on(watched);
	caught++;
}

static void catch(int sig)
{
	struct sigaction action = { .sa_handler = on_signal };
	MUST(sigaction(sig, &action, NULL));
}

static void compute_until(const volatile sig_atomic_t *flag)
{
	static volatile unsigned long sink;
	while (!*flag)
		sink++;
}

static timer_t make_timer(clockid_t clock, int notify)
{
	struct sigevent event = { .sigev_notify = notify, .sigev_signo = SIGUSR1 };
	timer_t timer;
	MUST(timer_create(clock, &event, &timer));
	return timer;
}

static struct itimerspec spec_ms(long value, long interval)
{
	return (struct itimerspec){ .it_value = { value / 1000, value % 1000 * MS }, .it_interval = { interval / 1000, interval % 1000 * MS } };
}

/* ---- Never back ------------------------------------------------------------------------ */

static void compute_a_little(int n)
{
	for (volatile int i = 0; i < n; i++)
		;
}

static int went_back(const struct tms *a, const struct tms *b, const struct rusage *ra, const struct rusage *rb)
{
	return b->tms_utime < a->tms_utime || b->tms_stime < a->tms_stime || timercmp(&rb->ru_utime, &ra->ru_utime, <) ||
	       timercmp(&rb->ru_stime, &ra->ru_stime, <);
}

static void never_back(void)
{
	struct tms a, b;
	struct rusage ra, rb;
	long long last = 0, now, start = time_on(CLOCK_PROCESS_CPUTIME_ID);
	int back = 0;
	times(&a);
	getrusage(RUSAGE_SELF, &ra);
	do {
		times(&b);
		compute_a_little((int)(b.tms_utime % 7) * 3000);
		getrusage(RUSAGE_SELF, &rb);
		now = time_on(CLOCK_PROCESS_CPUTIME_ID);
		back += went_back(&a, &b, &ra, &rb) || now < last;
		a = b, ra = rb, last = now;
	} while (now - start < 2000 * MS);
	SHOW(back);
}

/* ---- Timers ------------------------------------------------------------------------------- */

static void own_timer(const char *name, clockid_t clock)
{
	struct itimerspec spec = spec_ms(30, 0), left;
	timer_t timer = make_timer(clock, SIGEV_SIGNAL);
	long long start;
	printf("%s\n", name);
	caught = 0;
	watched = clock;
	start = time_on(clock);
	MUST(timer_settime(timer, 0, &spec, NULL));
	MUST(timer_gettime(timer, &left));
	SHOW_TRUE(left.it_value.tv_sec == 0 && left.it_value.tv_nsec > 0 && left.it_value.tv_nsec <= 30 * MS);
	compute_until(&caught);
	SHOW_TRUE(at_signal - start >= 30 * MS);
	MUST(timer_gettime(timer, &left));
	SHOW_TRUE(left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0);
	spec = (struct itimerspec){ .it_value = { 0, 1 } }; /* long ago */
	caught = 0;
	MUST(timer_settime(timer, TIMER_ABSTIME, &spec, NULL));
	compute_until(&caught);
	spec = spec_ms(20, 10);
	caught = 0;
	MUST(timer_settime(timer, 0, &spec, NULL));
	while (caught < 3)
		compute_a_little(1000);
	MUST(timer_settime(timer, 0, &(struct itimerspec){ 0 }, &left));
	SHOW_TRUE(left.it_value.tv_nsec > 0 && left.it_interval.tv_nsec == 10 * MS);
	caught = 0;
	start = time_on(clock);
	while (time_on(clock) - start < 50 * MS)
		;
	SHOW(caught);
	MUST(timer_delete(timer));
}

static void silent_timer(void)
{
	struct itimerspec spec = spec_ms(20, 0), left;
	timer_t timer = make_timer(CLOCK_PROCESS_CPUTIME_ID, SIGEV_NONE);
	long long start = time_on(CLOCK_PROCESS_CPUTIME_ID);
	MUST(timer_settime(timer, 0, &spec, NULL));
	while (time_on(CLOCK_PROCESS_CPUTIME_ID) - start < 60 * MS)
		;
	caught = 0;
	MUST(timer_gettime(timer, &left));
	SHOW_TRUE(left.it_value.tv_sec == 0 && left.it_value.tv_nsec <= 1);
	SHOW(caught);
	MUST(timer_delete(timer));
}

static void interval_timers(void)
{
	static const struct { int which, sig; const char *name; } kinds[] = { { ITIMER_VIRTUAL, SIGVTALRM, "virtual" }, { ITIMER_PROF, SIGPROF, "prof" } };
	struct itimerval value = { { 0, 0 }, { 0, 30000 } }, left;
	for (int i = 0; i < 2; i++) {
		catch(kinds[i].sig);
		caught = 0;
		watched = CLOCK_PROCESS_CPUTIME_ID;
		MUST(setitimer(kinds[i].which, &value, NULL));
		compute_until(&caught);
		MUST(getitimer(kinds[i].which, &left));
		printf("%s: %d, left %ld\n", kinds[i].name, (int)caught, (long)(left.it_value.tv_sec + left.it_value.tv_usec));
	}
}

/* ---- Another process ------------------------------------------------------------------------- */

static pid_t computing_child(void)
{
	static const volatile sig_atomic_t never = 0;
	pid_t pid = MUST(fork());
	if (pid == 0)
		compute_until(&never);
	return pid;
}

static void wait_for_signal(const sigset_t *waiting)
{
	while (!caught)
		sigsuspend(waiting);
}

static void of_another(void)
{
	struct itimerspec spec = spec_ms(30, 0), left;
	struct timespec sleep = { 0, 30 * MS }, rest = { 0, 0 };
	sigset_t usr1, none;
	pid_t child = computing_child();
	clockid_t clock;
	long long start;
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	SHOW(clock_getcpuclockid(child, &clock));
	timer_t timer = make_timer(clock, SIGEV_SIGNAL);
	watched = clock;
	caught = 0;
	start = time_on(clock);
	MUST(timer_settime(timer, 0, &spec, NULL));
	wait_for_signal(&none);
	SHOW_TRUE(at_signal - start >= 30 * MS);
	start = time_on(clock);
	SHOW(clock_nanosleep(clock, 0, &sleep, NULL));
	SHOW_TRUE(time_on(clock) - start >= 30 * MS);
	start = time_on(clock) + 30 * MS;
	sleep = (struct timespec){ start / 1000000000, start % 1000000000 };
	SHOW(clock_nanosleep(clock, TIMER_ABSTIME, &sleep, NULL));
	SHOW_TRUE(time_on(clock) >= start);
	/* Stopped, it uses no time: only a signal ends the sleep. */
	kill(child, SIGSTOP);
	wait_state(child, 'T');
	start = time_on(clock);
	catch(SIGALRM);
	alarm(1);
	sleep = (struct timespec){ 5, 0 };
	SHOW(clock_nanosleep(clock, 0, &sleep, &rest) == EINTR);
	SHOW_TRUE(rest.tv_sec >= 4 && rest.tv_sec <= 5);
	SHOW_TRUE(time_on(clock) == start);
	kill(child, SIGKILL);
	wait_state(child, 'Z');
	SHOW(clock_gettime(clock, &rest));
	spec = spec_ms(1000, 0);
	SHOW(timer_settime(timer, 0, &spec, NULL));
	wait_for(child);
	SHOW(clock_gettime(clock, &rest));
	SHOW(timer_settime(timer, 0, &spec, NULL));
	SHOW(timer_gettime(timer, &left));
	SHOW_TRUE(left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0);
	SHOW(timer_delete(timer));
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
}

/* ---- Threads ------------------------------------------------------------------------------------ */

static volatile sig_atomic_t stop;

static void *computing_thread(void *unused)
{
	compute_until(&stop);
	return unused;
}

static void of_threads(void)
{
	struct timespec sleep = { 0, 30 * MS };
	pthread_t thread;
	clockid_t clock;
	long long start, process;
	pthread_create(&thread, NULL, computing_thread, NULL);
	pthread_getcpuclockid(thread, &clock);
	start = time_on(clock);
	process = time_on(CLOCK_PROCESS_CPUTIME_ID);
	SHOW(clock_nanosleep(clock, 0, &sleep, NULL));
	SHOW_TRUE(time_on(clock) - start >= 30 * MS);
	SHOW(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &sleep, NULL));
	SHOW_TRUE(time_on(CLOCK_PROCESS_CPUTIME_ID) - process >= 60 * MS);
	stop = 1;
	pthread_join(thread, NULL);
	SHOW(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &sleep, NULL) == EINVAL || clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &sleep, NULL) == EOPNOTSUPP);
	pthread_getcpuclockid(pthread_self(), &clock);
	SHOW(clock_nanosleep(clock, 0, &sleep, NULL) == EINVAL);
}

static int child_has_none(void *unused)
{
	long long start = time_on(CLOCK_PROCESS_CPUTIME_ID);
	(void)unused;
	while (time_on(CLOCK_PROCESS_CPUTIME_ID) - start < 60 * MS)
		;
	return caught;
}

static void not_inherited(void)
{
	struct itimerspec spec = spec_ms(20, 0);
	timer_t timer = make_timer(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL);
	caught = 0;
	watched = CLOCK_PROCESS_CPUTIME_ID;
	MUST(timer_settime(timer, 0, &spec, NULL));
	show_status("a child", run_child(child_has_none, NULL));
	compute_until(&caught);
	SHOW(caught);
	timer_delete(timer);
}

int main(void)
{
	clockid_t clock;
	catch(SIGUSR1);
	never_back();
	own_timer("the process", CLOCK_PROCESS_CPUTIME_ID);
	own_timer("the thread", CLOCK_THREAD_CPUTIME_ID);
	MUST(clock_getcpuclockid(getpid(), &clock));
	own_timer("the process by number", clock);
	silent_timer();
	interval_timers();
	of_another();
	of_threads();
	not_inherited();
	return 0;
}
