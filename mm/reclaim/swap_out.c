/* SPDX-License-Identifier: MIT */
/*
 * swap_out.c: the replacement policy of the documents (reclaim=classic; thesis 11.8).
 *
 * All pages share one pair of lists. shrink_cache cannot tell who maps a page: mapped pages
 * are counted, and after max_mapped of them page tables are searched for pages to take:
 *
 *	swap_out	mms in turn, each at most once a call, going on where the last
 *			call stopped: swap_mm (mm_struct.c) and mm->swap_address
 *	  swap_out_mm	its VMAs, unless VM_LOCKED or VM_RESERVED
 *	    _vma _pgd _pmd	its entries, table by table
 *	      try_to_swap_out	one entry
 *
 * An entry is left alone if its page is active, was used since the last look (its accessed bit
 * is cleared), is of no use to the zone in need, has buffers, or is busy. Otherwise it goes:
 * an anonymous page gets a swap slot if it has none yet, and the entry becomes the slot's; a
 * file page is simply unmapped. Its frame is freed by shrink_cache later, when the last entry is
 * gone and it has been written.
 *
 * Locking: one scan at a time (swap_out_lock, tried), which owns every swap_address. A reference
 * to mm_users keeps each address space. mmap_lock is taken for read by trylock only: the task that
 * holds it may be waiting for the memory that this scan is to free. page_table_lock around the
 * look at each entry, dropped where a slot is found, which may sleep; the entry is then looked up
 * again.
 *
 * Invariants: (C1) swap_address of an address space changes only under swap_out_lock and its
 * mmap_lock; (C2) within a region it lies in [vm_start, vm_end].
 * Failure: pages that cannot be taken stay.
 * Observability: event swap_out_scan, entries looked at.
 */
#include "reclaim_internal.h"
#include <mm/space/mm_list.h>
#include <mm/space/page_tables.h>
#include <mm/space/rmap_internal.h>
#include <pagoda/rmap.h>
#include <pagoda/swap.h>
#include <pagoda/vmstat.h>

struct swap_out {
	struct scan_control *sc;
	zone_t *zone;
	long wanted; /* pages */
	unsigned long scanned;
};

static struct mutex swap_out_lock;

/* ---- One entry ------------------------------------------------------------------------------ */

/*
 * Would freeing this page help? kswapd wants pages of one zone; direct reclaim wants those of any
 * zone that may serve its request, i.e. of no higher type than the class zone.
 */
static bool is_wanted(const struct swap_out *s, const struct page *page)
{
	const zone_t *zone = page_zone(page);

	return zone == s->zone ||
	       (!s->sc->one_zone &&
		zone - zone->zone_pgdat->node_zones <=
			s->sc->classzone - s->sc->classzone->zone_pgdat->node_zones);
}

/*
 * Decide whether the page of an entry is to be taken. Returns it locked and with a reference, or
 * NULL. An entry with the accessed bit was used since the last scan: the bit is cleared, and the
 * page gets another round. Locks: page_table_lock held, so the entry and its page stay.
 */
static struct page *grab_victim(const struct swap_out *s, const struct vm_area_struct *vma,
				pte_t *ptep)
{
	pte_t pte = ptep_get(ptep);
	struct page *page = pte_present(pte) ? normal_page(pte) : NULL;

	lockdep_assert_held(&vma->vm_mm->page_table_lock);
	VM_BUG_ON(vma->vm_flags & (VM_LOCKED | VM_RESERVED));
	if (!page || PageReserved(page))
		return NULL;
	if (ptep_test_and_clear_young(ptep)) {
		note_young_taken(vma->vm_mm);
		return NULL;
	}
	if (PageActive(page) || !is_wanted(s, page))
		return NULL;
	/*
	 * Buffers may be in use by the file system; and a locked page is busy. shrink_cache deals
	 * with both.
	 */
	if ((page->private && !PageSwapBacked(page)) || TryLockPage(page))
		return NULL;
	get_page(page);
	return page;
}

/*
 * Take a locked page out of one entry. False: it has no slot, or the entry has changed meanwhile.
 */
static bool take_page(const struct swap_out *s, struct page *page, struct vm_area_struct *vma,
		      unsigned long addr)
{
	VM_BUG_ON(!PageLocked(page) || page_count(page) < 1);
	if (!swap_prepare_unmap(page, s->sc->gfp_mask))
		return false;
	return unmap_page_from(page, vma, addr);
}

/*
 * Look at one entry. page_table_lock is dropped before the page is taken, as finding a slot may
 * sleep; unmap_page_from() looks the entry up again.
 */
static void try_to_swap_out(struct swap_out *s, struct vm_area_struct *vma, unsigned long addr)
{
	struct mm_struct *mm = vma->vm_mm;
	struct page *page = NULL;
	pmd_t *pmd;

	lockdep_assert_held(&mm->mmap_lock);
	VM_BUG_ON(addr >= TASK_SIZE);
	s->scanned++;
	spin_lock(&mm->page_table_lock);
	pmd = walk_to_pmd(mm, addr);
	if (pmd && !pmd_none(pmdp_get(pmd)))
		page = grab_victim(s, vma, pte_offset(pmd, addr));
	spin_unlock(&mm->page_table_lock);
	flush_young_taken();
	if (!page)
		return;
	if (take_page(s, page, vma, addr))
		s->wanted--;
	unlock_page(page);
	put_page(page);
}

/* ---- Walking an mm --------------------------------------------------------------------------- */

/* Look at the entries of one table, from mm->swap_address on and up to end. */
static void swap_out_pmd(struct swap_out *s, struct vm_area_struct *vma, unsigned long end)
{
	struct mm_struct *mm = vma->vm_mm;

	lockdep_assert_held(&swap_out_lock);				  /* (C1) */
	VM_BUG_ON(mm->swap_address < vma->vm_start || end > vma->vm_end); /* (C2) */
	while (mm->swap_address < end && s->wanted > 0) {
		try_to_swap_out(s, vma, mm->swap_address);
		mm->swap_address += PAGE_SIZE;
	}
}

/* Go through a region table by table, so that parts without tables are passed over at once. */
static void swap_out_vma(struct swap_out *s, struct vm_area_struct *vma)
{
	struct mm_struct *mm = vma->vm_mm;

	lockdep_assert_held(&mm->mmap_lock);
	VM_BUG_ON(vma->vm_flags & (VM_LOCKED | VM_RESERVED));
	mm->swap_address = max(mm->swap_address, vma->vm_start);
	while (mm->swap_address < vma->vm_end && s->wanted > 0) {
		unsigned long addr = mm->swap_address;
		pmd_t *pmd;

		spin_lock(&mm->page_table_lock);
		pmd = next_pmd(mm, &addr, vma->vm_end);
		spin_unlock(&mm->page_table_lock);
		mm->swap_address = pmd ? addr : vma->vm_end;
		if (pmd)
			swap_out_pmd(s, vma, pmd_addr_end(addr, vma->vm_end));
		port_cond_resched();
	}
}

/*
 * Go through an address space from where the last call stopped. True: its end was reached, and the
 * next call begins at its start. Locks: mmap_lock held.
 */
static bool swap_out_mm(struct swap_out *s, struct mm_struct *mm)
{
	struct vm_area_struct *vma = find_vma(mm, mm->swap_address);

	lockdep_assert_held(&mm->mmap_lock);
	lockdep_assert_held(&swap_out_lock); /* (C1) */
	for (; vma && s->wanted > 0; vma = vma->vm_next)
		if (!(vma->vm_flags & (VM_LOCKED | VM_RESERVED)))
			swap_out_vma(s, vma);
	if (vma || s->wanted <= 0)
		return false;
	mm->swap_address = 0;
	return true;
}

/*
 * Search address spaces in turn, each at most once, until SWAP_CLUSTER_MAX pages were taken. If
 * another task is searching already, its pages will help us, too. An address space whose mmap_lock
 * is busy is passed over.
 */
static void classic_swap_out(struct scan_control *sc, zone_t *zone)
{
	struct swap_out s = {.sc = sc, .zone = zone, .wanted = SWAP_CLUSTER_MAX};
	unsigned long left = nr_mms();
	bool outermost;

	if (!mutex_trylock(&swap_out_lock))
		return;
	outermost = young_batch_begin();
	for (; left && s.wanted > 0; left--) {
		struct mm_struct *mm = swap_mm_get();
		bool done = true;

		if (!mm)
			break;
		if (down_read_trylock(&mm->mmap_lock)) {
			done = swap_out_mm(&s, mm);
			up_read(&mm->mmap_lock);
		}
		if (done)
			swap_mm_advance(mm);
		mmput(mm);
	}
	young_batch_end(outermost);
	mutex_unlock(&swap_out_lock);
	count_vm_events(VM_EVENT_swap_out_scan, s.scanned);
}

static void classic_init(void)
{
	mutex_init(&swap_out_lock, RANK_NONE);
}

/* ---- The rest of the policy ------------------------------------------------------------------ */

/* All pages are on the lists of the file kind; the anonymous pair is empty. */
static long classic_scan_limit(const struct scan_control *sc, zone_t *zone, enum lru_kind kind)
{
	if (kind == LRU_KIND_ANON)
		return SCAN_NOTHING;
	return (long)max_scan_of(zone_lru_pages(zone, (enum lru_list)kind), sc->priority);
}

static unsigned long classic_refill_count(unsigned long nr_pages, unsigned long active,
					  unsigned long inactive)
{
	return nr_pages * active / (2 * (inactive + 1));
}

/* A page marked as referenced stays active, and loses the mark. (RC-15) */
static bool classic_keep_active(struct page *page)
{
	return test_and_clear_bit(PG_referenced, &page->flags);
}

/* The mark lets one more use bring the page back to the active list. (RC-17) */
static void classic_demoted(struct page *page)
{
	SetPageReferenced(page);
}

/*
 * A mapped page may be in use, but finding out who maps it is not for shrink_cache in this policy:
 * count it, and after max_mapped of them let swap_out search page tables. (RC-23, RC-27)
 */
static enum page_fate classic_judge(struct scan_control *sc, struct page *page)
{
	VM_BUG_ON(!PageLocked(page));
	if (!page_mapcount(page))
		return PAGE_EVICT;
	if (--sc->max_mapped <= 0)
		sc->pass_over = true;
	return PAGE_KEEP;
}

/* Never called with success: classic_judge() keeps mapped pages, and swap_out unmaps them. */
static bool classic_unmap(struct scan_control *sc, struct page *page)
{

	(void)sc, (void)page;
	return false;
}

const struct reclaim_policy classic_policy = {
	.name = "classic",
	.one_pair = true,
	.init = classic_init,
	.scan_limit = classic_scan_limit,
	.refill_count = classic_refill_count,
	.keep_active = classic_keep_active,
	.demoted = classic_demoted,
	.judge = classic_judge,
	.unmap = classic_unmap,
	.swap_out = classic_swap_out,
};
