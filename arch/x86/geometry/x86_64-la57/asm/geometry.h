/* SPDX-License-Identifier: MIT */
/*
 * geometry.h: x86_64-la57, 5 levels of page tables. Levels the hardware lacks have one entry and
 * fold.
 */
#pragma once

#include <pagoda/types.h>

#define GEOMETRY_NAME  "x86_64-la57"
#define PGTABLE_LEVELS 5
typedef u64 pteval_t; /* one entry, at every level */

#define PGDIR_SHIFT  48
#define P4D_SHIFT    39
#define PUD_SHIFT    30
#define PMD_SHIFT    21
#define PTRS_PER_PGD 512
#define PTRS_PER_P4D 512
#define PTRS_PER_PUD 512
#define PTRS_PER_PMD 512
#define PTRS_PER_PTE 512

/* User space is [0, TASK_SIZE). */
#define TASK_SIZE 0xfffffffffff000ul
/* Physical memory below this is in the direct map; the rest is ZONE_HIGHMEM. */
#define MAX_LOWMEM (1ull << 51)
/* Frames that an entry can address. */
#define MAX_PHYSMEM_BITS 52
/* Is there an execute-disable bit? */
#define HAVE_NX 1
