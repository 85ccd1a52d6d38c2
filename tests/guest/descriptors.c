/* SPDX-License-Identifier: MIT */
/*
 * The descriptor table: lowest free number, dup, dup2, dup3, fcntl (F_DUPFD, F_GETFD, F_GETFL,
 * F_SETFL), what duplicates share (offset, status flags) and what not (close-on-exec), the
 * same across fork, RLIMIT_NOFILE, EBADF for everything on a closed descriptor.
 */
#include "guest.h"

static void lowest_free(void)
{
	int fds[5];
	for (int i = 0; i < 5; i++)
		fds[i] = MUST(open("file", O_RDONLY));
	printf("in order:");
	for (int i = 0; i < 5; i++)
		printf(" %d", fds[i] - fds[0]);
	printf("\n");
	int low = fds[0];
	close(fds[1]);
	close(fds[3]);
	SHOW(dup(fds[0]) - low);
	SHOW(dup(fds[0]) - low);
	SHOW(dup(fds[0]) - low);
	SHOW(fcntl(fds[0], F_DUPFD, low + 10) - low);
	SHOW(fcntl(fds[0], F_DUPFD, low + 10) - low);
	for (int fd = low; fd < low + 20; fd++)
		close(fd);
}

static void duplicates(void)
{
	char text[8];
	int fd = MUST(open("file", O_RDWR));
	int copy = MUST(dup(fd)), other = MUST(open("file", O_RDWR));
	MUST(lseek(fd, 100, SEEK_SET));
	printf("offset of the duplicate %ld, of another open %ld\n", (long)lseek(copy, 0, SEEK_CUR),
	       (long)lseek(other, 0, SEEK_CUR));
	MUST(read(copy, text, 8));
	printf("after read through it %ld\n", (long)lseek(fd, 0, SEEK_CUR));
	MUST(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
	printf("flags of the duplicate: append %d nonblock %d, access %d\n",
	       !!(fcntl(copy, F_GETFL) & O_APPEND), !!(fcntl(copy, F_GETFL) & O_NONBLOCK),
	       fcntl(copy, F_GETFL) & O_ACCMODE);
	MUST(fcntl(fd, F_SETFD, FD_CLOEXEC));
	printf("close-on-exec: original %d, duplicate %d\n", fcntl(fd, F_GETFD), fcntl(copy, F_GETFD));
	SHOW(fcntl(fd, F_SETFL, O_RDONLY | O_CREAT | O_TRUNC)); /* only status flags count */
	printf("access %d, append %d\n", fcntl(fd, F_GETFL) & O_ACCMODE, !!(fcntl(fd, F_GETFL) & O_APPEND));
	close(fd);
	printf("after close of the original: %ld\n", (long)read(copy, text, 8));
	close(copy);
	close(other);
}

static int child_reads(void *fd)
{
	char text[50];
	long got = read(*(int *)fd, text, 50);
	printf("child reads %ld\n", got);
	MUST(close(*(int *)fd));
	return 0;
}

static void across_fork(void)
{
	int fd = MUST(open("file", O_RDONLY));
	run_child(child_reads, &fd);
	printf("offset after the child's read: %ld\n", (long)lseek(fd, 0, SEEK_CUR));
	close(fd);
}

static void errors(void)
{
	int fd = MUST(open("file", O_RDONLY)), closed = MUST(dup(fd));
	char c;
	struct stat st;
	close(closed);
	SHOW(dup2(fd, fd) == fd);
	SHOW(dup3(fd, fd, 0));
	SHOW(syscall(SYS_dup3, fd, closed, 0x1234));
	SHOW(dup2(closed, 20));
	SHOW(dup2(closed, closed));
	SHOW(dup2(fd, -1));
	SHOW(dup2(fd, 1 << 30));
	SHOW(dup(-1));
	SHOW(dup(closed));
	SHOW(close(closed));
	SHOW(close(-1));
	SHOW(read(closed, &c, 1));
	SHOW(write(closed, &c, 1));
	SHOW(lseek(closed, 0, SEEK_SET));
	SHOW(fstat(closed, &st));
	SHOW(fcntl(closed, F_GETFL));
	SHOW(fcntl(fd, 9999));
	SHOW(fcntl(fd, F_DUPFD, -1));
	SHOW(fcntl(fd, F_DUPFD, 1 << 30));
	SHOW(ftruncate(closed, 0));
	SHOW(fchdir(closed));
	SHOW(fchdir(fd));
	SHOW(fsync(closed));
	SHOW_OK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, closed, 0));
	SHOW(write(fd, &c, 1));
	close(fd);
	fd = MUST(open("file", O_WRONLY));
	SHOW(read(fd, &c, 1));
	close(fd);
}

static void limit(void)
{
	struct rlimit old, small;
	int count = 0, fds[64];
	MUST(getrlimit(RLIMIT_NOFILE, &old));
	small = old;
	small.rlim_cur = 20;
	MUST(setrlimit(RLIMIT_NOFILE, &small));
	while ((fds[count] = open("file", O_RDONLY)) != -1)
		count++;
	printf("with RLIMIT_NOFILE 20: highest %d, then %s\n", fds[count - 1], errno_name(errno));
	SHOW(dup(0));
	SHOW(pipe(fds + 50));
	SHOW(fcntl(0, F_DUPFD, 20));
	SHOW(dup2(0, 20));
	SHOW(dup2(0, 19));
	for (int i = 0; i < count; i++)
		close(fds[i]);
	close(19);
	MUST(setrlimit(RLIMIT_NOFILE, &old));
}

/* Very many at once: the table grows. */
static void many(void)
{
	int count = 0, highest = -1, fd = MUST(open("file", O_RDONLY));
	for (int i = 0; i < 900; i++) {
		int copy = dup(fd);
		count += copy != -1;
		highest = copy > highest ? copy : highest;
	}
	printf("900 duplicates: made %d, numbers without gaps: %s\n", count, highest - fd == 900 ? "yes" : "no");
	for (int i = fd; i <= highest; i++)
		close(i);
}

int main(void)
{
	close_inherited();
	scratch_enter();
	close(make_file("file", 1000));
	lowest_free();
	duplicates();
	across_fork();
	errors();
	limit();
	many();
	MUST(unlink("file"));
	scratch_leave();
	return 0;
}
