/* SPDX-License-Identifier: MIT */
/*
 * disk.c: a disk of the hosted machine: memory behind a block_device, with faults on order.
 *
 *	submit	-> takes the request, up to `depth` at a time, and wakes the disk's thread
 *	thread	-> for each: the faults asked for, the transfer, blk_end_request()
 *
 * The thread is a task of the simulated kernel, so a completion comes from another CPU in
 * parallel mode, and at a step drawn from the seed in deterministic mode. A stalled disk
 * keeps what it has until hosted_disk_stall(disk, false). An immediate disk has no thread: submit
 * serves the request and ends it.
 *
 * Transfers go to physical memory by hosted_phys(), as DMA does. A page of high memory on a
 * disk that was declared unable to reach it is a broken promise of the block layer.
 *
 * Locking: disk->lock (RANK_LEAF, interrupts off) for the list of taken requests and for the faults
 * on order. A test may order a fault while the disk still serves read-ahead; a request sees the
 * whole order or nothing of it.
 */
#include "hosted_internal.h"

#include <machine/hosted_disk.h>
#include <pagoda/errno.h>
#include <pagoda/mmzone.h>
#include <pagoda/page.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_DEPTH	 8
#define DEFAULT_MAX_VECS 32

struct hosted_disk {
	struct block_device bdev;
	unsigned char *bytes;
	const char *path; /* (C) */
	u64 delay_ns;	  /* (C) */
	spinlock_t lock;
	struct list_head taken;	    /* (lock) by blk_request.list */
	unsigned int nr_taken;	    /* (lock) */
	unsigned int depth;	    /* (C) */
	bool immediate;		    /* (C) */
	int stalled, ending, ended; /* (A) */
	struct hosted_disk *next;   /* of all disks; made and ended by one task */
	wait_queue_head_t work;
	unsigned long requests, fail_request; /* (lock) since hosted_disk_fail_nth() */
	u64 bad_start, bad_end;		      /* (lock) */
	bool bad_op[3];			      /* (lock) */
	hosted_disk_watch_t *watch;	      /* (lock) */
	void *watch_arg;		      /* (lock) */
};

/* The function that a test wants to be called for each transfer, with its argument. */
struct watcher {
	hosted_disk_watch_t *call;
	void *arg;
};

static struct hosted_disk *disks;

static struct hosted_disk *disk_of(struct block_device *bdev)
{
	return container_of(bdev, struct hosted_disk, bdev);
}

static int serve(struct hosted_disk *disk, struct blk_request *rq);

static bool disk_submit(struct block_device *bdev, struct blk_request *rq)
{
	struct hosted_disk *disk = disk_of(bdev);
	unsigned long flags;
	bool takes;

	if (disk->immediate) {
		blk_end_request(bdev, rq, serve(disk, rq));
		return true;
	}
	spin_lock_irqsave(&disk->lock, flags);
	takes = disk->nr_taken < disk->depth;
	if (takes) {
		list_add_tail(&rq->list, &disk->taken);
		disk->nr_taken++;
	}
	spin_unlock_irqrestore(&disk->lock, flags);
	if (takes)
		wake_up(&disk->work);
	return takes;
}

static const struct block_device_operations disk_ops = {.submit = disk_submit};

static void transfer_vec(struct hosted_disk *disk, const struct bio *bio, u64 sector,
			 const struct bio_vec *vec, struct watcher watcher)
{
	unsigned char *ram, *at = disk->bytes + (sector << SECTOR_SHIFT);

	if (PageHighMem(vec->page) && !disk->bdev.high_memory)
		hosted_fatal("disk %s cannot reach frame %#lx", disk->bdev.name,
			     page_to_pfn(vec->page));
	ram = hosted_phys(PFN_PHYS(page_to_pfn(vec->page)) + vec->offset);
	if (watcher.call)
		watcher.call(watcher.arg, bio->op, sector, vec->page);
	if (bio->op == BIO_READ)
		memcpy(ram, at, vec->len);
	else
		memcpy(at, ram, vec->len);
}

/* Is the request one of those that a test has ordered to fail? Locks: disk->lock. */
static bool fault_is_due(struct hosted_disk *disk, const struct blk_request *rq)
{
	if (++disk->requests == disk->fail_request)
		return true;
	return disk->bad_op[rq->op] && rq->sector < disk->bad_end &&
	       (rq->op == BIO_FLUSH || rq->sector + rq->nr_sectors > disk->bad_start);
}

static int serve(struct hosted_disk *disk, struct blk_request *rq)
{
	struct watcher watcher;
	u64 sector = rq->sector;
	unsigned long flags;
	struct bio *bio;
	bool fails;

	spin_lock_irqsave(&disk->lock, flags);
	fails = fault_is_due(disk, rq);
	watcher = (struct watcher){disk->watch, disk->watch_arg};
	spin_unlock_irqrestore(&disk->lock, flags);
	if (fails)
		return -EIO;
	list_for_each_entry(bio, &rq->bios, chain)
		for (unsigned int i = 0; i < bio->nr_vecs; i++) {
			transfer_vec(disk, bio, sector, &bio->vecs[i], watcher);
			sector += bio->vecs[i].len >> SECTOR_SHIFT;
		}
	return 0;
}

static struct blk_request *next_taken(struct hosted_disk *disk)
{
	struct blk_request *rq = NULL;
	unsigned long flags;

	if (__atomic_load_n(&disk->stalled, __ATOMIC_RELAXED))
		return NULL;
	spin_lock_irqsave(&disk->lock, flags);
	if (!list_empty(&disk->taken)) {
		rq = list_first_entry(&disk->taken, struct blk_request, list);
		list_del(&rq->list);
	}
	spin_unlock_irqrestore(&disk->lock, flags);
	return rq;
}

/* Sleep as long as the disk takes for a request. */
static void take_time(struct hosted_disk *disk)
{
	u64 until = port_clock_ns() + disk->delay_ns;

	while (disk->delay_ns && port_clock_ns() < until)
		port_park(until);
}

static void disk_thread(void *arg)
{
	struct hosted_disk *disk = arg;
	struct blk_request *rq;
	unsigned long flags;

	for (;;) {
		int error;

		wait_event(&disk->work, (rq = next_taken(disk)) ||
						__atomic_load_n(&disk->ending, __ATOMIC_ACQUIRE));
		if (!rq)
			break;
		take_time(disk);
		error = serve(disk, rq);
		spin_lock_irqsave(&disk->lock, flags);
		disk->nr_taken--;
		spin_unlock_irqrestore(&disk->lock, flags);
		blk_end_request(&disk->bdev, rq, error);
	}
	__atomic_store_n(&disk->ended, 1, __ATOMIC_RELEASE);
}

/* What is on the file comes into memory at the start and goes back at the end. */
static void copy_file(struct hosted_disk *disk, bool back)
{
	size_t bytes = (size_t)disk->bdev.nr_sectors << SECTOR_SHIFT, done;
	FILE *file;

	if (!disk->path)
		return;
	file = fopen(disk->path, back ? "r+b" : "rb");
	if (!file)
		hosted_fatal("disk %s: cannot open %s", disk->bdev.name, disk->path);
	done = back ? fwrite(disk->bytes, 1, bytes, file) : fread(disk->bytes, 1, bytes, file);
	if (fclose(file) || done != bytes)
		hosted_fatal("disk %s: %s is too short or full", disk->bdev.name, disk->path);
}

struct block_device *hosted_disk_create(const struct hosted_disk_config *config)
{
	struct hosted_disk *disk = calloc(1, sizeof(*disk));

	if (!disk || !(disk->bytes = calloc(1, config->bytes)))
		hosted_fatal("hosted: out of host memory");
	disk->path = config->path;
	disk->delay_ns = config->delay_ns;
	disk->bdev.name = config->name;
	disk->bdev.ops = &disk_ops;
	disk->bdev.nr_sectors = config->bytes >> SECTOR_SHIFT;
	disk->bdev.max_vecs = config->max_vecs ? config->max_vecs : DEFAULT_MAX_VECS;
	disk->bdev.read_only = config->read_only;
	disk->bdev.high_memory = config->high_memory;
	copy_file(disk, false);
	disk->depth = config->depth ? config->depth : DEFAULT_DEPTH;
	spin_lock_init(&disk->lock, RANK_LEAF);
	INIT_LIST_HEAD(&disk->taken);
	init_waitqueue_head(&disk->work);
	disk->immediate = config->immediate;
	disk->ended = config->immediate;
	if (register_block_device(&disk->bdev) ||
	    (!disk->immediate && !port_thread_create("disk", disk_thread, disk)))
		hosted_fatal("hosted: no memory for disk %s", config->name);
	disk->next = disks;
	disks = disk;
	return &disk->bdev;
}

static void end_disk(struct hosted_disk *disk)
{
	hosted_disk_stall(&disk->bdev, false);
	while (__atomic_load_n(&disk->bdev.nr_in_flight, __ATOMIC_RELAXED) ||
	       !list_empty(&disk->bdev.queued))
		port_yield();
	__atomic_store_n(&disk->ending, 1, __ATOMIC_RELEASE);
	wake_up(&disk->work);
	while (!__atomic_load_n(&disk->ended, __ATOMIC_ACQUIRE))
		port_yield();
	unregister_block_device(&disk->bdev);
	copy_file(disk, true);
	free(disk->bytes);
	free(disk);
}

void hosted_disks_end(void)
{
	struct hosted_disk *disk;

	run_disk_queue();
	while ((disk = disks)) {
		disks = disk->next;
		end_disk(disk);
	}
}

void *hosted_disk_bytes(struct block_device *bdev)
{
	return disk_of(bdev)->bytes;
}

void hosted_disk_stall(struct block_device *bdev, bool stall)
{
	__atomic_store_n(&disk_of(bdev)->stalled, stall, __ATOMIC_SEQ_CST);
	wake_up(&disk_of(bdev)->work);
}

void hosted_disk_fail_nth(struct block_device *bdev, unsigned long n)
{
	struct hosted_disk *disk = disk_of(bdev);
	unsigned long flags;

	spin_lock_irqsave(&disk->lock, flags);
	disk->requests = 0;
	disk->fail_request = n;
	spin_unlock_irqrestore(&disk->lock, flags);
}

void hosted_disk_fail_sectors(struct block_device *bdev, enum bio_op op, u64 start, u64 end)
{
	struct hosted_disk *disk = disk_of(bdev);
	unsigned long flags;

	spin_lock_irqsave(&disk->lock, flags);
	disk->bad_op[op] = start < end;
	disk->bad_start = start;
	disk->bad_end = end;
	spin_unlock_irqrestore(&disk->lock, flags);
}

void hosted_disk_watch(struct block_device *bdev, hosted_disk_watch_t *watch, void *arg)
{
	struct hosted_disk *disk = disk_of(bdev);
	unsigned long flags;

	spin_lock_irqsave(&disk->lock, flags);
	disk->watch_arg = arg;
	disk->watch = watch;
	spin_unlock_irqrestore(&disk->lock, flags);
}
