// SPDX-License-Identifier: MIT
/*
 * ram_disk.c: see ram_disk.h.
 *
 * submit() may not sleep, and is called with requests that may need the memory they free: it only
 * puts the request on a list and wakes the disk's task.
 *
 * Locking: interrupts off around the list, on the one CPU.
 */
#include "ram_disk.h"

#include <pagoda/highmem.h>
#include <pagoda/slab.h>

#include "check.h"

static void transfer(struct ram_disk *disk, const struct bio *bio)
{
	unsigned char *at = disk->bytes + (bio->sector << SECTOR_SHIFT);

	for (unsigned int i = 0; i < bio->nr_vecs; i++) {
		const struct bio_vec *v = &bio->vecs[i];
		unsigned char *memory = (unsigned char *)page_address(v->page) + v->offset;

		if (bio->op == BIO_READ)
			memcpy(memory, at, v->len);
		else
			memcpy(at, memory, v->len);
		at += v->len;
		disk->transfers++;
	}
}

static bool submit(struct block_device *bdev, struct blk_request *request)
{
	struct ram_disk *disk = container_of(bdev, struct ram_disk, bdev);
	unsigned long flags = port_irq_save();

	list_add_tail(&request->list, &disk->submitted);
	port_irq_restore(flags);
	port_unpark(disk->task);
	return true;
}

static struct blk_request *take_request(struct ram_disk *disk)
{
	struct blk_request *request = NULL;
	unsigned long flags = port_irq_save();

	if (!list_empty(&disk->submitted)) {
		request = list_first_entry(&disk->submitted, struct blk_request, list);
		list_del(&request->list);
	}
	port_irq_restore(flags);
	return request;
}

static void serve(void *arg)
{
	struct ram_disk *disk = arg;
	struct blk_request *request;
	struct bio *bio;

	for (;;) {
		while ((request = take_request(disk))) {
			if (request->op != BIO_FLUSH)
				list_for_each_entry(bio, &request->bios, chain)
					transfer(disk, bio);
			blk_end_request(&disk->bdev, request, 0);
		}
		port_park(UINT64_MAX);
	}
}

struct ram_disk *ram_disk_create(const char *name, unsigned long bytes)
{
	static const struct block_device_operations ops = {.submit = submit};
	struct ram_disk *disk = kzalloc(sizeof(*disk), GFP_KERNEL);

	CHECK(disk);
	disk->bytes = null_host_memory(bytes);
	disk->bdev.name = name;
	disk->bdev.ops = &ops;
	disk->bdev.nr_sectors = bytes >> SECTOR_SHIFT;
	disk->bdev.max_vecs = 32;
	INIT_LIST_HEAD(&disk->submitted);
	disk->task = port_thread_create(name, serve, disk);
	CHECK(disk->task && register_block_device(&disk->bdev) == 0);
	return disk;
}
