/* SPDX-License-Identifier: MIT */
/* meminfo.h: what /proc/meminfo and its kin ask of the core. */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

/*
 * The sums of rss_anon, and of rss_file and rss_shmem, over all address spaces, in pages. Any
 * context.
 */
void sum_mm_rss(unsigned long *anon, unsigned long *file);
/*
 * Pages of all slabs, and of those without an object in use, which reclaim can have at once. May
 * sleep.
 */
void slab_pages(unsigned long *pages, unsigned long *unused);
/* Line n of /proc/slabinfo into line; false: there is none. May sleep. */
bool slabinfo_line(unsigned long n, char *line, size_t size);
/*
 * The sum of all zones' pages_min, in KiB (/proc/sys/vm/min_free_kbytes). After a change of it
 * apply_min_free_kbytes() sets all watermarks anew: each zone gets its share, but at least what the
 * kernel needs to work, and at most what lets reclaim come to rest. Any context.
 */
extern int min_free_kbytes;
void apply_min_free_kbytes(void);

PAGODA_C_END
