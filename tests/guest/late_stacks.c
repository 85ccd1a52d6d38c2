/* SPDX-License-Identifier: MIT */
/* proves: CS-10 CT-22 */
/*
 * Kernel stacks that are younger than an address space: a process is made first, then threads
 * and processes whose kernel stacks (in vmalloc space) its page tables have never seen; each
 * hands a byte to it and back, so that CPUs switch from those stacks to its tables and back.
 */
#include "guest.h"
#include <pthread.h>

#define THREADS 48
#define CHILDREN 24

static int to_old[2], from_old[2];

static int old_process(void *unused)
{
	char byte;
	(void)unused;
	close(to_old[1]);
	while (read(to_old[0], &byte, 1) == 1) {
		byte++;
		MUST(write(from_old[1], &byte, 1));
	}
	return 0;
}

static void exchange(char value, int *good)
{
	char byte = value;
	MUST(write(to_old[1], &byte, 1));
	MUST(read(from_old[0], &byte, 1));
	*good += byte == (char)(value + 1);
}

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int good;

static void *late_thread(void *number)
{
	pthread_mutex_lock(&turn);
	for (int i = 0; i < 8; i++)
		exchange((char)(long)number, &good);
	pthread_mutex_unlock(&turn);
	return NULL;
}

static int late_process(void *number)
{
	int mine = 0;
	for (int i = 0; i < 8; i++)
		exchange((char)(long)number, &mine);
	return mine;
}

int main(void)
{
	pthread_t threads[THREADS];
	MUST(pipe(to_old)), MUST(pipe(from_old));
	pid_t old = start_child(old_process, NULL);
	for (long i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, late_thread, (void *)i))
			die(__FILE__, __LINE__, "pthread_create");
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("threads: %d of %d bytes came back\n", good, THREADS * 8);
	for (long i = good = 0; i < CHILDREN; i++)
		good += WEXITSTATUS(run_child(late_process, (void *)i));
	printf("children: %d of %d bytes came back\n", good, CHILDREN * 8);
	close(to_old[1]);
	show_status("old process", wait_for(old));
	return 0;
}
