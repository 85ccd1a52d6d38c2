/* SPDX-License-Identifier: MIT */
/*
 * splice, tee, vmsplice, sendfile: data through pipes between files, pipes, sockets and user memory; what is
 * shared and what is copied; offsets, short counts, waiting, ends, and every errno.
 */
#include "guest.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

static char buf[1 << 17];

static void show_pipe(const char *what, int fd)
{
	long n = read(fd, buf, sizeof(buf));
	if (n < 0)
		printf("%s: %s\n", what, errno_name(errno));
	else
		printf("%s: %ld %x '%.*s'\n", what, n, checksum(buf, n), (int)(n < 20 ? n : 0), buf);
}

static int queued(int fd)
{
	int bytes = -1;
	MUST(ioctl(fd, FIONREAD, &bytes));
	return bytes;
}

static int new_pipe(int p[2], int flags)
{
	return MUST(pipe2(p, flags));
}

static void from_files(void)
{
	int p[2], file = make_file("file", 3 * PAGE + 100);
	loff_t at = 10;
	new_pipe(p, O_NONBLOCK);
	SHOW(lseek(file, 0, SEEK_SET));
	SHOW(splice(file, NULL, p[1], NULL, 20, 0));
	SHOW(lseek(file, 0, SEEK_CUR));
	show_pipe("start", p[0]);
	at = PAGE - 2;
	SHOW(splice(file, &at, p[1], NULL, 4, 0));
	printf("offset %ld\n", (long)at);
	show_pipe("two pages", p[0]);
	at = 3 * PAGE;
	SHOW(splice(file, &at, p[1], NULL, 1000, 0));
	SHOW(splice(file, &at, p[1], NULL, 1000, 0));
	show_pipe("tail", p[0]);
	at = 1 << 20;
	SHOW(splice(file, &at, p[1], NULL, 1000, 0));
	/* What a write appends does not get into the file's page. */
	at = 0;
	SHOW(splice(file, &at, p[1], NULL, 3, 0));
	SHOW(write(p[1], "XYZ", 3));
	show_pipe("both", p[0]);
	SHOW(pread(file, buf, 6, 0));
	printf("%.6s\n", buf);
	/* The pipe has the page, not a copy. */
	at = 0;
	SHOW(splice(file, &at, p[1], NULL, 3, 0));
	SHOW(pwrite(file, "new", 3, 0));
	show_pipe("changed", p[0]);
	at = 0;
	SHOW(splice(file, &at, p[1], NULL, 3, 0));
	SHOW(ftruncate(file, 0));
	show_pipe("truncated", p[0]);
	close(file);
	/* A file that was never touched: a hole. */
	file = MUST(open("hole", O_RDWR | O_CREAT, 0600));
	MUST(ftruncate(file, 2 * PAGE));
	at = 0;
	SHOW(splice(file, &at, p[1], NULL, 2 * PAGE, 0));
	show_pipe("hole", p[0]);
	/* As much as there is room for. */
	at = 0;
	MUST(ftruncate(file, 1 << 20));
	SHOW(splice(file, &at, p[1], NULL, 1 << 20, 0));
	SHOW(splice(file, &at, p[1], NULL, 1 << 20, 0));
	SHOW(splice(file, &at, p[1], NULL, 1 << 20, SPLICE_F_NONBLOCK));
	printf("queued %d\n", queued(p[0]));
	close(file);
	close(p[0]);
	close(p[1]);
	unlink("file");
	unlink("hole");
}

static void to_files(void)
{
	int p[2], file = MUST(open("out", O_RDWR | O_CREAT, 0600)), null = MUST(open("/dev/null", O_WRONLY));
	loff_t at = 5000;
	new_pipe(p, 0);
	MUST(write(p[1], "hello world", 11));
	SHOW(splice(p[0], NULL, file, NULL, 5, 0));
	SHOW(splice(p[0], NULL, file, &at, 100, 0));
	printf("offset %ld position %ld\n", (long)at, (long)lseek(file, 0, SEEK_CUR));
	SHOW(pread(file, buf, sizeof(buf), 0));
	printf("%.5s|%.6s\n", buf, buf + 5000);
	SHOW(splice(p[0], NULL, file, NULL, 5, SPLICE_F_NONBLOCK));
	MUST(write(p[1], "gone", 4));
	SHOW(splice(p[0], NULL, null, NULL, 100, 0));
	MUST(fcntl(file, F_SETFL, O_APPEND));
	MUST(write(p[1], "x", 1));
	SHOW(splice(p[0], NULL, file, NULL, 5, 0));
	close(p[1]);
	MUST(fcntl(file, F_SETFL, 0));
	SHOW(splice(p[0], NULL, file, NULL, 5, 0));
	SHOW(splice(p[0], NULL, file, NULL, 5, 0));
	close(p[0]);
	close(null);
	close(file);
	unlink("out");
}

static void between_pipes(void)
{
	int a[2], b[2];
	new_pipe(a, O_NONBLOCK);
	new_pipe(b, O_NONBLOCK);
	SHOW(tee(a[0], b[1], 10, 0));
	SHOW(splice(a[0], NULL, b[1], NULL, 10, 0));
	MUST(write(a[1], "abcdefgh", 8));
	SHOW(tee(a[0], b[1], 5, 0));
	MUST(write(a[1], "ijk", 3)); /* behind what is shared */
	MUST(write(b[1], "!", 1));
	show_pipe("tee", b[0]);
	SHOW(splice(a[0], NULL, b[1], NULL, 4, 0));
	SHOW(splice(a[0], NULL, b[1], NULL, 100, 0));
	show_pipe("moved", b[0]);
	show_pipe("left", a[0]);
	SHOW(tee(a[0], b[1], 0, 0));
	SHOW(tee(a[0], a[1], 1, 0));
	SHOW(splice(a[0], NULL, a[1], NULL, 1, 0));
	memset(buf, 'f', sizeof(buf));
	MUST(fcntl(b[1], F_SETPIPE_SZ, PAGE));
	MUST(write(a[1], buf, 3 * PAGE));
	SHOW(tee(a[0], b[1], 2 * PAGE, 0));
	SHOW(tee(a[0], b[1], 2 * PAGE, 0));
	SHOW(splice(a[0], NULL, b[1], NULL, 2 * PAGE, 0));
	printf("queued %d %d\n", queued(a[0]), queued(b[0]));
	close(b[0]);
	signal(SIGPIPE, SIG_IGN);
	SHOW(splice(a[0], NULL, b[1], NULL, 10, 0));
	SHOW(tee(a[0], b[1], 10, 0));
	signal(SIGPIPE, SIG_DFL);
	close(b[1]);
	new_pipe(b, 0);
	close(a[1]);
	SHOW(splice(a[0], NULL, b[1], NULL, 1 << 20, 0));
	SHOW(splice(a[0], NULL, b[1], NULL, 1 << 20, 0));
	SHOW(tee(a[0], b[1], 1 << 20, 0));
	close(a[0]);
	close(b[0]);
	close(b[1]);
}

static void user_memory(void)
{
	int p[2], plain = MUST(open("/dev/zero", O_RDWR));
	char *page = map_anon(4 * PAGE, PROT_READ | PROT_WRITE), *zero = map_anon(PAGE, PROT_READ);
	struct iovec v[3] = { { page + 10, 5 }, { NULL, 0 }, { page + PAGE - 2, 4 } };
	new_pipe(p, O_NONBLOCK);
	strcpy(page + 10, "words");
	memcpy(page + PAGE - 2, "edge", 4);
	SHOW(vmsplice(p[1], v, 3, 0));
	printf("queued %d\n", queued(p[0]));
	MUST(write(p[1], "+", 1));
	page[10] = 'W'; /* is seen */
	show_pipe("user", p[0]);
	printf("%.6s\n", page + PAGE - 2); /* the + is not in here */
	SHOW(vmsplice(p[1], &(struct iovec){ zero, 4 }, 1, 0));
	show_pipe("zero page", p[0]);
	SHOW(vmsplice(p[1], &(struct iovec){ page + PAGE, 2 * PAGE }, 1, SPLICE_F_GIFT));
	MUST(munmap(page + PAGE, 2 * PAGE)); /* lives on in the pipe */
	show_pipe("unmapped", p[0]);
	/* From a pipe: a read. */
	MUST(write(p[1], "to user", 7));
	SHOW(vmsplice(p[0], &(struct iovec){ page, 100 }, 1, 0));
	printf("%.7s\n", page);
	SHOW(vmsplice(p[0], &(struct iovec){ page, 100 }, 1, SPLICE_F_NONBLOCK));
	strcpy(page, "before");
	MUST(vmsplice(p[1], &(struct iovec){ page, 6 }, 1, 0));
	show_pipe("shared", p[0]);
	v[0].iov_base = BAD_POINTER;
	SHOW(vmsplice(p[1], v, 1, 0));
	v[1] = (struct iovec){ BAD_POINTER, 8 };
	v[0] = (struct iovec){ page, 6 };
	SHOW(vmsplice(p[1], v, 2, 0));
	show_pipe("first only", p[0]);
	SHOW(vmsplice(p[1], BAD_POINTER, 1, 0));
	SHOW(vmsplice(p[1], v, 1025, 0));
	SHOW(vmsplice(p[1], v, 0, 0));
	SHOW(vmsplice(p[1], v, 1, 16));
	SHOW(vmsplice(99, v, 1, 0));
	SHOW(vmsplice(plain, v, 1, 0));
	SHOW(vmsplice(p[1], &(struct iovec){ page, (size_t)-1 }, 1, 0));
	MUST(fcntl(p[1], F_SETPIPE_SZ, PAGE));
	SHOW(vmsplice(p[1], v, 1, SPLICE_F_NONBLOCK));
	SHOW(vmsplice(p[1], v, 1, SPLICE_F_NONBLOCK));
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	SHOW(vmsplice(p[1], v, 1, 0));
	close(p[1]);
	close(plain);
	munmap(page, PAGE);
	munmap(page + 3 * PAGE, PAGE);
	munmap(zero, PAGE);
}

static void errors(void)
{
	int p[2], file = make_file("file", 100), dir = MUST(open(".", O_RDONLY));
	loff_t at = 0, negative = -1;
	new_pipe(p, O_NONBLOCK);
	SHOW(splice(file, NULL, p[1], NULL, 0, 999));
	SHOW(splice(file, NULL, p[1], NULL, 1, 16));
	SHOW(splice(99, NULL, p[1], NULL, 1, 0));
	SHOW(splice(file, NULL, 99, NULL, 1, 0));
	SHOW(splice(file, NULL, file, NULL, 1, 0));
	SHOW(splice(file, NULL, p[0], NULL, 1, 0));
	SHOW(splice(p[1], NULL, file, NULL, 1, 0));
	SHOW(splice(file, NULL, p[1], &at, 1, 0));
	SHOW(splice(p[0], &at, file, NULL, 1, 0));
	SHOW(splice(file, BAD_POINTER, p[1], NULL, 1, 0));
	SHOW(splice(file, &negative, p[1], NULL, 1, 0));
	SHOW(splice(p[0], NULL, file, &negative, 1, 0));
	SHOW(splice(dir, NULL, p[1], NULL, 1, 0));
	SHOW(tee(file, p[1], 1, 0));
	SHOW(tee(p[0], file, 1, 0));
	SHOW(tee(p[1], p[0], 1, 0));
	SHOW(tee(p[0], 99, 1, 0));
	SHOW(tee(p[0], p[1], 1, 16));
	close(file);
	close(dir);
	close(p[0]);
	close(p[1]);
	unlink("file");
}

static int late_writer(void *argument)
{
	sleep_ms(30);
	MUST(write(*(int *)argument, "late", 4));
	return 0;
}

static int late_reader(void *argument)
{
	sleep_ms(30);
	MUST(read(*(int *)argument, buf, 2 * PAGE));
	return 0;
}

static void sockets_and_waiting(void)
{
	int p[2], s[2], file = make_file("file", 50000);
	loff_t at = 0;
	off_t offset = 100;
	new_pipe(p, 0);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	pid_t child = start_child(late_writer, &s[0]);
	SHOW(splice(s[1], NULL, p[1], NULL, 100, 0));
	show_status("writer", wait_for(child));
	SHOW(splice(p[0], NULL, s[1], NULL, 100, 0));
	show_pipe("back", s[0]);
	child = start_child(late_writer, &p[1]);
	SHOW(splice(p[0], NULL, s[1], NULL, 100, 0));
	show_status("writer", wait_for(child));
	show_pipe("waited", s[0]);
	MUST(fcntl(p[1], F_SETPIPE_SZ, 2 * PAGE));
	SHOW(splice(file, &at, p[1], NULL, 50000, 0));
	child = start_child(late_reader, &p[0]);
	SHOW(splice(file, &at, p[1], NULL, PAGE, 0));
	show_status("reader", wait_for(child));
	show_pipe("page", p[0]);
	SHOW(sendfile(s[0], file, &offset, 20000));
	printf("offset %ld\n", (long)offset);
	SHOW(recv(s[1], buf, 20000, MSG_WAITALL));
	printf("%x\n", checksum(buf, 20000));
	SHOW(sendfile(p[1], file, &offset, PAGE));
	show_pipe("sendfile", p[0]);
	close(file);
	close(p[0]);
	close(p[1]);
	close(s[0]);
	close(s[1]);
	unlink("file");
}

int main(void)
{
	close_inherited();
	scratch_enter();
	from_files();
	to_files();
	between_pipes();
	user_memory();
	errors();
	sockets_and_waiting();
	scratch_leave();
	return 0;
}
