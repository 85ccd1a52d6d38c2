/* SPDX-License-Identifier: MIT */
/* proves: AS-17 */
/*
 * What a file of /proc/PID shows is settled when it is opened, and never becomes another's: files
 * opened before a set-user-id exec go on with the old program; those of a dead process end, also
 * when its number is another process's; and who may open, read and follow what, by user and by
 * PR_SET_DUMPABLE. Run as root.
 */
#include "guest.h"
#include <sched.h>
#include <sys/prctl.h>

static const char *const names[] = { "auxv", "environ", "maps", "mem", "numa_maps", "pagemap", "smaps", "smaps_rollup",
				     "stat", "status", "statm", "limits", "io", "cmdline", "comm", "oom_score_adj",
				     "personality", "wchan", "mounts", "fdinfo/0" };
enum { NAMES = ARRAY_LEN(names) };
static volatile char secret[16] = "secret";

static const char *result_name(long got)
{
	static char text[32];
	if (got == -1)
		return errno_name(errno);
	snprintf(text, sizeof(text), "%s", got ? "bytes" : "nothing");
	return text;
}

static int open_of(pid_t pid, const char *name)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return open(path, !strcmp(name, "mem") ? O_RDWR : O_RDONLY);
}

static void open_all(pid_t pid, int *fds)
{
	for (size_t i = 0; i < NAMES; i++)
		fds[i] = MUST(open_of(pid, names[i]));
}

/* Reads where there is something to be read in a program of this file. */
static void read_all(const int *fds)
{
	char text[256];
	for (size_t i = 0; i < NAMES; i++) {
		off_t at = !strcmp(names[i], "mem") ? (off_t)(unsigned long)secret : 0;
		printf(" %s: %s\n", names[i], result_name(pread(fds[i], text, 8, at)));
	}
}

static void close_all(const int *fds)
{
	for (size_t i = 0; i < NAMES; i++)
		close(fds[i]);
}

/* ---- A set-user-id program ------------------------------------------------------------------- */

static void copy_self(const char *to)
{
	char buf[4096];
	ssize_t n;
	int in = MUST(open("/proc/self/exe", O_RDONLY)), out = MUST(open(to, O_CREAT | O_WRONLY | O_TRUNC, 0755));
	while ((n = read(in, buf, sizeof(buf))) > 0)
		MUST(write(out, buf, n));
	close(in), close(out);
}

static int go[2];

static int run_setuid(void *path)
{
	char c;
	close(go[1]);
	MUST(read(go[0], &c, 1) == 0 ? 0 : -1);
	execl(path, "victim", (char *)NULL);
	return 1;
}

static int victim(void)
{
	for (int i = 0; i < 400 && secret[0] == 's'; i++)
		sleep_ms(5);
	return secret[0] == 's' ? 0 : 1;
}

static int attack(void *path)
{
	int fds[NAMES];
	MUST(setresgid(1000, 1000, 1000));
	MUST(setresuid(1000, 1000, 1000));
	MUST(prctl(PR_SET_DUMPABLE, 1));
	MUST(pipe2(go, O_CLOEXEC));
	pid_t child = start_child(run_setuid, path);
	open_all(child, fds);
	close(go[1]);
	while (open_of(child, "mem") >= 0) /* until the exec has taken place */
		sleep_ms(5);
	printf("opened before a set-user-id exec:\n");
	read_all(fds);
	SHOW(pwrite(fds[3], "!", 1, (off_t)(unsigned long)secret));
	printf("opened after it:\n");
	for (size_t i = 0; i < NAMES; i++) {
		int fd = open_of(child, names[i]);
		char text[8];
		printf(" %s: %s\n", names[i], fd == -1 ? errno_name(errno) : result_name(pread(fd, text, 8, 0)));
	}
	kill(child, SIGKILL);
	show_status("the set-user-id program", wait_for(child));
	return 0;
}

/* ---- The dead, and who has their number ----------------------------------------------------------- */

static int wait_for_ever(void *unused)
{
	(void)unused;
	for (;;)
		pause();
	return 0;
}

/* A child with that number. */
static pid_t fork_as(pid_t pid)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size;
	} args = { .exit_signal = SIGCHLD, .set_tid = (uint64_t)(unsigned long)&pid, .set_tid_size = 1 };
	pid_t child = MUST(syscall(SYS_clone3, &args, sizeof(args)));
	if (child == 0)
		_exit(wait_for_ever(NULL));
	return child;
}

static void the_dead(void)
{
	char path[64], text[8];
	pid_t child = start_child(wait_for_ever, NULL);
	int fds[NAMES], pidfd = MUST(syscall(SYS_pidfd_open, child, 0));
	snprintf(path, sizeof(path), "/proc/%d", (int)child);
	int dir = MUST(open(path, O_RDONLY | O_DIRECTORY)), fd_dir, adj, refs;
	strcat(path, "/fd");
	fd_dir = MUST(open(path, O_RDONLY | O_DIRECTORY));
	adj = MUST(openat(dir, "oom_score_adj", O_WRONLY));
	refs = MUST(openat(dir, "clear_refs", O_WRONLY));
	open_all(child, fds);
	MUST(kill(child, SIGKILL));
	wait_state(child, 'Z');
	printf("of a zombie:\n");
	read_all(fds);
	SHOW(pwrite(fds[3], "!", 1, (off_t)(unsigned long)secret));
	wait_for(child);
	pid_t next = fork_as(child);
	printf("of a dead process, whose number is another's:\n");
	read_all(fds);
	SHOW(pwrite(fds[3], "!", 1, (off_t)(unsigned long)secret));
	SHOW(write(adj, "500", 3));
	SHOW(write(refs, "1", 1));
	SHOW(openat(dir, "status", O_RDONLY));
	SHOW(readlinkat(dir, "exe", text, sizeof(text)));
	SHOW(syscall(SYS_getdents64, dir, path, sizeof(path)));
	SHOW(openat(fd_dir, "0", O_RDONLY));
	SHOW(syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0));
	SHOW(syscall(SYS_pidfd_send_signal, dir, 0, NULL, 0));
	int own = open_of(next, "oom_score_adj");
	printf("its own oom_score_adj: %s\n", pread(own, text, 2, 0) == 2 && text[0] == '0' ? "0" : "changed");
	MUST(kill(next, SIGKILL));
	wait_for(next);
	close_all(fds);
	close(own), close(dir), close(fd_dir), close(adj), close(refs), close(pidfd);
}

/* ---- Who may ---------------------------------------------------------------------------------------- */

static int dumpable, uid;

static int target(void *unused)
{
	MUST(setresgid(uid, uid, uid));
	MUST(setresuid(uid, uid, uid));
	MUST(prctl(PR_SET_DUMPABLE, dumpable));
	return wait_for_ever(unused);
}

static int look(void *argument)
{
	static const char *const links[] = { "exe", "cwd", "root", "fd/0" };
	pid_t pid = *(pid_t *)argument;
	char path[64], text[512];
	MUST(setresgid(1000, 1000, 1000));
	MUST(setresuid(1000, 1000, 1000));
	for (size_t i = 0; i < NAMES; i++) {
		int fd = open_of(pid, names[i]);
		printf(" %s: %s", names[i], fd == -1 ? errno_name(errno) : "opened");
		if (fd >= 0 && strcmp(names[i], "mem"))
			printf(", %s", result_name(pread(fd, text, 8, 0)));
		printf("\n");
	}
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, links[i]);
		printf(" %s: %s\n", links[i], result_name(readlink(path, text, sizeof(text))));
	}
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	SHOW_OK(open(path, O_RDONLY));
	strcat(path, "info");
	SHOW_OK(open(path, O_RDONLY));
	snprintf(path, sizeof(path), "/proc/%d/clear_refs", (int)pid);
	SHOW_OK(open(path, O_WRONLY));
	return 0;
}

/* The fields of stat that tell addresses and the like, as whether they are zero. */
static int look_at_stat(void *argument)
{
	static const int fields[] = { 23, 26, 27, 28, 29, 30, 35, 45, 46, 47, 48, 49, 50, 51 };
	char text[1024], path[64], *p;
	size_t i = 0;
	int n = 3;
	MUST(setresgid(1000, 1000, 1000));
	MUST(setresuid(1000, 1000, 1000));
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)*(pid_t *)argument);
	MUST(read_file(path, text, sizeof(text)));
	printf(" stat:");
	for (p = strtok(strrchr(text, ')') + 2, " "); p; p = strtok(NULL, " "), n++)
		if (i < ARRAY_LEN(fields) && fields[i] == n) {
			printf(" %d:%s", n, strcmp(p, "0") ? strcmp(p, "1") ? "some" : "1" : "0");
			i++;
		}
	printf("\n");
	return 0;
}

static void attempt(int its_uid, int flag)
{
	uid = its_uid, dumpable = flag;
	printf("user 1000 looks at user %d, dumpable %d:\n", its_uid, flag);
	pid_t pid = start_child(target, NULL);
	sleep_ms(50);
	wait_state(pid, 'S');
	run_child(look, &pid);
	run_child(look_at_stat, &pid);
	MUST(kill(pid, SIGKILL));
	wait_for(pid);
}

int main(int argc, char **argv)
{
	char path[128];
	(void)argc;
	if (!strcmp(argv[0], "victim"))
		return victim();
	snprintf(path, sizeof(path), "/tmp/victim.%d", (int)getpid());
	mkdir("/tmp", 01777);
	copy_self(path);
	MUST(chmod(path, 04755));
	run_child(attack, path);
	MUST(unlink(path));
	the_dead();
	attempt(1000, 1);
	attempt(1000, 0);
	attempt(1001, 1);
	attempt(0, 1);
	return 0;
}
