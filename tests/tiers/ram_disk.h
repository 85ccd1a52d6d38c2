/* SPDX-License-Identifier: MIT */
/*
 * ram_disk.h: a disk in the host's memory. A task of its own serves one request after another, so
 * that who waits for a transfer really sleeps.
 */
#pragma once

#include <pagoda/blkdev.h>

struct ram_disk {
	struct block_device bdev; /* first */
	unsigned char *bytes;
	struct list_head submitted; /* requests that the task has not served */
	struct vm_task *task;
	unsigned long transfers; /* pieces of pages that were read or written */
};

/*
 * A registered disk of this many bytes, a multiple of SECTOR_SIZE, that reads as zeroes. Panics
 * without memory. name must stay. The disk stays until the program ends, since its task does.
 */
struct ram_disk *ram_disk_create(const char *name, unsigned long bytes);
