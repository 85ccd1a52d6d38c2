/* SPDX-License-Identifier: MIT */
/*
 * highmem.h: reaching frames that the direct map does not cover (section HM).
 *
 * A frame is low (in the direct map, its address never changes) or high (PG_highmem).
 * A high frame is reached through a slot of a small window, for a while:
 *
 *	kmap		any holder may sleep; slots are shared by all CPUs and few
 *	kmap_atomic	for this CPU only; interrupts may be on, sleeping may not
 *
 * Where all memory is low (the 64-bit geometries) everything folds to page_address().
 */
#pragma once

#include <pagoda/mmzone.h>
#include <pagoda/string.h>

PAGODA_C_BEGIN

#define HAVE_HIGHMEM (PGTABLE_LEVELS <= 3)

/* kmap()'s window: one page table (HM-05). */
#define LAST_PKMAP PTRS_PER_PTE
/* kmap_atomic()'s slots per CPU: two users in a task, the same in a handler on top of it. */
#define KMAP_ATOMIC_SLOTS 8

/*
 * The kernel address of a page. Context: any.
 * Return: of a low page always; of a high page while it is kmapped, else NULL.
 */
static inline void *page_address(const struct page *page)
{
	if (HAVE_HIGHMEM && PageHighMem(page))
		return READ_ONCE(page->CXX_NAME(virtual));
	return __va(PFN_PHYS(page_to_pfn(page)));
}

/* Assumes: addr lies in the direct map. */
static inline struct page *virt_to_page(const void *addr)
{
	return pfn_to_page(PHYS_PFN(__pa(addr)));
}

/* highmem.c */
void *kmap_high(struct page *page);
void kunmap_high(struct page *page);
void *kmap_atomic_high(struct page *page);
void kunmap_atomic_high(void *addr);
void kmap_init_high(void);
void kmap_forget_page_high(struct page *page);

/*
 * Map a page until kunmap(); as many kunmap() as kmap() calls. Waits for a free slot if all are in
 * use, so a task that holds several mappings can wait for itself.
 * Context: may sleep. Refs: the caller has a reference. Return: the page's address.
 */
static inline void *kmap(struct page *page)
{
	return HAVE_HIGHMEM && PageHighMem(page) ? kmap_high(page) : page_address(page);
}
static inline void kunmap(struct page *page)
{
	if (HAVE_HIGHMEM && PageHighMem(page))
		kunmap_high(page);
}
/*
 * Map a page for this CPU until kunmap_atomic(). The holder must not sleep in between, and releases
 * its mappings in the reverse order.
 * Context: any, interrupt handlers included. Return: the page's address.
 */
static inline void *kmap_atomic(struct page *page)
{
	return HAVE_HIGHMEM && PageHighMem(page) ? kmap_atomic_high(page) : page_address(page);
}
static inline void kunmap_atomic(void *addr)
{
	if (HAVE_HIGHMEM && (unsigned long)addr >= FIXMAP_BASE)
		kunmap_atomic_high(addr);
}
/* Find the page table of kmap()'s window. Context: boot, once, after paging_init(). */
static inline void kmap_init(void)
{
	if (HAVE_HIGHMEM)
		kmap_init_high();
}
/*
 * A page is being freed: it gives up the slot that it kept for another kmap(). Panics if it is
 * still mapped. Context: any. Return: nothing.
 */
static inline void kmap_forget_page(struct page *page)
{
	if (HAVE_HIGHMEM)
		kmap_forget_page_high(page);
}

/* Zero a page, high or low. Context: any. */
static inline void clear_highpage(struct page *page)
{
	void *addr = kmap_atomic(page);

	memset(addr, 0, PAGE_SIZE);
	kunmap_atomic(addr);
}
/* Copy a page, high or low. Context: any. */
static inline void copy_highpage(struct page *to, struct page *from)
{
	void *dst = kmap_atomic(to);
	void *src = kmap_atomic(from);

	memcpy(dst, src, PAGE_SIZE);
	kunmap_atomic(src);
	kunmap_atomic(dst);
}

PAGODA_C_END
