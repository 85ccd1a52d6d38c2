/* SPDX-License-Identifier: MIT */
/*
 * A file grows while the page of its old end is mapped, and writable there since before.
 *
 *	grow_mapped DIRECTORY	in each way of growing: tells what of the stores is in the file, for good
 *
 *	page of the old end	| a   1000|   Q      |       z      y |
 *				  0        1500 stored before: 0 when the file has grown
 *				                      2500, 3000 stored after: kept
 *
 * The file's blocks may be smaller than a page, so the page gets blocks in the file that no store has seen yet.
 * tests/host/ext2_calls.py runs this.
 */
#include "../guest.h"
#include <sys/sendfile.h>
#include <sys/uio.h>

#define DIRECT	040000 /* O_DIRECT, whatever libc says */
#define OLD_END	1000
#define DATA	512

static char data[DATA] __attribute__((aligned(DATA)));
static int source; /* a file of DATA bytes */
static volatile char *mapped; /* the page */

/* ---- Ways to grow a file whose old end is in the page at start ------------------------------------ */

static void by_ftruncate(int fd, long start)
{
	MUST(ftruncate(fd, start + PAGE));
}

static void by_pwrite(int fd, long start)
{
	MUST(pwrite(fd, "e", 1, start + PAGE - 1));
}

static void by_pwrite_to_another_page(int fd, long start)
{
	MUST(pwrite(fd, data, DATA, start + 2 * PAGE + 100));
}

static void by_pwritev(int fd, long start)
{
	struct iovec iov[2] = {{data, 10}, {data, DATA}};

	MUST(pwritev(fd, iov, 2, start + PAGE - 8));
}

static void direct(int fd, long at)
{
	int flags = MUST(fcntl(fd, F_GETFL));

	MUST(fcntl(fd, F_SETFL, flags | DIRECT));
	MUST(pwrite(fd, data, DATA, at));
	MUST(fcntl(fd, F_SETFL, flags));
}

static void by_direct_write(int fd, long start)
{
	direct(fd, start + PAGE - DATA);
}

static void by_direct_write_to_another_page(int fd, long start)
{
	direct(fd, start + PAGE);
}

static void by_posix_fallocate(int fd, long start)
{
	errno = posix_fallocate(fd, 0, start + PAGE);
	MUST(errno ? -1 : 0);
}

static void by_copy_file_range(int fd, long start)
{
	loff_t from = 0, to = start + PAGE - DATA;

	MUST(copy_file_range(source, &from, fd, &to, DATA, 0));
}

static void by_sendfile(int fd, long start)
{
	off_t from = 0;

	MUST(lseek(fd, start + PAGE - DATA, SEEK_SET));
	MUST(sendfile(fd, source, &from, DATA));
}

static void by_splice(int fd, long start)
{
	loff_t to = start + PAGE - DATA;
	int pipes[2];

	MUST(pipe(pipes));
	MUST(write(pipes[1], data, DATA));
	MUST(splice(pipes[0], NULL, fd, &to, DATA, 0));
	close(pipes[0]);
	close(pipes[1]);
}

/* Twice in small steps: the second one finds the page written once more. */
static void by_steps(int fd, long start)
{
	MUST(ftruncate(fd, start + OLD_END + 500));
	MUST(fsync(fd));
	mapped[2] = 'a';
	MUST(ftruncate(fd, start + PAGE));
}

static void by_shrinking_first(int fd, long start)
{
	MUST(ftruncate(fd, start + PAGE));
	mapped[3500] = 'w';
	MUST(fsync(fd));
	mapped[100] = 'b';
	MUST(ftruncate(fd, start + OLD_END));
	mapped[101] = 'c';
	MUST(ftruncate(fd, start + PAGE));
}

static const struct way {
	const char *name;
	void (*grow)(int fd, long start);
} ways[] = {
#define X(name) {#name, by_##name},
	X(ftruncate) X(pwrite) X(pwrite_to_another_page) X(pwritev) X(direct_write) X(direct_write_to_another_page)
	X(posix_fallocate) X(copy_file_range) X(sendfile) X(splice) X(steps) X(shrinking_first)
#undef X
};

/* ---- The stores ------------------------------------------------------------------------------------ */

/* The page as the file has it, past the cache. */
static void compare(int fd, long start, const char *when)
{
	static char now[PAGE] __attribute__((aligned(PAGE)));
	int flags = MUST(fcntl(fd, F_GETFL));

	MUST(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	MUST(fcntl(fd, F_SETFL, flags | DIRECT));
	MUST(pread(fd, now, PAGE, start));
	MUST(fcntl(fd, F_SETFL, flags));
	if (now[0] != 'a' || now[1010] || now[1500] || now[2500] != 'z' || now[3000] != 'y')
		printf("LOST %s: %d %d %d %d %d\n", when, now[0], now[1010], now[1500], now[2500], now[3000]);
}

static void stores(const struct way *way, long start, int synced)
{
	int fd = MUST(open("file", O_RDWR | O_CREAT | O_TRUNC, 0600));
	volatile char *p;
	struct stat st;

	MUST(ftruncate(fd, start + OLD_END));
	p = mapped = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, start);
	p[0] = 'a';
	if (synced)
		MUST(fsync(fd));
	p[1] = 'a';
	p[1010] = p[1500] = 'Q';
	way->grow(fd, start);
	if (p[1010] || p[1500])
		printf("SHOWS what was stored past the end\n");
	p[2500] = 'z';
	MUST(fstat(fd, &st));
	if (st.st_blocks * 512 < (long)PAGE)
		printf("NO PLACE: the page has %ld sectors after the store\n", (long)st.st_blocks);
	p[3000] = 'y';
	MUST(fsync(fd));
	compare(fd, start, "after fsync");
	munmap((void *)p, PAGE);
	compare(fd, start, "after munmap");
	close(fd);
	MUST(unlink("file"));
}

int main(int argc, char **argv)
{
	MUST(chdir(argc > 1 ? argv[1] : "/tmp"));
	memset(data, 'd', DATA);
	source = MUST(open("source", O_RDWR | O_CREAT, 0600));
	MUST(write(source, data, DATA));
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		for (int synced = 0; synced < 2; synced++) {
			stores(&ways[i], 0, synced);
			stores(&ways[i], 3 * PAGE, synced);
		}
		printf("%s\n", ways[i].name);
	}
	/* The last file stays, for e2fsck and for who reads the disk. */
	int fd = MUST(open("left", O_RDWR | O_CREAT, 0600));
	MUST(ftruncate(fd, OLD_END));
	volatile char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	p[0] = 'a';
	MUST(ftruncate(fd, PAGE));
	p[2500] = 'z';
	return 0;
}
