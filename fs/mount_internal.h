/* SPDX-License-Identifier: MIT */
/* mount_internal.h: the tree of mounts (mount.c), for the calls that change it (mount_calls.c). */
#pragma once

#include <fs/vfs.h>

/* All mounts that have a place, in order of mounting. (mount_lock) */
extern struct list_head mount_list;
extern spinlock_t mount_lock;

/* Free sb, to which no mount leads any more, and so no path and no open file. May sleep. */
void free_super(struct super_block *sb);
/* mntput() for a caller that did not use the mount: the mark of MNT_EXPIRE stays. May sleep. */
void mntput_unused(struct vfsmount *mnt);
/*
 * Mount root, a directory (or file) of sb, at where (NULL: as the root of all) with these
 * mnt_flags. 0 or -ENOMEM. May sleep.
 */
int attach_mount(struct super_block *sb, struct dentry *root, const struct path *where,
		 const char *devname, unsigned long flags) __must_check;
/*
 * mnt_flags that mount(2)'s flags ask for; remounted: the mount whose atime flags stay if flags say
 * nothing of them, or NULL.
 */
unsigned long mount_flags_of(unsigned long flags, const struct vfsmount *remounted);
