/* SPDX-License-Identifier: MIT */
/* proves: AS-53 FT-63 */
/* libc: glibc */
/*
 * Corners of the memory calls that tests/linux/differential.c found answered differently from
 * Linux 6.1: each case is the shortest form of one disagreement. mm_corners.expected is what
 * Linux 6.1 prints.
 */
#include "guest.h"
#include <sys/uio.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static char *area;
static int file;

static void *page(int n)
{
	return area + n * PAGE;
}

static void map_pages(int first, int count, int prot, int flags)
{
	MUST(mmap(page(first), count * PAGE, prot, flags | MAP_FIXED | MAP_ANONYMOUS, -1, 0));
}

static void fresh_area(void)
{
	MUST(munmap(area, 64 * PAGE));
}

static void shared_zero_has_the_size_of_its_mapping(void)
{
	int zero = MUST(open("/dev/zero", O_RDWR));
	MUST(mmap(page(0), 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, zero, PAGE));
	TRY(touch_read(page(0)));
	show_fault("shared /dev/zero, within the size", area);
	TRY(touch_read(page(1)));
	show_fault("shared /dev/zero, beyond it", area);
	close(zero);
}

static void remove_needs_the_right_to_write(void)
{
	int read_only = MUST(open("file", O_RDONLY));
	MUST(mmap(page(0), PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0));
	MUST(mmap(page(1), PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, read_only, 0));
	MUST(mmap(page(2), PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, 0));
	map_pages(3, 1, PROT_READ, MAP_PRIVATE);
	for (int i = 0; i < 4; i++)
		show_result("MADV_REMOVE", madvise(page(i), PAGE, MADV_REMOVE));
	close(read_only);
}

static void advice_goes_on_behind_holes(void)
{
	map_pages(2, 1, PROT_READ, MAP_PRIVATE);
	SHOW(madvise(page(0), 3 * PAGE, 23 /* MADV_POPULATE_WRITE */));
	SHOW(madvise(page(0), 3 * PAGE, 22 /* MADV_POPULATE_READ */));
	map_pages(4, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	MUST(mlock(page(4), PAGE));
	*(char *)page(4) = 1;
	SHOW(madvise(page(4), PAGE, MADV_DONTNEED));
	SHOW(madvise(page(4), PAGE, 24 /* MADV_DONTNEED_LOCKED */));
	SHOW(*(char *)page(4));
}

static void lock_on_fault_is_never_populated(void)
{
	unsigned char there = 7;
	map_pages(0, 1, PROT_READ, MAP_PRIVATE);
	SHOW(syscall(SYS_mlock2, page(0), PAGE, 1));
	SHOW(mprotect(page(0), PAGE, PROT_READ | PROT_WRITE));
	SHOW(mincore(page(0), PAGE, &there));
	SHOW(there);
}

static void mincore_stores_up_to_the_hole(void)
{
	unsigned char found[4] = { 7, 7, 7, 7 };
	map_pages(0, 2, PROT_READ, MAP_PRIVATE);
	SHOW(mincore(page(0), 4 * PAGE, found));
	printf("%d %d %d\n", found[0], found[1], found[2]);
	SHOW(mincore(page(0), 4 * PAGE, BAD_POINTER));
}

static void show_remap(const char *what, void *result)
{
	if (result == MAP_FAILED)
		printf("%s: %s\n", what, errno_name(errno));
	else
		printf("%s: page %ld\n", what, ((char *)result - area) / (long)PAGE);
}

static void shrinking_moves(void)
{
	map_pages(0, 2, PROT_READ, MAP_PRIVATE);
	map_pages(3, 1, PROT_NONE, MAP_PRIVATE);
	show_remap("shrink over other regions and move",
		   mremap(page(0), 6 * PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, page(10)));
	show_layout("left", area, 16 * PAGE);
	show_remap("shrink a range beyond user space", mremap(page(10), 1UL << 63, PAGE, MREMAP_MAYMOVE));
	show_remap("no change of a range beyond user space", mremap(page(10), 1UL << 63, 1UL << 63, 0));
}

static void moves_with_hints(void)
{
	map_pages(0, 1, PROT_READ, MAP_PRIVATE);
	show_remap("DONTUNMAP with a hint",
		   mremap(page(0), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, page(20)));
	map_pages(30, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	map_pages(34, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_GROWSDOWN);
	show_remap("growth into a stack's guard gap", mremap(page(30), PAGE, 4 * PAGE, 0));
	map_pages(40, 2, PROT_READ, MAP_SHARED);
	show_remap("a second view in place of the first",
		   mremap(page(40), 0, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, page(40)));
}

/* A target that is given up makes room under the limit. */
static int move_at_the_limit(void *unused)
{
	(void)unused;
	struct rlimit limit;
	char text[64];
	int fd = MUST(open("/proc/self/statm", O_RDONLY));
	map_pages(0, 4, PROT_READ, MAP_PRIVATE);
	map_pages(8, 8, PROT_READ, MAP_PRIVATE);
	ssize_t length = read(fd, text, sizeof(text) - 1);
	text[length > 0 ? length : 0] = 0;
	limit.rlim_cur = limit.rlim_max = strtoul(text, NULL, 10) * PAGE;
	MUST(setrlimit(RLIMIT_AS, &limit));
	show_remap("growth over a target at RLIMIT_AS",
		   mremap(page(0), 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, page(8)));
	return 0;
}

static void pipes_give_whole_pieces(void)
{
	static char data[2 * PAGE];
	int fds[2];
	MUST(pipe(fds));
	map_pages(0, 2, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	MUST(write(fds[1], data, 2 * PAGE));
	SHOW(read(fds[0], (char *)page(2) - PAGE - 100, 2 * PAGE));
	SHOW(read(fds[0], page(0), 2 * PAGE));
	close(fds[0]);
	close(fds[1]);
}

static void holes_leave_private_copies(void)
{
	MUST(mmap(page(0), PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 2 * PAGE));
	*(char *)page(0) = 'c';
	SHOW(fallocate(file, 3, 2 * PAGE, PAGE));
	printf("private copy: %c\n", *(char *)page(0));
}

static void writes_extend_what_they_read(void)
{
	int fd = make_file("grows", 5000);
	MUST(mmap(page(0), 3 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0));
	SHOW(pwrite(fd, (char *)page(1) - 10, PAGE + 20, 5000));
	close(fd);
	MUST(unlink("grows"));
}

static void mmap_errors(void)
{
	int fds[2], flags = 3 | MAP_FIXED_NOREPLACE;
	MUST(pipe(fds));
	show_remap("SHARED_VALIDATE and FIXED_NOREPLACE", mmap(page(0), PAGE, PROT_READ, flags, file, 0));
	show_remap("SHARED_VALIDATE and a size of huge pages", mmap(NULL, PAGE, PROT_READ, 3 | 0x100000 << 7, fds[0], 0));
	show_remap("a pipe, too large", mmap(page(0), 1UL << 46, PROT_READ | PROT_WRITE, MAP_PRIVATE, fds[0], 0));
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	static void (*const cases[])(void) = {
		shared_zero_has_the_size_of_its_mapping, remove_needs_the_right_to_write, advice_goes_on_behind_holes,
		lock_on_fault_is_never_populated, mincore_stores_up_to_the_hole, shrinking_moves, moves_with_hints,
		pipes_give_whole_pieces, holes_leave_private_copies, writes_extend_what_they_read, mmap_errors,
	};
	catch_faults(0);
	scratch_enter();
	file = make_file("file", 4 * PAGE);
	area = (char *)0x300000000000;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		fresh_area();
		cases[i]();
	}
	fresh_area();
	run_child(move_at_the_limit, NULL);
	MUST(unlink("file"));
	scratch_leave();
	return 0;
}
