/* SPDX-License-Identifier: MIT */
/* space_checks.h: what the programs of tier 3 and above do with an address space. */
#pragma once

/* Panics at the first difference. After the boot of tier 3 or above. */
void check_address_space(void);
