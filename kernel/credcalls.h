/* SPDX-License-Identifier: MIT */
/*
 * credcalls.h: the system calls about ids and capabilities (kernel/cred.c). Arguments as in
 * registers.
 */
#pragma once

long sys_getuid(void);
long sys_geteuid(void);
long sys_getgid(void);
long sys_getegid(void);
long sys_getresuid(unsigned long r, unsigned long e, unsigned long s);
long sys_getresgid(unsigned long r, unsigned long e, unsigned long s);
long sys_setuid(unsigned long uid);
long sys_setgid(unsigned long gid);
long sys_setreuid(unsigned long r, unsigned long e);
long sys_setregid(unsigned long r, unsigned long e);
long sys_setresuid(unsigned long r, unsigned long e, unsigned long s);
long sys_setresgid(unsigned long r, unsigned long e, unsigned long s);
long sys_setfsuid(unsigned long uid);
long sys_setfsgid(unsigned long gid);
long sys_getgroups(unsigned long size, unsigned long ulist);
long sys_setgroups(unsigned long size, unsigned long ulist);
long sys_capget(unsigned long uheader, unsigned long udata);
long sys_capset(unsigned long uheader, unsigned long udata);
