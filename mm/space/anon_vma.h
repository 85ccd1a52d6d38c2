/* SPDX-License-Identifier: MIT */
/* anon_vma.h: what walks over the reverse map see of anon_vmas (anon_vma.c, rmap.c). */
#pragma once

#include "vma_internal.h"

struct anon_vma {
	struct anon_vma *root, *parent; /* (C) itself, NULL: the first of its family */
	/* (R) VMAs of one mm; anon_vmas made by fork; parent's children */
	struct list_head vmas, children, sibling;
	spinlock_t lock;    /* of the root, (R): the lists of the whole family */
	unsigned int depth; /* (C) ancestors */
};

/*
 * fork: a child's copy of old joins an anon_vma of its own below old's. -ENOMEM: not linked. Locks:
 * old's mmap_lock for write. May sleep.
 */
int anon_vma_fork_below(struct vm_area_struct *vma, struct vm_area_struct *old) __must_check;

/* The page's anon_vma, pinned and its family locked; NULL: the page is mapped no more. */
struct anon_vma *lock_page_anon_vma(const struct page *page);
void unlock_page_anon_vma(struct anon_vma *anon);
/*
 * The next one at or below top, each before those below it; NULL: that was all. The family is
 * locked.
 */
struct anon_vma *next_anon_vma(struct anon_vma *anon, const struct anon_vma *top);
