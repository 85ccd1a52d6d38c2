/* SPDX-License-Identifier: MIT */
/*
 * advise_pages.h: page_advice_ops (space_ops.h): madvise about the pages of a part of vma.
 * mmap_lock for read. May sleep.
 */
#pragma once

#include <pagoda/mm_types.h>

void advise_cold(struct vm_area_struct *vma, unsigned long start, unsigned long end);
void advise_pageout(struct vm_area_struct *vma, unsigned long start, unsigned long end);
void advise_willneed(struct vm_area_struct *vma, unsigned long start, unsigned long end);
/* vma is private and anonymous. */
void advise_free(struct vm_area_struct *vma, unsigned long start, unsigned long end);
