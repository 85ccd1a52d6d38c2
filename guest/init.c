/* SPDX-License-Identifier: MIT */
/*
 * init.c: process 1 of the guest. It starts one program, waits for it, and tells the
 * kernel how it ended; the kernel then sends the report and turns the machine off.
 *
 * The host leaves the errand in /.pagoda (lab/run/image.py), as strings each ended by NUL: exec
 * (a path), argv, env, cwd, and stdio, which says for each of the three standard descriptors
 * whether it is the terminal ("tty") or a raw stream ("stream"). Without an errand, on a
 * machine booted by hand, a shell is started on the terminal.
 *
 * What it says to the kernel, one word per write to /dev/pagoda:
 *
 *	start		before the fork; frames are counted here first
 *	mark		by the child, just before execve: counters restart when that succeeds
 *	execfail N	by the child: execve failed with errno N
 *	exit N		the program's wait status, all other processes being dead
 *
 * Frames must be the same in number before and after. So that init's own first-time
 * faults do not count as leaks, it rehearses before it starts: it forks a child that ends
 * at once and waits for it, which touches all that the real run will touch.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND	    127

struct errand {
	char *path, *cwd;
	char **argv, **envp;
	char **stdio; /* three words */
};

static char *default_argv[] = {"-sh", NULL};
static char *default_envp[] = {"PATH=/sbin:/usr/sbin:/bin:/usr/bin", "HOME=/root", "TERM=linux",
			       NULL};
static char *default_stdio[] = {"tty", "tty", "tty", NULL};

static const char *const tty_path = "/dev/console";
static const char *const stream_path[3] = {"/dev/stdio.in", "/dev/stdio.out", "/dev/stdio.err"};

/* Write a word to the kernel. It may be an old kernel that does not know it: no matter. */
static void tell(const char *word, int number, int has_number)
{
	char line[64];
	int fd = open("/dev/pagoda", O_WRONLY | O_CLOEXEC), n;

	if (fd < 0)
		return;
	if (has_number)
		n = snprintf(line, sizeof(line), "%s %d\n", word, number);
	else
		n = snprintf(line, sizeof(line), "%s\n", word);
	(void)!write(fd, line, (size_t)n);
	close(fd);
}

/* The whole file in fresh memory with a NUL behind it, or NULL. */
static char *read_file(const char *path, size_t *size)
{
	struct stat st;
	char *data;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return NULL;
	data = fstat(fd, &st) ? NULL : malloc((size_t)st.st_size + 1);
	n = data ? read(fd, data, (size_t)st.st_size) : -1;
	close(fd);
	if (n < 0)
		return NULL;
	data[n] = 0;
	*size = (size_t)n;
	return data;
}

/* The NUL-ended strings of a file as a vector, or the fallback if there is no such file. */
static char **read_vector(const char *path, char **fallback)
{
	size_t size = 0, i, n = 0;
	char *data = read_file(path, &size);
	char **vector;

	for (i = 0; i < size; i++)
		n += !data[i];
	vector = data ? calloc(n + 1, sizeof(char *)) : NULL;
	if (!vector)
		return fallback;
	for (i = n = 0; i < size; i += strlen(data + i) + 1)
		vector[n++] = data + i;
	return vector;
}

static char *read_word(const char *path, char *fallback)
{
	size_t size;
	char *data = read_file(path, &size);

	return data ? data : fallback;
}

static void read_errand(struct errand *e)
{
	e->path = read_word("/.pagoda/exec", "/bin/sh");
	e->cwd = read_word("/.pagoda/cwd", "/");
	e->argv = read_vector("/.pagoda/argv", default_argv);
	e->envp = read_vector("/.pagoda/env", default_envp);
	e->stdio = read_vector("/.pagoda/stdio", default_stdio);
	if (!e->stdio[0] || !e->stdio[1] || !e->stdio[2])
		e->stdio = default_stdio;
}

/* Descriptors 0, 1 and 2. Returns one that is the terminal, or -1. */
static int open_standard_descriptors(char **stdio)
{
	int fd, i, tty = -1;

	for (i = 0; i < 3; i++) {
		int stream = strcmp(stdio[i], "stream") == 0;
		int mode = !stream ? O_RDWR : i ? O_WRONLY : O_RDONLY;

		fd = open(stream ? stream_path[i] : tty_path, mode | O_NOCTTY);
		if (fd >= 0 && fd != i) {
			dup2(fd, i);
			close(fd);
		}
		if (!stream && tty < 0)
			tty = i;
	}
	return tty;
}

/* A child that ends at once, so that the real one finds everything touched already. */
static void rehearse(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid(pid, &status, 0);
}

static void start_program(const struct errand *e, int tty)
{
	int error;

	setsid();
	if (tty >= 0)
		ioctl(tty, TIOCSCTTY, 0);
	if (chdir(e->cwd))
		(void)!chdir("/");
	tell("mark", 0, 0);
	execve(e->path, e->argv, e->envp);
	error = errno;
	tell("execfail", error, 1);
	_exit(error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

/* Wait until pid has ended, burying orphans meanwhile. Returns its wait status. */
static int wait_for(pid_t pid)
{
	int status = 0;
	pid_t ended;

	while ((ended = wait(&status)) != pid)
		if (ended < 0 && errno != EINTR)
			return -1;
	return status;
}

static void end_all_others(void)
{
	kill(-1, SIGKILL);
	while (wait(NULL) > 0 || errno == EINTR)
		;
}

/*
 * The machine ends with this process. With swap its pages could lie on a disk that cannot be read
 * any
 * more: it keeps them.
 */
static void stay_in_memory(void)
{
	char text[512] = "";
	int fd = open("/proc/swaps", O_RDONLY);

	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text) - 1) > 0 && strstr(text, "/dev/"))
		(void)mlockall(MCL_CURRENT | MCL_FUTURE); /* without: as before */
	close(fd);
}

int main(void)
{
	struct errand e;
	int tty, status;
	pid_t pid;

	read_errand(&e);
	/* root=: a disk's file system is there, with /dev and /proc inside. */
	if (chroot("/.root") == 0 && chdir("/"))
		return 1;
	stay_in_memory();
	tty = open_standard_descriptors(e.stdio);
	rehearse();
	rehearse();
	tell("start", 0, 0);
	pid = fork();
	if (pid == 0)
		start_program(&e, tty);
	status = wait_for(pid);
	end_all_others();
	tell("exit", status, 1);
	for (;;)
		pause();
}
