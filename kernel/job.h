/* SPDX-License-Identifier: MIT */
/* job.h: process groups and sessions (kernel/job.c), and getpid and its kin. */
#pragma once

long sys_getpid(void);
long sys_gettid(void);
long sys_getppid(void);
long sys_getpgrp(void);
long sys_getpgid(unsigned long pid);
long sys_getsid(unsigned long pid);
long sys_setpgid(unsigned long pid, unsigned long pgid);
long sys_setsid(void);
