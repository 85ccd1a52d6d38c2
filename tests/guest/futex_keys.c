/* SPDX-License-Identifier: MIT */
/* libc: glibc */
/*
 * futex_keys.c: who meets whom on a futex: mappings of one file with different rights, private memory
 * by two operations, a requeue from one word to another; and what a thread's end does to its locks.
 */
#include "guest.h"
#include <pthread.h>

#define WAIT	    0
#define WAKE	    1
#define REQUEUE	    3
#define CMP_REQUEUE 4
#define PRIVATE	    128

static long futex(unsigned int *word, int op, unsigned int val, long val2, unsigned int *word2, unsigned int val3)
{
	return syscall(SYS_futex, word, op, val, val2, word2, val3);
}

/* Wake until somebody was woken: the waiter may not sleep yet. */
static long wake_somebody(unsigned int *word, int op)
{
	long woken = 0;
	for (int tries = 0; tries < 100 && !woken; tries++) {
		woken = futex(word, op, 1, 0, NULL, 0);
		if (!woken)
			sleep_ms(2);
	}
	return woken;
}

/* ---- Files ------------------------------------------------------------------------------- */

static char name[] = "/tmp/futex_keys.XXXXXX";

static int wait_read_only_in(int sharing, long offset)
{
	int fd = open(name, O_RDONLY);
	unsigned int *word = mmap(NULL, 2 * PAGE, PROT_READ, sharing, fd, 0);
	return (int)futex(word + offset, WAIT, 0, 0, NULL, 0);
}

static int wait_read_only(void *offset)
{
	return wait_read_only_in(MAP_SHARED, (long)offset);
}

/* Nobody has written to the mapping, so its page is the file's. */
static int wait_read_only_private(void *offset)
{
	return wait_read_only_in(MAP_PRIVATE, (long)offset);
}

static void of_a_file(void)
{
	int fd = MUST(mkstemp(name));
	MUST(ftruncate(fd, 2 * PAGE));
	unsigned int *word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, PAGE);
	pid_t pid = start_child(wait_read_only, (void *)(PAGE / sizeof(*word) + 5));
	SHOW(futex(word + 6, WAKE, 1, 0, NULL, 0));
	SHOW(wake_somebody(word + 5, WAKE));
	show_status("a waiter who may only read", wait_for(pid));
	pid = start_child(wait_read_only_private, (void *)(PAGE / sizeof(*word) + 5));
	SHOW(wake_somebody(word + 5, WAKE));
	show_status("a waiter on a private mapping", wait_for(pid));
	unlink(name);
	close(fd);
}

/* ---- Private memory ------------------------------------------------------------------------- */

static unsigned int first, second;

static void *wait_private(void *unused)
{
	(void)unused;
	return (void *)futex(&first, WAIT | PRIVATE, 0, 0, NULL, 0);
}

static void *wait_shared(void *unused)
{
	(void)unused;
	return (void *)futex(&first, WAIT, 0, 0, NULL, 0);
}

/* The flag belongs to the word: who has it meets nobody who has it not. */
static void in_private_memory(void)
{
	pthread_t thread;
	void *result;
	pthread_create(&thread, NULL, wait_private, NULL);
	SHOW(wake_somebody(&first, WAKE));
	SHOW(wake_somebody(&first, WAKE | PRIVATE));
	pthread_join(thread, &result);
	SHOW((long)result);
	pthread_create(&thread, NULL, wait_shared, NULL);
	SHOW(wake_somebody(&first, WAKE | PRIVATE));
	SHOW(wake_somebody(&first, WAKE));
	pthread_join(thread, &result);
	SHOW((long)result);
}

/* ---- Requeue ----------------------------------------------------------------------------------- */

static void moved(void)
{
	pthread_t threads[3];
	void *result;
	long done = 0;
	SHOW(futex(&first, CMP_REQUEUE, 1, 1, &second, 1));
	SHOW(futex(&first, CMP_REQUEUE, 1, 1, &second, 0));
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, wait_shared, NULL);
	/* One is woken, two are moved, as soon as all three wait. */
	while (done < 3) {
		done += futex(&first, REQUEUE, done ? 0 : 1, 3, &second, 0);
		sleep_ms(2);
	}
	SHOW(futex(&first, WAKE, 10, 0, NULL, 0));
	SHOW(futex(&second, WAKE, 10, 0, NULL, 0));
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], &result);
		SHOW((long)result);
	}
}

/* ---- Robust lists --------------------------------------------------------------------------------- */

struct robust {
	struct robust *next;
	long offset;
	struct robust *pending;
};
struct lock {
	struct robust *next;
	unsigned int word;
};

static struct lock held, inherits, foreign, pending, free_lock;
static volatile pid_t waiter_id;

static void *dying_thread(void *kind)
{
	static struct robust head;
	unsigned int tid = (unsigned int)syscall(SYS_gettid);
	head = (struct robust){ (struct robust *)&held, offsetof(struct lock, word), NULL };
	held = (struct lock){ (struct robust *)((uintptr_t)&inherits | 1), tid };
	inherits = (struct lock){ (struct robust *)&foreign, tid };
	foreign = (struct lock){ (struct robust *)&head, 12345 };
	pending = (struct lock){ NULL, tid };
	head.pending = (struct robust *)(kind ? (void *)&free_lock : (void *)&pending);
	syscall(SYS_set_robust_list, &head, sizeof(head));
	syscall(SYS_exit, 0); /* the list alone says what becomes of the locks */
	return NULL;
}

static void *wait_for_free_lock(void *unused)
{
	(void)unused;
	waiter_id = (pid_t)syscall(SYS_gettid);
	return (void *)futex(&free_lock.word, WAIT, 0, 0, NULL, 0);
}

static void run_dying_thread(void *kind)
{
	pthread_t thread;
	pthread_create(&thread, NULL, dying_thread, kind);
	pthread_join(thread, NULL);
}

static char waiter_state(void)
{
	return waiter_id ? process_state(waiter_id) : '-';
}

static void of_the_dead(void)
{
	pthread_t waiter;
	void *result;
	run_dying_thread(NULL);
	printf("held %#x, inherits %#x, foreign %u, pending %#x\n", held.word, inherits.word, foreign.word, pending.word);
	/* A lock that was left free on the way out of it: its waiter is woken. */
	pthread_create(&waiter, NULL, wait_for_free_lock, NULL);
	while (waiter_state() != 'S')
		sleep_ms(2);
	run_dying_thread(&free_lock);
	pthread_join(waiter, &result);
	SHOW((long)result);
	SHOW(free_lock.word);
}

int main(void)
{
	of_a_file();
	in_private_memory();
	moved();
	of_the_dead();
	return 0;
}
