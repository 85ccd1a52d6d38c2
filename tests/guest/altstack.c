/* SPDX-License-Identifier: MIT */
/*
 * sigaltstack: where handlers run with and without SA_ONSTACK, what the call reports before,
 * in and after a handler, its errors, nesting, inheritance by fork, and the overflow of the alternate stack itself, which is SIGSEGV (ABI.md, section 5).
 */
#include "guest.h"

enum { SIZE = 65536 };
static char *altstack;
static int depth;

static const char *flag_names(int flags)
{
	return flags == SS_DISABLE ? "SS_DISABLE" : flags == SS_ONSTACK ? "SS_ONSTACK" : flags ? "other" : "0";
}

static void show_stack(const char *where)
{
	stack_t now;
	MUST(sigaltstack(NULL, &now));
	printf("%s: flags %s, mine: %s, size %s\n", where, flag_names(now.ss_flags),
	       now.ss_sp == altstack ? "yes" : "no", now.ss_size == SIZE ? "as set" : "other");
}

static int on_altstack(const void *p)
{
	return (const char *)p >= altstack && (const char *)p < altstack + SIZE;
}

static void handler(int sig, siginfo_t *info, void *context)
{
	stack_t other = { .ss_sp = altstack, .ss_size = SIZE };
	int here;
	(void)info;
	printf("handler of %s: on the alternate stack: %s\n", signal_name(sig),
	       on_altstack(&here) ? "yes" : "no");
	show_stack("  in the handler");
	printf("  its context says: flags %s\n",
	       flag_names(((ucontext_t *)context)->uc_stack.ss_flags));
	if (on_altstack(&here))
		SHOW(sigaltstack(&other, NULL));
	if (sig == SIGUSR1 && depth++ == 0)
		raise(SIGUSR2); /* nested: continues on the same stack */
}

static void errors(void)
{
	stack_t small = { .ss_sp = altstack, .ss_size = 1024 };
	stack_t flags = { .ss_sp = altstack, .ss_size = SIZE, .ss_flags = 0x1234 };
	SHOW(sigaltstack(&small, NULL));
	SHOW(sigaltstack(&flags, NULL));
	SHOW(syscall(SYS_sigaltstack, (void *)8, NULL));
	SHOW(syscall(SYS_sigaltstack, NULL, (void *)8));
	SHOW(syscall(SYS_sigaltstack, NULL, NULL));
	show_stack("after the errors");
}

static NOINLINE int overflow(int n)
{
	volatile char frame[1024];
	frame[0] = n;
	return n < 0 ? 0 : overflow(n + 1) + frame[0];
}

static void overflowing(int sig)
{
	(void)sig;
	overflow(0);
}

static int overflow_altstack(void *unused)
{
	struct sigaction action = { .sa_handler = overflowing, .sa_flags = SA_ONSTACK };
	(void)unused;
	/* Nothing is mapped below this one. */
	char *stack = map_anon(32 * PAGE, PROT_READ | PROT_WRITE);
	MUST(mprotect(stack, 16 * PAGE, PROT_NONE));
	stack_t set = { .ss_sp = stack + 16 * PAGE, .ss_size = 16 * PAGE };
	MUST(sigaltstack(&set, NULL));
	MUST(sigaction(SIGSEGV, &action, NULL));
	MUST(sigaction(SIGUSR1, &action, NULL));
	raise(SIGUSR1);
	return 0;
}

static int in_child(void *unused)
{
	(void)unused;
	show_stack("in a forked child");
	return 0;
}

static void plain(int sig, siginfo_t *info, void *context)
{
	int here;
	(void)info;
	(void)context;
	printf("handler of %s without SA_ONSTACK: on the alternate stack: %s\n", signal_name(sig),
	       on_altstack(&here) ? "yes" : "no");
}

int main(void)
{
	stack_t none = { .ss_flags = SS_DISABLE }, set;

	altstack = map_anon(SIZE, PROT_READ | PROT_WRITE);
	set = (stack_t){ .ss_sp = altstack, .ss_size = SIZE };
	show_stack("at the start");
	errors();
	MUST(sigaltstack(&set, NULL));
	show_stack("once set");
	MUST(set_handler(SIGUSR1, handler, SA_ONSTACK));
	MUST(set_handler(SIGUSR2, handler, SA_ONSTACK));
	MUST(set_handler(SIGTERM, plain, 0));
	raise(SIGUSR1);
	raise(SIGTERM);
	show_stack("after the handlers");
	show_status("child", run_child(in_child, NULL));
	MUST(sigaltstack(&none, NULL));
	show_stack("disabled");
	raise(SIGUSR2);
	show_status("alternate stack overflows", run_child(overflow_altstack, NULL));
	return 0;
}
