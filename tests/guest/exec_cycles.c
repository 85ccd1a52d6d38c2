/* SPDX-License-Identifier: MIT */
/* proves: AS-56 AS-57 */
/* guest: --ram 32M */
/* timeout: 240 */
/*
 * 1000 cycles of fork, exec, exit and wait, then 10000 of fork and exit with pages touched in
 * between, on a machine of 32 MiB: nothing may be lost (the runner compares the number of
 * free frames at the end with the one at the start), nothing may become wrong.
 */
#include "guest.h"

enum { CYCLES = 1000, TOUCH_CYCLES = 10000 };

int main(int argc, char **argv)
{
	int wrong = 0, failed = 0;

	if (argc == 2)
		return atoi(argv[1]) % 200;
	for (int i = 0; i < CYCLES; i++) {
		char number[16];
		snprintf(number, sizeof(number), "%d", i);
		pid_t child = fork();
		if (child == 0) {
			execl(argv[0], argv[0], number, (char *)NULL);
			_exit(255);
		}
		if (child == -1) {
			failed++;
			continue;
		}
		int status = wait_for(child);
		wrong += !WIFEXITED(status) || WEXITSTATUS(status) != i % 200;
	}
	printf("fork, exec, exit: %d cycles, %d wrong, %d failed\n", CYCLES, wrong, failed);

	char *area = map_anon(64 * PAGE, PROT_READ | PROT_WRITE);
	memset(area, 1, 64 * PAGE);
	wrong = failed = 0;
	for (int i = 0; i < TOUCH_CYCLES; i++) {
		pid_t child = fork();
		if (child == 0) {
			for (int page = 0; page < 64; page += 9)
				area[page * PAGE]++;
			char *own = map_anon(32 * PAGE, PROT_READ | PROT_WRITE);
			memset(own, 2, 4 * PAGE);
			_exit(area[63 * PAGE] + own[100]);
		}
		if (child == -1) {
			failed++;
			continue;
		}
		int status = wait_for(child);
		wrong += !WIFEXITED(status) || WEXITSTATUS(status) != 4;
	}
	printf("fork, touch, exit: %d cycles, %d wrong, %d failed\n", TOUCH_CYCLES, wrong, failed);
	return 0;
}
