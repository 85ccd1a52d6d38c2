/* SPDX-License-Identifier: MIT */
/*
 * residency.c: a program whose pages come and go, and that says at five moments what
 * /proc/self/pagemap, a walk of its page tables, has of them: r present, s swapped, . nothing.
 * It then rests, so that whoever looks from outside sees the same.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGES 64
#define PAGE  4096ul
#define BASE  0x200000000ul
#define REST_NS 250000000

static void look(void)
{
	static uint64_t entries[PAGES];
	static char states[PAGES + 1];
	struct timespec rest = { 0, REST_NS };
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (pread(fd, entries, sizeof(entries), BASE / PAGE * 8) != sizeof(entries))
		_exit(1);
	close(fd);
	for (int i = 0; i < PAGES; i++)
		states[i] = entries[i] >> 63 ? 'r' : entries[i] >> 62 & 1 ? 's' : '.';
	puts(states);
	fflush(stdout);
	nanosleep(&rest, NULL);
}

int main(void)
{
	volatile char *p = mmap((void *)BASE, PAGES * PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if ((unsigned long)p != BASE)
		return 1;
	look();
	for (int i = 0; i < PAGES; i += 3) /* written */
		p[i * PAGE] = 1;
	look();
	for (int i = 1; i < PAGES; i += 6) /* only read */
		(void)p[i * PAGE];
	look();
	madvise((void *)(BASE + 10 * PAGE), 30 * PAGE, MADV_DONTNEED);
	look();
	memset((void *)(BASE + 20 * PAGE), 2, 25 * PAGE);
	madvise((void *)(BASE + 22 * PAGE), 8 * PAGE, MADV_PAGEOUT);
	look();
	return 0;
}
