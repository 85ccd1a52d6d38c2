/* SPDX-License-Identifier: MIT */
/* proves: CS-11 */
/* libc: glibc */
/* compare: none */
/*
 * Two processes hand a byte to and fro a thousand times: no switch between ordinary ones loads a table
 * of segments, each switch to and from one that has its own does. (The kernel counts in /proc/vmstat.)
 */
#include "guest.h"
#include <asm/ldt.h>

#define ROUNDS 1000

static long loads(void)
{
	static char line[128];
	FILE *f = fopen("/proc/vmstat", "r");
	long n = -1;

	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "ldt_load ", 9))
			n = atol(line + 9);
	fclose(f);
	return n;
}

static long loads_of(int with_segment)
{
	struct user_desc d = { .entry_number = 0, .limit = 0xfff, .seg_32bit = 1 };
	int to[2], from[2];
	long before;
	char c = 0;

	MUST(pipe(to));
	MUST(pipe(from));
	if (!MUST(fork())) {
		close(to[1]);
		if (with_segment && syscall(SYS_modify_ldt, 0x11, &d, sizeof(d)))
			_exit(1);
		MUST(write(from[1], &c, 1));
		while (read(to[0], &c, 1) == 1)
			MUST(write(from[1], &c, 1));
		_exit(0);
	}
	MUST(read(from[0], &c, 1));
	before = loads();
	for (int i = 0; i < ROUNDS; i++) {
		MUST(write(to[1], &c, 1));
		MUST(read(from[0], &c, 1));
	}
	before = loads() - before;
	close(to[1]);
	wait(NULL);
	return before;
}

int main(void)
{
	long without = loads_of(0), with = loads_of(1);

	printf("%d rounds: %ld loads without, %ld with\n", ROUNDS, without, with);
	return without != 0 || with < 2 * ROUNDS || with > 2 * ROUNDS + ROUNDS / 10;
}
