/* SPDX-License-Identifier: MIT */
/* proves: AS-51 PM-32 */
/* guest: --ram 32M --swap 16M */
/*
 * A store through a mapping whose page is clean and has its place in swap is told by the entry's dirty bit
 * alone. It survives whatever takes the entry away, and the reclaim that follows.
 */
#include "guest.h"

#define PAGES 256
#define ROUNDS 3

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			printf("%s: %s\n", #x, strerror(errno));                                   \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static int fd;

static char *map(void)
{
	char *p = mmap(NULL, PAGES * 4096ul, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static void store(volatile char *p, char value)
{
	for (int i = 0; i < PAGES; i++)
		p[i * 4096] = value;
}

static int lost(volatile char *p, char value)
{
	int n = 0;

	for (int i = 0; i < PAGES; i++)
		n += p[i * 4096] != value;
	return n;
}

static void page_out(char *p)
{
	CHECK(madvise(p, PAGES * 4096ul, 21 /* MADV_PAGEOUT */) == 0);
}

/* Out and back: clean from now on, and mapped. */
static void clean(char *p, char value)
{
	store(p, value);
	page_out(p);
	CHECK(lost(p, value) == 0);
}

static char *by_nothing(char *p)
{
	return p;
}
static char *by_munmap(char *p)
{
	CHECK(munmap(p, PAGES * 4096ul) == 0);
	return map();
}
static char *by_dontneed(char *p)
{
	CHECK(madvise(p, PAGES * 4096ul, MADV_DONTNEED) == 0);
	return p;
}
static char *by_mremap(char *p)
{
	char *to = map();

	p = mremap(p, PAGES * 4096ul, PAGES * 4096ul, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	CHECK(p == to);
	return p;
}
static char *by_mprotect(char *p)
{
	CHECK(mprotect(p, PAGES * 4096ul, PROT_READ) == 0);
	return p;
}

int main(void)
{
	static char *(*const ways[])(char *) = { by_nothing, by_munmap, by_dontneed, by_mremap, by_mprotect };

	fd = memfd_create("stores", 0);
	CHECK(fd >= 0 && ftruncate(fd, PAGES * 4096l) == 0);
	for (unsigned int w = 0; w < sizeof(ways) / sizeof(ways[0]); w++)
		for (int round = 0; round < ROUNDS; round++) {
			char *p = map();

			clean(p, (char)(1 + round));
			store(p, (char)(100 + round));
			p = ways[w](p);
			page_out(p);
			printf("way %u, round %d: %d stores lost\n", w, round, lost(p, (char)(100 + round)));
			CHECK(munmap(p, PAGES * 4096ul) == 0);
		}
	return 0;
}
