/* SPDX-License-Identifier: MIT */
/*
 * Job control signals: SIGSTOP, SIGTSTP, SIGTTIN and SIGTTOU stop (the last three unless
 * handled or ignored), SIGCONT continues even when blocked or ignored; SIGCONT discards
 * pending stops and a stop discards a pending SIGCONT; SIGKILL ends a stopped process, other
 * signals wait until it continues. A stopped process makes no progress.
 */
#include "guest.h"

static volatile int *progress;
static volatile sig_atomic_t caught_cont, caught_term;

static void note(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	if (sig == SIGCONT)
		caught_cont++;
	else
		caught_term++;
}

static int count_up(void *unused)
{
	(void)unused;
	for (;;)
		(*progress)++;
	return 0;
}

static void no_progress_when_stopped(void)
{
	int status, before, after;
	pid_t child = start_child(count_up, NULL);
	while (*progress == 0)
		sleep_ms(2);
	MUST(kill(child, SIGSTOP));
	MUST(waitpid(child, &status, WUNTRACED));
	show_status("busy child", status);
	before = *progress;
	sleep_ms(60);
	after = *progress;
	printf("progress while stopped: %s\n", before == after ? "none" : "some");
	MUST(kill(child, SIGCONT));
	MUST(waitpid(child, &status, WCONTINUED));
	show_status("busy child", status);
	for (int tries = 0; tries < 1000 && *progress == after; tries++)
		sleep_ms(2);
	printf("progress afterwards: %s\n", *progress != after ? "some" : "none");
	MUST(kill(child, SIGSTOP));
	MUST(waitpid(child, &status, WUNTRACED));
	MUST(kill(child, SIGTERM));
	sleep_ms(20);
	printf("SIGTERM to a stopped process: %s\n", process_state(child) == 'T' ? "waits" : "acts");
	MUST(kill(child, SIGCONT));
	show_status("once continued", wait_for(child));
}

static int sleeper(void *unused)
{
	(void)unused;
	MUST(setpgid(0, 0));
	for (;;)
		pause();
	return 0;
}

static void each_stop_signal(void)
{
	/* The three of the terminal stop only a group that is not orphaned: its parent is here. */
	static const int signals[] = { SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU };
	for (unsigned i = 0; i < ARRAY_LEN(signals); i++) {
		int status;
		pid_t child = start_child(sleeper, NULL);
		wait_state(child, 'S');
		MUST(kill(child, signals[i]));
		MUST(waitpid(child, &status, WUNTRACED));
		show_status("child", status);
		MUST(kill(child, SIGKILL));
		show_status("child, killed while stopped", wait_for(child));
	}
}

static int with_blocked(void *unused)
{
	sigset_t set, pending;
	(void)unused;
	sigemptyset(&set);
	sigaddset(&set, SIGCONT);
	sigaddset(&set, SIGTSTP);
	MUST(sigprocmask(SIG_BLOCK, &set, NULL));
	MUST(set_handler(SIGCONT, note, 0));
	raise(SIGTSTP);
	MUST(sigpending(&pending));
	printf("SIGTSTP blocked and sent: pending %d\n", sigismember(&pending, SIGTSTP));
	raise(SIGCONT);
	MUST(sigpending(&pending));
	printf("then SIGCONT: pending SIGTSTP %d SIGCONT %d\n", sigismember(&pending, SIGTSTP),
	       sigismember(&pending, SIGCONT));
	raise(SIGTSTP);
	MUST(sigpending(&pending));
	printf("then SIGTSTP: pending SIGTSTP %d SIGCONT %d\n", sigismember(&pending, SIGTSTP),
	       sigismember(&pending, SIGCONT));
	raise(SIGCONT);
	raise(SIGSTOP); /* is continued by the parent, with SIGCONT blocked */
	printf("continued though SIGCONT is blocked, handler ran %d times\n", (int)caught_cont);
	MUST(sigprocmask(SIG_UNBLOCK, &set, NULL));
	printf("unblocked: handler ran %d times\n", (int)caught_cont);
	signal(SIGCONT, SIG_IGN);
	raise(SIGSTOP);
	printf("continued though SIGCONT is ignored\n");
	signal(SIGTSTP, SIG_IGN);
	raise(SIGTSTP);
	MUST(set_handler(SIGTSTP, note, 0));
	raise(SIGTSTP);
	printf("SIGTSTP ignored, then handled: %d\n", (int)caught_term);
	SHOW(sigaction(SIGSTOP, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL));
	SHOW(sigaction(SIGKILL, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL));
	return 6;
}

int main(void)
{
	int status;
	progress = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	no_progress_when_stopped();
	each_stop_signal();
	pid_t child = start_child(with_blocked, NULL);
	for (;;) {
		MUST(waitpid(child, &status, WUNTRACED));
		show_status("child", status);
		if (!WIFSTOPPED(status))
			break;
		MUST(kill(child, SIGCONT));
	}
	return 0;
}
