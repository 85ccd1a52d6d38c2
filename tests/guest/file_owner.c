/* SPDX-License-Identifier: MIT */
/*
 * F_SETOWN, F_GETOWN and their _EX forms: what is remembered of whom, who is refused, and
 * that an owner that has ended is none.
 */
#include "guest.h"

static int fd;

static const char *who(int id)
{
	return id == 0 ? "nobody" : id == getpid() ? "self" : id == -getpgrp() ? "-group" : id == getpgrp() ? "group" : "other";
}

static void show(const char *what, int result)
{
	struct f_owner_ex ex = { -1, -1 };
	int error = errno, owner = fcntl(fd, F_GETOWN);

	MUST(fcntl(fd, F_GETOWN_EX, &ex));
	printf("%s: %s; %s, type %d %s\n", what, result ? errno_name(error) : "ok", who(owner), ex.type, who(ex.pid));
}

static void set(const char *what, int owner)
{
	show(what, fcntl(fd, F_SETOWN, owner));
}

static void set_ex(const char *what, int type, int pid)
{
	struct f_owner_ex ex = { type, pid };

	show(what, fcntl(fd, F_SETOWN_EX, &ex));
}

int main(void)
{
	int fds[2], child;

	setpgid(0, 0); /* a session leader is the leader of its group already */
	MUST(pipe(fds));
	fd = fds[0];
	show("new", 0);
	set("self", getpid());
	set("own group", -getpgrp());
	set("no such", 0x3ffffff);
	set("no such group", -0x3ffffff);
	set("lowest", INT_MIN);
	set("nobody", 0);
	set_ex("thread", F_OWNER_TID, getpid());
	set_ex("process", F_OWNER_PID, getpid());
	set_ex("group", F_OWNER_PGRP, getpgrp());
	set_ex("type 3", 3, getpid());
	set_ex("type -1", -1, getpid());
	set_ex("no such", F_OWNER_PID, 0x3ffffff);
	set_ex("negative", F_OWNER_PID, -getpid());
	set_ex("nobody's thread", F_OWNER_TID, 0);
	show("bad pointer", fcntl(fd, F_SETOWN_EX, BAD_POINTER));
	printf("bad pointer: %s\n", fcntl(fd, F_GETOWN_EX, BAD_POINTER) ? errno_name(errno) : "ok");
	child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	set("child", child);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	show("child has ended", 0);
	return 0;
}
