/* SPDX-License-Identifier: MIT */
/*
 * swapfile.c: swap areas and their slots: handing out, counting, adding areas (thesis chapter 12).
 *
 *	page 0 of the device or file	mkswap's header: version, last page, bad pages, SWAPSPACE2
 *	map[offset]		0 free; uses by entries, | SWAP_HAS_CACHE, | failed writes; SWAP_MAP_BAD
 *
 * Which area: the highest priority that has a free slot, in turn among equals. Which slot: the
 * pages of a group of SLOT_GROUP addresses get the slots of one group, so that neighbours come
 * back in one transfer whatever the order in which they went (FX-12). A small table
 * remembers the slots of recent groups; it is a hint, a lost one costs locality only:
 *
 *	(anon_vma, index / 8) -> first slot of a group that was free; page goes to its index % 8
 *
 * If no group is free, any slot will do, from where the last one was.
 *
 * A count that reaches SWAP_MAP_MAX stays there: the slot is never free again (SW-05).
 *
 * A slot that could not be written three times, or whose page was lost as it could not be read,
 * is given up: its page stays in memory until it has another (swap_prepare_unmap()), or those who
 * have its entry have come for it; with its last use the slot is SWAP_MAP_BAD, for as long as the
 * area is in use.
 *
 * swapoff is in swapoff.c.
 *
 * Locking: swap_lock guards maps, areas and hints; it is taken under page_table_lock. One
 * swapon or swapoff of a device at a time: it is claimed.
 * Invariants: (A1) inuse is the number of map words that are neither 0 nor BAD, bad ones
 * apart; (A2) nr_swap_pages is the sum of pages - inuse over writable areas.
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
#include "vma_internal.h"

#define PAGE_SECTORS	(PAGE_SIZE >> SECTOR_SHIFT)
#define NR_HINTS	512u /* groups whose slots are remembered */
#define GROUPS_TO_TRY	64   /* in the search for a free one */
#define HEADER_OFFSET	1024 /* what is before may be a boot loader's */
#define SWAP_VERSION	1
#define SIGNATURE_BYTES 10

/* mkswap's header. */
struct swap_header {
	u32 version, last_page, nr_badpages;
	u8 uuid[16], label[16];
	u32 padding[117];
	u32 badpages[];
};
#define MAX_BADPAGES                                                                               \
	((PAGE_SIZE - HEADER_OFFSET - sizeof(struct swap_header) - SIGNATURE_BYTES) / sizeof(u32))

struct swap_area swap_areas[MAX_SWAPFILES];
spinlock_t swap_lock = SPIN_LOCK_INIT(RANK_SWAP);
atomic_long_t nr_swap_pages;
long total_swap_pages;

static unsigned int last_area; /* (W) whose turn it was */
static int least_priority;     /* (W) of areas that ask for none: -1, -2, ... (W) */
static struct slot_hint {
	unsigned long key;
	unsigned int area;
	unsigned long group;
} hints[NR_HINTS]; /* (W) */

/* ---- Slots --------------------------------------------------------------------------------- */

struct swap_area *swap_entry_area(swp_entry_t entry)
{
	struct swap_area *area = &swap_areas[swp_type(entry)];
	unsigned long offset = swp_offset(entry);

	lockdep_assert_held(&swap_lock);
	if (!area->map || !offset || offset >= area->max || area->map[offset] == SWAP_MAP_BAD)
		return NULL;
	return area;
}

/* Nobody uses the slot: it is free, or bad if it was given up. */
void swap_slot_unused(struct swap_area *area, unsigned long offset)
{
	unsigned short failures = area->map[offset];

	lockdep_assert_held(&swap_lock);
	BUG_ON(failures & ~SWAP_FAILURES);
	area->inuse--;
	if (failures == SWAP_FAILURES) {
		area->map[offset] = SWAP_MAP_BAD;
		area->pages--;
		__atomic_store_n(&total_swap_pages, total_swap_pages - area->writable, __ATOMIC_RELAXED);
		pr_warn("swap: slot %lu of %s cannot be written\n", offset, area->name);
		return;
	}
	area->map[offset] = 0;
	if (area->writable)
		atomic_long_inc(&nr_swap_pages);
}

bool swap_slot_failed(swp_entry_t entry)
{
	struct swap_area *area;
	bool given_up = true;

	spin_lock(&swap_lock);
	area = swap_entry_area(entry);
	if (area) {
		unsigned short *word = &area->map[swp_offset(entry)];

		if ((*word & SWAP_FAILURES) != SWAP_FAILURES)
			*word += SWAP_FAILURE;
		given_up = (*word & SWAP_FAILURES) == SWAP_FAILURES;
	}
	spin_unlock(&swap_lock);
	return given_up;
}

void swap_give_up_slot(swp_entry_t entry)
{
	while (!swap_slot_failed(entry))
		;
}

bool swap_slot_given_up(swp_entry_t entry)
{
	struct swap_area *area;
	bool given_up;

	spin_lock(&swap_lock);
	area = swap_entry_area(entry);
	given_up = area && (area->map[swp_offset(entry)] & SWAP_FAILURES) == SWAP_FAILURES;
	spin_unlock(&swap_lock);
	return given_up;
}

bool swap_slot_takes_entries(swp_entry_t entry)
{
	struct swap_area *area;
	bool takes;

	spin_lock(&swap_lock);
	area = swap_entry_area(entry);
	takes = area && area->writable && (area->map[swp_offset(entry)] & SWAP_FAILURES) != SWAP_FAILURES;
	spin_unlock(&swap_lock);
	return takes;
}

static bool has_free_slot(const struct swap_area *area)
{
	return area->writable && area->inuse < area->pages;
}

/* Whose turn it is; NULL: all are full. */
static struct swap_area *choose_area(void)
{
	struct swap_area *best = NULL;

	for (unsigned int i = 1; i <= MAX_SWAPFILES; i++) {
		struct swap_area *area = &swap_areas[(last_area + i) % MAX_SWAPFILES];

		if (has_free_slot(area) && (!best || area->priority > best->priority))
			best = area;
	}
	if (best)
		last_area = (unsigned int)(best - swap_areas);
	return best;
}

static bool group_is_free(const struct swap_area *area, unsigned long group)
{
	for (unsigned long i = 0; i < SLOT_GROUP; i++)
		if (area->map[group + i])
			return false;
	return true;
}

/* The first slot of a free group, or 0. */
static unsigned long find_free_group(struct swap_area *area)
{
	for (int tries = 0; tries < GROUPS_TO_TRY; tries++) {
		unsigned long group = area->next_group;

		if (group + SLOT_GROUP > area->max) {
			area->next_group = SLOT_GROUP; /* the first has the header */
			continue;
		}
		area->next_group += SLOT_GROUP;
		if (group_is_free(area, group))
			return group;
	}
	return 0;
}

/* Any free slot of an area that has one, going on from the last. */
static unsigned long find_free_slot(struct swap_area *area)
{
	unsigned long offset = area->next;

	for (unsigned long left = area->max; left; left--, offset++) {
		if (offset >= area->max)
			offset = 1;
		if (!area->map[offset]) {
			area->next = offset + 1;
			return offset;
		}
	}
	BUG(); /* (A1) */
}

static swp_entry_t take_slot(struct swap_area *area, unsigned long offset)
{
	BUG_ON(area->map[offset]);
	area->map[offset] = 1;
	area->inuse++;
	atomic_long_dec(&nr_swap_pages);
	return swp_entry((unsigned long)(area - swap_areas), offset);
}

static bool hinted_slot_is_free(const struct slot_hint *hint, unsigned long key, unsigned long slot)
{
	const struct swap_area *area = &swap_areas[hint->area];

	return hint->key == key && area->writable && hint->group + slot < area->max &&
	       !area->map[hint->group + slot];
}

/* Neighbouring groups of one object have neighbouring hints: they never push each other out. */
static struct slot_hint *hint_of(const struct page *page)
{
	unsigned long object = (u32)((unsigned long)page->mapping >> 4) * 0x9e3779b1u >> 16;

	return &hints[(object + page->index / SLOT_GROUP) % NR_HINTS];
}

swp_entry_t get_swap_page_near(const struct page *page)
{
	unsigned long slot = page->index % SLOT_GROUP;
	unsigned long key = (unsigned long)page->mapping + page->index / SLOT_GROUP * 0x9e3779b1ul;
	struct slot_hint *hint = hint_of(page);
	swp_entry_t entry = { 0 };
	struct swap_area *area;

	spin_lock(&swap_lock);
	if (hinted_slot_is_free(hint, key, slot)) {
		entry = take_slot(&swap_areas[hint->area], hint->group + slot);
	} else if ((area = choose_area())) {
		unsigned long group = find_free_group(area);

		if (group)
			*hint = (struct slot_hint){ key, (unsigned int)(area - swap_areas), group };
		entry = take_slot(area, group ? group + slot : find_free_slot(area));
	}
	spin_unlock(&swap_lock);
	return entry;
}

swp_entry_t get_swap_page(void)
{
	swp_entry_t entry = { 0 };
	struct swap_area *area;

	spin_lock(&swap_lock);
	area = choose_area();
	if (area)
		entry = take_slot(area, find_free_slot(area));
	spin_unlock(&swap_lock);
	return entry;
}

bool swap_duplicate(swp_entry_t entry)
{
	struct swap_area *area;
	bool ok;

	spin_lock(&swap_lock);
	area = swap_entry_area(entry);
	ok = area && area->map[swp_offset(entry)];
	if (ok && swap_uses(area->map[swp_offset(entry)]) < SWAP_MAP_MAX)
		area->map[swp_offset(entry)]++;
	spin_unlock(&swap_lock);
	return ok;
}

void swap_free(swp_entry_t entry)
{
	unsigned long offset = swp_offset(entry);
	struct swap_area *area;

	spin_lock(&swap_lock);
	area = swap_entry_area(entry);
	if (!WARN_ON_ONCE(!area || !swap_uses(area->map[offset])) &&
	    swap_uses(area->map[offset]) < SWAP_MAP_MAX && !(--area->map[offset] & ~SWAP_FAILURES))
		swap_slot_unused(area, offset);
	spin_unlock(&swap_lock);
}

int swap_count(swp_entry_t entry)
{
	struct swap_area *area;
	int count;

	spin_lock(&swap_lock);
	area = swap_entry_area(entry);
	count = area ? (int)swap_uses(area->map[swp_offset(entry)]) : 0;
	spin_unlock(&swap_lock);
	return count;
}

/* ---- swapon (SW-13) ----------------------------------------------------------------------------- */

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

static int mark_bad_pages(struct swap_area *area, const struct swap_header *header)
{
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

/* The map that the header asks for, in a form not yet seen by anybody. */
static int build_area(struct swap_area *new, const u8 *bytes, u64 device_pages)
{
	const struct swap_header *header = (const void *)(bytes + HEADER_OFFSET);
	int err;

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

/* -EPERM: all are taken; -EBUSY: the file is in use. */
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
			(*parea)->claimed = true;
			err = 0;
		}
	spin_unlock(&swap_lock);
	return err;
}

void swap_area_hand_out(struct swap_area *area, bool on)
{
	long sign = on ? 1 : -1;

	area->writable = on;
	atomic_long_add(&nr_swap_pages, sign * (long)(area->pages - area->inuse));
	__atomic_store_n(&total_swap_pages, total_swap_pages + sign * (long)area->pages,
			 __ATOMIC_RELAXED);
}

static void start_area(struct swap_area *area, const struct swap_area *new)
{
	swap_cache_init(area);
	spin_lock(&swap_lock);
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
	area->next_group = SLOT_GROUP;
	area->map = new->map;
	area->claimed = false;
	swap_area_hand_out(area, true);
	spin_unlock(&swap_lock);
}

static void copy_name(char *to, size_t size, const char *name)
{
	size_t n = min(strlen(name), size - 1);

	memcpy(to, name, n);
	to[n] = 0;
}

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
	if (!err && file->mapping) {
		err = swap_map_file(new, file);
		if (err)
			vfree(new->map);
	}
	return err;
}

/* What was written to it before is on the disk then, and nothing stays cached. */
static int flush_caches(const struct swap_file *file)
{
	int err;

	if (!file->mapping) {
		set_blocksize(file->bdev, 0);
		return 0;
	}
	err = filemap_write_and_wait(file->mapping);
	(void)invalidate_mapping_pages(file->mapping, 0, ~0ul); /* nobody reads what stays */
	return err;
}

static void unclaim_area(struct swap_area *area)
{
	spin_lock(&swap_lock);
	area->claimed = false;
	spin_unlock(&swap_lock);
}

int sys_swapon_file(const struct swap_file *file, const char *name, int flags)
{
	struct swap_area new = { .bdev = file->bdev, .file = file->mapping, .priority = -1 }, *area;
	int err;

	if (flags & ~(SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK))
		return -EINVAL;
	if (flags & SWAP_FLAG_PREFER)
		new.priority = flags & SWAP_FLAG_PRIO_MASK;
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

int sys_swapon_bdev(struct block_device *bdev, const char *name, int flags)
{
	struct swap_file device = { .bdev = bdev, .size = bdev->nr_sectors << SECTOR_SHIFT };

	return sys_swapon_file(&device, name, flags);
}

/* ---- Looking ------------------------------------------------------------------------------------------ */

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
			nr += PAGE_ALIGN(swap_areas[i].max * sizeof(*swap_areas[i].map)) >> PAGE_SHIFT;
	spin_unlock(&swap_lock);
	return nr;
}

/* Entries of one slot in all address spaces. */
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
		BUG_ON(swap_uses(word) != SWAP_MAP_MAX && swap_uses(word) != count_entries(entry));
}

void validate_swap(void)
{
	long nr_free = 0;

	for (int i = 0; i < MAX_SWAPFILES; i++) {
		struct swap_area *area = &swap_areas[i];
		unsigned long inuse = 0;

		if (!area->map)
			continue;
		for (unsigned long offset = 1; offset < area->max; offset++) {
			if (area->map[offset] == SWAP_MAP_BAD)
				continue;
			validate_slot(area, offset);
			inuse += area->map[offset] != 0;
		}
		BUG_ON(inuse != area->inuse);
		nr_free += area->writable ? (long)(area->pages - inuse) : 0;
	}
	BUG_ON(nr_free != atomic_long_read(&nr_swap_pages));
}
