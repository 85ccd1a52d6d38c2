/* SPDX-License-Identifier: MIT */
/*
 * residency.h: which of the measured program's pages are in memory, told to the host as it runs
 * (boot option residency=MILLISECONDS; TL-05).
 */
#pragma once

#include <pagoda/types.h>

struct mm_struct;

/*
 * Boot: look every period_ms; without memory, or without a host, nothing is ever told. May sleep.
 */
void residency_init(unsigned int period_ms);
/* The current task's process is the measured program, from now on. */
void residency_watch(void);
/* The current task lets go of mm: a last look, if it is the measured program's. May sleep. */
void residency_mm_exit(struct mm_struct *mm);
/* No more looks; when it returns none is under way. May sleep. */
void residency_stop(void);
