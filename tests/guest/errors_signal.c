/* SPDX-License-Identifier: MIT */
/* libc: glibc */
/*
 * errors_signal.c: the errors of the calls about signals and waiting, in the order in which they are
 * found.
 */
#include "table.h"
#include <sys/signalfd.h>

static pid_t gone;
static unsigned long set, chld = 1ul << (SIGCHLD - 1), action[4], old_action[4];
static struct timespec zero, bad_ns = { 0, 1000000000 }, negative = { -1, 0 };
static siginfo_t info, user_code = { .si_code = SI_USER }, queue_code = { .si_code = SI_QUEUE }, tkill_code = { .si_code = SI_TKILL }, kernel_code = { .si_code = SI_KERNEL };
static char buffer[256];
static stack_t stack, old_stack, disable = { .ss_flags = SS_DISABLE }, small = { .ss_sp = buffer, .ss_size = 100 },
	unknown = { .ss_sp = buffer, .ss_size = 1 << 20, .ss_flags = 4 }, unknown_small = { .ss_sp = buffer, .ss_size = 1, .ss_flags = 3 };

#define SIGNALS V(-1), V(0), N("USR1", SIGUSR1), N("KILL", SIGKILL), N("STOP", SIGSTOP), V(64), V(65)

static void actions(void)
{
	TABLE(rt_sigaction, ARG(SIGNALS), ARG(N("-", 0), N("bad", 8), N("new", action)), ARG(N("-", 0), N("bad", 8), N("old", old_action)), ARG(V(0), V(7), V(8), V(9)));
	TABLE(rt_sigprocmask, ARG(V(-1), N("BLOCK", 0), N("UNBLOCK", 1), N("SETMASK", 2), V(3)), ARG(N("-", 0), N("bad", 8), N("set", &set)),
	      ARG(N("-", 0), N("bad", 8), N("old", old_action)), ARG(V(0), V(8), V(16)));
	TABLE(rt_sigpending, ARG(N("NULL", 0), N("bad", 8), N("set", old_action)), ARG(V(0), V(1), V(7), V(8), V(9)));
	TABLE(rt_sigsuspend, ARG(N("NULL", 0), N("bad", 8)), ARG(V(0), V(8), V(9)));
	TABLE(rt_sigtimedwait, ARG(N("NULL", 0), N("bad", 8), N("set", &chld)), ARG(N("-", 0), N("bad", 8), N("info", &info)),
	      ARG(N("bad", 8), N("ns", &bad_ns), N("-s", &negative), N("zero", &zero)), ARG(V(0), V(8), V(9)));
	stack.ss_sp = malloc(1 << 16);
	stack.ss_size = 1 << 16;
	TABLE(sigaltstack, ARG(N("-", 0), N("bad", 8), N("unknown", &unknown), N("unknown, small", &unknown_small), N("small", &small), N("stack", &stack), N("disable", &disable)),
	      ARG(N("-", 0), N("bad", 8), N("old", &old_stack)));
}

static void close_made(long result)
{
	if (result > 2)
		close((int)result);
}

static void sending(void)
{
	TABLE(kill, ARG(N("me", getpid()), N("nobody", gone), N("no group", -gone), V(INT_MIN)), ARG(V(-1), V(0), V(65), V(INT_MAX)));
	TABLE(tkill, ARG(N("me", getpid()), N("nobody", gone), V(0), V(-1)), ARG(V(-1), V(0), V(65)));
	TABLE(tgkill, ARG(N("me", getpid()), N("nobody", gone), N("1", 1), V(0), V(-1)), ARG(N("me", getpid()), N("nobody", gone), V(0), V(-1)), ARG(V(-1), V(0), V(65)));
	TABLE(rt_sigqueueinfo, ARG(N("me", getpid()), N("1", 1), N("nobody", gone), V(0), V(-1)), ARG(V(-1), V(0), V(65)),
	      ARG(N("NULL", 0), N("bad", 8), N("USER", &user_code), N("QUEUE", &queue_code), N("TKILL", &tkill_code), N("KERNEL", &kernel_code)));
	TABLE(rt_tgsigqueueinfo, ARG(N("me", getpid()), N("1", 1), N("nobody", gone), V(0)), ARG(N("me", getpid()), N("1", 1), N("nobody", gone), V(0)), ARG(V(-1), V(0), V(65)),
	      ARG(N("NULL", 0), N("bad", 8), N("USER", &user_code), N("QUEUE", &queue_code), N("TKILL", &tkill_code), N("KERNEL", &kernel_code)));
	int pidfd = (int)MUST(syscall(SYS_pidfd_open, getpid(), 0));
	TABLE(pidfd_open, ARG(N("1", 1), N("nobody", gone), V(0), V(-1)), ARG(V(1), V(-1)));
	TABLE(pidfd_send_signal, ARG(N("me", pidfd), V(-1), N("stdin", 0)), ARG(V(-1), V(0), V(65)),
	      ARG(N("-", 0), N("bad", 8), N("USER", &user_code), N("QUEUE", &queue_code), N("KERNEL", &kernel_code)), ARG(V(0), V(8)));
	close(pidfd);
}

static void to_everybody(void)
{
	printf("as a user\n");
	TABLE(kill, ARG(N("all", -1)), ARG(V(-1), V(0), V(65)));
	TABLE(kill, ARG(N("1", 1), N("my group", 0)), ARG(V(-1), V(0), V(65)));
}

static void descriptors(void)
{
	int fd = MUST(signalfd(-1, (sigset_t *)&chld, 0));
	table_after = close_made;
	TABLE(signalfd4, ARG(V(-1), V(-2), N("stdin", 0), V(999)), ARG(N("NULL", 0), N("bad", 8), N("set", &chld)), ARG(V(0), V(8), V(9)), ARG(V(0), V(O_NONBLOCK), V(1)));
	table_after = NULL;
	TABLE(signalfd4, ARG(N("signalfd", fd)), ARG(N("NULL", 0), N("bad", 8), N("set", &chld)), ARG(V(0), V(8), V(9)), ARG(V(0), V(1)));
}

#define WAITERS N("any", -1), N("group", 0), N("my group", -getpgrp()), V(INT_MIN), N("me", getpid()), N("nobody", gone), N("child", child), N("not a child", 1)

static void waiting(void)
{
	pid_t child = MUST(fork());
	if (child == 0)
		for (;;)
			pause();
	TABLE(wait4, ARG(WAITERS), ARG(N("-", 0), N("bad", 8), N("status", buffer)), ARG(V(WNOHANG), V(WNOHANG | WEXITED), V(WNOHANG | WNOWAIT), N("WNOHANG|0x10", 0x11), N("WNOHANG|WCLONE", 0x80000001)),
	      ARG(N("-", 0), N("bad", 8), N("usage", buffer)));
	TABLE(waitid, ARG(V(-1), V(P_ALL), V(P_PID), V(P_PGID), V(P_PIDFD), V(4)), ARG(V(0), V(-1), N("nobody", gone), N("child", child), N("me", getpid()), N("my group", getpgrp())),
	      ARG(N("-", 0), N("bad", 8), N("info", &info)), ARG(V(WNOHANG), V(WNOHANG | WEXITED), V(WNOHANG | WSTOPPED), N("WNOHANG|WEXITED|0x10", 0x15)), ARG(N("-", 0), N("bad", 8)));
	kill(child, SIGKILL);
	wait_state(child, 'Z');
	TABLE(waitid, ARG(V(P_PID)), ARG(N("child", child)), ARG(N("-", 0), N("bad", 8), N("info", &info)), ARG(V(WNOHANG | WEXITED | WNOWAIT)), ARG(N("-", 0), N("bad", 8), N("usage", buffer)));
	TABLE(wait4, ARG(N("child", child)), ARG(N("bad", 8)), ARG(V(0)), ARG(N("bad", 8)));
	TABLE(wait4, ARG(WAITERS), ARG(N("bad", 8)), ARG(V(0)), ARG(N("bad", 8)));
}

int main(void)
{
	setpgid(0, 0);
	gone = dead_pid();
	actions();
	sending();
	as_user(to_everybody);
	descriptors();
	waiting();
	return 0;
}
