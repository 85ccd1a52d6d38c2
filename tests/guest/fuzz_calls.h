/* SPDX-License-Identifier: MIT */
/*
 * fuzz_calls.h: what the arguments of each system call are, for fuzz_syscalls.c. tests/host/fuzz.py sees that every
 * call of kernel/syscalls.h and fs/syscalls.h is here.
 *
 *	a	address of a range			n	length
 *	f	descriptor				p	path
 *	o	offset in a file			i	number or flags
 *	s	structure, to be read or written	v	vector of ranges
 *	t	time					P	process
 *	S	signal
 */
#pragma once

#define FUZZ_CALLS(X) \
	X(0, read, "fan") X(1, write, "fan") X(2, open, "pii") X(3, close, "f") X(4, stat, "ps") X(5, fstat, "fs") \
	X(6, lstat, "ps") X(7, poll, "sii") X(8, lseek, "foi") X(9, mmap, "aniifo") X(10, mprotect, "ani") \
	X(11, munmap, "an") X(12, brk, "a") X(13, rt_sigaction, "Sssi") X(14, rt_sigprocmask, "issi") \
	X(15, rt_sigreturn, "") X(16, ioctl, "fis") X(17, pread64, "fano") X(18, pwrite64, "fano") \
	X(19, readv, "fvi") X(20, writev, "fvi") X(21, access, "pi") X(22, pipe, "s") X(23, select, "issst") \
	X(24, sched_yield, "") X(25, mremap, "annia") X(26, msync, "ani") X(27, mincore, "ans") \
	X(28, madvise, "ani") X(29, shmget, "ini") X(30, shmat, "iai") X(31, shmctl, "iis") X(32, dup, "f") \
	X(33, dup2, "ff") X(34, pause, "") X(35, nanosleep, "ts") X(36, getitimer, "is") X(37, alarm, "i") \
	X(38, setitimer, "iss") X(39, getpid, "") X(40, sendfile, "ffsn") X(41, socket, "iii") \
	X(42, connect, "fsn") X(43, accept, "fss") X(44, sendto, "fanisn") X(45, recvfrom, "faniss") \
	X(46, sendmsg, "fsi") X(47, recvmsg, "fsi") X(48, shutdown, "fi") X(49, bind, "fsn") X(50, listen, "fi") \
	X(51, getsockname, "fss") X(52, getpeername, "fss") X(53, socketpair, "iiis") X(54, setsockopt, "fiisn") \
	X(55, getsockopt, "fiiss") X(56, clone, "iasss") X(57, fork, "") X(58, vfork, "") X(59, execve, "pss") \
	X(60, exit, "i") X(61, wait4, "Psis") X(62, kill, "PS") X(63, uname, "s") X(67, shmdt, "a") \
	X(72, fcntl, "fis") X(73, flock, "fi") X(74, fsync, "f") X(75, fdatasync, "f") X(76, truncate, "po") \
	X(77, ftruncate, "fo") X(78, getdents, "fan") X(79, getcwd, "an") X(80, chdir, "p") X(81, fchdir, "f") \
	X(82, rename, "pp") X(83, mkdir, "pi") X(84, rmdir, "p") X(85, creat, "pi") X(86, link, "pp") \
	X(87, unlink, "p") X(88, symlink, "pp") X(89, readlink, "pan") X(90, chmod, "pi") X(91, fchmod, "fi") \
	X(92, chown, "pii") X(93, fchown, "fii") X(94, lchown, "pii") X(95, umask, "i") X(96, gettimeofday, "ss") \
	X(97, getrlimit, "is") X(98, getrusage, "is") X(99, sysinfo, "s") X(100, times, "s") X(102, getuid, "") \
	X(103, syslog, "ian") X(104, getgid, "") X(105, setuid, "i") X(106, setgid, "i") X(107, geteuid, "") \
	X(108, getegid, "") X(109, setpgid, "PP") X(110, getppid, "") X(111, getpgrp, "") X(112, setsid, "") \
	X(113, setreuid, "ii") X(114, setregid, "ii") X(115, getgroups, "is") X(116, setgroups, "is") \
	X(117, setresuid, "iii") X(118, getresuid, "sss") X(119, setresgid, "iii") X(120, getresgid, "sss") \
	X(121, getpgid, "P") X(122, setfsuid, "i") X(123, setfsgid, "i") X(124, getsid, "P") X(125, capget, "ss") \
	X(126, capset, "ss") X(127, rt_sigpending, "sn") X(128, rt_sigtimedwait, "sstn") \
	X(129, rt_sigqueueinfo, "PSs") X(130, rt_sigsuspend, "sn") X(131, sigaltstack, "ss") X(132, utime, "ps") \
	X(133, mknod, "pii") X(135, personality, "i") X(137, statfs, "ps") X(138, fstatfs, "fs") \
	X(140, getpriority, "iP") X(141, setpriority, "iPi") X(142, sched_setparam, "Ps") \
	X(143, sched_getparam, "Ps") X(144, sched_setscheduler, "Pis") X(145, sched_getscheduler, "P") \
	X(146, sched_get_priority_max, "i") X(147, sched_get_priority_min, "i") \
	X(148, sched_rr_get_interval, "Ps") X(149, mlock, "an") X(150, munlock, "an") X(151, mlockall, "i") \
	X(152, munlockall, "") X(154, modify_ldt, "isn") X(157, prctl, "issss") X(158, arch_prctl, "ia") \
	X(160, setrlimit, "is") X(161, chroot, "p") X(162, sync, "") X(164, settimeofday, "ss") \
	X(165, mount, "pppis") X(166, umount2, "pi") X(167, swapon, "pi") X(168, swapoff, "p") \
	X(169, reboot, "iii") X(170, sethostname, "an") X(171, setdomainname, "an") X(186, gettid, "") \
	X(187, readahead, "fon") X(188, setxattr, "ppani") X(189, lsetxattr, "ppani") X(190, fsetxattr, "fpani") \
	X(191, getxattr, "ppan") X(192, lgetxattr, "ppan") X(193, fgetxattr, "fpan") X(194, listxattr, "pan") \
	X(195, llistxattr, "pan") X(196, flistxattr, "fan") X(200, tkill, "PS") X(201, time, "s") \
	X(202, futex, "aiitai") X(203, sched_setaffinity, "Pns") X(204, sched_getaffinity, "Pns") \
	X(213, epoll_create, "i") X(216, remap_file_pages, "anioi") X(217, getdents64, "fan") \
	X(218, set_tid_address, "a") X(219, restart_syscall, "") X(221, fadvise64, "foni") \
	X(222, timer_create, "iss") X(223, timer_settime, "iiss") X(224, timer_gettime, "is") \
	X(225, timer_getoverrun, "i") X(226, timer_delete, "i") X(227, clock_settime, "is") \
	X(228, clock_gettime, "is") X(229, clock_getres, "is") X(230, clock_nanosleep, "iits") \
	X(231, exit_group, "i") X(232, epoll_wait, "fsii") X(233, epoll_ctl, "fifs") X(234, tgkill, "PPS") \
	X(235, utimes, "ps") X(237, mbind, "anisii") X(238, set_mempolicy, "isi") X(239, get_mempolicy, "ssiai") \
	X(247, waitid, "iPsis") X(256, migrate_pages, "Piss") X(257, openat, "fpii") X(258, mkdirat, "fpi") \
	X(259, mknodat, "fpii") X(260, fchownat, "fpiii") X(261, futimesat, "fps") X(262, newfstatat, "fpsi") \
	X(263, unlinkat, "fpi") X(264, renameat, "fpfp") X(265, linkat, "fpfpi") X(266, symlinkat, "pfp") \
	X(267, readlinkat, "fpan") X(268, fchmodat, "fpi") X(269, faccessat, "fpi") X(270, pselect6, "isssts") \
	X(271, ppoll, "sitsn") X(272, unshare, "i") X(273, set_robust_list, "sn") X(274, get_robust_list, "Pss") \
	X(275, splice, "fsfsni") X(276, tee, "ffni") X(277, sync_file_range, "foni") X(278, vmsplice, "fvii") \
	X(279, move_pages, "Pisssi") X(280, utimensat, "fpsi") X(281, epoll_pwait, "fsiisn") \
	X(282, signalfd, "fsn") X(283, timerfd_create, "ii") X(284, eventfd, "i") X(285, fallocate, "fion") \
	X(286, timerfd_settime, "fiss") X(287, timerfd_gettime, "fs") X(288, accept4, "fssi") \
	X(289, signalfd4, "fsni") X(290, eventfd2, "ii") X(291, epoll_create1, "i") X(292, dup3, "ffi") \
	X(293, pipe2, "si") X(295, preadv, "fvioo") X(296, pwritev, "fvioo") X(297, rt_tgsigqueueinfo, "PPSs") \
	X(299, recvmmsg, "fsiit") X(302, prlimit64, "Piss") X(306, syncfs, "f") X(307, sendmmsg, "fsii") \
	X(309, getcpu, "ss") X(310, process_vm_readv, "Pvivii") X(311, process_vm_writev, "Pvivii") \
	X(314, sched_setattr, "Psi") X(315, sched_getattr, "Psni") X(316, renameat2, "fpfpi") \
	X(318, getrandom, "ani") X(319, memfd_create, "pi") X(322, execveat, "fpssi") X(324, membarrier, "iii") \
	X(325, mlock2, "ani") X(326, copy_file_range, "fsfsni") X(327, preadv2, "fviooi") \
	X(328, pwritev2, "fviooi") X(332, statx, "fpiis") X(424, pidfd_send_signal, "fSsi") \
	X(434, pidfd_open, "Pi") X(435, clone3, "sn") X(436, close_range, "ffi") X(438, pidfd_getfd, "ffi") \
	X(439, faccessat2, "fpii") X(440, process_madvise, "fvnii") X(441, epoll_pwait2, "fsitsn") X(449, futex_waitv, "siiti") \
	X(450, set_mempolicy_home_node, "anii")
