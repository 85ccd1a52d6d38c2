/* SPDX-License-Identifier: MIT */
/* libc: glibc */
/*
 * rights_on_others.c: each call that acts on another process, by root and by a user, on processes
 * of every kind: the user's own, one that may not be dumped, one of somebody else, one that has
 * some of the user's ids only, with more capabilities, as a zombie, a thread, process 1, nobody.
 *
 * One line for each caller and call: the usual result, then the others with the kinds of target.
 */
#include "table.h"
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#define USER  1000
#define OTHER 2000

struct target {
	const char *name;
	pid_t pid;
	int pidfd;
};

static struct target targets[32];
static int nr_targets;
static int ready_pipe[2];
static char word[8], there[8] = "private";
static char page[PAGE] __attribute__((aligned(4096))) = "mapped in all of us";

/* ---- The targets: children that wait -------------------------------------------------- */

static void become(long uid, long euid, long suid, long gid, int dumpable)
{
	MUST(syscall(SYS_setgroups, 0, NULL));
	MUST(syscall(SYS_setresgid, gid, gid, gid));
	MUST(syscall(SYS_setresuid, uid, euid, suid));
	MUST(prctl(PR_SET_DUMPABLE, dumpable));
}

static void add(const char *name, pid_t pid)
{
	targets[nr_targets++] = (struct target){ name, pid, -1 };
}

enum { PLAIN, ZOMBIE, MORE_CAPS, OWN_SESSION };

static void start(const char *name, long uid, long euid, long suid, long gid, int dumpable, int how)
{
	char byte;
	pid_t pid = MUST(fork());
	if (pid == 0) {
		if (how == MORE_CAPS)
			MUST(prctl(PR_SET_KEEPCAPS, 1));
		if (how == OWN_SESSION)
			setsid();
		become(uid, euid, suid, gid, dumpable);
		MUST(write(ready_pipe[1], "", 1));
		if (how == ZOMBIE)
			_exit(0);
		for (;;)
			pause();
	}
	MUST(read(ready_pipe[0], &byte, 1));
	if (how == ZOMBIE)
		wait_state(pid, 'Z');
	add(name, pid);
}

static volatile pid_t thread_id;

static void *waiting_thread(void *unused)
{
	thread_id = (pid_t)syscall(SYS_gettid);
	for (;;)
		pause();
	return unused;
}

static void start_targets(void)
{
	MUST(pipe(ready_pipe));
	start("user", USER, USER, USER, USER, 1, PLAIN);
	start("user in a session", USER, USER, USER, USER, 1, OWN_SESSION);
	start("not dumpable", USER, USER, USER, USER, 0, PLAIN);
	start("other", OTHER, OTHER, OTHER, OTHER, 1, PLAIN);
	start("other's group", USER, USER, USER, OTHER, 1, PLAIN);
	start("real id", USER, OTHER, OTHER, USER, 1, PLAIN);
	start("effective id", OTHER, USER, OTHER, USER, 1, PLAIN);
	start("saved id", OTHER, OTHER, USER, USER, 1, PLAIN);
	start("not saved", USER, USER, OTHER, USER, 1, PLAIN);
	start("set-uid root", USER, 0, 0, USER, 1, PLAIN);
	start("more capabilities", USER, USER, USER, USER, 1, MORE_CAPS);
	start("root", 0, 0, 0, 0, 1, PLAIN);
	start("user's zombie", USER, USER, USER, USER, 1, ZOMBIE);
	start("other's zombie", OTHER, OTHER, OTHER, OTHER, 1, ZOMBIE);
	add("1", 1);
	add("nobody", dead_pid());
	add("-5", -5);
}

/* ---- The calls ---------------------------------------------------------------------------- */

static int zero;
static struct rlimit limit;
static uint32_t attr[14];
static unsigned long mask, words[8];
static uint32_t caps[2], cap_data[6];
static siginfo_t info;

static struct iovec local = { word, sizeof(word) }, remote = { there, sizeof(there) }, advised = { page, PAGE };

#define CALLS(X)                                                                                        \
	X("kill 0", syscall(SYS_kill, p, 0))                                                            \
	X("kill 65", syscall(SYS_kill, p, 65))                                                          \
	X("kill CONT", p < 0 ? syscall(SYS_kill, 0, 0) : syscall(SYS_kill, p, SIGCONT))                 \
	X("tkill 0", syscall(SYS_tkill, p, 0))                                                          \
	X("tkill 65", syscall(SYS_tkill, p, 65))                                                        \
	X("tgkill 0", syscall(SYS_tgkill, p, p, 0))                                                     \
	X("tgkill 65", syscall(SYS_tgkill, p, p, 65))                                                   \
	X("rt_sigqueueinfo QUEUE 0", (info.si_code = SI_QUEUE, syscall(SYS_rt_sigqueueinfo, p, 0, &info)))    \
	X("rt_sigqueueinfo USER 0", (info.si_code = SI_USER, syscall(SYS_rt_sigqueueinfo, p, 0, &info)))      \
	X("rt_sigqueueinfo TKILL 0", (info.si_code = SI_TKILL, syscall(SYS_rt_sigqueueinfo, p, 0, &info)))    \
	X("rt_sigqueueinfo QUEUE 65", (info.si_code = SI_QUEUE, syscall(SYS_rt_sigqueueinfo, p, 65, &info)))  \
	X("rt_sigqueueinfo USER 65", (info.si_code = SI_USER, syscall(SYS_rt_sigqueueinfo, p, 65, &info)))    \
	X("rt_tgsigqueueinfo QUEUE 0", (info.si_code = SI_QUEUE, syscall(SYS_rt_tgsigqueueinfo, p, p, 0, &info))) \
	X("rt_tgsigqueueinfo USER 0", (info.si_code = SI_USER, syscall(SYS_rt_tgsigqueueinfo, p, p, 0, &info)))   \
	X("rt_tgsigqueueinfo QUEUE 65", (info.si_code = SI_QUEUE, syscall(SYS_rt_tgsigqueueinfo, p, p, 65, &info))) \
	X("pidfd_open", closed(syscall(SYS_pidfd_open, p, 0)))                                          \
	X("pidfd_open 1", closed(syscall(SYS_pidfd_open, p, 1)))                                        \
	X("pidfd_send_signal 0", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0))                        \
	X("pidfd_send_signal 65", syscall(SYS_pidfd_send_signal, fd, 65, NULL, 0))                      \
	X("pidfd_send_signal info", (info.si_code = SI_QUEUE, info.si_signo = 0, syscall(SYS_pidfd_send_signal, fd, 0, &info, 0))) \
	X("pidfd_send_signal USER", (info.si_code = SI_USER, info.si_signo = 0, syscall(SYS_pidfd_send_signal, fd, 0, &info, 0)))  \
	X("pidfd_getfd", closed(syscall(SYS_pidfd_getfd, fd, 1, 0)))                                    \
	X("pidfd_getfd 999", closed(syscall(SYS_pidfd_getfd, fd, 999, 0)))                              \
	X("pidfd_getfd flags", closed(syscall(SYS_pidfd_getfd, fd, 1, 1)))                              \
	X("process_vm_readv", reached(p, syscall(SYS_process_vm_readv, p, &local, 1, &remote, 1, 0)))   \
	X("process_vm_readv nothing", syscall(SYS_process_vm_readv, p, &local, 0, &remote, 1, 0))       \
	X("process_vm_readv bad", syscall(SYS_process_vm_readv, p, 8, 1, &remote, 1, 0))                \
	X("process_vm_readv flags", syscall(SYS_process_vm_readv, p, &local, 1, &remote, 1, 1))         \
	X("process_vm_writev", p == 1 && !geteuid() ? 8 : syscall(SYS_process_vm_writev, p, &local, 1, &remote, 1, 0))             \
	X("process_madvise", p == 1 && !geteuid() ? 1 : syscall(440, fd, &advised, 1, 20, 0))           \
	X("process_madvise DONTNEED", syscall(440, fd, &advised, 1, 4, 0))                              \
	X("process_madvise bad", syscall(440, fd, 8, 1, 99, 0))                                         \
	X("process_madvise flags", syscall(440, fd, 8, 1, 20, 1))                                       \
	X("process_madvise nothing", syscall(440, fd, &advised, 0, 21, 0))                              \
	X("move_pages", syscall(SYS_move_pages, p, 0, NULL, NULL, NULL, 2))                             \
	X("move_pages all", syscall(SYS_move_pages, p, 0, NULL, NULL, NULL, 4))                         \
	X("move_pages flags", syscall(SYS_move_pages, p, 0, NULL, NULL, NULL, 8))                       \
	X("migrate_pages", (mask = 1, p == -5 || p == 1 ? 0 : syscall(SYS_migrate_pages, p, 2, &mask, &mask)))       \
	X("migrate_pages high", (mask = 1ul << 40, syscall(SYS_migrate_pages, p, 64, &mask, &mask)))    \
	X("migrate_pages bad", syscall(SYS_migrate_pages, p, 64, 8, 8))                                 \
	X("prlimit", syscall(SYS_prlimit64, p, RLIMIT_CORE, NULL, &limit))                              \
	X("prlimit 16", syscall(SYS_prlimit64, p, 16, NULL, &limit))                                    \
	X("prlimit set", p < 0 ? -1 : (limit = (struct rlimit){ 0, 0 }, syscall(SYS_prlimit64, p, RLIMIT_MSGQUEUE, &limit, NULL))) \
	X("getpriority", syscall(SYS_getpriority, PRIO_PROCESS, p))                                     \
	X("setpriority 0", syscall(SYS_setpriority, PRIO_PROCESS, p, 0))                                \
	X("setpriority -1", syscall(SYS_setpriority, PRIO_PROCESS, p, -1))                              \
	X("sched_getscheduler", syscall(SYS_sched_getscheduler, p))                                     \
	X("sched_setscheduler", syscall(SYS_sched_setscheduler, p, 0, &zero))                           \
	X("sched_setscheduler bad", syscall(SYS_sched_setscheduler, p, 7, &zero))                       \
	X("sched_getparam", syscall(SYS_sched_getparam, p, words))                                      \
	X("sched_setparam", syscall(SYS_sched_setparam, p, &zero))                                      \
	X("sched_getattr", syscall(SYS_sched_getattr, p, words, 48, 0))                                 \
	X("sched_setattr", (memset(attr, 0, sizeof(attr)), attr[0] = 48, syscall(SYS_sched_setattr, p, attr, 0))) \
	X("sched_rr_get_interval", syscall(SYS_sched_rr_get_interval, p, words))                        \
	X("sched_getaffinity", syscall(SYS_sched_getaffinity, p, 8, words))                             \
	X("sched_setaffinity", (mask = ~0ul, syscall(SYS_sched_setaffinity, p, 8, &mask)))              \
	X("sched_setaffinity none", (mask = 0, syscall(SYS_sched_setaffinity, p, 8, &mask)))            \
	X("get_robust_list", syscall(SYS_get_robust_list, p, words, words + 1))                         \
	X("get_robust_list bad", syscall(SYS_get_robust_list, p, 8, 8))                                 \
	X("getpgid", p == 1 ? 1 : syscall(SYS_getpgid, p))                                              \
	X("getsid", p == 1 ? 1 : syscall(SYS_getsid, p))                                                          \
	X("setpgid", syscall(SYS_setpgid, p, 0))                                                        \
	X("setpgid -1", syscall(SYS_setpgid, p, -1))                                                    \
	X("capget", (caps[0] = 0x20080522, caps[1] = (uint32_t)p, syscall(SYS_capget, caps, cap_data))) \
	X("capset", (caps[0] = 0x20080522, caps[1] = (uint32_t)p, syscall(SYS_capset, caps, cap_data))) \
	X("wait4", syscall(SYS_wait4, p, NULL, WNOHANG, NULL))                                          \
	X("waitid", syscall(SYS_waitid, P_PID, p, &info, WNOHANG | WEXITED | WNOWAIT, NULL))            \
	X("waitid pidfd", syscall(SYS_waitid, 3, fd, &info, WNOHANG | WEXITED | WNOWAIT, NULL))         \
	X("clock_gettime", syscall(SYS_clock_gettime, (int)(~(unsigned int)p << 3 | 2), words))         \
	X("clock_gettime thread", syscall(SYS_clock_gettime, (int)(~(unsigned int)p << 3 | 6), words))

/* Process 1 may have nothing at our address: it could be looked at, and that is what is asked. */
static long reached(long pid, long result)
{
	return pid == 1 && result == -1 && errno == EFAULT ? (long)sizeof(word) : result;
}

static long closed(long fd)
{
	if (fd > 2)
		close((int)fd);
	return fd;
}

static short results[32];

static int how_many(short result)
{
	int count = 0;
	for (int i = 0; i < nr_targets; i++)
		count += results[i] == result;
	return count;
}

static short most_common(void)
{
	short best = results[0];
	for (int i = 1; i < nr_targets; i++)
		if (how_many(results[i]) > how_many(best))
			best = results[i];
	return best;
}

/* The kinds of target by result; the most common result without its kinds. */
static void print_results(const char *name)
{
	short usual = most_common();
	printf("%s: %s", name, table_result(usual));
	for (int i = 0; i < nr_targets; i++) {
		int j = 0;
		while (results[j] != results[i])
			j++;
		if (results[i] == usual || j < i)
			continue;
		printf("; %s", table_result(results[i]));
		for (const char *comma = " "; j < nr_targets; j++)
			if (results[j] == results[i]) {
				printf("%s%s", comma, targets[j].name);
				comma = ", ";
			}
	}
	printf("\n");
}

static void try_all(void)
{
	thread_id = 0;
	pthread_t thread;
	pthread_create(&thread, NULL, waiting_thread, NULL);
	while (!thread_id)
		usleep(1000);
	int own = nr_targets++;
	targets[own] = (struct target){ "own thread", thread_id, -1 };
	for (int i = 0; i < nr_targets; i++)
		targets[i].pidfd = (int)syscall(SYS_pidfd_open, targets[i].pid, 0);
#define X(name, call)                                                                                   \
	for (int i = 0; i < nr_targets; i++) {                                                          \
		long p = targets[i].pid, result;                                                        \
		int fd = targets[i].pidfd;                                                              \
		(void)fd, (void)p;                                                                      \
		errno = 0;                                                                              \
		result = call;                                                                          \
		results[i] = (short)(result == -1 ? -errno : result != 0);                              \
	}                                                                                               \
	print_results(name);
	CALLS(X)
#undef X
	nr_targets--;
}

static void as_effective(void)
{
	printf("with the effective id of the user only\n");
	try_all();
}

int main(void)
{
	setsid();
	start_targets();
	printf("a user\n");
	as_user(try_all);
	fflush(stdout);
	pid_t pid = MUST(fork());
	if (pid == 0) {
		become(OTHER, USER, OTHER, USER, 1);
		as_effective();
		fflush(stdout);
		_exit(0);
	}
	wait_for(pid);
	printf("root\n");
	try_all();
	for (int i = 0; i < nr_targets; i++)
		if (targets[i].pid > 1)
			kill(targets[i].pid, SIGKILL);
	return 0;
}
