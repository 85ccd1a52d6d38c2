/* SPDX-License-Identifier: MIT */
/*
 * fs_mapped_times.c: a store through a shared mapping is a change of the file: its times, not its set-id bits.
 * Times are told as changed or not, after a pause longer than a tick of any file system's clock.
 */
#include "guest.h"
#include <sys/syscall.h>

/* Longer than a second where the argument is a directory of a file system that keeps seconds. */
static long pause_ms = 30;

static struct stat before;

static void note(int fd)
{
	MUST(fstat(fd, &before));
	sleep_ms(pause_ms);
}

static int differs(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec || a.tv_nsec != b.tv_nsec;
}

static void tell(const char *what, int fd)
{
	struct stat now;
	MUST(fstat(fd, &now));
	printf("%s: mtime %s, ctime %s, mode %o\n", what, differs(now.st_mtim, before.st_mtim) ? "changed" : "same",
	       differs(now.st_ctim, before.st_ctim) ? "changed" : "same", now.st_mode);
}

static char *map(int fd, int prot, int flags)
{
	char *p = mmap(NULL, 2 * PAGE, prot, flags, fd, 0);
	if (p == MAP_FAILED)
		die(__FILE__, __LINE__, "mmap");
	return p;
}

static void stores(int fd, int written_back)
{
	volatile char *p = map(fd, PROT_READ | PROT_WRITE, MAP_SHARED), *q;

	note(fd);
	p[0] = 'a';
	tell("first store", fd);
	note(fd);
	p[1] = 'b';
	tell("store to the same page", fd);
	note(fd);
	p[PAGE] = 'c';
	tell("store to another page", fd);
	MUST(fsync(fd));
	note(fd);
	p[0] = 'd';
	/* On a disk the page was clean after fsync, so this store is noticed; in memory there is nothing to clean. */
	tell(written_back ? "store after fsync" : "store after fsync, in memory", fd);
	munmap((void *)p, 2 * PAGE);

	q = map(fd, PROT_READ, MAP_SHARED);
	note(fd);
	(void)q[0];
	tell("load", fd);
	MUST(mprotect((void *)q, 2 * PAGE, PROT_READ | PROT_WRITE));
	munmap((void *)q, 2 * PAGE);

	q = map(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	note(fd);
	q[0] = 'e';
	tell("store to a private mapping", fd);
	munmap((void *)q, 2 * PAGE);
}

/* read(2) into a shared mapping of a file stores to it as well, and so does a child. */
static int store_in_child(void *arg)
{
	((volatile char *)arg)[0] = 'x';
	return 0;
}

static void indirect_stores(int fd)
{
	char *p = map(fd, PROT_READ | PROT_WRITE, MAP_SHARED);
	int zero = MUST(open("/dev/zero", O_RDONLY));

	note(fd);
	MUST(read(zero, p, 10));
	tell("read into the mapping", fd);
	munmap(p, 2 * PAGE);
	p = map(fd, PROT_READ | PROT_WRITE, MAP_SHARED);
	note(fd);
	run_child(store_in_child, p);
	tell("store by a child", fd);
	munmap(p, 2 * PAGE);
	close(zero);
}

int main(int argc, char **argv)
{
	const char *path = "mapped_times";
	int fd;

	if (argc > 1)
		pause_ms = 1100;
	MUST(chdir(argc > 1 ? argv[1] : "/dev/shm"));
	unlink(path);
	fd = MUST(open(path, O_RDWR | O_CREAT, 0600));
	MUST(ftruncate(fd, 2 * PAGE));
	MUST(fchmod(fd, 06711));
	stores(fd, argc > 1);
	indirect_stores(fd);
	close(fd);
	unlink(path);

	fd = MUST((int)syscall(SYS_memfd_create, "m", 0));
	MUST(ftruncate(fd, 2 * PAGE));
	volatile char *p = map(fd, PROT_READ | PROT_WRITE, MAP_SHARED);
	note(fd);
	p[0] = 'a';
	tell("memfd", fd);
	return 0;
}
