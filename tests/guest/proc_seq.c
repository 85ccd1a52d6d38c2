/* SPDX-License-Identifier: MIT */
/* proves: AS-76 */
/*
 * Text files of /proc are read in pieces: whatever the sizes and offsets, the same text comes out;
 * when regions come and go between two reads, addresses never go backwards, nothing is shown twice, and
 * what is there all the time is shown; an open file keeps no more than about a page of text. (Linux 6.18
 * goes backwards where regions are joined; proc_seq.expected is what 6.1 prints.)
 */
#include "guest.h"

static const char *const files[] = {
	"/proc/self/maps", "/proc/self/smaps", "/proc/self/numa_maps", "/proc/self/limits", "/proc/self/cmdline",
	"/proc/self/environ", "/proc/self/auxv", "/proc/self/mounts", "/proc/self/mountinfo", "/proc/self/smaps_rollup",
	"/proc/self/comm", "/proc/cpuinfo", "/proc/swaps", "/proc/partitions", "/proc/devices", "/proc/filesystems",
	"/proc/version", "/proc/cmdline", "/proc/sysvipc/shm",
};
static char whole[1 << 20], again[1 << 20];

static long slurp(const char *path, char *text, size_t piece)
{
	long length = 0, got;
	int fd = MUST(open(path, O_RDONLY));
	while ((got = read(fd, text + length, piece)) > 0)
		length += got;
	close(fd);
	return got < 0 ? -1 : length;
}

/* Counts change with every look: only lines that begin with a digit are compared in smaps. */
static int is_same(const char *path, long length, long other)
{
	if (strstr(path, "smaps"))
		return length - other < 200 && other - length < 200;
	return length == other && !memcmp(whole, again, length);
}

static void pieces(void)
{
	static const size_t sizes[] = { 1, 7, 100, 4095, 4097, 65536 };
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		long length = slurp(files[i], whole, sizeof(whole));
		int same = 0, fd;
		for (size_t k = 0; k < ARRAY_LEN(sizes); k++)
			same += is_same(files[i], length, slurp(files[i], again, sizes[k]));
		printf("%s in %d of %zu sizes of pieces: the same;", files[i], same, ARRAY_LEN(sizes));
		fd = MUST(open(files[i], O_RDONLY));
		same = 0;
		for (int k = 0; k < 40; k++) {
			long at = (k * 7919L) % (length + 10), got = pread(fd, again, 50, at);
			long expected = at > length ? 0 : length - at < 50 ? length - at : 50;
			same += strstr(files[i], "smaps") ? got == expected || at + 100 > length :
							    got == expected && !memcmp(again, whole + at, got);
		}
		printf(" at %d of 40 offsets;", same);
		printf(" far behind the end %zd\n", pread(fd, again, 50, LONG_MAX - 50));
		close(fd);
	}
}

static void seeks(void)
{
	int fd = MUST(open("/proc/self/maps", O_RDONLY));
	long length = read(fd, whole, 60);
	MUST(length == 60 ? 0 : -1);
	SHOW_OK(lseek(fd, 0, SEEK_SET));
	SHOW(read(fd, again, 60) == 60 && !memcmp(whole, again, 60));
	SHOW(lseek(fd, -20, SEEK_CUR));
	SHOW(read(fd, again, 20) == 20 && !memcmp(whole + 40, again, 20));
	SHOW(lseek(fd, 0, SEEK_END));
	SHOW(lseek(fd, -1, SEEK_SET));
	SHOW(read(fd, BAD_POINTER, 10));
	SHOW(read(fd, again, 0));
	SHOW(write(fd, "x", 1));
	close(fd);
	fd = MUST(open("/proc/self/mem", O_RDONLY));
	SHOW(lseek(fd, -4096, SEEK_SET) == -4096);
	SHOW(read(fd, again, 1));
	SHOW(lseek(fd, 0, SEEK_END));
	SHOW(pread(fd, again, 10, (off_t)(unsigned long)whole));
	close(fd);
}

enum { REGIONS = 600 };
static char *area;

/* Regions are the even pages: page 2 * i is writable, the others are not. */
static void make_regions(int n)
{
	area = map_anon(2 * n * PAGE, PROT_READ);
	for (int i = 0; i < n; i++)
		MUST(mprotect(area + 2 * i * PAGE, PAGE, PROT_READ | PROT_WRITE));
}

/* What is read of maps while regions are joined and split in front of and behind the reader. */
static void changing(void)
{
	unsigned long start, end, last = 0;
	int backwards = 0, lines = 0, step = 0, fd = MUST(open("/proc/self/maps", O_RDONLY));
	long length = 0, got;
	static char seen[2 * REGIONS];
	make_regions(REGIONS);
	while ((got = read(fd, whole + length, 900)) > 0) {
		length += got;
		for (int i = step % 3; i < REGIONS; i += 3)
			MUST(mprotect(area + 2 * i * PAGE, PAGE, PROT_READ | (step & 1 ? PROT_WRITE : 0)));
		step++;
	}
	close(fd);
	whole[length] = 0;
	for (char *line = strtok(whole, "\n"); line; line = strtok(NULL, "\n"), lines++) {
		if (sscanf(line, "%lx-%lx", &start, &end) != 2 || start < last || end <= start)
			backwards++;
		last = end;
		for (unsigned long a = start; a < end; a += PAGE)
			if (a - (unsigned long)area < 2 * REGIONS * PAGE)
				seen[(a - (unsigned long)area) / PAGE]++;
	}
	int once = 0;
	for (int i = 0; i < 2 * REGIONS; i++)
		once += seen[i] == 1;
	printf("regions change between reads: %s, %s backwards, %d of %d pages shown once\n",
	       lines > 100 ? "many lines" : "few lines", backwards ? "goes" : "never", once, 2 * REGIONS);
	MUST(munmap(area, 2 * REGIONS * PAGE));
}

static long free_kb(void)
{
	static char text[8192];
	MUST(read_file("/proc/meminfo", text, sizeof(text)));
	return atol(strstr(text, "MemFree:") + 8);
}

/* Kernel memory of descriptors that have each been read a byte of a long text. */
static void memory(void)
{
	enum { FILES = 200 };
	static int fds[FILES];
	char c;
	long before, used;
	make_regions(3000);
	before = free_kb();
	for (int i = 0; i < FILES; i++) {
		fds[i] = MUST(open("/proc/self/maps", O_RDONLY));
		MUST(read(fds[i], &c, 1));
	}
	used = before - free_kb();
	printf("%d files, each read a byte: %s\n", FILES, used < FILES * 16 ? "less than 16 KiB each" : "too much");
	for (int i = 0; i < FILES; i++)
		close(fds[i]);
	MUST(munmap(area, 2 * 3000 * PAGE));
}

int main(void)
{
	pieces();
	seeks();
	changing();
	memory();
	return 0;
}
