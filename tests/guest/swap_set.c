/* SPDX-License-Identifier: MIT */
/*
 * swap_set.c: a working set of argv[1] MiB (default 2), each page with contents of its own,
 * read back in order and at random by two children that share it and write half of it, and
 * by the parent afterwards. No byte may be lost or another's. Needs swap where it is larger than memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE  4096ul
#define WORDS (PAGE / sizeof(unsigned long))

static unsigned long *set, pages;

static unsigned long word(unsigned long page, unsigned long i, unsigned long owner)
{
	return (page * 0x9e3779b97f4a7c15ul) ^ (i * 0x2545f4914f6cdd1dul) ^ owner;
}

static void write_page(unsigned long page, unsigned long owner)
{
	for (unsigned long i = 0; i < WORDS; i++)
		set[page * WORDS + i] = word(page, i, owner);
}

static unsigned long wrong_words(unsigned long page, unsigned long owner)
{
	unsigned long wrong = 0;

	for (unsigned long i = 0; i < WORDS; i++)
		wrong += set[page * WORDS + i] != word(page, i, owner);
	return wrong;
}

static unsigned long check(unsigned long owner, unsigned long odd_owner)
{
	unsigned long wrong = 0, state = owner + 1;

	for (unsigned long page = 0; page < pages; page++)
		wrong += wrong_words(page, page % 2 ? odd_owner : owner);
	for (unsigned long n = 0; n < pages / 4; n++) {
		state = state * 6364136223846793005ul + 1442695040888963407ul;
		wrong += wrong_words((state >> 33) % pages, (state >> 33) % pages % 2 ? odd_owner : owner);
	}
	return wrong;
}

static int child(unsigned long me)
{
	unsigned long wrong = check(0, 0);

	for (unsigned long page = 1; page < pages; page += 2)
		write_page(page, me);
	wrong += check(0, me);
	return wrong != 0;
}

int main(int argc, char **argv)
{
	unsigned long bytes = (argc > 1 ? strtoul(argv[1], NULL, 0) : 2) << 20;
	int status, failed = 0;

	pages = bytes / PAGE;
	set = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (set == MAP_FAILED)
		return 2;
	for (unsigned long page = 0; page < pages; page++)
		write_page(page, 0);
	for (unsigned long me = 1; me <= 2; me++)
		if (fork() == 0)
			_exit(child(me));
	while (wait(&status) > 0)
		failed += status != 0;
	printf("children failed: %d, words wrong: %lu\n", failed, check(0, 0));
	return 0;
}
