/* SPDX-License-Identifier: MIT */
/* proves: AS-55 */
/* guest: --ram 32M --swap 48M */
/*
 * A shared segment of 12 MiB: two processes exchange data through it at different addresses, it is
 * detached by both and attached again at an address of their choice, and its pages go to swap while
 * something else wants all the memory: not a byte is lost.
 */
#include "guest.h"
#include <sys/ipc.h>
#include <sys/shm.h>

#define SIZE  (12UL << 20)
#define WORDS (SIZE / 8)
#define STEP  (PAGE / 8)

static long wrong(const unsigned long *p, unsigned long owner)
{
	long sum = 0;

	for (unsigned long i = 0; i < WORDS; i += STEP)
		sum += p[i] != (i ^ owner) || p[i + STEP - 1] != i + owner;
	return sum;
}

static void fill(unsigned long *p, unsigned long owner)
{
	for (unsigned long i = 0; i < WORDS; i += STEP) {
		p[i] = i ^ owner;
		p[i + STEP - 1] = i + owner;
	}
}

/* A child uses 24 MiB and ends. */
static void pressure(void)
{
	int status;

	if (!MUST(fork())) {
		for (int round = 0; round < 2; round++) {
			char *p = map_anon(24 << 20, PROT_READ | PROT_WRITE);

			for (long i = 0; i < 24 << 20; i += PAGE)
				p[i] = 1;
			MUST(munmap(p, 24 << 20));
		}
		_exit(0);
	}
	wait(&status);
	printf("pressure: %d\n", status);
}

static unsigned long *attach(int id, void *where, int flags)
{
	void *p = shmat(id, where, flags);

	if (p == (void *)-1)
		die(__FILE__, __LINE__, "shmat");
	return p;
}

int main(void)
{
	int id = MUST(shmget(IPC_PRIVATE, SIZE, IPC_CREAT | 0600)), status;
	unsigned long *p = attach(id, NULL, 0), *place;
	struct shmid_ds ds;

	fill(p, 1);
	fflush(stdout);
	if (!MUST(fork())) {
		unsigned long *q = attach(id, NULL, 0);

		printf("elsewhere: %d, wrong %ld\n", q != p, wrong(q, 1));
		MUST(shmdt(p));
		fill(q, 2);
		MUST(shmdt(q));
		_exit(0);
	}
	wait(&status);
	printf("the other's: wrong %ld\n", wrong(p, 2));
	pressure();
	printf("after pressure: wrong %ld\n", wrong(p, 2));
	fill(p, 3);
	MUST(shmdt(p));
	pressure(); /* nobody has it attached */
	place = (unsigned long *)map_anon(SIZE + (2 << 20), PROT_NONE) + (1 << 20) / 8;
	MUST(munmap(place, SIZE));
	p = attach(id, place, SHM_RDONLY);
	printf("again, at the place asked for: %d, wrong %ld\n", p == place, wrong(p, 3));
	MUST(shmctl(id, IPC_STAT, &ds));
	printf("%zu bytes, %lu attached\n", ds.shm_segsz, (unsigned long)ds.shm_nattch);
	MUST(shmctl(id, IPC_RMID, NULL));
	MUST(shmdt(p));
	printf("removed: %s\n", shmat(id, NULL, 0) == (void *)-1 ? errno_name(errno) : "no");
	return 0;
}
