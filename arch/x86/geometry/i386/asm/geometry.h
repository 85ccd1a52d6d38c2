/* SPDX-License-Identifier: MIT */
/* geometry.h: i386, 2 levels of page tables. Levels the hardware lacks have one entry and fold. */
#pragma once

#include <pagoda/types.h>

#define GEOMETRY_NAME  "i386"
#define PGTABLE_LEVELS 2
typedef u32 pteval_t; /* one entry, at every level */

#define PGDIR_SHIFT  22
#define P4D_SHIFT    22
#define PUD_SHIFT    22
#define PMD_SHIFT    22
#define PTRS_PER_PGD 1024
#define PTRS_PER_P4D 1
#define PTRS_PER_PUD 1
#define PTRS_PER_PMD 1
#define PTRS_PER_PTE 1024

/* User space is [0, TASK_SIZE). */
#define TASK_SIZE 0xC0000000ul
/* Physical memory below this is in the direct map; the rest is ZONE_HIGHMEM. */
#define MAX_LOWMEM (896 * SZ_1M)
/* Frames that an entry can address. */
#define MAX_PHYSMEM_BITS 32
/* Is there an execute-disable bit? */
#define HAVE_NX 0
