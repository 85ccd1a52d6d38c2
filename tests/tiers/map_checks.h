/* SPDX-License-Identifier: MIT */
/* map_checks.h: what the programs of tier 2 and above do with kernel mappings. */
#pragma once

/* Panics at the first difference. After the boot of tier 2 or above. */
void check_kernel_mappings(void);
