/* SPDX-License-Identifier: MIT */
/* flush.h: shared by tiers 2 and 3: a page mapped to two frames in turn. */
#pragma once

#include <pagoda/types.h>

/* The first word of each of the two frames, by which a reader sees which one is mapped. */
#define SHOWN_FIRST  0x1111ul
#define SHOWN_SECOND 0x2222ul

/*
 * What a page of kernel addresses reads as after its entry went from the first frame to the second
 * and every CPU called flush(address). global: the entry's bit of that name. 0: no memory.
 * Interrupts on.
 */
unsigned long conformance_read_after(void (*flush)(void *at), bool global);
