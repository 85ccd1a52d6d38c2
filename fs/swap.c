/* SPDX-License-Identifier: MIT */
/*
 * swap.c: swapon(2) and swapoff(2): from a path to the core's swap areas (mm/swapfile.c).
 *
 * A block device is found by its node's major:minor. Regular files are refused (EINVAL): a file
 * system would have to say where on its device they lie.
 *
 * Locking: none of its own; the core claims the device.
 * Failure: as Linux: EPERM without CAP_SYS_ADMIN, what looking up the path gives, EINVAL for
 * whatever is not a block device, ENXIO without a driver, then the core's errors.
 */
#include <fs/syscalls.h>
#include <fs/vfs.h>
#include <pagoda/blkdev.h>
#include <pagoda/string.h>
#include <pagoda/swap.h>

#define DEVICE_NAME_BYTES 64

/* -EINVAL, -ENXIO. */
static int path_block_device(const struct path *path, struct block_device **pbdev)
{
	const struct inode *inode = path->dentry->d_inode;
	struct block_device *bdev = NULL;

	if (!S_ISBLK(inode->i_mode))
		return -EINVAL;
	while ((bdev = next_block_device(bdev)) && bdev->dev != inode->i_rdev)
		;
	*pbdev = bdev;
	return bdev ? 0 : -ENXIO;
}

static int user_block_device(unsigned long name, struct block_device **pbdev)
{
	struct path path;
	long err;

	if (!fs_capable())
		return -EPERM;
	err = user_path(AT_FDCWD, name, LOOKUP_FOLLOW, &path);
	if (err)
		return (int)err;
	err = path_block_device(&path, pbdev);
	path_put(&path);
	return (int)err;
}

long sys_swapon(unsigned long name, unsigned long flags)
{
	char text[DEVICE_NAME_BYTES];
	struct block_device *bdev;
	int err = user_block_device(name, &bdev);

	if (err)
		return err;
	pagoda_snprintf(text, sizeof(text), "/dev/%s", bdev->name);
	return sys_swapon_bdev(bdev, text, (int)flags);
}

long sys_swapoff(unsigned long name)
{
	struct block_device *bdev;
	int err = user_block_device(name, &bdev);

	return err ? err : sys_swapoff_bdev(bdev);
}
