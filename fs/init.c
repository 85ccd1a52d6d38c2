/* SPDX-License-Identifier: MIT */
/*
 * init.c: the file systems at boot: the caches, the root, what is mounted where.
 *
 *	/	tmpfs, filled from the initial archive
 *	/dev	devtmpfs (tmpfs with the nodes of devices.c)
 *	/proc	proc
 *
 * With root=vda on the kernel's command line the ext2 file system of that disk is
 * mounted on /.root, with the same /dev and /proc inside. /init, which is the archive's, reads its
 * errand and then makes that its root, so that programs see nothing else.
 *
 * Missing directories are made. A failure is the kernel's to report: without a root there
 * is nothing to run.
 */
#include <fs/shm.h>
#include <fs/vfs.h>
#include <pagoda/blkdev.h>
#include <pagoda/boot_option.h>
#include <pagoda/bug.h>
#include <pagoda/page_alloc.h>
#include <pagoda/string.h>

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

/* The root may take nine tenths of the memory, the archive's included, which becomes free. */
static int mount_root(struct fs_task *task, size_t archive_bytes)
{
	unsigned long pages = totalram_pages() + archive_bytes / PAGE_SIZE;
	struct super_block *sb;
	char options[48];
	int err;

	pagoda_snprintf(options, sizeof(options), "mode=755,size=%luk",
			pages * 9 / 10 * (PAGE_SIZE / SZ_1K));
	sb = tmpfs_mount("tmpfs", options);
	if (IS_ERR(sb))
		return (int)PTR_ERR(sb);
	err = do_add_mount(sb, NULL, "tmpfs", 0);
	return err ? err : fs_task_first(task);
}

static int mount_rest(void)
{
	int err = mount_on("/dev", devtmpfs_mount(), "devtmpfs");

	if (!err)
		err = devices_init();
	if (!err)
		err = tty_init();
	if (!err)
		err = mount_on("/proc", proc_mount(), "proc");
	if (!err)
		err = mount_on("/dev/pts", devpts_mount(), "devpts");
	if (!err)
		err = make_dir("/tmp", 01777);
	return err;
}

/* What is mounted at from is also mounted at to. */
static int mount_again(const char *from, const char *to)
{
	struct path path;
	int err = path_lookup(AT_FDCWD, from, LOOKUP_FOLLOW, &path);

	if (err)
		return err;
	err = mount_on(to, path.mnt->mnt_sb, path.mnt->mnt_devname);
	path_put(&path);
	return err;
}

#define ROOT_DIR "/.root"

static int mount_disk_root(void)
{
	static const char prefix[] = "/dev/";
	char root[32], device[40];
	const char *name = root;
	struct block_device *bdev;
	int err;

	if (!boot_option_copy("root", root, sizeof(root)))
		return 0;
	if (strncmp(root, prefix, sizeof(prefix) - 1) == 0)
		name += sizeof(prefix) - 1;
	bdev = find_block_device(name);
	if (!bdev) {
		pr_err("root=%s: no such disk", root);
		return -ENXIO;
	}
	pagoda_snprintf(device, sizeof(device), "/dev/%s", name);
	err = mount_on(ROOT_DIR, ext2_mount(bdev, "", bdev->read_only), device);
	if (!err)
		err = mount_again("/dev", ROOT_DIR "/dev");
	if (!err)
		err = mount_again("/proc", ROOT_DIR "/proc");
	return err ? err : mount_again("/dev/pts", ROOT_DIR "/dev/pts");
}

static void init_caches(void)
{
	inode_init();
	dcache_init();
	file_init();
	pipe_init();
	shm_init();
	swap_files_init();
	anon_inodes_init();
	epoll_init();
	unix_init();
}

int fs_init(struct fs_task *task, struct fs_boot *boot)
{
	int err;

	proc_set_cmdline(boot->cmdline);
	init_caches();
	boot->failed = "mount a tmpfs as the root";
	err = mount_root(task, boot->size);
	if (err)
		return err;
	task->fs->umask = 0;
	boot->failed = "unpack the initramfs";
	if (boot->size)
		err = initramfs_unpack(boot->archive, boot->size, boot->consumed);
	if (err)
		return err;
	boot->failed = "make /dev and /proc";
	err = mount_rest();
	if (err)
		return err;
	boot->failed = "mount the disk that is to be the root";
	err = mount_disk_root();
	task->fs->umask = 022;
	return err;
}
