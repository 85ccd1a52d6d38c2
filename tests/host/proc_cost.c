/* SPDX-License-Identifier: MIT */
/* Makes argv[1] pairs of regions, and prints for each file of regions what reading it costs, in instructions. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

static long cost(const char *path)
{
	static char buffer[4096];
	unsigned long start = __rdtsc();
	int fd = open(path, O_RDONLY);

	while (read(fd, buffer, sizeof(buffer)) > 0)
		;
	close(fd);
	return (long)(__rdtsc() - start);
}

int main(int argc, char **argv)
{
	static const char *const files[] = { "maps", "smaps", "smaps_rollup", "numa_maps" };
	long n = argc > 1 ? atol(argv[1]) : 1000;
	char *area = mmap(NULL, 2ul * (unsigned long)n * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), path[64];

	for (long i = 0; i < n; i++) {
		if (mprotect(area + 8192 * i, 4096, PROT_READ | PROT_WRITE))
			return 1;
		area[8192 * i] = 1;
	}
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "/proc/self/%s", files[i]);
		(void)cost(path); /* what only the first reader pays */
		printf("%s %ld\n", files[i], cost(path));
	}
	return 0;
}
