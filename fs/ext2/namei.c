/* SPDX-License-Identifier: MIT */
/*
 * namei.c: ext2's part of finding, making, removing and moving names.
 *
 * fs/names.c checks and orders these; s_names is held, so names stand still. Each of them
 * changes the disk and is done, or fails and leaves it as it was, as far as the disk lets it:
 * if a write fails half-way a name may stay too many, never one too few.
 *
 * Stopped at any moment, the file system needs e2fsck, which finds inodes without names and
 * wrong counts, and mends them; order.c keeps worse away.
 */
#include <fs/ext2/ext2.h>
#include <pagoda/string.h>

static struct dentry *ext2_lookup(struct dentry *dir, const char *name, size_t len)
{
	struct inode *inode;
	struct dentry *dentry;
	u32 ino;
	int err = ext2_find_name(dir->d_inode, name, len, &ino);

	if (err || !ino)
		return ERR_PTR(err); /* no error: NULL, no such name */
	inode = ext2_iget(dir->d_sb, ino);
	if (IS_ERR(inode))
		return ERR_PTR(PTR_ERR(inode));
	dentry = d_make(dir, name, len, inode);
	if (!dentry)
		return ERR_PTR(-ENOMEM);
	d_add(dentry);
	return dentry;
}

/* ---- Making ---------------------------------------------------------------------------------- */

/* The text of a link: in the inode if it fits there, else in a block. */
static int write_target(struct inode *inode, const char *target)
{
	struct ext2_sb *sbi = ext2_sb(inode->i_sb);
	size_t len = strlen(target);
	struct buffer_head *bh;
	bool new;
	u32 phys;
	int err;

	if (len >= sbi->block_size)
		return -ENAMETOOLONG;
	inode->i_size = len;
	if (len < sizeof(ext2_i(inode)->block)) {
		memcpy(ext2_i(inode)->block, target, len);
		return 0;
	}
	err = ext2_map_block(inode, 0, true, &phys, &new);
	if (err)
		return err;
	bh = getblk(sbi->bdev, phys, sbi->block_size);
	if (!bh)
		return -ENOMEM;
	memset(bh_data(bh), 0, sbi->block_size);
	memcpy(bh_data(bh), target, len);
	ext2_pointers_changed(inode, bh, 0);
	brelse(bh);
	return 0;
}

static struct inode *try_create(struct inode *dir, u32 mode, u64 rdev, const char *target)
{
	struct inode *inode = ext2_new_inode(dir, mode, rdev);
	int err = 0;

	if (IS_ERR(inode))
		return inode;
	if (S_ISDIR(mode)) {
		inode->i_nlink = 2;
		err = ext2_make_empty(inode, dir);
	} else if (S_ISLNK(mode)) {
		err = write_target(inode, target);
	}
	if (err) {
		clear_nlink(inode);
		iput(inode);
		return ERR_PTR(err);
	}
	ext2_dirty_inode(inode);
	return inode;
}

static struct inode *ext2_create(struct inode *dir, u32 mode, u64 rdev, const char *target)
{
	struct inode *inode;
	int err;

	ext2_limit_waiting(ext2_sb(dir->i_sb));
	err = S_ISDIR(mode) ? ext2_settle_dir(dir) : 0;
	if (err)
		return ERR_PTR(err);
	inode = try_create(dir, mode, rdev, target);

	if (IS_ERR(inode) && PTR_ERR(inode) == -ENOSPC &&
	    ext2_find_space(ext2_sb(dir->i_sb), EXT2_NAMES_HELD))
		inode = try_create(dir, mode, rdev, target);
	return inode;
}

static int add_entry(struct inode *dir, const char *name, size_t len, const struct inode *inode)
{
	int err = ext2_add_entry(dir, name, len, inode);

	if (err == -ENOSPC && ext2_find_space(ext2_sb(dir->i_sb), EXT2_NAMES_HELD))
		err = ext2_add_entry(dir, name, len, inode);
	return err;
}

static int ext2_add_name(struct inode *dir, struct dentry *dentry)
{
	return add_entry(dir, dentry->d_name, dentry->d_len, dentry->d_inode);
}

/* ---- Removing and moving --------------------------------------------------------------------- */

static int ext2_unlink(struct inode *dir, struct dentry *dentry)
{
	ext2_limit_waiting(ext2_sb(dir->i_sb));
	return ext2_remove_entry(dir, dentry->d_name, dentry->d_len);
}

/* A directory is about to get another parent: that is on the disk before its ".." leads there. */
static int settle_parent(struct dentry *moved, struct inode *from, struct inode *to)
{
	return from == to || !S_ISDIR(moved->d_inode->i_mode) ? 0 : ext2_settle_dir(to);
}

/* A directory got another parent. */
static int set_parent(struct dentry *moved, struct inode *from, struct inode *to)
{
	if (from == to || !S_ISDIR(moved->d_inode->i_mode))
		return 0;
	return ext2_set_entry(moved->d_inode, "..", 2, to);
}

static int exchange_names(struct inode *old_dir, struct dentry *old, struct inode *new_dir,
			  struct dentry *victim)
{
	int err = ext2_set_entry(new_dir, victim->d_name, victim->d_len, old->d_inode);

	if (err)
		return err;
	err = ext2_set_entry(old_dir, old->d_name, old->d_len, victim->d_inode);
	if (err) {
		int undo = ext2_set_entry(new_dir, victim->d_name, victim->d_len, victim->d_inode);

		if (undo)
			(void)ext2_error(ext2_sb(new_dir->i_sb),
					 "an exchange of names stopped half-way");
		return err;
	}
	err = set_parent(old, old_dir, new_dir);
	return err ? err : set_parent(victim, new_dir, old_dir);
}

/* The new name first: stopped in between, the file has two names rather than none. */
static int ext2_rename(struct inode *old_dir, struct dentry *old, struct inode *new_dir,
		       struct dentry *victim, const char *to, size_t len, bool exchange)
{
	int err = settle_parent(old, old_dir, new_dir);

	if (!err && exchange)
		err = settle_parent(victim, new_dir, old_dir);
	if (err)
		return err;
	if (exchange)
		return exchange_names(old_dir, old, new_dir, victim);
	if (victim)
		err = ext2_set_entry(new_dir, to, len, old->d_inode);
	else
		err = add_entry(new_dir, to, len, old->d_inode);
	if (err)
		return err;
	err = ext2_remove_entry(old_dir, old->d_name, old->d_len);
	return err ? err : set_parent(old, old_dir, new_dir);
}

const struct inode_operations ext2_dir_iops = {
	.lookup = ext2_lookup,
	.create = ext2_create,
	.add_name = ext2_add_name,
	.unlink = ext2_unlink,
	.rename = ext2_rename,
	.empty = ext2_dir_empty,
};

static s64 dir_llseek(struct file *file, s64 offset, int whence)
{
	if (whence == 1)
		offset += (s64)file->f_pos;
	else if (whence != 0)
		return -EINVAL;
	if (offset < 0)
		return -EINVAL;
	file->f_pos = (u64)offset;
	return offset;
}

const struct file_operations ext2_dir_ops = {
	.open = ext2_open,
	.iterate = ext2_readdir,
	.llseek = dir_llseek,
	.fsync = ext2_fsync,
};
