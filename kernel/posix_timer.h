/* SPDX-License-Identifier: MIT */
/* posix_timer.h: timers that send signals: timer_create and its kin (kernel/posix_timer.c). */
#pragma once

struct signal_struct;
struct task_struct;

/* The current process ends, or executes a program: its timers go. May sleep. */
void posix_timers_stop(struct signal_struct *sig);

long sys_timer_create(unsigned long clock, unsigned long uevent, unsigned long uid);
long sys_timer_settime(unsigned long id, unsigned long flags, unsigned long unew,
		       unsigned long uold);
long sys_timer_gettime(unsigned long id, unsigned long uvalue);
long sys_timer_getoverrun(unsigned long id);
long sys_timer_delete(unsigned long id);
