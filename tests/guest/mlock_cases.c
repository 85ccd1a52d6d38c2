/* SPDX-License-Identifier: MIT */
/* proves: AS-16 AS-59 AS-61 AS-63 FX-18 */
/*
 * mlock, mlock2, munlock, mlockall, munlockall: what is present afterwards (mincore), VmLck in
 * /proc/self/status, splitting and merging, the errors, and that fork inherits no locks
 * (ABI.md, section 3).
 */
#include "guest.h"

#define RW (PROT_READ | PROT_WRITE)

static long locked_kb(void)
{
	static char text[8192];
	int fd = MUST(open("/proc/self/status", O_RDONLY));
	ssize_t length = MUST(read(fd, text, sizeof(text) - 1));
	close(fd);
	text[length] = 0;
	char *line = strstr(text, "\nVmLck:");
	return line ? atol(line + 7) : -1;
}

static int present(char *p, int pages)
{
	unsigned char vector[64];
	int count = 0;
	MUST(mincore(p, pages * PAGE, vector));
	for (int i = 0; i < pages; i++)
		count += vector[i] & 1;
	return count;
}

static void show(const char *what, char *p, int pages)
{
	printf("%s: present %d of %d, VmLck %ld kB\n", what, present(p, pages), pages, locked_kb());
}

/* Lines of maps that the range is made of. */
static int pieces(char *p, int pages)
{
	static struct maps_line lines[128];
	int count = read_maps(lines, ARRAY_LEN(lines)), inside = 0;
	for (int i = 0; i < count; i++)
		inside += lines[i].start < (unsigned long)(p + pages * PAGE) && lines[i].end > (unsigned long)p;
	return inside;
}

static void ranges(void)
{
	char *p = map_anon(10 * PAGE, RW);
	SHOW(mlock(p, 10 * PAGE));
	show("all", p, 10);
	printf("  pieces %d\n", pieces(p, 10));
	SHOW(munlock(p, 10 * PAGE));
	show("unlocked", p, 10);
	SHOW(mlock(p, PAGE));
	printf("  first page: pieces %d\n", pieces(p, 10));
	SHOW(munlock(p, PAGE));
	SHOW(mlock(p + 9 * PAGE, PAGE));
	printf("  last page: pieces %d\n", pieces(p, 10));
	SHOW(munlock(p, 10 * PAGE));
	SHOW(mlock(p + 4 * PAGE + 100, 1));
	printf("  a byte in the middle: pieces %d, VmLck %ld kB\n", pieces(p, 10), locked_kb());
	SHOW(mlock(p + 4 * PAGE, PAGE)); /* twice counts once */
	printf("  again: VmLck %ld kB\n", locked_kb());
	SHOW(mlock(p + 4 * PAGE - 1, 2));
	printf("  two bytes over an edge: VmLck %ld kB\n", locked_kb());
	SHOW(munlock(p, 10 * PAGE));
	printf("  unlocked: pieces %d, VmLck %ld kB\n", pieces(p, 10), locked_kb());
	SHOW(mlock(p + 2 * PAGE, 4 * PAGE));
	MUST(munmap(p + 3 * PAGE, PAGE));
	printf("  a locked page unmapped: VmLck %ld kB\n", locked_kb());
	SHOW(mlock(p, 10 * PAGE));
	SHOW(munlock(p, 10 * PAGE));
	MUST(munmap(p, 10 * PAGE));
	printf("  all unmapped: VmLck %ld kB\n", locked_kb());
}

static void errors(void)
{
	char *p = map_anon(4 * PAGE, RW), *none = map_anon(PAGE, PROT_NONE);
	SHOW(mlock(p, 0));
	SHOW(mlock(p, -1UL));
	SHOW(mlock((void *)-PAGE, PAGE));
	SHOW(mlock((void *)0xffff888000000000, PAGE));
	SHOW(mlock(none, PAGE));
	SHOW(munlock(none, PAGE));
	MUST(munmap(none, PAGE));
	SHOW(mlock(none, PAGE));
	SHOW(munlock(none, PAGE));
	SHOW(munlock(p, PAGE));
	SHOW(syscall(SYS_mlock2, p, PAGE, 2));
	SHOW(syscall(SYS_mlock2, p, PAGE, 1));
	show("mlock2 on fault", p, 4);
	touch_write(p, 1);
	show("touched", p, 4);
	SHOW(munlock(p, PAGE));
	SHOW(mlockall(0));
	SHOW(mlockall(8));
	SHOW(mlockall(4 /* MCL_ONFAULT alone */));
	MUST(munmap(p, 4 * PAGE));
}

static int child_locks(void *p)
{
	printf("child: VmLck %ld kB\n", locked_kb());
	char *q = map_anon(4 * PAGE, RW);
	printf("child, a new mapping: present %d\n", present(q, 4));
	(void)p;
	return 0;
}

static void all(void)
{
	char *before = map_anon(4 * PAGE, RW);
	SHOW(mlockall(MCL_CURRENT));
	char *after = map_anon(4 * PAGE, RW);
	printf("MCL_CURRENT: earlier mapping present %d, later %d\n", present(before, 4), present(after, 4));
	printf("  VmLck above 0: %s\n", locked_kb() > 0 ? "yes" : "no");
	SHOW(munlockall());
	printf("  VmLck %ld kB\n", locked_kb());
	before = map_anon(4 * PAGE, RW);
	SHOW(mlockall(MCL_FUTURE));
	after = map_anon(4 * PAGE, RW);
	printf("MCL_FUTURE: earlier mapping present %d, later %d\n", present(before, 4), present(after, 4));
	show_status("child", run_child(child_locks, NULL));
	SHOW(munlockall());
	after = map_anon(4 * PAGE, RW);
	printf("munlockall: new mapping present %d, VmLck %ld kB\n", present(after, 4), locked_kb());
	after = MUST(mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0));
	printf("MAP_LOCKED: present %d, VmLck %ld kB\n", present(after, 4), locked_kb());
	MUST(munmap(after, 4 * PAGE));
}

int main(void)
{
	ranges();
	errors();
	all();
	return 0;
}
