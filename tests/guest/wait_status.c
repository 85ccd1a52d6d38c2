/* SPDX-License-Identifier: MIT */
/*
 * Exit statuses and how wait tells them: exit codes modulo 256, deaths by signals, the order
 * of many zombies, waiting for one of several, rusage, a bad status pointer, children that
 * die while nobody waits, a parent that dies first; exit flushes nothing and runs no handlers
 * when by _exit. And exit_group ends a process whatever it was doing.
 */
#include "guest.h"

static int leave(void *status)
{
	_exit(*(int *)status);
}

static int die_by(void *sig)
{
	signal(*(int *)sig, SIG_DFL);
	raise(*(int *)sig);
	return 0;
}

static void statuses(void)
{
	static const int codes[] = { 0, 1, 42, 127, 128, 255, 256, 257, -1 };
	static const int signals[] = { SIGHUP, SIGKILL, SIGTERM, SIGUSR1, SIGALRM, SIGPIPE };
	for (unsigned i = 0; i < ARRAY_LEN(codes); i++) {
		int code = codes[i];
		printf("exit(%d): raw status %#x\n", code, run_child(leave, &code));
	}
	for (unsigned i = 0; i < ARRAY_LEN(signals); i++) {
		int sig = signals[i];
		printf("%s: raw status %#x\n", signal_name(sig), run_child(die_by, &sig));
	}
}

static void many_zombies(void)
{
	enum { COUNT = 50 };
	pid_t pids[COUNT];
	int status, sum = 0, known = 0;
	for (int i = 0; i < COUNT; i++)
		pids[i] = start_child(leave, &i);
	/* The middle one first, by its pid. */
	SHOW_TRUE(waitpid(pids[25], &status, 0) == pids[25]);
	show_status("number 25", status);
	for (int left = COUNT - 1; left > 0; left--) {
		pid_t pid = MUST(wait(&status));
		sum += WEXITSTATUS(status);
		for (int i = 0; i < COUNT; i++)
			known += pids[i] == pid;
	}
	printf("the other 49: known %d, statuses sum up to %d\n", known, sum);
	SHOW(wait(&status));
}

static void odd_arguments(void)
{
	int zero = 0;
	struct rusage usage;
	memset(&usage, 0xff, sizeof(usage));
	pid_t child = start_child(leave, &zero);
	SHOW_TRUE(wait4(child, NULL, 0, &usage) == child);
	printf("rusage filled: %s\n", usage.ru_utime.tv_usec >= 0 && usage.ru_utime.tv_usec < 1000000 ? "yes" : "no");
	child = start_child(leave, &zero);
	wait_state(child, 'Z');
	SHOW(syscall(SYS_wait4, child, (int *)8, 0, NULL));
	/* The child was reaped all the same. */
	SHOW(waitpid(child, NULL, 0));
	SHOW(waitpid(1, NULL, WNOHANG));
	SHOW(waitpid(INT_MIN, NULL, 0));
	SHOW(waitpid(getpid(), NULL, 0));
}

static int lose_children(void *unused)
{
	int codes[] = { 1, 2 };
	(void)unused;
	for (unsigned i = 0; i < ARRAY_LEN(codes); i++)
		start_child(leave, &codes[i]);
	return 11;
}

static int write_and_exit(void *unused)
{
	(void)unused;
	atexit(abort);
	fprintf(stdout, "unfinished line that _exit drops");
	_exit(12);
}

static int spin(void *unused)
{
	(void)unused;
	for (volatile long i = 0;; i++)
		;
	return 0;
}

static void kill_busy_process(void)
{
	pid_t child = start_child(spin, NULL);
	sleep_ms(30);
	printf("state of a busy process: %c\n", process_state(child));
	MUST(kill(child, SIGKILL));
	show_status("busy process", wait_for(child));
}

int main(void)
{
	statuses();
	many_zombies();
	odd_arguments();
	show_status("parent with children left behind", run_child(lose_children, NULL));
	show_status("child with an unfinished line", run_child(write_and_exit, NULL));
	kill_busy_process();
	return 0;
}
