/* SPDX-License-Identifier: MIT */
/* swap_internal.h: what the files of swap share: areas, their slots, and the transfers. */
#pragma once

#include "swap_entries.h"
#include <lib/index_set.h>
#include <pagoda/bug.h>
#include <pagoda/swap.h>

/* Slots that neighbouring addresses share, so that they come back in one read (FX-12). */
#define SLOT_GROUP 8ul
#define SLOT_SCAN_MAX \
	16384ul /* slots that swap_next_used() looks at in one go: some 10,000 instructions */

/* Slots [first, first + nr) lie on the disk from sector on. */
struct swap_extent {
	unsigned long first, nr;
	u64 sector;
};

struct swap_area {
	/* (W) swap_lock. */
	unsigned short *map;	/* (W) uses of each slot; NULL: the area is not in use */
	bool writable;		/* (W) slots may be handed out; not while swapoff empties it */
	bool claimed;		/* (W) swapon or swapoff is at it */
	bool emptying, give_up; /* swapoff is at work; it is to leave, memory is short */
	int priority;		/* (C) while in use */
	unsigned long max;	/* (C) slots, with the header's */
	unsigned long pages;	/* (C) usable ones */
	unsigned long inuse;	/* (W) */
	void *sets;		/* (C) the memory of these two: */
	struct index_set free_slots, free_groups; /* (W) */
	unsigned long next, next_group; /* (W) where to look for a free slot, a free group */
	struct block_device *bdev;	/* (C) */
	struct address_space *file;	/* (C) whose blocks the slots are; NULL: the device's */
	struct swap_extent *extents;	/* (C) in order of slots; NULL: the device from its start */
	unsigned long nr_extents;	/* (C) */
	char name[64];			/* (C) */
	struct address_space space;	/* the swap cache: offset -> page */
};

extern struct swap_area swap_areas[MAX_SWAPFILES];
extern spinlock_t swap_lock; /* RANK_SWAP */

/* The area and map word of an entry, or NULL if there is none such. swap_lock held. */
struct swap_area *swap_entry_area(swp_entry_t entry);

/*
 * swap_extent.c: find where a file's slots lie, when max and map of the new area are known. 0 or
 * -errno; the caller frees area->extents then, if there are any. May sleep.
 */
int swap_map_file(struct swap_area *area, const struct swap_file *file) __must_check;
/* Where the header lies: 0, -EINVAL. May sleep. */
int swap_first_sector(const struct swap_file *file, u64 *sector) __must_check;
/*
 * The extent of a slot of an area that has extents; *steps grows by the extents that were looked
 * at.
 */
const struct swap_extent *swap_extent_of(const struct swap_area *area, unsigned long offset,
					 unsigned int *steps);
/* Where a slot lies. */
u64 swap_sector(const struct swap_area *area, unsigned long offset);

/* Words of the sets that searches for free slots have looked at, ever. (W) */
extern unsigned long swap_words_searched;

/* Bytes that the sets of free slots of an area take, beside its map. */
size_t swap_set_bytes(unsigned long max);
/*
 * Build the sets of an area that nobody sees yet, when its map is complete. 0, -ENOMEM. May sleep.
 */
int swap_build_sets(struct swap_area *area) __must_check;
/* Do the sets say what the map says? Panics if not. swap_lock held. */
void swap_validate_sets(const struct swap_area *area);
/*
 * The first slot from offset on that is in use or bad; if the next SLOT_SCAN_MAX slots are free,
 * the one behind them, whatever it is. At most area->max. Locks: swap_lock held, unless the world
 * stands still.
 */
unsigned long swap_next_used(const struct swap_area *area, unsigned long offset);

/* A free slot near those of the page's neighbours; .val 0: none. Like get_swap_page(). */
swp_entry_t get_swap_page_near(const struct page *page);

/* Entries that a map word counts; there may be more, if it says SWAP_MAP_MAX. */
static inline unsigned int swap_uses(unsigned short word)
{
	return word & (SWAP_FAILURE - 1u);
}

/* Begin or end to hand out an area's slots. swap_lock held. */
void swap_area_hand_out(struct swap_area *area, bool on);

/* A slot has lost its last use, the cache's too. swap_lock held. */
void swap_slot_unused(struct swap_area *area, unsigned long offset);

/* Writing to the slot failed once more: is it to be given up? */
bool swap_slot_failed(swp_entry_t entry);

/*
 * May pages that leave memory get entries of this slot? Not while swapoff empties its area, nor
 * if it is given up.
 */
bool swap_slot_takes_entries(swp_entry_t entry);

/* Transfers between a locked page with an entry and its slot; unlocked in the end. May sleep. */
void swap_start_write(struct page *page);
void swap_start_read(struct page *page);

/*
 * shmem_swap.c: bring back what shared memory has in an area. 0, -ENOMEM, -EIO, -EINTR. May sleep.
 */
int shmem_unuse(const struct swap_area *area) __must_check;
/* shmem_swap.c: places of shared memory that have this slot; for validate_swap(). */
unsigned long shmem_count_slot(swp_entry_t entry);

/* Set up the cache of an area, once. */
void swap_cache_init(struct swap_area *area);
