/* SPDX-License-Identifier: MIT */
/*
 * The number of a system call is the low half of RAX, and so is an int argument the low half of its
 * register: what stands above does not count, also when an interrupted call starts again.
 */
#include "guest.h"

#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

static long raw_call(unsigned long number, unsigned long a, unsigned long b, unsigned long c)
{
	long ret;
	__asm__ volatile("syscall" : "=a"(ret) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return ret;
}

static const unsigned long above[] = { 0, 1UL << 32, 1UL << 63, 0xffffffffUL << 32, 0x80000001UL << 32 };

static void numbers(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(above); i++) {
		printf("%#lx: getpid %s", above[i], raw_call(above[i] | SYS_getpid, 0, 0, 0) == getpid() ? "ok" : "wrong");
		printf(", 511: %ld", raw_call(above[i] | 511, 0, 0, 0));
		printf(", 2^31 + getpid: %ld", raw_call(above[i] | 0x80000000UL | SYS_getpid, 0, 0, 0));
		printf(", -1: %ld\n", raw_call(above[i] | 0xffffffffUL, 0, 0, 0));
	}
}

static void int_arguments(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(above); i++) {
		unsigned long base = 0, fs = 0;

		printf("%#lx: close(-1) %ld", above[i], raw_call(SYS_close, above[i] | 0xffffffffUL, 0, 0));
		printf(", dup(0) %s", raw_call(SYS_dup, above[i], 0, 0) > 0 ? "ok" : "fails");
		raw_call(SYS_arch_prctl, ARCH_GET_FS, (unsigned long)&fs, 0);
		printf(", get fs %ld", raw_call(SYS_arch_prctl, above[i] | ARCH_GET_FS, (unsigned long)&base, 0));
		printf(" %s", base == fs ? "same" : "different");
		printf(", set fs %ld", raw_call(SYS_arch_prctl, above[i] | ARCH_SET_FS, fs, 0));
		printf(", get gs %ld", raw_call(SYS_arch_prctl, above[i] | ARCH_GET_GS, (unsigned long)&base, 0));
		printf(" %#lx\n", base);
	}
}

static void nothing(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)info, (void)context;
}

/* A read that a handler interrupts and that goes on afterwards. */
static void restarted(void)
{
	int fds[2], status;
	char c = 0;
	pid_t child;

	MUST(pipe(fds));
	MUST(set_handler(SIGUSR1, nothing, SA_RESTART));
	child = MUST(fork());
	if (!child) {
		wait_state(getppid(), 'S');
		kill(getppid(), SIGUSR1);
		wait_state(getppid(), 'S');
		_exit(write(fds[1], "x", 1) != 1);
	}
	printf("read: %ld\n", raw_call(1UL << 40 | SYS_read, (unsigned long)fds[0], (unsigned long)&c, 1));
	MUST(waitpid(child, &status, 0));
	show_status("writer", status);
}

int main(void)
{
	numbers();
	int_arguments();
	restarted();
	return 0;
}
