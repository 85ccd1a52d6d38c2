/* SPDX-License-Identifier: MIT */
/*
 * swap.h: anonymous and shared memory that lies on a device: entries, areas, the swap
 * cache (thesis chapter 12; requirements SW).
 *
 *	PTE (not present) = swp_entry -> area, offset -> swap_map[offset] uses, data on the device
 *	swapper_space (area) --i_pages[offset]--> page with PG_swapcache, page->private = entry
 *
 * A slot's use count is the number of PTEs (and shmem slots) that hold its entry; the swap
 * cache holds one more (SWAP_HAS_CACHE). A page in the swap cache keeps its anon_vma in
 * page->mapping and its entry in page->private: page_mapping() answers the swap cache for it.
 *
 * Life of a page that goes out and comes back:
 *
 *	add_to_swap	slot, cache, dirty	(locked, mapped)
 *	try_to_unmap	PTEs become entries, swap_duplicate each
 *	swap_writepage	to the slot		(writeback)
 *	__delete_from_swap_cache, freed		only the slot has it
 *	read_swap_cache_async			locked until read
 *	do_swap_page	PTE present, swap_free
 */
#pragma once

#include <pagoda/mm_types.h>
#include <pagoda/pagemap.h>

PAGODA_C_BEGIN

#define MAX_SWAPFILES 32

/* swp_entry_t, swp_entry(), swp_type(), swp_offset(): asm/pgtable.h and pgtable_types.h. */
/* Offset 0 of an area is its header, so entry 0 is none. */

/* swap_map values. */
#define SWAP_MAP_MAX \
	0x1ffe /* the most that a word counts; more uses are in a continuation (swap_slots.c) */
#define SWAP_MAP_BAD 0x1fff
#define SWAP_FAILURE \
	0x2000 /* a write to it failed; counted up to SWAP_FAILURES, then it is given up */
#define SWAP_FAILURES  0x6000
#define SWAP_HAS_CACHE 0x8000

/* ---- Slots ----------------------------------------------------------------------------- */
extern atomic_long_t nr_swap_pages; /* free slots of all areas (SW-12) */
extern long total_swap_pages;	    /* usable slots of all areas */

/* A free slot with one use and SWAP_HAS_CACHE unset; .val 0: none. (SW-02) */
swp_entry_t get_swap_page(void);
/*
 * One more use (SW-05); false: there is no such entry, or no memory for a continuation of its
 * count.
 */
bool swap_duplicate(swp_entry_t entry) __must_check;
void swap_free(swp_entry_t entry);
/* It lost a page: nothing is to be written there any more; bad once it is free. */
void swap_give_up_slot(swp_entry_t entry);
/* Did writing to it fail so often that nothing is written there any more? */
bool swap_slot_given_up(swp_entry_t entry);
/* Uses by PTEs, without the cache's; for tests and exclusivity. */
int swap_count(swp_entry_t entry);

/* ---- The swap cache ----------------------------------------------------------------------- */
/* The mapping of the page's data: its file's, the swap cache, or NULL. */
struct address_space *page_mapping(const struct page *page);
/* The entry of a page in the swap cache. */
static inline swp_entry_t page_swap_entry(const struct page *page)
{
	return (swp_entry_t){(unsigned long)page->CXX_NAME(private)};
}
/*
 * Give a locked anonymous page a slot and put it, dirty, into the swap cache; false: no slot, no
 * memory. May sleep.
 */
bool add_to_swap(struct page *page) __must_check;
/* Take a locked page out; drops the cache's reference and its hold on the slot. */
void delete_from_swap_cache(struct page *page);
/*
 * Reclaim: the same if the page, locked and mapped nowhere, is clean and has count references
 * and no more; checked under the lock that look-ups take. (RC-28)
 */
bool remove_unused_swap_cache(struct page *page, int count) __must_check;
struct page *lookup_swap_cache(swp_entry_t entry);
/*
 * A locked page's entries in page tables are about to become swap entries: see that an anonymous
 * page has a slot that may be used. False: there is none, the page stays mapped.
 */
bool swap_prepare_unmap(struct page *page, gfp_t gfp_mask) __must_check;
/*
 * The page of the entry, with a reference, being read if it was not there; NULL: no memory, or
 * the entry is gone. May sleep.
 */
struct page *read_swap_cache_async(swp_entry_t entry, struct vm_area_struct *vma,
				   unsigned long addr);
/*
 * The same with its neighbours: by virtual address where vma is given (FX-12), at most
 * 2^page_cluster.
 */
struct page *swapin_readahead(swp_entry_t entry, struct vm_area_struct *vma, unsigned long addr);
extern int page_cluster;
/* A page that was read ahead, PG_readahead, is used in vma. */
void swap_readahead_used(struct vm_area_struct *vma, struct page *page);
/* Does a locked page belong to one user alone? (SW-09) Then it may be written in place. */
bool can_share_swap_page(struct page *page);
/*
 * Take a locked, exclusive page out of the cache so that it is an ordinary anonymous page; false:
 * it is not.
 */
bool remove_exclusive_swap_page(struct page *page);
/* Take a page that has lost its last user out of the cache, if it can be locked at once. */
void free_unused_swap_page(struct page *page);
/* Pages in the swap cache, for /proc/meminfo. */
unsigned long nr_swap_cache_pages(void);
/* Let go of entry, and of a cached page that nobody else needs (zap). */
void free_swap_and_cache(swp_entry_t entry);
/* Are so few slots free that pages in memory should not keep theirs? */
static inline bool swap_is_scarce(void)
{
	return atomic_long_read(&nr_swap_pages) * 2 < READ_ONCE(total_swap_pages);
}
/* Pages of shared memory that are in memory and have a slot. */
unsigned long nr_shmem_cached_slots(void);
static inline bool is_shmem_page(const struct page *page)
{
	return PageSwapBacked(page) && !PageAnon(page);
}
/* Could reclaim write this page of shared memory, locked, to swap? */
bool shmem_may_go(const struct page *page);
/*
 * Start writing a locked page of the cache to its slot; unlocks it in the end. -EIO: the slot is
 * given up, it stays dirty.
 */
int swap_writepage(struct page *page);

/* ---- Areas --------------------------------------------------------------------------------- */
#define SWAP_FLAG_PREFER    0x8000
#define SWAP_FLAG_PRIO_MASK 0x7fff
struct block_device;
/*
 * Use a device with a mkswap header. -EINVAL (signature, version, size), -EBUSY, -EIO, -ENOMEM,
 * -EPERM (MAX_SWAPFILES). name: for /proc/swaps. May sleep. (SW-13)
 */
int sys_swapon_bdev(struct block_device *bdev, const char *name, int flags) __must_check;
/*
 * A file to swap to: bdev, and a mapping with bmap, whose blocks have that many bytes; size: the
 * file's.
 */
struct swap_file {
	struct block_device *bdev;
	struct address_space *mapping; /* NULL: the device itself */
	unsigned int block_size;
	u64 size;
};
/*
 * The same for a file, whose dirty pages are written first. -EINVAL: it has holes, too. The
 * caller sees to it that it stays as it is until swapoff. (SW-16)
 */
int sys_swapon_file(const struct swap_file *file, const char *name, int flags) __must_check;
int sys_swapoff_file(struct address_space *mapping) __must_check;
/*
 * Bring everything back and let go of the area. -EINVAL: not in use; -ENOMEM, -EINTR, -EIO: the
 * area stays in use. May sleep. (SW-15)
 */
int sys_swapoff_bdev(struct block_device *bdev) __must_check;
/*
 * Memory is short: every swapoff under way is to end with -ENOMEM soon. True: there was one that
 * had not been told, so waiting for it may help. Never sleeps. (out_of_memory)
 */
bool swapoff_give_up(void);
/*
 * Bring everything that processes have in swap back to memory, as far as memory goes, and keep the
 * areas. Returns the slots still in use: 0, if nothing was lost. For the end of a machine's life.
 * May sleep.
 */
unsigned long swap_settle(void);
struct swap_area_info {
	char name[64];
	u64 size_pages, used_pages; /* of usable slots; in use */
	int priority;
	bool file;
};
/* The n-th area in use; false: no more. (/proc/swaps) */
bool swap_area_info(unsigned int n, struct swap_area_info *info);
/* Frames that the maps of the areas in use take. */
unsigned long swap_map_pages(void);

/*
 * Every slot's count equals the recount over all mms, shmem and the cache. It takes no lock over
 * all: nothing may move meanwhile. Panics if not.
 */
void validate_swap(void);

PAGODA_C_END
