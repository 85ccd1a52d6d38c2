/* SPDX-License-Identifier: MIT */
/*
 * heap_checks.h: what every tier's program does first: frames and objects, taken until there are
 * none, and given back.
 */
#pragma once

/* Panics at the first difference. After the boot, of whichever tier. */
void check_frames_and_heap(void);
