/* SPDX-License-Identifier: MIT */
/*
 * guest.h: what the guest programs share.
 *
 * Each program of this folder is an ordinary Linux program. The runner builds it
 * statically with glibc and with musl, runs it once on the host's Linux and once in
 * Pagoda, and compares output and exit status byte by byte. So a program prints what it
 * observed (results, errno names, si_code names, counts, checksums) and never what differs
 * between two runs on one kernel: addresses, process ids, times, inode numbers.
 *
 * The comments that open a program are read by the runner:
 *   proves: ID ...         requirements that the program's output depends on
 *   guest: OPTIONS         more options for ./pagoda run
 *   libc: both|glibc|musl  which C libraries to build it with (default both)
 *   compare: linux|none    none: only the exit status must be 0, as in a fuzzer
 *   timeout: SECONDS
 * A file NAME.expected beside NAME.c replaces the host's run: for what the host's kernel,
 * being newer than Linux 6.1, answers differently.
 *
 * A line of output is flushed at its end, so nothing is printed twice after a fork and
 * nothing is lost when a process dies by a signal.
 */
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* A pointer that the compiler knows nothing about, for deliberately bad arguments. */
#define BAD_POINTER opaque((void *)8)

#define HELPER static __attribute__((unused))
#define NOINLINE __attribute__((noinline))
#define PAGE 4096UL
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Keeps the compiler from knowing what a value is, or that a store is useless. */
HELPER void *opaque(const void *p)
{
	__asm__ volatile("" : "+r"(p));
	return (void *)p;
}

/* Whole file into text of that size, as a string. Return: its length, or -1. */
HELPER long read_file(const char *path, char *text, size_t size)
{
	long length = 0, got;
	int fd = open(path, O_RDONLY);
	if (fd == -1)
		return -1;
	while (length < (long)size - 1 && (got = read(fd, text + length, size - 1 - (size_t)length)) > 0)
		length += got;
	close(fd);
	text[length] = 0;
	return length;
}

/* ---- names ------------------------------------------------------------------------- */

#define GUEST_ERRNOS(X)                                                                            \
	X(EPERM) X(ENOENT) X(ESRCH) X(EINTR) X(EIO) X(ENXIO) X(E2BIG) X(ENOEXEC) X(EBADF)          \
	X(ECHILD) X(EAGAIN) X(ENOMEM) X(EACCES) X(EFAULT) X(EBUSY) X(EEXIST) X(EXDEV) X(ENODEV)    \
	X(ENOTDIR) X(EISDIR) X(EINVAL) X(ENFILE) X(EMFILE) X(ENOTTY) X(ETXTBSY) X(EFBIG)           \
	X(ENOSPC) X(ESPIPE) X(EROFS) X(EMLINK) X(EPIPE) X(EDOM) X(ERANGE) X(EDEADLK)               \
	X(ENAMETOOLONG) X(ENOSYS) X(ENOTEMPTY) X(ELOOP) X(EOVERFLOW) X(EOPNOTSUPP) X(ENOTSOCK)     \
	X(ETIMEDOUT) X(ENODATA) X(ECANCELED) X(ENOLCK) X(ETOOMANYREFS)

HELPER const char *errno_name(int error)
{
	static char unknown[24];
#define X(name) if (error == name) return #name;
	GUEST_ERRNOS(X)
#undef X
	snprintf(unknown, sizeof(unknown), "errno %d", error);
	return unknown;
}

#define GUEST_SIGNALS(X)                                                                           \
	X(SIGHUP) X(SIGINT) X(SIGQUIT) X(SIGILL) X(SIGTRAP) X(SIGABRT) X(SIGBUS) X(SIGFPE)         \
	X(SIGKILL) X(SIGUSR1) X(SIGSEGV) X(SIGUSR2) X(SIGPIPE) X(SIGALRM) X(SIGTERM) X(SIGCHLD)    \
	X(SIGCONT) X(SIGSTOP) X(SIGTSTP) X(SIGTTIN) X(SIGTTOU) X(SIGURG) X(SIGXCPU) X(SIGXFSZ)     \
	X(SIGVTALRM) X(SIGPROF) X(SIGWINCH) X(SIGIO) X(SIGPWR) X(SIGSYS)

HELPER const char *signal_name(int sig)
{
	static char unknown[24];
#define X(name) if (sig == name) return #name;
	GUEST_SIGNALS(X)
#undef X
	snprintf(unknown, sizeof(unknown), "signal %d", sig);
	return unknown;
}

/* Signal (0: any) and si_code. */
#define GUEST_CODES(X)                                                                             \
	X(0, SI_KERNEL) X(0, SI_USER) X(0, SI_TKILL) X(SIGSEGV, SEGV_MAPERR) X(SIGSEGV, SEGV_ACCERR) \
	X(SIGBUS, BUS_ADRALN) X(SIGBUS, BUS_ADRERR) X(SIGFPE, FPE_INTDIV) X(SIGFPE, FPE_FLTDIV)    \
	X(SIGFPE, FPE_FLTINV) X(SIGILL, ILL_ILLOPN) X(SIGTRAP, TRAP_TRACE) X(SIGTRAP, TRAP_BRKPT)

/* The name of a fault signal's si_code. */
HELPER const char *fault_code_name(int sig, int code)
{
	static char unknown[24];
#define X(of, name) if ((!of || sig == of) && code == name) return #name;
	GUEST_CODES(X)
#undef X
	snprintf(unknown, sizeof(unknown), "code %d", code);
	return unknown;
}

/* ---- printing ---------------------------------------------------------------------- */

__attribute__((constructor)) static void guest_start(void)
{
	setvbuf(stdout, NULL, _IOLBF, 4096);
}

/* A result as a program sees it: the number, or the name of the error. Keeps errno. */
HELPER void show_result(const char *what, long result)
{
	int error = errno;
	if (result == -1)
		printf("%s: %s\n", what, errno_name(error));
	else
		printf("%s: %ld\n", what, result);
	errno = error;
}

/* A result that is an address or another number not to be printed: only success or error. */
HELPER void show_ok(const char *what, long result)
{
	int error = errno;
	printf("%s: %s\n", what, result == -1 ? errno_name(error) : "ok");
	errno = error;
}

#define SHOW(expression) show_result(#expression, (long)(expression))
#define SHOW_OK(expression) show_ok(#expression, (long)(expression))
#define SHOW_TRUE(expression) printf("%s: %s\n", #expression, (expression) ? "yes" : "no")

/* For what a program needs but does not test: die loudly, naming the place. */
HELPER __attribute__((noreturn)) void die(const char *file, int line, const char *what)
{
	printf("%s:%d: %s failed: %s\n", file, line, what, errno_name(errno));
	fflush(stdout);
	_exit(99);
}
#define MUST(expression)                                                                           \
	({                                                                                         \
		__typeof__(expression) must_result = (expression);                                 \
		if ((long)must_result == -1)                                                       \
			die(__FILE__, __LINE__, #expression);                                      \
		must_result;                                                                       \
	})

HELPER void show_status(const char *what, int status)
{
	if (WIFEXITED(status))
		printf("%s: exited with %d\n", what, WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		printf("%s: killed by %s\n", what, signal_name(WTERMSIG(status)));
	else if (WIFSTOPPED(status))
		printf("%s: stopped by %s\n", what, signal_name(WSTOPSIG(status)));
	else if (WIFCONTINUED(status))
		printf("%s: continued\n", what);
	else
		printf("%s: status %#x\n", what, status);
}

/* ---- processes --------------------------------------------------------------------- */

/* Runs body(argument) in a child; its return value is the child's exit status. */
HELPER pid_t start_child(int (*body)(void *), void *argument)
{
	pid_t pid = MUST(fork());
	if (pid == 0) {
		int status = body(argument);
		fflush(stdout);
		_exit(status);
	}
	return pid;
}

HELPER int wait_for(pid_t pid)
{
	int status = 0;
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			die(__FILE__, __LINE__, "waitpid");
	return status;
}

HELPER int run_child(int (*body)(void *), void *argument)
{
	return wait_for(start_child(body, argument));
}

/* For programs that print descriptors: what the shell or the runner left open goes away. */
HELPER void close_inherited(void)
{
	for (int fd = 3; fd < 256; fd++)
		close(fd);
}

HELPER void sleep_ms(long ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };
	while (nanosleep(&left, &left) == -1 && errno == EINTR)
		;
}

HELPER long long now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* The state letter of /proc/PID/stat: S blocked, T stopped, Z zombie, R running. */
HELPER char process_state(pid_t pid)
{
	char path[40], text[512];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		return '-';
	ssize_t length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length <= 0)
		return '-';
	text[length] = 0;
	char *end = strrchr(text, ')');
	return end && end[1] ? end[2] : '?';
}

/* Waits until the process is in that state: the safe way to signal a blocked one. */
HELPER void wait_state(pid_t pid, char state)
{
	for (int tries = 0; tries < 5000 && process_state(pid) != state; tries++)
		sleep_ms(2);
}

HELPER int set_handler(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO };
	sigemptyset(&action.sa_mask);
	return sigaction(sig, &action, NULL);
}

/* ---- memory ------------------------------------------------------------------------ */

HELPER char *map_anon(size_t length, int prot)
{
	return MUST(mmap(NULL, length, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

/* FNV-1a, to print the contents of a buffer in one word. */
HELPER unsigned checksum(const void *data, size_t length)
{
	const unsigned char *bytes = data;
	unsigned hash = 2166136261u;
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	return hash;
}

/* One line of /proc/self/maps. */
struct maps_line {
	unsigned long start, end, offset;
	char perms[5];
	char name[64];
};

/*
 * Reads /proc/self/maps with one buffer and no allocation (which could change the maps).
 * Return: the number of lines stored.
 */
HELPER int read_maps(struct maps_line *lines, int max)
{
	static char text[65536];
	size_t length = 0;
	ssize_t got;
	int count = 0;
	int fd = MUST(open("/proc/self/maps", O_RDONLY));
	while (length < sizeof(text) - 1 &&
	       (got = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += got;
	close(fd);
	text[length] = 0;
	for (char *line = text; *line && count < max; count++) {
		struct maps_line *l = &lines[count];
		char *end = strchr(line, '\n');
		if (end)
			*end = 0;
		l->name[0] = 0;
		sscanf(line, "%lx-%lx %4s %lx %*s %*s %63[^\n]", &l->start, &l->end, l->perms,
		       &l->offset, l->name);
		if (!end) {
			count++;
			break;
		}
		line = end + 1;
	}
	return count;
}

/*
 * Prints the mappings within [start, start + length), cut off at its ends, relative to it, in
 * pages:
 *   what: 0-2 rw-p, 3-4 r--p
 */
HELPER void show_layout(const char *what, const void *start, size_t length)
{
	static struct maps_line lines[512];
	unsigned long low = (unsigned long)start, high = low + length;
	int count = read_maps(lines, ARRAY_LEN(lines));
	const char *comma = "";
	printf("%s:", what);
	for (int i = 0; i < count; i++) {
		if (lines[i].end <= low || lines[i].start >= high)
			continue;
		unsigned long from = lines[i].start > low ? lines[i].start : low;
		unsigned long to = lines[i].end < high ? lines[i].end : high;
		printf("%s %lu-%lu %s", comma, (from - low) / PAGE, (to - low) / PAGE, lines[i].perms);
		comma = ",";
	}
	printf("\n");
}

/*
 * The same with neighbours of equal rights printed as one: for cases in which Linux leaves two
 * mappings unmerged for reasons of its own.
 */
HELPER void show_coverage(const char *what, const void *start, size_t length)
{
	static struct maps_line lines[512];
	unsigned long low = (unsigned long)start, high = low + length;
	int count = read_maps(lines, ARRAY_LEN(lines));
	const char *comma = "";
	printf("%s:", what);
	for (int i = 0; i < count; i++) {
		unsigned long from = lines[i].start > low ? lines[i].start : low;
		while (i + 1 < count && lines[i + 1].start == lines[i].end &&
		       !strcmp(lines[i + 1].perms, lines[i].perms))
			i++;
		unsigned long to = lines[i].end < high ? lines[i].end : high;
		if (to <= low || from >= high)
			continue;
		printf("%s %lu-%lu %s", comma, (from - low) / PAGE, (to - low) / PAGE, lines[i].perms);
		comma = ",";
	}
	printf("\n");
}

/* The resident size in pages, /proc/self/statm's second number. */
HELPER long resident_pages(void)
{
	char text[128];
	long total = 0, resident = 0;
	int fd = MUST(open("/proc/self/statm", O_RDONLY));
	ssize_t length = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[length > 0 ? length : 0] = 0;
	sscanf(text, "%ld %ld", &total, &resident);
	return resident;
}

/* ---- faults ------------------------------------------------------------------------ */

/* What the last caught fault looked like; page-fault error code bits below. */
struct fault {
	int sig;	/* 0: none happened */
	int code;
	char *addr;
	long trapno, err, cr2, rip;
};
#define ERR_PRESENT 1
#define ERR_WRITE 2
#define ERR_USER 4
#define ERR_FETCH 16

static struct fault last_fault;
static sigjmp_buf fault_escape;

HELPER void record_fault(int sig, siginfo_t *info, void *context)
{
	const greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	last_fault = (struct fault){ sig, info->si_code, info->si_addr, regs[REG_TRAPNO],
				     regs[REG_ERR], regs[REG_CR2], regs[REG_RIP] };
	siglongjmp(fault_escape, 1);
}

HELPER void catch_faults(int flags)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
	for (unsigned i = 0; i < ARRAY_LEN(signals); i++)
		MUST(set_handler(signals[i], record_fault, flags));
}

/* Runs a statement; last_fault says what became of it. */
#define TRY(statement)                                                                             \
	do {                                                                                       \
		last_fault = (struct fault){ 0 };                                                  \
		if (!sigsetjmp(fault_escape, 1)) {                                                 \
			statement;                                                                 \
		}                                                                                  \
	} while (0)

HELPER void touch_read(const volatile void *p)
{
	(void)*(const volatile char *)opaque((const void *)p);
}

HELPER void touch_write(volatile void *p, char value)
{
	*(volatile char *)opaque((void *)p) = value;
}

HELPER void touch_call(const void *p)
{
	((void (*)(void))opaque(p))();
}

/*
 * Prints the last fault, with si_addr relative to base. Not whether a page that may not be
 * executed was present: Linux fetches it first and only then finds out, always.
 */
HELPER void show_fault(const char *what, const void *base)
{
	const struct fault *f = &last_fault;
	if (!f->sig) {
		printf("%s: no fault\n", what);
		return;
	}
	printf("%s: %s %s addr base%+ld", what, signal_name(f->sig),
	       fault_code_name(f->sig, f->code), (long)(f->addr - (char *)base));
	if (f->trapno == 14)
		printf(" err%s%s%s%s cr2 %s", f->err & ERR_PRESENT && !(f->err & ERR_FETCH && f->code == SEGV_ACCERR) ? " present" : "",
		       f->err & ERR_WRITE ? " write" : "", f->err & ERR_USER ? " user" : "",
		       f->err & ERR_FETCH ? " fetch" : "",
		       f->cr2 == (long)f->addr ? "same" : "different");
	else
		printf(" trap %ld err %ld", f->trapno, f->err);
	printf("\n");
}

/* ---- a scratch directory ----------------------------------------------------------- */

static char scratch_path[64];

HELPER void scratch_leave(void)
{
	MUST(chdir("/"));
	rmdir(scratch_path);
}

/*
 * Makes an empty directory on a tmpfs (so that both kernels use the same kind of file
 * system) and goes there. scratch_leave() removes it; the program empties it first.
 */
HELPER void scratch_enter(void)
{
	strcpy(scratch_path, "/dev/shm/guest.XXXXXX");
	if (!mkdtemp(scratch_path))
		die(__FILE__, __LINE__, "mkdtemp");
	MUST(chmod(scratch_path, 0777));
	MUST(chdir(scratch_path));
}

/* Creates a file whose byte i is 'a' + i / PAGE % 26. Return: a descriptor open for both. */
HELPER int make_file(const char *name, size_t length)
{
	char page[PAGE];
	int fd = MUST(open(name, O_RDWR | O_CREAT | O_TRUNC, 0644));
	for (size_t at = 0; at < length; at += PAGE) {
		size_t part = length - at < PAGE ? length - at : PAGE;
		memset(page, 'a' + at / PAGE % 26, PAGE);
		if (MUST(write(fd, page, part)) != (ssize_t)part)
			die(__FILE__, __LINE__, "write");
	}
	return fd;
}
