/* SPDX-License-Identifier: MIT */
/* anon_vma.h: anon_vmas as the walks over the reverse map see them (anon_vma.c, rmap.c). */
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
 * fork: give vma, the child's copy of old, an anon_vma of its own below old's. Nothing is done if
 * old has none. Context: may sleep. Locks: mmap_lock of both held for write. Return: 0, or -ENOMEM:
 * vma is on no list.
 */
int anon_vma_fork_below(struct vm_area_struct *vma, struct vm_area_struct *old) __must_check;

/*
 * Find and lock the anon_vma that an anonymous page names. Context: any, does not sleep. Locks: on
 * success the pin lock and the family's lock are held until unlock_page_anon_vma(). Refs: the
 * caller has a reference to the page. Return: the anon_vma, or NULL: the page is not mapped any
 * more.
 */
struct anon_vma *lock_page_anon_vma(const struct page *page);
/* Release what lock_page_anon_vma() has locked. Context: any. Return: nothing. */
void unlock_page_anon_vma(struct anon_vma *anon);
/*
 * Step through top and all anon_vmas below it, parents before children. Context: any. Locks: the
 * family's lock is held. Return: the one after anon, or NULL: there are no more.
 */
struct anon_vma *next_anon_vma(struct anon_vma *anon, const struct anon_vma *top);
