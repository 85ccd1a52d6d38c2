/* SPDX-License-Identifier: MIT */
/*
 * Pending and blocked signals: standard signals do not queue, are delivered by number, and
 * wait while blocked; SA_NODEFER, SA_RESETHAND and sa_mask; what fork and exec inherit;
 * sigsuspend takes exactly the signals it lets through; sigaction's errors and old action.
 */
#include "guest.h"

static char order[256];
static int nested;

static void append(int sig, siginfo_t *info, void *context)
{
	(void)context;
	snprintf(order + strlen(order), sizeof(order) - strlen(order), " %s%s", signal_name(sig),
		 info->si_code == SI_USER ? "" : "(tkill)");
}

static void block(int how, const int *signals, int count)
{
	sigset_t set;
	sigemptyset(&set);
	for (int i = 0; i < count; i++)
		sigaddset(&set, signals[i]);
	MUST(sigprocmask(how, &set, NULL));
}

static void show_order(const char *what)
{
	printf("%s:%s\n", what, order[0] ? order : " none");
	order[0] = 0;
}

static const int some[] = { SIGUSR1, SIGUSR2, SIGTERM, SIGALRM, SIGHUP };

static void send_some(void)
{
	static const int sent[] = { SIGTERM, SIGUSR2, SIGHUP, SIGUSR1, SIGUSR1, SIGTERM, SIGALRM };
	for (unsigned i = 0; i < ARRAY_LEN(sent); i++)
		MUST(kill(getpid(), sent[i]));
}

static int show_pending_in_child(void *unused)
{
	sigset_t pending, mask;
	(void)unused;
	MUST(sigpending(&pending));
	MUST(sigprocmask(SIG_BLOCK, NULL, &mask));
	printf("child: pending SIGTERM %d, blocked SIGTERM %d\n", sigismember(&pending, SIGTERM),
	       sigismember(&mask, SIGTERM));
	raise(SIGUSR2);
	signal(SIGINT, SIG_DFL); /* a shell's background job is born ignoring it */
	MUST(kill(getpid(), SIGINT));
	return 0;
}

static void pending_signals(void)
{
	/* Handlers that block everything else, so that the order of delivery shows. */
	struct sigaction action = { .sa_sigaction = append, .sa_flags = SA_SIGINFO };
	sigfillset(&action.sa_mask);
	for (unsigned i = 0; i < ARRAY_LEN(some); i++)
		MUST(sigaction(some[i], &action, NULL));
	block(SIG_BLOCK, some, ARRAY_LEN(some));
	send_some();
	show_order("while blocked");
	show_status("child", run_child(show_pending_in_child, NULL));
	block(SIG_UNBLOCK, some, ARRAY_LEN(some));
	/* The lowest number is delivered first; its handler runs to the end before the next. */
	show_order("unblocked");
}

static void suspend_takes_one(void)
{
	sigset_t all_but, before;
	block(SIG_BLOCK, some, ARRAY_LEN(some));
	send_some();
	sigfillset(&all_but);
	sigdelset(&all_but, SIGUSR2);
	SHOW(sigsuspend(&all_but));
	show_order("sigsuspend let through");
	MUST(sigprocmask(SIG_BLOCK, NULL, &before));
	printf("mask afterwards has SIGUSR2: %d SIGINT: %d\n", sigismember(&before, SIGUSR2),
	       sigismember(&before, SIGINT));
	block(SIG_UNBLOCK, some, ARRAY_LEN(some));
	show_order("then");
}

static void nest(int sig)
{
	int depth = ++nested;
	if (depth < 3)
		raise(sig);
	snprintf(order + strlen(order), sizeof(order) - strlen(order), " %d", depth);
}

static void flags(void)
{
	struct sigaction old;
	MUST(sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = nest, .sa_flags = SA_NODEFER }, NULL));
	raise(SIGUSR1);
	show_order("SA_NODEFER, depths in order of their end");
	nested = 0;
	MUST(sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = nest }, NULL));
	raise(SIGUSR1);
	show_order("without it");
	nested = 2;
	MUST(sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = nest, .sa_flags = SA_RESETHAND }, NULL));
	raise(SIGUSR1);
	show_order("SA_RESETHAND");
	MUST(sigaction(SIGUSR1, NULL, &old));
	printf("the action is now %s\n", old.sa_handler == SIG_DFL ? "SIG_DFL" : "other");
	MUST(sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = nest, .sa_flags = SA_RESTART }, &old));
	MUST(sigaction(SIGUSR1, NULL, &old));
	printf("old action: handler %s, SA_RESTART %s\n", old.sa_handler == nest ? "mine" : "other",
	       old.sa_flags & SA_RESTART ? "yes" : "no");
}

static void errors(void)
{
	sigset_t set;
	sigfillset(&set);
	SHOW(syscall(SYS_rt_sigaction, 0, NULL, NULL, 8));
	SHOW(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8));
	SHOW(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4));
	SHOW(syscall(SYS_rt_sigaction, SIGUSR1, (void *)8, NULL, 8));
	SHOW(syscall(SYS_rt_sigaction, SIGKILL, NULL, NULL, 8));
	SHOW(syscall(SYS_rt_sigprocmask, 3, &set, NULL, 8));
	SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 16));
	SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, (void *)8, NULL, 8));
	SHOW(syscall(SYS_rt_sigprocmask, 77, NULL, NULL, 8));
	SHOW(syscall(SYS_rt_sigsuspend, &set, 4));
	SHOW(syscall(SYS_rt_sigpending, &set, 16));
	SHOW(syscall(SYS_tgkill, getpid(), getpid(), 0));
	SHOW(syscall(SYS_tgkill, getpid(), -1, SIGUSR1));
	SHOW(syscall(SYS_tgkill, 1 << 22, getpid(), SIGUSR1));
	/* SIGKILL and SIGSTOP cannot be blocked: they are left out silently. */
	unsigned long all = ~0UL, now = 0;
	MUST(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &now, 8));
	MUST(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &now, &all, 8));
	printf("all signals blocked: SIGKILL %d SIGSTOP %d others %d\n", !!(all >> (SIGKILL - 1) & 1),
	       !!(all >> (SIGSTOP - 1) & 1), __builtin_popcountl(all));
}

/* The new image inherits ignored and blocked signals, not handlers. */
static void inherited_by_exec(char *self)
{
	pid_t child = fork();
	if (child == 0) {
		static const int blocked[] = { SIGALRM };
		signal(SIGHUP, SIG_IGN);
		signal(SIGTERM, nest);
		signal(SIGUSR1, SIG_DFL);
		block(SIG_BLOCK, blocked, 1);
		raise(SIGALRM);
		execl(self, self, "exec", (char *)NULL);
		_exit(127);
	}
	show_status("after exec", wait_for(child));
}

static int after_exec(void)
{
	struct sigaction hup, term;
	sigset_t mask, pending;
	MUST(sigaction(SIGHUP, NULL, &hup));
	MUST(sigaction(SIGTERM, NULL, &term));
	MUST(sigprocmask(SIG_BLOCK, NULL, &mask));
	MUST(sigpending(&pending));
	printf("after exec: SIGHUP %s, SIGTERM %s, SIGALRM blocked %d pending %d\n",
	       hup.sa_handler == SIG_IGN ? "ignored" : "not ignored",
	       term.sa_handler == SIG_DFL ? "default" : "not default",
	       sigismember(&mask, SIGALRM), sigismember(&pending, SIGALRM));
	return 5;
}

int main(int argc, char **argv)
{
	if (argc == 2)
		return after_exec();
	pending_signals();
	suspend_takes_one();
	flags();
	errors();
	inherited_by_exec(argv[0]);
	return 0;
}
