/* SPDX-License-Identifier: MIT */
/*
 * Waiting for files: poll, ppoll, select and pselect on pipes, fifos, regular files and
 * closed descriptors, with time-outs, signals and masks; and fifos' opening rules.
 */
#include "guest.h"
#include <poll.h>
#include <sys/select.h>
#include <sys/time.h>

static char text[64];

static void show_events(const char *what, const struct pollfd *p, int result)
{
	printf("  %s: %d, events %x\n", what, result, p->revents);
}

static void many(void)
{
	int fds[30][2];
	struct pollfd p[62];
	int result;
	for (int i = 0; i < 30; i++) {
		MUST(pipe(fds[i]));
		p[2 * i] = (struct pollfd){ .fd = fds[i][0], .events = POLLIN };
		p[2 * i + 1] = (struct pollfd){ .fd = fds[i][1], .events = i % 2 ? POLLOUT : 0 };
	}
	p[60] = (struct pollfd){ .fd = -5, .events = POLLIN, .revents = 77 };
	p[61] = (struct pollfd){ .fd = 999, .events = POLLIN };
	SHOW(poll(p, 60, 0));
	MUST(write(fds[7][1], "x", 1));
	close(fds[3][1]);
	p[2 * 3 + 1].fd = -1;
	result = poll(p, 62, 1000);
	printf("ready %d: reader 7 %x, reader 3 %x, negative %x, not open %x\n", result, p[14].revents, p[6].revents,
	       p[60].revents, p[61].revents);
	close(fds[0][0]);
	p[0].fd = -1;
	result = poll(&p[1], 1, 0);
	show_events("writer without reader", &p[1], result);
	for (int i = 0; i < 30; i++) {
		close(fds[i][0]);
		close(fds[i][1]);
	}
	SHOW(poll(BAD_POINTER, 1, 0));
	SHOW(poll(NULL, 0, 10));
	SHOW(syscall(SYS_poll, p, 100000000, 0));
}

static void woken(void)
{
	int fds[2];
	struct pollfd p;
	pid_t child;
	MUST(pipe(fds));
	child = MUST(fork());
	if (!child) {
		usleep(50000);
		MUST(write(fds[1], "late", 4));
		_exit(0);
	}
	p = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	SHOW(poll(&p, 1, -1));
	SHOW(read(fds[0], text, sizeof(text)));
	MUST(waitpid(child, NULL, 0));
	close(fds[1]);
	SHOW(poll(&p, 1, -1));
	show_events("no writer", &p, 1);
	close(fds[0]);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void interrupted(void)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval soon = { .it_value = { .tv_usec = 30000 } };
	struct timespec long_time = { .tv_sec = 5 };
	struct timeval long_timeval = { .tv_sec = 5 };
	sigset_t none, alarm_only;
	fd_set in;
	int fds[2];
	MUST(pipe(fds));
	MUST(sigaction(SIGALRM, &action, NULL));
	MUST(setitimer(ITIMER_REAL, &soon, NULL));
	SHOW(poll(NULL, 0, 5000));
	MUST(setitimer(ITIMER_REAL, &soon, NULL));
	SHOW(select(0, NULL, NULL, NULL, &long_timeval));
	SHOW_TRUE(long_timeval.tv_sec == 4);
	/* Blocked, it interrupts only what lets it through. */
	sigemptyset(&none);
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	MUST(sigprocmask(SIG_BLOCK, &alarm_only, NULL));
	MUST(setitimer(ITIMER_REAL, &soon, NULL));
	SHOW(poll(NULL, 0, 100));
	SHOW(ppoll(NULL, 0, &long_time, &none));
	MUST(setitimer(ITIMER_REAL, &soon, NULL));
	FD_ZERO(&in);
	FD_SET(fds[0], &in);
	SHOW(pselect(fds[0] + 1, &in, NULL, NULL, &long_time, &none));
	SHOW(sigprocmask(SIG_UNBLOCK, &alarm_only, NULL));
	long_time.tv_nsec = 1000000000;
	SHOW(ppoll(NULL, 0, &long_time, NULL));
	close(fds[0]);
	close(fds[1]);
}

static void selecting(void)
{
	int fds[2], file = MUST(open("/dev/null", O_RDWR));
	fd_set in, out;
	struct timeval zero = { 0, 0 }, negative = { -1, 0 };
	MUST(pipe(fds));
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(fds[0], &in);
	FD_SET(file, &in);
	FD_SET(fds[1], &out);
	FD_SET(file, &out);
	SHOW(select(fds[1] + 1, &in, &out, NULL, &zero));
	printf("  pipe in %d, null in %d, pipe out %d, null out %d\n", !!FD_ISSET(fds[0], &in), !!FD_ISSET(file, &in),
	       !!FD_ISSET(fds[1], &out), !!FD_ISSET(file, &out));
	MUST(write(fds[1], "x", 1));
	FD_ZERO(&in);
	FD_SET(fds[0], &in);
	SHOW(select(fds[1] + 1, &in, NULL, NULL, NULL));
	SHOW(select(-1, NULL, NULL, NULL, &zero));
	SHOW(select(0, NULL, NULL, NULL, &negative));
	SHOW(select(0, NULL, NULL, NULL, &zero));
	close(fds[0]);
	close(fds[1]);
	FD_ZERO(&in);
	FD_SET(fds[0], &in);
	SHOW(select(fds[0] + 1, &in, NULL, NULL, &zero));
	close(file);
}

static void fifos(void)
{
	struct pollfd p;
	int reader, writer;
	pid_t child;
	MUST(mkfifo("fifo", 0600));
	SHOW(mkfifo("fifo", 0600));
	SHOW(open("fifo", O_WRONLY | O_NONBLOCK));
	reader = MUST(open("fifo", O_RDONLY | O_NONBLOCK));
	p = (struct pollfd){ .fd = reader, .events = POLLIN };
	int result = poll(&p, 1, 0);
	show_events("before the first writer", &p, result);
	SHOW(read(reader, text, 1));
	writer = MUST(open("fifo", O_WRONLY | O_NONBLOCK));
	SHOW(read(reader, text, 1));
	SHOW(write(writer, "abc", 3));
	result = poll(&p, 1, 0);
	show_events("with data", &p, result);
	close(writer);
	result = poll(&p, 1, 0);
	show_events("data, writer gone", &p, result);
	SHOW(read(reader, text, 10));
	result = poll(&p, 1, 0);
	show_events("after the last writer", &p, result);
	close(reader);
	child = MUST(fork());
	if (!child) {
		usleep(30000);
		int fd = MUST(open("fifo", O_WRONLY));
		MUST(write(fd, "hello", 5));
		_exit(0);
	}
	reader = MUST(open("fifo", O_RDONLY));
	SHOW(read(reader, text, 10));
	MUST(waitpid(child, NULL, 0));
	SHOW(read(reader, text, 10));
	SHOW(lseek(reader, 0, SEEK_SET));
	close(reader);
	reader = MUST(open("fifo", O_RDWR));
	SHOW(write(reader, "self", 4));
	SHOW(read(reader, text, 10));
	close(reader);
}

int main(void)
{
	scratch_enter();
	many();
	woken();
	interrupted();
	selecting();
	fifos();
	MUST(unlink("fifo"));
	scratch_leave();
	return 0;
}
