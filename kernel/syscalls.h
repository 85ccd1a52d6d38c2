/* SPDX-License-Identifier: MIT */
/*
 * syscalls.h: every system call this kernel knows, as X(number, name, arguments). fs/'s own
 * come from fs/syscalls.h. Numbers not listed return -ENOSYS and are counted for the report
 * (docs/SYSCALLS.md says what each call does of Linux's).
 */
#pragma once

#include <fs/syscalls.h>

#define NR_rt_sigreturn 15
#define NR_SYSCALLS	512 /* table size; x32 and others lie above */

/* clang-format off */
#define KERNEL_SYSCALLS(X)                                                                         \
	X(237, mbind, 6) X(238, set_mempolicy, 3) X(239, get_mempolicy, 5)                         \
	X(256, migrate_pages, 4)                                                                   \
	X(279, move_pages, 6) X(450, set_mempolicy_home_node, 4)                                   \
	X(9, mmap, 6) X(10, mprotect, 3) X(11, munmap, 2) X(12, brk, 1) X(13, rt_sigaction, 4)     \
	X(14, rt_sigprocmask, 4) X(15, rt_sigreturn, 0) X(24, sched_yield, 0) X(25, mremap, 5)     \
	X(26, msync, 3) X(27, mincore, 3) X(28, madvise, 3) X(34, pause, 0) X(35, nanosleep, 2)    \
	X(36, getitimer, 2) X(37, alarm, 1) X(38, setitimer, 3) X(39, getpid, 0) X(56, clone, 5)   \
	X(57, fork, 0) X(58, vfork, 0) X(59, execve, 3) X(60, exit, 1) X(61, wait4, 4)             \
	X(62, kill, 2) X(63, uname, 1) X(96, gettimeofday, 2) X(97, getrlimit, 2)                  \
	X(98, getrusage, 2) X(99, sysinfo, 1) X(100, times, 1) X(102, getuid, 0)                   \
	X(103, syslog, 3) X(104, getgid, 0) X(105, setuid, 1) X(106, setgid, 1)                    \
	X(107, geteuid, 0) X(108, getegid, 0) X(109, setpgid, 2) X(110, getppid, 0)                \
	X(111, getpgrp, 0) X(112, setsid, 0) X(113, setreuid, 2) X(114, setregid, 2)               \
	X(115, getgroups, 2) X(116, setgroups, 2) X(117, setresuid, 3) X(118, getresuid, 3)        \
	X(119, setresgid, 3) X(120, getresgid, 3) X(121, getpgid, 1) X(122, setfsuid, 1)           \
	X(123, setfsgid, 1) X(124, getsid, 1) X(125, capget, 2) X(126, capset, 2)                  \
	X(127, rt_sigpending, 2) X(128, rt_sigtimedwait, 4) X(129, rt_sigqueueinfo, 3)             \
	X(130, rt_sigsuspend, 2) X(131, sigaltstack, 2) X(135, personality, 1)                     \
	X(140, getpriority, 2) X(141, setpriority, 3) X(142, sched_setparam, 2)                    \
	X(143, sched_getparam, 2) X(144, sched_setscheduler, 3) X(145, sched_getscheduler, 1)      \
	X(146, sched_get_priority_max, 1) X(147, sched_get_priority_min, 1)                        \
	X(148, sched_rr_get_interval, 2) X(149, mlock, 2) X(150, munlock, 2) X(151, mlockall, 1)   \
	X(152, munlockall, 0) X(154, modify_ldt, 3) X(157, prctl, 5) X(158, arch_prctl, 2)         \
	X(160, setrlimit, 2)                                                                       \
	X(164, settimeofday, 2) X(169, reboot, 3) X(170, sethostname, 2) X(171, setdomainname, 2)  \
	X(186, gettid, 0) X(200, tkill, 2) X(201, time, 1) X(202, futex, 6)                        \
	X(203, sched_setaffinity, 3) X(204, sched_getaffinity, 3) X(218, set_tid_address, 1)       \
	X(216, remap_file_pages, 5) X(219, restart_syscall, 0) X(227, clock_settime, 2)            \
	X(228, clock_gettime, 2)                                                                   \
	X(229, clock_getres, 2) X(230, clock_nanosleep, 4) X(231, exit_group, 1)                   \
	X(234, tgkill, 3) X(247, waitid, 5) X(273, set_robust_list, 2) X(274, get_robust_list, 3)  \
	X(297, rt_tgsigqueueinfo, 4) X(302, prlimit64, 4) X(309, getcpu, 2)                        \
	X(310, process_vm_readv, 6) X(311, process_vm_writev, 6) X(318, getrandom, 3)              \
	X(440, process_madvise, 5)                                                                 \
	X(222, timer_create, 3) X(223, timer_settime, 4) X(224, timer_gettime, 2)                  \
	X(225, timer_getoverrun, 1) X(226, timer_delete, 1) X(283, timerfd_create, 2)              \
	X(286, timerfd_settime, 4) X(287, timerfd_gettime, 2)                                      \
	X(282, signalfd, 3) X(289, signalfd4, 4) X(424, pidfd_send_signal, 4)                      \
	X(434, pidfd_open, 2) X(438, pidfd_getfd, 3)                                               \
	X(272, unshare, 1) X(435, clone3, 2)                                                       \
	X(449, futex_waitv, 5) X(314, sched_setattr, 3) X(315, sched_getattr, 4)                   \
	X(322, execveat, 5) X(324, membarrier, 3) X(325, mlock2, 3)
/* clang-format on */

#define X(nr, name, args) long sys_##name(SYSCALL_ARGS_##args);
KERNEL_SYSCALLS(X)
#undef X
