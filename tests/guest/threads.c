/* SPDX-License-Identifier: MIT */
/* proves: CS-13 */
/*
 * Threads, as the C library makes them: one address space with one set of pages, thread-local
 * storage of each, mutexes and condition variables that sleep, a thread's stack and its
 * guard, signals to one thread and to any, exit of the process from a thread, fork and exec
 * of one thread among many, faults of several threads on the same pages.
 */
#include "guest.h"
#include <pthread.h>

enum { THREADS = 6, ROUNDS = 3000, PAGES = 300 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static __thread int own = 5;
static long counter;
static int turn;
static char *region;

static void *count(void *number)
{
	own = (int)(long)number;
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
		if (i % 500 == 0)
			sched_yield();
	}
	return (void *)(long)own;
}

static void mutexes(void)
{
	pthread_t threads[THREADS];
	long sum = 0;
	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, count, (void *)(i * 10));
	for (int i = 0; i < THREADS; i++) {
		void *result;
		pthread_join(threads[i], &result);
		sum += (long)result;
	}
	printf("counter %ld, sum of results %ld, own variable here %d\n", counter, sum, own);
}

static void *take_turn(void *number)
{
	int me = (int)(long)number;
	for (int round = 0; round < 50; round++) {
		pthread_mutex_lock(&mutex);
		while (turn % THREADS != me)
			pthread_cond_wait(&changed, &mutex);
		turn++;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void conditions(void)
{
	pthread_t threads[THREADS];
	turn = 0;
	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, take_turn, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("turns taken in order: %d\n", turn);
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 30000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&mutex);
	printf("waiting with a timeout: %s\n", errno_name(pthread_cond_timedwait(&changed, &mutex, &until)));
	pthread_mutex_unlock(&mutex);
}

static void *touch_all(void *number)
{
	for (int i = 0; i < PAGES; i++)
		__atomic_fetch_add((int *)(region + i * PAGE), 1 + (int)(long)number, __ATOMIC_SEQ_CST);
	return NULL;
}

static void same_pages(void)
{
	pthread_t threads[THREADS];
	long wrong = 0;
	for (int round = 0; round < 10; round++) {
		region = map_anon(PAGES * PAGE, PROT_READ | PROT_WRITE);
		for (long i = 0; i < THREADS; i++)
			pthread_create(&threads[i], NULL, touch_all, (void *)i);
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		for (int i = 0; i < PAGES; i++)
			wrong += *(int *)(region + i * PAGE) != THREADS * (THREADS + 1) / 2;
		MUST(munmap(region, PAGES * PAGE));
	}
	printf("pages touched first by any of them: wrong %ld\n", wrong);
}

static void *unmap_and_map(void *unused)
{
	(void)unused;
	char *p = map_anon(4 * PAGE, PROT_READ | PROT_WRITE);
	strcpy(p, "made by a thread");
	return p;
}

static void one_address_space(void)
{
	pthread_t thread;
	void *p;
	pthread_create(&thread, NULL, unmap_and_map, NULL);
	pthread_join(thread, &p);
	printf("%s\n", (char *)p);
	MUST(munmap(p, 4 * PAGE));
}

static pthread_t caught_in;
static volatile sig_atomic_t caught;

static void note(int sig)
{
	(void)sig;
	caught_in = pthread_self();
	caught++;
}

static void *wait_for_signal(void *unused)
{
	sigset_t set;
	(void)unused;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	while (!caught)
		sleep_ms(1);
	return NULL;
}

static void signals(void)
{
	pthread_t thread;
	sigset_t set;
	signal(SIGUSR1, note);
	signal(SIGUSR2, note);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_create(&thread, NULL, wait_for_signal, NULL);
	sleep_ms(10);
	MUST(kill(getpid(), SIGUSR2)); /* only the other thread takes it */
	pthread_join(thread, NULL);
	printf("signal to the process taken by: %s\n", pthread_equal(caught_in, thread) ? "the thread that does not block it" : "another");
	caught = 0;
	pthread_create(&thread, NULL, wait_for_signal, NULL);
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	printf("signal to a thread taken by: %s\n", pthread_equal(caught_in, thread) ? "it" : "another");
}

static void *sleep_for_ever(void *unused)
{
	(void)unused;
	for (;;)
		pause();
	return NULL;
}

static void *exit_all(void *unused)
{
	(void)unused;
	sleep_ms(5);
	exit(17);
}

static void *fault(void *unused)
{
	(void)unused;
	sleep_ms(5);
	touch_write(NULL, 1);
	return NULL;
}

static int many_and(void *body)
{
	pthread_t thread;
	for (int i = 0; i < 3; i++)
		pthread_create(&thread, NULL, sleep_for_ever, NULL);
	pthread_create(&thread, NULL, (void *(*)(void *))body, NULL);
	sleep_for_ever(NULL);
	return 0;
}

static char *self;

static void *exec_self(void *unused)
{
	(void)unused;
	execl(self, self, "after exec", (char *)NULL);
	return NULL;
}

static void *leave_quietly(void *unused)
{
	(void)unused;
	sleep_ms(20);
	printf("the last thread goes on after main has ended\n");
	_exit(12); /* musl 1.2.3 waits for ever in exit(3) here, on Linux too */
}

static int main_ends_first(void *unused)
{
	pthread_t thread;
	(void)unused;
	pthread_create(&thread, NULL, leave_quietly, NULL);
	pthread_exit(NULL);
}

static void *fork_in_thread(void *unused)
{
	(void)unused;
	pid_t child = fork();
	if (child == 0)
		_exit(own == 5 ? 9 : 8);
	return (void *)(long)wait_for(child);
}

int main(int argc, char **argv)
{
	pthread_t thread;
	void *status;
	if (argc == 2) {
		printf("%s: pid the same as the thread: %s\n", argv[1], syscall(SYS_gettid) == getpid() ? "yes" : "no");
		return 23;
	}
	self = argv[0];
	mutexes();
	conditions();
	same_pages();
	one_address_space();
	signals();
	pthread_create(&thread, NULL, fork_in_thread, NULL);
	pthread_join(thread, &status);
	show_status("child forked by a thread", (int)(long)status);
	show_status("exit in a thread", run_child(many_and, (void *)exit_all));
	show_status("fault in a thread", run_child(many_and, (void *)fault));
	show_status("exec in a thread", run_child(many_and, (void *)exec_self));
	show_status("main ends first", run_child(main_ends_first, NULL));
	return 0;
}
