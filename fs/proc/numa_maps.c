/* SPDX-License-Identifier: MIT */
/*
 * numa_maps.c: /proc/PID/numa_maps: for each mapping its memory policy, and on which nodes its
 * pages are.
 *
 *	7ffff7a00000 bind:1 anon=3 dirty=3 N1=3 kernelpagesize_kB=4
 *
 * Present pages are counted, not the zero page and devices; what is swapped out is on no node.
 * Locking and cost: as maps.c.
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

static void count_vma(struct node_sums *sums, struct vm_area_struct *vma)
{
	unsigned long next;

	for (unsigned long addr = vma->vm_start; addr < vma->vm_end; addr = next) {
		pte_t pte = look_up_pte(vma->vm_mm, addr, &next);

		if (pte_present(pte))
			count_page(sums, pte);
	}
}

static void print_what(struct vma_walk *walk, const struct vm_area_struct *vma)
{
	const char *name = vma->vm_file ? NULL : vma_special_name(vma);

	if (vma->vm_file) {
		u64 ino;

		proc_printf(walk->text, " file=");
		if (is_shmem_zero_file(vma->vm_file, &ino))
			proc_printf(walk->text, "/dev/zero\\040(deleted)");
		else
			print_vma_file_name(walk->text, vma, walk->buf, &walk->root);
	} else if (name && !strcmp(name, "[heap]")) {
		proc_printf(walk->text, " heap");
	} else if (name && !strcmp(name, "[stack]")) {
		proc_printf(walk->text, " stack");
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

static void numa_line(struct vma_walk *walk, struct vm_area_struct *vma)
{
	struct node_sums sums;
	char policy[64];

	memset(&sums, 0, sizeof(sums));
	count_vma(&sums, vma);
	mpol_to_str(policy, sizeof(policy), vma->vm_policy);
	proc_printf(walk->text, "%08lx %s", vma->vm_start, policy);
	print_what(walk, vma);
	if (sums.pages)
		print_sums(walk->text, &sums);
	proc_printf(walk->text, "\n");
}

int proc_show_numa_maps(struct proc_text *t, const struct proc_node *node)
{
	struct vma_walk walk = { .text = t, .print = numa_line };

	return walk_vmas(node, &walk);
}
