/* SPDX-License-Identifier: MIT */
/*
 * maps.h: walking an address space for /proc: shared by maps.c, smaps.c, numa_maps.c and pagemap.c.
 */
#pragma once

#include <fs/proc/proc.h>
#include <pagoda/mm.h>
#include <pagoda/pagewalk.h>

/*
 * begin and end of a file with one record a region: open->mm is in use, its mmap_lock held for
 * read, open->viewer the reader's root. An address space that has ended has no records.
 */
int proc_maps_begin(struct proc_open *open);
void proc_maps_end(struct proc_open *open);

/*
 * A region as a record shows it: of a VMA the part from the address on where the last record ended,
 * so that no address is shown twice when regions were joined between two reads.
 */
struct maps_region {
	struct vm_area_struct *vma; /* NULL once mmap_lock has been let go */
	unsigned long start, end;
};
/*
 * The region at or above address *index (0: the lowest); *index becomes its end. false: there is
 * none any more. Between begin and end.
 */
bool proc_next_region(struct proc_open *open, u64 *index, struct maps_region *region);
/* The next record begins behind this region: so much cheaper than by its address. */
void proc_region_done(struct proc_open *open, const struct maps_region *region);

/*
 * Look at the tables of the region: fn(ptep, nr, arg) for nr entries that lie side by side. Between
 * two tables it lets others run, and mmap_lock go if somebody waits for it: region->vma is NULL
 * then, and the rest is of what the address space has become. May sleep.
 */
void proc_walk_tables(struct mm_struct *mm, struct maps_region *region,
		      void (*fn)(const pte_t *ptep, unsigned long nr, void *arg), void *arg);

/* The line of maps for a region. */
void proc_print_region(struct proc_text *text, struct proc_open *open,
		       const struct maps_region *region);
/* [heap], [stack] and the like, or NULL. */
const char *vma_special_name(const struct vm_area_struct *vma);

#define MAPS_NAME_COLUMN 73u /* columns before a mapping's name */
