/* SPDX-License-Identifier: MIT */
/*
 * SIGCHLD: its siginfo for each way a child changes state (si_code, si_status, si_pid,
 * si_uid), SA_NOCLDSTOP, SA_NOCLDWAIT and SIG_IGN (children reap themselves, wait gives
 * ECHILD at the end), and waitid-like uses of wait4: WNOHANG, WUNTRACED, WCONTINUED, ECHILD.
 */
#include "guest.h"

static volatile sig_atomic_t arrived;
static siginfo_t last;

static void note(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	last = *info;
	arrived++;
}

static const char *code_name(int code)
{
	switch (code) {
	case CLD_EXITED: return "CLD_EXITED";
	case CLD_KILLED: return "CLD_KILLED";
	case CLD_DUMPED: return "CLD_DUMPED";
	case CLD_STOPPED: return "CLD_STOPPED";
	case CLD_CONTINUED: return "CLD_CONTINUED";
	case CLD_TRAPPED: return "CLD_TRAPPED";
	}
	return "other";
}

static void await(int count)
{
	for (int tries = 0; tries < 2000 && arrived < count; tries++)
		sleep_ms(2);
}

static void show_last(const char *what, pid_t child)
{
	printf("%s: signals %d, %s status %d, pid the child's: %s, uid mine: %s\n", what,
	       (int)arrived, code_name(last.si_code), last.si_status,
	       last.si_pid == child ? "yes" : "no", last.si_uid == getuid() ? "yes" : "no");
	arrived = 0;
}

static int exit_with(void *status)
{
	return *(int *)status;
}

static int wait_for_signals(void *unused)
{
	(void)unused;
	for (;;)
		pause();
	return 0;
}

static void each_change(void)
{
	int status = 23;
	MUST(set_handler(SIGCHLD, note, SA_RESTART));
	pid_t child = start_child(exit_with, &status);
	await(1);
	show_last("exit(23)", child);
	show_status("wait", wait_for(child));

	child = start_child(wait_for_signals, NULL);
	wait_state(child, 'S');
	MUST(kill(child, SIGSTOP));
	await(1);
	show_last("stopped", child);
	MUST(kill(child, SIGCONT));
	await(1);
	show_last("continued", child);
	MUST(waitpid(child, &status, WUNTRACED | WCONTINUED));
	show_status("wait for either", status);
	MUST(kill(child, SIGTERM));
	await(1);
	show_last("terminated", child);
	show_status("wait", wait_for(child));
}

static void stop_reports_once(void)
{
	int status;
	signal(SIGCHLD, SIG_DFL);
	pid_t child = start_child(wait_for_signals, NULL);
	wait_state(child, 'S');
	SHOW(waitpid(child, &status, WNOHANG));
	MUST(kill(child, SIGSTOP));
	SHOW_TRUE(waitpid(child, &status, WUNTRACED) == child);
	show_status("status", status);
	SHOW(waitpid(child, &status, WUNTRACED | WNOHANG));
	printf("state %c\n", process_state(child));
	MUST(kill(child, SIGCONT));
	SHOW_TRUE(waitpid(child, &status, WCONTINUED) == child);
	show_status("status", status);
	SHOW(waitpid(child, &status, WCONTINUED | WNOHANG));
	MUST(kill(child, SIGKILL));
	wait_state(child, 'Z');
	printf("state %c\n", process_state(child));
	SHOW_TRUE(waitpid(-1, &status, WNOHANG) == child);
	show_status("status", status);
	SHOW(waitpid(child, &status, 0));
	SHOW(waitpid(-1, &status, 0));
	SHOW(waitpid(0, &status, WNOHANG));
	SHOW(wait4(-1, &status, 0x40000, NULL));
}

static void no_stop_signals(void)
{
	int status;
	MUST(set_handler(SIGCHLD, note, SA_RESTART | SA_NOCLDSTOP));
	arrived = 0;
	pid_t child = start_child(wait_for_signals, NULL);
	wait_state(child, 'S');
	MUST(kill(child, SIGSTOP));
	MUST(waitpid(child, &status, WUNTRACED));
	sleep_ms(20);
	printf("SA_NOCLDSTOP, stopped: signals %d\n", (int)arrived);
	MUST(kill(child, SIGKILL));
	await(1);
	show_last("SA_NOCLDSTOP, killed while stopped", child);
	show_status("wait", wait_for(child));
}

static void self_reaping(const char *what)
{
	int statuses[] = { 1, 2, 3 }, status;
	for (unsigned i = 0; i < ARRAY_LEN(statuses); i++)
		start_child(exit_with, &statuses[i]);
	errno = 0;
	pid_t got = wait(&status);
	printf("%s: wait gives %s, signals %d\n", what, got == -1 ? errno_name(errno) : "a child",
	       arrived > 0);
	arrived = 0;
}

int main(void)
{
	each_change();
	stop_reports_once();
	no_stop_signals();
	signal(SIGCHLD, SIG_IGN);
	arrived = 0;
	self_reaping("SIG_IGN");
	MUST(set_handler(SIGCHLD, note, SA_RESTART | SA_NOCLDWAIT));
	self_reaping("SA_NOCLDWAIT");
	return 0;
}
