/* SPDX-License-Identifier: MIT */
/*
 * madvise and mincore: MADV_DONTNEED gives zeros in private anonymous memory, the file's
 * contents in a private file mapping and keeps shared data; a hole gives ENOMEM after the
 * mapped parts were processed; hints are accepted, unknown ones are EINVAL; MADV_DONTFORK and
 * MADV_WIPEONFORK show in the child. mincore tells touched from untouched pages.
 */
#include "guest.h"

#define RW (PROT_READ | PROT_WRITE)

static void show_pages(const char *what, const char *p, int pages)
{
	printf("%s:", what);
	for (int i = 0; i < pages; i++) {
		TRY(touch_read(p + i * PAGE));
		if (last_fault.sig)
			printf(" %s", signal_name(last_fault.sig));
		else
			printf(" %d", p[i * PAGE]);
	}
	printf("\n");
}

static void fill(char *p, int pages)
{
	for (int i = 0; i < pages; i++)
		p[i * PAGE] = i + 1;
}

static void dont_need(void)
{
	char *p = map_anon(6 * PAGE, RW);
	fill(p, 6);
	SHOW(madvise(p + PAGE, 2 * PAGE, MADV_DONTNEED));
	show_pages("private", p, 6);
	MUST(munmap(p + 3 * PAGE, PAGE));
	SHOW(madvise(p, 6 * PAGE, MADV_DONTNEED));
	show_pages("over a hole", p, 6);
	p = MUST(mmap(NULL, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	fill(p, 4);
	SHOW(madvise(p, 4 * PAGE, MADV_DONTNEED));
	show_pages("shared", p, 4);
	int fd = make_file("file", 4 * PAGE);
	p = MUST(mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0));
	fill(p, 2);
	show_pages("private file, two pages written", p, 4);
	SHOW(madvise(p, 4 * PAGE, MADV_DONTNEED));
	show_pages("private file", p, 4);
	p = MUST(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0));
	fill(p, 4);
	SHOW(madvise(p, 4 * PAGE, MADV_DONTNEED));
	show_pages("shared file", p, 4);
	MUST(unlink("file"));
}

static void hints_and_errors(void)
{
	static const int hints[] = { MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
				     MADV_DONTDUMP, MADV_DODUMP };
	char *p = map_anon(4 * PAGE, RW);
	fill(p, 4);
	for (unsigned i = 0; i < ARRAY_LEN(hints); i++)
		printf("hint %d: %d\n", hints[i], madvise(p, 4 * PAGE, hints[i]));
	show_pages("contents", p, 4);
	SHOW(madvise(p + 1, PAGE, MADV_NORMAL));
	SHOW(madvise(p, PAGE, 12345));
	SHOW(madvise(p, 0, 12345));
	SHOW(madvise(p, 0, MADV_DONTNEED));
	SHOW(madvise(p, 1, MADV_NORMAL));
	SHOW(madvise(p, -1UL, MADV_NORMAL));
	SHOW(madvise(p, -PAGE, MADV_DONTNEED));
	SHOW(madvise((void *)0xffff888000000000, PAGE, MADV_DONTNEED));
	SHOW(madvise((void *)PAGE, PAGE, MADV_NORMAL));
	show_pages("contents", p, 4);
}

static int look(void *p)
{
	show_pages("child", p, 5);
	return 0;
}

static void fork_advice(void)
{
	char *p = map_anon(5 * PAGE, RW);
	fill(p, 5);
	SHOW(madvise(p + PAGE, PAGE, MADV_DONTFORK));
	SHOW(madvise(p + 3 * PAGE, PAGE, MADV_WIPEONFORK));
	show_status("child", run_child(look, p));
	show_pages("parent", p, 5);
	SHOW(madvise(p + PAGE, PAGE, MADV_DOFORK));
	SHOW(madvise(p + 3 * PAGE, PAGE, MADV_KEEPONFORK));
	show_status("child", run_child(look, p));
	char *shared = MUST(mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	SHOW(madvise(shared, PAGE, MADV_WIPEONFORK));
}

static void show_mincore(const char *what, char *p, int pages)
{
	unsigned char vector[16];
	printf("%s:", what);
	if (mincore(p, pages * PAGE, vector))
		printf(" %s", errno_name(errno));
	else
		for (int i = 0; i < pages; i++)
			printf(" %d", vector[i] & 1);
	printf("\n");
}

static void in_core(void)
{
	unsigned char vector[16];
	char *p = map_anon(8 * PAGE, RW);
	show_mincore("untouched", p, 8);
	touch_write(p + PAGE, 1);
	touch_write(p + 4 * PAGE, 1);
	show_mincore("two written", p, 8);
	MUST(madvise(p, 2 * PAGE, MADV_DONTNEED));
	show_mincore("one given back", p, 8);
	MUST(munmap(p + 6 * PAGE, PAGE));
	show_mincore("with a hole", p, 8);
	show_mincore("up to the hole", p, 6);
	p = map_anon(4 * PAGE, RW);
	SHOW(mincore(p + 1, PAGE, vector));
	SHOW(mincore(p, PAGE, NULL));
	SHOW(mincore(p, PAGE, (void *)8));
	SHOW(mincore(p, 0, vector));
	SHOW(mincore((void *)0xffff888000000000, PAGE, vector));
	SHOW(mincore(p, -1UL, vector));
	int fd = make_file("file", 4 * PAGE);
	p = MUST(mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 0));
	show_mincore("file just written, mapping untouched", p, 4);
	MUST(unlink("file"));
	p = map_anon(4 * PAGE, RW);
	MUST(munmap(p, 4 * PAGE));
	p = MUST(mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0));
	show_mincore("MAP_POPULATE", p, 4);
}

int main(void)
{
	catch_faults(0);
	scratch_enter();
	dont_need();
	hints_and_errors();
	fork_advice();
	in_core();
	scratch_leave();
	return 0;
}
