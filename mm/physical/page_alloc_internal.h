/* SPDX-License-Identifier: MIT */
/* page_alloc_internal.h: what buddy.c offers to page_alloc.c and zone_init.c. */
#pragma once

#include <pagoda/page_alloc.h>

/*
 * Pages on the zone's free lists. Read without the lock: the figure may be stale, but is never
 * torn. Context: any. Return: pages; those on the CPUs' stacks are not included.
 */
static inline unsigned long zone_free_pages(const zone_t *zone)
{
	return READ_ONCE(zone->free_pages);
}

/*
 * Take a block of 2^order frames off the free lists.
 * Context: any. Locks: takes zone->lock. Refs: the block comes without a reference.
 * Return: its first page, or NULL if no list has a block large enough.
 */
struct page *rmqueue(zone_t *zone, unsigned int order);

/*
 * rmqueue_bulk() moves up to nr single pages from the free lists to pages[], free_bulk() moves nr
 * pages back. Context: interrupts off. Locks: takes zone->lock once.
 * Return: how many pages were moved, possibly 0.
 */
unsigned int rmqueue_bulk(zone_t *zone, unsigned int nr, struct page **pages);
void free_bulk(zone_t *zone, unsigned int nr, struct page **pages);

/*
 * Put a block on the free lists, merging it with its buddies. Locks: takes zone->lock. Any context.
 */
void free_block_to_zone(zone_t *zone, struct page *page, unsigned int order);

/*
 * Let the sums of pgalloc and pgfree include what passed through the per-CPU stacks. Once, at boot.
 */
void page_count_init(void);

/* The largest block of a zone, in frames. */
#define BLOCK_PAGES (1ul << (MAX_ORDER - 1))

/* Make a descriptor: the frame's zone and flags, no references. Context: boot, or zone->lock held.
 */
void init_page(struct page *page, const zone_t *zone, unsigned long flags);
/*
 * Does this frame lie in a block whose descriptors are still zeroes, but the first if it is free?
 */
static inline bool is_raw_block(const zone_t *zone, unsigned long index)
{
	unsigned long block = index / BLOCK_PAGES;

	return zone->raw_blocks &&
	       zone->raw_blocks[block / BITS_PER_LONG] >> (block % BITS_PER_LONG) & 1;
}

/* Boot: empty free areas for a zone of size frames; bitmaps from boot memory. */
void buddy_init_zone(zone_t *zone, void *(*alloc)(pg_data_t *pgdat, unsigned long size));
