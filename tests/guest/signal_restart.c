/* SPDX-License-Identifier: MIT */
/* guest: --icount */
/* proves: CS-13 */
/* timeout: 120 */
/*
 * What becomes of a blocked call when a signal arrives (the table in ABI.md, section 5):
 * with a handler without SA_RESTART, with SA_RESTART, and stopped and continued without a
 * handler. The parent signals a child only when /proc shows it asleep in the call; for calls
 * that restart it then lets the call end.
 */
#include "guest.h"
#include <poll.h>

/* Of calls with a time: long enough to be found asleep also on a busy host. */
enum { LENGTH_MS = 1300 };

static int data_pipe[2], full_pipe[2];
static int caught;

static void note(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	caught++;
}

/* Each call returns as a system call does; long enough to be found asleep. */
static long call_read(void)
{
	char c;
	return read(data_pipe[0], &c, 1);
}

static long call_write(void)
{
	return write(full_pipe[1], "x", 1);
}

static pid_t grandchild;

static long call_wait(void)
{
	int status;
	return wait4(grandchild, &status, 0, NULL) == grandchild ? WEXITSTATUS(status) : -1;
}

static long call_nanosleep(void)
{
	struct timespec time = { LENGTH_MS / 1000, LENGTH_MS % 1000 * 1000000 }, left = { 0, 0 };
	long result = nanosleep(&time, &left);
	if (result == -1)
		printf("    remaining time stored: %s\n",
		       left.tv_sec * 1000 + left.tv_nsec / 1000000 < LENGTH_MS && (left.tv_sec || left.tv_nsec)
			       ? "yes"
			       : "no");
	return result;
}

static long call_clock_absolute(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_sec += LENGTH_MS / 1000;
	time.tv_nsec += LENGTH_MS % 1000 * 1000000;
	if (time.tv_nsec >= 1000000000) {
		time.tv_nsec -= 1000000000;
		time.tv_sec++;
	}
	errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
	return errno ? -1 : 0;
}

static long call_pause(void)
{
	return pause();
}

static long call_sigsuspend(void)
{
	sigset_t none;
	sigemptyset(&none);
	return sigsuspend(&none);
}

static long call_poll_forever(void)
{
	struct pollfd p = { .fd = data_pipe[0], .events = POLLIN };
	return poll(&p, 1, -1);
}

static long call_poll_timeout(void)
{
	struct pollfd p = { .fd = data_pipe[0], .events = POLLIN };
	return poll(&p, 1, LENGTH_MS);
}

struct call {
	const char *name;
	long (*make)(void);
	int ends_by_itself;	/* a timeout; others need end_call() */
	int never_ends;		/* only a handler ends it */
};
static const struct call calls[] = {
	{ "read of an empty pipe", call_read, 0, 0 },
	{ "write to a full pipe", call_write, 0, 0 },
	{ "wait4", call_wait, 0, 0 },
	{ "nanosleep", call_nanosleep, 1, 0 },
	{ "clock_nanosleep until", call_clock_absolute, 1, 0 },
	{ "poll with a timeout", call_poll_timeout, 1, 0 },
	{ "poll without", call_poll_forever, 0, 0 },
	{ "pause", call_pause, 0, 1 },
	{ "sigsuspend", call_sigsuspend, 0, 1 },
};

static int stay(void *unused)
{
	char c;
	(void)unused;
	/* Ends when the parent lets go of the pipe by writing. */
	return read(data_pipe[0], &c, 1) == 1 ? 9 : 8;
}

static const struct call *current;
static int handler_flags;
static int use_stop;

static int blocked_child(void *unused)
{
	(void)unused;
	if (!use_stop)
		MUST(set_handler(SIGUSR1, note, handler_flags));
	if (current->make == call_wait)
		grandchild = start_child(stay, NULL);
	long long start = now_ns();
	errno = 0;
	long result = current->make();
	int error = errno;
	long long took = now_ns() - start;
	printf("  result %s, handler ran %d times%s\n", result == -1 ? errno_name(error) : result ? "positive" : "0",
	       caught, current->ends_by_itself && result == 0 && took < (LENGTH_MS - 1) * 1000000LL ? ", too early" : "");
	if (current->make == call_wait && result == -1) {
		MUST(write(data_pipe[1], "x", 1));
		wait_for(grandchild);
	}
	return 0;
}

/* Lets a call that was restarted come to its end. */
static void end_call(void)
{
	char drain[4096];
	if (current->make == call_write)
		MUST(read(full_pipe[0], drain, sizeof(drain)));
	else
		MUST(write(data_pipe[1], "x", 1));
}

static void refill_pipes(void)
{
	char block[4096] = { 0 };
	MUST(pipe(data_pipe));
	MUST(pipe(full_pipe));
	for (int i = 0; i < 16; i++)
		MUST(write(full_pipe[1], block, sizeof(block)));
}

static void close_pipes(void)
{
	close(data_pipe[0]);
	close(data_pipe[1]);
	close(full_pipe[0]);
	close(full_pipe[1]);
}

static void one_case(const struct call *call, int flags, int stop, int expect_restart)
{
	current = call;
	handler_flags = flags;
	use_stop = stop;
	refill_pipes();
	pid_t child = start_child(blocked_child, NULL);
	wait_state(child, 'S');
	sleep_ms(30); /* asleep in the call, not in the wait for its grandchild's fork */
	wait_state(child, 'S');
	if (stop) {
		int status;
		MUST(kill(child, SIGSTOP));
		MUST(waitpid(child, &status, WUNTRACED));
		show_status("  child", status);
		sleep_ms(20);
		MUST(kill(child, SIGCONT));
	} else {
		MUST(kill(child, SIGUSR1));
	}
	sleep_ms(50);
	if (call->never_ends && stop) {
		printf("  still waiting: %s\n", process_state(child) == 'S' ? "yes" : "no");
		MUST(kill(child, SIGKILL));
	} else if (expect_restart && !call->ends_by_itself) {
		printf("  still waiting: %s\n", process_state(child) == 'S' ? "yes" : "no");
		end_call();
	}
	show_status("  child", wait_for(child));
	close_pipes();
}

int main(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(calls); i++) {
		const struct call *call = &calls[i];
		int restarts = i < 3;
		printf("%s, handler without SA_RESTART\n", call->name);
		one_case(call, 0, 0, 0);
		printf("%s, handler with SA_RESTART\n", call->name);
		one_case(call, SA_RESTART, 0, restarts);
		printf("%s, stopped and continued\n", call->name);
		one_case(call, 0, 1, 1);
	}
	return 0;
}
