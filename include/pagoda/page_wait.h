/* SPDX-License-Identifier: MIT */
/* page_wait.h: what waiting for a page asks of the rooms that read, write and reclaim pages. */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

struct page;

struct page_wait_ops {
	/*
	 * A task is about to sleep for a page: start the transfers that are still gathered. May not
	 * sleep.
	 */
	void (*start_io)(void);
	/*
	 * A page that reclaim wanted written (PG_launder, which is clear now) is being unlocked:
	 * move it to where reclaim looks next. The page is locked by the caller. Any context; must
	 * not sleep.
	 */
	void (*laundered)(struct page *page);
};

/* NULL until there are such rooms; then no page has PG_launder. Set once, at boot. */
extern const struct page_wait_ops *page_wait_ops;

PAGODA_C_END
