/* SPDX-License-Identifier: MIT */
/*
 * numa_maps.c: /proc/PID/numa_maps: for each mapping its memory policy, and on which nodes its
 * pages are.
 *
 *	7ffff7a00000 bind:1 anon=3 dirty=3 N1=3 kernelpagesize_kB=4
 *
 * Present pages are counted, not the zero page and devices; what is swapped out is on no node.
 * Locking and cost: as smaps.c.
 */
#include <fs/proc/maps.h>
#include <pagoda/lru.h>
#include <pagoda/mempolicy.h>
#include <pagoda/page_alloc.h>
#include <pagoda/string.h>

struct node_sums {
	unsigned long pages, anon, dirty, swapcache, active, writeback, mapcount_max;
	unsigned long node[MAX_NR_NODES];
};

static void count_page(struct node_sums *sums, pte_t pte)
{
	struct page *page = pte_page(pte);

	if (test_bit(PG_zeropage, &page->flags) || PageReserved(page))
		return;
	sums->pages++;
	sums->anon += PageAnon(page);
	sums->dirty += pte_dirty(pte) || PageDirty(page);
	sums->swapcache += PageSwapCache(page);
	sums->active += PageActive(page);
	sums->writeback += PageWriteback(page);
	sums->mapcount_max = max(sums->mapcount_max, (unsigned long)page_mapcount(page));
	sums->node[page_zone(page)->zone_pgdat->node_id]++;
}

static void count_entries(const pte_t *ptep, unsigned long nr, void *arg)
{
	for (; nr; nr--, ptep++) {
		pte_t pte = ptep_get(ptep);

		if (pte_present(pte))
			count_page(arg, pte);
	}
}

static void print_what(struct proc_text *t, const struct proc_open *open,
		       const struct vm_area_struct *vma)
{
	const char *name = vma->vm_file ? NULL : vma_special_name(vma);

	if (vma->vm_file) {
		u64 ino;

		proc_puts(t, " file=");
		if (is_shmem_zero_file(vma->vm_file, &ino))
			proc_puts(t, "/dev/zero\\040(deleted)");
		else
			(void)proc_put_path(t, &file_of(vma->vm_file)->f_path, &open->viewer,
					    "\n\t \\");
	} else if (name && !strcmp(name, "[heap]")) {
		proc_puts(t, " heap");
	} else if (name && !strcmp(name, "[stack]")) {
		proc_puts(t, " stack");
	}
}

static void print_sums(struct proc_text *t, const struct node_sums *sums)
{
	if (sums->anon)
		proc_printf(t, " anon=%lu", sums->anon);
	if (sums->dirty)
		proc_printf(t, " dirty=%lu", sums->dirty);
	if (sums->pages != sums->anon && sums->pages != sums->dirty)
		proc_printf(t, " mapped=%lu", sums->pages);
	if (sums->mapcount_max > 1)
		proc_printf(t, " mapmax=%lu", sums->mapcount_max);
	if (sums->swapcache)
		proc_printf(t, " swapcache=%lu", sums->swapcache);
	if (sums->active < sums->pages)
		proc_printf(t, " active=%lu", sums->active);
	if (sums->writeback)
		proc_printf(t, " writeback=%lu", sums->writeback);
	for (int nid = 0; nid < MAX_NR_NODES; nid++)
		if (sums->node[nid])
			proc_printf(t, " N%d=%lu", nid, sums->node[nid]);
	proc_printf(t, " kernelpagesize_kB=%lu", PAGE_SIZE / SZ_1K);
}

static int print_numa_maps(struct proc_text *t, struct proc_open *open, u64 *index)
{
	struct maps_region region;
	struct node_sums sums;
	char policy[64];

	if (!proc_next_region(open, index, &region))
		return 0;
	mpol_to_str(policy, sizeof(policy), region.vma->vm_policy);
	proc_printf(t, "%08lx %s", region.start, policy);
	print_what(t, open, region.vma);
	memset(&sums, 0, sizeof(sums));
	proc_walk_tables(open->mm, &region, count_entries, &sums);
	if (sums.pages)
		print_sums(t, &sums);
	proc_putc(t, '\n');
	proc_region_done(open, &region);
	return 1;
}

const struct proc_records proc_numa_maps_records = {proc_maps_begin, print_numa_maps,
						    proc_maps_end};
