/* SPDX-License-Identifier: MIT */
/* latency.h: how long nobody else could run: the boot word latency_debug (latency.c). */
#pragma once

#include <pagoda/types.h>

extern bool latency_debug; /* (C) after boot */

/* Behind latency_point(). */
void latency_end_stretch(void);

/* Another task may run here. Interrupts on, no lock held. */
static inline void latency_point(void)
{
	if (unlikely(latency_debug))
		latency_end_stretch();
}

/* Keep the CPU for too long, twice: the boot word latency_test. */
void latency_test(void);
/* Start measuring, before the first task. */
void latency_init(void);
/* The longest of each kind, into the log: before power-off. */
void latency_report(void);
