/* SPDX-License-Identifier: MIT */
/* proves: AS-04 FT-38 */
/* compare: none */
/* guest: --ram 64M */
/* timeout: 300 */
/*
 * Random system calls with random arguments, from a seed, in children that may die of it:
 * whatever they do, the kernel lives on, this parent is unharmed, and (the runner checks) no
 * frame is lost. Arguments are drawn from what has meaning: small numbers, descriptors,
 * addresses of good, bad and half-good memory, paths, sizes around a page, sign bits.
 *
 * Left out are calls that would stop the test itself: those that end or stop other processes
 * or the machine, and those that only wait.
 */
#include "guest.h"
#include <ftw.h>
#include <sys/prctl.h>

enum { CHILDREN = 60, CALLS = 400, HIGHEST = 335 };

static unsigned long state;

static unsigned long random_word(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static char *area; /* 16 pages: some writable, read-only, none, unmapped, of a file */

static unsigned long random_argument(void)
{
	static const unsigned long odd[] = {
		0, 1, 2, 3, 4, 7, 8, 15, 16, 63, 64, 100, 255, 256, 511, 512, 4095, 4096, 4097, 8192, 65535,
		65536, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffff, 0x7ffffffff000,
		0x800000000000, 0xffff800000000000, 0xffff888000000000, 0xffffffff81000000, -1UL, -2UL, -8UL,
		-4095UL, -4096UL, 1UL << 62, 1UL << 63,
	};
	static const char *const paths[] = { "f", "d", "d/x", "/", ".", "..", "/dev/null", "/dev/zero",
					     "/proc/self/maps", "/proc/self", "l", "", "/proc/1/status" };
	switch (random_word() % 8) {
	case 0:
	case 1: return odd[random_word() % ARRAY_LEN(odd)];
	case 2: return random_word() % 12; /* a descriptor, perhaps */
	case 3:
	case 4: return (unsigned long)area + random_word() % 17 * PAGE - random_word() % 40;
	case 5: return (unsigned long)area + (random_word() % 16) * PAGE;
	case 6: return (unsigned long)paths[random_word() % ARRAY_LEN(paths)];
	}
	return random_word() >> random_word() % 64;
}

/* Calls that would end the test, or harm a host on which it is tried. */
static int excluded(long number)
{
	switch (number) {
	case SYS_exit: case SYS_exit_group: case SYS_fork: case SYS_vfork: case SYS_clone: case SYS_clone3:
	case SYS_kill: case SYS_tkill: case SYS_tgkill: case SYS_reboot: case SYS_pause: case SYS_rt_sigreturn:
	case SYS_rt_sigsuspend: case SYS_rt_sigtimedwait: case SYS_rt_sigqueueinfo: case SYS_rt_tgsigqueueinfo:
	case SYS_ptrace: case SYS_swapon: case SYS_swapoff: case SYS_mount: case SYS_umount2:
	case SYS_pivot_root: case SYS_chroot: case SYS_settimeofday: case SYS_clock_settime: case SYS_adjtimex:
	case SYS_clock_adjtime: case SYS_sethostname: case SYS_setdomainname: case SYS_init_module:
	case SYS_finit_module: case SYS_delete_module: case SYS_kexec_load: case SYS_kexec_file_load:
	case SYS_iopl: case SYS_ioperm: case SYS_syslog: case SYS_quotactl: case SYS_acct: case SYS_sync:
	case SYS_vhangup: case SYS_nanosleep: case SYS_clock_nanosleep: case SYS_poll: case SYS_ppoll:
	case SYS_select: case SYS_pselect6: case SYS_epoll_wait: case SYS_epoll_pwait: case SYS_futex:
	case SYS_wait4: case SYS_waitid: case SYS_flock: case SYS_socket: case SYS_socketpair: case SYS_bpf:
	case SYS_perf_event_open: case SYS_unshare: case SYS_setns: case SYS_userfaultfd: case SYS_keyctl:
	case SYS_add_key: case SYS_request_key: case SYS_setuid: case SYS_setgid: case SYS_setsid:
	case SYS_fanotify_init: case SYS_io_setup: case SYS_seccomp: case SYS_pidfd_send_signal:
	case SYS_execve: case SYS_execveat: case SYS_shmget: case SYS_semget: case SYS_msgget: case SYS_fallocate:
	case SYS_setpriority: case SYS_sched_setscheduler: case SYS_sched_setparam: case SYS_sched_setattr:
	case SYS_mq_open: case SYS_mknod: case SYS_mknodat: case SYS_chmod: case SYS_fchmodat: case SYS_chown:
	case SYS_lchown: case SYS_fchownat: case SYS_setxattr: case SYS_lsetxattr: case SYS_unlink: case SYS_unlinkat:
	case SYS_rmdir: case SYS_rename: case SYS_renameat: case SYS_renameat2: case SYS_truncate: case SYS_link:
	case SYS_linkat: case SYS_rt_sigaction: case SYS_rt_sigprocmask: case SYS_alarm: case SYS_setitimer:
		return 1;
	}
	return 0;
}

static void prepare_area(void)
{
	int fd = MUST(open("f", O_RDWR | O_CREAT, 0600));
	area = map_anon(16 * PAGE, PROT_READ | PROT_WRITE);
	memset(area, 0, 4 * PAGE);
	strcpy(area + 100, "d/y");
	MUST(mprotect(area + 4 * PAGE, 2 * PAGE, PROT_READ));
	MUST(mprotect(area + 6 * PAGE, 2 * PAGE, PROT_NONE));
	MUST(munmap(area + 8 * PAGE, 2 * PAGE));
	MUST(ftruncate(fd, 2 * PAGE + 100));
	MUST(mmap(area + 10 * PAGE, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0));
	MUST(mmap(area + 13 * PAGE, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0));
}

/* In the child: the descriptors are few, known and harmless. */
static int misbehave(void *seed)
{
	struct rlimit memory = { 256 << 20, 256 << 20 }, cpu = { 20, 20 }, files = { 64, 64 }, size = { 1 << 20, 1 << 20 };
	int fds[2];
	state = *(unsigned long *)seed * 0x9e3779b97f4a7c15UL + 1;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	setrlimit(RLIMIT_AS, &memory);
	setrlimit(RLIMIT_CPU, &cpu);
	setrlimit(RLIMIT_FSIZE, &size);
	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	alarm(8); /* a call that waits for ever ends the child, not the test */
	for (int fd = 0; fd < 32; fd++)
		close(fd);
	MUST(open("f", O_RDWR));
	MUST(open("d", O_RDONLY));
	MUST(pipe2(fds, O_NONBLOCK));
	MUST(open("/dev/zero", O_RDWR));
	MUST(open("/proc/self/status", O_RDONLY));
	for (int i = 0; i < CALLS; i++) {
		long number = random_word() % 50 ? (long)(random_word() % HIGHEST) : (long)random_argument();
		unsigned long a[6];
		for (int k = 0; k < 6; k++)
			a[k] = random_argument();
		if (excluded((int)number))
			continue;
		syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st, (void)kind, (void)where;
	return remove(path);
}

/* What the children made, under whatever names: its frames must come back. */
static void clean_up(void)
{
	MUST(munmap(area, 16 * PAGE));
	MUST(chdir("/"));
	MUST(nftw(scratch_path, remove_entry, 16, FTW_DEPTH | FTW_PHYS));
}

int main(void)
{
	int exited = 0, killed = 0, failed = 0;
	static char canary[PAGE];
	memset(canary, 'c', sizeof(canary));
	scratch_enter();
	MUST(mkdir("d", 0777));
	prepare_area();
	for (unsigned long seed = 1; seed <= CHILDREN; seed++) {
		int status = run_child(misbehave, &seed);
		exited += WIFEXITED(status);
		killed += WIFSIGNALED(status);
	}
	for (unsigned i = 0; i < sizeof(canary); i++)
		failed += canary[i] != 'c';
	/* The kernel still does its work. */
	int fd = make_file("after", 3 * PAGE);
	char c = 0;
	MUST(pread(fd, &c, 1, PAGE + 5));
	failed += c != 'b';
	failed += run_child(misbehave, &(unsigned long){ 1 }) < 0;
	printf("children: %d, exited %d, killed %d, harm to the parent %d\n", CHILDREN, exited, killed, failed);
	close(fd);
	clean_up();
	return failed != 0 || exited + killed != CHILDREN;
}
