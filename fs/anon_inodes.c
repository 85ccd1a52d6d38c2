/* SPDX-License-Identifier: MIT */
/*
 * anon_inodes.c: files that stand for an object of the kernel and are in no directory.
 *
 *	eventfd, epoll (fs/)	signalfd, timerfd, pidfd (kernel/)
 *
 * Each file has an inode of a file system that is mounted nowhere; the object is the
 * file's private_data, freed by its release operation. They have no position (no lock
 * on it either: a reader may wait for a writer of the same file).
 *
 * Failure: ENOMEM, EMFILE; the object then stays the caller's. Observability: the name
 * given, as anon_inode:[eventfd], in /proc/PID/fd.
 */
#include <fs/vfs.h>
#include <pagoda/bug.h>

#define ANON_INODE_FS_MAGIC 0x09041934u

static struct vfsmount *anon_mount;

struct file *anon_object_file(const char *name, const struct file_operations *fops, void *private,
			      unsigned int flags)
{
	struct inode *inode = new_inode(anon_mount->mnt_sb, 0600);
	struct file *file;

	if (!inode)
		return ERR_PTR(-ENOMEM);
	file = anon_file(anon_mount, name, inode, fops, flags & (O_ACCMODE | O_NONBLOCK));
	if (IS_ERR(file))
		return file;
	file->f_mode |= FMODE_STREAM;
	file->private_data = private;
	return file;
}

int anon_object_fd(const char *name, const struct file_operations *fops, void *private,
		   unsigned int flags)
{
	struct file *file;
	int fd = get_unused_fd(0, flags & O_CLOEXEC);

	if (fd < 0)
		return fd;
	file = anon_object_file(name, fops, private, flags);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return (int)PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

void anon_inodes_init(void)
{
	struct super_block *sb = new_super("anon_inodefs", ANON_INODE_FS_MAGIC, NULL);

	anon_mount = sb ? kern_mount(sb) : NULL;
	if (!anon_mount)
		panic("no memory for files without names");
}
