/* SPDX-License-Identifier: MIT */
/*
 * port.c: the log, the clock, the end of the machine, and failing allocations.
 *
 * The log is kept in memory that a forked child shares with its parent, so that the test
 * harness can show what a test that died had said. It keeps the first LOG_BYTES and then
 * only counts.
 */
#include "hosted_internal.h"

#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "host_mmap.h"

#define LOG_BYTES	  (256 * SZ_1K)
#define BACKTRACE_DEPTH	  32
#define PANIC_EXIT_STATUS 70

struct log_buffer {
	size_t used;
	char text[LOG_BYTES];
};

static struct log_buffer *log_buffer;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static u64 boot_ns;

void (*hosted_panic_hook)(const char *message);

/* ---- Log ------------------------------------------------------------------------------ */

/* The harness reads the log of its child: both look at the same pages. Called before the fork. */
__attribute__((constructor)) static void map_log(void)
{
	log_buffer =
		(void *)syscall(SYS_mmap, 0, sizeof(*log_buffer), HOST_PROT_READ | HOST_PROT_WRITE,
				HOST_MAP_SHARED | HOST_MAP_ANONYMOUS, -1, 0);
}

static void log_append(const char *text, size_t len)
{
	size_t room;

	pthread_mutex_lock(&log_lock);
	room = LOG_BYTES - 1 - log_buffer->used;
	len = min(len, room);
	memcpy(log_buffer->text + log_buffer->used, text, len);
	log_buffer->used += len;
	log_buffer->text[log_buffer->used] = 0;
	pthread_mutex_unlock(&log_lock);
}

void log_after_fork(void)
{
	pthread_mutex_init(&log_lock, NULL);
}

void port_log(enum port_log_level level, const char *text, size_t len)
{
	(void)level;
	log_append(text, len);
}

const char *hosted_log(void)
{
	return log_buffer->text;
}

void hosted_clear_log(void)
{
	log_buffer->used = 0;
	log_buffer->text[0] = 0;
}

/* ---- Clock ------------------------------------------------------------------------------ */

static u64 monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000ull + (u64)ts.tv_nsec;
}

u64 host_clock_ns(void)
{
	return monotonic_ns() - boot_ns;
}

u64 port_clock_ns(void)
{
	if (hosted_deterministic)
		return __atomic_load_n(&hosted_virtual_ns, __ATOMIC_RELAXED);
	return host_clock_ns();
}

/* ---- The end ------------------------------------------------------------------------------ */

static void print_backtrace(void)
{
	void *frames[BACKTRACE_DEPTH];
	int n = backtrace(frames, BACKTRACE_DEPTH);

	backtrace_symbols_fd(frames, n, STDERR_FILENO);
}

void port_panic(const char *message)
{
	if (hosted_panic_hook)
		hosted_panic_hook(message);
	fprintf(stderr, "PANIC: %s\n", message);
	print_backtrace();
	_exit(PANIC_EXIT_STATUS);
}

void hosted_fatal(const char *fmt, ...)
{
	char message[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	port_panic(message);
}

void port_die(struct pt_regs *regs, const char *what, unsigned long addr, unsigned long error_code)
{
	(void)regs;
	hosted_fatal("kernel fault: %s at %#lx, error code %#lx", what, addr, error_code);
}

/* ---- Failing allocations -------------------------------------------------------------------- */

int hosted_watch;
static unsigned long fail_at;	  /* 0: never */
static unsigned long fail_one_in; /* 0: never */
static unsigned long fail_calls;  /* since hosted_fail_nth() */

/* Also a poll point: the fastest paths have no other. */
bool hosted_should_fail(const char *site)
{
	unsigned long one_in = __atomic_load_n(&fail_one_in, __ATOMIC_RELAXED), call;

	(void)site;
	hosted_poll();
	if (!(__atomic_load_n(&hosted_watch, __ATOMIC_RELAXED) & HOSTED_FAIL_ARMED))
		return false;
	call = __atomic_add_fetch(&fail_calls, 1, __ATOMIC_SEQ_CST);
	if (one_in && (call * 0x9E3779B97F4A7C15ull >> 32) % one_in == 0)
		return true;
	return call == __atomic_load_n(&fail_at, __ATOMIC_RELAXED);
}

void hosted_fail_one_in(unsigned long n)
{
	__atomic_store_n(&fail_one_in, n, __ATOMIC_SEQ_CST);
	__atomic_fetch_or(&hosted_watch, HOSTED_FAIL_ARMED, __ATOMIC_SEQ_CST);
}

void hosted_fail_nth(unsigned long n)
{
	__atomic_store_n(&fail_calls, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&fail_at, n, __ATOMIC_SEQ_CST);
	__atomic_fetch_or(&hosted_watch, HOSTED_FAIL_ARMED, __ATOMIC_SEQ_CST);
}

unsigned long hosted_fail_count(void)
{
	return __atomic_load_n(&fail_calls, __ATOMIC_SEQ_CST);
}

void port_init(const struct hosted_config *config)
{
	(void)config;
	boot_ns = monotonic_ns();
}
