/* SPDX-License-Identifier: MIT */
/* proves: AS-67 AS-60 AS-58 */
/*
 * Limits on memory: RLIMIT_AS, DATA, STACK and MEMLOCK against every call that asks for more
 * (mmap, brk, mremap, mprotect, mlock, the stack's growth), and what a refused call leaves behind.
 */
#include "guest.h"

#define RW (PROT_READ | PROT_WRITE)
#define MB (1UL << 20)

static void limit(int which, rlim_t value)
{
	struct rlimit r;
	MUST(getrlimit(which, &r));
	r.rlim_cur = value;
	MUST(setrlimit(which, &r));
}

/* kB of a line of status. */
static long status(const char *name)
{
	static char text[8192];
	int fd = MUST(open("/proc/self/status", O_RDONLY));
	ssize_t length = MUST(read(fd, text, sizeof(text) - 1));
	close(fd);
	text[length] = 0;
	char *line = strstr(text, name);
	return line ? atol(line + strlen(name) + 1) : -1;
}

static int address_space(void *unused)
{
	(void)unused;
	char *p = map_anon(4 * MB, PROT_NONE), *q = map_anon(MB, RW);
	limit(RLIMIT_AS, status("VmSize") * 1024 + 2 * MB);
	long before = status("VmSize");
	SHOW_OK(mmap(NULL, 3 * MB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	SHOW_OK(mmap(NULL, 3 * MB, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
	SHOW_OK(mmap(p, 4 * MB, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)); /* in place of as much */
	SHOW_OK(mremap(q, MB, 4 * MB, MREMAP_MAYMOVE));
	SHOW_OK(mremap(q, MB, MB, MREMAP_MAYMOVE | 4 /* DONTUNMAP */, NULL));
	SHOW(sbrk(3 * MB) == (void *)-1);
	printf("VmSize: +%ld\n", status("VmSize") - before);
	SHOW_OK(mmap(NULL, MB / 2, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	printf("VmSize: +%ld\n", status("VmSize") - before);
	return 0;
}

static int data(void *unused)
{
	(void)unused;
	char *p = map_anon(4 * MB, PROT_READ);
	limit(RLIMIT_DATA, status("VmData") * 1024 + 2 * MB);
	SHOW_OK(mmap(NULL, 3 * MB, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	SHOW_OK(mmap(NULL, 3 * MB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	SHOW_OK(mmap(NULL, 3 * MB, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	SHOW(mprotect(p, 4 * MB, RW));
	SHOW(mprotect(p, MB, RW));
	SHOW(sbrk(3 * MB) == (void *)-1);
	SHOW_OK(mmap(NULL, MB / 2, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	return 0;
}

static NOINLINE long deep(long bytes)
{
	volatile char frame[4096];
	frame[0] = (char)bytes;
	long below = bytes > 4096 ? deep(bytes - 4096) : 0;
	return below + frame[0];
}

static int stack(void *kilobytes)
{
	limit(RLIMIT_STACK, 256 * 1024);
	deep((long)kilobytes * 1024);
	printf("%ld kB of stack: ok\n", (long)kilobytes);
	return 0;
}

static int locked(void *unused)
{
	(void)unused;
	char *p = map_anon(MB, RW);
	limit(RLIMIT_MEMLOCK, 64 * 1024);
	MUST(setresuid(1000, 1000, 1000)); /* root may lock what it likes */
	SHOW(mlock(p, 65 * 1024));
	SHOW(mlock(p, 64 * 1024));
	SHOW(mlock(p, 64 * 1024));
	SHOW(mlock(p + 64 * 1024, 1));
	SHOW(mlock(p, -2 * PAGE)); /* ends below its start, but the limit is looked at first */
	printf("VmLck %ld\n", status("VmLck"));
	SHOW_OK(mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0));
	SHOW_OK(mremap(p, 16 * PAGE, 32 * PAGE, MREMAP_MAYMOVE));
	SHOW(munlock(p, 32 * 1024));
	SHOW(syscall(SYS_mlock2, p + 128 * 1024, 32 * 1024, 1));
	SHOW(mlockall(MCL_CURRENT));
	SHOW(mlockall(MCL_FUTURE));
	SHOW_OK(mmap(NULL, MB, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	SHOW(sbrk(MB) == (void *)-1);
	SHOW(munlockall());
	printf("VmLck %ld\n", status("VmLck"));
	limit(RLIMIT_MEMLOCK, 0);
	SHOW(mlock(p, 1));
	SHOW(mlockall(MCL_CURRENT));
	SHOW_OK(syscall(SYS_mmap, NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0));
	SHOW(munlock(p, PAGE));
	return 0;
}

int main(void)
{
	show_status("RLIMIT_AS", run_child(address_space, NULL));
	show_status("RLIMIT_DATA", run_child(data, NULL));
	show_status("RLIMIT_STACK", run_child(stack, (void *)128L));
	show_status("RLIMIT_STACK", run_child(stack, (void *)512L));
	show_status("RLIMIT_MEMLOCK", run_child(locked, NULL));
	return 0;
}
