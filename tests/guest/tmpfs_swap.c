/* SPDX-License-Identifier: MIT */
/* proves: SW-03 SW-15 */
/* guest: --ram 24M --swap 96M */
/* libc: musl */
/* compare: none */
/* timeout: 90 */
/*
 * tmpfs_swap.c: a file on tmpfs with twice the RAM of data, written, mapped shared with a child that
 * changes half of it, read back by read and through the mapping; then truncated: the swap is
 * free again. Shared anonymous memory does the same in small.
 */
#include "guest.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>

#define WORDS (PAGE / sizeof(unsigned long))
/* Files of the root that are in swap as well. */
#define SLACK_KB 8192
#define PAGES (48ul << 20 >> 12)

static unsigned long buffer[WORDS];

static unsigned long word(unsigned long page, unsigned long i, unsigned long owner)
{
	return (page * 0x9e3779b97f4a7c15ul) ^ (i * 0x2545f4914f6cdd1dul) ^ owner;
}

static void make_page(unsigned long *to, unsigned long page, unsigned long owner)
{
	for (unsigned long i = 0; i < WORDS; i++)
		to[i] = word(page, i, owner);
}

static unsigned long wrong_words(const unsigned long *at, unsigned long page, unsigned long owner)
{
	unsigned long wrong = 0;

	for (unsigned long i = 0; i < WORDS; i++)
		wrong += at[i] != word(page, i, owner);
	return wrong;
}

/* Of /proc/meminfo, in KiB. */
static long meminfo(const char *name)
{
	char line[128];
	long kb = -1;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			kb = strtol(line + strlen(name) + 1, NULL, 10);
	if (f)
		fclose(f);
	return kb;
}

static void check(int ok, const char *what)
{
	if (ok)
		return;
	printf("failed: %s (MemFree %ld, Shmem %ld, SwapFree %ld, SwapCached %ld)\n", what, meminfo("MemFree"),
	       meminfo("Shmem"), meminfo("SwapFree"), meminfo("SwapCached"));
	exit(1);
}

/* A child writes the odd pages through the mapping. */
static void change_odd_pages(unsigned long *map, unsigned long pages)
{
	int status;

	if (fork() == 0) {
		for (unsigned long page = 1; page < pages; page += 2)
			make_page(map + page * WORDS, page, 7);
		_exit(0);
	}
	check(wait(&status) > 0 && status == 0, "the child");
}

static void check_map(const unsigned long *map, unsigned long pages)
{
	unsigned long wrong = 0;

	for (unsigned long page = 0; page < pages; page++)
		wrong += wrong_words(map + page * WORDS, page, page % 2 ? 7 : 0);
	check(wrong == 0, "contents through the mapping");
}

static void tmpfs_file(void)
{
	int fd = MUST(open("/mnt/big", O_RDWR | O_CREAT, 0600));
	unsigned long wrong = 0, *map;
	struct stat st;
	off_t end;

	for (unsigned long page = 0; page < PAGES; page++) {
		make_page(buffer, page, 0);
		check(write(fd, buffer, PAGE) == (ssize_t)PAGE, "write");
	}
	MUST(fstat(fd, &st));
	check(st.st_blocks == (long)(PAGES * PAGE / 512), "st_blocks counts what is in swap");
	check(lseek(fd, 0, SEEK_DATA) == 0 && (end = lseek(fd, 0, SEEK_HOLE)) == (off_t)(PAGES * PAGE), "no holes");
	check(meminfo("SwapTotal") - meminfo("SwapFree") > (long)(PAGES * PAGE >> 11), "it is in swap");
	map = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(map != MAP_FAILED, "mmap");
	change_odd_pages(map, PAGES);
	check_map(map, PAGES);
	for (unsigned long page = 0; page < PAGES; page++) {
		check(pread(fd, buffer, PAGE, (off_t)(page * PAGE)) == (ssize_t)PAGE, "pread");
		wrong += wrong_words(buffer, page, page % 2 ? 7 : 0);
	}
	check(wrong == 0, "contents by read");
	MUST(ftruncate(fd, 100));
	MUST(ftruncate(fd, PAGE));
	check(pread(fd, buffer, PAGE, 0) == (ssize_t)PAGE && buffer[0] == word(0, 0, 0) && buffer[20] == 0,
	      "the cut page");
	MUST(munmap(map, PAGES * PAGE));
	close(fd);
	MUST(unlink("/mnt/big"));
}

static void shared_memory(void)
{
	unsigned long pages = PAGES * 2 / 3;
	unsigned long *map = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	check(map != MAP_FAILED, "mmap of shared memory");
	for (unsigned long page = 0; page < pages; page++)
		make_page(map + page * WORDS, page, 0);
	change_odd_pages(map, pages);
	check_map(map, pages);
	MUST(munmap(map, pages * PAGE));
}

int main(void)
{
	long total = meminfo("SwapTotal"), used = total - meminfo("SwapFree");

	MUST(mount("tmpfs", "/mnt", "tmpfs", 0, "size=90m"));
	tmpfs_file();
	check(total - meminfo("SwapFree") <= used + SLACK_KB, "truncation frees the swap");
	shared_memory();
	check(total - meminfo("SwapFree") <= used + SLACK_KB, "unmapping frees the swap");
	MUST(umount("/mnt"));
	MUST(swapoff("/dev/vda"));
	check(meminfo("SwapTotal") == 0 && meminfo("SwapCached") == 0, "swapoff");
	MUST(swapon("/dev/vda", 0)); /* its map takes the same memory as at the start */
	puts("no byte lost");
	return 0;
}
