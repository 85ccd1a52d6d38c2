// SPDX-License-Identifier: MIT
/*
 * latency.c: one kind of bulk work, named on the command line, in amounts that would take many times the limit
 * if it did not give way. tests/host/latency.py runs each with the boot word latency_debug and reads the log.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/futex.h>
#include <poll.h>
#include <dirent.h>
#include <errno.h>

#define PAGE  4096ul
#define ZEROS (1ul << 30) /* of the zero page: 262,144 entries in 512 tables */
#define OWN   (64ul << 20)
#define EPOLLS 20000 /* closed in some 250 instructions each */
#define LAYERS 4
#define LAYER_EPOLLS 60 /* 216,000 ways up from the lowest layer */
#define LOCKS  12000 /* given up in some 150 each; each is taken by walks over all there are, so not more */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void must(int ok, const char *what)
{
	if (!ok)
		die(what);
}

static char *map(size_t len, int flags)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);

	must(p != MAP_FAILED, "mmap");
	return p;
}

static char *zeros(size_t len)
{
	char *p = map(len, MAP_PRIVATE);

	must(madvise(p, len, MADV_POPULATE_READ) == 0, "populate");
	return p;
}

static char *own(size_t len)
{
	char *p = map(len, MAP_PRIVATE);

	must(madvise(p, len, MADV_POPULATE_WRITE) == 0, "populate");
	return p;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	must(fd >= 0 && write(fd, text, strlen(text)) > 0, path);
	close(fd);
}

static void tables_munmap(void)
{
	munmap(zeros(ZEROS), ZEROS);
	munmap(own(OWN), OWN);
}

static void tables_mprotect(void)
{
	char *p = zeros(ZEROS);

	must(mprotect(p, ZEROS, PROT_READ) == 0, "mprotect");
	must(mprotect(p, ZEROS, PROT_NONE) == 0, "mprotect");
}

static void tables_mremap(void)
{
	char *p = zeros(ZEROS), *to = map(ZEROS + 2 * PAGE, MAP_PRIVATE);

	p = mremap(p, ZEROS, ZEROS, MREMAP_MAYMOVE | MREMAP_FIXED, to + PAGE);
	must(p == to + PAGE, "mremap");
	to = map(ZEROS + (4ul << 20), MAP_PRIVATE);
	must(mremap(p, ZEROS, ZEROS, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to, "mremap");
}

static void tables_fork(void)
{
	char *p = own(OWN);
	int status;

	zeros(ZEROS);
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();

		must(pid >= 0, "fork");
		if (!pid)
			_exit(p[0]);
		waitpid(pid, &status, 0);
	}
}

static void tables_advice(void)
{
	static const int advice[] = { MADV_COLD, MADV_FREE, MADV_WILLNEED, MADV_DONTNEED };
	char *p = own(OWN), *z = zeros(ZEROS);

	for (unsigned i = 0; i < 4; i++) {
		must(madvise(z, ZEROS, advice[i]) == 0, "madvise");
		must(madvise(p, OWN, advice[i]) == 0, "madvise");
	}
}

static void tables_lock(void)
{
	char *p = map(OWN / 2, MAP_PRIVATE);
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_MEMLOCK, &all);
	must(mlock(p, OWN / 2) == 0, "mlock");
	must(mprotect(p, OWN / 2, PROT_READ) == 0, "mprotect");
	must(munlock(p, OWN / 2) == 0, "munlock");
	zeros(ZEROS);
	must(munlockall() == 0, "munlockall");
}

static void tables_look(void)
{
	static unsigned char vec[ZEROS / PAGE];
	static unsigned long entries[65536];
	char *p = zeros(ZEROS);
	int fd;

	must(mincore(p, ZEROS, vec) == 0, "mincore");
	must(msync(p, ZEROS, MS_SYNC) == 0, "msync");
	write_file("/proc/self/clear_refs", "1");
	write_file("/proc/self/clear_refs", "4");
	fd = open("/proc/self/pagemap", O_RDONLY);
	for (unsigned i = 0; i < 4; i++)
		must(pread(fd, entries, sizeof(entries), (long)((unsigned long)p / PAGE * 8)) == sizeof(entries), "pagemap");
	close(fd);
}

static void read_all(const char *path)
{
	static char buf[65536];
	int fd = open(path, O_RDONLY);

	must(fd >= 0, path);
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	close(fd);
}

/* Tens of thousands of regions. */
static void regions(void)
{
	size_t len = 30000 * 2 * PAGE;
	char *p = map(len, MAP_PRIVATE);
	int status;

	for (size_t i = 0; i < len; i += 2 * PAGE)
		must(mprotect(p + i, PAGE, PROT_READ) == 0, "mprotect");
	read_all("/proc/self/maps");
	read_all("/proc/self/smaps_rollup");
	if (!fork())
		_exit(0);
	wait(&status);
	must(madvise(p, len, MADV_DONTFORK) == 0, "dontfork");
	must(mprotect(p, len, PROT_READ | PROT_WRITE) == 0, "mprotect");
	for (size_t i = 0; i < len; i += 2 * PAGE)
		must(mprotect(p + i, PAGE, PROT_READ) == 0, "mprotect");
	munmap(p, len);
}

static void big_files(void)
{
	int fd = open("/tmp/big", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *p;

	must(fd >= 0 && ftruncate(fd, OWN) == 0, "big");
	p = mmap(NULL, OWN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	must(p != MAP_FAILED, "mmap");
	must(ftruncate(fd, PAGE) == 0, "truncate");
	must(ftruncate(fd, OWN) == 0 && fallocate(fd, 0, 0, OWN) == 0, "fallocate");
	must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, OWN / 2) == 0, "punch");
	sync();
	write_file("/proc/sys/vm/drop_caches", "3");
	unlink("/tmp/big");
	munmap(p, OWN);
	close(fd);
	p = map(OWN, MAP_SHARED | MAP_POPULATE);
	munmap(p, OWN);
}

static void many_files(void)
{
	char name[64];

	mkdir("/tmp/many", 0700);
	for (int i = 0; i < 8000; i++) {
		snprintf(name, sizeof(name), "/tmp/many/%d", i);
		int fd = open(name, O_CREAT | O_RDWR, 0600);

		must(fd >= 0 && write(fd, "x", 1) == 1, name);
		close(fd);
	}
	DIR *d = opendir("/tmp/many");

	while (readdir(d))
		;
	closedir(d);
	sync();
	write_file("/proc/sys/vm/drop_caches", "3");
	for (int i = 0; i < 8000; i++) {
		snprintf(name, sizeof(name), "/tmp/many/%d", i);
		unlink(name);
	}
}

static int raise_files(int n)
{
	struct rlimit r = { (rlim_t)n, (rlim_t)n };

	must(setrlimit(RLIMIT_NOFILE, &r) == 0, "rlimit");
	return n;
}

/* Thousands of pipes: in poll and epoll, inherited, closed by exit and close_range. */
static void descriptors(void)
{
	static struct pollfd polled[8000];
	int n = raise_files(9000), ep = epoll_create1(0), status, nr = 0;
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT }, got[64];

	for (int fds[2]; nr + 16 < n - 1000 && nr < 8000; nr += 2) {
		if (pipe(fds))
			break;
		polled[nr] = (struct pollfd){ fds[0], POLLIN, 0 };
		polled[nr + 1] = (struct pollfd){ fds[1], POLLIN, 0 };
		e.data.fd = fds[0];
		must(epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &e) == 0, "epoll_ctl");
		e.data.fd = fds[1];
		must(epoll_ctl(ep, EPOLL_CTL_ADD, fds[1], &e) == 0, "epoll_ctl");
		must(write(fds[1], "x", 1) == 1, "write");
	}
	must(nr > 3000, "pipes");
	must(poll(polled, (nfds_t)nr, 0) > 0, "poll");
	must(epoll_wait(ep, got, 64, 0) == 64, "epoll_wait");
	if (!fork())
		_exit(0);
	wait(&status);
	if (!fork()) {
		syscall(SYS_close_range, 3, ~0u, 0);
		_exit(0);
	}
	wait(&status);
	close(ep);
}

/* One object in very many epolls, from all of which its last close takes it. */
static void epolls(void)
{
	int n = raise_files(EPOLLS + 16), ep, fds[2];
	struct epoll_event e = { .events = EPOLLIN };

	must(pipe(fds) == 0, "pipe");
	for (int i = 0; i < EPOLLS; i++) {
		ep = epoll_create1(0);
		must(ep >= 0 && ep < n, "epoll_create1");
		must(epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &e) == 0, "epoll_ctl");
	}
	close(fds[0]);
}

/* Layers of epolls, each of which watches all of the layer below; the lowest ones get another to watch. */
static void epoll_layers(void)
{
	int layer[LAYERS][LAYER_EPOLLS], n = raise_files(LAYERS * LAYER_EPOLLS + 16);
	struct epoll_event e = { .events = EPOLLIN };

	for (int i = 0; i < LAYERS; i++)
		for (int j = 0; j < LAYER_EPOLLS; j++) {
			layer[i][j] = epoll_create1(0);
			must(layer[i][j] >= 0 && layer[i][j] < n, "epoll_create1");
			for (int k = 0; i && k < LAYER_EPOLLS; k++)
				must(epoll_ctl(layer[i][j], EPOLL_CTL_ADD, layer[i - 1][k], &e) == 0, "epoll_ctl");
		}
	must(epoll_ctl(layer[0][0], EPOLL_CTL_ADD, epoll_create1(0), &e) == 0, "one below");
	must(epoll_ctl(epoll_create1(0), EPOLL_CTL_ADD, layer[LAYERS - 1][0], &e) != 0 && errno == ELOOP, "one too many");
}

/* Very many record locks in one file, all given up by a close. */
static void record_locks(void)
{
	int fd = open("/tmp/locks", O_RDWR | O_CREAT, 0600);
	struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };

	must(fd >= 0, "open");
	for (long i = LOCKS; i > 0; i--) {
		lock.l_start = 2 * i;
		must(fcntl(fd, F_SETLK, &lock) == 0, "lock");
	}
	close(fd);
}

/* Children that wait; returns how many there are. */
static int children(int n)
{
	int got = 0;

	for (; got < n; got++) {
		pid_t pid = fork();

		if (pid < 0)
			break;
		if (!pid) {
			pause();
			_exit(0);
		}
	}
	return got;
}

static void processes(void)
{
	int n, status;
	pid_t top = fork();

	if (!top) {
		setpgid(0, 0);
		signal(SIGUSR1, SIG_IGN);
		n = children(1500);
		read_all("/proc/loadavg");
		DIR *d = opendir("/proc");

		while (readdir(d))
			;
		closedir(d);
		kill(0, SIGUSR1);
		kill(-1, 0);
		getpriority(PRIO_USER, 0);
		must(waitpid(-1, &status, WNOHANG) == 0, "waitpid");
		printf("%d processes\n", n);
		fflush(stdout);
		_exit(n < 500); /* the children get a new parent */
	}
	waitpid(top, &status, 0);
	must(status == 0, "children");
	signal(SIGTERM, SIG_IGN);
	kill(-top, SIGKILL);
	usleep(300000);
}

/* A terminal with this process's group in the foreground; returns the master's descriptor. */
static int own_terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), unlock = 0, slave;
	char name[32];
	unsigned int nr;

	must(master >= 0 && ioctl(master, TIOCSPTLCK, &unlock) == 0 && ioctl(master, TIOCGPTN, &nr) == 0, "pty");
	must(setsid() > 0, "setsid");
	snprintf(name, sizeof(name), "/dev/pts/%u", nr);
	slave = open(name, O_RDWR);
	must(slave >= 0, name);
	return master;
}

#define FAMILY 6000

/*
 * One process with thousands of children, half of them in a group of their own: its waits, signals to all from kill() and from
 * a terminal, the children's stop, continuation and adoption.
 */
static void family(void)
{
	int status, n = 0, master;
	pid_t top = fork(), group = 0, pid;
	siginfo_t info;

	if (top) {
		must(waitpid(top, &status, 0) == top && status == 0, "family");
		kill(-1, SIGKILL);
		return;
	}
	master = own_terminal();
	signal(SIGINT, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	for (; n < FAMILY && (pid = fork()) >= 0; n++) {
		if (!pid) {
			pause();
			_exit(0);
		}
		if (n % 2)
			continue;
		group = group ? group : pid;
		must(setpgid(pid, group) == 0, "setpgid");
	}
	must(n == FAMILY, "fork");
	must(waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED) == 0, "waitpid");
	must(waitpid(-group, &status, WNOHANG) == 0, "waitpid");
	must(waitid(P_PGID, (id_t)getpgrp(), &info, WNOHANG | WSTOPPED) == 0, "waitid");
	must(kill(-group, SIGUSR1) == 0 && kill(0, SIGUSR1) == 0 && kill(-1, 0) == 0, "kill");
	must(write(master, "\3", 1) == 1, "write");
	must(kill(group, SIGSTOP) == 0 && waitpid(group, &status, WUNTRACED) == group && WIFSTOPPED(status), "stop");
	read_all("/proc/loadavg");
	getpriority(PRIO_USER, 0);
	printf("%d children\n", n);
	fflush(stdout);
	_exit(0); /* all get a new parent, and the group with a stopped member gets SIGHUP */
}

static int futex_word, started;

static void *futex_waiter(void *arg)
{
	(void)arg;
	__atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &futex_word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	return NULL;
}

#define WAITERS 4500

static void threads(void)
{
	static int other;
	pthread_attr_t attr;
	pthread_t t;
	int n = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 16384);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	while (n < WAITERS && !pthread_create(&t, &attr, futex_waiter, NULL))
		n++;
	must(n == WAITERS, "threads");
	while (__atomic_load_n(&started, __ATOMIC_SEQ_CST) < n)
		usleep(1000);
	usleep(100000);
	syscall(SYS_futex, &futex_word, FUTEX_REQUEUE_PRIVATE, 0, 2000000000, &other, 0);
	syscall(SYS_futex, &other, FUTEX_WAKE_PRIVATE, 2000000000, NULL, NULL, 0);
	usleep(100000);
	while (n-- > WAITERS / 3 && !pthread_create(&t, &attr, futex_waiter, NULL))
		;
	usleep(100000);
	_exit(0); /* ends a group of thousands */
}

static void timers(void)
{
	timer_t t;
	struct itimerspec at = { { 0, 0 }, { 0, 50000000 } };
	struct sigevent none = { .sigev_notify = SIGEV_NONE };

	for (int i = 0; i < 3000; i++) {
		if (timer_create(CLOCK_MONOTONIC, &none, &t))
			break;
		timer_settime(t, 0, &at, NULL);
	}
	usleep(100000);
}

static void arguments(void)
{
	static char *argv[30002], *envp[] = { NULL };
	struct rlimit r = { 64 << 20, 64 << 20 };
	int status;

	setrlimit(RLIMIT_STACK, &r);
	for (int i = 2; i < 30001; i++)
		argv[i] = "an argument of some length, of which there are many";
	argv[0] = "latency";
	argv[1] = "nothing";
	if (!fork()) {
		execve("/proc/self/exe", argv, envp);
		_exit(1);
	}
	wait(&status);
	must(status == 0, "exec");
}

/* More than memory, so that pages go out, come back, and swapoff brings in the rest. */
static void pressure(void)
{
	size_t len = 150ul << 20;
	char *p = map(len, MAP_PRIVATE);
	struct stat st;

	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < len; i += PAGE)
			p[i]++;
	munmap(p + len / 4, len - len / 4);
	if (stat("/dev/vda", &st) == 0)
		must(syscall(SYS_swapoff, "/dev/vda") == 0 || errno == EINVAL, "swapoff");
}

static void out_of_memory(void)
{
	int n = children(1000), status;
	pid_t hog = fork();

	if (!hog) {
		must(setuid(1000) == 0, "setuid");
		for (;;)
			own(1 << 20)[0] = 1;
	}
	waitpid(hog, &status, 0);
	must(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the hog was not killed");
	printf("%d processes\n", n);
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
}

/* ---- Who runs when -------------------------------------------------------------------------------- */

static struct {
	volatile int stop;
	volatile unsigned long turns; /* round trips of pairs */
} *shared;

static void share(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(shared != MAP_FAILED, "mmap");
}

/* A process that only computes. */
static pid_t start_hog(void)
{
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (pid)
		return pid;
	while (!shared->stop)
		;
	_exit(0);
}

static unsigned long cycles(void)
{
	unsigned int low, high;

	__asm__ __volatile__("rdtsc" : "=a"(low), "=d"(high));
	return (unsigned long)high << 32 | low;
}

static unsigned long cycles_per_sleep(long ns)
{
	unsigned long before = cycles();

	must(nanosleep(&(struct timespec){ 0, ns }, NULL) == 0, "nanosleep");
	return cycles() - before;
}

/* How much longer does a sleep take beside many processes that compute? */
static void sleep_beside_hogs(void)
{
	unsigned long alone = 0, beside = 0;

	share();
	for (int i = 0; i < 5; i++)
		alone = cycles_per_sleep(20000000);
	for (int i = 0; i < 50; i++)
		start_hog();
	for (int i = 0; i < 40; i++) {
		unsigned long slept = cycles_per_sleep(20000000);

		beside = slept > beside ? slept : beside;
	}
	shared->stop = 1;
	while (wait(NULL) > 0)
		;
	printf("alone %lu beside %lu\n", alone, beside);
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Children that end at once, one after the other, made in so many ns of the machine's time. */
static unsigned long children_in(long long ns)
{
	long long end = now() + ns;
	unsigned long children = 0;

	for (; now() < end; children++) {
		pid_t pid = fork();

		must(pid >= 0, "fork");
		if (!pid)
			_exit(0);
		must(waitpid(pid, NULL, 0) == pid, "waitpid");
	}
	return children;
}

static void fork_beside_hog(void)
{
	unsigned long alone, beside;

	share();
	alone = children_in(1000000000LL);
	start_hog();
	beside = children_in(1000000000LL);
	shared->stop = 1;
	printf("alone %lu beside %lu\n", alone, beside);
}

/* The turns of a loop of a process that only computes, in a second of the machine's time. */
static unsigned long turns_in_a_second(void)
{
	unsigned long before = shared->turns;

	usleep(1000000);
	return shared->turns - before;
}

static void start_resting_timers(void)
{
	struct itimerspec often = { { 0, 1 }, { 0, 1 } };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
	sigset_t signals;
	long id;

	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR2);
	must(sigprocmask(SIG_BLOCK, &signals, NULL) == 0, "sigprocmask");
	must(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 6000, 6000 }) == 0, "nofile");
	for (int i = 0; i < 5000; i++) {
		int fd = timerfd_create(CLOCK_MONOTONIC, 0);

		must(fd >= 0 && timerfd_settime(fd, 0, &often, NULL) == 0, "timerfd");
	}
	for (int i = 0; i < 400; i++) {
		must(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id) == 0, "timer_create");
		must(syscall(SYS_timer_settime, id, 0, &often, NULL) == 0, "timer_settime");
		event.sigev_notify = i % 2 ? SIGEV_SIGNAL : SIGEV_NONE;
	}
}

/* Sleeping processes with timers of the shortest periods, whose expirations nobody takes notice of. */
static void resting_timers(void)
{
	struct itimerval often = { { 0, 1 }, { 0, 1 } };
	unsigned long alone;
	pid_t hog, sleepers[20];

	share();
	hog = fork();
	if (!hog)
		for (;;)
			shared->turns++;
	alone = turns_in_a_second();
	start_resting_timers();
	for (int i = 0; i < 20; i++) {
		sleepers[i] = fork();
		if (sleepers[i])
			continue;
		signal(SIGALRM, SIG_IGN);
		setitimer(ITIMER_REAL, &often, NULL);
		for (;;)
			pause();
	}
	printf("alone %lu beside %lu\n", alone, turns_in_a_second());
	for (int i = 0; i < 20; i++)
		kill(sleepers[i], SIGKILL);
	kill(hog, SIGKILL);
}

/* Two processes that wake each other all the time, and do nothing else. */
static void start_ping_pong(void)
{
	int there[2], back[2];
	char c = 0;

	must(pipe(there) == 0 && pipe(back) == 0, "pipe");
	for (int side = 0; side < 2; side++) {
		pid_t pid = fork();
		int in = side ? there[0] : back[0], out = side ? back[1] : there[1];

		must(pid >= 0, "fork");
		if (pid)
			continue;
		close(side ? there[1] : back[1]);
		if (!side)
			must(write(out, &c, 1) == 1, "write");
		while (!shared->stop && read(in, &c, 1) == 1 && write(out, &c, 1) == 1)
			shared->turns++;
		_exit(0);
	}
	close(there[0]), close(there[1]), close(back[0]), close(back[1]);
}

/* Children that compute for a moment, one after the other, so that always one is new. */
static void start_forker(void)
{
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (pid)
		return;
	while (!shared->stop) {
		pid = fork();
		if (!pid) {
			for (volatile int k = 0; k < 100000; k++)
				;
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	_exit(0);
}

static long cpu_ms_of(pid_t pid)
{
	struct rusage u;
	int status;

	must(wait4(pid, &status, 0, &u) == pid, "wait4");
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

#define SHARING_HOGS 4

/* What do processes that compute get of 2 s beside five that always sleep and wake, or fork? */
static void shares(void)
{
	pid_t hogs[SHARING_HOGS];

	share();
	for (int i = 0; i < SHARING_HOGS; i++)
		hogs[i] = start_hog();
	start_ping_pong();
	start_ping_pong();
	start_forker();
	nanosleep(&(struct timespec){ 2, 0 }, NULL);
	printf("%lu round trips; hogs had", shared->turns / 2);
	shared->stop = 1;
	for (int i = 0; i < SHARING_HOGS; i++)
		printf(" %ld", cpu_ms_of(hogs[i]));
	printf(" ms\n");
	while (wait(NULL) > 0)
		;
}

static void nothing(void)
{
}

#define DATA (40ul << 20)

static volatile int stop;

static void *read_at_random(void *arg)
{
	char *p = arg;

	for (unsigned long r = 12345; !stop; r = r * 6364136223846793005ul + 1442695040888963407ul)
		(void)*(volatile char *)(p + (r >> 20) % (DATA / PAGE) * PAGE);
	return NULL;
}

static long major_faults(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_majflt;
}

/* How many pages do others of the process read from the disk while one waits for mmap and munmap? */
static void writers_among_readers(void)
{
	int fd = open("/mnt/data", O_RDWR | O_CREAT | O_TRUNC, 0600);
	static char block[1 << 20];
	long worst = 0, first;
	pthread_t t[2];
	char *p;

	must(fd >= 0, "data");
	for (size_t i = 0; i < DATA; i += sizeof(block))
		must(write(fd, block, sizeof(block)) == sizeof(block), "write");
	must(fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "sync");
	p = mmap(NULL, DATA, PROT_READ, MAP_SHARED, fd, 0);
	must(p != MAP_FAILED && madvise(p, DATA, MADV_RANDOM) == 0, "mmap");
	first = major_faults();
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, read_at_random, p);
	for (int i = 0; i < 100; i++) {
		long before = major_faults(), faults;

		munmap(map(PAGE, MAP_PRIVATE), PAGE);
		faults = major_faults() - before;
		worst = faults > worst ? faults : worst;
		usleep(2000);
	}
	stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	printf("%s; at most %ld during a call\n", major_faults() - first > 100 ? "readers waited for the disk" : "idle", worst);
}

static const struct {
	const char *name;
	void (*run)(void);
} works[] = {
	{ "munmap", tables_munmap }, { "mprotect", tables_mprotect }, { "mremap", tables_mremap },
	{ "fork", tables_fork },     { "advice", tables_advice },     { "lock", tables_lock },
	{ "look", tables_look },     { "regions", regions },	      { "big_files", big_files },
	{ "many_files", many_files }, { "descriptors", descriptors }, { "epolls", epolls },
	{ "epoll_layers", epoll_layers },
	{ "record_locks", record_locks }, { "processes", processes }, { "family", family },
	{ "threads", threads },	     { "timers", timers },	      { "arguments", arguments },
	{ "starve", writers_among_readers }, { "sleep_beside_hogs", sleep_beside_hogs }, { "shares", shares },
	{ "fork_beside_hog", fork_beside_hog }, { "resting_timers", resting_timers },
	{ "pressure", pressure },    { "oom", out_of_memory },	      { "nothing", nothing },
};

int main(int argc, char **argv)
{
	for (unsigned i = 0; argc > 1 && i < sizeof(works) / sizeof(works[0]); i++)
		if (!strcmp(argv[1], works[i].name)) {
			works[i].run();
			return 0;
		}
	return 2;
}
