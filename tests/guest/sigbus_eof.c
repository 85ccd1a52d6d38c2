/* SPDX-License-Identifier: MIT */
/* proves: AS-74 */
/*
 * A file mapping longer than its file: the last page is filled with zeros and may be
 * written (which never reaches the file); pages wholly past the end are SIGBUS/BUS_ADRERR,
 * private or shared, read or written; the same after the file is truncated under the
 * mapping, which takes away private copies as well; extending the file brings pages back.
 */
#include "guest.h"

static void probe(const char *what, char *base, int page)
{
	char label[80];
	snprintf(label, sizeof(label), "  %s page %d read", what, page);
	TRY(touch_read(base + page * PAGE + 10));
	show_fault(label, base);
	snprintf(label, sizeof(label), "  %s page %d write", what, page);
	TRY(touch_write(base + page * PAGE + 20, 'w'));
	show_fault(label, base);
}

static void past_the_end(int fd, int flags, const char *what)
{
	char *p = MUST(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0));
	char last[8] = { 0 };
	printf("%s mapping of 4 pages, file of 1 page and 100 bytes\n", what);
	printf("  tail after the end: %d %d\n", p[PAGE + 100], p[2 * PAGE - 1]);
	p[PAGE + 100] = 'Z';
	p[2 * PAGE - 1] = 'Z';
	printf("  file after writing the tail: read %ld\n", (long)pread(fd, last, 8, PAGE + 98));
	for (int page = 0; page < 4; page++)
		probe(what, p, page);
	MUST(munmap(p, 4 * PAGE));
}

static void truncate_under(int fd, int flags, const char *what)
{
	MUST(ftruncate(fd, 0));
	MUST(ftruncate(fd, 4 * PAGE));
	char *p = MUST(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0));
	memset(p, 'x', 4 * PAGE);
	MUST(ftruncate(fd, PAGE + 1));
	printf("%s mapping of 4 written pages, truncated to 1 page and 1 byte\n", what);
	/* A private copy keeps its tail; the file's page has its tail cleared. */
	printf("  page 1: byte 0 %#x\n", p[PAGE]);
	if (flags == MAP_SHARED)
		printf("  page 1: byte 1 %#x\n", p[PAGE + 1]);
	probe(what, p, 1);
	probe(what, p, 2);
	probe(what, p, 3);
	MUST(ftruncate(fd, 4 * PAGE));
	printf("  extended again: %#x %#x\n", p[2 * PAGE], p[3 * PAGE + 5]);
	probe(what, p, 3);
	MUST(munmap(p, 4 * PAGE));
}

int main(void)
{
	scratch_enter();
	int fd = make_file("file", PAGE + 100);
	catch_faults(0);
	past_the_end(fd, MAP_PRIVATE, "private");
	past_the_end(fd, MAP_SHARED, "shared");
	truncate_under(fd, MAP_PRIVATE, "private");
	truncate_under(fd, MAP_SHARED, "shared");
	/* A system call that meets such a page reports EFAULT and raises no signal. */
	MUST(ftruncate(fd, PAGE));
	char *p = MUST(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	int fds[2];
	MUST(pipe(fds));
	SHOW(write(fds[1], p + PAGE, 10));
	SHOW(write(fds[1], "abcdef", 6));
	SHOW(read(fds[0], p + PAGE, 6));
	SHOW(read(open("file", O_RDONLY), p + PAGE - 6, 10));
	MUST(unlink("file"));
	scratch_leave();
	return 0;
}
