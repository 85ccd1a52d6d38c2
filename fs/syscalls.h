/* SPDX-License-Identifier: MIT */
/*
 * syscalls.h: the system calls that the file systems serve.
 *
 * FS_SYSCALLS lists them as X(number, name, arguments); the kernel's dispatch table is
 * made from it. Every function takes its arguments as the registers have them, user
 * pointers as unsigned long, and returns what the program sees: a result or -errno,
 * exactly Linux's. All may sleep, in the context of the calling task.
 */
#pragma once

#include <pagoda/types.h>

/* clang-format off */
#define FS_SYSCALLS(X)                                                                             \
	X(0, read, 3) X(1, write, 3) X(2, open, 3) X(3, close, 1) X(4, stat, 2) X(5, fstat, 2)     \
	X(6, lstat, 2) X(7, poll, 3) X(8, lseek, 3) X(16, ioctl, 3) X(17, pread64, 4)              \
	X(18, pwrite64, 4) X(19, readv, 3) X(20, writev, 3) X(21, access, 2) X(22, pipe, 1)        \
	X(23, select, 5) X(29, shmget, 3) X(30, shmat, 3)                                          \
	X(31, shmctl, 3) X(67, shmdt, 1) X(284, eventfd, 1) X(290, eventfd2, 2)                    \
	X(32, dup, 1) X(33, dup2, 2) X(40, sendfile, 4) X(72, fcntl, 3)                            \
	X(41, socket, 3) X(42, connect, 3) X(43, accept, 3) X(44, sendto, 6) X(45, recvfrom, 6)    \
	X(46, sendmsg, 3) X(47, recvmsg, 3) X(48, shutdown, 2) X(49, bind, 3) X(50, listen, 2)     \
	X(51, getsockname, 3) X(52, getpeername, 3) X(53, socketpair, 4) X(54, setsockopt, 5)      \
	X(275, splice, 6) X(276, tee, 4) X(278, vmsplice, 4)                                       \
	X(55, getsockopt, 5) X(288, accept4, 4) X(299, recvmmsg, 5) X(307, sendmmsg, 4)            \
	X(73, flock, 2) X(74, fsync, 1) X(75, fdatasync, 1) X(76, truncate, 2)                     \
	X(77, ftruncate, 2) X(78, getdents, 3) X(79, getcwd, 2) X(80, chdir, 1) X(81, fchdir, 1)   \
	X(82, rename, 2) X(83, mkdir, 2) X(84, rmdir, 1) X(85, creat, 2) X(86, link, 2)            \
	X(87, unlink, 1) X(88, symlink, 2) X(89, readlink, 3) X(90, chmod, 2) X(91, fchmod, 2)     \
	X(92, chown, 3) X(93, fchown, 3) X(94, lchown, 3) X(95, umask, 1) X(132, utime, 2)         \
	X(133, mknod, 3) X(137, statfs, 2) X(138, fstatfs, 2) X(161, chroot, 1) X(162, sync, 0)    \
	X(165, mount, 5) X(166, umount2, 2) X(187, readahead, 3) X(188, setxattr, 5)               \
	X(189, lsetxattr, 5) X(190, fsetxattr, 5) X(191, getxattr, 4) X(192, lgetxattr, 4)         \
	X(193, fgetxattr, 4) X(194, listxattr, 3) X(195, llistxattr, 3) X(196, flistxattr, 3)      \
	X(221, fadvise64, 4) X(167, swapon, 2) X(168, swapoff, 1) X(217, getdents64, 3)            \
	X(235, utimes, 2) X(257, openat, 4)                                                        \
	X(258, mkdirat, 3) X(259, mknodat, 4) X(260, fchownat, 5) X(261, futimesat, 3)             \
	X(262, newfstatat, 4) X(263, unlinkat, 3) X(264, renameat, 4) X(265, linkat, 5)            \
	X(266, symlinkat, 3) X(267, readlinkat, 4) X(268, fchmodat, 3) X(269, faccessat, 3)        \
	X(270, pselect6, 6) X(271, ppoll, 5) X(277, sync_file_range, 4) X(280, utimensat, 4)       \
	X(285, fallocate, 4) X(292, dup3, 3) X(293, pipe2, 2) X(295, preadv, 5)                    \
	X(296, pwritev, 5) X(306, syncfs, 1) X(316, renameat2, 5) X(319, memfd_create, 2)          \
	X(326, copy_file_range, 6) X(327, preadv2, 6) X(328, pwritev2, 6) X(332, statx, 5)         \
	X(213, epoll_create, 1) X(232, epoll_wait, 4) X(233, epoll_ctl, 4) X(281, epoll_pwait, 6)  \
	X(291, epoll_create1, 1) X(441, epoll_pwait2, 6)                                           \
	X(436, close_range, 3) X(439, faccessat2, 4)
/* clang-format on */

#define SYSCALL_ARGS_0 void
#define SYSCALL_ARGS_1 unsigned long
#define SYSCALL_ARGS_2 unsigned long, unsigned long
#define SYSCALL_ARGS_3 unsigned long, unsigned long, unsigned long
#define SYSCALL_ARGS_4 unsigned long, unsigned long, unsigned long, unsigned long
#define SYSCALL_ARGS_5 unsigned long, unsigned long, unsigned long, unsigned long, unsigned long
#define SYSCALL_ARGS_6 \
	unsigned long, unsigned long, unsigned long, unsigned long, unsigned long, unsigned long

#define X(nr, name, args) long sys_##name(SYSCALL_ARGS_##args);
FS_SYSCALLS(X)
#undef X
