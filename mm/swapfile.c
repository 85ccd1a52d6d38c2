/* SPDX-License-Identifier: MIT */
/*
 * swapfile.c: swap areas and their slots: handing out, counting, adding and emptying areas
 * (thesis chapter 12).
 *
 *	page 0 of the device	mkswap's header: version, last page, bad pages, SWAPSPACE2
 *	map[offset]		0 free; uses by entries, | SWAP_HAS_CACHE; SWAP_MAP_BAD
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
 * swapoff stops handing out slots, then lets every address space fault in what it has there,
 * until a round finds nothing in use. New uses only come from old ones (fork), so it ends
 * when forks do not outrun it. Faults meanwhile just work.
 *
 * Locking: swap_lock guards maps, areas and hints; it is taken under page_table_lock. One
 * swapon or swapoff of a device at a time: it is claimed.
 * Invariants: (A1) inuse is the number of map words that are neither 0 nor BAD, bad ones
 * apart; (A2) nr_swap_pages is the sum of pages - inuse over writable areas.
 * Failure: swapon changes nothing; swapoff that lacks memory, or cannot read, leaves the area
 * in use as before. A slot whose uses overflowed is -EBUSY.
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

void swap_slot_freed(struct swap_area *area)
{
	lockdep_assert_held(&swap_lock);
	area->inuse--;
	if (area->writable)
		atomic_long_inc(&nr_swap_pages);
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

swp_entry_t get_swap_page_near(const struct page *page)
{
	unsigned long slot = page->index % SLOT_GROUP;
	unsigned long key = (unsigned long)page->mapping + page->index / SLOT_GROUP * 0x9e3779b1ul;
	struct slot_hint *hint = &hints[(key ^ key >> 9) % NR_HINTS];
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

static unsigned int uses(unsigned short word)
{
	return word & (SWAP_HAS_CACHE - 1u);
}

bool swap_duplicate(swp_entry_t entry)
{
	struct swap_area *area;
	bool ok;

	spin_lock(&swap_lock);
	area = swap_entry_area(entry);
	ok = area && area->map[swp_offset(entry)];
	if (ok && uses(area->map[swp_offset(entry)]) < SWAP_MAP_MAX)
		area->map[swp_offset(entry)]++;
	spin_unlock(&swap_lock);
	return ok;
}

void swap_free(swp_entry_t entry)
{
	struct swap_area *area;

	spin_lock(&swap_lock);
	area = swap_entry_area(entry);
	if (!WARN_ON_ONCE(!area || !uses(area->map[swp_offset(entry)])) &&
	    uses(area->map[swp_offset(entry)]) < SWAP_MAP_MAX && !--area->map[swp_offset(entry)])
		swap_slot_freed(area);
	spin_unlock(&swap_lock);
}

int swap_count(swp_entry_t entry)
{
	struct swap_area *area;
	int count;

	spin_lock(&swap_lock);
	area = swap_entry_area(entry);
	count = area ? (int)uses(area->map[swp_offset(entry)]) : 0;
	spin_unlock(&swap_lock);
	return count;
}

/* ---- swapon (SW-13) ----------------------------------------------------------------------------- */

static int read_header(struct block_device *bdev, struct page *page)
{
	struct bio *bio = bio_alloc(bdev, BIO_READ, 0, 1, GFP_KERNEL);
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

/* -EPERM: all are taken. */
static int claim_area(struct swap_area **parea)
{
	int err = -EPERM;

	spin_lock(&swap_lock);
	for (int i = 0; i < MAX_SWAPFILES && err; i++)
		if (!swap_areas[i].map && !swap_areas[i].claimed) {
			*parea = &swap_areas[i];
			(*parea)->claimed = true;
			err = 0;
		}
	spin_unlock(&swap_lock);
	return err;
}

/* swap_lock held. */
static void hand_out(struct swap_area *area, bool on)
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
	memcpy(area->name, new->name, sizeof(area->name));
	area->priority = new->priority >= 0 ? new->priority : --least_priority;
	area->inuse = 0;
	area->next = 1;
	area->next_group = SLOT_GROUP;
	area->map = new->map;
	area->claimed = false;
	hand_out(area, true);
	spin_unlock(&swap_lock);
}

static void copy_name(char *to, size_t size, const char *name)
{
	size_t n = min(strlen(name), size - 1);

	memcpy(to, name, n);
	to[n] = 0;
}

static int load_area(struct swap_area *new)
{
	struct page *page = alloc_page(GFP_KERNEL);
	int err;

	if (!page)
		return -ENOMEM;
	err = read_header(new->bdev, page);
	if (!err)
		err = build_area(new, page_address(page), new->bdev->nr_sectors / PAGE_SECTORS);
	__free_page(page);
	return err;
}

int sys_swapon_bdev(struct block_device *bdev, const char *name, int flags)
{
	struct swap_area new = { .bdev = bdev, .priority = -1 }, *area;
	int err;

	if (flags & ~(SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK))
		return -EINVAL;
	if (flags & SWAP_FLAG_PREFER)
		new.priority = flags & SWAP_FLAG_PRIO_MASK;
	copy_name(new.name, sizeof(new.name), name);
	err = claim_area(&area);
	if (err)
		return err;
	err = blkdev_get(bdev, area);
	if (err)
		goto out_area;
	set_blocksize(bdev, 0); /* what was written to its file is there, and nothing stays cached */
	err = load_area(&new);
	if (err)
		goto out_bdev;
	start_area(area, &new);
	return 0;
out_bdev:
	blkdev_put(bdev, area);
out_area:
	spin_lock(&swap_lock);
	area->claimed = false;
	spin_unlock(&swap_lock);
	return err;
}

/* ---- swapoff (SW-15) ------------------------------------------------------------------------------- */

bool next_swap_entry(struct mm_struct *mm, unsigned long *addr, swp_entry_t *entry)
{
	bool found = false;
	pmd_t *pmd;

	spin_lock(&mm->page_table_lock);
	while (!found && (pmd = next_pmd(mm, addr, TASK_SIZE))) {
		unsigned long end = pmd_addr_end(*addr, TASK_SIZE);

		for (pte_t *ptep = pte_offset(pmd, *addr); *addr < end; ptep++, *addr += PAGE_SIZE) {
			pte_t pte = ptep_get(ptep);

			if (pte_present(pte) || pte_none(pte))
				continue;
			*entry = pte_to_swp_entry(pte);
			found = true;
			break;
		}
	}
	spin_unlock(&mm->page_table_lock);
	return found;
}

/* Fault in what one address space has in the area. 0 or -errno. mmap_lock held. */
static int unuse_mm(const struct swap_area *area, struct mm_struct *mm)
{
	unsigned long addr = 0;
	swp_entry_t entry;

	while (next_swap_entry(mm, &addr, &entry)) {
		vm_fault_t fault;

		if (port_fatal_signal_pending())
			return -EINTR;
		if (&swap_areas[swp_type(entry)] != area) {
			addr += PAGE_SIZE;
			continue;
		}
		fault = handle_mm_fault(find_vma(mm, addr), addr, 0);
		if (fault & VM_FAULT_ERROR)
			return fault & VM_FAULT_OOM ? -ENOMEM : -EIO;
		port_cond_resched();
	}
	return 0;
}

static int unuse_all_mms(const struct swap_area *area)
{
	struct mm_struct *mm = NULL;
	int err = 0;

	while ((mm = next_user_mm(mm))) {
		down_read(&mm->mmap_lock);
		err = unuse_mm(area, mm);
		up_read(&mm->mmap_lock);
		if (err) {
			mmput(mm);
			break;
		}
	}
	return err;
}

/* Pages that only the cache holds in a slot. */
static void drop_cache(struct swap_area *area)
{
	for (unsigned long offset = 1; offset < area->max; offset++) {
		struct page *page = find_get_page(&area->space, offset);

		if (!page)
			continue;
		lock_page(page);
		if (PageSwapCache(page) && !swap_count(page_swap_entry(page))) {
			SetPageDirty(page);
			delete_from_swap_cache(page);
		}
		unlock_page(page);
		put_page(page);
		port_cond_resched();
	}
}

static bool has_pinned_slot(const struct swap_area *area)
{
	bool pinned = false;

	spin_lock(&swap_lock);
	for (unsigned long offset = 1; offset < area->max && !pinned; offset++)
		pinned = area->map[offset] != SWAP_MAP_BAD && uses(area->map[offset]) == SWAP_MAP_MAX;
	spin_unlock(&swap_lock);
	return pinned;
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

static int empty_area(struct swap_area *area, unsigned short **map)
{
	int err = has_pinned_slot(area) ? -EBUSY : 0;

	*map = NULL;
	while (!err) {
		err = unuse_all_mms(area);
		if (err)
			break;
		drop_cache(area);
		*map = end_area(area);
		if (*map)
			break;
		if (port_fatal_signal_pending())
			err = -EINTR;
		else if (has_pinned_slot(area))
			err = -EBUSY;
		port_yield();
	}
	return err;
}

static struct swap_area *claim_used_area(const struct block_device *bdev)
{
	struct swap_area *area = NULL;

	spin_lock(&swap_lock);
	for (int i = 0; i < MAX_SWAPFILES; i++)
		if (swap_areas[i].map && swap_areas[i].bdev == bdev && !swap_areas[i].claimed)
			area = &swap_areas[i];
	if (area) {
		area->claimed = true;
		hand_out(area, false);
	}
	spin_unlock(&swap_lock);
	return area;
}

int sys_swapoff_bdev(struct block_device *bdev)
{
	struct swap_area *area = claim_used_area(bdev);
	unsigned short *map;
	int err;

	if (!area)
		return -EINVAL;
	err = empty_area(area, &map);
	if (!err) {
		vfree(map);
		blkdev_put(bdev, area);
	}
	spin_lock(&swap_lock);
	if (err)
		hand_out(area, true);
	area->claimed = false;
	spin_unlock(&swap_lock);
	return err;
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
	}
	spin_unlock(&swap_lock);
	return area;
}

/* Entries of one slot in all address spaces. */
static unsigned long count_entries(swp_entry_t wanted)
{
	struct mm_struct *mm = NULL;
	unsigned long nr = 0;

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
		BUG_ON(uses(word) != SWAP_MAP_MAX && uses(word) != count_entries(entry));
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
