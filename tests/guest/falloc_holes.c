/* SPDX-License-Identifier: MIT */
/*
 * What fallocate() has allocated on tmpfs and nobody has used is a hole for lseek() and mincore(), and reads as zeroes; what
 * was stored to, by a call or a mapping, is data. Reading by a call uses nothing.
 */
#include "guest.h"

#define PAGES 8

/* One letter for each page: data or hole. */
static void show_map(const char *when, int fd)
{
	char map[PAGES + 1] = "";
	for (int i = 0; i < PAGES; i++)
		map[i] = lseek(fd, i * (long)PAGE, SEEK_HOLE) == i * (long)PAGE ? '.' : 'D';
	printf("%-28s %s  first data %ld, first hole %ld\n", when, map, (long)lseek(fd, 0, SEEK_DATA),
	       (long)lseek(fd, 0, SEEK_HOLE));
}

static void show_residency(const char *when, int fd)
{
	unsigned char in[PAGES];
	char *p = MUST(mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED, fd, 0));
	MUST(mincore(p, PAGES * PAGE, in));
	printf("%-28s ", when);
	for (int i = 0; i < PAGES; i++)
		putchar(in[i] & 1 ? '1' : '0');
	printf("\n");
	munmap(p, PAGES * PAGE);
}

static long sum_of(int fd)
{
	static unsigned char bytes[PAGES * PAGE];
	long sum = 0, n = pread(fd, bytes, sizeof(bytes), 0);
	for (long i = 0; i < n; i++)
		sum += bytes[i];
	return n == (long)sizeof(bytes) ? sum : -1;
}

static void of_a_file(int fd)
{
	struct stat st;
	SHOW(fallocate(fd, 0, 0, PAGES * PAGE));
	MUST(fstat(fd, &st));
	printf("%ld bytes, %ld blocks\n", (long)st.st_size, (long)st.st_blocks);
	show_map("allocated", fd);
	show_residency("allocated", fd);
	printf("sum %ld\n", sum_of(fd));
	show_map("read", fd);
	SHOW(pwrite(fd, "a", 1, 2 * PAGE + 100));
	show_map("page 2 written", fd);
	volatile char *p = MUST(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	p[5 * PAGE] = 'b';
	show_map("page 5 stored to", fd);
	printf("looked at page 7: %d\n", p[7 * PAGE]);
	munmap((void *)p, PAGES * PAGE);
	show_map("page 7 looked at", fd);
	show_residency("all of it", fd);
	SHOW(fallocate(fd, 0, 0, PAGES * PAGE));
	show_map("allocated again", fd);
	printf("sum %ld\n", sum_of(fd));
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * PAGE, 3 * PAGE));
	show_map("2 to 4 punched", fd);
	SHOW(ftruncate(fd, 7 * PAGE + 100));
	SHOW(ftruncate(fd, PAGES * PAGE));
	show_map("cut in page 7, grown", fd);
	SHOW(fallocate(fd, 0, 3 * PAGE, 100));
	SHOW(ftruncate(fd, 3 * PAGE + 50));
	SHOW(ftruncate(fd, PAGES * PAGE));
	show_map("cut in page 3, grown", fd);
	printf("sum %ld\n", sum_of(fd));
	close(fd);
}

int main(void)
{
	of_a_file(MUST((int)syscall(SYS_memfd_create, "holes", 0)));
	return 0;
}
