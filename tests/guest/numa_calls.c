/* SPDX-License-Identifier: MIT */
/*
 * The NUMA calls on a machine of one node: which modes, flags and node sets are taken, what is told back,
 * and every errno, of set_mempolicy, get_mempolicy, mbind, set_mempolicy_home_node, migrate_pages, move_pages.
 */
#include "guest.h"

enum { DEFAULT, PREFERRED, BIND, INTERLEAVE, LOCAL, PREFERRED_MANY };
#define STATIC	 (1 << 15)
#define RELATIVE (1 << 14)
#define BALANCING (1 << 13)

#define set_mempolicy(...) syscall(SYS_set_mempolicy, __VA_ARGS__)
#define get_mempolicy(...) syscall(SYS_get_mempolicy, __VA_ARGS__)
#define mbind(...) syscall(SYS_mbind, __VA_ARGS__)
#define home_node(...) syscall(450, __VA_ARGS__)
#define migrate_pages(...) syscall(SYS_migrate_pages, __VA_ARGS__)
#define move_pages(...) syscall(SYS_move_pages, __VA_ARGS__)

static unsigned long none[16], zero[16] = { 1 }, one[16] = { 2 }, both[16] = { 3 }, far[32] = { 1 };

static void show_policy(const char *what, void *addr, long flags)
{
	unsigned long nodes[16];
	int mode = -7;
	memset(nodes, 0xff, sizeof(nodes));
	long ret = get_mempolicy(&mode, nodes, 1024, addr, flags);
	if (ret)
		printf("%s: %s\n", what, errno_name(errno));
	else
		printf("%s: mode %#x nodes %lx %lx\n", what, mode, nodes[0], nodes[15]);
}

static void tasks(void)
{
	static const int modes[] = { DEFAULT, PREFERRED, BIND, INTERLEAVE, LOCAL, PREFERRED_MANY };
	static const int flags[] = { 0, STATIC, RELATIVE, STATIC | RELATIVE };
	static unsigned long *sets[] = { none, zero, one, both };
	char what[64];
	show_policy("at first", NULL, 0);
	for (unsigned m = 0; m < ARRAY_LEN(modes); m++)
		for (unsigned f = 0; f < ARRAY_LEN(flags); f++)
			for (unsigned s = 0; s < ARRAY_LEN(sets); s++) {
				snprintf(what, sizeof(what), "mode %d flags %#x nodes %lx", modes[m], flags[f], sets[s][0]);
				show_ok(what, set_mempolicy(modes[m] | flags[f], sets[s], 65));
				show_policy(what, NULL, 0);
			}
	SHOW(set_mempolicy(BIND, zero, 0));
	SHOW(set_mempolicy(BIND, zero, 1));
	SHOW(set_mempolicy(BIND, zero, 2));
	SHOW(set_mempolicy(BIND, zero, 1025));
	SHOW(set_mempolicy(BIND, one, 2)); /* only node 0's bit counts */
	SHOW(set_mempolicy(BIND, both, 2));
	far[31] = 1;
	SHOW(set_mempolicy(BIND, far, 2048)); /* beyond any possible node */
	far[31] = 0;
	SHOW(set_mempolicy(BIND, far, 2048));
	SHOW(set_mempolicy(BIND, zero, PAGE * 8 + 2));
	SHOW(set_mempolicy(BIND, BAD_POINTER, 64));
	SHOW(set_mempolicy(BIND, NULL, 64));
	SHOW(set_mempolicy(BIND | BALANCING, zero, 64));
	show_policy("balancing", NULL, 0);
	SHOW(set_mempolicy(PREFERRED | BALANCING, zero, 64));
	SHOW(set_mempolicy(7, zero, 64));
	SHOW(set_mempolicy(-1, zero, 64));
	SHOW(set_mempolicy(DEFAULT, NULL, 0));
	show_policy("back", NULL, 0);
	SHOW(set_mempolicy(INTERLEAVE, zero, 64));
	show_policy("next node", NULL, 1);
	if (!fork()) {
		show_policy("child", NULL, 0);
		_exit(0);
	}
	wait(NULL);
	SHOW(set_mempolicy(DEFAULT, NULL, 0));
	show_policy("next node", NULL, 1);
}

static void asking(void)
{
	unsigned long nodes[16];
	char *page = map_anon(2 * PAGE, PROT_READ | PROT_WRITE);
	int mode = -7;
	show_policy("allowed", NULL, 4);
	show_policy("allowed and more", NULL, 5);
	show_policy("unknown flag", NULL, 8);
	show_policy("address without flag", page, 0);
	show_policy("address", page, 2);
	show_policy("node of an untouched page", page, 3);
	page[0] = 1;
	show_policy("node of a page", page, 3);
	show_policy("unmapped", NULL, 2);
	munmap(page + PAGE, PAGE);
	show_policy("unmapped", page + PAGE, 2);
	SHOW(get_mempolicy(NULL, NULL, 0, NULL, 0));
	SHOW(get_mempolicy(&mode, NULL, 0, NULL, 0));
	SHOW(get_mempolicy(BAD_POINTER, NULL, 0, NULL, 0));
	SHOW(get_mempolicy(NULL, BAD_POINTER, 1024, NULL, 0));
	SHOW(get_mempolicy(NULL, nodes, 0, NULL, 0));
	SHOW(get_mempolicy(NULL, nodes, PAGE * 8 + 65, NULL, 0));
	SHOW(mprotect(page, PAGE, PROT_NONE));
	show_policy("node of a page without rights", page, 3);
	munmap(page, PAGE);
}

static void regions(void)
{
	char *area = map_anon(8 * PAGE, PROT_READ | PROT_WRITE);
	SHOW(mbind(area, 8 * PAGE, BIND, zero, 64, 0));
	show_policy("bound", area, 2);
	SHOW(mbind(area + 2 * PAGE, 2 * PAGE, INTERLEAVE, zero, 64, 0));
	show_layout("split", area, 8 * PAGE);
	show_policy("middle", area + 3 * PAGE, 2);
	show_policy("behind", area + 4 * PAGE, 2);
	SHOW(mbind(area + 2 * PAGE, 2 * PAGE, BIND, zero, 64, 0));
	show_layout("merged", area, 8 * PAGE);
	SHOW(mbind(area, 3 * PAGE, DEFAULT, NULL, 0, 0));
	show_layout("default", area, 8 * PAGE);
	show_policy("default", area, 2);
	SHOW(mprotect(area + 4 * PAGE, PAGE, PROT_READ));
	show_policy("protected", area + 4 * PAGE, 2);
	SHOW(mprotect(area + 4 * PAGE, PAGE, PROT_READ | PROT_WRITE));
	show_layout("again", area, 8 * PAGE);
	if (!fork()) {
		show_policy("child", area + 5 * PAGE, 2);
		_exit(0);
	}
	wait(NULL);
	char *moved = mremap(area + 6 * PAGE, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
	show_policy("moved", moved, 2);
	memset(area, 1, 6 * PAGE);
	SHOW(mbind(area, 6 * PAGE, BIND, zero, 64, 1 | 2));
	SHOW(mbind(area, 6 * PAGE, PREFERRED, zero, 64, 1));
	SHOW(mbind(area, 6 * PAGE, BIND, one, 64, 0));
	SHOW(mbind(area, 6 * PAGE, BIND, none, 64, 0));
	SHOW(mbind(area, 6 * PAGE, BIND, NULL, 0, 0));
	SHOW(mbind(area, 6 * PAGE, DEFAULT, zero, 64, 0));
	SHOW(mbind(area, 6 * PAGE, 9, zero, 64, 0));
	SHOW(mbind(area, 6 * PAGE, BIND, BAD_POINTER, 64, 0));
	SHOW(mbind(area + 1, PAGE, BIND, zero, 64, 0));
	SHOW(mbind(area, 1, BIND, zero, 64, 0));
	SHOW(mbind(area, 0, BIND, zero, 64, 0));
	SHOW(mbind(area, 0, BIND, none, 64, 0));
	SHOW(mbind(area, -PAGE, BIND, zero, 64, 0));
	SHOW(mbind(area, PAGE, BIND, zero, 64, 8));
	munmap(area + PAGE, PAGE);
	SHOW(mbind(area, 3 * PAGE, BIND, zero, 64, 0));
	SHOW(mbind(area + PAGE, PAGE, BIND, zero, 64, 0));
	SHOW(mbind((void *)0x1000, PAGE, DEFAULT, NULL, 0, 0));
	MUST(mbind(area + 2 * PAGE, PAGE, INTERLEAVE, zero, 64, 0) );
	MUST(mbind(area, PAGE, BIND, zero, 64, 0));
	SHOW(home_node(area, PAGE, 0, 0));
	SHOW(home_node(area + 2 * PAGE, PAGE, 0, 0));
	SHOW(home_node(area, PAGE, 1, 0));
	SHOW(home_node(area, PAGE, 5000, 0));
	SHOW(home_node(area, PAGE, 0, 1));
	SHOW(home_node(area + 1, PAGE, 0, 0));
	SHOW(home_node(area, 0, 0, 0));
	SHOW(home_node(area, -PAGE, 0, 0));
	munmap(area, 6 * PAGE);
	munmap(moved, 4 * PAGE);
}

static void moving(void)
{
	char *area = map_anon(4 * PAGE, PROT_READ | PROT_WRITE);
	void *pages[5] = { area, area + PAGE, area + 2 * PAGE, area + 3 * PAGE, NULL };
	int status[5] = { 99, 99, 99, 99, 99 }, nodes[5] = { 0 };
	area[0] = area[2 * PAGE + 5] = 1;
	munmap(area + 3 * PAGE, PAGE);
	touch_read(area + PAGE); /* the zero page */
	SHOW(move_pages(0, 5, pages, NULL, status, 0));
	printf("%d %d %d %d %d\n", status[0], status[1], status[2], status[3], status[4]);
	SHOW(move_pages(getpid(), 3, pages, nodes, status, 2));
	printf("%d %d %d\n", status[0], status[1], status[2]);
	nodes[1] = 1;
	SHOW(move_pages(0, 1, pages, nodes + 1, status, 2));
	nodes[1] = -1;
	SHOW(move_pages(0, 1, pages, nodes + 1, status, 2));
	nodes[1] = 100000;
	SHOW(move_pages(0, 1, pages, nodes + 1, status, 2));
	SHOW(move_pages(0, 0, pages, nodes, status, 2));
	SHOW(move_pages(0, 1, pages, nodes, status, 1));
	SHOW(move_pages(0, 1, BAD_POINTER, nodes, status, 2));
	SHOW(move_pages(0, 1, pages, BAD_POINTER, status, 2));
	SHOW(move_pages(0, 1, pages, NULL, BAD_POINTER, 0));
	SHOW(move_pages(0x7ffffff0, 1, pages, nodes, status, 2));
	SHOW(migrate_pages(0, 64, zero, zero));
	SHOW(migrate_pages(0, 64, one, zero));
	SHOW(migrate_pages(0x7ffffff0, 64, zero, zero));
	SHOW(migrate_pages(0, 64, BAD_POINTER, zero));
	SHOW(migrate_pages(0, 64, zero, BAD_POINTER));
	SHOW(migrate_pages(0, 64, zero, none));
	munmap(area, 3 * PAGE);
}

/* The line of numa_maps for an address, without it. */
static void show_numa_map(const char *what, void *addr)
{
	char line[512], start[32];
	FILE *maps = fopen("/proc/self/numa_maps", "r");
	snprintf(start, sizeof(start), "%08lx ", (unsigned long)addr);
	while (maps && fgets(line, sizeof(line), maps))
		if (!strncmp(line, start, strlen(start)))
			printf("%s: %s", what, line + strlen(start));
	if (maps)
		fclose(maps);
}

static void maps(void)
{
	char *area = map_anon(16 * PAGE, PROT_READ | PROT_WRITE);
	MUST(mprotect(area + 4 * PAGE, 4 * PAGE, PROT_READ)); /* mappings of their own */
	MUST(mbind(area + 8 * PAGE, 4 * PAGE, BIND, zero, 64, 0));
	MUST(mbind(area + 12 * PAGE, 4 * PAGE, PREFERRED | STATIC, zero, 64, 0));
	show_numa_map("empty", area + 8 * PAGE);
	memset(area + 8 * PAGE, 1, 2 * PAGE);
	memset(area + 12 * PAGE, 1, 3 * PAGE);
	touch_read(area + 4 * PAGE);
	show_numa_map("zero page", area + 4 * PAGE);
	show_numa_map("bind", area + 8 * PAGE);
	show_numa_map("prefer", area + 12 * PAGE);
	munmap(area, 16 * PAGE);
}

int main(void)
{
	tasks();
	asking();
	regions();
	moving();
	maps();
	return 0;
}
