/* SPDX-License-Identifier: MIT */
/*
 * mount_calls.c: mount(2) and umount2(2): new mounts, bind mounts, remounts, and the end of mounts.
 *
 * Flags of mount(2) are of three kinds: what to do (MS_REMOUNT, MS_BIND ...), what the mount allows
 * (MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOSYMFOLLOW, MS_RDONLY, atime: mnt_flags), and what the file
 * system allows (MS_RDONLY: s_readonly, for all its mounts). MS_REMOUNT changes both, MS_REMOUNT |
 * MS_BIND only the mount.
 *
 * Becoming read-only is refused (EBUSY) while a file is open for writing, and for a whole file
 * system also while a file without a name is in use, as its end would be a write.
 *
 * A mount is busy while anything but its list refers to it: an open file, a working directory, a
 * mount inside it. MNT_DETACH takes it and all mounts inside it off the list all the same;
 * MNT_EXPIRE only the second time, when it was not used in between.
 *
 * One file system, one super block: devtmpfs and devpts are the same wherever they are mounted, and
 * so is a disk.
 *
 * Order of checks as in Linux: the strings, the place, then rights, then what is asked for.
 */
#include <fs/mount_internal.h>
#include <fs/syscalls.h>
#include <pagoda/blkdev.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <pagoda/bug.h>

#define MNT_FORCE	1u
#define MNT_DETACH	2u
#define MNT_EXPIRE	4u
#define UMOUNT_NOFOLLOW 8u

#define MS_MGC_VAL 0xc0ed0000ul /* programs of old put this in the upper half */
#define MS_MGC_MSK 0xffff0000ul
#define MS_NOUSER  (1ul << 31)

#define MNT_ATIME_FLAGS	  (MS_NOATIME | MS_NODIRATIME | MS_RELATIME)
#define MNT_OTHER_FLAGS	  (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOSYMFOLLOW)
#define PROPAGATION_FLAGS (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)

unsigned long mount_flags_of(unsigned long flags, const struct vfsmount *remounted)
{
	unsigned long kept = flags & (MNT_OTHER_FLAGS | MS_NOATIME | MS_NODIRATIME);

	if (remounted && !(flags & (MNT_ATIME_FLAGS | MS_STRICTATIME)))
		return kept | (remounted->mnt_flags & MNT_ATIME_FLAGS);
	if (flags & MS_STRICTATIME)
		return kept & ~MS_NOATIME;
	return flags & MS_NOATIME ? kept : kept | MS_RELATIME;
}

/* ---- New mounts ------------------------------------------------------------------------------ */

/* The device that a block special file stands for, or NULL. */
static struct block_device *device_of(const struct inode *inode)
{
	struct block_device *bdev = next_block_device(NULL);

	while (bdev && bdev->dev != inode->i_rdev)
		bdev = next_block_device(bdev);
	return bdev;
}

static int find_device(const char *name, struct block_device **bdev)
{
	struct path path;
	int err;

	if (!name || !*name)
		return -EINVAL;
	err = path_lookup(AT_FDCWD, name, LOOKUP_FOLLOW, &path);
	if (err)
		return err;
	if (!S_ISBLK(path.dentry->d_inode->i_mode))
		err = -ENOTBLK;
	else if (path.mnt->mnt_flags & MS_NODEV)
		err = -EACCES;
	*bdev = err ? NULL : device_of(path.dentry->d_inode);
	path_put(&path);
	return err || *bdev ? err : -ENXIO;
}

/*
 * The file system of this disk if it is mounted, counted as one more mount until put_super(); or
 * NULL.
 */
static struct super_block *get_mounted(const struct block_device *bdev)
{
	struct super_block *found = NULL;
	struct vfsmount *mnt;

	spin_lock(&mount_lock);
	list_for_each_entry(mnt, &mount_list, mnt_list)
		if (mnt->mnt_sb->s_bdev == bdev)
			found = mnt->mnt_sb;
	if (found)
		atomic_inc(&found->s_mounts);
	spin_unlock(&mount_lock);
	return found;
}

static struct super_block *mount_device(const char *devname, const char *options,
					unsigned long flags)
{
	struct block_device *bdev;
	struct super_block *sb;
	int err = find_device(devname, &bdev);

	if (err)
		return ERR_PTR(err);
	if (bdev->read_only && !(flags & MS_RDONLY))
		return ERR_PTR(-EACCES);
	sb = get_mounted(bdev);
	if (!sb) {
		sb = ext2_mount(bdev, options, flags & MS_RDONLY);
		if (!IS_ERR(sb))
			atomic_inc(&sb->s_mounts);
	}
	return sb;
}

/* A file system of that kind, counted as mounted once until put_super(), or ERR_PTR. */
static struct super_block *get_super(const char *type, const char *devname, const char *options,
				     unsigned long flags)
{
	struct super_block *sb;

	if (strcmp(type, "ext2") == 0)
		return mount_device(devname, options, flags);
	if (strcmp(type, "proc") == 0)
		sb = proc_mount();
	else if (strcmp(type, "devpts") == 0)
		sb = devpts_mount();
	else if (strcmp(type, "devtmpfs") == 0)
		sb = devtmpfs_mount();
	else if (strcmp(type, "tmpfs") == 0 || strcmp(type, "ramfs") == 0)
		sb = tmpfs_mount(strcmp(type, "tmpfs") == 0 ? "tmpfs" : "ramfs", options);
	else
		return ERR_PTR(-ENODEV);
	if (!IS_ERR(sb))
		atomic_inc(&sb->s_mounts);
	return sb;
}

static void put_super(struct super_block *sb)
{
	if (atomic_dec_and_test(&sb->s_mounts))
		free_super(sb);
}

/* May a file system (its root being root) be attached there? */
static int check_place(const struct path *where, const struct dentry *root)
{
	if (where->dentry->d_flags & DENTRY_DELETED)
		return -ENOENT;
	return S_ISDIR(where->dentry->d_inode->i_mode) != S_ISDIR(root->d_inode->i_mode) ? -ENOTDIR
											 : 0;
}

/*
 * The first mount of a file system decides whether it is read-only; later ones have to want the
 * same.
 */
static int agree_on_writing(struct super_block *sb, bool read_only)
{
	if (atomic_read(&sb->s_mounts) == 1 && read_only)
		sb->s_readonly = true; /* nobody has it yet but the caller */
	return sb->s_bdev && sb->s_readonly != read_only && atomic_read(&sb->s_mounts) > 1 ? -EBUSY
											   : 0;
}

static int mount_new(const struct path *where, const char *type, const char *devname,
		     const char *options, unsigned long flags)
{
	struct super_block *sb;
	int err;

	if (!type)
		return -EINVAL;
	sb = get_super(type, devname, options, flags);
	if (IS_ERR(sb))
		return (int)PTR_ERR(sb);
	err = agree_on_writing(sb, flags & MS_RDONLY);
	if (!err && where->mnt->mnt_sb == sb && where->dentry == where->mnt->mnt_root)
		err = -EBUSY; /* the same file system on itself */
	if (!err)
		err = check_place(where, sb->s_root);
	if (!err)
		err = attach_mount(sb, sb->s_root, where, devname ? devname : "none",
				   mount_flags_of(flags, NULL));
	put_super(sb);
	return err;
}

/* ---- Bind mounts ----------------------------------------------------------------------------- */

/*
 * The copy has the flags of the source, whatever the call says. Mounts inside the source (MS_REC)
 * are left out.
 */
static int mount_bind(const struct path *where, const char *from)
{
	struct path source;
	int err;

	if (!from || !*from)
		return -EINVAL;
	err = path_lookup(AT_FDCWD, from, LOOKUP_FOLLOW, &source);
	if (err)
		return err;
	err = check_place(where, source.dentry);
	if (!err && (source.mnt->mnt_detached || where->mnt->mnt_detached))
		err = -EINVAL;
	if (!err)
		err = attach_mount(source.mnt->mnt_sb, source.dentry, where,
				   source.mnt->mnt_devname, source.mnt->mnt_flags);
	path_put(&source);
	return err;
}

/* ---- Remounting ------------------------------------------------------------------------------ */

/* The mount gets these flags; -EBUSY: it becomes read-only and a file is open for writing. */
static int change_mount(struct vfsmount *mnt, unsigned long flags)
{
	int err = 0;

	spin_lock(&mount_lock);
	if ((flags & MS_RDONLY) && !(mnt->mnt_flags & MS_RDONLY) && mnt->mnt_writers)
		err = -EBUSY;
	else
		mnt->mnt_flags = flags;
	spin_unlock(&mount_lock);
	return err;
}

/*
 * Has the file system a file that is open for writing, or one without a name, whose end will be a
 * write?
 */
static bool has_writers(const struct super_block *sb) MUST_HOLD(&mount_lock)
{
	struct vfsmount *mnt;

	lockdep_assert_held(&mount_lock);
	if (atomic_long_read(&sb->s_nameless))
		return true;
	list_for_each_entry(mnt, &mount_list, mnt_list)
		if (mnt->mnt_sb == sb && mnt->mnt_writers)
			return true;
	return false;
}

/*
 * Let nobody open a file of sb for writing from now on. 0, or -EBUSY if it has such files already.
 */
static int stop_writers(struct super_block *sb)
{
	int err = 0;

	spin_lock(&mount_lock);
	if (has_writers(sb))
		err = -EBUSY;
	else
		sb->s_stops_writing = true;
	spin_unlock(&mount_lock);
	return err;
}

/* The whole file system becomes read-only, or writable again. */
static int change_super(struct super_block *sb, bool read_only)
{
	int err = 0;

	if (sb->s_readonly == read_only)
		return 0;
	if (read_only)
		err = stop_writers(sb);
	if (!err && sb->s_op && sb->s_op->remount)
		err = sb->s_op->remount(sb, read_only);
	else if (!err)
		WRITE_ONCE(sb->s_readonly, read_only);
	WRITE_ONCE(sb->s_stops_writing, false);
	return err;
}

static int mount_remount(const struct path *where, unsigned long flags, const char *options)
{
	struct vfsmount *mnt = where->mnt;
	struct super_block *sb = mnt->mnt_sb;
	int err;

	if (where->dentry != mnt->mnt_root || mnt->mnt_detached)
		return -EINVAL;
	if (flags & MS_BIND)
		return change_mount(mnt, mount_flags_of(flags, mnt));
	if (sb->s_op && sb->s_op->set_options) {
		err = sb->s_op->set_options(sb, options);
		if (err)
			return err;
	}
	err = change_super(sb, flags & MS_RDONLY);
	return err ? err : change_mount(mnt, mount_flags_of(flags, mnt));
}

/* There is one name space, so that propagation means nothing; but the request has to make sense. */
static int change_propagation(const struct path *where, unsigned long flags)
{
	unsigned long type = flags & PROPAGATION_FLAGS;

	if (where->dentry != where->mnt->mnt_root)
		return -EINVAL;
	if ((flags & ~(MS_REC | MS_SILENT | PROPAGATION_FLAGS)) || (type & (type - 1)))
		return -EINVAL;
	return 0;
}

/* ---- mount(2) -------------------------------------------------------------------------------- */

static int mount_at_path(const struct path *where, const char *devname, const char *type,
			 const char *options, unsigned long flags)
{
	if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
		flags &= ~MS_MGC_MSK;
	if (flags & MS_NOUSER)
		return -EINVAL;
	if (!fs_capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (flags & MS_REMOUNT)
		return mount_remount(where, flags, options);
	if (flags & MS_BIND)
		return mount_bind(where, devname);
	if (flags & PROPAGATION_FLAGS)
		return change_propagation(where, flags);
	if (flags & MS_MOVE)
		return -EINVAL; /* mounts do not move here */
	return mount_new(where, type, devname, options, flags);
}

static int do_mount(const char *devname, const char *target, const char *type, const char *options,
		    unsigned long flags)
{
	struct path where;
	int err = path_lookup(AT_FDCWD, target, LOOKUP_FOLLOW, &where);

	if (err)
		return err;
	err = mount_at_path(&where, devname, type, options ? options : "", flags);
	path_put(&where);
	return err;
}

/*
 * A string argument that may be absent (NULL then). One that is too long is -EINVAL, unlike a path.
 */
static char *optional_string(unsigned long user)
{
	char *text = user ? fs_getname(user, true) : NULL;

	return text == ERR_PTR(-ENAMETOOLONG) ? ERR_PTR(-EINVAL) : text;
}

/* Options are up to a page of which only the first byte must be readable. */
static char *option_string(unsigned long user)
{
	char *text;
	size_t left;

	if (!user)
		return NULL;
	text = kzalloc(PAGE_SIZE, GFP_KERNEL);
	if (!text)
		return ERR_PTR(-ENOMEM);
	left = copy_from_user(text, user, PAGE_SIZE - 1);
	if (left == PAGE_SIZE - 1) {
		kfree(text);
		return ERR_PTR(-EFAULT);
	}
	memset(text + PAGE_SIZE - 1 - left, 0, left);
	return text;
}

static long mount_strings(unsigned long dev, const char *type, unsigned long dir,
			  unsigned long data, unsigned long flags)
{
	char *devname = optional_string(dev), *options, *target;
	long ret;

	if (IS_ERR(devname))
		return PTR_ERR(devname);
	options = option_string(data);
	if (IS_ERR(options)) {
		fs_putname(devname);
		return PTR_ERR(options);
	}
	target = fs_getname(dir, false);
	ret = do_mount(devname, target, type, options, flags);
	fs_putname(target);
	kfree(options);
	fs_putname(devname);
	return ret;
}

long sys_mount(unsigned long dev, unsigned long dir, unsigned long type, unsigned long flags,
	       unsigned long data)
{
	char *type_name = optional_string(type);
	long ret;

	if (IS_ERR(type_name))
		return PTR_ERR(type_name);
	ret = mount_strings(dev, type_name, dir, data, flags);
	fs_putname(type_name);
	return ret;
}

/* ---- umount2(2) ------------------------------------------------------------------------------ */

/* A mount inside mnt, or NULL. */
static struct vfsmount *inner_mount(const struct vfsmount *mnt) MUST_HOLD(&mount_lock)
{
	struct vfsmount *other;

	lockdep_assert_held(&mount_lock);
	list_for_each_entry(other, &mount_list, mnt_list)
		if (other->mnt_parent == mnt)
			return other;
	return NULL;
}

/* Take mnt off the list. The caller drops the list's reference. */
static void detach_locked(struct vfsmount *mnt) MUST_HOLD(&mount_lock)
{
	struct vfsmount *other;
	bool shared = false;

	lockdep_assert_held(&mount_lock);
	list_del_init(&mnt->mnt_list);
	mnt->mnt_detached = true;
	list_for_each_entry(other, &mount_list, mnt_list)
		shared |= other->mnt_mountpoint == mnt->mnt_mountpoint;
	if (!shared)
		mnt->mnt_mountpoint->d_flags &= ~DENTRY_MOUNTED;
}

/* A mount inside mnt in which nothing is mounted, off the list, or NULL when there is none. */
static struct vfsmount *take_innermost(const struct vfsmount *mnt)
{
	struct vfsmount *inner, *found = NULL;

	spin_lock(&mount_lock);
	while ((inner = inner_mount(found ? found : mnt)))
		found = inner;
	if (found)
		detach_locked(found);
	spin_unlock(&mount_lock);
	return found;
}

/* Is mnt used by others than the list and the path by which umount found it? */
static bool is_busy(const struct vfsmount *mnt) MUST_HOLD(&mount_lock)
{
	lockdep_assert_held(&mount_lock);
	return inner_mount(mnt) || atomic_read(&mnt->mnt_count) > 2;
}

/* MNT_EXPIRE: -EAGAIN the first time, 0 if nobody has used the mount since then. */
static int expire(struct vfsmount *mnt)
{
	bool busy;

	spin_lock(&mount_lock);
	busy = atomic_read(&mnt->mnt_count) > 2;
	spin_unlock(&mount_lock);
	if (busy)
		return -EBUSY;
	return rmw_xchg_relaxed(&mnt->mnt_expiring, true) ? 0 : -EAGAIN;
}

/* A root cannot go; it becomes read-only instead. */
static int umount_root(struct vfsmount *mnt)
{
	return change_super(mnt->mnt_sb, true);
}

static int detach_tree(struct vfsmount *mnt)
{
	struct vfsmount *inner;
	bool mounted;

	while ((inner = take_innermost(mnt)))
		mntput(inner);
	spin_lock(&mount_lock);
	mounted = !mnt->mnt_detached;
	if (mounted)
		detach_locked(mnt);
	spin_unlock(&mount_lock);
	if (mounted)
		mntput(mnt);
	return 0;
}

static int umount_unused(struct vfsmount *mnt)
{
	int err = 0;

	spin_lock(&mount_lock);
	if (mnt->mnt_detached || is_busy(mnt))
		err = -EBUSY;
	else
		detach_locked(mnt);
	spin_unlock(&mount_lock);
	if (!err)
		mntput(mnt);
	return err;
}

static bool is_callers_root(const struct vfsmount *mnt)
{
	struct path root;
	bool same;

	get_fs_root(&root);
	same = root.mnt == mnt;
	mntput_unused(root.mnt);
	dput(root.dentry);
	return same;
}

static int do_umount(const struct path *path, unsigned long flags)
{
	struct vfsmount *mnt = path->mnt;
	bool root = is_callers_root(mnt);
	int err;

	if (!fs_capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (path->dentry != mnt->mnt_root || mnt->mnt_detached)
		return -EINVAL;
	if (flags & MNT_EXPIRE) {
		err = root || flags & (MNT_FORCE | MNT_DETACH) ? -EINVAL : expire(mnt);
		if (err)
			return err;
	}
	if (root && !(flags & MNT_DETACH))
		return umount_root(mnt);
	if (mnt == root_mount)
		return flags & MNT_DETACH ? -EINVAL : -EBUSY;
	return flags & MNT_DETACH ? detach_tree(mnt) : umount_unused(mnt);
}

long sys_umount2(unsigned long target, unsigned long flags)
{
	struct path path;
	long err;

	if ((u32)flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
		return -EINVAL;
	err = user_path(AT_FDCWD, target, flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &path);
	if (err)
		return err;
	err = do_umount(&path, flags);
	dput(path.dentry);
	mntput_unused(path.mnt); /* umount2() itself is no use of the mount (MNT_EXPIRE) */
	return err;
}
