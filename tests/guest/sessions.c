/* SPDX-License-Identifier: MIT */
/*
 * Process groups, sessions and orphans: setpgid and its errors (also after the child's
 * exec), setsid, getpgid and getsid by pid, kill to a group and to one that does not exist,
 * wait4 by group, orphans given to process 1, and a stopped group that becomes orphaned gets
 * SIGHUP and SIGCONT.
 */
#include "guest.h"

static int ready[2];

static void say(void)
{
	MUST(write(ready[1], "x", 1));
}

static void hear(void)
{
	char c;
	MUST(read(ready[0], &c, 1));
}

static int sleeper(void *unused)
{
	(void)unused;
	say();
	for (;;)
		pause();
	return 0;
}

static const char *who(pid_t pid, pid_t child)
{
	return pid == child ? "child" : pid == getpid() ? "me" : pid == getppid() ? "parent" : "other";
}

static void groups(void)
{
	pid_t child = start_child(sleeper, NULL);
	hear();
	SHOW_TRUE(getpgid(child) == getpgrp());
	SHOW(setpgid(child, child));
	printf("group of the child: %s\n", who(getpgid(child), child));
	pid_t second = start_child(sleeper, NULL);
	hear();
	SHOW(setpgid(second, child));
	printf("group of the second: %s\n", who(getpgid(second), child));
	SHOW_TRUE(getsid(child) == getsid(0));
	SHOW(setpgid(child, -1));
	SHOW(setpgid(-1, 0));
	SHOW(setpgid(1 << 22, 0));
	SHOW(setpgid(getppid(), 0));
	SHOW(setpgid(second, 1 << 21));
	SHOW(getpgid(1 << 22));
	SHOW(getsid(-1));
	SHOW(kill(-child, 0));
	SHOW(kill(-child, SIGTERM));
	int status;
	pid_t first = MUST(waitpid(-child, &status, 0));
	show_status(first == child || first == second ? "one of the group" : "another", status);
	MUST(waitpid(-child, &status, 0));
	show_status("the other one", status);
	SHOW(waitpid(-child, &status, 0));
	SHOW(kill(-child, 0));
	SHOW(kill(child, 0));
	SHOW(kill(getpid(), 65));
	SHOW(kill(getpid(), -1));
	SHOW(kill(getpid(), 0));
}

static int new_session(void *unused)
{
	(void)unused;
	SHOW_TRUE(setsid() == getpid());
	SHOW_TRUE(getsid(0) == getpid() && getpgrp() == getpid());
	SHOW(setsid());
	SHOW(setpgid(0, 0)); /* a session leader may not move */
	pid_t child = start_child(sleeper, NULL);
	hear();
	SHOW_TRUE(getsid(child) == getpid());
	SHOW(setpgid(child, 0));
	SHOW(setpgid(child, getpgid(getppid()))); /* a group of another session */
	MUST(kill(child, SIGKILL));
	wait_for(child);
	SHOW(open("/dev/tty", O_RDWR));
	return 0;
}

static int stay_after_exec(char *self)
{
	int to_child[2];
	MUST(pipe(to_child));
	pid_t child = MUST(fork());
	if (child == 0) {
		char fd[16];
		snprintf(fd, sizeof(fd), "%d", ready[1]);
		execl(self, self, "sleep", fd, (char *)NULL);
		_exit(127);
	}
	hear();
	SHOW(setpgid(child, child)); /* EACCES: it has called exec */
	MUST(kill(child, SIGKILL));
	show_status("child", wait_for(child));
	return 0;
}

/* The orphan reports, through a pipe, whose child it has become. */
static int orphan_maker(void *result_pipe)
{
	int out = *(int *)result_pipe;
	pid_t me = getpid();
	pid_t child = MUST(fork());
	if (child == 0) {
		pid_t parent;
		while ((parent = getppid()) == me)
			sleep_ms(2);
		dprintf(out, "%s", parent == 1 ? "process 1" : "another");
		_exit(0);
	}
	return 0;
}

static void orphans(void)
{
	int result[2];
	char text[32] = "";
	MUST(pipe(result));
	show_status("parent of the orphan", run_child(orphan_maker, &result[1]));
	MUST(read(result[0], text, sizeof(text) - 1));
	/* A host's session may run under a subreaper, hence no more than this. */
	printf("the orphan has a new parent: %s\n", text[0] ? "yes" : "no");
}

static volatile sig_atomic_t hangups, continues;

static void count(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	if (sig == SIGHUP)
		hangups++;
	else
		continues++;
}

/* A stopped member of a group whose last outside parent dies. */
static int stopped_orphan(void *result_pipe)
{
	int out = *(int *)result_pipe;
	MUST(setpgid(0, 0));
	pid_t child = MUST(fork());
	if (child == 0) {
		MUST(set_handler(SIGHUP, count, 0));
		MUST(set_handler(SIGCONT, count, 0));
		say();
		raise(SIGSTOP);
		dprintf(out, "SIGHUP %d SIGCONT %d", (int)hangups, (int)continues);
		_exit(0);
	}
	hear();
	wait_state(child, 'T');
	return 0;
}

static void orphaned_group(void)
{
	int result[2];
	char text[64] = "";
	MUST(pipe(result));
	show_status("leader of the group", run_child(stopped_orphan, &result[1]));
	MUST(read(result[0], text, sizeof(text) - 1));
	printf("the stopped orphan got: %s\n", text);
}

int main(int argc, char **argv)
{
	if (argc == 3) {
		MUST(write(atoi(argv[2]), "x", 1));
		for (;;)
			pause();
	}
	MUST(pipe(ready));
	groups();
	show_status("session leader", run_child(new_session, NULL));
	stay_after_exec(argv[0]);
	orphans();
	orphaned_group();
	return 0;
}
