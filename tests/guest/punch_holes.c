/* SPDX-License-Identifier: MIT */
/*
 * Holes punched into memory files by fallocate and MADV_REMOVE: what reads as zeroes then, that
 * the pages are given back (st_blocks, statfs), that seals and rights forbid it, and what cannot
 * be punched.
 */
#include "guest.h"
#include <sys/shm.h>
#include <sys/statfs.h>

#define PAGES 64
#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static long file_pages(int fd)
{
	struct stat st;

	MUST(fstat(fd, &st));
	return (long)st.st_blocks / 8;
}

static long free_pages(int fd)
{
	struct statfs st;

	MUST(fstatfs(fd, &st));
	return (long)st.f_bfree;
}

static int sealable(void)
{
	int fd = MUST(memfd_create("holes", MFD_ALLOW_SEALING));

	MUST(ftruncate(fd, PAGES * PAGE));
	return fd;
}

static char *map_shared(int fd)
{
	return MUST(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
}

static void fill(char *p)
{
	for (int i = 0; i < PAGES; i++)
		memset(p + (size_t)i * PAGE, 'a' + i % 26, PAGE);
}

static int pages_that_are_zero(const char *p)
{
	int zero = 0;

	for (int i = 0; i < PAGES; i++)
		zero += p[(size_t)i * PAGE] == 0 && p[(size_t)i * PAGE + PAGE - 1] == 0;
	return zero;
}

static void pages_are_given_back(void)
{
	int fd = MUST(open("/dev/shm/punched", O_RDWR | O_CREAT | O_TRUNC, 0600));
	long before = free_pages(fd), full;
	char *p;

	MUST(ftruncate(fd, PAGES * PAGE));
	p = map_shared(fd);
	fill(p);
	printf("pages of the file: %ld\n", file_pages(fd));
	full = before - free_pages(fd);
	printf("pages of the file system: %ld\n", full);
	SHOW(madvise(p + 8 * PAGE, 16 * PAGE, MADV_REMOVE));
	printf("after MADV_REMOVE: %ld, %d of zeroes, %ld given back\n", file_pages(fd), pages_that_are_zero(p) >= 16,
	       full - (before - free_pages(fd)) >= 0);
	SHOW(fallocate(fd, PUNCH, 30 * PAGE + 100, 5 * PAGE)); /* four whole pages */
	printf("bytes around it: %d %d %d %d\n", p[30 * PAGE + 99], p[30 * PAGE + 100], p[35 * PAGE + 99],
	       p[35 * PAGE + 100]);
	SHOW(fallocate(fd, PUNCH, 0, PAGES * PAGE));
	printf("all punched: %ld, of the file system %ld\n", file_pages(fd), before - free_pages(fd));
	munmap(p, PAGES * PAGE);
	close(fd);
	MUST(unlink("/dev/shm/punched"));
	fd = MUST(open("/dev/shm/punched", O_RDWR | O_CREAT | O_TRUNC, 0600));
	printf("and gone: %ld\n", before - free_pages(fd));
	close(fd);
	MUST(unlink("/dev/shm/punched"));
}

static void seals_forbid_it(void)
{
	int fd = sealable();
	char *p = map_shared(fd);

	fill(p);
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)); /* a writable mapping is there */
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	SHOW(madvise(p, PAGE, MADV_REMOVE));
	SHOW(fallocate(fd, PUNCH, 0, PAGE));
	printf("still there: %d, %ld pages\n", p[0], file_pages(fd));
	munmap(p, PAGES * PAGE);
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	SHOW(fallocate(fd, PUNCH, 0, PAGE));
	p = MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	SHOW(madvise(p, PAGE, MADV_REMOVE));
	munmap(p, PAGE);
	close(fd);

	fd = sealable();
	p = map_shared(fd);
	fill(p);
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)); /* no size changes */
	SHOW(madvise(p, PAGE, MADV_REMOVE));
	SHOW(fallocate(fd, PUNCH, PAGE, PAGE));
	SHOW(fallocate(fd, 0, 0, (PAGES + 1) * PAGE));
	SHOW(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 2 * PAGE));
	printf("zeroes: %d\n", pages_that_are_zero(p));
	munmap(p, PAGES * PAGE);
	close(fd);
}

static void what_cannot_be_punched(void)
{
	int fd = sealable(), id;
	char *p = map_shared(fd), *private, *segment;

	MUST(mlock(p, PAGE));
	SHOW(madvise(p, PAGE, MADV_REMOVE));
	MUST(munlock(p, PAGE));
	SHOW(madvise(p, PAGE, MADV_REMOVE));
	MUST(munmap(p + PAGE, PAGE));
	memset(p + 2 * PAGE, 'x', PAGE);
	SHOW(madvise(p, 3 * PAGE, MADV_REMOVE)); /* goes on behind the hole */
	printf("behind the hole: %d\n", p[2 * PAGE]);
	private = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	SHOW(madvise(private, PAGE, MADV_REMOVE));

	segment = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	segment[0] = 'x';
	SHOW(madvise(segment, PAGE, MADV_REMOVE));
	printf("shared anonymous: %d\n", segment[0]);
	id = MUST(shmget(IPC_PRIVATE, PAGE, 0600));
	segment = MUST(shmat(id, NULL, 0));
	segment[0] = 'x';
	SHOW(madvise(segment, PAGE, MADV_REMOVE));
	printf("System V: %d\n", segment[0]);
	MUST(shmctl(id, IPC_RMID, NULL));
}

int main(void)
{
	pages_are_given_back();
	seals_forbid_it();
	what_cannot_be_punched();
	return 0;
}
