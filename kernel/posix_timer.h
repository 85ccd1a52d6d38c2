/* SPDX-License-Identifier: MIT */
/* posix_timer.h: timers that send signals: timer_create and its kin (kernel/posix_timer.c). */
#pragma once

struct signal_struct;
struct task_struct;

/* The current process ends, or executes a program: its timers go. May sleep. */
void posix_timers_stop(struct signal_struct *sig);
