/* SPDX-License-Identifier: MIT */
/*
 * fs_struct.c: where a task is: its root, its current directory, its umask.
 *
 * CLONE_FS shares them, fork copies them. Each directory is held by references to its mount and
 * dentry. Locking: fs->lock; what is read under it is taken with references. Failure: ENOMEM.
 */
#include <pagoda/bug.h>
#include <fs/vfs.h>
#include <pagoda/slab.h>

struct fs_struct *fs_struct_copy(struct fs_struct *old)
{
	struct fs_struct *new = kzalloc(sizeof(*new), GFP_KERNEL);

	if (!new)
		return NULL;
	atomic_set(&new->count, 1);
	spin_lock_init(&new->lock, RANK_NONE);
	spin_lock(&old->lock);
	new->umask = old->umask;
	new->root = old->root;
	new->pwd = old->pwd;
	path_get(&new->root);
	path_get(&new->pwd);
	spin_unlock(&old->lock);
	return new;
}

void fs_struct_drop(struct fs_struct *fs)
{
	VM_BUG_ON(atomic_read(&fs->count) <= 0);
	if (!atomic_dec_and_test(&fs->count))
		return;
	path_put(&fs->root);
	path_put(&fs->pwd);
	kfree(fs);
}

int fs_task_unshare_fs(struct fs_task *task)
{
	struct fs_struct *old = task->fs, *new;

	if (atomic_read(&old->count) == 1)
		return 0;
	new = fs_struct_copy(old);
	if (!new)
		return -ENOMEM;
	task->fs = new;
	fs_struct_drop(old);
	return 0;
}

bool fs_task_shares_fs(const struct fs_task *task)
{
	return atomic_read(&task->fs->count) > 1;
}

struct fs_struct *fs_struct_first(void)
{
	struct fs_struct *fs = kzalloc(sizeof(*fs), GFP_KERNEL);

	if (!fs)
		return NULL;
	atomic_set(&fs->count, 1);
	spin_lock_init(&fs->lock, RANK_NONE);
	fs->umask = 022;
	fs->root = fs->pwd = (struct path){root_mount, root_mount->mnt_root};
	path_get(&fs->root);
	path_get(&fs->pwd);
	return fs;
}

void get_fs_root(struct path *root)
{
	struct fs_struct *fs = fs_current()->fs;

	spin_lock(&fs->lock);
	*root = fs->root;
	path_get(root);
	spin_unlock(&fs->lock);
}

void get_fs_pwd(struct path *pwd)
{
	struct fs_struct *fs = fs_current()->fs;

	spin_lock(&fs->lock);
	*pwd = fs->pwd;
	path_get(pwd);
	spin_unlock(&fs->lock);
}

void set_fs_path(struct path *which, const struct path *path)
{
	struct fs_struct *fs = fs_current()->fs;
	struct path old;

	path_get(path);
	spin_lock(&fs->lock);
	old = *which;
	*which = *path;
	spin_unlock(&fs->lock);
	path_put(&old);
}
