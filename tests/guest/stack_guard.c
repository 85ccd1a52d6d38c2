/* SPDX-License-Identifier: MIT */
/* proves: FT-23 */
/*
 * The guard gap: a stack never grows to within 256 pages of the mapping below it, however
 * much RLIMIT_STACK would allow; and mmap by itself never places a mapping where the stack
 * may grow to.
 */
#include "guest.h"
#include "stack_walk.h"

static void hit_guard_gap(void)
{
	static char altstack[65536];
	stack_t stack = { .ss_sp = altstack, .ss_size = sizeof(altstack) };
	char here = 0;
	/* A neighbour 3 MiB below: growth must stop 1 MiB above its end. */
	char *neighbour = (char *)(((unsigned long)&here & -PAGE) - (3UL << 20));
	char *got = mmap(neighbour, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	MUST(sigaltstack(&stack, NULL));
	catch_faults(SA_ONSTACK);
	if (got != neighbour)
		die(__FILE__, __LINE__, "mmap below the stack");
	memset(got, 'N', PAGE);
	TRY(walk_down(&here, 1 << 20));
	show_fault("in the guard gap", deepest);
	long left = ((unsigned long)deepest & -PAGE) + PAGE - (unsigned long)(got + PAGE);
	printf("pages left unmapped: %ld\n", left / (long)PAGE);
	printf("neighbour intact: %s\n", got[0] == 'N' && got[PAGE - 1] == 'N' ? "yes" : "no");
}

static void mmap_keeps_away(void)
{
	struct rlimit limit;
	char here = 0;
	MUST(getrlimit(RLIMIT_STACK, &limit));
	char *low = (char *)&here - limit.rlim_cur;
	int inside = 0;
	for (int i = 0; i < 100; i++)
		inside += map_anon(PAGE * (1 + i % 3 * 100), PROT_READ) > low;
	printf("mappings placed where the stack may grow: %d\n", inside);
}

int main(void)
{
	mmap_keeps_away();
	hit_guard_gap();
	return 0;
}
