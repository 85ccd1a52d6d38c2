/* SPDX-License-Identifier: MIT */
/* lru.h: the lists of reclaimable user pages: active (hot) and inactive (cold). */
#pragma once

#include <pagoda/page.h>

/* Put a page that is on no list on the inactive list / take it off its list. Any context. */
void lru_cache_add(struct page *page);
void lru_cache_del(struct page *page);
/* Move an inactive page to the active list. */
void activate_page(struct page *page);
/* Note a use: the first marks the page referenced, the second activates it. */
void mark_page_accessed(struct page *page);

extern unsigned long nr_active_pages, nr_inactive_pages;
