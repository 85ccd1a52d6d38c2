/* SPDX-License-Identifier: MIT */
/* swap_disk.h: a swap area on a disk in memory, as mkswap makes it, for tests. */
#pragma once

#include "address_space.h"

#include <machine/hosted_disk.h>
#include <pagoda/swap.h>
#include <string.h>

/*
 * Set by who includes test_swap.c: areas are files of blocks of 1 KiB that lie scattered on their
 * disks (SW-16).
 */
#ifndef SWAP_TO_FILES
#define SWAP_TO_FILES false
#endif

#define FILE_GROUP  8u /* pages that lie side by side */
#define FILE_START  1u /* the first page of the disk that is the file's: block 0 means a hole */
#define FILE_BLOCKS 4u /* a page */

static struct block_device *disk;
static struct area_file {
	struct address_space mapping;
	struct block_device *bdev;
	u32 pages;
} area_files[4];

/* Where the file's page lies: pairs of groups have changed places, but for the first. */
static inline u64 page_on_disk(u64 page)
{
	u64 group = page / FILE_GROUP;

	if (!SWAP_TO_FILES)
		return page;
	return FILE_START + (group < 2 ? group : group ^ 1) * FILE_GROUP + page % FILE_GROUP;
}

static unsigned long blocks_asked_for; /* of the file system */

static inline u64 area_bmap(struct address_space *mapping, u64 block)
{
	(void)mapping;
	blocks_asked_for++;
	return page_on_disk(block / FILE_BLOCKS) * FILE_BLOCKS + block % FILE_BLOCKS;
}

static const struct address_space_operations area_aops = {.bmap = area_bmap};

static inline struct area_file *file_on(const struct block_device *bdev)
{
	struct area_file *file = area_files;

	while (file->bdev && file->bdev != bdev)
		file++;
	return file;
}

static inline int area_on(struct block_device *bdev, const char *name, int flags)
{
	struct area_file *f = file_on(bdev);
	struct swap_file file = {bdev, &f->mapping, PAGE_SIZE / FILE_BLOCKS, PG(f->pages)};

	return SWAP_TO_FILES ? sys_swapon_file(&file, name, flags)
			     : sys_swapon_bdev(bdev, name, flags);
}

static inline int area_off(struct block_device *bdev)
{
	return SWAP_TO_FILES ? sys_swapoff_file(&file_on(bdev)->mapping) : sys_swapoff_bdev(bdev);
}

static inline u8 *header_of(struct block_device *bdev)
{
	return (u8 *)hosted_disk_bytes(bdev) + PG(page_on_disk(0));
}

/* mkswap for pages slots (with the header's), some of them bad. */
static inline void make_swap(struct block_device *bdev, u32 pages, const u32 *bad, u32 nr_bad)
{
	u8 *bytes = header_of(bdev);
	u32 header[3] = {1, pages - 1, nr_bad};

	memcpy(bytes + 1024, header, sizeof(header));
	if (nr_bad)
		memcpy(bytes + 1024 + 512, bad, nr_bad * sizeof(*bad));
	memcpy(bytes + PAGE_SIZE - 10, "SWAPSPACE2", 10);
}

static inline struct block_device *new_disk(const char *name, u32 pages)
{
	struct hosted_disk_config config = {.name = name, .bytes = (u64)pages * PAGE_SIZE};
	struct block_device *bdev;
	struct area_file *file;

	if (SWAP_TO_FILES)
		config.bytes += PG(FILE_START + 2 * FILE_GROUP);
	bdev = hosted_disk_create(&config);
	file = file_on(bdev);
	file->bdev = bdev;
	file->pages = pages;
	address_space_init(&file->mapping, file, &area_aops, NULL);

	make_swap(bdev, pages, NULL, 0);
	return bdev;
}

static inline void swap_on(u32 pages)
{
	disk = new_disk("hda", pages);
	CHECK_EQ(area_on(disk, "/dev/hda", 0), 0);
}

/* All slots free again and the area gone. */
static inline void swap_off(void)
{
	test_let_kswapd_rest(); /* validate_swap() looks at all areas with no lock held */
	validate_swap();
	CHECK_EQ(area_off(disk), 0);
	CHECK_EQ(atomic_long_read(&nr_swap_pages), 0);
	CHECK_EQ(total_swap_pages, 0);
}
