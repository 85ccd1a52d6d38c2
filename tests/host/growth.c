/* SPDX-License-Identifier: MIT */
/*
 * Makes n of something that any user can have many of, and prints what one operation beside them costs, in
 * instructions ("name cost" a line). tests/host/growth.py compares two sizes.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

static void must(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

/* The least of some rounds: no tick lies in it. */
#define COST(operation)                                                                                                \
	({                                                                                                             \
		unsigned long least_ = ~0ul;                                                                           \
		for (int round_ = 0; round_ < 5; round_++) {                                                           \
			unsigned long start_ = __rdtsc();                                                              \
			operation;                                                                                     \
			unsigned long took_ = __rdtsc() - start_;                                                      \
			least_ = took_ < least_ ? took_ : least_;                                                      \
		}                                                                                                      \
		least_;                                                                                                \
	})

static void tell(const char *name, unsigned long cost)
{
	printf("%s %lu\n", name, cost);
	fflush(stdout);
}

/* ---- Timers ---------------------------------------------------------------------------------- */

static int new_timer(void)
{
	struct sigevent silent = { .sigev_notify = SIGEV_NONE };
	int id;

	must(!syscall(SYS_timer_create, CLOCK_MONOTONIC, &silent, &id), "timer_create");
	return id;
}

static struct timespec later(struct timespec when, long ms)
{
	long ns = when.tv_nsec + ms % 1000 * 1000000;

	return (struct timespec){ when.tv_sec + ms / 1000 + ns / 1000000000, ns % 1000000000 };
}

static void set_timer(int id, struct timespec when)
{
	struct itimerspec spec = { .it_value = when };

	must(!syscall(SYS_timer_settime, id, TIMER_ABSTIME, &spec, NULL), "timer_settime");
}

/* The longest time between two looks at the clock, until then: the tick in which the timers fired. */
static unsigned long longest_gap_until(struct timespec then)
{
	unsigned long longest = 0, last = __rdtsc(), now;
	struct timespec clock;

	do {
		clock_gettime(CLOCK_MONOTONIC, &clock);
		now = __rdtsc();
		longest = now - last > longest ? now - last : longest;
		last = now;
	} while (clock.tv_sec < then.tv_sec || (clock.tv_sec == then.tv_sec && clock.tv_nsec < then.tv_nsec));
	return longest;
}

static void timers(int n)
{
	struct itimerspec spec;
	struct timespec now;
	int last = 0;

	clock_gettime(CLOCK_MONOTONIC, &now);
	for (int i = 0; i < n; i++) /* 2.56 s, of which 256 ticks of 10 ms are a round, and then all at once */
		set_timer(new_timer(), later(now, 400 + 2560));
	for (int i = 0; i < n; i++)
		set_timer(last = new_timer(), later(now, 400));
	clock_gettime(CLOCK_MONOTONIC, &spec.it_value);
	must(spec.it_value.tv_sec < later(now, 400).tv_sec || spec.it_value.tv_nsec < later(now, 400).tv_nsec,
	     "the timers are due before all were set");
	tell("timers_due", longest_gap_until(later(now, 600)));
	tell("timer_by_number", COST(must(!syscall(SYS_timer_gettime, last, &spec), "timer_gettime")));
	for (int id = last; id >= 0; id--)
		syscall(SYS_timer_delete, id);
}

/* ---- Locks on files --------------------------------------------------------------------------- */

static int lock(int fd, int cmd, int type, off_t start)
{
	struct flock fl = { .l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = 1 };

	return fcntl(fd, cmd, &fl);
}

static void record_locks(int n)
{
	int fd = open("/tmp/locks", O_RDWR | O_CREAT, 0600), other = open("/tmp/locks", O_RDWR);

	for (int i = 0; i < n; i++)
		must(!lock(fd, F_SETLK, F_WRLCK, 2 * i), "F_SETLK");
	tell("lock_of_many", COST(must(!lock(fd, F_SETLK, F_WRLCK, 2 * n), "F_SETLK");
				  must(!lock(fd, F_SETLK, F_UNLCK, 2 * n), "F_UNLCK")));
	tell("lock_asked_for", COST(must(!lock(other, F_OFD_GETLK, F_WRLCK, 2 * n), "F_OFD_GETLK")));
	close(other);
	close(fd);
}

/* n processes wait for a lock of one file; what does a lock of another file cost? */
static void lock_waiters(int n)
{
	int fd = open("/tmp/waited", O_RDWR | O_CREAT, 0600), free_one = open("/tmp/free", O_RDWR | O_CREAT, 0600);

	must(!lock(fd, F_SETLK, F_WRLCK, 0), "F_SETLK");
	for (int i = 0; i < n; i++)
		if (!fork()) {
			lock(fd, F_SETLKW, F_WRLCK, 0);
			_exit(0);
		}
	usleep(300000);
	tell("lock_beside_waiters", COST(for (int i = 0; i < 20; i++) {
		must(!lock(free_one, F_SETLK, F_WRLCK, 0), "F_SETLK");
		must(!lock(free_one, F_SETLK, F_UNLCK, 0), "F_UNLCK");
		syscall(SYS_sched_yield);
	}));
	close(fd);
	while (wait(NULL) > 0)
		;
}

/* ---- Processes and signals --------------------------------------------------------------------- */

static void processes(int n)
{
	int last = 0, status;

	for (int i = 0; i < n; i++) {
		last = fork();
		must(last >= 0, "fork");
		if (!last) {
			pause();
			_exit(0);
		}
	}
	usleep(300000);
	tell("wait_for_last_child", COST(must(!waitpid(last, &status, WNOHANG), "waitpid")));
	tell("process_by_number", COST(must(getpgid(last) > 0, "getpgid")));
	tell("priority_of_a_user", COST(must(!setpriority(PRIO_USER, 0, 0), "setpriority")));
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	while (wait(NULL) > 0)
		;
	signal(SIGTERM, SIG_DFL);
}

static void signals(int n)
{
	struct timespec at_once = { 0, 0 };
	sigset_t all, one;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	sigemptyset(&one);
	sigaddset(&one, SIGRTMIN + 1);
	for (int i = 0; i < n; i++)
		must(!sigqueue(getpid(), SIGRTMIN + 2, (union sigval){ .sival_int = i }), "sigqueue");
	tell("signal_behind_many", COST(must(!sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ 0 }), "sigqueue");
					must(sigtimedwait(&one, NULL, &at_once) == SIGRTMIN + 1, "sigtimedwait")));
	sigfillset(&all);
	while (sigtimedwait(&all, NULL, &at_once) > 0)
		;
	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
}

/* ---- Segments, mounts, names --------------------------------------------------------------------- */

static void segments(int n)
{
	for (int i = 1; i <= n; i++)
		must(shmget(i, 4096, IPC_CREAT | 0600) >= 0, "shmget");
	tell("segment_by_key", COST(must(shmget(n, 0, 0) >= 0, "shmget")));
	tell("new_segment", COST(must(!shmctl(shmget(n + 1, 4096, IPC_CREAT | 0600), IPC_RMID, NULL), "shmget")));
	for (int i = 1; i <= n; i++)
		shmctl(shmget(i, 0, 0), IPC_RMID, NULL);
}

static void mounts(int n)
{
	struct stat st;
	char path[64];

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/tmp/mount%d", i);
		must(!mkdir(path, 0755) && !mount("none", path, "tmpfs", 0, ""), "mount");
	}
	tell("name_below_a_mount", COST(must(!stat(path, &st), "stat")));
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/tmp/mount%d", i);
		must(!umount(path) && !rmdir(path), "umount");
	}
}

static void names(int n)
{
	long last = 0, before = 0;
	struct dirent *entry;
	struct stat st;
	char path[64];
	DIR *dir;

	must(!mkdir("/tmp/names", 0755), "mkdir");
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/tmp/names/%d", i);
		close(open(path, O_CREAT | O_WRONLY, 0600));
	}
	tell("name_of_many", COST(must(!stat(path, &st), "stat")));
	dir = opendir("/tmp/names");
	while ((entry = readdir(dir))) {
		before = last;
		last = entry->d_off;
	}
	tell("seek_in_directory", COST({
		struct { unsigned long ino; long off; char rest[256]; } out;

		lseek(dirfd(dir), 0, SEEK_SET);
		syscall(SYS_getdents64, dirfd(dir), &out, 64); /* the reader is at the front again */
		lseek(dirfd(dir), before, SEEK_SET);
		must(syscall(SYS_getdents64, dirfd(dir), &out, sizeof(out)) > 0, "getdents64");
	}));
	closedir(dir);
}

int main(int argc, char **argv)
{
	struct rlimit most = { 1 << 20, 1 << 20 };
	int n = argc > 1 ? atoi(argv[1]) : 500;

	setrlimit(RLIMIT_SIGPENDING, &most);
	mkdir("/tmp", 0777);
	timers(n);
	record_locks(n);
	lock_waiters(n / 10);
	processes(n / 5);
	signals(n);
	segments(n);
	mounts(n / 5);
	names(n);
	return 0;
}
