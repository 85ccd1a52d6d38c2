/* SPDX-License-Identifier: MIT */
/* eventfd: counter and semaphore, errors, limits, poll, and one process that waits for another. */
#include "guest.h"
#include <poll.h>
#include <sys/eventfd.h>

static void show_read(int fd)
{
	uint64_t value = 0;
	long n = read(fd, &value, 8);
	printf("read %s %llu\n", n == 8 ? "8" : errno_name(errno), (unsigned long long)value);
}

static void show_write(int fd, uint64_t value)
{
	long n = write(fd, &value, 8);
	printf("write %llx: %s\n", (unsigned long long)value, n == 8 ? "8" : errno_name(errno));
}

static void show_poll(int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT, 0 };
	int n = poll(&p, 1, 0);
	printf("poll %d %x\n", n, p.revents);
}

int main(void)
{
	char small[4], link[64] = "", path[32];
	setvbuf(stdout, NULL, _IOLBF, 0);
	int bad = eventfd(0, 2);
	printf("%d %s\n", bad, errno_name(errno));
	int fd = MUST(eventfd(5, EFD_NONBLOCK | EFD_CLOEXEC));
	printf("cloexec %d\n", fcntl(fd, F_GETFD));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	MUST(readlink(path, link, sizeof(link) - 1));
	printf("%s\n", link);
	show_poll(fd);
	show_read(fd);
	show_read(fd);
	show_poll(fd);
	show_write(fd, 3);
	show_write(fd, UINT64_MAX);
	show_write(fd, UINT64_MAX - 4);
	show_write(fd, 1);
	show_poll(fd);
	show_write(fd, 0);
	show_read(fd);
	long few = read(fd, small, 4);
	printf("%ld %s\n", few, errno_name(errno));
	int sem = MUST(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK)), wait = MUST(eventfd(0, 0));
	show_read(sem);
	show_read(sem);
	show_read(sem);
	if (!MUST(fork())) {
		usleep(20000); /* the parent sleeps in its read by then; only it prints */
		_exit(eventfd_write(wait, 42) != 0);
	}
	show_read(wait);
	MUST(waitpid(-1, NULL, 0));
	return 0;
}
