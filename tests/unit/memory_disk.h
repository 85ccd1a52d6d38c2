/* SPDX-License-Identifier: MIT */
/*
 * memory_disk.h: a disk in memory for tests: it answers at once, or when the test says so, and
 * fails or refuses what the test wants.
 */
#pragma once

#include "harness.h"

#include <pagoda/blkdev.h>
#include <pagoda/errno.h>
#include <pagoda/highmem.h>

#include <stdlib.h>
#include <string.h>

struct memory_disk {
	struct block_device bdev; /* first */
	u8 *bytes;
	u64 bad_from, bad_to; /* sectors [from, to) fail */
	bool fail_writes, fail_reads;
	bool held;		  /* requests wait for memory_disk_release() */
	struct list_head waiting; /* by request.list */
	u64 written[16];	  /* first sectors of the last writes, in turn */
	unsigned int nr_writes;
	spinlock_t lock;
};

static inline struct memory_disk *disk_of(struct block_device *bdev)
{
	return container_of(bdev, struct memory_disk, bdev);
}

static inline void memory_disk_copy(u8 *at, const struct bio *bio)
{
	for (unsigned int i = 0; i < bio->nr_vecs; i++) {
		const struct bio_vec *v = &bio->vecs[i];
		u8 *mem = hosted_phys(PFN_PHYS(page_to_pfn(v->page)));

		if (bio->op == BIO_READ)
			memcpy(mem + v->offset, at, v->len);
		else
			memcpy(at, mem + v->offset, v->len);
		at += v->len;
	}
}

static inline int memory_disk_serve(struct memory_disk *d, struct blk_request *request)
{
	u64 sector = request->sector;
	struct bio *bio;

	if (request->op == BIO_FLUSH)
		return 0;
	if ((request->op == BIO_WRITE ? d->fail_writes : d->fail_reads) && sector < d->bad_to &&
	    sector + request->nr_sectors > d->bad_from)
		return -EIO;
	list_for_each_entry(bio, &request->bios, chain) {
		CHECK_EQ(bio->sector, sector);
		memory_disk_copy(d->bytes + (sector << SECTOR_SHIFT), bio);
		for (unsigned int i = 0; i < bio->nr_vecs; i++)
			sector += bio->vecs[i].len >> SECTOR_SHIFT;
	}
	CHECK_EQ(sector, request->sector + request->nr_sectors);
	return 0;
}

static inline bool memory_disk_submit(struct block_device *bdev, struct blk_request *request)
{
	struct memory_disk *d = disk_of(bdev);
	bool held;

	spin_lock(&d->lock);
	held = d->held;
	if (request->op == BIO_WRITE)
		d->written[d->nr_writes++ % ARRAY_SIZE(d->written)] = request->sector;
	if (held)
		list_add_tail(&request->list, &d->waiting);
	spin_unlock(&d->lock);
	if (!held)
		blk_end_request(bdev, request, memory_disk_serve(d, request));
	return true;
}

/* Serve what waits, and all that comes from now on at once. */
static inline void memory_disk_release(struct memory_disk *d)
{
	struct blk_request *request;

	spin_lock(&d->lock);
	d->held = false;
	while (!list_empty(&d->waiting)) {
		request = list_first_entry(&d->waiting, struct blk_request, list);
		list_del(&request->list);
		spin_unlock(&d->lock);
		blk_end_request(&d->bdev, request, memory_disk_serve(d, request));
		spin_lock(&d->lock);
	}
	spin_unlock(&d->lock);
}

/* Does a request wait for that? */
static inline bool memory_disk_has_waiting(struct memory_disk *d)
{
	bool waiting;

	spin_lock(&d->lock);
	waiting = !list_empty(&d->waiting);
	spin_unlock(&d->lock);
	return waiting;
}

/* bytes: the disk's, nr_sectors * 512 of them. It stays registered for good. */
static inline void memory_disk_create(struct memory_disk *d, u8 *bytes, u64 nr_sectors)
{
	static const struct block_device_operations ops = {.submit = memory_disk_submit};

	memset(d, 0, sizeof(*d));
	d->bytes = bytes;
	d->bad_to = ~0ull;
	d->bdev.name = "mem0";
	d->bdev.ops = &ops;
	d->bdev.nr_sectors = nr_sectors;
	d->bdev.max_vecs = 64;
	d->bdev.high_memory = true;
	INIT_LIST_HEAD(&d->waiting);
	spin_lock_init(&d->lock, RANK_NONE);
	CHECK_EQ(register_block_device(&d->bdev), 0);
}
