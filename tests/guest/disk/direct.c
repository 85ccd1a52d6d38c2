/* SPDX-License-Identifier: MIT */
/*
 * O_DIRECT: what is accepted, alignment, coherence with calls and mappings, bad memory, fork.
 *
 *	flags			where it can be had; /mnt is ext2
 *	file PATH		a file: prints what Linux 6.1 prints, too
 *	device PATH		a disk: the same; its first 64 KiB are restored
 *	fork FILE		reads beside a thread that forks and stores (Linux promises less)
 *	kill FILE		children killed in the midst of writing
 *	stores FILE		writes beside a thread that stores through a mapping, in which both can win
 *
 * tests/host/direct_io.py runs this.
 */
#include "../guest.h"
#include <pthread.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define SECTOR 512
#define DIRECT 040000 /* O_DIRECT, whatever libc says */

static char *memory(size_t pages)
{
	char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? (perror("mmap"), exit(1), NULL) : p;
}

static void fill(char *p, size_t n, int tag)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i / SECTOR * 7 + i + tag);
}

static const char *same(const void *a, const void *b, size_t n)
{
	return memcmp(a, b, n) ? "DIFFERENT" : "same";
}

/* ---- Where it can be had ------------------------------------------------------------------------- */

static void flags(void)
{
	int pipes[2], sockets[2], fd;

	SHOW(open("/tmp/new", O_RDWR | O_CREAT | DIRECT, 0600));
	SHOW(access("/tmp/new", F_OK));
	SHOW(open("/tmp", O_RDONLY | DIRECT));
	SHOW(open("/tmp", O_TMPFILE | O_RDWR | DIRECT, 0600));
	SHOW(open("/dev/null", O_RDWR | DIRECT));
	SHOW(open("/proc/self/status", O_RDONLY | DIRECT));
	fd = MUST(open("/tmp/new", O_RDWR));
	SHOW(fcntl(fd, F_SETFL, DIRECT));
	fd = MUST(memfd_create("m", 0));
	SHOW(fcntl(fd, F_SETFL, DIRECT));
	MUST(pipe(pipes));
	SHOW(fcntl(pipes[1], F_SETFL, DIRECT));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	SHOW(fcntl(sockets[0], F_SETFL, DIRECT));
	fd = MUST(open("/mnt/flags", O_RDWR | O_CREAT, 0600));
	SHOW(fcntl(fd, F_SETFL, DIRECT));
	printf("flag is %s\n", fcntl(fd, F_GETFL) & DIRECT ? "on" : "off");
	SHOW(pwrite(fd, "x", 1, 0));
	SHOW(fcntl(fd, F_SETFL, 0));
	SHOW(pwrite(fd, "x", 1, 0));
	SHOW(close(MUST(open("/tmp/new", O_PATH | DIRECT))));
}

/* ---- Calls on one file ------------------------------------------------------------------------------ */

/* Position, length and address: each off by less than a sector. */
static void alignment(int fd, char *p)
{
	SHOW(pread(fd, p + 1, SECTOR, 0));
	SHOW(pread(fd, p, SECTOR - 1, 0));
	SHOW(pread(fd, p, SECTOR, 3));
	SHOW(pwrite(fd, p + 8, SECTOR, 0));
	SHOW(pwrite(fd, p, 100, 0));
	SHOW(pwrite(fd, p, SECTOR, 511));
	SHOW(pread(fd, p + 3 * SECTOR, SECTOR, 5 * SECTOR));
	SHOW(pread(fd, p, 0, 1));
	SHOW(pwrite(fd, p, 0, 1));
}

static void vectors(int fd, char *p)
{
	struct iovec two[2] = { { p, 2 * SECTOR }, { p + PAGE, 3 * SECTOR } };

	SHOW(pwritev(fd, two, 2, 0));
	SHOW(preadv(fd, two, 2, SECTOR));
	two[1].iov_len = 100;
	SHOW(preadv(fd, two, 2, 0));
	SHOW(pwritev(fd, two, 2, 0));
	two[1].iov_len = SECTOR;
	two[1].iov_base = p + PAGE + 1;
	SHOW(preadv(fd, two, 2, 0));
	SHOW(lseek(fd, 0, SEEK_SET));
	two[1].iov_base = p + PAGE;
	SHOW(readv(fd, two, 2));
	SHOW(lseek(fd, 0, SEEK_CUR));
}

/* Calls, direct calls and a mapping of 16 pages of the same file. */
static void coherence(int direct, int fd, char *p, char *map)
{
	char *other = memory(16);

	fill(p, 16 * PAGE, 1);
	SHOW(pwrite(direct, p, 16 * PAGE, 0));
	printf("mapping: %s\n", same(map, p, 16 * PAGE));
	SHOW(pread(fd, other, 16 * PAGE, 0));
	printf("call: %s\n", same(other, p, 16 * PAGE));
	memset(map + 3 * PAGE, 's', 100);
	memset(p + 3 * PAGE, 's', 100);
	SHOW(pread(direct, other, 16 * PAGE, 0));
	printf("store read directly: %s\n", same(other, p, 16 * PAGE));
	SHOW(pwrite(fd, "call", 4, 5 * PAGE + 10));
	memcpy(p + 5 * PAGE + 10, "call", 4);
	SHOW(pread(direct, other, 16 * PAGE, 0));
	printf("call read directly: %s\n", same(other, p, 16 * PAGE));
	memset(map + 7 * PAGE, 'd', PAGE);
	fill(p + 7 * PAGE, PAGE, 9);
	SHOW(pwrite(direct, p + 7 * PAGE, PAGE, 7 * PAGE));
	printf("written directly over a store: %s\n", same(map, p, 16 * PAGE));
	SHOW(fsync(fd));
	munmap(other, 16 * PAGE);
}

/* From and to a mapping of the very file. */
static void to_itself(int direct, char *p, char *map)
{
	SHOW(pread(direct, map + 2 * PAGE, PAGE, 9 * PAGE));
	printf("read to its mapping: %s\n", same(map + 2 * PAGE, p + 9 * PAGE, PAGE));
	SHOW(pwrite(direct, map + 2 * PAGE, PAGE, 11 * PAGE));
	printf("written from its mapping: %s\n", same(map + 11 * PAGE, p + 9 * PAGE, PAGE));
	SHOW(pread(direct, p, PAGE, 2 * PAGE));
	printf("on the disk: %s\n", same(p, map + 11 * PAGE, PAGE));
}

static void bad_memory(int direct, char *p)
{
	long n;

	MUST(mprotect(p + 2 * PAGE, PAGE, PROT_NONE));
	SHOW(pread(direct, p + 2 * PAGE, PAGE, 0));
	SHOW(pwrite(direct, p + 2 * PAGE, PAGE, 0));
	n = pread(direct, p, 4 * PAGE, 0);
	printf("half of it: %s\n", n == 2 * PAGE || (n == -1 && errno == EFAULT) ? "part or EFAULT" : "?");
	MUST(mprotect(p + 2 * PAGE, PAGE, PROT_READ));
	SHOW(pwrite(direct, p + 2 * PAGE, PAGE, 2 * PAGE));
	SHOW(pread(direct, p + 2 * PAGE, PAGE, 0));
	MUST(mprotect(p + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE));
}

/* Memory shared with a child: what is read is the reader's alone. */
static void shared_memory(int direct, char *p)
{
	int status;
	pid_t child;

	memset(p, 'c', PAGE);
	child = MUST(fork());
	if (!child) {
		sleep(1);
		_exit(p[0] == 'c' && p[PAGE - 1] == 'c' ? 0 : 1);
	}
	SHOW(pread(direct, p, PAGE, 0));
	printf("first is %s\n", p[0] == 'c' && p[1] == 'c' ? "old" : "new");
	MUST(waitpid(child, &status, 0));
	show_status("child", status);
}

static void both(int direct, int fd)
{
	char *p = memory(16), *map = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	coherence(direct, fd, p, map);
	alignment(direct, p);
	vectors(direct, p);
	coherence(direct, fd, p, map);
	to_itself(direct, p, map);
	bad_memory(direct, p);
	shared_memory(direct, p);
	MUST(munmap(map, 16 * PAGE));
}

static long size_of(int fd)
{
	struct stat st;

	MUST(fstat(fd, &st));
	return (long)st.st_size;
}

/* The end moves, holes are filled, the middle of the last block. */
static void size_and_holes(int direct, int fd)
{
	char *p = memory(4), *other = memory(4);

	MUST(ftruncate(fd, 0));
	fill(p, 4 * PAGE, 3);
	SHOW(pread(direct, p, PAGE, 0));
	SHOW(pwrite(direct, p, PAGE, 0));
	SHOW(pwrite(direct, p, SECTOR, PAGE));
	printf("size %ld\n", size_of(fd));
	MUST(ftruncate(fd, PAGE + 100));
	SHOW(pread(direct, other, 2 * PAGE, 0));
	printf("to the end: %s\n", same(other, p, PAGE));
	printf("and after: %s\n", same(other + PAGE, p, 100));
	SHOW(pread(direct, other, PAGE, 64 * PAGE));
	SHOW(pread(direct, other, 100, 64 * PAGE));
	SHOW(pwrite(direct, p, 2 * PAGE, 20 * PAGE));
	printf("size %ld\n", size_of(fd));
	SHOW(pread(direct, other, 4 * PAGE, PAGE));
	printf("hole: %d %d\n", other[101], other[3 * PAGE]);
	SHOW(pwrite(direct, p + PAGE, 2 * PAGE, 10 * PAGE));
	SHOW(pwrite(direct, p, SECTOR, 15 * PAGE + SECTOR));
	SHOW(pread(direct, other, PAGE, 15 * PAGE));
	printf("in a hole: %d %s %d\n", other[SECTOR - 1], same(other + SECTOR, p, SECTOR), other[2 * SECTOR]);
	SHOW(pread(fd, other, 2 * PAGE, 10 * PAGE));
	printf("filled: %s\n", same(other, p + PAGE, 2 * PAGE));
	/* What is not cached is no hole. */
	SHOW(lseek(direct, PAGE, SEEK_DATA));
	SHOW(lseek(direct, 24 * PAGE, SEEK_DATA));
	MUST(fcntl(direct, F_SETFL, O_APPEND | DIRECT));
	SHOW(write(direct, p, PAGE));
	printf("size %ld\n", size_of(fd));
	MUST(fcntl(direct, F_SETFL, DIRECT));
}

static int file(const char *path)
{
	int direct = MUST(open(path, O_RDWR | O_CREAT | DIRECT, 0600)), fd = MUST(open(path, O_RDWR));

	MUST(ftruncate(fd, 16 * PAGE));
	both(direct, fd);
	size_and_holes(direct, fd);
	SHOW(fsync(direct));
	return 0;
}

static int device(const char *path)
{
	int direct = MUST(open(path, O_RDWR | DIRECT)), fd = MUST(open(path, O_RDWR));
	char *old = memory(16), *p = memory(1);
	off_t end = MUST(lseek(fd, 0, SEEK_END));

	MUST(pread(fd, old, 16 * PAGE, 0));
	both(direct, fd);
	SHOW(pread(direct, p, PAGE, end - SECTOR));
	SHOW(pread(direct, p, PAGE, end));
	SHOW(pwrite(direct, p, PAGE, end));
	SHOW(pread(direct, p, SECTOR, end - SECTOR));
	SHOW(pwrite(direct, p, PAGE, end - SECTOR));
	SHOW(pwrite(direct, old, 16 * PAGE, 0));
	return 0;
}

/* ---- Fork and kill -------------------------------------------------------------------------------------- */

#define ROUNDS 200
static char *half;
static volatile int done;

static void *fork_and_store(void *unused)
{
	unsigned int turn = 0;

	(void)unused;
	while (!done) {
		pid_t child = MUST(fork());

		if (!child)
			_exit(0);
		for (int i = 0; i < 50; i++) { /* beside what is being read */
			*(volatile unsigned int *)(half + PAGE - 4) = ++turn;
			if (*(volatile unsigned int *)(half + PAGE - 4) != turn)
				printf("a store is lost\n"), exit(1);
		}
		MUST(waitpid(child, NULL, 0));
	}
	return NULL;
}

static int forks(const char *path)
{
	int direct = MUST(open(path, O_RDWR | O_CREAT | O_TRUNC | DIRECT, 0600));
	char *p = memory(1);
	pthread_t thread;

	half = memory(1);
	fill(p, PAGE, 5);
	MUST(pwrite(direct, p, PAGE, 0));
	pthread_create(&thread, NULL, fork_and_store, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		memset(half, 0, PAGE / 2);
		MUST(pread(direct, half, PAGE / 2, 0));
		if (memcmp(half, p, PAGE / 2))
			printf("what was read is lost in round %d\n", i), exit(1);
	}
	done = 1;
	pthread_join(thread, NULL);
	printf("nothing is lost\n");
	return 0;
}

static int killed(const char *path)
{
	char *p = memory(256);

	for (int i = 0; i < 20; i++) {
		int status;
		pid_t child = MUST(fork());

		if (!child) {
			int direct = MUST(open(path, O_RDWR | O_CREAT | O_TRUNC | DIRECT, 0600));

			for (;;) {
				if (pwrite(direct, p, 256 * PAGE, 0) < 0 || ftruncate(direct, 0))
					_exit(1);
			}
		}
		usleep(3000 + i * 2100);
		kill(child, SIGKILL);
		MUST(waitpid(child, &status, 0));
		if (!WIFSIGNALED(status))
			show_status("child", status);
	}
	printf("killed\n");
	return 0;
}

static void *store_always(void *mapped)
{
	while (!done)
		++*(volatile char *)mapped;
	return NULL;
}

static int stores(const char *path)
{
	int direct = MUST(open(path, O_RDWR | O_CREAT | O_TRUNC | DIRECT, 0600));
	char *p = memory(1), *mapped;
	pthread_t thread;

	MUST(pwrite(direct, p, PAGE, 0));
	mapped = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, direct, 0));
	pthread_create(&thread, NULL, store_always, mapped);
	for (int i = 0; i < 5 * ROUNDS; i++)
		MUST(pwrite(direct, p, PAGE, 0));
	done = 1;
	pthread_join(thread, NULL);
	printf("written\n");
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "flags"))
		return flags(), 0;
	if (argc < 3)
		return 2;
	if (!strcmp(what, "file"))
		return file(argv[2]);
	if (!strcmp(what, "device"))
		return device(argv[2]);
	if (!strcmp(what, "fork"))
		return forks(argv[2]);
	if (!strcmp(what, "kill"))
		return killed(argv[2]);
	if (!strcmp(what, "stores"))
		return stores(argv[2]);
	return 2;
}
