/* SPDX-License-Identifier: MIT */
/*
 * Pipes: order and wholeness of the data, end of file, capacity 64 KiB, writes of up to
 * PIPE_BUF are atomic, O_NONBLOCK (EAGAIN, short writes), EPIPE and SIGPIPE, poll's events,
 * blocking reader and writer waking each other, many writers, and the errors.
 */
#include "guest.h"
#include <poll.h>
#include <sys/ioctl.h>

static void set_nonblock(int fd, int on)
{
	int flags = MUST(fcntl(fd, F_GETFL));
	MUST(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

static void show_poll(const char *what, int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	int result = poll(&p, 1, 0);
	printf("  poll %s: %d%s%s%s%s%s\n", what, result, p.revents & POLLIN ? " POLLIN" : "",
	       p.revents & POLLOUT ? " POLLOUT" : "", p.revents & POLLHUP ? " POLLHUP" : "",
	       p.revents & POLLERR ? " POLLERR" : "", p.revents & POLLNVAL ? " POLLNVAL" : "");
}

static void basics(void)
{
	int fds[2];
	char text[16];
	struct stat st;
	MUST(pipe(fds));
	MUST(fstat(fds[0], &st));
	printf("is a FIFO: %d, mode %o, size %ld\n", S_ISFIFO(st.st_mode), st.st_mode & 07777, (long)st.st_size);
	SHOW(write(fds[1], "abcdefgh", 8));
	SHOW(read(fds[0], text, 3));
	printf("  %.3s\n", text);
	SHOW(read(fds[0], text, 16));
	printf("  %.5s\n", text);
	SHOW(write(fds[1], "x", 0));
	SHOW(write(fds[0], "x", 1));
	SHOW(read(fds[1], text, 1));
	SHOW(lseek(fds[0], 0, SEEK_SET));
	SHOW(pread(fds[0], text, 1, 0));
	SHOW(ftruncate(fds[1], 0));
	SHOW(fcntl(fds[0], F_GETFL) & O_ACCMODE);
	SHOW((fcntl(fds[1], F_GETFL) & O_ACCMODE) == O_WRONLY);
	MUST(write(fds[1], "12345", 5));
	int waiting = -1;
	SHOW(ioctl(fds[0], FIONREAD, &waiting));
	printf("  FIONREAD %d\n", waiting);
	MUST(close(fds[1]));
	SHOW(read(fds[0], text, 16));
	SHOW(read(fds[0], text, 16));
	MUST(close(fds[0]));
	SHOW(pipe(BAD_POINTER));
	SHOW(pipe2(fds, 0x12345));
}

static void polling(void)
{
	int fds[2];
	char text[8];
	MUST(pipe(fds));
	printf("empty\n");
	show_poll("reader", fds[0], POLLIN);
	show_poll("writer", fds[1], POLLOUT);
	MUST(write(fds[1], "x", 1));
	printf("one byte\n");
	show_poll("reader", fds[0], POLLIN);
	show_poll("reader for nothing", fds[0], 0);
	MUST(close(fds[1]));
	printf("writer closed\n");
	show_poll("reader", fds[0], POLLIN);
	MUST(read(fds[0], text, 8));
	show_poll("reader, drained", fds[0], POLLIN);
	MUST(close(fds[0]));
	show_poll("closed descriptor", fds[0], POLLIN);
	MUST(pipe(fds));
	MUST(close(fds[0]));
	printf("reader closed\n");
	show_poll("writer", fds[1], POLLOUT);
	MUST(close(fds[1]));
	struct pollfd none = { .fd = -1, .events = POLLIN };
	SHOW(poll(&none, 1, 0));
	SHOW(poll(NULL, 0, 10));
	SHOW(poll(BAD_POINTER, 1, 0));
}

static void capacity(void)
{
	int fds[2];
	static char block[70000];
	MUST(pipe2(fds, O_NONBLOCK));
	SHOW(read(fds[0], block, 1));
	long total = 0, got;
	while ((got = write(fds[1], block, 4096)) > 0)
		total += got;
	printf("full: %s after %ld bytes\n", errno_name(errno), total);
	SHOW(write(fds[1], block, 1));
	show_poll("full writer", fds[1], POLLOUT);
	SHOW(read(fds[0], block, 4095));
	SHOW(write(fds[1], block, 4096));
	show_poll("writer, 4095 bytes read", fds[1], POLLOUT);
	SHOW(read(fds[0], block, 1));
	show_poll("writer, a page read", fds[1], POLLOUT);
	SHOW(write(fds[1], block, 4096));
	SHOW(read(fds[0], block, 70000));
	SHOW(write(fds[1], block, 70000));
	SHOW(read(fds[0], block, 70000));
	close(fds[0]);
	close(fds[1]);
}

static volatile sig_atomic_t pipes_broken;

static void broken(int sig)
{
	(void)sig;
	pipes_broken++;
}

static int write_to_nobody(void *fd)
{
	signal(SIGPIPE, SIG_DFL);
	write(*(int *)fd, "x", 1);
	return 1;
}

static void broken_pipes(void)
{
	int fds[2];
	MUST(pipe(fds));
	MUST(close(fds[0]));
	show_status("default action", run_child(write_to_nobody, &fds[1]));
	signal(SIGPIPE, SIG_IGN);
	SHOW(write(fds[1], "x", 1));
	signal(SIGPIPE, broken);
	SHOW(write(fds[1], "x", 1));
	printf("handler ran %d times\n", (int)pipes_broken);
	SHOW(write(fds[1], "x", 0));
	MUST(close(fds[1]));
}

/* A writer of 1 MiB and a reader in odd sizes, both blocking. */
static int write_much(void *fd)
{
	char block[1000];
	int seed = 1;
	for (int i = 0; i < 1050; i++) {
		for (unsigned k = 0; k < sizeof(block); k++)
			block[k] = (seed = seed * 1103515245 + 12345) >> 16;
		if (write(*(int *)fd, block, sizeof(block)) != sizeof(block))
			return 1;
	}
	return 0;
}

static void much_data(void)
{
	int fds[2], seed = 1;
	char block[1777];
	long total = 0, wrong = 0;
	ssize_t got;
	MUST(pipe(fds));
	pid_t child = start_child(write_much, &fds[1]);
	MUST(close(fds[1]));
	while ((got = read(fds[0], block, sizeof(block))) > 0) {
		for (ssize_t i = 0; i < got; i++)
			wrong += block[i] != (char)((seed = seed * 1103515245 + 12345) >> 16);
		total += got;
	}
	printf("read %ld bytes, %ld wrong\n", total, wrong);
	show_status("writer", wait_for(child));
	close(fds[0]);
}

struct atomic_writer {
	int fd;
	char letter;
};

static int write_records(void *argument)
{
	struct atomic_writer *writer = argument;
	char record[PIPE_BUF];
	memset(record, writer->letter, sizeof(record));
	for (int i = 0; i < 100; i++)
		if (write(writer->fd, record, 1000 + i * 30) != 1000 + i * 30)
			return 1;
	return 0;
}

/* Four writers of records up to PIPE_BUF: no record is torn. */
static void atomic_writes(void)
{
	int fds[2];
	pid_t children[4];
	long counts[4] = { 0 }, torn = 0, run = 0;
	MUST(pipe(fds));
	for (int i = 0; i < 4; i++) {
		struct atomic_writer writer = { fds[1], 'a' + i };
		children[i] = start_child(write_records, &writer);
	}
	MUST(close(fds[1]));
	char c, previous = 0;
	static char block[65536];
	ssize_t got;
	int next[4] = { 0 };
	while ((got = read(fds[0], block, sizeof(block))) > 0) {
		for (ssize_t i = 0; i < got; i++) {
			c = block[i];
			/* A run of one letter must be made of that writer's next records. */
			if (c != previous && previous) {
				int w = previous - 'a';
				while (run > 0)
					run -= 1000 + next[w]++ * 30;
				torn += run != 0;
				run = 0;
			}
			previous = c;
			run++;
			counts[c - 'a']++;
		}
	}
	for (int i = 0; i < 4; i++) {
		printf("writer %c: %ld bytes\n", 'a' + i, counts[i]);
		show_status("  it", wait_for(children[i]));
	}
	printf("torn records: %ld\n", torn);
	close(fds[0]);
}

static void nonblocking_short_write(void)
{
	int fds[2];
	static char block[65536];
	MUST(pipe(fds));
	SHOW(write(fds[1], block, 60000));
	set_nonblock(fds[1], 1);
	/* More than PIPE_BUF: what fits; Linux counts by whole pages, so print no more. */
	long wrote = write(fds[1], block, 10000);
	printf("writing 10000 bytes where 5536 are free: %s\n",
	       wrote > 0 && wrote <= 5536 ? "a part" : "something else");
	SHOW(write(fds[1], block, 4096));
	set_nonblock(fds[1], 0);
	SHOW(read(fds[0], block, 65536) == 60000 + wrote);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	basics();
	polling();
	capacity();
	broken_pipes();
	much_data();
	atomic_writes();
	nonblocking_short_write();
	return 0;
}
