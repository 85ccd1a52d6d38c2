/* SPDX-License-Identifier: MIT */
/* proves: AS-30 AS-58 */
/*
 * brk: growing by any number of bytes costs no memory until it is touched and is one line
 * [heap] of /proc/self/maps; shrinking gives pages back, which are zero when they come
 * again; requests that cannot be met (below the start, into another mapping, over
 * RLIMIT_DATA, absurd ones) return the old break and change nothing.
 */
#include "guest.h"

static char *start;

static char *kernel_brk(char *to)
{
	return (char *)syscall(SYS_brk, to);
}

static void show_brk(const char *what, char *to)
{
	printf("%s: break at start%+ld\n", what, (long)(kernel_brk(to) - start));
}

static void show_heap(const char *when)
{
	static struct maps_line lines[64];
	int count = read_maps(lines, ARRAY_LEN(lines)), heaps = 0;
	unsigned long low = (unsigned long)start & -PAGE;
	for (int i = 0; i < count; i++) {
		if (strcmp(lines[i].name, "[heap]"))
			continue;
		heaps++;
		printf("%s: [heap] %s ends at page %ld\n", when, lines[i].perms,
		       (long)(lines[i].end - low) / (long)PAGE);
	}
	if (heaps != 1)
		printf("%s: %d lines [heap]\n", when, heaps);
}

static int child(void *unused)
{
	(void)unused;
	show_brk("child, inherited", NULL);
	show_brk("child, grown", start + 100 * PAGE);
	return 0;
}

int main(void)
{
	/* From here on the C library must not allocate: it would move the break. */
	start = kernel_brk(NULL);
	start = kernel_brk((char *)(((unsigned long)start + PAGE - 1) & -PAGE));
	catch_faults(0);

	long before = resident_pages();
	show_brk("grow by a byte", start + 1);
	start[0] = 1;
	start[PAGE - 1] = 2; /* the whole page is there */
	TRY(touch_write(start + PAGE, 1));
	show_fault("the page after it", start);
	show_brk("grow to 1 MiB", start + (1 << 20));
	show_heap("1 MiB");
	printf("resident pages added: %s\n", resident_pages() - before < 130 ? "few" : "many");
	long sum = 0;
	for (int i = 1; i < 256; i++)
		sum += start[i * PAGE + i];
	printf("contents of fresh pages: %ld\n", sum);
	memset(start, 'h', 1 << 20);
	show_brk("shrink to a page and a half", start + PAGE + PAGE / 2);
	printf("kept: %c %c\n", start[0], start[2 * PAGE - 1]);
	TRY(touch_read(start + 2 * PAGE));
	show_fault("beyond", start);
	show_brk("grow again", start + 8 * PAGE);
	printf("pages are %d %d, the rest of the kept page %c\n", start[2 * PAGE], start[8 * PAGE - 1], start[2 * PAGE - 1]);

	show_brk("break NULL", NULL);
	show_brk("below the start", start - 64 * PAGE);
	show_brk("into the kernel", (char *)0xffff888000000000);
	show_brk("not canonical", (char *)0x800000000000);
	show_brk("the last address", (char *)-1);
	char *wall = mmap(start + 16 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	printf("wall at page %ld\n", (long)(wall - start) / (long)PAGE);
	show_brk("over a mapping", start + 32 * PAGE);
	show_brk("up to the page before it", start + 15 * PAGE);
	MUST(munmap(wall, PAGE));
	struct rlimit limit, old;
	MUST(getrlimit(RLIMIT_DATA, &old));
	limit = old;
	limit.rlim_cur = 1 << 20;
	MUST(setrlimit(RLIMIT_DATA, &limit));
	show_brk("over RLIMIT_DATA", start + (4 << 20));
	MUST(setrlimit(RLIMIT_DATA, &old));
	show_brk("without the limit", start + (4 << 20));
	show_heap("4 MiB");

	MUST(mprotect(start + 10 * PAGE, 2 * PAGE, PROT_READ));
	show_layout("a read-only part", start, 16 * PAGE);
	show_brk("released by brk", start + 4 * PAGE);
	show_brk("grown over it", start + 16 * PAGE);
	show_layout("writable again", start, 20 * PAGE);
	MUST(munmap(start + 6 * PAGE, 2 * PAGE));
	show_layout("a hole by munmap", start, 20 * PAGE);
	show_brk("grown with a hole", start + 18 * PAGE);
	show_layout("grown with a hole", start, 20 * PAGE);
	show_status("child", run_child(child, NULL));
	show_brk("parent", NULL);
	show_brk("all released", start);
	show_layout("all released", start, 20 * PAGE);
	return 0;
}
