/* SPDX-License-Identifier: MIT */
/*
 * swapfile.c: swap areas: adding them, and looking at them (thesis chapter 12).
 *
 *	page 0 of the device or file	mkswap's header: version, last page, bad pages, SWAPSPACE2
 *	map[offset]			what becomes of each slot: swap_slots.c
 *
 * swapoff is in swapoff.c.
 *
 * swapon prepares everything that can fail in a private struct swap_area, which nobody else sees:
 * the header is read and checked, map, extents and sets are built. Only then is it copied to its
 * place in swap_areas, under swap_lock, and its slots are handed out:
 *
 *	claim_area	a free place, marked so that no other swapon takes it
 *	blkdev_get	the device is ours alone
 *	load_area	header, map, extents, sets	(may fail: all is undone)
 *	start_area	copied, visible			(cannot fail)
 *
 * Locking: swap_lock guards the areas. While swapon or swapoff works on a place without the lock,
 * the place is claimed, which keeps every other swapon and swapoff away from it.
 * Failure: swapon changes nothing.
 * Observability: /proc/swaps, nr_swap_pages, validate_swap().
 */
#include "swap_internal.h"
#include <pagoda/buffer_head.h>
#include <pagoda/errno.h>
#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>
#include <pagoda/string.h>
#include <pagoda/vmalloc.h>
#include <mm/space/mm_list.h>
#include <asm/pgtable.h>

#define PAGE_SECTORS	(PAGE_SIZE >> SECTOR_SHIFT)
#define HEADER_OFFSET	1024 /* what is before may be a boot loader's */
#define SWAP_VERSION	1
#define SIGNATURE_BYTES 10

/* The header that mkswap(8) writes; it begins HEADER_OFFSET bytes into the first page. */
struct swap_header {
	u32 version, last_page, nr_badpages;
	u8 uuid[16], label[16];
	u32 padding[117];
	u32 badpages[];
};
#define MAX_BADPAGES \
	((PAGE_SIZE - HEADER_OFFSET - sizeof(struct swap_header) - SIGNATURE_BYTES) / sizeof(u32))

struct swap_area swap_areas[MAX_SWAPFILES];
spinlock_t swap_lock = SPIN_LOCK_INIT(RANK_SWAP);
atomic_long_t nr_swap_pages;
long total_swap_pages;

unsigned long nr_usable_slots(void)
{
	return (unsigned long)READ_ONCE(total_swap_pages);
}

static int least_priority; /* (W) of areas that ask for none: -1, -2, ... */

/* ---- swapon (SW-13) -------------------------------------------------------------------------- */

/* Read the first page of the device or file, past any cache. 0, -ENOMEM or -EIO. */
static int read_header(struct block_device *bdev, u64 sector, struct page *page)
{
	struct bio *bio = bio_alloc(bdev, BIO_READ, sector, 1, GFP_KERNEL);
	bool added;
	int err;

	if (!bio)
		return -ENOMEM;
	added = bio_add_page(bio, page, 0, PAGE_SIZE);
	BUG_ON(!added);
	err = submit_bio_wait(bio);
	bio_put(bio);
	return err;
}

/*
 * Check what mkswap wrote, and what anybody else may have written: every number is used as a bound
 * later. device_pages is the size of the device or file.
 */
static bool header_is_good(const u8 *bytes, const struct swap_header *header, u64 device_pages)
{
	if (memcmp(bytes + PAGE_SIZE - SIGNATURE_BYTES, "SWAPSPACE2", SIGNATURE_BYTES) ||
	    header->version != SWAP_VERSION || header->nr_badpages > MAX_BADPAGES)
		return false;
	if (!header->last_page || header->last_page >= device_pages)
		return false;
	/* An entry must be able to say each offset. */
	return swp_offset(swp_entry(0, header->last_page)) == header->last_page;
}

/*
 * Set up the map of a new area: slot 0, the header, and the pages that the header calls bad are
 * never handed out. A page that is listed twice is counted once. -EINVAL: a number is out of
 * range, or no slot is left.
 */
static int mark_bad_pages(struct swap_area *area, const struct swap_header *header)
{
	VM_BUG_ON(!area->map || area->max < 2);
	area->map[0] = SWAP_MAP_BAD;
	area->pages = area->max - 1;
	for (u32 i = 0; i < header->nr_badpages; i++) {
		u32 bad = header->badpages[i];

		if (!bad || bad >= area->max)
			return -EINVAL;
		area->pages -= area->map[bad] != SWAP_MAP_BAD;
		area->map[bad] = SWAP_MAP_BAD;
	}
	return area->pages ? 0 : -EINVAL;
}

/*
 * Build the map that the header asks for, in an area that nobody else sees yet. On failure nothing
 * is left allocated.
 */
static int build_area(struct swap_area *new, const u8 *bytes, u64 device_pages)
{
	const struct swap_header *header = (const void *)(bytes + HEADER_OFFSET);
	int err;

	VM_BUG_ON(new->map);
	if (!header_is_good(bytes, header, device_pages))
		return -EINVAL;
	new->max = header->last_page + 1ul;
	new->map = vmalloc(new->max * sizeof(*new->map));
	if (!new->map)
		return -ENOMEM;
	memset(new->map, 0, new->max * sizeof(*new->map));
	err = mark_bad_pages(new, header);
	if (err)
		vfree(new->map);
	return err;
}

/*
 * Find a free place for an area and claim it. -EPERM: all places are taken; -EBUSY: the file is
 * swapped to already. A device is checked by its own claim (blkdev_get()).
 */
static int claim_area(const struct address_space *file, struct swap_area **parea)
{
	int err = -EPERM;

	spin_lock(&swap_lock);
	for (int i = 0; file && i < MAX_SWAPFILES; i++)
		if (swap_areas[i].map && swap_areas[i].file == file)
			err = -EBUSY;
	for (int i = 0; i < MAX_SWAPFILES && err == -EPERM; i++)
		if (!swap_areas[i].map && !swap_areas[i].claimed) {
			*parea = &swap_areas[i];
			VM_BUG_ON((*parea)->inuse || (*parea)->writable);
			(*parea)->claimed = true;
			err = 0;
		}
	spin_unlock(&swap_lock);
	return err;
}

/* The free slots of the area join nr_swap_pages, or leave it (A2 of swap_slots.c). */
void swap_area_hand_out(struct swap_area *area, bool on)
{
	long sign = on ? 1 : -1;

	lockdep_assert_held(&swap_lock);
	VM_BUG_ON(area->writable == on || area->inuse > area->pages);
	area->writable = on;
	atomic_long_add(&nr_swap_pages, sign * (long)(area->pages - area->inuse));
	WRITE_ONCE(total_swap_pages, total_swap_pages + sign * (long)area->pages);
}

/* Copy the finished area to its place and hand out its slots. Cannot fail. */
static void start_area(struct swap_area *area, const struct swap_area *new)
{
	swap_cache_init(area);
	spin_lock(&swap_lock);
	VM_BUG_ON(!area->claimed || area->map || !new->map || !new->sets);
	area->max = new->max;
	area->pages = new->pages;
	area->bdev = new->bdev;
	area->file = new->file;
	area->extents = new->extents;
	area->nr_extents = new->nr_extents;
	memcpy(area->name, new->name, sizeof(area->name));
	area->priority = new->priority >= 0 ? new->priority : --least_priority;
	area->inuse = 0;
	area->next = 1;
	area->next_group = 0;
	area->map = new->map;
	area->sets = new->sets;
	area->free_slots = new->free_slots;
	area->free_groups = new->free_groups;
	area->claimed = false;
	swap_area_hand_out(area, true);
	spin_unlock(&swap_lock);
}

/* Copy as much of the name as fits, with a final zero byte. size is in bytes. */
static void copy_name(char *to, size_t size, const char *name)
{
	size_t n = min(strlen(name), size - 1);

	VM_BUG_ON(!size);
	memcpy(to, name, n);
	to[n] = 0;
}

/*
 * Read the header and build map, extents and sets of a new area. On failure nothing is left
 * allocated.
 */
static int load_area(struct swap_area *new, const struct swap_file *file)
{
	struct page *page = alloc_page(GFP_KERNEL);
	u64 sector;
	int err;

	if (!page)
		return -ENOMEM;
	err = swap_first_sector(file, &sector);
	if (!err)
		err = read_header(new->bdev, sector, page);
	if (!err)
		err = build_area(new, page_address(page), file->size / PAGE_SIZE);
	__free_page(page);
	if (err)
		return err;
	if (file->mapping)
		err = swap_map_file(new, file);
	if (!err)
		err = swap_build_sets(new);
	if (err) {
		vfree(new->extents); /* NULL for a device, which vfree() accepts */
		vfree(new->map);
	}
	return err;
}

/*
 * Write what the caches hold of the device or file, and drop it: the slots are written past the
 * caches, and a dirty page that was written later would overwrite them.
 */
static int flush_caches(const struct swap_file *file)
{
	int err;

	if (!file->mapping) {
		set_blocksize(file->bdev, 0);
		return 0;
	}
	err = filemap_write_and_wait(file->mapping);
	/* a page that stays is clean, and nobody reads the file now */
	(void)invalidate_mapping_pages(file->mapping, 0, ~0ul);
	return err;
}

/* swapon has failed: the place is free for others again. */
static void unclaim_area(struct swap_area *area)
{
	spin_lock(&swap_lock);
	VM_BUG_ON(!area->claimed || area->map);
	area->claimed = false;
	spin_unlock(&swap_lock);
}

/*
 * The steps are undone in reverse order. A device is claimed for the area alone; a file's device
 * has a mounted file system on it, so it only gets one more user.
 */
int sys_swapon_file(const struct swap_file *file, const char *name, int flags)
{
	struct swap_area new = {.bdev = file->bdev, .file = file->mapping, .priority = -1}, *area;
	int err;

	if (flags & ~(SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK))
		return -EINVAL;
	if (flags & SWAP_FLAG_PREFER)
		new.priority = flags &SWAP_FLAG_PRIO_MASK;
	copy_name(new.name, sizeof(new.name), name);
	err = claim_area(file->mapping, &area);
	if (err)
		return err;
	err = blkdev_get(file->bdev, file->mapping ? NULL : area);
	if (err)
		goto out_area;
	err = flush_caches(file);
	if (!err)
		err = load_area(&new, file);
	if (err)
		goto out_bdev;
	start_area(area, &new);
	if (!file->mapping)
		WRITE_ONCE(file->bdev->bd_swap, true);
	return 0;
out_bdev:
	blkdev_put(file->bdev, file->mapping ? NULL : area);
out_area:
	unclaim_area(area);
	return err;
}

/* A device is a swap file without a mapping: its slots lie on it from sector 0 on. */
int sys_swapon_bdev(struct block_device *bdev, const char *name, int flags)
{
	struct swap_file device = {.bdev = bdev, .size = bdev->nr_sectors << SECTOR_SHIFT};

	return sys_swapon_file(&device, name, flags);
}

/* ---- Looking --------------------------------------------------------------------------------- */

bool swap_area_info(unsigned int n, struct swap_area_info *info)
{
	struct swap_area *area = NULL;

	spin_lock(&swap_lock);
	for (int i = 0; i < MAX_SWAPFILES && !area; i++)
		if (swap_areas[i].map && n-- == 0)
			area = &swap_areas[i];
	if (area) {
		memcpy(info->name, area->name, sizeof(info->name));
		info->size_pages = area->pages;
		info->used_pages = area->inuse;
		info->priority = area->priority;
		info->file = area->file;
	}
	spin_unlock(&swap_lock);
	return area;
}

unsigned long swap_map_pages(void)
{
	unsigned long nr = 0;

	spin_lock(&swap_lock);
	for (int i = 0; i < MAX_SWAPFILES; i++)
		if (swap_areas[i].map)
			nr += (PAGE_ALIGN(swap_areas[i].max * sizeof(*swap_areas[i].map)) +
			       PAGE_ALIGN(swap_set_bytes(swap_areas[i].max))) >>
			      PAGE_SHIFT;
	spin_unlock(&swap_lock);
	return nr;
}

/* Entries of one slot in all address spaces and in shared memory. Nothing may move meanwhile. */
static unsigned long count_entries(swp_entry_t wanted)
{
	struct mm_struct *mm = NULL;
	unsigned long nr = shmem_count_slot(wanted);

	while ((mm = next_user_mm(mm))) {
		unsigned long addr = 0;
		swp_entry_t entry;

		for (; next_swap_entry(mm, &addr, &entry); addr += PAGE_SIZE)
			nr += entry.val == wanted.val;
	}
	return nr;
}

/* Does the map word of a slot agree with the swap cache (S1) and with the entries that exist? */
static void validate_slot(struct swap_area *area, unsigned long offset)
{
	swp_entry_t entry = swp_entry((unsigned long)(area - swap_areas), offset);
	unsigned short word = area->map[offset];
	struct page *page = find_get_page(&area->space, offset);

	BUG_ON(!page != !(word & SWAP_HAS_CACHE));
	BUG_ON(page && (!PageSwapCache(page) || page_swap_entry(page).val != entry.val));
	if (page)
		put_page(page);
	if (word)
		BUG_ON((unsigned long)swap_count(entry) != count_entries(entry));
}

void validate_swap(void)
{
	long nr_free = 0;

	for (int i = 0; i < MAX_SWAPFILES; i++) {
		struct swap_area *area = &swap_areas[i];
		unsigned long inuse = 0, cached = 0;

		if (!area->map)
			continue;
		for (unsigned long offset = 1; offset < area->max; offset++) {
			offset = swap_next_used(area, offset);
			if (offset >= area->max || area->map[offset] == SWAP_MAP_BAD)
				continue;
			validate_slot(area, offset);
			inuse += area->map[offset] != 0;
			cached += area->map[offset] & SWAP_HAS_CACHE ? 1 : 0;
		}
		BUG_ON(inuse != area->inuse);
		/* no page is cached of a slot that is free */
		BUG_ON(cached != area->space.nrpages);
		spin_lock(&swap_lock);
		swap_validate_sets(area);
		spin_unlock(&swap_lock);
		nr_free += area->writable ? (long)(area->pages - inuse) : 0;
	}
	BUG_ON(nr_free != atomic_long_read(&nr_swap_pages));
}
