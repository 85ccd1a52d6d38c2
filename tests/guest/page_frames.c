/* SPDX-License-Identifier: MIT */
/* proves: AS-44 AS-53 AS-75 FT-40 FT-55 PT-33 */
/*
 * Which frames stand behind pages, as /proc/self/pagemap tells root: reads of untouched memory
 * share one frame; a write gives a page its own; after fork parent and child have the same
 * frames until one writes, and who writes last, alone, keeps the frame; shared and file pages
 * keep theirs; mremap moves frames along; two processes map a file page at different
 * addresses with one frame.
 *
 * page_frames.expected was printed by Linux 6.18, run by root: to others pagemap shows no frames.
 */
#include "guest.h"

enum { PAGES = 8 };

struct entry {
	int present, file;
	unsigned long frame;
};

static struct entry look_up(const void *page)
{
	unsigned long word = 0;
	int fd = MUST(open("/proc/self/pagemap", O_RDONLY));
	if (pread(fd, &word, 8, (unsigned long)page / PAGE * 8) != 8)
		die(__FILE__, __LINE__, "pagemap");
	close(fd);
	return (struct entry){ word >> 63, word >> 61 & 1, word & ((1UL << 55) - 1) };
}

static unsigned long frame(const void *page)
{
	return look_up(page).frame;
}

/* Prints for each page whether it is present and whether it has the frame noted before. */
static void compare(const char *what, const char *p, const unsigned long *noted)
{
	printf("%s:", what);
	for (int i = 0; i < PAGES; i++) {
		struct entry e = look_up(p + i * PAGE);
		printf(" %s", !e.present ? "absent" : e.frame == noted[i] ? "same" : "other");
	}
	printf("\n");
}

static void note(const char *p, unsigned long *noted)
{
	for (int i = 0; i < PAGES; i++)
		noted[i] = frame(p + i * PAGE);
}

static int to_child[2], to_parent[2];

static void say(int fd)
{
	MUST(write(fd, "x", 1));
}

static void hear(int fd)
{
	char c;
	MUST(read(fd, &c, 1));
}

static void zero_page(void)
{
	char *p = map_anon(PAGES * PAGE, PROT_READ | PROT_WRITE);
	char *q = map_anon(PAGES * PAGE, PROT_READ);
	unsigned long zero[PAGES], own[PAGES];

	printf("untouched: present %d\n", look_up(p).present);
	for (int i = 0; i < PAGES; i++) {
		touch_read(p + i * PAGE);
		touch_read(q + i * PAGE);
	}
	for (int i = 0; i < PAGES; i++)
		zero[i] = frame(q);
	compare("read: one frame for all", p, zero);
	for (int i = 0; i < PAGES; i += 2)
		touch_write(p + i * PAGE, 1);
	compare("every second one written", p, zero);
	note(p, own);
	int different = 0;
	for (int i = 0; i < PAGES; i += 2)
		for (int k = i + 2; k < PAGES; k += 2)
			different += own[i] != own[k];
	printf("pairs of written pages with different frames: %d of 6\n", different);
	compare("the read-only mapping", q, zero);
}

static char *region;
static unsigned long noted[PAGES];

static int child(void *unused)
{
	(void)unused;
	compare("child, after the fork", region, noted);
	touch_write(region, 'c');
	compare("child, having written page 0", region, noted);
	say(to_parent[1]);
	hear(to_child[0]);
	compare("child, parent having written page 1", region, noted);
	touch_write(region + PAGE, 'c');
	compare("child, having written page 1", region, noted);
	return 0;
}

static void fork_and_write(void)
{
	region = map_anon(PAGES * PAGE, PROT_READ | PROT_WRITE);
	memset(region, 1, PAGES * PAGE);
	note(region, noted);
	pid_t pid = start_child(child, NULL);
	hear(to_parent[0]);
	compare("parent, child having written page 0", region, noted);
	touch_write(region + PAGE, 'p');
	compare("parent, having written page 1", region, noted);
	say(to_child[1]);
	show_status("child", wait_for(pid));
	touch_write(region + 2 * PAGE, 'p');
	compare("parent alone, having written page 2", region, noted);
}

static int child_shared(void *p)
{
	touch_write(p, 's');
	compare("child of a shared mapping, having written", p, noted);
	return 0;
}

static void shared(void)
{
	char *p = MUST(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	memset(p, 1, PAGES * PAGE);
	note(p, noted);
	show_status("child", run_child(child_shared, p));
	compare("parent", p, noted);
}

static void moved(void)
{
	char *p = map_anon(PAGES * PAGE, PROT_READ | PROT_WRITE);
	memset(p, 1, (PAGES - 1) * PAGE);
	note(p, noted);
	char *q = map_anon(PAGES * PAGE, PROT_NONE);
	p = MUST(mremap(p, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q));
	compare("moved by mremap, the last one never touched", p, noted);
	MUST(mprotect(p, PAGES * PAGE, PROT_READ));
	MUST(mprotect(p, PAGES * PAGE, PROT_READ | PROT_WRITE));
	touch_write(p, 2);
	compare("protected, unprotected and written", p, noted);
}

static int other_mapper(void *unused)
{
	(void)unused;
	map_anon(33 * PAGE, PROT_NONE);
	int fd = MUST(open("file", O_RDWR));
	char *p = MUST(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	for (int i = 0; i < PAGES; i++)
		touch_read(p + i * PAGE);
	compare("the file in another process, private, read", p, noted);
	touch_write(p, 1);
	compare("having written page 0", p, noted);
	return 0;
}

static void file_pages(void)
{
	int fd = make_file("file", PAGES * PAGE);
	char *p = MUST(mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED, fd, 0));
	for (int i = 0; i < PAGES; i++)
		touch_read(p + i * PAGE);
	note(p, noted);
	printf("a file page is told from an anonymous one: %d %d\n", look_up(p).file, look_up(region).file);
	show_status("child", run_child(other_mapper, NULL));
	char *q = MUST(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	touch_write(q, 1);
	struct entry e = look_up(q);
	printf("first touched by a write: own frame %d, still a file page %d\n", e.frame != noted[0], e.file);
	char *r = MUST(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	for (int i = 0; i < PAGES; i++)
		touch_write(r + i * PAGE, 2);
	compare("a second mapping of it, writable, shared", r, noted);
	MUST(unlink("file"));
}

int main(void)
{
	MUST(pipe(to_child));
	MUST(pipe(to_parent));
	scratch_enter();
	zero_page();
	fork_and_write();
	shared();
	moved();
	file_pages();
	scratch_leave();
	return 0;
}
