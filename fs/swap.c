/* SPDX-License-Identifier: MIT */
/*
 * swap.c: swapon(2) and swapoff(2): from a path to the core's swap areas (mm/swap/swapfile.c).
 *
 * A block device is found by its node's major:minor. A regular file must have a disk below it and
 * tell where on it its blocks lie (bmap, s_bdev). While it is swapped to it has i_swapfile, which
 * keeps it as it is: writing, cutting and mapping it for writing is ETXTBSY, removing and
 * renaming it EPERM, as in Linux; and its path is held, so that its file system stays mounted.
 *
 *	files[]		paths of the files that are swapped to, in no order
 *
 * Locking: files_lock (sleeps) for files[] and over a file's swapon, inside it the inode's lock,
 * under which i_swapfile changes; the core claims areas and devices.
 * Failure: as Linux: EPERM without CAP_SYS_ADMIN, what looking up the path gives, EINVAL for
 * whatever is neither a block device nor a file that can be swapped to, EBUSY for what is mapped
 * for writing, ENXIO without a driver, then the core's errors.
 * Observability: /proc/swaps.
 */
#include <fs/syscalls.h>
#include <fs/vfs.h>
#include <pagoda/bug.h>
#include <pagoda/blkdev.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/swap.h>

#define NAME_BYTES 64 /* of an area's name in /proc/swaps */

static struct mutex files_lock;
static struct path files[MAX_SWAPFILES]; /* (files_lock) .dentry NULL: free */

void swap_files_init(void)
{
	mutex_init(&files_lock, RANK_NONE);
}

/* -ENXIO. */
static int path_block_device(const struct path *path, struct block_device **pbdev)
{
	const struct inode *inode = path->dentry->d_inode;
	struct block_device *bdev = NULL;

	while ((bdev = next_block_device(bdev)) && bdev->dev != inode->i_rdev)
		;
	*pbdev = bdev;
	return bdev ? 0 : -ENXIO;
}

/* The path, with references, or an error; -EINVAL: it can be no swap area. */
static long user_swap_path(unsigned long name, struct path *path)
{
	u32 mode;
	long err;

	if (!fs_capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = user_path(AT_FDCWD, name, LOOKUP_FOLLOW, path);
	if (err)
		return err;
	mode = path->dentry->d_inode->i_mode;
	if (S_ISBLK(mode) || S_ISREG(mode))
		return 0;
	path_put(path);
	return -EINVAL;
}

/* ---- Files ---------------------------------------------------------------------------------- */

static struct path *find_path(const struct dentry *dentry)
{
	for (int i = 0; i < MAX_SWAPFILES; i++)
		if (files[i].dentry == dentry)
			return &files[i];
	return NULL;
}

/* 0, or why it cannot be swapped to. i_rwsem held. */
static int check_file(const struct path *path)
{
	const struct inode *inode = path->dentry->d_inode;

	lockdep_assert_held(&inode->i_rwsem);
	if (inode->i_swapfile)
		return -EBUSY;
	if (!inode->i_sb->s_bdev || !inode->i_data.a_ops->bmap)
		return -EINVAL;
	if (inode->i_data.i_mmap_shared.node)
		return -EBUSY; /* what is stored there would be written over what was swapped */
	return mnt_want_write(path->mnt);
}

/* The end of the file's path, which is what tells files apart. */
static void make_name(const struct path *path, char *name)
{
	char *text = kmalloc(PATH_MAX, GFP_KERNEL);
	struct path root;
	bool reachable;
	const char *at;

	pagoda_snprintf(name, NAME_BYTES, "%s", path->dentry->d_name);
	if (!text)
		return;
	get_fs_root(&root);
	at = d_path(path, &root, text, PATH_MAX, &reachable);
	if (!IS_ERR(at))
		pagoda_snprintf(name, NAME_BYTES, "%s",
				at + (strlen(at) < NAME_BYTES ? 0 : strlen(at) - NAME_BYTES + 1));
	path_put(&root);
	kfree(text);
}

static int swapon_locked_file(const struct path *path, int flags)
{
	struct inode *inode = path->dentry->d_inode;
	struct swap_file file = {inode->i_sb->s_bdev, &inode->i_data, inode->i_sb->s_blocksize,
				 inode->i_size};
	char name[NAME_BYTES];
	int err = check_file(path);

	if (err)
		return err;
	make_name(path, name);
	inode->i_swapfile = true; /* from here on its blocks stay where they are */
	err = sys_swapon_file(&file, name, flags);
	if (err)
		inode->i_swapfile = false;
	return err;
}

/* On success the path's references are kept. */
static int swapon_file(const struct path *path, int flags)
{
	struct inode *inode = path->dentry->d_inode;
	struct path *place;
	int err = -EPERM;

	mutex_lock(&files_lock);
	place = find_path(NULL);
	if (place) {
		down_write(&inode->i_rwsem);
		err = swapon_locked_file(path, flags);
		up_write(&inode->i_rwsem);
	}
	if (!err)
		*place = *path;
	mutex_unlock(&files_lock);
	if (err)
		path_put(path);
	return err;
}

static void release_file(struct inode *inode)
{
	struct path path = {0};

	down_write(&inode->i_rwsem);
	inode->i_swapfile = false;
	up_write(&inode->i_rwsem);
	mutex_lock(&files_lock);
	for (int i = 0; i < MAX_SWAPFILES; i++)
		if (files[i].dentry && files[i].dentry->d_inode == inode) {
			path = files[i];
			files[i] = (struct path){0};
		}
	mutex_unlock(&files_lock);
	if (path.dentry)
		path_put(&path);
}

/* ---- The calls ------------------------------------------------------------------------------- */

static int swapon_device(const struct path *path, int flags)
{
	struct block_device *bdev;
	char text[NAME_BYTES];
	int err = path_block_device(path, &bdev);

	if (err)
		return err;
	pagoda_snprintf(text, sizeof(text), "/dev/%s", bdev->name);
	return sys_swapon_bdev(bdev, text, flags);
}

long sys_swapon(unsigned long name, unsigned long flags)
{
	struct path path;
	long err = user_swap_path(name, &path);

	if (err)
		return err;
	if (S_ISREG(path.dentry->d_inode->i_mode))
		return swapon_file(&path, (int)flags);
	err = swapon_device(&path, (int)flags);
	path_put(&path);
	return err;
}

static long swapoff_path(const struct path *path)
{
	struct inode *inode = path->dentry->d_inode;
	struct block_device *bdev;
	long err;

	if (S_ISREG(inode->i_mode)) {
		err = sys_swapoff_file(&inode->i_data);
		if (!err)
			release_file(inode);
		return err;
	}
	err = path_block_device(path, &bdev);
	return err ? err : sys_swapoff_bdev(bdev);
}

long sys_swapoff(unsigned long name)
{
	struct path path;
	long err = user_swap_path(name, &path);

	if (err)
		return err;
	err = swapoff_path(&path);
	path_put(&path);
	return err;
}
