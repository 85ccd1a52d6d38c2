/* SPDX-License-Identifier: MIT */
/*
 * counts.c: touches memory in a way whose faults can be counted on fingers, for
 * tests/host/counts.py. No C library, so that nothing else touches memory: system calls by
 * hand, one area of pages by mmap, and what argv asks for:
 *
 *	read N		read N untouched pages
 *	write N		write N untouched pages
 *	again N		write N pages twice
 *	readwrite N	read N untouched pages, then write them
 *	fork N K	write N pages; a child writes K of them and ends; write all N again
 *	file N		map N pages of /data privately and read them
 *	filewrite N	map N pages of /data privately and write them
 *	fileread N	the same, but read each before writing it
 *	stack N		reach N pages down the stack
 *	spread N	write one page in each of N areas of 2 MiB, and unmap all
 *	efault N	N system calls with a pointer to nowhere
 *	segv N		N children that each die of a bad access
 */
typedef unsigned long ul;

#define PAGE   4096ul
#define SZ_2M  (2ul << 20)
#define BAD_POINTER 0x10000ul
enum { SYS_write = 1, SYS_open = 2, SYS_mmap = 9, SYS_munmap = 11, SYS_fork = 57, SYS_exit = 60, SYS_wait4 = 61 };
enum { PROT_RW = 3, MAP_PRIVATE = 2, MAP_ANONYMOUS = 32 };

static long call6(long nr, ul a, ul b, ul c, ul d, ul e, ul f)
{
	register ul r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static long call3(long nr, ul a, ul b, ul c)
{
	return call6(nr, a, b, c, 0, 0, 0);
}

static __attribute__((noreturn)) void end(int status)
{
	for (;;)
		call3(SYS_exit, (ul)status, 0, 0);
}

static volatile char *map(ul bytes, int flags, long fd)
{
	long at = call6(SYS_mmap, 0, bytes, PROT_RW, (ul)flags, (ul)fd, 0);

	if (at < 0 && at > -4096)
		end(100);
	return (volatile char *)at;
}

static volatile char *map_anonymous(ul pages)
{
	return map((pages ? pages : 1) * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static volatile char *map_file(ul pages)
{
	static const char path[] = "/data";

	return map((pages ? pages : 1) * PAGE, MAP_PRIVATE, call3(SYS_open, (ul)path, 0, 0));
}

static void read_pages(volatile char *p, ul n)
{
	for (ul i = 0; i < n; i++)
		(void)p[i * PAGE];
}

static void write_pages(volatile char *p, ul n)
{
	for (ul i = 0; i < n; i++)
		p[i * PAGE] = 1;
}

static void do_fork(ul n, ul k)
{
	volatile char *p = map_anonymous(n);
	long pid;

	write_pages(p, n);
	pid = call3(SYS_fork, 0, 0, 0);
	if (pid == 0) {
		write_pages(p, k);
		end(0);
	}
	call6(SYS_wait4, (ul)pid, 0, 0, 0, 0, 0);
	write_pages(p, n);
}

/* The stack pointer moves along: far below it nothing may be touched (FT-22). */
static void do_stack(ul n)
{
	if (!n)
		return;
	__asm__ volatile("mov %%rsp, %%r11\n"
			 "1:\tsub $4096, %%rsp\n\tmovb $1, (%%rsp)\n\tdec %0\n\tjnz 1b\n"
			 "\tmov %%r11, %%rsp"
			 : "+r"(n)
			 :
			 : "r11", "memory", "cc");
}

static void do_spread(ul n)
{
	volatile char *p = map((n + 1) * SZ_2M, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	volatile char *first = (volatile char *)(((ul)p + SZ_2M - 1) & ~(SZ_2M - 1));

	for (ul i = 0; i < n; i++)
		first[i * SZ_2M] = 1;
	call3(SYS_munmap, (ul)p, (n + 1) * SZ_2M, 0);
}

static void do_segv(ul n)
{
	for (ul i = 0; i < n; i++) {
		long pid = call3(SYS_fork, 0, 0, 0);

		if (pid == 0) {
			*(volatile char *)BAD_POINTER = 1;
			end(0);
		}
		call6(SYS_wait4, (ul)pid, 0, 0, 0, 0, 0);
	}
}

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static ul number(const char *s)
{
	ul n = 0;

	while (*s)
		n = n * 10 + (ul)(*s++ - '0');
	return n;
}

static void run(const char *what, ul n, ul k)
{
	volatile char *p;

	if (same(what, "read")) {
		read_pages(map_anonymous(n), n);
	} else if (same(what, "write")) {
		write_pages(map_anonymous(n), n);
	} else if (same(what, "again")) {
		p = map_anonymous(n);
		write_pages(p, n);
		write_pages(p, n);
	} else if (same(what, "readwrite")) {
		p = map_anonymous(n);
		read_pages(p, n);
		write_pages(p, n);
	} else if (same(what, "fork")) {
		do_fork(n, k);
	} else if (same(what, "file")) {
		read_pages(map_file(n), n);
	} else if (same(what, "filewrite")) {
		write_pages(map_file(n), n);
	} else if (same(what, "fileread")) {
		p = map_file(n);
		read_pages(p, n);
		write_pages(p, n);
	} else if (same(what, "stack")) {
		do_stack(n);
	} else if (same(what, "spread")) {
		do_spread(n);
	} else if (same(what, "efault")) {
		for (ul i = 0; i < n; i++)
			if (call3(SYS_open, BAD_POINTER, 0, 0) != -14)
				end(101);
	} else if (same(what, "segv")) {
		do_segv(n);
	} else {
		end(102);
	}
}

__attribute__((used)) static void start(ul *stack)
{
	const char *const *argv = (const char *const *)(stack + 1);

	if (stack[0] != 4)
		end(103);
	run(argv[1], number(argv[2]), number(argv[3]));
	end(0);
}

__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tcall start\n\thlt\n");
