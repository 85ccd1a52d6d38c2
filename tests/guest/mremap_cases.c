/* SPDX-License-Identifier: MIT */
/* proves: AS-31 AS-42 AS-52 */
/*
 * mremap: shrinking, growing in place, moving (allowed, refused, to a fixed place, onto other
 * mappings), of anonymous, shared and file mappings, with contents and file offsets moving
 * along and old addresses gone; growth of file mappings beyond the end; the errors of ABI.md,
 * section 3.
 */
#include "guest.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static char *area; /* 32 pages of address space, free but for what a case maps */

static long remap(char *old, size_t old_length, size_t new_length, int flags, char *target)
{
	return syscall(SYS_mremap, old, old_length, new_length, flags, target);
}

static void clear_area(void)
{
	if (!area) {
		area = map_anon(48 * PAGE, PROT_NONE);
		MUST(munmap(area, 48 * PAGE));
		area += 8 * PAGE;
	}
	MUST(munmap(area, 32 * PAGE));
}

/* Pages [first, first + count) of the area, filled with letters from `letter` on. */
static char *place(int first, int count, char letter, int flags)
{
	char *p = MUST(mmap(area + first * PAGE, count * PAGE, RW, flags | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	for (int i = 0; i < count; i++)
		memset(p + i * PAGE, letter + i, PAGE);
	return p;
}

static void show(const char *what, long result)
{
	if (result == -1)
		printf("%s: %s\n", what, errno_name(errno));
	else if ((char *)result >= area && (char *)result < area + 32 * PAGE)
		printf("%s: at page %ld\n", what, (result - (long)area) / (long)PAGE);
	else
		printf("%s: elsewhere\n", what);
	show_coverage("  covered", area, 32 * PAGE);
	printf("  contents ");
	for (int i = 0; i < 32; i++) {
		volatile char c = '.';
		TRY(c = *(volatile char *)(area + i * PAGE));
		putchar(last_fault.sig ? '.' : c ? c : '0');
	}
	printf("\n");
}

static void shrink_and_grow(void)
{
	clear_area();
	char *p = place(4, 6, 'a', MAP_PRIVATE);
	show("shrink 6 to 3", remap(p, 6 * PAGE, 3 * PAGE, 0, NULL));
	show("grow 3 to 5 in place", remap(p, 3 * PAGE, 5 * PAGE, 0, NULL));
	place(12, 2, 'x', MAP_PRIVATE);
	show("grow 5 to 8, up to the neighbour", remap(p, 5 * PAGE, 8 * PAGE, 0, NULL));
	show("grow 8 to 9, no room", remap(p, 8 * PAGE, 9 * PAGE, 0, NULL));
	show("same size", remap(p, 8 * PAGE, 8 * PAGE, 0, NULL));
	show("sizes are rounded up", remap(p, 7 * PAGE + 1, 8 * PAGE - 7, 0, NULL));
	char *moved = (char *)remap(p, 8 * PAGE, 9 * PAGE, MREMAP_MAYMOVE, NULL);
	printf("grow 8 to 9, may move: %s\n", moved == (char *)-1 ? "failed" : moved == p ? "in place" : "moved");
	printf("  contents there: %c%c%c, new page %d\n", moved[0], moved[PAGE], moved[2 * PAGE], moved[8 * PAGE]);
	MUST(munmap(moved, 9 * PAGE));
}

static void fixed_moves(void)
{
	clear_area();
	char *p = place(0, 4, 'a', MAP_PRIVATE);
	show("move to page 10", remap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 10 * PAGE));
	p = area + 10 * PAGE;
	show("move a part of it", remap(p + PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 20 * PAGE));
	place(24, 4, 'p', MAP_PRIVATE);
	show("onto another mapping", remap(area + 20 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 25 * PAGE));
	show("move and grow", remap(p, PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area));
	clear_area();
	p = place(20, 4, 'a', MAP_PRIVATE);
	show("move and shrink", remap(p, 4 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 16 * PAGE));
	clear_area();
	p = place(2, 2, 'a', MAP_PRIVATE);
	place(4, 2, 'c', MAP_PRIVATE);
	show("two mappings that are one by merging", remap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 10 * PAGE));
	show("and next to its like: merged", remap(area + 10 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 14 * PAGE));
}

/* At its destination a mapping becomes one with a neighbour that it continues. */
static void merges(void)
{
	clear_area();
	MUST(mmap(area, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0));
	MUST(mmap(area + 8 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0));
	MUST(remap(area + 8 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 2 * PAGE));
	show_layout("untouched, moved next to its like", area, 32 * PAGE);
	MUST(mmap(area + 8 * PAGE, 2 * PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0));
	MUST(remap(area + 8 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 4 * PAGE));
	show_layout("next to one of other rights", area, 32 * PAGE);
}

static void errors(void)
{
	clear_area();
	char *p = place(4, 4, 'a', MAP_PRIVATE);
	show("old address unaligned", remap(p + 1, PAGE, 2 * PAGE, MREMAP_MAYMOVE, NULL));
	show("new length 0", remap(p, PAGE, 0, MREMAP_MAYMOVE, NULL));
	show("unknown flag", remap(p, PAGE, PAGE, 0x100, NULL));
	show("FIXED without MAYMOVE", remap(p, PAGE, PAGE, MREMAP_FIXED, area + 20 * PAGE));
	show("target unaligned", remap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 5));
	show("target overlaps", remap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 6 * PAGE));
	show("target in the kernel", remap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (char *)0xffff888000000000));
	show("target at the end of user space", remap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (char *)0x7fffffffe000));
	show("old address unmapped", remap(area, PAGE, 2 * PAGE, MREMAP_MAYMOVE, NULL));
	show("old address in the kernel", remap((char *)0xffff888000000000, PAGE, 2 * PAGE, MREMAP_MAYMOVE, NULL));
	show("grows from a hole's edge", remap(p + 3 * PAGE, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE, NULL));
	show("old length 0, private", remap(p, 0, PAGE, MREMAP_MAYMOVE, NULL));
	MUST(mprotect(p + 2 * PAGE, PAGE, PROT_READ));
	show("growth of several mappings", remap(p, 4 * PAGE, 5 * PAGE, MREMAP_MAYMOVE, NULL));
	show("same size over several, in place", remap(p, 4 * PAGE, 4 * PAGE, 0, NULL));
	show("shrinking over several", remap(p, 4 * PAGE, PAGE, 0, NULL));
}

static void shared_memory(void)
{
	clear_area();
	char *p = place(2, 3, 's', MAP_SHARED);
	char *copy = (char *)remap(p, 0, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 12 * PAGE);
	show("old length 0, shared: a second view", (long)copy);
	strcpy(copy, "seen in both");
	printf("  %s\n", p);
	show("shared, moved", remap(p, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 20 * PAGE));
	copy[0] = 'S';
	printf("  %s\n", area + 20 * PAGE);
}

static void file_mapping(void)
{
	clear_area();
	int fd = make_file("file", 8 * PAGE);
	char *p = MUST(mmap(area + 2 * PAGE, 3 * PAGE, RW, MAP_PRIVATE | MAP_FIXED, fd, 2 * PAGE));
	p[PAGE] = '!';
	show("file, pages 2 to 4, one written", (long)p);
	show("grown by two", remap(p, 3 * PAGE, 5 * PAGE, 0, NULL));
	show("its end moved", remap(p + 3 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 10 * PAGE));
	show("moved back: one mapping", remap(area + 10 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 3 * PAGE));
	show("grown beyond the file's end", remap(p, 5 * PAGE, 8 * PAGE, MREMAP_MAYMOVE, NULL));
	TRY(touch_read(p + 7 * PAGE));
	show_fault("  behind the end", p);
	MUST(unlink("file"));
	close(fd);
}

/* Pages move with their frames: what a child shares with the parent stays shared. */
static int child_looks(void *page)
{
	printf("  child: %s\n", (char *)page);
	strcpy(page, "child's own");
	return 0;
}

static void moved_after_fork(void)
{
	clear_area();
	char *p = place(0, 2, 'a', MAP_PRIVATE);
	strcpy(p, "from before the move");
	run_child(child_looks, p);
	p = (char *)remap(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 7 * PAGE);
	run_child(child_looks, p);
	printf("  parent: %s\n", p);
}

static void large_move(void)
{
	enum { PAGES = 2000 };
	char *p = map_anon(PAGES * PAGE, RW), *blocker;
	for (int i = 0; i < PAGES; i += 3)
		*(int *)(p + i * PAGE) = i;
	blocker = mmap(p + PAGES * PAGE, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	char *q = (char *)remap(p, PAGES * PAGE, 2 * PAGES * PAGE, MREMAP_MAYMOVE, NULL);
	long wrong = 0;
	for (int i = 0; i < 2 * PAGES; i++)
		wrong += *(int *)(q + i * PAGE) != (i % 3 || i >= PAGES ? 0 : i);
	printf("2000 pages moved and doubled: %s, wrong pages %ld\n", q == (char *)-1 ? "failed" : q == p ? "in place" : "moved", wrong);
	TRY(touch_read(p));
	printf("the old place: %s\n", last_fault.sig ? signal_name(last_fault.sig) : "accessible");
	(void)blocker;
}

int main(void)
{
	catch_faults(0);
	scratch_enter();
	shrink_and_grow();
	fixed_moves();
	merges();
	errors();
	shared_memory();
	file_mapping();
	moved_after_fork();
	large_move();
	scratch_leave();
	return 0;
}
