/* SPDX-License-Identifier: MIT */
/* proves: AS-66 */
/* guest: --ram 32M --swap 16M */
/* compare: none */
/*
 * Hints about pages that have an effect: MADV_PAGEOUT writes them to swap now, MADV_WILLNEED reads them
 * back before they are used, MADV_FREE lets them go under pressure, with no write to swap, unless they were
 * stored to again, MADV_COLD makes them the first to go. (How much is done at once is up to a
 * kernel: Linux need not have finished, so its output is not compared.)
 */
#include "guest.h"

#define RW    (PROT_READ | PROT_WRITE)
#define PAGES 256

static int failures;

static void check(int ok, const char *what, long got)
{
	failures += !ok;
	printf("%s: %s (%ld)\n", what, ok ? "yes" : "NO", got);
}

/* The number after name in a file; of smaps the sum over all regions. */
static long number(const char *file, const char *name)
{
	static char line[512];
	FILE *f = fopen(file, "r");
	long sum = 0;

	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			sum += atol(line + strlen(name));
	fclose(f);
	return sum;
}

static long event(const char *name)
{
	return number("/proc/vmstat", name);
}

static long resident(const char *p)
{
	unsigned char map[PAGES];
	long sum = 0;

	MUST(mincore((void *)p, PAGES * PAGE, map));
	for (int i = 0; i < PAGES; i++)
		sum += map[i] & 1;
	return sum;
}

static void fill(unsigned long *p, unsigned long first)
{
	for (unsigned long i = 0; i < PAGES; i++)
		p[i * PAGE / 8] = first + i;
}

static long wrong(const unsigned long *p, unsigned long first)
{
	long sum = 0;

	for (unsigned long i = 0; i < PAGES; i++)
		sum += p[i * PAGE / 8] != first + i;
	return sum;
}

static long major_faults(void)
{
	struct rusage usage;

	MUST(getrusage(RUSAGE_SELF, &usage));
	return usage.ru_majflt;
}

static void out_and_in(void)
{
	unsigned long *p = (unsigned long *)map_anon(PAGES * PAGE, RW);
	long out = event("pswpout "), in, faults;

	fill(p, 1);
	MUST(madvise(p, PAGES * PAGE, MADV_PAGEOUT));
	check(resident((char *)p) == 0, "nothing resident after PAGEOUT", resident((char *)p));
	check(event("pswpout ") - out == PAGES, "each written once", event("pswpout ") - out);
	check(number("/proc/self/status", "VmSwap:") == PAGES * 4, "all in VmSwap", number("/proc/self/status", "VmSwap:"));
	in = event("pswpin ");
	faults = major_faults();
	MUST(madvise(p, PAGES * PAGE, MADV_WILLNEED));
	check(event("pswpin ") - in == PAGES, "WILLNEED reads all", event("pswpin ") - in);
	check(wrong(p, 1) == 0, "all bytes come back", wrong(p, 1));
	check(major_faults() == faults, "without a major fault", major_faults() - faults);
	MUST(munmap(p, PAGES * PAGE));
}

/* Something uses all the memory there is. */
static void pressure(void)
{
	for (size_t mb = 1; mb < 40 && !event("pglazyfreed "); mb++) {
		char *p = map_anon(1 << 20, RW);

		memset(p, 1, 1 << 20);
	}
}

static void lazily_freed(void)
{
	unsigned long *p = (unsigned long *)map_anon(PAGES * PAGE, RW), kept = 0, zero = 0, other = 0;

	fill(p, 1);
	MUST(madvise(p, PAGES * PAGE, MADV_FREE));
	check(number("/proc/self/smaps", "LazyFree:") == PAGES * 4, "all in LazyFree", number("/proc/self/smaps", "LazyFree:"));
	check(wrong(p, 1) == 0, "still there", wrong(p, 1));
	for (unsigned long i = 0; i < PAGES; i += 2)
		p[i * PAGE / 8 + 1] = i;
	check(number("/proc/self/smaps", "LazyFree:") == PAGES * 2, "stores keep half", number("/proc/self/smaps", "LazyFree:"));
	fflush(stdout);
	MUST(madvise(p + PAGE / 8, PAGE, MADV_COLD));
	pressure();
	for (unsigned long i = 0; i < PAGES; i++) {
		unsigned long word = p[i * PAGE / 8];

		if (word == 1 + i)
			kept++;
		else if (!word && i % 2)
			zero++;
		else
			other++;
	}
	check(event("pglazyfreed ") > 0 && zero, "some dropped under pressure", zero);
	check(!other && kept >= PAGES / 2, "all others kept", other);
}

static void file_pages(void)
{
	int fd = MUST(open("/tmp/pageout-file", O_RDWR | O_CREAT, 0600));
	unsigned long *p;

	MUST(unlink("/tmp/pageout-file"));
	MUST(ftruncate(fd, PAGES * PAGE));
	p = mmap(NULL, PAGES * PAGE, RW, MAP_SHARED, fd, 0);
	fill(p, 7);
	MUST(madvise(p, PAGES * PAGE, MADV_PAGEOUT)); /* a tmpfs: they may stay, but must not be lost */
	MUST(madvise(p, PAGES * PAGE, MADV_COLD));
	MUST(madvise(p, PAGES * PAGE, MADV_WILLNEED));
	check(wrong(p, 7) == 0, "the file is as it was", wrong(p, 7));
	close(fd);
}

int main(void)
{
	out_and_in();
	file_pages();
	lazily_freed();
	return failures;
}
