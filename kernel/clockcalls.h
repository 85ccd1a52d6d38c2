/* SPDX-License-Identifier: MIT */
/* clockcalls.h: the system calls about time (kernel/time.c). Arguments as in registers. */
#pragma once

#include <pagoda/types.h>

/* CLOCK_REALTIME when the machine started. */
u64 boot_realtime_ns(void);

long sys_clock_gettime(unsigned long which, unsigned long uts);
long sys_clock_getres(unsigned long which, unsigned long uts);
long sys_clock_settime(unsigned long which, unsigned long uts);
long sys_gettimeofday(unsigned long utv, unsigned long utz);
long sys_settimeofday(unsigned long utv, unsigned long utz);
long sys_time(unsigned long utime);
long sys_nanosleep(unsigned long ureq, unsigned long urem);
long sys_clock_nanosleep(unsigned long which, unsigned long flags, unsigned long ureq,
			 unsigned long urem);
long sys_restart_syscall(void);
