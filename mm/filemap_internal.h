/* SPDX-License-Identifier: MIT */
/* filemap_internal.h: what the files of the page cache tell each other. */
#pragma once

#include <pagoda/pagemap.h>

/* ---- page-writeback.c -------------------------------------------------------------------- */

/* A page leaves the index: it counts no more as dirty. pages_lock held; it is not being written. */
void forget_page_tags(struct address_space *mapping, struct page *page);

/* ---- filemap.c --------------------------------------------------------------------------- */

/* A new page in the cache at index, locked, with a reference; NULL: there is one by now; ERR_PTR(-ENOMEM). */
struct page *add_new_page(struct address_space *mapping, pgoff_t index, gfp_t gfp);
/* Up to nr pages of [first, end] with references, in order. */
unsigned int find_get_pages(struct address_space *mapping, struct page **pages, unsigned int nr,
			    pgoff_t first, pgoff_t end);
/* Indices of a file's pages are below this. */
static inline pgoff_t pages_in_file(struct address_space *mapping)
{
	u64 size = mapping->size(mapping);

	return (pgoff_t)((size >> PAGE_SHIFT) + !!(size & (PAGE_SIZE - 1)));
}
/* Does the page have to be taken off what hangs on it before it may leave? True: it is free of it. Locked. */
bool release_page_private(struct page *page, gfp_t gfp);
