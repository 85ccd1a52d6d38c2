/* SPDX-License-Identifier: MIT */
/*
 * oom_users.c: four processes that hold as much memory each, under the names that oom_users.py looks
 * for in the log, and then one that takes memory until it is killed, whatever its score:
 *
 *	both	uid 0 with CAP_SYS_ADMIN	root	uid 0 without any capability
 *	admin	uid 1000 with CAP_SYS_ADMIN	user	uid 1000 without any
 */
#define _GNU_SOURCE
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELD (4ul << 20)

static void must(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static void become(const char *name, int uid, unsigned int caps)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { caps, caps, 0 }, { 0, 0, 0 } };

	must(!prctl(PR_SET_NAME, name), "PR_SET_NAME");
	must(!prctl(PR_SET_KEEPCAPS, 1), "PR_SET_KEEPCAPS");
	must(!setresuid(uid, uid, uid), "setresuid");
	must(!syscall(SYS_capset, &head, data), "capset");
}

static pid_t hold(const char *name, int uid, unsigned int caps, int ready)
{
	pid_t pid = fork();
	char *memory;

	must(pid >= 0, "fork");
	if (pid)
		return pid;
	become(name, uid, caps);
	memory = mmap(NULL, HELD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(memory != MAP_FAILED, "mmap");
	memset(memory, 1, HELD);
	must(write(ready, name, 1) == 1, "write");
	for (;;)
		pause();
}

static void take_all(void)
{
	FILE *adj = fopen("/proc/self/oom_score_adj", "w");

	must(adj && fputs("1000", adj) >= 0 && !fclose(adj), "oom_score_adj");
	for (;;) {
		char *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		must(memory != MAP_FAILED, "mmap");
		memset(memory, 1, 1 << 20);
	}
}

int main(void)
{
	const unsigned int admin = 1u << CAP_SYS_ADMIN;
	int ready[2], status;
	pid_t pids[5];
	char c;

	must(!pipe(ready), "pipe");
	pids[0] = hold("both", 0, admin, ready[1]);
	pids[1] = hold("root", 0, 0, ready[1]);
	pids[2] = hold("admin", 1000, admin, ready[1]);
	pids[3] = hold("user", 1000, 0, ready[1]);
	for (int i = 0; i < 4; i++)
		must(read(ready[0], &c, 1) == 1, "read");
	pids[4] = fork();
	if (!pids[4])
		take_all();
	must(waitpid(pids[4], &status, 0) == pids[4], "waitpid");
	must(WIFSIGNALED(status), "the hog was not killed");
	for (int i = 0; i < 4; i++)
		must(waitpid(pids[i], &status, WNOHANG) == 0 && !kill(pids[i], SIGKILL), "a holder was killed");
	puts("done");
	return 0;
}
