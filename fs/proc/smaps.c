/* SPDX-License-Identifier: MIT */
/*
 * smaps.c: /proc/PID/smaps and smaps_rollup: what of each region is in memory, and whose it is.
 *
 * The counts come from the page tables, whole tables at a time; only tables that exist are looked
 * at. A page that n entries map counts for 1/n in the proportional sizes, which are kept with
 * PSS_SHIFT more bits so that thirds of pages add up.
 *
 * The header of a record and its flags are of one moment; the counts of a large region may be of
 * several, as the walk lets writers of mmap_lock in (maps.c).
 *
 * Cost: linear in present tables and in text. Locking: as maps.c.
 */
#include <fs/proc/maps.h>
#include <pagoda/lru.h>
#include <pagoda/page_alloc.h>
#include <pagoda/string.h>

#define PSS_SHIFT 12

/* In bytes; those from pss on << PSS_SHIFT. */
struct page_sums {
	bool is_locked; /* in: the region's flag */
	unsigned long size, rss, shared_clean, shared_dirty, private_clean, private_dirty,
		referenced, anonymous, lazyfree, swap;
	u64 pss, pss_dirty, pss_anon, pss_file, pss_shmem, locked;
};

static void count_proportional(struct page_sums *sums, const struct page *page, bool dirty, u64 pss)
{
	sums->pss += pss;
	if (dirty)
		sums->pss_dirty += pss;
	if (sums->is_locked)
		sums->locked += pss;
	if (PageAnon(page)) {
		sums->anonymous += PAGE_SIZE;
		sums->pss_anon += pss;
		if (PageLazyFree(page) && !dirty)
			sums->lazyfree += PAGE_SIZE;
	} else if (PageSwapBacked(page)) {
		sums->pss_shmem += pss;
	} else {
		sums->pss_file += pss;
	}
}

static void count_page(struct page_sums *sums, pte_t pte)
{
	struct page *page = pte_page(pte);
	unsigned long share;
	bool dirty;
	u64 pss;

	if (test_bit(PG_zeropage, &page->flags) || PageReserved(page))
		return;
	dirty = pte_dirty(pte) || PageDirty(page);
	share = (unsigned long)max(page_mapcount(page), 1);
	pss = ((u64)PAGE_SIZE << PSS_SHIFT) / share;
	sums->rss += PAGE_SIZE;
	if (pte_young(pte) || PageReferenced(page))
		sums->referenced += PAGE_SIZE;
	if (share > 1)
		*(dirty ? &sums->shared_dirty : &sums->shared_clean) += PAGE_SIZE;
	else
		*(dirty ? &sums->private_dirty : &sums->private_clean) += PAGE_SIZE;
	count_proportional(sums, page, dirty, pss);
}

static void count_entries(const pte_t *ptep, unsigned long nr, void *arg)
{
	struct page_sums *sums = arg;

	for (; nr; nr--, ptep++) {
		pte_t pte = ptep_get(ptep);

		if (pte_none(pte))
			continue;
		if (pte_present(pte))
			count_page(sums, pte);
		else
			sums->swap += PAGE_SIZE;
	}
}

static void count_region(struct page_sums *sums, struct mm_struct *mm, struct maps_region *region)
{
	sums->is_locked = region->vma->vm_flags & VM_LOCKED;
	sums->size += region->end - region->start;
	proc_walk_tables(mm, region, count_entries, sums);
}

/* ---- Printing -------------------------------------------------------------------------------- */

static unsigned long whole_bytes(u64 proportional)
{
	return (unsigned long)(proportional >> PSS_SHIFT);
}

static void print_rollup_sums(struct proc_text *t, const struct page_sums *sums)
{
	proc_put_kb(t, "Pss_Anon:       ", whole_bytes(sums->pss_anon));
	proc_put_kb(t, "Pss_File:       ", whole_bytes(sums->pss_file));
	proc_put_kb(t, "Pss_Shmem:      ", whole_bytes(sums->pss_shmem));
}

static void print_sums(struct proc_text *t, const struct page_sums *sums, bool rollup)
{
	proc_put_kb(t, "Rss:            ", sums->rss);
	proc_put_kb(t, "Pss:            ", whole_bytes(sums->pss));
	proc_put_kb(t, "Pss_Dirty:      ", whole_bytes(sums->pss_dirty));
	if (rollup)
		print_rollup_sums(t, sums);
	proc_put_kb(t, "Shared_Clean:   ", sums->shared_clean);
	proc_put_kb(t, "Shared_Dirty:   ", sums->shared_dirty);
	proc_put_kb(t, "Private_Clean:  ", sums->private_clean);
	proc_put_kb(t, "Private_Dirty:  ", sums->private_dirty);
	proc_put_kb(t, "Referenced:     ", sums->referenced);
	proc_put_kb(t, "Anonymous:      ", sums->anonymous);
	proc_put_kb(t, "LazyFree:       ", sums->lazyfree);
	proc_puts(t, "AnonHugePages:         0 kB\nShmemPmdMapped:        0 kB\n"
		     "FilePmdMapped:         0 kB\nShared_Hugetlb:        0 kB\n"
		     "Private_Hugetlb:       0 kB\n");
	proc_put_kb(t, "Swap:           ", sums->swap);
	proc_put_kb(t, "SwapPss:        ", sums->swap);
	proc_put_kb(t, "Locked:         ", whole_bytes(sums->locked));
}

static void print_flags(struct proc_text *t, unsigned long flags)
{
	static const struct {
		unsigned long bit;
		char name[4];
	} names[] = {
		{VM_READ, "rd "},	 {VM_WRITE, "wr "},    {VM_EXEC, "ex "},
		{VM_SHARED, "sh "},	 {VM_MAYREAD, "mr "},  {VM_MAYWRITE, "mw "},
		{VM_MAYEXEC, "me "},	 {VM_MAYSHARE, "ms "}, {VM_GROWSDOWN, "gd "},
		{VM_LOCKED, "lo "},	 {VM_IO, "io "},       {VM_SEQ_READ, "sr "},
		{VM_RAND_READ, "rr "},	 {VM_DONTCOPY, "dc "}, {VM_DONTEXPAND, "de "},
		{VM_LOCKONFAULT, "?? "}, {VM_ACCOUNT, "ac "},  {VM_NORESERVE, "nr "},
		{VM_WIPEONFORK, "wf "},	 {VM_DONTDUMP, "dd "}, {VM_SOFTDIRTY, "sd "},
	};

	proc_puts(t, "VmFlags: ");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & names[i].bit)
			proc_write_bytes(t, names[i].name, 3);
	proc_putc(t, '\n');
}

static int print_smaps(struct proc_text *t, struct proc_open *open, u64 *index)
{
	struct maps_region region;
	struct page_sums sums;
	unsigned long flags;

	if (!proc_next_region(open, index, &region))
		return 0;
	proc_print_region(t, open, &region);
	flags = region.vma->vm_flags;
	memset(&sums, 0, sizeof(sums));
	count_region(&sums, open->mm, &region);
	proc_put_kb(t, "Size:           ", sums.size);
	proc_puts(t, "KernelPageSize:        4 kB\nMMUPageSize:           4 kB\n");
	print_sums(t, &sums, false);
	proc_puts(t, "THPeligible:    0\n");
	print_flags(t, flags);
	proc_region_done(open, &region);
	return 1;
}
static_assert(PAGE_SIZE == SZ_4K, "the page sizes are printed as text");

const struct proc_records proc_smaps_records = {proc_maps_begin, print_smaps, proc_maps_end};

/* ---- The sum of all -------------------------------------------------------------------------- */

static int print_rollup(struct proc_text *t, struct proc_open *open, u64 *index)
{
	unsigned long first = 0;
	struct maps_region region = {NULL, 0, 0};
	struct page_sums sums;
	u64 next = 0;
	size_t start = t->len;

	if (*index)
		return 0;
	*index = 1;
	if (!open->viewer.mnt)
		return -ESRCH; /* no memory, or not any more */
	memset(&sums, 0, sizeof(sums));
	while (proc_next_region(open, &next, &region)) {
		first = sums.size ? first : region.start;
		count_region(&sums, open->mm, &region);
		proc_region_done(open, &region);
		port_cond_resched(); /* regions without tables are walked without a pause */
	}
	proc_printf(t, "%08lx-%08lx ---p 00000000 00:00 0 ", first, region.end);
	proc_pad(t, start, MAPS_NAME_COLUMN);
	proc_puts(t, "[rollup]\n");
	print_sums(t, &sums, true);
	return 1;
}

const struct proc_records proc_smaps_rollup_records = {proc_maps_begin, print_rollup,
						       proc_maps_end};
