/* SPDX-License-Identifier: MIT */
/*
 * disk.c: a disk in memory for tier 4: requests, and waiting for their end.
 *
 * A block device needs that a task can park and another one unparks it, and that a driver can end a
 * request after submit() has returned. The disk of this test is a piece of memory. A thread stands
 * for its interrupt: it serves the submitted requests and ends them.
 */
#include "suite.h"
#include "threads.h"
#include <pagoda/blkdev.h>
#include <pagoda/errno.h>
#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>
#include <pagoda/string.h>

#define DISK_BYTES   (4 * PAGE_SIZE)
#define DISK_SECTORS (DISK_BYTES >> SECTOR_SHIFT)

static struct memory_disk {
	struct block_device bdev; /* first */
	u8 *bytes;
	spinlock_t lock;
	struct list_head submitted;
	struct vm_task *thread;
	int stop, ended;
} disk;

static bool submit(struct block_device *bdev, struct blk_request *request)
{
	unsigned long flags;

	(void)bdev;
	spin_lock_irqsave(&disk.lock, flags);
	list_add_tail(&request->list, &disk.submitted);
	spin_unlock_irqrestore(&disk.lock, flags);
	port_unpark(disk.thread);
	return true;
}

static const struct block_device_operations disk_ops = {.submit = submit};

static struct blk_request *take_request(void)
{
	struct blk_request *request = NULL;
	unsigned long flags;

	spin_lock_irqsave(&disk.lock, flags);
	if (!list_empty(&disk.submitted)) {
		request = list_first_entry(&disk.submitted, struct blk_request, list);
		list_del(&request->list);
	}
	spin_unlock_irqrestore(&disk.lock, flags);
	return request;
}

static void transfer(struct blk_request *request)
{
	u8 *at = disk.bytes + (request->sector << SECTOR_SHIFT);
	struct bio *bio;

	list_for_each_entry(bio, &request->bios, chain)
		for (unsigned int i = 0; i < bio->nr_vecs; i++) {
			const struct bio_vec *v = &bio->vecs[i];
			u8 *memory = (u8 *)page_address(v->page) + v->offset;

			if (bio->op == BIO_READ)
				memcpy(memory, at, v->len);
			else if (bio->op == BIO_WRITE)
				memcpy(at, memory, v->len);
			at += v->len;
		}
}

static void disk_thread(void *arg)
{
	struct blk_request *request;

	(void)arg;
	while (!smp_load_acquire(&disk.stop)) {
		while ((request = take_request())) {
			transfer(request);
			blk_end_request(&disk.bdev, request, 0);
		}
		port_park(port_clock_ns() + TIMEOUT_NS);
	}
	smp_store_release(&disk.ended, 1);
}

static bool start_disk(void)
{
	memset(&disk, 0, sizeof(disk));
	disk.bdev.name = "conformance";
	disk.bdev.ops = &disk_ops;
	disk.bdev.nr_sectors = DISK_SECTORS;
	disk.bdev.max_vecs = 4;
	INIT_LIST_HEAD(&disk.submitted);
	spin_lock_init(&disk.lock, RANK_LEAF);
	disk.bytes = (u8 *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, 2);
	disk.thread = disk.bytes ? port_thread_create("disk", disk_thread, NULL) : NULL;
	return disk.thread && !register_block_device(&disk.bdev);
}

static void stop_disk(void)
{
	if (disk.bdev.all.next)
		unregister_block_device(&disk.bdev);
	smp_store_release(&disk.stop, 1);
	if (disk.thread) {
		port_unpark(disk.thread);
		(void)conformance_wait_for(&disk.ended, 1);
	}
	if (disk.bytes)
		free_pages((unsigned long)disk.bytes, 2);
}

/* Move the page to or from sector 8; the error of the transfer. */
static int move_page(struct page *page, enum bio_op op)
{
	struct bio *bio = bio_alloc(&disk.bdev, op, PAGE_SIZE >> SECTOR_SHIFT, 1, GFP_KERNEL);
	int error = -ENOMEM;

	if (!bio)
		return error;
	if (bio_add_page(bio, page, 0, PAGE_SIZE))
		error = submit_bio_wait(bio);
	bio_put(bio);
	return error;
}

void conformance_disk(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	int write_error = -ENOMEM, read_error = -ENOMEM;
	bool same = false;

	if (start_disk() && page) {
		memset(page_address(page), 0x5a, PAGE_SIZE);
		write_error = move_page(page, BIO_WRITE);
		memset(page_address(page), 0, PAGE_SIZE);
		read_error = move_page(page, BIO_READ);
		same = ((u8 *)page_address(page))[PAGE_SIZE - 1] == 0x5a;
	}
	stop_disk();
	if (page)
		__free_page(page);
	EXPECT(!write_error && !read_error,
	       "transfers to a disk in memory end with errors %d and %d", write_error, read_error);
	EXPECT(same, "what was written to a disk in memory is not read back");
}
