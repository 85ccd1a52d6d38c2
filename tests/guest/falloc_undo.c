/* SPDX-License-Identifier: MIT */
/*
 * A fallocate() on tmpfs that fails leaves the file as it was: what it has allocated goes, what was there before stays. It
 * fails for a range larger than the file system, for one that has no room, and when a signal comes.
 */
#include "guest.h"
#include <sys/mount.h>
#include <sys/time.h>

#define MOUNT	   "/tmp/small"
#define ALL_PAGES  256l /* size=1m */
#define BIG	   (48l << 20)
#define MAX_TRIES  200
#define DATA_PAGE  5l
#define SPARE_PAGE 9l /* allocated by an earlier call, not used */
#define FAR_PAGE   40l

static void show_file(const char *when, int fd)
{
	struct stat st;
	MUST(fstat(fd, &st));
	printf("%-28s %ld bytes, %ld blocks\n", when, (long)st.st_size, (long)st.st_blocks);
}

static void show_data(int fd)
{
	char text[8] = "";
	SHOW(pread(fd, text, 4, DATA_PAGE * PAGE));
	printf("\"%s\" ", text);
	SHOW(pread(fd, text, 4, FAR_PAGE * PAGE));
	printf("\"%s\"\n", text);
}

/* Another file can still be filled with n pages, so nothing is kept in secret. */
static void fill_and_remove(long n)
{
	static char page[PAGE];
	int fd = MUST(open(MOUNT "/other", O_RDWR | O_CREAT, 0600));
	long written = 0;
	while (written < n && write(fd, page, PAGE) == (long)PAGE)
		written++;
	printf("another file: %ld of %ld pages\n", written, n);
	close(fd);
	MUST(unlink(MOUNT "/other"));
}

static void larger_than_the_file_system(int fd)
{
	SHOW(fallocate(fd, 0, 0, 1l << 46));
	show_file("64 TiB", fd);
	SHOW(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (ALL_PAGES + 1) * PAGE));
	show_file("a page more than there are", fd);
	fill_and_remove(ALL_PAGES - 8);
}

static void without_room(int fd)
{
	int other = MUST(open(MOUNT "/used", O_RDWR | O_CREAT, 0600));
	SHOW(fallocate(other, 0, 0, 100 * PAGE));
	SHOW(pwrite(fd, "data", 4, DATA_PAGE * PAGE));
	SHOW(fallocate(fd, FALLOC_FL_KEEP_SIZE, SPARE_PAGE * PAGE, 2 * PAGE));
	volatile char *p = MUST(mmap(NULL, 50 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	SHOW(ftruncate(fd, 50 * PAGE));
	memcpy((char *)p + FAR_PAGE * PAGE, "far", 4);
	show_file("two with data, two spare", fd);
	SHOW(fallocate(fd, 0, 0, 200 * PAGE));
	show_file("no room for 200 pages", fd);
	SHOW(fallocate(fd, 0, DATA_PAGE * PAGE + 100, 190 * PAGE));
	show_file("none for 190 at an offset", fd);
	show_data(fd);
	p[30 * PAGE] = 'x';
	printf("a page behind: %d\n", p[31 * PAGE]);
	show_file("two more by stores", fd);
	SHOW(close(other));
	SHOW(unlink(MOUNT "/used"));
	fill_and_remove(ALL_PAGES - 16);
	SHOW(fallocate(fd, 0, 0, 200 * PAGE));
	show_file("with room", fd);
	munmap((void *)p, 50 * PAGE);
}

static void ignore_alarm(int sig)
{
	(void)sig;
}

static int punch(int fd, long offset, long length)
{
	return fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, offset, length);
}

/* Until a signal comes in the midst of a call. */
static void interrupted(void)
{
	const struct sigaction act = { .sa_handler = ignore_alarm };
	const struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never = { 0 };
	int fd = MUST(open("/tmp/big", O_RDWR | O_CREAT, 0600)), err = 0;
	MUST(pwrite(fd, "data", 4, DATA_PAGE * PAGE));
	MUST(sigaction(SIGALRM, &act, NULL));
	MUST(setitimer(ITIMER_REAL, &often, NULL));
	for (int i = 0; i < MAX_TRIES && !err; i++) {
		err = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, BIG) ? errno : 0;
		if (!err) {
			MUST(punch(fd, 0, DATA_PAGE * PAGE));
			MUST(punch(fd, (DATA_PAGE + 1) * PAGE, BIG));
		}
	}
	MUST(setitimer(ITIMER_REAL, &never, NULL));
	printf("interrupted: %s\n", err == EINTR ? "EINTR" : "something else");
	show_file("after the signal", fd);
	MUST(unlink("/tmp/big"));
}

int main(void)
{
	MUST(mkdir(MOUNT, 0777));
	MUST(mount("x", MOUNT, "tmpfs", 0, "size=1m"));
	int fd = MUST(open(MOUNT "/file", O_RDWR | O_CREAT, 0600));
	larger_than_the_file_system(fd);
	without_room(fd);
	interrupted();
	MUST(close(fd));
	SHOW(umount(MOUNT));
	MUST(rmdir(MOUNT));
	return 0;
}
