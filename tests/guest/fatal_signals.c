/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a process at a fault it does not handle: default action, blocked,
 * ignored, a handler that faults itself, a handler with no stack to run on; compared with
 * the same signals sent by kill(2). And the default action of every signal.
 */
#include "guest.h"

static int deref_null(void *unused)
{
	(void)unused;
	touch_write(NULL, 1);
	return 1;
}

static int blocked(void *sig)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, *(int *)sig);
	MUST(sigprocmask(SIG_BLOCK, &set, NULL));
	if (*(int *)sig == SIGFPE)
		__asm__ volatile("xor %%ecx, %%ecx\n\tdiv %%ecx" ::: "eax", "ecx", "edx");
	if (*(int *)sig == SIGILL)
		__asm__ volatile("ud2");
	if (*(int *)sig == SIGTRAP)
		__asm__ volatile("int3");
	return deref_null(NULL);
}

static int ignored(void *sig)
{
	signal(*(int *)sig, SIG_IGN);
	return blocked(sig);
}

/* Blocked and sent by kill: stays pending, does not kill. */
static int blocked_and_sent(void *unused)
{
	sigset_t set, pending;
	(void)unused;
	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	MUST(sigprocmask(SIG_BLOCK, &set, NULL));
	MUST(kill(getpid(), SIGSEGV));
	MUST(sigpending(&pending));
	printf("  pending: %d\n", sigismember(&pending, SIGSEGV));
	return 7;
}

static int ignored_and_sent(void *unused)
{
	(void)unused;
	signal(SIGSEGV, SIG_IGN);
	MUST(kill(getpid(), SIGSEGV));
	return 8;
}

static void fault_again(int sig)
{
	printf("  handler of %s faults itself\n", signal_name(sig));
	touch_write((char *)8, 1);
}

static int faulty_handler(void *unused)
{
	(void)unused;
	signal(SIGSEGV, fault_again);
	return deref_null(NULL);
}

static void never(int sig)
{
	printf("  a handler for %s ran without a stack\n", signal_name(sig));
}

static int handler_without_stack(void *unused)
{
	(void)unused;
	signal(SIGSEGV, never);
	__asm__ volatile("mov $0x1000, %%rsp\n\tpush %%rax" ::: "memory");
	return 1;
}

/* The signal is sent by kill while the stack pointer is bad. */
static int sent_without_stack(void *unused)
{
	(void)unused;
	signal(SIGUSR1, never);
	pid_t me = getpid();
	__asm__ volatile("mov $0x1000, %%rsp\n\tsyscall" ::"a"(SYS_kill), "D"(me), "S"(SIGUSR1)
			 : "rcx", "r11", "memory");
	return 1;
}

static int default_action(void *sig)
{
	signal(*(int *)sig, SIG_DFL);
	MUST(kill(getpid(), *(int *)sig));
	return 0;
}

int main(void)
{
	static const int faults[] = { SIGSEGV, SIGFPE, SIGILL, SIGTRAP };
	show_status("default action of a NULL dereference", run_child(deref_null, NULL));
	for (unsigned i = 0; i < ARRAY_LEN(faults); i++) {
		int sig = faults[i];
		printf("%s\n", signal_name(sig));
		show_status("  blocked at the fault", run_child(blocked, &sig));
		show_status("  ignored at the fault", run_child(ignored, &sig));
	}
	show_status("SIGSEGV blocked and sent", run_child(blocked_and_sent, NULL));
	show_status("SIGSEGV ignored and sent", run_child(ignored_and_sent, NULL));
	show_status("handler that faults", run_child(faulty_handler, NULL));
	show_status("handler without a stack", run_child(handler_without_stack, NULL));
	show_status("signal without a stack", run_child(sent_without_stack, NULL));
	for (int sig = 1; sig <= 64; sig++) {
		char label[40];
		if (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU)
			continue;
		if (sig == 32 || sig == 33 || sig == 34)
			continue; /* kept by the C library for itself */
		snprintf(label, sizeof(label), "default action of %s", signal_name(sig));
		show_status(label, run_child(default_action, &sig));
	}
	return 0;
}
