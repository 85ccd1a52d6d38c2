/* SPDX-License-Identifier: MIT */
/* itimer.h: interval timers of a process: alarm, setitimer (kernel/itimer.c). */
#pragma once

#include <pagoda/types.h>

struct ktimer;
struct task_struct;
struct signal_struct;

#define ITIMER_REAL    0
#define ITIMER_VIRTUAL 1
#define ITIMER_PROF    2

void itimer_real_expired(struct ktimer *timer);
/* The tick met t: count its CPU timers and RLIMIT_CPU. From deferred work. */
void itimer_tick(struct task_struct *t, bool user);
/* The process ends. */
void itimers_stop(struct signal_struct *sig);
