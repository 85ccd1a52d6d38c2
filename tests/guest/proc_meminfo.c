/* SPDX-License-Identifier: MIT */
/* compare: none */
/* guest: --ram 64M --swap 64M */
/*
 * /proc/meminfo tells what memory there is: the kernel's own is in its lines, what slabs could give
 * back is available, and it is given back before anything is swapped. (The complaint was that
 * thousands of closed pipes left 0 of 64 MB available.)
 */
#include "guest.h"

static char text[8192];

static long field(const char *name)
{
	size_t length = strlen(name);
	MUST(read_file("/proc/meminfo", text, sizeof(text)));
	for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (!strncmp(line, name, length) && line[length] == ':')
			return atol(line + length + 1);
	return -1;
}

static long vmstat(const char *name)
{
	static char lines[16384];
	size_t length = strlen(name);
	MUST(read_file("/proc/vmstat", lines, sizeof(lines)));
	for (char *line = lines; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (!strncmp(line, name, length) && line[length] == ' ')
			return atol(line + length + 1);
	return -1;
}

static int failures;

static void is(const char *what, int holds)
{
	if (!holds)
		printf("not so: %s\n%s", what, text);
	failures += !holds;
}

/* Opens pipes and sockets until descriptors or memory are gone, then ends, and all are closed. */
static int open_pipes(void *unused)
{
	int fds[2], n = 0;
	struct rlimit limit = { 20000, 20000 };
	(void)unused;
	setrlimit(RLIMIT_NOFILE, &limit);
	while (n < 6000 && !pipe(fds) && write(fds[1], "x", 1) == 1)
		n++;
	return n > 200 ? 0 : 1;
}

/* Writes to as many pages as are said to be available. */
static int use_memory(void *kb)
{
	size_t bytes = *(long *)kb * 1024;
	char *p = map_anon(bytes, PROT_READ | PROT_WRITE);
	for (size_t at = 0; at < bytes; at += PAGE)
		p[at] = 1;
	return 0;
}

static void pipes(void)
{
	long before = field("MemAvailable"), slab = field("Slab"), after, reclaimable, part;
	is("some hundred pipes were opened", run_child(open_pipes, NULL) == 0);
	is("slabs grew", field("Slab") > slab + 2000);
	reclaimable = field("SReclaimable");
	is("what the pipes left can be reclaimed", reclaimable > 2000);
	after = field("MemAvailable");
	printf("available %ld kB, then %ld of it; slabs %ld, then %ld, of these reclaimable %ld\n", before, after, slab,
	       field("Slab"), reclaimable);
	is("nine tenths are available again", after > before * 9 / 10);
	long out = vmstat("pswpout");
	part = after * 9 / 10;
	is("what is available can be had", run_child(use_memory, &part) == 0);
	is("nothing was swapped for it", vmstat("pswpout") == out);
}

static int many_tasks(void *unused)
{
	long stacks = field("KernelStack"), tables = field("PageTables"), committed = field("Committed_AS");
	pid_t children[40];
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(children); i++)
		if (!(children[i] = MUST(fork()))) {
			map_anon(1 << 20, PROT_READ | PROT_WRITE)[0] = 1;
			pause();
			_exit(0);
		}
	sleep_ms(300);
	is("a kernel stack each", field("KernelStack") >= stacks + 40 * 8);
	is("page tables each", field("PageTables") >= tables + 40 * 12);
	is("1 MiB promised each", field("Committed_AS") >= committed + 40 * 1024);
	for (size_t i = 0; i < ARRAY_LEN(children); i++)
		kill(children[i], SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	is("stacks are gone with their tasks", field("KernelStack") == stacks);
	is("page tables, too", field("PageTables") <= tables + 16);
	is("promises, too", field("Committed_AS") <= committed + 64);
	return failures;
}

/* The sum of what /proc/zoneinfo calls so, over all zones, in kB. */
static long zones(const char *name)
{
	static char lines[32768];
	size_t length = strlen(name);
	long pages = 0;
	MUST(read_file("/proc/zoneinfo", lines, sizeof(lines)));
	for (char *line = lines; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		line += strspn(line, " ");
		if (!strncmp(line, name, length) && line[length] == ' ')
			pages += atol(line + length);
	}
	return pages * (PAGE / 1024);
}

int main(void)
{
	static const char *const names[] = { "Slab", "SReclaimable", "SUnreclaim", "KReclaimable", "KernelStack",
					     "PageTables", "Committed_AS", "MemAvailable" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		is(names[i], field(names[i]) >= 0);
	is("slabs are reclaimable, or not", field("Slab") == field("SReclaimable") + field("SUnreclaim"));
	is("most of the free memory is available", field("MemAvailable") > field("MemFree") / 2);
	is("all RAM is managed by a zone", zones("managed") == field("MemTotal"));
	is("zones have more than they manage", zones("present") > zones("managed"));
	pipes();
	failures += run_child(many_tasks, NULL) != 0;
	return failures != 0;
}
