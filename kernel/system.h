/* SPDX-License-Identifier: MIT */
/* system.h: the calls about the system as a whole (kernel/system.c). Arguments as in registers. */
#pragma once

long sys_uname(unsigned long uaddr);
long sys_sethostname(unsigned long uname, unsigned long len);
long sys_setdomainname(unsigned long uname, unsigned long len);
long sys_sysinfo(unsigned long uaddr);
long sys_syslog(unsigned long type, unsigned long ubuf, unsigned long len);
long sys_getrandom(unsigned long ubuf, unsigned long len, unsigned long flags);
long sys_reboot(unsigned long magic, unsigned long magic2, unsigned long command);
long sys_prctl(unsigned long option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
long sys_arch_prctl(unsigned long option, unsigned long addr);
long sys_personality(unsigned long persona);
long sys_sched_yield(void);
long sys_sched_getaffinity(unsigned long pid, unsigned long len, unsigned long umask);
long sys_sched_setaffinity(unsigned long pid, unsigned long len, unsigned long umask);
long sys_sched_getscheduler(unsigned long pid);
long sys_sched_setscheduler(unsigned long pid, unsigned long policy, unsigned long uparam);
long sys_sched_getparam(unsigned long pid, unsigned long uparam);
long sys_sched_setparam(unsigned long pid, unsigned long uparam);
long sys_sched_get_priority_max(unsigned long policy);
long sys_sched_get_priority_min(unsigned long policy);
long sys_sched_rr_get_interval(unsigned long pid, unsigned long uts);
long sys_getcpu(unsigned long ucpu, unsigned long unode);
