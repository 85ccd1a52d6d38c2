/* SPDX-License-Identifier: MIT */
/*
 * memfd.c: memfd_create(2), a file of tmpfs without a name, and seals (F_ADD_SEALS), which forbid
 * changes for good.
 *
 * All memfds are on one tmpfs without a limit of its own. Other files of tmpfs have F_SEAL_SEAL
 * from the start, so that they cannot be sealed. Seals are obeyed where the change would happen
 * (tmpfs.c).
 *
 * Locking: i_seals under i_rwsem. Failure: EINVAL, EPERM, EBUSY (F_SEAL_WRITE while the file is
 * mapped shared), ENOMEM.
 */
#include <fs/vfs.h>
#include <fs/syscalls.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>

#define MFD_CLOEXEC	  1ul
#define MFD_ALLOW_SEALING 2ul
#define MFD_HUGETLB	  4ul
#define MFD_HUGE_SIZES	  0xfc000000ul /* with MFD_HUGETLB: which size */
#define MFD_NAME_MAX	  249

/* An open file, or ERR_PTR. sealing: it may be sealed. */
static struct file *memfd_file(const char *name, bool sealing)
{
	struct vfsmount *mnt = tmpfs_kern_mount();
	struct inode *inode;
	struct file *file;

	if (!mnt)
		return ERR_PTR(-ENOMEM);
	inode = tmpfs_new_inode(mnt->mnt_sb, S_IFREG | 0777, 0, NULL);
	if (IS_ERR(inode))
		return ERR_PTR(PTR_ERR(inode));
	inode->i_nlink = 0;
	inode->i_seals = sealing ? 0 : F_SEAL_SEAL;
	file = anon_file(mnt, name, inode, &tmpfs_file_ops, O_RDWR | O_LARGEFILE);
	if (!IS_ERR(file))
		file->f_path.dentry->d_flags |= DENTRY_DELETED; /* shows as "/memfd:x (deleted)" */
	return file;
}

long sys_memfd_create(unsigned long name, unsigned long flags)
{
	char text[MFD_NAME_MAX + 9] = "/memfd:";
	struct file *file;
	long len, fd;

	flags = (unsigned int)flags;
	if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB |
		      (flags & MFD_HUGETLB ? MFD_HUGE_SIZES : 0)))
		return -EINVAL;
	len = strncpy_from_user(text + 7, name, MFD_NAME_MAX + 1);
	if (len < 0)
		return len;
	if (len > MFD_NAME_MAX)
		return -EINVAL;
	if (flags & MFD_HUGETLB) /* there is no file system of huge pages */
		return -ENODEV;
	fd = get_unused_fd(0, flags & MFD_CLOEXEC ? O_CLOEXEC : 0);
	if (fd < 0)
		return fd;
	file = memfd_file(text, flags & MFD_ALLOW_SEALING);
	if (IS_ERR(file)) {
		put_unused_fd((int)fd);
		return PTR_ERR(file);
	}
	fd_install((int)fd, file);
	return fd;
}

/* ---- Seals ----------------------------------------------------------------------------------- */

long tmpfs_add_seals(struct file *file, unsigned int seals)
{
	struct inode *inode = file->f_inode;
	long ret = 0;

	if (!(file->f_mode & FMODE_WRITE))
		return -EPERM;
	if (seals & ~F_ALL_SEALS || file->f_op != &tmpfs_file_ops)
		return -EINVAL;
	down_write(&inode->i_rwsem);
	if (inode->i_seals & F_SEAL_SEAL)
		ret = -EPERM;
	else if ((seals & F_SEAL_WRITE) && inode->i_data.i_mmap_shared.node)
		ret = -EBUSY;
	else
		inode->i_seals |= seals;
	up_write(&inode->i_rwsem);
	return ret;
}

long tmpfs_get_seals(struct file *file)
{
	return file->f_op == &tmpfs_file_ops ? (long)file->f_inode->i_seals : -EINVAL;
}
