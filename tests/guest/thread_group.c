/* SPDX-License-Identifier: MIT */
/* proves: CS-13 */
/* timeout: 90 */
/*
 * Threads: memory and descriptors shared, locals of their own, waking by futex within and
 * between processes; whatever ends or stops a process does so to all of its threads; execve
 * in any of them leaves one, with the process's number.
 */
#include "guest.h"
#include <pthread.h>
#include <semaphore.h>

enum { THREADS = 6, ROUNDS = 5000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_done = PTHREAD_COND_INITIALIZER;
static int counter, done;
static __thread long mine = 100;
static char *self;

static void *count(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		pthread_mutex_unlock(&lock);
		if (i % 500 == 0)
			sched_yield();
	}
	mine += (long)arg;
	pthread_mutex_lock(&lock);
	if (++done == THREADS)
		pthread_cond_signal(&all_done);
	pthread_mutex_unlock(&lock);
	return (void *)mine;
}

static void counting_under_a_mutex(void)
{
	pthread_t thread[THREADS];
	void *result;
	for (long i = 0; i < THREADS; i++)
		MUST(pthread_create(&thread[i], NULL, count, (void *)i));
	pthread_mutex_lock(&lock);
	while (done < THREADS)
		pthread_cond_wait(&all_done, &lock);
	pthread_mutex_unlock(&lock);
	printf("counter %d\n", counter);
	for (int i = 0; i < THREADS; i++) {
		MUST(pthread_join(thread[i], &result));
		printf("  thread %d: own variable %ld\n", i, (long)result);
	}
	printf("main's own variable %ld\n", mine);
}

static void *spin(void *arg)
{
	for (;;)
		(*(volatile int *)arg)++;
	return NULL;
}

static void *sleep_for_ever(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

static void start_company(void)
{
	static int spun;
	pthread_t thread;
	MUST(pthread_create(&thread, NULL, sleep_for_ever, NULL));
	MUST(pthread_create(&thread, NULL, spin, &spun));
	sleep_ms(20);
}

static void cancelling_a_sleeper(void)
{
	pthread_t thread;
	void *result;
	MUST(pthread_create(&thread, NULL, sleep_for_ever, NULL));
	MUST(pthread_cancel(thread));
	MUST(pthread_join(thread, &result));
	printf("cancelled: %s\n", result == PTHREAD_CANCELED ? "yes" : "no");
}

static int exits(void *unused)
{
	(void)unused;
	start_company();
	exit(5);
}

static int is_killed(void *unused)
{
	(void)unused;
	start_company();
	kill(getpid(), SIGTERM);
	sleep_for_ever(NULL);
	return 0;
}

static void *null_dereference(void *unused)
{
	(void)unused;
	*(volatile int *)opaque(NULL) = 1;
	return NULL;
}

static int one_faults(void *unused)
{
	pthread_t thread;
	(void)unused;
	start_company();
	MUST(pthread_create(&thread, NULL, null_dereference, NULL));
	sleep_for_ever(NULL);
	return 0;
}

static int main_leaves_first(void *unused)
{
	(void)unused;
	start_company();
	pthread_exit(NULL);
}

static int stops(void *unused)
{
	(void)unused;
	start_company();
	raise(SIGSTOP);
	return 6;
}

static void whole_process(const char *what, int (*body)(void *))
{
	int status;
	pid_t child = start_child(body, NULL);
	if (body == main_leaves_first) {
		sleep_ms(60);
		printf("main thread left: wait finds %d\n", (int)waitpid(child, &status, WNOHANG));
		MUST(kill(child, SIGKILL));
	}
	MUST(waitpid(child, &status, WUNTRACED));
	show_status(what, status);
	if (!WIFSTOPPED(status))
		return;
	MUST(kill(child, SIGCONT));
	MUST(waitpid(child, &status, 0));
	show_status(what, status);
}

static volatile sig_atomic_t handled;

static void note(int sig)
{
	(void)sig;
	handled++;
}

static int signal_finds_a_thread(void *unused)
{
	sigset_t set;
	(void)unused;
	signal(SIGUSR1, note);
	start_company();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGUSR1);
	sleep_ms(60);
	printf("blocked here, handled by another thread: %d\n", (int)handled);
	return 0;
}

static void *exec_self(void *unused)
{
	char pid[16];
	(void)unused;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	execl(self, self, "image", pid, NULL);
	return NULL;
}

static int exec_in_second_thread(void *unused)
{
	pthread_t thread;
	(void)unused;
	start_company();
	MUST(pthread_create(&thread, NULL, exec_self, NULL));
	sleep_for_ever(NULL);
	return 0;
}

static int exec_in_main_thread(void *unused)
{
	start_company();
	exec_self(unused);
	return 1;
}

static int poster(void *arg)
{
	sleep_ms(20);
	sem_post(arg);
	return 0;
}

static void futex_between_processes(void)
{
	struct timespec soon;
	int status;
	sem_t *sem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(sem_init(sem, 1, 0));
	pid_t child = start_child(poster, sem);
	printf("sem_wait: %d\n", sem_wait(sem));
	MUST(waitpid(child, &status, 0));
	MUST(clock_gettime(CLOCK_REALTIME, &soon));
	soon.tv_nsec += 20 * 1000 * 1000;
	soon.tv_sec += soon.tv_nsec / 1000000000;
	soon.tv_nsec %= 1000000000;
	printf("sem_timedwait: %s\n", sem_timedwait(sem, &soon) ? errno_name(errno) : "0");
}

static void futex_errors(void)
{
	static int word = 7;
	struct timespec bad = { 0, 1000000000 }, no_time = { 0, 0 };
	SHOW(syscall(SYS_futex, &word, 0 /* WAIT */, 8, NULL));
	SHOW(syscall(SYS_futex, &word, 0, 7, &no_time));
	SHOW(syscall(SYS_futex, &word, 0, 7, &bad));
	SHOW(syscall(SYS_futex, (char *)&word + 1, 0, 7, &no_time));
	SHOW(syscall(SYS_futex, BAD_POINTER, 0, 7, &no_time));
	SHOW(syscall(SYS_futex, &word, 1 /* WAKE */, 1));
	SHOW(syscall(SYS_futex, &word, 9 /* WAIT_BITSET */, 7, NULL, NULL, 0));
	SHOW(syscall(SYS_futex, &word, 4 /* CMP_REQUEUE */, 1, 1, &word, 8));
	SHOW(syscall(SYS_futex, &word, 99, 1));
}

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc > 2) {
		printf("new image: same process %s, main thread %s\n", getpid() == atoi(argv[2]) ? "yes" : "no",
		    syscall(SYS_gettid) == getpid() ? "yes" : "no");
		return 8;
	}
	counting_under_a_mutex();
	cancelling_a_sleeper();
	whole_process("exit", exits);
	whole_process("killed", is_killed);
	whole_process("one thread faults", one_faults);
	whole_process("main thread gone, killed", main_leaves_first);
	whole_process("stopped", stops);
	whole_process("signal", signal_finds_a_thread);
	whole_process("execve, second thread", exec_in_second_thread);
	whole_process("execve, main thread", exec_in_main_thread);
	futex_between_processes();
	futex_errors();
	return 0;
}
