/* SPDX-License-Identifier: MIT */
/*
 * AF_UNIX datagrams and sequenced packets, and what travels with messages: senders' names,
 * credentials, open files. Files in flight in cycles of sockets are freed: the runner
 * compares free frames, and a pipe's reader sees the end when the cycle is collected.
 */
#include "guest.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#define ROOM 512

/* The calls themselves: musl's have limits of their own. */
#define sendmsg(...) syscall(SYS_sendmsg, __VA_ARGS__)
#define recvmsg(...) syscall(SYS_recvmsg, __VA_ARGS__)
#define sendmmsg(...) syscall(SYS_sendmmsg, __VA_ARGS__)
#define recvmmsg(...) syscall(SYS_recvmmsg, __VA_ARGS__)

static void show_recv(const char *what, int fd, size_t length, int flags)
{
	char buf[64] = "";
	long n = recv(fd, buf, length, flags);
	if (n < 0)
		printf("%s: %s\n", what, errno_name(errno));
	else
		printf("%s: %ld '%.60s'\n", what, n, buf);
}

static void show_poll(const char *what, int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLRDHUP, 0 };
	int n = poll(&p, 1, 0);
	printf("%s: poll %d %#x\n", what, n, p.revents);
}

static socklen_t abstract_name(struct sockaddr_un *name, const char *tail)
{
	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	int n = snprintf(name->sun_path + 1, sizeof(name->sun_path) - 1, "%08d-%s", getpid() % 100000000, tail);
	return offsetof(struct sockaddr_un, sun_path) + 1 + n;
}

/* Sends text with nr descriptors; the result of sendmsg. */
static long send_fds(int sock, const char *text, const int *fds, int nr, int flags)
{
	char control[CMSG_SPACE(260 * sizeof(int))] = "";
	struct iovec iov = { (void *)text, strlen(text) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = CMSG_SPACE(nr * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(nr * sizeof(int));
	memcpy(CMSG_DATA(c), fds, nr * sizeof(int));
	return sendmsg(sock, &m, flags);
}

/* Receives with room for control; prints all that came; descriptors to fds. Return: how many. */
static int recv_fds(const char *what, int sock, int *fds, size_t room, int flags, size_t length)
{
	char control[ROOM], buf[64] = "";
	struct iovec iov = { buf, length };
	struct sockaddr_un name = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room ? control : NULL,
			    .msg_controllen = room, .msg_name = &name, .msg_namelen = sizeof(name) };
	long n = recvmsg(sock, &m, flags);
	int nr = 0;
	if (n < 0) {
		printf("%s: %s\n", what, errno_name(errno));
		return 0;
	}
	printf("%s: %ld '%s' flags %#x control %zu name %u\n", what, n, buf, m.msg_flags, (size_t)m.msg_controllen,
	       m.msg_namelen);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		struct ucred cred;
		printf("  level %d type %d length %zu", c->cmsg_level, c->cmsg_type, (size_t)c->cmsg_len);
		if (c->cmsg_type == SCM_CREDENTIALS && c->cmsg_len == CMSG_LEN(sizeof(cred))) {
			memcpy(&cred, CMSG_DATA(c), sizeof(cred));
			printf(" pid %s uid %s", cred.pid == getpid() ? "mine" : cred.pid ? "other" : "0",
			       cred.uid == getuid() ? "mine" : cred.uid == 65534 ? "nobody" : "other");
		} else if (c->cmsg_type == SCM_RIGHTS) {
			int here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(fds + nr, CMSG_DATA(c), here * sizeof(int));
			for (int i = 0; i < here && i < 2; i++)
				printf(" cloexec %d", fcntl(fds[nr + i], F_GETFD));
			nr += here;
		}
		printf("\n");
	}
	return nr;
}

static void datagrams(void)
{
	struct sockaddr_un a_name, b_name, from;
	socklen_t a_length = abstract_name(&a_name, "a"), b_length = abstract_name(&b_name, "b"), length;
	int a = MUST(socket(AF_UNIX, SOCK_DGRAM, 0)), b = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
	int c = MUST(socket(AF_UNIX, SOCK_RAW, 0)), bytes = 0;
	char buf[64] = "";
	static char large[300000];
	MUST(bind(a, (void *)&a_name, a_length));
	show_poll("datagram", a);
	SHOW(send(c, "x", 1, 0));
	SHOW(sendto(c, "one", 3, 0, (void *)&a_name, a_length));
	SHOW(sendto(c, "", 0, 0, (void *)&a_name, a_length));
	SHOW(sendto(c, "three", 5, 0, (void *)&a_name, a_length));
	SHOW(sendto(c, "x", 1, 0, (void *)&b_name, b_length));
	SHOW(sendto(c, "x", 1, 0, (void *)&b_name, 2));
	SHOW(sendto(c, large, sizeof(large), 0, (void *)&a_name, a_length));
	SHOW(ioctl(a, FIONREAD, &bytes));
	printf("to read %d\n", bytes);
	length = sizeof(from);
	SHOW(recvfrom(a, buf, 2, 0, (void *)&from, &length));
	printf("from nobody: %u\n", length);
	show_recv("empty", a, 64, 0);
	show_recv("peek", a, 2, MSG_PEEK | MSG_TRUNC);
	show_recv("cut", a, 2, MSG_TRUNC);
	show_recv("none", a, 64, MSG_DONTWAIT);
	MUST(bind(b, (void *)&b_name, b_length));
	SHOW(connect(a, (void *)&b_name, b_length));
	SHOW(connect(a, (void *)&b_name, b_length)); /* again is fine */
	SHOW(sendto(b, "x", 1, 0, (void *)&a_name, a_length));
	SHOW(sendto(c, "x", 1, 0, (void *)&a_name, a_length)); /* a listens to b only */
	SHOW(connect(c, (void *)&a_name, a_length));
	length = sizeof(from);
	SHOW(recvfrom(a, buf, 64, 0, (void *)&from, &length));
	printf("from b: %d\n", length == b_length && !memcmp(&from, &b_name, length));
	SHOW(send(a, "to b", 4, 0));
	SHOW(sendto(a, "named", 5, 0, (void *)&b_name, b_length));
	show_recv("b", b, 64, 0);
	/* The queue of a receiver that is not the sender's partner is short. */
	int n = 0;
	while (send(a, "fill", 4, MSG_DONTWAIT) == 4)
		n++;
	printf("full: %s, several went %d\n", errno_name(errno), n > 5);
	show_poll("full", a);
	show_recv("b", b, 64, 0);
	SHOW(send(a, "fill", 4, MSG_DONTWAIT));
	SHOW(close(b));
	SHOW(send(a, "x", 1, 0)); /* once refused, then not connected */
	SHOW(send(a, "x", 1, 0));
	struct sockaddr unspecified = { AF_UNSPEC };
	SHOW(connect(a, &unspecified, sizeof(unspecified)));
	SHOW(shutdown(a, SHUT_RD));
	show_poll("shut", a);
	show_recv("shut", a, 64, 0);
	show_recv("shut, not waiting", a, 64, MSG_DONTWAIT);
	SHOW(sendto(c, "x", 1, 0, (void *)&a_name, a_length));
	SHOW(shutdown(c, SHUT_WR));
	SHOW(sendto(c, "x", 1, 0, (void *)&a_name, a_length));
	close(a);
	close(c);
}

static void sequenced(void)
{
	int fd[2];
	static char large[70000], back[70000];
	struct iovec two[2] = { { large, 30000 }, { large + 30000, 40000 } };
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = i * 31 >> 3;
	int alone = MUST(socket(AF_UNIX, SOCK_SEQPACKET, 0));
	show_poll("fresh", alone);
	show_recv("fresh", alone, 4, 0);
	SHOW(send(alone, "x", 1, 0));
	close(alone);
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd));
	SHOW(send(fd[0], "first", 5, 0));
	SHOW(send(fd[0], "second", 6, 0));
	SHOW(writev(fd[0], two, 2));
	show_recv("cut", fd[1], 3, 0);
	show_recv("next", fd[1], 64, 0);
	SHOW(recv(fd[1], back, sizeof(back), 0));
	printf("same %d\n", !memcmp(large, back, sizeof(back)));
	SHOW(send(fd[0], "x", 0, 0));
	show_recv("empty", fd[1], 64, 0);
	MUST(send(fd[0], "left", 4, 0));
	close(fd[0]);
	show_poll("closed", fd[1]);
	show_recv("left", fd[1], 64, 0);
	show_recv("end", fd[1], 64, 0);
	show_recv("end, not waiting", fd[1], 64, MSG_DONTWAIT);
	show_ok("send", send(fd[1], "x", 1, MSG_NOSIGNAL));
	close(fd[1]);
	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd));
	MUST(send(fd[0], "left", 4, 0));
	close(fd[0]);
	show_poll("closed", fd[1]);
	show_recv("left", fd[1], 64, 0);
	show_recv("none", fd[1], 64, MSG_DONTWAIT);
	SHOW(send(fd[1], "x", 1, 0));
	SHOW(send(fd[1], "x", 1, 0));
	close(fd[1]);
}

static void credentials(void)
{
	int fd[2], on = 1, fds[4];
	char control[CMSG_SPACE(sizeof(struct ucred))] = "";
	struct iovec iov = { "cred", 4 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	struct ucred cred = { getpid(), getuid(), getgid() };
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_CREDENTIALS;
	c->cmsg_len = CMSG_LEN(sizeof(cred));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	MUST(write(fd[0], "early", 5));
	MUST(setsockopt(fd[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	MUST(write(fd[0], "late", 4));
	recv_fds("before", fd[1], fds, ROOM, 0, 64); /* streams do not mix senders */
	recv_fds("asked", fd[1], fds, ROOM, 0, 64);
	memcpy(CMSG_DATA(c), &cred, sizeof(cred));
	SHOW(sendmsg(fd[0], &m, 0));
	recv_fds("given", fd[1], fds, ROOM, 0, 64);
	cred.pid = 0x7ffffff0;
	memcpy(CMSG_DATA(c), &cred, sizeof(cred));
	SHOW_TRUE(sendmsg(fd[0], &m, 0) == -1 && (errno == ESRCH || errno == EPERM));
	c->cmsg_len--;
	SHOW(sendmsg(fd[0], &m, 0));
	c->cmsg_len = 5;
	SHOW(sendmsg(fd[0], &m, 0));
	c->cmsg_len = sizeof(control) + 1;
	SHOW(sendmsg(fd[0], &m, 0));
	c->cmsg_len = CMSG_LEN(sizeof(cred));
	c->cmsg_type = 77;
	SHOW(sendmsg(fd[0], &m, 0));
	c->cmsg_level = 77; /* not ours: not looked at */
	SHOW(sendmsg(fd[0], &m, 0));
	recv_fds("foreign", fd[1], fds, 0, 0, 64);
	write(fd[0], "x", 1);
	recv_fds("no room", fd[1], fds, 8, 0, 64);
	write(fd[0], "x", 1);
	recv_fds("half", fd[1], fds, 20, 0, 64);
	close(fd[0]);
	close(fd[1]);
}

static void files(void)
{
	int fd[2], p[2], fds[300], many[254];
	char c;
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	MUST(pipe(p));
	SHOW(send_fds(fd[0], "pipe", p, 2, 0));
	MUST(close(p[0]));
	int n = recv_fds("peek", fd[1], fds, ROOM, MSG_PEEK, 64);
	printf("descriptors %d\n", n);
	MUST(write(fds[1], "p", 1));
	MUST(close(fds[0]));
	MUST(close(fds[1]));
	MUST(write(fd[0], "more", 4));
	n = recv_fds("part", fd[1], fds, ROOM, MSG_CMSG_CLOEXEC, 2); /* files come with the first bytes */
	printf("descriptors %d\n", n);
	MUST(read(fds[0], &c, 1));
	printf("through the pipe: %c\n", c);
	recv_fds("rest", fd[1], fds + 2, ROOM, 0, 64);
	close(fds[0]);
	close(fds[1]);
	SHOW(send_fds(fd[0], "a", p + 1, 1, 0));
	SHOW(send_fds(fd[0], "b", p + 1, 1, 0));
	recv_fds("one at a time", fd[1], fds, ROOM, 0, 64);
	close(fds[0]);
	recv_fds("no room", fd[1], fds, 0, 0, 64);
	SHOW(send_fds(fd[0], "two", (int[]){ p[1], p[1] }, 2, 0));
	n = recv_fds("one fits", fd[1], fds, CMSG_LEN(sizeof(int)), 0, 64);
	for (int i = 0; i < n; i++)
		close(fds[i]);
	SHOW(send_fds(fd[0], "read", &p[1], 1, 0));
	show_recv("plain", fd[1], 64, 0);
	SHOW(send_fds(fd[0], "bad", (int[]){ 999 }, 1, 0));
	SHOW(send_fds(fd[0], "bad", (int[]){ -1 }, 1, 0));
	for (int i = 0; i < 254; i++)
		many[i] = p[1];
	SHOW(send_fds(fd[0], "many", many, 254, 0));
	SHOW(send_fds(fd[0], "253", many, 253, 0));
	show_recv("thrown away", fd[1], 64, 0);
	SHOW(send_fds(fd[0], "", many, 3, 0)); /* without bytes: nothing is sent */
	show_recv("nothing", fd[1], 64, MSG_DONTWAIT);
	/* A descriptor's table that is full. */
	struct rlimit limit, low;
	MUST(getrlimit(RLIMIT_NOFILE, &limit));
	MUST(send_fds(fd[0], "limit", many, 2, 0));
	int highest = MUST(dup(0));
	close(highest);
	low = (struct rlimit){ highest, limit.rlim_max };
	MUST(setrlimit(RLIMIT_NOFILE, &low));
	recv_fds("limit", fd[1], fds, ROOM, 0, 64);
	MUST(setrlimit(RLIMIT_NOFILE, &limit));
	close(p[1]);
	close(fd[0]);
	close(fd[1]);
}

static void show_end(const char *what, int pipe_reader)
{
	struct pollfd p = { pipe_reader, POLLIN, 0 };
	int fd[2];
	/* Linux looks for cycles when a socket is closed, a little later. */
	for (int tries = 0; tries < 100 && !poll(&p, 1, 20); tries++) {
		MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
		close(fd[0]);
		close(fd[1]);
	}
	printf("%s: %#x\n", what, p.revents);
}

static void cycles(void)
{
	int a[2], b[2], p[2];
	/* A socket in its own peer's queue, with a pipe's end beside it. */
	MUST(pipe(p));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, a));
	MUST(send_fds(a[0], "self", (int[]){ a[1], p[1] }, 2, 0));
	close(a[0]);
	close(a[1]);
	close(p[1]);
	show_end("self", p[0]);
	close(p[0]);
	/* Two pairs that hold each other. */
	MUST(pipe(p));
	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, a));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, b));
	MUST(send_fds(a[0], "b", (int[]){ b[0], b[1] }, 2, 0));
	MUST(send_fds(b[0], "a", (int[]){ a[0], a[1], p[1] }, 3, 0));
	close(p[1]);
	close(b[0]);
	close(b[1]);
	close(a[0]);
	struct pollfd alive = { p[0], POLLIN, 0 };
	printf("held from outside: %d\n", poll(&alive, 1, 20));
	close(a[1]);
	show_end("both", p[0]);
	close(p[0]);
	/* In a connection that nobody accepted. */
	struct sockaddr_un name;
	socklen_t length = abstract_name(&name, "embryo");
	int listener = MUST(socket(AF_UNIX, SOCK_STREAM, 0)), client = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	MUST(pipe(p));
	MUST(bind(listener, (void *)&name, length));
	MUST(listen(listener, 2));
	MUST(connect(client, (void *)&name, length));
	MUST(send_fds(client, "l", (int[]){ listener, p[1] }, 2, 0));
	close(p[1]);
	close(client);
	close(listener);
	show_end("embryo", p[0]);
	close(p[0]);
	/* A chain: each socket in the next one's queue. Closing it must not need a stack as long. */
	MUST(pipe(p));
	int last = p[1];
	for (int i = 0; i < 3000; i++) {
		MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, a));
		MUST(send_fds(a[0], "c", &last, 1, 0));
		close(last);
		close(a[0]);
		last = a[1];
	}
	close(last);
	show_end("chain", p[0]);
	close(p[0]);
}

static void several(void)
{
	int fd[2];
	char buf[4][8] = { "" };
	struct iovec iov[4] = { { "one", 3 }, { "two", 3 }, { "three", 5 }, { "four", 4 } };
	struct mmsghdr m[4] = { { .msg_len = 0 } };
	for (int i = 0; i < 4; i++)
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd));
	SHOW(sendmmsg(fd[0], m, 3, 0));
	printf("%u %u %u %u\n", m[0].msg_len, m[1].msg_len, m[2].msg_len, m[3].msg_len);
	for (int i = 0; i < 4; i++)
		iov[i] = (struct iovec){ buf[i], 4 };
	SHOW(recvmmsg(fd[1], m, 4, MSG_WAITFORONE, NULL));
	for (int i = 0; i < 3; i++)
		printf("%u '%.4s' %#x\n", m[i].msg_len, buf[i], m[i].msg_hdr.msg_flags);
	SHOW(recvmmsg(fd[1], m, 4, MSG_DONTWAIT, NULL));
	struct timespec bad = { 0, -1 }, ok = { 1, 0 };
	SHOW(recvmmsg(fd[1], m, 4, MSG_DONTWAIT, &bad));
	SHOW(recvmmsg(fd[1], m, 4, MSG_DONTWAIT, BAD_POINTER));
	MUST(send(fd[0], "x", 1, 0));
	SHOW(recvmmsg(fd[1], m, 1, 0, &ok));
	SHOW_TRUE(ok.tv_sec == 0 && ok.tv_nsec > 0);
	SHOW(sendmmsg(fd[0], BAD_POINTER, 1, 0));
	SHOW(sendmmsg(fd[0], m, 0, 0));
	close(fd[0]);
	close(fd[1]);
}

static void bad_messages(void)
{
	int fd[2];
	char buf[8], control[64] = "";
	struct iovec iov = { buf, 8 }, bad = { BAD_POINTER, 8 }, huge = { buf, (size_t)-1 };
	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd));
	SHOW(sendmsg(fd[0], BAD_POINTER, 0));
	SHOW(recvmsg(fd[1], BAD_POINTER, 0));
#define SEND(...) SHOW(sendmsg(fd[0], &(struct msghdr){ __VA_ARGS__ }, MSG_DONTWAIT))
#define RECV(...) SHOW(recvmsg(fd[1], &(struct msghdr){ __VA_ARGS__ }, MSG_DONTWAIT))
	SEND(.msg_iov = BAD_POINTER, .msg_iovlen = 1);
	SEND(.msg_iov = &bad, .msg_iovlen = 1);
	SEND(.msg_iov = &huge, .msg_iovlen = 1);
	SEND(.msg_iov = &iov, .msg_iovlen = 1025);
	SEND(.msg_iov = &iov, .msg_iovlen = 1, .msg_name = BAD_POINTER, .msg_namelen = 5);
	SEND(.msg_iov = &iov, .msg_iovlen = 1, .msg_name = buf, .msg_namelen = -5);
	SEND(.msg_iov = &iov, .msg_iovlen = 1, .msg_control = BAD_POINTER, .msg_controllen = 32);
	SEND(.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = 1 << 20);
	SEND(.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = 64);
	SEND(.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = 5);
	SEND(.msg_iov = &iov, .msg_iovlen = 1);
	RECV(.msg_iov = &bad, .msg_iovlen = 1); /* the datagram is lost */
	RECV(.msg_iov = &iov, .msg_iovlen = 1025);
	RECV(.msg_iov = &iov, .msg_iovlen = 1);
	RECV(.msg_iov = NULL, .msg_iovlen = 0);
	RECV(.msg_iov = &iov, .msg_iovlen = 1);
	close(fd[0]);
	close(fd[1]);
}

int main(void)
{
	close_inherited();
	signal(SIGPIPE, SIG_IGN);
	datagrams();
	sequenced();
	credentials();
	files();
	cycles();
	several();
	bad_messages();
	return 0;
}
