/* SPDX-License-Identifier: MIT */
/* proves: AS-40 AS-76 */
/*
 * When neighbouring mappings become one line of /proc/self/maps and when not: adjacent
 * anonymous ones, a filled hole, different rights, shared ones (never: each is an object of
 * its own), file mappings with continuing offsets (one) or others (two), in a forked child
 * next to pages present before the fork (two); top-down placement and reuse of holes.
 */
#include "guest.h"

#define RW (PROT_READ | PROT_WRITE)
#define FIXED_ANON (MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)

static char *area;

static void clear_area(void)
{
	MUST(munmap(area, 16 * PAGE));
}

static void put(int page, int count, int prot, int flags, int fd, long offset)
{
	MUST(mmap(area + page * PAGE, count * PAGE, prot, flags | MAP_FIXED, fd, offset));
}

static void show(const char *what)
{
	show_layout(what, area, 16 * PAGE);
}

static void anonymous(void)
{
	clear_area();
	put(0, 2, RW, FIXED_ANON, -1, 0);
	put(2, 2, RW, FIXED_ANON, -1, 0);
	show("adjacent, equal");
	put(6, 2, RW, FIXED_ANON, -1, 0);
	put(4, 2, RW, FIXED_ANON, -1, 0);
	show("a hole between equals filled");
	put(8, 2, PROT_READ, FIXED_ANON, -1, 0);
	show("different rights");
	put(8, 2, RW, FIXED_ANON, -1, 0);
	show("replaced with equal rights");
	put(3, 2, PROT_NONE, FIXED_ANON, -1, 0);
	show("the middle replaced");
	put(3, 2, RW, FIXED_ANON, -1, 0);
	show("and again");
	clear_area();
	put(0, 2, RW, FIXED_ANON, -1, 0);
	memset(area, 1, 2 * PAGE);
	put(2, 2, RW, FIXED_ANON, -1, 0);
	show("next to touched pages");
	clear_area();
	put(0, 2, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	put(2, 2, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	show("shared, adjacent");
	put(4, 2, RW, FIXED_ANON | MAP_NORESERVE, -1, 0);
	put(6, 2, RW, FIXED_ANON | MAP_GROWSDOWN, -1, 0);
	show("growing down next to an ordinary one");
}

static void files(void)
{
	int fd = make_file("file", 16 * PAGE);
	int same = MUST(open("file", O_RDWR));
	clear_area();
	put(0, 2, PROT_READ, MAP_PRIVATE, fd, 0);
	put(2, 2, PROT_READ, MAP_PRIVATE, fd, 2 * PAGE);
	show("file, offsets continue");
	put(4, 2, PROT_READ, MAP_PRIVATE, fd, 8 * PAGE);
	show("file, offsets jump");
	put(6, 2, PROT_READ, MAP_SHARED, fd, 10 * PAGE);
	show("file, private and shared");
	put(8, 2, PROT_READ, FIXED_ANON, -1, 0);
	show("file and anonymous");
	clear_area();
	put(0, 2, PROT_READ, MAP_PRIVATE, fd, 0);
	put(2, 2, PROT_READ, MAP_PRIVATE, same, 2 * PAGE);
	show("another open file description");
	clear_area();
	put(0, 4, PROT_READ, MAP_PRIVATE, fd, 0);
	MUST(munmap(area + PAGE, PAGE));
	put(1, 1, PROT_READ, MAP_PRIVATE, fd, PAGE);
	show("file, hole filled again");
	put(1, 1, PROT_READ, MAP_PRIVATE, fd, 5 * PAGE);
	show("file, hole filled with another part");
	printf("contents %c%c%c%c\n", area[0], area[PAGE], area[2 * PAGE], area[3 * PAGE]);
	MUST(unlink("file"));
}

static int in_child(void *unused)
{
	(void)unused;
	put(4, 2, RW, FIXED_ANON, -1, 0);
	show("child, next to pages from before the fork");
	put(8, 2, RW, FIXED_ANON, -1, 0);
	put(10, 2, RW, FIXED_ANON, -1, 0);
	show("child, its own two");
	return 0;
}

static void names(void)
{
	static struct maps_line lines[64];
	char *shared = MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	int fd = make_file("file", PAGE);
	char *file = MUST(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	char *gone = MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	int count = read_maps(lines, ARRAY_LEN(lines));
	for (int i = 0; i < count; i++) {
		if (lines[i].start == (unsigned long)shared)
			printf("shared anonymous: %s\n", lines[i].name);
		if (lines[i].start == (unsigned long)file)
			printf("file: %s %s\n", strrchr(lines[i].name, '/'), lines[i].perms);
	}
	MUST(unlink("file"));
	count = read_maps(lines, ARRAY_LEN(lines));
	for (int i = 0; i < count; i++)
		if (lines[i].start == (unsigned long)gone)
			printf("unlinked: %s %s\n", strrchr(lines[i].name, '/'), lines[i].perms);
	close(fd);
}

/* The raw text of one line: fields, widths and the column of the name. */
static void format(void)
{
	char line[256], perms[8], dev[16], *newline;
	unsigned long start, end, offset, inode;
	int fd = MUST(open("/proc/self/maps", O_RDONLY)), name = 0;
	ssize_t length = MUST(read(fd, line, sizeof(line) - 1));
	close(fd);
	line[length] = 0;
	if ((newline = strchr(line, '\n')))
		*newline = 0;
	int fields = sscanf(line, "%lx-%lx %7s %lx %15s %lu %n", &start, &end, perms, &offset, dev, &inode, &name);
	printf("first line: %d fields, %s, device of 5 characters %s, name in column %d: %s\n", fields,
	       perms, strlen(dev) == 5 ? "yes" : "no", name + 1, line[name] == '/' ? "a path" : "none");
	printf("digits of the first address: %zu\n", strspn(line, "0123456789abcdef"));
}

static void placement(void)
{
	char *high = map_anon(4 * PAGE, RW);
	char *low = map_anon(PAGE, PROT_NONE);
	printf("a later mapping lies below or in a hole: %s\n", low < high ? "yes" : "no");
	MUST(munmap(high + PAGE, 2 * PAGE));
	char *again = map_anon(2 * PAGE, RW);
	printf("a hole of the right size is used again: %s\n", again == high + PAGE ? "yes" : "no");
	char *previous = map_anon(300 * PAGE, PROT_NONE);
	int descending = 0;
	for (int i = 0; i < 50; i++) {
		char *next = map_anon(300 * PAGE, PROT_READ);
		descending += next < previous;
		previous = next;
	}
	printf("50 large mappings, descending: %d\n", descending);
}

int main(void)
{
	area = map_anon(20 * PAGE, PROT_NONE);
	MUST(munmap(area, 20 * PAGE));
	area += 2 * PAGE;
	scratch_enter();
	anonymous();
	files();
	clear_area();
	put(0, 4, RW, FIXED_ANON, -1, 0);
	memset(area, 1, 4 * PAGE);
	show("before the fork");
	show_status("child", run_child(in_child, NULL));
	put(4, 2, RW, FIXED_ANON, -1, 0);
	show("the parent does the same");
	clear_area();
	names();
	format();
	placement();
	scratch_leave();
	return 0;
}
