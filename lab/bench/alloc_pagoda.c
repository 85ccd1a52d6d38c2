/* SPDX-License-Identifier: MIT */
/*
 * alloc_pagoda.c: the workloads on kmalloc, and what only Pagoda is asked.
 *
 *	alloc_pagoda NAME N	a workload on N threads
 *	alloc_pagoda pages N	N pairs of order-0 allocations in page_pairs(), for callgrind to
 *				count; prints zone-lock acquisitions per operation
 *	alloc_pagoda boot SIZE	boot a machine of SIZE MiB; prints milliseconds, mem_map bytes a frame
 */
#include <machine/hosted.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <stdbool.h>
#include <stdlib.h>

#define take(size) kmalloc((size), GFP_KERNEL)
#define give(p)	   kfree(p)

static void (*current_worker)(unsigned int);

static void task_main(void *id)
{
	current_worker((unsigned int)(unsigned long)id);
}

static void in_parallel(unsigned int n, void (*worker)(unsigned int))
{
	struct hosted_task *task[2];

	current_worker = worker;
	for (unsigned int i = 1; i < n; i++)
		task[i] = hosted_spawn("bench", (int)i, task_main, (void *)(unsigned long)i);
	worker(0);
	for (unsigned int i = 1; i < n; i++)
		hosted_wait(task[i]);
}

static size_t footprint(void)
{
	return (totalram_pages() - nr_free_pages()) * PAGE_SIZE;
}

#include "alloc_workload.h"

static unsigned long zone_lock_acquisitions(void)
{
	unsigned long sum = 0;
	pg_data_t *pgdat;

	for_each_pgdat(pgdat)
		for (int z = 0; z < MAX_NR_ZONES; z++)
			sum += pgdat->node_zones[z].lock_acquisitions;
	return sum;
}

/* The function that callgrind counts: nothing but pairs, and the loop. */
noinline void page_pairs(unsigned long n);
noinline void page_pairs(unsigned long n)
{
	while (n--) {
		struct page *page = alloc_page(GFP_KERNEL);

		if (!page)
			abort();
		__free_page(page);
	}
}

/* Bursts are harder on the per-CPU lists than pairs are. */
static void page_bursts(unsigned long n)
{
	static struct page *pages[512];

	for (unsigned long done = 0; done < n; done += ARRAY_SIZE(pages)) {
		for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++)
			pages[i] = alloc_page(GFP_KERNEL);
		for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++)
			__free_page(pages[i]);
	}
}

static void run_pages(unsigned long n)
{
	unsigned long before = zone_lock_acquisitions();

	page_pairs(n);
	printf("pairs_zone_locks %.4f\n",
	       (double)(zone_lock_acquisitions() - before) / (2.0 * (double)n));
	before = zone_lock_acquisitions();
	page_bursts(n);
	printf("bursts_zone_locks %.4f\n",
	       (double)(zone_lock_acquisitions() - before) / (2.0 * (double)n));
}

static int run_boot(struct hosted_config *config)
{
	uint64_t start = now_ns();

	hosted_boot(config);
	printf("boot_ms %.0f\nmem_map_bytes %zu\n", (double)(now_ns() - start) / 1e6,
	       sizeof(struct page));
	return 0;
}

int main(int argc, char **argv)
{
	struct hosted_config config = {.ram = 512 * SZ_1M, .nr_cpus = 2, .start_threads = true};

	if (argc != 3)
		return 2;
	if (strcmp(argv[1], "boot") == 0) {
		config.ram = strtoull(argv[2], NULL, 10) * SZ_1M;
		return run_boot(&config);
	}
	hosted_boot(&config);
	if (strcmp(argv[1], "pages") != 0)
		return run_workload(argv);
	run_pages(strtoul(argv[2], NULL, 10));
	return 0;
}
