/* SPDX-License-Identifier: MIT */
/*
 * init.c: the file systems at boot: the caches, the root, what is mounted where.
 *
 *	/	tmpfs, filled from the initial archive
 *	/dev	devtmpfs (tmpfs with the nodes of devices.c)
 *	/proc	proc
 *
 * Missing directories are made. A failure is the kernel's to report: without a root there
 * is nothing to run.
 */
#include <fs/vfs.h>
#include <pagoda/bug.h>

static int make_dir(const char *name, u32 mode)
{
	int err = vfs_mknod(AT_FDCWD, name, S_IFDIR | mode, 0, NULL);

	return err == -EEXIST ? 0 : err;
}

static int mount_on(const char *dir, struct super_block *sb, const char *devname)
{
	struct path where;
	int err;

	if (IS_ERR(sb))
		return (int)PTR_ERR(sb);
	err = make_dir(dir, 0755);
	if (!err)
		err = path_lookup(AT_FDCWD, dir, LOOKUP_FOLLOW, &where);
	if (err)
		return err;
	err = do_add_mount(sb, &where, devname, 0);
	path_put(&where);
	return err;
}

static int mount_root(struct fs_task *task)
{
	struct super_block *sb = tmpfs_mount("tmpfs", "mode=755,size=90%");
	int err;

	if (IS_ERR(sb))
		return (int)PTR_ERR(sb);
	err = do_add_mount(sb, NULL, "tmpfs", 0);
	return err ? err : fs_task_first(task);
}

static int mount_rest(const char *cmdline)
{
	int err = mount_on("/dev", tmpfs_mount("devtmpfs", "mode=755"), "devtmpfs");

	if (!err)
		err = devices_init();
	if (!err)
		err = tty_init(cmdline);
	if (!err)
		err = mount_on("/proc", proc_mount(), "proc");
	if (!err)
		err = mount_on("/dev/pts", devpts_mount(), "devpts");
	if (!err)
		err = make_dir("/tmp", 01777);
	return err;
}

int fs_init(struct fs_task *task, const char *cmdline, const void *initrd, size_t size)
{
	int err;

	proc_set_cmdline(cmdline);
	inode_init();
	dcache_init();
	file_init();
	pipe_init();
	err = mount_root(task);
	if (err)
		return err;
	task->fs->umask = 0;
	if (size)
		err = initramfs_unpack(initrd, size);
	if (!err)
		err = mount_rest(cmdline);
	task->fs->umask = 022;
	return err;
}
