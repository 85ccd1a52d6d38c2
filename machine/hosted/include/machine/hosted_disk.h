/* SPDX-License-Identifier: MIT */
/*
 * hosted_disk.h: disks of the hosted machine: memory, with errors, delays and stalls on order
 * (disk.c).
 */
#pragma once

#include <pagoda/blkdev.h>

PAGODA_C_BEGIN

struct hosted_disk_config {
	const char *name;
	u64 bytes;
	/* a host file of at least that size: read now, written when the disk ends; NULL: zeroes */
	const char *path;
	u64 delay_ns;	       /* how long a request takes; one is served after the other */
	unsigned int max_vecs; /* pieces that a request may have; 0: 32 */
	unsigned int depth;    /* requests it takes at a time; 0: 8 */
	bool read_only;
	bool high_memory; /* reaches frames outside the direct map */
	/*
	 * each request is served as it is submitted, by the submitter; delay and depth are not used
	 */
	bool immediate;
};

/* A disk, and the thread that serves it. */
struct block_device *hosted_disk_create(const struct hosted_disk_config *config);
/* End all disks, when each has answered its requests; the harness does this after each test. */
void hosted_disks_end(void);

/* The disk's bytes. */
void *hosted_disk_bytes(struct block_device *bdev);

/* Keep requests unanswered / go on with them. */
void hosted_disk_stall(struct block_device *bdev, bool stall);

/* The n-th request from now ends with -EIO (1: the next; 0: none). The disk is idle. */
void hosted_disk_fail_nth(struct block_device *bdev, unsigned long n);

/*
 * Requests of this kind that touch sectors [start, end) end with -EIO; empty: none. The disk is
 * idle.
 */
void hosted_disk_fail_sectors(struct block_device *bdev, enum bio_op op, u64 start, u64 end);

/* Called for each piece that is transferred, by the disk's thread. */
typedef void hosted_disk_watch_t(void *arg, enum bio_op op, u64 sector, struct page *page);
void hosted_disk_watch(struct block_device *bdev, hosted_disk_watch_t *watch, void *arg);

PAGODA_C_END
