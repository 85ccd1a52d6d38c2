/* SPDX-License-Identifier: MIT */
/* proves: AS-48 */
/*
 * Mapped files: private stores stay private, shared ones are seen at once by read(2) and by
 * every other mapping and process; write(2) is seen through both kinds of mapping until a
 * private page has been written; the mapping outlives close and unlink; dirty pages survive
 * munmap; offsets; growing the file under a mapping; a file mapped by two processes at
 * different addresses.
 */
#include "guest.h"

#define RW (PROT_READ | PROT_WRITE)

static int fd;

static char file_byte(off_t at)
{
	char c = '?';
	if (pread(fd, &c, 1, at) == 0)
		return '#';
	return c;
}

static void show(const char *what, const char *mapping)
{
	printf("%s: mapping %c%c%c%c file %c%c%c%c\n", what, mapping[0], mapping[PAGE],
	       mapping[2 * PAGE], mapping[3 * PAGE], file_byte(0), file_byte(PAGE),
	       file_byte(2 * PAGE), file_byte(3 * PAGE));
}

static void private_mapping(void)
{
	char *p = MUST(mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0));
	show("private, untouched", p);
	p[0] = 'P';
	p[PAGE + 5] = 'Q';
	show("two pages written", p);
	MUST(pwrite(fd, "WWWW", 1, 0));
	MUST(pwrite(fd, "WWWW", 1, PAGE));
	MUST(pwrite(fd, "WWWW", 1, 2 * PAGE));
	show("file written", p);
	MUST(munmap(p, 4 * PAGE));
	p = MUST(mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0));
	show("mapped again", p);
	/* First touched by a write: one fault, the copy is private at once. */
	p[3 * PAGE + 1] = 'X';
	printf("early copy: %c%c, file %c\n", p[3 * PAGE], p[3 * PAGE + 1], file_byte(3 * PAGE + 1));
	MUST(munmap(p, 4 * PAGE));
}

static void shared_mapping(void)
{
	char *p = MUST(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0));
	char *q = MUST(mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 0));
	char *private = MUST(mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0));
	p[0] = '1';
	p[PAGE] = '2';
	show("shared, two pages written", p);
	show("second shared mapping", q);
	show("private mapping, not written yet", private);
	private[0] = 'p';
	p[0] = '3';
	p[PAGE] = '4';
	show("private mapping, page 0 written", private);
	MUST(pwrite(fd, "5", 1, 2 * PAGE));
	show("after write(2)", q);
	p[3 * PAGE] = '6';
	MUST(munmap(p, 4 * PAGE));
	show("after munmap", q);
	SHOW(msync(q, 4 * PAGE, MS_SYNC));
	MUST(munmap(q, 4 * PAGE));
	MUST(munmap(private, 4 * PAGE));
}

static int other_process(void *unused)
{
	(void)unused;
	/* Another address than the parent's. */
	map_anon(13 * PAGE, PROT_NONE);
	int own = MUST(open("file", O_RDWR));
	char *p = MUST(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, own, 0));
	show("child sees", p);
	p[2 * PAGE] = 'C';
	return 0;
}

static void two_processes(void)
{
	char *p = MUST(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0));
	p[PAGE] = 'F';
	show_status("child", run_child(other_process, NULL));
	show("parent sees", p);
	MUST(munmap(p, 4 * PAGE));
}

static void outlives_close_and_unlink(void)
{
	int other = make_file("other", 2 * PAGE);
	char *p = MUST(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, other, 0));
	MUST(close(other));
	MUST(unlink("other"));
	p[1] = 'u';
	printf("after close and unlink: %c%c%c\n", p[0], p[1], p[PAGE]);
	MUST(munmap(p, 2 * PAGE));
}

static void growing(void)
{
	int other = make_file("other", PAGE);
	char *p = MUST(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, other, 0));
	TRY(touch_read(p + 2 * PAGE));
	printf("before it grows: %s\n", signal_name(last_fault.sig));
	MUST(pwrite(other, "grown", 5, 2 * PAGE));
	printf("after write beyond: %.5s, the hole %d\n", p + 2 * PAGE, p[PAGE]);
	p[PAGE] = 'h';
	char c;
	MUST(pread(other, &c, 1, PAGE));
	printf("written into the hole: %c\n", c);
	close(other);
	MUST(unlink("other"));
}

/* Read and write with buffers that are mappings of the same file. */
static void onto_itself(void)
{
	char *p = MUST(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0));
	MUST(lseek(fd, 0, SEEK_SET));
	SHOW(read(fd, p + 2 * PAGE, PAGE));
	SHOW(pwrite(fd, p, PAGE, 3 * PAGE));
	printf("copied within: %s %s\n", memcmp(p, p + 2 * PAGE, PAGE) ? "differs" : "same",
	       memcmp(p, p + 3 * PAGE, PAGE) ? "differs" : "same");
	MUST(munmap(p, 4 * PAGE));
}

static void offsets(void)
{
	char *p = MUST(mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 2 * PAGE));
	char *q = MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 3 * PAGE));
	printf("offset 2: %c%c, offset 3: %c\n", p[100], p[PAGE + 100], q[100]);
}

/* A large file through a mapping, on a machine with memory enough: every byte in its place. */
static void large(void)
{
	enum { PAGES = 1500 };
	int other = make_file("other", PAGES * PAGE);
	unsigned *p = MUST(mmap(NULL, PAGES * PAGE, RW, MAP_SHARED, other, 0));
	long wrong = 0;
	for (int i = 0; i < PAGES; i++)
		p[i * 1024 + i % 1024] = i;
	for (int i = PAGES - 1; i >= 0; i--) {
		unsigned word;
		MUST(pread(other, &word, 4, i * PAGE + i % 1024 * 4));
		wrong += word != (unsigned)i;
	}
	printf("large file: %ld wrong, checksum %08x\n", wrong, checksum(p, PAGES * PAGE));
	close(other);
	MUST(unlink("other"));
}

int main(void)
{
	catch_faults(0);
	scratch_enter();
	fd = make_file("file", 4 * PAGE);
	private_mapping();
	shared_mapping();
	two_processes();
	outlives_close_and_unlink();
	growing();
	onto_itself();
	offsets();
	large();
	MUST(unlink("file"));
	scratch_leave();
	return 0;
}
