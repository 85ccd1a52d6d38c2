/* SPDX-License-Identifier: MIT */
/*
 * swap_state.c: the swap cache: pages that have a slot, and their reading and writing
 * (thesis 9.5.3, 11.7, 12).
 *
 *	swap_areas[type].space.i_pages [offset] -> page { PG_swapcache, private = entry }
 *
 * page->mapping keeps pointing to the anon_vma. The cache holds a reference of the page, and
 * SWAP_HAS_CACHE in the slot's word. The page is locked while it is read or written:
 *
 *	add_to_swap, swap_writepage		read_swap_cache_async
 *	slot, in the cache, dirty		in the cache, locked, reading
 *	locked, writing -> clean		-> Uptodate or Error, unlocked
 *
 * Locking: being in the cache changes under swap_lock and the area's pages_lock with the page
 * locked; so the tree and SWAP_HAS_CACHE always agree. Any one of the page lock, swap_lock and
 * pages_lock is enough to rely on it. The ends of transfers take no lock. Tree nodes are allocated
 * outside (pools).
 *
 * Invariants: (S1) in the tree at offset o of area a <=> PG_swapcache and private = (a, o) <=>
 * SWAP_HAS_CACHE; (S2) a page whose contents differ from its slot's is dirty: add_to_swap makes
 * it so, only an unmapped page is cleaned, and a page gets a writable entry from the cache
 * only by leaving it.
 *
 * A page that has lost its last user leaves the cache at once, unless it is locked, i.e. being
 * written: then swap_writepage or reclaim finds it unused later.
 *
 * Failure: no memory: no page; a slot that cannot be written: the page stays, dirty, marked as
 * error, and is written again until the slot is given up (swapfile.c); an unreadable slot: the page
 * never becomes Uptodate; the task that finds this takes it out of the cache, so that the next
 * fault reads the slot again.
 * Observability: pswpin, pswpout; SwapCached; validate_swap().
 */
#include "swap_internal.h"
#include <pagoda/blkdev.h>
#include <pagoda/errno.h>
#include <pagoda/lru.h>
#include <pagoda/mempolicy.h>
#include <pagoda/page_alloc.h>
#include <pagoda/vmscan.h>
#include <pagoda/vmstat.h>
#include <mm/cache/shmem_swap_ops.h>
#include <mm/space/fault_internal.h>

/* With less memory than this, page_cluster is 2 (FT-51). */
#define SMALL_RAM_PAGES	 (SZ_16M / PAGE_SIZE)
#define PAGE_CLUSTER_MAX 5

int page_cluster = -1; /* not chosen yet */

static const struct address_space_operations swap_aops = {.writepage = swap_writepage};

/* The area that an entry names. A task that has the entry also keeps the area from ending. */
static struct swap_area *area_of(swp_entry_t entry)
{
	return &swap_areas[swp_type(entry)];
}

void swap_cache_init(struct swap_area *area)
{
	if (!area->space.a_ops)
		address_space_init(&area->space, area, &swap_aops, NULL);
	if (page_cluster < 0)
		page_cluster = totalram_pages() < SMALL_RAM_PAGES ? 2 : 3;
}

struct address_space *page_mapping(const struct page *page)
{
	if (PageSwapCache(page))
		return &area_of(page_swap_entry(page))->space;
	return PageAnon(page) ? NULL : page->mapping;
}

unsigned long nr_swap_cache_pages(void)
{
	unsigned long sum = nr_shmem_cached_slots();

	for (int i = 0; i < MAX_SWAPFILES; i++)
		sum += READ_ONCE(swap_areas[i].space.nrpages);
	return sum;
}

/* ---- Going in and out ------------------------------------------------------------------- */

/*
 * Change the number of pages in the cache of an area. Other tasks read it without the lock, for
 * /proc/meminfo, hence the atomic store.
 */
static void set_nrpages(struct address_space *space, unsigned long n) MUST_HOLD(&space->pages_lock)
{
	lockdep_assert_held(&space->pages_lock);
	WRITE_ONCE(space->nrpages, n);
}

/*
 * Enter a page into the tree and mark its slot (S1). 0; -ENOENT: the slot is free, so the entry is
 * stale; -EEXIST: another page is cached for it; or the number of tree nodes that the pool must
 * get first.
 * Locks: swap_lock held, the page locked.
 */
static int insert_locked(struct page *page, swp_entry_t entry, struct radix_tree_pool *pool)
	MUST_HOLD(&swap_lock)
{
	struct swap_area *area = swap_entry_area(entry);
	unsigned long offset = swp_offset(entry), flags;
	int ret;

	lockdep_assert_held(&swap_lock);
	VM_BUG_ON(!PageLocked(page) || PageSwapCache(page));
	if (!area || !area->map[offset])
		return -ENOENT;
	if (area->map[offset] & SWAP_HAS_CACHE)
		return -EEXIST;
	spin_lock_irqsave(&area->space.pages_lock, flags);
	ret = radix_tree_insert(&area->space.i_pages, offset, page, pool);
	if (!ret) {
		VM_BUG_ON(page_count(page) < 1);
		get_page(page);
		page->private = (void *)entry.val;
		SetPageSwapCache(page);
		set_nrpages(&area->space, area->space.nrpages + 1);
		area->map[offset] |= SWAP_HAS_CACHE;
	}
	spin_unlock_irqrestore(&area->space.pages_lock, flags);
	return ret;
}

/*
 * Enter a locked page into the cache. The tree may need nodes, and allocating them may sleep, so
 * the pool is filled without the locks and the insertion is tried again; the loop ends because
 * each round adds the nodes that were missing.
 */
static int add_to_swap_cache(struct page *page, swp_entry_t entry)
{
	struct radix_tree_pool pool = {NULL, 0};
	int ret;

	VM_BUG_ON(!PageLocked(page) || PageSwapCache(page));
	do {
		spin_lock(&swap_lock);
		ret = insert_locked(page, entry, &pool);
		spin_unlock(&swap_lock);
		if (ret > 0 && page_tree_fill_pool(&pool, ret))
			ret = -ENOMEM;
	} while (ret > 0);
	page_tree_free_pool(&pool);
	return ret;
}

/*
 * Take a locked page out of the cache. With count >= 0, only if it is clean, mapped nowhere and
 * has exactly that many references; -1: in any case. The check and the removal are one step under
 * pages_lock, where lookup_swap_cache() takes its reference:
 *
 *	look-up				reclaim
 *	pages_lock, get_page		pages_lock: one reference too many, page stays
 *	pages_lock, nothing there	pages_lock: count is right, page leaves the tree
 */
static bool take_out(struct page *page, int count)
{
	swp_entry_t entry = page_swap_entry(page);
	struct swap_area *area = area_of(entry);
	struct radix_tree_pool pool = {NULL, 0};
	unsigned long offset = swp_offset(entry), flags;
	bool ok;

	BUG_ON(!PageLocked(page) || !PageSwapCache(page));
	spin_lock(&swap_lock);
	spin_lock_irqsave(&area->space.pages_lock, flags);
	VM_BUG_ON(!entry.val || offset >= area->max); /* (S1) */
	ok = count < 0 || (page_count(page) == count && !PageDirty(page) && !page_mapcount(page));
	if (ok) {
		BUG_ON(radix_tree_delete(&area->space.i_pages, offset, &pool) != page);
		set_nrpages(&area->space, area->space.nrpages - 1);
		ClearPageSwapCache(page);
		ClearPageError(page); /* The error was one of the old slot. */
		page->private = NULL;
	}
	spin_unlock_irqrestore(&area->space.pages_lock, flags);
	if (ok) {
		BUG_ON(!(area->map[offset] & SWAP_HAS_CACHE));
		area->map[offset] &= (unsigned short)~SWAP_HAS_CACHE;
		/* The cache had the last use of the slot: free it. */
		if (!(area->map[offset] & ~SWAP_FAILURES))
			swap_slot_unused(area, offset);
	}
	spin_unlock(&swap_lock);
	page_tree_free_pool(&pool);
	if (ok)
		put_page(page);
	return ok;
}

void delete_from_swap_cache(struct page *page)
{
	(void)take_out(page, -1); /* unconditional */
}

bool remove_unused_swap_cache(struct page *page, int count)
{
	VM_BUG_ON(count < 1);
	return take_out(page, count);
}

/* An area that was never used has no cache to look in. */
struct page *lookup_swap_cache(swp_entry_t entry)
{
	struct address_space *space = &area_of(entry)->space;

	return space->a_ops ? find_get_page(space, swp_offset(entry)) : NULL;
}

/*
 * The slot has nothing of the page yet, so the page must be dirty before its entries become swap
 * entries: otherwise reclaim could drop it as clean (S2). get_swap_page_near() gives the slot one
 * use, which keeps it while the page enters the cache; then SWAP_HAS_CACHE is enough and the use
 * is dropped.
 */
bool add_to_swap(struct page *page)
{
	swp_entry_t entry = get_swap_page_near(page);
	int err;

	VM_BUG_ON(PageSwapCache(page));
	VM_BUG_ON(!PageLocked(page) || !PageAnon(page));
	if (!entry.val)
		return false;
	err = add_to_swap_cache(page, entry);
	if (!err) {
		SetPageUptodate(page);
		SetPageDirty(page); /* (S2) */
	}
	swap_free(entry); /* after a failure, this frees the slot */
	return !err;
}

/*
 * A slot that is given up, or whose area swapoff empties, must not get new entries. Take the page
 * out of it, so that it gets another slot. False: some entry of the slot still exists, and a fault
 * on it must find the page in the cache; so the page cannot leave yet.
 */
static bool leave_bad_slot(struct page *page)
{
	VM_BUG_ON(!PageLocked(page) || !PageSwapCache(page));
	if (swap_slot_takes_entries(page_swap_entry(page)))
		return true;
	if (swap_count(page_swap_entry(page)))
		return false;
	/* The contents are nowhere else from now on. */
	SetPageDirty(page);
	delete_from_swap_cache(page);
	return true;
}

/*
 * Pages of files can be read again, so they need nothing. A lazily freed page is dropped, not
 * swapped. Without __GFP_IO an anonymous page only gets unmapped if it has a slot already: giving
 * it one now would be in vain, as it could not be written.
 */
bool swap_prepare_unmap(struct page *page, gfp_t gfp_mask)
{
	VM_BUG_ON(!PageLocked(page));
	if (!PageAnon(page))
		return !is_shmem_page(page) || shmem_may_go(page);
	if (PageLazyFree(page))
		return true;
	if (PageSwapCache(page) && !leave_bad_slot(page))
		return false;
	return PageSwapCache(page) || (gfp_mask & __GFP_IO && add_to_swap(page));
}

/* ---- Who uses a page ------------------------------------------------------------------------ */

/*
 * The sum is exact while the page is locked, as swap entries become present entries, and the
 * reverse, only under that lock. If the sole user is the caller, it holds its page_table_lock,
 * which keeps fork from making a second user meanwhile.
 */
bool can_share_swap_page(struct page *page)
{
	int users = page_mapcount(page);

	VM_BUG_ON(!PageLocked(page));
	if (!PageAnon(page) && !PageSwapCache(page))
		return false;
	if (PageSwapCache(page))
		users += swap_count(page_swap_entry(page));
	return users <= 1;
}

bool can_reuse_swap_page(struct page *page, int held)
{
	VM_BUG_ON(held < 0 || !PageLocked(page));
	/* the reference kept for this retry (fault_retry.c) */
	held += current_vm->fault_page == page;
	return can_share_swap_page(page) &&
	       page_count_no_batch(page) == held + 1 + PageSwapCache(page);
}

/* The page becomes dirty, as the slot, which has the same contents, is freed with it (S2). */
bool remove_exclusive_swap_page(struct page *page)
{
	VM_BUG_ON(!PageLocked(page));
	if (!PageSwapCache(page) || !can_share_swap_page(page))
		return false;
	SetPageDirty(page);
	delete_from_swap_cache(page);
	return true;
}

bool take_swap_page(struct page *page, int held)
{
	VM_BUG_ON(!PageLocked(page));
	return can_reuse_swap_page(page, held) && remove_exclusive_swap_page(page);
}

/*
 * First without the lock, as most pages are not in the swap cache; then again under the page lock,
 * where the answer holds. A locked page is left to the holder of its lock, who looks at it when
 * unlocking.
 */
void free_unused_swap_page(struct page *page)
{
	if (!PageSwapCache(page) || page_mapcount(page) || TryLockPage(page))
		return;
	if (PageSwapCache(page) && !page_mapcount(page) && !swap_count(page_swap_entry(page)))
		delete_from_swap_cache(page);
	unlock_page(page);
}

/*
 * The entry is freed first: if it was the last one, the cached page has no user any more and goes,
 * too.
 */
void free_swap_and_cache(swp_entry_t entry)
{
	struct page *page;

	swap_free(entry);
	page = lookup_swap_cache(entry);
	if (!page)
		return;
	free_unused_swap_page(page);
	put_page(page);
}

/* ---- Transfers ------------------------------------------------------------------------------- */

/*
 * The device has read or written the page. A page that could not be written is dirty again, as its
 * slot does not have its contents. The reference taken for the transfer goes last, after
 * unlock_page() has used the page. Any context.
 */
static void end_transfer(struct bio *bio)
{
	struct page *page = bio->vecs[0].page;

	VM_BUG_ON(!PageLocked(page) || page_count(page) < 1);
	VM_BUG_ON(bio->op == BIO_READ && PageUptodate(page));
	if (bio->op == BIO_WRITE && bio->error)
		SetPageDirty(page);
	else if (bio->op == BIO_READ && !bio->error)
		SetPageUptodate(page);
	if (bio->error)
		SetPageError(page);
	bio_put(bio);
	unlock_page(page);
	put_page(page);
}

/* Start to read or write a locked page that has a slot; end_transfer() unlocks it. */
static void start_transfer(struct page *page, enum bio_op op)
{
	swp_entry_t entry = page_swap_entry(page);
	struct bio *bio = bio_alloc(area_of(entry)->bdev, op,
				    swap_sector(area_of(entry), swp_offset(entry)), 1, GFP_NOIO);
	bool added;

	VM_BUG_ON(!PageLocked(page) || !entry.val);
	BUG_ON(!bio); /* bio_alloc() never refuses a caller that may sleep */
	added = bio_add_page(bio, page, 0, PAGE_SIZE);
	BUG_ON(!added);
	/* The transfer needs the page until end_transfer(); the cache may let go of it before. */
	get_page(page);
	bio->end_io = end_transfer;
	submit_bio(bio);
}

void swap_start_write(struct page *page)
{
	VM_BUG_ON(!PageUptodate(page)); /* the slot would get stale contents */
	ClearPageError(page);
	count_vm_event(pswpout);
	start_transfer(page, BIO_WRITE);
}

void swap_start_read(struct page *page)
{
	VM_BUG_ON(PageUptodate(page));
	count_vm_event(pswpin);
	start_transfer(page, BIO_READ);
}

int swap_writepage(struct page *page)
{
	BUG_ON(!PageLocked(page) || !PageSwapCache(page));
	/*
	 * Nobody has an entry of the page any more: writing it would be in vain. Free it instead.
	 */
	if (!page_mapcount(page) && !swap_count(page_swap_entry(page))) {
		delete_from_swap_cache(page);
		unlock_page(page);
		return 0;
	}
	/*
	 * The last write failed. Count that, and try the slot again until it is given up; then the
	 * page must stay in memory, dirty.
	 */
	if (PageError(page) && swap_slot_failed(page_swap_entry(page))) {
		SetPageDirty(page);
		unlock_page(page);
		return -EIO;
	}
	swap_start_write(page);
	return 0;
}

/*
 * A swapped page: its entry, and the region (or NULL) and address whose memory policy its new frame
 * obeys.
 */
struct swapped_page {
	swp_entry_t entry;
	struct vm_area_struct *vma;
	unsigned long addr;
	bool ahead; /* nobody asked for it */
};

/*
 * Allocate a page and enter it into the cache for the entry; *ppage is locked and has a reference.
 * 0, -ENOMEM, -ENOENT (the entry is stale) or -EEXIST (another task was faster).
 */
static int new_cached_page(const struct swapped_page *s, struct page **ppage)
{
	struct page *page = alloc_page_vma(GFP_HIGHUSER_MOVABLE, s->vma, s->addr);
	int err;

	if (!page)
		return -ENOMEM;
	LockPage(page);
	SetPageSwapBacked(page);
	if (s->ahead)
		SetPageReadahead(page);
	err = add_to_swap_cache(page, s->entry);
	if (err) {
		unlock_page(page);
		put_page(page);
		return err;
	}
	lru_cache_add(page);
	/*
	 * A page that was only read ahead is a refault when it is used (swap_readahead_used()),
	 * not before.
	 */
	if (!s->ahead)
		page_refaulted(page);
	*ppage = page;
	return 0;
}

/*
 * The page of an entry, with a reference, from the cache or else on its way from the disk;
 * *started: this call began the read. NULL: no memory, or the entry is stale. If another task
 * enters a page between our look-up and our insertion (-EEXIST), look up again and find that one.
 */
static struct page *get_or_read(const struct swapped_page *s, bool *started)
{
	struct page *page;
	int err;

	*started = false;
	do {
		page = lookup_swap_cache(s->entry);
		if (page)
			return page;
		err = new_cached_page(s, &page);
	} while (err == -EEXIST);
	if (err)
		return NULL;
	*started = true;
	swap_start_read(page);
	return page;
}

struct page *read_swap_cache_async(swp_entry_t entry, struct vm_area_struct *vma,
				   unsigned long addr)
{
	struct swapped_page s = {.entry = entry, .vma = vma, .addr = addr};
	bool started;

	return get_or_read(&s, &started);
}

/* ---- Read-ahead ------------------------------------------------------------------------------ */

/*
 * How far to read ahead depends on how well it has worked in this region. The window is halved if
 * less than half of the pages read ahead at the last miss were used before the next miss, down to
 * the wanted page alone. It is doubled again if more were used, or if a miss lies beside the last
 * one. The state is one word of the region; it is a hint and may lose an update:
 *
 *	page of the last miss | used:4 | read ahead:5 | halvings:3
 */
#define RA_HALVINGS   7ul
#define RA_READ_SHIFT 3
#define RA_READ_MAX   31ul
#define RA_USED_SHIFT 8
#define RA_USED_MAX   15ul

static unsigned long ra_used(unsigned long word)
{
	return word >> RA_USED_SHIFT & RA_USED_MAX;
}

/*
 * A miss at addr: adapt the window and return its size, as a power of two of pages. The new state
 * holds no counts yet; ra_note_read() and swap_readahead_used() add them.
 */
static unsigned int ra_window(unsigned long *state, unsigned long addr)
{
	unsigned long word = READ_ONCE(*state), halvings = word & RA_HALVINGS;
	unsigned long read = word >> RA_READ_SHIFT & RA_READ_MAX, last = word & PAGE_MASK;
	unsigned int max = (unsigned int)clamp(page_cluster, 0, PAGE_CLUSTER_MAX);
	bool beside = addr - last == PAGE_SIZE || last - addr == PAGE_SIZE;

	if (beside || (read && ra_used(word) * 2 >= min(read, 2 * RA_USED_MAX)))
		halvings -= halvings > 0;
	else if (read)
		halvings += halvings < max;
	WRITE_ONCE(*state, addr | halvings);
	return max - (unsigned int)min(halvings, (unsigned long)max);
}

/* Note how many pages were read ahead at this miss. */
static void ra_note_read(unsigned long *state, unsigned long pages)
{
	unsigned long word = READ_ONCE(*state);

	WRITE_ONCE(*state, word | min(pages, RA_READ_MAX) << RA_READ_SHIFT);
}

void swap_readahead_used(struct vm_area_struct *vma, struct page *page)
{
	unsigned long word = READ_ONCE(vma->vm_raend);

	VM_BUG_ON(page_count(page) < 1);
	ClearPageReadahead(page);
	/* Only now does the refault count: before, nobody had asked for the page. */
	page_refaulted(page);
	if (ra_used(word) < RA_USED_MAX)
		WRITE_ONCE(vma->vm_raend, word + (1ul << RA_USED_SHIFT));
}

struct neighbours {
	swp_entry_t entries[1 << PAGE_CLUSTER_MAX];
	unsigned long addrs[1 << PAGE_CLUSTER_MAX];
	unsigned int nr;
};

/* Remember a swap entry and its address. A page that is present needs no reading. */
static void note_entry(struct neighbours *n, unsigned long addr, pte_t pte)
{
	VM_BUG_ON(n->nr >= ARRAY_SIZE(n->entries));
	if (pte_present(pte))
		return;
	n->entries[n->nr] = pte_to_swp_entry(pte);
	n->addrs[n->nr++] = addr;
}

/*
 * Collect the swap entries around addr, within its aligned window of 2^order pages, in both
 * directions up to an empty entry. The window is aligned, so it lies in one page table. The
 * entries may change as soon as page_table_lock is free; get_or_read() finds out.
 */
static void find_neighbours(struct neighbours *n, struct vm_area_struct *vma, unsigned long addr,
			    unsigned int order)
{
	unsigned long size = PAGE_SIZE << order;
	unsigned long start = max(addr & ~(size - 1), vma->vm_start);
	unsigned long end = min((addr & ~(size - 1)) + size, vma->vm_end);
	struct mm_struct *mm = vma->vm_mm;
	pmd_t *pmd;

	lockdep_assert_held(&mm->mmap_lock);
	VM_BUG_ON(vma->vm_end > TASK_SIZE);
	spin_lock(&mm->page_table_lock);
	pmd = walk_to_pmd(mm, addr);
	if (pmd && !pmd_none(pmdp_get(pmd))) {
		unsigned long a = addr;

		while (a > start && !pte_none(ptep_get(pte_offset(pmd, a - PAGE_SIZE))))
			a -= PAGE_SIZE;
		for (; a < end && !pte_none(ptep_get(pte_offset(pmd, a))); a += PAGE_SIZE)
			note_entry(n, a, ptep_get(pte_offset(pmd, a)));
	}
	spin_unlock(&mm->page_table_lock);
}

/*
 * The wanted page is read first, so that it is first in the device's queue; the plug then lets the
 * block layer join its neighbours' slots to one request.
 */
struct page *swapin_readahead(swp_entry_t entry, struct vm_area_struct *vma, unsigned long addr)
{
	struct swapped_page s = {.entry = entry, .vma = vma, .addr = addr & PAGE_MASK};
	struct neighbours n = {.nr = 0};
	unsigned long read = 0;
	unsigned int order = 0;
	struct page *wanted;
	bool started;

	if (vma && !(vma->vm_flags & VM_RAND_READ))
		order = ra_window(&vma->vm_raend, s.addr);
	if (order)
		find_neighbours(&n, vma, s.addr, order);
	blk_start_plug();
	wanted = get_or_read(&s, &started);
	s.ahead = true;
	for (unsigned int i = 0; wanted && i < n.nr; i++) {
		struct page *page;

		s.entry = n.entries[i];
		s.addr = n.addrs[i];
		page = get_or_read(&s, &started);
		read += started;
		if (page)
			put_page(page);
	}
	blk_finish_plug();
	if (read)
		ra_note_read(&vma->vm_raend, read);
	return wanted;
}
