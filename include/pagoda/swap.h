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

/*
 * Take a free slot; it has one use and no cached page. (SW-02)
 * Context: any without swap_lock. Return: its entry; .val 0: no slot is free.
 */
swp_entry_t get_swap_page(void);

/*
 * Count one more use of an entry's slot. (SW-05)
 * Context: does not sleep. Return: false: the slot is not in use, or there is no memory for a
 * continuation.
 */
bool swap_duplicate(swp_entry_t entry) __must_check;

/*
 * Count one use less; the last one, without a cached page, frees the slot.
 * Context: does not sleep.
 */
void swap_free(swp_entry_t entry);

/*
 * A page of this slot was lost: nothing is written there any more, and it becomes bad once it is
 * unused.
 * Context: does not sleep.
 */
void swap_give_up_slot(swp_entry_t entry);

/*
 * Did writing to the slot fail so often that nothing is written there any more?
 * Context: does not sleep. Return: the answer.
 */
bool swap_slot_given_up(swp_entry_t entry);

/*
 * Uses of a slot by entries, without the cache's; for tests and for exclusivity.
 * Context: does not sleep. Return: the uses, 0 for a stale entry.
 */
int swap_count(swp_entry_t entry);

/* ---- The swap cache ----------------------------------------------------------------------- */
/*
 * The mapping of a page's data.
 * Context: any. Locks: the page is locked, or the answer may be out of date.
 * Return: its file's mapping, that of the swap cache, or NULL.
 */
struct address_space *page_mapping(const struct page *page);
/* The entry of a page in the swap cache. */
static inline swp_entry_t page_swap_entry(const struct page *page)
{
	return (swp_entry_t){(unsigned long)page->CXX_NAME(private)};
}

/*
 * Give an anonymous page a slot and put it, dirty, into the swap cache.
 * Context: may sleep. Locks: the page is locked, not in the cache. Return: false: no slot, or no
 * memory.
 */
bool add_to_swap(struct page *page) __must_check;

/*
 * Take a page out of the swap cache.
 * Context: does not sleep. Locks: the page is locked. Refs: drops the cache's, and its hold on the
 * slot.
 */
void delete_from_swap_cache(struct page *page);

/*
 * Reclaim: the same if the page is clean, mapped nowhere and has exactly count references; checked
 * under the lock that look-ups take. (RC-28)
 * Context: does not sleep. Locks: the page is locked. Return: true if it was taken out.
 */
bool remove_unused_swap_cache(struct page *page, int count) __must_check;

/*
 * Find the cached page of an entry.
 * Context: any. Refs: the page returned has one. Return: the page, or NULL.
 */
struct page *lookup_swap_cache(swp_entry_t entry);

/*
 * Entries of a page are about to become swap entries: see that an anonymous or shared page has a
 * usable slot.
 * Context: may sleep as gfp_mask allows. Locks: the page is locked. Return: false: it must stay
 * mapped.
 */
bool swap_prepare_unmap(struct page *page, gfp_t gfp_mask) __must_check;

/*
 * The page of an entry, which is being read if it was not cached. vma, addr: whose memory policy
 * applies to a new page; vma may be NULL.
 * Context: may sleep. Refs: one. Return: the page, perhaps locked by its read; NULL: no memory, or
 * the entry is gone.
 */
struct page *read_swap_cache_async(swp_entry_t entry, struct vm_area_struct *vma,
				   unsigned long addr);

/*
 * The same, and reads its neighbours by virtual address (FX-12), at most 2^page_cluster pages.
 * Context: may sleep. Locks: mmap_lock of vma's address space. Refs: one. Return: as above.
 */
struct page *swapin_readahead(swp_entry_t entry, struct vm_area_struct *vma, unsigned long addr);
extern int page_cluster;

/*
 * A page that was read ahead, PG_readahead, is used in vma: the window may grow.
 * Context: any. Refs: the caller has one.
 */
void swap_readahead_used(struct vm_area_struct *vma, struct page *page);

/*
 * Does a page belong to one user alone, so that it may be written in place? (SW-09)
 * Context: does not sleep. Locks: the page is locked. Return: the answer.
 */
bool can_share_swap_page(struct page *page);

/*
 * Take a page of one user out of the swap cache, so that it is an ordinary anonymous page.
 * Context: does not sleep. Locks: the page is locked. Return: false: it is not in the cache, or
 * shared.
 */
bool remove_exclusive_swap_page(struct page *page);

/*
 * Take a page without users out of the swap cache, if its lock is free.
 * Context: does not sleep. Refs: the caller has one.
 */
void free_unused_swap_page(struct page *page);

/*
 * Pages in the swap cache, and pages of shared memory with a slot (SwapCached of /proc/meminfo).
 * Context: any. Return: pages.
 */
unsigned long nr_swap_cache_pages(void);

/*
 * Drop a use of an entry that is being zapped, and a cached page that nobody else needs.
 * Context: does not sleep.
 */
void free_swap_and_cache(swp_entry_t entry);
/* Are so few slots free that pages in memory should not keep theirs? */
static inline bool swap_is_scarce(void)
{
	return atomic_long_read(&nr_swap_pages) * 2 < READ_ONCE(total_swap_pages);
}

/*
 * Pages of shared memory that are in memory and have a slot.
 * Context: any. Return: pages.
 */
unsigned long nr_shmem_cached_slots(void);
static inline bool is_shmem_page(const struct page *page)
{
	return PageSwapBacked(page) && !PageAnon(page);
}

/*
 * Could reclaim write this page of shared memory to swap?
 * Context: does not sleep. Locks: the page is locked. Return: the answer.
 */
bool shmem_may_go(const struct page *page);

/*
 * Start writing a page of the swap cache to its slot; a page without users is freed instead.
 * Context: may sleep. Locks: the page is locked; it is unlocked when it was written, or by this
 * call.
 * Return: 0, or -EIO: the slot is given up, and the page stays dirty.
 */
int swap_writepage(struct page *page);

/* ---- Areas --------------------------------------------------------------------------------- */
#define SWAP_FLAG_PREFER    0x8000
#define SWAP_FLAG_PRIO_MASK 0x7fff
struct block_device;

/*
 * Use a device with a mkswap header as swap area. name: for /proc/swaps; flags: SWAP_FLAG_.
 * (SW-13)
 * Context: may sleep. Return: 0; -EINVAL (signature, version, size, flags), -EBUSY, -EIO, -ENOMEM,
 * -EPERM (MAX_SWAPFILES).
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
 * The same for a file, whose dirty pages are written first. The caller sees to it that its blocks
 * stay where they are until swapoff. (SW-16)
 * Context: may sleep. Return: as above; -EINVAL also if it has holes, -EINTR.
 */
int sys_swapon_file(const struct swap_file *file, const char *name, int flags) __must_check;

/*
 * sys_swapoff_bdev() for the file with this mapping.
 * Context: may sleep. Return: as there.
 */
int sys_swapoff_file(struct address_space *mapping) __must_check;

/*
 * Bring back everything that is in the area of a device, and end the area. (SW-15)
 * Context: may sleep. Locks: no mmap_lock held.
 * Return: 0; -EINVAL: not in use; -ENOMEM, -EINTR, -EIO: the area stays in use.
 */
int sys_swapoff_bdev(struct block_device *bdev) __must_check;

/*
 * Memory is short: every swapoff under way is to end with -ENOMEM soon. (out_of_memory)
 * Context: any. Return: true if one was told that had not been told before, so that waiting may
 * help.
 */
bool swapoff_give_up(void);

/*
 * Bring everything that processes have in swap back to memory, as far as memory goes, and keep the
 * areas. For the end of a machine's life.
 * Context: may sleep. Return: the slots still in use, 0 if nothing was lost.
 */
unsigned long swap_settle(void);
struct swap_area_info {
	char name[64];
	u64 size_pages, used_pages; /* of usable slots; in use */
	int priority;
	bool file;
};

/*
 * Describe the n-th area in use, n from 0 (/proc/swaps).
 * Context: does not sleep. Return: false: there are not so many.
 */
bool swap_area_info(unsigned int n, struct swap_area_info *info);

/*
 * Memory that the maps of the areas in use take.
 * Context: does not sleep. Return: pages.
 */
unsigned long swap_map_pages(void);

/*
 * Check that the count of every slot equals the recount over all address spaces, shared memory and
 * the swap cache; panics if not.
 * Context: nothing else may run: no lock is taken over all of it.
 */
void validate_swap(void);

PAGODA_C_END
