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

/* Drivers: announce a device whose constant members are set. May sleep. */
int register_block_device(struct block_device *bdev) __must_check;
/* It goes; nothing is queued or under way. The last one takes the reserves along. */
void unregister_block_device(struct block_device *bdev);
/* By name, or NULL. */
struct block_device *find_block_device(const char *name);
/* Devices in order of registration; NULL after the last. */
struct block_device *next_block_device(struct block_device *prev);
/* -EBUSY if somebody else has it. */
int claim_block_device(struct block_device *bdev, void *holder) __must_check;
void release_block_device(struct block_device *bdev, void *holder);

/*
 * A bio for up to max_vecs pieces; NULL if there is no memory. A request that may wait is
 * never refused: without memory it gets one of a reserve, for fewer pieces perhaps
 * (bio_add_page() tells), and waits for one to come back if need be. May sleep with __GFP_WAIT.
 */
struct bio *bio_alloc(struct block_device *bdev, enum bio_op op, u64 sector, unsigned int max_vecs,
		      gfp_t gfp) __must_check;
/* Append a piece; false: it is full. */
__must_check bool bio_add_page(struct bio *bio, struct page *page, unsigned int offset,
			       unsigned int len);
void bio_put(struct bio *bio);
/*
 * Start the transfer. A bio past the device's end, or a write to a read-only one, ends with
 * -EIO; never fails otherwise. Pieces in high memory that the device cannot reach are copied
 * (HM-10), for which this may sleep; otherwise any context.
 */
void submit_bio(struct bio *bio);
/* Start it, wait, return its error; the caller still owns the bio. May sleep. */
int submit_bio_wait(struct bio *bio);

/* The current task plugs; may nest. Its bios may wait until the outermost end. */
void blk_start_plug(void);
void blk_finish_plug(void);
/* Start everything that waits in any queue (tq_disk). Any context. */
void run_disk_queue(void);

/*
 * Drivers: a request has ended; ends its bios, or if it failed and has several, queues them once
 * more one by one; then offers the next ones. Any context.
 */
void blk_end_request(struct block_device *bdev, struct blk_request *request, int error);

PAGODA_C_END
