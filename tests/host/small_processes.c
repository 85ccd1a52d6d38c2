/* SPDX-License-Identifier: MIT */
/*
 * Many small processes that touch a few pages each and sleep, and one hog that touches memory without end: the hog
 * is killed, the others live.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define TOUCHED 4

static void touch_and_sleep(int ready)
{
	char *p = mmap(NULL, TOUCHED * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < TOUCHED; i++)
		p[i * PAGE] = 1;
	(void)!write(ready, "x", 1);
	for (;;)
		pause();
}

static void touch_without_end(int go)
{
	char byte;
	while (read(go, &byte, 1) != 1)
		;
	for (;;) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (int i = 0; p != MAP_FAILED && i < 1 << 20; i += PAGE)
			p[i] = 1;
	}
}

int main(int argc, char **argv)
{
	int nr = argc > 1 ? atoi(argv[1]) : 950, started = 0, alive = 0, ready[2], go[2], status;
	pid_t *pids = calloc((size_t)nr, sizeof(*pids)), hog;
	char byte;

	if (!pids || pipe(ready) || pipe(go))
		return 1;
	hog = fork(); /* before the limit of tasks is reached */
	if (hog < 0)
		return 1;
	if (!hog)
		touch_without_end(go[0]);
	for (; started < nr && (pids[started] = fork()) >= 0; started++) {
		if (!pids[started])
			touch_and_sleep(ready[1]);
		while (read(ready[0], &byte, 1) != 1)
			;
	}
	printf("%d started\n", started);
	fflush(stdout);
	(void)!write(go[1], "x", 1);
	waitpid(hog, &status, 0);
	printf("hog: signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	for (int i = 0; i < started; i++)
		alive += waitpid(pids[i], NULL, WNOHANG) == 0;
	printf("%d alive\n", alive);
	fflush(stdout);
	for (int i = 0; i < started; i++)
		kill(pids[i], SIGKILL);
	while (wait(NULL) > 0)
		;
	printf("done\n");
	return 0;
}
