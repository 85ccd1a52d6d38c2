/* SPDX-License-Identifier: MIT */
/*
 * filecalls.h: kernel objects as files: timerfd, signalfd (kernel/timerfd.c, signalfd.c). Arguments
 * as in registers.
 */
#pragma once

long sys_timerfd_create(unsigned long clock, unsigned long flags);
long sys_timerfd_settime(unsigned long fd, unsigned long how, unsigned long unew,
			 unsigned long uold);
long sys_timerfd_gettime(unsigned long fd, unsigned long uvalue);
long sys_signalfd(unsigned long fd, unsigned long umask, unsigned long size);
long sys_signalfd4(unsigned long fd, unsigned long umask, unsigned long size, unsigned long flags);
