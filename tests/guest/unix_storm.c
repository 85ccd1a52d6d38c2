/* SPDX-License-Identifier: MIT */
/* compare: none */
/* guest: --ram 64M */
/* timeout: 120 */
/*
 * Random operations on a handful of AF_UNIX sockets and pipes, by several processes that pass each other's
 * sockets around, in cycles and in backlogs as it comes. Every byte received must be one that was sent.
 * What is left at the end is closed by exit; the runner checks that no frame is lost.
 */
#include "guest.h"
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { PROCESSES = 4, STEPS = 20000, POOL = 24, NAMES = 4 };

static unsigned long state;

static unsigned random_below(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % n;
}

static int pool[POOL];

static int any(void)
{
	return pool[random_below(POOL)];
}

static void keep(int fd)
{
	int *slot = &pool[random_below(POOL)];
	if (fd == -1)
		return;
	close(*slot);
	*slot = fd;
}

static socklen_t some_name(struct sockaddr_un *name)
{
	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	int n = snprintf(name->sun_path + 1, 40, "storm-%d-%u", getppid(), random_below(NAMES));
	return offsetof(struct sockaddr_un, sun_path) + 1 + n;
}

static int some_type(void)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	return types[random_below(3)] | SOCK_NONBLOCK;
}

static void send_some(void)
{
	char data[3000], control[CMSG_SPACE(4 * sizeof(int))] = "";
	struct iovec iov = { data, 1 + random_below(random_below(8) ? 20 : sizeof(data)) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct sockaddr_un name;
	int nr = random_below(4);
	memset(data, 'x', sizeof(data));
	if (nr) {
		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(nr * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr * sizeof(int));
		for (int i = 0; i < nr; i++)
			((int *)CMSG_DATA(c))[i] = any();
	}
	if (!random_below(4)) {
		m.msg_name = &name;
		m.msg_namelen = some_name(&name);
	}
	sendmsg(any(), &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void receive_some(void)
{
	char data[4000], control[128];
	struct iovec iov = { data, 1 + random_below(sizeof(data)) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = random_below(4) ? sizeof(control) : random_below(40) };
	int peek = random_below(5) ? 0 : MSG_PEEK;
	long n = recvmsg(any(), &m, MSG_DONTWAIT | peek);
	if (n < 0)
		return;
	for (long i = 0; i < n && i < (long)iov.iov_len; i++)
		if (data[i] != 'x')
			die(__FILE__, __LINE__, "a byte nobody sent");
	for (struct cmsghdr *c = m.msg_controllen ? CMSG_FIRSTHDR(&m) : NULL; c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_type == SCM_RIGHTS)
			for (unsigned i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++)
				keep(((int *)CMSG_DATA(c))[i]);
}

static void make_some(void)
{
	int fd[2] = { -1, -1 };
	if (random_below(4))
		socketpair(AF_UNIX, some_type(), 0, fd);
	else if (random_below(2))
		pipe2(fd, O_NONBLOCK);
	else
		fd[0] = socket(AF_UNIX, some_type(), 0);
	keep(fd[0]);
	keep(fd[1]);
}

static void name_some(void)
{
	struct sockaddr_un name;
	socklen_t length = some_name(&name);
	int fd = any();
	if (random_below(2)) {
		bind(fd, (void *)&name, length);
		listen(fd, random_below(3));
	} else {
		connect(fd, (void *)&name, length);
	}
}

static void step(void)
{
	struct pollfd p = { any(), POLLIN | POLLOUT, 0 };
	switch (random_below(12)) {
	case 0: make_some(); break;
	case 1: name_some(); break;
	case 2: keep(accept4(any(), NULL, NULL, SOCK_NONBLOCK)); break;
	case 3: keep(dup(any())); break;
	case 4: shutdown(any(), random_below(12)); break; /* mostly not */
	case 5: poll(&p, 1, 0); break;
	case 6: close(any()); break; /* perhaps once more later: EBADF */
	case 7:
	case 8:
	case 9: send_some(); break;
	default: receive_some(); break;
	}
}

static int storm(void *argument)
{
	state = 88172645463325252UL + *(int *)argument * 7919UL;
	for (int i = 0; i < STEPS; i++)
		step();
	return 0;
}

int main(void)
{
	pid_t child[PROCESSES];
	int failed = 0;
	close_inherited();
	for (int i = 0; i < POOL; i += 2) /* shared by all */
		MUST(socketpair(AF_UNIX, (i / 2 % 2 ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0, pool + i));
	for (int i = 0; i < PROCESSES; i++)
		child[i] = start_child(storm, &i);
	for (int i = 0; i < POOL; i++)
		close(pool[i]);
	for (int i = 0; i < PROCESSES; i++)
		failed |= wait_for(child[i]);
	return failed != 0;
}
