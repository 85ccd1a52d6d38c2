/* SPDX-License-Identifier: MIT */
/* guest: --ram 64M */
/* timerfd and timer_create: clocks, once and periodic, overruns, threads, CPU time, errors, fork and exec. */
/* Expected text as Linux prints it: CPU-time clocks of this host stand still now and then. */
#include "guest.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#define MS 1000000L
#define BAD_TIMESPEC ((struct itimerspec){ .it_value = { 0, 1000000000 } })

static struct itimerspec in_ms(long value, long interval)
{
	return (struct itimerspec){ { interval / 1000, interval % 1000 * MS }, { value / 1000, value % 1000 * MS } };
}

static void spin_ms(long ms)
{
	struct timespec start, now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / MS < ms);
}

static void show_left(const char *what, const struct itimerspec *t, long at_most_ms)
{
	long ms = t->it_value.tv_sec * 1000 + t->it_value.tv_nsec / MS;
	printf("%s: %s, interval %ld ms\n", what,
	       !t->it_value.tv_sec && !t->it_value.tv_nsec ? "off" :
	       ms <= at_most_ms				    ? "running" :
								      "too long",
	       (long)t->it_interval.tv_sec * 1000 + t->it_interval.tv_nsec / MS);
}

static void show_read(const char *what, int fd)
{
	uint64_t n = 0;
	long got = read(fd, &n, sizeof(n));
	if (got == 8)
		printf("%s: %llu\n", what, (unsigned long long)n);
	else
		printf("%s: %s\n", what, errno_name(errno));
}

static void timerfds(void)
{
	int fd = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)), nb = MUST(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK));
	int ep = MUST(epoll_create1(0));
	struct itimerspec t, once = in_ms(30, 0), often = in_ms(20, 20), off = in_ms(0, 50);
	struct pollfd p = { fd, POLLIN, 0 };
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	char small[4];
	MUST(timerfd_gettime(fd, &t));
	show_left("new", &t, 0);
	SHOW(timerfd_settime(fd, 0, &once, NULL));
	MUST(timerfd_gettime(fd, &t));
	show_left("once", &t, 30);
	SHOW(poll(&p, 1, 0));
	show_read("expired", fd);
	MUST(timerfd_gettime(fd, &t));
	show_left("over", &t, 0);
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
	SHOW(timerfd_settime(fd, 0, &often, &t));
	show_left("old", &t, 0);
	SHOW(epoll_wait(ep, &event, 1, 5000));
	SHOW(epoll_wait(ep, &event, 1, 60)); /* no edge until it is read */
	SHOW(poll(&p, 1, -1));
	uint64_t n;
	usleep(100000);
	MUST(read(fd, &n, 8));
	printf("several: %s\n", n >= 6 && n < 60 ? "ok" : "wrong");
	SHOW(timerfd_settime(fd, 0, &off, &t));
	show_left("switched off", &t, 20);
	MUST(timerfd_gettime(fd, &t));
	show_left("off", &t, 0);
	SHOW(poll(&p, 1, 60));
	clock_gettime(CLOCK_REALTIME, &t.it_value);
	t.it_interval = (struct timespec){ 0, 0 };
	t.it_value.tv_nsec += 20 * MS;
	if (t.it_value.tv_nsec >= 1000 * MS)
		t.it_value = (struct timespec){ t.it_value.tv_sec + 1, t.it_value.tv_nsec - 1000 * MS };
	show_read("not set", nb);
	SHOW(timerfd_settime(nb, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &t, NULL));
	show_read("not yet", nb);
	usleep(50000);
	show_read("absolute", nb);
	t.it_value = (struct timespec){ 1, 0 };
	SHOW(timerfd_settime(nb, TFD_TIMER_ABSTIME, &t, NULL));
	usleep(20000);
	show_read("long past", nb);
	SHOW(read(nb, small, 4));
	SHOW(read(fd, BAD_POINTER, 4));
	SHOW(write(nb, &n, 8));
	SHOW(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
	SHOW(timerfd_create(77, 0));
	SHOW(timerfd_create(CLOCK_MONOTONIC, 1));
	SHOW(timerfd_settime(fd, 4, &once, NULL));
	SHOW(timerfd_settime(fd, 0, BAD_POINTER, NULL));
	SHOW(timerfd_settime(fd, 0, &BAD_TIMESPEC, NULL));
	SHOW(timerfd_settime(fd, 0, &once, BAD_POINTER));
	SHOW(timerfd_settime(1000, 0, &once, NULL));
	SHOW(timerfd_settime(ep, 0, &once, NULL));
	SHOW(timerfd_gettime(ep, &t));
	SHOW(timerfd_gettime(fd, BAD_POINTER));
	close(fd);
	SHOW(epoll_wait(ep, &event, 1, 60));
	close(ep);
	close(nb);
}

static long create(int clock, int notify, int signo, int value, int tid, int *id)
{
	struct sigevent event = { .sigev_notify = notify, .sigev_signo = signo, .sigev_value.sival_int = value };
	((int *)&event)[4] = tid;
	return syscall(SYS_timer_create, clock, &event, id);
}

static long set(int id, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	return syscall(SYS_timer_settime, id, flags, new, old);
}

static void take(int signo, const char *what)
{
	siginfo_t info;
	sigset_t one;
	sigemptyset(&one);
	sigaddset(&one, signo);
	int got = sigtimedwait(&one, &info, &(struct timespec){ 5, 0 });
	printf("%s: %s code %d timer %d value %d overrun %s\n", what, got < 0 ? errno_name(errno) : got == signo ? "came" : "wrong",
	       info.si_code, info.si_timerid, info.si_value.sival_int, info.si_overrun ? "some" : "none");
}

static int rt;

static void signals(void)
{
	struct itimerspec t, once = in_ms(20, 0), often = in_ms(20, 10), off = in_ms(0, 0);
	sigset_t all;
	int id, id2, id3;
	sigfillset(&all);
	MUST(sigprocmask(SIG_BLOCK, &all, NULL));
	MUST(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 7, 0, &id));
	MUST(create(CLOCK_REALTIME, SIGEV_SIGNAL, rt, 8, 0, &id2));
	MUST(syscall(SYS_timer_create, CLOCK_BOOTTIME, NULL, &id3));
	printf("numbers %d %d\n", id2 - id, id3 - id);
	SHOW(set(id, 0, &once, NULL));
	take(SIGUSR1, "once");
	SHOW(set(id3, 0, &once, NULL));
	take(SIGALRM, "default");
	SHOW(set(id2, 0, &often, NULL));
	usleep(150000);
	take(rt, "periodic");
	SHOW_TRUE(syscall(SYS_timer_getoverrun, id2) >= 8);
	MUST(syscall(SYS_timer_gettime, id2, &t));
	show_left("periodic", &t, 20);
	SHOW(set(id2, 0, &off, &t));
	show_left("off", &t, 20);
	sigset_t pending, last;
	sigemptyset(&last);
	sigaddset(&last, rt);
	sigtimedwait(&last, NULL, &(struct timespec){ 0, 0 }); /* one more may have come */
	MUST(set(id, 0, &often, NULL));
	MUST(set(id2, 0, &once, NULL));
	usleep(80000);
	sigpending(&pending);
	printf("pending %d %d\n", sigismember(&pending, SIGUSR1), sigismember(&pending, rt));
	take(SIGUSR1, "overrun");
	take(rt, "single");
	signal(SIGUSR1, SIG_IGN);
	sigset_t usr1;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	MUST(sigprocmask(SIG_UNBLOCK, &usr1, NULL));
	MUST(set(id, 0, &often, NULL));
	usleep(50000);
	sigpending(&pending);
	MUST(syscall(SYS_timer_gettime, id, &t));
	show_left("ignored but going on", &t, 20);
	MUST(set(id, 0, &off, NULL));
	SHOW(syscall(SYS_timer_delete, id));
	SHOW(syscall(SYS_timer_delete, id));
	signal(SIGUSR1, SIG_DFL);
	SHOW(syscall(SYS_timer_delete, id2));
	SHOW(syscall(SYS_timer_delete, id3));
	MUST(create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0, &id));
	SHOW(set(id, 0, &once, NULL));
	MUST(syscall(SYS_timer_gettime, id, &t));
	show_left("silent", &t, 20);
	usleep(50000);
	MUST(syscall(SYS_timer_gettime, id, &t));
	show_left("silent, over", &t, 0);
	MUST(syscall(SYS_timer_delete, id));
}

static pid_t handled_by;

static void on_signal(int sig)
{
	(void)sig;
	handled_by = syscall(SYS_gettid);
}

static void *spin(void *arg)
{
	*(pid_t *)arg = syscall(SYS_gettid);
	for (int i = 0; i < 200 && !*(volatile pid_t *)&handled_by; i++)
		usleep(10000);
	return NULL;
}

static void threads_and_cpu(void)
{
	struct itimerspec t, once = in_ms(20, 0), cpu = in_ms(30, 0), often = in_ms(10, 10);
	pthread_t thread;
	volatile pid_t tid = 0;
	sigset_t none;
	int id;
	struct sigaction action = { .sa_handler = on_signal };
	MUST(sigaction(SIGUSR2, &action, NULL));
	sigemptyset(&none);
	MUST(sigprocmask(SIG_SETMASK, &none, NULL));
	pthread_create(&thread, NULL, spin, (void *)&tid);
	while (!tid)
		usleep(1000);
	MUST(create(CLOCK_MONOTONIC, SIGEV_SIGNAL | SIGEV_THREAD_ID, SIGUSR2, 0, tid, &id));
	MUST(set(id, 0, &once, NULL));
	pthread_join(thread, NULL);
	SHOW_TRUE(handled_by == tid);
	MUST(set(id, 0, &once, NULL)); /* to a thread that has ended */
	usleep(50000);
	MUST(syscall(SYS_timer_delete, id));
	SHOW(create(CLOCK_MONOTONIC, SIGEV_SIGNAL | SIGEV_THREAD_ID, SIGUSR2, 0, tid, &id));
	SHOW(create(CLOCK_MONOTONIC, SIGEV_SIGNAL | SIGEV_THREAD_ID, SIGUSR2, 0, 1, &id));
	for (int clock = CLOCK_PROCESS_CPUTIME_ID; clock <= CLOCK_THREAD_CPUTIME_ID; clock++) {
		handled_by = 0;
		MUST(create(clock, SIGEV_SIGNAL, SIGUSR2, 0, 0, &id));
		MUST(set(id, 0, &cpu, NULL));
		usleep(60000);
		printf("asleep: %s\n", handled_by ? "expired" : "no CPU time");
		spin_ms(120);
		printf("busy: %s\n", handled_by ? "expired" : "nothing");
		MUST(syscall(SYS_timer_gettime, id, &t));
		show_left("over", &t, 0);
		MUST(set(id, 0, &often, NULL));
		MUST(syscall(SYS_timer_gettime, id, &t));
		show_left("CPU time, periodic", &t, 10);
		MUST(syscall(SYS_timer_delete, id));
	}
}

static void errors(void)
{
	struct itimerspec once = in_ms(20, 0), t;
	int id;
	SHOW(create(77, SIGEV_SIGNAL, SIGUSR1, 0, 0, &id));
	SHOW(create(CLOCK_MONOTONIC_RAW, SIGEV_SIGNAL, SIGUSR1, 0, 0, &id));
	SHOW(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 0, 0, 0, &id));
	SHOW(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 65, 0, 0, &id));
	SHOW(create(CLOCK_MONOTONIC, 99, SIGUSR1, 0, 0, &id));
	SHOW(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0, 0, BAD_POINTER));
	SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC, BAD_POINTER, &id));
	MUST(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0, 0, &id));
	SHOW(set(id, 0, NULL, NULL));
	SHOW(set(id, 0, BAD_POINTER, NULL));
	SHOW(set(id, 0, &BAD_TIMESPEC, NULL));
	SHOW(set(12345, 0, &once, NULL));
	once.it_value.tv_sec = LONG_MAX;
	SHOW(set(id, 0, &once, BAD_POINTER));
	SHOW(syscall(SYS_timer_gettime, id, BAD_POINTER));
	SHOW(syscall(SYS_timer_gettime, 12345, &t));
	SHOW(syscall(SYS_timer_getoverrun, 12345));
	SHOW(syscall(SYS_timer_getoverrun, id));
	if (!MUST(fork())) {
		SHOW(syscall(SYS_timer_gettime, id, &t));
		MUST(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0, 0, &id));
		once = in_ms(30, 0);
		MUST(set(id, 0, &once, NULL));
		execl("/proc/self/exe", "posix_timers", "again", NULL);
		_exit(1);
	}
	int status;
	MUST(wait(&status));
	show_status("timers end with exec", status);
	struct rlimit none = { 0, 0 };
	MUST(setrlimit(RLIMIT_SIGPENDING, &none));
	SHOW(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0, 0, &id));
}

/* A clock that ran over would show times that never were. (The host's clock is left alone.) */
static void impossible_times(void)
{
	struct timespec far = { 1000000000000, 0 }, before_boot = { 0, 0 };
	struct timeval far_us = { 20000000000, 0 };

	SHOW(clock_settime(CLOCK_REALTIME, &far));
	SHOW(clock_settime(CLOCK_REALTIME, &before_boot));
	SHOW(settimeofday(&far_us, NULL));
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1) {
		usleep(80000);
		return 3;
	}
	rt = SIGRTMIN + 1;
	timerfds();
	signals();
	threads_and_cpu();
	errors();
	impossible_times();
	return 0;
}
