/* SPDX-License-Identifier: MIT */
/* proves: AS-02 */
/* guest: --ram 64M */
/*
 * Memory is promised by mmap and given by the first touch: 32 MiB mapped cost no resident
 * page, touching every page makes exactly these resident, each reads zero before it is
 * written and keeps what was written; munmap gives them back at once. Repeated in children
 * that exit without unmapping: ten times 32 MiB pass through a machine of 64 MiB.
 */
#include "guest.h"

enum { PAGES = 8192 };

/* Resident sizes are summed up lazily on a real Linux: allow what its counters may lag. */
static const char *about(long pages, long expected)
{
	return pages >= expected - 130 && pages <= expected + 130 ? "as expected" : "unexpected";
}

static int touch_and_leave(void *round)
{
	long *p = (long *)map_anon(PAGES * PAGE, PROT_READ | PROT_WRITE), not_zero = 0, sum = 0;
	for (long i = 0; i < PAGES; i++) {
		long *page = p + i * PAGE / sizeof(long);
		not_zero += page[i % 512] != 0;
		page[i % 512] = i + *(int *)round;
	}
	for (long i = 0; i < PAGES; i++)
		sum += p[i * PAGE / sizeof(long) + i % 512];
	printf("round %d: pages not zero at first %ld, sum %ld\n", *(int *)round, not_zero, sum);
	return 0;
}

int main(void)
{
	long before = resident_pages();
	char *p = map_anon(PAGES * PAGE, PROT_READ | PROT_WRITE);
	long mapped = resident_pages();
	printf("resident after mmap of %d pages: %s\n", PAGES, about(mapped - before, 0));
	char *huge = MUST(mmap(NULL, 1 << 30, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
	printf("resident after mmap of 1 GiB: %s\n", about(resident_pages() - mapped, 0));
	MUST(munmap(huge, 1 << 30));
	for (long i = 0; i < PAGES; i++)
		p[i * PAGE] = i % 251;
	long touched = resident_pages();
	printf("resident after touching: %s\n", about(touched - mapped, PAGES));
	printf("contents: %08x\n", checksum(p, PAGES * PAGE));
	MUST(munmap(p + PAGES / 2 * PAGE, PAGES / 2 * PAGE));
	printf("resident after munmap of a half: %s\n",
	       about(resident_pages() - mapped, PAGES / 2));
	MUST(munmap(p, PAGES / 2 * PAGE));
	printf("resident after munmap of the rest: %s\n", about(resident_pages() - mapped, 0));
	for (int round = 0; round < 10; round++)
		if (run_child(touch_and_leave, &round))
			printf("round %d failed\n", round);
	return 0;
}
