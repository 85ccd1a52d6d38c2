/* SPDX-License-Identifier: MIT */
/* compare: none */
/* guest: --ram 32M */
/* timeout: 240 */
/*
 * Running out, one kind after the other, each in a child: anonymous memory, page tables, a
 * shared mapping, files in a tmpfs, processes, mappings, pipes full of data, descriptors. The
 * child gets an error or is killed; the machine and this parent go on, and (the runner
 * checks) every frame is free again in the end. Not compared with a host, which has more of
 * everything and better uses for it.
 */
#include "guest.h"

enum { MANY = 1000000 };

static int wrong;

static int anonymous_memory(void *unused)
{
	(void)unused;
	for (int i = 0; i < MANY; i++) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return errno == ENOMEM ? 1 : 99;
		memset(p, 1, 1 << 20);
	}
	return 99;
}

/* A page table each: one byte every 2 MiB, read only, so that no frame but the table is needed. */
static int page_tables(void *unused)
{
	(void)unused;
	for (int i = 0; i < MANY; i++) {
		char *p = mmap(NULL, 2 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED)
			return errno == ENOMEM ? 1 : 99;
		touch_read(p);
	}
	return 99;
}

static int shared_memory(void *unused)
{
	(void)unused;
	for (int i = 0; i < MANY; i++) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return errno == ENOMEM ? 1 : 99;
		memset(p, 1, 1 << 20);
	}
	return 99;
}

static int files(void *unused)
{
	static char block[65536];
	(void)unused;
	int fd = MUST(open("big", O_WRONLY | O_CREAT | O_TRUNC, 0600));
	for (int i = 0; i < MANY; i++)
		if (write(fd, block, sizeof(block)) <= 0)
			return errno == ENOSPC || errno == ENOMEM ? 1 : 99;
	return 99;
}

static int small_files(void *unused)
{
	char name[32];
	(void)unused;
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "small%d", i);
		int fd = open(name, O_WRONLY | O_CREAT, 0600);
		if (fd == -1 || write(fd, name, 1) != 1)
			return errno == ENOSPC || errno == ENOMEM ? 1 : 99;
		close(fd);
	}
	return 99;
}

/* Its children live until it has been refused one; they die with their group. */
static int processes(void *unused)
{
	int made = 0;
	(void)unused;
	MUST(setpgid(0, 0));
	for (int i = 0; i < MANY; i++) {
		pid_t pid = fork();
		if (pid == -1) {
			int error = errno;
			signal(SIGTERM, SIG_IGN);
			kill(0, SIGTERM);
			while (wait(NULL) > 0)
				made++;
			return made > 20 && (error == EAGAIN || error == ENOMEM) ? 1 : 99;
		}
		if (pid == 0) {
			signal(SIGTERM, SIG_DFL);
			for (;;)
				pause();
		}
	}
	return 99;
}

static int mappings(void *unused)
{
	(void)unused;
	for (int i = 0; i < MANY; i++)
		if (mmap(NULL, PAGE, i % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
			return errno == ENOMEM ? 1 : 99;
	return 99;
}

static int pipes(void *unused)
{
	static char block[4096];
	int fds[2];
	(void)unused;
	for (int i = 0; i < MANY; i++) {
		if (pipe2(fds, O_NONBLOCK))
			return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? 1 : 99;
		while (write(fds[1], block, sizeof(block)) > 0)
			;
		if (errno != EAGAIN && errno != ENOMEM)
			return 99;
	}
	return 99;
}

static NOINLINE int recurse(int depth)
{
	volatile char frame[2000];
	frame[0] = depth;
	return depth < MANY ? recurse(depth + 1) + frame[0] : 0;
}

static int stack(void *unused)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	(void)unused;
	MUST(setrlimit(RLIMIT_STACK, &limit));
	return recurse(0) ? 99 : 98;
}

/* Copies of 12 MiB in ever more processes. */
static int copies(void *unused)
{
	(void)unused;
	MUST(setpgid(0, 0));
	char *p = map_anon(12 << 20, PROT_READ | PROT_WRITE);
	memset(p, 1, 12 << 20);
	for (int i = 0; i < 8; i++) {
		pid_t pid = fork();
		if (pid == 0)
			for (char c = i;; c++)
				memset(p, c, 12 << 20);
	}
	sleep_ms(300);
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGKILL);
	return 99;
}

/* A system call that needs memory when there is none: whatever it answers, nothing breaks. */
static int calls_without_memory(void *unused)
{
	(void)unused;
	MUST(setpgid(0, 0));
	if (fork() == 0) {
		anonymous_memory(NULL);
		_exit(1);
	}
	for (int i = 0; i < 300; i++) {
		int fds[2];
		char name[32];
		snprintf(name, sizeof(name), "under%d", i);
		if (!pipe(fds)) {
			close(fds[0]);
			close(fds[1]);
		}
		close(open(name, O_WRONLY | O_CREAT, 0600));
		unlink(name);
		if (fork() == 0)
			_exit(0);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	return 1;
}

static void remove_files(void)
{
	char name[32];
	unlink("big");
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "small%d", i);
		if (unlink(name))
			break;
	}
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "under%d", i);
		unlink(name);
	}
}

static void exhaust(const char *what, int (*body)(void *))
{
	int status = run_child(body, NULL);
	int ok = WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGSEGV ||
					     WTERMSIG(status) == SIGTERM
				     : WEXITSTATUS(status) == 1;
	show_status(what, status);
	wrong += !ok;
	remove_files();
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	/* There is room again. */
	char *p = map_anon(4 << 20, PROT_READ | PROT_WRITE);
	memset(p, 2, 4 << 20);
	MUST(munmap(p, 4 << 20));
}

int main(void)
{
	scratch_enter();
	for (int round = 0; round < 2; round++) {
		exhaust("anonymous memory", anonymous_memory);
		exhaust("page tables", page_tables);
		exhaust("shared memory", shared_memory);
		exhaust("a large file", files);
		exhaust("small files", small_files);
		exhaust("processes", processes);
		exhaust("mappings", mappings);
		exhaust("pipes", pipes);
		exhaust("the stack", stack);
		exhaust("copies", copies);
		exhaust("calls without memory", calls_without_memory);
	}
	scratch_leave();
	return wrong != 0;
}
