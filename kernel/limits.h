/* SPDX-License-Identifier: MIT */
/* limits.h: resource limits and usage (kernel/limits.c). Arguments as in registers. */
#pragma once

long sys_getrlimit(unsigned long which, unsigned long uaddr);
long sys_setrlimit(unsigned long which, unsigned long uaddr);
long sys_prlimit64(unsigned long pid, unsigned long which, unsigned long unew, unsigned long uold);
long sys_getrusage(unsigned long who, unsigned long uaddr);
long sys_times(unsigned long uaddr);
long sys_getpriority(unsigned long which, unsigned long who);
long sys_setpriority(unsigned long which, unsigned long who, unsigned long nice);
