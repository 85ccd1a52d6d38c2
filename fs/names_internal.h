/* SPDX-License-Identifier: MIT */
/*
 * names_internal.h: a directory that is about to change, for names.c and rename.c.
 *
 * The checks of this header come in Linux's order: what the last component is, whether the file
 * system may be written, what the name leads to, and only then what the caller may do.
 *
 * (N): called with s_names of the file system held.
 */
#pragma once

#include <fs/namei_internal.h>

/* The parent of a last component: references held; after begin_change() s_names as well. */
struct dir_change {
	struct path parent;
	struct last_name last;
};

static inline struct inode *dir_of(const struct dir_change *change)
{
	return change->parent.dentry->d_inode;
}

static inline struct mutex *names_lock(const struct dir_change *change)
{
	return &change->parent.dentry->d_sb->s_names;
}

/* The child that the last component names, with a reference, or ERR_PTR(-ENOENT ...). (N) */
static inline struct dentry *existing(const struct dir_change *change)
{
	return nd_child(change->parent.dentry, change->last.name, change->last.len);
}

/* May the caller add a name to this directory? 0, -ENOENT (it was removed), -EACCES, -EROFS. (N) */
int may_add(const struct dir_change *change) __must_check;
/* May the caller remove or replace this entry, dir: as a directory? 0 or -errno. (N) */
int may_remove(const struct dir_change *change, const struct dentry *victim, bool dir) __must_check;
/* The name of a new dentry becomes visible. 0 or what the disk says. (N) */
int add_name(struct inode *dir, struct dentry *dentry) __must_check;
/* The entries of dir have changed: set its times. (N) */
void touch_dir(struct inode *dir);
/* A name of inode was removed: count it, and set the inode's times. (N) */
void drop_link(struct inode *inode);
/* A subdirectory of dir was removed or moved: its ".." is a link of dir no more. (N) */
void drop_dir_link(struct inode *dir);
/* Would one more name (of a directory: one more subdirectory) be too many? */
static inline bool has_max_links(const struct inode *inode)
{
	return inode->i_sb->s_max_links && inode->i_nlink >= inode->i_sb->s_max_links;
}
