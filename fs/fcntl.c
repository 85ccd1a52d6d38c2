/* SPDX-License-Identifier: MIT */
/*
 * fcntl.c: fcntl(2) and ioctl(2): what concerns the descriptor or any file is done here,
 * the rest is the file's own.
 */
#include <fs/vfs.h>
#include <fs/syscalls.h>
#include <pagoda/abi/ioctl.h>
#include <pagoda/abi/fcntl.h>
#include <pagoda/uaccess.h>

#define FD_CLOEXEC 1u

#define SETFL_MASK (O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME)

/* Another thread may be changing other flags. */
static void change_flags(struct file *file, unsigned int mask, unsigned int value)
{
	unsigned int old = READ_ONCE(file->f_flags);

	while (!rmw_cmpxchg_relaxed(&file->f_flags, &old, (old & ~mask) | value))
		;
}

static long set_flags(struct file *file, unsigned int arg)
{
	if ((arg & O_NOATIME) && !(file->f_flags & O_NOATIME) &&
	    !inode_owner_or_capable(file->f_inode))
		return -EPERM;
	/* A pipe in packets says so by the same bit. */
	if ((arg & O_DIRECT) && !S_ISFIFO(file->f_inode->i_mode) && !file_can_direct(file))
		return -EINVAL;
	change_flags(file, SETFL_MASK, arg & SETFL_MASK);
	return 0;
}

/* ---- Owners: who would be told of a file's being ready --------------------------------------- */

struct f_owner_ex {
	int type, pid;
};
static_assert(sizeof(struct f_owner_ex) == 8, "struct f_owner_ex of the ABI");

/* The owner, or 0 if there is none any more. */
static int owner_of(const struct file *file)
{
	int owner = file->f_owner;

	if (!owner)
		return 0;
	if (file->f_owner_type == F_OWNER_PGRP)
		return fs_hook_pgrp_session(owner) >= 0 ? owner : 0;
	return fs_hook_task_exists(owner) ? owner : 0;
}

static long set_owner(struct file *file, enum file_owner_type type, int owner)
{
	if (owner && !fs_hook_task_exists(owner) && fs_hook_pgrp_session(owner) < 0)
		return -ESRCH; /* nothing has that number */
	file->f_owner_type = type;
	file->f_owner = owner;
	return 0;
}

static long set_owner_by_sign(struct file *file, int who)
{
	if (who == (int)0x80000000)
		return -EINVAL;
	return who < 0 ? set_owner(file, F_OWNER_PGRP, -who) : set_owner(file, F_OWNER_PID, who);
}

static long set_owner_ex(struct file *file, unsigned long arg)
{
	struct f_owner_ex ex;

	if (copy_from_user(&ex, arg, sizeof(ex)))
		return -EFAULT;
	if (ex.type < F_OWNER_TID || ex.type > F_OWNER_PGRP)
		return -EINVAL;
	return set_owner(file, (enum file_owner_type)ex.type, ex.pid);
}

static long get_owner_ex(const struct file *file, unsigned long arg)
{
	struct f_owner_ex ex = {(int)file->f_owner_type, owner_of(file)};

	return copy_to_user(arg, &ex, sizeof(ex)) ? -EFAULT : 0;
}

/* Those that O_PATH files allow. */
static long fcntl_any(struct file *file, unsigned int fd, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case F_DUPFD:
		return fd_dup_from(file, (unsigned int)arg, 0);
	case F_DUPFD_CLOEXEC:
		return fd_dup_from(file, (unsigned int)arg, O_CLOEXEC);
	case F_GETFD:
		return fd_is_cloexec(fs_current()->files, fd) ? FD_CLOEXEC : 0;
	case F_SETFD:
		fd_set_cloexec(fd, arg & FD_CLOEXEC);
		return 0;
	case F_GETFL:
		return (long)file->f_flags;
	default:
		return -EBADF;
	}
}

static long fcntl_file(struct file *file, unsigned int fd, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case F_SETFL:
		return set_flags(file, (unsigned int)arg);
	case F_GETLK:
	case F_OFD_GETLK:
		return fcntl_getlk(file, cmd, arg);
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return fcntl_setlk(file, fd, cmd, arg);
	case F_SETOWN:
		return set_owner_by_sign(file, (int)arg);
	case F_GETOWN:
		return file->f_owner_type == F_OWNER_PGRP ? -owner_of(file) : owner_of(file);
	case F_SETOWN_EX:
		return set_owner_ex(file, arg);
	case F_GETOWN_EX:
		return get_owner_ex(file, arg);
	case F_SETSIG:
		if (arg > 64)
			return -EINVAL;
		file->f_signo = (int)arg;
		return 0;
	case F_GETSIG:
		return file->f_signo;
	case F_SETPIPE_SZ:
	case F_GETPIPE_SZ:
		return pipe_fcntl(file, cmd, arg);
	case F_GETLEASE:
		return 2; /* F_UNLCK */
	case F_ADD_SEALS:
		return tmpfs_add_seals(file, (unsigned int)arg);
	case F_GET_SEALS:
		return tmpfs_get_seals(file);
	default:
		return -EINVAL;
	}
}

static bool allows_path(unsigned int cmd)
{
	return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC || cmd == F_GETFD || cmd == F_SETFD ||
	       cmd == F_GETFL;
}

long sys_fcntl(unsigned long fd, unsigned long cmd, unsigned long arg)
{
	struct fd f = fdget_raw((unsigned int)fd);
	unsigned int c = (unsigned int)cmd;
	long ret;

	if (!f.file)
		return -EBADF;
	if (allows_path(c) || (f.file->f_mode & FMODE_PATH))
		ret = fcntl_any(f.file, (unsigned int)fd, c, arg);
	else
		ret = fcntl_file(f.file, (unsigned int)fd, c, arg);
	fdput(f);
	return ret;
}

/* ---- ioctl ----------------------------------------------------------------------------------- */

#define FIONBIO	 0x5421u
#define FIONCLEX 0x5450u
#define FIOCLEX	 0x5451u
#define FIOASYNC 0x5452u
#define FIOQSIZE 0x5460u
#define FIBMAP	 1u
#define FIGETBSZ 2u
#define FICLONE	 0x40049409u

static long set_file_flag(struct file *file, unsigned int flag, unsigned long arg)
{
	int on;

	if (get_user(on, arg))
		return -EFAULT;
	change_flags(file, flag, on ? flag : 0);
	return 0;
}

/* The disk's block of a block of the file, 0: a hole. */
static long map_file_block(struct inode *inode, unsigned long arg)
{
	const struct address_space_operations *a_ops = inode->i_data.a_ops;
	u64 found;
	int block;

	if (!S_ISREG(inode->i_mode))
		return -ENOTTY;
	if (!fs_capable(CAP_SYS_RAWIO))
		return -EPERM;
	if (get_user(block, arg))
		return -EFAULT;
	if (!a_ops || !a_ops->bmap || block < 0)
		return -EINVAL;
	found = a_ops->bmap(&inode->i_data, (u64)block);
	block = found > INT32_MAX ? 0 : (int)found;
	if (put_user(block, arg))
		return -EFAULT;
	return found > INT32_MAX ? -ERANGE : 0;
}

static long do_ioctl(struct file *file, unsigned int fd, unsigned int cmd, unsigned long arg)
{
	struct inode *inode = file->f_inode;
	s64 size;
	int n;

	switch (cmd) {
	case FIOCLEX:
	case FIONCLEX:
		fd_set_cloexec(fd, cmd == FIOCLEX);
		return 0;
	case FIONBIO:
		return set_file_flag(file, O_NONBLOCK, arg);
	case FIOASYNC:
		return set_file_flag(file, O_ASYNC, arg);
	case FIOQSIZE:
		if (!S_ISREG(inode->i_mode) && !S_ISDIR(inode->i_mode))
			return -ENOTTY;
		size = (s64)inode->i_size;
		return put_user(size, arg);
	case FIBMAP:
		return map_file_block(inode, arg);
	case FIGETBSZ:
		n = inode->i_sb->s_blocksize ? (int)inode->i_sb->s_blocksize : (int)PAGE_SIZE;
		return put_user(n, arg);
	case FIONREAD:
		if (!S_ISREG(inode->i_mode))
			break;
		n = (int)(inode->i_size - file->f_pos);
		return put_user(n, arg);
	case FICLONE:
		return -EOPNOTSUPP;
	default:
		break;
	}
	return file->f_op->ioctl ? file->f_op->ioctl(file, cmd, arg) : -ENOTTY;
}

long sys_ioctl(unsigned long fd, unsigned long cmd, unsigned long arg)
{
	struct fd f = fdget((unsigned int)fd);
	long ret;

	if (!f.file)
		return -EBADF;
	ret = do_ioctl(f.file, (unsigned int)fd, (unsigned int)cmd, arg);
	fdput(f);
	return ret;
}
