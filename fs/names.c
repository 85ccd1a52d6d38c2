/* SPDX-License-Identifier: MIT */
/*
 * names.c: making, removing, linking and moving names, with every error Linux gives.
 *
 * Each operation walks to the parent, takes s_names of that file system (so that names
 * stand still), looks at what is there, checks in Linux's order, and only then changes
 * something. One lock for all names of a file system makes rename, which needs two
 * directories and their ancestors to hold still, no harder than the rest.
 *
 * Prepare, then commit: the new inode and dentry exist before the first visible change;
 * after it nothing can fail. A file system on a disk changes that first (add_name, unlink,
 * rename), which may fail; then memory follows, which may not.
 *
 * Link counts: a directory counts its own ".", its name and the ".." of each
 * subdirectory. Times: both directories and the object (ctime) change.
 */
#include <fs/vfs.h>
#include <fs/syscalls.h>
#include <fs/namei_internal.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>

#define RENAME_NOREPLACE 1u
#define RENAME_EXCHANGE	 2u
#define RENAME_WHITEOUT	 4u

#define LINK_MAX 32000u

/* A directory about to change: references held, s_names taken. */
struct dir_change {
	struct path parent;
	struct last_name last;
};

static struct inode *dir_of(const struct dir_change *change)
{
	return change->parent.dentry->d_inode;
}

static struct mutex *names_lock(const struct dir_change *change)
{
	return &change->parent.dentry->d_sb->s_names;
}

static int begin_change(struct dir_change *change, int dfd, const char *name)
{
	int err = path_parent(dfd, name, &change->parent, &change->last);

	if (!err)
		mutex_lock(names_lock(change));
	return err;
}

static void end_change(struct dir_change *change)
{
	mutex_unlock(names_lock(change));
	path_put(&change->parent);
}

static void touch_dir(struct inode *dir)
{
	dir->i_mtime = dir->i_ctime = current_time_ns();
	mark_inode_dirty(dir);
}

static struct dentry *existing(const struct dir_change *change)
{
	return nd_child(change->parent.dentry, change->last.name, change->last.len);
}

/* May names be added to this directory? */
static int may_add(const struct dir_change *change)
{
	struct inode *dir = dir_of(change);
	int err = mnt_want_write(change->parent.mnt);

	if (err)
		return err;
	if (change->parent.dentry->d_flags & DENTRY_DELETED)
		return -ENOENT;
	return inode_permission(dir, MAY_WRITE | MAY_EXEC);
}

/* May this entry be removed or replaced? dir: by rmdir (or a directory by rename). */
static int may_remove(const struct dir_change *change, struct dentry *victim, bool dir)
{
	struct inode *parent = dir_of(change), *inode = victim->d_inode;
	u32 fsuid = fs_current()->cred.fsuid;
	int err = inode_permission(parent, MAY_WRITE | MAY_EXEC);

	if (err)
		return err;
	if ((parent->i_mode & S_ISVTX) && !fs_capable() && inode->i_uid != fsuid &&
	    parent->i_uid != fsuid)
		return -EPERM;
	if (dir && !S_ISDIR(inode->i_mode))
		return -ENOTDIR;
	if (!dir && S_ISDIR(inode->i_mode))
		return -EISDIR;
	if (victim->d_flags & DENTRY_MOUNTED)
		return -EBUSY;
	return inode->i_swapfile ? -EPERM : 0;
}

/* ---- Creating ------------------------------------------------------------------------------- */

/* The name of a new dentry becomes visible. */
static int add_name(struct inode *dir, struct dentry *dentry)
{
	int err = dir->i_op->add_name ? dir->i_op->add_name(dir, dentry) : 0;

	if (!err)
		d_add(dentry);
	return err;
}

int vfs_create_locked(struct path *parent, const struct last_name *last, u32 mode, u64 rdev,
		      const char *target, struct dentry **out)
{
	struct dir_change change = { *parent, *last };
	struct inode *dir = dir_of(&change), *inode;
	struct dentry *dentry;
	int err = may_add(&change);

	if (err)
		return err;
	if (!dir->i_op->create)
		return S_ISREG(mode) ? -EACCES : -EPERM;
	if (S_ISDIR(mode) && dir->i_nlink >= LINK_MAX)
		return -EMLINK;
	inode = dir->i_op->create(dir, mode, rdev, target);
	if (IS_ERR(inode))
		return (int)PTR_ERR(inode);
	dentry = d_make(parent->dentry, last->name, last->len, igrab(inode));
	err = dentry ? add_name(dir, dentry) : -ENOMEM;
	if (err)
		inode->i_nlink = 0; /* and with its last reference it goes */
	iput(inode);
	if (err) {
		if (dentry)
			dput(dentry);
		return err;
	}
	if (S_ISDIR(mode))
		dir->i_nlink++;
	touch_dir(dir);
	if (out)
		*out = dentry;
	else
		dput(dentry);
	return 0;
}

/* What mkdir, mknod, symlink and link say of a last component that cannot be a new name. */
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
	return change->last.trailing && !dir ? -ENOENT : 0;
}

static int mknod_at(int dfd, const char *name, u32 mode, u64 rdev, const char *target, struct path *out)
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

/* ---- Removing ------------------------------------------------------------------------------------- */

/* One subdirectory less; "." and the name stay. */
static void drop_dir_link(struct inode *dir)
{
	if (dir->i_nlink > 2)
		dir->i_nlink--;
}

static void drop_link(struct inode *inode)
{
	if (inode->i_nlink) /* a disk may have counted too few */
		inode->i_nlink--;
	inode->i_ctime = current_time_ns();
	mark_inode_dirty(inode);
}

/* Take a name away whose removal was checked. */
static void remove_name(struct inode *dir, struct dentry *dentry)
{
	struct inode *inode = dentry->d_inode;

	if (S_ISDIR(inode->i_mode)) {
		inode->i_nlink = 0;
		inode->i_ctime = current_time_ns();
		mark_inode_dirty(inode);
		drop_dir_link(dir);
	} else {
		drop_link(inode);
	}
	touch_dir(dir);
	d_delete(dentry);
}

static int remove_locked(struct dir_change *change, struct dentry *victim, bool dir)
{
	struct inode *parent = dir_of(change);
	int err;

	if (change->last.trailing && !S_ISDIR(victim->d_inode->i_mode))
		return -ENOTDIR;
	err = mnt_want_write(change->parent.mnt);
	if (!err)
		err = may_remove(change, victim, dir);
	if (err)
		return err;
	if (!parent->i_op->create)
		return -EPERM;
	if (dir)
		err = dir_empty(victim);
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

int vfs_unlink(int dfd, const char *name, bool dir)
{
	struct dir_change change;
	struct dentry *victim;
	int err = begin_change(&change, dfd, name);

	if (err)
		return err;
	err = check_removable_name(change.last.type, dir);
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

/* ---- Linking ------------------------------------------------------------------------------------------ */

static int link_locked(struct dir_change *change, struct path *old)
{
	struct inode *inode = old->dentry->d_inode, *dir = dir_of(change);
	struct dentry *dentry;
	int err = check_new_name(change, false);

	if (err)
		return err;
	if (old->dentry->d_sb != change->parent.dentry->d_sb || old->mnt != change->parent.mnt)
		return -EXDEV;
	err = may_add(change);
	if (err)
		return err;
	if (S_ISDIR(inode->i_mode) || !dir->i_op->create)
		return -EPERM;
	if (inode->i_nlink == 0)
		return -ENOENT;
	if (inode->i_nlink >= LINK_MAX)
		return -EMLINK;
	dentry = d_make(change->parent.dentry, change->last.name, change->last.len, igrab(inode));
	if (!dentry)
		return -ENOMEM;
	/* Counted before it is named: stopped in between, there is a link too many, never one too few. */
	inode->i_nlink++;
	inode->i_ctime = current_time_ns();
	mark_inode_dirty(inode);
	err = add_name(dir, dentry);
	if (err)
		drop_link(inode);
	else
		touch_dir(dir);
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

/* ---- Renaming -------------------------------------------------------------------------------------------- */

/* Two names, maybe in one directory; s_names is held once they are on one file system. */
struct rename {
	struct dir_change from, to;
	unsigned int flags;
	struct dentry *old, *new; /* new NULL: the name is free */
	char *room_old, *room_new; /* for the names that they get */
};

/* A directory cannot move into itself, nor onto one of its ancestors. */
static int check_ancestry(const struct rename *r)
{
	if (d_is_ancestor(r->old, r->to.parent.dentry))
		return -EINVAL;
	if (r->new && d_is_ancestor(r->new, r->from.parent.dentry))
		return r->flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	return 0;
}

static int check_rename_target(const struct rename *r)
{
	bool old_is_dir = S_ISDIR(r->old->d_inode->i_mode);

	if (!r->new)
		return may_add(&r->to);
	if (r->flags & RENAME_EXCHANGE)
		return may_remove(&r->to, r->new, S_ISDIR(r->new->d_inode->i_mode));
	int err = may_remove(&r->to, r->new, old_is_dir);

	if (err)
		return err;
	return old_is_dir ? dir_empty(r->new) : 0;
}

static int check_rename(const struct rename *r)
{
	bool old_is_dir = S_ISDIR(r->old->d_inode->i_mode);
	int err;

	if (r->new && (r->flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (!r->new && (r->flags & RENAME_EXCHANGE))
		return -ENOENT;
	/* Slashes behind a name ask for a directory. */
	if (!old_is_dir && (r->from.last.trailing ||
			    (r->to.last.trailing && !(r->flags & RENAME_EXCHANGE))))
		return -ENOTDIR;
	if ((r->flags & RENAME_EXCHANGE) && r->to.last.trailing &&
	    !S_ISDIR(r->new->d_inode->i_mode))
		return -ENOTDIR;
	err = check_ancestry(r);
	if (!err)
		err = mnt_want_write(r->from.parent.mnt);
	if (!err && r->new && r->new->d_inode == r->old->d_inode)
		return 0;
	if (!err)
		err = may_remove(&r->from, r->old, old_is_dir);
	if (!err)
		err = check_rename_target(r);
	if (!err && !dir_of(&r->from)->i_op->create)
		err = -EPERM;
	return err;
}

/* ".." of a directory that changed its parent. */
static void move_dir_links(const struct dentry *moved, struct inode *from, struct inode *to)
{
	if (S_ISDIR(moved->d_inode->i_mode) && from != to) {
		drop_dir_link(from);
		to->i_nlink++;
	} /* touch_dir() follows for both */
}

static void note_rename(struct rename *r)
{
	struct inode *from = dir_of(&r->from), *to = dir_of(&r->to);

	touch_dir(from);
	touch_dir(to);
	r->old->d_inode->i_ctime = current_time_ns();
	mark_inode_dirty(r->old->d_inode);
}

/* The file system's own part of a rename. */
static int rename_on_disk(struct rename *r, bool exchange)
{
	struct inode *from = dir_of(&r->from);

	if (!from->i_op->rename)
		return 0;
	return from->i_op->rename(from, r->old, dir_of(&r->to), r->new, r->to.last.name,
				  r->to.last.len, exchange);
}

static void commit_exchange(struct rename *r)
{
	d_exchange(r->old, r->new, r->room_old, r->room_new);
	move_dir_links(r->old, dir_of(&r->from), dir_of(&r->to));
	move_dir_links(r->new, dir_of(&r->to), dir_of(&r->from));
	note_rename(r);
	mark_inode_dirty(r->new->d_inode);
}

static void commit_rename(struct rename *r)
{
	struct inode *from = dir_of(&r->from), *to = dir_of(&r->to);

	/* The target goes before the move so that no two children have one name; the lock hides it. */
	if (r->new)
		d_delete(r->new);
	d_move(r->old, r->to.parent.dentry, r->to.last.name, r->to.last.len, r->room_old);
	if (r->new && S_ISDIR(r->new->d_inode->i_mode)) {
		r->new->d_inode->i_nlink = 0;
		mark_inode_dirty(r->new->d_inode);
		drop_dir_link(to);
	} else if (r->new) {
		drop_link(r->new->d_inode);
	}
	move_dir_links(r->old, from, to);
	note_rename(r);
}

/* Allocate, then change the disk, then memory, which cannot fail. */
static int do_rename(struct rename *r)
{
	bool exchange = r->flags & RENAME_EXCHANGE;
	int err = -ENOMEM;

	if (r->new && r->new->d_inode == r->old->d_inode)
		return 0; /* two names of one file: nothing to do, both stay */
	r->room_old = d_name_room(r->to.last.len);
	r->room_new = d_name_room(r->from.last.len);
	if (!IS_ERR(r->room_old) && !IS_ERR(r->room_new))
		err = rename_on_disk(r, exchange);
	if (err) {
		d_name_room_free(r->room_old);
		d_name_room_free(r->room_new);
		return err;
	}
	if (exchange) {
		commit_exchange(r);
	} else {
		commit_rename(r);
		d_name_room_free(r->room_new);
	}
	return 0;
}

static int rename_locked(struct rename *r)
{
	int err;

	r->old = existing(&r->from);
	if (IS_ERR(r->old))
		return (int)PTR_ERR(r->old);
	r->new = existing(&r->to);
	if (r->new == ERR_PTR(-ENOENT))
		r->new = NULL;
	if (IS_ERR(r->new)) {
		dput(r->old);
		return (int)PTR_ERR(r->new);
	}
	err = check_rename(r);
	if (!err)
		err = do_rename(r);
	dput(r->old);
	return err;
}

static int rename_parents(struct rename *r)
{
	int err;

	if (r->from.parent.mnt != r->to.parent.mnt)
		return -EXDEV;
	if (r->from.last.type != LAST_NORM)
		return -EBUSY;
	if (r->to.last.type != LAST_NORM)
		return r->flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	mutex_lock(names_lock(&r->from));
	err = rename_locked(r);
	mutex_unlock(names_lock(&r->from));
	if (!IS_ERR(r->new))
		dput(r->new); /* may free the file it was: not under the lock */
	return err;
}

int vfs_rename(int olddfd, const char *old, int newdfd, const char *new, unsigned int flags)
{
	struct rename r = { .flags = flags };
	int err;

	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	if ((flags & RENAME_EXCHANGE) && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)))
		return -EINVAL;
	if (flags & RENAME_WHITEOUT)
		return -EINVAL;
	err = path_parent(olddfd, old, &r.from.parent, &r.from.last);
	if (err)
		return err;
	err = path_parent(newdfd, new, &r.to.parent, &r.to.last);
	if (!err) {
		err = rename_parents(&r);
		path_put(&r.to.parent);
	}
	path_put(&r.from.parent);
	return err;
}

/* ---- The system calls ------------------------------------------------------------------------------------------ */

static u32 with_umask(u32 mode)
{
	return mode & ~fs_current()->fs->umask;
}

long sys_mkdirat(unsigned long dfd, unsigned long path, unsigned long mode)
{
	char *name = fs_getname(path, false);
	long ret;

	if (IS_ERR(name))
		return PTR_ERR(name);
	ret = vfs_mknod((int)dfd, name, S_IFDIR | with_umask(mode & 01777), 0, NULL);
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
		return 0;
	case S_IFCHR:
	case S_IFBLK:
		return fs_capable() ? 0 : -EPERM;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
}

/* makedev as libc packs it into 64 bits. */
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
	if (IS_ERR(name))
		return PTR_ERR(name);
	if (!(m & S_IFMT))
		m |= S_IFREG;
	err = vfs_mknod((int)dfd, name, (m & S_IFMT) | with_umask(m & 07777), unpack_dev(dev), NULL);
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
	if (IS_ERR(name))
		return PTR_ERR(name);
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
	else if (IS_ERR(name))
		ret = PTR_ERR(name);
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
		if (!fs_capable())
			return -ENOENT;
		lookup |= LOOKUP_EMPTY;
	}
	old = fs_getname(oldpath, flags & AT_EMPTY_PATH);
	new = fs_getname(newpath, false);
	if (IS_ERR(old))
		ret = PTR_ERR(old);
	else if (IS_ERR(new))
		ret = PTR_ERR(new);
	else
		ret = vfs_link((int)olddfd, old, (int)newdfd, new, lookup);
	fs_putname(new);
	fs_putname(old);
	return ret;
}

long sys_link(unsigned long old, unsigned long new)
{
	return sys_linkat((unsigned long)AT_FDCWD, old, (unsigned long)AT_FDCWD, new, 0);
}

long sys_renameat2(unsigned long olddfd, unsigned long oldpath, unsigned long newdfd,
		   unsigned long newpath, unsigned long flags)
{
	char *old = fs_getname(oldpath, false), *new = fs_getname(newpath, false);
	long ret;

	if (IS_ERR(old))
		ret = PTR_ERR(old);
	else if (IS_ERR(new))
		ret = PTR_ERR(new);
	else
		ret = vfs_rename((int)olddfd, old, (int)newdfd, new, (unsigned int)flags);
	fs_putname(new);
	fs_putname(old);
	return ret;
}

long sys_renameat(unsigned long olddfd, unsigned long old, unsigned long newdfd, unsigned long new)
{
	return sys_renameat2(olddfd, old, newdfd, new, 0);
}

long sys_rename(unsigned long old, unsigned long new)
{
	return sys_renameat2((unsigned long)AT_FDCWD, old, (unsigned long)AT_FDCWD, new, 0);
}
