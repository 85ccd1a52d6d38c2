/* SPDX-License-Identifier: MIT */
/*
 * meminfo.c: /proc files about memory as a whole: meminfo, vmstat, buddyinfo, zoneinfo, slabinfo,
 * swaps.
 *
 * MemAvailable is Linux's estimate of what could be had without swapping: free pages, and most of
 * the page cache and of what slabs could give back, less what the watermarks keep:
 *
 *	free - reserve + cache - min(cache / 2, low) + reclaimable - min(reclaimable / 2, low)
 *
 * SReclaimable is what slabs could give back: those without an object in use, which reclaim takes
 * before it swaps anything, and the objects that shrinkers may free (names and inodes of disks).
 */
#include <fs/proc/proc.h>
#include <pagoda/buffer_head.h>
#include <pagoda/lru.h>
#include <pagoda/machine.h>
#include <pagoda/meminfo.h>
#include <pagoda/mm.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/swap.h>
#include <pagoda/vmscan.h>
#include <pagoda/vmstat.h>

#define KB_PER_PAGE (PAGE_SIZE / SZ_1K)

/* ---- meminfo --------------------------------------------------------------------------------- */

static void pages_line(struct proc_text *t, const char label[static PROC_KB_LABEL + 1],
		       unsigned long pages)
{
	proc_put_kb(t, label, pages << PAGE_SHIFT);
}

static unsigned long zone_pages(unsigned long (*of)(const zone_t *zone))
{
	unsigned long sum = 0;
	pg_data_t *pgdat;

	for_each_pgdat(pgdat)
		for (int i = 0; i < pgdat->nr_zones; i++)
			sum += of(&pgdat->node_zones[i]);
	return sum;
}

static unsigned long zone_high_mark(const zone_t *zone)
{
	return zone->pages_high;
}

static unsigned long zone_low_mark(const zone_t *zone)
{
	return zone->pages_low;
}

/* What the shrinkers of names and inodes could free, about. */
static unsigned long shrinkable_pages(void)
{
	return (dentry_shrinker.count() * sizeof(struct dentry) +
		inode_shrinker.count() * sizeof(struct inode)) >>
	       PAGE_SHIFT;
}

struct slab_figures {
	unsigned long pages, reclaimable;
};

static struct slab_figures slab_figures(void)
{
	struct slab_figures f;
	unsigned long unused;

	slab_pages(&f.pages, &unused);
	f.reclaimable = min(unused + shrinkable_pages(), f.pages);
	return f;
}

static unsigned long available_pages(const struct slab_figures *slab)
{
	unsigned long low = zone_pages(zone_low_mark), reserve = zone_pages(zone_high_mark);
	unsigned long cache = lru_pages(LRU_ACTIVE_FILE) + lru_pages(LRU_INACTIVE_FILE);
	unsigned long pages = nr_free_pages();

	pages += cache - min(cache / 2, low);
	pages += slab->reclaimable - min(slab->reclaimable / 2, low);
	return pages > reserve ? pages - reserve : 0;
}

static void show_ram(struct proc_text *t, const struct slab_figures *slab)
{
	unsigned long cached = (unsigned long)atomic_long_read(&nr_pagecache_pages);
	unsigned long buffers = nr_blkdev_pages();

	pages_line(t, "MemTotal:       ", totalram_pages());
	pages_line(t, "MemFree:        ", nr_free_pages());
	pages_line(t, "MemAvailable:   ", available_pages(slab));
	pages_line(t, "Buffers:        ", buffers);
	pages_line(t, "Cached:         ", cached - min(cached, buffers));
	pages_line(t, "SwapCached:     ", nr_swap_cache_pages());
}

static void show_lists(struct proc_text *t)
{
	pages_line(t, "Active:         ", nr_active_pages());
	pages_line(t, "Inactive:       ", nr_inactive_pages());
	pages_line(t, "Active(anon):   ", lru_pages(LRU_ACTIVE_ANON));
	pages_line(t, "Inactive(anon): ", lru_pages(LRU_INACTIVE_ANON));
	pages_line(t, "Active(file):   ", lru_pages(LRU_ACTIVE_FILE));
	pages_line(t, "Inactive(file): ", lru_pages(LRU_INACTIVE_FILE));
	pages_line(t, "Unevictable:    ", nr_mlocked_pages());
	pages_line(t, "Mlocked:        ", nr_mlocked_pages());
	pages_line(t, "SwapTotal:      ", (unsigned long)total_swap_pages);
	pages_line(t, "SwapFree:       ", (unsigned long)atomic_long_read(&nr_swap_pages));
	pages_line(t, "Dirty:          ", (unsigned long)atomic_long_read(&nr_dirty_pages));
	pages_line(t, "Writeback:      ", (unsigned long)atomic_long_read(&nr_writeback_pages));
}

static void show_uses(struct proc_text *t)
{
	unsigned long anon, file, cached = (unsigned long)atomic_long_read(&nr_pagecache_pages);

	sum_mm_rss(&anon, &file);
	pages_line(t, "AnonPages:      ", anon);
	pages_line(t, "Mapped:         ", min(file, cached));
	pages_line(t, "Shmem:          ", (unsigned long)atomic_long_read(&nr_shmem_pages));
}

static void show_kernel(struct proc_text *t, const struct slab_figures *slab)
{
	pages_line(t, "KReclaimable:   ", slab->reclaimable);
	pages_line(t, "Slab:           ", slab->pages);
	pages_line(t, "SReclaimable:   ", slab->reclaimable);
	pages_line(t, "SUnreclaim:     ", slab->pages - slab->reclaimable);
	proc_put_kb(t, "KernelStack:    ", fs_hook_stack_bytes());
	pages_line(t, "PageTables:     ", vm_event(pgtable_alloc) - vm_event(pgtable_free));
	proc_puts(t, "SecPageTables:         0 kB\nNFS_Unstable:          0 kB\n"
		     "Bounce:                0 kB\nWritebackTmp:          0 kB\n");
	pages_line(t, "CommitLimit:    ", vm_commit_limit());
	pages_line(t,
		   "Committed_AS:   ", (unsigned long)max(atomic_long_read(&vm_committed_as), 0l));
	pages_line(t, "VmallocTotal:   ", (VMALLOC_END - VMALLOC_START) >> PAGE_SHIFT);
	proc_puts(t, "VmallocUsed:           0 kB\nVmallocChunk:          0 kB\n"
		     "Percpu:                0 kB\n");
}

int proc_show_meminfo(struct proc_text *t, const struct proc_node *node)
{
	struct slab_figures slab = slab_figures();

	(void)node;
	show_ram(t, &slab);
	show_lists(t);
	show_uses(t);
	show_kernel(t, &slab);
	proc_puts(t, "HugePages_Total:       0\nHugePages_Free:        0\n"
		     "HugePages_Rsvd:        0\nHugePages_Surp:        0\n"
		     "Hugepagesize:       2048 kB\nHugetlb:               0 kB\n");
	return 0;
}

/* ---- vmstat: one record a line --------------------------------------------------------------- */

static unsigned long file_pages(void)
{
	return (unsigned long)atomic_long_read(&nr_pagecache_pages);
}
static unsigned long shmem_pages(void)
{
	return (unsigned long)atomic_long_read(&nr_shmem_pages);
}
static unsigned long dirty_pages(void)
{
	return (unsigned long)atomic_long_read(&nr_dirty_pages);
}
static unsigned long writeback_pages(void)
{
	return (unsigned long)atomic_long_read(&nr_writeback_pages);
}
static unsigned long anon_pages(void)
{
	unsigned long anon, file;

	sum_mm_rss(&anon, &file);
	return anon;
}
static unsigned long table_pages(void)
{
	return vm_event(pgtable_alloc) - vm_event(pgtable_free);
}
static unsigned long slab_reclaimable(void)
{
	return slab_figures().reclaimable;
}
static unsigned long slab_unreclaimable(void)
{
	struct slab_figures f = slab_figures();

	return f.pages - f.reclaimable;
}

static const char *const lru_names[NR_LRU_LISTS] = {
	[LRU_INACTIVE_ANON] = "nr_inactive_anon",
	[LRU_ACTIVE_ANON] = "nr_active_anon",
	[LRU_INACTIVE_FILE] = "nr_inactive_file",
	[LRU_ACTIVE_FILE] = "nr_active_file",
};

static const struct {
	const char *name;
	unsigned long (*value)(void);
} vmstat_lines[] = {
	{"nr_free_pages", nr_free_pages},
	{"nr_file_pages", file_pages},
	{"nr_shmem", shmem_pages},
	{"nr_dirty", dirty_pages},
	{"nr_writeback", writeback_pages},
	{"nr_anon_pages", anon_pages},
	{"nr_slab_reclaimable", slab_reclaimable},
	{"nr_slab_unreclaimable", slab_unreclaimable},
	{"nr_mlock", nr_mlocked_pages},
	{"nr_page_table_pages", table_pages},
};

static int print_vmstat(struct proc_text *t, struct proc_open *open, u64 *index)
{
	u64 n = (*index)++;

	(void)open;
	if (n < ARRAY_SIZE(vmstat_lines)) {
		proc_printf(t, "%s %lu\n", vmstat_lines[n].name, vmstat_lines[n].value());
		return 1;
	}
	n -= ARRAY_SIZE(vmstat_lines);
	if (n < NR_LRU_LISTS) {
		proc_printf(t, "%s %lu\n", lru_names[n], lru_pages((enum lru_list)n));
		return 1;
	}
	n -= NR_LRU_LISTS;
	if (n >= NR_VM_EVENTS)
		return 0;
	proc_printf(t, "%s %lu\n", vm_event_names[n], vm_event_sum((enum vm_event)n));
	return 1;
}
const struct proc_records proc_vmstat_records = {.print = print_vmstat};

/* ---- Zones: one record each ------------------------------------------------------------------ */

/* The populated zone at *index or behind it, whose place *index passes; NULL: there is none. */
static const zone_t *next_zone(u64 *index)
{
	pg_data_t *pgdat;
	u64 n = 0;

	for_each_pgdat(pgdat)
		for (int i = 0; i < pgdat->nr_zones; i++, n++)
			if (n >= *index && pgdat->node_zones[i].present_pages) {
				*index = n + 1;
				return &pgdat->node_zones[i];
			}
	return NULL;
}

static int print_buddyinfo(struct proc_text *t, struct proc_open *open, u64 *index)
{
	const zone_t *zone = next_zone(index);

	(void)open;
	if (!zone)
		return 0;
	proc_printf(t, "Node %d, zone %8s ", zone->zone_pgdat->node_id, zone->name);
	for (int order = 0; order < MAX_ORDER; order++)
		proc_printf(t, "%6lu ", zone->free_area[order].nr_free);
	proc_putc(t, '\n');
	return 1;
}
const struct proc_records proc_buddyinfo_records = {.print = print_buddyinfo};

static void show_zone_lists(struct proc_text *t, const zone_t *zone)
{
	for (int i = 0; i < NR_LRU_LISTS; i++)
		proc_printf(t, "    %-12s %lu\n", lru_names[i], zone->lruvec.nr[i]);
	proc_printf(t, "    %-12s %lu\n", "nr_mlock", zone->lruvec.nr_mlocked);
}

static void show_zone(struct proc_text *t, const zone_t *zone)
{
	proc_printf(t, "Node %d, zone %8s\n  pages free     %lu\n", zone->zone_pgdat->node_id,
		    zone->name, zone->free_pages);
	proc_printf(t, "        min      %lu\n        low      %lu\n        high     %lu\n",
		    zone->pages_min, zone->pages_low, zone->pages_high);
	proc_printf(t, "        spanned  %lu\n        present  %lu\n        managed  %lu\n",
		    zone->size, zone->present_pages, zone->managed_pages);
	show_zone_lists(t, zone);
	proc_printf(t, "      numa_local   %lu\n      numa_other   %lu\n",
		    zone_allocations(zone).local, zone_allocations(zone).other);
	proc_printf(t, "  pagesets\n");
	for (unsigned int cpu = 0; cpu < port_nr_cpus(); cpu++)
		proc_printf(t,
			    "    cpu: %u\n              count: %u\n              high:  %u\n"
			    "              batch: %u\n",
			    cpu, zone->pcp[cpu].count, zone->pcp[cpu].high, zone->pcp[cpu].batch);
	proc_printf(t, "  start_pfn:           %lu\n", zone->zone_start_pfn);
}

static int print_zoneinfo(struct proc_text *t, struct proc_open *open, u64 *index)
{
	const zone_t *zone = next_zone(index);

	(void)open;
	if (zone)
		show_zone(t, zone);
	return zone != NULL;
}
const struct proc_records proc_zoneinfo_records = {.print = print_zoneinfo};

/* ---- Caches, swap areas ---------------------------------------------------------------------- */

static int print_slabinfo(struct proc_text *t, struct proc_open *open, u64 *index)
{
	char line[128];

	(void)open;
	if (!slabinfo_line((unsigned long)*index, line, sizeof(line)))
		return 0;
	++*index;
	proc_puts(t, line);
	return 1;
}
const struct proc_records proc_slabinfo_records = {.print = print_slabinfo};

/* Record 0 is the heading. */
static int print_swaps(struct proc_text *t, struct proc_open *open, u64 *index)
{
	struct swap_area_info info;
	u64 n = (*index)++;

	(void)open;
	if (n == 0) {
		proc_puts(t, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
		return 1;
	}
	if (!swap_area_info((unsigned int)(n - 1), &info))
		return 0;
	proc_printf(t, "%-40s%s\t%llu\t\t%llu\t\t%d\n", info.name,
		    info.file ? "file\t" : "partition",
		    (unsigned long long)info.size_pages * KB_PER_PAGE,
		    (unsigned long long)info.used_pages * KB_PER_PAGE, info.priority);
	return 1;
}
const struct proc_records proc_swaps_records = {.print = print_swaps};
