/* SPDX-License-Identifier: MIT */
/* proves: AS-65 FT-36 FT-56 FT-63 */
/*
 * Copy-on-write after fork, in both directions: what the child writes the parent does not
 * see, what the parent writes the child does not see; pages nobody writes stay equal. The
 * same for data, bss, heap, stack and anonymous mappings, over three generations, when the
 * kernel writes (read(2) into a shared page), when the other side is gone already (the
 * sole user writes in place), and after mprotect made the page read-only and back.
 */
#include "guest.h"

enum { PAGES = 64 };

static char data_page[PAGE] = "data";
static char bss_page[PAGE];
static char *region;
static int to_child[2], to_parent[2];

static void say(int fd)
{
	MUST(write(fd, "x", 1));
}

static void hear(int fd)
{
	char c;
	if (read(fd, &c, 1) != 1)
		die(__FILE__, __LINE__, "hear");
}

static void fill(char value)
{
	for (int i = 0; i < PAGES; i++)
		memset(region + i * PAGE, value + i % 16, PAGE);
}

static void show_region(const char *who)
{
	printf("%s: region %08x data %s bss %s\n", who, checksum(region, PAGES * PAGE), data_page,
	       bss_page);
}

/* Takes turns with the parent: each side writes while the other one looks. */
static int take_turns(void *unused)
{
	char stack[32];
	(void)unused;
	hear(to_child[0]);
	show_region("child, parent has written all");
	for (int i = 0; i < PAGES; i += 2)
		region[i * PAGE + 7] = 'C';
	strcpy(data_page, "child's");
	strcpy(bss_page, "child's");
	strcpy(stack, "child's");
	show_region("child, after writing every second page");
	say(to_parent[1]);
	hear(to_child[0]);
	show_region("child, parent has written again");
	printf("child's stack: %s\n", stack);
	return 5;
}

static void both_directions(void)
{
	fill('A');
	strcpy(bss_page, "bss");
	pid_t child = start_child(take_turns, NULL);
	fill('a');
	strcpy(data_page, "parent's");
	show_region("parent, after writing all");
	say(to_child[1]);
	hear(to_parent[0]);
	show_region("parent, child has written");
	fill('0');
	say(to_child[1]);
	show_status("child", wait_for(child));
	show_region("parent at the end");
}

/* The kernel writes into the shared page: the copy must be made for read(2) too. */
static int kernel_writes(void *pipe_fd)
{
	ssize_t got = read(*(int *)pipe_fd, region + PAGE - 4, 8);
	printf("child read %ld: %.12s\n", (long)got, region + PAGE - 6);
	return 0;
}

static void kernel_writes_to_copy(void)
{
	int fds[2];
	MUST(pipe(fds));
	memset(region, '.', 2 * PAGE);
	MUST(write(fds[1], "12345678", 8));
	show_status("child", run_child(kernel_writes, &fds[0]));
	printf("parent sees: %.12s\n", region + PAGE - 6);
	close(fds[0]);
	close(fds[1]);
}

static int third_generation(void *unused)
{
	(void)unused;
	region[0] = '3';
	region[PAGE] = '3';
	printf("grandchild: %c%c%c\n", region[0], region[PAGE], region[2 * PAGE]);
	return 3;
}

static int second_generation(void *unused)
{
	(void)unused;
	region[PAGE] = '2';
	show_status("grandchild", run_child(third_generation, NULL));
	printf("child: %c%c%c\n", region[0], region[PAGE], region[2 * PAGE]);
	return 2;
}

static void generations(void)
{
	region[0] = region[PAGE] = region[2 * PAGE] = '1';
	show_status("child", run_child(second_generation, NULL));
	printf("parent: %c%c%c\n", region[0], region[PAGE], region[2 * PAGE]);
}

/* A read-only, then writable again page of a fork must still be copied on write. */
static int reprotect(void *unused)
{
	(void)unused;
	MUST(mprotect(region, 4 * PAGE, PROT_READ));
	MUST(mprotect(region, 4 * PAGE, PROT_READ | PROT_WRITE));
	region[0] = 'R';
	printf("child after mprotect: %c\n", region[0]);
	return 0;
}

static void reprotected_pages_are_copied(void)
{
	region[0] = 'P';
	show_status("child", run_child(reprotect, NULL));
	printf("parent: %c\n", region[0]);
}

static int do_nothing(void *unused)
{
	(void)unused;
	return 0;
}

/* Many short children; each write after one has gone finds the page used by one again. */
static void sole_user_again(void)
{
	long sum = 0;
	for (int i = 0; i < 100; i++) {
		run_child(do_nothing, NULL);
		for (int page = 0; page < PAGES; page++)
			region[page * PAGE + 100] = i;
	}
	for (int page = 0; page < PAGES; page++)
		sum += region[page * PAGE + 100];
	printf("after 100 children: %ld\n", sum);
}

int main(void)
{
	MUST(pipe(to_child));
	MUST(pipe(to_parent));
	region = map_anon(PAGES * PAGE, PROT_READ | PROT_WRITE);
	both_directions();
	kernel_writes_to_copy();
	generations();
	reprotected_pages_are_copied();
	sole_user_again();
	return 0;
}
