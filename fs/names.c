/* SPDX-License-Identifier: MIT */
/*
 * names.c: making, removing and linking names, with every error Linux gives, in Linux's order.
 *
 * Each operation walks to the parent, takes s_names of that file system (so that names
 * stand still), looks at what is there, checks in Linux's order, and only then changes
 * something. Moving names is in rename.c.
 *
 * Prepare, then commit: the new inode and dentry exist before the first visible change;
 * after it nothing can fail. A file system on a disk changes that first (add_name, unlink,
 * rename), which may fail; then memory follows, which may not.
 *
 * Link counts: a directory counts its own ".", its name and the ".." of each
 * subdirectory. Times: both directories and the object (ctime) change.
 *
 * A file of O_TMPFILE has no name and may get one (i_linkable), once.
 */
#include <fs/vfs.h>
#include <fs/syscalls.h>
#include <fs/names_internal.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/bug.h>

static int begin_change(struct dir_change *change, int dfd, const char *name)
	NO_LOCK_ANALYSIS("takes the lock that it finds")
{
	int err = path_parent(dfd, name, &change->parent, &change->last);

	if (!err)
		mutex_lock(names_lock(change));
	return err;
}

static void end_change(struct dir_change *change) NO_LOCK_ANALYSIS("begin_change() took it")
{
	mutex_unlock(names_lock(change));
	path_put(&change->parent);
}

void touch_dir(struct inode *dir)
{
	lockdep_assert_held(&dir->i_sb->s_names);
	dir->i_mtime = dir->i_ctime = current_time_ns();
	mark_inode_dirty(dir);
}

int may_add(const struct dir_change *change)
{
	lockdep_assert_held(names_lock(change));
	if (change->parent.dentry->d_flags & DENTRY_DELETED)
		return -ENOENT;
	return inode_permission(dir_of(change), MAY_WRITE | MAY_EXEC);
}

/* In a sticky directory names are removed by the owners of the file and of the directory. */
static bool is_kept_by_sticky_bit(const struct inode *dir, const struct inode *inode)
{
	u32 fsuid = fs_current()->cred.fsuid;

	return (dir->i_mode & S_ISVTX) && inode->i_uid != fsuid && dir->i_uid != fsuid &&
	       !fs_capable(CAP_FOWNER);
}

int may_remove(const struct dir_change *change, const struct dentry *victim, bool dir)
{
	struct inode *parent = dir_of(change), *inode = victim->d_inode;
	int err = inode_permission(parent, MAY_WRITE | MAY_EXEC);

	lockdep_assert_held(names_lock(change));
	if (err)
		return err;
	if (is_kept_by_sticky_bit(parent, inode) || inode->i_swapfile)
		return -EPERM;
	if (dir && !S_ISDIR(inode->i_mode))
		return -ENOTDIR;
	if (!dir && S_ISDIR(inode->i_mode))
		return -EISDIR;
	return change->parent.dentry->d_flags & DENTRY_DELETED ? -ENOENT : 0;
}

/* ---- Creating ------------------------------------------------------------------------------- */

int add_name(struct inode *dir, struct dentry *dentry)
{
	int err = dir->i_op->add_name ? dir->i_op->add_name(dir, dentry) : 0;

	lockdep_assert_held(&dir->i_sb->s_names);
	VM_BUG_ON(dentry->d_flags & DENTRY_HASHED);
	if (!err)
		d_add(dentry);
	return err;
}

/* Device nodes are root's to make, but for the one that stands for a removed name (overlays). */
static bool is_device_node(u32 mode, u64 rdev)
{
	return S_ISBLK(mode) || (S_ISCHR(mode) && rdev);
}

static int may_create(const struct dir_change *change, u32 mode, u64 rdev)
{
	struct inode *dir = dir_of(change);
	int err = may_add(change);

	if (err)
		return err;
	if (is_device_node(mode, rdev) && !fs_capable(CAP_MKNOD))
		return -EPERM;
	if (!dir->i_op->create)
		return S_ISREG(mode) ? -EACCES : -EPERM;
	return S_ISDIR(mode) && has_max_links(dir) ? -EMLINK : 0;
}

/* Give a new inode (its reference is taken over) its name. */
static int name_inode(const struct dir_change *change, struct inode *inode, struct dentry **out)
{
	struct dentry *dentry =
		d_make(change->parent.dentry, change->last.name, change->last.len, igrab(inode));
	int err = dentry ? add_name(dir_of(change), dentry) : -ENOMEM;

	if (err)
		clear_nlink(inode); /* and with its last reference it goes */
	iput(inode);
	if (err && dentry)
		dput(dentry);
	*out = dentry;
	return err;
}

int vfs_create_locked(struct path *parent, const struct last_name *last, u32 mode, u64 rdev,
		      const char *target, struct dentry **out)
{
	struct dir_change change = {*parent, *last};
	struct inode *dir = dir_of(&change), *inode;
	struct dentry *dentry;
	int err = may_create(&change, mode, rdev);

	lockdep_assert_held(names_lock(&change));
	if (err)
		return err;
	inode = dir->i_op->create(dir, inode_new_mode(dir, mode), rdev, target);
	if (IS_ERR(inode))
		return (int)PTR_ERR(inode);
	err = name_inode(&change, inode, &dentry);
	if (err)
		return err;
	if (S_ISDIR(mode))
		inc_nlink(dir);
	touch_dir(dir);
	if (out)
		*out = dentry;
	else
		dput(dentry);
	return 0;
}

/*
 * Is the last component a new name, and may the file system be written? What mkdir, mknod, symlink
 * and link say first.
 */
static int check_new_name(const struct dir_change *change, bool dir)
{
	struct dentry *there;

	if (change->last.type != LAST_NORM)
		return -EEXIST;
	there = existing(change);
	if (!IS_ERR(there)) {
		dput(there);
		return -EEXIST;
	}
	if (PTR_ERR(there) != -ENOENT)
		return (int)PTR_ERR(there);
	if ((change->last.trailing && !dir) || (change->parent.dentry->d_flags & DENTRY_DELETED))
		return -ENOENT;
	return mnt_want_write(change->parent.mnt);
}

static int mknod_at(int dfd, const char *name, u32 mode, u64 rdev, const char *target,
		    struct path *out)
{
	struct dir_change change;
	int err = begin_change(&change, dfd, name);

	if (err)
		return err;
	err = check_new_name(&change, S_ISDIR(mode));
	if (!err)
		err = vfs_create_locked(&change.parent, &change.last, mode, rdev, target,
					out ? &out->dentry : NULL);
	if (!err && out) {
		out->mnt = change.parent.mnt;
		atomic_inc(&out->mnt->mnt_count);
	}
	end_change(&change);
	return err;
}

int vfs_mknod(int dfd, const char *name, u32 mode, u64 rdev, const char *target)
{
	return mknod_at(dfd, name, mode, rdev, target, NULL);
}

int vfs_mksocket(const char *name, u32 mode, struct path *out)
{
	return mknod_at(AT_FDCWD, name, S_IFSOCK | mode, 0, NULL, out);
}

/* ---- Removing -------------------------------------------------------------------------------- */

void drop_dir_link(struct inode *dir)
{
	if (dir->i_nlink > 2) /* "." and the name stay */
		drop_nlink(dir);
}

void drop_link(struct inode *inode)
{
	lockdep_assert_held(&inode->i_sb->s_names);
	drop_nlink(inode);
	inode->i_ctime = current_time_ns();
	mark_inode_dirty(inode);
}

/* Take a name away whose removal was checked. */
static void remove_name(struct inode *dir, struct dentry *dentry)
{
	struct inode *inode = dentry->d_inode;

	lockdep_assert_held(&dir->i_sb->s_names);
	if (S_ISDIR(inode->i_mode)) {
		clear_nlink(inode);
		inode->i_ctime = current_time_ns();
		mark_inode_dirty(inode);
		drop_dir_link(dir);
	} else {
		drop_link(inode);
	}
	touch_dir(dir);
	d_delete(dentry);
}

static int check_removal(const struct dir_change *change, struct dentry *victim, bool dir)
{
	int err;

	/* Slashes behind the name of a file to be unlinked: it is none. */
	if (!dir && change->last.trailing)
		return S_ISDIR(victim->d_inode->i_mode) ? -EISDIR : -ENOTDIR;
	err = may_remove(change, victim, dir);
	if (err)
		return err;
	if (!dir_of(change)->i_op->create)
		return -EPERM;
	if (victim->d_flags & DENTRY_MOUNTED)
		return -EBUSY;
	return dir ? dir_empty(victim) : 0;
}

static int remove_locked(struct dir_change *change, struct dentry *victim, bool dir)
{
	struct inode *parent = dir_of(change);
	int err = check_removal(change, victim, dir);

	lockdep_assert_held(names_lock(change));
	if (!err && parent->i_op->unlink)
		err = parent->i_op->unlink(parent, victim);
	if (!err)
		remove_name(parent, victim);
	return err;
}

static int check_removable_name(enum last_type type, bool dir)
{
	if (type == LAST_NORM)
		return 0;
	if (!dir)
		return -EISDIR;
	return type == LAST_DOT ? -EINVAL : type == LAST_DOTDOT ? -ENOTEMPTY : -EBUSY;
}

int vfs_unlink(int dfd, const char *name, bool dir) NO_LOCK_ANALYSIS("begin_change() takes it")
{
	struct dir_change change;
	struct dentry *victim;
	int err = begin_change(&change, dfd, name);

	if (err)
		return err;
	err = check_removable_name(change.last.type, dir);
	if (!err)
		err = mnt_want_write(change.parent.mnt);
	victim = err ? ERR_PTR(err) : existing(&change);
	if (!IS_ERR(victim)) {
		err = remove_locked(&change, victim, dir);
		/* The last reference may free a large file: not under the lock. */
		mutex_unlock(names_lock(&change));
		dput(victim);
		path_put(&change.parent);
		return err;
	}
	end_change(&change);
	return (int)PTR_ERR(victim);
}

/* ---- Linking --------------------------------------------------------------------------------- */

/*
 * Debian's protected_hardlinks: a second name of somebody else's file would keep it alive, or in
 * reach, against its owner's will. Only files that the caller may read and write anyway get one. 0
 * or -EPERM.
 */
static int may_link(struct inode *inode)
{
	u32 runs_as_group = S_ISGID | S_IXGRP;

	if (inode_owner_or_capable(inode))
		return 0;
	if (!S_ISREG(inode->i_mode) || (inode->i_mode & S_ISUID) ||
	    (inode->i_mode & runs_as_group) == runs_as_group)
		return -EPERM;
	return inode_permission(inode, MAY_READ | MAY_WRITE) ? -EPERM : 0;
}

static int check_link(const struct dir_change *change, const struct path *old)
{
	const struct inode *inode = old->dentry->d_inode;
	int err = check_new_name(change, false);

	if (err)
		return err;
	if (old->mnt != change->parent.mnt)
		return -EXDEV;
	err = may_link(old->dentry->d_inode);
	if (!err)
		err = may_add(change);
	if (err)
		return err;
	if (old->dentry->d_sb != change->parent.dentry->d_sb)
		return -EXDEV;
	if (S_ISDIR(inode->i_mode) || !dir_of(change)->i_op->create)
		return -EPERM;
	if (inode->i_nlink == 0 && !inode->i_linkable)
		return -ENOENT;
	return has_max_links(inode) ? -EMLINK : 0;
}

static int link_locked(struct dir_change *change, struct path *old)
{
	struct inode *inode = old->dentry->d_inode, *dir = dir_of(change);
	struct dentry *dentry;
	int err = check_link(change, old);

	lockdep_assert_held(names_lock(change));
	if (err)
		return err;
	dentry = d_make(change->parent.dentry, change->last.name, change->last.len, igrab(inode));
	if (!dentry)
		return -ENOMEM;
	/*
	 * Counted before it is named: stopped in between, there is a link too many, never one too
	 * few.
	 */
	inc_nlink(inode);
	inode->i_ctime = current_time_ns();
	mark_inode_dirty(inode);
	err = add_name(dir, dentry);
	if (err) {
		drop_link(inode);
	} else {
		inode->i_linkable = false;
		touch_dir(dir);
	}
	dput(dentry);
	return err;
}

int vfs_link(int olddfd, const char *old, int newdfd, const char *new, unsigned int flags)
{
	struct dir_change change;
	struct path path;
	int err = path_lookup(olddfd, old, flags, &path);

	if (err)
		return err;
	err = begin_change(&change, newdfd, new);
	if (!err) {
		err = link_locked(&change, &path);
		end_change(&change);
	}
	path_put(&path);
	return err;
}

/* ---- The system calls ------------------------------------------------------------------------ */

/*
 * A name that could not be copied from user memory is told of when its turn comes: the walk returns
 * its error.
 */

long sys_mkdirat(unsigned long dfd, unsigned long path, unsigned long mode)
{
	char *name = fs_getname(path, false);
	long ret = vfs_mknod((int)dfd, name, S_IFDIR | (u32)(mode & 01777), 0, NULL);

	fs_putname(name);
	return ret;
}

long sys_mkdir(unsigned long path, unsigned long mode)
{
	return sys_mkdirat((unsigned long)AT_FDCWD, path, mode);
}

/* Kinds that mknod(2) makes; 0 means a regular file. */
static int check_mknod(u32 mode)
{
	switch (mode & S_IFMT) {
	case 0:
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		return 0;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
}

/* A device number as stat(2) shows it has 12 bits of major and 20 of minor. */
static u64 unpack_dev(unsigned long dev)
{
	return MKDEV((dev >> 8) & 0xfff, (dev & 0xff));
}

long sys_mknodat(unsigned long dfd, unsigned long path, unsigned long mode, unsigned long dev)
{
	u32 m = (u32)mode;
	int err = check_mknod(m);
	char *name;

	if (err)
		return err;
	name = fs_getname(path, false);
	if (!(m & S_IFMT))
		m |= S_IFREG;
	err = vfs_mknod((int)dfd, name, m & (S_IFMT | 07777),
			S_ISCHR(m) || S_ISBLK(m) ? unpack_dev(dev) : 0, NULL);
	fs_putname(name);
	return err;
}

long sys_mknod(unsigned long path, unsigned long mode, unsigned long dev)
{
	return sys_mknodat((unsigned long)AT_FDCWD, path, mode, dev);
}

long sys_unlinkat(unsigned long dfd, unsigned long path, unsigned long flags)
{
	char *name;
	long ret;

	if (flags & ~(unsigned long)AT_REMOVEDIR)
		return -EINVAL;
	name = fs_getname(path, false);
	ret = vfs_unlink((int)dfd, name, flags & AT_REMOVEDIR);
	fs_putname(name);
	return ret;
}

long sys_unlink(unsigned long path)
{
	return sys_unlinkat((unsigned long)AT_FDCWD, path, 0);
}

long sys_rmdir(unsigned long path)
{
	return sys_unlinkat((unsigned long)AT_FDCWD, path, AT_REMOVEDIR);
}

long sys_symlinkat(unsigned long target, unsigned long dfd, unsigned long path)
{
	char *text = fs_getname(target, false), *name = fs_getname(path, false);
	long ret;

	if (IS_ERR(text))
		ret = PTR_ERR(text);
	else
		ret = vfs_mknod((int)dfd, name, S_IFLNK | 0777, 0, text);
	fs_putname(name);
	fs_putname(text);
	return ret;
}

long sys_symlink(unsigned long target, unsigned long path)
{
	return sys_symlinkat(target, (unsigned long)AT_FDCWD, path);
}

long sys_linkat(unsigned long olddfd, unsigned long oldpath, unsigned long newdfd,
		unsigned long newpath, unsigned long flags)
{
	unsigned int lookup = 0;
	char *old, *new;
	long ret;

	if (flags & ~(unsigned long)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (flags & AT_SYMLINK_FOLLOW)
		lookup |= LOOKUP_FOLLOW;
	if (flags & AT_EMPTY_PATH) {
		if (!fs_capable(CAP_DAC_READ_SEARCH))
			/* a descriptor that came from elsewhere does not become a name */
			return -ENOENT;
		lookup |= LOOKUP_EMPTY;
	}
	old = fs_getname(oldpath, flags & AT_EMPTY_PATH);
	new = fs_getname(newpath, false);
	ret = vfs_link((int)olddfd, old, (int)newdfd, new, lookup);
	fs_putname(new);
	fs_putname(old);
	return ret;
}

long sys_link(unsigned long old, unsigned long new)
{
	return sys_linkat((unsigned long)AT_FDCWD, old, (unsigned long)AT_FDCWD, new, 0);
}
