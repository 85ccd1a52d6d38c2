/* SPDX-License-Identifier: MIT */
/*
 * page.h: struct page, the descriptor of one physical frame, and its flags.
 *
 * Every frame has exactly one descriptor in its node's mem_map. At most 64 bytes,
 * one cache line (DESIGN.md, "Frames"). Who uses which member:
 *
 *	free (buddy)	list links the free list, index is the order of the block
 *	slab		list.next the kmem_cache, list.prev the slab
 *	page cache	mapping, index; lru; private: buffers
 *	anonymous	mapping: the anon_vma with bit 0 set, index: linear page number; lru
 *	page table	private: entries in use
 */
#pragma once

#include <pagoda/atomic.h>
#include <lib/list.h>

PAGODA_C_BEGIN

struct address_space;

/*
 * A page's place, the word that holds its zone and its order, is its flags where a word has 64
 * bits. On a 32-bit machine they leave no room, so there the place is a word of its own.
 */
#if __SIZEOF_LONG__ == 8
#define PAGE_PLACE flags
#define PAGE_OWN_PLACE
#else
#define PAGE_PLACE     place
#define PAGE_OWN_PLACE unsigned long place; /* zone index in the top 8 bits, order */
#endif

struct page {
	unsigned long flags; /* (A) PG_ bits; 64-bit: zone index in the top 8 bits, and the order */
	PAGE_OWN_PLACE
	union {
		struct {
			atomic_t count;	   /* references; 0: free or freeable */
			atomic_t mapcount; /* PTEs that map it, minus one: -1 is none */
		};
		u64 refs; /* both, to look at them in one go */
	};
	union {
		struct list_head list;
		struct {
			void *CXX_NAME(private); /* buffers, or an owner's word */
			void *CXX_NAME(virtual); /* kmap address of a high page, else NULL */
		};
	};
	struct address_space *mapping;
	pgoff_t index;
	struct list_head lru;
};
typedef struct page mem_map_t;
static_assert(sizeof(struct page) <= 64, "struct page must fit a cache line");

/* page->refs of a page with one reference that no PTE maps. */
#define PAGE_REFS_SOLE 0xffffffff00000001ull

/* In the word of the page's place. */
#define ZONE_SHIFT (BITS_PER_LONG - 8)

/*
 * Below the zone: the order of an allocated block, in its first page (FX-29). Status
 * bits must stay below it, where they share the word.
 */
#define PAGE_ORDER_BITS	 4
#define PAGE_ORDER_SHIFT (ZONE_SHIFT - PAGE_ORDER_BITS)
#define PAGE_ORDER_MASK	 ((1ul << PAGE_ORDER_BITS) - 1)
/* Is the place in the flags? And how many of their bits are free for the status. */
#define PAGE_PLACE_IN_FLAGS (offsetof(struct page, PAGE_PLACE) == offsetof(struct page, flags))
#define PAGE_STATUS_BITS    (PAGE_PLACE_IN_FLAGS ? PAGE_ORDER_SHIFT : BITS_PER_LONG)

/* X(bit name, number): keep names, numbers and printers in step. */
/* clang-format off */
#define PAGE_FLAGS(X)                                                                              \
	X(locked, 0) X(error, 1) X(referenced, 2) X(uptodate, 3) X(dirty, 4) X(unused, 5)          \
	X(lru, 6) X(active, 7) X(slab, 8) X(wanted, 9) X(skip, 10) X(highmem, 11) X(checked, 12)   \
	X(arch_1, 13) X(reserved, 14) X(launder, 15) X(buddy, 16) X(writeback, 17)                 \
	X(swapcache, 18) X(swapbacked, 19) X(table, 20) X(reclaim, 21) X(workingset, 22)           \
	X(mlocked, 23) X(zeropage, 24) X(lru_add, 25) X(readahead, 26)
/* clang-format on */
enum page_flag {
#define X(name, bit) PG_##name = bit,
	PAGE_FLAGS(X)
#undef X
};

static_assert(PG_readahead < PAGE_STATUS_BITS, "status bits must not reach the order");

#define PAGE_TEST(Name, flag)                                  \
	static inline bool Page##Name(const struct page *page) \
	{                                                      \
		return test_bit(PG_##flag, &page->flags);      \
	}
#define PAGE_SET(Name, flag)                                \
	static inline void SetPage##Name(struct page *page) \
	{                                                   \
		set_bit(PG_##flag, &page->flags);           \
	}
#define PAGE_CLEAR(Name, flag)                                \
	static inline void ClearPage##Name(struct page *page) \
	{                                                     \
		clear_bit(PG_##flag, &page->flags);           \
	}
#define PAGE_FLAG(Name, flag) PAGE_TEST(Name, flag) PAGE_SET(Name, flag) PAGE_CLEAR(Name, flag)

/* Table 3.2 of the thesis: a macro it marks "none" does not exist here either. */
PAGE_FLAG(Active, active)
PAGE_TEST(Checked, checked)
PAGE_SET(Checked, checked)
PAGE_FLAG(Dirty, dirty)
PAGE_FLAG(Error, error)
PAGE_TEST(HighMem, highmem)
PAGE_FLAG(Launder, launder)
PAGE_TEST(Locked, locked)
PAGE_TEST(LRU, lru)
PAGE_FLAG(Referenced, referenced)
PAGE_FLAG(Reserved, reserved)
PAGE_TEST(Slab, slab)
PAGE_FLAG(Uptodate, uptodate)
/* Ours, not the thesis's. */
PAGE_FLAG(Buddy, buddy)
PAGE_FLAG(Writeback, writeback)
PAGE_FLAG(SwapCache, swapcache)
PAGE_FLAG(SwapBacked, swapbacked)
PAGE_FLAG(Table, table)
PAGE_FLAG(Workingset, workingset)
PAGE_FLAG(Mlocked, mlocked)
PAGE_FLAG(Readahead, readahead)
/* unlock_page() is to hand the lock to a waiter that others overtook (mm/sleep/page_wait.c) */
PAGE_FLAG(Wanted, wanted)

static inline void PageSetSlab(struct page *page)
{
	set_bit(PG_slab, &page->flags);
}
static inline void PageClearSlab(struct page *page)
{
	clear_bit(PG_slab, &page->flags);
}
static inline bool TestSetPageLRU(struct page *page)
{
	return test_and_set_bit(PG_lru, &page->flags);
}
static inline bool TestClearPageLRU(struct page *page)
{
	return test_and_clear_bit(PG_lru, &page->flags);
}
static inline bool TestSetPageDirty(struct page *page)
{
	return test_and_set_bit(PG_dirty, &page->flags);
}
static inline bool TestClearPageDirty(struct page *page)
{
	return test_and_clear_bit(PG_dirty, &page->flags);
}
static inline bool TestClearPageWriteback(struct page *page)
{
	return test_and_clear_bit(PG_writeback, &page->flags);
}
static inline bool TryLockPage(struct page *page) /* true: it was locked already */
{
	return test_and_set_bit(PG_locked, &page->flags);
}
#define LockPage(page)	 set_bit(PG_locked, &(page)->flags)
#define UnlockPage(page) unlock_page(page)

/*
 * Take the page lock, sleeping until it is free.
 * Context: may sleep. Locks: page lock (RANK_PAGE) held on return. Refs: the caller has one.
 * lock_page_killable() returns 0, or -EINTR without the lock if a fatal signal is pending.
 */
void lock_page(struct page *page);
int lock_page_killable(struct page *page) __must_check;
/*
 * Release the page lock and wake the tasks that wait for this page.
 * Context: any. Locks: page lock held by the caller, or by the transfer that has ended.
 * Return: nothing; panics if the page is not locked.
 */
void unlock_page(struct page *page);
/*
 * Sleep until the page has been unlocked once; it may be locked again on return.
 * Context: may sleep. Refs: the caller has one.
 * wait_on_page_killable() returns 0, or -EINTR if a fatal signal ended the wait.
 */
void wait_on_page(struct page *page);
int wait_on_page_killable(struct page *page);
/*
 * Sleep until a write of the page that is under way has ended; another may have begun on return.
 * Context: may sleep. Refs: the caller has one.
 */
void wait_on_page_writeback(struct page *page);
/* PG_writeback was cleared: wake the tasks that wait for that. Context: any. */
void wake_page_written(struct page *page);
/* The wait queue of this page, which some other pages of its zone share. Context: any. */
struct wait_queue_head;
struct wait_queue_head *page_waitqueue(struct page *page);

/* Lowest bit of page->mapping: an anonymous page, the rest points to its anon_vma. */
#define PAGE_MAPPING_ANON 1ul
static inline bool PageAnon(const struct page *page)
{
	/* Which family it belongs to may be changing; that it is anonymous is not. */
	return (unsigned long)READ_ONCE(page->mapping) & PAGE_MAPPING_ANON;
}

/*
 * The page's references. The load has acquire order: a holder that finds itself alone also sees all
 * that earlier holders did with the page before they dropped theirs.
 */
static inline int page_count(const struct page *page)
{
	return smp_load_acquire(&page->count.counter);
}
static inline int page_mapcount(const struct page *page)
{
	return atomic_read(&page->mapcount) + 1;
}
static inline void get_page(struct page *page)
{
	atomic_inc(&page->count);
}
/*
 * Take a reference to a page that was found on a list and may be about to be freed.
 * Context: any. Return: false: its count was 0, it is free or being freed; nothing was taken.
 */
static inline bool get_page_unless_zero(struct page *page)
{
	return atomic_inc_not_zero(&page->count);
}
/*
 * References that a pin counts as (gup.c): no page has as many plain ones, as each takes memory, or
 * a process.
 */
#define PAGE_PIN (1 << 22)
/* Pins that a page may have at a time, so that its count cannot overflow. */
#define PAGE_PINS_MAX 256
/* Is the page pinned, so that a device may be writing to it? Context: any. */
static inline bool page_pinned(const struct page *page)
{
	return page_count(page) >= PAGE_PIN;
}
/*
 * Drop a reference; with the last one the page, or the block that starts with it, is freed.
 * Context: any. Return: nothing.
 */
void put_page(struct page *page);

/* The order that an allocated block was asked for with; page is its first. Context: any. */
static inline unsigned int page_order(const struct page *page)
{
	return (unsigned int)(READ_ONCE(page->PAGE_PLACE) >> PAGE_ORDER_SHIFT & PAGE_ORDER_MASK);
}

PAGODA_C_END
