/* SPDX-License-Identifier: MIT */
/*
 * AF_UNIX streams: pairs, names (paths and abstract), listen, connect, accept, shutdown, end of
 * one side, SIGPIPE, peeking, time-outs, poll, options, and every errno of bad arguments.
 */
#include "guest.h"
#include <ctype.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static void show_poll(const char *what, int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0 };
	int n = poll(&p, 1, 0);
	printf("%s: poll %d %#x\n", what, n, p.revents);
}

static void show_recv(const char *what, int fd, size_t length, int flags)
{
	char buf[64] = "";
	long n = recv(fd, buf, length, flags);
	if (n < 0)
		printf("%s: %s\n", what, errno_name(errno));
	else
		printf("%s: %ld '%.*s'\n", what, n, (int)n, buf);
}

static socklen_t make_name(struct sockaddr_un *name, const char *path, int abstract)
{
	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	memcpy(name->sun_path + abstract, path, strlen(path));
	return offsetof(struct sockaddr_un, sun_path) + abstract + strlen(path) + !abstract;
}

static void show_name(const char *what, int fd, int peer)
{
	struct sockaddr_un name;
	socklen_t length = sizeof(name);
	memset(&name, 'x', sizeof(name));
	int bad = peer ? getpeername(fd, (void *)&name, &length) : getsockname(fd, (void *)&name, &length);
	if (bad)
		printf("%s: %s\n", what, errno_name(errno));
	else if (length <= 2)
		printf("%s: unnamed, length %u family %d\n", what, length, name.sun_family);
	else if (name.sun_path[0])
		printf("%s: length %u '%s'\n", what, length, name.sun_path);
	else
		printf("%s: length %u abstract '%.*s'\n", what, length, (int)length - 3, name.sun_path + 1);
}

static int signals;
static void count_signal(int sig, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	signals += sig == SIGPIPE;
}

static void pairs(void)
{
	int fd[2];
	char big[5000], buf[8];
	struct stat st;
	struct iovec iov[3] = { { big, 3000 }, { "", 0 }, { big, 2000 } };
	struct iovec in[2] = { { buf, 2 }, { buf + 2, 6 } };
	memset(big, 'b', sizeof(big));
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd));
	MUST(fstat(fd[0], &st));
	printf("socket %d mode %o cloexec %d flags %#x\n", S_ISSOCK(st.st_mode), st.st_mode & 07777,
	       fcntl(fd[0], F_GETFD), fcntl(fd[0], F_GETFL) & ~O_LARGEFILE);
	SHOW(lseek(fd[0], 0, SEEK_SET));
	SHOW(pread(fd[0], buf, 1, 0));
	SHOW(ftruncate(fd[0], 0));
	SHOW(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd[0], 0) == MAP_FAILED ? -1 : 0);
	show_poll("empty", fd[0]);
	SHOW(write(fd[0], "hello ", 6));
	SHOW(write(fd[0], "world", 5));
	show_poll("full", fd[1]);
	int bytes = 0;
	SHOW(ioctl(fd[1], FIONREAD, &bytes));
	printf("to read %d\n", bytes);
	show_recv("peek", fd[1], 64, MSG_PEEK);
	show_recv("part", fd[1], 3, 0);
	show_recv("peek", fd[1], 64, MSG_PEEK);
	show_recv("rest", fd[1], 64, 0);
	show_recv("nothing", fd[1], 64, MSG_DONTWAIT);
	show_recv("nothing of nothing", fd[1], 0, MSG_DONTWAIT);
	SHOW(read(fd[1], buf, 0));
	SHOW(write(fd[1], "", 0));
	SHOW(writev(fd[1], iov, 3));
	long got = 0, n;
	while (got < 5000 && (n = recv(fd[0], big, sizeof(big), MSG_WAITALL | MSG_DONTWAIT)) > 0)
		got += n;
	printf("of the vector %ld\n", got);
	MUST(write(fd[1], "abcdef", 6));
	SHOW(readv(fd[0], in, 2));
	printf("%.6s\n", buf);
	SHOW(send(fd[0], "x", 1, MSG_OOB) == 1 ? 0 : 0); /* Linux may take it */
	recv(fd[1], buf, 1, MSG_OOB);
	recv(fd[1], buf, 1, MSG_DONTWAIT);
	SHOW(sendto(fd[0], "x", 1, 0, (void *)&(struct sockaddr_un){ AF_UNIX, "x" }, 5));
	show_name("name of a pair", fd[0], 0);
	show_name("peer of a pair", fd[0], 1);
	/* One end closes with bytes unread by the other: they can be read, then it is the end. */
	MUST(write(fd[0], "last", 4));
	MUST(close(fd[0]));
	show_poll("closed", fd[1]);
	show_recv("last", fd[1], 64, 0);
	show_recv("end", fd[1], 64, 0);
	MUST(set_handler(SIGPIPE, count_signal, 0));
	SHOW(write(fd[1], "x", 1));
	SHOW(send(fd[1], "x", 1, MSG_NOSIGNAL));
	printf("SIGPIPE %d\n", signals);
	show_name("peer that is gone", fd[1], 1);
	MUST(close(fd[1]));
	/* One end closes without having read what it got: ECONNRESET, once. */
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	MUST(write(fd[0], "unread", 6));
	MUST(close(fd[1]));
	show_poll("reset", fd[0]);
	show_recv("reset", fd[0], 64, 0);
	show_recv("after it", fd[0], 64, 0);
	MUST(close(fd[0]));
}

static void shutdowns(void)
{
	int fd[2];
	signals = 0;
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	MUST(write(fd[0], "before", 6));
	SHOW(shutdown(fd[0], SHUT_WR));
	show_poll("writer", fd[0]);
	show_poll("reader", fd[1]);
	show_recv("before", fd[1], 64, 0);
	show_recv("end", fd[1], 64, 0);
	SHOW(write(fd[0], "x", 1));
	SHOW(write(fd[1], "back", 4));
	show_recv("back", fd[0], 64, 0);
	SHOW(shutdown(fd[0], SHUT_RD));
	show_poll("writer", fd[0]);
	show_poll("reader", fd[1]);
	SHOW(write(fd[1], "x", 1));
	show_recv("after", fd[0], 64, 0);
	SHOW(shutdown(fd[0], 3));
	SHOW(shutdown(fd[0], -1));
	printf("SIGPIPE %d\n", signals);
	close(fd[0]);
	close(fd[1]);
}

static int client(void *name)
{
	struct sockaddr_un *to = name;
	char buf[16] = "";
	int fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	MUST(connect(fd, (void *)to, sizeof(*to)));
	MUST(write(fd, "ping", 4));
	long n = MUST(read(fd, buf, sizeof(buf)));
	return n == 4 && !memcmp(buf, "pong", 4) ? 7 : 1;
}

static void paths(void)
{
	struct sockaddr_un name, from;
	struct ucred cred;
	struct stat st;
	char buf[16] = "";
	socklen_t length = make_name(&name, "sock", 0);
	int server = MUST(socket(AF_UNIX, SOCK_STREAM, 0)), other = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	int datagram = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
	show_poll("fresh", server);
	SHOW(listen(server, 1));
	SHOW(accept(server, NULL, NULL));
	show_recv("fresh", server, 4, 0);
	SHOW(send(server, "x", 1, MSG_NOSIGNAL));
	SHOW(connect(other, (void *)&name, length));
	umask(022);
	SHOW(bind(server, (void *)&name, length));
	SHOW(bind(server, (void *)&name, length));
	SHOW(bind(other, (void *)&name, length));
	MUST(lstat("sock", &st));
	printf("file %d %o\n", S_ISSOCK(st.st_mode), st.st_mode & 07777);
	SHOW(open("sock", O_RDONLY));
	SHOW(connect(other, (void *)&name, length));
	SHOW(listen(server, 1));
	SHOW(syscall(SYS_accept4, server, NULL, NULL, 1)); /* musl's falls back to accept */
	SHOW(connect(datagram, (void *)&name, length));
	SHOW(listen(datagram, 1));
	SHOW(accept(datagram, NULL, NULL));
	show_poll("listening", server);
	MUST(fcntl(server, F_SETFL, O_NONBLOCK));
	SHOW(accept(server, NULL, NULL));
	MUST(fcntl(server, F_SETFL, 0));
	pid_t child = start_child(client, &name);
	socklen_t from_length = sizeof(from);
	int fd = MUST(accept4(server, (void *)&from, &from_length, SOCK_CLOEXEC));
	printf("from length %u, cloexec %d\n", from_length, fcntl(fd, F_GETFD));
	length = sizeof(cred);
	MUST(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length));
	printf("peer is the child %d, uid %d gid %d\n", cred.pid == child, cred.uid == geteuid(),
	       cred.gid == getegid());
	show_name("own", fd, 0);
	show_name("peer", fd, 1);
	MUST(read(fd, buf, sizeof(buf)));
	MUST(write(fd, "pong", 4));
	show_status("client", wait_for(child));
	close(fd);
	/* The backlog: one more than asked for, then EAGAIN. */
	int waiting[4];
	for (int i = 0; i < 4; i++) {
		waiting[i] = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
		show_ok("connect", connect(waiting[i], (void *)&name, sizeof(name)));
	}
	show_poll("connected", waiting[0]);
	SHOW(write(waiting[0], "early", 5));
	SHOW(connect(waiting[0], (void *)&name, sizeof(name)));
	show_name("server of a client", waiting[0], 1);
	fd = MUST(accept(server, NULL, NULL));
	show_recv("early", fd, 64, 0);
	close(fd);
	show_recv("closed", waiting[0], 64, 0);
	close(server); /* those in the backlog are reset */
	show_recv("reset", waiting[1], 64, 0);
	show_recv("refused", waiting[3], 64, 0);
	SHOW(connect(waiting[3], (void *)&name, sizeof(name)));
	for (int i = 0; i < 4; i++)
		close(waiting[i]);
	MUST(unlink("sock"));
	SHOW(connect(other, (void *)&name, sizeof(name)));
	int plain = MUST(open("sock", O_CREAT | O_RDWR, 0666));
	SHOW(connect(other, (void *)&name, sizeof(name)));
	close(plain);
	MUST(unlink("sock"));
	close(other);
	close(datagram);
}

static void abstract(void)
{
	struct sockaddr_un name;
	char text[40];
	snprintf(text, sizeof(text), "pagoda-test-%08d", getpid() % 100000000);
	socklen_t length = make_name(&name, text, 1);
	int server = MUST(socket(AF_UNIX, SOCK_STREAM, 0)), fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	int second = MUST(socket(AF_UNIX, SOCK_STREAM, 0)), datagram = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
	SHOW(connect(fd, (void *)&name, length));
	SHOW(bind(server, (void *)&name, length));
	SHOW(bind(second, (void *)&name, length));
	SHOW(bind(datagram, (void *)&name, length)); /* another type: another name */
	SHOW(listen(server, 5));
	SHOW(connect(fd, (void *)&name, length - 1));
	SHOW(connect(fd, (void *)&name, length));
	SHOW(bind(second, (void *)&name, 2)); /* any name */
	socklen_t auto_length = sizeof(name);
	MUST(getsockname(second, (void *)&name, &auto_length));
	printf("autobind %u %d %d\n", auto_length, name.sun_path[0], isxdigit(name.sun_path[1]) != 0);
	close(server);
	close(fd);
	close(second);
	close(datagram);
}

static void errors(void)
{
	struct sockaddr_un name;
	int fd[2], plain = MUST(open("/dev/null", O_RDWR)), value = 1;
	char buf[8];
	socklen_t length = make_name(&name, "sock", 0), bad_length = -1;
	SHOW(socket(-1, SOCK_STREAM, 0));
	SHOW(socket(46, SOCK_STREAM, 0));
	SHOW(socket(AF_UNIX, 11, 0));
	SHOW(socket(AF_UNIX, 4, 0));
	SHOW(socket(AF_UNIX, SOCK_STREAM, 2));
	SHOW(socket(AF_UNIX, SOCK_STREAM | 0x100, 0));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 2, fd));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, BAD_POINTER));
	SHOW(socketpair(-1, SOCK_STREAM, 0, BAD_POINTER));
	int s = MUST(socket(AF_UNIX, SOCK_STREAM, AF_UNIX));
	SHOW(bind(plain, (void *)&name, length));
	SHOW(bind(-1, (void *)&name, length));
	SHOW(bind(s, BAD_POINTER, length));
	SHOW(bind(s, (void *)&name, 0));
	SHOW(bind(s, (void *)&name, 1));
	SHOW(bind(s, (void *)&name, -1));
	SHOW(bind(s, (void *)&name, 111));
	SHOW(bind(s, (void *)&name, 129));
	name.sun_family = 77;
	SHOW(bind(s, (void *)&name, length));
	SHOW(connect(s, (void *)&name, length));
	SHOW(connect(s, (void *)&name, 1));
	SHOW(connect(s, BAD_POINTER, 20));
	SHOW(getpeername(s, (void *)&name, &length));
	SHOW(getsockname(s, BAD_POINTER, &length));
	SHOW(getsockname(s, (void *)&name, BAD_POINTER));
	SHOW(getsockname(s, (void *)&name, &bad_length));
	SHOW(getsockname(plain, (void *)&name, &length));
	SHOW(listen(plain, 1));
	SHOW(accept(plain, NULL, NULL));
	SHOW(accept(99, NULL, NULL));
	SHOW(shutdown(s, SHUT_RDWR));
	SHOW(shutdown(plain, SHUT_RDWR));
	SHOW(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &value, 3));
	SHOW(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, BAD_POINTER, 4));
	SHOW(setsockopt(s, SOL_SOCKET, SO_TYPE, &value, 4));
	SHOW(setsockopt(s, SOL_SOCKET, 9999, &value, 4));
	SHOW(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &value, -1));
	SHOW(setsockopt(s, 6, 1, &value, 4));
	SHOW(getsockopt(s, 6, 1, &value, &length));
	length = 4;
	SHOW(getsockopt(s, SOL_SOCKET, 9999, &value, &length));
	SHOW(getsockopt(s, SOL_SOCKET, SO_TYPE, BAD_POINTER, &length));
	SHOW(getsockopt(s, SOL_SOCKET, SO_TYPE, &value, BAD_POINTER));
	SHOW(getsockopt(s, SOL_SOCKET, SO_TYPE, &value, &bad_length));
	SHOW(getsockopt(plain, SOL_SOCKET, SO_TYPE, &value, &length));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	SHOW(send(fd[0], BAD_POINTER, 5, 0));
	MUST(write(fd[0], "kept", 4));
	SHOW(recv(fd[1], BAD_POINTER, 5, 0));
	show_recv("kept", fd[1], 4, 0);
	SHOW(send(plain, buf, 1, 0));
	SHOW(recv(plain, buf, 1, 0));
	/* A name that is not wanted when it cannot be told. */
	MUST(write(fd[0], "name", 4));
	length = 4;
	SHOW(recvfrom(fd[1], buf, 4, MSG_DONTWAIT, (void *)&name, &length));
	printf("length %u\n", length);
	close(fd[0]);
	close(fd[1]);
	close(s);
	close(plain);
}

static void show_option(int fd, const char *what, int name)
{
	int value[4] = { -1, -1, -1, -1 };
	socklen_t length = sizeof(value);
	if (getsockopt(fd, SOL_SOCKET, name, value, &length))
		printf("%s: %s\n", what, errno_name(errno));
	else
		printf("%s: %u bytes, %d\n", what, length, value[0]);
}
#define OPTION(name) show_option(fd, #name, name)
#define SET(name, v) show_ok(#name " = " #v, setsockopt(fd, SOL_SOCKET, name, &(int){ v }, 4))

static void options(void)
{
	int fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0)), pair[2];
	OPTION(SO_TYPE);
	OPTION(SO_DOMAIN);
	OPTION(SO_PROTOCOL);
	OPTION(SO_ERROR);
	OPTION(SO_ACCEPTCONN);
	OPTION(SO_RCVLOWAT);
	OPTION(SO_SNDLOWAT);
	OPTION(SO_PRIORITY);
	OPTION(SO_LINGER);
	OPTION(SO_RCVTIMEO);
	OPTION(SO_PASSCRED);
	OPTION(SO_BROADCAST);
	SET(SO_PASSCRED, 5);
	SET(SO_BROADCAST, 1);
	SET(SO_KEEPALIVE, 1);
	OPTION(SO_PASSCRED);
	OPTION(SO_BROADCAST);
	SET(SO_SNDBUF, 0);
	OPTION(SO_SNDBUF);
	SET(SO_SNDBUF, 10000);
	OPTION(SO_SNDBUF);
	SET(SO_RCVBUF, 0);
	OPTION(SO_RCVBUF);
	SET(SO_ERROR, 1);
	SET(SO_DOMAIN, 1);
	SET(SO_PEERCRED, 1);
	MUST(close(fd));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	fd = pair[0];
	struct timeval tv = { 0, 30000 }, wrong = { 0, 1000000 };
	SHOW(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wrong, sizeof(wrong)));
	SHOW(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, 8));
	SHOW(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	long long before = now_ns();
	show_recv("time-out", fd, 4, 0);
	printf("waited %d\n", now_ns() - before >= 30000000);
	MUST(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	static char page[65536];
	long n, total = 0;
	while ((n = send(fd, page, sizeof(page), 0)) > 0)
		total += n;
	printf("full: %s, some went %d\n", errno_name(errno), total > 65536);
	show_poll("full", fd);
	show_poll("its reader", pair[1]);
	long got = 0;
	while ((n = recv(pair[1], page, sizeof(page), MSG_DONTWAIT)) > 0)
		got += n;
	printf("all came %d\n", got == total);
	show_poll("empty again", fd);
	close(pair[0]);
	close(pair[1]);
}

/* A reader sleeps in read, a poller in poll and select, until the other side does something. */
static int late_writer(void *argument)
{
	int fd = *(int *)argument;
	sleep_ms(20);
	MUST(write(fd, "one", 3));
	sleep_ms(20);
	MUST(write(fd, "two", 3));
	sleep_ms(20);
	MUST(write(fd, "three", 5));
	return 0;
}

static int big_writer(void *argument)
{
	int fd = *(int *)argument;
	static char data[1 << 20];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = i * 7 ^ i >> 9;
	return send(fd, data, sizeof(data), 0) == sizeof(data) ? 0 : 1;
}

static void waiting(void)
{
	int fd[2];
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	pid_t child = start_child(late_writer, &fd[0]);
	show_recv("waited", fd[1], 3, 0);
	struct pollfd p = { fd[1], POLLIN, 0 };
	printf("poll %d\n", poll(&p, 1, 5000));
	show_recv("polled", fd[1], 3, 0);
	fd_set set;
	FD_ZERO(&set);
	FD_SET(fd[1], &set);
	printf("select %d\n", select(fd[1] + 1, &set, NULL, NULL, NULL));
	show_recv("selected", fd[1], 5, MSG_WAITALL);
	show_status("writer", wait_for(child));
	child = start_child(big_writer, &fd[0]);
	MUST(close(fd[0]));
	static char data[1 << 20];
	long n = recv(fd[1], data, sizeof(data), MSG_WAITALL);
	printf("all of it %ld %x\n", n, checksum(data, sizeof(data)));
	show_recv("end", fd[1], 1, 0);
	show_status("writer", wait_for(child));
	close(fd[1]);
}

int main(void)
{
	close_inherited();
	scratch_enter();
	pairs();
	shutdowns();
	paths();
	abstract();
	errors();
	options();
	waiting();
	scratch_leave();
	return 0;
}
