/* SPDX-License-Identifier: MIT */
/* maps.h: walking an address space for /proc: shared by maps.c and numa_maps.c. */
#pragma once

#include <fs/proc/proc.h>
#include <pagoda/mm.h>
#include <asm/pgtable.h>

/* Call print for every VMA of the node's address space, under mmap_lock. */
struct vma_walk {
	struct proc_text *text;
	char *buf; /* PATH_MAX */
	struct path root;
	void (*print)(struct vma_walk *walk, struct vm_area_struct *vma);
	void *private;
};
/* 0 (also if the process has no memory any more) or -ENOMEM. May sleep. */
int walk_vmas(const struct proc_node *node, struct vma_walk *walk);

/* The entry for addr, none if there is no table; *skip: where the next table begins. mmap_lock held. */
pte_t look_up_pte(struct mm_struct *mm, unsigned long addr, unsigned long *skip);

/* [heap], [stack] and the like, or NULL. */
const char *vma_special_name(const struct vm_area_struct *vma);
/* The path of its file as seen from root; buf has PATH_MAX bytes. */
void print_vma_file_name(struct proc_text *t, const struct vm_area_struct *vma, char *buf, const struct path *root);
