/* SPDX-License-Identifier: MIT */
/*
 * blkdev.h: block devices as the core meets them: requests in, completions out.
 *
 *	submit_bio -> device's queue (neighbours merged) -> ops->submit
 *	                                      device ... -> blk_end_request -> end_io
 *
 * A bio is one transfer between a run of sectors and pieces of pages. Everything is
 * asynchronous: who wants the result waits for its end_io. Bios of a task that has plugged
 * wait in the device's queue, so that neighbours become one request; they start with
 * blk_finish_plug(), when the task waits for a page or a bio, with the next bio of a task
 * that has not plugged, or when anybody runs the disk queue (the documents' tq_disk, RC-04).
 *
 * A driver (machine/hosted, machine/pc) embeds struct block_device and fills in the
 * constant members; the queue is the core's (mm/block/request_queue.c).
 */
#pragma once

#include <pagoda/page.h>
#include <pagoda/spinlock.h>

PAGODA_C_BEGIN

#define SECTOR_SHIFT 9
#define SECTOR_SIZE  (1u << SECTOR_SHIFT)

enum bio_op { BIO_READ, BIO_WRITE, BIO_FLUSH };

struct bio_vec {
	struct page *page;
	unsigned int offset, len; /* bytes inside the page; multiples of SECTOR_SIZE */
};

struct block_device;

/* A chain of bios with consecutive sectors, one transfer for the device; lies in its first bio. */
struct blk_request {
	struct list_head list; /* the queue's, the driver's once submitted */
	struct list_head bios; /* by bio.chain, in sector order */
	enum bio_op op;
	u64 sector, nr_sectors;
	unsigned int nr_vecs;
	bool retried; /* one bio of a request that failed: stays alone */
	u64 start_ns; /* when the driver took it */
	void *driver_data;
};

struct bio {
	struct list_head chain;	    /* its request's bios */
	struct blk_request request; /* if it is the first of one */
	struct block_device *bdev;
	u64 sector; /* first one on the device, in units of 512 bytes */
	enum bio_op op;
	int error; /* 0 or -EIO; valid in end_io */
	/* Called once, from any context, interrupts possibly off. May free the bio. */
	void (*end_io)(struct bio *bio);
	void *CXX_NAME(private); /* the submitter's */
	atomic_t pending;	 /* bounce copies of it under way */
	/* of a bounce copy: where its pieces are in the bio it is for */
	unsigned int first_vec;
	unsigned int nr_vecs, max_vecs;
	struct bio_vec vecs[];
};

struct block_device_operations {
	/*
	 * Start a request; blk_end_request() when it is done, from any context. Must not
	 * sleep or allocate with __GFP_WAIT. false: the device is full, offer it again after
	 * one of its requests ended.
	 */
	bool (*submit)(struct block_device *bdev, struct blk_request *request);
};

struct block_device {
	const char *name;			   /* (C) "vda" */
	const struct block_device_operations *ops; /* (C) */
	u64 nr_sectors;				   /* (C) */
	unsigned int max_vecs;			   /* (C) pieces one request may have */
	bool read_only;				   /* (C) */
	/* (C) takes pages that are not in the direct map; else they bounce (HM-10) */
	bool high_memory;
	unsigned int dev;     /* (C) major << 8 | minor, st_rdev */
	struct list_head all; /* registered devices */
	/* The core's queue. */
	spinlock_t queue_lock; /* RANK_LEAF, interrupts off; guards what is marked (Q) */
	/* (Q) blk_requests not yet taken by the driver, in order of arrival */
	struct list_head queued;
	bool offering, offer_again; /* (Q) somebody is in ops->submit; look again afterwards */
	bool retrying;		    /* (Q) a request that is tried again is under way, alone */
	unsigned int nr_in_flight;  /* (Q) */
	unsigned long nr_requests[3], nr_bios[3]; /* (Q) statistics, by op: started since boot */
	u64 sectors_done[3];			  /* (Q) */
	/* (Q) from the driver's taking requests to their ends */
	u64 ns_spent[3];
	/* Its users and their cache (mm/cache/device_cache.c). */
	struct mutex bd_mutex;		  /* guards what is marked (M); sleeps */
	struct address_space *bd_mapping; /* page cache of the raw device, or NULL */
	unsigned int bd_users;		  /* (M) open files, mounts, swap areas */
	bool bd_swap;			  /* (A) it is a swap area: its file is not written to */
	/* (M) of the mounted file system's buffers; 0: as it suits the device */
	unsigned int bd_block_size;
	void *holder; /* who has it exclusively (a mount, a swap area), or NULL */
};

/*
 * Announce a device whose constant members are set; from then on bios may be submitted to it.
 * Context: may sleep. Return: 0, or -ENOMEM (no reserves), and the device is not registered.
 */
int register_block_device(struct block_device *bdev) __must_check;

/*
 * Remove a device that nobody uses: nothing is queued or in flight. The last one frees the
 * reserves.
 * Context: any without spinlocks held.
 */
void unregister_block_device(struct block_device *bdev);

/*
 * Find a registered device. name: as in bdev->name, e.g. "vda".
 * Context: any. Return: the device, or NULL if there is none of that name.
 */
struct block_device *find_block_device(const char *name);

/*
 * Go through the devices in order of registration. prev: the device before, or NULL for the first.
 * Context: any. Return: the device behind it, or NULL after the last.
 */
struct block_device *next_block_device(struct block_device *prev);

/*
 * Claim a device for one holder, which is any address that is unique to it, not NULL. It does not
 * keep others from using the device, only from claiming it; a second claim by the same holder
 * succeeds.
 * Context: any. Return: 0, or -EBUSY if another holder has it.
 */
int claim_block_device(struct block_device *bdev, void *holder) __must_check;

/*
 * Give up a claim of this holder; panics if it does not have it.
 * Context: any.
 */
void release_block_device(struct block_device *bdev, void *holder);

/*
 * Allocate a bio that begins at sector (in units of 512 bytes) and has room for max_vecs pieces.
 * It may have room for fewer, if the device takes fewer or memory is short; bio_add_page() tells.
 * Context: may sleep with __GFP_WAIT in gfp; it then waits for the reserve and is never refused.
 * Return: the bio, or NULL without memory (only without __GFP_WAIT).
 */
struct bio *bio_alloc(struct block_device *bdev, enum bio_op op, u64 sector, unsigned int max_vecs,
		      gfp_t gfp) __must_check;

/*
 * Append len bytes at offset of a page to a bio; both are multiples of SECTOR_SIZE.
 * Context: any; the bio is not yet submitted. Refs: none is taken; the caller keeps the page until
 * end_io.
 * Return: true, or false if the bio has no room for a further piece.
 */
__must_check bool bio_add_page(struct bio *bio, struct page *page, unsigned int offset,
			       unsigned int len);

/*
 * Free a bio that is not submitted, or has ended.
 * Context: any.
 */
void bio_put(struct bio *bio);

/*
 * Start a transfer; bio->end_io is called once when it has ended, perhaps before this call
 * returns. A bio past the end of its device, or a write to a read-only one, ends with -EIO.
 * Context: any; may sleep if a piece lies in high memory that the device cannot reach (HM-10).
 */
void submit_bio(struct bio *bio);

/*
 * Start a transfer and wait until it has ended; uses the bio's private and end_io.
 * Context: may sleep. Refs: the caller still owns the bio. Return: 0, or -EIO.
 */
int submit_bio_wait(struct bio *bio);

/*
 * Let bios of the current task wait in their queues, so that neighbours become one request. Plugs
 * nest.
 * Context: task context.
 */
void blk_start_plug(void);

/*
 * End a plug; the end of the outermost one starts all that waits.
 * Context: task context, with a plug begun.
 */
void blk_finish_plug(void);

/*
 * Start the waiting requests of all devices (the documents' tq_disk).
 * Context: any.
 */
void run_disk_queue(void);

/*
 * Drivers: a request that was submitted to the driver has ended with error (0 or -EIO). Its bios
 * end, or if it failed and has several, each is queued again alone; then the next requests are
 * submitted.
 * Context: any.
 */
void blk_end_request(struct block_device *bdev, struct blk_request *request, int error);

PAGODA_C_END
