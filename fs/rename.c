/* SPDX-License-Identifier: MIT */
/*
 * rename.c: moving and exchanging names.
 *
 * One lock for all names of a file system (s_names) makes rename, which needs two directories and
 * their ancestors to hold still, no harder than the rest. The order of checks is Linux's: the two
 * parents, the mount, what both names lead to, then rights, then what the file systems refuse.
 *
 * Prepare, then commit: room for names first, then the disk, which may fail, then memory, which may
 * not.
 */
#include <fs/vfs.h>
#include <fs/syscalls.h>
#include <fs/names_internal.h>
#include <pagoda/bug.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>

#define RENAME_NOREPLACE 1u
#define RENAME_EXCHANGE	 2u
#define RENAME_WHITEOUT	 4u

/* Two names, maybe in one directory; s_names is held once they are on one file system. */
struct rename {
	struct dir_change from, to;
	unsigned int flags;
	struct dentry *old, *new;  /* new NULL: the name is free */
	char *room_old, *room_new; /* for the names that they get */
};

/* A directory cannot move into itself, nor onto one of its ancestors. */
static int check_ancestry(const struct rename *r)
{
	lockdep_assert_held(names_lock(&r->from));
	if (d_is_ancestor(r->old, r->to.parent.dentry))
		return -EINVAL;
	if (r->new &&d_is_ancestor(r->new, r->from.parent.dentry))
		return r->flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	return 0;
}

/* Slashes behind a name ask for a directory. */
static int check_slashes(const struct rename *r)
{
	bool exchange = r->flags & RENAME_EXCHANGE;

	if (exchange && r->to.last.trailing && !S_ISDIR(r->new->d_inode->i_mode))
		return -ENOTDIR;
	if (S_ISDIR(r->old->d_inode->i_mode))
		return 0;
	return r->from.last.trailing || (r->to.last.trailing && !exchange) ? -ENOTDIR : 0;
}

static int check_target_rights(const struct rename *r)
{
	bool dir = S_ISDIR((r->flags & RENAME_EXCHANGE ? r->new : r->old)->d_inode->i_mode);

	return r->new ? may_remove(&r->to, r->new, dir) : may_add(&r->to);
}

/* A directory that gets another parent is written to: its "..". */
static int may_get_parent(const struct dentry *moved)
{
	return S_ISDIR(moved->d_inode->i_mode) ? inode_permission(moved->d_inode, MAY_WRITE) : 0;
}

/* Would the new parent of a directory have too many subdirectories? */
static bool overfills(const struct dentry *moved, const struct dentry *replaced,
		      const struct inode *to)
{
	return S_ISDIR(moved->d_inode->i_mode) &&
	       !(replaced && S_ISDIR(replaced->d_inode->i_mode)) && has_max_links(to);
}

static int check_parents(const struct rename *r)
{
	int err;

	if (dir_of(&r->from) == dir_of(&r->to))
		return 0;
	err = may_get_parent(r->old);
	return err || !(r->flags & RENAME_EXCHANGE) ? err : may_get_parent(r->new);
}

static int check_rights(const struct rename *r)
{
	int err = may_remove(&r->from, r->old, S_ISDIR(r->old->d_inode->i_mode));

	if (!err)
		err = check_target_rights(r);
	if (!err && !dir_of(&r->from)->i_op->create)
		err = -EPERM;
	return err ? err : check_parents(r);
}

/* What the file systems refuse. */
static int check_places(const struct rename *r)
{
	struct inode *from = dir_of(&r->from), *to = dir_of(&r->to);

	if ((r->old->d_flags & DENTRY_MOUNTED) || (r->new && (r->new->d_flags &DENTRY_MOUNTED)))
		return -EBUSY;
	if (from != to && (overfills(r->old, r->new, to) ||
			   ((r->flags & RENAME_EXCHANGE) && overfills(r->new, r->old, from))))
		return -EMLINK;
	if (r->new && !(r->flags & RENAME_EXCHANGE) && S_ISDIR(r->old->d_inode->i_mode))
		return dir_empty(r->new);
	return 0;
}

/* Two names of one file: nothing to do, both stay. */
static bool is_same_file(const struct rename *r)
{
	return r->new && r->new->d_inode == r->old->d_inode;
}

static int check_rename(const struct rename *r)
{
	int err;

	if (r->new && (r->flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (!r->new && (r->flags & RENAME_EXCHANGE))
		return -ENOENT;
	err = check_slashes(r);
	if (!err)
		err = check_ancestry(r);
	if (err || is_same_file(r))
		return err;
	err = check_rights(r);
	return err ? err : check_places(r);
}

/*
 * The link counts of both parents, if moved is a directory that changed its parent. note_rename()
 * marks them dirty.
 */
static void move_dir_links(const struct dentry *moved, struct inode *from, struct inode *to)
{
	if (S_ISDIR(moved->d_inode->i_mode) && from != to) {
		drop_dir_link(from);
		inc_nlink(to);
	}
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

	/*
	 * The target goes before the move so that no two children have one name; the lock hides it.
	 */
	if (r->new)
		d_delete(r->new);
	d_move(r->old, r->to.parent.dentry, r->to.last.name, r->to.last.len, r->room_old);
	if (r->new &&S_ISDIR(r->new->d_inode->i_mode)) {
		clear_nlink(r->new->d_inode);
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

	if (is_same_file(r))
		return 0;
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

	lockdep_assert_held(names_lock(&r->from));
	VM_BUG_ON(r->from.parent.dentry->d_sb != r->to.parent.dentry->d_sb);
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
	err = mnt_want_write(r->from.parent.mnt);
	if (err)
		return err;
	mutex_lock(names_lock(&r->from));
	err = rename_locked(r);
	mutex_unlock(names_lock(&r->from));
	if (!IS_ERR(r->new))
		/* may free the file that was replaced, which must not happen under s_names */
		dput(r->new);
	return err;
}

int vfs_rename(int olddfd, const char *old, int newdfd, const char *new, unsigned int flags)
{
	struct rename r = {.flags = flags};
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

/* ---- The system calls ------------------------------------------------------------------------ */

long sys_renameat2(unsigned long olddfd, unsigned long oldpath, unsigned long newdfd,
		   unsigned long newpath, unsigned long flags)
{
	char *old = fs_getname(oldpath, false), *new = fs_getname(newpath, false);
	long ret = vfs_rename((int)olddfd, old, (int)newdfd, new, (unsigned int)flags);

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
