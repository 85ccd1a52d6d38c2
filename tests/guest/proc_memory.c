/* SPDX-License-Identifier: MIT */
/* proves: AS-03 AS-15 AS-76 */
/*
 * An address space as its files show it: smaps (each count of a mapping with written, read and
 * untouched pages, shared with children, locked), smaps_rollup as the sum of smaps, pagemap's
 * bits, clear_refs, mem with its rights; statm and status against them.
 */
#include "guest.h"

#define RW (PROT_READ | PROT_WRITE)

static char text[1 << 18];

static long slurp(const char *path)
{
	return read_file(path, text, sizeof(text));
}

/* A mapping that cannot merge with others: untouchable pages on both sides. */
static char *island(int pages, int kind)
{
	char *p = MUST(mmap(NULL, (pages + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	return MUST(mmap(p + PAGE, pages * PAGE, RW, kind | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}

/* The lines of smaps about the mapping that begins at p; NULL: none. */
static char *smaps_block(const char *p)
{
	char start[32];
	MUST(slurp("/proc/self/smaps"));
	snprintf(start, sizeof(start), "%lx-", (unsigned long)p);
	for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (!strncmp(line, start, strlen(start)))
			return line;
	return NULL;
}

static long number(const char *block, const char *name)
{
	char pattern[40];
	snprintf(pattern, sizeof(pattern), "\n%s:", name);
	char *at = block ? strstr(block, pattern) : NULL;
	return at ? atol(at + strlen(pattern)) : -1;
}

static const char *const counts[] = { "Size", "Rss", "Pss", "Shared_Clean", "Shared_Dirty", "Private_Clean",
				      "Private_Dirty", "Referenced", "Anonymous", "Swap", "Locked" };

static void show(const char *what, const char *p)
{
	char *block = smaps_block(p);
	printf("%s:", what);
	for (unsigned i = 0; i < ARRAY_LEN(counts); i++)
		printf(" %s %ld", counts[i], number(block, counts[i]));
	char *flags = block ? strstr(block, "VmFlags:") : NULL;
	printf(" flags");
	for (char *f = flags ? strtok(flags + 8, " ") : NULL; f && *f != '\n'; f = strtok(NULL, " "))
		if (strlen(f) == 2 && strcmp(f, "sd") && strcmp(f, "lf") && strcmp(f, "??")) /* as the version has it */
			printf(" %s", f);
	printf("\n");
}

static int in_child(void *p)
{
	show("child", p);
	*(char *)p = 1;
	show("child, a page written", p);
	return 0;
}

static int two_deep(void *p)
{
	return WEXITSTATUS(run_child(in_child, p));
}

static void counted(void)
{
	char *p = island(8, MAP_PRIVATE), *s = island(4, MAP_SHARED);
	show("untouched", p);
	for (int i = 0; i < 3; i++)
		p[i * PAGE] = 1;
	for (int i = 3; i < 5; i++)
		touch_read(p + i * PAGE);
	show("3 written, 2 read", p);
	show_status("child", run_child(in_child, p));
	show_status("grandchild", run_child(two_deep, p));
	MUST(mlock(p, 8 * PAGE));
	show("locked", p);
	MUST(munlock(p, 8 * PAGE));
	MUST(mprotect(p, 8 * PAGE, PROT_READ | PROT_EXEC));
	show("read and exec", p);
	MUST(madvise(p, 8 * PAGE, MADV_SEQUENTIAL));
	MUST(madvise(p, 8 * PAGE, MADV_DONTFORK));
	MUST(madvise(p, 8 * PAGE, MADV_DONTDUMP));
	MUST(madvise(p, 8 * PAGE, MADV_WIPEONFORK));
	show("advised", p);
	s[0] = s[PAGE] = 1;
	show("shared memory", s);
	MUST(mlockall(MCL_FUTURE | 4 /* MCL_ONFAULT */));
	s = island(2, MAP_PRIVATE);
	s[0] = 1;
	show("to be locked on fault", s);
	MUST(munlockall());
	show("unlocked", s);
}

static void forms(void)
{
	char *p = island(2, MAP_PRIVATE), *block = smaps_block(p);
	static const char *const lines[] = { "Size:", "KernelPageSize:", "MMUPageSize:", "Rss:", "Pss:", "Pss_Dirty:",
					     "Shared_Clean:", "Swap:", "SwapPss:", "Locked:", "VmFlags:" };
	char *at = block;
	for (unsigned i = 0; at && i < ARRAY_LEN(lines); i++) {
		at = strstr(at, lines[i]); /* in this order */
		if (!at)
			printf("%s is missing or out of order\n", lines[i]);
		else if (i < 10)
			printf("%.*s\n", (int)strcspn(at, "\n"), at);
	}
	long rss = 0, pss = 0, anonymous = 0;
	MUST(slurp("/proc/self/smaps"));
	for (char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		rss += !strncmp(line, "Rss:", 4) ? atol(line + 4) : 0;
		pss += !strncmp(line, "Pss:", 4) ? atol(line + 4) : 0;
		anonymous += !strncmp(line, "Anonymous:", 10) ? atol(line + 10) : 0;
	}
	MUST(slurp("/proc/self/smaps_rollup"));
	printf("rollup: %s, Rss %s, Anonymous %s, Pss within rounding %s\n",
	       strstr(text, " ---p 00000000 00:00 0 ") && strstr(text, "[rollup]\n") ? "named" : "not named",
	       labs(number(text, "Rss") - rss) <= 16 ? "the sum" : "different",
	       labs(number(text, "Anonymous") - anonymous) <= 16 ? "the sum" : "different",
	       labs(number(text, "Pss") - pss) <= 64 ? "yes" : "no");
	printf("rollup kinds: %s\n", number(text, "Pss_Anon") >= 0 && number(text, "Pss_File") >= 0 &&
	       number(text, "Pss_Shmem") >= 0 ? "anonymous, file, shmem" : "missing");
}

/* ---- pagemap ------------------------------------------------------------------------ */

static uint64_t entry(const char *p)
{
	uint64_t value = 0;
	int fd = MUST(open("/proc/self/pagemap", O_RDONLY));
	MUST(pread(fd, &value, 8, (uintptr_t)p / PAGE * 8));
	close(fd);
	return value;
}

static void show_entries(const char *what, const char *p, int pages)
{
	printf("%s:", what);
	for (int i = 0; i < pages; i++) {
		uint64_t e = entry(p + i * PAGE);
		printf(" %s%s%s%s", e >> 63 & 1 ? "present" : "-", e >> 62 & 1 ? "+swap" : "",
		       e >> 61 & 1 ? "+file" : "", e >> 56 & 1 ? "+alone" : "");
	}
	printf("\n");
}

static int entries_in_child(void *p)
{
	show_entries("child", p, 2);
	return 0;
}

static void page_map(void)
{
	char *p = island(4, MAP_PRIVATE), *s = island(2, MAP_SHARED), buffer[64];
	int fd = MUST(open("/proc/self/pagemap", O_RDONLY));
	p[0] = p[2 * PAGE] = 1;
	show_entries("private", p, 4);
	s[0] = 1;
	show_entries("shared", s, 2);
	show_status("child", run_child(entries_in_child, p));
	show_entries("nothing there", p - 100 * PAGE < p ? (char *)PAGE : p, 1);
	SHOW(pread(fd, buffer, 8, 4));
	SHOW(pread(fd, buffer, 7, 0));
	SHOW(pread(fd, buffer, 16, (uintptr_t)p / PAGE * 8));
	SHOW(pread(fd, buffer, 8, 0x7ffffffff000ul / PAGE * 8));
	SHOW(pread(fd, BAD_POINTER, 8, (uintptr_t)p / PAGE * 8));
	SHOW(write(fd, buffer, 8));
	close(fd);
}

/* ---- clear_refs ---------------------------------------------------------------------- */

static void clear(const char *what)
{
	int fd = MUST(open("/proc/self/clear_refs", O_WRONLY));
	long got = write(fd, what, strlen(what));
	printf("clear_refs %.*s: %s\n", (int)strcspn(what, "\n"), what, got == -1 ? errno_name(errno) : "ok");
	close(fd);
}

static void references(void)
{
	char *p = island(4, MAP_PRIVATE), *s = island(2, MAP_SHARED);
	memset(p, 1, 4 * PAGE);
	memset(s, 1, 2 * PAGE);
	clear("0"), clear("6"), clear("x"), clear("");
	clear("3");
	printf("anonymous: %ld kB referenced\n", number(smaps_block(p), "Referenced"));
	clear("1\n");
	printf("anonymous: %ld kB referenced\n", number(smaps_block(p), "Referenced"));
	p[PAGE] = 1; /* whether that shows depends on the TLB */
	clear("2");
	printf("cleared: %ld kB referenced\n", number(smaps_block(p), "Referenced"));
	clear("5");
	MUST(slurp("/proc/self/status"));
	printf("VmHWM is VmRSS: %s\n", number(text, "VmHWM") - number(text, "VmRSS") <= 32 ? "yes" : "no");
	char data[8];
	int fd = open("/proc/self/clear_refs", O_RDONLY);
	printf("reading it: %s\n", fd == -1 ? errno_name(errno) : read(fd, data, 8) == -1 ? errno_name(errno) : "ok");
	printf("contents: %d %d\n", p[0], p[PAGE]);
}

/* ---- mem -------------------------------------------------------------------------------- */

static void memory_file(void)
{
	char *p = island(3, MAP_PRIVATE), buffer[3 * PAGE];
	int fd = MUST(open("/proc/self/mem", O_RDWR));
	memset(p, 7, 3 * PAGE);
	SHOW(pread(fd, buffer, 100, (off_t)p));
	printf("%d\n", buffer[99]);
	MUST(mprotect(p, PAGE, PROT_READ));
	SHOW(pwrite(fd, "x", 1, (off_t)p)); /* a debugger may */
	printf("%d\n", p[0]);
	MUST(munmap(p + PAGE, PAGE));
	SHOW(pread(fd, buffer, 3 * PAGE, (off_t)p));
	SHOW(pread(fd, buffer, 1, (off_t)(p + PAGE)));
	SHOW(pwrite(fd, buffer, 1, (off_t)(p + PAGE)));
	SHOW(pread(fd, BAD_POINTER, 1, (off_t)p));
	char *shared = MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	SHOW(pwrite(fd, "x", 1, (off_t)shared)); /* not into what others see */
	printf("%d\n", shared[0]);
	close(fd);
}

int main(void)
{
	counted();
	forms();
	page_map();
	references();
	memory_file();
	return 0;
}
