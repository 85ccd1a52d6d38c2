/* SPDX-License-Identifier: MIT */
/*
 * swap_extent.c: where the slots of a swap file lie on its disk (SW-16).
 *
 *	slots of the area	0    1    2    3    4    5    6
 *	blocks of the file	[aaaa][aaaa][aaaa][b b][cccc][cccc] ...
 *	extents			{0, 3, sector}	bad	{4, 2, sector}
 *
 * swapon asks the file system once for every block (bmap) and keeps runs of slots that lie side by
 * side. From then on transfers go straight to the disk and past the file system. The file system
 * must therefore keep the file as it is: it may not be written, truncated or removed while in use.
 * A slot that does not lie in one piece is bad; a hole refuses the file, as there is no place to
 * write to. A device has one extent, which is not stored.
 *
 * Cost: a transfer looks its extent up by bisection.
 *
 * Locking: none: extents are built before the area is used, and stay until it has ended.
 * Failure: -EINVAL (holes, a size that is too small), -ENOMEM, -EIO; nothing stays behind.
 * Observability: bad slots are missing in /proc/swaps' size.
 */
#include "swap_internal.h"
#include <pagoda/blkdev.h>
#include <pagoda/errno.h>
#include <pagoda/vm_task.h>
#include <pagoda/vmalloc.h>

#define PAGE_SECTORS (PAGE_SIZE >> SECTOR_SHIFT)

/*
 * Find the sector of one page of the file. *sector 0: the blocks of the page do not lie side by
 * side, so one transfer cannot reach them. Returns 0, or -EINVAL if the file has a hole there.
 */
static int page_sector(const struct swap_file *file, unsigned long page, u64 *sector)
{
	unsigned int blocks = (unsigned int)(PAGE_SIZE / file->block_size);
	u64 first = 0;

	VM_BUG_ON(!file->block_size || PAGE_SIZE % file->block_size);
	*sector = 0;
	for (unsigned int i = 0; i < blocks; i++) {
		u64 block = file->mapping->a_ops->bmap(file->mapping, (u64)page * blocks + i);

		if (!block)
			return -EINVAL;
		if (!i)
			first = block;
		else if (block != first + i)
			first = 0;
		if (!first)
			break;
	}
	*sector = first * (file->block_size >> SECTOR_SHIFT);
	return 0;
}

/* Does the page follow the last extent, both in the file and on the disk? */
static bool continues(const struct swap_extent *last, unsigned long page, u64 sector)
{
	VM_BUG_ON(!last->nr);
	return last->first + last->nr == page &&
	       last->sector + (u64)last->nr * PAGE_SECTORS == sector;
}

/*
 * Go through the pages of the file and form extents. The first pass (to is NULL) only counts them,
 * the second one stores them in to, which has room for that many. *nr becomes the number of
 * extents. A file system whose answers change between the passes gets -EINVAL before the array
 * overflows.
 */
static int map_pages(struct swap_area *area, const struct swap_file *file, struct swap_extent *to,
		     unsigned long room, unsigned long *nr)
{
	struct swap_extent last = {0, 0, 0};

	*nr = 0;
	for (unsigned long page = 0; page < area->max; page++) {
		u64 sector;
		int err = port_fatal_signal_pending() ? -EINTR : page_sector(file, page, &sector);

		if (err)
			return err;
		if (!sector)
			continue;
		if (*nr && continues(&last, page, sector)) {
			last.nr++;
		} else {
			last = (struct swap_extent){page, 1, sector};
			++*nr;
		}
		if (to && *nr > room)
			return -EINVAL;
		if (to)
			to[*nr - 1] = last;
		port_cond_resched();
	}
	return 0;
}

/*
 * Mark the slots that lie in no extent as bad. Slot 0, the header, and slots that the header calls
 * bad do not count as usable already.
 */
static void mark_scattered(struct swap_area *area)
{
	unsigned long page = 0;

	VM_BUG_ON(!area->map || !area->extents);
	for (unsigned long i = 0; i <= area->nr_extents; i++) {
		bool end = i == area->nr_extents;

		for (; page < (end ? area->max : area->extents[i].first); page++) {
			area->pages -= page && area->map[page] != SWAP_MAP_BAD;
			area->map[page] = SWAP_MAP_BAD;
		}
		if (!end)
			page += area->extents[i].nr;
	}
}

int swap_map_file(struct swap_area *area, const struct swap_file *file)
{
	unsigned long nr;
	int err;

	VM_BUG_ON(!area->map || area->extents || !file->mapping);
	err = map_pages(area, file, NULL, 0, &nr);
	if (err)
		return err;
	area->extents = vmalloc(max(nr, 1ul) * sizeof(*area->extents));
	if (!area->extents)
		return -ENOMEM;
	err = map_pages(area, file, area->extents, nr, &area->nr_extents);
	if (!err && area->nr_extents != nr)
		err = -EINVAL; /* the file system gave other answers this time */
	if (!err) {
		mark_scattered(area);
		err = area->pages ? 0 : -EINVAL;
	}
	return err;
}

int swap_first_sector(const struct swap_file *file, u64 *sector)
{
	int err;

	*sector = 0;
	if (!file->mapping)
		return 0;
	err = page_sector(file, 0, sector);
	return err || *sector ? err : -EINVAL;
}

/*
 * Bisection: extents[low] begins at or before the slot, extents[high], if there is one, behind it.
 */
const struct swap_extent *swap_extent_of(const struct swap_area *area, unsigned long offset,
					 unsigned int *steps)
{
	unsigned long low = 0, high = area->nr_extents;

	VM_BUG_ON(!area->extents || !area->nr_extents);
	while (high - low > 1) {
		unsigned long middle = low + (high - low) / 2;

		++*steps;
		if (area->extents[middle].first <= offset)
			low = middle;
		else
			high = middle;
	}
	return &area->extents[low];
}

u64 swap_sector(const struct swap_area *area, unsigned long offset)
{
	const struct swap_extent *extent;
	unsigned int steps = 0;

	if (!area->extents)
		return (u64)offset * PAGE_SECTORS;
	extent = swap_extent_of(area, offset, &steps);
	VM_BUG_ON(offset < extent->first || offset - extent->first >= extent->nr); /* a bad slot */
	return extent->sector + (u64)(offset - extent->first) * PAGE_SECTORS;
}
