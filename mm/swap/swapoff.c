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
 * swapoff must not cause the OOM killer to kill a process. Therefore it first checks whether there
 * is room for what the area holds. An allocation of its own that cannot be served makes it fail
 * with -ENOMEM (PF_OOM_ORIGIN). And when another task runs out of memory, swapoff is made to give
 * up before a process is killed (swapoff_give_up()). In these cases the area is in use as before,
 * and a part of its pages is in memory.
 *
 * Locking: an area is claimed while it is emptied; give_up is a single word.
 * Invariant: an area ends with inuse = 0 only, and from then on nothing finds its map.
 * Failure: -ENOMEM, -EIO (slots that cannot be read; all others are brought back), -EINTR: the area
 * is in use as before.
 * Observability: /proc/swaps.
 */
#include "swap_internal.h"
#include <mm/space/mm_list.h>
#include <mm/space/page_tables.h>
#include <pagoda/buffer_head.h>
#include <pagoda/errno.h>
#include <pagoda/lru.h>
#include <pagoda/oom.h>
#include <pagoda/page_alloc.h>
#include <pagoda/vm_task.h>
#include <pagoda/vmalloc.h>

unsigned long swap_places_searched;

/*
 * page_table_lock is held for one page table at a time; page_table_pause() lets it go in between,
 * so that a large address space does not keep others waiting.
 */
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
			VM_BUG_ON(*addr >= TASK_SIZE);
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
 * Fault in what one address space has in the area. 0; -EIO: all but the pages that cannot be read;
 * -ENOMEM; -EINTR. Locks: mmap_lock held for read on entry; it is dropped while a page is read.
 * *locked says whether it is held on return. The walk goes on at the same address after each
 * fault: the entry is gone if the fault has succeeded, and is tried again if it has not.
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
		lockdep_assert_held(&mm->mmap_lock);
		fault = handle_mm_fault(find_vma(mm, addr), addr, flags);
		/*
		 * The fault has dropped mmap_lock and waited for the disk. Take the lock again and
		 * repeat it.
		 */
		if (fault & VM_FAULT_RETRY) {
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
		/*
		 * The slot could not be read. The owner will get SIGBUS when it uses the page; all
		 * other pages are still brought back.
		 */
		if (fault & VM_FAULT_ERROR) {
			lost = -EIO;
			addr += PAGE_SIZE;
		}
		port_cond_resched();
	}
	return lost;
}

/* Bring back all that one address space has in the area. The caller has a reference to mm_users. */
static int unuse_mm(const struct swap_area *area, struct mm_struct *mm)
{
	bool locked = !down_read_killable(&mm->mmap_lock);
	int err = locked ? unuse_entries(area, mm, &locked) : -EINTR;

	fault_retry_end();
	if (locked)
		up_read(&mm->mmap_lock);
	return err;
}

/*
 * The same for all address spaces. next_user_mm() moves the reference from one to the next, so
 * leaving the loop early must drop it.
 */
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

/*
 * Take the pages out of the swap cache whose slots no entry uses any more. Their contents are in
 * memory only from then on, so they are dirty.
 */
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
			VM_BUG_ON(&swap_areas[swp_type(page_swap_entry(page))] != area);
			SetPageDirty(page);
			delete_from_swap_cache(page);
		}
		unlock_page(page);
		put_page(page);
	}
}

/*
 * If no slot is in use, the area ends: its map is taken away, so that no entry finds it any more,
 * and returned for the caller to free. NULL: slots are still in use. As writable is false, a slot
 * cannot get its first use again, so the check cannot be overtaken.
 */
static unsigned short *end_area(struct swap_area *area)
{
	unsigned short *map = NULL;

	spin_lock(&swap_lock);
	if (!area->inuse) {
		VM_BUG_ON(area->writable || !area->claimed || !area->map);
		map = area->map;
		area->map = NULL;
	}
	spin_unlock(&swap_lock);
	return map;
}

/* ---- Whether there is room ------------------------------------------------------------------ */

/*
 * The most pages that could be brought to memory: free ones, and all that reclaim could possibly
 * free. Anonymous pages count only as far as other areas have slots for them.
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

/*
 * Can the contents of the area fit? If not, trying would only push everything else out of memory.
 */
static bool has_room(const struct swap_area *area)
{
	return slots_in_use(area) <= room();
}

/*
 * Each swapoff is told once. If it was told before and memory is still short, waiting for it does
 * not help, and the caller must look elsewhere.
 */
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

/*
 * One round over all address spaces and shared memory. An unreadable slot (-EIO) does not end the
 * round, as all others must be brought back. 0 does not mean that the area is empty: fork may have
 * copied entries behind us.
 */
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

/*
 * Rounds until no slot is in use; *map is then the caller's to free. Each round only meets what
 * the one before has missed, so the rounds get short.
 */
static int empty_area(struct swap_area *area, unsigned short **map)
{
	int err = has_room(area) ? 0 : -ENOMEM;

	VM_BUG_ON(!area->claimed);
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

/*
 * While on, allocations of this task fail when memory is exhausted, instead of killing another
 * process.
 */
static void set_refusable(bool on)
{
	VM_BUG_ON(on == !!(READ_ONCE(current_vm->flags) & PF_OOM_ORIGIN)); /* does not nest */
	if (on)
		rmw_or_relaxed(&current_vm->flags, PF_OOM_ORIGIN);
	else
		rmw_and_relaxed(&current_vm->flags, ~PF_OOM_ORIGIN);
}

/*
 * give_up is cleared before emptying is set: swapoff_give_up() sets it only while emptying is set,
 * so a request cannot be lost between the two.
 */
static int empty_area_politely(struct swap_area *area, unsigned short **map)
{
	int err;

	VM_BUG_ON(!area->claimed || READ_ONCE(area->emptying));
	set_refusable(true);
	WRITE_ONCE(area->give_up, false);
	WRITE_ONCE(area->emptying, true);
	err = empty_area(area, map);
	WRITE_ONCE(area->emptying, false);
	set_refusable(false);
	return err;
}

/*
 * Find the area of a device or file, claim it, and stop handing out its slots. NULL: there is
 * none, or another swapoff is at work on it.
 */
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
		VM_BUG_ON(!area->writable || READ_ONCE(area->emptying));
		area->claimed = true;
		swap_area_hand_out(area, false);
	}
	spin_unlock(&swap_lock);
	return area;
}

/*
 * The area has ended; its place is still claimed, so no swapon uses it yet. Free its memory and
 * let go of the device. Pages of the file's cache are dropped: its blocks were written past the
 * cache.
 */
static void free_area(struct swap_area *area, unsigned short *map)
{
	VM_BUG_ON(!area->claimed || area->map || area->inuse);
	VM_BUG_ON(READ_ONCE(area->space.nrpages)); /* no slot, no cached page */
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

/* Empty a claimed area and end it, or after a failure hand out its slots again. */
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
	VM_BUG_ON(!area->claimed || area->writable != !!err);
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

/* Rounds for pages that reclaim had in hand; a slot that cannot be read stays in use. */
#define SETTLE_ROUNDS 16

/*
 * Claim the area as swapoff does, if it is in use and nobody has claimed it: until release_area()
 * no slot of it gets its first use.
 */
static bool claim_area(struct swap_area *area)
{
	bool claimed;

	spin_lock(&swap_lock);
	claimed = area->map && !area->claimed;
	if (claimed) {
		area->claimed = true;
		swap_area_hand_out(area, false);
	}
	spin_unlock(&swap_lock);
	return claimed;
}

static void release_area(struct swap_area *area)
{
	spin_lock(&swap_lock);
	VM_BUG_ON(!area->claimed || area->writable);
	swap_area_hand_out(area, true);
	area->claimed = false;
	spin_unlock(&swap_lock);
}

/* A page that kswapd has given a slot but not yet an entry is met by a later round. */
static unsigned long settle_area(struct swap_area *area)
{
	unsigned long inuse = 1;

	VM_BUG_ON(!area->claimed);
	for (unsigned int round = 0; inuse && round < SETTLE_ROUNDS; round++) {
		if (round)
			port_yield();
		(void)empty_once(area); /* what could not be brought back is counted */
		inuse = slots_in_use(area);
	}
	return inuse;
}

unsigned long swap_settle(void)
{
	unsigned long inuse = 0;

	set_refusable(true);
	for (int i = 0; i < MAX_SWAPFILES; i++) {
		struct swap_area *area = &swap_areas[i];

		if (!claim_area(area))
			continue;
		inuse += settle_area(area);
		release_area(area);
	}
	set_refusable(false);
	return inuse;
}
