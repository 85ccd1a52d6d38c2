/* SPDX-License-Identifier: MIT */
/* latency.h: how long nobody else could run: the boot word latency_debug (latency.c). */
#pragma once

#include <pagoda/types.h>

extern bool latency_debug; /* (C) after boot */

/* The slow path of latency_point(). Interrupts on. */
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
/* Log the longest of each kind, before power-off; nothing if latency_debug is off. */
void latency_report(void);
