/* SPDX-License-Identifier: MIT */
/*
 * schedcalls.h: scheduling policies, priorities and CPUs (kernel/schedcalls.c). Arguments as in
 * registers.
 */
#pragma once

long sys_sched_yield(void);
long sys_sched_getaffinity(unsigned long pid, unsigned long len, unsigned long umask);
long sys_sched_setaffinity(unsigned long pid, unsigned long len, unsigned long umask);
long sys_sched_getscheduler(unsigned long pid);
long sys_sched_setscheduler(unsigned long pid, unsigned long policy, unsigned long uparam);
long sys_sched_getparam(unsigned long pid, unsigned long uparam);
long sys_sched_setparam(unsigned long pid, unsigned long uparam);
long sys_sched_getattr(unsigned long pid, unsigned long uattr, unsigned long size,
		       unsigned long flags);
long sys_sched_setattr(unsigned long pid, unsigned long uattr, unsigned long flags);
long sys_sched_get_priority_max(unsigned long policy);
long sys_sched_get_priority_min(unsigned long policy);
long sys_sched_rr_get_interval(unsigned long pid, unsigned long uts);
