/* SPDX-License-Identifier: MIT */
/*
 * swapoff.c: emptying swap areas (SW-15).
 *
 * swapoff stops handing out slots, then lets every address space fault in what it has there, and
 * shared memory read it (shmem_swap.c), until a round finds nothing in use. New uses only come
 * from old ones (fork), so it ends when forks do not outrun it; reclaim gives pages of the area
 * no entries there any more (swap_prepare_unmap()). Faults meanwhile just work.
 *
 *	swapoff				others
 *	writable = false		no new slots
 *	has_room()?  no: -ENOMEM
 *	each mm: fault in		fork copies entries, exit drops them
 *	shared memory: read, no slot	truncation drops entries
 *	drop what only the cache holds
 *	inuse == 0? else once more
 *
 * It must not end in the out-of-memory killer, whoever needs the memory: room is looked for first,
 * what swapoff itself cannot have is -ENOMEM (PF_OOM_ORIGIN), and when others run out of memory
 * it is made to give up before anybody is killed (swapoff_give_up()). Then the area
 * is in use as before, with a part of its pages in memory.
 *
 * Locking: an area is claimed while it is emptied; give_up is a single word.
 * Invariant: an area ends with inuse = 0 only, and from then on nothing finds its map.
 * Failure: -ENOMEM, -EIO (slots that cannot be read; all others are brought back), -EINTR: the area
 * is in use as before.
 * Observability: /proc/swaps.
 */
#include "swap_internal.h"
#include <mm/space/vma_internal.h>
#include <pagoda/buffer_head.h>
#include <pagoda/errno.h>
#include <pagoda/lru.h>
#include <pagoda/oom.h>
#include <pagoda/page_alloc.h>
#include <pagoda/vm_task.h>
#include <pagoda/vmalloc.h>

unsigned long swap_places_searched;

bool next_swap_entry(struct mm_struct *mm, unsigned long *addr, swp_entry_t *entry)
{
	bool found = false;
	pmd_t *pmd;

	spin_lock(&mm->page_table_lock);
	while ((pmd = next_pmd(mm, addr, TASK_SIZE))) {
		unsigned long start = *addr, end = pmd_addr_end(start, TASK_SIZE);

		for (pte_t *ptep = pte_offset(pmd, *addr); *addr < end;
		     ptep++, *addr += PAGE_SIZE) {
			pte_t pte = ptep_get(ptep);

			if (pte_present(pte) || pte_none(pte))
				continue;
			*entry = pte_to_swp_entry(pte);
			found = true;
			break;
		}
		rmw_add_relaxed(&swap_places_searched, ((*addr - start) >> PAGE_SHIFT) + found);
		if (found)
			break;
		page_table_pause(mm);
	}
	spin_unlock(&mm->page_table_lock);
	return found;
}

/*
 * Fault in what one address space has in the area. 0 or -errno; -EIO: all but what cannot be
 * read. mmap_lock held for read, and let go of while a page is read; *locked: it is held on return.
 */
static int unuse_entries(const struct swap_area *area, struct mm_struct *mm, bool *locked)
{
	unsigned int flags = FAULT_FLAG_ALLOW_RETRY;
	unsigned long addr = 0;
	swp_entry_t entry;
	int lost = 0;

	while (next_swap_entry(mm, &addr, &entry)) {
		vm_fault_t fault;

		if (port_fatal_signal_pending())
			return -EINTR;
		if (READ_ONCE(area->give_up))
			return -ENOMEM;
		if (&swap_areas[swp_type(entry)] != area) {
			addr += PAGE_SIZE;
			continue;
		}
		fault = handle_mm_fault(find_vma(mm, addr), addr, flags);
		if (fault & VM_FAULT_RETRY) { /* the disk was waited for without the lock */
			flags = fault_retry_flags(flags, fault);
			*locked = !down_read_killable(&mm->mmap_lock);
			if (!*locked)
				return -EINTR;
		} else {
			flags = FAULT_FLAG_ALLOW_RETRY;
			fault_retry_end();
		}
		if (fault & VM_FAULT_OOM)
			return -ENOMEM;
		if (fault & VM_FAULT_ERROR) {
			lost = -EIO;
			addr += PAGE_SIZE;
		}
		port_cond_resched();
	}
	return lost;
}

static int unuse_mm(const struct swap_area *area, struct mm_struct *mm)
{
	bool locked = !down_read_killable(&mm->mmap_lock);
	int err = locked ? unuse_entries(area, mm, &locked) : -EINTR;

	fault_retry_end();
	if (locked)
		up_read(&mm->mmap_lock);
	return err;
}

static int unuse_all_mms(const struct swap_area *area)
{
	struct mm_struct *mm = NULL;
	int err, lost = 0;

	while ((mm = next_user_mm(mm))) {
		err = unuse_mm(area, mm);
		if (err == -EIO) {
			lost = err;
		} else if (err) {
			mmput(mm);
			return err;
		}
	}
	return lost;
}

/* Pages that only the cache holds in a slot. */
static void drop_cache(struct swap_area *area)
{
	for (unsigned long offset = 1; offset < area->max; offset++) {
		struct page *page;

		spin_lock(&swap_lock);
		offset = swap_next_used(area, offset);
		spin_unlock(&swap_lock);
		port_cond_resched();
		page = offset < area->max ? find_get_page(&area->space, offset) : NULL;
		if (!page)
			continue;
		lock_page(page);
		if (PageSwapCache(page) && !swap_count(page_swap_entry(page))) {
			SetPageDirty(page);
			delete_from_swap_cache(page);
		}
		unlock_page(page);
		put_page(page);
	}
}

/* The map, if nothing is in use any more; the area is free for others then. */
static unsigned short *end_area(struct swap_area *area)
{
	unsigned short *map = NULL;

	spin_lock(&swap_lock);
	if (!area->inuse) {
		map = area->map;
		area->map = NULL;
	}
	spin_unlock(&swap_lock);
	return map;
}

/* ---- Whether there is room ------------------------------------------------------------------ */

/*
 * More than this cannot be made free, whatever reclaim does; anonymous pages need slots elsewhere.
 */
static unsigned long room(void)
{
	return nr_free_pages() + lru_pages(LRU_INACTIVE_FILE) + lru_pages(LRU_ACTIVE_FILE) +
	       nr_swap_cache_pages() + (unsigned long)atomic_long_read(&nr_swap_pages);
}

static unsigned long slots_in_use(const struct swap_area *area)
{
	unsigned long inuse;

	spin_lock(&swap_lock);
	inuse = area->inuse;
	spin_unlock(&swap_lock);
	return inuse;
}

static bool has_room(const struct swap_area *area)
{
	return slots_in_use(area) <= room();
}

bool swapoff_give_up(void)
{
	bool told = false;

	for (int i = 0; i < MAX_SWAPFILES; i++)
		if (READ_ONCE(swap_areas[i].emptying) &&
		    !rmw_xchg_relaxed(&swap_areas[i].give_up, true))
			told = true;
	return told;
}

/* ---- The call ------------------------------------------------------------------------------- */

/* One round: 0, whether or not it found everything, or -errno. */
static int empty_once(struct swap_area *area)
{
	int mms = unuse_all_mms(area), shared;

	if (mms && mms != -EIO)
		return mms;
	shared = shmem_unuse(area);
	if (shared && shared != -EIO)
		return shared;
	drop_cache(area);
	return mms ? mms : shared;
}

/* Rounds until nothing is in use; its map is the caller's then. */
static int empty_area(struct swap_area *area, unsigned short **map)
{
	int err = has_room(area) ? 0 : -ENOMEM;

	for (*map = NULL; !err; port_yield()) {
		err = empty_once(area);
		if (!err)
			*map = end_area(area);
		if (*map)
			break;
		if (!err)
			err = port_fatal_signal_pending() ? -EINTR : 0;
	}
	return err;
}

/* Whether the caller is refused memory before others are killed for it. */
static void set_refusable(bool on)
{
	if (on)
		rmw_or_relaxed(&current_vm->flags, PF_OOM_ORIGIN);
	else
		rmw_and_relaxed(&current_vm->flags, ~PF_OOM_ORIGIN);
}

static int empty_area_politely(struct swap_area *area, unsigned short **map)
{
	int err;

	set_refusable(true);
	WRITE_ONCE(area->give_up, false);
	WRITE_ONCE(area->emptying, true);
	err = empty_area(area, map);
	WRITE_ONCE(area->emptying, false);
	set_refusable(false);
	return err;
}

static struct swap_area *claim_used_area(const struct block_device *bdev,
					 const struct address_space *file)
{
	struct swap_area *area = NULL;

	spin_lock(&swap_lock);
	for (int i = 0; i < MAX_SWAPFILES; i++)
		if (swap_areas[i].map && swap_areas[i].file == file && !swap_areas[i].claimed &&
		    (file || swap_areas[i].bdev == bdev))
			area = &swap_areas[i];
	if (area) {
		area->claimed = true;
		swap_area_hand_out(area, false);
	}
	spin_unlock(&swap_lock);
	return area;
}

/* The area has ended, it is claimed still. */
static void free_area(struct swap_area *area, unsigned short *map)
{
	vfree(map);
	vfree(area->sets);
	vfree(area->extents);
	if (!area->file)
		WRITE_ONCE(area->bdev->bd_swap, false);
	blkdev_put(area->bdev, area->file ? NULL : area);
	if (area->file)
		/* its blocks were written past its cache */
		(void)invalidate_mapping_pages(area->file, 0, ~0ul);
}

static int swapoff_area(struct swap_area *area)
{
	unsigned short *map;
	int err;

	if (!area)
		return -EINVAL;
	err = empty_area_politely(area, &map);
	if (!err)
		free_area(area, map);
	spin_lock(&swap_lock);
	if (err)
		swap_area_hand_out(area, true);
	area->claimed = false;
	spin_unlock(&swap_lock);
	return err;
}

int sys_swapoff_bdev(struct block_device *bdev)
{
	return swapoff_area(claim_used_area(bdev, NULL));
}

int sys_swapoff_file(struct address_space *mapping)
{
	return swapoff_area(claim_used_area(NULL, mapping));
}

/* ---- Settling ------------------------------------------------------------------------------- */

unsigned long swap_settle(void)
{
	unsigned long inuse = 0;

	set_refusable(true);
	for (int i = 0; i < MAX_SWAPFILES; i++) {
		struct swap_area *area = &swap_areas[i];

		if (!area->map || area->claimed)
			continue;
		(void)empty_once(area); /* what could not be brought back is counted */
		inuse += slots_in_use(area);
	}
	set_refusable(false);
	return inuse;
}
