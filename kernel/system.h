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
long sys_prctl(unsigned long option, unsigned long a, unsigned long b, unsigned long c,
	       unsigned long d);
long sys_arch_prctl(unsigned long option, unsigned long addr);
long sys_modify_ldt(unsigned long func, unsigned long ptr, unsigned long bytes);
long sys_personality(unsigned long persona);
long sys_getcpu(unsigned long ucpu, unsigned long unode);
