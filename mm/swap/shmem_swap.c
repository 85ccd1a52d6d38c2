/* SPDX-License-Identifier: MIT */
/*
 * shmem_swap.c: pages of shared memory and tmpfs go to swap and come back (SW-03, thesis 12).
 *
 * These pages have no file behind them, so reclaim gives a slot to each. A place of the mapping
 * holds
 *
 *	nothing			a hole, reads as zero
 *	page			private: its slot, or NULL. Dirty: the slot's contents are old, or none
 *	entry | 1		swapped: only the slot has it
 *
 *	page, dirty --writepage--> page, clean, with slot --reclaim--> entry
 *	     ^---- set_page_dirty ----'      ^---- bring in, read ----'
 *
 * The page stays in its mapping while it is written and read, locked, so that readers, writers and
 * faults find it all the time, and there is no second index as anonymous pages need it (the swap
 * cache). A page that was read and not changed keeps its slot and goes without being written
 * again (SW-10). Page to entry and back replace an item of the tree: nothing is allocated,
 * so reclaim cannot fail there.
 *
 * An entry owns its slot by one use (swap_map says 1), a page with a slot likewise. The code that
 * takes the item out of the tree frees the slot.
 *
 * swapoff finds the mappings that have slots on a list; it holds one by wb_users, for which
 * truncation to nothing, by which every mapping ends, waits (page-writeback.c).
 *
 * Reading a page also reads its swapped neighbours in the aligned window of 2^page_cluster places:
 * they were given slots side by side (get_swap_page_near()), so one transfer gets all of them.
 *
 * Locking: items and page->private change under the page lock, if there is a page, and
 * pages_lock; slots are taken and freed without pages_lock. list_lock: the list, and the
 * mapping's nr_slots.
 * Invariants: (H1) nr_slots is the number of entries and of pages with a slot; (H2) nrswapped is
 * that of entries; (H3) a clean page has a slot, and its contents are the slot's.
 * Failure: no slot: the page stays, dirty. A slot that could not be written three times is given
 * up. A slot that cannot be read: the page never becomes Uptodate, and keeps the slot.
 * Observability: pswpin, pswpout; SwapCached counts pages with a slot, Shmem all in memory.
 */
#include <mm/cache/filemap_internal.h>
#include "swap_internal.h"
#include <pagoda/blkdev.h>
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/lru.h>
#include <pagoda/mempolicy.h>
#include <pagoda/page_alloc.h>
#include <pagoda/vm_task.h>
#include <pagoda/vmstat.h>
#include <mm/space/page_tables.h>

static LIST_HEAD(swapped_mappings); /* (L) */
static spinlock_t list_lock = SPIN_LOCK_INIT(RANK_LEAF);
static atomic_long_t nr_cached_slots; /* pages in memory that have a slot */

unsigned long nr_shmem_cached_slots(void)
{
	return (unsigned long)atomic_long_read(&nr_cached_slots);
}

/* ---- Slots -------------------------------------------------------------------------------- */

/*
 * The mapping has one slot more; from its first slot on it is on the list that swapoff goes
 * through.
 */
static void count_slot(struct address_space *mapping)
{
	spin_lock(&list_lock);
	mapping->nr_slots++;
	if (list_empty(&mapping->swap_link))
		list_add_tail(&mapping->swap_link, &swapped_mappings);
	spin_unlock(&list_lock);
}

/*
 * Free a slot of the mapping. The mapping stays on the list even without slots: it leaves the list
 * in shmem_forget(), when it ends.
 */
static void free_slot(struct address_space *mapping, swp_entry_t entry)
{
	swap_free(entry);
	spin_lock(&list_lock);
	VM_BUG_ON(!mapping->nr_slots); /* (H1) */
	mapping->nr_slots--;
	spin_unlock(&list_lock);
}

/* Give a locked page a slot, or with entry 0 take its slot away (the caller frees it). */
static void set_slot(struct page *page, swp_entry_t entry)
{
	struct address_space *mapping = page->mapping;
	unsigned long flags;

	VM_BUG_ON(!PageLocked(page) || !mapping || !mapping->shmem);
	VM_BUG_ON(!page->private == !entry.val);
	spin_lock_irqsave(&mapping->pages_lock, flags);
	WRITE_ONCE(mapping->was_swapped, true); /* truncation looks without the lock */
	page->private = (void *)entry.val;
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	atomic_long_add(&nr_cached_slots, entry.val ? 1 : -1);
}

/*
 * A page with a slot can go there again. Others need a free slot, and a mapping that is not locked
 * in memory.
 */
bool shmem_may_go(const struct page *page)
{
	const struct address_space *mapping = page->mapping;

	VM_BUG_ON(!PageLocked(page));
	if (page->private)
		return true;
	return mapping && mapping->a_ops->writepage && !READ_ONCE(mapping->swap_locked) &&
	       atomic_long_read(&nr_swap_pages) > 0;
}

/*
 * Give a locked page a slot. The mapping is put on swapoff's list before the page has the slot, so
 * that swapoff cannot miss it. False: there is no free slot.
 */
static bool take_slot(struct page *page)
{
	swp_entry_t entry = get_swap_page_near(page);

	VM_BUG_ON(!PageLocked(page) || page->private);
	if (!entry.val)
		return false;
	count_slot(page->mapping);
	set_slot(page, entry);
	return true;
}

/*
 * The contents of a locked page are to be in memory only. It becomes dirty first: a clean page
 * must have a slot (H3), or reclaim would drop its contents.
 */
static void drop_slot(struct page *page)
{
	swp_entry_t entry = page_swap_entry(page);

	VM_BUG_ON(!PageLocked(page) || !entry.val);
	(void)set_page_dirty(page);
	set_slot(page, (swp_entry_t){0});
	free_slot(page->mapping, entry);
}

/* A locked page with a slot has left its mapping, e.g. by truncation: free the slot. */
static void shmem_page_removed(struct address_space *mapping, struct page *page)
{
	swp_entry_t entry = page_swap_entry(page);

	VM_BUG_ON(!PageLocked(page) || page->mapping || !entry.val);
	page->private = NULL;
	atomic_long_dec(&nr_cached_slots);
	free_slot(mapping, entry);
}

/*
 * Start to write a locked page to its slot, or to a new one. -ENOMEM: the mapping was locked in
 * memory meanwhile, or there is no slot; the page stays dirty. The page is unlocked on return, or
 * when it has been written.
 */
static int shmem_writepage(struct page *page)
{
	VM_BUG_ON(!PageLocked(page) || !page->mapping || !page->mapping->shmem);
	if (page->private && PageError(page) && swap_slot_failed(page_swap_entry(page))) {
		/*
		 * The old slot is given up. drop_slot() has set PG_dirty, which is for the caller
		 * to set, so clear it.
		 */
		drop_slot(page);
		ClearPageDirty(page);
	}
	if (READ_ONCE(page->mapping->swap_locked) || (!page->private && !take_slot(page))) {
		(void)set_page_dirty(page);
		unlock_page(page);
		return -ENOMEM;
	}
	if (!PageUptodate(page))
		/*
		 * fallocate() has only reserved the page: its contents are zeroes, which are
		 * written now.
		 */
		fill_own_page(page);
	swap_start_write(page);
	return 0;
}

/* ---- Items of the tree ----------------------------------------------------------------------- */

/*
 * One place more or less that is in swap alone (H2). filemap_nopage() reads the number without the
 * lock, hence the atomic store.
 */
static void count_swapped(struct address_space *mapping, long change)
	MUST_HOLD(&mapping->pages_lock)
{
	VM_BUG_ON(!mapping->shmem);
	VM_BUG_ON(change < 0 && !mapping->nrswapped);
	lockdep_assert_held(&mapping->pages_lock);
	WRITE_ONCE(mapping->nrswapped, mapping->nrswapped + (unsigned long)change);
}

/*
 * Reclaim: the slot of a clean, locked page takes its place in the tree. The use of the slot
 * passes from the page to the entry. Nothing is allocated, so it cannot fail.
 */
static void shmem_page_to_entry(struct address_space *mapping, struct page *page)
	MUST_HOLD(&mapping->pages_lock)
{
	VM_BUG_ON(!PageLocked(page) || PageDirty(page) || !page->private); /* (H3) */
	lockdep_assert_held(&mapping->pages_lock);
	BUG_ON(radix_tree_replace(&mapping->i_pages, page->index,
				  entry_to_item(page_swap_entry(page))) != page);
	page->private = NULL;
	count_swapped(mapping, 1);
	atomic_long_dec(&nr_cached_slots);
}

/*
 * A new, locked page takes the place of the entry at index, and its slot. It is not Uptodate yet,
 * so nobody uses it before it is read. False: there is no entry at index.
 */
static bool shmem_entry_to_page(struct address_space *mapping, pgoff_t index, struct page *page)
	MUST_HOLD(&mapping->pages_lock)
{
	void *item;

	VM_BUG_ON(!PageLocked(page) || PageUptodate(page));
	lockdep_assert_held(&mapping->pages_lock);
	item = radix_tree_lookup(&mapping->i_pages, index);
	if (!is_swap_item(item))
		return false;
	(void)radix_tree_replace(&mapping->i_pages, index, page);
	link_page(page, mapping, index);
	page->private = (void *)item_to_entry(item).val;
	count_swapped(mapping, -1);
	atomic_long_inc(&nr_cached_slots);
	return true;
}

static bool is_swapped(struct address_space *mapping, pgoff_t index)
{
	unsigned long flags;
	bool swapped;

	spin_lock_irqsave(&mapping->pages_lock, flags);
	swapped = is_swap_item(radix_tree_lookup(&mapping->i_pages, index));
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	return swapped;
}

/* ---- Coming back ----------------------------------------------------------------------------- */

/*
 * Put a new page in place of the entry at index; it is locked, has a reference and is still to be
 * read. NULL: there is no entry, or no memory. The entry may vanish while the page is allocated,
 * so it is looked for again under pages_lock.
 */
static struct page *bring_in(struct address_space *mapping, pgoff_t index)
{
	struct page *page;
	unsigned long flags;
	bool done;

	if (!is_swapped(mapping, index))
		return NULL;
	page = alloc_page_vma(mapping->gfp_mask, NULL, index);
	if (!page)
		return NULL;
	LockPage(page);
	spin_lock_irqsave(&mapping->pages_lock, flags);
	done = shmem_entry_to_page(mapping, index, page);
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	if (done) {
		page_was_added(page);
		return page;
	}
	unlock_page(page);
	put_page(page);
	return NULL;
}

/*
 * Start to read the swapped places around index. What cannot be had, for lack of memory or because
 * it is gone, is simply not read ahead.
 */
static void read_neighbours(struct address_space *mapping, pgoff_t index)
{
	pgoff_t size = page_cluster > 0 ? 1ul << page_cluster : 1, first = index & ~(size - 1);

	for (pgoff_t i = first; i < first + size; i++) {
		struct page *page = i == index ? NULL : bring_in(mapping, i);

		if (!page)
			continue;
		swap_start_read(page);
		put_page(page);
	}
}

/*
 * Start to read a locked page from its slot, with its neighbours. The page is unlocked when it is
 * read.
 */
static void shmem_swap_in(struct address_space *mapping, struct page *page)
{
	pgoff_t index = page->index;

	VM_BUG_ON(!PageLocked(page) || PageUptodate(page) || !page->private);
	/*
	 * A read has failed before. Count it, so that the slot is given up and no further page is
	 * lost in it.
	 */
	if (PageError(page))
		(void)swap_slot_failed(page_swap_entry(page));
	blk_start_plug();
	ClearPageError(page);
	swap_start_read(page);
	read_neighbours(mapping, index);
	blk_finish_plug();
}

/*
 * A locked page was read from its slot. If slots are scarce, give the slot up; else keep it, so
 * that the page can be evicted again without being written.
 */
static void shmem_slot_read(struct page *page)
{
	VM_BUG_ON(!PageLocked(page) || !page->private);
	if (swap_is_scarce() && PageUptodate(page))
		drop_slot(page);
}

/* The first page or entry of [*index, end], if anything is swapped at all; *swapped: an entry. */
static bool next_place(struct address_space *mapping, pgoff_t *index, pgoff_t end, bool *swapped)
{
	void *item = NULL;
	unsigned long flags;

	spin_lock_irqsave(&mapping->pages_lock, flags);
	if (mapping->nrswapped)
		item = radix_tree_next(&mapping->i_pages, index);
	*swapped = is_swap_item(item);
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	return item && *index <= end;
}

void shmem_willneed(struct address_space *mapping, pgoff_t first, pgoff_t end)
{
	bool swapped;

	blk_start_plug();
	for (; next_place(mapping, &first, end, &swapped); first++) {
		struct page *page = swapped ? bring_in(mapping, first) : NULL;

		if (!page)
			/*
			 * The page is in memory already, or there is no memory for it: it is read
			 * when it is used.
			 */
			continue;
		swap_start_read(page);
		put_page(page);
		port_cond_resched();
	}
	blk_finish_plug();
}

/* ---- Truncation ------------------------------------------------------------------------------ */

/*
 * The first item of [*index, end]: a page, with a reference, or an entry, taken out. False: none.
 */
static bool next_item(struct address_space *mapping, pgoff_t *index, pgoff_t end,
		      struct page **page, swp_entry_t *entry)
{
	struct radix_tree_pool pool = {NULL, 0};
	unsigned long flags;
	void *item;

	spin_lock_irqsave(&mapping->pages_lock, flags);
	item = radix_tree_next(&mapping->i_pages, index);
	if (*index > end)
		item = NULL;
	*page = item && !is_swap_item(item) ? item : NULL;
	*entry = item_to_entry(item);
	if (*page) {
		get_page(*page);
	} else if (item) {
		VM_BUG_ON(!mapping->nrswapped);				   /* (H2) */
		(void)radix_tree_delete(&mapping->i_pages, *index, &pool); /* that very item */
		count_swapped(mapping, -1);
	}
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	page_tree_free_pool(&pool);
	return item;
}

/*
 * Remove the pages and entries of [first, end]. While truncate_page() waits for a page's lock,
 * reclaim may turn it into an entry, or the reverse. The loop starts at the same index again, so it
 * then meets whatever is there by that time.
 */
static void shmem_truncate(struct address_space *mapping, pgoff_t first, pgoff_t end)
{
	struct page *page;
	swp_entry_t entry;

	while (next_item(mapping, &first, end, &page, &entry)) {
		if (page) {
			truncate_page(mapping, page);
			put_page(page);
		} else {
			free_slot(mapping, entry);
		}
		port_cond_resched();
	}
}

/*
 * The mapping is about to end and has no pages and no entries: take it off swapoff's list. If it
 * still has slots, swapoff is just dropping them and holds the mapping by wb_users, for which its
 * end waits.
 */
static void shmem_forget(struct address_space *mapping)
{
	spin_lock(&list_lock);
	if (!mapping->nr_slots && !list_empty(&mapping->swap_link))
		list_del_init(&mapping->swap_link);
	spin_unlock(&list_lock);
}

/* ---- swapoff (SW-15) ------------------------------------------------------------------------- */

#define FIND_BATCH 64 /* places looked at with interrupts off */

/*
 * The first place with a slot in the area, of the next ones at or after *index. False: there is
 * none, and *index is behind them. *more: others come after these.
 */
static bool find_slot_in_batch(struct address_space *mapping, unsigned long type, pgoff_t *index,
			       bool *more)
{
	unsigned long flags;
	bool found = false;
	void *item = NULL;

	spin_lock_irqsave(&mapping->pages_lock, flags);
	for (int i = 0; i < FIND_BATCH && !found; i++) {
		swp_entry_t entry;

		item = radix_tree_next(&mapping->i_pages, index);
		if (!item)
			break;
		entry = item_slot(item);
		found = entry.val && swp_type(entry) == type;
		if (!found && !++*index) {
			item = NULL; /* the very last place */
			break;
		}
	}
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	*more = item;
	return found;
}

/* The first place at or after *index that has a slot in the area. False: there is none. */
static bool find_slot(struct address_space *mapping, unsigned long type, pgoff_t *index)
{
	bool found, more;

	while (!(found = find_slot_in_batch(mapping, type, index, &more)) && more)
		port_cond_resched();
	return found;
}

/*
 * Bring the page at index to memory, read it, and take its slot in the area away. 0 also if the
 * place has changed meanwhile; -ENOMEM; -EIO if it cannot be read.
 */
static int unuse_place(struct address_space *mapping, unsigned long type, pgoff_t index)
{
	struct page *page = find_lock_page(mapping, index);
	int err = 0;

	if (!page)
		page = bring_in(mapping, index);
	if (!page)
		return is_swapped(mapping, index) ? -ENOMEM : 0;
	if (!PageUptodate(page) && page->private)
		err = fill_locked_page(mapping, NULL, page);
	if (err == -EAGAIN)
		/* The page was truncated while it was read: nothing is left to bring back. */
		err = 0;
	else if (!err && page->private && swp_type(page_swap_entry(page)) == type)
		drop_slot(page);
	unlock_page(page);
	put_page(page);
	return err;
}

/*
 * Bring back all that one mapping has in the area. A place that cannot be read is skipped, so that
 * all others are saved; -EIO is then reported at the end. The caller holds the mapping by
 * wb_users.
 */
static int unuse_mapping(struct address_space *mapping, const struct swap_area *area)
{
	unsigned long type = (unsigned long)(area - swap_areas);
	pgoff_t index = 0;
	int err = 0, lost = 0;

	VM_BUG_ON(atomic_read(&mapping->wb_users) < 1);
	while (!err && find_slot(mapping, type, &index)) {
		if (READ_ONCE(area->give_up))
			return -ENOMEM;
		err = port_fatal_signal_pending() ? -EINTR : unuse_place(mapping, type, index);
		if (err == -EIO) { /* Skip this place; all others are still brought back. */
			lost = err;
			err = 0;
			index++;
		}
		port_cond_resched();
	}
	return err ? err : lost;
}

/*
 * Hold the first mapping of the list by wb_users and move it to the list's end, so that the next
 * call gets another one. *nr becomes the number of mappings on the list. NULL: the list is empty.
 */
static struct address_space *hold_first(unsigned long *nr)
{
	struct address_space *mapping = NULL;
	struct list_head *at;

	*nr = 0;
	spin_lock(&list_lock);
	list_for_each(at, &swapped_mappings)
		++*nr;
	if (*nr) {
		mapping = list_first_entry(&swapped_mappings, struct address_space, swap_link);
		list_del(&mapping->swap_link);
		list_add_tail(&mapping->swap_link, &swapped_mappings);
		atomic_inc(&mapping->wb_users);
	}
	spin_unlock(&list_lock);
	return mapping;
}

/*
 * Each mapping that was on the list at first is visited once. Mappings that join later have no
 * slots in the area, which hands out none any more.
 */
int shmem_unuse(const struct swap_area *area)
{
	unsigned long left = ~0ul, nr;
	int err = 0, lost = 0;

	while (!err && left) {
		struct address_space *mapping = hold_first(&nr);

		if (!mapping)
			break;
		left = min(left, nr) - 1; /* the mappings that were on the list at first */
		err = unuse_mapping(mapping, area);
		release_mapping(mapping);
		if (err == -EIO) {
			lost = err;
			err = 0;
		}
	}
	return err ? err : lost;
}

/* ---- Looking --------------------------------------------------------------------------------- */

/* The world stands still. */
unsigned long shmem_count_slot(swp_entry_t wanted)
{
	struct address_space *mapping;
	unsigned long nr = 0;

	list_for_each_entry(mapping, &swapped_mappings, swap_link) {
		pgoff_t index = 0;
		void *item;

		while ((item = radix_tree_next(&mapping->i_pages, &index))) {
			nr += item_slot(item).val == wanted.val;
			if (!++index)
				break;
		}
	}
	return nr;
}

const struct shmem_swap_ops shmem_slots = {
	.writepage = shmem_writepage,
	.page_to_entry = shmem_page_to_entry,
	.entry_to_page = shmem_entry_to_page,
	.page_removed = shmem_page_removed,
	.swap_in = shmem_swap_in,
	.page_read = shmem_slot_read,
	.truncate = shmem_truncate,
	.forget = shmem_forget,
};
