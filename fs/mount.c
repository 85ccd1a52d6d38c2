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
 * References: the list holds one, every path into the mount one. A mount that is taken off the list
 * lives as long as something leads there. A super block goes with its last mount, and with it all
 * that its names held.
 *
 * Writing: a mount can be read-only (MS_RDONLY in mnt_flags), and its whole file system
 * (s_readonly). Files open for writing count in mnt_writers of the mount through which they were
 * opened: while there are any, the mount does not become read-only. mount(2) and umount2(2) are in
 * mount_calls.c.
 *
 * Locking: mount_lock for the list, flags and mnt_writers; other fields of a mount are constant.
 */
#include <fs/mount_internal.h>
#include <fs/proc/proc.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/bug.h>

struct vfsmount *root_mount;
LIST_HEAD(mount_list);
spinlock_t mount_lock = SPIN_LOCK_INIT(RANK_NONE);
static int last_mount_id;

void free_super(struct super_block *sb)
{
	VM_BUG_ON(atomic_read(&sb->s_mounts));
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
	VM_BUG_ON(atomic_read(&mnt->mnt_count) || !list_empty(&mnt->mnt_list));
	VM_BUG_ON(mnt->mnt_writers);
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
	if (unlikely(READ_ONCE(mnt->mnt_expiring)))
		WRITE_ONCE(mnt->mnt_expiring, false); /* it was used since MNT_EXPIRE */
	mntput_unused(mnt);
}

void mntput_unused(struct vfsmount *mnt)
{
	VM_BUG_ON(atomic_read(&mnt->mnt_count) <= 0);
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
	mnt->mnt_flags = MS_RELATIME;
	INIT_LIST_HEAD(&mnt->mnt_list);
	return mnt;
}

int attach_mount(struct super_block *sb, struct dentry *root, const struct path *where,
		 const char *devname, unsigned long flags)
{
	struct vfsmount *mnt = kern_mount(sb);

	if (!mnt)
		return -ENOMEM;
	if (root != sb->s_root) {
		dput(mnt->mnt_root);
		mnt->mnt_root = dget(root);
	}
	mnt->mnt_flags = flags;
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
	return attach_mount(sb, sb->s_root, where, devname, mount_flags_of(flags, NULL));
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
	struct path up = {mnt->mnt_parent, mnt->mnt_mountpoint};

	if (!up.mnt)
		return false;
	path_get(&up);
	path_put(path);
	*path = up;
	return true;
}

/* ---- Writing -------------------------------------------------------------------------------- */

int mnt_want_write(struct vfsmount *mnt)
{
	return (mnt->mnt_flags & MS_RDONLY) || mnt->mnt_sb->s_readonly ? -EROFS : 0;
}

int mnt_get_writer(struct vfsmount *mnt)
{
	int err;

	VM_BUG_ON(atomic_read(&mnt->mnt_count) <= 0);
	spin_lock(&mount_lock);
	err = mnt->mnt_sb->s_stops_writing ? -EROFS : mnt_want_write(mnt);
	if (!err)
		mnt->mnt_writers++;
	spin_unlock(&mount_lock);
	return err;
}

void mnt_put_writer(struct vfsmount *mnt)
{
	spin_lock(&mount_lock);
	VM_BUG_ON(!mnt->mnt_writers);
	mnt->mnt_writers--;
	spin_unlock(&mount_lock);
}

/* ---- To the disks --------------------------------------------------------------------------- */

/* The mount with the smallest id above id, with a reference, or NULL. */
static struct vfsmount *next_mount(int id)
{
	struct vfsmount *mnt, *found = NULL;

	spin_lock(&mount_lock);
	list_for_each_entry(mnt, &mount_list, mnt_list)
		if (mnt->mnt_id > id) {
			found = mnt;
			break;
		}
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

/* ---- /proc/mounts and mountinfo -------------------------------------------------------------- */

static void options_text(const struct vfsmount *mnt, bool read_only, char *buf, size_t size)
{
	static const struct {
		unsigned long flag;
		const char *text;
	} words[] = {
		{MS_NOSUID, ",nosuid"},		  {MS_NODEV, ",nodev"},
		{MS_NOEXEC, ",noexec"},		  {MS_NOATIME, ",noatime"},
		{MS_NODIRATIME, ",nodiratime"},	  {MS_RELATIME, ",relatime"},
		{MS_NOSYMFOLLOW, ",nosymfollow"},
	};

	pagoda_strlcpy(buf, read_only ? "ro" : "rw", size);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (mnt->mnt_flags & words[i].flag)
			pagoda_strlcpy(buf + strlen(buf), words[i].text, size - strlen(buf));
}

static void super_options(const struct vfsmount *mnt, char *buf, size_t size)
{
	struct super_block *sb = mnt->mnt_sb;

	buf[0] = '\0';
	if (sb->s_op && sb->s_op->show_options)
		sb->s_op->show_options(sb, buf, size);
}

/* What separates columns, and the escape itself. */
#define MOUNT_ESCAPES " \t\n\\"

/*
 * The mount with the smallest id above that of prev, which has a reference and loses it, or above
 * id if prev is NULL; with a reference, or NULL.
 */
static struct vfsmount *mount_after(struct vfsmount *prev, int id)
{
	struct vfsmount *next = NULL;

	spin_lock(&mount_lock);
	if (prev && !prev->mnt_detached && prev->mnt_list.next != &mount_list) {
		next = list_entry(prev->mnt_list.next, struct vfsmount, mnt_list);
		atomic_inc(&next->mnt_count);
	}
	spin_unlock(&mount_lock);
	if (!next)
		next = next_mount(id);
	if (prev)
		mntput(prev);
	return next;
}

/*
 * The mount that *index, the id of the last one shown, leads to; in open->cursor until
 * end_mounts().
 */
static const struct vfsmount *step_mount(struct proc_open *open, u64 *index)
{
	struct vfsmount *mnt = mount_after(open->cursor, (int)*index);

	open->cursor = mnt;
	if (mnt)
		*index = (u64)mnt->mnt_id;
	return mnt;
}

static int begin_mounts(struct proc_open *open)
{
	open->cursor = NULL;
	return 0;
}

static void end_mounts(struct proc_open *open)
{
	if (open->cursor)
		mntput(open->cursor);
}

/* Where it is, as seen from the process's root; false: it cannot be seen from there. */
static bool put_place(struct proc_text *t, const struct proc_open *open, const struct vfsmount *mnt)
{
	struct path path = {(struct vfsmount *)mnt, mnt->mnt_root};

	return proc_put_path(t, &path, &open->root, MOUNT_ESCAPES);
}

static int print_mount(struct proc_text *t, struct proc_open *open, u64 *index)
{
	const struct vfsmount *mnt = step_mount(open, index);
	char options[80], more[64];
	size_t start = t->len;

	if (!mnt)
		return 0;
	options_text(mnt, mnt_want_write((struct vfsmount *)mnt), options, sizeof(options));
	super_options(mnt, more, sizeof(more));
	proc_printf(t, "%s ", mnt->mnt_devname);
	if (put_place(t, open, mnt))
		proc_printf(t, " %s %s%s 0 0\n", mnt->mnt_sb->s_type, options, more);
	else
		t->len = start;
	return 1;
}

static int print_mountinfo(struct proc_text *t, struct proc_open *open, u64 *index)
{
	const struct vfsmount *mnt = step_mount(open, index);
	char options[80], more[64];
	size_t start = t->len;

	if (!mnt)
		return 0;
	options_text(mnt, mnt->mnt_flags & MS_RDONLY, options, sizeof(options));
	super_options(mnt, more, sizeof(more));
	proc_printf(t, "%d %d %u:%u / ", mnt->mnt_id, mnt->mnt_parent ? mnt->mnt_parent->mnt_id : 0,
		    MAJOR(mnt->mnt_sb->s_dev), MINOR(mnt->mnt_sb->s_dev));
	if (put_place(t, open, mnt))
		proc_printf(t, " %s - %s %s %s%s\n", options, mnt->mnt_sb->s_type, mnt->mnt_devname,
			    mnt->mnt_sb->s_readonly ? "ro" : "rw", more);
	else
		t->len = start;
	return 1;
}

const struct proc_records proc_mounts_records = {begin_mounts, print_mount, end_mounts};
const struct proc_records proc_mountinfo_records = {begin_mounts, print_mountinfo, end_mounts};
