/* SPDX-License-Identifier: MIT */
/* connect.h: the rooms of the core get to know those above them (connect.c). */
#pragma once

/* Once, before all else that mm_boot() does; one CPU. */
void connect_rooms(void);
