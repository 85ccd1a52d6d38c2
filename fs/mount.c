/* SPDX-License-Identifier: MIT */
/*
 * mount.c: where file systems are attached to the tree of names.
 *
 *	root_mount (tmpfs)  /
 *	  mount (devtmpfs)  mnt_mountpoint -> dentry "dev" of the root's tmpfs, DENTRY_MOUNTED
 *	  mount (proc)	    mnt_mountpoint -> dentry "proc"
 *
 * There are a handful of mounts, so they are one list in order of mounting; only a walk
 * that meets a dentry with DENTRY_MOUNTED looks at it. Mounts stack: a later one on the
 * same place hides the earlier.
 *
 * References: the list holds one, every path into the mount one. umount2(2) refuses a busy
 * mount (EBUSY), MNT_DETACH only takes it off the list. A super block goes with its last
 * mount, and with it all that its names held.
 *
 * Locking: mount_lock for the list; fields of a mount are constant but the flags.
 */
#include <fs/vfs.h>
#include <fs/syscalls.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <pagoda/blkdev.h>

#define MNT_FORCE	1u
#define MNT_DETACH	2u
#define MNT_EXPIRE	4u
#define UMOUNT_NOFOLLOW 8u

#define MNT_KEPT_FLAGS (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME)

struct vfsmount *root_mount;
static LIST_HEAD(mount_list);
static spinlock_t mount_lock = SPIN_LOCK_INIT(RANK_NONE);
static int last_mount_id;

/* No mount, hence no path and no open file, leads there any more. */
static void free_super(struct super_block *sb)
{
	if (sb->s_op && sb->s_op->sync)
		(void)sb->s_op->sync(sb); /* nobody is left to tell; it logs */
	mutex_lock(&cache_shrink_mutex);
	d_prune(sb->s_root);
	dput(sb->s_root);
	if (sb->s_cached)
		inodes_free(sb);
	if (sb->s_op && sb->s_op->put_super)
		sb->s_op->put_super(sb);
	mutex_unlock(&cache_shrink_mutex);
	kfree(sb->s_info);
	kfree(sb);
}

static void free_mount(struct vfsmount *mnt)
{
	dput(mnt->mnt_root);
	dput(mnt->mnt_mountpoint);
	if (atomic_dec_and_test(&mnt->mnt_sb->s_mounts))
		free_super(mnt->mnt_sb);
	if (mnt->mnt_parent)
		mntput(mnt->mnt_parent);
	kfree(mnt);
}

void mntput(struct vfsmount *mnt)
{
	if (atomic_dec_and_test(&mnt->mnt_count))
		free_mount(mnt);
}

struct vfsmount *kern_mount(struct super_block *sb)
{
	struct vfsmount *mnt = kzalloc(sizeof(*mnt), GFP_KERNEL);

	if (!mnt)
		return NULL;
	atomic_set(&mnt->mnt_count, 1);
	atomic_inc(&sb->s_mounts);
	mnt->mnt_sb = sb;
	mnt->mnt_root = sb->s_root ? dget(sb->s_root) : NULL;
	INIT_LIST_HEAD(&mnt->mnt_list);
	return mnt;
}

static int attach(struct super_block *sb, struct dentry *root, const struct path *where,
		  const char *devname, unsigned long flags)
{
	struct vfsmount *mnt = kern_mount(sb);

	if (!mnt)
		return -ENOMEM;
	if (root != sb->s_root) {
		dput(mnt->mnt_root);
		mnt->mnt_root = dget(root);
	}
	mnt->mnt_flags = flags & MNT_KEPT_FLAGS;
	pagoda_strlcpy(mnt->mnt_devname, devname, sizeof(mnt->mnt_devname));
	if (where) {
		path_get(where);
		mnt->mnt_parent = where->mnt;
		mnt->mnt_mountpoint = where->dentry;
	}
	spin_lock(&mount_lock);
	mnt->mnt_id = ++last_mount_id;
	list_add_tail(&mnt->mnt_list, &mount_list);
	if (where)
		where->dentry->d_flags |= DENTRY_MOUNTED;
	else
		root_mount = mnt;
	spin_unlock(&mount_lock);
	return 0;
}

int do_add_mount(struct super_block *sb, const struct path *where, const char *devname,
		 unsigned long flags)
{
	return attach(sb, sb->s_root, where, devname, flags);
}

/* The newest mount on this very place with a reference, or NULL. */
static struct vfsmount *mount_at(const struct path *path)
{
	struct vfsmount *mnt, *found = NULL;

	spin_lock(&mount_lock);
	list_for_each_entry(mnt, &mount_list, mnt_list)
		if (mnt->mnt_mountpoint == path->dentry && mnt->mnt_parent == path->mnt)
			found = mnt;
	if (found)
		atomic_inc(&found->mnt_count);
	spin_unlock(&mount_lock);
	return found;
}

void follow_mounts(struct path *path)
{
	struct vfsmount *mnt;

	while ((path->dentry->d_flags & DENTRY_MOUNTED) && (mnt = mount_at(path))) {
		path_put(path);
		path->mnt = mnt;
		path->dentry = dget(mnt->mnt_root);
	}
}

bool follow_up(struct path *path)
{
	struct vfsmount *mnt = path->mnt;
	struct path up = { mnt->mnt_parent, mnt->mnt_mountpoint };

	if (!up.mnt)
		return false;
	path_get(&up);
	path_put(path);
	*path = up;
	return true;
}

int mnt_want_write(struct vfsmount *mnt)
{
	return (mnt->mnt_flags & MS_RDONLY) || mnt->mnt_sb->s_readonly ? -EROFS : 0;
}

/* ---- To the disks --------------------------------------------------------------------------- */

/* The mount with the smallest id above id, with a reference, or NULL. */
static struct vfsmount *next_mount(int id)
{
	struct vfsmount *mnt, *found = NULL;

	spin_lock(&mount_lock);
	list_for_each_entry(mnt, &mount_list, mnt_list)
		if (mnt->mnt_id > id && !found)
			found = mnt;
	if (found)
		atomic_inc(&found->mnt_count);
	spin_unlock(&mount_lock);
	return found;
}

void sync_filesystems(void)
{
	struct vfsmount *mnt;

	for (int id = 0; (mnt = next_mount(id)); mntput(mnt)) {
		id = mnt->mnt_id;
		if (mnt->mnt_sb->s_op && mnt->mnt_sb->s_op->sync)
			(void)mnt->mnt_sb->s_op->sync(mnt->mnt_sb); /* sync(2) has no errors */
	}
}

void fs_shutdown(void)
{
	struct vfsmount *mnt;

	for (int id = 0; (mnt = next_mount(id)); mntput(mnt)) {
		struct super_block *sb = mnt->mnt_sb;

		id = mnt->mnt_id;
		if (sb->s_op && sb->s_op->shutdown)
			sb->s_op->shutdown(sb);
	}
}

/* ---- mount(2), umount2(2) --------------------------------------------------------------------- */

static const struct {
	const char *type;
	struct super_block *(*make)(const char *type, const char *options);
} fs_types[] = {
	{ "tmpfs", tmpfs_mount },
	{ "ramfs", tmpfs_mount },
	{ "devtmpfs", tmpfs_mount },
};

/* The device that a block special file stands for, or NULL. */
static struct block_device *device_of(const struct inode *inode)
{
	struct block_device *bdev = next_block_device(NULL);

	while (bdev && bdev->dev != inode->i_rdev)
		bdev = next_block_device(bdev);
	return bdev;
}

static struct super_block *mount_device(const char *devname, const char *options,
					unsigned long flags)
{
	struct block_device *bdev;
	struct path path;
	int err = path_lookup(AT_FDCWD, devname, LOOKUP_FOLLOW, &path);

	if (err)
		return ERR_PTR(err);
	if (!S_ISBLK(path.dentry->d_inode->i_mode))
		err = -ENOTBLK;
	bdev = err ? NULL : device_of(path.dentry->d_inode);
	path_put(&path);
	if (!bdev)
		return ERR_PTR(err ? err : -ENXIO);
	if (bdev->read_only && !(flags & MS_RDONLY))
		return ERR_PTR(-EACCES);
	return ext2_mount(bdev, options, flags & MS_RDONLY);
}

static struct super_block *make_super(const char *type, const char *devname, const char *options,
				      unsigned long flags)
{
	if (strcmp(type, "ext2") == 0)
		return mount_device(devname, options, flags);
	if (strcmp(type, "proc") == 0)
		return proc_mount();
	if (strcmp(type, "devpts") == 0)
		return devpts_mount();
	for (size_t i = 0; i < ARRAY_SIZE(fs_types); i++)
		if (strcmp(type, fs_types[i].type) == 0)
			return fs_types[i].make(fs_types[i].type, options);
	return ERR_PTR(-ENODEV);
}

static int mount_new(const struct path *where, const char *type, const char *devname,
		     const char *options, unsigned long flags)
{
	struct super_block *sb;
	int err;

	if (!S_ISDIR(where->dentry->d_inode->i_mode))
		return -ENOTDIR;
	sb = make_super(type, devname, options, flags);
	if (IS_ERR(sb))
		return (int)PTR_ERR(sb);
	err = do_add_mount(sb, where, devname, flags);
	if (err && !atomic_read(&sb->s_mounts))
		free_super(sb);
	return err;
}

static int mount_bind(const struct path *where, const char *from, unsigned long flags)
{
	struct path source;
	int err = path_lookup(AT_FDCWD, from, LOOKUP_FOLLOW, &source);

	if (err)
		return err;
	if (S_ISDIR(source.dentry->d_inode->i_mode) != S_ISDIR(where->dentry->d_inode->i_mode))
		err = -ENOTDIR;
	else
		err = attach(source.mnt->mnt_sb, source.dentry, where, source.mnt->mnt_devname,
			     source.mnt->mnt_flags | flags);
	path_put(&source);
	return err;
}

static int mount_remount(const struct path *where, unsigned long flags)
{
	struct super_block *sb = where->mnt->mnt_sb;
	int err = 0;

	if (where->dentry != where->mnt->mnt_root)
		return -EINVAL;
	if (sb->s_op && sb->s_op->remount)
		err = sb->s_op->remount(sb, flags & MS_RDONLY);
	if (!err)
		where->mnt->mnt_flags = flags & MNT_KEPT_FLAGS;
	return err;
}

static int do_mount(const char *devname, const char *target, const char *type,
		    const char *options, unsigned long flags)
{
	struct path where;
	int err;

	if (!fs_capable())
		return -EPERM;
	err = path_lookup(AT_FDCWD, target, LOOKUP_FOLLOW, &where);
	if (err)
		return err;
	if (flags & MS_REMOUNT)
		err = mount_remount(&where, flags);
	else if (flags & MS_BIND)
		err = mount_bind(&where, devname, flags);
	else if (flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE))
		err = 0; /* one name space: propagation means nothing */
	else if (flags & MS_MOVE)
		err = -EINVAL;
	else if (!type)
		err = -EINVAL;
	else
		err = mount_new(&where, type, devname ? devname : "none", options ? options : "",
				flags);
	path_put(&where);
	return err;
}

/* A string argument that may be absent: NULL then. */
static char *optional_string(unsigned long user)
{
	return user ? fs_getname(user, true) : NULL;
}

long sys_mount(unsigned long dev, unsigned long dir, unsigned long type, unsigned long flags,
	       unsigned long data)
{
	char *k_dev = optional_string(dev), *k_type = optional_string(type);
	char *k_data = optional_string(data), *k_dir = fs_getname(dir, false);
	long ret;

	if (IS_ERR(k_dev))
		ret = PTR_ERR(k_dev);
	else if (IS_ERR(k_type))
		ret = PTR_ERR(k_type);
	else if (IS_ERR(k_data))
		ret = PTR_ERR(k_data);
	else if (IS_ERR(k_dir))
		ret = PTR_ERR(k_dir);
	else
		ret = do_mount(k_dev, k_dir, k_type, k_data, flags);
	fs_putname(k_dir);
	fs_putname(k_data);
	fs_putname(k_type);
	fs_putname(k_dev);
	return ret;
}

/* Is something mounted inside mnt? mount_lock held. */
static bool has_submounts(const struct vfsmount *mnt)
{
	struct vfsmount *other;

	list_for_each_entry(other, &mount_list, mnt_list)
		if (other->mnt_parent == mnt)
			return true;
	return false;
}

static void detach_locked(struct vfsmount *mnt)
{
	struct vfsmount *other;
	bool shared = false;

	list_del_init(&mnt->mnt_list);
	mnt->mnt_detached = true;
	list_for_each_entry(other, &mount_list, mnt_list)
		shared |= other->mnt_mountpoint == mnt->mnt_mountpoint;
	if (!shared)
		mnt->mnt_mountpoint->d_flags &= ~DENTRY_MOUNTED;
}

static int do_umount(struct path *path, unsigned long flags)
{
	struct vfsmount *mnt = path->mnt;
	int err = 0;

	if (path->dentry != mnt->mnt_root || mnt->mnt_detached)
		return -EINVAL;
	if (mnt == root_mount)
		return flags & MNT_DETACH ? -EINVAL : -EBUSY;
	spin_lock(&mount_lock);
	/* The list's reference and this path's: any more means open files or directories. */
	if (!(flags & MNT_DETACH) && (has_submounts(mnt) || atomic_read(&mnt->mnt_count) > 2))
		err = -EBUSY;
	else
		detach_locked(mnt);
	spin_unlock(&mount_lock);
	if (!err)
		mntput(mnt); /* the list's */
	return err;
}

long sys_umount2(unsigned long target, unsigned long flags)
{
	struct path path;
	long err;

	if (flags & ~(unsigned long)(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
		return -EINVAL;
	if (!fs_capable())
		return -EPERM;
	err = user_path(AT_FDCWD, target, flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &path);
	if (err)
		return err;
	err = do_umount(&path, flags);
	path_put(&path);
	return err;
}

/* ---- /proc/mounts and mountinfo ------------------------------------------------------------------ */

static void options_text(const struct vfsmount *mnt, char *buf, size_t size)
{
	unsigned long flags = mnt->mnt_flags;

	pagoda_snprintf(buf, size, "%s%s%s%s%s", flags & MS_RDONLY ? "ro" : "rw",
			flags & MS_NOSUID ? ",nosuid" : "", flags & MS_NODEV ? ",nodev" : "",
			flags & MS_NOEXEC ? ",noexec" : "",
			flags & MS_NOATIME ? ",noatime" : ",relatime");
}

static void super_options(const struct vfsmount *mnt, char *buf, size_t size)
{
	struct super_block *sb = mnt->mnt_sb;

	buf[0] = '\0';
	if (sb->s_op && sb->s_op->show_options)
		sb->s_op->show_options(sb, buf, size);
}

#define MOUNT_TEXT_BYTES 512

typedef void mount_printer(const struct vfsmount *mnt, const char *where, char *line, size_t size);

static void print_mount(const struct vfsmount *mnt, const char *where, char *line, size_t size)
{
	char options[64], more[64];

	options_text(mnt, options, sizeof(options));
	super_options(mnt, more, sizeof(more));
	pagoda_snprintf(line, size, "%s %s %s %s%s 0 0\n", mnt->mnt_devname, where,
			mnt->mnt_sb->s_type, options, more);
}

static void print_mountinfo(const struct vfsmount *mnt, const char *where, char *line, size_t size)
{
	char options[64], more[64];

	options_text(mnt, options, sizeof(options));
	super_options(mnt, more, sizeof(more));
	pagoda_snprintf(line, size, "%d %d %u:%u / %s %s - %s %s %s%s\n", mnt->mnt_id,
			mnt->mnt_parent ? mnt->mnt_parent->mnt_id : 0, MAJOR(mnt->mnt_sb->s_dev),
			MINOR(mnt->mnt_sb->s_dev), where, options, mnt->mnt_sb->s_type,
			mnt->mnt_devname, mnt->mnt_flags & MS_RDONLY ? "ro" : "rw", more);
}

static void show_all(mount_printer *print, void (*emit)(void *arg, const char *text), void *arg,
		     const struct path *root)
{
	char *text = kmalloc(2 * MOUNT_TEXT_BYTES, GFP_KERNEL);
	struct vfsmount *mnt;

	if (!text)
		return;
	for (int id = 0; (mnt = next_mount(id)); mntput(mnt)) {
		struct path path = { mnt, mnt->mnt_root };
		bool reachable;
		char *where = d_path(&path, root, text, MOUNT_TEXT_BYTES, &reachable);

		id = mnt->mnt_id;
		if (IS_ERR(where) || !reachable)
			continue;
		print(mnt, where, text + MOUNT_TEXT_BYTES, MOUNT_TEXT_BYTES);
		emit(arg, text + MOUNT_TEXT_BYTES);
	}
	kfree(text);
}

void mounts_show(void (*emit)(void *arg, const char *text), void *arg, const struct path *root)
{
	show_all(print_mount, emit, arg, root);
}

void mountinfo_show(void (*emit)(void *arg, const char *text), void *arg, const struct path *root)
{
	show_all(print_mountinfo, emit, arg, root);
}
