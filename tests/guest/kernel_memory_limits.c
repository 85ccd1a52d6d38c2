/* SPDX-License-Identifier: MIT */
/* guest: --ram 64M */
/* timeout: 300 */
/*
 * All that makes the kernel keep memory for a user ends somewhere: each row of docs/LIMITS.md, filled by an
 * unprivileged user until there is an error, which is shown. The machine goes on (the next row runs), and when the
 * process has ended all is there again: a second process gets as much. What is expected was read from Linux's
 * sources and manuals, as the limits depend on the size of the machine.
 */
#include "guest.h"
#include <grp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#define USER 5000
#define CHILDREN 24

struct row {
	const char *name;
	long (*fill)(void); /* how many; errno says why not more */
};

struct result {
	long count;
	int error;
};
static struct result *results; /* shared with children */
static int verbose; /* any argument: show the counts, too */

/* ---- What one process can have ------------------------------------------------------------------- */

static long descriptors(void)
{
	long n = 0;
	while (dup(0) >= 0)
		n++;
	return n;
}

static long in_flight(void)
{
	int pair[2], sent;
	long n = 0;
	char control[CMSG_SPACE(sizeof(int))] = "", byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
	for (sent = 1; sent;) { /* over and over to another pair, when one is full */
		MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
		memcpy(CMSG_DATA(c), &pair[0], sizeof(int));
		for (sent = 0; sendmsg(pair[1], &msg, 0) == 1; sent++)
			n++;
		if (errno != EAGAIN)
			break;
	}
	return n;
}

static long socket_bytes(void)
{
	int pair[2];
	long n = 0;
	static char page[PAGE];
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
	while (send(pair[0], page, sizeof(page), 0) > 0)
		n++;
	return n;
}

static long pipe_bytes(void)
{
	int fds[2];
	long n = 0;
	static char page[PAGE];
	MUST(pipe2(fds, O_NONBLOCK));
	while (write(fds[1], page, sizeof(page)) > 0)
		n++;
	return n;
}

static long pipe_size(void)
{
	int fds[2];
	long n = 4096;
	MUST(pipe(fds));
	while (fcntl(fds[0], F_SETPIPE_SZ, (int)(n * 2)) > 0)
		n *= 2;
	return n;
}

static long epoll_watches(void)
{
	int watched[200];
	long n = 0;
	for (int i = 0; i < 200; i++)
		watched[i] = MUST(dup(0));
	for (;;) {
		int ep = epoll_create1(0);
		if (ep < 0)
			return n;
		for (int i = 0; i < 200; i++, n++)
			if (epoll_ctl(ep, EPOLL_CTL_ADD, watched[i], &(struct epoll_event){ .events = EPOLLIN }))
				return n;
	}
}

static long file_locks(void)
{
	long n = 0;
	char name[64];
	for (int file = 0;; file++) {
		snprintf(name, sizeof(name), "/tmp/lock%d-%d", (int)getpid(), file);
		int fd = open(name, O_RDWR | O_CREAT, 0600);
		if (fd < 0)
			return n;
		unlink(name);
		for (int i = 0; i < 100; i++, n++) {
			struct flock lock = { .l_type = F_WRLCK, .l_start = 2 * i, .l_len = 1 };
			if (fcntl(fd, F_SETLK, &lock)) {
				int error = errno;
				lock = (struct flock){ .l_type = F_UNLCK }; /* all can be given up even now */
				MUST(fcntl(fd, F_SETLK, &lock));
				errno = error;
				return n;
			}
		}
	}
}

static long posix_timers(void)
{
	long n = 0;
	timer_t timer;
	struct sigevent none = { .sigev_notify = SIGEV_NONE };
	while (!timer_create(CLOCK_MONOTONIC, &none, &timer))
		n++;
	return n;
}

static long queued_signals(void)
{
	long n = 0;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	MUST(sigprocmask(SIG_BLOCK, &set, NULL));
	while (!sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 1 }))
		n++;
	return n;
}

static long signals_and_timers(void)
{
	timer_t timer;
	struct sigevent none = { .sigev_notify = SIGEV_NONE };
	long n = queued_signals();
	return timer_create(CLOCK_MONOTONIC, &none, &timer) ? n : -1;
}

static long regions(void)
{
	long n = 0;
	while (mmap(NULL, PAGE, n & 1 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		n++;
	return n;
}

/* ---- What lasts until it is removed ---------------------------------------------------------------- */

static long names(void)
{
	long n = 0;
	char name[64];
	for (;; n++) {
		snprintf(name, sizeof(name), "/tmp/d/name%ld", n);
		int fd = open(name, O_RDWR | O_CREAT, 0600);
		if (fd < 0)
			break;
		close(fd);
	}
	int error = errno;
	printf("  another link: %s\n", link("/tmp/d/name0", "/tmp/d/link") ? errno_name(errno) : "ok");
	for (long i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "/tmp/d/name%ld", i);
		MUST(unlink(name));
	}
	errno = error;
	return n;
}

static long links(void)
{
	long n = 0;
	char name[64];
	MUST(close(MUST(open("/tmp/d/file", O_RDWR | O_CREAT, 0600))));
	for (;; n++) {
		snprintf(name, sizeof(name), "/tmp/d/link%ld", n);
		if (link("/tmp/d/file", name))
			break;
	}
	int error = errno;
	for (long i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "/tmp/d/link%ld", i);
		MUST(unlink(name));
	}
	MUST(unlink("/tmp/d/file"));
	errno = error;
	return n;
}

static long file_pages(void)
{
	long n = 0;
	int fd = MUST(open("/tmp/e/data", O_RDWR | O_CREAT, 0600));
	while (!fallocate(fd, 0, n * 65536, 65536))
		n++;
	int error = errno;
	close(fd);
	MUST(unlink("/tmp/e/data"));
	errno = error;
	return n;
}

static long long_links(void)
{
	static char target[4096];
	long n = 0;
	char name[64];
	memset(target, 't', sizeof(target) - 1);
	for (;; n++) {
		snprintf(name, sizeof(name), "/tmp/e/link%ld", n);
		if (symlink(target, name))
			break;
	}
	int error = errno;
	for (long i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "/tmp/e/link%ld", i);
		MUST(unlink(name));
	}
	errno = error;
	return n;
}

static int ids[5000];

static long segments(void)
{
	long n = 0;
	while (n < 5000 && (ids[n] = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600)) >= 0)
		n++;
	int error = errno;
	for (long i = 0; i < n; i++)
		MUST(shmctl(ids[i], IPC_RMID, NULL));
	errno = error;
	return n;
}

static sigjmp_buf over;

static void jump(int signo)
{
	siglongjmp(over, signo);
}

/* Segments that nobody has attached any more: no process's end would give them back. */
static long segment_pages(void)
{
	volatile long n = 0;
	int *volatile nr = ids;
	signal(SIGBUS, jump);
	int signo = sigsetjmp(over, 1);
	while (!signo && n < 128) {
		*nr = MUST(shmget(IPC_PRIVATE, 1 << 20, IPC_CREAT | 0600));
		nr++;
		char *p = shmat(nr[-1], NULL, 0);
		for (int i = 0; i < 1 << 20; i += PAGE)
			p[i] = 1;
		MUST(shmdt(p));
		n++;
	}
	for (int *id = ids; id < nr; id++)
		MUST(shmctl(*id, IPC_RMID, NULL));
	printf("  %s\n", signo ? signal_name(signo) : "no limit");
	errno = ENOMEM;
	return n;
}

static long mounts(void)
{
	long n = 0;
	while (!mount("x", "/tmp/d", "tmpfs", 0, NULL))
		n++;
	return n;
}

static const struct row rows[] = {
	{ "descriptors", descriptors }, { "files in flight", in_flight },
	{ "bytes in a socket", socket_bytes }, { "bytes in a pipe", pipe_bytes }, { "size of a pipe", pipe_size },
	{ "watches of epolls", epoll_watches }, { "file locks", file_locks },
	{ "timers", posix_timers }, { "queued signals", queued_signals }, { "timers beside queued signals", signals_and_timers },
	{ "regions", regions }, { "names in tmpfs", names }, { "hard links in tmpfs", links },
	{ "pages of files in tmpfs", file_pages }, { "long symbolic links", long_links },
	{ "shared memory segments", segments }, { "pages of segments", segment_pages }, { "mounts", mounts },
};

/* ---- What many processes can have together ----------------------------------------------------------- */

static long processes(void)
{
	long n = 0;
	pid_t pid;
	while ((pid = fork()) > 0)
		n++;
	if (!pid)
		for (;;)
			pause();
	int error = errno;
	signal(SIGTERM, SIG_IGN);
	kill(-1, SIGKILL); /* all of this user's, but not the caller */
	while (wait(NULL) > 0)
		;
	errno = error;
	return n;
}

/* Every file of the machine that an unprivileged user can have. */
static long files(void)
{
	int back[2];
	long n = 0;
	struct result one = { 0, 0 };
	MUST(pipe(back));
	for (int i = 0; i < CHILDREN; i++) {
		pid_t pid = fork();
		if (!pid) {
			one.count = 0;
			while (open("/dev/null", O_RDONLY) >= 0)
				one.count++;
			one.error = errno;
			MUST(write(back[1], &one, sizeof(one)));
			pause();
		}
		MUST(read(back[0], &one, sizeof(one)));
		n += one.count;
		if (one.error == ENFILE)
			break;
	}
	kill(-1, SIGKILL);
	while (wait(NULL) > 0)
		;
	errno = one.error;
	return n;
}

static const struct row together[] = { { "processes", processes }, { "files", files } };

/* ---- Filling ---------------------------------------------------------------------------------------------- */

static int fill(void *argument)
{
	const struct row *row = argument;
	MUST(setgroups(0, NULL));
	MUST(setresgid(USER, USER, USER));
	MUST(setresuid(USER, USER, USER));
	errno = 0;
	results->count = row->fill();
	results->error = errno;
	return 0;
}

static void try_row(const struct row *row)
{
	long first = 0;
	for (int turn = 0; turn < 2; turn++) {
		int status = run_child(fill, (void *)row);
		if (status)
			show_status(row->name, status);
		if (turn == 0)
			first = results->count;
	}
	printf("%s: %s, %s\n", row->name, errno_name(results->error),
	       results->count >= first - first / 50 && results->count <= first + first / 50 ? "the same again" : "NOT THE SAME AGAIN");
	if (verbose)
		printf("  %ld\n", results->count);
}

int main(int argc, char **argv)
{
	verbose = argc > 1 && argv[1];
	results = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	mkdir("/tmp", 01777);
	MUST(mkdir("/tmp/d", 0777));
	MUST(mkdir("/tmp/e", 0777));
	MUST(chmod("/tmp/d", 0777));
	MUST(mount("x", "/tmp/e", "tmpfs", 0, "size=8m"));
	MUST(chmod("/tmp/e", 0777));
	MUST(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 1024, 1024 }));
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		try_row(&rows[i]);
	for (unsigned i = 0; i < ARRAY_LEN(together); i++)
		try_row(&together[i]);
	MUST(umount("/tmp/e"));
	MUST(rmdir("/tmp/e"));
	MUST(rmdir("/tmp/d"));
	return 0;
}
