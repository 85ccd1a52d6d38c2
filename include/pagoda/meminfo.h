/* SPDX-License-Identifier: MIT */
/* meminfo.h: what /proc/meminfo and its kin ask of the core. */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

/*
 * Add up the resident pages of all address spaces: *anon gets the sum of rss_anon, *file that of
 * rss_file and rss_shmem. Context: any. Return: nothing.
 */
void sum_mm_rss(unsigned long *anon, unsigned long *file);
/*
 * Count the pages of all slabs, and in *unused those of slabs without an object in use, which
 * reclaim can have at once. Context: may sleep. Locks: takes the mutex of the chain of caches.
 */
void slab_pages(unsigned long *pages, unsigned long *unused);
/*
 * Print line n of /proc/slabinfo, 0 being the heading, into line, which has size bytes.
 * Context: may sleep. Return: false: there is no such line.
 */
bool slabinfo_line(unsigned long n, char *line, size_t size);
/*
 * The sum of all zones' pages_min, in KiB (/proc/sys/vm/min_free_kbytes). After a change of it
 * apply_min_free_kbytes() sets all watermarks anew: each zone gets its share, but at least what the
 * kernel needs to work, and at most an eighth of the zone, as reclaim would never end with more.
 * Context: any. Return: nothing.
 */
extern int min_free_kbytes;
void apply_min_free_kbytes(void);

PAGODA_C_END
