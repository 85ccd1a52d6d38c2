/* SPDX-License-Identifier: MIT */
/*
 * buddy.c: the free lists of a zone: blocks of 2^order frames, split and merged.
 *
 * This file knows blocks and nothing else; which request may have one is decided in
 * page_alloc.c. The algorithm is Knuth's, as thesis chapter 6 describes it.
 *
 * A block's index is relative to the zone's first frame and is a multiple of its
 * size. Its buddy is the block whose index differs in bit `order`. Each order has a
 * list of free blocks and a bitmap with one bit for a pair of buddies:
 *
 *	order 2:  |  0..3  free | 4..7 used |	bit 0 = 1	exactly one is free
 *	          |  8..11 used | 12..15 used |	bit 1 = 0	both used (both free
 *							cannot be: they would be one block)
 *
 * The bit is toggled whenever one of the pair goes on or off the list. On free, a bit
 * that was 1 says that the buddy is free: both leave this order and try the next.
 *
 *	allocate	take from the smallest order that has a block, put the unused
 *			halves back (expand):		O(MAX_ORDER)
 *	free		merge while the buddy is free:	O(MAX_ORDER)
 *
 * Invariants (validate_buddy checks them all):
 *	(I1) free_pages = sum over orders of nr_free << order
 *	(I2) a block lies inside the zone, aligned to its size relative to the zone
 *	(I3) the bit of a pair is the exclusive or of "this buddy is free"
 *	(I4) PG_buddy is set on the first page of each free block and on no other page;
 *	     its index is the block's order, its count 0
 *
 * A largest block that boot memory gave back whole has only its first descriptor until it
 * is used for the first time (zone->raw_blocks): a machine of 64 GiB boots without writing
 * a gibibyte of descriptors. Such a block is on the list of the highest order, where nothing
 * looks at its other pages: it has no buddy to merge with. Code that looks at one of the other
 * descriptors because of a wrong pointer reads zeroes: "not free, not reserved, no slab".
 *
 * Locking: zone->lock (RANK_ZONE) with interrupts off, as handlers allocate too. The
 * lock is taken for a batch of single pages at a time (rmqueue_bulk, free_bulk).
 *
 * Failure: taking a block fails if no list has one; nothing has changed then.
 * Observability: zone->lock_acquisitions; zone_nr_free_blocks().
 */
#include "page_alloc_internal.h"
#include <pagoda/bug.h>
#include <lib/bitmap.h>

/* Interrupts are off already: handlers allocate, too, and would wait for the lock for ever. */
static void lock_zone(zone_t *zone) ACQUIRES(&zone->lock)
{
	lockdep_assert_irqs_disabled();
	spin_lock(&zone->lock);
	zone->lock_acquisitions++;
}

/* The frame's index relative to the zone's first frame. */
static unsigned long page_index(const zone_t *zone, const struct page *page)
{
	VM_BUG_ON(page < zone->zone_mem_map || page >= zone->zone_mem_map + zone->size);
	return (unsigned long)(page - zone->zone_mem_map);
}

/*
 * Toggle the bit of the pair that block index belongs to, as one of the two goes on or off the list
 * (I3). Return: its value before, which on free says whether the buddy is free. (MARK_USED in the
 * documents.)
 */
static bool toggle_pair(free_area_t *area, unsigned long index, unsigned int order)
{
	return bitmap_test_and_change(area->map, index >> (1 + order));
}

/* Put a block on its order's list. The caller toggles the pair's bit. Locks: zone->lock held. */
static void add_free(zone_t *zone, struct page *page, unsigned int order) MUST_HOLD(&zone->lock)
{
	lockdep_assert_held(&zone->lock);
	VM_BUG_ON_PAGE(PageBuddy(page) || page_count(page), page); /* (I4) in use until now */
	VM_BUG_ON(page_index(zone, page) & ((1ul << order) - 1));  /* (I2) */
	SetPageBuddy(page);
	page->index = order;
	list_add(&page->list, &zone->free_area[order].free_list);
	zone->free_area[order].nr_free++;
}

/* Take a block off its order's list. The caller toggles the pair's bit. Locks: zone->lock held. */
static void del_free(zone_t *zone, struct page *page, unsigned int order) MUST_HOLD(&zone->lock)
{
	lockdep_assert_held(&zone->lock);
	VM_BUG_ON_PAGE(!PageBuddy(page) || page->index != order, page); /* (I4) free until now */
	VM_BUG_ON(!zone->free_area[order].nr_free);
	ClearPageBuddy(page);
	list_del(&page->list); /* leaves private and virtual NULL */
	zone->free_area[order].nr_free--;
}

/* (I1). The figure is read without the lock, hence written in one piece. Locks: zone->lock held. */
static void change_free_pages(zone_t *zone, long delta) MUST_HOLD(&zone->lock)
{
	lockdep_assert_held(&zone->lock);
	VM_BUG_ON(delta < 0 && zone->free_pages < (unsigned long)-delta);
	WRITE_ONCE(zone->free_pages, zone->free_pages + (unsigned long)delta);
}

/*
 * A block that was never used is about to be split or handed out: make the descriptors behind its
 * first one, which exists since boot. Locks: zone->lock held.
 */
static noinline void make_free_descriptors(zone_t *zone, struct page *page) MUST_HOLD(&zone->lock)
{
	lockdep_assert_held(&zone->lock);
	VM_BUG_ON_PAGE(page->index != MAX_ORDER - 1, page);
	bitmap_clear_bit(zone->raw_blocks, page_index(zone, page) / BLOCK_PAGES);
	for (unsigned long i = 1; i < BLOCK_PAGES; i++)
		init_page(page + i, zone, 0);
}

/*
 * Give back the upper halves of a block of order high until order low is left. For a request of
 * order 0 that got a block of order 3:
 *
 *	| 0 | 1 | 2   3 | 4   5   6   7 |
 *	  ^   ^    ^       ^ order 2 goes to the list first, then order 1, then order 0
 *	  taken
 *
 * The lower half stays the caller's, so each pair has exactly one free block, and its bit
 *becomes 1.
 */
static void expand(zone_t *zone, struct page *page, unsigned int low, unsigned int high)
	MUST_HOLD(&zone->lock)
{
	unsigned long index = page_index(zone, page);

	VM_BUG_ON(low > high);
	while (high > low) {
		high--;
		add_free(zone, page + (1ul << high), high);
		toggle_pair(&zone->free_area[high], index, high);
	}
}

/*
 * Take a block of the order from the smallest order that has one, splitting it if it is larger.
 * NULL: no list has a block large enough, and nothing has changed. Locks: zone->lock held.
 */
static struct page *take_block(zone_t *zone, unsigned int order) MUST_HOLD(&zone->lock)
{
	lockdep_assert_held(&zone->lock);
	VM_BUG_ON(order >= MAX_ORDER);
	for (unsigned int o = order; o < MAX_ORDER; o++) {
		free_area_t *area = &zone->free_area[o];
		struct page *page;

		if (list_empty(&area->free_list))
			continue;
		page = list_first_entry(&area->free_list, struct page, list);
		if (o == MAX_ORDER - 1 && is_raw_block(zone, page_index(zone, page)))
			make_free_descriptors(zone, page);
		del_free(zone, page, o);
		toggle_pair(area, page_index(zone, page), o);
		expand(zone, page, order, o);
		change_free_pages(zone, -(1l << order));
		return page;
	}
	return NULL;
}

/*
 * A zone that is back at pages_high needs no work from kswapd any more (PM-14). The flag is set
 * without the lock when an allocation finds the zone at pages_low; if the two cross, kswapd looks
 * at the zone once in vain, or the next allocation sets the flag again. Locks: zone->lock held.
 */
static void note_balance(zone_t *zone)
{
	lockdep_assert_held(&zone->lock);
	if (unlikely(READ_ONCE(zone->need_balance)) && zone->free_pages >= zone->pages_high)
		WRITE_ONCE(zone->need_balance, 0);
}

/*
 * Put a block on the free lists. While the pair's bit was 1 the buddy is free: take the buddy off
 * its list and go on with the block of twice the size that the two form. A block of the highest
 * order has no buddy to merge with; its bit is toggled all the same, so that (I3) holds there, too.
 * Locks: zone->lock held.
 */
static void put_block(zone_t *zone, struct page *page, unsigned int order) MUST_HOLD(&zone->lock)
{
	unsigned long index = page_index(zone, page);

	lockdep_assert_held(&zone->lock);
	VM_BUG_ON(index & ((1ul << order) - 1));
	VM_BUG_ON(index + (1ul << order) > zone->size);
	VM_BUG_ON(PageBuddy(page));
	change_free_pages(zone, 1l << order);
	note_balance(zone);
	while (toggle_pair(&zone->free_area[order], index, order) && order < MAX_ORDER - 1) {
		del_free(zone, zone->zone_mem_map + (index ^ (1ul << order)), order);
		index &= ~(1ul << order);
		order++;
	}
	add_free(zone, zone->zone_mem_map + index, order);
}

struct page *rmqueue(zone_t *zone, unsigned int order)
{
	struct page *page;
	unsigned long flags = port_irq_save();

	lock_zone(zone);
	page = take_block(zone, order);
	spin_unlock_irqrestore(&zone->lock, flags);
	return page;
}

void free_block_to_zone(zone_t *zone, struct page *page, unsigned int order)
{
	unsigned long flags = port_irq_save();

	lock_zone(zone);
	put_block(zone, page, order);
	spin_unlock_irqrestore(&zone->lock, flags);
}

unsigned int rmqueue_bulk(zone_t *zone, unsigned int nr, struct page **pages)
{
	unsigned int done = 0;

	lock_zone(zone);
	while (done < nr && (pages[done] = take_block(zone, 0)) != NULL)
		done++;
	spin_unlock(&zone->lock);
	return done;
}

void free_bulk(zone_t *zone, unsigned int nr, struct page **pages)
{
	lock_zone(zone);
	for (unsigned int i = 0; i < nr; i++)
		put_block(zone, pages[i], 0);
	spin_unlock(&zone->lock);
}

/*
 * Two kinds of block come from boot memory. A whole block of the largest order whose descriptors
 * are not made yet gets just its first one (see the top). Of any other block each frame has a
 * descriptor that says "reserved", which ends here.
 */
void free_boot_block_of(zone_t *zone, unsigned long index, unsigned int order)
{
	struct page *page = zone->zone_mem_map + index;

	VM_BUG_ON(index + (1ul << order) > zone->size);
	if (is_raw_block(zone, index)) {
		BUG_ON(order != MAX_ORDER - 1);
		init_page(page, zone, 0);
	} else {
		for (struct page *p = page; p < page + (1ul << order); p++) {
			VM_BUG_ON_PAGE(!PageReserved(p), p);
			ClearPageReserved(p);
			atomic_set(&p->count, 0);
		}
	}
	zone->managed_pages += 1ul << order;
	free_block_to_zone(zone, page, order);
}

void free_boot_block(struct page *page, unsigned int order)
{
	zone_t *zone = page_zone(page);

	free_boot_block_of(zone, page_index(zone, page), order);
}

unsigned long zone_nr_free_blocks(zone_t *zone, unsigned int order)
{
	unsigned long flags, nr;

	VM_BUG_ON(order >= MAX_ORDER);
	spin_lock_irqsave(&zone->lock, flags);
	nr = zone->free_area[order].nr_free;
	spin_unlock_irqrestore(&zone->lock, flags);
	return nr;
}

void buddy_init_zone(zone_t *zone, void *(*alloc)(pg_data_t *pgdat, unsigned long size))
{
	for (unsigned int order = 0; order < MAX_ORDER; order++) {
		free_area_t *area = &zone->free_area[order];
		unsigned long pairs = (zone->size >> (1 + order)) + 1;

		INIT_LIST_HEAD(&area->free_list);
		area->nr_free = 0;
		area->map = zone->size
				    ? alloc(zone->zone_pgdat, BITS_TO_LONGS(pairs) * sizeof(long))
				    : NULL;
	}
}

/* ---- Validation ---------------------------------------------------------------- */

/* Is there a free block of just this order at index? A zone's last pair may have one half only. */
static bool block_is_free(const zone_t *zone, unsigned long index, unsigned int order)
{
	const struct page *page = zone->zone_mem_map + index;

	return index + (1ul << order) <= zone->size && PageBuddy(page) && page->index == order;
}

/*
 * Check one order's list and bitmap against each other: (I2), (I3), (I4). Return: frames on the
 * list. Locks: zone->lock held.
 */
static unsigned long validate_area(const zone_t *zone, unsigned int order) MUST_HOLD(&zone->lock)
{
	const free_area_t *area = &zone->free_area[order];
	unsigned long nr = 0, size = 1ul << order;
	const struct page *page;

	list_for_each_entry(page, &area->free_list, list) {
		unsigned long index = page_index(zone, page);

		if (index & (size - 1) || !block_is_free(zone, index, order) || page_count(page) ||
		    PageReserved(page) || page_zone(page) != zone)
			panic("buddy: zone %s order %u: bad free block at index %lu, flags %lx",
			      zone->name, order, index, page->flags);
		nr++;
	}
	lockdep_assert_held(&zone->lock);
	if (nr != area->nr_free)
		panic("buddy: zone %s order %u: %lu blocks listed, %lu counted", zone->name, order,
		      nr, area->nr_free);
	for (unsigned long index = 0; index < zone->size; index += 2 * size) {
		bool one_free = block_is_free(zone, index, order) !=
				block_is_free(zone, index + size, order);

		if (bitmap_test(area->map, index >> (1 + order)) != one_free)
			panic("buddy: zone %s order %u: wrong bit for index %lu", zone->name, order,
			      index);
	}
	return nr << order;
}

/* (I1), and (I4) in the other direction: every page with PG_buddy is on a list. */
static void validate_zone(zone_t *zone)
{
	unsigned long flags, free = 0, marked = 0;

	spin_lock_irqsave(&zone->lock, flags);
	for (unsigned int order = 0; order < MAX_ORDER; order++)
		free += validate_area(zone, order);
	for (unsigned long i = 0; i < zone->size; i++)
		if (PageBuddy(zone->zone_mem_map + i))
			marked += 1ul << zone->zone_mem_map[i].index;
	if (free != zone->free_pages || marked != free)
		panic("buddy: zone %s: %lu frames listed, %lu marked, free_pages %lu", zone->name,
		      free, marked, zone->free_pages);
	spin_unlock_irqrestore(&zone->lock, flags);
}

void validate_buddy(void)
{
	pg_data_t *pgdat;
	zone_t *zone;

	for_each_pgdat(pgdat)
		for_each_zone(zone, pgdat)
			if (zone->size)
				validate_zone(zone);
}
