/* SPDX-License-Identifier: MIT */
/* Lengths, offsets and flags at the edges of what calls on files take; pipes in packets. */
#include "guest.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static char buf[3 * PAGE];

static void lengths(int fd)
{
	struct iovec bad[2] = { { buf, 10 }, { buf, (size_t)-1 } };

	SHOW(syscall(SYS_read, fd, buf, -1L));
	SHOW(syscall(SYS_write, fd, buf, -1L));
	SHOW(syscall(SYS_pread64, fd, buf, LONG_MIN, 0L));
	SHOW(readv(fd, bad, 2));
	SHOW(writev(fd, bad, 2));
	SHOW(syscall(SYS_readv, fd, bad, -1L));
	SHOW(readv(fd, bad, 0));
	SHOW(readv(fd, opaque(NULL), 0));
	SHOW(syscall(SYS_writev, fd, bad, 1025L));
	SHOW(pread(fd, buf, 1, LONG_MAX));
	SHOW(pread(fd, buf, 10, LONG_MAX - 5));
	SHOW(syscall(SYS_preadv2, fd, bad, 1, -2L, 0, 0));
	SHOW(syscall(SYS_pwritev2, fd, bad, 1, 0L, 0, 2));
	SHOW(syscall(SYS_pwritev2, fd, bad, 1, -1L, 0, 4));
	SHOW(syscall(SYS_pwritev2, fd, bad, 1, 0L, 0, 1 << 20));
}

static void copies(int fd)
{
	int out = MUST(open("copy", O_RDWR | O_CREAT | O_TRUNC, 0600)), append = MUST(open("copy", O_WRONLY | O_APPEND));
	int pipes[2];
	off_t at = -1, to = 0;

	MUST(pipe(pipes));
	SHOW(syscall(SYS_copy_file_range, fd, &at, out, &to, 10L, 0));
	at = 0, to = -1;
	SHOW(syscall(SYS_copy_file_range, fd, &at, out, &to, 10L, 0));
	at = LONG_MAX - 5, to = 0;
	SHOW(syscall(SYS_copy_file_range, fd, &at, out, &to, 10L, 0));
	at = to = 0;
	SHOW(syscall(SYS_copy_file_range, fd, &at, fd, &to, 10L, 0));
	SHOW(syscall(SYS_copy_file_range, fd, &at, pipes[1], NULL, 10L, 0));
	SHOW(syscall(SYS_copy_file_range, fd, &at, out, &to, 10L, 1));
	SHOW(syscall(SYS_copy_file_range, fd, BAD_POINTER, out, &to, 10L, 0));
	SHOW(syscall(SYS_copy_file_range, fd, &at, append, NULL, 10L, 0));
	SHOW(syscall(SYS_copy_file_range, fd, &at, out, &to, 0L, 0));
	SHOW(syscall(SYS_copy_file_range, fd, &at, out, &to, -1L, 0));
	at = -1;
	SHOW(sendfile(out, fd, &at, 10));
	at = 0;
	SHOW(sendfile(append, fd, &at, 10));
	SHOW(sendfile(out, pipes[0], NULL, 10));
	SHOW(sendfile(out, fd, BAD_POINTER, 10));
	SHOW(sendfile(pipes[1], fd, &at, 10));
	printf("at %ld\n", (long)at);
	close(out), close(append), close(pipes[0]), close(pipes[1]);
}

static void sizes(int fd)
{
	int pipes[2], ro = MUST(open("file", O_RDONLY)), dir = MUST(open(".", O_RDONLY));

	MUST(pipe(pipes));
	SHOW(ftruncate(ro, 1));
	SHOW(ftruncate(pipes[1], 1));
	SHOW(ftruncate(dir, 1));
	SHOW(syscall(SYS_fallocate, fd, 0, 0L, 0L));
	SHOW(syscall(SYS_fallocate, fd, 0, -1L, 1L));
	SHOW(syscall(SYS_fallocate, fd, 0, LONG_MAX, 1L));
	SHOW(syscall(SYS_fallocate, fd, 0x1000, 0L, 1L));
	SHOW(syscall(SYS_fallocate, fd, 2, 0L, 1L));
	SHOW(syscall(SYS_fallocate, ro, 0, 0L, 1L));
	SHOW(syscall(SYS_fallocate, pipes[1], 0, 0L, 1L));
	SHOW(syscall(SYS_fallocate, dir, 0, 0L, 1L));
	SHOW(syscall(SYS_fadvise64, fd, 0L, -1L, 0));
	SHOW(syscall(SYS_fadvise64, pipes[0], 0L, 1L, 0));
	SHOW(syscall(SYS_fadvise64, fd, 0L, 1L, 77));
	SHOW(syscall(SYS_sync_file_range, fd, -1L, 1L, 0));
	SHOW(syscall(SYS_sync_file_range, fd, LONG_MAX, 2L, 0));
	SHOW(syscall(SYS_sync_file_range, fd, 0L, 1L, 8));
	SHOW(syscall(SYS_sync_file_range, pipes[0], 0L, 1L, 2));
	SHOW(syscall(SYS_readahead, pipes[0], 0L, 1L));
	SHOW(fsync(pipes[0]));
	SHOW(fsync(dir));
	SHOW(syscall(SYS_getdents64, fd, buf, 1000));
	SHOW(syscall(SYS_getdents64, dir, buf, 10));
	SHOW(read(dir, buf, 1));
	SHOW(lseek(pipes[0], 0, SEEK_CUR));
	SHOW(lseek(pipes[0], 0, 77));
	SHOW(lseek(fd, 0, -1));
	close(pipes[0]), close(pipes[1]), close(ro), close(dir);
}

static void descriptors(int fd)
{
	int spare = MUST(dup(fd));

	SHOW(dup3(fd, fd, 0));
	SHOW(dup3(fd, spare, 1));
	SHOW(dup2(fd, fd) == fd);
	SHOW(dup2(9999, 9999));
	SHOW(dup2(fd, -1));
	SHOW(dup2(fd, 1 << 30));
	SHOW(fcntl(fd, F_DUPFD, -1));
	SHOW(fcntl(fd, F_DUPFD, 1 << 30));
	SHOW(fcntl(fd, 9999, 0));
	SHOW(fcntl(fd, F_SETPIPE_SZ, PAGE));
	SHOW(syscall(SYS_close_range, 9L, 3L, 0));
	SHOW(syscall(SYS_close_range, 500L, ~0L, 8));
	SHOW(syscall(SYS_close_range, 500L, ~0L, 0));
	SHOW(syscall(SYS_ioctl, fd, FIONREAD, BAD_POINTER));
	SHOW(syscall(SYS_eventfd2, 0, 0x10));
	SHOW(syscall(SYS_memfd_create, "x", 0x1000));
	SHOW(syscall(SYS_pipe2, buf, 1));
	SHOW(syscall(SYS_pipe2, BAD_POINTER, 0));
	SHOW(syscall(SYS_poll, NULL, 1L << 30, 0));
	SHOW(select(-1, NULL, NULL, NULL, NULL));
	SHOW(syscall(SYS_openat, AT_FDCWD, "file", O_PATH | O_CREAT | O_EXCL));
	close(spare);
}

static void read_packets(const char *what, int fd, size_t room)
{
	long n = read(fd, buf, room);

	printf("%s: %ld %.10s\n", what, n, n > 0 ? buf : errno_name(errno));
	memset(buf, 0, sizeof(buf));
}

static void packets(void)
{
	int p[2], q[2], available;

	MUST(pipe2(p, O_DIRECT | O_NONBLOCK));
	MUST(pipe2(q, O_NONBLOCK));
	printf("flags %x\n", fcntl(p[1], F_GETFL) & O_DIRECT);
	MUST(write(p[1], "first", 5));
	MUST(write(p[1], "second", 6));
	MUST(ioctl(p[0], FIONREAD, &available));
	printf("available %d\n", available);
	read_packets("a packet", p[0], 100);
	read_packets("a part; the rest is lost", p[0], 3);
	read_packets("none", p[0], 3);
	SHOW(write(p[1], buf, 2 * PAGE + 10));
	read_packets("a page", p[0], sizeof(buf));
	read_packets("a page", p[0], sizeof(buf));
	read_packets("the end", p[0], sizeof(buf));
	MUST(write(p[1], "one", 3));
	MUST(fcntl(p[1], F_SETFL, O_NONBLOCK));
	MUST(write(p[1], "two", 3));
	MUST(write(p[1], "three", 5));
	read_packets("packet before bytes", p[0], 100);
	read_packets("bytes", p[0], 100);
	MUST(fcntl(p[1], F_SETFL, O_NONBLOCK | O_DIRECT));
	MUST(write(p[1], "tee", 3));
	MUST(write(p[1], "twice", 5));
	SHOW(tee(p[0], q[1], 100, 0));
	read_packets("teed", q[0], 100);
	SHOW(splice(p[0], NULL, q[1], NULL, 100, 0));
	read_packets("spliced", q[0], 2);
	read_packets("left", q[0], 100);
	read_packets("left", q[0], 100);
}

/* The time-out's microseconds are more than a number of nanoseconds can hold. */
static void long_wait(void)
{
	struct timeval tv = { 0, 1L << 62 };
	fd_set in;
	int p[2];

	MUST(pipe(p));
	pid_t child = MUST(fork());
	if (!child) {
		usleep(50000);
		MUST(write(p[1], "x", 1));
		_exit(0);
	}
	FD_ZERO(&in);
	FD_SET(p[0], &in);
	SHOW(syscall(SYS_select, p[0] + 1, &in, NULL, NULL, &tv));
	MUST(waitpid(child, NULL, 0));
	close(p[0]), close(p[1]);
}

static void truncated_by_another_user(void)
{
	int fd = MUST(open("set-id", O_RDWR | O_CREAT | O_TRUNC, 0600)), status;
	struct stat st;

	MUST(ftruncate(fd, 10));
	MUST(fchmod(fd, 06777));
	pid_t child = MUST(fork());
	if (!child) {
		MUST(setuid(1234));
		_exit(ftruncate(fd, 5) != 0);
	}
	MUST(waitpid(child, &status, 0));
	show_status("child", status);
	MUST(fstat(fd, &st));
	printf("mode %o size %ld\n", st.st_mode, (long)st.st_size);
	close(fd);
	unlink("set-id");
}

int main(void)
{
	int fd;

	MUST(symlink("somewhere", "link"));
	SHOW(syscall(SYS_readlink, "link", buf, 0x100000004L));
	unlink("link");
	long_wait();
	truncated_by_another_user();
	fd = MUST(open("file", O_RDWR | O_CREAT | O_TRUNC, 0600));
	MUST(ftruncate(fd, 100));
	lengths(fd);
	copies(fd);
	sizes(fd);
	descriptors(fd);
	packets();
	unlink("file"), unlink("copy");
	return 0;
}
