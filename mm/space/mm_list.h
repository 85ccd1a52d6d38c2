/* SPDX-License-Identifier: MIT */
/*
 * mm_list.h: walks over all address spaces, for swap, reclaim and the OOM killer (mm_struct.c).
 */
#pragma once

#include <pagoda/mm_types.h>

/* While locked, no task's mm changes or goes (mm_struct.c). Interrupts are off. */
unsigned long lock_task_mm(void);
void unlock_task_mm(unsigned long flags);
/* For assertions: true if this CPU holds the lock; always true without CONFIG_DEBUG_LOCKS. */
bool task_mm_is_locked(void);

/*
 * The user mm after prev (NULL: the first) that is not ending, with a user; drops prev's. May
 * sleep.
 */
struct mm_struct *next_user_mm(struct mm_struct *prev);

/* ---- Turns of swap_out() (mm_struct.c) ------------------------------------------------------- */
/* The mm whose turn it is, with a user (mmput); NULL: there is none. */
struct mm_struct *swap_mm_get(void);
/* Its turn is over. */
void swap_mm_advance(struct mm_struct *mm);
