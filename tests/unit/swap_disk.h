/* SPDX-License-Identifier: MIT */
/* swap_disk.h: a swap area on a disk in memory, as mkswap makes it, for tests. */
#pragma once

#include "address_space.h"

#include <machine/hosted_disk.h>
#include <pagoda/swap.h>
#include <string.h>

static struct block_device *disk;

/* mkswap for pages slots (with the header's), some of them bad. */
static inline void make_swap(struct block_device *bdev, u32 pages, const u32 *bad, u32 nr_bad)
{
	u8 *bytes = hosted_disk_bytes(bdev);
	u32 header[3] = { 1, pages - 1, nr_bad };

	memcpy(bytes + 1024, header, sizeof(header));
	if (nr_bad)
		memcpy(bytes + 1024 + 512, bad, nr_bad * sizeof(*bad));
	memcpy(bytes + PAGE_SIZE - 10, "SWAPSPACE2", 10);
}

static inline struct block_device *new_disk(const char *name, u32 pages)
{
	struct hosted_disk_config config = { .name = name, .bytes = (u64)pages * PAGE_SIZE };
	struct block_device *bdev = hosted_disk_create(&config);

	make_swap(bdev, pages, NULL, 0);
	return bdev;
}

static inline void swap_on(u32 pages)
{
	disk = new_disk("hda", pages);
	CHECK_EQ(sys_swapon_bdev(disk, "/dev/hda", 0), 0);
}

/* All slots free again and the area gone. */
static inline void swap_off(void)
{
	validate_swap();
	CHECK_EQ(sys_swapoff_bdev(disk), 0);
	CHECK_EQ(atomic_long_read(&nr_swap_pages), 0);
	CHECK_EQ(total_swap_pages, 0);
}
