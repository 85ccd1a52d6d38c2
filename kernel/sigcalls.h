/* SPDX-License-Identifier: MIT */
/*
 * sigcalls.h: the system calls about signals (kernel/sigcalls.c, kernel/sigframe.c). Arguments as
 * in registers.
 */
#pragma once

#include <pagoda/types.h>

long sys_rt_sigaction(unsigned long sig, unsigned long unew, unsigned long uold,
		      unsigned long size);
long sys_rt_sigprocmask(unsigned long how, unsigned long uset, unsigned long uold,
			unsigned long size);
long sys_rt_sigpending(unsigned long uset, unsigned long size);
long sys_sigaltstack(unsigned long unew, unsigned long uold);
long sys_pause(void);
long sys_rt_sigsuspend(unsigned long uset, unsigned long size);
long sys_rt_sigtimedwait(unsigned long uset, unsigned long uinfo, unsigned long utimeout,
			 unsigned long size);
long sys_kill(unsigned long upid, unsigned long usig);
long sys_tkill(unsigned long tid, unsigned long sig);
long sys_tgkill(unsigned long tgid, unsigned long tid, unsigned long sig);
long sys_rt_sigqueueinfo(unsigned long pid, unsigned long sig, unsigned long uinfo);
long sys_rt_tgsigqueueinfo(unsigned long tgid, unsigned long tid, unsigned long sig,
			   unsigned long uinfo);
long sys_pidfd_send_signal(unsigned long pidfd, unsigned long sig, unsigned long uinfo,
			   unsigned long uflags);
