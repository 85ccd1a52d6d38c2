/* SPDX-License-Identifier: MIT */
/* alloc_host.c: the workloads on malloc: glibc's, or another library's by LD_PRELOAD. */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define take(size) malloc(size)
#define give(p)	   free(p)

static void (*current_worker)(unsigned int);

static void *thread_main(void *id)
{
	current_worker((unsigned int)(unsigned long)id);
	return NULL;
}

static void in_parallel(unsigned int n, void (*worker)(unsigned int))
{
	pthread_t thread[2];

	current_worker = worker;
	for (unsigned int i = 1; i < n; i++)
		if (pthread_create(&thread[i], NULL, thread_main, (void *)(unsigned long)i))
			abort();
	worker(0);
	for (unsigned int i = 1; i < n; i++)
		pthread_join(thread[i], NULL);
}

/* Resident anonymous memory. */
static size_t footprint(void);

#include "alloc_workload.h"

static size_t footprint(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	size_t size = 0, resident = 0, shared = 0;

	if (!file || fscanf(file, "%zu %zu %zu", &size, &resident, &shared) != 3)
		abort();
	fclose(file);
	return (resident - shared) * (size_t)sysconf(_SC_PAGESIZE);
}

int main(int argc, char **argv)
{
	return argc == 3 ? run_workload(argv) : 2;
}
