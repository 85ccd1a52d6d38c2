/* SPDX-License-Identifier: MIT */
/* proves: AS-65 */
/*
 * Which pages were written since clear_refs 4, as pagemap's bit 55 tells: new regions count as written
 * whole, also where they grow together with older ones; after clear_refs reads and changes of rights do
 * not count, stores do, also by the kernel, in a child and in shared memory; a page that moved counts.
 *
 * soft_dirty.expected was printed by Debian's Linux 6.1; the host's kernel may be built without it.
 */
#include "guest.h"

enum { PAGES = 8 };
#define RW (PROT_READ | PROT_WRITE)

static void forget(void)
{
	int fd = MUST(open("/proc/self/clear_refs", O_WRONLY));
	MUST(write(fd, "4", 1));
	close(fd);
}

/* A letter a page: D written, - not. */
static void show(const char *what, const char *p, int pages)
{
	unsigned long word[16];
	int fd = MUST(open("/proc/self/pagemap", O_RDONLY));

	MUST(pread(fd, word, 8 * pages, (unsigned long)p / PAGE * 8));
	close(fd);
	printf("%-28s", what);
	for (int i = 0; i < pages; i++)
		putchar(word[i] >> 55 & 1 ? 'D' : '-');
	printf("\n");
}

static int is_marked(const char *p)
{
	static char line[512];
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long start, end;
	int here = 0, marked = 0;

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start <= (unsigned long)p && (unsigned long)p < end;
		else if (here && !strncmp(line, "VmFlags:", 8))
			marked = !!strstr(line, " sd");
	}
	fclose(f);
	return marked;
}

static void stores(char *p, int offset)
{
	for (int i = 0; i < PAGES; i += 2)
		touch_read(p + i * PAGE);
	for (int i = offset; i < PAGES; i += 4)
		p[i * PAGE]++;
}

static void one_kind(const char *kind, char *p)
{
	printf("%s, sd %d\n", kind, is_marked(p));
	show("new", p, PAGES);
	p[0] = p[PAGE] = p[2 * PAGE] = 1;
	forget();
	printf("cleared, sd %d\n", is_marked(p));
	show("cleared", p, PAGES);
	stores(p, 1);
	show("reads and stores", p, PAGES);
	MUST(mprotect(p, PAGES * PAGE, PROT_READ));
	show("read-only", p, PAGES);
	MUST(mprotect(p, PAGES * PAGE, RW));
	show("writable again", p, PAGES);
	p[0]++;
	int fd = MUST(open("/dev/zero", O_RDONLY));
	MUST(read(fd, p + 6 * PAGE, 10));
	close(fd);
	show("stored, read(2) into", p, PAGES);
	fflush(stdout);
	if (!fork()) {
		show("child", p, 3);
		p[2 * PAGE]++;
		show("child stored", p, 3);
		_exit(0);
	}
	wait(NULL);
	show("parent", p, PAGES);
	forget();
	stores(p, 2);
	show("once more", p, PAGES);
}

/* [old, cleared][new] is one region by now. */
static void growing_together(void)
{
	char *p = map_anon(PAGES * PAGE, PROT_NONE);

	MUST(mprotect(p, PAGES * PAGE, RW));
	MUST(munmap(p + 4 * PAGE, 4 * PAGE));
	p[0] = 1;
	forget();
	show("before", p, 4);
	if (mmap(p + 4 * PAGE, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		die(__FILE__, __LINE__, "mmap");
	show("with a new neighbour", p, PAGES);
}

static void moving(void)
{
	char *p = map_anon(PAGES * PAGE, RW), *to = map_anon(2 * PAGES * PAGE, RW);

	memset(p, 1, PAGES * PAGE);
	forget();
	if (mremap(p, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED)
		die(__FILE__, __LINE__, "mremap");
	show("moved", to, PAGES);
	forget();
	show("cleared there", to, PAGES);
	MUST(madvise(to, 2 * PAGE, MADV_DONTNEED));
	touch_read(to);
	to[PAGE] = 1;
	show("dropped, read, stored", to, PAGES);
}

/* Between pages without access, so that no buffer of the C library can join it. */
static char *map_apart(void)
{
	char *p = (char *)map_anon((PAGES + 2) * PAGE, PROT_NONE) + PAGE;

	MUST(mprotect(p, PAGES * PAGE, RW));
	return p;
}

int main(void)
{
	int fd = MUST(memfd_create("shared", 0));

	MUST(ftruncate(fd, PAGES * PAGE));
	one_kind("private", map_apart());
	one_kind("shared", mmap(NULL, PAGES * PAGE, RW, MAP_SHARED, fd, 0));
	growing_together();
	moving();
	return 0;
}
