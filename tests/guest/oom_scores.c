/* SPDX-License-Identifier: MIT */
/* compare: none */
/* libc: glibc */
/* guest: --ram 32M */
/*
 * Kernel memory that a process causes outside its address space is in its oom_score: its table of segments, and what
 * its threads have copied to poll and select. (That of descriptors: kernel_memory_hogs.c.)
 */
#include "guest.h"
#include <asm/ldt.h>
#include <poll.h>
#include <pthread.h>
#include <sys/select.h>

#define THREADS 24
#define FDS 4000

static int go[2], failures;

static int score(void)
{
	char text[64];
	MUST(read_file("/proc/self/oom_score", text, sizeof(text)));
	return atoi(text);
}

static void is(const char *what, int before, int after, int least)
{
	if (after < before + least) {
		printf("%s: %d, then %d, not %d more\n", what, before, after, least);
		failures++;
	}
}

static int segments(void *unused)
{
	struct user_desc desc = { .entry_number = 8191, .limit = 1, .seg_32bit = 1, .useable = 1 };
	struct user_desc first = { .limit = 1, .seg_32bit = 1, .useable = 1 };
	int before;
	MUST((int)syscall(SYS_modify_ldt, 1, &first, sizeof(first)));
	score(); /* what it touches is resident now */
	before = score();
	MUST((int)syscall(SYS_modify_ldt, 1, &desc, sizeof(desc)));
	is("8192 segments", before, score(), 2);
	return failures + (unused != NULL);
}

static void *poll_many(void *fds)
{
	MUST(poll(fds, FDS, -1));
	return NULL;
}

static void *select_many(void *unused)
{
	fd_set in[FDS / FD_SETSIZE + 1];
	memset(in, 0, sizeof(in));
	FD_SET(go[0], &in[0]);
	MUST(select(FDS, in, NULL, NULL, NULL));
	return unused;
}

/* The score while the threads of this process wait in body is higher than afterwards. */
static void wait_in(const char *what, void *(*body)(void *), void *argument, int least)
{
	pthread_t threads[THREADS];
	int during;
	for (int i = 0; i < THREADS; i++)
		MUST(-pthread_create(&threads[i], NULL, body, argument));
	for (during = score(), sleep_ms(200); during != score(); sleep_ms(200)) /* until all of them wait */
		during = score();
	MUST((int)write(go[1], "x", 1));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	is(what, score(), during, least);
}

static int copies(void *unused)
{
	static struct pollfd fds[FDS];
	MUST(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ FDS, FDS }));
	MUST(pipe(go));
	MUST(dup2(go[0], FDS - 1));
	for (int i = 0; i < FDS; i++)
		fds[i] = (struct pollfd){ .fd = -1 };
	fds[0] = (struct pollfd){ .fd = go[0], .events = POLLIN };
	if (unused) {
		wait_in("24 times 4000 descriptors polled", poll_many, fds, 15);
	} else {
		wait_in("24 times 4000 descriptors selected", select_many, NULL, 8);
	}
	return failures;
}

int main(void)
{
	int wrong = run_child(segments, NULL) | run_child(copies, "poll") | run_child(copies, NULL);
	printf("%s\n", wrong ? "wrong" : "right");
	return wrong != 0;
}
