/* SPDX-License-Identifier: MIT */
/* proves: OM-13 OM-16 FX-23 */
/* compare: none */
/* guest: --ram 24M --icount */
/* timeout: 240 */
/* libc: musl */
/*
 * Memory runs out a hundred times in one boot. Each time the child that takes it all is killed,
 * within a second of the last page it got, by SIGTERM if it has CAP_SYS_RAWIO, else by
 * SIGKILL; a handler for SIGTERM runs. The parent is never chosen, nor another process that the
 * parent exempts, and afterwards all memory is free again.
 */
#include "guest.h"

enum { CYCLES = 100 };

struct shared {
	volatile long long last_page_ns;
	volatile int handled;
};
static struct shared *shared;

static long mem_free_kb(void)
{
	char text[512] = "";
	int fd = MUST(open("/proc/meminfo", O_RDONLY));
	MUST(read(fd, text, sizeof(text) - 1));
	close(fd);
	char *p = strstr(text, "MemFree:");
	return p ? strtol(p + 8, NULL, 10) : 0;
}

static void write_file(const char *path, const char *text)
{
	int fd = MUST(open(path, O_WRONLY));
	if (write(fd, text, strlen(text)) < 0)
		die(__FILE__, __LINE__, path);
	close(fd);
}

static void take_everything(void)
{
	for (;;) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED)
			_exit(99);
		for (int i = 0; i < 1 << 20; i += PAGE) {
			p[i] = 1;
			shared->last_page_ns = now_ns();
		}
	}
}

static void on_term(int signo)
{
	shared->handled = signo;
	_exit(42);
}

static int hog(void *kind)
{
	if (kind) {
		char c = *(char *)kind;
		if (c == 'u')
			MUST(setuid(65534));
		if (c == 'h')
			signal(SIGTERM, on_term);
	}
	take_everything();
	return 99;
}

/* Runs a hog; its status as waitpid gives it. */
static int one_cycle(char *kind)
{
	int status = run_child(hog, kind);
	long long took = now_ns() - shared->last_page_ns;
	if (took > 1000000000LL)
		printf("killed only after %lld ms\n", (long long)took / 1000000), exit(1);
	return status;
}

static int failed(const char *what, int status)
{
	printf("%s: status %x\n", what, status);
	return 1;
}

static int stay(void *unused)
{
	(void)unused;
	pause();
	return 0;
}

int main(void)
{
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t exempt = fork();
	if (!exempt)
		_exit(stay(NULL));
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", exempt);
	write_file(path, "-1000");

	int status = one_cycle(NULL);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGTERM)
		return failed("root's hog", status);
	status = one_cycle("u");
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		return failed("nobody's hog", status);
	status = one_cycle("h");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 42 || shared->handled != SIGTERM)
		return failed("hog with a handler", status);
	long before = mem_free_kb();
	for (int i = 0; i < CYCLES; i++) {
		status = one_cycle("u");
		if (!WIFSIGNALED(status))
			return failed("cycle", status);
	}
	long after = mem_free_kb();
	if (after < before - 256)
		return printf("%ld kB free before, %ld after\n", before, after), 1;
	if (kill(exempt, 0))
		return printf("the exempt process is gone\n"), 1;
	kill(exempt, SIGKILL);
	waitpid(exempt, NULL, 0);
	return 0;
}
