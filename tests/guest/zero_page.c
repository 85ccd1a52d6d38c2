/* SPDX-License-Identifier: MIT */
/* proves: FT-40 FT-42 */
/*
 * Reading untouched anonymous memory gives zeros and costs no frame (resident size stays);
 * a write then gives that page alone a frame of its own, zero but for what was written. No
 * write, by the program or by the kernel (read(2)), is ever seen through another page that
 * still shows the common zero page, in this process or in a child.
 */
#include "guest.h"

enum { PAGES = 2000 };

static long count_non_zero(const char *p, long pages)
{
	long found = 0;
	for (long i = 0; i < pages * (long)PAGE; i++)
		found += ((const volatile char *)p)[i] != 0;
	return found;
}

static int look(void *region)
{
	printf("child sees %ld bytes not zero\n", count_non_zero(region, PAGES));
	return 0;
}

int main(void)
{
	int fds[2];
	char *p = map_anon(PAGES * PAGE, PROT_READ | PROT_WRITE);
	char *fresh = map_anon(PAGES * PAGE, PROT_READ);

	long before = resident_pages();
	printf("non-zero bytes: %ld, in a read-only mapping: %ld\n", count_non_zero(p, PAGES),
	       count_non_zero(fresh, PAGES));
	long growth = resident_pages() - before;
	printf("reading %d pages made resident: %s\n", 2 * PAGES,
	       growth < 150 ? "next to nothing" : "too much");

	for (long i = 0; i < PAGES; i += 2)
		p[i * PAGE + i % PAGE] = 1;
	growth = resident_pages() - before;
	printf("writing every second one made resident: %s\n",
	       growth >= PAGES / 2 - 130 && growth < PAGES / 2 + 150 ? "these" : "not these");
	printf("non-zero bytes: %ld, in the read-only mapping: %ld\n", count_non_zero(p, PAGES),
	       count_non_zero(fresh, PAGES));

	/* The kernel as the writer, into a page that shows the zero page. */
	MUST(pipe(fds));
	MUST(write(fds[1], "kernel", 6));
	SHOW(read(fds[0], p + 3 * PAGE + 4, 100));
	printf("page 3: %s, non-zero bytes: %ld\n", p + 3 * PAGE + 4, count_non_zero(p, PAGES));
	printf("read-only mapping: %ld\n", count_non_zero(fresh, PAGES));
	show_status("child", run_child(look, p));
	show_status("child", run_child(look, fresh));

	/* A read-only mapping of the zero page made writable is copied on write as well. */
	MUST(mprotect(fresh, PAGE, PROT_READ | PROT_WRITE));
	fresh[0] = 1;
	printf("made writable and written: %ld, others: %ld\n", count_non_zero(fresh, 1),
	       count_non_zero(fresh + PAGE, PAGES - 1));
	return 0;
}
