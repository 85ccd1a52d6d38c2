/* SPDX-License-Identifier: MIT */
/* file_checks.h: what the programs of tiers 4 and 5 do with a file. */
#pragma once

/*
 * Panics at the first difference. Once, after the boot of tier 4 or 5, when the thread that writes
 * dirty pages back runs.
 */
void check_files(void);
