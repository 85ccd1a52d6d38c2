/* SPDX-License-Identifier: MIT */
/* proves: AS-31 AS-41 AS-43 AS-49 */
/*
 * munmap and mprotect on parts of mappings: start, end, middle, over several mappings and
 * holes, everything; what is left as /proc/self/maps shows it, contents at their right place
 * (anonymous and file), neighbours merging again, the errors, and mprotect's partial effect
 * before a hole.
 */
#include "guest.h"

/* Straight to the kernel: musl rounds the arguments itself. */
#define mprotect(address, length, prot) syscall(SYS_mprotect, address, length, prot)
#define RW (PROT_READ | PROT_WRITE)

static char *area;

/* Ten pages, page i filled with '0' + i, with unmapped surroundings. */
static void fresh_area(int fd)
{
	if (area)
		MUST(munmap(area - PAGE, 12 * PAGE));
	area = map_anon(12 * PAGE, PROT_NONE) + PAGE;
	MUST(munmap(area - PAGE, 12 * PAGE));
	MUST(mmap(area, 10 * PAGE, RW, MAP_PRIVATE | MAP_FIXED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0));
	for (int i = 0; fd < 0 && i < 10; i++)
		memset(area + i * PAGE, '0' + i, PAGE);
}

/* The first byte of each page, '.' where reading faults. */
static void show_contents(void)
{
	printf("  contents ");
	for (int i = 0; i < 10; i++) {
		char c = '.';
		TRY(c = *(volatile char *)(area + i * PAGE));
		putchar(last_fault.sig ? '.' : c);
	}
	printf("\n");
}

static void show(const char *what)
{
	show_layout(what, area, 10 * PAGE);
	show_contents();
}

static void unmapping(int fd)
{
	printf("munmap of %s\n", fd < 0 ? "anonymous memory" : "a file mapping");
	fresh_area(fd);
	SHOW(munmap(area, 2 * PAGE));
	show("start");
	SHOW(munmap(area + 8 * PAGE, 2 * PAGE));
	show("end");
	SHOW(munmap(area + 4 * PAGE, 2 * PAGE));
	show("middle");
	SHOW(munmap(area + 3 * PAGE, 4 * PAGE));
	show("over a hole");
	SHOW(munmap(area + 3 * PAGE, PAGE));
	show("the hole itself");
	SHOW(munmap(area + 2 * PAGE, 1));
	show("one byte");
	SHOW(munmap(area, 10 * PAGE));
	show("everything");
	fresh_area(fd);
	SHOW(munmap(area + PAGE, 0));
	SHOW(munmap(area + 1, PAGE));
	SHOW(munmap(area, -1UL));
	SHOW(munmap(area, -PAGE));
	SHOW(munmap((void *)0x7ffffffff000, PAGE));
	SHOW(munmap((void *)0xffff888000000000, PAGE));
	SHOW(munmap((void *)0x7fffffffe000, 2 * PAGE));
	show("after the errors");
}

static void protecting(int fd)
{
	printf("mprotect of %s\n", fd < 0 ? "anonymous memory" : "a file mapping");
	fresh_area(fd);
	SHOW(mprotect(area + 4 * PAGE, 2 * PAGE, PROT_READ));
	show("middle");
	SHOW(mprotect(area + 4 * PAGE, 2 * PAGE, RW));
	show("and back");
	SHOW(mprotect(area, PAGE, PROT_READ));
	SHOW(mprotect(area + 9 * PAGE, PAGE, PROT_NONE));
	show("start and end");
	SHOW(mprotect(area + PAGE, PAGE, PROT_READ));
	show("the next one equal to the first");
	SHOW(mprotect(area, 10 * PAGE, PROT_NONE));
	show("all over three");
	SHOW(mprotect(area, 10 * PAGE, RW));
	show("all writable again");
	SHOW(mprotect(area + 2 * PAGE, 3 * PAGE, PROT_READ));
	SHOW(mprotect(area + 3 * PAGE, 3 * PAGE, PROT_READ | PROT_EXEC));
	show("overlapping");
	SHOW(munmap(area + 5 * PAGE, PAGE));
	SHOW(mprotect(area + 3 * PAGE, 5 * PAGE, PROT_READ));
	show("up to the hole it took effect");
	SHOW(mprotect(area + 5 * PAGE, 2 * PAGE, PROT_READ));
	show("starting in the hole");
}

static void protect_errors(void)
{
	fresh_area(-1);
	SHOW(mprotect(area + 1, PAGE, PROT_READ));
	SHOW(mprotect(area, 0, PROT_READ));
	SHOW(mprotect(area, PAGE, 0x100));
	SHOW(mprotect(area, PAGE, PROT_READ | PROT_GROWSDOWN));
	SHOW(mprotect(area, PAGE, PROT_READ | PROT_GROWSUP));
	SHOW(mprotect(area, PAGE, PROT_READ | PROT_GROWSUP | PROT_GROWSDOWN));
	SHOW(mprotect(area, -1UL, PROT_READ));
	SHOW(mprotect(area, -PAGE, PROT_READ));
	SHOW(mprotect((void *)0xffff888000000000, PAGE, PROT_READ));
	SHOW(mprotect((void *)0x7ffffffff000, PAGE, PROT_READ));
	SHOW(mprotect(area - PAGE, PAGE, PROT_READ));
	show("after the errors");
}

/* Many splits and merges: in the end one mapping again. */
static void chessboard(void)
{
	enum { PAGES = 400 };
	char *p = map_anon(PAGES * PAGE, RW);
	static struct maps_line lines[512];
	for (int i = 0; i < PAGES; i++)
		p[i * PAGE] = i % 100;
	for (int i = 1; i < PAGES; i += 2)
		MUST(mprotect(p + i * PAGE, PAGE, PROT_READ));
	int count = read_maps(lines, ARRAY_LEN(lines)), inside = 0;
	for (int i = 0; i < count; i++)
		inside += lines[i].start >= (unsigned long)p && lines[i].end <= (unsigned long)p + PAGES * PAGE;
	printf("chessboard of %d pages: %s\n", PAGES, inside >= PAGES - 2 ? "each a mapping" : "merged");
	for (int i = 1; i < PAGES; i += 2)
		MUST(mprotect(p + i * PAGE, PAGE, RW));
	show_layout("undone", p, PAGES * PAGE);
	for (int i = 2; i < PAGES; i += 2)
		MUST(munmap(p + i * PAGE, PAGE));
	long sum = 0;
	for (int i = 1; i < PAGES; i += 2)
		sum += p[i * PAGE];
	printf("every second one unmapped, the others' sum %ld\n", sum);
	for (int i = 2; i < PAGES; i += 2)
		MUST(mmap(p + i * PAGE, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	for (int i = 0; i < PAGES; i++)
		sum += p[i * PAGE];
	printf("filled up again, sum %ld\n", sum);
	MUST(munmap(p, PAGES * PAGE));
}

int main(void)
{
	char digits[PAGE];
	catch_faults(0);
	scratch_enter();
	int fd = MUST(open("digits", O_RDWR | O_CREAT, 0600));
	for (int i = 0; i < 10; i++) {
		memset(digits, 'A' + i, PAGE);
		MUST(write(fd, digits, PAGE));
	}
	unmapping(-1);
	unmapping(fd);
	protecting(-1);
	protecting(fd);
	protect_errors();
	chessboard();
	MUST(unlink("digits"));
	scratch_leave();
	return 0;
}
