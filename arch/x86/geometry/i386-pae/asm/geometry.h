/* SPDX-License-Identifier: MIT */
/*
 * geometry.h: i386-pae, 3 levels of page tables. Levels the hardware lacks have one entry and fold.
 */
#pragma once

#include <pagoda/types.h>

#define GEOMETRY_NAME  "i386-pae"
#define PGTABLE_LEVELS 3
typedef u64 pteval_t; /* one entry, at every level */

#define PGDIR_SHIFT  30
#define P4D_SHIFT    30
#define PUD_SHIFT    30
#define PMD_SHIFT    21
#define PTRS_PER_PGD 4
#define PTRS_PER_P4D 1
#define PTRS_PER_PUD 1
#define PTRS_PER_PMD 512
#define PTRS_PER_PTE 512

/* User space is [0, TASK_SIZE). */
#define TASK_SIZE 0xC0000000ul
/* Physical memory below this is in the direct map; the rest is ZONE_HIGHMEM. */
#define MAX_LOWMEM (896 * SZ_1M)
/* Frames that an entry can address. */
#define MAX_PHYSMEM_BITS 36
/* Is there an execute-disable bit? */
#define HAVE_NX 1
