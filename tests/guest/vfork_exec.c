/* SPDX-License-Identifier: MIT */
/* proves: AS-46 */
/*
 * vfork: the parent waits until the child has called exec or _exit, and shares its memory
 * until then; close-on-exec closes exactly the marked descriptors; a failing exec in a vfork
 * child leaves both as they were. clone with CLONE_VM|CLONE_VFORK (posix_spawn) alike.
 */
#include "guest.h"
#include <sched.h>
#include <spawn.h>

static volatile int shared_word;

static int print_open_fds(void)
{
	printf("open descriptors:");
	for (int fd = 3; fd < 40; fd++)
		if (fcntl(fd, F_GETFD) != -1)
			printf(" %d", fd);
	printf("\n");
	return 0;
}

static void shares_memory(void)
{
	shared_word = 1;
	pid_t child = vfork();
	if (child == 0) {
		shared_word = 2;
		_exit(3);
	}
	printf("after vfork the parent sees %d\n", shared_word);
	show_status("child", wait_for(child));
}

static void parent_waits(void)
{
	int fds[2];
	char text[8] = "";
	MUST(pipe2(fds, O_NONBLOCK));
	pid_t child = vfork();
	if (child == 0) {
		struct timespec time = { 0, 50000000 };
		nanosleep(&time, NULL);
		write(fds[1], "done", 4);
		_exit(0);
	}
	printf("when the parent goes on the child has written: %ld\n", (long)read(fds[0], text, 8));
	show_status("child", wait_for(child));
	close(fds[0]);
	close(fds[1]);
}

static void close_on_exec(char *self)
{
	int fd = MUST(open("/dev/null", O_RDONLY));
	MUST(dup2(fd, 20));
	MUST(fcntl(fd, F_DUPFD_CLOEXEC, 21));
	MUST(dup2(fd, 22));
	MUST(fcntl(22, F_SETFD, FD_CLOEXEC));
	MUST(dup2(22, 23)); /* the flag is not copied */
	MUST(fcntl(23, F_DUPFD, 24));
	MUST(dup3(fd, 25, O_CLOEXEC));
	MUST(close(fd));
	fd = MUST(open("/dev/null", O_RDONLY | O_CLOEXEC));
	MUST(fcntl(fd, F_DUPFD, 30));
	MUST(close(fd));
	pid_t child = vfork();
	if (child == 0) {
		execl(self, self, "fds", (char *)NULL);
		_exit(127);
	}
	show_status("child", wait_for(child));
	printf("parent: ");
	print_open_fds();
}

static void failing_exec(void)
{
	shared_word = 5;
	pid_t child = vfork();
	if (child == 0) {
		execl("/no/such/file", "x", (char *)NULL);
		shared_word = errno;
		_exit(126);
	}
	printf("exec in the vfork child: %s\n", errno_name(shared_word));
	show_status("child", wait_for(child));
}

static void spawn(char *self)
{
	pid_t child;
	char *argv[] = { self, "spawned", NULL };
	char *envp[] = { NULL };
	int error = posix_spawn(&child, self, NULL, NULL, argv, envp);
	show_status("spawned", wait_for(child));
	printf("posix_spawn: %d\n", error);
	argv[0] = "missing";
	printf("posix_spawn of a missing file: %s\n",
	       errno_name(posix_spawn(&child, "/no/such/file", NULL, NULL, argv, envp)));
	/* The child that failed to exec has been reaped by the C library. */
	SHOW(waitpid(-1, NULL, WNOHANG));
}

static int clone_body(void *unused)
{
	(void)unused;
	shared_word = 77;
	_exit(9);
}

static void clone_vm(void)
{
	char *stack = map_anon(16 * PAGE, PROT_READ | PROT_WRITE);
	int status;
	shared_word = 0;
	pid_t child = MUST(clone(clone_body, stack + 16 * PAGE, CLONE_VM | SIGCHLD, NULL));
	MUST(waitpid(child, &status, 0));
	show_status("clone with CLONE_VM", status);
	printf("its store is seen: %d\n", shared_word);
	shared_word = 0;
	child = MUST(clone(clone_body, stack + 16 * PAGE, SIGCHLD, NULL));
	MUST(waitpid(child, &status, 0));
	printf("without it: %d\n", shared_word);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "fds"))
		return print_open_fds();
	if (argc == 2) {
		printf("%s\n", argv[1]);
		return 4;
	}
	close_inherited();
	shares_memory();
	parent_waits();
	close_on_exec(argv[0]);
	failing_exec();
	spawn(argv[0]);
	clone_vm();
	return 0;
}
