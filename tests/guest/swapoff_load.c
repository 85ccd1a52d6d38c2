/* SPDX-License-Identifier: MIT */
/* proves: SW-15 */
/* guest: --ram 24M --swap 128M */
/* compare: none */
/*
 * swapoff while a reader and writer of 8 MiB works on, beside a hog of 40 MiB: with the hog there is
 * no room, ENOMEM, and nobody is killed; once the hog was killed in the middle of its
 * swapping there is room. The worker never sees a wrong word.
 */
#include "guest.h"
#include <sys/swap.h>

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			failed(__LINE__, #what);                                                   \
	} while (0)

static void failed(int line, const char *what)
{
	printf("line %d: %s (%s)\n", line, what, errno_name(errno));
	exit(1);
}

#define DISK "/dev/vda"
enum { WORDS = PAGE / sizeof(long), WORKER_PAGES = 2048, HOG_PAGES = 10240 };

struct shared {
	volatile int stop, filled;
	volatile unsigned long rounds, wrong;
} *shared;

static unsigned long *take(int pages)
{
	return MUST(mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
}

static void hog(void)
{
	unsigned long *p = take(HOG_PAGES);

	for (unsigned long n = 1;; n++) {
		for (int i = 0; i < HOG_PAGES; i++)
			p[i * WORDS] = n;
		shared->filled = 1;
	}
}

/* Each page has a round's number at both ends. */
static void worker(void)
{
	unsigned long *p = take(WORKER_PAGES);

	for (unsigned long n = 0; !shared->stop; n++, shared->rounds++)
		for (int i = 0; i < WORKER_PAGES; i++) {
			unsigned long *first = p + i * WORDS, *last = first + WORDS - 1, was = n ? n * 3 + i : 0;

			shared->wrong += *first != was || *last != was;
			*first = *last = (n + 1) * 3 + i;
		}
	exit(0);
}

static pid_t start(void (*work)(void))
{
	pid_t pid = MUST(fork());

	if (!pid)
		work();
	return pid;
}

static long used_kib(void)
{
	char line[256] = "";
	long size, used = -1;
	FILE *f = fopen("/proc/swaps", "r");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, DISK " partition %ld %ld", &size, &used);
	fclose(f);
	return used;
}

static void rounds_go_on(void)
{
	unsigned long before = shared->rounds;

	while (shared->rounds < before + 2)
		usleep(10000);
}

static void end(pid_t pid, int signo)
{
	int status;

	if (signo)
		kill(pid, signo);
	MUST(waitpid(pid, &status, 0));
	CHECK(signo ? WIFSIGNALED(status) && WTERMSIG(status) == signo : status == 0);
}

int main(void)
{
	shared = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	pid_t w = start(worker), h = start(hog);

	while (!shared->filled)
		usleep(10000);
	for (int i = 0; i < 3; i++) {
		CHECK(swapoff(DISK) == -1 && errno == ENOMEM);
		rounds_go_on();
	}
	CHECK(used_kib() > 20000);
	end(h, SIGKILL);
	CHECK(swapoff(DISK) == 0 && used_kib() == -1);
	rounds_go_on();
	CHECK(swapon(DISK, 0) == 0 && used_kib() >= 0);
	h = start(hog);
	rounds_go_on();
	end(h, SIGKILL);
	shared->stop = 1;
	end(w, 0);
	CHECK(shared->wrong == 0);
	CHECK(swapoff(DISK) == 0);
	return 0;
}
