/* SPDX-License-Identifier: MIT */
/* proves: AS-66 */
/*
 * madvise: every advice of Linux 6.1 on every kind of mapping: the answer, and what is in the
 * pages, how many are present and how the mapping is cut up afterwards. (Not tried: huge pages,
 * KSM and memory failure, which depend on the machine.)
 */
#include "guest.h"

#define RW    (PROT_READ | PROT_WRITE)
#define PAGES 6

static const struct {
	int advice;
	const char *name;
} advices[] = {
	{ 0, "NORMAL" }, { 1, "RANDOM" }, { 2, "SEQUENTIAL" }, { 3, "WILLNEED" }, { 4, "DONTNEED" }, { 5, "5" },
	{ 8, "FREE" }, { 9, "REMOVE" }, { 10, "DONTFORK" }, { 11, "DOFORK" }, { 16, "DONTDUMP" }, { 17, "DODUMP" },
	{ 18, "WIPEONFORK" }, { 19, "KEEPONFORK" }, { 20, "COLD" }, { 21, "PAGEOUT" }, { 22, "POPULATE_READ" },
	{ 23, "POPULATE_WRITE" }, { 24, "DONTNEED_LOCKED" }, { -1, "-1" }, { 99, "99" },
};

static int file_rw, file_ro;

static char *place(void)
{
	char *p = MUST(mmap(NULL, (PAGES + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	MUST(munmap(p, (PAGES + 2) * PAGE));
	return p + PAGE;
}

static void write_pages(char *p)
{
	for (int i = 0; i < PAGES; i += 2)
		p[i * PAGE] = i + 1;
}

static char *make(int kind, char *p)
{
	int fixed = MAP_FIXED, prot = RW;
	MUST(pwrite(file_rw, "abcdef", 6, 0));
	switch (kind) {
	case 0: /* anonymous */
		MUST(mmap(p, PAGES * PAGE, RW, fixed | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		break;
	case 1: /* read-only */
		MUST(mmap(p, PAGES * PAGE, RW, fixed | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		prot = PROT_READ;
		break;
	case 2: /* no access */
		MUST(mmap(p, PAGES * PAGE, RW, fixed | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		prot = PROT_NONE;
		break;
	case 3: /* shared anonymous */
		MUST(mmap(p, PAGES * PAGE, RW, fixed | MAP_SHARED | MAP_ANONYMOUS, -1, 0));
		break;
	case 4: /* private file */
		MUST(mmap(p, PAGES * PAGE, RW, fixed | MAP_PRIVATE, file_rw, 0));
		break;
	case 5: /* shared file */
		MUST(mmap(p, PAGES * PAGE, RW, fixed | MAP_SHARED, file_rw, 0));
		break;
	case 6: /* shared file, opened to read */
		return MUST(mmap(p, PAGES * PAGE, PROT_READ, fixed | MAP_SHARED, file_ro, 0));
	case 7: /* locked */
		MUST(mmap(p, PAGES * PAGE, RW, fixed | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		MUST(mlock(p, PAGES * PAGE));
		break;
	case 8: /* with a hole */
		MUST(mmap(p, PAGES * PAGE, RW, fixed | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		write_pages(p);
		MUST(munmap(p + 3 * PAGE, PAGE));
		return p;
	}
	write_pages(p);
	if (prot != RW)
		MUST(mprotect(p, PAGES * PAGE, prot));
	return p;
}

static const char *const kinds[] = { "anonymous", "read-only", "no access", "shared anonymous", "private file",
				     "shared file", "shared file read-only", "locked", "with a hole" };

static int pieces(char *p)
{
	static struct maps_line lines[128];
	int count = read_maps(lines, ARRAY_LEN(lines)), inside = 0;
	for (int i = 0; i < count; i++)
		inside += lines[i].start < (unsigned long)(p + PAGES * PAGE) && lines[i].end > (unsigned long)p;
	return inside;
}

static void show_contents(const char *p, int kind)
{
	if (kind == 2)
		MUST(mprotect((char *)p, PAGES * PAGE, PROT_READ));
	for (int i = 0; i < PAGES; i++) {
		TRY(touch_read(p + i * PAGE));
		if (last_fault.sig)
			printf(" %s", signal_name(last_fault.sig));
		else
			printf(" %d", p[i * PAGE]);
	}
}

int main(void)
{
	catch_faults(0);
	scratch_enter();
	file_rw = make_file("file", PAGES * PAGE);
	file_ro = MUST(open("file", O_RDONLY));
	char *where = place();
	for (unsigned kind = 0; kind < ARRAY_LEN(kinds); kind++)
		for (unsigned i = 0; i < ARRAY_LEN(advices); i++) {
			char *p = make(kind, where);
			int result = madvise(p + PAGE, 4 * PAGE, advices[i].advice);
			printf("%s, %s: %s;", kinds[kind], advices[i].name, result ? errno_name(errno) : "ok");
			printf(" pieces %d;", pieces(p));
			show_contents(p, kind);
			printf("\n");
			MUST(munmap(p, PAGES * PAGE));
		}
	MUST(unlink("file"));
	scratch_leave();
	return 0;
}
