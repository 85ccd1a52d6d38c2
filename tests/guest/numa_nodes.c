/* SPDX-License-Identifier: MIT */
/* guest: --nodes 2 */
/* proves: NU-01 */
/*
 * Policies on a machine of two nodes, its one processor on the first: on which node pages really are, by
 * move_pages, for regions, tasks, page cache, copies after fork; and moving them. The host has one
 * node, so the expected text is written down; Linux 6.1 in QEMU with the same nodes prints it, too.
 */
#include "guest.h"

enum { DEFAULT, PREFERRED, BIND, INTERLEAVE, LOCAL, PREFERRED_MANY };
#define STRICT	 1
#define MOVE	 2
#define MOVE_ALL 4
#define RELATIVE (1 << 14)
#define NR	 64

#define set_mempolicy(...) syscall(SYS_set_mempolicy, __VA_ARGS__)
#define get_mempolicy(...) syscall(SYS_get_mempolicy, __VA_ARGS__)
#define mbind(...) syscall(SYS_mbind, __VA_ARGS__)
#define home_node(...) syscall(450, __VA_ARGS__)
#define migrate_pages(...) syscall(SYS_migrate_pages, __VA_ARGS__)
#define move_pages(...) syscall(SYS_move_pages, __VA_ARGS__)

static unsigned long node0 = 1, node1 = 2, both = 3;

/* How many pages of the area are on each node, and the first ones in order. */
static void show_nodes(const char *what, const char *area)
{
	void *pages[NR];
	int status[NR], on[2] = { 0, 0 };
	for (int i = 0; i < NR; i++)
		pages[i] = (void *)(area + i * PAGE);
	MUST(move_pages(0, NR, pages, NULL, status, 0));
	printf("%s:", what);
	for (int i = 0; i < NR; i++)
		if (status[i] == 0 || status[i] == 1)
			on[status[i]]++;
	printf(" %d on 0, %d on 1; first %d %d %d %d\n", on[0], on[1], status[0], status[1], status[2], status[3]);
}

static char *new_area(void)
{
	char *area = map_anon((NR + 1) * PAGE, PROT_READ | PROT_WRITE);
	area = (char *)(((unsigned long)area + PAGE) & ~(2 * PAGE - 1)); /* an even page, for interleave */
	return area;
}

static void fill(char *area)
{
	for (int i = 0; i < NR; i++)
		memset(area + i * PAGE, i + 1, PAGE);
}

static void show_contents(const char *area)
{
	int good = 0;
	for (int i = 0; i < NR; i++)
		good += area[i * PAGE] == i + 1 && area[i * PAGE + PAGE - 1] == i + 1;
	printf("contents: %d of %d\n", good, NR);
}

static void drop(char *area)
{
	munmap(area, NR * PAGE);
}

static void region(const char *what, int mode, unsigned long *nodes)
{
	char *area = new_area();
	MUST(mbind(area, NR * PAGE, mode, nodes, 64, 0));
	fill(area);
	show_nodes(what, area);
	drop(area);
}

static void task(const char *what, int mode, unsigned long *nodes)
{
	char *area = new_area();
	MUST(set_mempolicy(mode, nodes, 64));
	fill(area);
	MUST(set_mempolicy(DEFAULT, NULL, 0));
	show_nodes(what, area);
	drop(area);
}

static void where_pages_come_from(void)
{
	char *area = new_area();
	fill(area);
	show_nodes("default", area);
	drop(area);
	region("bind 0", BIND, &node0);
	region("bind 1", BIND, &node1);
	region("prefer 1", PREFERRED, &node1);
	region("prefer many 1", PREFERRED_MANY, &node1);
	region("interleave", INTERLEAVE, &both);
	region("interleave 1", INTERLEAVE, &node1);
	region("relative 1", BIND | RELATIVE, &node1);
	region("local", LOCAL, NULL);
	task("task bind 1", BIND, &node1);
	task("task prefer 1", PREFERRED, &node1);
	area = new_area();
	MUST(mbind(area, NR * PAGE, BIND, &both, 64, 0));
	SHOW(home_node(area, NR * PAGE, 1, 0));
	fill(area);
	show_nodes("bind 0 and 1, home 1", area);
	drop(area);
	/* Interleaved: half and half. */
	area = new_area();
	MUST(set_mempolicy(INTERLEAVE, &both, 64));
	fill(area);
	int mode, next = 7;
	MUST(get_mempolicy(&mode, NULL, 0, NULL, 0));
	MUST(get_mempolicy(&next, NULL, 0, NULL, 1));
	printf("mode %d, next %d\n", mode, next == 0 || next == 1);
	show_nodes("task interleave", area);
	MUST(set_mempolicy(DEFAULT, NULL, 0));
	drop(area);
}

static void page_cache(void)
{
	int file = MUST(memfd_create("cache", 0));
	MUST(ftruncate(file, NR * PAGE));
	char *map = MUST(mmap(NULL, NR * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
	MUST(set_mempolicy(BIND, &node1, 64));
	fill(map);
	MUST(set_mempolicy(DEFAULT, NULL, 0));
	show_nodes("shared file by a task bound to 1", map);
	munmap(map, NR * PAGE);
	close(file);
	/* Shared memory by the mapping's policy. */
	map = MUST(mmap(NULL, NR * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	MUST(mbind(map, NR / 2 * PAGE, BIND, &node1, 64, 0));
	fill(map);
	show_nodes("shared memory, half bound to 1", map);
	munmap(map, NR * PAGE);
	map = MUST(mmap(NULL, NR * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	MUST(mbind(map, NR * PAGE, INTERLEAVE, &both, 64, 0));
	for (int i = 0; i < NR; i++)
		map[i * PAGE] = 1;
	int on = 0;
	for (int i = 0; i < NR; i++) {
		void *page = map + i * PAGE;
		int status;
		MUST(move_pages(0, 1, &page, NULL, &status, 0));
		on += status;
	}
	printf("shared memory interleaved: %d of %d on 1\n", on, NR);
	munmap(map, NR * PAGE);
}

static void copies(void)
{
	char *area = new_area();
	fill(area);
	MUST(mbind(area, NR * PAGE, BIND, &node1, 64, 0));
	show_nodes("bound later", area);
	if (!MUST(fork())) {
		for (int i = 0; i < NR / 2; i++)
			area[i * PAGE]++;
		show_nodes("copies in the child", area);
		_exit(0);
	}
	wait(NULL);
	drop(area);
}

static int wait_for_end(void *argument)
{
	char c;
	return read(*(int *)argument, &c, 1);
}

static void moving(void)
{
	char *area = new_area();
	void *pages[4] = { area, area + PAGE, area + 2 * PAGE, area + 3 * PAGE };
	int status[4], to[4] = { 1, 0, 1, 0 }, p[2];
	fill(area);
	SHOW(mbind(area, NR * PAGE, BIND, &node1, 64, STRICT));
	SHOW(mbind(area, NR * PAGE, BIND, &node1, 64, STRICT | MOVE));
	show_nodes("moved by mbind", area);
	show_contents(area);
	SHOW(mbind(area, NR * PAGE, BIND, &node1, 64, STRICT));
	SHOW(mbind(area, NR * PAGE, DEFAULT, NULL, 0, 0));
	SHOW(move_pages(0, 4, pages, to, status, MOVE));
	printf("%d %d %d %d\n", status[0], status[1], status[2], status[3]);
	show_nodes("moved by move_pages", area);
	show_contents(area);
	SHOW(migrate_pages(0, 64, &node1, &node0) >= 0);
	show_nodes("moved by migrate_pages", area);
	SHOW(migrate_pages(0, 64, &node0, &node1) >= 0);
	show_nodes("and back", area);
	show_contents(area);
	/* Shared with a child: not one's own to move. */
	MUST(pipe(p));
	pid_t child = start_child(wait_for_end, &p[0]);
	to[0] = to[2] = 0;
	SHOW(move_pages(0, 2, pages, to, status, MOVE));
	printf("%d %d\n", status[0], status[1]);
	touch_write(area, 1); /* a copy of one's own */
	SHOW(move_pages(0, 1, pages, to, status, MOVE));
	printf("%d\n", status[0]);
	MUST(write(p[1], "x", 1));
	wait_for(child);
	show_contents(area);
	SHOW(move_pages(0, 1, pages, (int[]){ 2 }, status, MOVE));
	drop(area);
}

static void show_numa_map(const char *area)
{
	char line[512], start[32];
	FILE *maps = fopen("/proc/self/numa_maps", "r");
	snprintf(start, sizeof(start), "%08lx ", (unsigned long)area);
	while (maps && fgets(line, sizeof(line), maps))
		if (!strncmp(line, start, strlen(start)))
			printf("numa_maps: %s", line + strlen(start));
	if (maps)
		fclose(maps);
}

/* More than a node has: preferred goes on with the other one. */
static void full_node(void)
{
	size_t size = sysconf(_SC_PHYS_PAGES) * 5 / 8 * PAGE;
	char *big = map_anon(size, PROT_READ | PROT_WRITE);
	long on[2] = { 0, 0 };
	MUST(mbind(big, size, PREFERRED, &node1, 64, 0));
	for (size_t at = 0; at < size; at += PAGE)
		big[at] = 1;
	for (size_t at = 0; at < size; at += 16 * PAGE) {
		void *page = big + at;
		int status;
		MUST(move_pages(0, 1, &page, NULL, &status, 0));
		on[status]++;
	}
	printf("most of a node: %d, the rest elsewhere: %d\n", on[1] > 800, on[0] > 100);
	munmap(big, size);
}

int main(void)
{
	where_pages_come_from();
	page_cache();
	copies();
	moving();
	char *area = map_anon(3 * PAGE, PROT_READ | PROT_WRITE);
	MUST(mprotect(area, PAGE, PROT_NONE));
	MUST(mprotect(area + 2 * PAGE, PAGE, PROT_NONE));
	MUST(mbind(area + PAGE, PAGE, INTERLEAVE, &both, 64, 0));
	MUST(mbind(area + PAGE, PAGE, BIND, &node1, 64, 0));
	area[PAGE] = 1;
	show_numa_map(area + PAGE);
	full_node();
	return 0;
}
