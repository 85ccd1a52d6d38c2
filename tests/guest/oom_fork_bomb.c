/* SPDX-License-Identifier: MIT */
/* proves: OM-07 OM-16 */
/* compare: none */
/* guest: --ram 24M --icount */
/* timeout: 240 */
/*
 * Processes that take memory and multiply for three seconds, far beyond what there is. This
 * parent and init live; once the bomb's process group is killed all memory is free again.
 */
#include "guest.h"

enum { BOMB_MS = 3000, PAGES_EACH = 128 };

static long long now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void take_some(void)
{
	char *p = mmap(NULL, PAGES_EACH * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p != MAP_FAILED)
		for (int i = 0; i < PAGES_EACH; i++)
			p[i * PAGE] = 1;
}

static void bomb(long long until)
{
	while (now_ms() < until) {
		take_some();
		if (fork() < 0)
			usleep(1000);
	}
	for (;;)
		pause();
}

int main(void)
{
	int fd = MUST(open("/proc/self/oom_score_adj", O_WRONLY));
	pid_t leader = fork();
	if (!leader) {
		setpgid(0, 0);
		bomb(now_ms() + BOMB_MS);
	}
	setpgid(leader, leader);
	MUST(write(fd, "-1000", 5));
	close(fd);
	long long until = now_ms() + BOMB_MS + 500;
	while (now_ms() < until)
		usleep(50000);
	for (int i = 0; i < 20; i++) { /* some may just be forking */
		kill(-leader, SIGKILL);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		usleep(20000);
	}
	if (kill(-leader, 0) == 0)
		return printf("the bomb goes on\n"), 1;
	char *p = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 1, 8 << 20);
	return 0;
}
