/* SPDX-License-Identifier: MIT */
/*
 * bench_file.c: what files cost, as ./pagoda bench file measures it: calls on cached files, faults
 * on mapped ones, a cold sequential read, exec of a dynamic program. How it is measured, and the
 * form of the output: bench.h.
 *
 * The disk is /dev/vda, an ext2 image that lab/bench/bench_file.py made: BIG, 256 MiB to be read
 * cold; SMALL, which the other operations use; and this program again, linked dynamically, with its
 * libraries, for exec. So both kernels work on the same blocks.
 */
#define _GNU_SOURCE
#include "bench.h"

#define DISK	    "/dev/vda"
#define SMALL	    "/mnt/small"
#define BIG	    "/mnt/big"
#define DYNAMIC	    "/mnt/dynamic"
#define SMALL_SIZE  (1ul << 20)
#define BIG_SIZE    (256ul << 20)
#define LARGE	    (128ul << 10)
#define PAGES	    (SMALL_SIZE / PAGE)
#define CALLS	    128
#define LARGE_CALLS 8 /* the file once */
#define EXECS	    8

static int small;	  /* descriptor of SMALL */
static char *buffer;	  /* LARGE bytes, touched */
static uint64_t requests; /* that the last cold read took */

/* ---- Calls ----------------------------------------------------------------------------------- */

typedef ssize_t transfer(int fd, void *buf, size_t n, off_t at);

static ssize_t writing(int fd, void *buf, size_t n, off_t at)
{
	return pwrite(fd, buf, n, at);
}

static uint64_t transfers(transfer *move, size_t bytes, int calls)
{
	uint64_t start = now();

	for (int i = 0; i < calls; i++)
		if (move(small, buffer, bytes, (off_t)(i * bytes % SMALL_SIZE)) != (ssize_t)bytes)
			_exit(1);
	return now() - start;
}

static uint64_t read_4k(void)
{
	return transfers(pread, PAGE, CALLS);
}

static uint64_t read_128k(void)
{
	return transfers(pread, LARGE, LARGE_CALLS);
}

static uint64_t write_4k(void)
{
	return transfers(writing, PAGE, CALLS);
}

static uint64_t write_128k(void)
{
	return transfers(writing, LARGE, LARGE_CALLS);
}

/* ---- Faults ---------------------------------------------------------------------------------- */

static uint64_t faults(int flags, uint64_t (*touch)(volatile char *, size_t))
{
	char *p = map(PAGES, flags, small);
	uint64_t spent = touch(p, PAGES);

	unmap(p, PAGES);
	return spent;
}

static uint64_t private_reads(void)
{
	return faults(MAP_PRIVATE, read_pages);
}

static uint64_t private_writes(void)
{
	return faults(MAP_PRIVATE, write_pages);
}

static uint64_t shared_reads(void)
{
	return faults(MAP_SHARED, read_pages);
}

/* Pages that are clean: a write to each has to be noticed. */
static uint64_t shared_writes(void)
{
	must(fsync(small) == 0, "fsync");
	return faults(MAP_SHARED, write_pages);
}

/* ---- The cold read --------------------------------------------------------------------------- */

/* Reads that the disk has completed. */
static uint64_t reads_of_disk(void)
{
	unsigned long long completed = 0;
	FILE *stats = fopen("/proc/diskstats", "r");
	char line[256];

	must(stats != NULL, "/proc/diskstats");
	while (fgets(line, sizeof(line), stats))
		if (sscanf(line, "%*u %*u vda %llu", &completed) == 1)
			break;
	fclose(stats);
	return completed;
}

static uint64_t cold_read(void)
{
	volatile uint64_t *turns;
	uint64_t start, turns_before, requests_before = reads_of_disk();
	int fd = open(BIG, O_RDONLY);
	pid_t child;
	ssize_t n;

	must(fd >= 0, BIG);
	child = use_up_time(&turns);
	turns_before = *turns;
	start = now();
	while ((n = read(fd, buffer, LARGE)) > 0)
		;
	start = now() - start - 2 * (*turns - turns_before);
	must(n == 0, "read");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	requests = reads_of_disk() - requests_before;
	return start;
}

static uint64_t cold_requests(void)
{
	return requests;
}

/* ---- Exec ------------------------------------------------------------------------------------ */

static uint64_t exec_dynamic(void)
{
	char *const words[] = {DYNAMIC, "nothing", NULL};
	char *const none[] = {NULL};
	uint64_t start = now();

	for (int i = 0; i < EXECS; i++) {
		pid_t child = vfork();

		if (child == 0) {
			execve(DYNAMIC, words, none);
			_exit(1);
		}
		reap(child);
	}
	return now() - start;
}

/* ---- The list -------------------------------------------------------------------------------- */

static const struct operation operations[] = {
	{"read_4k", CALLS, read_4k, 0},
	{"read_128k", LARGE_CALLS, read_128k, 0},
	{"write_4k", CALLS, write_4k, 0},
	{"write_128k", LARGE_CALLS, write_128k, 0},
	{"private_read_fault", PAGES, private_reads, 0},
	{"private_write_fault", PAGES, private_writes, 0},
	{"shared_read_fault", PAGES, shared_reads, 0},
	{"shared_write_fault", PAGES, shared_writes, 0},
	{"exec_dynamic", EXECS, exec_dynamic, 0},
	{"cold_read_per_page", BIG_SIZE / PAGE, cold_read, 1},
	{"cold_read_requests", 1, cold_requests, 1},
};

static void prepare(void)
{
	mount_proc();
	mkdir("/mnt", 0755);
	must(mount(DISK, "/mnt", "ext2", 0, NULL) == 0, "mount");
	small = open(SMALL, O_RDWR);
	must(small >= 0, SMALL);
	buffer = map(LARGE / PAGE, ANONYMOUS, -1);
	memset(buffer, 'b', LARGE);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "nothing") == 0)
		return 0;
	return bench_main(argc > 1 ? argv[1] : NULL, prepare, operations,
			  sizeof(operations) / sizeof(operations[0]));
}
