/* SPDX-License-Identifier: MIT */
/*
 * full_disk.h: a disk that is always full: one request waits in its queue, and the driver refuses
 * it. So each run of the disk queues (run_disk_queue()) comes by the driver, which calls a function
 * of the test if the running task is kswapd.
 */
#pragma once

#include "harness.h"

#include <pagoda/blkdev.h>
#include <pagoda/mmzone.h>
#include <pagoda/page_alloc.h>

struct full_disk {
	struct block_device bdev;
	struct page *page; /* what the request would write */
	void (*visit)(void);
	bool closing; /* the request is served */
};

static inline bool full_disk_submit(struct block_device *bdev, struct blk_request *request)
{
	struct full_disk *d = container_of(bdev, struct full_disk, bdev);
	void (*visit)(void) = __atomic_load_n(&d->visit, __ATOMIC_ACQUIRE);

	if (d->closing) {
		blk_end_request(bdev, request, 0);
		return true;
	}
	if (visit && port_current() == pgdat_list->kswapd)
		visit();
	return false;
}

static inline void full_disk_end_io(struct bio *bio)
{
	bio_put(bio);
}

static inline void full_disk_open(struct full_disk *d)
{
	static const struct block_device_operations ops = {.submit = full_disk_submit};
	struct bio *bio;

	*d = (struct full_disk){.bdev = {.name = "full0",
					 .ops = &ops,
					 .nr_sectors = PAGE_SIZE >> SECTOR_SHIFT,
					 .max_vecs = 1}};
	d->page = alloc_page(GFP_KERNEL);
	CHECK(d->page);
	CHECK_EQ(register_block_device(&d->bdev), 0);
	bio = bio_alloc(&d->bdev, BIO_WRITE, 0, 1, GFP_KERNEL);
	CHECK(bio && bio_add_page(bio, d->page, 0, PAGE_SIZE));
	bio->end_io = full_disk_end_io;
	submit_bio(bio);
}

/* kswapd calls visit at each run of the disk queues from now on; NULL: nothing is called. */
static inline void full_disk_set_visit(struct full_disk *d, void (*visit)(void))
{
	__atomic_store_n(&d->visit, visit, __ATOMIC_RELEASE);
}

/* No other task runs the queues meanwhile. */
static inline void full_disk_close(struct full_disk *d)
{
	d->closing = true;
	run_disk_queue();
	unregister_block_device(&d->bdev);
	put_page(d->page);
}
