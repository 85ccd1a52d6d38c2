/* SPDX-License-Identifier: MIT */
/* proves: AS-04 FT-63 FT-65 */
/* timeout: 120 */
/*
 * Every pointer argument of the system calls of docs/SYSCALLS.md, given every kind of bad
 * pointer: NULL (where that is not allowed), unmapped, kernel, not canonical, PROT_NONE,
 * read-only where the call writes, wrapping around, half mapped. The call must answer as
 * Linux does, EFAULT nearly everywhere, without a signal; and valid but absent memory must
 * work (a fresh mapping, a copy-on-write page, a page of a file). syscall_pointers.expected is
 * what Linux 6.1 prints.
 */
#include "guest.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

/* Who is asked: the call with one hole for the pointer. */
struct probe {
	const char *name;
	long number;
	long args[6];
	int hole;	/* which argument */
	int size;	/* bytes that the kernel accesses there; 0: a string */
	int writes;	/* the kernel writes there */
	int optional;	/* NULL means "none" */
};

static int file, directory, pipe_in, pipe_out, empty_pipe, epoll, timerfd, timer, signals, pidfd;
static char good[PAGE], zeroes[64];
static unsigned cap_header[2] = { 0x20080522, 0 };
static struct iovec good_vector[1] = { { good, 8 } };

#define P 0 /* where the pointer goes */
static struct probe probes[] = {
	{ "read", SYS_read, { -1, P, 16 }, 1, 16, 1, 0 },
	{ "write", SYS_write, { -1, P, 16 }, 1, 16, 0, 0 },
	{ "open", SYS_open, { P, O_RDONLY }, 0, 0, 0, 0 },
	{ "stat", SYS_stat, { P, (long)good }, 0, 0, 0, 0 },
	{ "stat result", SYS_stat, { (long)"/", P }, 1, 144, 1, 0 },
	{ "fstat", SYS_fstat, { -1, P }, 1, 144, 1, 0 },
	{ "lstat", SYS_lstat, { (long)"/", P }, 1, 144, 1, 0 },
	{ "newfstatat", SYS_newfstatat, { AT_FDCWD, (long)"/", P, 0 }, 2, 144, 1, 0 },
	{ "openat", SYS_openat, { AT_FDCWD, P, O_RDONLY }, 1, 0, 0, 0 },
	{ "access", SYS_access, { P, 0 }, 0, 0, 0, 0 },
	{ "chdir", SYS_chdir, { P }, 0, 0, 0, 0 },
	{ "getcwd", SYS_getcwd, { P, 4000 }, 0, 2, 1, 0 },
	{ "mkdir", SYS_mkdir, { P, 0700 }, 0, 0, 0, 0 },
	{ "rmdir", SYS_rmdir, { P }, 0, 0, 0, 0 },
	{ "unlink", SYS_unlink, { P }, 0, 0, 0, 0 },
	{ "rename", SYS_rename, { P, (long)"x" }, 0, 0, 0, 0 },
	{ "rename to", SYS_rename, { (long)"x", P }, 1, 0, 0, 0 },
	{ "link", SYS_link, { P, (long)"x" }, 0, 0, 0, 0 },
	{ "symlink", SYS_symlink, { P, (long)"x" }, 0, 0, 0, 0 },
	{ "symlink to", SYS_symlink, { (long)"x", P }, 1, 0, 0, 0 },
	{ "chmod", SYS_chmod, { P, 0600 }, 0, 0, 0, 0 },
	{ "readlink", SYS_readlink, { (long)"/proc/self", P, 40 }, 1, 1, 1, 0 },
	{ "readlink path", SYS_readlink, { P, (long)good, 40 }, 0, 0, 0, 0 },
	{ "utimensat times", SYS_utimensat, { AT_FDCWD, (long)"/missing", P, 0 }, 2, 32, 0, 1 },
	{ "statfs", SYS_statfs, { (long)"/", P }, 1, 120, 1, 0 },
	{ "getdents64", SYS_getdents64, { -2, P, 1000 }, 1, 24, 1, 0 },
	{ "pipe", SYS_pipe, { P }, 0, 8, 1, 0 },
	{ "pipe2", SYS_pipe2, { P, 0 }, 0, 8, 1, 0 },
	{ "writev", SYS_writev, { -1, P, 2 }, 1, 32, 0, 0 },
	{ "poll", SYS_poll, { P, 2, 0 }, 0, 16, 1, 0 },
	{ "clock_gettime", SYS_clock_gettime, { CLOCK_MONOTONIC, P }, 1, 16, 1, 0 },
	{ "gettimeofday", SYS_gettimeofday, { P, 0 }, 0, 16, 1, 1 },
	{ "time", SYS_time, { P }, 0, 8, 1, 1 },
	{ "nanosleep", SYS_nanosleep, { P, 0 }, 0, 16, 0, 0 },
	{ "clock_nanosleep", SYS_clock_nanosleep, { CLOCK_MONOTONIC, 0, P, 0 }, 2, 16, 0, 0 },
	{ "uname", SYS_uname, { P }, 0, 390, 1, 0 },
	{ "sysinfo", SYS_sysinfo, { P }, 0, 112, 1, 0 },
	{ "getrlimit", SYS_getrlimit, { RLIMIT_STACK, P }, 1, 16, 1, 0 },
	{ "prlimit64 new", SYS_prlimit64, { 0, RLIMIT_CORE, P, 0 }, 2, 16, 0, 1 },
	{ "prlimit64 old", SYS_prlimit64, { 0, RLIMIT_STACK, 0, P }, 3, 16, 1, 1 },
	{ "getrandom", SYS_getrandom, { P, 16, 0 }, 0, 16, 1, 0 },
	{ "rt_sigaction act", SYS_rt_sigaction, { SIGUSR1, P, 0, 8 }, 1, 32, 0, 1 },
	{ "rt_sigaction old", SYS_rt_sigaction, { SIGUSR1, 0, P, 8 }, 2, 32, 1, 1 },
	{ "rt_sigprocmask set", SYS_rt_sigprocmask, { SIG_BLOCK, P, 0, 8 }, 1, 8, 0, 1 },
	{ "rt_sigprocmask old", SYS_rt_sigprocmask, { SIG_BLOCK, 0, P, 8 }, 2, 8, 1, 1 },
	{ "rt_sigpending", SYS_rt_sigpending, { P, 8 }, 0, 8, 1, 0 },
	{ "sigaltstack old", SYS_sigaltstack, { 0, P }, 1, 24, 1, 1 },
	{ "sigaltstack new", SYS_sigaltstack, { P, 0 }, 0, 24, 0, 1 },
	{ "setitimer", SYS_setitimer, { ITIMER_REAL, P, 0 }, 1, 32, 0, 1 },
	{ "getitimer", SYS_getitimer, { ITIMER_REAL, P }, 1, 32, 1, 0 },
	{ "wait4 status", SYS_wait4, { -1, P, 0, 0 }, 1, 4, 1, 1 },
	{ "prctl name", SYS_prctl, { 16 /* PR_GET_NAME */, P }, 1, 16, 1, 0 },
	{ "execve path", SYS_execve, { P, 0, 0 }, 0, 0, 0, 0 },
	{ "select", SYS_select, { 8, P, 0, 0, (long)good }, 1, 8, 1, 1 },
	{ "fcntl lock", SYS_fcntl, { -1, F_GETLK, P }, 2, 32, 1, 0 },
	{ "ioctl", SYS_ioctl, { -3, 0x541b /* FIONREAD */, P }, 2, 4, 1, 0 },
	{ "pread64", SYS_pread64, { -1, P, 16, 0 }, 1, 16, 1, 0 },
	{ "sendfile offset", SYS_sendfile, { -4, -1, P, 16 }, 2, 8, 1, 1 },
	{ "mincore", SYS_mincore, { -5, PAGE, P }, 2, 1, 1, 0 },
	/* The rest of what docs/SYSCALLS.md lists, in its order. */
	{ "execve argv", SYS_execve, { (long)"/proc/self/exe", P, 0 }, 1, 1, 0, 1 },
	{ "execve envp", SYS_execve, { (long)"/proc/self/exe", 0, P }, 2, 1, 0, 1 },
	{ "execveat path", SYS_execveat, { AT_FDCWD, P, 0, 0, 0 }, 1, 0, 0, 0 },
	{ "wait4 rusage", SYS_wait4, { -1, 0, 0, P }, 3, 144, 1, 1 },
	{ "waitid info", SYS_waitid, { P_ALL, 0, P, WEXITED, 0 }, 2, 128, 1, 1 },
	{ "waitid rusage", SYS_waitid, { P_ALL, 0, 0, WEXITED, P }, 4, 144, 1, 1 },
	{ "get_robust_list head", SYS_get_robust_list, { 0, P, (long)good }, 1, 8, 1, 0 },
	{ "get_robust_list size", SYS_get_robust_list, { 0, (long)good, P }, 2, 8, 1, 0 },
	{ "futex word", SYS_futex, { P, 0 /* FUTEX_WAIT */, 1, 0 }, 0, 4, 0, 0 },
	{ "futex timeout", SYS_futex, { (long)zeroes, 0, 0, P }, 3, 16, 0, 1 },
	{ "prctl set name", SYS_prctl, { 15 /* PR_SET_NAME */, P }, 1, 0, 0, 0 },
	{ "prctl pdeathsig", SYS_prctl, { 2 /* PR_GET_PDEATHSIG */, P }, 1, 4, 1, 0 },
	{ "prctl subreaper", SYS_prctl, { 37 /* PR_GET_CHILD_SUBREAPER */, P }, 1, 4, 1, 0 },
	{ "arch_prctl fs", SYS_arch_prctl, { 0x1003 /* ARCH_GET_FS */, P }, 1, 8, 1, 0 },
	{ "arch_prctl gs", SYS_arch_prctl, { 0x1004 /* ARCH_GET_GS */, P }, 1, 8, 1, 0 },
	{ "sched_getaffinity", SYS_sched_getaffinity, { 0, 8, P }, 2, 8, 1, 0 },
	{ "sched_setaffinity", SYS_sched_setaffinity, { 0, 8, P }, 2, 8, 0, 0 },
	{ "sched_getparam", SYS_sched_getparam, { 0, P }, 1, 4, 1, 0 },
	{ "sched_setparam", SYS_sched_setparam, { 0, P }, 1, 4, 0, 0 },
	{ "sched_setscheduler", SYS_sched_setscheduler, { 0, 0, P }, 2, 4, 0, 0 },
	{ "sched_rr_get_interval", SYS_sched_rr_get_interval, { 0, P }, 1, 16, 1, 0 },
	{ "getcpu cpu", SYS_getcpu, { P, 0, 0 }, 0, 4, 1, 1 },
	{ "getcpu node", SYS_getcpu, { 0, P, 0 }, 1, 4, 1, 1 },
	{ "rt_sigsuspend", SYS_rt_sigsuspend, { P, 8 }, 0, 8, 0, 0 },
	{ "rt_sigtimedwait set", SYS_rt_sigtimedwait, { P, 0, (long)zeroes, 8 }, 0, 8, 0, 0 },
	{ "rt_sigtimedwait timeout", SYS_rt_sigtimedwait, { (long)zeroes, 0, P, 8 }, 2, 16, 0, 1 },
	{ "rt_sigqueueinfo", SYS_rt_sigqueueinfo, { -6, SIGUSR1, P }, 2, 128, 0, 0 },
	{ "rt_tgsigqueueinfo", SYS_rt_tgsigqueueinfo, { -6, -6, SIGUSR1, P }, 3, 128, 0, 0 },
	{ "getresuid 1", SYS_getresuid, { P, (long)good, (long)good }, 0, 4, 1, 0 },
	{ "getresuid 2", SYS_getresuid, { (long)good, P, (long)good }, 1, 4, 1, 0 },
	{ "getresuid 3", SYS_getresuid, { (long)good, (long)good, P }, 2, 4, 1, 0 },
	{ "getresgid 1", SYS_getresgid, { P, (long)good, (long)good }, 0, 4, 1, 0 },
	{ "getresgid 2", SYS_getresgid, { (long)good, P, (long)good }, 1, 4, 1, 0 },
	{ "getresgid 3", SYS_getresgid, { (long)good, (long)good, P }, 2, 4, 1, 0 },
	{ "setgroups", SYS_setgroups, { 2, P }, 1, 8, 0, 0 },
	{ "getgroups", SYS_getgroups, { 32, P }, 1, 4, 1, 0 },
	{ "capget header", SYS_capget, { P, (long)good }, 0, 8, 1, 0 },
	{ "capget data", SYS_capget, { (long)cap_header, P }, 1, 24, 1, 1 },
	{ "capset header", SYS_capset, { P, (long)good }, 0, 8, 0, 0 },
	{ "capset data", SYS_capset, { (long)cap_header, P }, 1, 24, 0, 0 },
	{ "setrlimit", SYS_setrlimit, { RLIMIT_CORE, P }, 1, 16, 0, 0 },
	{ "getrusage", SYS_getrusage, { 0, P }, 1, 144, 1, 0 },
	{ "times", SYS_times, { P }, 0, 32, 1, 1 },
	{ "clock_getres", SYS_clock_getres, { CLOCK_MONOTONIC, P }, 1, 16, 1, 1 },
	{ "clock_settime", SYS_clock_settime, { CLOCK_REALTIME, P }, 1, 16, 0, 0 },
	{ "settimeofday", SYS_settimeofday, { P, 0 }, 0, 16, 0, 1 },
	{ "settimeofday zone", SYS_settimeofday, { 0, P }, 1, 8, 0, 1 },
	{ "gettimeofday zone", SYS_gettimeofday, { 0, P }, 1, 8, 1, 1 },
	{ "process_vm_readv local", SYS_process_vm_readv, { -6, P, 1, (long)good_vector, 1, 0 }, 1, 16, 0, 0 },
	{ "process_vm_readv remote", SYS_process_vm_readv, { -6, (long)good_vector, 1, P, 1, 0 }, 3, 16, 0, 0 },
	{ "process_vm_writev local", SYS_process_vm_writev, { -6, P, 1, (long)good_vector, 1, 0 }, 1, 16, 0, 0 },
	{ "process_vm_writev remote", SYS_process_vm_writev, { -6, (long)good_vector, 1, P, 1, 0 }, 3, 16, 0, 0 },
	{ "sethostname", SYS_sethostname, { P, 10 }, 0, 10, 0, 0 },
	{ "setdomainname", SYS_setdomainname, { P, 10 }, 0, 10, 0, 0 },
	{ "syslog", SYS_syslog, { 3 /* read all */, P, 100 }, 1, 1, 1, 0 },
	{ "creat", SYS_creat, { P, 0600 }, 0, 0, 0, 0 },
	{ "pwrite64", SYS_pwrite64, { -1, P, 16, 0 }, 1, 16, 0, 0 },
	{ "readv", SYS_readv, { -1, P, 2 }, 1, 32, 0, 0 },
	{ "preadv", SYS_preadv, { -1, P, 2, 0, 0 }, 1, 32, 0, 0 },
	{ "pwritev", SYS_pwritev, { -1, P, 2, 0, 0 }, 1, 32, 0, 0 },
	{ "preadv2", SYS_preadv2, { -1, P, 2, 0, 0, 0 }, 1, 32, 0, 0 },
	{ "pwritev2", SYS_pwritev2, { -1, P, 2, 0, 0, 0 }, 1, 32, 0, 0 },
	{ "fcntl set lock", SYS_fcntl, { -1, F_SETLK, P }, 2, 32, 0, 0 },
	{ "select timeout", SYS_select, { 0, 0, 0, 0, P }, 4, 16, 1, 1 },
	{ "ppoll", SYS_ppoll, { P, 2, (long)zeroes, 0, 8 }, 0, 16, 1, 0 },
	{ "ppoll timeout", SYS_ppoll, { 0, 0, P, 0, 8 }, 2, 16, 0, 1 },
	{ "ppoll mask", SYS_ppoll, { 0, 0, (long)zeroes, P, 8 }, 3, 8, 0, 1 },
	{ "pselect6", SYS_pselect6, { 8, P, 0, 0, (long)zeroes, 0 }, 1, 8, 1, 1 },
	{ "pselect6 timeout", SYS_pselect6, { 0, 0, 0, 0, P, 0 }, 4, 16, 0, 1 },
	{ "pselect6 mask", SYS_pselect6, { 0, 0, 0, 0, (long)zeroes, P }, 5, 16, 0, 1 },
	{ "statx path", SYS_statx, { AT_FDCWD, P, 0, 0x7ff, (long)good }, 1, 0, 0, 0 },
	{ "statx result", SYS_statx, { AT_FDCWD, (long)"/", 0, 0x7ff, P }, 4, 256, 1, 0 },
	{ "newfstatat path", SYS_newfstatat, { AT_FDCWD, P, (long)good, 0 }, 1, 0, 0, 0 },
	{ "lstat path", SYS_lstat, { P, (long)good }, 0, 0, 0, 0 },
	{ "statfs path", SYS_statfs, { P, (long)good }, 0, 0, 0, 0 },
	{ "fstatfs", SYS_fstatfs, { -1, P }, 1, 120, 1, 0 },
	{ "faccessat", SYS_faccessat, { AT_FDCWD, P, 0 }, 1, 0, 0, 0 },
	{ "faccessat2", SYS_faccessat2, { AT_FDCWD, P, 0, 0 }, 1, 0, 0, 0 },
	{ "chroot", SYS_chroot, { P }, 0, 0, 0, 0 },
	{ "mkdirat", SYS_mkdirat, { AT_FDCWD, P, 0700 }, 1, 0, 0, 0 },
	{ "mknod", SYS_mknod, { P, S_IFREG | 0600, 0 }, 0, 0, 0, 0 },
	{ "mknodat", SYS_mknodat, { AT_FDCWD, P, S_IFREG | 0600, 0 }, 1, 0, 0, 0 },
	{ "link to", SYS_link, { (long)"file", P }, 1, 0, 0, 0 },
	{ "linkat", SYS_linkat, { AT_FDCWD, P, AT_FDCWD, (long)"x", 0 }, 1, 0, 0, 0 },
	{ "linkat to", SYS_linkat, { AT_FDCWD, (long)"file", AT_FDCWD, P, 0 }, 3, 0, 0, 0 },
	{ "symlinkat", SYS_symlinkat, { P, AT_FDCWD, (long)"x" }, 0, 0, 0, 0 },
	{ "symlinkat to", SYS_symlinkat, { (long)"x", AT_FDCWD, P }, 2, 0, 0, 0 },
	{ "readlinkat", SYS_readlinkat, { AT_FDCWD, (long)"/proc/self", P, 40 }, 2, 1, 1, 0 },
	{ "readlinkat path", SYS_readlinkat, { AT_FDCWD, P, (long)good, 40 }, 1, 0, 0, 0 },
	{ "unlinkat", SYS_unlinkat, { AT_FDCWD, P, 0 }, 1, 0, 0, 0 },
	{ "renameat", SYS_renameat, { AT_FDCWD, P, AT_FDCWD, (long)"x" }, 1, 0, 0, 0 },
	{ "renameat to", SYS_renameat, { AT_FDCWD, (long)"x", AT_FDCWD, P }, 3, 0, 0, 0 },
	{ "renameat2", SYS_renameat2, { AT_FDCWD, P, AT_FDCWD, (long)"x", 0 }, 1, 0, 0, 0 },
	{ "renameat2 to", SYS_renameat2, { AT_FDCWD, (long)"x", AT_FDCWD, P, 0 }, 3, 0, 0, 0 },
	{ "fchmodat", SYS_fchmodat, { AT_FDCWD, P, 0600 }, 1, 0, 0, 0 },
	{ "chown", SYS_chown, { P, 0, 0 }, 0, 0, 0, 0 },
	{ "lchown", SYS_lchown, { P, 0, 0 }, 0, 0, 0, 0 },
	{ "fchownat", SYS_fchownat, { AT_FDCWD, P, 0, 0, 0 }, 1, 0, 0, 0 },
	{ "utime path", SYS_utime, { P, 0 }, 0, 0, 0, 0 },
	{ "utime times", SYS_utime, { (long)"/missing", P }, 1, 16, 0, 1 },
	{ "utimes path", SYS_utimes, { P, 0 }, 0, 0, 0, 0 },
	{ "utimes times", SYS_utimes, { (long)"/missing", P }, 1, 32, 0, 1 },
	{ "futimesat times", SYS_futimesat, { AT_FDCWD, (long)"/missing", P }, 2, 32, 0, 1 },
	{ "truncate", SYS_truncate, { P, 0 }, 0, 0, 0, 0 },
	{ "getdents", SYS_getdents, { -2, P, 1000 }, 1, 24, 1, 0 },
	{ "copy_file_range in", SYS_copy_file_range, { -1, P, -1, (long)zeroes, 8, 0 }, 1, 8, 1, 1 },
	{ "copy_file_range out", SYS_copy_file_range, { -1, (long)zeroes, -1, P, 8, 0 }, 3, 8, 1, 1 },
	{ "memfd_create", SYS_memfd_create, { P, 0 }, 0, 0, 0, 0 },
	{ "mount source", SYS_mount, { P, (long)"/missing", (long)"tmpfs", 0, 0 }, 0, 0, 0, 1 },
	{ "mount target", SYS_mount, { (long)"x", P, (long)"tmpfs", 0, 0 }, 1, 0, 0, 0 },
	{ "mount type", SYS_mount, { (long)"x", (long)"/missing", P, 0, 0 }, 2, 0, 0, 1 },
	{ "mount data", SYS_mount, { (long)"x", (long)"/missing", (long)"tmpfs", 0, P }, 4, 1, 0, 1 },
	{ "umount2", SYS_umount2, { P, 0 }, 0, 0, 0, 0 },
	{ "setxattr path", SYS_setxattr, { P, (long)"user.x", (long)good, 1, 0 }, 0, 0, 0, 0 },
	{ "getxattr path", SYS_getxattr, { P, (long)"user.x", (long)good, 1 }, 0, 0, 0, 0 },
	{ "listxattr path", SYS_listxattr, { P, (long)good, 1 }, 0, 0, 0, 0 },
	{ "llistxattr path", SYS_llistxattr, { P, (long)good, 1 }, 0, 0, 0, 0 },
	{ "setxattr name", SYS_setxattr, { (long)"file", P, (long)good, 1, 0 }, 1, 0, 0, 0 },
	{ "setxattr value", SYS_setxattr, { (long)"file", (long)"user.x", P, 2, 0 }, 2, 2, 0, 0 },
	{ "lsetxattr name", SYS_lsetxattr, { (long)"file", P, (long)good, 1, 0 }, 1, 0, 0, 0 },
	{ "fsetxattr name", SYS_fsetxattr, { -1, P, (long)good, 1, 0 }, 1, 0, 0, 0 },
	{ "getxattr name", SYS_getxattr, { (long)"file", P, (long)good, 1 }, 1, 0, 0, 0 },
	{ "lgetxattr name", SYS_lgetxattr, { (long)"file", P, (long)good, 1 }, 1, 0, 0, 0 },
	{ "fgetxattr name", SYS_fgetxattr, { -1, P, (long)good, 1 }, 1, 0, 0, 0 },
	{ "epoll_ctl", SYS_epoll_ctl, { -7, EPOLL_CTL_MOD, -4, P }, 3, 12, 0, 0 },
	{ "epoll_wait", SYS_epoll_wait, { -7, P, 1, 0 }, 1, 12, 1, 0 },
	{ "epoll_pwait mask", SYS_epoll_pwait, { -7, (long)good, 1, 0, P, 8 }, 4, 8, 0, 1 },
	{ "epoll_pwait2 timeout", 441, { -7, (long)good, 1, P, 0, 8 }, 3, 16, 0, 1 },
	{ "timerfd_settime", SYS_timerfd_settime, { -8, 0, P, 0 }, 2, 32, 0, 0 },
	{ "timerfd_settime old", SYS_timerfd_settime, { -8, 0, (long)zeroes, P }, 3, 32, 1, 1 },
	{ "timerfd_gettime", SYS_timerfd_gettime, { -8, P }, 1, 32, 1, 0 },
	{ "timer_create event", SYS_timer_create, { 1, P, (long)good }, 1, 64, 0, 1 },
	{ "timer_create id", SYS_timer_create, { 1, 0, P }, 2, 4, 1, 0 },
	{ "timer_settime", SYS_timer_settime, { -9, 0, P, 0 }, 2, 32, 0, 0 },
	{ "timer_settime old", SYS_timer_settime, { -9, 0, (long)zeroes, P }, 3, 32, 1, 1 },
	{ "timer_gettime", SYS_timer_gettime, { -9, P }, 1, 32, 1, 0 },
	{ "signalfd4", SYS_signalfd4, { -10, P, 8, 0 }, 1, 8, 0, 0 },
	{ "pidfd_send_signal", 424, { -11, 0, P, 0 }, 2, 48, 0, 1 },
	{ "clone3", 435, { P, 88 }, 0, 88, 0, 0 },
	{ "futex_waitv", 449, { P, 1, 0, 0, 0 }, 0, 24, 0, 0 },
	{ "sched_setattr", SYS_sched_setattr, { 0, P, 0 }, 1, 48, 0, 0 },
	{ "sched_getattr", SYS_sched_getattr, { 0, P, 48, 0 }, 1, 48, 1, 0 },
};

static long fill_in(long argument)
{
	switch (argument) {
	case -1: return file;
	case -2: return directory;
	case -3: return empty_pipe;
	case -4: return pipe_out;
	case -5: return (long)good & -PAGE;
	case -6: return getpid();
	case -7: return epoll;
	case -8: return timerfd;
	case -9: return timer;
	case -10: return signals;
	case -11: return pidfd;
	}
	return argument;
}

/* Calls with the pointer. Return: the kernel's own answer, -errno or a result. */
static long ask(const struct probe *probe, void *pointer)
{
	long a[6];
	for (int i = 0; i < 6; i++)
		a[i] = i == probe->hole ? (long)pointer : fill_in(probe->args[i]);
	if (probe->hole != 0 && probe->args[0] == -1 && probe->number != SYS_wait4)
		lseek(file, 0, SEEK_SET);
	if (probe->number == SYS_wait4)
		a[0] = -1;
	if (probe->number == SYS_getdents64)
		lseek(directory, 0, SEEK_SET);
	long result = syscall(probe->number, a[0], a[1], a[2], a[3], a[4], a[5]);
	return result == -1 ? -errno : result;
}

/* A child to wait for, where the call needs one. */
static void prepare(const struct probe *probe)
{
	if (probe->number == SYS_wait4 || probe->number == SYS_waitid) {
		pid_t pid = MUST(fork());
		if (pid == 0)
			_exit(0);
		siginfo_t info;
		MUST(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	}
	if (probe->number == SYS_sendfile) {
		static char drain[65536];
		int flags = fcntl(pipe_in, F_GETFL);
		fcntl(pipe_in, F_SETFL, flags | O_NONBLOCK);
		while (read(pipe_in, drain, sizeof(drain)) > 0)
			;
	}
}

static void show_answer(const char *kind, long answer)
{
	printf(" %s %s", kind, answer >= 0 ? "ok" : errno_name(-answer));
}

static char *unmapped, *none, *readable, *edge, *fresh;

static void try_all(struct probe *probe)
{
	static const struct {
		const char *name;
		unsigned long address;
	} fixed[] = {
		{ "page0", 8 }, { "beyond", 0x7ffffffff000 },
		{ "kernel", 0xffff888000001000 }, { "image", 0xffffffff81000000 },
		{ "noncanonical", 0x0000900000000000 }, { "wraps", -4UL },
	};
	printf("%s:", probe->name);
	if (!probe->optional) {
		prepare(probe);
		show_answer("NULL", ask(probe, NULL));
	}
	for (unsigned i = 0; i < ARRAY_LEN(fixed); i++) {
		prepare(probe);
		show_answer(fixed[i].name, ask(probe, (void *)fixed[i].address));
	}
	prepare(probe);
	show_answer("unmapped", ask(probe, unmapped));
	prepare(probe);
	show_answer("none", ask(probe, none));
	if (probe->writes) {
		prepare(probe);
		show_answer("readonly", ask(probe, readable));
	}
	/* The last accessible bytes before a hole: the object or string runs over the edge. */
	int part = probe->size == 0 ? 5 : probe->size / 2;
	if (part && probe->size < 200) {
		memset(edge, probe->size ? 0 : 'n', PAGE);
		prepare(probe);
		show_answer("half", ask(probe, edge + PAGE - part));
	}
	printf("\n");
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* The file's first bytes as strings and structures: valid, absent memory is brought in. */
static void absent_memory(void)
{
	char *p = map_anon(4 * PAGE, PROT_READ | PROT_WRITE);
	SHOW(pread(file, p + PAGE - 8, 16, 0));
	printf("  %.16s\n", p + PAGE - 8);
	SHOW(write(pipe_out, p + 2 * PAGE, 16)); /* read from a page never touched */
	SHOW(read(empty_pipe, p + 3 * PAGE, 0));
	char *mapped = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0));
	SHOW(write(pipe_out, mapped, 16));
	SHOW(read(pipe_in, mapped + 100, 16));
	printf("  file page written by read: %d\n", mapped[100]);
	char byte;
	MUST(pread(file, &byte, 1, 100));
	printf("  the file itself: %c\n", byte);
	char *path = map_anon(2 * PAGE, PROT_READ | PROT_WRITE);
	memset(path, '/', PAGE - 1);
	strcpy(path + PAGE - 3, "/dev/null");
	SHOW(access(path + PAGE - 3, F_OK));
	/* A string that ends with the last byte of its page, nothing mapped behind. */
	strcpy(edge + PAGE - 10, "/dev/null");
	SHOW(access(edge + PAGE - 10, F_OK));
	struct iovec vector = { edge + PAGE - 4, 8 };
	memset(edge + PAGE - 4, 'v', 4);
	SHOW(syscall(SYS_writev, pipe_out, &vector, 1));
	SHOW(pread(file, edge + PAGE - 4, 8, 0)); /* a short count, not an error */
	SHOW(pread(file, edge + PAGE, 8, 0));
	SHOW(pwrite(file, edge + PAGE - 4, 8, 0));
}

static int child_reads_into_shared(void *page)
{
	SHOW(pread(file, page, 16, 0));
	return ((char *)page)[0];
}

int main(void)
{
	int fds[2];
	scratch_enter();
	signal(SIGUSR1, SIG_IGN);
	file = make_file("file", PAGE);
	directory = MUST(open("/proc", O_RDONLY));
	MUST(pipe(fds));
	pipe_in = fds[0];
	pipe_out = fds[1];
	MUST(pipe(fds));
	empty_pipe = fds[0];
	epoll = MUST(epoll_create1(0));
	MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, pipe_out, &(struct epoll_event){ .events = EPOLLOUT }));
	timerfd = MUST(timerfd_create(CLOCK_MONOTONIC, 0));
	MUST(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &timer));
	signals = MUST(syscall(SYS_signalfd4, -1, zeroes, 8, 0));
	pidfd = MUST(syscall(SYS_pidfd_open, getpid(), 0));
	none = map_anon(PAGE, PROT_NONE);
	readable = map_anon(PAGE, PROT_READ);
	edge = map_anon(4 * PAGE, PROT_NONE) + PAGE;
	MUST(mprotect(edge, PAGE, PROT_READ | PROT_WRITE));
	fresh = map_anon(PAGE, PROT_READ | PROT_WRITE);
	/* Last, so that no later mapping takes the place. */
	unmapped = map_anon(8 * PAGE, PROT_NONE);
	MUST(munmap(unmapped, 8 * PAGE));
	unmapped += 3 * PAGE;
	for (unsigned i = 0; i < ARRAY_LEN(probes); i++)
		try_all(&probes[i]);
	absent_memory();
	memset(fresh, 'f', PAGE);
	show_status("child", run_child(child_reads_into_shared, fresh));
	printf("parent's page after the child's read: %c\n", fresh[0]);
	printf("read-only page: %08x\n", checksum(readable, PAGE));
	MUST(unlink("file"));
	scratch_leave();
	return 0;
}
