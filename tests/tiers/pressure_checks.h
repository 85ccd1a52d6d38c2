/* SPDX-License-Identifier: MIT */
/* pressure_checks.h: what the program of tier 5 does when memory runs out. */
#pragma once

/* Panics at the first difference. Once, after the boot of tier 5, when its threads run. */
void check_pressure(void);
