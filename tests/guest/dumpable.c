/* SPDX-License-Identifier: MIT */
/* proves: AS-17 */
/*
 * Who may look into another process: prctl(PR_SET_DUMPABLE), equal and different users, root,
 * through process_vm_readv, /proc/PID/mem, maps and pagemap. Programs that change their user
 * become undumpable, exec makes them dumpable again. Run as root (in Pagoda everybody is).
 */
#include "guest.h"
#include <sys/prctl.h>
#include <sys/uio.h>

static char secret[] = "secret";
static int dumpable, uid;

/* Becomes uid, sets its flag and waits. */
static int target(void *unused)
{
	(void)unused;
	MUST(setresgid(uid, uid, uid));
	MUST(setresuid(uid, uid, uid));
	if (dumpable >= 0)
		MUST(prctl(PR_SET_DUMPABLE, dumpable));
	pause();
	return 0;
}

static void try_open(pid_t pid, const char *name)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	int fd = open(path, O_RDONLY);
	printf(" %s %s", name, fd == -1 ? errno_name(errno) : "ok");
	if (fd != -1)
		close(fd);
}

static int looker_uid;

static int look(void *argument)
{
	pid_t pid = *(pid_t *)argument;
	char buffer[8] = "";
	struct iovec local = { buffer, 7 }, remote = { secret, 7 };
	MUST(setresgid(looker_uid, looker_uid, looker_uid));
	MUST(setresuid(looker_uid, looker_uid, looker_uid));
	long got = syscall(SYS_process_vm_readv, pid, &local, 1, &remote, 1, 0);
	printf("%s looks at %s, dumpable %d: readv %s", looker_uid ? "user" : "root",
	       uid == looker_uid ? "its own" : "another user", dumpable, got == -1 ? errno_name(errno) : buffer);
	try_open(pid, "mem"), try_open(pid, "maps"), try_open(pid, "pagemap"), try_open(pid, "environ"), try_open(pid, "statm");
	printf("\n");
	return 0;
}

static void attempt(int its_uid, int flag, int my_uid)
{
	uid = its_uid, dumpable = flag, looker_uid = my_uid;
	pid_t pid = start_child(target, NULL);
	wait_state(pid, 'S');
	run_child(look, &pid);
	MUST(kill(pid, SIGKILL));
	wait_for(pid);
}

static int change_user(void *unused)
{
	(void)unused;
	SHOW(prctl(PR_GET_DUMPABLE));
	MUST(setresuid(1000, 1000, 1000));
	SHOW(prctl(PR_GET_DUMPABLE));
	SHOW(open("/proc/self/mem", O_RDONLY) >= 0); /* its own files are root's now */
	SHOW(prctl(PR_SET_DUMPABLE, 1));
	SHOW(open("/proc/self/mem", O_RDONLY) >= 0);
	return 0;
}

int main(void)
{
	SHOW(prctl(PR_SET_DUMPABLE, 2));
	SHOW(prctl(PR_SET_DUMPABLE, 3));
	SHOW(prctl(PR_SET_DUMPABLE, 0));
	SHOW(prctl(PR_GET_DUMPABLE));
	SHOW(prctl(PR_SET_DUMPABLE, 1));
	SHOW(prctl(PR_GET_DUMPABLE));
	attempt(1000, 1, 1000);
	attempt(1000, 0, 1000);
	attempt(1000, -1, 1000); /* as setuid left it */
	attempt(1001, 1, 1000);
	attempt(0, 1, 1000);
	attempt(1000, 0, 0);
	attempt(1000, 1, 0);
	run_child(change_user, NULL);
	return 0;
}
