/* SPDX-License-Identifier: MIT */
/* proves: FT-24 */
/*
 * All eight protections against read, write and execute, on pages never touched and on
 * pages already present, private and shared, given by mmap and given by mprotect. As x86
 * has it: writable implies readable; executable implies readable (no protection keys).
 */
#include "guest.h"

static const char *outcome(void)
{
	static char text[32];
	if (!last_fault.sig)
		return "ok";
	snprintf(text, sizeof(text), "%s", last_fault.code == SEGV_ACCERR ? "ACCERR" : "other");
	return text;
}

/* A page holding "ret" at offset 0, so that a permitted call returns. */
static NOINLINE char *make_page(int prot, int flags, int present, int by_mprotect)
{
	char *p;
	if (!present && !by_mprotect)
		return MUST(mmap(NULL, PAGE, prot, flags | MAP_ANONYMOUS, -1, 0));
	p = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0));
	if (present)
		p[0] = (char)0xc3;
	MUST(mprotect(p, PAGE, prot));
	return p;
}

static void one_row(int prot, int flags, int present, int by_mprotect)
{
	printf("%s %s %s %c%c%c:", flags == MAP_SHARED ? "shared" : "private",
	       present ? "present" : "untouched", by_mprotect ? "mprotect" : "mmap",
	       prot & PROT_READ ? 'r' : '-', prot & PROT_WRITE ? 'w' : '-',
	       prot & PROT_EXEC ? 'x' : '-');
	char *p = make_page(prot, flags, present, by_mprotect);
	TRY(touch_read(p));
	printf(" read %s", outcome());
	if (present) {
		TRY(touch_call(p));
		printf(" call %s", outcome());
	}
	TRY(touch_write(p, (char)0xc3));
	printf(" write %s\n", outcome());
	MUST(munmap(p, PAGE));
}

int main(void)
{
	catch_faults(0);
	for (int shared = 0; shared < 2; shared++)
		for (int kind = 0; kind < 3; kind++)
			for (int prot = 0; prot < 8; prot++)
				one_row(prot, shared ? MAP_SHARED : MAP_PRIVATE, kind == 2,
					kind != 0);
	return 0;
}
