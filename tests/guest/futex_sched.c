/* SPDX-License-Identifier: MIT */
/* guest: --ram 64M */
/* futex_waitv, unshare, sched_setattr and sched_getattr, CPU clocks of threads: results and errors. */
#include "guest.h"
#include <pthread.h>
#include <sched.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#define WORDS 128

struct waitv {
	uint64_t val, uaddr;
	uint32_t flags, reserved;
};

static uint32_t words[WORDS];
static struct waitv waitv[WORDS + 1];

static void fill(int nr)
{
	for (int i = 0; i < nr; i++)
		waitv[i] = (struct waitv){ words[i], (uintptr_t)&words[i], 2 | 128, 0 };
}

static long wait_any(unsigned nr, struct timespec *timeout, int clock)
{
	return syscall(SYS_futex_waitv, waitv, nr, 0, timeout, clock);
}

static void *wake_later(void *arg)
{
	uint32_t *word = arg;
	usleep(30000);
	*word = 1;
	syscall(SYS_futex, word, 1 | 128, 1);
	return NULL;
}

static void futexes(void)
{
	struct timespec past = { 1, 0 }, bad = { 0, -1 }, soon;
	pthread_t thread;
	fill(WORDS);
	SHOW(wait_any(0, NULL, 0));
	SHOW(wait_any(WORDS + 1, NULL, 0));
	SHOW(syscall(SYS_futex_waitv, NULL, 1, 0, NULL, 0));
	SHOW(syscall(SYS_futex_waitv, BAD_POINTER, 1, 0, NULL, 0));
	SHOW(syscall(SYS_futex_waitv, waitv, 1, 1, NULL, 0));
	SHOW(wait_any(3, &past, CLOCK_MONOTONIC));
	SHOW(wait_any(3, &past, CLOCK_REALTIME));
	SHOW(wait_any(3, &past, CLOCK_BOOTTIME));
	SHOW(wait_any(3, &bad, CLOCK_MONOTONIC));
	SHOW(wait_any(3, BAD_POINTER, CLOCK_MONOTONIC));
	clock_gettime(CLOCK_MONOTONIC, &soon);
	soon.tv_sec += soon.tv_nsec >= 980000000;
	soon.tv_nsec = (soon.tv_nsec + 20000000) % 1000000000;
	SHOW(wait_any(3, &soon, CLOCK_MONOTONIC));
	waitv[2].val = 5;
	SHOW(wait_any(3, NULL, 0));
	waitv[2].val = 0;
	waitv[1].reserved = 1;
	SHOW(wait_any(3, NULL, 0));
	fill(3);
	waitv[1].flags = 128;
	SHOW(wait_any(3, NULL, 0));
	waitv[1].flags = 2 | 64;
	SHOW(wait_any(3, NULL, 0));
	fill(3);
	waitv[1].uaddr = 8;
	SHOW(wait_any(3, NULL, 0));
	waitv[1].uaddr = (uintptr_t)&words[1] + 1;
	SHOW(wait_any(3, NULL, 0));
	fill(WORDS);
	for (int i = 0; i < WORDS; i += 42) {
		pthread_create(&thread, NULL, wake_later, &words[i]);
		printf("woken by %ld\n", wait_any(WORDS, NULL, 0));
		pthread_join(thread, NULL);
		words[i] = 0;
	}
	/* shared memory, another process */
	uint32_t *shared = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	waitv[0] = (struct waitv){ 0, (uintptr_t)shared, 2, 0 };
	pid_t child = MUST(fork());
	if (!child) {
		usleep(30000);
		*shared = 1;
		_exit(syscall(SYS_futex, shared, 1, 1) != 1);
	}
	SHOW(wait_any(2, NULL, 0));
	int status;
	MUST(waitpid(child, &status, 0));
	show_status("waker", status);
	munmap(shared, PAGE);
}

static void *in_thread(void *arg)
{
	int *results = arg;
	results[0] = unshare(CLONE_FS | CLONE_FILES);
	results[1] = chdir("/dev");
	results[2] = close(100);
	results[3] = unshare(CLONE_VM) ? errno : 0;
	results[4] = unshare(CLONE_SIGHAND) ? errno : 0;
	results[5] = unshare(CLONE_THREAD) ? errno : 0;
	umask(077);
	return NULL;
}

static void unsharing(void)
{
	pthread_t thread;
	int results[6], old;
	char where[64];
	MUST(chdir("/"));
	old = umask(022);
	MUST(dup2(1, 100));
	pthread_create(&thread, NULL, in_thread, results);
	pthread_join(thread, NULL);
	printf("thread: %d %d %d", results[0], results[1], results[2]);
	for (int i = 3; i < 6; i++)
		printf(" %s", errno_name(results[i]));
	printf("\nstill at %s, umask %o, fd %d\n", getcwd(where, sizeof(where)), umask(old), fcntl(100, F_GETFD));
	close(100);
	SHOW(unshare(0));
	SHOW(unshare(CLONE_FS | CLONE_FILES | CLONE_SYSVSEM));
	SHOW(unshare(1));
	SHOW(unshare(CLONE_VFORK));
}

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util[2], more[8];
};

static void show_attr(const char *what)
{
	struct attr a = { 0 };
	long ret = syscall(SYS_sched_getattr, 0, &a, 56, 0);
	printf("%s: %ld size %u policy %u flags %llu nice %d priority %u, scheduler %x, getpriority %d\n", what, ret, a.size,
	       a.policy, (unsigned long long)a.flags, a.nice, a.priority, (unsigned)syscall(SYS_sched_getscheduler, 0),
	       getpriority(PRIO_PROCESS, 0));
}

static long set_attr(struct attr a)
{
	return syscall(SYS_sched_setattr, 0, &a, 0);
}

static int scheduling(void *unused)
{
	struct attr a = { 0 };
	struct sched_param none = { 0 }, one = { .sched_priority = 1 };
	(void)unused;
	unsigned long cpus = 1;
	SHOW(syscall(SYS_sched_getaffinity, -1, 8, &cpus));
	SHOW(syscall(SYS_sched_setaffinity, -1, 8, &cpus));
	SHOW(unshare(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)); /* no other thread here */
	show_attr("at first");
	SHOW(set_attr((struct attr){ .size = 48, .policy = 3, .nice = 5 }));
	show_attr("batch");
	SHOW(set_attr((struct attr){ .policy = 5, .nice = 30, .flags = 1 }));
	show_attr("idle");
	pid_t child = MUST(fork());
	if (!child) {
		SHOW(syscall(SYS_sched_getattr, 0, &a, 48, 0));
		printf("child: flags %llu nice %d\n", (unsigned long long)a.flags, a.nice);
		_exit(0);
	}
	MUST(waitpid(child, NULL, 0));
	SHOW(set_attr((struct attr){ .size = 40 }));
	SHOW(set_attr((struct attr){ .size = 100000 }));
	SHOW(set_attr((struct attr){ .size = 64, .more = { 1 } }));
	SHOW(set_attr((struct attr){ .size = 64, .nice = 19 }));
	SHOW(set_attr((struct attr){ .size = 48, .policy = 4 }));
	SHOW(set_attr((struct attr){ .size = 48, .policy = ~0u }));
	SHOW(set_attr((struct attr){ .size = 48, .priority = 1, .nice = 19 }));
	SHOW(set_attr((struct attr){ .size = 48, .policy = 1, .priority = 0 }));
	SHOW(set_attr((struct attr){ .size = 48, .flags = 1ull << 40, .nice = 19 }));
	SHOW(syscall(SYS_sched_setattr, 0, NULL, 0));
	SHOW(syscall(SYS_sched_setattr, 0, BAD_POINTER, 0));
	SHOW(syscall(SYS_sched_setattr, 0, &a, 1));
	a = (struct attr){ .size = 48, .nice = 19 };
	SHOW(syscall(SYS_sched_setattr, -1, &a, 0));
	SHOW(syscall(SYS_sched_setattr, 32767 * 64, &a, 0));
	SHOW(syscall(SYS_sched_getattr, 0, &a, 47, 0));
	SHOW(syscall(SYS_sched_getattr, 0, &a, 4097, 0));
	SHOW(syscall(SYS_sched_getattr, 0, BAD_POINTER, 48, 0));
	SHOW(syscall(SYS_sched_getattr, 32767 * 64, &a, 48, 0));
	SHOW(syscall(SYS_sched_setscheduler, 0, 3 | 0x40000000, &none));
	show_attr("reset on fork");
	SHOW(syscall(SYS_sched_setparam, 0, &none));
	SHOW(syscall(SYS_sched_setparam, 0, &one));
	SHOW(syscall(SYS_sched_setscheduler, 0, 4, &none));
	SHOW(syscall(SYS_sched_setscheduler, 0, -1, &none));
	SHOW(syscall(SYS_sched_setscheduler, 0, 0, NULL));
	SHOW(syscall(SYS_sched_setscheduler, 0, 0, BAD_POINTER));
	return 0;
}

static uint32_t crowd_word;

static void *join_crowd(void *arg)
{
	(void)arg;
	syscall(SYS_futex, &crowd_word, 0 | 128, 0, NULL);
	return NULL;
}

/* Requeued to where they are: each waiter is counted once, and nobody goes round for ever. */
static void requeue_to_itself(void)
{
	pthread_t threads[3];

	for (unsigned i = 0; i < ARRAY_LEN(threads); i++)
		if (pthread_create(&threads[i], NULL, join_crowd, NULL))
			die(__FILE__, __LINE__, "pthread_create");
	while (syscall(SYS_futex, &crowd_word, 3 | 128, 0, INT_MAX, &crowd_word) != 3)
		usleep(1000); /* until all are there */
	SHOW(syscall(SYS_futex, &crowd_word, 4 | 128, 1, INT_MAX, &crowd_word, 0));
	SHOW(syscall(SYS_futex, &crowd_word, 1 | 128, 0)); /* none is one */
	SHOW(syscall(SYS_futex, &crowd_word, 5 | 128, 0, 0, &crowd_word, 1 << 28));
	for (unsigned i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
}

/* Another user's process: not to be slowed down, nor looked at. */
static int strangers(void *arg)
{
	pid_t root = getppid();
	size_t len;
	void *head;

	(void)arg;
	MUST(setresgid(1000, 1000, 1000));
	MUST(setresuid(1000, 1000, 1000));
	SHOW(syscall(SYS_get_robust_list, root, &head, &len));
	SHOW(syscall(SYS_get_robust_list, 0, &head, &len));
	SHOW(setpriority(PRIO_PROCESS, root, 5));
	SHOW(setpriority(PRIO_PROCESS, 0, 5));
	SHOW(setpriority(PRIO_PROCESS, 0, 4));
	return 0;
}

static void clocks(void)
{
	clockid_t clock;
	struct timespec a, b;
	MUST(pthread_getcpuclockid(pthread_self(), &clock));
	SHOW(clock_gettime(clock, &a));
	SHOW(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b));
	SHOW_TRUE(b.tv_sec * 1000000000L + b.tv_nsec >= a.tv_sec * 1000000000L + a.tv_nsec);
	MUST(clock_getcpuclockid(0, &clock));
	SHOW(clock_gettime(clock, &a));
	MUST(clock_getcpuclockid(getpid(), &clock));
	SHOW(clock_gettime(clock, &a));
	SHOW(clock_gettime(~((clockid_t)(32767 * 64) << 3) | 2, &a));
}

int main(void)
{
	futexes();
	requeue_to_itself();
	unsharing();
	clocks();
	int status;
	pid_t child = start_child(scheduling, NULL);
	MUST(waitpid(child, &status, 0));
	show_status("scheduling", status);
	child = start_child(strangers, NULL);
	MUST(waitpid(child, &status, 0));
	show_status("strangers", status);
	return 0;
}
