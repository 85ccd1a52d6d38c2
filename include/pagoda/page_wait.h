/* SPDX-License-Identifier: MIT */
/* page_wait.h: what waiting for a page asks of the rooms that read, write and reclaim pages. */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

struct page;

struct page_wait_ops {
	/*
	 * A task is about to sleep for a page: start the transfers that are still being gathered,
	 * as one of them may be the one that the task waits for.
	 * Context: a task that may sleep; the function itself does not.
	 */
	void (*start_io)(void);
	/*
	 * A page that reclaim wanted written is being unlocked; PG_launder is clear already. Move
	 * the page to where reclaim looks next.
	 * Context: any; must not sleep. Locks: the caller holds the page lock.
	 */
	void (*laundered)(struct page *page);
};

/* Set once, at boot; NULL where no room writes or reclaims pages, and no page has PG_launder. */
extern const struct page_wait_ops *page_wait_ops;

PAGODA_C_END
