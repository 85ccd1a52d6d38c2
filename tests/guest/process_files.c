/* SPDX-License-Identifier: MIT */
/* guest: --ram 64M */
/* signalfd, pidfd, CLONE_PIDFD, waitid(P_PIDFD), clone3: what they tell, when they poll ready, errors. */
#include "guest.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/time.h>

#define P_PIDFD_ ((idtype_t)3)
#define PIDFD_NONBLOCK_ O_NONBLOCK

/* musl has no header for it */
struct signal_record {
	uint32_t signo;
	int32_t error, code;
	uint32_t pid, uid;
	int32_t fd;
	uint32_t tid, band, overrun, trapno;
	int32_t status, value_int;
	uint64_t value, utime, stime, addr;
	uint8_t pad[48];
};

struct clone3_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

static int new_signalfd(int fd, uint64_t mask, int flags)
{
	return syscall(SYS_signalfd4, fd, &mask, 8, flags);
}

static uint64_t bit(int sig)
{
	return 1ull << (sig - 1);
}

static void show_record(const char *what, int fd)
{
	struct signal_record r;
	long n = read(fd, &r, sizeof(r));
	if (n != sizeof(r)) {
		printf("%s: %ld %s\n", what, n, errno_name(errno));
		return;
	}
	printf("%s: %s code %d status %d value %d pid %s\n", what, signal_name(r.signo), r.code, r.status, r.value_int,
	       r.pid == (uint32_t)getpid() ? "mine" : r.pid ? "another" : "none");
}

static void signals(void)
{
	uint64_t all = bit(SIGUSR1) | bit(SIGUSR2) | bit(SIGCHLD) | bit(SIGALRM) | bit(40) | bit(SIGKILL);
	struct pollfd p;
	struct signal_record many[4];
	sigset_t set;
	char link[64] = "", path[32];
	int other = MUST(open("/dev/null", O_RDONLY)), bad;
	sigfillset(&set);
	MUST(sigprocmask(SIG_BLOCK, &set, NULL));
	int fd = MUST(new_signalfd(-1, all, O_CLOEXEC | O_NONBLOCK));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	MUST(readlink(path, link, sizeof(link) - 1));
	printf("%s cloexec %d\n", link, fcntl(fd, F_GETFD));
	p = (struct pollfd){ fd, POLLIN, 0 };
	SHOW(poll(&p, 1, 0));
	show_record("nothing", fd);
	MUST(kill(getpid(), SIGUSR1));
	MUST(kill(getpid(), SIGUSR1));
	SHOW(poll(&p, 1, 0));
	show_record("kill", fd);
	show_record("only once", fd);
	for (int i = 0; i < 3; i++)
		MUST(sigqueue(getpid(), 40, (union sigval){ .sival_int = i }));
	MUST(raise(SIGUSR2));
	long n = read(fd, many, sizeof(many) - 1);
	printf("several: %ld, %s %d, %d %d\n", n / (long)sizeof(many[0]), signal_name(many[0].signo), many[0].code,
	       many[1].value_int, many[2].value_int);
	show_record("the last", fd);
	MUST(kill(getpid(), SIGUSR1));
	SHOW(new_signalfd(fd, bit(SIGUSR2), 0) == fd);
	show_record("not in the mask any more", fd);
	SHOW(new_signalfd(fd, all, 0) == fd);
	show_record("again in it", fd);
	pid_t child = MUST(fork());
	if (!child)
		_exit(7);
	SHOW(poll(&p, 1, 5000));
	show_record("child", fd);
	MUST(waitpid(child, NULL, 0));
	/* a blocking one, woken by another process; through epoll too */
	int blocking = MUST(new_signalfd(-1, all, 0)), ep = MUST(epoll_create1(0));
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, blocking, &event));
	child = MUST(fork());
	if (!child) {
		usleep(40000);
		_exit(kill(getppid(), SIGUSR2));
	}
	show_record("waited for", blocking);
	SHOW(epoll_wait(ep, &event, 1, 5000));
	show_record("child", blocking);
	MUST(waitpid(child, NULL, 0));
	SHOW(epoll_wait(ep, &event, 1, 0));
	MUST(setitimer(ITIMER_REAL, &(struct itimerval){ .it_value = { 0, 20000 } }, NULL));
	show_record("alarm", blocking);
	SHOW(read(fd, many, 100));
	MUST(kill(getpid(), SIGUSR1));
	SHOW(syscall(SYS_read, fd, BAD_POINTER, sizeof(many)));
	SHOW(bad = new_signalfd(-1, all, 1));
	SHOW(new_signalfd(other, all, 0));
	SHOW(new_signalfd(1000, all, 0));
	SHOW(syscall(SYS_signalfd4, -1, &all, 4, 0));
	SHOW(syscall(SYS_signalfd4, -1, BAD_POINTER, 8, 0));
	SHOW(write(fd, many, sizeof(many)));
	close(fd);
	close(blocking);
	close(ep);
	close(other);
	sigemptyset(&set);
	MUST(sigprocmask(SIG_SETMASK, &set, NULL));
}

static int pidfd_open_(pid_t pid, int flags)
{
	return syscall(SYS_pidfd_open, pid, flags);
}

static pid_t sleeper(void)
{
	pid_t pid = MUST(fork());
	if (!pid)
		for (;;)
			pause();
	return pid;
}

static void show_wait(const char *what, int fd, int options)
{
	siginfo_t info = { 0 };
	if (waitid(P_PIDFD_, fd, &info, options))
		printf("%s: %s\n", what, errno_name(errno));
	else
		printf("%s: signo %d code %d status %d\n", what, info.si_signo, info.si_code, info.si_status);
}

static void processes(void)
{
	pid_t pid = sleeper();
	int fd = MUST(pidfd_open_(pid, 0)), other = MUST(open("/dev/null", O_RDONLY)), p[2];
	struct pollfd poll_it = { fd, POLLIN, 0 };
	siginfo_t info = { 0 };
	struct epoll_event event = { .events = EPOLLIN };
	int ep = MUST(epoll_create1(0));
	printf("cloexec %d\n", fcntl(fd, F_GETFD));
	SHOW(poll(&poll_it, 1, 20));
	show_wait("alive", fd, WEXITED | WNOHANG);
	SHOW(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	SHOW(syscall(SYS_pidfd_send_signal, fd, 65, NULL, 0));
	SHOW(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0x100));
	SHOW(syscall(SYS_pidfd_send_signal, fd, SIGTERM, BAD_POINTER, 0));
	info.si_signo = SIGTERM;
	info.si_code = SI_USER;
	SHOW(syscall(SYS_pidfd_send_signal, fd, SIGTERM, &info, 0));
	SHOW(syscall(SYS_pidfd_send_signal, fd, SIGINT, &info, 0));
	SHOW(syscall(SYS_pidfd_send_signal, other, SIGTERM, NULL, 0));
	SHOW(syscall(SYS_pidfd_send_signal, 1000, SIGTERM, NULL, 0));
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
	SHOW(epoll_wait(ep, &event, 1, 0));
	info.si_code = SI_QUEUE;
	SHOW(syscall(SYS_pidfd_send_signal, fd, SIGTERM, &info, 0));
	SHOW(poll(&poll_it, 1, 5000));
	SHOW(epoll_wait(ep, &event, 1, 5000));
	show_wait("kept", fd, WEXITED | WNOWAIT);
	show_wait("taken", fd, WEXITED);
	show_wait("gone", fd, WEXITED);
	SHOW(poll(&poll_it, 1, 0));
	SHOW(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
	SHOW(syscall(SYS_pidfd_getfd, fd, 0, 0));
	close(fd);
	pid = sleeper();
	char path[32];
	snprintf(path, sizeof(path), "/proc/%d", pid);
	fd = MUST(open(path, O_RDONLY | O_DIRECTORY));
	SHOW(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	SHOW(syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0));
	MUST(waitpid(pid, NULL, 0));
	SHOW(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	close(fd);
	fd = MUST(open("/proc", O_RDONLY | O_DIRECTORY));
	SHOW(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	close(fd);
	SHOW(pidfd_open_(0, 0));
	SHOW(pidfd_open_(-1, 0));
	SHOW(pidfd_open_(getpid(), 1));
	SHOW(pidfd_open_(32767 * 64, 0));
	show_wait("not a pidfd", other, WEXITED);
	show_wait("negative", -1, WEXITED);
	show_wait("not open", 1000, WEXITED);
	fd = MUST(pidfd_open_(getpid(), 0));
	show_wait("not a child", fd, WEXITED);
	/* another's descriptors */
	MUST(pipe(p));
	int copy = MUST(syscall(SYS_pidfd_getfd, fd, p[1], 0));
	MUST(write(copy, "x", 1));
	char c = 0;
	MUST(read(p[0], &c, 1));
	printf("through the copy: %c, cloexec %d\n", c, fcntl(copy, F_GETFD));
	SHOW(syscall(SYS_pidfd_getfd, fd, 1000, 0));
	SHOW(syscall(SYS_pidfd_getfd, fd, 0, 1));
	SHOW(syscall(SYS_pidfd_getfd, other, 0, 0));
	close(fd);
	pid = sleeper();
	fd = MUST(pidfd_open_(pid, PIDFD_NONBLOCK_));
	show_wait("not blocking", fd, WEXITED);
	MUST(syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0));
	poll_it.fd = fd;
	SHOW(poll(&poll_it, 1, 5000));
	show_wait("not blocking", fd, WEXITED);
	close(fd);
	close(copy);
	close(other);
	close(p[0]);
	close(p[1]);
	close(ep);
}

static void on_signal(int sig)
{
	(void)sig;
}

static long clone3(struct clone3_args *args, size_t size)
{
	return syscall(SYS_clone3, args, size);
}

static void clones(void)
{
	int fd = -1, tid = 0, status;
	struct clone3_args args = { .flags = 0x1000 | 0x100000, .pidfd = (uintptr_t)&fd, .parent_tid = (uintptr_t)&tid, .exit_signal = SIGCHLD };
	struct sigaction action = { .sa_handler = on_signal }, now;
	MUST(sigaction(SIGUSR1, &action, NULL));
	action.sa_handler = SIG_IGN;
	MUST(sigaction(SIGUSR2, &action, NULL));
	pid_t pid = MUST(clone3(&args, sizeof(args)));
	if (!pid)
		_exit(5);
	SHOW_TRUE(pid == tid);
	printf("pidfd cloexec %d\n", fcntl(fd, F_GETFD));
	show_wait("clone3", fd, WEXITED);
	close(fd);
	args = (struct clone3_args){ .flags = 0x100000000ull, .exit_signal = SIGCHLD };
	pid = MUST(clone3(&args, 64));
	if (!pid) {
		sigaction(SIGUSR1, NULL, &now);
		printf("handler %s, ", now.sa_handler == SIG_DFL ? "cleared" : "kept");
		sigaction(SIGUSR2, NULL, &now);
		printf("ignored %s\n", now.sa_handler == SIG_IGN ? "still" : "not");
		fflush(stdout);
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0));
	/* a number of one's own choice, below the least pid_max of Linux */
	int wanted = pid > 32000 ? pid - 1000 : pid + 100;
	args = (struct clone3_args){ .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&wanted, .set_tid_size = 1 };
	pid = clone3(&args, sizeof(args));
	if (!pid)
		_exit(getpid() == wanted ? 9 : 1);
	if (pid > 0) {
		MUST(waitpid(pid, &status, 0));
		show_status("chosen number", status);
	} else {
		show_result("chosen number", pid);
	}
	wanted = getpid();
	SHOW(clone3(&args, sizeof(args)));
	wanted = 0;
	SHOW(clone3(&args, sizeof(args)));
	args.set_tid = 8;
	SHOW(clone3(&args, sizeof(args)));
	args.set_tid_size = 33;
	SHOW(clone3(&args, sizeof(args)));
	args.set_tid_size = 0;
	SHOW(clone3(&args, sizeof(args)));
	args = (struct clone3_args){ .flags = 0x1000, .pidfd = 8, .exit_signal = SIGCHLD };
	SHOW(clone3(&args, sizeof(args)));
	SHOW(open("/dev/null", O_RDONLY) == fd); /* no descriptor was left behind */
	close(fd);
	args = (struct clone3_args){ .flags = SIGCHLD };
	SHOW(clone3(&args, sizeof(args)));
	args = (struct clone3_args){ .exit_signal = 65 };
	SHOW(clone3(&args, sizeof(args)));
	args = (struct clone3_args){ .flags = 0x800, .exit_signal = SIGCHLD };
	SHOW(clone3(&args, sizeof(args)));
	args = (struct clone3_args){ .flags = 1ull << 40 };
	SHOW(clone3(&args, sizeof(args)));
	args = (struct clone3_args){ .stack = 0x10000 };
	SHOW(clone3(&args, sizeof(args)));
	args = (struct clone3_args){ .stack_size = 0x10000 };
	SHOW(clone3(&args, sizeof(args)));
	SHOW(clone3(&args, 63));
	SHOW(clone3(&args, 4097));
	SHOW(syscall(SYS_clone3, BAD_POINTER, sizeof(args)));
	SHOW(syscall(SYS_clone, 0x1000 | 0x100000 | SIGCHLD, 0, &fd, 0, 0));
	fd = -1;
	pid = MUST(syscall(SYS_clone, 0x1000 | SIGCHLD, 0, &fd, 0, 0));
	if (!pid)
		_exit(6);
	show_wait("clone", fd, WEXITED);
	close(fd);
}

/* Many pidfds of processes that are gone: the numbers come back, the files stay apart. */
static void gone(void)
{
	int fds[50];
	for (int i = 0; i < 50; i++) {
		pid_t pid = MUST(fork());
		if (!pid)
			_exit(0);
		fds[i] = MUST(pidfd_open_(pid, 0));
		MUST(waitpid(pid, NULL, 0));
	}
	int esrch = 0;
	for (int i = 0; i < 50; i++) {
		esrch += syscall(SYS_pidfd_send_signal, fds[i], SIGKILL, NULL, 0) == -1 && errno == ESRCH;
		close(fds[i]);
	}
	printf("of 50 gone %d\n", esrch);
}

int main(void)
{
	signals();
	processes();
	clones();
	gone();
	return 0;
}
