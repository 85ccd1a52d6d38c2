/* SPDX-License-Identifier: MIT */
/*
 * cpufeature.h: what the CPU's memory management unit can do. The machine fills it in before
 * mm_boot().
 */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

struct x86_features {
	bool pse;  /* large pages */
	bool pge;  /* global pages */
	bool nx;   /* execute disable, and switched on */
	bool smep; /* kernel may not execute user pages, and switched on */
	bool smap; /* kernel may read user pages only with AC set, and switched on */
};
extern struct x86_features x86_features;

PAGODA_C_END
