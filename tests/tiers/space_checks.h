/* SPDX-License-Identifier: MIT */
/* space_checks.h: what the programs of tier 3 and above do with an address space. */
#pragma once

/* Give the running task an empty address space and no limits; exit_mm() ends it. */
void become_user_task(void);
/* Panics at the first difference. After the boot of tier 3 or above. */
void check_address_space(void);
