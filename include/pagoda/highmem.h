/* SPDX-License-Identifier: MIT */
/*
 * highmem.h: reaching frames that the direct map does not cover (section HM).
 * On geometries without high memory every call folds to page_address().
 */
#pragma once

#include <pagoda/mmzone.h>
#include <pagoda/string.h>

/* Kernel address of a directly mapped (or kmapped) page; NULL for an unmapped high page. */
void *page_address(const struct page *page);
struct page *virt_to_page(const void *addr);

/* A lasting mapping; waits for a free slot. May sleep. */
void *kmap(struct page *page);
void kunmap(struct page *page);
/* A short mapping for this CPU; the holder may not sleep; release in reverse order. */
void *kmap_atomic(struct page *page);
void kunmap_atomic(void *addr);
void kmap_init(void);

static inline void clear_highpage(struct page *page)
{
	void *addr = kmap_atomic(page);

	memset(addr, 0, PAGE_SIZE);
	kunmap_atomic(addr);
}
static inline void copy_highpage(struct page *to, struct page *from)
{
	void *dst = kmap_atomic(to);
	void *src = kmap_atomic(from);

	memcpy(dst, src, PAGE_SIZE);
	kunmap_atomic(src);
	kunmap_atomic(dst);
}
