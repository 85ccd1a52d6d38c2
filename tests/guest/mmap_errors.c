/* SPDX-License-Identifier: MIT */
/* proves: AS-23 AS-47 */
/*
 * mmap's errors and their order (ABI.md, section 3), each without effect on the address
 * space: lengths, offsets, types, descriptors, rights of the descriptor against those asked
 * for, MAP_FIXED and MAP_FIXED_NOREPLACE, RLIMIT_AS and RLIMIT_DATA.
 */
#include "guest.h"

#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)
#define TASK_SIZE 0x7ffffffff000UL

/* Straight to the kernel: the C library checks some things itself. */
static long map(void *addr, size_t length, int prot, int flags, int fd, long offset)
{
	long result = syscall(SYS_mmap, addr, length, prot, flags, fd, offset);
	if (result != -1 && length < TASK_SIZE)
		munmap((void *)result, length);
	return result;
}

static void arguments(void)
{
	SHOW_OK(map(NULL, 0, RW, ANON, -1, 0));
	SHOW_OK(map(NULL, 1, RW, ANON, -1, 0));
	SHOW_OK(map(NULL, -1UL, RW, ANON, -1, 0));
	SHOW_OK(map(NULL, -4095UL, RW, ANON, -1, 0));
	SHOW_OK(map(NULL, TASK_SIZE, PROT_NONE, ANON, -1, 0));
	SHOW_OK(map(NULL, TASK_SIZE + PAGE, PROT_NONE, ANON, -1, 0));
	SHOW_OK(map(NULL, PAGE, RW, ANON, -1, 1));
	SHOW_OK(map(NULL, PAGE, RW, ANON, -1, 100 * PAGE));
	SHOW_OK(map(NULL, 2 * PAGE, RW, ANON, -1, -PAGE));
	SHOW_OK(map(NULL, PAGE, RW, ANON, 9999, 0));
	SHOW_OK(map(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0));
	SHOW_OK(map(NULL, PAGE, RW, MAP_ANONYMOUS | 3, -1, 0));
	SHOW_OK(map(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	SHOW_OK(map(NULL, PAGE, RW, ANON | 0x10000000, -1, 0));
	SHOW_OK(map(NULL, PAGE, 0x7f0, ANON, -1, 0));
	SHOW_OK(map(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0));
}

static void files(void)
{
	int rdwr = make_file("file", 3 * PAGE);
	int rdonly = MUST(open("file", O_RDONLY)), wronly = MUST(open("file", O_WRONLY));
	int path = MUST(open("file", O_PATH)), directory = MUST(open(".", O_RDONLY));
	int null = MUST(open("/dev/null", O_RDWR)), zero = MUST(open("/dev/zero", O_RDWR));
	int proc = MUST(open("/proc/self/status", O_RDONLY)), fds[2];
	MUST(pipe(fds));
	SHOW_OK(map(NULL, PAGE, RW, MAP_SHARED, rdwr, 0));
	SHOW_OK(map(NULL, PAGE, RW, MAP_PRIVATE, rdonly, 0));
	SHOW_OK(map(NULL, PAGE, RW, MAP_SHARED, rdonly, 0));
	SHOW_OK(map(NULL, PAGE, PROT_READ, MAP_SHARED, rdonly, 0));
	SHOW_OK(map(NULL, PAGE, PROT_READ, MAP_PRIVATE, wronly, 0));
	SHOW_OK(map(NULL, PAGE, PROT_NONE, MAP_PRIVATE, wronly, 0));
	SHOW_OK(map(NULL, PAGE, PROT_WRITE, MAP_SHARED, wronly, 0));
	SHOW_OK(map(NULL, PAGE, PROT_READ, MAP_PRIVATE, path, 0));
	SHOW_OK(map(NULL, PAGE, PROT_READ, MAP_PRIVATE, directory, 0));
	SHOW_OK(map(NULL, PAGE, PROT_READ, MAP_PRIVATE, fds[0], 0));
	SHOW_OK(map(NULL, PAGE, PROT_READ, MAP_PRIVATE, null, 0));
	SHOW_OK(map(NULL, PAGE, PROT_READ, MAP_PRIVATE, proc, 0));
	SHOW_OK(map(NULL, PAGE, RW, MAP_PRIVATE, zero, 0));
	SHOW_OK(map(NULL, PAGE, RW, MAP_SHARED, zero, 0));
	SHOW_OK(map(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0));
	SHOW_OK(map(NULL, PAGE, PROT_READ, MAP_PRIVATE, rdwr, 1));
	SHOW_OK(map(NULL, PAGE, PROT_READ, MAP_PRIVATE, rdwr, 100 * PAGE));
	SHOW_OK(map(NULL, PAGE, PROT_READ, MAP_PRIVATE, rdwr, -PAGE));
	SHOW_OK(map(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, rdwr, 0x7ffffffffffff000));
	SHOW_OK(map(NULL, PAGE, PROT_READ, 0, rdwr, 0));
	SHOW_OK(map(NULL, PAGE, PROT_READ, 3, rdwr, 0));
	SHOW_OK(map(NULL, PAGE, PROT_READ, 3 | 0x02000000, rdwr, 0));
	SHOW_OK(map(NULL, PAGE, PROT_READ, 3 | 0x80000 /* MAP_SYNC */, rdwr, 0));
	SHOW_OK(map(NULL, PAGE, PROT_READ, MAP_PRIVATE | 0x10000000, rdwr, 0));
	SHOW_OK(map(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_GROWSDOWN, rdwr, 0));
	SHOW_OK(map(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, rdwr, 0));
	/* Which error wins when several apply. */
	SHOW_OK(map(NULL, 0, PROT_READ, MAP_PRIVATE, 9999, 1));
	SHOW_OK(map(NULL, 0, PROT_READ, MAP_PRIVATE, 9999, 0));
	SHOW_OK(map(NULL, 0, PROT_READ, MAP_PRIVATE, directory, 0));
	SHOW_OK(map((void *)1, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, 9999, 0));
	SHOW_OK(map((void *)1, PAGE, RW, MAP_SHARED | MAP_FIXED, rdonly, 0));
	SHOW_OK(map(NULL, PAGE, PROT_READ, 0, directory, 0));
	/* What may become of a mapping later follows from the descriptor it was made with. */
	char *p = MUST(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, rdonly, 0));
	SHOW(mprotect(p, PAGE, RW));
	SHOW(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	p = MUST(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, rdonly, 0));
	SHOW(mprotect(p, PAGE, RW));
	MUST(unlink("file"));
}

static void fixed(void)
{
	char *area = map_anon(16 * PAGE, PROT_NONE);
	MUST(munmap(area + 8 * PAGE, 8 * PAGE));
	SHOW_OK(map(area + 1, PAGE, RW, ANON | MAP_FIXED, -1, 0));
	SHOW_OK(map((void *)(TASK_SIZE - PAGE), 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0));
	SHOW_OK(map((void *)TASK_SIZE, PAGE, RW, ANON | MAP_FIXED, -1, 0));
	SHOW_OK(map((void *)0xffff888000000000, PAGE, RW, ANON | MAP_FIXED, -1, 0));
	SHOW_OK(map((void *)-PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0));
	SHOW_OK(map((void *)-PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0));
	SHOW_OK(map(area + 7 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
	SHOW_OK(map(area, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
	SHOW_OK(map(area - PAGE, 32 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
	show_layout("nothing was replaced", area, 8 * PAGE);
	char *free_place = area + 9 * PAGE;
	SHOW_TRUE(mmap(free_place, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == free_place);
	MUST(munmap(free_place, PAGE));
	/* A hint that is free is taken, rounded down; one that is not is ignored. */
	SHOW_TRUE(mmap(free_place, PAGE, RW, ANON, -1, 0) == free_place);
	MUST(munmap(free_place, PAGE));
	SHOW_TRUE(mmap(free_place + 5, PAGE, RW, ANON, -1, 0) == free_place);
	char *other = MUST(mmap(area, PAGE, RW, ANON, -1, 0));
	printf("an occupied hint gives the place itself: %s\n", other == area ? "yes" : "no");
	other = MUST(mmap((void *)0xffff888000000000, PAGE, RW, ANON, -1, 0));
	printf("a hint in the kernel gives a place below TASK_SIZE: %s\n",
	       (unsigned long)other < TASK_SIZE ? "yes" : "no");
	other = MUST(mmap((void *)(TASK_SIZE - PAGE), 2 * PAGE, RW, ANON, -1, 0));
	printf("a hint too near to the end is ignored: %s\n",
	       (unsigned long)other != TASK_SIZE - PAGE ? "yes" : "no");
	other = MUST(mmap(NULL, PAGE, RW, ANON | MAP_32BIT, -1, 0));
	printf("MAP_32BIT below 2 GiB: %s\n", (unsigned long)other < 1UL << 31 ? "yes" : "no");
	other = MUST(mmap((void *)0x7e0000000000, PAGE, RW, ANON | MAP_32BIT, -1, 0));
	printf("MAP_32BIT with a hint above: %s\n", (unsigned long)other < 1UL << 31 ? "below" : "above");
}

static int limits(void *unused)
{
	struct rlimit limit;
	(void)unused;
	MUST(getrlimit(RLIMIT_DATA, &limit));
	limit.rlim_cur = 4 << 20;
	MUST(setrlimit(RLIMIT_DATA, &limit));
	SHOW_OK(map(NULL, 8 << 20, RW, ANON, -1, 0));
	SHOW_OK(map(NULL, 8 << 20, PROT_READ, ANON, -1, 0));
	SHOW_OK(map(NULL, 8 << 20, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	char *p = map_anon(8 << 20, PROT_READ);
	SHOW(mprotect(p, 8 << 20, RW));
	SHOW(mprotect(p, 1 << 20, RW));
	limit.rlim_cur = limit.rlim_max;
	MUST(setrlimit(RLIMIT_DATA, &limit));
	MUST(getrlimit(RLIMIT_AS, &limit));
	limit.rlim_cur = 64 << 20;
	MUST(setrlimit(RLIMIT_AS, &limit));
	SHOW_OK(map(NULL, 80 << 20, PROT_NONE, ANON, -1, 0));
	SHOW_OK(map(NULL, 8 << 20, PROT_NONE, ANON, -1, 0));
	SHOW_OK(map(p, 8 << 20, PROT_NONE, ANON | MAP_FIXED, -1, 0));
	return 0;
}

static void no_overcommit(void)
{
	/* Larger than any machine's memory, writable and private: refused; not so if no
	 * memory is ever needed for it. */
	SHOW_OK(map(NULL, 1UL << 46, RW, ANON, -1, 0));
	SHOW_OK(map(NULL, 1UL << 46, PROT_NONE, ANON, -1, 0));
	SHOW_OK(map(NULL, 1UL << 46, PROT_READ, ANON, -1, 0));
	SHOW_OK(map(NULL, 1UL << 46, RW, ANON | MAP_NORESERVE, -1, 0));
	SHOW_OK(map(NULL, 1UL << 46, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	SHOW_OK(map(NULL, 1UL << 46, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
}

int main(void)
{
	scratch_enter();
	arguments();
	files();
	fixed();
	no_overcommit();
	show_status("child with limits", run_child(limits, NULL));
	scratch_leave();
	return 0;
}
